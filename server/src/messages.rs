//! Messages: sent, listed, receipted. What a message says is sealed; here it is a number in a conversation, a
//! sender and an envelope.

use axum::extract::State;
use axum::http::StatusCode;
use e2ee::Envelope;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::clock::Millis;
use crate::conversations::Conversation;
use crate::error::{Code, Problem, Result};
use crate::live::ConnectionId;
use crate::schema::tables::{conversations, epochs, messages};
use crate::wire::{Bytes, Json, Query};
use crate::writer::{self, Answer, answered};

/// A text of 16 KiB, even if JSON doubled it here and there, with padding and the envelope around it.
const MAX_ENVELOPE_BYTES: usize = 40 << 10;
const PAGE: u64 = 50;
const MAX_PAGE: u64 = 200;

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Message {
    pub conversation: Uuid,
    /// Its place: messages of a conversation are numbered from 1 without gaps.
    pub seq: i64,
    /// The conversation's change that this is.
    pub rev: i64,
    /// Chosen by the client that sent it.
    pub id: Uuid,
    pub sender: Uuid,
    pub epoch: Uuid,
    pub envelope: Bytes,
    pub sent_at: Millis,
}

impl Message {
    /// A message as it was just stored.
    pub fn new(accepted: &Accepted, sender: Uuid, epoch: Uuid, envelope: Vec<u8>) -> Self {
        let Accepted { conversation, id, seq, rev, sent_at } = *accepted;
        Self { conversation, seq, rev, id, sender, epoch, envelope: envelope.into(), sent_at }
    }
}

impl From<messages::Model> for Message {
    fn from(row: messages::Model) -> Self {
        let messages::Model { conversation, seq, rev, id, sender, epoch, envelope, sent_at } = row;
        Self { conversation, seq, rev, id, sender, epoch, envelope: envelope.into(), sent_at }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMessage {
    /// A UUID (version 7, please: it keeps the server's index compact) that stands for this message for ever.
    pub id: Uuid,
    pub envelope: Bytes,
}

/// A message is stored, and synced to disk.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Accepted {
    pub conversation: Uuid,
    pub id: Uuid,
    pub seq: i64,
    pub rev: i64,
    pub sent_at: Millis,
}

/// Send a message. The answer comes after the commit; the same message again gets the same answer.
#[utoipa::path(post, path = "/conversations/{conversation}/messages", tag = "messages",
    params(("conversation" = Uuid, Path)), request_body = NewMessage, responses(
    (status = 200, body = Accepted), (status = "default", body = Problem)))]
pub async fn send_message(
    conversation: Conversation,
    State(app): State<App>,
    Json(new): Json<NewMessage>,
) -> Result<axum::Json<Accepted>> {
    answered(|answer| send(&app, conversation, new, None, answer)).await.map(axum::Json)
}

/// The one way into the message path, for requests and sockets alike. Returns when the message has its place in
/// the writer's queue; `answer` is called after the commit. The connection of `origin` gets no event: its answer
/// says as much.
pub async fn send(
    app: &App,
    conversation: Conversation,
    NewMessage { id, envelope: Bytes(envelope) }: NewMessage,
    origin: Option<ConnectionId>,
    answer: Answer<Accepted>,
) -> Result<()> {
    let epoch = check_envelope(id, &envelope)?;
    app.require_epoch(conversation.id, epoch).await?;
    app.writer.append(writer::NewMessage { conversation, id, epoch, envelope, origin, answer }).await
}

fn check_envelope(id: Uuid, envelope: &[u8]) -> Result<Uuid> {
    if envelope.len() > MAX_ENVELOPE_BYTES {
        return Err(Code::MessageTooLarge.into());
    }
    let parsed = Envelope::parse(envelope).map_err(|_| Code::BadEnvelope)?;
    if parsed.id == id { Ok(parsed.epoch) } else { Err(Code::BadEnvelope.into()) }
}

