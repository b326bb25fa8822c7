//! What was written and is not yet on the server. A message keeps its id, and once sealed its bytes, so that any
//! number of attempts is one message. It leaves when the server has it, or has refused it for good.

use std::collections::{BTreeMap, VecDeque};

use tokio::time::Instant;
use uuid::Uuid;

use crate::{Backoff, wire::NewMessage};

/// A text on its way.
pub(crate) struct Queued {
    pub conversation: Uuid,
    pub id: Uuid,
    pub text: String,
    pub sealed: Option<NewMessage>,
    /// Since when it is under way over the present connection.
    sent_at: Option<Instant>,
}

/// The queue of one conversation.
#[derive(Default)]
struct Line {
    queued: VecDeque<Queued>,
    failures: u32,
    not_before: Option<Instant>,
}

pub(crate) struct Outbox {
    lines: BTreeMap<Uuid, Line>,
    /// Messages of one conversation that may be under way at once.
    pub at_once: usize,
}

impl Outbox {
    pub fn new() -> Self {
        Self { lines: BTreeMap::new(), at_once: 1 }
    }

    pub fn add(&mut self, conversation: Uuid, id: Uuid, text: String) {
        let queued = Queued { conversation, id, text, sealed: None, sent_at: None };
        self.lines.entry(conversation).or_default().queued.push_back(queued);
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The next message to send now, in the order of its conversation.
    pub fn next(&mut self, now: Instant) -> Option<&mut Queued> {
        let at_once = self.at_once;
        self.lines.values_mut().find_map(|line| {
            let at = line.next(at_once)?;
            line.not_before.is_none_or(|time| time <= now).then(|| &mut line.queued[at])
        })
    }

    /// When the first of those that were put off may be tried again.
    pub fn next_at(&self) -> Option<Instant> {
        let waits = self.lines.values().filter(|line| line.next(self.at_once).is_some());
        waits.filter_map(|line| line.not_before).min()
    }

    /// How long the oldest one has been waiting for its answer.
    pub fn unanswered_since(&self) -> Option<Instant> {
        let first = self.lines.values().flat_map(|line| line.queued.iter().take(self.at_once));
        first.filter_map(|queued| queued.sent_at).min()
    }

    pub fn sent(&mut self, conversation: Uuid, id: Uuid) {
        if let Some(queued) = self.get_mut(conversation, id) {
            queued.sent_at = Some(Instant::now());
        }
    }

    pub fn get(&self, conversation: Uuid, id: Uuid) -> Option<&Queued> {
        self.lines.get(&conversation)?.queued.iter().find(|queued| queued.id == id)
    }

    /// What it was sealed under takes nothing any more.
    pub fn unseal(&mut self, conversation: Uuid, id: Uuid) {
        if let Some(queued) = self.get_mut(conversation, id) {
            queued.sealed = None;
        }
    }

    /// The server has it, or will never take it.
    pub fn remove(&mut self, conversation: Uuid, id: Uuid) -> Option<Queued> {
        let line = self.lines.get_mut(&conversation)?;
        let at = line.queued.iter().position(|queued| queued.id == id)?;
        let removed = line.queued.remove(at);
        (line.failures, line.not_before) = (0, None);
        if line.queued.is_empty() {
            self.lines.remove(&conversation);
        }
        removed
    }

    /// The server cannot take it now. The rest of its conversation waits with it, so that the order is kept.
    pub fn put_off(&mut self, conversation: Uuid, id: Uuid, backoff: Backoff) {
        if let Some(queued) = self.get_mut(conversation, id) {
            queued.sent_at = None;
        }
        let now = Instant::now();
        // Several that were under way and refused together are one failure.
        if let Some(line) = self.lines.get_mut(&conversation)
            && line.not_before.is_none_or(|time| time <= now)
        {
            line.not_before = Some(now + backoff.delay(line.failures));
            line.failures += 1;
        }
    }

    /// The connection is gone, and the answers with it: everything goes again.
    pub fn connection_lost(&mut self) {
        for queued in self.lines.values_mut().flat_map(|line| &mut line.queued) {
            queued.sent_at = None;
        }
    }

    fn get_mut(&mut self, conversation: Uuid, id: Uuid) -> Option<&mut Queued> {
        self.lines.get_mut(&conversation)?.queued.iter_mut().find(|queued| queued.id == id)
    }
}

impl Line {
    fn next(&self, at_once: usize) -> Option<usize> {
        let under_way = self.queued.iter().take(at_once).filter(|queued| queued.sent_at.is_some()).count();
        // After a refusal all answers are waited for, and what was refused goes first.
        let room = if self.failures > 0 { under_way == 0 } else { under_way < at_once };
        if !room {
            return None;
        }
        self.queued.iter().take(at_once).position(|queued| queued.sent_at.is_none())
    }
}
