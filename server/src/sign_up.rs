//! Signing up: who may, and what makes an account. The two requests of OPAQUE's registration (RFC 9807), with
//! everything that opens the account in the second one.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use e2ee::KeyBundle;
use sea_orm::{ConnectionTrait, EntityTrait};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::accounts::{check_display_name, check_handle, exist, find};
use crate::addresses;
use crate::app::App;
use crate::clock::{HOUR, Millis};
use crate::erasure;
use crate::error::{Code, Error, Problem, Result, is_duplicate};
use crate::handshakes;
use crate::invitations;
use crate::keys::{self, MAX_VAULT_BYTES, SignedBytes, Vault};
use crate::limits::ClientAddress;
use crate::organisation::{Language, Organisation, SignUp};
use crate::people;
use crate::schema::tables::{accounts, invitations as invitation, key_bundles, settings};
use crate::sessions::{self, Origin, Session};
use crate::slots::{NewSlot, SlotKind};
use crate::wire::{Bytes, Json, Path};

/// Between its two requests the person writes down the recovery code.
const LIFE: Millis = HOUR;

/// The name under which the set-up code lies in the settings.
const SETUP_CODE: &str = "setup_code";

#[derive(Deserialize, Serialize, ToSchema)]
pub struct Availability {
    pub available: bool,
}

/// Whether a handle is free.
#[utoipa::path(get, path = "/handles/{handle}", tag = "accounts", params(("handle" = String, Path)), responses(
    (status = 200, body = Availability), (status = "default", body = Problem)))]
pub async fn handle_availability(
    address: ClientAddress,
    State(app): State<App>,
    Path(handle): Path<String>,
) -> Result<axum::Json<Availability>> {
    app.limits.look(&address)?;
    check_handle(&handle)?;
    let available = is_free(app.db.read(), &app, &handle).await?;
    Ok(axum::Json(Availability { available }))
}

async fn is_free(db: &impl ConnectionTrait, app: &App, handle: &str) -> Result<bool> {
    Ok(find(db, handle).await?.is_none() && !erasure::was_taken(db, app, handle).await?)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterStart {
    handle: String,
    /// OPAQUE RegistrationRequest.
    request: Bytes,
    /// The token of an invitation, where one is needed.
    invitation: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct RegisterStarted {
    /// The id that the account will have.
    account: Uuid,
    /// OPAQUE RegistrationResponse.
    response: Bytes,
}

/// Begin to sign up. Nothing but an hour's note is stored until the second request.
#[utoipa::path(post, path = "/register/start", tag = "accounts", request_body = RegisterStart, responses(
    (status = 200, body = RegisterStarted), (status = "default", body = Problem)))]
