//! "You have unread messages", for whoever has asked to be told by mail: at most once a day, and of each message once. It
//! says how many, and nothing of who or what.
//!
//! It is about messages that none of the person's browsers has fetched: whoever has the page open is told there. That a
//! conversation is muted stands in its owner's vault, which nobody opens here: it counts like any other.

use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Letter;
use crate::addresses;
use crate::app::App;
use crate::clock::{DAY, HOUR, Millis};
use crate::error::Result;
use crate::schema::tables::{addresses as table, conversations, messages};

/// Of one conversation; nobody needs to know more exactly.
const MAX_COUNTED: u64 = 100;

/// When somebody is told that messages wait.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Digest {
    Off,
    /// Once one has waited for an hour.
    AfterHour,
    AfterDay,
}

impl Digest {
    /// As it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Digest::Off => "off",
            Digest::AfterHour => "after_hour",
            Digest::AfterDay => "after_day",
        }
    }

    pub fn named(name: &str) -> Self {
        [Digest::AfterHour, Digest::AfterDay]
            .into_iter()
            .find(|one| one.name() == name)
            .unwrap_or(Digest::Off)
    }

    fn patience(self) -> Option<Millis> {
        match self {
            Digest::Off => None,
            Digest::AfterHour => Some(HOUR),
            Digest::AfterDay => Some(DAY),
        }
    }
}

/// Have those told who are to be told now. How many.
pub async fn look(app: &App) -> Result<usize> {
    if app.mail.is_none() {
        return Ok(0);
    }
    let wanted = Condition::all()
        .add(table::Column::Digest.ne(Digest::Off.name()))
        .add(table::Column::Address.is_not_null())
        .add(table::Column::ToldAt.lte(app.clock.now() - DAY));
    let rows = table::Entity::find().filter(wanted).all(app.db.read()).await?;
    let mut told = 0;
    for row in rows {
        if is_due(app.db.read(), &row, app.clock.now()).await? && tell(app, row.account).await? {
            told += 1;
        }
    }
    Ok(told)
}

/// In a transaction that looks once more: of several nodes, one tells.
async fn tell(app: &App, account: Uuid) -> Result<bool> {
    let told = app
        .db
        .write(async |tx| {
            let now = app.clock.now();
            let Some(row) = addresses::load(tx, account).await? else { return Ok(false) };
            if row.told_at > now - DAY || !is_due(tx, &row, now).await? {
                return Ok(false);
            }
            let letter = Letter::Digest { account, since: row.told_at, until: now };
            addresses::write_to(tx, app, &row, &letter).await?;
            addresses::save(tx, &table::Model { told_at: now, ..row }).await?;
            Ok(true)
        })
        .await?;
    super::ring(app);
    Ok(told)
}

async fn is_due(db: &impl ConnectionTrait, row: &table::Model, now: Millis) -> Result<bool> {
    let Some(patience) = Digest::named(&row.digest).patience() else { return Ok(false) };
    Ok(count(db, row.account, (row.told_at, now - patience)).await? > 0)
}

/// Messages sent after `since` and until `until` that reached none of the person's browsers.
pub async fn count(
    db: &impl ConnectionTrait,
    account: Uuid,
    (since, until): (Millis, Millis),
) -> Result<u64> {
    use conversations::Column;
    let of = |side: Column, unread: Column| Condition::all().add(side.eq(account)).add(unread.gt(0));
    let unread =
        Condition::any().add(of(Column::Low, Column::LowUnread)).add(of(Column::High, Column::HighUnread));
    let mut counted = 0;
    for one in conversations::Entity::find().filter(unread).all(db).await? {
        let reached = match one.low == account {
            true => one.low_delivered.max(one.low_read),
            false => one.high_delivered.max(one.high_read),
        };
        let waiting = messages::Entity::find()
            .select_only()
            .column(messages::Column::Seq)
            .filter(messages::Column::Conversation.eq(one.id))
            .filter(messages::Column::Seq.gt(reached))
            .filter(messages::Column::Sender.ne(account))
            .filter(messages::Column::Hidden.eq(false))
            .filter(messages::Column::DeletedAt.is_null())
            .filter(messages::Column::SentAt.gt(since))
            .filter(messages::Column::SentAt.lte(until))
            .order_by_asc(messages::Column::Seq)
            .limit(MAX_COUNTED)
            .into_tuple::<i64>()
            .all(db)
            .await?;
        counted += waiting.len() as u64;
    }
    Ok(counted)
}
