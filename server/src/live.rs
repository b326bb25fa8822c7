//! The live connection: who is connected, and the WebSocket that carries events to them.
//!
//! A socket is only a fast path. Its queue is bounded; a reader too slow for it is cut off and finds by `rev`
//! what it missed. Publishing never waits and never touches a socket: it puts one shared string into each
//! queue and wakes the connection's own task, which writes all that waits in one go.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use futures_util::SinkExt;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{MissedTickBehavior, interval, timeout};
use uuid::Uuid;

use crate::app::App;
use crate::clock::{Clock, HOUR, Millis};
use crate::error::{Code, Error, Problem, Result};
use crate::event::{Event, Frame};
use crate::messages::{self, Accepted, NewMessage};
use crate::sessions::{self, CurrentAccount};
use crate::writer;

/// Keeps proxies from taking a quiet connection for a dead one, and finds out dead ones.
const PING_EVERY: Duration = Duration::from_secs(25);
/// Every living client answers pings; one that has not for this long is gone, whatever TCP still believes.
const SILENCE: Duration = Duration::from_secs(60);
/// How long one write may take before the reader counts as too slow.
const PATIENCE: Duration = Duration::from_secs(20);
const LAST_WORD: Duration = Duration::from_secs(5);
/// What may wait for a slow reader.
const MAX_QUEUED_BYTES: usize = 1 << 20;
/// The largest envelope in base64, with its frame around it.
const MAX_FRAME_BYTES: usize = 64 << 10;
/// Tabs and browsers of one person, with room to spare.
const MAX_SOCKETS: usize = 64;
/// Frames of one socket that are worked on at once; a sender may have several messages under way.
const MAX_UNDER_WAY: usize = 64;

/// Why a socket is closed, as close codes that the client tells apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CloseReason {
    SignedOut,
    TooManyFrames,
    BadFrame,
    TooSlow,
    Restarting,
}

impl CloseReason {
    fn frame(self) -> CloseFrame {
        let (code, reason) = match self {
            CloseReason::SignedOut => (4401, "signed out"),
            CloseReason::TooManyFrames => (4408, "too many frames"),
            CloseReason::BadFrame => (4413, "a frame that is too large or not text"),
            CloseReason::TooSlow => (1013, "too slow: connect again and catch up"),
            CloseReason::Restarting => (1012, "the server restarts"),
        };
        CloseFrame { code, reason: reason.into() }
    }
}

/// All connections of this process.
#[derive(Clone, Default)]
pub struct Live {
    connections: Arc<RwLock<HashMap<Uuid, Vec<Arc<Connection>>>>>,
}

/// Tells the connections of this process apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ConnectionId(u64);

struct Connection {
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

impl Live {
    /// Hand an event to every connection of these accounts, `except` one that hears of it in another way.
    /// Serialised once, shared by all.
    pub fn publish(&self, accounts: &[Uuid], event: &Event, except: Option<ConnectionId>) {
        let connections = self.connections.read().unwrap_or_else(PoisonError::into_inner);
        let mut text: Option<Utf8Bytes> = None;
        let of_accounts = accounts.iter().filter_map(|account| connections.get(account)).flatten();
        for connection in of_accounts.filter(|connection| Some(connection.id) != except) {
            connection.push(text.get_or_insert_with(|| json(event)).clone());
        }
    }

    /// Close the sockets of a session that has ended.
    pub fn close_session(&self, account: Uuid, session: Uuid, reason: CloseReason) {
        let connections = self.connections.read().unwrap_or_else(PoisonError::into_inner);
        let of_account = connections.get(&account).into_iter().flatten();
        of_account
            .filter(|connection| connection.session == session)
            .for_each(|connection| connection.close(reason));
    }

    /// Close every socket.
    pub fn close_all(&self, reason: CloseReason) {
        let connections = self.connections.read().unwrap_or_else(PoisonError::into_inner);
        connections.values().flatten().for_each(|connection| connection.close(reason));
    }

    fn sockets_of(&self, account: Uuid) -> usize {
        let connections = self.connections.read().unwrap_or_else(PoisonError::into_inner);
        connections.get(&account).map_or(0, Vec::len)
    }

