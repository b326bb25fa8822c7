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

/// Whether one of the two has begun anew since it was sealed: nobody could read it, but who has the keys that were lost.
pub fn is_lost(transaction: &Transaction<'_>, due: &Due, both: [Uuid; 2]) -> Result<bool> {
    let lost = transaction.count(
        "SELECT count(*) FROM accounts a, epochs e
         WHERE e.conversation = ? AND e.id = ? AND a.id IN (?, ?) AND a.renewed_at > e.created_at",
        params![due.conversation, due.epoch, both[0], both[1]],
    )?;
    Ok(lost > 0)
}

/// It waits on, for its sender to seal it anew or to take it back.
pub fn put_off(transaction: &Transaction<'_>, due: &Due, at: Millis) -> Result<()> {
    transaction.execute(
        "UPDATE scheduled SET at = ? WHERE sender = ? AND id = ?",
        params![at, due.sender, due.id],
    )?;
    Ok(())
}

pub fn is_account(transaction: &Transaction<'_>, id: Uuid) -> Result<bool> {
    Ok(transaction.count("SELECT count(*) FROM accounts WHERE id = ?", params![id])? > 0)
}
