//! Accounts: what one is, and how its handle and its name may look.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::clock::Millis;
use crate::error::{Code, Result};
use crate::people::{self, Person};
use crate::privacy::Privacy;
use crate::schema::tables::accounts;

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
