//! Key material that the server keeps for people and cannot use itself: key bundles (public), vaults and
//! keyrings (boxed under keys that only their owner has), and epochs (sealed to the two people of a
//! conversation). It checks what can be checked without a key, so that no client is handed nonsense.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use e2ee::{Grant, KeyBundle, Signed};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::clock::{HOUR, Millis};
use crate::conversations::Conversation;
use crate::erasure;
use crate::error::{Code, Error, Problem, Result, is_duplicate};
use crate::event::Event;
use crate::people;
use crate::schema::tables::{
    conversations, epochs, key_bundles, keyring, messages, outliving, reactions, scheduled, vaults, versions,
};
use crate::sessions::CurrentAccount;
use crate::wire::{Bytes, Json, Path, Query};

/// Room for the pins of thousands of contacts.
pub const MAX_VAULT_BYTES: usize = 512 << 10;
/// Version byte, nonce, 32 bytes of epoch key, tag.
const KEYRING_ENTRY_BYTES: usize = 1 + 24 + 32 + 16;
const MAX_ENTRIES: usize = 500;
const KEYRING_PAGE: u64 = 1_000;
const EPOCHS_PAGE: u64 = 50;
/// A message may be under way in its epoch for so long after the next one has begun.
const LATE: Millis = HOUR;

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

async fn put_on_keyring(
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

/// An epoch without its keys.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Epoch {
    pub id: Uuid,
    pub number: i64,
    pub created_at: Millis,
    /// The first message number that it may carry.
    pub first_seq: i64,
    /// It takes no more envelopes: the next one is sealed under another epoch.
    pub closed: bool,
}

impl Epoch {
    /// `closed`: up to which epoch of its conversation none takes envelopes any more.
    pub fn of(row: &epochs::Model, closed: i64) -> Self {
        Self {
            id: row.id,
            number: row.number,
            created_at: row.created_at,
            first_seq: row.first_seq,
            closed: row.number <= closed,
        }
    }
}

/// An epoch with the grant that carries its key, sealed to each of the two. Both are empty when what it carried has
/// disappeared, and its key after it.
#[derive(Serialize, ToSchema)]
pub struct GrantedEpoch {
    id: Uuid,
    number: i64,
    body: Bytes,
    signature: Bytes,
}

#[derive(Serialize, ToSchema)]
pub struct GrantedEpochs {
    epochs: Vec<GrantedEpoch>,
    next: Option<i64>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct EpochsPage {
    /// Epochs with a higher number than this.
    after: Option<i64>,
    limit: Option<u64>,
}

/// The grants of a conversation, in their order.
#[utoipa::path(get, path = "/conversations/{conversation}/epochs", tag = "keys",
    params(("conversation" = Uuid, Path), EpochsPage), responses(
    (status = 200, body = GrantedEpochs), (status = "default", body = Problem)))]