    fn join(&self, account: Uuid, session: Uuid) -> Membership {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let connection = Arc::new(Connection {
            id: ConnectionId(NEXT.fetch_add(1, Ordering::Relaxed)),
            session,
            queue: Mutex::default(),
            wake: Notify::new(),
        });
        let mut connections = self.connections.write().unwrap_or_else(PoisonError::into_inner);
        connections.entry(account).or_default().push(connection.clone());
        Membership { live: self.clone(), account, connection }
    }
}

/// A connection's place among the others, given up when dropped, however its task ends.
struct Membership {
    live: Live,
    account: Uuid,
    connection: Arc<Connection>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut connections = self.live.connections.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_account) = connections.get_mut(&self.account) {
            of_account.retain(|other| other.id != self.connection.id);
            if of_account.is_empty() {
                connections.remove(&self.account);
            }
        }
    }
}

impl Connection {
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

    fn take(&self) -> (VecDeque<Utf8Bytes>, Option<CloseReason>) {
        let mut queue = self.queue();
        queue.bytes = 0;
        (std::mem::take(&mut queue.events), queue.close)
    }
}

fn json(event: &Event) -> Utf8Bytes {
    // Serialising our own types to memory cannot fail.
    serde_json::to_string(event).unwrap_or_default().into()
}

/// Open the live connection (WebSocket, text frames of JSON). The client sends `Frame`s, the server `Event`s.
#[utoipa::path(get, path = "/live", tag = "live", responses(
    (status = 101, description = "Switching to WebSocket"), (status = "default", body = Problem)))]
pub async fn live(
    current: CurrentAccount,
    State(app): State<App>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response> {
    check_origin(&app, &headers)?;
    if app.live.sockets_of(current.account) >= MAX_SOCKETS {
        return Err(Error::TooManyAttempts { retry_after_seconds: 60 });
    }
    let upgrade = upgrade
        // An idle connection holds its buffers: these sizes are 7 KiB instead of 136 (axum's default).
        .read_buffer_size(4 << 10)
        .write_buffer_size(16 << 10)
        .max_write_buffer_size(4 << 20)
        .max_message_size(MAX_FRAME_BYTES)
        .max_frame_size(MAX_FRAME_BYTES);
    Ok(upgrade.on_upgrade(async move |socket| {
        let membership = app.live.join(current.account, current.session);
        let tasks = app.tasks.clone();
        tasks.track_future(Talk::new(app, current, membership).run(socket)).await;
    }))
}

/// A browser names the page that opens a socket; only our own page may, since cookies come along by themselves.
fn check_origin(app: &App, headers: &HeaderMap) -> Result<()> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    let ours = match &app.config.public_url {
        Some(url) => origin == url.origin,
        None => {
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
            origin.split_once("://").is_some_and(|(_, authority)| authority == host)
        }
    };
    if ours { Ok(()) } else { Err(Code::BadOrigin.into()) }
}

/// One open socket.
struct Talk {
    app: App,
    current: CurrentAccount,
    membership: Membership,
    frames: RateLimiter<NotKeyed, InMemoryState, Clock, NoOpMiddleware<Nanos>>,
    under_way: Arc<Semaphore>,
    touched_at: Millis,
}

impl Talk {
    fn new(app: App, current: CurrentAccount, membership: Membership) -> Self {
        let per_second = NonZeroU32::new(app.config.frames_per_second).unwrap_or(NonZeroU32::MIN);
        Self {
            frames: RateLimiter::direct_with_clock(Quota::per_second(per_second), app.clock.clone()),
            under_way: Arc::new(Semaphore::new(MAX_UNDER_WAY)),
            touched_at: app.clock.now(),
            app,
            current,
            membership,
        }
    }

    async fn run(mut self, mut socket: WebSocket) {
        let connection = self.membership.connection.clone();
        // It may have ended between the request and the joining; from here on its end closes this socket.
        match self.stay().await {
            Ok(()) => connection.push(json(&Event::Ready {
                session: self.current.session,
                server_time: self.app.clock.now(),
            })),
            Err(reason) => connection.close(reason),
        }
        let mut heard_at = Instant::now();
        let mut ping = interval(PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        let reason = loop {
            tokio::select! {
                () = connection.wake.notified() => match timeout(PATIENCE, write(&mut socket, &connection)).await {
                    Ok(Ok(None)) => {}
                    Ok(Ok(Some(reason))) => break Some(reason),
                    Ok(Err(_)) => break None,
                    Err(_) => break Some(CloseReason::TooSlow),
                },
                received = socket.recv() => {
                    heard_at = Instant::now();
                    if let Err(reason) = self.receive(received).await {
                        break reason;
                    }
                }
                _ = ping.tick() => {
                    if heard_at.elapsed() > SILENCE {
                        break None;
                    }
                    if let Err(reason) = self.stay().await {
                        break Some(reason);
                    }
                    match timeout(PATIENCE, socket.send(Message::Ping(bytes::Bytes::new()))).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => break None,
                        Err(_) => break Some(CloseReason::TooSlow),
                    }
                }
            }
        };
        if let Some(reason) = reason {
            // The other side may be gone, or still not reading; then there is nobody to tell.
            let _ = timeout(LAST_WORD, part(&mut socket, reason)).await;
        }
    }

