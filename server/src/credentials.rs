//! What opens an account, and how its owner replaces it: the password, and the recovery code for the day it is
//! forgotten. Neither reaches the server. Whoever is signed in proves the password anew; whoever has forgotten it proves
//! the code. The account's key stays, and with it all that was ever written.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::accounts::{self, Me, check_handle, me};
use crate::addresses;
use crate::app::App;
use crate::error::{Code, Problem, Result};
use crate::factor;
use crate::keys::{self, SignedBytes, Vault};
use crate::limits::ClientAddress;
use crate::login;
use crate::mail::{self, Secured};
use crate::passkeys::OwnPasskey;
use crate::resets::by_mail;
use crate::schema::tables::accounts as rows;
use crate::sessions::{self, CurrentAccount, Origin, Session};
use crate::slots::{NewSlot, Slot, SlotKind};
use crate::wire::{Bytes, Json};

/// What takes the place of a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// OPAQUE RegistrationUpload.
    record: Bytes,
    slot: NewSlot,
}

impl NewPassword {
    /// The record as it is stored.
    fn check(&self) -> Result<Vec<u8>> {
        if !self.slot.is_for(SlotKind::Password) {
            return Err(Code::BadKeyMaterial.into());
        }
        e2ee::opaque::server::finish_registration(&self.record.0).map_err(|_| Code::BadOpaque.into())
    }
}

/// What takes the place of a recovery code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRecoveryCode {
    /// SHA-256 of the value that the code derives.
    verifier: Bytes,
    slot: NewSlot,
}

impl NewRecoveryCode {
    fn check(&self) -> Result<()> {
        let whole = self.slot.is_for(SlotKind::Recovery) && self.verifier.0.len() == 32;
        if whole { Ok(()) } else { Err(Code::BadKeyMaterial.into()) }
    }
}

// ── By whoever is signed in ──────────────────────────────────────────────────────────────────────────────────────

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialsStart {
    /// OPAQUE KE1, with the present password.
    request: Bytes,
    /// OPAQUE RegistrationRequest, where there is to be another one.
    registration: Option<Bytes>,
}

#[derive(Serialize, ToSchema)]
pub struct CredentialsStarted {
    /// Names this proof in the second request; good once, for a minute.
    login: Uuid,
    /// OPAQUE KE2.
    response: Bytes,
    /// OPAQUE RegistrationResponse.
    #[serde(skip_serializing_if = "Option::is_none")]
    registration: Option<Bytes>,
}

/// Begin to replace the password or the recovery code.
#[utoipa::path(post, path = "/credentials/start", tag = "accounts", request_body = CredentialsStart, responses(
    (status = 200, body = CredentialsStarted), (status = "default", body = Problem)))]
pub async fn start(
    current: CurrentAccount,
    address: ClientAddress,
    State(app): State<App>,
    Json(start): Json<CredentialsStart>,
) -> Result<axum::Json<CredentialsStarted>> {
    let handle = handle_of(&app, &current).await?;
    app.limits.attempt_on(&address, &by_the_owner(&handle))?;
    let registration = start.registration.map(|request| register(&app, &handle, &request)).transpose()?;
    let proof = login::begin_proof(&app, handle, &start.request).await?;
    Ok(axum::Json(CredentialsStarted { login: proof.login, response: proof.response, registration }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialsFinish {
    login: Uuid,
    /// OPAQUE KE3.
    finalization: Bytes,
    password: Option<NewPassword>,
    recovery: Option<NewRecoveryCode>,
}

/// Prove the password, and replace what is given. With a new password all other sessions end, and what one writes goes
/// on under new keys.
#[utoipa::path(post, path = "/credentials/finish", tag = "accounts", request_body = CredentialsFinish, responses(
    (status = 200, body = Me), (status = "default", body = Problem)))]
pub async fn finish(
    current: CurrentAccount,
    State(app): State<App>,
    Json(finish): Json<CredentialsFinish>,
) -> Result<axum::Json<Me>> {
    let record = finish.password.as_ref().map(NewPassword::check).transpose()?;
    finish.recovery.as_ref().map(NewRecoveryCode::check).transpose()?;
    let proof = login::finish_proof(&app, finish.login, &finish.finalization).await?;
    let (account, ended) = app
        .db
        .write(async |tx| {
            let account = sessions::standing(tx, &current).await?;
            proof.holds_for(&account)?;
            let mut change = rows::ActiveModel::from(account.clone());
            let mut ended = None;
            if let (Some(password), Some(record)) = (&finish.password, &record) {
                password.slot.replace(tx, current.account).await?;
                change.opaque_record = Set(record.clone());
                change.secured_at = Set(app.clock.now());
                ended = Some(sessions::end_all(tx, current.account, Some(current.session)).await?);
                addresses::tell(tx, &app, current.account, Secured::PasswordChanged).await?;
                // Whoever knows the password has not lost everything.
                by_mail::void(tx, current.account).await?;
            }
            if let Some(recovery) = &finish.recovery {
                recovery.slot.replace(tx, current.account).await?;
                change.recovery_verifier = Set(recovery.verifier.0.clone());
            }
            let account = if change.is_changed() { change.update(tx).await? } else { account };
            Ok((account, ended))
        })
        .await?;
    if let Some(ended) = ended {
        ended.close(&app);
        sessions::tell_secured(&app, &account);
        mail::ring(&app);
        tracing::info!(account = %current.account, "password changed");
    }
    if finish.recovery.is_some() {
        tracing::info!(account = %current.account, "recovery code replaced");
    }
    Ok(axum::Json(me(account)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoveryCheck {
    /// What the code derives.
    proof: Bytes,
}

/// Whether one's recovery code is still the one that counts.
#[utoipa::path(post, path = "/recovery/check", tag = "accounts", request_body = RecoveryCheck, responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn check_recovery_code(
    current: CurrentAccount,
    address: ClientAddress,
    State(app): State<App>,
    Json(check): Json<RecoveryCheck>,
) -> Result<StatusCode> {
    let handle = handle_of(&app, &current).await?;
    app.limits.attempt_on(&address, &by_the_owner(&handle))?;
    proven(app.db.read(), &handle, &check.proof).await?;
    Ok(StatusCode::NO_CONTENT)
}

// ── By whoever has forgotten the password ────────────────────────────────────────────────────────────────────────

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoveryStart {
    handle: String,
    /// What the recovery code derives.
    proof: Bytes,
    /// OPAQUE RegistrationRequest of the new password.
    request: Bytes,
}

#[derive(Serialize, ToSchema)]
pub struct RecoveryStarted {
    account: Uuid,
    /// OPAQUE RegistrationResponse.
    response: Bytes,
    /// The account key, boxed under the recovery code.
    slot: Slot,
    vault: Vault,
    key_bundle: SignedBytes,
    /// The account has a second factor, which the recovery will turn off.
    second_factor: bool,
    /// It has passkeys, which the recovery will remove.
    passkeys: bool,
}

/// Prove the recovery code, and get what it opens. A handle that nobody has is refused like a wrong code.
#[utoipa::path(post, path = "/recovery/start", tag = "accounts", request_body = RecoveryStart, responses(
    (status = 200, body = RecoveryStarted), (status = "default", body = Problem)))]
