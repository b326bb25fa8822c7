//! Reports: what somebody tells the administrators about somebody. The server cannot read messages, so whoever
//! reports chooses those whose text is disclosed. That the other person sent a message of this number is checked
//! here; that the text is what it said is the reporter's word. Nobody else learns of a report.

use axum::extract::State;
use axum::http::StatusCode;
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::audit::{self, Act};
use crate::clock::{DAY, Millis};
use crate::error::{Code, Error, Problem, Result};
use crate::messages::MAX_ENVELOPE_BYTES;
use crate::people::{self, Person};
use crate::schema::tables::{messages, reported_messages as disclosed, reports as table};
use crate::sessions::{Administrator, CurrentAccount};
use crate::wire::{Json, Path, Query};

/// 50 of the longest texts, even if JSON doubled them.
pub const MAX_REPORT_BYTES: usize = 5 << 20;
const MAX_MESSAGES: usize = 50;
/// As long as an envelope can hold, whoever wrote it.
const MAX_TEXT_BYTES: usize = MAX_ENVELOPE_BYTES;
const MAX_NOTE: usize = 1_000;
const PER_DAY: u64 = 10;
/// A report may hold two megabytes.
const PAGE: u64 = 10;

#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Spam,
    Abuse,
    Other,
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Abuse => "abuse",
            Self::Other => "other",
        }
    }

    fn named(name: &str) -> Self {
        [Self::Spam, Self::Abuse].into_iter().find(|reason| reason.name() == name).unwrap_or(Self::Other)
    }
}

/// A message whose text is disclosed.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportedMessage {
    conversation: Uuid,
    seq: i64,
    /// What it says, by the word of whoever reports it.
    text: String,
    sent_at: Millis,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReport {
    /// Whom it is about.
    account: Uuid,
    reason: Reason,
    #[serde(default)]
    note: String,
    #[serde(default)]
    messages: Vec<ReportedMessage>,
}

/// Report somebody to the administrators.
#[utoipa::path(post, path = "/reports", tag = "people", request_body = NewReport, responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn report(
    current: CurrentAccount,
    State(app): State<App>,
    Json(new): Json<NewReport>,
) -> Result<StatusCode> {
    let NewReport { account, reason, note, messages } = new;
    let reporter = current.account;
    let note = storable(note.trim());
    let too_long = |message: &ReportedMessage| message.text.len() > MAX_TEXT_BYTES;
    if account == reporter
        || note.chars().count() > MAX_NOTE
        || messages.len() > MAX_MESSAGES
        || messages.iter().any(too_long)
    {
        return Err(Code::BadReport.into());
    }
    let id = app.clock.new_id();
    let row = |created_at| table::Model {
        id,
        reporter,
        account,
        reason: reason.name().to_owned(),
        note: note.clone(),
        created_at,
        closed_at: None,
    };
    app.db
        .write(async |tx| {
            people::load(tx, account).await?;
            let now = app.clock.now();
            refuse_if_too_many(tx, reporter, now).await?;
            check_messages(tx, reporter, account, &messages).await?;
            table::Entity::insert(table::ActiveModel::from(row(now))).exec_without_returning(tx).await?;
            for ReportedMessage { conversation, seq, text, sent_at } in messages.clone() {
                let text = storable(&text);
                let row = disclosed::Model { report: id, seq, conversation, text, sent_at };
                disclosed::Entity::insert(disclosed::ActiveModel::from(row))
                    .exec_without_returning(tx)
                    .await?;
            }
            Ok(())
        })
        .await?;
    tracing::info!(%id, "somebody was reported to the administrators");
    Ok(StatusCode::NO_CONTENT)
}

/// With a mark in the place of each NUL, which not every database takes, and which must keep nobody from reporting it.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

async fn refuse_if_too_many(tx: &impl ConnectionTrait, reporter: Uuid, now: Millis) -> Result<()> {
    let lately = table::Entity::find()
        .select_only()
        .column(table::Column::CreatedAt)
        .filter(table::Column::Reporter.eq(reporter))
        .filter(table::Column::CreatedAt.gt(now - DAY))
        .order_by_desc(table::Column::CreatedAt)
        .limit(PER_DAY);
    let times: Vec<Millis> = lately.into_tuple().all(tx).await?;
    match times.last() {
        Some(first) if times.len() as u64 == PER_DAY => {
            let wait = u64::try_from(first + DAY - now).unwrap_or(0);
            Err(Error::TooManyAttempts { retry_after_seconds: wait / 1_000 + 1 })
        }
        _ => Ok(()),
    }
}

