//! Who is connected, and what waits for them.
//!
//! Each connection has a mailbox: a bounded queue of events. Publishing never waits and never touches a
//! network socket: it puts one shared string into each mailbox and wakes whoever empties it. There are three
//! ways to do that: the WebSocket ([`socket`]), a stream of server-sent events ([`stream`]) where proxies do
//! not let one through, and asking again and again ([`poll`]) where they also hold streams back.
//!
//! All three are only fast paths. A reader too slow for its mailbox is cut off, a connection may break at any
//! time, and each new one begins with `ready`, at which the client finds by `rev` what it missed.

pub mod poll;
pub mod presence;
pub mod socket;
pub mod stream;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::app::App;
use crate::clock::{Clock, HOUR, Millis};
use crate::cluster::{Cluster, Followed, Notice};
use crate::error::{Code, Error, Result};
use crate::event::Event;
use crate::sessions::{self, CurrentAccount};

use presence::Attendance;

/// Something is said at least this often, by every way: it keeps proxies from taking a quiet connection for a
/// dead one, and finds out dead ones.
const HEARTBEAT: Duration = Duration::from_secs(25);
/// What may wait for a slow reader.
const MAX_QUEUED_BYTES: usize = 1 << 20;
/// Tabs and browsers of one person, with room to spare.
const MAX_CONNECTIONS: usize = 64;

/// Why the server ends a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CloseReason {
    SignedOut,
    TooManyFrames,
    BadFrame,
    TooSlow,
    Restarting,
}

/// Tells the connections of this process apart.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(u64);

/// All connections of this process, and through the cluster those of the others.
#[derive(Clone)]
pub struct Live {
    connected: Arc<RwLock<Connected>>,
    presence: Arc<Attendance>,
    cluster: Cluster,
}

#[derive(Default)]
struct Connected {
    mailboxes: HashMap<Uuid, Vec<Arc<Mailbox>>>,
    /// The server stops: whoever still comes is closed at once.
    stopping: bool,
}

impl Live {
    pub fn new(clock: Clock, cluster: Cluster) -> Self {
        let presence = Arc::new(Attendance::new(clock, cluster.clone()));
        Self { connected: Arc::default(), presence, cluster }
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub fn presence(&self) -> &Attendance {
        &self.presence
    }

    /// Hand an event to every connection of these accounts.
    pub fn publish(&self, accounts: &[Uuid], event: &Event) {
        self.publish_except(None, accounts, event);
    }

    /// As [`Live::publish`], but not to one connection that hears of it in another way. Serialised once, shared
    /// by all.
    pub fn publish_except(&self, except: Option<ConnectionId>, accounts: &[Uuid], event: &Event) {
        let mut text: Option<Utf8Bytes> = None;
        let connected = self.connected.read().unwrap_or_else(PoisonError::into_inner);
        let of_accounts = accounts.iter().filter_map(|account| connected.mailboxes.get(account)).flatten();
        for mailbox in of_accounts.filter(|mailbox| Some(mailbox.id) != except) {
            mailbox.push(text.get_or_insert_with(|| json(event)).clone());
        }
        drop(connected);
        if self.cluster.has_others() {
            let text = text.unwrap_or_else(|| json(event));
            accounts.iter().for_each(|account| self.cluster.publish(*account, &text));
        }
    }

    /// What another node has published.
    pub fn deliver(&self, account: Uuid, event: &Utf8Bytes) {
        let connected = self.connected.read().unwrap_or_else(PoisonError::into_inner);
        let mailboxes = connected.mailboxes.get(&account).into_iter().flatten();
        mailboxes.for_each(|mailbox| mailbox.push(event.clone()));
    }

    /// How many there are to this node.
    pub fn connections(&self) -> u64 {
        let connected = self.connected.read().unwrap_or_else(PoisonError::into_inner);
        connected.mailboxes.values().map(|of_account| of_account.len() as u64).sum()
    }

    /// Those that somebody has to this node.
    pub fn connections_of(&self, account: Uuid) -> Vec<ConnectionId> {
        let connected = self.connected.read().unwrap_or_else(PoisonError::into_inner);
        connected.mailboxes.get(&account).into_iter().flatten().map(|mailbox| mailbox.id).collect()
    }

    /// Whether one of these connections of somebody is still there.
    pub fn is_any_open(&self, account: Uuid, connections: &[ConnectionId]) -> bool {
        let connected = self.connected.read().unwrap_or_else(PoisonError::into_inner);
        let mut of_account = connected.mailboxes.get(&account).into_iter().flatten();
        of_account.any(|mailbox| connections.contains(&mailbox.id))
    }

    /// Close the connections of a session that has ended, wherever they are.
    pub fn close_session(&self, account: Uuid, session: Uuid) {
        self.close_session_here(account, session);
        self.cluster.tell(&Notice::SessionEnded { account, session });
    }

    pub fn close_session_here(&self, account: Uuid, session: Uuid) {
        let connected = self.connected.read().unwrap_or_else(PoisonError::into_inner);
        let of_account = connected.mailboxes.get(&account).into_iter().flatten();
        of_account
            .filter(|mailbox| mailbox.session == session)
            .for_each(|mailbox| mailbox.close(CloseReason::SignedOut));
    }

    /// Close every connection, also those that still come.
    pub fn stop(&self) {
        let mut connected = self.connected.write().unwrap_or_else(PoisonError::into_inner);
        connected.stopping = true;
        connected.mailboxes.values().flatten().for_each(|mailbox| mailbox.close(CloseReason::Restarting));
    }

    /// Close every connection: each comes back, and looks for what it missed.
    pub fn begin_again(&self) {
        let connected = self.connected.read().unwrap_or_else(PoisonError::into_inner);
        connected.mailboxes.values().flatten().for_each(|mailbox| mailbox.close(CloseReason::Restarting));
    }

    /// A place among the connections of the account, with `first` as its first event.
    async fn join(&self, account: Uuid, session: Uuid, first: &Event) -> Result<Place> {
        // Before `first`: what other nodes tell until then is found by whoever looks after it.
        let followed = self.cluster.follow(self, account).await;
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mailbox = Arc::new(Mailbox {
            id: ConnectionId(NEXT.fetch_add(1, Ordering::Relaxed)),
            session,
            queue: Mutex::default(),
            wake: Notify::new(),
        });
        mailbox.push(json(first));
        let mut connected = self.connected.write().unwrap_or_else(PoisonError::into_inner);
        if connected.stopping {
            mailbox.close(CloseReason::Restarting);
        }
        let of_account = connected.mailboxes.entry(account).or_default();
        if of_account.len() >= MAX_CONNECTIONS {
            return Err(Error::TooManyAttempts { retry_after_seconds: 60 });
        }
        of_account.push(mailbox.clone());
        Ok(Place { live: self.clone(), account, mailbox, _followed: followed })
    }
}

/// A connection's place among the others, given up when dropped, however the connection ends.
struct Place {
    live: Live,
    account: Uuid,
    mailbox: Arc<Mailbox>,
    _followed: Option<Arc<Followed>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.live.presence.leave(self.account, &self.mailbox);
        let mut connected = self.live.connected.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_account) = connected.mailboxes.get_mut(&self.account) {
            of_account.retain(|other| other.id != self.mailbox.id);
            if of_account.is_empty() {
                connected.mailboxes.remove(&self.account);
            }
        }
    }
}

