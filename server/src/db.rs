//! The database: its pool, its migrations, and the ways to use it, on whichever engine.
//!
//! Reads go to the pool as they come. Slices write through [`Db::write`], whose transactions are as if one came
//! after the other: on SQLite because each waits for its turn ([`sqlite`]), on a database server because it keeps
//! them apart (SERIALIZABLE) and refuses one of two that would have seen each other; that one begins again. The
//! message path has transactions of its own, and locks what it reads ([`crate::writer`]).

mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::mysql::MySqlDatabaseError;
use sea_orm::sqlx::{self, Executor};
use sea_orm::{
    AccessMode, ColumnTrait, Condition, ConnectOptions, ConnectionTrait, Database, DatabaseConnection,
    DatabaseTransaction, DbBackend, DbErr, IsolationLevel, RuntimeErr, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::config::{Config, DatabaseUrl, Journal, Storage};
use crate::error::{Error, Result};
use crate::schema::{self, Migrator};
use crate::{Failure, accounts, archive};

pub use sqlite::{Sqlite, Turn, touch};

/// For a connection, or a lock.
const PATIENCE: Duration = Duration::from_secs(10);
/// Hosts end connections that are idle for five minutes.
const IDLE: Duration = Duration::from_secs(120);
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// How often a transaction begins again that others were faster than.
const ATTEMPTS: u32 = 12;
const PAUSE: Duration = Duration::from_millis(8);

#[derive(Clone)]
pub struct Db {
    pool: DatabaseConnection,
    /// None on a database server.
    sqlite: Option<Sqlite>,
    doubts: Arc<Notify>,
}

impl Db {
    /// Open (or create) what the configuration names, and bring its schema up to date.
    pub async fn open(config: &Config) -> Result<Self, Failure> {
        Self::open_as::<Migrator>(&config.storage).await
    }

    /// With the schema of another version of this program.
    pub async fn open_as<M: MigratorTrait>(storage: &Storage) -> Result<Self, Failure> {
        let (pool, sqlite) = match storage.database() {
            DatabaseUrl::Sqlite(path) => {
                let (pool, sqlite) = Sqlite::open(path, storage.sqlite_journal).await?;
                (pool, Some(sqlite))
            }
            DatabaseUrl::Server(url) => (connect(url, storage.database_connections, Use::Serve).await?, None),
        };
        archive::refuse_half_moved(&pool).await?;
        migrate::<M>(&pool, storage).await?;
        Ok(Self { pool, sqlite, doubts: Arc::default() })
    }

    pub fn sqlite(&self) -> Option<&Sqlite> {
        self.sqlite.as_ref()
    }

    /// For reads.
    pub fn read(&self) -> &impl ConnectionTrait {
        &self.pool
    }

    /// Run `work` in a transaction of its own; an error rolls everything back. It may run more than once, until it
    /// was alone with what it read.
    pub async fn write<T>(
        &self,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T> + Clone,
    ) -> Result<T> {
        if let Some(sqlite) = &self.sqlite {
            let _turn = sqlite.take_turn().await;
            let at_once = Some(SqliteTransactionMode::Immediate);
            let options = TransactionOptions { sqlite_transaction_mode: at_once, ..Default::default() };
            return self.attempt(options, work).await;
        }
        for attempt in 1.. {
            let isolation_level = Some(IsolationLevel::Serializable);
            let options = TransactionOptions { isolation_level, ..Default::default() };
            match self.attempt(options, work.clone()).await {
                Err(Error::Overtaken) if attempt < ATTEMPTS => {
                    let pause = PAUSE.mul_f64(f64::from(attempt) * fastrand::f64());
                    tokio::time::sleep(pause).await;
                }
                done => return done,
            }
        }
        Err(Error::Overtaken)
    }

    async fn attempt<T>(
        &self,
        options: TransactionOptions,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T>,
    ) -> Result<T> {
        let transaction = self.pool.begin_with_options(options).await?;
        let done = work(&transaction).await?;
        transaction.commit().await.inspect_err(|error| {
            if is_lost(error) {
                self.doubt();
            }
        })?;
        Ok(done)
    }

    /// A transaction that sees what others have committed, and locks for itself what it will change.
    pub async fn begin_for_writer(&self) -> Result<DatabaseTransaction, DbErr> {
        let isolation_level = Some(IsolationLevel::ReadCommitted);
        let options = TransactionOptions { isolation_level, ..Default::default() };
        self.pool.begin_with_options(options).await
    }

    /// A connection broke at a commit: something may be stored that nobody was told of.
    pub fn doubt(&self) {
        self.doubts.notify_one();
    }

    /// Returns when there was such a doubt.
    pub async fn doubted(&self) {
        self.doubts.notified().await;
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        self.pool.ping().await.map_err(Error::from)
    }

    pub async fn close(self) -> Result<(), DbErr> {
        if let Some(sqlite) = &self.sqlite {
            let _turn = sqlite.take_turn().await;
            self.pool.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        }
        self.pool.close().await
    }
}

/// One connection for a command that reads, beside a server that may run. Nothing is brought up to date.
pub async fn look(database: &DatabaseUrl) -> Result<DatabaseConnection, DbErr> {
    match database {
        DatabaseUrl::Sqlite(path) => sqlite::look(path).await,
        DatabaseUrl::Server(url) => connect(url.clone(), 1, Use::Command).await,
    }
}

/// One connection for a command that nothing else may come between: SQLite lets no other program in meanwhile.
pub async fn alone(database: &DatabaseUrl, journal: Option<Journal>) -> Result<DatabaseConnection, DbErr> {
    match database {
        DatabaseUrl::Sqlite(path) => sqlite::alone(path, journal).await,
        DatabaseUrl::Server(url) => connect(url.clone(), 1, Use::Command).await,
    }
}

/// A transaction that sees the database as it is now, however long it takes to read it.
pub async fn snapshot(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    // SQLite's are like that by themselves.
    let on_server = db.get_database_backend() != DbBackend::Sqlite;
    let options = TransactionOptions {
        isolation_level: on_server.then_some(IsolationLevel::RepeatableRead),
        access_mode: on_server.then_some(AccessMode::ReadOnly),
        ..Default::default()
    };
    db.begin_with_options(options).await
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Use {
    Serve,
    /// Takes as long as it takes, also between two statements.
    Command,
}

/// Under which the connections of this program are known to PostgreSQL.
pub const APPLICATION: &str = "entrenous";
const PATIENT_MYSQL: &str = "SET SESSION wait_timeout = 28800, SESSION net_write_timeout = 600";
const PATIENT_POSTGRES: &str = "SET idle_in_transaction_session_timeout = 0";

async fn connect(url: String, connections: u32, used: Use) -> Result<DatabaseConnection, DbErr> {
    let allowed = connections_allowed(&url).await?;
    if allowed < connections {
        tracing::info!(asked = connections, allowed, "the database allows fewer connections");
    }
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections.min(allowed))
        .min_connections(1)
        .acquire_timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(|options| options.application_name(APPLICATION))
        .map_sqlx_mysql_pool_opts(move |pool| {
            pool.after_connect(move |connection, _| {
                Box::pin(async move {
                    // What does not fit is an error, on hosts too that would rather cut it off.
                    connection
                        .execute(
                            "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES'),
                             SESSION innodb_lock_wait_timeout = 10",
                        )
                        .await?;
                    connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
                    if used == Use::Command {
                        connection.execute(PATIENT_MYSQL).await?;
                    }
                    Ok(())
                })
            })
        })
        .map_sqlx_postgres_pool_opts(move |pool| {
            pool.after_connect(move |connection, _| {
                Box::pin(async move {
                    // No warning that a transaction which was refused at its commit needs no rolling back.
                    connection.execute("SET lock_timeout = '10s'; SET client_min_messages = error").await?;
                    // Whatever became of this program: nobody waits for ever for what it had locked.
                    connection.execute("SET idle_in_transaction_session_timeout = '30s'").await?;
                    if used == Use::Command {
                        connection.execute(PATIENT_POSTGRES).await?;
                    }
                    Ok(())
                })
            })
        });
    if used == Use::Serve {
        options.idle_timeout(IDLE).max_lifetime(LIFETIME);
    }
    Database::connect(options).await
}

/// How many connections the account of the URL may have. Beyond that each further one would be an error.
async fn connections_allowed(url: &str) -> Result<u32, DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).acquire_timeout(PATIENCE).sqlx_logging(false);
    let connection = Database::connect(options).await?;
    let backend = connection.get_database_backend();
    // 0 and -1: any number.
    let ask = match backend {
        DbBackend::Postgres => {
            "SELECT CAST(rolconnlimit AS bigint) FROM pg_roles WHERE rolname = current_user"
        }
        _ => "SELECT CAST(@@max_user_connections AS signed)",
    };
    let row = connection.query_one_raw(Statement::from_string(backend, ask)).await?;
    let limit = row.map(|row| row.try_get_by_index::<i64>(0)).transpose()?.unwrap_or(0);
    connection.close().await?;
    Ok(u32::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(u32::MAX))
}

