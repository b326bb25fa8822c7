//! What becomes of messages that are there: their part of the ledger.

use sea_orm::DbErr;
use uuid::Uuid;

use super::sql::{Result, Row, Transaction, params};
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
    /// Its time is over already.
    pub disappeared: bool,
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
const AT_ONCE: i64 = 500;

#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Done {
    Now,
    /// The same change again: nothing was to do.
    Already,
}

/// Refused by the rules, which is no failure.
type Allowed<T = Done> = std::result::Result<T, Code>;

/// Carries out the change, whose right is checked here. `hidden`: it is to be kept from the other person.
pub fn apply(
    transaction: &Transaction<'_>,
    new: &NewChange,
    hidden: bool,
    at: Millis,
) -> Result<Allowed<(Before, Done)>> {
    let (conversation, me) = (new.conversation.id, new.conversation.me);
    let Some(before) = before(transaction, conversation, new.target)? else {
        return Ok(Err(Code::UnknownMessage));
    };
    let mine = before.sender == me;
    // One's own reaction always goes, also from what one no longer sees.
    if before.hidden && !mine && !matches!(new.change, Change::Unreact) {
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
pub fn due(transaction: &Transaction<'_>, now: Millis) -> Result<Vec<Due>> {
    transaction.all_for_update(
        "SELECT at, conversation, seq FROM expiring WHERE at <= ? ORDER BY at LIMIT ?",
        params![now, AT_ONCE],
        |row| Ok(Due { at: row.get(0)?, conversation: row.get(1)?, seq: row.get(2)? }),
    )
}

pub fn undue(transaction: &Transaction<'_>, at: Millis, conversation: Uuid, seq: i64) -> Result<()> {
    transaction.execute(
        "DELETE FROM expiring WHERE at = ? AND conversation = ? AND seq = ?",
        params![at, conversation, seq],
    )?;
    Ok(())
}

pub fn by_seq(transaction: &Transaction<'_>, conversation: Uuid, seq: i64) -> Result<Option<Before>> {
    let select = format!("{SELECT_BEFORE} WHERE conversation = ? AND seq = ?");
    transaction.one(&select, params![conversation, seq], Before::read)
}

fn before(transaction: &Transaction<'_>, conversation: Uuid, id: Uuid) -> Result<Option<Before>> {
    let select = format!("{SELECT_BEFORE} WHERE id = ? AND conversation = ?");
    transaction.one(&select, params![id, conversation], Before::read)
}

const SELECT_BEFORE: &str =
    "SELECT seq, rev, sender, id, version, edits, deleted_at, changed, hidden, expires_at FROM messages";

impl Before {
    fn read(row: &Row<'_>) -> Result<Self> {
        let (deleted_at, expires_at) = (row.get::<Option<Millis>>(6)?, row.get::<Option<Millis>>(9)?);
        Ok(Self {
            seq: row.get(0)?,
            rev: row.get(1)?,
            sender: row.get(2)?,
            id: row.get(3)?,
            version: row.get(4)?,
            edits: row.get(5)?,
            deleted: deleted_at.is_some(),
            disappeared: expires_at.is_some() && deleted_at >= expires_at,
            changed: row.get(7)?,
            hidden: row.get(8)?,
            expires_at,
        })
    }
}

fn edit(
    transaction: &Transaction<'_>,
    conversation: Uuid,
    before: &Before,
    Sealed { id, epoch, envelope, .. }: &Sealed,
    hidden: bool,
    at: Millis,
) -> Result<Allowed> {
    if before.deleted {
        return Ok(Err(Code::MessageDeleted));
    }
    let earlier = transaction.count(
        "SELECT count(*) FROM versions WHERE conversation = ? AND seq = ? AND id = ?",
        params![conversation, before.seq, *id],
    )?;
    if before.version == Some(*id) || earlier > 0 {
        return Ok(Ok(Done::Already));
    }
    if *id == before.id {
        return Ok(Err(Code::MessageIdReused));
    }
    if before.edits >= MAX_EDITS {
        return Ok(Err(Code::TooManyEdits));
    }
    transaction.execute(
        "INSERT INTO versions (conversation, seq, number, id, epoch, envelope, sent_at)
         SELECT conversation, seq, edits, coalesce(version, id), epoch, envelope, coalesce(edited_at, sent_at)
         FROM messages WHERE conversation = ? AND seq = ?",
        params![conversation, before.seq],
    )?;
    transaction.execute(
        "UPDATE messages SET version = ?, epoch = ?, envelope = ?, edits = edits + 1, edited_at = ?,
         hidden = hidden OR ? WHERE conversation = ? AND seq = ?",
        params![*id, *epoch, envelope.as_slice(), at, hidden, conversation, before.seq],
    )?;
    Ok(Ok(Done::Now))
}

fn delete(transaction: &Transaction<'_>, conversation: Uuid, before: &Before, at: Millis) -> Result<Done> {
    if before.deleted {
        return Ok(Done::Already);
    }
    erase(transaction, conversation, before, at)?;
    Ok(Done::Now)
}

/// Its time is over: if it had none, or a later one, this is it. What was deleted earlier only takes the time at which
/// it disappears.
pub fn disappear(
    transaction: &Transaction<'_>,
    conversation: Uuid,
    before: &Before,
    at: Millis,
) -> Result<()> {
    erase(transaction, conversation, before, at)?;
    if before.expires_at != Some(at) {
        transaction.execute(
            "UPDATE messages SET expires_at = ? WHERE conversation = ? AND seq = ?",
            params![at, conversation, before.seq],
        )?;
    }
    Ok(())
}

/// Nothing that it ever said stays.
fn erase(transaction: &Transaction<'_>, conversation: Uuid, before: &Before, at: Millis) -> Result<()> {
    for statement in [
        "DELETE FROM versions WHERE conversation = ? AND seq = ?",
        "DELETE FROM reactions WHERE conversation = ? AND seq = ?",
    ] {
        transaction.execute(statement, params![conversation, before.seq])?;
    }
    let nothing: &[u8] = &[];
    transaction.execute(
        "UPDATE messages SET envelope = ?, version = NULL, edits = 0, edited_at = NULL, reactions = 0,
         deleted_at = ? WHERE conversation = ? AND seq = ?",
        params![nothing, at, conversation, before.seq],
    )?;
    Ok(())
}

fn react(
    transaction: &Transaction<'_>,
    conversation: Uuid,
    before: &Before,
    me: Uuid,
    Sealed { id, epoch, envelope, .. }: &Sealed,
    hidden: bool,
) -> Result<Allowed> {
    if before.deleted {
        return Ok(Err(Code::MessageDeleted));
    }
    let known = transaction.one(
        "SELECT id FROM reactions WHERE conversation = ? AND seq = ? AND sender = ?",
        params![conversation, before.seq, me],
        |row| row.get::<Uuid>(0),
    )?;
    if known == Some(*id) {
        return Ok(Ok(Done::Already));
    }
    let statement = if known.is_some() {
        "UPDATE reactions SET id = ?, epoch = ?, envelope = ?, hidden = ?
         WHERE conversation = ? AND seq = ? AND sender = ?"
    } else {
        "INSERT INTO reactions (id, epoch, envelope, hidden, conversation, seq, sender) VALUES (?, ?, ?, ?, ?, ?, ?)"
    };
    transaction.execute(
        statement,
        params![*id, *epoch, envelope.as_slice(), hidden, conversation, before.seq, me],
    )?;
    count_reactions(transaction, conversation, before.seq)?;
    Ok(Ok(Done::Now))
}

fn unreact(transaction: &Transaction<'_>, conversation: Uuid, before: &Before, me: Uuid) -> Result<Done> {
    let gone = transaction.execute(
        "DELETE FROM reactions WHERE conversation = ? AND seq = ? AND sender = ?",
        params![conversation, before.seq, me],
    )?;
    if gone == 0 {
        return Ok(Done::Already);
    }
    count_reactions(transaction, conversation, before.seq)?;
    Ok(Done::Now)
}

fn count_reactions(transaction: &Transaction<'_>, conversation: Uuid, seq: i64) -> Result<()> {
    transaction.execute(
        "UPDATE messages SET reactions =
         (SELECT count(*) FROM reactions r WHERE r.conversation = messages.conversation AND r.seq = messages.seq)
         WHERE conversation = ? AND seq = ?",
        params![conversation, seq],
    )?;
    Ok(())
}

/// The message is now the conversation's change `rev`, and no longer that of before.
pub fn list(transaction: &Transaction<'_>, conversation: Uuid, before: &Before, rev: i64) -> Result<()> {
    if before.changed {
        transaction.execute(
            "DELETE FROM changes WHERE conversation = ? AND rev = ?",
            params![conversation, before.rev],
        )?;
    }
    transaction.execute(
        "INSERT INTO changes (conversation, rev, seq) VALUES (?, ?, ?)",
        params![conversation, rev, before.seq],
    )?;
    transaction.execute(
        "UPDATE messages SET rev = ?, changed = TRUE WHERE conversation = ? AND seq = ?",
        params![rev, conversation, before.seq],
    )?;
    Ok(())
}

/// All of it as it is now.
pub fn message(transaction: &Transaction<'_>, conversation: Uuid, seq: i64) -> Result<Message> {
    let read = |row: &Row<'_>| {
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
    };
    let row = transaction.one(
        "SELECT rev, id, sender, epoch, envelope, sent_at, version, edits, edited_at, deleted_at, reactions,
         hidden, expires_at FROM messages WHERE conversation = ? AND seq = ?",
        params![conversation, seq],
        read,
    )?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound(format!("message {seq} of {conversation}")))?;
    let reactions = transaction.all(
        "SELECT sender, id, envelope, hidden FROM reactions WHERE conversation = ? AND seq = ? ORDER BY sender",
        params![conversation, seq],
        |row| {
            Ok(Reaction {
                sender: row.get(0)?,
                id: row.get(1)?,
                envelope: row.get::<Vec<u8>>(2)?.into(),
                hidden: row.get(3)?,
            })
        },
    )?;
    Ok(Message::from(row).with_reactions(reactions))
}
