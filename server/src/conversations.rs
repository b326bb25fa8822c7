//! Conversations: two accounts, one row. A handler that names a [`Conversation`] among its arguments can only
//! be reached by one of the two; for anyone else there is nothing there.

use axum::RequestPartsExt;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::clock::Millis;
use crate::db::any_of;
use crate::epochs::Epoch;
use crate::error::{Code, Error, Problem, Result};
use crate::messages::{Message, messages_of};
use crate::people::{self, Person};
use crate::schema::tables::{conversations, epochs, messages};
use crate::sessions::CurrentAccount;
use crate::wire::{Json, Path, Query};

const PAGE: u64 = 50;
const MAX_PAGE: u64 = 100;
/// Contacts who are told at once of a changed profile; the others see it when they next look.
const MAX_CONTACTS: u64 = 1_000;

/// A conversation the caller belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Conversation {
    pub id: Uuid,
    pub me: Uuid,
    pub low: Uuid,
    pub high: Uuid,
}

impl Conversation {
    pub fn both(&self) -> [Uuid; 2] {
        [self.low, self.high]
    }

    pub fn peer(&self) -> Uuid {
        if self.me == self.low { self.high } else { self.low }
    }

    /// Load through the membership: a conversation of others is not found.
    pub async fn load(db: &impl ConnectionTrait, id: Uuid, me: Uuid) -> Result<Self> {
        let row = conversations::Entity::find_by_id(id).one(db).await?.ok_or(Code::NotFound)?;
        if row.low == me || row.high == me {
            Ok(Self { id, me, low: row.low, high: row.high })
        } else {
            Err(Code::NotFound.into())
        }
    }
}

impl App {
    /// As [`Conversation::load`], from memory where possible: who belongs to a conversation never changes.
    pub async fn conversation(&self, id: Uuid, me: Uuid) -> Result<Conversation> {
        // Only for its members: an outsider waits for the same query whether the conversation exists or not.
        if let Some((low, high)) = self.members.get(&id)
            && (low == me || high == me)
        {
            return Ok(Conversation { id, me, low, high });
        }
        let conversation = Box::pin(Conversation::load(self.db.read(), id, me)).await?;
        self.members.insert(id, (conversation.low, conversation.high));
        Ok(conversation)
    }
}

impl FromRequestParts<App> for Conversation {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let current = parts.extract_with_state::<CurrentAccount, App>(app).await?;
        let Path(id) = parts.extract_with_state::<Path<Uuid>, App>(app).await?;
        app.conversation(id, current.account).await
    }
}

/// How far somebody has come in a conversation: numbers of messages, 0 for none.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Progress {
    delivered: i64,
    read: i64,
}

/// A conversation as one of the two sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Conversation)]
pub struct ConversationView {
    id: Uuid,
    peer: Person,
    /// Number of the last message; they are numbered from 1 without gaps.
    seq: i64,
    /// Number of the last change; `changed_after` catches up from one.
    rev: i64,
    /// When the last message came; 0 before the first.
    active_at: Millis,
    /// The other person's messages that I have not read.
    unread: i64,
    /// I have blocked the other person.
    blocked: bool,
    /// How long new messages stay before they disappear, in milliseconds; 0 for ever.
    timer: Millis,
    /// The message that has set it; 0 for none.
    timer_seq: i64,
    epoch: Option<Epoch>,
    mine: Progress,
    theirs: Progress,
    last_message: Option<Message>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenConversation {
    /// The other person's account.
    with: Uuid,
}

/// Open the conversation with somebody: the one there is, or a new one.
#[utoipa::path(post, path = "/conversations", tag = "conversations", request_body = OpenConversation, responses(
    (status = 200, body = ConversationView), (status = "default", body = Problem)))]
pub async fn open_conversation(
    current: CurrentAccount,
    State(app): State<App>,
    Json(open): Json<OpenConversation>,
) -> Result<axum::Json<ConversationView>> {
    let me = current.account;
    let id = app.db.write(async |tx| begin(tx, me, open.with).await).await?;
    one(&app, id, me).await
}

