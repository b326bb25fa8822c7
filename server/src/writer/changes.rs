//! What becomes of messages that are there: their part of the ledger.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{Change, NewChange, Sealed};
use crate::clock::Millis;
use crate::error::Code;
use crate::messages::{MAX_EDITS, Message, Reaction};
use crate::schema::tables::messages;

/// A message as it is before the change.
pub struct Before {
    pub seq: i64,
    pub rev: i64,
    pub sender: Uuid,
    pub expires_at: Option<Millis>,
    id: Uuid,
    version: Option<Uuid>,
    edits: i16,
    deleted: bool,
    changed: bool,
    pub hidden: bool,
}

/// A message whose time is over.
pub struct Due {
    pub at: Millis,
    pub conversation: Uuid,
    pub seq: i64,
}

/// More would hold up whoever writes meanwhile.
const AT_ONCE: usize = 500;

#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Done {
    Now,
    /// The same change again: nothing was to do.
    Already,
}

type Applied = std::result::Result<(Before, Done), Code>;

/// Carries out the change, whose right is checked here. `hidden`: it is to be kept from the other person.
pub fn apply(
    transaction: &Connection,
    new: &NewChange,
    hidden: bool,
    at: Millis,
) -> rusqlite::Result<Applied> {
    let (conversation, me) = (new.conversation.id, new.conversation.me);
    let Some(before) = before(transaction, conversation, new.target)? else {
        return Ok(Err(Code::UnknownMessage));
    };
    let mine = before.sender == me;
    if before.hidden && !mine {
        return Ok(Err(Code::UnknownMessage));
    }
    let done = match &new.change {
        Change::Edit(_) | Change::Delete if !mine => Err(Code::NotYours),
        Change::Delete => delete(transaction, conversation, &before, at).map(Ok)?,
        Change::Edit(sealed) => edit(transaction, conversation, &before, sealed, hidden, at)?,
        Change::React(sealed) => react(transaction, conversation, &before, me, sealed, hidden)?,
        Change::Unreact => unreact(transaction, conversation, &before, me).map(Ok)?,
    };
    Ok(done.map(|done| (before, done)))
}

/// What disappears now, the earliest first.
pub fn due(transaction: &Connection, now: Millis) -> rusqlite::Result<Vec<Due>> {
    let mut select = transaction
        .prepare_cached("SELECT at, conversation, seq FROM expiring WHERE at <= ? ORDER BY at LIMIT ?")?;
    let rows = select.query_map(params![now, AT_ONCE as i64], |row| {
        Ok(Due { at: row.get(0)?, conversation: row.get(1)?, seq: row.get(2)? })
    })?;
    rows.collect()
}

pub fn undue(transaction: &Connection, at: Millis, conversation: Uuid, seq: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM expiring WHERE at = ? AND conversation = ? AND seq = ?")?
        .execute(params![at, conversation, seq])?;
    Ok(())
}

pub fn by_seq(transaction: &Connection, conversation: Uuid, seq: i64) -> rusqlite::Result<Option<Before>> {
    let select = format!("{SELECT_BEFORE} WHERE conversation = ? AND seq = ?");
    transaction.prepare_cached(&select)?.query_row(params![conversation, seq], Before::read).optional()
}

fn before(transaction: &Connection, conversation: Uuid, id: Uuid) -> rusqlite::Result<Option<Before>> {
    let select = format!("{SELECT_BEFORE} WHERE id = ? AND conversation = ?");
    transaction.prepare_cached(&select)?.query_row(params![id, conversation], Before::read).optional()
}

const SELECT_BEFORE: &str =
    "SELECT seq, rev, sender, id, version, edits, deleted_at IS NOT NULL, changed, hidden,
     expires_at FROM messages";

impl Before {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            rev: row.get(1)?,
            sender: row.get(2)?,
            id: row.get(3)?,
            version: row.get(4)?,
            edits: row.get(5)?,
            deleted: row.get(6)?,
            changed: row.get(7)?,
            hidden: row.get(8)?,
            expires_at: row.get(9)?,
        })
    }
}

fn edit(
    transaction: &Connection,
    conversation: Uuid,
    before: &Before,
    Sealed { id, epoch, envelope }: &Sealed,
    hidden: bool,
    at: Millis,
) -> rusqlite::Result<Result<Done, Code>> {
    if before.deleted {
        return Ok(Err(Code::MessageDeleted));
    }
    let mut earlier =
        transaction.prepare_cached("SELECT 1 FROM versions WHERE conversation = ? AND seq = ? AND id = ?")?;
    if before.version == Some(*id) || earlier.exists(params![conversation, before.seq, id])? {
        return Ok(Ok(Done::Already));
    }
    if *id == before.id {
        return Ok(Err(Code::MessageIdReused));
    }
    if before.edits >= MAX_EDITS {
        return Ok(Err(Code::TooManyEdits));
    }
    transaction
        .prepare_cached(
            "INSERT INTO versions (conversation, seq, number, id, epoch, envelope, sent_at)
             SELECT conversation, seq, edits, coalesce(version, id), epoch, envelope, coalesce(edited_at, sent_at)
             FROM messages WHERE conversation = ? AND seq = ?",
        )?
        .execute(params![conversation, before.seq])?;
    transaction
        .prepare_cached(
            "UPDATE messages SET version = ?, epoch = ?, envelope = ?, edits = edits + 1, edited_at = ?,
             hidden = hidden OR ? WHERE conversation = ? AND seq = ?",
        )?
        .execute(params![id, epoch, envelope, at, hidden, conversation, before.seq])?;
    Ok(Ok(Done::Now))
}

