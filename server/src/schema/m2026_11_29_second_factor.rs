//! The second factor of a log-in.

use sea_orm_migration::schema::{big_integer, string_len, uuid};
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, async_trait};

use super::engine::Engine;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = Engine(manager.get_database_backend());
        let factors = [
            uuid("account"),
            engine.bytes("secret").null().take(),
            big_integer("last_step"),
            big_integer("changed_at"),
        ];
        let codes = [uuid("account"), engine.short_bytes("hash", 32)];
        let pending = [
            uuid("id"),
            string_len("handle", 32),
            engine.short_bytes("of_record", 32),
            big_integer("expires_at"),
        ];
        for table in [
            engine.table("second_factors", &["account"], factors),
            engine.table("backup_codes", &["account", "hash"], codes),
            engine.table("pending_logins", &["id"], pending),
        ] {
            manager.create_table(table).await?;
        }
        Ok(())
    }
}
