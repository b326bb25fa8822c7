//! What the writer does in one transaction: the rule of sequence numbers, changes and receipts, and its SQL. A
//! message costs one insert, a conversation of the batch one look and one update.
//!
//! On a database server other nodes may write as well. The row of a conversation is therefore locked before
//! anything of it is read, those of a batch in the order of their ids; what it says then holds until the commit.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use sea_orm::DbErr;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::changes::{self, Done};
use super::due;
use super::health::Health;
use super::sql::{Param, Result, Row, Transaction, params};
use super::{Change, NewChange, NewMessage, NewReceipt, Work};
use crate::clock::{DAY, Millis};
use crate::conversations::Conversation;
use crate::db::{self, Db, Turn};
use crate::error::{self, Code};
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
        /// And this is more than was read before.
        has_read: bool,
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

/// Conversations that are locked in one statement.
const MAX_IDS: usize = 512;
/// A batch that loses against another node, or a connection that breaks, begins again so often.
const ATTEMPTS: u32 = 6;
const PAUSE: Duration = Duration::from_millis(20);

pub struct Ledger {
    store: Store,
    health: Health,
}

enum Store {
    Sqlite { connection: Connection, turn: Turn },
    Server { db: Db, runtime: Handle },
}

impl Ledger {
    /// Within the runtime that carries the pool's connections.
    pub fn open(db: &Db, health: Health) -> error::Result<Self> {
        let store = match db.sqlite() {
            Some(sqlite) => Store::Sqlite { connection: sqlite.connect()?, turn: sqlite.turn() },
            None => Store::Server { db: db.clone(), runtime: Handle::current() },
        };
        Ok(Self { store, health })
    }

    /// All of it, synced, or nothing: then `None`, and the log has the reason.
    pub fn store(&mut self, batch: &[Work], now: Millis) -> Option<Vec<Outcome>> {
        for attempt in 1.. {
            // The same again gets the same answers, whatever of it was stored.
            let error = match self.try_store(batch, now) {
                Ok(outcomes) => {
                    // A batch without anything new needs no room.
                    if outcomes.iter().any(Outcome::is_news) {
                        self.health.stored();
                    }
                    return Some(outcomes);
                }
                Err(error) => error,
            };
            if attempt == ATTEMPTS || !(db::is_contended(&error) || db::is_lost(&error)) {
                self.health.failed(&error);
                return None;
            }
            thread::sleep(PAUSE * attempt);
        }
        None
    }

    fn try_store(&mut self, batch: &[Work], now: Millis) -> Result<Vec<Outcome>> {
        match &mut self.store {
            Store::Sqlite { connection, turn } => {
                let _turn = turn.wait();
                let transaction = Transaction::on_sqlite(connection)?;
                let outcomes = enter(&transaction, batch, now)?;
                transaction.commit()?;
                Ok(outcomes)
            }
            Store::Server { db, runtime } => {
                let transaction = runtime.block_on(db.begin_for_writer())?;
                let transaction = Transaction::on_server(runtime.clone(), transaction);
                let outcomes = enter(&transaction, batch, now)?;
                transaction.commit().inspect_err(|error| {
                    if db::is_lost(error) {
                        db.doubt();
                    }
                })?;
                Ok(outcomes)
            }
        }
    }
}

fn enter(transaction: &Transaction<'_>, batch: &[Work], now: Millis) -> Result<Vec<Outcome>> {
    let mut page = Page { transaction, states: HashMap::new(), now };
    page.lock(batch)?;
    let outcomes = batch.iter().map(|work| page.enter(work)).collect::<Result<_>>()?;
    page.save()?;
    Ok(outcomes)
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
    /// Epochs up to this one take no more envelopes.
    closed_epoch: i64,
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

macro_rules! select_state {
    () => {
        "SELECT low, seq, rev, active_at, low_delivered, high_delivered, low_read, high_read, low_shown,
         high_shown, low_unread, high_unread, low_blocks, high_blocks, high, timer, timer_seq, closed_epoch, id
         FROM conversations WHERE id"
    };
}

/// A batch within its transaction.
struct Page<'a> {
    transaction: &'a Transaction<'a>,
    states: HashMap<Uuid, State>,
    now: Millis,
}

