//! Events over a WebSocket, and frames from the client: the fast path.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use futures_util::SinkExt;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, timeout};
use uuid::Uuid;

use super::{CloseReason, Connection, HEARTBEAT, Mail, json, presence};
use crate::app::App;
use crate::clock::Clock;
use crate::error::{Code, Error, Problem, Result};
use crate::event::{Event, Frame};
use crate::messages::{self, Accepted, NewMessage};
use crate::sessions::CurrentAccount;
use crate::writer::NewReceipt;

/// Every living client answers pings; one that has not for this long is gone, whatever TCP still believes.
const SILENCE: Duration = Duration::from_secs(60);
/// How long one write may take before the reader counts as too slow.
const PATIENCE: Duration = Duration::from_secs(20);
const LAST_WORD: Duration = Duration::from_secs(5);
/// The largest envelope in base64, with its frame around it.
const MAX_FRAME_BYTES: usize = 64 << 10;
/// Frames of one socket that are worked on at once; a sender may have several messages under way.
const MAX_UNDER_WAY: usize = 64;

impl CloseReason {
    /// Close codes that the client tells apart.
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
    let connection = Connection::open(app, current).await?;
    let upgrade = upgrade
        // An idle connection holds its buffers: these sizes are 7 KiB instead of 136 (axum's default).
        .read_buffer_size(4 << 10)
        .write_buffer_size(16 << 10)
        .max_write_buffer_size(4 << 20)
        .max_message_size(MAX_FRAME_BYTES)
        .max_frame_size(MAX_FRAME_BYTES);
    Ok(upgrade.on_upgrade(async move |socket| {
        let tasks = connection.app.tasks.clone();
        tasks.track_future(Talk::new(connection).run(socket)).await;
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
            let (scheme, authority) = origin.split_once("://").unwrap_or_default();
            authority == host && (scheme == "https" || !app.config.is_https())
        }
    };
    if ours { Ok(()) } else { Err(Code::BadOrigin.into()) }
}

/// One open socket.
struct Talk {
    connection: Connection,
    frames: RateLimiter<NotKeyed, InMemoryState, Clock, NoOpMiddleware<Nanos>>,
    under_way: Arc<Semaphore>,
}

impl Talk {
    fn new(connection: Connection) -> Self {
        let app = &connection.app;
        let per_second = NonZeroU32::new(app.config.frames_per_second).unwrap_or(NonZeroU32::MIN);
        Self {
            frames: RateLimiter::direct_with_clock(Quota::per_second(per_second), app.clock.clone()),
            under_way: Arc::new(Semaphore::new(MAX_UNDER_WAY)),
            connection,
        }
    }

    async fn run(mut self, mut socket: WebSocket) {
        let mailbox = self.connection.place.mailbox.clone();
        let mut heard_at = Instant::now();
        let mut ping = interval(HEARTBEAT);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        let reason = loop {
            tokio::select! {
                mail = mailbox.mail() => match timeout(PATIENCE, write(&mut socket, mail)).await {
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
                    // Boxed, as all that happens seldom: an idle connection holds the room for its largest step.
                    if let Err(reason) = Box::pin(self.connection.stay()).await {
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
            let _ = timeout(LAST_WORD, Box::pin(part(&mut socket, reason))).await;
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
        if self.connection.app.clock.now() >= self.connection.current.expires_at {
            return Err(Some(CloseReason::SignedOut));
        }
        match serde_json::from_str::<Frame>(&text) {
            Ok(frame) => Box::pin(self.work_on(frame)).await,
            Err(_) => self.tell(&failed(&Code::BadRequest.into())),
        }
        Ok(())
    }

    fn tell(&self, event: &Event) {
        self.connection.place.mailbox.push(json(event));
    }

    /// Returns when the frame has its place in the writer's queue, so that frames keep their order; the answer
    /// comes after the commit, straight from the writer into this connection's queue.
    async fn work_on(&self, frame: Frame) {
        let Ok(permit) = self.under_way.clone().acquire_owned().await else {
            return;
        };
        let Connection { app, current, place, .. } = &self.connection;
        let (me, mailbox) = (current.account, place.mailbox.clone());
        let origin = Some(mailbox.id);
        match frame {
            Frame::Send { conversation: to, id, envelope, kind, target, timer } => {
                let answer = move |stored| {
                    mailbox.push(json(&outcome(to, id, stored)));
                    drop(permit);
                };
                let queued = async {
                    let conversation = app.conversation(to, me).await?;
                    let new = NewMessage { id, envelope, kind, target, timer };
                    messages::send(app, conversation, new, origin, Box::new(answer)).await
                };
                if let Err(error) = queued.await {
                    self.tell(&outcome(to, id, Err(error)));
                }
            }
            Frame::Took { conversation, seq, milliseconds } => match app.conversation(conversation, me).await
            {
                Ok(conversation) => app.pulse.took(&conversation, seq, milliseconds),
                Err(error) => self.tell(&failed(&error)),
            },
            Frame::Typing { conversation } => {
                let told = async {
                    let conversation = app.conversation(conversation, me).await?;
                    presence::type_in(app, &conversation).await
                };
                if let Err(error) = told.await {
                    self.tell(&failed(&error));
                }
            }
            Frame::Attending { attending } => app.live.presence().attend(me, mailbox.id, attending),
            Frame::Watch { conversation } => {
                app.live.presence().watch(&mailbox, None);
                let Some(conversation) = conversation else { return };
                match app.conversation(conversation, me).await {
                    Ok(conversation) => app.live.presence().watch(&mailbox, Some(conversation)),
                    Err(error) => self.tell(&failed(&error)),
                }
            }
            Frame::Receipt { conversation, delivered, read } => {
                let answer = move |noted: Result<()>| {
                    if let Err(error) = noted {
                        mailbox.push(json(&failed(&error)));
                    }
                    drop(permit);
                };
                let queued = async {
                    let conversation = app.conversation(conversation, me).await?;
                    let answer = Box::new(answer);
                    app.writer.receipt(NewReceipt { conversation, delivered, read, answer }).await
                };
                if let Err(error) = queued.await {
                    self.tell(&failed(&error));
                }
            }
        }
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
async fn write(socket: &mut WebSocket, mail: Mail) -> Result<Option<CloseReason>, axum::Error> {
    for event in mail.events {
        socket.feed(Message::Text(event)).await?;
    }
    socket.flush().await?;
    Ok(mail.close)
}
