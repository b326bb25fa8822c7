//! How the server does, for whoever looks after it: now, over the last hour, day and month, and its log. Each node notes
//! what it counted once a minute and once in half an hour; the page adds the nodes up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::{MissedTickBehavior, interval};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::archive;
use crate::clock::{DAY, HOUR, MINUTE, Millis};
use crate::error::{Code, Error, Problem, Result};
use crate::limits::ClientAddress;
use crate::log_book::{self, LogLine};
use crate::mail::{self, MailHealth};
use crate::meters::{Look, Sample, Span};
use crate::room_left;
use crate::schema::tables::samples as table;
use crate::sessions::{Administrator, CurrentAccount};
use crate::wire::{Json, Query};

const LOOK_EVERY: Duration = Duration::from_secs(10);
const MAX_LINES: usize = 500;
const MAX_TROUBLE: u32 = 1_000;
/// Half-hours that the chart of a month draws as one.
const TOGETHER: Millis = 12;

impl Span {
    const ALL: [Span; 2] = [Span::Minute, Span::HalfHour];

    fn length(self) -> Millis {
        match self {
            Span::Minute => MINUTE,
            Span::HalfHour => 30 * MINUTE,
        }
    }

    /// How long its samples are kept.
    fn kept(self) -> Millis {
        match self {
            Span::Minute => 2 * HOUR,
            Span::HalfHour => 32 * DAY,
        }
    }
}

/// Count and note, as long as the server runs.
pub async fn keep(app: App) {
    let node = Uuid::new_v4();
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut since = Span::ALL.map(|span| app.clock.now() / span.length());
    loop {
        tick.tick().await;
        look(&app).await;
        for (index, span) in Span::ALL.into_iter().enumerate() {
            let now = app.clock.now() / span.length();
            let began = std::mem::replace(&mut since[index], now);
            if began != now
                && let Err(error) = note(&app, node, span, began * span.length()).await
            {
                tracing::warn!(%error, "what was counted could not be stored");
            }
        }
    }
}

async fn look(app: &App) {
    let asked = Instant::now();
    let answered = app.db.ping().await.is_ok();
    let data = app.config.storage.data.display().to_string();
    app.meters.look(Look {
        connections: app.live.connections(),
        queue: app.writer.waiting(),
        database_time: answered.then(|| asked.elapsed()),
        memory: resident().unwrap_or(0),
        disk_left: room_left(&data).unwrap_or(0),
    });
}

/// Resident memory of this process, in bytes (proc(5), `statm`).
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
    Some(pages * u64::try_from(size).ok()?)
}

/// Store what was counted in a time that is over, and forget what is too old.
pub async fn note(app: &App, node: Uuid, span: Span, at: Millis) -> Result<()> {
    let sample = app.meters.close(span);
    let data = serde_json::to_string(&sample).map_err(Error::internal)?;
    let row = table::Model { span: span as i16, at, node, data };
    let old = app.clock.now() - span.kept();
    app.db
        .write(async |tx| {
            table::Entity::insert(table::ActiveModel::from(row)).exec_without_returning(tx).await?;
            table::Entity::delete_many()
                .filter(table::Column::Span.eq(span as i16))
                .filter(table::Column::At.lt(old))
                .exec(tx)
                .await?;
            Ok(())
        })
        .await
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Range {
    Hour,
    Day,
    Month,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct MonitoringRange {
    #[param(inline)]
    range: Range,
}

/// How this node stands at the moment.
#[derive(Serialize, ToSchema)]
pub struct Health {
    version: &'static str,
    started_at: Millis,
    /// Whether the database answers, and in how many microseconds.
    database: bool,
    database_time: u64,
    /// Whether what people send is stored.
    stores: bool,
    /// None where there is one node alone.
    nats: Option<bool>,
    /// None where no mail is sent.
    mail: Option<MailHealth>,
    connections: u64,
    queue: u64,
    /// Bytes.
    memory: u64,
    disk_left: u64,
    /// When `entrenous backup` last ran here to its end.
    backup_at: Option<Millis>,
}

#[derive(Serialize, ToSchema)]
pub struct TimedSample {
    /// When its time began.
    at: Millis,
    #[serde(flatten)]
    sample: Sample,
}

#[derive(Serialize, ToSchema)]
pub struct Monitoring {
    health: Health,
    /// In the order of time, each of the same length; where nothing was counted there is none.
    samples: Vec<TimedSample>,
    /// Milliseconds that each sample covers.
    length: Millis,
}

/// How the server does.
#[utoipa::path(get, path = "/administration/monitoring", tag = "administration", params(MonitoringRange), responses(
    (status = 200, body = Monitoring), (status = "default", body = Problem)))]