    /// Err ends the talk, with the reason to tell the other side if it is still there.
    async fn receive(
        &mut self,
        received: Option<Result<Message, axum::Error>>,
    ) -> Result<(), Option<CloseReason>> {
        // Pings cost as much as anything else.
        if matches!(received, Some(Ok(_))) && self.frames.check().is_err() {
            return Err(Some(CloseReason::TooManyFrames));
        }
        let text = match received {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Binary(_))) => return Err(Some(CloseReason::BadFrame)),
            Some(Ok(Message::Close(_))) | None => return Err(None),
            Some(Err(error)) => {
                tracing::debug!(%error, "a socket failed");
                return Err(Some(CloseReason::BadFrame));
            }
        };
        if self.app.clock.now() >= self.current.expires_at {
            return Err(Some(CloseReason::SignedOut));
        }
        match serde_json::from_str::<Frame>(&text) {
            Ok(frame) => self.work_on(frame).await,
            Err(_) => self.tell(&failed(&Code::BadRequest.into())),
        }
        Ok(())
    }

    fn tell(&self, event: &Event) {
        self.membership.connection.push(json(event));
    }

    /// Returns when the frame has its place in the writer's queue, so that frames keep their order; the answer
    /// comes after the commit, straight from the writer into this connection's queue.
    async fn work_on(&self, frame: Frame) {
        let Ok(permit) = self.under_way.clone().acquire_owned().await else {
            return;
        };
        let (app, me, connection) = (&self.app, self.current.account, self.membership.connection.clone());
        let origin = connection.id;
        match frame {
            Frame::Send { conversation: to, id, envelope } => {
                let answer = move |stored| {
                    connection.push(json(&outcome(to, id, stored)));
                    drop(permit);
                };
                let queued = async {
                    let conversation = app.conversation(to, me).await?;
                    messages::send(
                        app,
                        conversation,
                        NewMessage { id, envelope },
                        Some(origin),
                        Box::new(answer),
                    )
                    .await
                };
                if let Err(error) = queued.await {
                    self.tell(&outcome(to, id, Err(error)));
                }
            }
            Frame::Receipt { conversation, delivered, read } => {
                let answer = move |noted: Result<()>| {
                    if let Err(error) = noted {
                        connection.push(json(&failed(&error)));
                    }
                    drop(permit);
                };
                let queued = async {
                    let conversation = app.conversation(conversation, me).await?;
                    let answer = Box::new(answer);
                    app.writer.receipt(writer::NewReceipt { conversation, delivered, read, answer }).await
                };
                if let Err(error) = queued.await {
                    self.tell(&failed(&error));
                }
            }
        }
    }

    /// Every ping asks whether the session still stands, and notes once in a while that it is in use.
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

fn outcome(conversation: Uuid, id: Uuid, stored: Result<Accepted>) -> Event {
    match stored {
        Ok(accepted) => Event::Accepted(accepted),
        Err(error) => {
            let Problem { code, message } = error.problem();
            Event::Refused { conversation, id, code, message }
        }
    }
}

fn failed(error: &Error) -> Event {
    let Problem { code, message } = error.problem();
    Event::Error { code, message }
}

/// Say why, and read on until the other side has heard it: a connection that is dropped with frames unread is
/// reset, and the reason lost with it.
async fn part(socket: &mut WebSocket, reason: CloseReason) {
    if socket.send(Message::Close(Some(reason.frame()))).await.is_ok() {
        while socket.recv().await.is_some_and(|received| received.is_ok()) {}
    }
}

/// Write all that waits, in one go. `Some` when the connection is to be closed.
async fn write(socket: &mut WebSocket, connection: &Connection) -> Result<Option<CloseReason>, axum::Error> {
    let (events, close) = connection.take();
    for event in events {
        socket.feed(Message::Text(event)).await?;
    }
    socket.flush().await?;
    Ok(close)
}
