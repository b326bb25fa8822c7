//! Events as a stream of server-sent events, for where a WebSocket cannot be opened. There is no word of
//! farewell: whoever asks again learns by the answer whether the session has ended or the line has.

use std::convert::Infallible;
use std::fmt::Write;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{Connection, HEARTBEAT};
use crate::app::App;
use crate::error::{Problem, Result};
use crate::sessions::CurrentAccount;

/// The events of the live connection as server-sent events: each an `Event` in JSON after `data:`. Ends when
/// the session ends, the server stops or the reader is too slow; asking again tells which.
#[utoipa::path(get, path = "/live/stream", tag = "live", responses(
    (status = 200, body = String, content_type = "text/event-stream"), (status = "default", body = Problem)))]
pub async fn live_stream(current: CurrentAccount, State(app): State<App>) -> Result<Response> {
    let stream = Stream { connection: Connection::open(app, current).await?, heartbeat: heartbeat() };
    let body = unfold(stream, async |mut stream| {
        stream.next().await.map(|lines| (Ok::<_, Infallible>(lines), stream))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // A proxy that compresses also collects.
        (header::CACHE_CONTROL, "no-store, no-transform"),
        // nginx passes each event on as it comes, unless it is told to ignore this.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

struct Stream {
    connection: Connection,
    heartbeat: Interval,
}

impl Stream {
    /// All that waits; or, after a silence, an empty comment. None at the end.
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            mail = self.connection.place.mailbox.mail() => {
                let mut lines = String::new();
                for event in &mail.events {
                    // Writing to memory cannot fail, and JSON has no line breaks.
                    let _ = write!(lines, "data: {event}\n\n");
                }
                (!lines.is_empty()).then(|| lines.into())
            }
            _ = self.heartbeat.tick() => {
                self.connection.stay().await.ok()?;
                Some(Bytes::from_static(b":\n\n"))
            }
        }
    }
}

fn heartbeat() -> Interval {
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat.reset();
    heartbeat
}
