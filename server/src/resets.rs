//! Everything lost: an account whose owner has neither the password nor the recovery code any more. An administrator
//! makes a link that is good once; whoever has it begins anew, under the same id and handle and with another identity.
//! The server cannot open what was written before, and neither can anybody else then. Contacts see that the identity
//! is another one, and decide themselves whether to trust it: the link proves nothing to them.

pub mod by_mail;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::addresses;
use crate::app::App;
use crate::audit::{self, Act, Actor};
use crate::clock::{HOUR, Millis};
use crate::error::{Code, Problem, Result};
use crate::event::Event;
use crate::keys::{self, SignedBytes, Vault};
use crate::limits::ClientAddress;
use crate::mail::{self, Secured};
use crate::people::{self, Person};
use crate::schema::tables::{accounts, resets as table, scheduled};
use crate::sessions::{self, Administrator, Origin, Session};
use crate::sign_up::check_doors;
use crate::slots::NewSlot;
use crate::wire::{Bytes, Json, Path};
use crate::{conversations, credentials, factor, tokens};

/// Time to hand the link over in person, and to be at home again.
const LIFE: Millis = 48 * HOUR;
#[derive(Serialize, ToSchema)]
pub struct ResetLink {
    /// Shown once, and stored nowhere. The link is `/reset#token`: in the fragment, which browsers send to nobody, so
    /// that no log has it.
    token: String,
    expires_at: Millis,
}

/// Make a link with which somebody begins anew who has lost both password and recovery code. An earlier one of theirs
/// is void.
#[utoipa::path(post, path = "/administration/people/{account}/reset", tag = "administration",
    params(("account" = Uuid, Path)), responses(
    (status = 201, body = ResetLink), (status = "default", body = Problem)))]
pub async fn make_reset_link(
    administrator: Administrator,
    State(app): State<App>,
    Path(account): Path<Uuid>,
) -> Result<(StatusCode, axum::Json<ResetLink>)> {
    let token = tokens::new()?;
    let expires_at = app
        .db
        .write(async |tx| {
            people::load(tx, account).await?;
            void(tx, account).await?;
            let created_at = app.clock.now();
            let (id, token_hash, expires_at) = (app.clock.new_id(), tokens::hash(&token), created_at + LIFE);
            let row = table::Model { id, account, token_hash, created_at, expires_at, good_from: 0 };
            table::Entity::insert(table::ActiveModel::from(row)).exec_without_returning(tx).await?;
            let actor = Actor::from(&administrator);
            audit::record(tx, &app, actor, Act::ResetLinkMade, Some(account), "").await?;
            Ok(expires_at)
        })
        .await?;
    Ok((StatusCode::CREATED, axum::Json(ResetLink { token, expires_at })))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetStart {
    /// As it stands in the link.
    token: String,
    /// OPAQUE RegistrationRequest of the new password; without it, only whose link it is.
    request: Option<Bytes>,
}

#[derive(Serialize, ToSchema)]
pub struct ResetStarted {
    person: Person,
    /// OPAQUE RegistrationResponse.
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Bytes>,
    /// What the new bundle follows.
    key_bundle: SignedBytes,
    /// Of the vault that is lost: the new one has the next.
    vault_version: i64,
}

/// Show a link, and see whose it is; or begin anew with it. Nothing is changed yet.
#[utoipa::path(post, path = "/resets/start", tag = "accounts", request_body = ResetStart, responses(
    (status = 200, body = ResetStarted), (status = "default", body = Problem)))]
