//! A headless client of Entre Nous: what a browser does, without the browser. The server's tests act as
//! people with it, the load generator makes thousands of them, and bots are built on it.
//!
//! # A tour
//!
//! [`Client::register`] and [`Client::log_in`] give a signed-in [`Client`] (`account`). It finds people and
//! opens conversations (`conversations`), sends and reads messages (`messages`), and listens (`live`). Whoever
//! wants to go on after a lost connection lets [`Client::follow`] do all of that (`follower`, `outbox`,
//! `receipts`). It
//! keeps to docs/e2ee.md: it pins whom it meets, makes and adopts epochs, and keeps the vault and the keyring
//! on the server up to date.
//!
//! A `Client` is cheap to clone; clones are the same signed-in person. What it knows of epochs it learns from
//! the server as it needs it, so several clients of one account get along like several browsers.
//!
//! [`wire`] has the JSON of the API as far as it is needed here, written apart from the server's own types:
//! the two agree because the server's tests run this client.

mod account;
mod api;
mod backoff;
mod conversations;
mod error;
mod follower;
mod live;
mod messages;
mod outbox;
mod receipts;
pub mod wire;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use e2ee::{Keychain, RecoveryCode};
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

pub use account::{PendingLogin, SignUp, WayIn};
pub use backoff::Backoff;
pub use error::{Error, Result};
pub use follower::{Follower, Place};
pub use live::{Event, Live};
pub use messages::{Content, Message, Reaction};

use api::Api;
use conversations::Thread;
use wire::Me;

/// A signed-in person.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    api: Api,
    session: Uuid,
    me: Me,
    recovery_code: Option<RecoveryCode>,
    keychain: Mutex<Keychain>,
    threads: Mutex<HashMap<Uuid, Arc<Mutex<Thread>>>>,
    /// Milliseconds to add to this machine's clock: what tests want, and what the server's clock shows.
    advanced: AtomicI64,
    skew: AtomicI64,
}

/// Who it is; never the token or a key.
impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id())
            .field("handle", &self.handle())
            .finish_non_exhaustive()
    }
}

impl Client {
    pub fn id(&self) -> Uuid {
        self.shared.me.person.id
    }

    pub fn handle(&self) -> &str {
        &self.shared.me.person.handle
    }

    /// The profile as it was at sign-up or log-in.
    pub fn me(&self) -> &Me {
        &self.shared.me
    }

    pub fn session(&self) -> Uuid {
        self.shared.session
    }

    /// The session's token, as in the cookie.
    pub fn token(&self) -> &str {
        self.shared.api.token()
    }

    /// Only after [`Client::register`]: it is shown once.
    pub fn recovery_code(&self) -> Option<&RecoveryCode> {
        self.shared.recovery_code.as_ref()
    }

    /// The keys themselves, for whoever must do something unusual with them. While the guard lives, the
    /// client waits.
    pub async fn keychain(&self) -> MutexGuard<'_, Keychain> {
        self.shared.keychain.lock().await
    }

    /// Moves this client's clock; for tests that move the server's as well, and do not wait a week.
    pub fn advance_clock(&self, by: Duration) {
        self.move_clock(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }

    /// As [`Client::advance_clock`], in milliseconds; back if they are negative.
    pub fn move_clock(&self, by: i64) {
        self.shared.advanced.fetch_add(by, Ordering::Relaxed);
    }

    fn api(&self) -> &Api {
        &self.shared.api
    }

    /// Milliseconds since 1970, by the server's clock as far as it is known: by a clock that is weeks off, every
    /// epoch would look over as soon as it has begun.
    fn now(&self) -> u64 {
        self.local_now().saturating_add_signed(self.shared.skew.load(Ordering::Relaxed))
    }

    /// The server just now said what time it is.
    fn set_clock(&self, server_time: u64) {
        self.shared.skew.store(server_time.cast_signed() - self.local_now().cast_signed(), Ordering::Relaxed);
    }

    fn local_now(&self) -> u64 {
        now().saturating_add_signed(self.shared.advanced.load(Ordering::Relaxed))
    }
}

/// Milliseconds since 1970, by this machine.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
