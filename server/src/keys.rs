//! Key material that the server keeps for people and cannot use itself: key bundles (public), vaults and
//! keyrings (boxed under keys that only their owner has). It checks what can be checked without a key, so that no
//! client is handed nonsense.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use e2ee::{KeyBundle, Signed};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::conversations::Conversation;
use crate::erasure;
use crate::error::{Code, Error, Problem, Result};
use crate::event::Event;
use crate::schema::tables::{epochs, key_bundles, keyring, vaults};
use crate::sessions::CurrentAccount;
use crate::wire::{Bytes, Json, Path, Query};

/// Room for the pins of thousands of contacts.
pub const MAX_VAULT_BYTES: usize = 512 << 10;
/// Version byte, nonce, 32 bytes of epoch key, tag.
const KEYRING_ENTRY_BYTES: usize = 1 + 24 + 32 + 16;
const MAX_ENTRIES: usize = 500;
const KEYRING_PAGE: u64 = 1_000;

/// Something signed: its bytes and the Ed25519 signature over them.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedBytes {
    pub body: Bytes,
    pub signature: Bytes,
}

impl SignedBytes {
    pub fn signed(&self) -> Signed {
        Signed { body: self.body.0.clone(), signature: self.signature.0.clone() }
    }
}

/// A vault, boxed by its owner.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    pub version: i64,
    #[serde(rename = "box")]
    pub boxed: Bytes,
}

/// The public keys that an account has now.
pub async fn current_bundle(db: &impl ConnectionTrait, account: Uuid) -> Result<SignedBytes> {
    let row = key_bundles::Entity::find()
        .filter(key_bundles::Column::Account.eq(account))
        .order_by_desc(key_bundles::Column::Sequence)
        .one(db)
        .await?;
    let Some(row) = row else {
        let gone = !erasure::gone(db, vec![account]).await?.is_empty();
        return Err(if gone { Code::AccountErased } else { Code::NotFound }.into());
    };
    Ok(SignedBytes { body: row.body.into(), signature: row.signature.into() })
}

/// Somebody's public keys, signed by themselves.
#[utoipa::path(get, path = "/people/{account}/key-bundle", tag = "keys", params(("account" = Uuid, Path)), responses(
    (status = 200, body = SignedBytes), (status = "default", body = Problem)))]
pub async fn key_bundle(
    _: CurrentAccount,
    State(app): State<App>,
    Path(account): Path<Uuid>,
) -> Result<axum::Json<SignedBytes>> {
    Ok(axum::Json(current_bundle(app.db.read(), account).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct VaultQuery {
    /// The version one knows: only a later one is of interest.
    known: Option<i64>,
}

/// One's own vault; nothing (204) when it is no later than the one that is `known`.
#[utoipa::path(get, path = "/vault", tag = "keys", params(VaultQuery), responses(
    (status = 200, body = Vault), (status = 204), (status = "default", body = Problem)))]
pub async fn vault(
    current: CurrentAccount,
    State(app): State<App>,
    Query(query): Query<VaultQuery>,
) -> Result<Response> {
    let vault = own_vault(app.db.read(), current.account).await?;
    Ok(if query.known.is_some_and(|known| vault.version <= known) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        axum::Json(vault).into_response()
    })
}

pub async fn own_vault(db: &impl ConnectionTrait, account: Uuid) -> Result<Vault> {
    let row = vaults::Entity::find_by_id(account).one(db).await?.ok_or(Code::SignedOut)?;
    Ok(Vault { version: row.version, boxed: row.boxed.into() })
}

pub async fn insert_vault(tx: &impl ConnectionTrait, account: Uuid, vault: Vault) -> Result<()> {
    let row = vaults::Model { account, version: vault.version, boxed: vault.boxed.0 };
    vaults::Entity::insert(vaults::ActiveModel::from(row)).exec_without_returning(tx).await?;
    Ok(())
}

/// Write one's vault. Its version must be the next one, so that two browsers cannot undo each other's writes.
#[utoipa::path(put, path = "/vault", tag = "keys", request_body = Vault, responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn write_vault(
    current: CurrentAccount,
    State(app): State<App>,
    Json(vault): Json<Vault>,
) -> Result<StatusCode> {
    if !(1..=MAX_VAULT_BYTES).contains(&vault.boxed.0.len()) {
        return Err(Code::BadKeyMaterial.into());
    }
    let written = Event::Vault { version: vault.version };
    app.db
        .write(async |tx| {
            let version = vaults::Entity::find_by_id(current.account)
                .select_only()
                .column(vaults::Column::Version)
                .into_tuple::<i64>()
                .one(tx)
                .await?
                .ok_or(Code::SignedOut)?;
            if version.checked_add(1) != Some(vault.version) {
                return Err(Code::VaultConflict.into());
            }
            let row = vaults::Model {
                account: current.account,
                version: vault.version,
                boxed: vault.boxed.0.clone(),
            };
            vaults::ActiveModel::from(row).reset_all().update_without_returning(tx).await?;
            Ok(())
        })
        .await?;
    app.live.publish(&[current.account], &written);
    Ok(StatusCode::NO_CONTENT)
}

