//! How far one has come, said until the server knows it. A receipt has no answer of its own: that it is stored
//! is seen in the list of conversations, or told as an event.

use std::collections::HashMap;

use tokio::time::{Duration, Instant};
use uuid::Uuid;

use crate::wire::Progress;

/// Receipts of this time travel together.
const GATHER: Duration = Duration::from_millis(150);

pub(crate) struct Receipts {
    waiting: HashMap<Uuid, Receipt>,
    next_at: Instant,
}

struct Receipt {
    wanted: Progress,
    /// Over the present connection.
    sent: bool,
}

impl Receipts {
    pub fn new() -> Self {
        Self { waiting: HashMap::new(), next_at: Instant::now() }
    }

    /// It only ever goes forward, and what was read was delivered.
    pub fn add(&mut self, conversation: Uuid, delivered: u64, read: u64) {
        let nothing = Progress { delivered: 0, read: 0 };
        let receipt = self.waiting.entry(conversation).or_insert(Receipt { wanted: nothing, sent: false });
        let read = read.max(receipt.wanted.read);
        let wanted = Progress { delivered: delivered.max(receipt.wanted.delivered).max(read), read };
        receipt.sent &= wanted == receipt.wanted;
        receipt.wanted = wanted;
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When there will be something to say.
    pub fn next_at(&self) -> Option<Instant> {
        self.waiting.values().any(|receipt| !receipt.sent).then_some(self.next_at)
    }

    /// One that is to be said now.
    pub fn next(&self) -> Option<(Uuid, Progress)> {
        let unsaid = self.waiting.iter().find(|(_, receipt)| !receipt.sent);
        unsaid.filter(|_| self.next_at <= Instant::now()).map(|(id, receipt)| (*id, receipt.wanted))
    }

    pub fn sent(&mut self, conversation: Uuid) {
        if let Some(receipt) = self.waiting.get_mut(&conversation) {
            receipt.sent = true;
        }
        if self.waiting.values().all(|receipt| receipt.sent) {
            self.next_at = Instant::now() + GATHER;
        }
    }

    /// The server has come this far.
    pub fn stored(&mut self, conversation: Uuid, stored: Progress) {
        self.waiting.retain(|id, Receipt { wanted, .. }| {
            *id != conversation || wanted.delivered > stored.delivered || wanted.read > stored.read
        });
    }

    /// The server may not have heard them: all of them again, after a while.
    pub fn again(&mut self, after: Duration) {
        self.waiting.values_mut().for_each(|receipt| receipt.sent = false);
        self.next_at = Instant::now() + after;
    }
}
