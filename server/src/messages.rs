//! Messages: sent, changed, listed, receipted. What a message says is sealed; here it is a number in a
//! conversation, a sender and an envelope.

mod history;

use std::ops::Range;

use axum::RequestPartsExt;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use e2ee::Envelope;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::clock::{DAY, Millis};
use crate::conversations::Conversation;
use crate::error::{Code, Error, Problem, Result};
use crate::live::ConnectionId;
use crate::schema::tables::{epochs, expiring, messages};
use crate::sessions::CurrentAccount;
use crate::wire::{Bytes, Json, Path};
use crate::writer::{self, Answer, Change, NewChange, Sealed, answered};

pub use history::{__path_history, __path_versions, history, messages_of, versions};

/// A text of 16 KiB, even if JSON doubled it here and there, with padding and the envelope around it.
pub const MAX_ENVELOPE_BYTES: usize = 40 << 10;
/// What a message was before it was edited is kept so often.
pub const MAX_EDITS: i16 = 100;
/// How long messages may stay before they disappear; 0 for ever.
const TIMERS: [Millis; 4] = [0, DAY, 7 * DAY, 28 * DAY];

/// A message as it is at its `rev`, with all that was done to it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Message {
    pub conversation: Uuid,
    /// Its place: messages of a conversation are numbered from 1 without gaps.
    pub seq: i64,
    /// The conversation's last change of this message.
    pub rev: i64,
    /// Chosen by the client that sent it.
    pub id: Uuid,
    pub sender: Uuid,
    /// Of the envelope.
    pub epoch: Uuid,
    /// What it says now; absent when it was deleted, or is hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope: Option<Bytes>,
    pub sent_at: Millis,
    /// The edit that the envelope is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Millis>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub reactions: Vec<Reaction>,
    /// When it disappears; when `deleted_at` is no earlier, it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// One has blocked its sender: it is there to be counted, and not to be shown.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub hidden: bool,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Edit {
    /// Of the envelope; the message keeps its own.
    pub id: Uuid,
    pub at: Millis,
    /// How many there were.
    pub count: i16,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Reaction {
    pub sender: Uuid,
    pub id: Uuid,
    pub envelope: Bytes,
    #[serde(skip)]
    pub hidden: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Message {
    /// A message as it was just stored.
    pub fn new(accepted: &Accepted, sender: Uuid, epoch: Uuid, envelope: Vec<u8>, hidden: bool) -> Self {
        let Accepted { conversation, id, seq, rev, sent_at, expires_at } = *accepted;
        Self {
            conversation,
            seq,
            rev,
            id,
            sender,
            epoch,
            envelope: Some(envelope.into()),
            sent_at,
            edit: None,
            deleted_at: None,
            reactions: Vec::new(),
            expires_at,
            hidden,
        }
    }

    pub fn with_reactions(self, reactions: Vec<Reaction>) -> Self {
        Self { reactions, ..self }
    }

    /// Whether the two do not see the same of it.
    pub fn differs(&self) -> bool {
        self.hidden || self.reactions.iter().any(|reaction| reaction.hidden)
    }

    /// What is hidden from somebody is left out; its sender sees no difference.
    pub fn as_seen_by(mut self, account: Uuid) -> Self {
        self.hidden &= self.sender != account;
        self.reactions.retain(|reaction| !self.hidden && (!reaction.hidden || reaction.sender == account));
        self.envelope = self.envelope.filter(|_| !self.hidden);
        self
    }
}

impl From<messages::Model> for Message {
    fn from(row: messages::Model) -> Self {
        let edit = |id| Edit { id, at: row.edited_at.unwrap_or(row.sent_at), count: row.edits };
        Self {
            conversation: row.conversation,
            seq: row.seq,
            rev: row.rev,
            id: row.id,
            sender: row.sender,
            epoch: row.epoch,
            envelope: (!row.envelope.is_empty()).then(|| row.envelope.into()),
            sent_at: row.sent_at,
            edit: row.version.map(edit),
            deleted_at: row.deleted_at,
            reactions: Vec::new(),
            expires_at: row.expires_at,
            hidden: row.hidden,
        }
    }
}

/// What an envelope is; it is sealed in with it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    #[default]
    Message,
    /// Of one's own message, the `target`.
    Edit,
    /// To the message `target`; a person's next reaction takes its place.
    Reaction,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMessage {
    /// A UUID (version 7, please: it keeps the server's index compact) that stands for this message for ever.
    pub id: Uuid,
    pub envelope: Bytes,
    #[serde(default)]
    pub kind: Kind,
    /// The id of the message that an edit or a reaction is about.
    pub target: Option<Uuid>,
    /// The message says that from now on messages disappear after this time (one of `TIMERS`, in milliseconds), or
    /// with 0 no longer.
    pub timer: Option<Millis>,
}

/// A message, or a change of one, is stored, and synced to disk.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Accepted {
    pub conversation: Uuid,
    /// Of the envelope; for a deletion, of the message.
    pub id: Uuid,
    /// The message's place.
    pub seq: i64,
    /// The message as it is now, or a later change of it, will come under this `rev` or a later one.
    pub rev: i64,
    /// When it was stored.
    pub sent_at: Millis,
    /// When it disappears.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
}

