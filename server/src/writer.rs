//! Group commit. Messages and receipts from everyone queue here; one thread takes whatever waits and stores it in
//! one transaction. Only after the commit (synced to disk) it is acknowledged and published, by a task beside
//! the thread, which is at the next batch already. Nothing waits for company: a single message is a batch of
//! one, and under load the batches grow by themselves.
//!
//! It keeps true: `seq` has no gaps, `rev` grows with each message, an id sent twice is one message with one
//! answer, and events and answers leave in the order of `seq`. A batch that cannot be stored is answered so, to
//! everyone in it, and leaves no trace: the same bytes may be sent again.

mod changes;
mod due;
mod health;
mod ledger;
mod sql;

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::clock::{Clock, Millis};
use crate::conversations::Conversation;
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::event::Event;
use crate::indicators::pulse::Pulse;
use crate::live::{ConnectionId, Live};
use crate::messages::{Accepted, Message};
use crate::meters::Meters;

use health::Health;
use ledger::{Ledger, Outcome};

/// More than this in one transaction no longer makes it cheaper, only later.
const MAX_BATCH: usize = 2_000;
/// Nor more than this: what is published at once must fit the queues of those who listen.
const MAX_BATCH_BYTES: usize = 512 << 10;
/// What may wait before senders have to.
const QUEUE: usize = 4_096;
/// Stored batches that may wait to be told of, before the thread has to.
const SETTLEMENTS: usize = 2;

#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Work>,
    health: Health,
}

enum Work {
    Message(NewMessage),
    Change(NewChange),
    Receipt(NewReceipt),
    /// Messages whose time is over disappear; answered with how many.
    Expire(Answer<usize>),
    /// Messages whose time has come are sent; answered with how many.
    SendDue(Answer<usize>),
    /// Answered when everything queued before it is stored.
    Barrier(oneshot::Sender<()>),
}

impl Work {
    fn conversation(&self) -> Option<Uuid> {
        match self {
            Work::Message(new) => Some(new.conversation.id),
            Work::Change(new) => Some(new.conversation.id),
            Work::Receipt(new) => Some(new.conversation.id),
            Work::Expire(_) | Work::SendDue(_) | Work::Barrier(_) => None,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Work::Message(new) => new.envelope.len(),
            Work::Change(NewChange { change: Change::Edit(sealed) | Change::React(sealed), .. }) => {
                sealed.envelope.len()
            }
            Work::Change(_) | Work::Receipt(_) | Work::Expire(_) | Work::SendDue(_) | Work::Barrier(_) => 0,
        }
    }
}

/// Called once, after the commit or the refusal. It must not block: all later answers wait behind it.
pub type Answer<T> = Box<dyn FnOnce(Result<T>) + Send>;

/// What somebody wants to send.
pub struct NewMessage {
    pub conversation: Conversation,
    pub id: Uuid,
    pub epoch: Uuid,
    /// None for what waited for its time, and keeps its epoch open.
    pub epoch_number: Option<i64>,
    pub envelope: Vec<u8>,
    /// How long messages stay from now on, if it says so.
    pub timer: Option<Millis>,
    /// The connection it came over, whose answer stands for the event that all others get.
    pub origin: Option<ConnectionId>,
    pub answer: Answer<Accepted>,
}

/// What somebody wants to do to a message that is there.
pub struct NewChange {
    pub conversation: Conversation,
    pub target: Uuid,
    pub change: Change,
    pub answer: Answer<Accepted>,
}

impl NewChange {
    /// What its answer is known by: the envelope's id, or that of the message.
    fn id(&self) -> Uuid {
        match &self.change {
            Change::Edit(sealed) | Change::React(sealed) => sealed.id,
            Change::Delete | Change::Unreact => self.target,
        }
    }
}

pub enum Change {
    /// One's own message says something else now; what it said stays in its history.
    Edit(Sealed),
    /// In the place of one's earlier reaction.
    React(Sealed),
    /// One's own message, with all it ever said.
    Delete,
    Unreact,
}

/// An envelope whose form has been checked.
pub struct Sealed {
    pub id: Uuid,
    pub epoch: Uuid,
    pub epoch_number: i64,
    pub envelope: Vec<u8>,
}

/// How far somebody says to have come.
pub struct NewReceipt {
    pub conversation: Conversation,
    pub delivered: Option<i64>,
    pub read: Option<i64>,
    pub answer: Answer<()>,
}

