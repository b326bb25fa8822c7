//! Passkeys: a key on somebody's device signs what the server asks it to, at this site and at no other.
//!
//! With some, the device also gives a secret to the page (the PRF extension), under which the account's key lies boxed
//! in a slot of its own: such a passkey logs one in without the password, and stands for both factors, since the device
//! has seen that it is its owner. The others open nothing, and are asked for beside the password. What is to be signed is
//! a row in `challenges`, taken out before it is looked at: good once, on any node.

use std::collections::HashSet;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use self::webauthn::{AuthenticatorData, Ceremony, ClientData, Site};
use crate::accounts::check_display_name;
use crate::app::App;
use crate::clock::{MINUTE, Millis};
use crate::error::{Code, Problem, Result};
use crate::event::Event;
use crate::factor::{self, SecondFactor};
use crate::limits::ClientAddress;
use crate::login::{self, PasswordProof};
use crate::schema::tables::{challenges, passkeys as table};
use crate::sessions::{self, CurrentAccount, Origin, Session};
use crate::slots::{self, NewSlot, SlotKind};
use crate::tokens;
use crate::wire::{Bytes, Json, Path};

pub mod webauthn;

/// To find the device, and to read what the browser says.
const LIFE: Millis = 5 * MINUTE;
const MAX_PASSKEYS: usize = 10;

/// One of a person's passkeys, as they see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OwnPasskey {
    id: Uuid,
    name: String,
    /// The name of the server that it was made for; under another one it does not work.
    site: String,
    /// Whether it opens the account without the password; if not, it is asked for beside it.
    opens: bool,
    created_at: Millis,
    used_at: Option<Millis>,
}

impl OwnPasskey {
    /// In the order in which they were made.
    pub async fn all(db: &impl ConnectionTrait, account: Uuid) -> Result<Vec<Self>> {
        let opening = slots::of_passkeys(db, &[account]).await?;
        let of_row = |row: table::Model| Self {
            opens: opening.contains(&row.id),
            id: row.id,
            name: row.name,
            site: row.site,
            created_at: row.created_at,
            used_at: row.used_at,
        };
        Ok(of(db, account).await?.into_iter().map(of_row).collect())
    }
}

/// What one has, after a change of it.
#[derive(Clone, Serialize, ToSchema)]
pub struct OwnPasskeys {
    passkeys: Vec<OwnPasskey>,
    second_factor: SecondFactor,
}

impl OwnPasskeys {
    async fn of(db: &impl ConnectionTrait, account: Uuid) -> Result<Self> {
        let passkeys = OwnPasskey::all(db, account).await?;
        Ok(Self { passkeys, second_factor: SecondFactor::of(db, account).await? })
    }
}

/// Whether one of them is asked for beside the password.
pub async fn are_wanted(db: &impl ConnectionTrait, account: Uuid) -> Result<bool> {
    Ok(wanted_by(db, &[account]).await?.contains(&account))
}

/// The accounts among these of which that is so.
pub async fn wanted_by(db: &impl ConnectionTrait, accounts: &[Uuid]) -> Result<HashSet<Uuid>> {
    let opening = slots::of_passkeys(db, accounts).await?;
    let all = table::Entity::find()
        .select_only()
        .columns([table::Column::Account, table::Column::Id])
        .filter(table::Column::Account.is_in(accounts.iter().copied()));
    let all = all.into_tuple::<(Uuid, Uuid)>().all(db).await?.into_iter();
    Ok(all.filter(|(_, passkey)| !opening.contains(passkey)).map(|(account, _)| account).collect())
}

/// Whether there is one that can be used at this site.
pub async fn exist(db: &impl ConnectionTrait, account: Uuid, site: Option<&Site>) -> Result<bool> {
    let Some(site) = site else { return Ok(false) };
    Ok(of(db, account).await?.iter().any(|row| row.site == site.name))
}

/// Those of somebody who may have lost the device with everything else.
pub async fn forget(tx: &impl ConnectionTrait, account: Uuid) -> Result<()> {
    table::Entity::delete_many().filter(table::Column::Account.eq(account)).exec(tx).await?;
    slots::remove_passkeys(tx, account).await
}