pub async fn register_start(
    address: ClientAddress,
    State(app): State<App>,
    Json(start): Json<RegisterStart>,
) -> Result<axum::Json<RegisterStarted>> {
    app.limits.attempt(&address)?;
    check_handle(&start.handle)?;
    // Before a recovery code is written down in vain.
    refuse_unless_welcome(app.db.read(), &app, start.invitation.as_deref()).await?;
    if !is_free(app.db.read(), &app, &start.handle).await? {
        return Err(Code::HandleTaken.into());
    }
    let response =
        app.opaque.start_registration(&start.handle, &start.request.0).map_err(|_| Code::BadOpaque)?;
    let account = handshakes::keep(&app, start.handle, None, LIFE).await?;
    Ok(axum::Json(RegisterStarted { account, response: response.into() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterFinish {
    account: Uuid,
    display_name: String,
    /// OPAQUE RegistrationUpload.
    record: Bytes,
    /// One of each kind.
    slots: Vec<NewSlot>,
    vault: Vault,
    key_bundle: SignedBytes,
    /// SHA-256 of the value that the recovery code derives.
    recovery_verifier: Bytes,
    /// For the first account of a server that others can reach.
    setup_code: Option<String>,
    /// As at the start.
    invitation: Option<String>,
    /// Of mails, to whoever signs up by mail.
    #[serde(default)]
    language: Language,
}

/// Create the account and open its first session.
#[utoipa::path(post, path = "/register/finish", tag = "accounts", request_body = RegisterFinish, responses(
    (status = 201, body = Session), (status = "default", body = Problem)))]
pub async fn register_finish(
    address: ClientAddress,
    origin: Origin,
    State(app): State<App>,
    headers: HeaderMap,
    Json(finish): Json<RegisterFinish>,
) -> Result<Response> {
    app.limits.attempt(&address)?;
    let display_name = check_display_name(&finish.display_name)?;
    let handle = handshakes::of_sign_up(&app, finish.account).await?;
    let opaque_record =
        e2ee::opaque::server::finish_registration(&finish.record.0).map_err(|_| Code::BadOpaque)?;
    check_key_material(&finish, &handle)?;

    // Looked at once more within the transaction; but not by all who ever sign up, at the same moment.
    let is_first = !exist(app.db.read()).await?;
    let session = app
        .db
        .write(async |tx| {
            if erasure::was_taken(tx, &app, &handle).await? {
                return Err(Code::HandleTaken.into());
            }
            let administrator = is_first && may_administer(tx, &app, finish.setup_code.as_deref()).await?;
            let invitation = take_in(tx, &app, finish.invitation.as_deref()).await?;
            let account = accounts::Model {
                id: finish.account,
                handle: handle.clone(),
                display_name: display_name.clone(),
                status: String::new(),
                bio: String::new(),
                avatar: None,
                administrator,
                opaque_record: opaque_record.clone(),
                recovery_verifier: finish.recovery_verifier.0.clone(),
                created_at: app.clock.now(),
                shares_presence: true,
                shares_typing: true,
                shares_receipts: true,
                last_seen: None,
                secured_at: 0,
                suspended_at: None,
                // Who came by mail was invited by nobody.
                invitation: invitation.as_ref().filter(|row| row.address.is_none()).map(|row| row.id),
                renewed_at: 0,
                erase_at: None,
            };
            insert_account(tx, account.clone()).await?;
            people::index(tx, &account).await?;
            keys::insert_vault(tx, finish.account, finish.vault.clone()).await?;
            for slot in &finish.slots {
                slot.insert(tx, finish.account).await?;
            }
            let bundle = key_bundles::Model {
                account: finish.account,
                sequence: 1,
                body: finish.key_bundle.body.0.clone(),
                signature: finish.key_bundle.signature.0.clone(),
            };
            key_bundles::Entity::insert(key_bundles::ActiveModel::from(bundle))
                .exec_without_returning(tx)
                .await?;
            if let Some(address) = invitation.and_then(|row| row.address) {
                // Two could be let in by mails from before.
                if addresses::handle_with(tx, &address).await?.is_some() {
                    return Err(Code::InvitationOver.into());
                }
                addresses::keep_confirmed(tx, finish.account, address, finish.language).await?;
            }
            handshakes::end(tx, finish.account).await?;
            sessions::begin(tx, &app, finish.account, &origin).await
        })
        .await?;
    tracing::info!(account = %finish.account, "account created");
    session.answer(&app, &headers, StatusCode::CREATED).await
}

fn check_key_material(finish: &RegisterFinish, handle: &str) -> Result<()> {
    if finish.vault.version != 1 {
        return Err(Code::BadKeyMaterial.into());
    }
    check_doors(&finish.slots, &finish.recovery_verifier, &finish.vault)?;
    let bundle = KeyBundle::open(&finish.key_bundle.signed(), finish.account, handle);
    match bundle {
        Ok(bundle) if bundle.follows(None) => Ok(()),
        _ => Err(Code::BadKeyBundle.into()),
    }
}

/// What opens a new account, or one that begins anew, as far as it can be looked at from outside.
pub fn check_doors(slots: &[NewSlot], recovery_verifier: &Bytes, vault: &Vault) -> Result<()> {
    let has = |kind| slots.iter().any(|slot| slot.is_for(kind));
    let whole = slots.len() == 2
        && has(SlotKind::Password)
        && has(SlotKind::Recovery)
        && recovery_verifier.0.len() == 32
        && (1..=MAX_VAULT_BYTES).contains(&vault.boxed.0.len());
    if whole { Ok(()) } else { Err(Code::BadKeyMaterial.into()) }
}

async fn insert_account(tx: &impl ConnectionTrait, account: accounts::Model) -> Result<()> {
    accounts::Entity::insert(accounts::ActiveModel::from(account)).exec_without_returning(tx).await.map_err(
        |error| {
            if is_duplicate(&error) { Code::HandleTaken.into() } else { Error::from(error) }
        },
    )?;
    Ok(())
}

/// Whether somebody may sign up. The first account always may: it has the set-up code.
async fn refuse_unless_welcome(db: &impl ConnectionTrait, app: &App, invitation: Option<&str>) -> Result<()> {
    let decided = Organisation::load(db).await?;
    match decided.sign_up {
        SignUp::Open => Ok(()),
        _ if !exist(db).await? => Ok(()),
        SignUp::Invited | SignUp::Domain => {
            let invitation = invitations::standing(db, app, invitation).await?;
            // One that came by mail is good as long as the address is.
            match invitation.address.is_none_or(|address| decided.lets_in(&address)) {
                true => Ok(()),
                false => Err(Code::InvitationOver.into()),
            }
        }
        SignUp::Closed => Err(Code::SignUpClosed.into()),
    }
}

/// The same, within the transaction that makes the account. The invitation that was used, also where none was needed.
async fn take_in(
    tx: &impl ConnectionTrait,
    app: &App,
    invitation: Option<&str>,
) -> Result<Option<invitation::Model>> {
    refuse_unless_welcome(tx, app, invitation).await?;
    match invitations::consume(tx, app, invitation).await {
        Ok(invitation) => Ok(Some(invitation)),
        // Welcome without one.
        Err(Error::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The first account administers; on a server that others can reach, only with the code that it printed.
async fn may_administer(tx: &impl ConnectionTrait, app: &App, code: Option<&str>) -> Result<bool> {
    if exist(tx).await? {
        return Ok(false);
    }
    if !app.config.first_comer_is_trusted() {
        let expected = settings::Entity::find_by_id(SETUP_CODE).one(tx).await?.ok_or(Code::WrongSetupCode)?;
        let given = code.unwrap_or_default().trim().to_ascii_uppercase();
        // Compared as digests, so that the time tells nothing about the code.
        if Sha256::digest(given) != Sha256::digest(expected.value) {
            return Err(Code::WrongSetupCode.into());
        }
        settings::Entity::delete_by_id(SETUP_CODE).exec(tx).await?;
    }
    Ok(true)
}

/// The set-up code, as long as it is needed: made once, kept until the first account exists.
pub async fn setup_code(app: &App) -> Result<Option<String>> {
    if app.config.first_comer_is_trusted() || exist(app.db.read()).await? {
        return Ok(None);
    }
    let row = app
        .db
        .write(async |tx| {
            if let Some(row) = settings::Entity::find_by_id(SETUP_CODE).one(tx).await? {
                return Ok(row);
            }
            let code = Uuid::new_v4().simple().to_string()[..16].to_ascii_uppercase();
            let row = settings::Model { name: SETUP_CODE.to_owned(), value: code.into_bytes() };
            settings::Entity::insert(settings::ActiveModel::from(row.clone()))
                .exec_without_returning(tx)
                .await?;
            Ok(row)
        })
        .await?;
    Ok(Some(String::from_utf8_lossy(&row.value).into_owned()))
}
