//! Beginning anew where everything that opened an account is lost.

use sea_orm_migration::schema::{big_integer, uuid};
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::sea_query::Table;
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, async_trait};

use super::engine::Engine;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = Engine(manager.get_database_backend());
        let resets = [
            uuid("id"),
            uuid("account"),
            engine.short_bytes("token_hash", 32),
            big_integer("created_at"),
            big_integer("expires_at"),
        ];
        manager.create_table(engine.table("resets", &["id"], resets)).await?;
        // MySQL commits each step by itself: one that was cut short is taken up here.
        if manager.has_column("accounts", "renewed_at").await? {
            return Ok(());
        }
        let mut column = big_integer("renewed_at").default(0).take();
        manager.alter_table(Table::alter().table("accounts").add_column(&mut column).take()).await
    }
}
