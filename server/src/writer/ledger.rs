//! What the writer does in one transaction: the rule of sequence numbers, changes and receipts, and its SQL.
//!
//! It speaks to SQLite directly. A message costs one insert, a conversation of the batch one look and one
//! update, and the statements are prepared once; through SeaORM the same took twice the processor time
//! (docs/decisions/0009-writer-on-rusqlite.md).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use uuid::Uuid;

use super::changes::{self, Done};
use super::due;
use super::health::Health;
use super::{Change, NewChange, NewMessage, NewReceipt, Work};
use crate::clock::Millis;
use crate::db::{Db, Turn};
use crate::error::{Code, Result};
use crate::messages::{Accepted, Message};

/// What became of a piece of work.
pub enum Outcome {
    /// A new message; hidden from its recipient, who has blocked the sender.
    Stored {
        accepted: Accepted,
        hidden: bool,
    },
    /// A message that is another now.
    Changed {
        accepted: Accepted,
        message: Box<Message>,
    },
    /// The same message or change again.
    Known(Accepted),
    /// A receipt that told something new.
    Advanced {
        delivered: i64,
        read: i64,
        /// What the other person is told to be read; none when there is nothing new to tell them.
        shown: Option<i64>,
    },
    /// Messages that have disappeared, with the two people each belonged to.
    Expired(Vec<([Uuid; 2], Message)>),
    /// Messages whose time had come, and what became of each.
    Sent(Vec<(NewMessage, Outcome)>),
    Nothing,
    Refused(Code),
}

impl Outcome {
    fn is_news(&self) -> bool {
        match self {
            Outcome::Stored { .. } | Outcome::Changed { .. } | Outcome::Advanced { .. } => true,
            Outcome::Expired(gone) => !gone.is_empty(),
            Outcome::Sent(due) => !due.is_empty(),
            Outcome::Known(_) | Outcome::Nothing | Outcome::Refused(_) => false,
        }
    }
}

pub struct Ledger {
    connection: Connection,
    turn: Turn,
    health: Health,
}

impl Ledger {
    pub fn open(db: &Db, health: Health) -> Result<Self> {
        Ok(Self { connection: db.connect()?, turn: db.turn(), health })
    }

    /// All of it, synced, or nothing: then `None`, and the log has the reason.
    pub fn store(&mut self, batch: &[Work], now: Millis) -> Option<Vec<Outcome>> {
        match self.try_store(batch, now) {
            Ok(outcomes) => {
                // A batch without anything new needs no room.
                if outcomes.iter().any(Outcome::is_news) {
                    self.health.stored();
                }
                Some(outcomes)
            }
            Err(error) => {
                self.health.failed(&error);
                None
            }
        }
    }

    fn try_store(&mut self, batch: &[Work], now: Millis) -> rusqlite::Result<Vec<Outcome>> {
        let _turn = self.turn.wait();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut page = Page { transaction: &transaction, states: HashMap::new(), now };
        let outcomes = batch.iter().map(|work| page.enter(work)).collect::<rusqlite::Result<_>>()?;
        page.save()?;
        transaction.commit()?;
        Ok(outcomes)
    }
}

/// A conversation, as the batch has left it so far. What belongs to each of the two is in a pair: the account
/// with the lower id first.
struct State {
    low: Uuid,
    high: Uuid,
    seq: i64,
    rev: i64,
    active_at: Millis,
    delivered: [i64; 2],
    read: [i64; 2],
    /// What the other one is shown of it.
    shown: [i64; 2],
    unread: [i64; 2],
    /// The first has blocked the second, and the other way round.
    blocks: [bool; 2],
    /// How long new messages stay; 0 for ever. And the message that said so.
    timer: Millis,
    timer_seq: i64,
    changed: bool,
}

impl State {
    fn side(&self, account: Uuid) -> usize {
        usize::from(account != self.low)
    }

