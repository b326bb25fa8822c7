//! What people let each other see: presence, typing, read receipts. What somebody has read is one thing
//! (their own browsers agree on it), what the other person was shown of it another.

use sea_orm_migration::schema::{big_integer, big_integer_null, boolean};
use sea_orm_migration::sea_orm::{ConnectionTrait, DeriveMigrationName};
use sea_orm_migration::sea_query::Table;
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, async_trait};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let yes = |name: &'static str| boolean(name).default(true).take();
        let zero = |name: &'static str| big_integer(name).default(0).take();
        let columns = [
            ("accounts", yes("shares_presence")),
            ("accounts", yes("shares_typing")),
            ("accounts", yes("shares_receipts")),
            ("accounts", big_integer_null("last_seen")),
            ("conversations", zero("low_shown")),
            ("conversations", zero("high_shown")),
        ];
        for (table, column) in columns {
            manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
        }
        let shown = "UPDATE conversations SET low_shown = low_read, high_shown = high_read";
        manager.get_connection().execute_unprepared(shown).await?;
        Ok(())
    }
}
