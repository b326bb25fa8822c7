//! What is noted when a message is sent, delivered and read: in memory, by the task that tells of it when it is
//! stored already, so that nothing waits for it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::speed;
use crate::app::App;
use crate::clock::{Clock, DAY, HOUR, MINUTE, Millis};
use crate::conversations::Conversation;
use crate::error::{Problem, Result};
use crate::live::{ConnectionId, Live};
use crate::meters::Meters;
use crate::wire::Json;

/// What has not arrived by then counts nowhere: whoever is connected either confirms at once or not at all.
const PATIENCE: Millis = 10 * MINUTE;
/// Some 150 bytes each. Where more are under way, the others are not measured.
const MAX_UNDER_WAY: usize = 20_000;

/// Notes of this node.
pub struct Pulse {
    clock: Clock,
    live: Live,
    meters: Arc<Meters>,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    today: i64,
    /// Who was active today: stored, or to be.
    known: HashSet<Uuid>,
    to_store: Noted,
    /// By conversation and `seq`.
    under_way: BTreeMap<(Uuid, i64), UnderWay>,
}

/// What is to be written.
#[derive(Clone, Default)]
pub struct Noted {
    /// Days and accounts.
    pub active: HashSet<(i64, Uuid)>,
    /// By hour and bucket.
    pub delays: HashMap<(i64, i16), Delays>,
}

/// How many messages, and how long they took together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Delays {
    pub messages: i64,
    pub milliseconds: Millis,
}

impl std::ops::AddAssign for Delays {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.milliseconds += other.milliseconds;
    }
}

/// A message that its recipient, who was connected, has not confirmed, or whose sender has not said how long it took.
struct UnderWay {
    sender: Uuid,
    accepted_at: Millis,
    /// The recipient's, when it was accepted.
    connections: Vec<ConnectionId>,
    /// From the press of "send" to the acknowledgement, by the sender's clock.
    took: Option<Millis>,
    /// From there to the receipt, by ours.
    arrived_after: Option<Millis>,
}

impl Pulse {
    pub fn new(clock: Clock, live: Live, meters: Arc<Meters>) -> Self {
        Self { clock, live, meters, notes: Mutex::default() }
    }

    /// Somebody sent or read something.
    pub fn active(&self, account: Uuid) {
        let today = self.clock.now().div_euclid(DAY);
        let mut notes = self.notes();
        if notes.today != today {
            notes.today = today;
            notes.known.clear();
        }
        if notes.known.insert(account) {
            notes.to_store.active.insert((today, account));
        }
    }

    /// A message of `conversation.me` is stored, and about to be told of.
    pub fn accepted(&self, conversation: &Conversation, seq: i64) {
        let connections = self.live.connections_of(conversation.peer());
        let mut notes = self.notes();
        if connections.is_empty() || notes.under_way.len() >= MAX_UNDER_WAY {
            return;
        }
        let (sender, accepted_at) = (conversation.me, self.clock.now());
        let under_way = UnderWay { sender, accepted_at, connections, took: None, arrived_after: None };
        notes.under_way.insert((conversation.id, seq), under_way);
    }

    /// Everything up to `delivered` has reached `conversation.me`. It counts as on their screen if they were connected
    /// all the time: who was not has caught up.
    pub fn arrived(&self, conversation: &Conversation, delivered: i64) {
        let now = self.clock.now();
        let mut notes = self.notes();
        let up_to = (conversation.id, i64::MIN)..=(conversation.id, delivered);
        let theirs = notes.under_way.range_mut(up_to).filter(|(_, each)| each.sender != conversation.me);
        let mut settled = Vec::new();
        for (key, each) in theirs {
            if each.arrived_after.is_some() {
                continue;
            }
            if self.live.is_any_open(conversation.me, &each.connections) {
                each.arrived_after = Some((now - each.accepted_at).max(0));
            }
            if each.arrived_after.is_none() || each.took.is_some() {
                settled.push(*key);
            }
        }
        settled.into_iter().for_each(|key| self.settle(&mut notes, key));
    }

    /// So long it took `conversation.me` from the press of "send" to our word that the message `seq` is stored.
    pub fn took(&self, conversation: &Conversation, seq: i64, milliseconds: Millis) {
        let mut notes = self.notes();
        let key = (conversation.id, seq);
        let Some(each) = notes.under_way.get_mut(&key).filter(|each| each.sender == conversation.me) else {
            return;
        };
        if !(0..=PATIENCE).contains(&milliseconds) {
            notes.under_way.remove(&key);
            return;
        }
        each.took.get_or_insert(milliseconds);
        if each.arrived_after.is_some() {
            self.settle(&mut notes, key);
        }
    }

    /// It is under way no more, and counts if all is known of it.
    fn settle(&self, notes: &mut Notes, key: (Uuid, i64)) {
        let Some(UnderWay { accepted_at, took: Some(took), arrived_after: Some(arrived_after), .. }) =
            notes.under_way.remove(&key)
        else {
            return;
        };
        let milliseconds = took + arrived_after;
        let place = (accepted_at.div_euclid(HOUR), speed::bucket(milliseconds));
        *notes.to_store.delays.entry(place).or_default() += Delays { messages: 1, milliseconds };
        self.meters.delivered(Duration::from_millis(milliseconds.unsigned_abs()));
    }

    /// All that is to be written.
    pub fn take(&self) -> Noted {
        let now = self.clock.now();
        let mut notes = self.notes();
        notes.under_way.retain(|_, each| now < each.accepted_at + PATIENCE);
        std::mem::take(&mut notes.to_store)
    }

    /// It could not be written.
    pub fn give_back(&self, Noted { active, delays }: Noted) {
        let mut notes = self.notes();
        notes.to_store.active.extend(active);
        for (key, more) in delays {
            *notes.to_store.delays.entry(key).or_default() += more;
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Took {
    /// A message that one has just sent.
    seq: i64,
    milliseconds: Millis,
}

/// Say how long it took from the press of "send" to the acknowledgement, for the figures of this server. Nothing of a
/// single message is kept.
#[utoipa::path(post, path = "/conversations/{conversation}/took", tag = "messages",
    params(("conversation" = Uuid, Path)), request_body = Took, responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn took(
    conversation: Conversation,
    State(app): State<App>,
    Json(Took { seq, milliseconds }): Json<Took>,
) -> Result<StatusCode> {
    app.pulse.took(&conversation, seq, milliseconds);
    Ok(StatusCode::NO_CONTENT)
}
