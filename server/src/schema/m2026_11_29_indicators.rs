//! Figures of how this server serves its people: as counts, or with nobody's name where it is about what they think.

use sea_orm_migration::schema::{big_integer, boolean, small_integer, text, uuid};
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, async_trait};

use super::engine::Engine;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = Engine(manager.get_database_backend());
        let tables = [
            engine.table("activity", &["day", "account"], [big_integer("day"), uuid("account")]),
            engine.table(
                "delays",
                &["hour", "bucket"],
                [
                    big_integer("hour"),
                    small_integer("bucket"),
                    big_integer("messages"),
                    big_integer("milliseconds"),
                ],
            ),
            engine.table(
                "surveyed",
                &["account", "asked_at"],
                [
                    uuid("account"),
                    big_integer("asked_at"),
                    big_integer("again_at"),
                    small_integer("put_off"),
                    boolean("answered"),
                ],
            ),
            engine.table(
                "opinions",
                &["id"],
                [uuid("id"), big_integer("week"), small_integer("score"), text("comment")],
            ),
        ];
        for table in tables {
            manager.create_table(table).await?;
        }
        Ok(())
    }
}
