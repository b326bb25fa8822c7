//! What was said: by place, by time, and by what changed.

use std::collections::HashMap;

use axum::extract::State;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{AboutMessage, Message, Reaction};
use crate::app::App;
use crate::clock::Millis;
use crate::conversations::Conversation;
use crate::db::any_of;
use crate::error::{Code, Problem, Result};
use crate::schema::tables::{changes, conversations, messages, reactions, versions};
use crate::wire::{Bytes, Query};

const PAGE: u64 = 50;
const MAX_PAGE: u64 = 200;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct HistoryPage {
    /// Messages before this number (the last page's `next`); without any of these, the latest.
    before: Option<i64>,
    /// Instead: messages after this number.
    after: Option<i64>,
    /// Instead: messages from the first that was sent at this time or later.
    since: Option<Millis>,
    /// Instead: messages that changed after this `rev`, by their `rev`.
    changed_after: Option<i64>,
    limit: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub struct History {
    /// By place; with `changed_after`, by `rev`.
    messages: Vec<Message>,
    /// To go on from: as `before`, or as `after`, or as `changed_after`. Absent when there is no more.
    next: Option<i64>,
}

/// Messages of a conversation: back from the end page by page, forward from a place or a time, or forward from
/// the last change one knows.
#[utoipa::path(get, path = "/conversations/{conversation}/messages", tag = "messages",
    params(("conversation" = Uuid, Path), HistoryPage), responses(
    (status = 200, body = History), (status = "default", body = Problem)))]
pub async fn history(
    conversation: Conversation,
    State(app): State<App>,
    Query(page): Query<HistoryPage>,
) -> Result<axum::Json<History>> {
    let limit = page.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let db = app.db.read();
    let (rows, next) = match page {
        HistoryPage { before, after: None, since: None, changed_after: None, .. } => {
            back(db, conversation.id, before, limit).await?
        }
        HistoryPage { before: None, after: Some(seq), since: None, changed_after: None, .. } => {
            forward(db, conversation.id, seq, limit).await?
        }
        HistoryPage { before: None, after: None, since: Some(at), changed_after: None, .. } => {
            let seq = last_before(db, conversation.id, at).await?;
            forward(db, conversation.id, seq, limit).await?
        }
        HistoryPage { before: None, after: None, since: None, changed_after: Some(rev), .. } => {
            catch_up(db, conversation.id, rev, limit).await?
        }
        _ => return Err(Code::BadRequest.into()),
    };
    Ok(axum::Json(History { messages: messages_of(db, rows, conversation.me).await?, next }))
}

type Rows = (Vec<messages::Model>, Option<i64>);

fn of(conversation: Uuid) -> Select<messages::Entity> {
    messages::Entity::find().filter(messages::Column::Conversation.eq(conversation))
}

async fn back(
    db: &impl ConnectionTrait,
    conversation: Uuid,
    before: Option<i64>,
    limit: u64,
) -> Result<Rows> {
    let page = of(conversation)
        .filter(messages::Column::Seq.lt(before.unwrap_or(i64::MAX)))
        .order_by_desc(messages::Column::Seq)
        .limit(limit);
    let mut rows = page.all(db).await?;
    rows.reverse();
    let next = rows.first().map(|oldest| oldest.seq).filter(|seq| *seq > 1);
    Ok((rows, next))
}

async fn forward(db: &impl ConnectionTrait, conversation: Uuid, after: i64, limit: u64) -> Result<Rows> {
    let page = of(conversation)
        .filter(messages::Column::Seq.gt(after))
        .order_by_asc(messages::Column::Seq)
        .limit(limit);
    let rows = page.all(db).await?;
    let next = rows.last().map(|last| last.seq).filter(|_| rows.len() as u64 == limit);
    Ok((rows, next))
}

/// The place of the last message sent before `at`; 0 for none. Times grow with places, so it is found by halves.
async fn last_before(db: &impl ConnectionTrait, conversation: Uuid, at: Millis) -> Result<i64> {
    let row = conversations::Entity::find_by_id(conversation).one(db).await?.ok_or(Code::NotFound)?;
    let (mut before, mut from) = (0, row.seq + 1);
    while from - before > 1 {
        let middle = before + (from - before) / 2;
        let select = of(conversation).filter(messages::Column::Seq.eq(middle));
        let sent_at: Option<Millis> =
            select.select_only().column(messages::Column::SentAt).into_tuple().one(db).await?;
        if sent_at.is_some_and(|sent_at| sent_at < at) { before = middle } else { from = middle }
    }
    Ok(before)
}

