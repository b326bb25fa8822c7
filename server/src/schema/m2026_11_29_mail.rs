//! Mails that wait to be sent, and whose address is whose.

use sea_orm_migration::schema::{big_integer, string_len, string_len_null, text, uuid};
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
        let addresses = [
            uuid("account"),
            string_len_null("address", 254),
            string_len_null("pending", 254),
            string_len("language", 2),
            string_len("digest", 16),
            big_integer("told_at"),
        ];
        let mails = [
            uuid("id"),
            text("letter"),
            string_len("address", 254),
            string_len("language", 2),
            big_integer("due_at"),
            big_integer("attempts"),
            big_integer("created_at"),
        ];
        let tokens = [
            engine.short_bytes("token_hash", 32),
            string_len("purpose", 16),
            uuid("account"),
            string_len("address", 254),
            big_integer("expires_at"),
        ];
        for table in [
            engine.table("addresses", &["account"], addresses),
            engine.table("mails", &["id"], mails),
            engine.table("mail_tokens", &["token_hash"], tokens),
        ] {
            manager.create_table(table).await?;
        }
        // MySQL commits each step by itself: one that was cut short is taken up here.
        let columns = [
            ("invitations", "address", string_len_null("address", 254)),
            ("resets", "good_from", big_integer("good_from").default(0).take()),
        ];
        for (table, name, mut column) in columns {
            if !manager.has_column(table, name).await? {
                manager.alter_table(Table::alter().table(table).add_column(&mut column).take()).await?;
            }
        }
        Ok(())
    }
}