/// Each is one that the reported person sent to the reporter, who can see it; none is named twice.
async fn check_messages(
    tx: &impl ConnectionTrait,
    reporter: Uuid,
    account: Uuid,
    reported: &[ReportedMessage],
) -> Result<()> {
    let conversation = e2ee::conversation_id(reporter, account);
    if reported.iter().any(|message| message.conversation != conversation) {
        return Err(Code::UnknownMessage.into());
    }
    let found = messages::Entity::find()
        .filter(messages::Column::Conversation.eq(conversation))
        .filter(messages::Column::Seq.is_in(reported.iter().map(|message| message.seq)))
        .filter(messages::Column::Sender.eq(account))
        .filter(messages::Column::Hidden.eq(false))
        .all(tx)
        .await?;
    let mut sent: HashMap<i64, Millis> = found.into_iter().map(|row| (row.seq, row.sent_at)).collect();
    let mut is_theirs = |message: &ReportedMessage| sent.remove(&message.seq) == Some(message.sent_at);
    if reported.iter().all(&mut is_theirs) { Ok(()) } else { Err(Code::UnknownMessage.into()) }
}

#[derive(Serialize, ToSchema)]
pub struct Report {
    id: Uuid,
    /// Who told.
    reporter: Person,
    /// Of whom.
    account: Person,
    reason: Reason,
    note: String,
    created_at: Millis,
    /// When an administrator was done with it.
    closed_at: Option<Millis>,
    /// The server has checked that `account` sent these; what they say is the reporter's word.
    messages: Vec<ReportedMessage>,
}

#[derive(Serialize, ToSchema)]
pub struct Reports {
    reports: Vec<Report>,
    /// For the next page.
    next: Option<Uuid>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ReportsPage {
    /// The last page's `next`.
    before: Option<Uuid>,
    /// Those that an administrator is done with, instead of the others.
    #[serde(default)]
    closed: bool,
}

/// What was reported, the latest first; for administrators.
#[utoipa::path(get, path = "/reports", tag = "people", params(ReportsPage), responses(
    (status = 200, body = Reports), (status = "default", body = Problem)))]
pub async fn reports(
    _: Administrator,
    State(app): State<App>,
    Query(page): Query<ReportsPage>,
) -> Result<axum::Json<Reports>> {
    let db = app.db.read();
    // Ids are in the order of time.
    let before = page.before.map(|before| table::Column::Id.lt(before));
    let closed = table::Column::ClosedAt;
    let those = if page.closed { closed.is_not_null() } else { closed.is_null() };
    let rows = table::Entity::find()
        .filter(Condition::all().add(those).add_option(before))
        .order_by_desc(table::Column::Id)
        .limit(PAGE)
        .all(db)
        .await?;
    let next = rows.last().filter(|_| rows.len() as u64 == PAGE).map(|row| row.id);
    Ok(axum::Json(Reports { reports: with_all(db, rows).await?, next }))
}

/// One is done with a report; or it is open again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportState {
    closed: bool,
}

/// Be done with a report, or open it again. What was done about it is written down by itself.
#[utoipa::path(put, path = "/reports/{report}", tag = "people", request_body = ReportState,
    params(("report" = Uuid, Path)), responses((status = 204), (status = "default", body = Problem)))]
pub async fn close_report(
    administrator: Administrator,
    State(app): State<App>,
    Path(report): Path<Uuid>,
    Json(ReportState { closed }): Json<ReportState>,
) -> Result<StatusCode> {
    app.db
        .write(async |tx| {
            let row = table::Entity::find_by_id(report).one(tx).await?.ok_or(Code::NotFound)?;
            if row.closed_at.is_some() == closed {
                return Ok(());
            }
            let (account, reason) = (row.account, row.reason.clone());
            let closed_at = Set(closed.then(|| app.clock.now()));
            table::ActiveModel { closed_at, ..row.into() }.update(tx).await?;
            let act = if closed { Act::ReportClosed } else { Act::ReportOpened };
            audit::record(tx, &app, (&administrator).into(), act, Some(account), &reason).await
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn with_all(db: &impl ConnectionTrait, rows: Vec<table::Model>) -> Result<Vec<Report>> {
    let people = people::by_id(db, rows.iter().flat_map(|row| [row.reporter, row.account])).await?;
    let of = disclosed::Column::Report.is_in(rows.iter().map(|row| row.id));
    let found = disclosed::Entity::find().filter(of).order_by_asc(disclosed::Column::Seq).all(db).await?;
    let mut messages: HashMap<Uuid, Vec<ReportedMessage>> = HashMap::new();
    for disclosed::Model { report, seq, conversation, text, sent_at } in found {
        messages.entry(report).or_default().push(ReportedMessage { conversation, seq, text, sent_at });
    }
    let report = |row: table::Model| {
        Some(Report {
            id: row.id,
            reporter: people.get(&row.reporter)?.clone(),
            account: people.get(&row.account)?.clone(),
            reason: Reason::named(&row.reason),
            note: row.note,
            created_at: row.created_at,
            closed_at: row.closed_at,
            messages: messages.remove(&row.id).unwrap_or_default(),
        })
    };
    Ok(rows.into_iter().filter_map(report).collect())
}
