//! Group commit. Messages and receipts from everyone queue here; one task takes whatever waits, stores it in
//! one transaction, and only after the commit (synced to disk) acknowledges and publishes it. Nothing waits for
//! company: a single message is a batch of one, and under load the batches grow by themselves.
//!
//! It keeps true: `seq` has no gaps, `rev` grows with each message, an id sent twice is one message with one
//! answer, and events leave in the order of `seq`.

use std::collections::HashMap;

use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::clock::{Clock, Millis};
use crate::conversations::Conversation;
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::event::Event;
use crate::live::Live;
use crate::messages::{Accepted, Message};
use crate::schema::tables::{conversations, messages};

/// More than this in one transaction no longer makes it cheaper, only later.
const MAX_BATCH: usize = 1_000;
/// Nor more than this: what is published at once must fit the queues of those who listen.
const MAX_BATCH_BYTES: usize = 256 << 10;
/// What may wait before senders have to.
const QUEUE: usize = 4_096;

#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Work>,
}

enum Work {
    Message(NewMessage),
    Receipt(NewReceipt),
    /// Answered when everything queued before it is stored.
    Barrier(oneshot::Sender<()>),
}

impl Work {
    fn bytes(&self) -> usize {
        match self {
            Work::Message(new) => new.envelope.len(),
            Work::Receipt(_) | Work::Barrier(_) => 0,
        }
    }
}

/// Called once, after the commit or the refusal. It must not block: it runs in the writer's task.
pub type Answer<T> = Box<dyn FnOnce(Result<T>) + Send + Sync>;

struct NewMessage {
    conversation: Conversation,
    id: Uuid,
    epoch: Uuid,
    envelope: Vec<u8>,
    answer: Answer<Accepted>,
}

struct NewReceipt {
    conversation: Conversation,
    delivered: Option<i64>,
    read: Option<i64>,
    answer: Answer<()>,
}