async fn of(db: &impl ConnectionTrait, account: Uuid) -> Result<Vec<table::Model>> {
    let those = table::Entity::find().filter(table::Column::Account.eq(account));
    Ok(those.order_by_asc(table::Column::CreatedAt).order_by_asc(table::Column::Id).all(db).await?)
}

// ── What is to be signed ─────────────────────────────────────────────────────────────────────────────────────────

/// What the page hands to the browser.
#[derive(Serialize, ToSchema)]
pub struct PasskeyWanted {
    /// Good once, for five minutes.
    challenge: Bytes,
    /// The "relying party id".
    site: String,
    /// The credential ids of one's passkeys here: of those that can be used, or that are not to be made twice. Empty where
    /// nobody is known yet.
    credentials: Vec<Bytes>,
}

impl PasskeyWanted {
    async fn new(app: &App, site: Site, about: Option<Uuid>, passkeys: Vec<table::Model>) -> Result<Self> {
        let challenge = tokens::random::<32>()?.to_vec();
        let row = challenges::Model { challenge, about, expires_at: app.clock.now() + LIFE };
        let new = challenges::ActiveModel::from(row.clone());
        app.db
            .write(async |tx| Ok(challenges::Entity::insert(new.clone()).exec_without_returning(tx).await?))
            .await?;
        let here = passkeys.into_iter().filter(|passkey| passkey.site == site.name);
        let credentials = here.map(|passkey| passkey.credential.into()).collect();
        Ok(Self { challenge: row.challenge.into(), site: site.name, credentials })
    }
}

/// Takes a challenge out of the table: whatever comes of it, it cannot be answered twice. False where it is not there, or
/// is not about this.
async fn take(app: &App, challenge: Vec<u8>, about: Option<Uuid>) -> Result<bool> {
    let (row, taken) = app
        .db
        .write(async |tx| {
            let row = challenges::Entity::find_by_id(challenge.clone()).one(tx).await?;
            let taken = challenges::Entity::delete_by_id(challenge.clone()).exec(tx).await?;
            Ok((row, taken.rows_affected == 1))
        })
        .await?;
    let stands = row.is_some_and(|row| row.about == about && app.clock.now() < row.expires_at);
    Ok(taken && stands)
}

fn site(app: &App, headers: &HeaderMap) -> Result<Site> {
    Site::of(&app.config, headers).ok_or_else(|| Code::NoPasskeysHere.into())
}

/// Forget what nobody has signed.
pub async fn tidy(app: &App) -> Result<()> {
    let over = challenges::Column::ExpiresAt.lte(app.clock.now());
    app.db
        .write(async |tx| {
            challenges::Entity::delete_many().filter(over.clone()).exec(tx).await?;
            Ok(())
        })
        .await
}

// ── Logging in ───────────────────────────────────────────────────────────────────────────────────────────────────

/// Begin to log in with a passkey alone.
#[utoipa::path(post, path = "/login/passkey/start", tag = "accounts", responses(
    (status = 200, body = PasskeyWanted), (status = "default", body = Problem)))]
