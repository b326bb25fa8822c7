//! Sessions: the signed-in browsers of a person, who can end each of them. The token is random, shown once in a cookie, and stored hashed; the
//! [`CurrentAccount`] extractor is the only way in for every other route.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::accounts::{Me, me};
use crate::app::App;
use crate::clock::{DAY, HOUR, Millis};
use crate::config::is_local_host;
use crate::error::{Code, Error, Problem, Result};
use crate::event::Event;
use crate::factor::SecondFactor;
use crate::keys::{SignedBytes, Vault};
use crate::limits::ClientAddress;
use crate::passkeys::OwnPasskey;
use crate::resets::by_mail::ResetAsked;
use crate::schema::tables::{accounts, sessions};
use crate::slots::{self, Slot, SlotKind};
use crate::tokens;
use crate::wire::{Bytes, Path};

/// A session ends after this long without a request.
pub const ABSENCE: Millis = 30 * DAY;
/// Characters of what a browser says of itself.
const MAX_BROWSER: usize = 300;

/// Who is asking. Loading it through the session is the only way to get one.
#[derive(Clone, Copy, Debug)]
pub struct CurrentAccount {
    pub account: Uuid,
    pub session: Uuid,
    pub expires_at: Millis,
}

impl FromRequestParts<App> for CurrentAccount {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let token = token(&parts.headers, app).ok_or(Code::SignedOut)?;
        let session = sessions::Entity::find()
            .filter(sessions::Column::TokenHash.eq(tokens::hash(&token)))
            .one(app.db.read())
            .await?
            .ok_or(Code::SignedOut)?;
        let now = app.clock.now();
        if now >= session.seen_at + ABSENCE {
            return Err(Code::SignedOut.into());
        }
        // Once an hour is exact enough for "30 days", and spares a write a request.
        if now >= session.seen_at + HOUR {
            touch_if_possible(app, session.id).await;
        }
        Ok(Self { account: session.account, session: session.id, expires_at: now + ABSENCE })
    }
}

/// Whoever is asking looks after this server. As with [`CurrentAccount`], loading it is the only way to get one.
#[derive(Clone, Debug)]
pub struct Administrator(pub CurrentAccount);

impl FromRequestParts<App> for Administrator {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let current = CurrentAccount::from_request_parts(parts, app).await?;
        let account = accounts::Entity::find_by_id(current.account).one(app.db.read()).await?;
        match account.ok_or(Code::SignedOut)?.administrator {
            true => Ok(Self(current)),
            false => Err(Code::NotAdministrator.into()),
        }
    }
}

/// Note that a session is in use.
pub async fn touch(app: &App, session: Uuid) -> Result<()> {
    let seen =
        sessions::ActiveModel { id: Set(session), seen_at: Set(app.clock.now()), ..Default::default() };
    app.db
        .write(async |tx| {
            Ok(sessions::Entity::update_many()
                .set(seen.clone())
                .filter(sessions::Column::Id.eq(session))
                .exec(tx)
                .await?)
        })
        .await?;
    Ok(())
}

/// Where nothing can be stored, whoever is signed in can still read: the next request touches it.
async fn touch_if_possible(app: &App, session: Uuid) {
    if let Err(error) = touch(app, session).await {
        tracing::debug!(%error, "a session could not be touched");
    }
}

/// Whether a session still stands.
pub async fn stands(app: &App, session: Uuid) -> Result<bool> {
    let row = sessions::Entity::find_by_id(session).one(app.db.read()).await?;
    Ok(row.is_some_and(|row| app.clock.now() < row.seen_at + ABSENCE))
}

/// What a browser needs to work: returned by sign-up, log-in and reload alike.
#[derive(Serialize, ToSchema)]
pub struct Session {
    pub session: Uuid,
    /// The server's half of the secret that reopens the account key after a reload.
    pub share: Bytes,
    pub me: Me,
    /// The account key, boxed under the password; or under the passkey that has just logged in without one.
    pub slot: Slot,
    pub vault: Vault,
    pub key_bundle: SignedBytes,
}

/// A session just made, with the only copy of its token.
pub struct NewSession {
    row: sessions::Model,
    token: String,
    /// What has opened it in the place of the password.
    passkey: Option<Uuid>,
}

/// Where a request comes from, for the owner of a session to recognise it.
#[derive(Clone, Debug)]
pub struct Origin {
    browser: String,
    address: String,
}

impl FromRequestParts<App> for Origin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let ClientAddress(address) = ClientAddress::from_request_parts(parts, app).await?;
        let browser = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        Ok(Self {
            browser: browser.unwrap_or_default().chars().take(MAX_BROWSER).collect(),
            address: address.to_string(),
        })
    }
}