/// The conversation of these two, which is there from now on.
pub async fn begin(tx: &impl ConnectionTrait, me: Uuid, peer: Uuid) -> Result<Uuid> {
    if me == peer {
        return Err(Code::ConversationWithOneself.into());
    }
    people::load(tx, peer).await?;
    let id = e2ee::conversation_id(me, peer);
    let (low, high) = if me < peer { (me, peer) } else { (peer, me) };
    let new = conversations::Model {
        id,
        low,
        high,
        seq: 0,
        rev: 0,
        epoch: 0,
        closed_epoch: 0,
        active_at: 0,
        low_delivered: 0,
        high_delivered: 0,
        low_read: 0,
        high_read: 0,
        low_shown: 0,
        high_shown: 0,
        low_unread: 0,
        high_unread: 0,
        low_blocks: false,
        high_blocks: false,
        timer: 0,
        timer_seq: 0,
        kept_from: 1,
    };
    conversations::Entity::insert(conversations::ActiveModel::from(new))
        .on_conflict_do_nothing()
        .exec_without_returning(tx)
        .await?;
    Ok(id)
}

/// One conversation.
#[utoipa::path(get, path = "/conversations/{conversation}", tag = "conversations",
    params(("conversation" = Uuid, Path)), responses(
    (status = 200, body = ConversationView), (status = "default", body = Problem)))]
pub async fn conversation(
    conversation: Conversation,
    State(app): State<App>,
) -> Result<axum::Json<ConversationView>> {
    one(&app, conversation.id, conversation.me).await
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ConversationsPage {
    /// The last page's `next`.
    cursor: Option<String>,
    limit: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub struct Conversations {
    conversations: Vec<ConversationView>,
    next: Option<String>,
}

/// One's conversations that hold messages, the latest first.
#[utoipa::path(get, path = "/conversations", tag = "conversations", params(ConversationsPage), responses(
    (status = 200, body = Conversations), (status = "default", body = Problem)))]
pub async fn conversations(
    current: CurrentAccount,
    State(app): State<App>,
    Query(page): Query<ConversationsPage>,
) -> Result<axum::Json<Conversations>> {
    use conversations::Column;
    let limit = page.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let before = page.cursor.as_deref().map(parse_cursor).transpose()?;
    let mut rows = Vec::new();
    // One index a side; with an OR between them neither would be used.
    for side in [Column::Low, Column::High] {
        let mut select =
            conversations::Entity::find().filter(side.eq(current.account)).filter(Column::ActiveAt.gt(0));
        if let Some((active_at, id)) = before {
            let tie = Condition::all().add(Column::ActiveAt.eq(active_at)).add(Column::Id.lt(id));
            select = select
                .filter(Column::ActiveAt.lte(active_at))
                .filter(Condition::any().add(Column::ActiveAt.lt(active_at)).add(tie));
        }
        let ordered = select.order_by_desc(Column::ActiveAt).order_by_desc(Column::Id).limit(limit);
        rows.extend(ordered.all(app.db.read()).await?);
    }
    rows.sort_by_key(|row| std::cmp::Reverse((row.active_at, row.id)));
    rows.truncate(limit as usize);
    let next = (rows.len() as u64 == limit)
        .then(|| rows.last().map(|row| format!("{}~{}", row.active_at, row.id)))
        .flatten();
    Ok(axum::Json(Conversations { conversations: views(app.db.read(), rows, current.account).await?, next }))
}

/// The accounts that somebody has a conversation with.
pub async fn contacts(db: &impl ConnectionTrait, account: Uuid) -> Result<Vec<Uuid>> {
    use conversations::Column;
    let mut contacts = Vec::new();
    for (mine, theirs) in [(Column::Low, Column::High), (Column::High, Column::Low)] {
        let side = conversations::Entity::find()
            .select_only()
            .column(theirs)
            .filter(mine.eq(account))
            .filter(Column::ActiveAt.gt(0))
            .limit(MAX_CONTACTS);
        contacts.extend(side.into_tuple::<Uuid>().all(db).await?);
    }
    Ok(contacts)
}