impl Writer {
    /// Starts the thread and its task, within a runtime; they end when the last `Writer` is gone.
    pub fn start(db: &Db, live: Live, meters: Arc<Meters>, pulse: Arc<Pulse>, clock: Clock) -> Result<Self> {
        let health = Health::default();
        let (queue, mut waiting) = mpsc::channel(QUEUE);
        let (stored, mut settlements) = mpsc::channel::<Settlement>(SETTLEMENTS);
        let mut ledger = Ledger::open(db, health.clone())?;
        let runtime = Handle::current();
        let run = move || {
            // Connections go back to their pool within it.
            let _within = runtime.enter();
            while let Some(work) = batch(&mut waiting) {
                let began = Instant::now();
                let outcomes = ledger.store(&work, clock.now());
                if outcomes.is_some() {
                    let messages = work.iter().filter(|work| matches!(work, Work::Message(_))).count();
                    meters.stored(messages, began.elapsed());
                }
                if stored.blocking_send(Settlement { work, outcomes }).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("writer".to_owned()).spawn(run).map_err(Error::internal)?;
        tokio::spawn(async move {
            while let Some(settlement) = settlements.recv().await {
                settlement.settle(&live, &pulse);
            }
        });
        Ok(Self { queue, health })
    }

    /// Queue a message. Returns when it has its place in the queue; its answer is `MessageIdReused` when the id
    /// stands for other bytes.
    pub async fn append(&self, new: NewMessage) -> Result<()> {
        self.put(Work::Message(new)).await
    }

    /// Queue a change of a message; the answer names the refusal.
    pub async fn change(&self, new: NewChange) -> Result<()> {
        self.put(Work::Change(new)).await
    }

    /// Queue how far the caller has come; the answer is `BadReceipt` for a message that does not exist.
    pub async fn receipt(&self, new: NewReceipt) -> Result<()> {
        self.put(Work::Receipt(new)).await
    }

    /// Queue the end of messages whose time is over, of so many as fit a batch; the answer is how many.
    pub async fn expire(&self, answer: Answer<usize>) -> Result<()> {
        self.put(Work::Expire(answer)).await
    }

    /// Queue the messages whose time has come, as many as fit a batch; the answer is how many were taken.
    pub async fn send_due(&self, answer: Answer<usize>) -> Result<()> {
        self.put(Work::SendDue(answer)).await
    }

    /// Returns when all that was queued before is stored and answered.
    pub async fn flush(&self) {
        let (done, stored) = oneshot::channel();
        if self.put(Work::Barrier(done)).await.is_ok() {
            // An error means that the thread is gone, and then nothing waits.
            let _ = stored.await;
        }
    }

    /// Whether there is still a thread that stores.
    pub fn is_running(&self) -> bool {
        !self.queue.is_closed()
    }

    /// Whether the last batch with something new in it could be stored.
    pub fn is_storing(&self) -> bool {
        self.health.is_good()
    }

    /// How much waits.
    pub fn waiting(&self) -> u64 {
        (self.queue.max_capacity() - self.queue.capacity()) as u64
    }

    async fn put(&self, work: Work) -> Result<()> {
        self.queue.send(work).await.map_err(|_| Code::Unavailable.into())
    }
}

/// Wait for an answer of the writer.
pub async fn answered<T: Send + 'static, F: Future<Output = Result<()>>>(
    queue: impl FnOnce(Answer<T>) -> F,
) -> Result<T> {
    let (tell, told) = oneshot::channel();
    // Whoever asked may have gone; what was queued is stored all the same.
    queue(Box::new(move |answer| drop(tell.send(answer)))).await?;
    told.await.map_err(|_| Code::Unavailable)?
}

/// Whatever waits now, within the bounds of a batch; `None` when nobody will queue anything any more.
fn batch(waiting: &mut mpsc::Receiver<Work>) -> Option<Vec<Work>> {
    let first = waiting.blocking_recv()?;
    let mut bytes = first.bytes();
    let mut batch = vec![first];
    while batch.len() < MAX_BATCH && bytes < MAX_BATCH_BYTES {
        let Ok(work) = waiting.try_recv() else { break };
        bytes += work.bytes();
        batch.push(work);
    }
    Some(batch)
}

/// A batch and what became of it; without outcomes, nothing of it is stored.
struct Settlement {
    work: Vec<Work>,
    outcomes: Option<Vec<Outcome>>,
}

impl Settlement {
    /// Publish what is new and answer everyone, in the order in which it was queued.
    fn settle(self, live: &Live, pulse: &Pulse) {
        let Some(outcomes) = self.outcomes else {
            return self.work.into_iter().for_each(put_off);
        };
        for (work, outcome) in self.work.into_iter().zip(outcomes) {
            match work {
                Work::Message(new) => {
                    note_message(&new, &outcome, pulse);
                    settle_message(new, outcome, live);
                }
                Work::Change(new) => settle_change(new, outcome, live),
                Work::Receipt(new) => {
                    note_receipt(&new, &outcome, pulse);
                    settle_receipt(new, outcome, live);
                }
                Work::Expire(answer) => settle_expiry(answer, outcome, live),
                Work::SendDue(answer) => settle_due(answer, outcome, live),
                Work::Barrier(done) => drop(done.send(())),
            }
        }
    }
}

/// Somebody has sent something, which is on its way from now on, unless the other one is never to see it.
fn note_message(new: &NewMessage, outcome: &Outcome, pulse: &Pulse) {
    if let Outcome::Stored { accepted, hidden } = outcome {
        pulse.active(new.conversation.me);
        if !hidden {
            pulse.accepted(&new.conversation, accepted.seq);
        }
    }
}

/// Something has arrived, and was perhaps read.
fn note_receipt(new: &NewReceipt, outcome: &Outcome, pulse: &Pulse) {
    if let Outcome::Advanced { delivered, has_read, .. } = outcome {
        if *has_read {
            pulse.active(new.conversation.me);
        }
        pulse.arrived(&new.conversation, *delivered);
    }
}

fn settle_message(new: NewMessage, outcome: Outcome, live: &Live) {
    let answer = match outcome {
        Outcome::Stored { accepted, hidden } => {
            let message = Message::new(&accepted, new.conversation.me, new.epoch, new.envelope, hidden);
            publish(live, new.origin, &new.conversation, message);
            Ok(accepted)
        }
        Outcome::Known(accepted) => Ok(accepted),
        Outcome::Refused(code) => Err(code.into()),
        _ => Err(Error::internal("a message became something else")),
    };
    (new.answer)(answer);
}

fn settle_change(new: NewChange, outcome: Outcome, live: &Live) {
    let answer = match outcome {
        Outcome::Changed { accepted, message } => {
            publish(live, None, &new.conversation, *message);
            Ok(accepted)
        }
        Outcome::Known(accepted) => Ok(accepted),
        Outcome::Refused(code) => Err(code.into()),
        _ => Err(Error::internal("a change became something else")),
    };
    (new.answer)(answer);
}

/// To both, each as they may see it.
fn publish(live: &Live, except: Option<ConnectionId>, conversation: &Conversation, message: Message) {
    if !message.differs() {
        return live.publish_except(except, &conversation.both(), &Event::Message { message });
    }
    for account in conversation.both() {
        let message = message.clone().as_seen_by(account);
        live.publish_except(except, &[account], &Event::Message { message });
    }
}

fn settle_receipt(new: NewReceipt, outcome: Outcome, live: &Live) {
    let answer = match outcome {
        Outcome::Advanced { delivered, read, shown, .. } => {
            let Conversation { id: conversation, me: account, .. } = new.conversation;
            let event = |read| Event::Receipt { conversation, account, delivered, read };
            live.publish(&[account], &event(read));
            if let Some(shown) = shown {
                live.publish(&[new.conversation.peer()], &event(shown));
            }
            Ok(())
        }
        Outcome::Refused(code) => Err(code.into()),
        // It brought nothing new: there is nothing to publish.
        _ => Ok(()),
    };
    (new.answer)(answer);
}

fn settle_expiry(answer: Answer<usize>, outcome: Outcome, live: &Live) {
    let Outcome::Expired(gone) = outcome else {
        return answer(Err(Error::internal("what was to disappear became something else")));
    };
    let count = gone.len();
    for (both, message) in gone {
        live.publish(&both, &Event::Message { message });
    }
    answer(Ok(count));
}

/// As messages that were sent this moment; and their sender's browsers no longer show them as waiting.
fn settle_due(answer: Answer<usize>, outcome: Outcome, live: &Live) {
    let Outcome::Sent(due) = outcome else {
        return answer(Err(Error::internal("what was due became something else")));
    };
    let count = due.len();
    for (new, outcome) in due {
        let (conversation, me, id) = (new.conversation.id, new.conversation.me, new.id);
        let sent = !matches!(outcome, Outcome::Refused(_));
        settle_message(new, outcome, live);
        live.publish(&[me], &Event::Unscheduled { conversation, id, sent });
    }
    answer(Ok(count));
}

/// All may try again, and the same ids make that safe.
fn put_off(work: Work) {
    match work {
        Work::Message(new) => (new.answer)(Err(Code::Unavailable.into())),
        Work::Change(new) => (new.answer)(Err(Code::Unavailable.into())),
        Work::Receipt(new) => (new.answer)(Err(Code::Unavailable.into())),
        Work::Expire(answer) | Work::SendDue(answer) => answer(Err(Code::Unavailable.into())),
        Work::Barrier(done) => drop(done.send(())),
    }
}
