//! Passkeys, and what they are asked to sign.

use sea_orm_migration::schema::{big_integer, big_integer_null, string_len, uuid, uuid_null};
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, async_trait};

use super::engine::Engine;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = Engine(manager.get_database_backend());
        let passkeys = [
            uuid("account"),
            uuid("id"),
            string_len("name", 64),
            string_len("site", 253),
            engine.bytes("credential"),
            engine.bytes("public_key"),
            big_integer("counter"),
            big_integer("created_at"),
            big_integer_null("used_at"),
        ];
        let challenges = [engine.short_bytes("challenge", 32), uuid_null("about"), big_integer("expires_at")];
        for table in [
            engine.table("passkeys", &["account", "id"], passkeys),
            engine.table("challenges", &["challenge"], challenges),
        ] {
            manager.create_table(table).await?;
        }
        Ok(())
    }
}
