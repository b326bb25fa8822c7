//! How many messages a second: pairs of people, each sender with so many messages under way that it does not
//! know the answer of yet. A message counts when it was acknowledged *and* has reached its recipient.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::wire::Pushed;
use uuid::Uuid;

use crate::frame::{Ids, SendFrame};
use crate::people::Pair;
use crate::socket::Sockets;
use crate::{Failure, Result};

/// How long what is under way at the end of a round may take to arrive.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Every so many answers, one is read in full.
const LOOK_CLOSER: u64 = 1_000;

const ACCEPTED: &[u8] = br#"{"type":"accepted","#;
const MESSAGE: &[u8] = br#"{"type":"message","#;
/// The relay hands on what it got.
const FORWARDED: &[u8] = br#"{"type":"send","#;

pub struct Round {
    /// By each pair.
    pub sent: Vec<u64>,
    pub seconds: f64,
}

impl Round {
    pub fn messages(&self) -> u64 {
        self.sent.iter().sum()
    }

    pub fn per_second(&self) -> f64 {
        self.messages() as f64 / self.seconds
    }
}

/// A pair with its counts.
pub struct Line {
    conversation: Uuid,
    frame: SendFrame,
    pub sent: u64,
    pub accepted: u64,
    pub received: u64,
}

/// One round: everyone connects, writes for `time`, and what is under way then still arrives.
pub fn round(server: SocketAddr, pairs: &[Pair], under_way: u64, time: Duration) -> Result<Round> {
    let mut sockets = Sockets::of_pairs(server, pairs)?;
    let mut ids = Ids::new();
    let mut lines = pairs.iter().map(Line::new).collect::<Result<Vec<_>>>()?;

    let began = Instant::now();
    for (index, line) in lines.iter_mut().enumerate() {
        let sender = sockets.get(2 * index);
        line.send(under_way, &mut ids, |frame| sender.queue(frame));
        sender.flush()?;
    }
    let (end, limit) = (began + time, began + time + PATIENCE);
    let mut now = began;
    let mut unfinished = lines.len();
    while unfinished > 0 {
        if now > limit {
            return Err("messages were sent that never arrived".into());
        }
        sockets.wait(limit, |sockets, index| {
            let (line, socket) = (&mut lines[index / 2], &mut sockets[index]);
            if index % 2 == 0 {
                let before = line.accepted;
                socket.receive(|text| line.answered(text))?;
                if now < end {
                    line.send(line.accepted - before, &mut ids, |frame| socket.queue(frame));
                    socket.flush()?;
                }
            } else {
                socket.receive(|text| line.reached(text))?;
            }
            Ok(())
        })?;
        now = Instant::now();
        if now >= end {
            unfinished = lines.iter().filter(|line| !line.is_finished()).count();
        }
    }
    Ok(Round { sent: lines.iter().map(|line| line.sent).collect(), seconds: began.elapsed().as_secs_f64() })
}

impl Line {
    pub fn new(pair: &Pair) -> Result<Self> {
        Ok(Self { conversation: pair.conversation, frame: pair.frame()?, sent: 0, accepted: 0, received: 0 })
    }

    pub fn send(&mut self, count: u64, ids: &mut Ids, mut queue: impl FnMut(&[u8])) {
        for _ in 0..count {
            queue(self.frame.with_id(ids.another()));
        }
        self.sent += count;
    }

    /// What comes to the sender.
    pub fn answered(&mut self, text: &[u8]) -> Result<()> {
        if text.starts_with(ACCEPTED) {
            self.accepted += 1;
            return self.look_closer(self.accepted, text);
        }
        // A server may show a message to all connections of both, and so to the one that sent it.
        if text.starts_with(MESSAGE) { Ok(()) } else { Err(unexpected(text)) }
    }

    /// What comes to the recipient.
    pub fn reached(&mut self, text: &[u8]) -> Result<()> {
        if text.starts_with(MESSAGE) || text.starts_with(FORWARDED) {
            self.received += 1;
            return self.look_closer(self.received, text);
        }
        Err(unexpected(text))
    }

    /// Whether what was taken for an answer by its first bytes is one, and about this conversation.
    fn look_closer(&self, count: u64, text: &[u8]) -> Result<()> {
        if count % LOOK_CLOSER != 1 {
            return Ok(());
        }
        let conversation = match serde_json::from_slice(text)? {
            Pushed::Accepted(accepted) => accepted.conversation,
            Pushed::Message { message } => message.conversation,
            Pushed::Unknown if text.starts_with(FORWARDED) => return Ok(()),
            _ => return Err(unexpected(text)),
        };
        if conversation == self.conversation { Ok(()) } else { Err(unexpected(text)) }
    }

    fn is_finished(&self) -> bool {
        self.accepted == self.sent && self.received == self.sent
    }
}

fn unexpected(text: &[u8]) -> Failure {
    format!("the server said {}", String::from_utf8_lossy(text)).into()
}