/// Begin a session within the transaction that let the person in. Refused while the account is suspended: whoever comes
/// here has proven to be its owner, who may know.
pub async fn begin(
    tx: &impl ConnectionTrait,
    app: &App,
    account: Uuid,
    origin: &Origin,
) -> Result<NewSession> {
    let suspended = accounts::Entity::find_by_id(account).one(tx).await?.and_then(|row| row.suspended_at);
    if suspended.is_some() {
        return Err(Code::Suspended.into());
    }
    let token = tokens::new()?;
    let now = app.clock.now();
    let row = sessions::Model {
        id: app.clock.new_id(),
        account,
        token_hash: tokens::hash(&token),
        share: tokens::random::<32>()?.to_vec(),
        created_at: now,
        seen_at: now,
        browser: origin.browser.clone(),
        address: origin.address.clone(),
    };
    sessions::Entity::insert(sessions::ActiveModel::from(row.clone())).exec_without_returning(tx).await?;
    Ok(NewSession { row, token, passkey: None })
}

impl NewSession {
    pub fn account(&self) -> Uuid {
        self.row.account
    }

    /// By a passkey, without the password.
    pub fn opened_by(self, passkey: Uuid) -> Self {
        Self { passkey: Some(passkey), ..self }
    }

    /// The answer that opens the session in the browser. The person's other browsers are told.
    pub async fn answer(self, app: &App, headers: &HeaderMap, status: StatusCode) -> Result<Response> {
        let (id, account) = (self.row.id, self.row.account);
        app.live.publish(&[account], &Event::SessionBegun { session: OwnSession::of(self.row, None) });
        let mut body = load(app, id).await?;
        if let Some(passkey) = self.passkey {
            body.slot = slots::of_passkey(app.db.read(), account, passkey).await?;
        }
        let body = Json(body);
        Ok((status, [(header::SET_COOKIE, cookie(headers, app, Some(&self.token))?)], body).into_response())
    }
}

/// What this browser needs after a reload. Renews the cookie.
#[utoipa::path(get, path = "/session", tag = "session", responses(
    (status = 200, body = Session), (status = "default", body = Problem)))]
pub async fn session(
    current: CurrentAccount,
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<impl IntoResponse> {
    let token = token(&headers, &app).ok_or(Code::SignedOut)?;
    touch_if_possible(&app, current.session).await;
    let body = Json(load(&app, current.session).await?);
    Ok(([(header::SET_COOKIE, cookie(&headers, &app, Some(&token))?)], body))
}

/// End this session, on every connection it has open.
#[utoipa::path(post, path = "/logout", tag = "session", responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn logout(
    current: CurrentAccount,
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<impl IntoResponse> {
    app.db.write(async |tx| Ok(sessions::Entity::delete_by_id(current.session).exec(tx).await?)).await?;
    app.live.close_session(current.account, current.session);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie(&headers, &app, None)?)]))
}

/// One of a person's sessions, as they see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OwnSession {
    pub id: Uuid,
    /// How the browser calls itself (User-Agent).
    pub browser: String,
    /// The network address it was begun from; of IPv6 the network.
    pub address: String,
    pub created_at: Millis,
    /// To the hour.
    pub seen_at: Millis,
    /// The one that asks.
    pub current: bool,
}

impl OwnSession {
    /// `asking`: the session that is told of it.
    fn of(row: sessions::Model, asking: Option<Uuid>) -> Self {
        Self {
            current: Some(row.id) == asking,
            id: row.id,
            browser: row.browser,
            address: row.address,
            created_at: row.created_at,
            seen_at: row.seen_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct OwnSessions {
    pub sessions: Vec<OwnSession>,
    /// As in `Me`.
    pub secured_at: Millis,
    pub erase_at: Option<Millis>,
    pub second_factor: SecondFactor,
    pub passkeys: Vec<OwnPasskey>,
    /// Somebody has asked by mail to begin one's account anew.
    pub reset_asked: Option<ResetAsked>,
}

/// One's sessions, the last used first, and what else lets one in.
#[utoipa::path(get, path = "/sessions", tag = "session", responses(
    (status = 200, body = OwnSessions), (status = "default", body = Problem)))]
pub async fn sessions(current: CurrentAccount, State(app): State<App>) -> Result<Json<OwnSessions>> {
    let account = accounts::Entity::find_by_id(current.account).one(app.db.read()).await?;
    let rows = sessions::Entity::find()
        .filter(sessions::Column::Account.eq(current.account))
        .filter(sessions::Column::SeenAt.gt(app.clock.now() - ABSENCE))
        .order_by_desc(sessions::Column::SeenAt)
        .order_by_desc(sessions::Column::Id)
        .all(app.db.read())
        .await?;
    let own = |row| OwnSession::of(row, Some(current.session));
    let account = account.ok_or(Code::SignedOut)?;
    Ok(Json(OwnSessions {
        sessions: rows.into_iter().map(own).collect(),
        secured_at: account.secured_at,
        erase_at: account.erase_at,
        second_factor: SecondFactor::of(app.db.read(), current.account).await?,
        passkeys: OwnPasskey::all(app.db.read(), current.account).await?,
        reset_asked: ResetAsked::of(app.db.read(), &app, current.account).await?,
    }))
}