/// Send a message, an edit or a reaction. The answer comes after the commit; the same message again gets the same answer.
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
    NewMessage { id, envelope: Bytes(envelope), kind, target, timer }: NewMessage,
    origin: Option<ConnectionId>,
    answer: Answer<Accepted>,
) -> Result<()> {
    let epoch = check_envelope(id, &envelope)?;
    if timer.is_some_and(|timer| kind != Kind::Message || !TIMERS.contains(&timer)) {
        return Err(Code::BadTimer.into());
    }
    let number = app.require_epoch(conversation.id, epoch).await?;
    let change = match (kind, target) {
        (Kind::Message, None) => {
            let epoch_number = Some(number);
            let new =
                writer::NewMessage { conversation, id, epoch, epoch_number, envelope, timer, origin, answer };
            return app.writer.append(new).await;
        }
        (Kind::Edit, Some(_)) => Change::Edit(Sealed { id, epoch, epoch_number: number, envelope }),
        (Kind::Reaction, Some(_)) => Change::React(Sealed { id, epoch, epoch_number: number, envelope }),
        _ => return Err(Code::BadRequest.into()),
    };
    let target = target.unwrap_or_default();
    app.writer.change(NewChange { conversation, target, change, answer }).await
}

/// Delete one's own message, for both people. Its envelopes, of before its edits too, and all reactions are gone.
#[utoipa::path(delete, path = "/conversations/{conversation}/messages/{message}", tag = "messages",
    params(("conversation" = Uuid, Path), ("message" = Uuid, Path, description = "Its id")), responses(
    (status = 200, body = Accepted), (status = "default", body = Problem)))]
pub async fn delete_message(
    AboutMessage { conversation, message: target }: AboutMessage,
    State(app): State<App>,
) -> Result<axum::Json<Accepted>> {
    let queue =
        |answer| app.writer.change(NewChange { conversation, target, change: Change::Delete, answer });
    answered(queue).await.map(axum::Json)
}

/// Take back one's reaction to a message.
#[utoipa::path(delete, path = "/conversations/{conversation}/messages/{message}/reaction", tag = "messages",
    params(("conversation" = Uuid, Path), ("message" = Uuid, Path, description = "Its id")), responses(
    (status = 200, body = Accepted), (status = "default", body = Problem)))]
pub async fn remove_reaction(
    AboutMessage { conversation, message: target }: AboutMessage,
    State(app): State<App>,
) -> Result<axum::Json<Accepted>> {
    let queue =
        |answer| app.writer.change(NewChange { conversation, target, change: Change::Unreact, answer });
    answered(queue).await.map(axum::Json)
}

