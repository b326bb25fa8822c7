//! The messages whose time has come, within the writer's transaction.

use uuid::Uuid;

use super::MAX_BATCH_BYTES;
use super::sql::{Result, Transaction, params};
use crate::clock::Millis;

/// More would hold up whoever writes meanwhile.
const AT_ONCE: i64 = 200;

pub struct Due {
    pub conversation: Uuid,
    pub sender: Uuid,
    pub id: Uuid,
    pub epoch: Uuid,
    pub envelope: Vec<u8>,
}

/// As many as fit a batch, by their time; the others are due at the next call.
pub fn messages(transaction: &Transaction<'_>, now: Millis) -> Result<Vec<Due>> {
    let mut due = transaction.all_for_update(
        "SELECT conversation, sender, id, epoch, envelope FROM scheduled WHERE at <= ? ORDER BY at, id LIMIT ?",
        params![now, AT_ONCE],
        |row| {
            Ok(Due {
                conversation: row.get(0)?,
                sender: row.get(1)?,
                id: row.get(2)?,
                epoch: row.get(3)?,
                envelope: row.get(4)?,
            })
        },
    )?;
    let mut bytes = 0;
    let fitting = due.iter().take_while(|due| {
        let fits = bytes < MAX_BATCH_BYTES;
        bytes += due.envelope.len();
        fits
    });
    let fitting = fitting.count();
    due.truncate(fitting);
    Ok(due)
}

pub fn forget(transaction: &Transaction<'_>, due: &Due) -> Result<()> {
    transaction.execute("DELETE FROM scheduled WHERE sender = ? AND id = ?", params![due.sender, due.id])?;
    Ok(())
}

pub fn is_account(transaction: &Transaction<'_>, id: Uuid) -> Result<bool> {
    Ok(transaction.count("SELECT count(*) FROM accounts WHERE id = ?", params![id])? > 0)
}