/// What waits for one connection.
struct Mailbox {
    id: ConnectionId,
    session: Uuid,
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Utf8Bytes>,
    bytes: usize,
    close: Option<CloseReason>,
}

/// Events in their order, and perhaps the end after them.
#[derive(Default)]
struct Mail {
    events: VecDeque<Utf8Bytes>,
    close: Option<CloseReason>,
}

impl Mailbox {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, text: Utf8Bytes) {
        let mut queue = self.queue();
        if queue.close.is_some() {
            return;
        }
        let was_empty = queue.events.is_empty();
        queue.bytes += text.len();
        queue.events.push_back(text);
        if queue.bytes > MAX_QUEUED_BYTES {
            drop(queue);
            return self.close(CloseReason::TooSlow);
        }
        if was_empty {
            self.wake.notify_one();
        }
    }

    fn close(&self, reason: CloseReason) {
        let mut queue = self.queue();
        queue.close.get_or_insert(reason);
        // A reader cut off for slowness gets what it missed by `rev`; nothing more is kept for it here.
        if reason == CloseReason::TooSlow {
            queue.events.clear();
        }
        self.wake.notify_one();
    }

    fn is_closed(&self) -> bool {
        self.queue().close.is_some()
    }

    /// All that waits, as soon as there is something. Nothing is lost when this is dropped before it is done.
    async fn mail(&self) -> Mail {
        loop {
            {
                let mut queue = self.queue();
                if !queue.events.is_empty() || queue.close.is_some() {
                    queue.bytes = 0;
                    return Mail { events: std::mem::take(&mut queue.events), close: queue.close };
                }
            }
            self.wake.notified().await;
        }
    }
}

fn json(event: &Event) -> Utf8Bytes {
    // Serialising our own types to memory cannot fail.
    serde_json::to_string(event).unwrap_or_default().into()
}

/// One connection of somebody signed in, by whichever way.
struct Connection {
    app: App,
    current: CurrentAccount,
    place: Place,
    touched_at: Millis,
}

impl Connection {
    /// From here on nothing that happens is missed: it waits behind `ready`.
    async fn open(app: App, current: CurrentAccount) -> Result<Self> {
        let touched_at = app.clock.now();
        let ready = Event::Ready { session: current.session, server_time: touched_at };
        let place = app.live.join(current.account, current.session, &ready).await?;
        let mut connection = Self { app, current, place, touched_at };
        // It may have ended between the request and the joining; from here on its end closes this connection.
        connection.stay().await.map_err(|_| Code::SignedOut)?;
        Ok(connection)
    }

    /// Each heartbeat asks whether the session still stands, and notes once in a while that it is in use.
    async fn stay(&mut self) -> Result<(), CloseReason> {
        let now = self.app.clock.now();
        match sessions::stands(&self.app, self.current.session).await {
            Ok(true) => {}
            Ok(false) => return Err(CloseReason::SignedOut),
            // A database that does not answer says nothing about the session.
            Err(error) => tracing::warn!(%error, "a session could not be looked at"),
        }
        if now >= self.touched_at + HOUR && sessions::touch(&self.app, self.current.session).await.is_ok() {
            self.touched_at = now;
            self.current.expires_at = now + sessions::ABSENCE;
        }
        Ok(())
    }
}
