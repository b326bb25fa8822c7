//! The lists of conversations are sorted when they are asked for. With `active_at` in their indexes, each
//! message moved an entry in both: two more pages to write and sync.

use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::sea_query::Index;
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, async_trait};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (old, new, column) in [
            ("conversations_by_low", "conversations_of_low", "low"),
            ("conversations_by_high", "conversations_of_high", "high"),
        ] {
            manager.create_index(Index::create().name(new).table("conversations").col(column).take()).await?;
            manager.drop_index(Index::drop().name(old).table("conversations").to_owned()).await?;
        }
        Ok(())
    }
}
