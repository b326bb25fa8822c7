//! The database: its pool, its migrations, and the two ways to use it.
//!
//! Reads go to the pool as they come. Every write goes through [`Db::write`], which on SQLite lets one writer
//! in at a time and takes the write lock *before* the first read: a transaction that reads and only then
//! writes would otherwise fail half-way when another one was faster.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use tokio::sync::Mutex;

use crate::error::{Error, Result};
use crate::schema::Migrator;

/// Readers that work side by side; each costs some memory for its page cache.
const CONNECTIONS: u32 = 5;

#[derive(Clone)]
pub struct Db {
    pool: DatabaseConnection,
    writer: Arc<Mutex<()>>,
}

impl Db {
    /// Open (or create) `entrenous.db` in the data folder and bring its schema up to date.
    pub async fn open(data: &Path) -> Result<Self, DbErr> {
        let path = data.join("entrenous.db");
        // Made here, so that nobody else may read it; SQLite gives its companions the same rights.
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| DbErr::Custom(format!("{}: {error}", path.display())))?;
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", path.display()));
        options
            .max_connections(CONNECTIONS)
            .min_connections(1)
            .acquire_timeout(Duration::from_secs(10))
            .sqlx_logging(false)
            .map_sqlx_sqlite_opts(|options| {
                options
                    .pragma("journal_mode", "WAL")
                    // Acknowledged means synced: NORMAL would lose the last commits in a power cut.
                    .pragma("synchronous", "FULL")
                    .pragma("cache_size", "-2000")
                    .busy_timeout(Duration::from_secs(10))
            });
        let pool = Database::connect(options).await?;
        Migrator::up(&pool, None).await?;
        Ok(Self { pool, writer: Arc::default() })
    }

    /// For reads.
    pub fn read(&self) -> &impl ConnectionTrait {
        &self.pool
    }

    /// Run `work` in a transaction of its own; an error rolls everything back.
    pub async fn write<T>(&self, work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T>) -> Result<T> {
        let _turn = self.writer.lock().await;
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        let transaction = self.pool.begin_with_options(options).await?;
        let done = work(&transaction).await?;
        transaction.commit().await?;
        Ok(done)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        self.pool.ping().await.map_err(Error::from)
    }

    /// Close all connections; SQLite folds its log back into the database.
    pub async fn close(self) -> Result<(), DbErr> {
        self.pool.close().await
    }
}