pub async fn epochs(
    conversation: Conversation,
    State(app): State<App>,
    Query(page): Query<EpochsPage>,
) -> Result<axum::Json<GrantedEpochs>> {
    let limit = page.limit.unwrap_or(EPOCHS_PAGE).clamp(1, EPOCHS_PAGE);
    let rows = epochs::Entity::find()
        .filter(epochs::Column::Conversation.eq(conversation.id))
        .filter(epochs::Column::Number.gt(page.after.unwrap_or(0)))
        .order_by_asc(epochs::Column::Number)
        .limit(limit)
        .all(app.db.read())
        .await?;
    let next = (rows.len() as u64 == limit).then(|| rows.last().map(|row| row.number)).flatten();
    let granted = |row: epochs::Model| GrantedEpoch {
        id: row.id,
        number: row.number,
        body: row.body.into(),
        signature: row.signature.into(),
    };
    Ok(axum::Json(GrantedEpochs { epochs: rows.into_iter().map(granted).collect(), next }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEpoch {
    grant: SignedBytes,
    /// The epoch's key, boxed by its creator for themselves.
    keyring: Bytes,
}

/// Open the next epoch. Of two that do so at once, one wins; the other gets `epoch_conflict` and adopts the
/// winner's.
#[utoipa::path(post, path = "/conversations/{conversation}/epochs", tag = "keys",
    params(("conversation" = Uuid, Path)), request_body = NewEpoch, responses(
    (status = 201, body = Epoch), (status = "default", body = Problem)))]
pub async fn open_epoch(
    conversation: Conversation,
    State(app): State<App>,
    Json(new): Json<NewEpoch>,
) -> Result<(StatusCode, axum::Json<Epoch>)> {
    let signed = new.grant.signed();
    let grant = Grant::parse(&signed).map_err(|_| Code::BadGrant)?;
    let row = app
        .db
        .write(async |tx| {
            let number = check_grant(tx, &conversation, &grant).await?;
            let state =
                conversations::Entity::find_by_id(conversation.id).one(tx).await?.ok_or(Code::NotFound)?;
            let row = epochs::Model {
                conversation: conversation.id,
                number,
                id: grant.epoch,
                body: signed.body.clone(),
                signature: signed.signature.clone(),
                first_seq: state.seq + 1,
                created_at: app.clock.now(),
            };
            insert_epoch(tx, &row).await?;
            // Messages that disappear may be under the one before, also where new ones no longer do.
            if state.timer_seq > 0 && number > 1 {
                let at = app.clock.now() + state.timer + LATE;
                let outliving = outliving::Model { at, conversation: conversation.id, number: number - 1 };
                outliving::Entity::insert(outliving::ActiveModel::from(outliving))
                    .exec_without_returning(tx)
                    .await?;
            }
            put_on_keyring(tx, conversation.me, conversation.id, row.id, new.keyring.clone()).await?;
            let change = conversations::ActiveModel {
                id: Set(conversation.id),
                epoch: Set(number),
                ..Default::default()
            };
            change.update_without_returning(tx).await?;
            Ok(row)
        })
        .await?;
    let epoch = Epoch::of(&row, 0);
    app.live
        .publish(&conversation.both(), &Event::Epoch { conversation: conversation.id, epoch: epoch.clone() });
    Ok((StatusCode::CREATED, axum::Json(epoch)))
}

/// Everything about a grant that can be checked without its key: whose it is, what it follows, whom it serves.
async fn check_grant(tx: &impl ConnectionTrait, conversation: &Conversation, grant: &Grant) -> Result<i64> {
    // Nobody writes to an account that is gone; its epochs may be, too.
    current_bundle(tx, conversation.peer()).await?;
    let last = epochs::Entity::find()
        .filter(epochs::Column::Conversation.eq(conversation.id))
        .order_by_desc(epochs::Column::Number)
        .one(tx)
        .await?;
    let fits = grant.conversation == conversation.id && grant.creator == conversation.me;
    if !fits {
        return Err(Code::BadGrant.into());
    }
    let number = last.as_ref().map_or(0, |last| last.number) + 1;
    if i64::from(grant.number) != number {
        return Err(Code::EpochConflict.into());
    }
    let previous_hash = match last {
        Some(last) => Signed { body: last.body, signature: last.signature }.hash(),
        None => [0; 32],
    };
    if grant.previous_hash != previous_hash {
        return Err(Code::BadGrant.into());
    }
    for (account, share) in conversation.both().into_iter().zip(&grant.shares) {
        if share.account != account {
            return Err(Code::BadGrant.into());
        }
        let bundle = open_bundle(tx, account).await?;
        if account == grant.creator {
            grant.verify(&bundle.identity).map_err(|_| Code::BadGrant)?;
        }
        if share.encryption_hash != bundle.encryption_hash() {
            return Err(Code::StaleKeyBundle.into());
        }
    }
    Ok(number)
}

async fn open_bundle(tx: &impl ConnectionTrait, account: Uuid) -> Result<KeyBundle> {
    let signed = current_bundle(tx, account).await?.signed();
    let person = people::load(tx, account).await?;
    KeyBundle::open(&signed, account, &person.handle)
        .map_err(|_| Error::internal(format!("the stored key bundle of {account} is damaged")))
}

/// Have a look, `at` a time, whether anything is left under the epochs of a conversation up to one.
pub async fn outlive(tx: &impl ConnectionTrait, conversation: Uuid, up_to: i64, at: Millis) -> Result<()> {
    let numbers: Vec<i64> = epochs::Entity::find()
        .select_only()
        .column(epochs::Column::Number)
        .filter(epochs::Column::Conversation.eq(conversation))
        .filter(epochs::Column::Number.lte(up_to))
        .filter(epochs::Column::Body.ne(Vec::<u8>::new()))
        .into_tuple()
        .all(tx)
        .await?;
    let rows = numbers.into_iter().map(|number| outliving::Model { at, conversation, number });
    outliving::Entity::insert_many(rows.map(outliving::ActiveModel::from))
        .on_conflict_do_nothing()
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// The keys of epochs whose time is over go, where nothing is left that they open.
pub async fn erase_outlived(app: &App) -> Result<()> {
    let due = outliving::Entity::find()
        .filter(outliving::Column::At.lte(app.clock.now()))
        .order_by_asc(outliving::Column::At)
        .all(app.db.read())
        .await?;
    for row in due {
        let found = epochs::Entity::find_by_id((row.conversation, row.number)).one(app.db.read()).await?;
        let Some(epoch) = found else { continue };
        let erased = app.db.write(async |tx| erase(tx, &row, &epoch).await).await?;
        if let Some(both) = erased {
            app.live
                .publish(&both, &Event::EpochErased { conversation: epoch.conversation, epoch: epoch.id });
        }
    }
    Ok(())
}

/// The two people, when nothing was left under it. It is closed first, with all before it: the writer looks at that
/// in its own transaction, so nothing can come that nobody could read. Where something is left, it is looked at again
/// when that is over; and what never is keeps the key for good.
async fn erase(
    tx: &impl ConnectionTrait,
    row: &outliving::Model,
    epoch: &epochs::Model,
) -> Result<Option<[Uuid; 2]>> {
    let taken = outliving::Entity::delete_by_id((row.at, row.conversation, row.number)).exec(tx).await?;
    if taken.rows_affected == 0 {
        return Ok(None);
    }
    let found = conversations::Entity::find_by_id(epoch.conversation).one(tx).await?;
    let Some(conversation) = found else { return Ok(None) };
    let closed = conversations::ActiveModel {
        id: Set(conversation.id),
        closed_epoch: Set(conversation.closed_epoch.max(epoch.number)),
        ..Default::default()
    };
    closed.update_without_returning(tx).await?;
    match last_use(tx, epoch).await? {
        Some(Some(until)) => {
            let again = outliving::Model { at: until + LATE, ..row.clone() };
            outliving::Entity::insert(outliving::ActiveModel::from(again)).exec_without_returning(tx).await?;
            Ok(None)
        }
        Some(None) => Ok(None),
        None => {
            let erased = epochs::ActiveModel {
                conversation: Set(epoch.conversation),
                number: Set(epoch.number),
                body: Set(Vec::new()),
                signature: Set(Vec::new()),
                ..Default::default()
            };
            erased.update_without_returning(tx).await?;
            let both = [conversation.low, conversation.high];
            keyring::Entity::delete_many()
                .filter(keyring::Column::Account.is_in(both))
                .filter(keyring::Column::Epoch.eq(epoch.id))
                .exec(tx)
                .await?;
            Ok(Some(both))
        }
    }
}

/// Until when something sealed under the epoch is kept: for ever is `Some(None)`; `None` when there is nothing.
async fn last_use(tx: &impl ConnectionTrait, epoch: &epochs::Model) -> Result<Option<Option<Millis>>> {
    let messages = messages::Entity::find()
        .select_only()
        .column(messages::Column::ExpiresAt)
        .filter(messages::Column::Conversation.eq(epoch.conversation))
        .filter(messages::Column::DeletedAt.is_null());
    let own = messages.clone().filter(messages::Column::Epoch.eq(epoch.id));
    let edited = messages.clone().filter(
        messages::Column::Seq.in_subquery(
            versions::Entity::find()
                .select_only()
                .column(versions::Column::Seq)
                .filter(versions::Column::Conversation.eq(epoch.conversation))
                .filter(versions::Column::Epoch.eq(epoch.id))
                .into_query(),
        ),
    );
    let reacted = messages.filter(
        messages::Column::Seq.in_subquery(
            reactions::Entity::find()
                .select_only()
                .column(reactions::Column::Seq)
                .filter(reactions::Column::Conversation.eq(epoch.conversation))
                .filter(reactions::Column::Epoch.eq(epoch.id))
                .into_query(),
        ),
    );
    let mut uses = Vec::new();
    for select in [own, edited, reacted] {
        uses.extend(select.distinct().into_tuple::<Option<Millis>>().all(tx).await?);
    }
    let waiting = scheduled::Entity::find()
        .filter(scheduled::Column::Conversation.eq(epoch.conversation))
        .filter(scheduled::Column::Epoch.eq(epoch.id))
        .one(tx)
        .await?;
    // What waits to be sent begins its time then: it is looked at again.
    uses.extend(waiting.map(|waiting| Some(waiting.at)));
    Ok(if uses.contains(&None) { Some(None) } else { uses.into_iter().flatten().max().map(Some) })
}

async fn insert_epoch(tx: &impl ConnectionTrait, row: &epochs::Model) -> Result<()> {
    let inserted =
        epochs::Entity::insert(epochs::ActiveModel::from(row.clone())).exec_without_returning(tx).await;
    match inserted {
        Err(error) if is_duplicate(&error) => Err(Code::EpochConflict.into()),
        other => Ok(other.map(drop)?),
    }
}
