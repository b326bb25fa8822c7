//! What people report to the administrators, with the messages they chose to disclose.

use sea_orm_migration::schema::{big_integer, string_len, text, uuid};
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::sea_query::Index;
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, async_trait};

use super::m2026_11_23_first::table;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            table(
                "reports",
                &["id"],
                vec![
                    uuid("id"),
                    uuid("reporter"),
                    uuid("account"),
                    string_len("reason", 16),
                    text("note"),
                    big_integer("created_at"),
                ],
            ),
            table(
                "reported_messages",
                &["report", "seq"],
                vec![
                    uuid("report"),
                    big_integer("seq"),
                    uuid("conversation"),
                    text("text"),
                    big_integer("sent_at"),
                ],
            ),
        ];
        for table in tables {
            manager.create_table(table).await?;
        }
        let mut of_reporter = Index::create();
        of_reporter.name("reports_by_reporter").table("reports").col("reporter").col("created_at");
        manager.create_index(of_reporter).await
    }
}
