//! Messages that wait for their time. Until then each is its sender's alone: an envelope that can be put in the
//! place of the one before, or withdrawn. At its time the writer makes it an ordinary message, in the transaction
//! that takes it from here, so that nothing loses or doubles it, be it a crash in between.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::clock::{DAY, Millis};
use crate::error::{Code, Problem, Result};
use crate::event::Event;
use crate::messages::{AboutMessage, check_envelope, epoch_number};
use crate::schema::tables::{conversations, messages, scheduled};
use crate::sessions::CurrentAccount;
use crate::wire::{Bytes, Json};
use crate::writer::answered;

/// What one person may have waiting.
const MAX_WAITING: u64 = 100;
/// A year, and the day that some years have more.
const FURTHEST: Millis = 366 * DAY;
/// The system's clock may be set; so late, that is noticed.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Where sending fails, as on a full disk.
const PAUSE: Duration = Duration::from_secs(5);

/// A message that waits.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Scheduled {
    pub conversation: Uuid,
    /// Of the message that it will be.
    pub id: Uuid,
    pub epoch: Uuid,
    pub envelope: Bytes,
    /// When it is to be sent.
    pub at: Millis,
    pub written_at: Millis,
}

impl From<scheduled::Model> for Scheduled {
    fn from(row: scheduled::Model) -> Self {
        let scheduled::Model { conversation, id, epoch, envelope, at, written_at, .. } = row;
        Self { conversation, id, epoch, envelope: envelope.into(), at, written_at }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = ScheduledMessages)]
pub struct All {
    /// By time.
    scheduled: Vec<Scheduled>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewScheduled {
    /// Of a message with the id in the path.
    envelope: Bytes,
    /// In the future, and within a year.
    at: Millis,
}

/// All of one's own that waits.
#[utoipa::path(get, path = "/scheduled", tag = "messages", responses(
    (status = 200, body = All), (status = "default", body = Problem)))]
pub async fn scheduled_messages(current: CurrentAccount, State(app): State<App>) -> Result<axum::Json<All>> {
    let rows = scheduled::Entity::find()
        .filter(scheduled::Column::Sender.eq(current.account))
        .order_by_asc(scheduled::Column::At)
        .order_by_asc(scheduled::Column::Id)
        .limit(MAX_WAITING)
        .all(app.db.read())
        .await?;
    Ok(axum::Json(All { scheduled: rows.into_iter().map(Scheduled::from).collect() }))
}

/// Have a message sent at a time; or, of one that waits, another text or another time. `already_sent` once it was sent.
#[utoipa::path(put, path = "/conversations/{conversation}/scheduled/{message}", tag = "messages",
    params(("conversation" = Uuid, Path), ("message" = Uuid, Path, description = "Its id")),
    request_body = NewScheduled, responses(
    (status = 200, body = Scheduled), (status = "default", body = Problem)))]
pub async fn schedule(
    about: AboutMessage,
    State(app): State<App>,
    Json(NewScheduled { envelope: Bytes(envelope), at }): Json<NewScheduled>,
) -> Result<axum::Json<Scheduled>> {
    let AboutMessage { conversation, message: id } = about;
    let epoch = check_envelope(id, &envelope)?;
    let (conversation, sender) = (conversation.id, conversation.me);
    let row = app
        .db
        .write(async |tx| {
            refuse_if_sent(tx, &about).await?;
            let now = app.clock.now();
            if at <= now || at > now + FURTHEST {
                return Err(Code::BadTime.into());
            }
            // Within the transaction: an epoch that closes at this moment looks for what waits under it.
            let number = epoch_number(tx, conversation, epoch).await?;
            if number <= closed_epoch(tx, conversation).await? {
                return Err(Code::EpochClosed.into());
            }
            let envelope = envelope.clone();
            let row = scheduled::Model { sender, id, conversation, epoch, envelope, at, written_at: now };
            put(tx, &row).await?;
            Ok(row)
        })
        .await?;
    let scheduled = Scheduled::from(row);
    app.schedule.notify_one();
    app.live.publish(&[sender], &Event::Scheduled { scheduled: scheduled.clone() });
    Ok(axum::Json(scheduled))
}

async fn closed_epoch(tx: &impl ConnectionTrait, conversation: Uuid) -> Result<i64> {
    let row = conversations::Entity::find_by_id(conversation).one(tx).await?.ok_or(Code::NotFound)?;
    Ok(row.closed_epoch)
}