impl Page<'_> {
    /// All conversations of the batch at once. SQLite, which has only this one writer now, reads each when it comes to it.
    fn lock(&mut self, batch: &[Work]) -> Result<()> {
        if let Transaction::Sqlite(_) = self.transaction {
            return Ok(());
        }
        let mut ids: Vec<Uuid> = batch.iter().filter_map(Work::conversation).collect();
        ids.sort_unstable();
        ids.dedup();
        for ids in ids.chunks(MAX_IDS) {
            // Few different lengths are few different statements to prepare.
            let mut params: Vec<Param<'_>> = ids.iter().map(|id| Param::from(*id)).collect();
            params.resize(ids.len().next_power_of_two(), params[params.len() - 1]);
            let places = vec!["?"; params.len()].join(", ");
            let select = format!(concat!(select_state!(), " IN ({}) ORDER BY id"), places);
            for (id, state) in self.transaction.all_for_update(&select, &params, State::read)? {
                self.states.insert(id, state);
            }
        }
        Ok(())
    }

    fn enter(&mut self, work: &Work) -> Result<Outcome> {
        match work {
            Work::Message(new) if self.is_closed(new.conversation.id, new.epoch_number)? => {
                // Stored before, and its answer was lost: it stays so.
                Ok(self.known(new)?.unwrap_or(Outcome::Refused(Code::EpochClosed)))
            }
            Work::Message(new) => self.append(new),
            Work::Change(new) => self.change(new),
            Work::Receipt(new) => self.advance(new),
            Work::Expire(_) => self.expire(),
            Work::SendDue(_) => self.send_due(),
            Work::Barrier(_) => Ok(Outcome::Nothing),
        }
    }

    /// Whether the epoch takes no more envelopes.
    fn is_closed(&mut self, conversation: Uuid, epoch_number: Option<i64>) -> Result<bool> {
        let state = state(self.transaction, &mut self.states, conversation)?;
        Ok(state.is_some_and(|state| epoch_number.is_some_and(|number| number <= state.closed_epoch)))
    }

    fn append(&mut self, new: &NewMessage) -> Result<Outcome> {
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
        let Accepted { conversation, id, seq, rev, expires_at, .. } = accepted;
        let (sender, epoch) = (new.conversation.me, new.epoch);
        let side = state.side(sender);
        let hidden = state.is_blocked(side);
        let envelope = new.envelope.as_slice();
        let is_new = transaction.insert_new(
            "messages (conversation, seq, rev, id, sender, epoch, envelope, sent_at, hidden, expires_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![conversation, seq, rev, id, sender, epoch, envelope, sent_at, hidden, expires_at],
        )?;
        if !is_new {
            return self.known(new)?.ok_or(DbErr::RecordNotInserted);
        }
        if let Some(at) = expires_at {
            transaction.execute(
                "INSERT INTO expiring (at, conversation, seq) VALUES (?, ?, ?)",
                params![at, conversation, seq],
            )?;
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
    fn send_due(&mut self) -> Result<Outcome> {
        let mut sent = Vec::new();
        for due in due::messages(self.transaction, self.now)? {
            let state = state(self.transaction, &mut self.states, due.conversation)?;
            let both = state.map(|state| [state.low, state.high]);
            if let Some(both) = both
                && due::is_lost(self.transaction, &due, both)?
            {
                due::put_off(self.transaction, &due, self.now + DAY)?;
                continue;
            }
            due::forget(self.transaction, &due)?;
            let Some([low, high]) = both else { continue };
            let new = NewMessage {
                conversation: Conversation { id: due.conversation, me: due.sender, low, high },
                id: due.id,
                epoch: due.epoch,
                epoch_number: None,
                envelope: due.envelope,
                timer: None,
                origin: None,
                // Nobody waits for it.
                answer: Box::new(drop),
            };
            // Who is gone sends nothing.
            let outcome = if due::is_account(self.transaction, due.sender)? {
                self.append(&new)?
            } else {
                Outcome::Refused(Code::NotFound)
            };
            sent.push((new, outcome));
        }
        Ok(Outcome::Sent(sent))
    }

    /// Where the id stands for a message already: this very one, or another. What was deleted cannot be compared.
    fn known(&self, new: &NewMessage) -> Result<Option<Outcome>> {
        let read = |row: &Row<'_>| {
            let accepted = Accepted {
                conversation: new.conversation.id,
                id: new.id,
                seq: row.get(0)?,
                rev: row.get(1)?,
                sent_at: row.get(2)?,
                expires_at: row.get(6)?,
            };
            let is_gone = row.get::<Option<Millis>>(5)?.is_some();
            let same = row.get::<Uuid>(3)? == new.conversation.me
                && (is_gone || row.get::<Vec<u8>>(4)? == new.envelope);
            Ok(if same { Outcome::Known(accepted) } else { Outcome::Refused(Code::MessageIdReused) })
        };
        self.transaction.one(
            "SELECT m.seq, m.rev, m.sent_at, m.sender, coalesce(v.envelope, m.envelope), m.deleted_at, m.expires_at
             FROM messages m LEFT JOIN versions v
             ON v.conversation = m.conversation AND v.seq = m.seq AND v.number = 0
             WHERE m.id = ? AND m.conversation = ?",
            params![new.id, new.conversation.id],
            read,
        )
    }

    /// The message is another from here on, under a new `rev`; or it was this already.
    fn change(&mut self, new: &NewChange) -> Result<Outcome> {
        let Self { transaction, states, now } = self;
        let (conversation, me) = (new.conversation.id, new.conversation.me);
        let epoch_number = match &new.change {
            Change::Edit(sealed) | Change::React(sealed) => Some(sealed.epoch_number),
            Change::Delete | Change::Unreact => None,
        };
        let Some(state) = state(transaction, states, conversation)? else {
            return Ok(Outcome::Refused(Code::NotFound));
        };
        if epoch_number.is_some_and(|number| number <= state.closed_epoch) {
            return Ok(Outcome::Refused(Code::EpochClosed));
        }
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
    fn expire(&mut self) -> Result<Outcome> {
        let Self { transaction, states, now } = self;
        let mut gone = Vec::new();
        for changes::Due { at, conversation, seq } in changes::due(transaction, *now)? {
            changes::undue(transaction, at, conversation, seq)?;
            let Some(state) = state(transaction, states, conversation)? else { continue };
            let Some(before) = changes::by_seq(transaction, conversation, seq)? else { continue };
            if before.disappeared {
                continue;
            }
            changes::disappear(transaction, conversation, &before, at)?;
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
    fn advance(&mut self, new: &NewReceipt) -> Result<Outcome> {
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
            state.unread[me] -= transaction.count(
                "SELECT count(*) FROM messages
                 WHERE conversation = ? AND seq > ? AND seq <= ? AND sender <> ? AND NOT hidden
                 AND (expires_at IS NULL OR deleted_at IS NULL OR deleted_at < expires_at)",
                params![new.conversation.id, was_read, read, new.conversation.me],
            )?;
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
        Ok(Outcome::Advanced { delivered, read, has_read: read > was_read, shown })
    }

    /// Only what changes here is written: the row's epoch is another room's business.
    fn save(&self) -> Result<()> {
        for (id, state) in self.states.iter().filter(|(_, state)| state.changed) {
            let State { seq, rev, active_at, delivered, read, shown, unread, timer, timer_seq, .. } = state;
            self.transaction.execute(
                "UPDATE conversations SET seq = ?, rev = ?, active_at = ?, low_delivered = ?, high_delivered = ?,
                 low_read = ?, high_read = ?, low_shown = ?, high_shown = ?, low_unread = ?, high_unread = ?,
                 timer = ?, timer_seq = ? WHERE id = ?",
                params![
                    *seq,
                    *rev,
                    *active_at,
                    delivered[0],
                    delivered[1],
                    read[0],
                    read[1],
                    shown[0],
                    shown[1],
                    unread[0],
                    unread[1],
                    *timer,
                    *timer_seq,
                    *id
                ],
            )?;
        }
        Ok(())
    }
}

impl State {
    fn read(row: &Row<'_>) -> Result<(Uuid, Self)> {
        let state = Self {
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
            closed_epoch: row.get(17)?,
            changed: false,
        };
        Ok((row.get(18)?, state))
    }
}

/// The conversation's state, read once a batch.
fn state<'s>(
    transaction: &Transaction<'_>,
    states: &'s mut HashMap<Uuid, State>,
    id: Uuid,
) -> Result<Option<&'s mut State>> {
    let vacant = match states.entry(id) {
        Entry::Occupied(known) => return Ok(Some(known.into_mut())),
        Entry::Vacant(vacant) => vacant,
    };
    let found = transaction.all_for_update(concat!(select_state!(), " = ?"), params![id], State::read)?;
    Ok(found.into_iter().next().map(|(_, state)| vacant.insert(state)))
}

/// Whether both let each other see how far they have read.
fn share_receipts(transaction: &Transaction<'_>, new: &NewReceipt) -> Result<bool> {
    let [low, high] = new.conversation.both();
    let sharing = transaction
        .count("SELECT count(*) FROM accounts WHERE id IN (?, ?) AND shares_receipts", params![low, high])?;
    Ok(sharing == 2)
}