pub async fn start_recovery(
    address: ClientAddress,
    State(app): State<App>,
    Json(start): Json<RecoveryStart>,
) -> Result<axum::Json<RecoveryStarted>> {
    check_handle(&start.handle)?;
    app.limits.attempt_on(&address, &by_a_code(&start.handle))?;
    let db = app.db.read();
    let account = proven(db, &start.handle, &start.proof).await?.id;
    Ok(axum::Json(RecoveryStarted {
        account,
        response: register(&app, &start.handle, &start.request)?,
        slot: Slot::of(db, account, SlotKind::Recovery).await?,
        vault: keys::own_vault(db, account).await?,
        key_bundle: keys::current_bundle(db, account).await?,
        second_factor: factor::is_on(db, account).await?,
        passkeys: !OwnPasskey::all(db, account).await?.is_empty(),
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoveryFinish {
    handle: String,
    proof: Bytes,
    password: NewPassword,
    recovery: NewRecoveryCode,
}

/// Prove the recovery code once more, replace it and the password, and open a session. All others end, a second factor
/// is turned off, and passkeys are removed: who has lost the phone with the password comes back with the code alone, and
/// who has the phone does not.
#[utoipa::path(post, path = "/recovery/finish", tag = "accounts", request_body = RecoveryFinish, responses(
    (status = 200, body = Session), (status = "default", body = Problem)))]
pub async fn finish_recovery(
    address: ClientAddress,
    origin: Origin,
    State(app): State<App>,
    headers: HeaderMap,
    Json(finish): Json<RecoveryFinish>,
) -> Result<Response> {
    check_handle(&finish.handle)?;
    app.limits.attempt_on(&address, &by_a_code(&finish.handle))?;
    let record = finish.password.check()?;
    finish.recovery.check()?;
    let (session, ended) = app
        .db
        .write(async |tx| {
            // Within: the code is good once.
            let account = proven(tx, &finish.handle, &finish.proof).await?;
            let id = account.id;
            let mut change = rows::ActiveModel::from(account);
            change.opaque_record = Set(record.clone());
            change.recovery_verifier = Set(finish.recovery.verifier.0.clone());
            change.secured_at = Set(app.clock.now());
            change.update(tx).await?;
            finish.password.slot.replace(tx, id).await?;
            finish.recovery.slot.replace(tx, id).await?;
            let ended = sessions::end_all(tx, id, None).await?;
            let session = sessions::begin(tx, &app, id, &origin).await?;
            // Not before the session begins: what happened since then is what its owner is told of.
            factor::forget(tx, &app, id).await?;
            addresses::tell(tx, &app, id, Secured::RecoveryCodeUsed).await?;
            by_mail::void(tx, id).await?;
            Ok((session, ended))
        })
        .await?;
    ended.close(&app);
    mail::ring(&app);
    tracing::info!(account = %session.account(), "recovery code used");
    session.answer(&app, &headers, StatusCode::OK).await
}

/// The account whose recovery code somebody has.
async fn proven(db: &impl ConnectionTrait, handle: &str, proof: &Bytes) -> Result<rows::Model> {
    let account = accounts::find(db, handle).await?.ok_or(Code::WrongRecoveryCode)?;
    // Hashes are compared: how far they agree says nothing of the code.
    if account.recovery_verifier[..] != e2ee::recovery::verifier(&proof.0)[..] {
        return Err(Code::WrongRecoveryCode.into());
    }
    Ok(account)
}

/// Attempts of their own, by names that no handle has: whoever tries log-ins by the dozen must not keep the owner from
/// changing the password.
fn by_the_owner(handle: &str) -> String {
    format!("owner/{handle}")
}

fn by_a_code(handle: &str) -> String {
    format!("code/{handle}")
}

async fn handle_of(app: &App, current: &CurrentAccount) -> Result<String> {
    let account = rows::Entity::find_by_id(current.account).one(app.db.read()).await?;
    Ok(account.ok_or(Code::SignedOut)?.handle)
}

/// Answer the registration of another password.
pub fn register(app: &App, handle: &str, request: &Bytes) -> Result<Bytes> {
    let response = app.opaque.start_registration(handle, &request.0).map_err(|_| Code::BadOpaque)?;
    Ok(response.into())
}