/// Whoever begins anew can open nothing of what was written: it is read, as far as they go, and nothing more is written
/// for the keys that they have lost. What the others are told stays as it was.
pub async fn renew(tx: &impl ConnectionTrait, account: Uuid) -> Result<()> {
    use conversations::Column;
    let sides = [
        (Column::Low, Column::LowRead, Column::LowDelivered, Column::LowUnread),
        (Column::High, Column::HighRead, Column::HighDelivered, Column::HighUnread),
    ];
    for (mine, read, delivered, unread) in sides {
        conversations::Entity::update_many()
            .col_expr(Column::ClosedEpoch, Expr::col(Column::Epoch))
            .col_expr(read, Expr::col(Column::Seq))
            .col_expr(delivered, Expr::col(Column::Seq))
            .col_expr(unread, Expr::val(0))
            .filter(mine.eq(account))
            .exec(tx)
            .await?;
    }
    Ok(())
}

async fn one(app: &App, id: Uuid, me: Uuid) -> Result<axum::Json<ConversationView>> {
    let row = conversations::Entity::find_by_id(id).one(app.db.read()).await?.ok_or(Code::NotFound)?;
    let view = views(app.db.read(), vec![row], me).await?.pop().ok_or(Code::NotFound)?;
    Ok(axum::Json(view))
}

fn parse_cursor(cursor: &str) -> Result<(Millis, Uuid)> {
    let parsed = cursor.split_once('~').and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
    parsed.ok_or_else(|| Code::BadRequest.into())
}

/// Rows as `me` sees them, in the same order: three more queries, however many rows.
async fn views(
    db: &impl ConnectionTrait,
    rows: Vec<conversations::Model>,
    me: Uuid,
) -> Result<Vec<ConversationView>> {
    let peer = |row: &conversations::Model| if row.low == me { row.high } else { row.low };
    let people = people::by_id(db, rows.iter().map(peer)).await?;
    let mut last_messages = last_messages(db, &rows, me).await?;
    let mut last_epochs = last_epochs(db, &rows).await?;
    let view = |row: conversations::Model| {
        let is_low = row.low == me;
        // Of oneself all of it, of the other what they show.
        let low_read = if is_low { row.low_read } else { row.low_shown };
        let high_read = if is_low { row.high_shown } else { row.high_read };
        let low = Progress { delivered: row.low_delivered, read: low_read };
        let high = Progress { delivered: row.high_delivered, read: high_read };
        let (mine, theirs, unread, blocked) = if is_low {
            (low, high, row.low_unread, row.low_blocks)
        } else {
            (high, low, row.high_unread, row.high_blocks)
        };
        Some(ConversationView {
            peer: people.get(&peer(&row))?.clone(),
            id: row.id,
            seq: row.seq,
            rev: row.rev,
            active_at: row.active_at,
            unread,
            blocked,
            timer: row.timer,
            timer_seq: row.timer_seq,
            epoch: last_epochs.remove(&row.id),
            mine,
            theirs,
            last_message: last_messages.remove(&row.id),
        })
    };
    Ok(rows.into_iter().filter_map(view).collect())
}

async fn last_messages(
    db: &impl ConnectionTrait,
    rows: &[conversations::Model],
    me: Uuid,
) -> Result<HashMap<Uuid, Message>> {
    use messages::Column;
    let keys = rows.iter().filter(|row| row.seq > 0).map(|row| (row.id, row.seq));
    let found =
        messages::Entity::find().filter(any_of(Column::Conversation, Column::Seq, keys)).all(db).await?;
    let found = messages_of(db, found, me).await?;
    Ok(found.into_iter().map(|message| (message.conversation, message)).collect())
}

async fn last_epochs(
    db: &impl ConnectionTrait,
    rows: &[conversations::Model],
) -> Result<HashMap<Uuid, Epoch>> {
    use epochs::Column;
    let keys = rows.iter().filter(|row| row.epoch > 0).map(|row| (row.id, row.epoch));
    let found =
        epochs::Entity::find().filter(any_of(Column::Conversation, Column::Number, keys)).all(db).await?;
    let closed: HashMap<Uuid, i64> = rows.iter().map(|row| (row.id, row.closed_epoch)).collect();
    let epoch = |row: &epochs::Model| Epoch::of(row, closed.get(&row.conversation).copied().unwrap_or(0));
    Ok(found.iter().map(|row| (row.conversation, epoch(row))).collect())
}