    /// What has disappeared before it was read is unread no more.
    fn forget_unread(&mut self, sender: Uuid, seq: i64) {
        let reader = 1 - self.side(sender);
        self.unread[reader] -= i64::from(seq > self.read[reader]);
    }

    /// Whether what this side does is to be kept from the other one.
    fn is_blocked(&self, side: usize) -> bool {
        self.blocks[1 - side]
    }
}

/// A batch within its transaction.
struct Page<'a> {
    transaction: &'a Connection,
    states: HashMap<Uuid, State>,
    now: Millis,
}

impl Page<'_> {
    fn enter(&mut self, work: &Work) -> rusqlite::Result<Outcome> {
        match work {
            Work::Message(new) => self.append(new),
            Work::Change(new) => self.change(new),
            Work::Receipt(new) => self.advance(new),
            Work::Expire(_) => self.expire(),
            Work::SendDue(_) => self.send_due(),
            Work::Barrier(_) => Ok(Outcome::Nothing),
        }
    }

    fn append(&mut self, new: &NewMessage) -> rusqlite::Result<Outcome> {
        let Self { transaction, states, now } = self;
        let Some(state) = state(transaction, states, new.conversation.id)? else {
            return Ok(Outcome::Refused(Code::NotFound));
        };
        // The clock may be set back; the order of a conversation may not.
        let sent_at = state.active_at.max(*now);
        // What sets the timer stays as long as anything it is about.
        let lifetime = state.timer.max(new.timer.unwrap_or(0));
        let accepted = Accepted {
            conversation: new.conversation.id,
            id: new.id,
            seq: state.seq + 1,
            rev: state.rev + 1,
            sent_at,
            expires_at: (lifetime > 0).then_some(sent_at + lifetime),
        };
        let mut insert = transaction.prepare_cached(
            "INSERT INTO messages (conversation, seq, rev, id, sender, epoch, envelope, sent_at, hidden, expires_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id, conversation) DO NOTHING",
        )?;
        let Accepted { conversation, id, seq, rev, expires_at, .. } = accepted;
        let (sender, epoch) = (new.conversation.me, new.epoch);
        let side = state.side(sender);
        let hidden = state.is_blocked(side);
        let row =
            params![conversation, seq, rev, id, sender, epoch, new.envelope, sent_at, hidden, expires_at];
        if insert.execute(row)? == 0 {
            return self.known(new);
        }
        if let Some(at) = expires_at {
            transaction
                .prepare_cached("INSERT INTO expiring (at, conversation, seq) VALUES (?, ?, ?)")?
                .execute(params![at, conversation, seq])?;
        }
        if let Some(timer) = new.timer {
            (state.timer, state.timer_seq) = (timer, seq);
        }
        state.seq = seq;
        state.rev = rev;
        state.active_at = sent_at;
        // One's own words are delivered to and read by oneself; for the other they are unread.
        state.unread[1 - side] += i64::from(!hidden);
        state.changed = true;
        Ok(Outcome::Stored { accepted, hidden })
    }

    /// What waited is a message from here on, and waits no more.
    fn send_due(&mut self) -> rusqlite::Result<Outcome> {
        let mut sent = Vec::new();
        for due in due::messages(self.transaction, self.now)? {
            due::forget(self.transaction, &due)?;
            // Who is gone sends nothing.
            let outcome = if due::is_account(self.transaction, due.conversation.me)? {
                self.append(&due)?
            } else {
                Outcome::Refused(Code::NotFound)
            };
            sent.push((due, outcome));
        }
        Ok(Outcome::Sent(sent))
    }

    /// The id stands for a message already: this very one, or another. What was deleted cannot be compared.
    fn known(&self, new: &NewMessage) -> rusqlite::Result<Outcome> {
        let mut select = self.transaction.prepare_cached(
            "SELECT m.seq, m.rev, m.sent_at, m.sender, coalesce(v.envelope, m.envelope), m.deleted_at, m.expires_at
             FROM messages m LEFT JOIN versions v
             ON v.conversation = m.conversation AND v.seq = m.seq AND v.number = 0
             WHERE m.id = ? AND m.conversation = ?",
        )?;
        select.query_row(params![new.id, new.conversation.id], |row| {
            let accepted = Accepted {
                conversation: new.conversation.id,
                id: new.id,
                seq: row.get(0)?,
                rev: row.get(1)?,
                sent_at: row.get(2)?,
                expires_at: row.get(6)?,
            };
            let is_gone = row.get::<_, Option<Millis>>(5)?.is_some();
            let same = row.get::<_, Uuid>(3)? == new.conversation.me
                && (is_gone || row.get_ref(4)?.as_blob().is_ok_and(|envelope| envelope == new.envelope));
            Ok(if same { Outcome::Known(accepted) } else { Outcome::Refused(Code::MessageIdReused) })
        })
    }

    /// The message is another from here on, under a new `rev`; or it was this already.
    fn change(&mut self, new: &NewChange) -> rusqlite::Result<Outcome> {
        let Self { transaction, states, now } = self;
        let (conversation, me) = (new.conversation.id, new.conversation.me);
        let Some(state) = state(transaction, states, conversation)? else {
            return Ok(Outcome::Refused(Code::NotFound));
        };
        let hidden = state.is_blocked(state.side(me));
        let at = state.active_at.max(*now);
        let (before, done) = match changes::apply(transaction, new, hidden, at)? {
            Ok(applied) => applied,
            Err(code) => return Ok(Outcome::Refused(code)),
        };
        let accepted = |rev| Accepted {
            conversation,
            id: new.id(),
            seq: before.seq,
            rev,
            sent_at: at,
            expires_at: before.expires_at,
        };
        if done == Done::Already {
            return Ok(Outcome::Known(accepted(before.rev)));
        }
        // An edit by somebody blocked takes the message out of sight.
        if hidden && !before.hidden && matches!(new.change, Change::Edit(_)) {
            state.forget_unread(me, before.seq);
        }
        state.rev += 1;
        state.changed = true;
        changes::list(transaction, conversation, &before, state.rev)?;
        let message = Box::new(changes::message(transaction, conversation, before.seq)?);
        Ok(Outcome::Changed { accepted: accepted(state.rev), message })
    }

    /// Messages whose time is over go as deleted ones do, each as a change of its conversation.
    fn expire(&mut self) -> rusqlite::Result<Outcome> {
        let Self { transaction, states, now } = self;
        let mut gone = Vec::new();
        for changes::Due { at, conversation, seq } in changes::due(transaction, *now)? {
            changes::undue(transaction, at, conversation, seq)?;
            let Some(state) = state(transaction, states, conversation)? else { continue };
            let Some(before) = changes::by_seq(transaction, conversation, seq)? else { continue };
            changes::erase(transaction, conversation, &before, at)?;
            state.rev += 1;
            state.changed = true;
            if !before.hidden {
                state.forget_unread(before.sender, seq);
            }
            changes::list(transaction, conversation, &before, state.rev)?;
            gone.push(([state.low, state.high], changes::message(transaction, conversation, seq)?));
        }
        Ok(Outcome::Expired(gone))
    }

    /// Move a receipt forward; it never goes back.
    fn advance(&mut self, new: &NewReceipt) -> rusqlite::Result<Outcome> {
        let Self { transaction, states, .. } = self;
        let Some(state) = state(transaction, states, new.conversation.id)? else {
            return Ok(Outcome::Refused(Code::NotFound));
        };
        let exists = |seq: Option<i64>| seq.is_none_or(|seq| (0..=state.seq).contains(&seq));
        if !exists(new.delivered) || !exists(new.read) {
            return Ok(Outcome::Refused(Code::BadReceipt));
        }
        let me = state.side(new.conversation.me);
        let (was_delivered, was_read) = (state.delivered[me], state.read[me]);
        let read = was_read.max(new.read.unwrap_or(0));
        // What was read was delivered.
        let delivered = was_delivered.max(new.delivered.unwrap_or(0)).max(read);
        if (delivered, read) == (was_delivered, was_read) {
            return Ok(Outcome::Nothing);
        }
        if read == state.seq {
            state.unread[me] = 0;
        } else if read > was_read {
            let mut count = transaction.prepare_cached(
                "SELECT count(*) FROM messages
                 WHERE conversation = ? AND seq > ? AND seq <= ? AND sender <> ? AND NOT hidden
                 AND (expires_at IS NULL OR deleted_at IS NULL OR deleted_at < expires_at)",
            )?;
            let from_the_other = params![new.conversation.id, was_read, read, new.conversation.me];
            state.unread[me] -= count.query_row(from_the_other, |row| row.get::<_, i64>(0))?;
        }
        state.delivered[me] = delivered;
        state.read[me] = read;
        // What is read while either hides it, or blocks the other, is shown only with what is read later.
        let shows = read > was_read && state.blocks == [false; 2] && share_receipts(transaction, new)?;
        if shows {
            state.shown[me] = read;
        }
        state.changed = true;
        let shown = (shows || delivered > was_delivered).then_some(state.shown[me]);
        Ok(Outcome::Advanced { delivered, read, shown })
    }

    /// Only what changes here is written: the row's epoch is another room's business.
    fn save(&self) -> rusqlite::Result<()> {
        let mut update = self.transaction.prepare_cached(
            "UPDATE conversations SET seq = ?, rev = ?, active_at = ?, low_delivered = ?, high_delivered = ?,
             low_read = ?, high_read = ?, low_shown = ?, high_shown = ?, low_unread = ?, high_unread = ?,
             timer = ?, timer_seq = ? WHERE id = ?",
        )?;
        for (id, state) in self.states.iter().filter(|(_, state)| state.changed) {
            let State { seq, rev, active_at, delivered, read, shown, unread, timer, timer_seq, .. } = state;
            update.execute(params![
                seq,
                rev,
                active_at,
                delivered[0],
                delivered[1],
                read[0],
                read[1],
                shown[0],
                shown[1],
                unread[0],
                unread[1],
                timer,
                timer_seq,
                id
            ])?;
        }
        Ok(())
    }
}