/// Rows by two columns of a key. (MariaDB reads the whole table for `(a, b) IN (…)`: MDEV-10947.)
pub fn any_of<C: ColumnTrait>(first: C, second: C, keys: impl IntoIterator<Item = (Uuid, i64)>) -> Condition {
    let one = |(of_first, of_second)| Condition::all().add(first.eq(of_first)).add(second.eq(of_second));
    // Of no keys there are no rows, where a condition without any would be true of all.
    let none = Condition::any().add(first.is_null());
    keys.into_iter().map(one).fold(none, Condition::add)
}

/// Two nodes that start together do it once; and what is there is copied before it is changed.
async fn migrate<M: MigratorTrait>(pool: &DatabaseConnection, storage: &Storage) -> Result<(), Failure> {
    let backend = pool.get_database_backend();
    // All or nothing, but on MySQL, which commits each statement by itself: there a start that is cut short is
    // taken up by the next one.
    let transaction = pool.begin().await?;
    let say = |sql: &str| Statement::from_string(backend, sql);
    match backend {
        DbBackend::Postgres => {
            refuse_other_encodings(&transaction).await?;
            // The first of two nodes may have much to copy.
            transaction.execute_raw(say("SET LOCAL lock_timeout = '10min'")).await?;
            transaction.execute_raw(say("SET LOCAL idle_in_transaction_session_timeout = 0")).await?;
            transaction.execute_raw(say("SELECT pg_advisory_xact_lock(7218465120)")).await?;
        }
        DbBackend::MySql => {
            transaction.execute_raw(say(PATIENT_MYSQL)).await?;
            let locked = transaction.query_one_raw(say("SELECT GET_LOCK('entrenous migrates', 600)")).await?;
            if locked.and_then(|row| row.try_get_by_index(0).ok()) != Some(1_i64) {
                return Err("another node has been bringing the database up to date for ten minutes: \
                            start this one when it is done"
                    .into());
            }
        }
        _ => {}
    }
    let migrated = match refuse_newer::<M>(&schema::applied(&transaction).await?) {
        Ok(()) => copy_and_migrate::<M>(pool, &transaction, storage).await,
        refused => refused,
    };
    if backend == DbBackend::MySql {
        transaction.execute_raw(say("DO RELEASE_LOCK('entrenous migrates')")).await?;
        // It goes on as one of the pool.
        let as_others = "SET SESSION wait_timeout = DEFAULT, SESSION net_write_timeout = DEFAULT";
        transaction.execute_raw(say(as_others)).await?;
    }
    migrated?;
    Ok(transaction.commit().await?)
}