impl App {
    /// There is no message without a key: its epoch must be stored whole, and belong to the conversation.
    async fn require_epoch(&self, conversation: Uuid, epoch: Uuid) -> Result<()> {
        let owner = match self.epochs.get(&epoch) {
            Some(owner) => Some(owner),
            None => {
                let found = epochs::Entity::find().filter(epochs::Column::Id.eq(epoch)).one(self.db.read());
                let row = Box::pin(found).await?;
                row.map(|row| row.conversation).inspect(|owner| self.epochs.insert(epoch, *owner))
            }
        };
        if owner == Some(conversation) { Ok(()) } else { Err(Code::UnknownEpoch.into()) }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct HistoryPage {
    /// Messages before this number (the last page's `next`); without it, the latest.
    before: Option<i64>,
    /// Instead: what changed after this `rev`.
    changed_after: Option<i64>,
    limit: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub struct History {
    /// In ascending order.
    messages: Vec<Message>,
    /// For the page before this one; absent when there is none. With `changed_after`: for the page after.
    next: Option<i64>,
}

/// Messages of a conversation: back from the end page by page, or forward from the last change one knows.
#[utoipa::path(get, path = "/conversations/{conversation}/messages", tag = "messages",
    params(("conversation" = Uuid, Path), HistoryPage), responses(
    (status = 200, body = History), (status = "default", body = Problem)))]
pub async fn history(
    conversation: Conversation,
    State(app): State<App>,
    Query(page): Query<HistoryPage>,
) -> Result<axum::Json<History>> {
    let limit = page.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    match (page.before, page.changed_after) {
        (Some(_), Some(_)) => Err(Code::BadRequest.into()),
        (before, None) => back(&app, conversation, before, limit).await,
        (None, Some(rev)) => catch_up(&app, conversation, rev, limit).await,
    }
}

async fn back(
    app: &App,
    conversation: Conversation,
    before: Option<i64>,
    limit: u64,
) -> Result<axum::Json<History>> {
    let rows = messages::Entity::find()
        .filter(messages::Column::Conversation.eq(conversation.id))
        .filter(messages::Column::Seq.lt(before.unwrap_or(i64::MAX)))
        .order_by_desc(messages::Column::Seq)
        .limit(limit)
        .all(app.db.read())
        .await?;
    let next = rows.last().map(|oldest| oldest.seq).filter(|seq| *seq > 1);
    Ok(axum::Json(History { messages: rows.into_iter().rev().map(Message::from).collect(), next }))
}

/// Each change is at most one new message, so the messages that came after change `rev` are among the last
/// `(rev of now) - rev` ones: a stretch of the primary key, no index of its own.
async fn catch_up(
    app: &App,
    conversation: Conversation,
    rev: i64,
    limit: u64,
) -> Result<axum::Json<History>> {
    let now =
        conversations::Entity::find_by_id(conversation.id).one(app.db.read()).await?.ok_or(Code::NotFound)?;
    let first = now.seq - now.rev.saturating_sub(rev.max(0));
    let rows = messages::Entity::find()
        .filter(messages::Column::Conversation.eq(conversation.id))
        .filter(messages::Column::Seq.gt(first))
        .filter(messages::Column::Rev.gt(rev))
        .order_by_asc(messages::Column::Seq)
        .limit(limit)
        .all(app.db.read())
        .await?;
    let full = rows.len() as u64 == limit;
    let next = rows.last().map(|last| last.rev).filter(|last| full && *last < now.rev);
    Ok(axum::Json(History { messages: rows.into_iter().map(Message::from).collect(), next }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReceipt {
    /// Everything up to this message has reached me.
    delivered: Option<i64>,
    /// Everything up to this message I have read.
    read: Option<i64>,
}

/// Say how far one has come. Going back changes nothing.
#[utoipa::path(post, path = "/conversations/{conversation}/receipts", tag = "messages",
    params(("conversation" = Uuid, Path)), request_body = NewReceipt, responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn send_receipt(
    conversation: Conversation,
    State(app): State<App>,
    Json(receipt): Json<NewReceipt>,
) -> Result<StatusCode> {
    let NewReceipt { delivered, read } = receipt;
    answered(|answer| app.writer.receipt(writer::NewReceipt { conversation, delivered, read, answer }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
