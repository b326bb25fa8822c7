//! Accounts: signing up and logging in.
//!
//! Both are two requests of OPAQUE (RFC 9807), so that neither the password nor anything derived from it that
//! could be tried elsewhere reaches the server. What lies between the two requests is a row in `handshakes`,
//! taken out by the second one. A handle that nobody has is answered like any other.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use e2ee::KeyBundle;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::addresses;
use crate::app::App;
use crate::clock::{HOUR, MINUTE, Millis};
use crate::erasure;
use crate::error::{Code, Error, Problem, Result, is_duplicate};
use crate::factor::{self, CodeWanted};
use crate::invitations;
use crate::keys::{self, MAX_VAULT_BYTES, SignedBytes, Vault};
use crate::limits::ClientAddress;
use crate::organisation::{Language, Organisation, SignUp};
use crate::passkeys::webauthn::Site;
use crate::people::{self, Person};
use crate::privacy::Privacy;
use crate::schema::tables::{accounts, handshakes, invitations as invitation, key_bundles, settings};
use crate::sessions::{self, NewSession, Origin, Session};
use crate::slots::{NewSlot, SlotKind};
use crate::wire::{Bytes, Json, Path};

/// Between the two requests of a sign-up the person writes down the recovery code.
const REGISTRATION_LIFE: Millis = HOUR;
const LOGIN_LIFE: Millis = MINUTE;

/// The name under which the set-up code lies in the settings.
const SETUP_CODE: &str = "setup_code";

/// One's own account.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Me {
    #[serde(flatten)]
    pub person: Person,
    pub role: Role,
    pub created_at: Millis,
    pub privacy: Privacy,
    /// When the password was last changed, the recovery code used, or all other sessions ended; 0 if never. One writes in
    /// no epoch from before.
    pub secured_at: Millis,
    /// When password and recovery code were both lost and one began anew: nothing from before can be opened. 0 if never.
    pub renewed_at: Millis,
    /// When the account will be erased.
    pub erase_at: Option<Millis>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Person,
    Administrator,
}

impl Role {
    pub fn of(account: &accounts::Model) -> Self {
        if account.administrator { Role::Administrator } else { Role::Person }
    }
}

pub fn me(account: accounts::Model) -> Me {
    Me {
        role: Role::of(&account),
        created_at: account.created_at,
        privacy: Privacy::from(&account),
        secured_at: account.secured_at,
        renewed_at: account.renewed_at,
        erase_at: account.erase_at,
        person: account.into(),
    }
}

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
    let account = remember_handshake(&app, start.handle, None, REGISTRATION_LIFE).await?;
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
    let handle = registration_handle(&app, finish.account).await?;
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
            handshakes::Entity::delete_by_id(finish.account).exec(tx).await?;
            sessions::begin(tx, &app, finish.account, &origin).await
        })
        .await?;
    tracing::info!(account = %finish.account, "account created");
    session.answer(&app, &headers, StatusCode::CREATED).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginStart {
    handle: String,
    /// OPAQUE KE1.
    request: Bytes,
}

#[derive(Serialize, ToSchema)]
pub struct LoginStarted {
    /// Names this log-in in the second request; good once, for a minute.
    pub login: Uuid,
    /// OPAQUE KE2.
    pub response: Bytes,
}

/// Begin to log in. A handle that nobody has gets an answer of the same kind, size and cost.
#[utoipa::path(post, path = "/login/start", tag = "accounts", request_body = LoginStart, responses(
    (status = 200, body = LoginStarted), (status = "default", body = Problem)))]
pub async fn login_start(
    address: ClientAddress,
    State(app): State<App>,
    Json(start): Json<LoginStart>,
) -> Result<axum::Json<LoginStarted>> {
    check_handle(&start.handle)?;
    app.limits.attempt_on(&address, &start.handle)?;
    Ok(axum::Json(begin_proof(&app, start.handle, &start.request).await?))
}

