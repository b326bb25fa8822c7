//! How long things are kept, where the organisation has decided it: messages, reports and the journal. Off by default.
//!
//! Messages go as those do whose time is over: for both, with what was said of them, and the keys of epochs that carry
//! nothing any more. A conversation remembers up to where it was looked at, so that nobody reads again what is gone. What
//! was decided begins to count a day later: a mistake can be put right.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
};
use uuid::Uuid;

use crate::app::App;
use crate::clock::{DAY, Millis};
use crate::epochs::outlive;
use crate::error::Result;
use crate::organisation::Organisation;
use crate::schema::tables::{audit, conversations, epochs, messages as written, reported_messages, reports};
use crate::{messages, run_due, settings};

/// The name under which it is noted since when the days count.
const SINCE: &str = "retention_since";
const GRACE: Millis = DAY;
/// Conversations, and messages of one, in one go.
const CONVERSATIONS: u64 = 100;
const MESSAGES: u64 = 500;

/// Note that other days were decided, within the transaction that does it.
pub async fn decided(tx: &impl ConnectionTrait, now: Millis) -> Result<()> {
    settings::keep(tx, SINCE, &now).await
}

/// Let go what was kept long enough.
pub async fn tidy(app: &App) -> Result<()> {
    let db = app.db.read();
    let decided = Organisation::load(db).await?;
    let now = app.clock.now();
    let since: Millis = settings::load(db, SINCE).await?;
    if now < since + GRACE {
        return Ok(());
    }
    let before = |days: Option<u32>| days.map(|days| now - Millis::from(days) * DAY);
    if let Some(before) = before(decided.messages_days) {
        let gone = messages_before(app, before).await?;
        if gone > 0 {
            tracing::info!(messages = gone, "kept long enough");
        }
    }
    if let Some(before) = before(decided.reports_days) {
        app.db.write(async |tx| reports_before(tx, before).await).await?;
    }
    if let Some(before) = before(decided.journal_days) {
        let those = audit::Column::At.lt(before);
        app.db
            .write(async |tx| Ok(audit::Entity::delete_many().filter(those.clone()).exec(tx).await?))
            .await?;
    }
    Ok(())
}

async fn messages_before(app: &App, before: Millis) -> Result<i64> {
    let mut gone = 0;
    loop {
        // Within a conversation times do not go back: where the first is young enough, all are.
        let due = conversations::Entity::find()
            .select_only()
            .column(conversations::Column::Id)
            .filter(Expr::exists(first_of_them().and_where(written::Column::SentAt.lt(before)).take()))
            .limit(CONVERSATIONS)
            .into_tuple::<Uuid>()
            .all(app.db.read())
            .await?;
        if due.is_empty() {
            return Ok(gone);
        }
        for conversation in due {
            gone += app.db.write(async |tx| begin(tx, app, conversation, before).await).await?;
            run_due(app).await?;
        }
    }
}

/// The first message that a conversation still keeps.
fn first_of_them() -> sea_orm::sea_query::SelectStatement {
    let own = Expr::col((written::Entity, written::Column::Conversation));
    let first = Expr::col((written::Entity, written::Column::Seq));
    written::Entity::find()
        .select_only()
        .expr(Expr::val(1))
        .filter(own.equals((conversations::Entity, conversations::Column::Id)))
        .filter(first.equals((conversations::Entity, conversations::Column::KeptFrom)))
        .into_query()
}

/// The oldest of a conversation are to disappear now, as many as fit.
async fn begin(tx: &impl ConnectionTrait, app: &App, id: Uuid, before: Millis) -> Result<i64> {
    let Some(talk) = conversations::Entity::find_by_id(id).one(tx).await? else { return Ok(0) };
    let oldest: Vec<(i64, Millis)> = written::Entity::find()
        .select_only()
        .columns([written::Column::Seq, written::Column::SentAt])
        .filter(written::Column::Conversation.eq(id))
        .filter(written::Column::Seq.gte(talk.kept_from))
        .order_by_asc(written::Column::Seq)
        .limit(MESSAGES)
        .into_tuple()
        .all(tx)
        .await?;
    let old = oldest.iter().take_while(|(_, sent_at)| *sent_at < before);
    let Some((last, _)) = old.last() else { return Ok(0) };
    let (kept_from, now) = (last + 1, app.clock.now());
    let gone = messages::let_disappear(tx, id, talk.kept_from..kept_from, None, now).await?;
    let change = conversations::ActiveModel { id: Set(id), kept_from: Set(kept_from), ..Default::default() };
    change.update_without_returning(tx).await?;
    // Those that carry nothing but what is gone; never the last one, under which one writes.
    let carrying = epochs::Entity::find()
        .filter(epochs::Column::Conversation.eq(id))
        .filter(epochs::Column::FirstSeq.lte(kept_from))
        .order_by_desc(epochs::Column::Number)
        .one(tx)
        .await?;
    let done_with = carrying.map_or(0, |epoch| epoch.number - 1);
    outlive(tx, id, done_with, now).await?;
    Ok(gone)
}

async fn reports_before(tx: &impl ConnectionTrait, before: Millis) -> Result<()> {
    let old = reports::Column::CreatedAt.lt(before);
    let those =
        reports::Entity::find().select_only().column(reports::Column::Id).filter(old.clone()).into_query();
    let disclosed = reported_messages::Column::Report.in_subquery(those);
    reported_messages::Entity::delete_many().filter(disclosed).exec(tx).await?;
    reports::Entity::delete_many().filter(old).exec(tx).await?;
    Ok(())
}