pub async fn monitoring(
    _: Administrator,
    State(app): State<App>,
    Query(MonitoringRange { range }): Query<MonitoringRange>,
) -> Result<axum::Json<Monitoring>> {
    let (span, since, together) = match range {
        Range::Hour => (Span::Minute, HOUR, 1),
        Range::Day => (Span::HalfHour, DAY, 1),
        Range::Month => (Span::HalfHour, 30 * DAY, TOGETHER),
    };
    let rows = table::Entity::find()
        .filter(table::Column::Span.eq(span as i16))
        .filter(table::Column::At.gte(app.clock.now() - since))
        .all(app.db.read())
        .await?;
    let length = span.length() * together;
    let mut samples: BTreeMap<Millis, Sample> = BTreeMap::new();
    for row in rows {
        let of_node: Sample = serde_json::from_str(&row.data).map_err(Error::internal)?;
        samples.entry(row.at / length * length).or_default().add(&of_node);
    }
    let samples = samples.into_iter().map(|(at, sample)| TimedSample { at, sample }).collect();
    Ok(axum::Json(Monitoring { health: health(&app).await?, samples, length }))
}

async fn health(app: &App) -> Result<Health> {
    let asked = Instant::now();
    let database = app.db.ping().await.is_ok();
    let data = app.config.storage.data.display().to_string();
    Ok(Health {
        version: env!("CARGO_PKG_VERSION"),
        started_at: app.started_at,
        database,
        database_time: u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX),
        stores: app.writer.is_running() && app.writer.is_storing(),
        nats: app.live.cluster().is_connected(),
        // Where the database is silent, that is said already.
        mail: if database { mail::health(app).await? } else { None },
        connections: app.live.connections(),
        queue: app.writer.waiting(),
        memory: resident().unwrap_or(0),
        disk_left: room_left(&data).unwrap_or(0),
        backup_at: archive::last_backup(&app.config.storage),
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// How many messages this browser could not open, 1 to 1,000.
    unopened: u32,
}

/// Say that something went wrong here: how often, and nothing of what or whose.
#[utoipa::path(post, path = "/trouble", tag = "session", request_body = Trouble, responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn trouble(
    _: CurrentAccount,
    address: ClientAddress,
    State(app): State<App>,
    Json(Trouble { unopened }): Json<Trouble>,
) -> Result<StatusCode> {
    app.limits.look(&address)?;
    if !(1..=MAX_TROUBLE).contains(&unopened) {
        return Err(Code::BadRequest.into());
    }
    app.meters.unopened(unopened);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct LogQuery {
    /// Only lines after this number.
    #[serde(default)]
    after: u64,
    /// `error`, `warn`, `info`, `debug` or `trace`: this and what is graver.
    #[serde(default)]
    level: String,
    /// Words that a line must have.
    #[serde(default)]
    q: String,
}

#[derive(Serialize, ToSchema)]
pub struct Log {
    /// The last 500 at most, in their order.
    lines: Vec<LogLine>,
}

/// The log of this node, as long as it is kept in memory.
#[utoipa::path(get, path = "/administration/log", tag = "administration", params(LogQuery), responses(
    (status = 200, body = Log), (status = "default", body = Problem)))]
pub async fn log(_: Administrator, Query(query): Query<LogQuery>) -> axum::Json<Log> {
    axum::Json(Log { lines: log_book::lines(query.after, &query.level, &query.q, MAX_LINES) })
}

/// What this node has counted since it started, for Prometheus; for whoever has the token of the configuration.
#[utoipa::path(get, path = "/metrics", tag = "health", responses(
    (status = 200, body = String), (status = "default", body = Problem)))]
pub async fn metrics(State(app): State<App>, headers: HeaderMap) -> Result<impl IntoResponse> {
    let expected = app.config.metrics_token.as_ref().ok_or(Code::NotFound)?;
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    // Compared as digests, so that the time tells nothing about the token.
    if Sha256::digest(given) != Sha256::digest(&expected.0) {
        return Err(Code::SignedOut.into());
    }
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], app.meters.render()?))
}