/// Answer the first message of whoever says to know the password of `handle`.
pub async fn begin_proof(app: &App, handle: String, request: &Bytes) -> Result<LoginStarted> {
    let record = find(app.db.read(), &handle).await?.map(|account| account.opaque_record);
    let pending = app.opaque.start_login(&handle, record.as_deref(), &request.0).map_err(refused_opaque)?;
    let of_record: [u8; 32] = Sha256::digest(record.unwrap_or_default()).into();
    let state = [&of_record[..], &pending.state].concat();
    let login = remember_handshake(app, handle, Some(state), LOGIN_LIFE).await?;
    Ok(LoginStarted { login, response: pending.response.into() })
}

/// A password that was proven, as it was when the proof began.
pub struct Proof {
    pub handle: String,
    /// SHA-256 of the record it was proven against.
    pub of_record: Vec<u8>,
}

impl Proof {
    /// Refused where the password has been replaced since. To be asked within the transaction that trusts the proof.
    pub fn holds_for(&self, account: &accounts::Model) -> Result<()> {
        let holds =
            account.handle == self.handle && Sha256::digest(&account.opaque_record)[..] == self.of_record;
        if holds { Ok(()) } else { Err(Code::WrongCredentials.into()) }
    }
}

pub async fn finish_proof(app: &App, login: Uuid, finalization: &Bytes) -> Result<Proof> {
    let (proof, state) = take_login(app, login).await?;
    e2ee::opaque::server::finish_login(&state, &finalization.0).map_err(|_| Code::WrongCredentials)?;
    Ok(proof)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordProof {
    /// As `credentials/start` has begun it.
    login: Uuid,
    /// OPAQUE KE3.
    finalization: Bytes,
}

impl PasswordProof {
    pub async fn finish(&self, app: &App) -> Result<Proof> {
        finish_proof(app, self.login, &self.finalization).await
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginFinish {
    login: Uuid,
    /// OPAQUE KE3.
    finalization: Bytes,
}

/// Prove the password and open a session; or, where a second factor is on, begin to wait for its code.
#[utoipa::path(post, path = "/login/finish", tag = "accounts", request_body = LoginFinish, responses(
    (status = 200, body = Session), (status = 202, body = CodeWanted), (status = "default", body = Problem)))]
pub async fn login_finish(
    address: ClientAddress,
    origin: Origin,
    State(app): State<App>,
    headers: HeaderMap,
    Json(finish): Json<LoginFinish>,
) -> Result<Response> {
    app.limits.look(&address)?;
    let site = Site::of(&app.config, &headers);
    let proof = finish_proof(&app, finish.login, &finish.finalization).await?;
    let way_in = app
        .db
        .write(async |tx| {
            // Only someone who proved the password comes here, and an unknown handle has none to prove.
            let account = find(tx, &proof.handle).await?.ok_or(Code::WrongCredentials)?;
            proof.holds_for(&account)?;
            // Looked at here, so that no session begins beside a second factor that is just being turned on.
            if factor::is_on(tx, account.id).await? {
                return Ok(WayIn::Code(
                    factor::want_code(tx, &app, &proof, account.id, site.as_ref()).await?,
                ));
            }
            Ok(WayIn::Session(sessions::begin(tx, &app, account.id, &origin).await?))
        })
        .await?;
    match way_in {
        WayIn::Session(session) => {
            tracing::info!(account = %session.account(), "logged in");
            session.answer(&app, &headers, StatusCode::OK).await
        }
        WayIn::Code(wanted) => Ok((StatusCode::ACCEPTED, axum::Json(wanted)).into_response()),
    }
}

/// Where a good password leads.
enum WayIn {
    Session(NewSession),
    Code(CodeWanted),
}

pub async fn find(db: &impl ConnectionTrait, handle: &str) -> Result<Option<accounts::Model>> {
    Ok(accounts::Entity::find().filter(accounts::Column::Handle.eq(handle)).one(db).await?)
}

