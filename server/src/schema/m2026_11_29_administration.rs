//! What administrators did.

use sea_orm_migration::schema::{big_integer, string_len, text, uuid, uuid_null};
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, async_trait};

use super::engine::Engine;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = Engine(manager.get_database_backend());
        let audit = [
            uuid("id"),
            uuid_null("administrator"),
            string_len("act", 32),
            uuid_null("account"),
            text("detail"),
            big_integer("at"),
        ];
        manager.create_table(engine.table("audit", &["id"], audit)).await
    }
}