pub async fn start_reset(
    address: ClientAddress,
    State(app): State<App>,
    Json(start): Json<ResetStart>,
) -> Result<axum::Json<ResetStarted>> {
    let db = app.db.read();
    app.limits.attempt_on(&address, &by_a_link(&start.token))?;
    let account = linked(db, &app, &start.token).await?;
    let register = |request: &Bytes| credentials::register(&app, &account.handle, request);
    Ok(axum::Json(ResetStarted {
        response: start.request.as_ref().map(register).transpose()?,
        key_bundle: keys::current_bundle(db, account.id).await?,
        vault_version: keys::own_vault(db, account.id).await?.version,
        person: account.into(),
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetFinish {
    token: String,
    /// OPAQUE RegistrationUpload.
    record: Bytes,
    /// One of each kind.
    slots: Vec<NewSlot>,
    vault: Vault,
    key_bundle: SignedBytes,
    /// SHA-256 of the value that the recovery code derives.
    recovery_verifier: Bytes,
}

/// Begin anew, and open a session. All others end. The link is used up.
#[utoipa::path(post, path = "/resets/finish", tag = "accounts", request_body = ResetFinish, responses(
    (status = 200, body = Session), (status = "default", body = Problem)))]
pub async fn finish_reset(
    address: ClientAddress,
    origin: Origin,
    State(app): State<App>,
    headers: HeaderMap,
    Json(finish): Json<ResetFinish>,
) -> Result<Response> {
    app.limits.attempt_on(&address, &by_a_link(&finish.token))?;
    let record = e2ee::opaque::server::finish_registration(&finish.record.0).map_err(|_| Code::BadOpaque)?;
    check_doors(&finish.slots, &finish.recovery_verifier, &finish.vault)?;
    let (session, ended) = app
        .db
        .write(async |tx| {
            // Within: the link is good once.
            let account = linked(tx, &app, &finish.token).await?;
            let id = account.id;
            keys::renew(tx, id, &account.handle, &finish.key_bundle, &finish.vault).await?;
            conversations::renew(tx, id).await?;
            scheduled::Entity::delete_many().filter(scheduled::Column::Sender.eq(id)).exec(tx).await?;
            let now = app.clock.now();
            let mut change = accounts::ActiveModel::from(account);
            change.opaque_record = Set(record.clone());
            change.recovery_verifier = Set(finish.recovery_verifier.0.clone());
            change.secured_at = Set(now);
            change.renewed_at = Set(now);
            change.update(tx).await?;
            for slot in &finish.slots {
                slot.replace(tx, id).await?;
            }
            void(tx, id).await?;
            // The phone may be lost as well; and what passkeys open is the key that is lost.
            factor::forget(tx, &app, id).await?;
            addresses::tell(tx, &app, id, Secured::BegunAnew).await?;
            let ended = sessions::end_all(tx, id, None).await?;
            Ok((sessions::begin(tx, &app, id, &origin).await?, ended))
        })
        .await?;
    ended.close(&app);
    mail::ring(&app);
    let account = session.account();
    tracing::info!(%account, "begun anew");
    let contacts = conversations::contacts(app.db.read(), account).await?;
    app.live.publish(&contacts, &Event::Keys { account });
    session.answer(&app, &headers, StatusCode::OK).await
}

/// Whose link this is, as long as it is good.
async fn linked(db: &impl ConnectionTrait, app: &App, token: &str) -> Result<accounts::Model> {
    let found = table::Entity::find()
        .filter(table::Column::TokenHash.eq(tokens::hash(token)))
        .filter(table::Column::ExpiresAt.gt(app.clock.now()))
        .one(db)
        .await?
        .ok_or(Code::ResetExpired)?;
    if app.clock.now() < found.good_from {
        return Err(Code::ResetTooEarly.into());
    }
    let account = accounts::Entity::find_by_id(found.account).one(db).await?.ok_or(Code::ResetExpired)?;
    // By mail: much may have been decided since the link was sent.
    if found.good_from > 0 && !by_mail::is_enough(db, &account).await? {
        return Err(Code::ResetExpired.into());
    }
    Ok(account)
}

async fn void(tx: &impl ConnectionTrait, account: Uuid) -> Result<()> {
    table::Entity::delete_many().filter(table::Column::Account.eq(account)).exec(tx).await?;
    Ok(())
}

/// Attempts of their own, by a name that no handle has, and that does not give the token to other nodes.
fn by_a_link(token: &str) -> String {
    format!("reset/{}", BASE64.encode(&tokens::hash(token)[..16]))
}

/// Forget links that are too old.
pub async fn tidy(app: &App) -> Result<()> {
    let now = app.clock.now();
    app.db
        .write(async |tx| {
            table::Entity::delete_many().filter(table::Column::ExpiresAt.lte(now)).exec(tx).await?;
            Ok(())
        })
        .await
}
