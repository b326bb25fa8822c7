//! From which message on a conversation is kept, and which reports are done with.

use sea_orm_migration::schema::{big_integer, big_integer_null};
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::sea_query::Table;
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, async_trait};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            ("conversations", "kept_from", big_integer("kept_from").default(1).take()),
            ("reports", "closed_at", big_integer_null("closed_at")),
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
