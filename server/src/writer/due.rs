//! The messages whose time has come, within the writer's transaction.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{MAX_BATCH_BYTES, NewMessage};
use crate::clock::Millis;
use crate::conversations::Conversation;

/// As many as fit a batch, by their time; the others are due at the next call.
pub fn messages(transaction: &Connection, now: Millis) -> rusqlite::Result<Vec<NewMessage>> {
    let mut select = transaction.prepare_cached(
        "SELECT s.conversation, s.sender, c.low, c.high, s.id, s.epoch, s.envelope
         FROM scheduled s LEFT JOIN conversations c ON c.id = s.conversation
         WHERE s.at <= ? ORDER BY s.at, s.id",
    )?;
    let mut rows = select.query([now])?;
    let mut bytes = 0;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let me = row.get(1)?;
        let conversation = Conversation {
            id: row.get(0)?,
            me,
            low: row.get::<_, Option<_>>(2)?.unwrap_or(me),
            high: row.get::<_, Option<_>>(3)?.unwrap_or(me),
        };
        let envelope: Vec<u8> = row.get(6)?;
        bytes += envelope.len();
        due.push(NewMessage {
            conversation,
            id: row.get(4)?,
            epoch: row.get(5)?,
            envelope,
            timer: None,
            origin: None,
            // Nobody waits for it.
            answer: Box::new(drop),
        });
        if bytes >= MAX_BATCH_BYTES {
            break;
        }
    }
    Ok(due)
}

pub fn forget(transaction: &Connection, due: &NewMessage) -> rusqlite::Result<()> {
    let mut delete = transaction.prepare_cached("DELETE FROM scheduled WHERE sender = ? AND id = ?")?;
    delete.execute(params![due.conversation.me, due.id])?;
    Ok(())
}

pub fn is_account(transaction: &Connection, id: Uuid) -> rusqlite::Result<bool> {
    let mut select = transaction.prepare_cached("SELECT 1 FROM accounts WHERE id = ?")?;
    Ok(select.query_row([id], |_| Ok(())).optional()?.is_some())
}
