//! Slots: the key of an account, boxed under each of the things that open it. Each is replaced without touching what the
//! key protects. The server can open none.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::schema::tables::slots;
use crate::wire::Bytes;

/// Version byte, nonce, 32 bytes of account key, tag.
const SLOT_BYTES: usize = 1 + 24 + 32 + 16;

/// What opens a slot.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlotKind {
    Password,
    Recovery,
    /// An account has as many as it has passkeys that give a secret, each under its passkey's id.
    Passkey,
}

impl SlotKind {
    fn name(self) -> &'static str {
        match self {
            SlotKind::Password => "password",
            SlotKind::Recovery => "recovery",
            SlotKind::Passkey => "passkey",
        }
    }
}

/// The account key, boxed under what opens this slot.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Slot {
    pub id: Uuid,
    #[serde(rename = "box")]
    pub boxed: Bytes,
}

impl Slot {
    /// The one of this kind that an account has.
    pub async fn of(db: &impl ConnectionTrait, account: Uuid, kind: SlotKind) -> Result<Self> {
        let row = slots::Entity::find()
            .filter(slots::Column::Account.eq(account))
            .filter(slots::Column::Kind.eq(kind.name()))
            .one(db)
            .await?
            .ok_or_else(|| Error::internal(format!("an account without a {} slot", kind.name())))?;
        Ok(Self { id: row.id, boxed: row.boxed.into() })
    }
}

/// The one that this passkey opens.
pub async fn of_passkey(db: &impl ConnectionTrait, account: Uuid, passkey: Uuid) -> Result<Slot> {
    let id = (account, SlotKind::Passkey.name().to_owned(), passkey);
    let row = slots::Entity::find_by_id(id).one(db).await?;
    let row = row.ok_or_else(|| Error::internal("a passkey was removed while it logged in"))?;
    Ok(Slot { id: row.id, boxed: row.boxed.into() })
}

/// The passkeys that open one of these accounts.
pub async fn of_passkeys(db: &impl ConnectionTrait, accounts: &[Uuid]) -> Result<Vec<Uuid>> {
    Ok(slots::Entity::find()
        .select_only()
        .column(slots::Column::Id)
        .filter(slots::Column::Account.is_in(accounts.iter().copied()))
        .filter(slots::Column::Kind.eq(SlotKind::Passkey.name()))
        .into_tuple()
        .all(db)
        .await?)
}

pub async fn remove_passkey(tx: &impl ConnectionTrait, account: Uuid, passkey: Uuid) -> Result<()> {
    let id = (account, SlotKind::Passkey.name().to_owned(), passkey);
    slots::Entity::delete_by_id(id).exec(tx).await?;
    Ok(())
}

/// All that passkeys open.
pub async fn remove_passkeys(tx: &impl ConnectionTrait, account: Uuid) -> Result<()> {
    remove(tx, account, SlotKind::Passkey).await
}

async fn remove(tx: &impl ConnectionTrait, account: Uuid, kind: SlotKind) -> Result<()> {
    slots::Entity::delete_many()
        .filter(slots::Column::Account.eq(account))
        .filter(slots::Column::Kind.eq(kind.name()))
        .exec(tx)
        .await?;
    Ok(())
}

/// A slot as its owner's client has made it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSlot {
    id: Uuid,
    kind: SlotKind,
    #[serde(rename = "box")]
    boxed: Bytes,
}

impl NewSlot {
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// As long as it must be.
    pub fn is_for(&self, kind: SlotKind) -> bool {
        self.kind == kind && self.boxed.0.len() == SLOT_BYTES
    }

    pub async fn insert(&self, tx: &impl ConnectionTrait, account: Uuid) -> Result<()> {
        let slot = slots::Model {
            id: self.id,
            account,
            kind: self.kind.name().to_owned(),
            boxed: self.boxed.0.clone(),
        };
        slots::Entity::insert(slots::ActiveModel::from(slot)).exec_without_returning(tx).await?;
        Ok(())
    }

    /// In the place of those of its kind.
    pub async fn replace(&self, tx: &impl ConnectionTrait, account: Uuid) -> Result<()> {
        remove(tx, account, self.kind).await?;
        self.insert(tx, account).await
    }
}
