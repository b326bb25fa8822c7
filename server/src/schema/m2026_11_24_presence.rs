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

#[cfg(test)]
mod tests {
    use sea_orm_migration::MigratorTrait;
    use sea_orm_migration::sea_orm::{ConnectionTrait, Database, DatabaseBackend, Statement};

    use crate::schema::Migrator;

    #[tokio::test]
    async fn what_was_read_before_there_was_a_choice_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("before.db");
        let db = Database::connect(format!("sqlite://{}?mode=rwc", path.display())).await.unwrap();
        Migrator::up(&db, Some(3)).await.unwrap();
        db.execute_unprepared(
            "INSERT INTO conversations (id, low, high, seq, rev, epoch, active_at, low_delivered, high_delivered,
             low_read, high_read, low_unread, high_unread) VALUES (x'01', x'02', x'03', 9, 9, 1, 1, 8, 9, 4, 7, 0, 0)",
        )
        .await
        .unwrap();
        Migrator::up(&db, None).await.unwrap();
        let shown = Statement::from_string(
            DatabaseBackend::Sqlite,
            "SELECT low_shown, high_shown FROM conversations",
        );
        let row = db.query_one_raw(shown).await.unwrap().unwrap();
        let mark = |name| row.try_get::<i64>("", name).unwrap();
        assert_eq!((mark("low_shown"), mark("high_shown")), (4, 7));
    }
}