pub async fn login_passkey_start(
    address: ClientAddress,
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<axum::Json<PasskeyWanted>> {
    app.limits.attempt(&address)?;
    Ok(axum::Json(PasskeyWanted::new(&app, site(&app, &headers)?, None, Vec::new()).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyForLogin {
    login: Uuid,
}

/// Ask for a passkey in the place of the code that a log-in waits for.
#[utoipa::path(post, path = "/login/code/passkey", tag = "accounts", request_body = PasskeyForLogin, responses(
    (status = 200, body = PasskeyWanted), (status = "default", body = Problem)))]
pub async fn login_code_passkey(
    address: ClientAddress,
    State(app): State<App>,
    headers: HeaderMap,
    Json(PasskeyForLogin { login }): Json<PasskeyForLogin>,
) -> Result<axum::Json<PasskeyWanted>> {
    app.limits.attempt(&address)?;
    let site = site(&app, &headers)?;
    let account = factor::proven(app.db.read(), &app, login).await?;
    let passkeys = of(app.db.read(), account.id).await?;
    Ok(axum::Json(PasskeyWanted::new(&app, site, Some(login), passkeys).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyLogin {
    /// The log-in that waits for it, where the password was proven before.
    login: Option<Uuid>,
    /// What the browser says: `rawId`, and of `response` `userHandle`, `clientDataJSON`, `authenticatorData`, `signature`.
    credential: Bytes,
    user: Option<Bytes>,
    client_data: Bytes,
    authenticator_data: Bytes,
    signature: Bytes,
}

/// Open a session with what a passkey has signed; the slot in the answer is the passkey's own. Beside a proven password
/// any of one's passkeys does, and the slot is the password's.
#[utoipa::path(post, path = "/login/passkey", tag = "accounts", request_body = PasskeyLogin, responses(
    (status = 200, body = Session), (status = "default", body = Problem)))]
pub async fn login_passkey(
    address: ClientAddress,
    origin: Origin,
    State(app): State<App>,
    headers: HeaderMap,
    Json(given): Json<PasskeyLogin>,
) -> Result<Response> {
    app.limits.attempt(&address)?;
    let site = site(&app, &headers)?;
    let said = ClientData::read(&given.client_data.0).filter(|said| said.is_of(Ceremony::Using, &site));
    let challenge = said.and_then(|said| said.challenge()).ok_or(Code::WrongPasskey)?;
    let data = AuthenticatorData::read(&given.authenticator_data.0).ok_or(Code::WrongPasskey)?;
    if !take(&app, challenge, given.login).await? || !data.is_for(&site) || !data.saw_somebody() {
        return Err(Code::WrongPasskey.into());
    }
    // Alone it stands for both factors: the device, and that it is in its owner's hands.
    if given.login.is_none() && !data.knew_the_owner() {
        return Err(Code::WrongPasskey.into());
    }
    let session = app
        .db
        .write(async |tx| {
            let account = match given.login {
                Some(login) => factor::proven(tx, &app, login).await?.id,
                None => owner(given.user.as_ref()).ok_or(Code::WrongPasskey)?,
            };
            let passkeys = of(tx, account).await?;
            let passkey = passkeys.into_iter().find(|passkey| passkey.credential == given.credential.0);
            let passkey = passkey.ok_or(Code::WrongPasskey)?;
            let Bytes(signature) = &given.signature;
            let (authenticator_data, client_data) = (&given.authenticator_data.0, &given.client_data.0);
            if !webauthn::has_signed(&passkey.public_key, authenticator_data, client_data, signature) {
                return Err(Code::WrongPasskey.into());
            }
            if !webauthn::has_gone_on(passkey.counter, data.counter) {
                tracing::warn!(%account, passkey = %passkey.id, "a passkey counts backwards: it may have been copied");
                return Err(Code::WrongPasskey.into());
            }
            let opens = slots::of_passkeys(tx, &[account]).await?.contains(&passkey.id);
            match given.login {
                Some(login) => factor::done(tx, login).await?,
                None if opens => {}
                None => return Err(Code::PasskeyOpensNothing.into()),
            }
            note_use(tx, &app, &passkey, data.counter).await?;
            let session = sessions::begin(tx, &app, account, &origin).await?;
            Ok(if given.login.is_none() { session.opened_by(passkey.id) } else { session })
        })
        .await?;
    tracing::info!(account = %session.account(), "logged in with a passkey");
    session.answer(&app, &headers, StatusCode::OK).await
}

/// The account that the device was told of when the passkey was made.
fn owner(user: Option<&Bytes>) -> Option<Uuid> {
    Uuid::from_slice(&user?.0).ok()
}

async fn note_use(tx: &impl ConnectionTrait, app: &App, passkey: &table::Model, counter: u32) -> Result<()> {
    let used = table::ActiveModel {
        counter: Set(counter.into()),
        used_at: Set(Some(app.clock.now())),
        ..Default::default()
    };
    change(tx, passkey.account, passkey.id, used).await?;
    Ok(())
}

async fn change(
    tx: &impl ConnectionTrait,
    account: Uuid,
    passkey: Uuid,
    change: table::ActiveModel,
) -> Result<()> {
    table::Entity::update_many()
        .set(change)
        .filter(table::Column::Account.eq(account))
        .filter(table::Column::Id.eq(passkey))
        .exec(tx)
        .await?;
    Ok(())
}

// ── By whoever is signed in ──────────────────────────────────────────────────────────────────────────────────────

/// Begin to make a passkey. `credentials`: those that are there, of which a device is not to have two.
#[utoipa::path(post, path = "/passkeys/start", tag = "accounts", responses(
    (status = 200, body = PasskeyWanted), (status = "default", body = Problem)))]
