//! The link to begin anew, by mail: where the organisation allows it, and only to an address that its owner has confirmed.
//!
//! Whoever reads somebody's mails could take over the account this way, if not what was written in it. Therefore the link
//! is good only a day later; until then all open sessions show that it was asked for, and each can call it off. It is not
//! made for accounts with a second factor, nor for administrators: there a mailbox is not to be enough.

use axum::extract::State;
use axum::http::StatusCode;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::LIFE;
use crate::accounts::{self, check_handle};
use crate::app::App;
use crate::clock::{HOUR, Millis};
use crate::error::{Code, Problem, Result};
use crate::event::Event;
use crate::limits::ClientAddress;
use crate::mail::{self, Address, Letter};
use crate::organisation::{Language, Organisation};
use crate::schema::tables::{accounts as people, resets as table};
use crate::sessions::CurrentAccount;
use crate::wire::Json;
use crate::{addresses, factor, tokens};

/// Long enough that whoever uses the messenger daily sees the notice.
const WAIT: Millis = 24 * HOUR;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetByMail {
    handle: String,
    address: String,
    /// Of the mail.
    language: Language,
}

/// Have a link to begin anew sent to the address of an account. Whether there is such an account, and whether this is its
/// address, only the mail tells.
#[utoipa::path(post, path = "/resets/mail", tag = "mail", request_body = ResetByMail, responses(
    (status = 202), (status = "default", body = Problem)))]
pub async fn ask_for_reset(
    network: ClientAddress,
    State(app): State<App>,
    Json(asked): Json<ResetByMail>,
) -> Result<StatusCode> {
    mail::refuse_without(&app)?;
    check_handle(&asked.handle)?;
    let address: Address = asked.address.parse()?;
    if !Organisation::load(app.db.read()).await?.reset_by_mail {
        return Err(Code::NoResetByMail.into());
    }
    app.limits.mail(&network, &address)?;
    app.limits.attempt_on(&network, &format!("lost/{}", asked.handle))?;
    // Looked up when the mail is written: to ask takes as long for one account as for none.
    let letter = Letter::Reset { handle: asked.handle };
    app.db.write(async |tx| mail::put(tx, &app, &letter, &address, asked.language).await).await?;
    mail::ring(&app);
    Ok(StatusCode::ACCEPTED)
}

/// That somebody has asked for a link to begin one's account anew, and when it becomes good.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct ResetAsked {
    asked_at: Millis,
    good_from: Millis,
}

impl ResetAsked {
    pub async fn of(db: &impl ConnectionTrait, app: &App, account: Uuid) -> Result<Option<Self>> {
        let row = standing(db, app, account).await?;
        Ok(row.map(|row| Self { asked_at: row.created_at, good_from: row.good_from }))
    }
}

/// It was not me: the link is void.
#[utoipa::path(delete, path = "/resets/mail", tag = "mail", responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn call_off_reset(current: CurrentAccount, State(app): State<App>) -> Result<StatusCode> {
    app.db.write(async |tx| void(tx, current.account).await).await?;
    tracing::info!(account = %current.account, "a reset by mail was called off");
    tell_it_is_void(&app, current.account);
    Ok(StatusCode::NO_CONTENT)
}

pub fn tell_it_is_void(app: &App, account: Uuid) {
    app.live.publish(&[account], &Event::ResetAsked { reset_asked: None });
}

/// What somebody who asked gets.
pub enum ByMail {
    Link {
        token: String,
        hours: Millis,
    },
    /// Only an administrator can make one.
    Protected,
}

/// None where handle and address do not go together: then there is no mail.
pub async fn make(app: &App, handle: &str, address: &str) -> Result<Option<ByMail>> {
    let token = tokens::new()?;
    let made = app
        .db
        .write(async |tx| {
            let allowed = Organisation::load(tx).await?.reset_by_mail;
            let account =
                accounts::find(tx, handle).await?.filter(|row| allowed && row.suspended_at.is_none());
            let Some(account) = account else { return Ok(None) };
            let own = addresses::load(tx, account.id).await?.and_then(|row| row.address);
            if own.as_deref() != Some(address) {
                return Ok(None);
            }
            if is_protected(tx, &account).await? {
                return Ok(Some((account.id, None)));
            }
            let now = app.clock.now();
            // Whoever asks again does not wait again: else somebody could keep the owner waiting for ever.
            let before = standing(tx, app, account.id).await?;
            let (created_at, good_from) =
                before.map_or((now, now + WAIT), |row| (row.created_at, row.good_from));
            void(tx, account.id).await?;
            let row = table::Model {
                id: app.clock.new_id(),
                account: account.id,
                token_hash: tokens::hash(&token),
                created_at,
                expires_at: good_from + LIFE,
                good_from,
            };
            table::Entity::insert(table::ActiveModel::from(row)).exec_without_returning(tx).await?;
            Ok(Some((account.id, Some(ResetAsked { asked_at: created_at, good_from }))))
        })
        .await?;
    let Some((account, asked)) = made else { return Ok(None) };
    let Some(asked) = asked else { return Ok(Some(ByMail::Protected)) };
    app.live.publish(&[account], &Event::ResetAsked { reset_asked: Some(asked) });
    tracing::info!(%account, "a reset was asked for by mail");
    let left = (asked.good_from - app.clock.now()).max(0);
    Ok(Some(ByMail::Link { token, hours: (left + HOUR - 1) / HOUR }))
}

/// Whether a mailbox is enough to begin this account anew.
pub async fn is_enough(db: &impl ConnectionTrait, account: &people::Model) -> Result<bool> {
    Ok(Organisation::load(db).await?.reset_by_mail && !is_protected(db, account).await?)
}

/// A mailbox is not to be enough for this account.
async fn is_protected(db: &impl ConnectionTrait, account: &people::Model) -> Result<bool> {
    Ok(account.administrator || factor::is_on(db, account.id).await?)
}

async fn standing(db: &impl ConnectionTrait, app: &App, account: Uuid) -> Result<Option<table::Model>> {
    let row = table::Entity::find()
        .filter(table::Column::Account.eq(account))
        .filter(table::Column::GoodFrom.gt(0))
        .filter(table::Column::ExpiresAt.gt(app.clock.now()));
    Ok(row.one(db).await?)
}

/// Not those that administrators made.
pub async fn void(tx: &impl ConnectionTrait, account: Uuid) -> Result<()> {
    table::Entity::delete_many()
        .filter(table::Column::Account.eq(account))
        .filter(table::Column::GoodFrom.gt(0))
        .exec(tx)
        .await?;
    Ok(())
}
