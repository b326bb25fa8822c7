//! Mail, where an administrator has configured a server that takes it; everything works without.
//!
//! What is to be sent waits in the database as a [`Letter`], which says what it is about. It is written only when its
//! turn has come, so that no link lies about in the queue, and what is no longer true is not sent. Whoever sends one
//! first puts off its time in a transaction of its own: of several nodes one has it, and if that one dies, it is sent
//! again later. A letter that cannot be handed over is tried again, for days.

pub mod digest;
mod letters;
mod relay;
mod words;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde::Serialize;
use tokio::sync::{Mutex as Turn, Notify};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::Failure;
use crate::app::App;
use crate::clock::{DAY, HOUR, MINUTE, Millis};
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::organisation::Language;
use crate::schema::tables::mails as table;

pub use letters::{Letter, Secured};
pub use relay::{Address, Relay};

/// With more waiting than this, something is wrong that more mails do not put right.
const MAX_WAITING: u64 = 10_000;
/// How long it is tried.
const PATIENCE: Millis = 3 * DAY;
/// Between the attempts; the last one again and again.
const PAUSES: [Millis; 4] = [MINUTE, 5 * MINUTE, 20 * MINUTE, HOUR];
/// Longer than handing one over can take: then whoever had it has died.
const LEASE: Millis = 10 * MINUTE;
/// The system's clock may be set; so late, that is noticed.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What sends mails.
pub struct Mail {
    pub relay: Relay,
    /// Rung when there is something to send.
    bell: Notify,
    /// One after the other: a relay is no friend of many connections.
    turn: Turn<()>,
    last: Mutex<Option<Handed>>,
}

/// How the last attempt went.
#[derive(Clone, Copy)]
struct Handed {
    at: Millis,
    over: bool,
}

/// How the mail does.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct MailHealth {
    waiting: u64,
    /// When the last attempt of this node was, and whether the mail server took the mail, or said that it never will.
    last_attempt_at: Option<Millis>,
    works: bool,
}

impl Mail {
    /// None where mail is not configured.
    pub fn new(config: &Config) -> Result<Option<Self>, Failure> {
        let relay = Relay::new(config)?;
        Ok(relay.map(|relay| Self {
            relay,
            bell: Notify::new(),
            turn: Turn::new(()),
            last: Mutex::default(),
        }))
    }

    fn note(&self, at: Millis, over: bool) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Handed { at, over });
    }
}

pub async fn health(app: &App) -> Result<Option<MailHealth>> {
    let Some(mail) = &app.mail else { return Ok(None) };
    let waiting = table::Entity::find().count(app.db.read()).await?;
    let last = *mail.last.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Some(MailHealth {
        waiting,
        last_attempt_at: last.map(|last| last.at),
        works: last.is_none_or(|last| last.over),
    }))
}

/// Refused where this server sends no mail.
pub fn refuse_without(app: &App) -> Result<()> {
    if app.mail.is_some() { Ok(()) } else { Err(Code::NoMail.into()) }
}

/// Have a letter sent, once the transaction is committed and the bell rung ([`ring`]).
pub async fn put(
    tx: &impl ConnectionTrait,
    app: &App,
    letter: &Letter,
    to: &Address,
    language: Language,
) -> Result<()> {
    if table::Entity::find().count(tx).await? >= MAX_WAITING {
        tracing::warn!("more mails wait than can be kept: is the mail server down?");
        return Err(Code::Unavailable.into());
    }
    let now = app.clock.now();
    let row = table::Model {
        id: app.clock.new_id(),
        letter: serde_json::to_string(letter).map_err(Error::internal)?,
        address: to.to_string(),
        language: language.code().to_owned(),
        due_at: now,
        attempts: 0,
        created_at: now,
    };
    table::Entity::insert(table::ActiveModel::from(row)).exec_without_returning(tx).await?;
    Ok(())
}

/// There is something to send.
pub fn ring(app: &App) {
    if let Some(mail) = &app.mail {
        mail.bell.notify_one();
    }
}

/// Sends what is due, for as long as the server runs. A letter that is just being handed over is finished.
pub async fn keep(app: App, stopping: CancellationToken) {
    let Some(mail) = &app.mail else { return };
    loop {
        let wait = match attempt(&app).await {
            Ok(next) => next.map_or(LONGEST_WAIT, |at| until(at, app.clock.now()).min(LONGEST_WAIT)),
            Err(error) => {
                tracing::warn!(%error, "mails could not be sent");
                LONGEST_WAIT
            }
        };
        tokio::select! {
            // A letter was put in meanwhile, or it is time: either way to be looked at.
            _ = timeout(wait, mail.bell.notified()) => {}
            () = stopping.cancelled() => return,
        }
    }
}