fn delete(
    transaction: &Connection,
    conversation: Uuid,
    before: &Before,
    at: Millis,
) -> rusqlite::Result<Done> {
    if before.deleted {
        return Ok(Done::Already);
    }
    erase(transaction, conversation, before, at)?;
    Ok(Done::Now)
}

/// Nothing that it ever said stays. What was deleted earlier only takes the time at which it disappears.
pub fn erase(
    transaction: &Connection,
    conversation: Uuid,
    before: &Before,
    at: Millis,
) -> rusqlite::Result<()> {
    for statement in [
        "DELETE FROM versions WHERE conversation = ? AND seq = ?",
        "DELETE FROM reactions WHERE conversation = ? AND seq = ?",
    ] {
        transaction.prepare_cached(statement)?.execute(params![conversation, before.seq])?;
    }
    transaction
        .prepare_cached(
            "UPDATE messages SET envelope = x'', version = NULL, edits = 0, edited_at = NULL, reactions = 0,
             deleted_at = ? WHERE conversation = ? AND seq = ?",
        )?
        .execute(params![at, conversation, before.seq])?;
    Ok(())
}

fn react(
    transaction: &Connection,
    conversation: Uuid,
    before: &Before,
    me: Uuid,
    Sealed { id, epoch, envelope }: &Sealed,
    hidden: bool,
) -> rusqlite::Result<Result<Done, Code>> {
    if before.deleted {
        return Ok(Err(Code::MessageDeleted));
    }
    let place = params![conversation, before.seq, me];
    let known = transaction
        .prepare_cached("SELECT id FROM reactions WHERE conversation = ? AND seq = ? AND sender = ?")?
        .query_row(place, |row| row.get::<_, Uuid>(0))
        .optional()?;
    if known == Some(*id) {
        return Ok(Ok(Done::Already));
    }
    transaction
        .prepare_cached(
            "INSERT INTO reactions (conversation, seq, sender, id, epoch, envelope, hidden)
             VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (conversation, seq, sender) DO UPDATE
             SET id = excluded.id, epoch = excluded.epoch, envelope = excluded.envelope,
             hidden = excluded.hidden",
        )?
        .execute(params![conversation, before.seq, me, id, epoch, envelope, hidden])?;
    count_reactions(transaction, conversation, before.seq)?;
    Ok(Ok(Done::Now))
}

fn unreact(
    transaction: &Connection,
    conversation: Uuid,
    before: &Before,
    me: Uuid,
) -> rusqlite::Result<Done> {
    let gone = transaction
        .prepare_cached("DELETE FROM reactions WHERE conversation = ? AND seq = ? AND sender = ?")?
        .execute(params![conversation, before.seq, me])?;
    if gone == 0 {
        return Ok(Done::Already);
    }
    count_reactions(transaction, conversation, before.seq)?;
    Ok(Done::Now)
}

fn count_reactions(transaction: &Connection, conversation: Uuid, seq: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "UPDATE messages SET reactions =
             (SELECT count(*) FROM reactions r WHERE r.conversation = messages.conversation AND r.seq = messages.seq)
             WHERE conversation = ? AND seq = ?",
        )?
        .execute(params![conversation, seq])?;
    Ok(())
}

/// The message is now the conversation's change `rev`, and no longer that of before.
pub fn list(transaction: &Connection, conversation: Uuid, before: &Before, rev: i64) -> rusqlite::Result<()> {
    if before.changed {
        transaction
            .prepare_cached("DELETE FROM changes WHERE conversation = ? AND rev = ?")?
            .execute(params![conversation, before.rev])?;
    }
    transaction
        .prepare_cached("INSERT INTO changes (conversation, rev, seq) VALUES (?, ?, ?)")?
        .execute(params![conversation, rev, before.seq])?;
    transaction
        .prepare_cached("UPDATE messages SET rev = ?, changed = TRUE WHERE conversation = ? AND seq = ?")?
        .execute(params![rev, conversation, before.seq])?;
    Ok(())
}

/// All of it as it is now.
pub fn message(transaction: &Connection, conversation: Uuid, seq: i64) -> rusqlite::Result<Message> {
    let mut select = transaction.prepare_cached(
        "SELECT rev, id, sender, epoch, envelope, sent_at, version, edits, edited_at, deleted_at, reactions,
         hidden, expires_at FROM messages WHERE conversation = ? AND seq = ?",
    )?;
    let row = select.query_row(params![conversation, seq], |row| {
        Ok(messages::Model {
            conversation,
            seq,
            rev: row.get(0)?,
            id: row.get(1)?,
            sender: row.get(2)?,
            epoch: row.get(3)?,
            envelope: row.get(4)?,
            sent_at: row.get(5)?,
            version: row.get(6)?,
            edits: row.get(7)?,
            edited_at: row.get(8)?,
            deleted_at: row.get(9)?,
            reactions: row.get(10)?,
            changed: true,
            hidden: row.get(11)?,
            expires_at: row.get(12)?,
        })
    })?;
    let mut select = transaction.prepare_cached(
        "SELECT sender, id, envelope, hidden FROM reactions WHERE conversation = ? AND seq = ? ORDER BY sender",
    )?;
    let reactions = select.query_map(params![conversation, seq], |row| {
        Ok(Reaction {
            sender: row.get(0)?,
            id: row.get(1)?,
            envelope: row.get::<_, Vec<u8>>(2)?.into(),
            hidden: row.get(3)?,
        })
    })?;
    let reactions = reactions.collect::<rusqlite::Result<_>>()?;
    Ok(Message::from(row).with_reactions(reactions))
}