/// What this program does not know, it would damage.
pub fn refuse_newer<M: MigratorTrait>(applied: &[String]) -> Result<(), Failure> {
    let known = schema::known::<M>();
    match applied.iter().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(unknown) => Err(format!(
            "this was written by a newer version of entrenous, and this one ({}) does not know all of it: use the \
             version that wrote it, or a later one (schema {unknown})",
            env!("CARGO_PKG_VERSION")
        )
        .into()),
    }
}

async fn copy_and_migrate<M: MigratorTrait>(
    pool: &DatabaseConnection,
    transaction: &DatabaseTransaction,
    storage: &Storage,
) -> Result<(), Failure> {
    let applied = schema::applied(transaction).await?;
    let behind = applied.len() < schema::known::<M>().len();
    if behind && !applied.is_empty() && accounts::exist(transaction).await.map_err(|e| e.to_string())? {
        archive::keep_before_upgrade(pool, storage).await?;
    }
    Ok(M::up(transaction, None).await?)
}

/// Only PostgreSQL's databases have one for all their tables.
pub async fn refuse_other_encodings(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, "SHOW server_encoding")).await?;
    let encoding = row.map(|row| row.try_get_by_index::<String>(0)).transpose()?.unwrap_or_default();
    if encoding == "UTF8" {
        return Ok(());
    }
    Err(DbErr::Custom(format!("the database's encoding is {encoding}; create it with ENCODING 'UTF8'")))
}

