//! What happens at a time: messages that disappear, and epochs whose keys go after them; messages that wait to be
//! sent.
//!
//! `expiring` is a queue in the order of time, apart from `messages`: an index of all messages by a time that most
//! of them do not have would cost each new one a second page.

use sea_orm_migration::schema::{big_integer, big_integer_null, blob, boolean, uuid};
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::sea_query::{Index, Table};
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, async_trait};

use super::m2026_11_23_first::table;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            ("messages", big_integer_null("expires_at")),
            ("conversations", big_integer("timer").default(0).take()),
            ("conversations", big_integer("timer_seq").default(0).take()),
            ("epochs", boolean("closed").default(false).take()),
        ];
        for (table, column) in columns {
            manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
        }
        let at = || big_integer("at");
        let tables = [
            table(
                "expiring",
                &["at", "conversation", "seq"],
                vec![at(), uuid("conversation"), big_integer("seq")],
            ),
            table(
                "outliving",
                &["at", "conversation", "number"],
                vec![at(), uuid("conversation"), big_integer("number")],
            ),
            table(
                "scheduled",
                &["sender", "id"],
                vec![
                    uuid("sender"),
                    uuid("id"),
                    uuid("conversation"),
                    uuid("epoch"),
                    blob("envelope"),
                    at(),
                    big_integer("written_at"),
                ],
            ),
        ];
        for table in tables {
            manager.create_table(table).await?;
        }
        let due = Index::create().name("scheduled_by_time").table("scheduled").col("at").take();
        manager.create_index(due).await
    }
}