/// Whether anybody has signed up yet.
pub async fn exist(db: &impl ConnectionTrait) -> Result<bool> {
    Ok(accounts::Entity::find()
        .select_only()
        .column(accounts::Column::Id)
        .into_tuple::<Uuid>()
        .one(db)
        .await?
        .is_some())
}

pub fn check_handle(handle: &str) -> Result<()> {
    if e2ee::is_handle(handle) { Ok(()) } else { Err(Code::BadHandle.into()) }
}

/// Trimmed; 1 to 64 characters, one of them at least to be seen, none of them a control character or one that reverses the text around it.
pub fn check_display_name(name: &str) -> Result<String> {
    let name = name.trim();
    let length = name.chars().count();
    if (1..=64).contains(&length) && people::is_plain_text(name) && people::is_visible(name) {
        Ok(name.to_owned())
    } else {
        Err(Code::BadDisplayName.into())
    }
}

async fn remember_handshake(
    app: &App,
    handle: String,
    login_state: Option<Vec<u8>>,
    life: Millis,
) -> Result<Uuid> {
    let row =
        handshakes::Model { id: app.clock.new_id(), handle, login_state, expires_at: app.clock.now() + life };
    let id = row.id;
    let row = handshakes::ActiveModel::from(row);
    app.db
        .write(async |tx| Ok(handshakes::Entity::insert(row.clone()).exec_without_returning(tx).await?))
        .await?;
    Ok(id)
}

/// The handle of a sign-up under way. The row is only taken out when the account is made, in the same
/// transaction, so that a refusal (a wrong set-up code) can be put right.
async fn registration_handle(app: &App, account: Uuid) -> Result<String> {
    handshakes::Entity::find_by_id(account)
        .filter(handshakes::Column::LoginState.is_null())
        .filter(handshakes::Column::ExpiresAt.gt(app.clock.now()))
        .one(app.db.read())
        .await?
        .map(|row| row.handle)
        .ok_or_else(|| Code::RegistrationExpired.into())
}

/// Takes a log-in out of the table before it is looked at: whatever comes of it, it cannot be tried twice.
async fn take_login(app: &App, login: Uuid) -> Result<(Proof, Vec<u8>)> {
    let row = app
        .db
        .write(async |tx| {
            let row = handshakes::Entity::find_by_id(login).one(tx).await?;
            handshakes::Entity::delete_by_id(login)
                .filter(handshakes::Column::LoginState.is_not_null())
                .exec(tx)
                .await?;
            Ok(row)
        })
        .await?;
    let row = row.filter(|row| app.clock.now() < row.expires_at).ok_or(Code::WrongCredentials)?;
    let state = row.login_state.ok_or(Code::WrongCredentials)?;
    let (of_record, state) = state.split_at_checked(32).ok_or(Code::WrongCredentials)?;
    Ok((Proof { handle: row.handle, of_record: of_record.to_vec() }, state.to_vec()))
}

/// A damaged record is our own fault, anything else the caller's.
fn refused_opaque(error: e2ee::Error) -> Error {
    match error {
        e2ee::Error::DamagedRecord => Error::internal(error),
        _ => Code::BadOpaque.into(),
    }
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
    let sign_up = Organisation::load(db).await?.sign_up;
    match sign_up {
        SignUp::Open => Ok(()),
        _ if !exist(db).await? => Ok(()),
        SignUp::Invited | SignUp::Domain => invitations::standing(db, app, invitation).await.map(drop),
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

/// Forget handshakes that were never finished.
pub async fn tidy(app: &App) -> Result<()> {
    let now = app.clock.now();
    app.db
        .write(async |tx| {
            handshakes::Entity::delete_many().filter(handshakes::Column::ExpiresAt.lte(now)).exec(tx).await?;
            Ok(())
        })
        .await
}