/// What changed after `rev`, in that order: messages that stand as they were first stored, by place, which is
/// their order too, and those that do not, by the list of changes. What happens meanwhile is left for the next time:
/// it might be missing from the first query and hide that in the second.
async fn catch_up(db: &impl ConnectionTrait, conversation: Uuid, rev: i64, limit: u64) -> Result<Rows> {
    let rev = rev.clamp(0, i64::MAX - 1);
    use messages::Column;
    let now = conversations::Entity::find_by_id(conversation).one(db).await?.ok_or(Code::NotFound)?;
    // Each change is at most one new message, so the new ones are among the last so many.
    let first = now.seq - now.rev.saturating_sub(rev);
    let new = of(conversation)
        .filter(Column::Seq.gt(first))
        .filter(Column::Rev.between(rev + 1, now.rev))
        .filter(Column::Changed.eq(false))
        .order_by_asc(Column::Seq)
        .limit(limit);
    let mut rows = new.all(db).await?;
    // Up to where nothing is missing. It does not depend on what is found there: a place that changes again in between
    // is left out now, and may not hide what comes after it.
    let full = |found: usize, last: Option<i64>| last.filter(|_| found as u64 == limit).unwrap_or(now.rev);
    let mut until = full(rows.len(), rows.last().map(|row| row.rev));
    if now.rev > now.seq {
        let places: Vec<(i64, i64)> = changes::Entity::find()
            .select_only()
            .columns([changes::Column::Rev, changes::Column::Seq])
            .filter(changes::Column::Conversation.eq(conversation))
            .filter(changes::Column::Rev.between(rev + 1, now.rev))
            .order_by_asc(changes::Column::Rev)
            .limit(limit)
            .into_tuple()
            .all(db)
            .await?;
        until = Ord::min(until, full(places.len(), places.last().map(|(rev, _)| *rev)));
        let places = places.into_iter().map(|(_, seq)| seq);
        rows.extend(of(conversation).filter(Column::Seq.is_in(places)).all(db).await?);
        rows.sort_by_key(|row| row.rev);
        rows.retain(|row| row.rev <= until);
        if rows.len() as u64 > limit {
            rows.truncate(limit as usize);
            until = rows.last().map_or(until, |last| last.rev);
        }
    }
    let next = (until < now.rev).then_some(until);
    Ok((rows, next))
}

/// Rows as `me` may see them, in the same order.
pub async fn messages_of(
    db: &impl ConnectionTrait,
    rows: Vec<messages::Model>,
    me: Uuid,
) -> Result<Vec<Message>> {
    let mut reactions = reactions_to(db, &rows).await?;
    let message = |row: messages::Model| {
        let reactions = reactions.remove(&(row.conversation, row.seq)).unwrap_or_default();
        Message::from(row).with_reactions(reactions).as_seen_by(me)
    };
    Ok(rows.into_iter().map(message).collect())
}

async fn reactions_to(
    db: &impl ConnectionTrait,
    rows: &[messages::Model],
) -> Result<HashMap<(Uuid, i64), Vec<Reaction>>> {
    use reactions::Column;
    let places: Vec<_> =
        rows.iter().filter(|row| row.reactions > 0).map(|row| (row.conversation, row.seq)).collect();
    let mut found: HashMap<_, Vec<_>> = HashMap::new();
    if places.is_empty() {
        return Ok(found);
    }
    let select = reactions::Entity::find()
        .filter(any_of(Column::Conversation, Column::Seq, places))
        .order_by_asc(Column::Sender);
    for row in select.all(db).await? {
        let reactions::Model { conversation, seq, sender, id, envelope, hidden, .. } = row;
        let reaction = Reaction { sender, id, envelope: envelope.into(), hidden };
        found.entry((conversation, seq)).or_default().push(reaction);
    }
    Ok(found)
}

/// What a message said before its last edit.
#[derive(Serialize, ToSchema)]
pub struct Version {
    id: Uuid,
    envelope: Bytes,
    at: Millis,
}

#[derive(Serialize, ToSchema)]
pub struct Versions {
    /// In their order; the first is the message as it was sent.
    versions: Vec<Version>,
}

/// What a message said before it was edited.
#[utoipa::path(get, path = "/conversations/{conversation}/messages/{message}/versions", tag = "messages",
    params(("conversation" = Uuid, Path), ("message" = Uuid, Path, description = "Its id")), responses(
    (status = 200, body = Versions), (status = "default", body = Problem)))]
pub async fn versions(
    AboutMessage { conversation, message }: AboutMessage,
    State(app): State<App>,
) -> Result<axum::Json<Versions>> {
    let db = app.db.read();
    let found = of(conversation.id).filter(messages::Column::Id.eq(message)).one(db).await?;
    let row = found.filter(|row| !row.hidden || row.sender == conversation.me).ok_or(Code::UnknownMessage)?;
    let rows = versions::Entity::find()
        .filter(versions::Column::Conversation.eq(conversation.id))
        .filter(versions::Column::Seq.eq(row.seq))
        .order_by_asc(versions::Column::Number)
        .all(db)
        .await?;
    let version =
        |row: versions::Model| Version { id: row.id, envelope: row.envelope.into(), at: row.sent_at };
    Ok(axum::Json(Versions { versions: rows.into_iter().map(version).collect() }))
}
