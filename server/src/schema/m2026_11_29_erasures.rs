//! Accounts that are to be erased, or were.

use sea_orm_migration::schema::{big_integer, big_integer_null, boolean, uuid};
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::sea_query::{Index, Table};
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, async_trait};

use super::engine::Engine;

#[derive(DeriveMigrationName)]
pub struct Migration;

const BY_RECEIPT: &str = "erasures_by_receipt";
const BY_HANDLE: &str = "erasures_by_handle";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = Engine(manager.get_database_backend());
        let erasures = [
            uuid("account"),
            boolean("by_owner"),
            big_integer("asked_at"),
            big_integer_null("begun_at"),
            big_integer_null("done_at"),
            engine.short_bytes("receipt", 32).null().take(),
            engine.short_bytes("handle", 32).null().take(),
            big_integer("messages"),
            big_integer("conversations"),
        ];
        manager.create_table(engine.table("erasures", &["account"], erasures)).await?;
        for (name, column) in [(BY_RECEIPT, "receipt"), (BY_HANDLE, "handle")] {
            if !manager.has_index("erasures", name).await? {
                let index = Index::create().name(name).table("erasures").col(column).take();
                manager.create_index(index).await?;
            }
        }
        // MySQL commits each step by itself: one that was cut short is taken up here.
        if manager.has_column("accounts", "erase_at").await? {
            return Ok(());
        }
        let mut column = big_integer_null("erase_at");
        manager.alter_table(Table::alter().table("accounts").add_column(&mut column).take()).await
    }
}