async fn put(tx: &impl ConnectionTrait, row: &scheduled::Model) -> Result<()> {
    let model = scheduled::ActiveModel::from(row.clone());
    let held = scheduled::Entity::find_by_id((row.sender, row.id)).one(tx).await?;
    if held.is_some_and(|held| held.conversation != row.conversation) {
        return Err(Code::MessageIdReused.into());
    }
    scheduled::Entity::delete_by_id((row.sender, row.id)).exec(tx).await?;
    let waiting =
        scheduled::Entity::find().filter(scheduled::Column::Sender.eq(row.sender)).count(tx).await?;
    if waiting >= MAX_WAITING {
        return Err(Code::TooManyScheduled.into());
    }
    scheduled::Entity::insert(model).exec_without_returning(tx).await?;
    Ok(())
}

/// Withdraw a message that waits. `already_sent` once it was sent.
#[utoipa::path(delete, path = "/conversations/{conversation}/scheduled/{message}", tag = "messages",
    params(("conversation" = Uuid, Path), ("message" = Uuid, Path, description = "Its id")), responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn withdraw(about: AboutMessage, State(app): State<App>) -> Result<StatusCode> {
    let AboutMessage { conversation, message: id } = about;
    app.db
        .write(async |tx| {
            waiting(tx, &about).await?;
            scheduled::Entity::delete_by_id((conversation.me, id)).exec(tx).await?;
            Ok(())
        })
        .await?;
    let event = Event::Unscheduled { conversation: conversation.id, id, sent: false };
    app.live.publish(&[conversation.me], &event);
    Ok(StatusCode::NO_CONTENT)
}

/// Send a message that waits, now. `already_sent` once it was sent.
#[utoipa::path(post, path = "/conversations/{conversation}/scheduled/{message}/send", tag = "messages",
    params(("conversation" = Uuid, Path), ("message" = Uuid, Path, description = "Its id")), responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn send_now(about: AboutMessage, State(app): State<App>) -> Result<StatusCode> {
    app.db
        .write(async |tx| {
            let row = waiting(tx, &about).await?;
            let due = scheduled::Model { at: row.at.min(app.clock.now()), ..row };
            put(tx, &due).await
        })
        .await?;
    send_due(&app).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// It, if it is there to be changed.
async fn waiting(tx: &impl ConnectionTrait, about: &AboutMessage) -> Result<scheduled::Model> {
    let found = scheduled::Entity::find_by_id((about.conversation.me, about.message)).one(tx).await?;
    match found.filter(|row| row.conversation == about.conversation.id) {
        Some(row) => Ok(row),
        None => {
            refuse_if_sent(tx, about).await?;
            Err(Code::UnknownMessage.into())
        }
    }
}

async fn refuse_if_sent(tx: &impl ConnectionTrait, about: &AboutMessage) -> Result<()> {
    let found = messages::Entity::find()
        .filter(messages::Column::Id.eq(about.message))
        .filter(messages::Column::Conversation.eq(about.conversation.id))
        .one(tx)
        .await?;
    match found {
        Some(sent) if sent.sender == about.conversation.me => Err(Code::AlreadySent.into()),
        Some(_) => Err(Code::MessageIdReused.into()),
        None => Ok(()),
    }
}

/// When the next one is to be sent.
async fn next_at(app: &App) -> Result<Option<Millis>> {
    let first = scheduled::Entity::find().select_only().column(scheduled::Column::At);
    let first = first.order_by_asc(scheduled::Column::At).limit(1);
    Ok(first.into_tuple().one(app.db.read()).await?)
}

/// Send what is due, through the writer. How many.
pub async fn send_due(app: &App) -> Result<usize> {
    let mut sent = 0;
    while next_at(app).await?.is_some_and(|at| at <= app.clock.now()) {
        sent += answered(|answer| app.writer.send_due(answer)).await?;
    }
    Ok(sent)
}

/// Sends each message at its time, for as long as it runs; at first what came due while nothing ran.
pub async fn keep(app: App) {
    loop {
        let wait = match attempt(&app).await {
            Ok(next) => next.map_or(LONGEST_WAIT, |at| until(at, app.clock.now()).min(LONGEST_WAIT)),
            Err(error) => {
                tracing::warn!(%error, "scheduled messages could not be sent");
                PAUSE
            }
        };
        // One was scheduled meanwhile, or it is time: either way to be looked at.
        drop(timeout(wait, app.schedule.notified()).await);
    }
}

async fn attempt(app: &App) -> Result<Option<Millis>> {
    send_due(app).await?;
    next_at(app).await
}

fn until(at: Millis, now: Millis) -> Duration {
    Duration::from_millis(u64::try_from(at - now).unwrap_or(0))
}
