//! What a person needs to recognise their sessions, and since when their conversations want new keys.

use sea_orm_migration::schema::{big_integer, string_len};
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::sea_query::{ColumnDef, Table};
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, async_trait};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let text = |name, length| string_len(name, length).default("").take();
        let columns: [(&str, &str, ColumnDef); 3] = [
            ("sessions", "browser", text("browser", 300)),
            ("sessions", "address", text("address", 45)),
            ("accounts", "secured_at", big_integer("secured_at").default(0).take()),
        ];
        for (table, name, mut column) in columns {
            // MySQL commits each step by itself: one that was cut short is taken up here.
            if !manager.has_column(table, name).await? {
                manager.alter_table(Table::alter().table(table).add_column(&mut column).take()).await?;
            }
        }
        Ok(())
    }
}
