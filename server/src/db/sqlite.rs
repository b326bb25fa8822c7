//! SQLite, in a file.
//!
//! Every write waits for its [`Turn`], since SQLite lets one writer in at a time, and takes the write lock *before*
//! the first read: a transaction that reads and only then writes would otherwise fail half-way when another one was
//! faster. The message path has a connection of its own ([`Sqlite::connect`]).
//!
//! A commit is a synced append to the write-ahead log. What the log holds is folded back into the database by a
//! thread of its own, so that no message waits for it. On file systems that cannot have such a log (those of a
//! network) each commit is a synced rollback journal instead.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteLockingMode};
use sea_orm::sqlx::{self, Connection as _, SqliteConnection};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};
use tokio::sync::{Mutex, MutexGuard};

use super::PATIENCE;
use crate::config::Journal;
use crate::error::{Error, Result};

/// Readers that work side by side; each costs some memory for its page cache.
const CONNECTIONS: u32 = 5;
/// KiB of pages that a reader keeps, and the message path: the ends of the conversations that are written in.
const READER_CACHE: i64 = 2_000;
const WRITER_CACHE: i64 = 8_000;
/// Between two checkpoints: a page that many messages change is folded back once for all of them.
const BREATH: Duration = Duration::from_millis(500);
/// A log longer than this many pages (64 MiB) makes the writers wait until it can begin anew.
const LONG_LOG: i64 = 16 << 10;

#[derive(Clone)]
pub struct Sqlite {
    path: Arc<PathBuf>,
    journal: Journal,
    turn: Turn,
}

impl Sqlite {
    /// A file, created where it is missing.
    pub async fn open(path: PathBuf, journal: Journal) -> Result<(DatabaseConnection, Self), DbErr> {
        let failed = |error: &dyn std::fmt::Display| DbErr::Custom(format!("{}: {error}", path.display()));
        touch(&path).map_err(|error| failed(&error))?;
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", path.display()));
        options
            .max_connections(CONNECTIONS)
            .min_connections(1)
            .acquire_timeout(PATIENCE)
            .sqlx_logging(false)
            .map_sqlx_sqlite_opts(move |options| {
                let with = |options: SqliteConnectOptions, (name, value)| options.pragma(name, value);
                pragmas(journal, READER_CACHE).into_iter().fold(options, with).busy_timeout(PATIENCE)
            })
            .map_sqlx_sqlite_pool_opts(|pool| {
                pool.after_release(|connection, _| Box::pin(is_at_rest(connection)))
            });
        let pool = Database::connect(options).await?;

        let connection = connect(&path, journal, 0).map_err(|error| failed(&error))?;
        let taken: String = connection
            .query_row("PRAGMA journal_mode", [], |row| row.get(0))
            .map_err(|error| failed(&error))?;
        if !taken.eq_ignore_ascii_case(journal.name()) {
            tracing::warn!(
                asked = journal.name(),
                taken,
                "SQLite keeps another journal than it was asked to"
            );
        }
        let (committed, commits) = mpsc::sync_channel(1);
        let turn = Turn { writers: Arc::default(), committed };
        let writers = turn.writers.clone();
        thread::Builder::new()
            .name("checkpoints".to_owned())
            .spawn(move || fold_back(&connection, &writers, &commits))
            .map_err(|error| failed(&error))?;
        Ok((pool, Self { path: Arc::new(path), journal, turn }))
    }

    /// A connection outside the pool, for a thread that writes on its own; it must wait for its turn.
    pub fn connect(&self) -> Result<Connection> {
        connect(&self.path, self.journal, WRITER_CACHE).map_err(Error::internal)
    }

    pub fn turn(&self) -> Turn {
        self.turn.clone()
    }

    pub async fn take_turn(&self) -> Writing<'_> {
        let Turn { writers, committed } = &self.turn;
        Writing { _guard: writers.lock().await, committed }
    }
}

/// Made before SQLite makes it, so that nobody else may read it; SQLite gives its companions the same rights.
pub fn touch(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop)
}

/// One connection to a database that is there, in whichever journal mode it is.
pub async fn look(path: &Path) -> Result<DatabaseConnection, DbErr> {
    one(path, |options| options.busy_timeout(PATIENCE)).await
}

/// One connection that keeps every other program out; with a `journal` the database is made where it is missing.
pub async fn alone(path: &Path, journal: Option<Journal>) -> Result<DatabaseConnection, DbErr> {
    if journal.is_some() {
        touch(path).map_err(|error| DbErr::Custom(format!("{}: {error}", path.display())))?;
    }
    let open = async {
        let set = move |options: SqliteConnectOptions| {
            let options = options.locking_mode(SqliteLockingMode::Exclusive).busy_timeout(PATIENCE / 5);
            match journal {
                Some(journal) => options.pragma("journal_mode", journal.name()).pragma("synchronous", "FULL"),
                None => options,
            }
        };
        let db = one(path, set).await?;
        // Taken with the first transaction, and kept.
        db.execute_unprepared("BEGIN EXCLUSIVE; COMMIT").await?;
        Ok(db)
    };
    open.await.map_err(|error: DbErr| match error.to_string().contains("database is locked") {
        true => DbErr::Custom(format!("{} is in use: stop the server first", path.display())),
        false => error,
    })
}

async fn one(
    path: &Path,
    set: impl Fn(SqliteConnectOptions) -> SqliteConnectOptions + Send + Sync + 'static,
) -> Result<DatabaseConnection, DbErr> {
    let failed = |error: &dyn std::fmt::Display| DbErr::Custom(format!("{}: {error}", path.display()));
    if !path.exists() {
        return Err(failed(&"there is no database"));
    }
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rw", path.display()));
    options.max_connections(1).min_connections(1).sqlx_logging(false).map_sqlx_sqlite_opts(set);
    Database::connect(options).await.map_err(|error| failed(&error))
}

/// `cache`: KiB of pages that a connection may keep in memory.
fn pragmas(journal: Journal, cache: i64) -> [(&'static str, String); 6] {
    [
        ("journal_mode", journal.name().to_owned()),
        // Acknowledged means synced: NORMAL would lose the last commits in a power cut.
        ("synchronous", "FULL".to_owned()),
        ("cache_size", format!("-{cache}")),
        // What is deleted is overwritten, and not only forgotten.
        ("secure_delete", "ON".to_owned()),
        // There may be no place for temporary files: a container's root, an empty one.
        ("temp_store", "MEMORY".to_owned()),
        // The checkpointer's task.
        ("wal_autocheckpoint", "0".to_owned()),
    ]
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

fn connect(path: &Path, journal: Journal, cache: i64) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    for (name, value) in pragmas(journal, cache) {
        connection.pragma_update(None, name, value)?;
    }
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
