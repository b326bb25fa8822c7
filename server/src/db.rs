//! The database: its pool, its migrations, and the ways to use it.
//!
//! Reads go to the pool as they come. Every write waits for its [`Turn`], since SQLite lets one writer in at a
//! time, and takes the write lock *before* the first read: a transaction that reads and only then writes would
//! otherwise fail half-way when another one was faster. Slices write through [`Db::write`]; the message path
//! has a connection of its own ([`Db::connect`]).
//!
//! A commit is a synced append to SQLite's write-ahead log. What the log holds is folded back into the database
//! by a thread of its own, so that no message waits for it.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use sea_orm::sqlx::{self, Connection as _, SqliteConnection};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use tokio::sync::{Mutex, MutexGuard};

use crate::error::{Error, Result};
use crate::schema::Migrator;

/// Readers that work side by side; each costs some memory for its page cache.
const CONNECTIONS: u32 = 5;
const BUSY: Duration = Duration::from_secs(10);
/// KiB of pages at hand for the message path: the ends of the conversations that are written in.
const WRITER_CACHE: i64 = 8_000;
const PRAGMAS: [(&str, &str); 4] = [
    ("journal_mode", "WAL"),
    // Acknowledged means synced: NORMAL would lose the last commits in a power cut.
    ("synchronous", "FULL"),
    ("cache_size", "-2000"),
    // The checkpointer's task.
    ("wal_autocheckpoint", "0"),
];
/// Between two checkpoints: a page that many messages change is folded back once for all of them.
const BREATH: Duration = Duration::from_millis(500);
/// A log longer than this many pages (64 MiB) makes the writers wait until it can begin anew.
const LONG_LOG: i64 = 16 << 10;

#[derive(Clone)]
pub struct Db {
    pool: DatabaseConnection,
    turn: Turn,
    path: Arc<PathBuf>,
}

impl Db {
    /// Open (or create) `entrenous.db` in the data folder and bring its schema up to date.
    pub async fn open(data: &Path) -> Result<Self, DbErr> {
        let path = data.join("entrenous.db");
        let failed = |error: &dyn std::fmt::Display| DbErr::Custom(format!("{}: {error}", path.display()));
        // Made here, so that nobody else may read it; SQLite gives its companions the same rights.
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed(&error))?;
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", path.display()));
        options
            .max_connections(CONNECTIONS)
            .min_connections(1)
            .acquire_timeout(BUSY)
            .sqlx_logging(false)
            .map_sqlx_sqlite_opts(|options| {
                let with = |options: sea_orm::sqlx::sqlite::SqliteConnectOptions, (name, value)| {
                    options.pragma(name, value)
                };
                PRAGMAS.into_iter().fold(options, with).busy_timeout(BUSY)
            })
            .map_sqlx_sqlite_pool_opts(|pool| {
                pool.after_release(|connection, _| Box::pin(is_at_rest(connection)))
            });
        let pool = Database::connect(options).await?;
        // All or nothing: a start that is cut short leaves no half-made schema, which no later start could mend.
        let migration = pool.begin().await?;
        Migrator::up(&migration, None).await?;
        migration.commit().await?;
        let (committed, commits) = mpsc::sync_channel(1);
        let turn = Turn { writers: Arc::default(), committed };
        let connection = connect(&path, 0).map_err(|error| failed(&error))?;
        let writers = turn.writers.clone();
        thread::Builder::new()
            .name("checkpoints".to_owned())
            .spawn(move || fold_back(&connection, &writers, &commits))
            .map_err(|error| failed(&error))?;
        Ok(Self { pool, turn, path: Arc::new(path) })
    }

    /// For reads.
    pub fn read(&self) -> &impl ConnectionTrait {
        &self.pool
    }

    /// Run `work` in a transaction of its own; an error rolls everything back.
    pub async fn write<T>(&self, work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T>) -> Result<T> {
        let _turn = self.turn.take().await;
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        let transaction = self.pool.begin_with_options(options).await?;
        let done = work(&transaction).await?;
        transaction.commit().await?;
        Ok(done)
    }

    /// A connection outside the pool, for a thread that writes on its own; it must wait for its turn.
    pub fn connect(&self) -> Result<Connection> {
        connect(&self.path, WRITER_CACHE).map_err(Error::internal)
    }

    pub fn turn(&self) -> Turn {
        self.turn.clone()
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        self.pool.ping().await.map_err(Error::from)
    }

    /// Fold the log back into the database, and close the pool.
    pub async fn close(self) -> Result<(), DbErr> {
        let _turn = self.turn.take().await;
        self.pool.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        self.pool.close().await
    }
}

/// The right to write, one at a time.
#[derive(Clone)]
pub struct Turn {
    writers: Arc<Mutex<()>>,
    committed: mpsc::SyncSender<()>,
}

/// Held while writing; when it is given back, there may be something to fold back.
pub struct Writing<'a> {
    _guard: MutexGuard<'a, ()>,
    committed: &'a mpsc::SyncSender<()>,
}

impl Turn {
    async fn take(&self) -> Writing<'_> {
        Writing { _guard: self.writers.lock().await, committed: &self.committed }
    }

    /// For threads outside the runtime.
    pub fn wait(&self) -> Writing<'_> {
        Writing { _guard: self.writers.blocking_lock(), committed: &self.committed }
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        // Full: the checkpointer is told already.
        let _ = self.committed.try_send(());
    }
}

/// Whether a connection may go back into the pool: outside of any transaction, as far as sqlx knows. A commit
/// that fails, as on a full disk, is rolled back by SQLite itself, and sqlx does not notice. It would take the
/// next transaction of this connection for a nested one, and undo it without ending it: then nobody could write.
async fn is_at_rest(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    // Waits for a rollback that is under way.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// `cache`: KiB of pages that it may keep in memory.
fn connect(path: &Path, cache: i64) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    for (name, value) in PRAGMAS {
        connection.pragma_update(None, name, value)?;
    }
    connection.pragma_update(None, "cache_size", -cache)?;
    Ok(connection)
}

/// The checkpointer: works beside the writers, and has them wait only when the log has grown long because they
/// never paused.
fn fold_back(connection: &Connection, writers: &Mutex<()>, commits: &mpsc::Receiver<()>) {
    let mut works = true;
    let checkpoint =
        || connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(1));
    while commits.recv().is_ok() {
        thread::sleep(BREATH);
        let folded = checkpoint().and_then(|pages| {
            if pages > LONG_LOG {
                let _turn = writers.blocking_lock();
                checkpoint()?;
            }
            Ok(())
        });
        // A full disk is logged once, not for every attempt.
        if let Err(error) = &folded
            && works
        {
            tracing::warn!(%error, "the write-ahead log cannot be folded back, and grows until it can");
        }
        works = folded.is_ok();
    }
}