/// A message named in the path, be it there or not, in a conversation the caller belongs to.
#[derive(Clone, Copy)]
pub struct AboutMessage {
    pub conversation: Conversation,
    pub message: Uuid,
}

impl FromRequestParts<App> for AboutMessage {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let current = parts.extract_with_state::<CurrentAccount, App>(app).await?;
        let Path((conversation, message)) = parts.extract_with_state::<Path<(Uuid, Uuid)>, App>(app).await?;
        Ok(Self { conversation: app.conversation(conversation, current.account).await?, message })
    }
}

/// The epoch of an envelope that is well formed and has this id.
pub fn check_envelope(id: Uuid, envelope: &[u8]) -> Result<Uuid> {
    if envelope.len() > MAX_ENVELOPE_BYTES {
        return Err(Code::MessageTooLarge.into());
    }
    let parsed = Envelope::parse(envelope).map_err(|_| Code::BadEnvelope)?;
    if parsed.id == id { Ok(parsed.epoch) } else { Err(Code::BadEnvelope.into()) }
}

/// The number of the epoch, which must belong to the conversation: there is no message without a key.
pub async fn epoch_number(db: &impl ConnectionTrait, conversation: Uuid, epoch: Uuid) -> Result<i64> {
    let row = epochs::Entity::find().filter(epochs::Column::Id.eq(epoch)).one(db).await?;
    let row = row.filter(|row| row.conversation == conversation).ok_or(Code::UnknownEpoch)?;
    Ok(row.number)
}

impl App {
    /// As [`epoch_number`], from memory where possible: it never changes. Whether the epoch still takes envelopes is
    /// looked at by the writer.
    async fn require_epoch(&self, conversation: Uuid, epoch: Uuid) -> Result<i64> {
        if let Some(number) = self.epochs.get(&(conversation, epoch)) {
            return Ok(number);
        }
        let number = Box::pin(epoch_number(self.db.read(), conversation, epoch)).await?;
        self.epochs.insert((conversation, epoch), number);
        Ok(number)
    }
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

/// Whether there are messages whose time is over.
pub async fn are_due(app: &App) -> Result<bool> {
    let due = expiring::Entity::find().filter(expiring::Column::At.lte(app.clock.now())).limit(1);
    Ok(due.one(app.db.read()).await?.is_some())
}

/// Have messages disappear `at` a time, all or those that one of the two sent: as many as are still there.
pub async fn let_disappear(
    tx: &impl ConnectionTrait,
    conversation: Uuid,
    seqs: Range<i64>,
    sender: Option<Uuid>,
    at: Millis,
) -> Result<i64> {
    use messages::Column;
    let noted = Query::select()
        .expr(Expr::val(1))
        .from(expiring::Entity)
        .and_where(expiring::Column::At.eq(at))
        .and_where(expiring::Column::Conversation.eq(conversation))
        .and_where(expiring::Column::Seq.into_expr().equals(Column::Seq.as_column_ref()))
        .take();
    let still_there = Condition::any().add(Column::ExpiresAt.is_null()).add(Column::DeletedAt.is_null()).add(
        Expr::col((messages::Entity, Column::DeletedAt)).lt(Expr::col((messages::Entity, Column::ExpiresAt))),
    );
    let those = messages::Entity::find()
        .select_only()
        .expr(Expr::val(at))
        .column(Column::Conversation)
        .column(Column::Seq)
        .filter(Column::Conversation.eq(conversation))
        .filter(Column::Seq.gte(seqs.start))
        .filter(Column::Seq.lt(seqs.end))
        .filter(still_there)
        .filter(Expr::exists(noted).not());
    let those = match sender {
        Some(sender) => those.filter(Column::Sender.eq(sender)),
        None => those,
    };
    let columns = [expiring::Column::At, expiring::Column::Conversation, expiring::Column::Seq];
    let mut insert = Query::insert();
    insert.into_table(expiring::Entity).columns(columns);
    insert.select_from(those.into_query()).map_err(Error::internal)?;
    Ok(tx.execute(&insert).await?.rows_affected() as i64)
}