/// The conversation's state, read once a batch.
fn state<'s>(
    transaction: &Connection,
    states: &'s mut HashMap<Uuid, State>,
    id: Uuid,
) -> rusqlite::Result<Option<&'s mut State>> {
    let vacant = match states.entry(id) {
        Entry::Occupied(known) => return Ok(Some(known.into_mut())),
        Entry::Vacant(vacant) => vacant,
    };
    let mut select = transaction.prepare_cached(
        "SELECT low, seq, rev, active_at, low_delivered, high_delivered, low_read, high_read, low_shown,
         high_shown, low_unread, high_unread, low_blocks, high_blocks, high, timer, timer_seq
         FROM conversations WHERE id = ?",
    )?;
    let found = select.query_row([id], |row| {
        Ok(State {
            low: row.get(0)?,
            seq: row.get(1)?,
            rev: row.get(2)?,
            active_at: row.get(3)?,
            delivered: [row.get(4)?, row.get(5)?],
            read: [row.get(6)?, row.get(7)?],
            shown: [row.get(8)?, row.get(9)?],
            unread: [row.get(10)?, row.get(11)?],
            blocks: [row.get(12)?, row.get(13)?],
            high: row.get(14)?,
            timer: row.get(15)?,
            timer_seq: row.get(16)?,
            changed: false,
        })
    });
    Ok(found.optional()?.map(|state| vacant.insert(state)))
}

/// Whether both let each other see how far they have read.
fn share_receipts(transaction: &Connection, new: &NewReceipt) -> rusqlite::Result<bool> {
    let mut count =
        transaction.prepare_cached("SELECT count(*) FROM accounts WHERE id IN (?, ?) AND shares_receipts")?;
    Ok(count.query_row(new.conversation.both(), |row| row.get::<_, i64>(0))? == 2)
}