/// End one of one's sessions.
#[utoipa::path(delete, path = "/sessions/{session}", tag = "session", params(("session" = Uuid, Path)), responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn end_session(
    current: CurrentAccount,
    State(app): State<App>,
    Path(session): Path<Uuid>,
) -> Result<StatusCode> {
    let ended = app
        .db
        .write(async |tx| {
            let ended = sessions::Entity::delete_by_id(session)
                .filter(sessions::Column::Account.eq(current.account))
                .exec(tx)
                .await?;
            Ok(ended.rows_affected)
        })
        .await?;
    if ended == 0 {
        return Err(Code::NotFound.into());
    }
    app.live.close_session(current.account, session);
    Ok(StatusCode::NO_CONTENT)
}

/// To the other pages of the browser that goes on.
pub fn tell_secured(app: &App, account: &accounts::Model) {
    app.live.publish(&[account.id], &Event::Secured { secured_at: account.secured_at });
}

/// End all of one's sessions but this one. What one writes goes on under new keys.
#[utoipa::path(delete, path = "/sessions", tag = "session", responses(
    (status = 200, body = Me), (status = "default", body = Problem)))]
pub async fn end_other_sessions(current: CurrentAccount, State(app): State<App>) -> Result<Json<Me>> {
    let (account, ended) = app
        .db
        .write(async |tx| {
            let account = standing(tx, &current).await?;
            let change = accounts::ActiveModel { secured_at: Set(app.clock.now()), ..account.into() };
            Ok((change.update(tx).await?, end_all(tx, current.account, Some(current.session)).await?))
        })
        .await?;
    ended.close(&app);
    tell_secured(&app, &account);
    tracing::info!(account = %current.account, "all other sessions ended");
    Ok(Json(me(account)))
}

/// The account of a session that still stands, within the transaction that changes what lets people in, or that an administrator
/// has begun.
pub async fn standing(tx: &impl ConnectionTrait, current: &CurrentAccount) -> Result<accounts::Model> {
    sessions::Entity::find_by_id(current.session).one(tx).await?.ok_or(Code::SignedOut)?;
    Ok(accounts::Entity::find_by_id(current.account).one(tx).await?.ok_or(Code::SignedOut)?)
}

/// Sessions that were ended in a transaction, whose connections are to be closed when it is done.
#[must_use]
pub struct Ended {
    account: Uuid,
    sessions: Vec<Uuid>,
}

impl Ended {
    pub fn close(self, app: &App) {
        for session in self.sessions {
            app.live.close_session(self.account, session);
        }
    }
}

/// End the sessions of an account, perhaps but one.
pub async fn end_all(tx: &impl ConnectionTrait, account: Uuid, except: Option<Uuid>) -> Result<Ended> {
    let mut those = Condition::all().add(sessions::Column::Account.eq(account));
    if let Some(session) = except {
        those = those.add(sessions::Column::Id.ne(session));
    }
    let found = sessions::Entity::find().filter(those.clone()).all(tx).await?;
    sessions::Entity::delete_many().filter(those).exec(tx).await?;
    Ok(Ended { account, sessions: found.into_iter().map(|session| session.id).collect() })
}

async fn load(app: &App, session: Uuid) -> Result<Session> {
    let db = app.db.read();
    let session = sessions::Entity::find_by_id(session).one(db).await?.ok_or(Code::SignedOut)?;
    let account = accounts::Entity::find_by_id(session.account).one(db).await?.ok_or(Code::SignedOut)?;
    Ok(Session {
        session: session.id,
        share: session.share.into(),
        slot: Slot::of(db, account.id, SlotKind::Password).await?,
        vault: crate::keys::own_vault(db, account.id).await?,
        key_bundle: crate::keys::current_bundle(db, account.id).await?,
        me: me(account),
    })
}

/// Whether the request came over plain http to this machine itself.
///
/// There, and nowhere else, the cookie goes without `Secure` and without the prefix that demands it.
fn is_local(headers: &HeaderMap, app: &App) -> bool {
    if app.config.is_https() {
        return false;
    }
    match &app.config.public_url {
        Some(url) => url.is_local(),
        None => headers.get(header::HOST).and_then(|host| host.to_str().ok()).is_some_and(is_local_host),
    }
}

fn cookie(headers: &HeaderMap, app: &App, token: Option<&str>) -> Result<HeaderValue> {
    let (name, secure) =
        if is_local(headers, app) { ("entrenous", "") } else { ("__Host-entrenous", "; Secure") };
    let (value, max_age) = token.map_or(("", 0), |token| (token, ABSENCE / 1_000));
    let cookie = format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&cookie).map_err(Error::internal)
}

fn token(headers: &HeaderMap, app: &App) -> Option<String> {
    if let Some(authorization) = headers.get(header::AUTHORIZATION) {
        return Some(authorization.to_str().ok()?.strip_prefix("Bearer ")?.to_owned());
    }
    let name = if is_local(headers, app) { "entrenous" } else { "__Host-entrenous" };
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    cookies.flat_map(|line| line.split("; ")).find_map(|cookie| {
        cookie.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    })
}

/// Forget sessions that have ended by absence.
pub async fn tidy(app: &App) -> Result<()> {
    let ended = app.clock.now() - ABSENCE;
    app.db
        .write(async |tx| {
            sessions::Entity::delete_many().filter(sessions::Column::SeenAt.lte(ended)).exec(tx).await?;
            Ok(())
        })
        .await
}
