//! What two people do with messages after they are sent: edits, deletions, reactions; and what one does about
//! another: blocks.
//!
//! A message's row is what it says now, so that a page of history stays one stretch of the tree; what it said
//! before lies in `versions`. `changes` lists the messages that are not as they were first stored, in the order
//! of their last change: an index of all messages by `rev` would cost each new one a second page.

use sea_orm_migration::schema::{
    big_integer, big_integer_null, blob, boolean, small_integer, uuid, uuid_null,
};
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::sea_query::{ColumnDef, Table};
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, async_trait};

use super::m2026_11_23_first::table;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let no = |name: &'static str| boolean(name).default(false).take();
        let zero = |mut column: ColumnDef| column.default(0).take();
        let columns = [
            ("messages", uuid_null("version")),
            ("messages", zero(small_integer("edits"))),
            ("messages", big_integer_null("edited_at")),
            ("messages", big_integer_null("deleted_at")),
            ("messages", zero(small_integer("reactions"))),
            ("messages", no("changed")),
            ("messages", no("hidden")),
            ("conversations", no("low_blocks")),
            ("conversations", no("high_blocks")),
        ];
        for (table, column) in columns {
            manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
        }
        let place = || vec![uuid("conversation"), big_integer("seq")];
        let sealed = || vec![uuid("id"), uuid("epoch"), blob("envelope")];
        let tables = [
            table(
                "versions",
                &["conversation", "seq", "number"],
                [place(), vec![small_integer("number")], sealed(), vec![big_integer("sent_at")]].concat(),
            ),
            table(
                "reactions",
                &["conversation", "seq", "sender"],
                [place(), vec![uuid("sender")], sealed(), vec![boolean("hidden")]].concat(),
            ),
            table(
                "changes",
                &["conversation", "rev"],
                vec![uuid("conversation"), big_integer("rev"), big_integer("seq")],
            ),
        ];
        for table in tables {
            manager.create_table(table).await?;
        }
        Ok(())
    }
}