/// Others were faster, or held what was wanted: the same again may go through.
pub fn is_contended(error: &DbErr) -> bool {
    match said(error) {
        Said::MySql(number) => [1020, 1205, 1213].contains(&number),
        Said::Postgres(state) => ["40001", "40P01", "55P03"].contains(&state.as_str()),
        Said::Lost | Said::Other(_) => false,
    }
}

/// There is no connection, or no more of one.
pub fn is_lost(error: &DbErr) -> bool {
    match said(error) {
        Said::Lost => true,
        // Too many connections, the server stops, a connection was ended.
        Said::MySql(number) => [1040, 1053, 1203, 1226, 1927, 4031].contains(&number),
        Said::Postgres(state) => state.starts_with("08") || state.starts_with("57P") || state == "53300",
        Said::Other(_) => false,
    }
}

/// Worth trying again, unlike a mistake of ours: also a full disk, or a lock that does not come free.
pub fn is_unavailable(error: &DbErr) -> bool {
    let no_room = match said(error) {
        // Disk full, table full, read only.
        Said::MySql(number) => [1021, 1114, 1290].contains(&number),
        Said::Postgres(state) => state.starts_with("53") || state == "25006",
        Said::Other(text) => ["database or disk is full", "database is locked", "disk I/O error"]
            .iter()
            .any(|words| text.contains(words)),
        Said::Lost => false,
    };
    no_room || is_lost(error) || is_contended(error)
}

/// An engine's own word for what went wrong.
enum Said {
    MySql(u16),
    /// SQLSTATE.
    Postgres(String),
    Lost,
    Other(String),
}

fn said(error: &DbErr) -> Said {
    let inner = match error {
        DbErr::ConnectionAcquire(_) => return Said::Lost,
        DbErr::Conn(RuntimeErr::SqlxError(inner))
        | DbErr::Exec(RuntimeErr::SqlxError(inner))
        | DbErr::Query(RuntimeErr::SqlxError(inner)) => inner,
        _ => return Said::Other(error.to_string()),
    };
    match inner.as_ref() {
        sqlx::Error::Database(answer) => {
            if let Some(mysql) = answer.try_downcast_ref::<MySqlDatabaseError>() {
                Said::MySql(mysql.number())
            } else if answer.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
                Said::Postgres(answer.code().unwrap_or_default().into_owned())
            } else {
                Said::Other(answer.message().to_owned())
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Said::Lost,
        other => Said::Other(other.to_string()),
    }
}
