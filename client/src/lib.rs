//! A headless client of Entre Nous: what a browser does, without the browser. The server's tests act as
//! people with it, the load generator makes thousands of them, and bots are built on it.
//!
//! # A tour
//!
//! [`Client::register`] and [`Client::log_in`] give a signed-in [`Client`] (`account`). It finds people and
//! opens conversations (`conversations`), sends and reads messages (`messages`), and listens (`live`). It
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
mod conversations;
mod error;
mod live;
mod messages;
pub mod wire;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use e2ee::{Keychain, RecoveryCode};
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

pub use error::{Error, Result};
pub use live::{Event, Live};
pub use messages::{Content, Message};

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
    clock_offset: AtomicU64,
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

    /// Lets this client believe that it is later. It begins a new epoch when the present one is a week old.
    pub fn advance_clock(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.shared.clock_offset.fetch_add(by, Ordering::Relaxed);
    }

    fn api(&self) -> &Api {
        &self.shared.api
    }

    fn now(&self) -> u64 {
        now() + self.shared.clock_offset.load(Ordering::Relaxed)
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
