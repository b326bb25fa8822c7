//! Sessions: a signed-in browser. The token is random, shown once in a cookie, and stored hashed; the
//! [`CurrentAccount`] extractor is the only way in for every other route.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::accounts::{Me, Slot, me};
use crate::app::App;
use crate::clock::{DAY, HOUR, Millis};
use crate::config::is_local_host;
use crate::error::{Code, Error, Problem, Result};
use crate::keys::{SignedBytes, Vault};
use crate::schema::tables::{accounts, sessions, slots};
use crate::wire::Bytes;

/// A session ends after this long without a request.
pub const ABSENCE: Millis = 30 * DAY;

/// Who is asking. Loading it through the session is the only way to get one.
#[derive(Clone, Debug)]
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
            .filter(sessions::Column::TokenHash.eq(hash(&token)))
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
    /// The account key, boxed under the password.
    pub slot: Slot,
    pub vault: Vault,
    pub key_bundle: SignedBytes,
}

/// A session just made, with the only copy of its token.
pub struct NewSession {
    pub id: Uuid,
    token: String,
}

/// Begin a session within the transaction that let the person in.
pub async fn begin(tx: &impl ConnectionTrait, app: &App, account: Uuid) -> Result<NewSession> {
    let token = BASE64.encode(random::<32>()?);
    let now = app.clock.now();
    let session = sessions::Model {
        id: app.clock.new_id(),
        account,
        token_hash: hash(&token),
        share: random::<32>()?.to_vec(),
        created_at: now,
        seen_at: now,
    };
    let id = session.id;
    sessions::Entity::insert(sessions::ActiveModel::from(session)).exec_without_returning(tx).await?;
    Ok(NewSession { id, token })
}

impl NewSession {
    /// The answer that opens the session in the browser.
    pub async fn answer(self, app: &App, headers: &HeaderMap, status: StatusCode) -> Result<Response> {
        let body = Json(load(app, self.id).await?);
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

async fn load(app: &App, session: Uuid) -> Result<Session> {
    let db = app.db.read();
    let session = sessions::Entity::find_by_id(session).one(db).await?.ok_or(Code::SignedOut)?;
    let account = accounts::Entity::find_by_id(session.account).one(db).await?.ok_or(Code::SignedOut)?;
    let slot = slots::Entity::find()
        .filter(slots::Column::Account.eq(account.id))
        .filter(slots::Column::Kind.eq("password"))
        .one(db)
        .await?
        .ok_or_else(|| Error::internal("an account without a password slot"))?;
    Ok(Session {
        session: session.id,
        share: session.share.into(),
        slot: Slot { id: slot.id, boxed: slot.boxed.into() },
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

fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(bytes)
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