impl Writer {
    /// Starts the task; it ends when the last `Writer` is gone.
    pub fn start(db: Db, live: Live, clock: Clock) -> Self {
        let (queue, mut waiting) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            while let Some(first) = waiting.recv().await {
                store(&db, &live, clock.now(), batch(first, &mut waiting)).await;
            }
        });
        Self { queue }
    }

    /// Queue a message. Returns when it has its place in the queue; `answer` gets `MessageIdReused` when the id
    /// stands for other bytes.
    pub async fn append(
        &self,
        conversation: Conversation,
        id: Uuid,
        epoch: Uuid,
        envelope: Vec<u8>,
        answer: impl FnOnce(Result<Accepted>) + Send + Sync + 'static,
    ) -> Result<()> {
        self.put(Work::Message(NewMessage { conversation, id, epoch, envelope, answer: Box::new(answer) }))
            .await
    }

    /// Queue how far the caller has come; `answer` gets `BadReceipt` for a message that does not exist.
    pub async fn receipt(
        &self,
        conversation: Conversation,
        delivered: Option<i64>,
        read: Option<i64>,
        answer: impl FnOnce(Result<()>) + Send + Sync + 'static,
    ) -> Result<()> {
        self.put(Work::Receipt(NewReceipt { conversation, delivered, read, answer: Box::new(answer) })).await
    }

    /// Returns when all that was queued before is stored and answered.
    pub async fn flush(&self) {
        let (done, stored) = oneshot::channel();
        if self.put(Work::Barrier(done)).await.is_ok() {
            // An error means that the task is gone, and then nothing waits.
            let _ = stored.await;
        }
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

/// Whatever waits now, within the bounds of a batch.
fn batch(first: Work, waiting: &mut mpsc::Receiver<Work>) -> Vec<Work> {
    let mut bytes = first.bytes();
    let mut batch = vec![first];
    while batch.len() < MAX_BATCH && bytes < MAX_BATCH_BYTES {
        let Ok(work) = waiting.try_recv() else { break };
        bytes += work.bytes();
        batch.push(work);
    }
    batch
}

/// A batch on its way: the state of its conversations, and what each piece of work is to be answered.
#[derive(Default)]
struct Batch {
    states: HashMap<Uuid, conversations::Model>,
    inserts: Vec<messages::Model>,
    receipts: Vec<Event>,
}

async fn store(db: &Db, live: &Live, now: Millis, work: Vec<Work>) {
    let mut sent = Vec::new();
    let mut receipts = Vec::new();
    let mut barriers = Vec::new();
    for work in work {
        match work {
            Work::Message(new) => sent.push(new),
            Work::Receipt(new) => receipts.push(new),
            Work::Barrier(answer) => barriers.push(answer),
        }
    }
    let stored = db
        .write(async |tx| {
            let mut batch = Batch::load(tx, &sent, &receipts).await?;
            let accepted = batch.append(tx, &sent, now).await?;
            let noted = batch.note(tx, &receipts).await?;
            batch.save(tx).await?;
            Ok((batch, accepted, noted))
        })
        .await;
    match stored {
        Ok((batch, accepted, noted)) => {
            batch.publish(live);
            for (new, accepted) in sent.into_iter().zip(accepted) {
                (new.answer)(accepted);
            }
            for (new, noted) in receipts.into_iter().zip(noted) {
                (new.answer)(noted);
            }
        }
        Err(error) => {
            // Nothing of the batch is stored: all may try again, and the same ids make that safe.
            tracing::error!(%error, messages = sent.len(), receipts = receipts.len(), "a batch could not be stored");
            for new in sent {
                (new.answer)(Err(Code::Unavailable.into()));
            }
            for new in receipts {
                (new.answer)(Err(Code::Unavailable.into()));
            }
        }
    }
    for barrier in barriers {
        let _ = barrier.send(());
    }
}

impl Batch {
    async fn load(tx: &impl ConnectionTrait, sent: &[NewMessage], receipts: &[NewReceipt]) -> Result<Self> {
        let ids =
            sent.iter().map(|new| new.conversation.id).chain(receipts.iter().map(|new| new.conversation.id));
        let mut ids: Vec<Uuid> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        let rows = conversations::Entity::find().filter(conversations::Column::Id.is_in(ids)).all(tx).await?;
        Ok(Self { states: rows.into_iter().map(|row| (row.id, row)).collect(), ..Self::default() })
    }

    /// Number the messages and insert those that are new.
    async fn append(
        &mut self,
        tx: &impl ConnectionTrait,
        sent: &[NewMessage],
        now: Millis,
    ) -> Result<Vec<Result<Accepted>>> {
        let mut known = known(tx, sent).await?;
        let mut answers = Vec::with_capacity(sent.len());
        for new in sent {
            let key = (new.id, new.conversation.id);
            let answer = match known.get(&key) {
                Some(row) if row.envelope == new.envelope && row.sender == new.conversation.me => {
                    Ok(accepted(row))
                }
                Some(_) => Err(Error::from(Code::MessageIdReused)),
                None => self.number(new, now).map(|row| {
                    let answer = accepted(&row);
                    self.inserts.push(row.clone());
                    known.insert(key, row);
                    answer
                }),
            };
            answers.push(answer);
        }
        if !self.inserts.is_empty() {
            let rows = self.inserts.iter().cloned().map(messages::ActiveModel::from);
            messages::Entity::insert_many(rows).exec_without_returning(tx).await?;
        }
        Ok(answers)
    }

    fn number(&mut self, new: &NewMessage, now: Millis) -> Result<messages::Model> {
        let state = self.states.get_mut(&new.conversation.id).ok_or(Code::NotFound)?;
        state.seq += 1;
        state.rev += 1;
        // The clock may be set back; the order of a conversation may not.
        state.active_at = state.active_at.max(now);
        // One's own words are delivered to and read by oneself; for the other they are unread.
        if new.conversation.me == state.low {
            state.high_unread += 1;
        } else {
            state.low_unread += 1;
        }
        Ok(messages::Model {
            conversation: state.id,
            seq: state.seq,
            rev: state.rev,
            id: new.id,
            sender: new.conversation.me,
            epoch: new.epoch,
            envelope: new.envelope.clone(),
            sent_at: state.active_at,
        })
    }

    /// Move the receipts forward; a receipt that brings nothing new is answered and not published.
    async fn note(&mut self, tx: &impl ConnectionTrait, receipts: &[NewReceipt]) -> Result<Vec<Result<()>>> {
        let mut answers = Vec::with_capacity(receipts.len());
        for new in receipts {
            answers.push(match self.states.get_mut(&new.conversation.id) {
                None => Err(Code::NotFound.into()),
                Some(state) => advance(tx, state, new).await?.map(|event| self.receipts.extend(event)),
            });
        }
        Ok(answers)
    }

    /// One statement for all conversations of the batch. Only what changes here is written: the row's epoch is
    /// another room's business.
    async fn save(&self, tx: &impl ConnectionTrait) -> Result<()> {
        use conversations::Column;
        if self.states.is_empty() {
            return Ok(());
        }
        let rows = self.states.values().cloned().map(conversations::ActiveModel::from);
        let changed = [
            Column::Seq,
            Column::Rev,
            Column::ActiveAt,
            Column::LowDelivered,
            Column::HighDelivered,
            Column::LowRead,
            Column::HighRead,
            Column::LowUnread,
            Column::HighUnread,
        ];
        let update = OnConflict::column(Column::Id).update_columns(changed).to_owned();
        conversations::Entity::insert_many(rows).on_conflict(update).exec_without_returning(tx).await?;
        Ok(())
    }

    fn publish(self, live: &Live) {
        let both = |id: &Uuid| self.states.get(id).map(|state| [state.low, state.high]);
        for row in self.inserts {
            if let Some(both) = both(&row.conversation) {
                live.publish(&both, &Event::Message { message: Message::from(row) });
            }
        }
        for event in self.receipts {
            if let Event::Receipt { conversation, .. } = &event
                && let Some(both) = both(conversation)
            {
                live.publish(&both, &event);
            }
        }
    }
}

/// What is stored already under the ids of a batch.
async fn known(
    tx: &impl ConnectionTrait,
    sent: &[NewMessage],
) -> Result<HashMap<(Uuid, Uuid), messages::Model>> {
    if sent.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = sent.iter().map(|new| new.id);
    let rows = messages::Entity::find().filter(messages::Column::Id.is_in(ids)).all(tx).await?;
    Ok(rows.into_iter().map(|row| ((row.id, row.conversation), row)).collect())
}

fn accepted(row: &messages::Model) -> Accepted {
    Accepted { conversation: row.conversation, id: row.id, seq: row.seq, rev: row.rev, sent_at: row.sent_at }
}

async fn advance(
    tx: &impl ConnectionTrait,
    state: &mut conversations::Model,
    new: &NewReceipt,
) -> Result<Result<Option<Event>>> {
    let exists = |seq: Option<i64>| seq.is_none_or(|seq| (0..=state.seq).contains(&seq));
    if !exists(new.delivered) || !exists(new.read) {
        return Ok(Err(Code::BadReceipt.into()));
    }
    let (me, low) = (new.conversation.me, state.low);
    let (delivered, read) = if me == low {
        (state.low_delivered, state.low_read)
    } else {
        (state.high_delivered, state.high_read)
    };
    // What was read was delivered.
    let now_read = read.max(new.read.unwrap_or(0));
    let now_delivered = delivered.max(new.delivered.unwrap_or(0)).max(now_read);
    if (now_delivered, now_read) == (delivered, read) {
        return Ok(Ok(None));
    }
    let newly_read = match now_read {
        same if same == read => 0,
        _ => from_the_other(tx, state.id, me, read, now_read).await?,
    };
    let (delivered, read, count) = if me == low {
        (&mut state.low_delivered, &mut state.low_read, &mut state.low_unread)
    } else {
        (&mut state.high_delivered, &mut state.high_read, &mut state.high_unread)
    };
    *delivered = now_delivered;
    *read = now_read;
    *count -= newly_read;
    let event =
        Event::Receipt { conversation: state.id, account: me, delivered: now_delivered, read: now_read };
    Ok(Ok(Some(event)))
}

/// How many messages of the other person lie after `read` and not after `now_read`. Counted in the
/// transaction, after its own messages were inserted.
async fn from_the_other(
    tx: &impl ConnectionTrait,
    conversation: Uuid,
    me: Uuid,
    read: i64,
    now_read: i64,
) -> Result<i64> {
    let count = messages::Entity::find()
        .filter(messages::Column::Conversation.eq(conversation))
        .filter(messages::Column::Seq.gt(read))
        .filter(messages::Column::Seq.lte(now_read))
        .filter(messages::Column::Sender.ne(me))
        .count(tx)
        .await?;
    Ok(count as i64)
}
