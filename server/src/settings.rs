//! What administrators decide while the server runs: one JSON document a subject, in the database, read whenever it is
//! needed, so that all nodes agree.

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::schema::tables::settings as table;

/// As it was decided, or by default. A document that cannot be read is an error: it must not open what was closed.
pub async fn load<T: DeserializeOwned + Default>(db: &impl ConnectionTrait, name: &str) -> Result<T> {
    match table::Entity::find_by_id(name).one(db).await? {
        Some(row) => serde_json::from_slice(&row.value).map_err(Error::internal),
        None => Ok(T::default()),
    }
}

pub async fn forget(tx: &impl ConnectionTrait, name: &str) -> Result<()> {
    table::Entity::delete_by_id(name).exec(tx).await?;
    Ok(())
}

pub async fn keep<T: Serialize>(tx: &impl ConnectionTrait, name: &str, document: &T) -> Result<()> {
    let value = serde_json::to_vec(document).map_err(Error::internal)?;
    let row = table::ActiveModel { name: Set(name.to_owned()), value: Set(value.clone()) };
    table::Entity::insert(row).on_conflict_do_nothing().exec_without_returning(tx).await?;
    table::Entity::update_many()
        .set(table::ActiveModel { value: Set(value), ..Default::default() })
        .filter(table::Column::Name.eq(name))
        .exec(tx)
        .await?;
    Ok(())
}