/// The keys of an account that begins anew, in the place of all it had. The new bundle follows the one before; what is
/// on its keyring nobody can open any more.
pub async fn renew(
    tx: &impl ConnectionTrait,
    account: Uuid,
    handle: &str,
    new: &SignedBytes,
    vault: &Vault,
) -> Result<()> {
    let before = KeyBundle::open(&current_bundle(tx, account).await?.signed(), account, handle)
        .map_err(|_| Error::internal(format!("the stored key bundle of {account} is damaged")))?;
    let bundle =
        KeyBundle::open(&new.signed(), account, handle).map_err(|_| Error::from(Code::BadKeyBundle))?;
    if !bundle.follows(Some(&before)) || bundle.identity == before.identity {
        return Err(Code::BadKeyBundle.into());
    }
    let row = key_bundles::Model {
        account,
        sequence: bundle.sequence.into(),
        body: new.body.0.clone(),
        signature: new.signature.0.clone(),
    };
    key_bundles::Entity::insert(key_bundles::ActiveModel::from(row)).exec_without_returning(tx).await?;
    if own_vault(tx, account).await?.version.checked_add(1) != Some(vault.version) {
        return Err(Code::VaultConflict.into());
    }
    let row = vaults::Model { account, version: vault.version, boxed: vault.boxed.0.clone() };
    vaults::ActiveModel::from(row).reset_all().update_without_returning(tx).await?;
    keyring::Entity::delete_many().filter(keyring::Column::Account.eq(account)).exec(tx).await?;
    Ok(())
}

/// An epoch's key, boxed by one of the two for themselves.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyringEntry {
    conversation: Uuid,
    epoch: Uuid,
    #[serde(rename = "box")]
    boxed: Bytes,
}

#[derive(Serialize, ToSchema)]
pub struct Keyring {
    entries: Vec<KeyringEntry>,
    next: Option<Uuid>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct KeyringPage {
    /// The last page's `next`.
    cursor: Option<Uuid>,
}

/// One's own keyring, page by page.
#[utoipa::path(get, path = "/keyring", tag = "keys", params(KeyringPage), responses(
    (status = 200, body = Keyring), (status = "default", body = Problem)))]
pub async fn keyring(
    current: CurrentAccount,
    State(app): State<App>,
    Query(page): Query<KeyringPage>,
) -> Result<axum::Json<Keyring>> {
    let rows = keyring::Entity::find()
        .filter(keyring::Column::Account.eq(current.account))
        .filter(keyring::Column::Epoch.gt(page.cursor.unwrap_or(Uuid::nil())))
        .order_by_asc(keyring::Column::Epoch)
        .limit(KEYRING_PAGE)
        .all(app.db.read())
        .await?;
    let next = (rows.len() as u64 == KEYRING_PAGE).then(|| rows.last().map(|row| row.epoch)).flatten();
    let entry = |row: keyring::Model| KeyringEntry {
        conversation: row.conversation,
        epoch: row.epoch,
        boxed: row.boxed.into(),
    };
    Ok(axum::Json(Keyring { entries: rows.into_iter().map(entry).collect(), next }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyringEntries {
    entries: Vec<KeyringEntry>,
}

/// Put epochs' keys on one's keyring. What is there already stays.
#[utoipa::path(put, path = "/keyring", tag = "keys", request_body = KeyringEntries, responses(
    (status = 204), (status = "default", body = Problem)))]
pub async fn add_to_keyring(
    current: CurrentAccount,
    State(app): State<App>,
    Json(new): Json<KeyringEntries>,
) -> Result<StatusCode> {
    if new.entries.len() > MAX_ENTRIES {
        return Err(Code::TooLarge.into());
    }
    app.db
        .write(async |tx| {
            for KeyringEntry { conversation, epoch, boxed } in new.entries.clone() {
                Conversation::load(tx, conversation, current.account).await?;
                require_epoch(tx, conversation, epoch).await?;
                put_on_keyring(tx, current.account, conversation, epoch, boxed).await?;
            }
            Ok(StatusCode::NO_CONTENT)
        })
        .await
}

async fn require_epoch(tx: &impl ConnectionTrait, conversation: Uuid, epoch: Uuid) -> Result<()> {
    let epoch = epochs::Entity::find().filter(epochs::Column::Id.eq(epoch)).one(tx).await?;
    match epoch {
        Some(row) if row.conversation == conversation => Ok(()),
        _ => Err(Code::UnknownEpoch.into()),
    }
}

/// An epoch that is there already stays as it is.
pub async fn put_on_keyring(
    tx: &impl ConnectionTrait,
    account: Uuid,
    conversation: Uuid,
    epoch: Uuid,
    boxed: Bytes,
) -> Result<()> {
    if boxed.0.len() != KEYRING_ENTRY_BYTES {
        return Err(Code::BadKeyMaterial.into());
    }
    let row = keyring::ActiveModel::from(keyring::Model { account, epoch, conversation, boxed: boxed.0 });
    keyring::Entity::insert(row).on_conflict_do_nothing().exec_without_returning(tx).await?;
    Ok(())
}
