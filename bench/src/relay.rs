//! The bare relay: what is left of the server without all that makes it a messenger. The same WebSocket library
//! with the same buffers and the same runtime; no database, no sessions, no JSON. It finds the recipient by the
//! conversation's place in the frame, forwards the frame as it is, and acknowledges it to the sender. What it
//! reaches is what this machine can do with so many small frames.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt;
use futures_util::{FutureExt, SinkExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::Result;

/// Where the ids stand in `{"type":"send","conversation":"…","id":"…`.
const CONVERSATION: std::ops::Range<usize> = 31..67;
const ID: std::ops::Range<usize> = 75..111;

/// Who is there, by the name that came as the token.
#[derive(Clone, Default)]
struct Relay {
    inboxes: Arc<RwLock<HashMap<String, Arc<Inbox>>>>,
}

#[derive(Default)]
struct Inbox {
    waiting: Mutex<VecDeque<Utf8Bytes>>,
    wake: Notify,
}

/// Runs until the process is stopped.
#[tokio::main]
pub async fn serve(listener: std::net::TcpListener) -> Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?.tap_io(|stream| {
        // As the server does. A stream that is gone already will say so by itself.
        let _ = stream.set_nodelay(true);
    });
    let router = Router::new().route("/readyz", get(async || "ready\n")).route("/api/live", get(live));
    axum::serve(listener, router.with_state(Relay::default())).await?;
    Ok(())
}

async fn live(State(relay): State<Relay>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|bearer| bearer.to_str().ok());
    let name = bearer.and_then(|bearer| bearer.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
    // As in server/src/live.rs.
    let upgrade = upgrade
        .read_buffer_size(4 << 10)
        .write_buffer_size(16 << 10)
        .max_write_buffer_size(4 << 20)
        .max_message_size(64 << 10)
        .max_frame_size(64 << 10);
    upgrade.on_upgrade(async move |socket| {
        let inbox = Arc::<Inbox>::default();
        relay.inboxes.write().unwrap_or_else(PoisonError::into_inner).insert(name, inbox.clone());
        // An error is the end of a socket, and nobody needs to know.
        let _ = relay.talk(socket, &inbox).await;
    })
}

impl Relay {
    async fn talk(&self, mut socket: WebSocket, inbox: &Inbox) -> Result<(), axum::Error> {
        socket.send(Message::text(r#"{"type":"ready"}"#)).await?;
        loop {
            tokio::select! {
                () = inbox.wake.notified() => {
                    for frame in inbox.take() {
                        socket.feed(Message::Text(frame)).await?;
                    }
                }
                received = socket.recv() => {
                    // Whatever came with it is answered with it.
                    let mut received = Some(received);
                    while let Some(frame) = received {
                        let Some(frame) = frame.transpose()? else { return Ok(()) };
                        if let Message::Text(frame) = frame {
                            socket.feed(Message::text(acknowledgement(&frame))).await?;
                            self.forward(frame);
                        }
                        received = socket.recv().now_or_never();
                    }
                }
            }
            socket.flush().await?;
        }
    }

    fn forward(&self, frame: Utf8Bytes) {
        let inboxes = self.inboxes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(inbox) = frame.get(CONVERSATION).and_then(|conversation| inboxes.get(conversation)) {
            inbox.put(frame);
        }
    }
}

impl Inbox {
    fn put(&self, frame: Utf8Bytes) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_back(frame);
        if waiting.len() == 1 {
            self.wake.notify_one();
        }
    }

    fn take(&self) -> VecDeque<Utf8Bytes> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// As long as the server's.
fn acknowledgement(frame: &str) -> String {
    let conversation = frame.get(CONVERSATION).unwrap_or_default();
    let id = frame.get(ID).unwrap_or_default();
    [
        r#"{"type":"accepted","conversation":""#,
        conversation,
        r#"","id":""#,
        id,
        r#"","seq":12345,"rev":12345,"sent_at":1767225600000}"#,
    ]
    .concat()
}
