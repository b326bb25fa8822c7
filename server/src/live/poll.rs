//! Events for whoever asks again and again: where proxies let neither a WebSocket nor a stream through.
//!
//! Between two polls the mailbox lies on a shelf under a ticket, which is good once and names the place where the
//! next poll goes on. A ticket that is not known (good for another session, too old, or already used because
//! an answer was lost on its way) is no error: a new mailbox begins, with `ready`. So each mailbox belongs to
//! one poll or to none, and no event is ever taken for granted that did not arrive.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{CloseReason, Connection, HEARTBEAT, Place};
use crate::app::App;
use crate::clock::{MINUTE, Millis};
use crate::error::{Code, Error, Problem, Result};
use crate::event::Event;
use crate::sessions::CurrentAccount;
use crate::wire::Query;

/// How long a mailbox waits for the next poll.
const PATIENCE: Millis = MINUTE;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// From the last answer; without it, or when it is not known (any more), the events begin with `ready`.
    ticket: Option<Uuid>,
}

#[derive(Serialize, ToSchema)]
pub struct Polled {
    /// For the next poll; good once.
    ticket: Uuid,
    /// What happened since the last poll, in order; none after 25 seconds without any.
    #[schema(value_type = Vec<Event>)]
    events: Vec<Box<RawValue>>,
}

/// The events of the live connection, by asking again and again: answers as soon as there are some.
#[utoipa::path(get, path = "/live/poll", tag = "live", params(Poll), responses(
    (status = 200, body = Polled), (status = "default", body = Problem)))]
pub async fn live_poll(
    current: CurrentAccount,
    State(app): State<App>,
    Query(poll): Query<Poll>,
) -> Result<axum::Json<Polled>> {
    let place = match poll.ticket.and_then(|ticket| app.shelf.take(ticket, current.session)) {
        Some(place) => place,
        None => Connection::open(app.clone(), current).await?.place,
    };
    // Shorter than the time that a request may take, here and in most proxies.
    let mail = timeout(HEARTBEAT, place.mailbox.mail()).await.unwrap_or_default();
    if mail.close == Some(CloseReason::SignedOut) {
        return Err(Code::SignedOut.into());
    }
    let events = mail.events.into_iter().map(|event| RawValue::from_string(event.to_string()));
    let events = events.collect::<Result<_, _>>().map_err(Error::internal)?;
    Ok(axum::Json(Polled { ticket: app.shelf.put(place, &app), events }))
}

/// The mailboxes between two polls, by their tickets.
#[derive(Clone, Default)]
pub struct Shelf {
    places: Arc<Mutex<HashMap<Uuid, (Place, Millis)>>>,
}

impl Shelf {
    fn put(&self, place: Place, app: &App) -> Uuid {
        let ticket = app.clock.new_id();
        self.places().insert(ticket, (place, app.clock.now()));
        ticket
    }

    /// A mailbox that was too small for what came meanwhile is as good as none.
    fn take(&self, ticket: Uuid, session: Uuid) -> Option<Place> {
        let mut places = self.places();
        places.get(&ticket).filter(|(place, _)| place.mailbox.session == session)?;
        let (place, _) = places.remove(&ticket)?;
        (!place.mailbox.is_closed()).then_some(place)
    }

    /// Forget those that nobody came back for.
    pub fn tidy(&self, now: Millis) {
        self.places().retain(|_, (_, since)| now < *since + PATIENCE);
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Uuid, (Place, Millis)>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