async fn attempt(app: &App) -> Result<Option<Millis>> {
    match send_due(app).await? {
        true => next_at(app).await,
        // What is due stays so until the relay is back.
        false => Ok(None),
    }
}

/// Send what is due, until there is no more, or the mail server takes none. Whether it does.
pub async fn send_due(app: &App) -> Result<bool> {
    let Some(mail) = &app.mail else { return Ok(true) };
    let _turn = mail.turn.lock().await;
    while next_at(app).await?.is_some_and(|at| at <= app.clock.now()) {
        let Some(row) = take(app).await? else { continue };
        if !hand_over(app, mail, row).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Send one that says nothing but that it came, without waiting. Why it was not taken, in the mail server's words.
pub async fn send_test(app: &App, to: &Address) -> Result<Result<(), String>> {
    let mail = app.mail.as_ref().ok_or(Code::NoMail)?;
    let row = table::Model {
        id: app.clock.new_id(),
        letter: serde_json::to_string(&Letter::Test).map_err(Error::internal)?,
        address: to.to_string(),
        language: Language::En.code().to_owned(),
        due_at: 0,
        attempts: 0,
        created_at: 0,
    };
    let Some(written) = letters::write(app, &row).await? else { return Err(Code::NotFound.into()) };
    Ok(match mail.relay.send(app, &row, written).await? {
        relay::Sent::Taken => Ok(()),
        relay::Sent::Refused(status) => Err(format!("it was refused, with the answer {status}")),
        relay::Sent::Later(status) => Err(format!("it was put off, with the answer {status}")),
        relay::Sent::Down(error) => Err(error),
    })
}

async fn next_at(app: &App) -> Result<Option<Millis>> {
    let first = table::Entity::find().select_only().column(table::Column::DueAt);
    Ok(first.order_by_asc(table::Column::DueAt).limit(1).into_tuple().one(app.db.read()).await?)
}

/// The first that is due, for this node alone. None where others were faster, or it was too old.
async fn take(app: &App) -> Result<Option<table::Model>> {
    app.db
        .write(async |tx| {
            let now = app.clock.now();
            let due = table::Entity::find().filter(table::Column::DueAt.lte(now));
            let due = due.order_by_asc(table::Column::DueAt).order_by_asc(table::Column::Id);
            let Some(row) = due.one(tx).await? else { return Ok(None) };
            if row.created_at + PATIENCE <= now {
                tracing::warn!(mail = %row.id, attempts = row.attempts, "given up");
                table::Entity::delete_by_id(row.id).exec(tx).await?;
                return Ok(None);
            }
            put_off(tx, &row, now + LEASE).await?;
            Ok(Some(row))
        })
        .await
}

async fn put_off(tx: &impl ConnectionTrait, row: &table::Model, to: Millis) -> Result<()> {
    table::Entity::update_many()
        .set(table::ActiveModel { due_at: Set(to), attempts: Set(row.attempts + 1), ..Default::default() })
        .filter(table::Column::Id.eq(row.id))
        .exec(tx)
        .await?;
    Ok(())
}

/// Whether the mail server is there for the next one.
async fn hand_over(app: &App, mail: &Mail, row: table::Model) -> Result<bool> {
    let id = row.id;
    let sent = match letters::write(app, &row).await? {
        None => relay::Sent::Taken,
        Some(written) => {
            let sent = mail.relay.send(app, &row, written).await?;
            mail.note(app.clock.now(), !matches!(sent, relay::Sent::Down(_)));
            sent
        }
    };
    let (again, there) = match &sent {
        relay::Sent::Taken => (false, true),
        // What the server says may name the recipient: only its number is for the log.
        relay::Sent::Refused(status) => {
            tracing::info!(mail = %id, %status, "a mail was refused for good");
            (false, true)
        }
        relay::Sent::Later(status) => {
            tracing::info!(mail = %id, %status, "a mail was put off by the mail server");
            (true, true)
        }
        relay::Sent::Down(error) => {
            tracing::warn!(mail = %id, error, "the mail server takes no mail");
            (true, false)
        }
    };
    let attempts = usize::try_from(row.attempts).unwrap_or(usize::MAX);
    let pause = PAUSES.get(attempts).or(PAUSES.last()).copied().unwrap_or(HOUR);
    app.db
        .write(async |tx| {
            if again {
                return put_off(tx, &row, app.clock.now() + pause).await;
            }
            table::Entity::delete_by_id(id).exec(tx).await?;
            Ok(())
        })
        .await?;
    Ok(there)
}

fn until(at: Millis, now: Millis) -> Duration {
    Duration::from_millis(u64::try_from(at - now).unwrap_or(0))
}