pub async fn start_passkey(
    current: CurrentAccount,
    address: ClientAddress,
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<axum::Json<PasskeyWanted>> {
    app.limits.attempt(&address)?;
    let site = site(&app, &headers)?;
    let passkeys = of(app.db.read(), current.account).await?;
    if passkeys.len() >= MAX_PASSKEYS {
        return Err(Code::TooManyPasskeys.into());
    }
    Ok(axum::Json(PasskeyWanted::new(&app, site, Some(current.account), passkeys).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPasskey {
    /// As `credentials/start` has begun it.
    login: Uuid,
    /// OPAQUE KE3.
    finalization: Bytes,
    /// 1 to 64 characters.
    name: String,
    /// What the browser says: of `response` `clientDataJSON`, `getAuthenticatorData()` and `getPublicKey()`.
    client_data: Bytes,
    authenticator_data: Bytes,
    /// DER: P-256, Ed25519, or RSA with 2,048 bits.
    public_key: Bytes,
    /// Where the passkey gives a secret: the account key, boxed under that.
    slot: Option<NewSlot>,
}

#[derive(Serialize, ToSchema)]
pub struct AddedPasskey {
    #[serde(flatten)]
    own: OwnPasskeys,
    /// Backup codes, where log-ins ask for something beside the password from now on. They are shown here and never again.
    codes: Vec<String>,
}

/// Prove the password, and add a passkey. The first one without a slot turns the second factor on.
#[utoipa::path(post, path = "/passkeys", tag = "accounts", request_body = NewPasskey, responses(
    (status = 201, body = AddedPasskey), (status = "default", body = Problem)))]
pub async fn add_passkey(
    current: CurrentAccount,
    State(app): State<App>,
    headers: HeaderMap,
    Json(new): Json<NewPasskey>,
) -> Result<(StatusCode, axum::Json<AddedPasskey>)> {
    let site = site(&app, &headers)?;
    let name = check_display_name(&new.name)?;
    if new.slot.as_ref().is_some_and(|slot| !slot.is_for(SlotKind::Passkey)) {
        return Err(Code::BadKeyMaterial.into());
    }
    let proof = login::finish_proof(&app, new.login, &new.finalization).await?;
    let said = ClientData::read(&new.client_data.0).filter(|said| said.is_of(Ceremony::Making, &site));
    let challenge = said.and_then(|said| said.challenge()).ok_or(Code::BadPasskey)?;
    if !take(&app, challenge, Some(current.account)).await? {
        return Err(Code::BadPasskey.into());
    }
    let data = AuthenticatorData::read(&new.authenticator_data.0)
        .filter(|data| data.is_for(&site) && data.saw_somebody() && data.knew_the_owner())
        .ok_or(Code::BadPasskey)?;
    let credential = data.new_credential().ok_or(Code::BadPasskey)?;
    if !webauthn::is_key(&new.public_key.0) {
        return Err(Code::BadPasskey.into());
    }
    let passkey = table::Model {
        account: current.account,
        id: new.slot.as_ref().map_or_else(|| app.clock.new_id(), NewSlot::id),
        name,
        site: site.name.clone(),
        credential: credential.to_vec(),
        public_key: new.public_key.0.clone(),
        counter: data.counter.into(),
        created_at: app.clock.now(),
        used_at: None,
    };
    let added = app
        .db
        .write(async |tx| {
            let account = sessions::standing(tx, &current).await?;
            proof.holds_for(&account)?;
            let there = of(tx, account.id).await?;
            if there.len() >= MAX_PASSKEYS {
                return Err(Code::TooManyPasskeys.into());
            }
            if there.iter().any(|other| other.id == passkey.id || other.credential == passkey.credential) {
                return Err(Code::BadPasskey.into());
            }
            let was_on = factor::is_on(tx, account.id).await?;
            let row = table::ActiveModel::from(passkey.clone());
            table::Entity::insert(row).exec_without_returning(tx).await?;
            let codes = match &new.slot {
                Some(slot) => {
                    slot.insert(tx, account.id).await?;
                    Vec::new()
                }
                None if was_on => Vec::new(),
                None => factor::begun_with_a_passkey(tx, &app, account.id).await?,
            };
            Ok(AddedPasskey { own: OwnPasskeys::of(tx, account.id).await?, codes })
        })
        .await?;
    tracing::info!(account = %current.account, opens = new.slot.is_some(), "passkey added");
    tell(&app, &current, &added.own);
    Ok((StatusCode::CREATED, axum::Json(added)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyName {
    /// 1 to 64 characters.
    name: String,
}

/// Call a passkey something else.
#[utoipa::path(patch, path = "/passkeys/{passkey}", tag = "accounts", params(("passkey" = Uuid, Path)),
    request_body = PasskeyName, responses((status = 200, body = OwnPasskeys), (status = "default", body = Problem)))]
pub async fn rename_passkey(
    current: CurrentAccount,
    State(app): State<App>,
    Path(passkey): Path<Uuid>,
    Json(new): Json<PasskeyName>,
) -> Result<axum::Json<OwnPasskeys>> {
    let name = check_display_name(&new.name)?;
    let own = app
        .db
        .write(async |tx| {
            let id = (current.account, passkey);
            table::Entity::find_by_id(id).one(tx).await?.ok_or(Code::NotFound)?;
            let named = table::ActiveModel { name: Set(name.clone()), ..Default::default() };
            change(tx, current.account, passkey, named).await?;
            OwnPasskeys::of(tx, current.account).await
        })
        .await?;
    tell(&app, &current, &own);
    Ok(axum::Json(own))
}

/// Prove the password, and remove a passkey with what it opens. Without the last one that was asked for beside the
/// password, and without an app, the second factor is off.
#[utoipa::path(post, path = "/passkeys/{passkey}/remove", tag = "accounts", params(("passkey" = Uuid, Path)),
    request_body = PasswordProof, responses((status = 200, body = OwnPasskeys), (status = "default", body = Problem)))]
pub async fn remove_passkey(
    current: CurrentAccount,
    State(app): State<App>,
    Path(passkey): Path<Uuid>,
    Json(given): Json<PasswordProof>,
) -> Result<axum::Json<OwnPasskeys>> {
    let proof = given.finish(&app).await?;
    let own = app
        .db
        .write(async |tx| {
            let account = sessions::standing(tx, &current).await?;
            proof.holds_for(&account)?;
            let was_on = factor::is_on(tx, account.id).await?;
            let removed = table::Entity::delete_by_id((account.id, passkey)).exec(tx).await?;
            if removed.rows_affected == 0 {
                return Err(Code::NotFound.into());
            }
            slots::remove_passkey(tx, account.id, passkey).await?;
            if was_on && !factor::is_on(tx, account.id).await? {
                factor::turn_off(tx, &app, account.id).await?;
            }
            OwnPasskeys::of(tx, account.id).await
        })
        .await?;
    tracing::info!(account = %current.account, "passkey removed");
    tell(&app, &current, &own);
    Ok(axum::Json(own))
}

/// The account's other pages.
fn tell(app: &App, current: &CurrentAccount, own: &OwnPasskeys) {
    app.live.publish(&[current.account], &Event::Passkeys(own.clone()));
}
