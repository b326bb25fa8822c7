//! The writer's transaction, on whichever engine. A statement is written once, with `?` for its values; what the
//! engines do not share is in this file and nowhere else in the writer.
//!
//! SQLite is spoken to directly, on the writer's own connection and with statements prepared once: through SeaORM
//! the same took twice the processor time (docs/decisions/0009-writer-on-rusqlite.md). A database server is spoken
//! to through the pool, where the way there and back costs more than either.

use rusqlite::types::{FromSql, Null, ToSql, ToSqlOutput};
use rusqlite::{Connection, TransactionBehavior};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, QueryResult, Statement, TryGetable, Value,
};
use tokio::runtime::Handle;
use uuid::Uuid;

pub type Result<T, E = DbErr> = std::result::Result<T, E>;

/// A transaction under way; dropped without [`Transaction::commit`], it leaves no trace.
pub enum Transaction<'c> {
    Sqlite(rusqlite::Transaction<'c>),
    Server { runtime: Handle, transaction: DatabaseTransaction, backend: DbBackend },
}

/// A value of a statement. Nulls have a type, which PostgreSQL wants to know.
#[derive(Clone, Copy)]
pub enum Param<'v> {
    Id(Uuid),
    Number(Option<i64>),
    Flag(bool),
    Bytes(&'v [u8]),
}

impl From<Uuid> for Param<'_> {
    fn from(id: Uuid) -> Self {
        Param::Id(id)
    }
}

impl From<i64> for Param<'_> {
    fn from(number: i64) -> Self {
        Param::Number(Some(number))
    }
}

impl From<Option<i64>> for Param<'_> {
    fn from(number: Option<i64>) -> Self {
        Param::Number(number)
    }
}

impl From<bool> for Param<'_> {
    fn from(flag: bool) -> Self {
        Param::Flag(flag)
    }
}

impl<'v> From<&'v [u8]> for Param<'v> {
    fn from(bytes: &'v [u8]) -> Self {
        Param::Bytes(bytes)
    }
}

macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::writer::sql::Param::from($value)),*] };
}
pub(super) use params;

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Param::Id(id) => id.to_sql(),
            Param::Number(number) => number.as_ref().map_or(Null.to_sql(), i64::to_sql),
            Param::Flag(flag) => flag.to_sql(),
            Param::Bytes(bytes) => bytes.to_sql(),
        }
    }
}

impl From<&Param<'_>> for Value {
    fn from(param: &Param<'_>) -> Self {
        match *param {
            Param::Id(id) => Value::from(id),
            Param::Number(number) => Value::from(number),
            Param::Flag(flag) => Value::from(flag),
            Param::Bytes(bytes) => Value::from(bytes.to_vec()),
        }
    }
}

/// A row of an answer.
pub enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Server(&'r QueryResult),
}

impl Row<'_> {
    /// The column at `index`, from 0.
    pub fn get<T: FromSql + TryGetable>(&self, index: usize) -> Result<T> {
        match self {
            Row::Sqlite(row) => row.get(index).map_err(own),
            Row::Server(row) => row.try_get_by_index(index),
        }
    }
}

impl<'c> Transaction<'c> {
    /// On SQLite, with the write lock taken before the first read.
    pub fn on_sqlite(connection: &'c mut Connection) -> Result<Self> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        Ok(Transaction::Sqlite(transaction.map_err(own)?))
    }

    pub fn on_server(runtime: Handle, transaction: DatabaseTransaction) -> Self {
        let backend = transaction.get_database_backend();
        Transaction::Server { runtime, transaction, backend }
    }

    pub fn commit(self) -> Result<()> {
        match self {
            Transaction::Sqlite(transaction) => transaction.commit().map_err(own),
            Transaction::Server { runtime, transaction, .. } => runtime.block_on(transaction.commit()),
        }
    }

    /// How many rows it changed.
    pub fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64> {
        match self {
            Transaction::Sqlite(transaction) => {
                let mut statement = transaction.prepare_cached(sql).map_err(own)?;
                let changed = statement.execute(rusqlite::params_from_iter(params)).map_err(own)?;
                Ok(changed as u64)
            }
            Transaction::Server { runtime, transaction, backend } => {
                let done = runtime.block_on(transaction.execute_raw(statement(*backend, sql, params)))?;
                Ok(done.rows_affected())
            }
        }
    }

    /// Insert a row, unless one with the same unique key is there: then false.
    pub fn insert_new(&self, into_and_values: &str, params: &[Param<'_>]) -> Result<bool> {
        let sql = match self {
            // The rows that MySQL says were changed by an upsert are also those that it only looked at.
            Transaction::Server { backend: DbBackend::MySql, .. } => {
                format!("INSERT IGNORE INTO {into_and_values}")
            }
            _ => format!("INSERT INTO {into_and_values} ON CONFLICT DO NOTHING"),
        };
        Ok(self.execute(&sql, params)? > 0)
    }

    pub fn all<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        read: impl Fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        match self {
            Transaction::Sqlite(transaction) => {
                let mut statement = transaction.prepare_cached(sql).map_err(own)?;
                let mut rows = statement.query(rusqlite::params_from_iter(params)).map_err(own)?;
                let mut all = Vec::new();
                while let Some(row) = rows.next().map_err(own)? {
                    all.push(read(&Row::Sqlite(row))?);
                }
                Ok(all)
            }
            Transaction::Server { runtime, transaction, backend } => {
                let rows = runtime.block_on(transaction.query_all_raw(statement(*backend, sql, params)))?;
                rows.iter().map(|row| read(&Row::Server(row))).collect()
            }
        }
    }

    pub fn one<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        read: impl Fn(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.all(sql, params, read)?.into_iter().next())
    }

    pub fn count(&self, sql: &str, params: &[Param<'_>]) -> Result<i64> {
        Ok(self.one(sql, params, |row| row.get(0))?.unwrap_or(0))
    }

    /// As [`Transaction::all`], and until the end of the transaction no other one changes these rows, or reads them to
    /// change them. On SQLite there is no other one.
    pub fn all_for_update<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        read: impl Fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        match self {
            Transaction::Sqlite(_) => self.all(sql, params, read),
            Transaction::Server { .. } => self.all(&format!("{sql} FOR UPDATE"), params, read),
        }
    }
}

fn statement(backend: DbBackend, sql: &str, params: &[Param<'_>]) -> Statement {
    let sql = if backend == DbBackend::Postgres { numbered(sql) } else { sql.to_owned() };
    Statement::from_sql_and_values(backend, sql, params.iter().map(Value::from))
}

/// `?` as PostgreSQL counts them.
fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let mut numbered = parts.next().unwrap_or_default().to_owned();
    for (index, part) in parts.enumerate() {
        numbered.push_str(&format!("${}{part}", index + 1));
    }
    numbered
}

/// SQLite's own word, where all others are SeaORM's.
fn own(error: rusqlite::Error) -> DbErr {
    DbErr::Custom(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgresql_counts_the_values() {
        assert_eq!(numbered("a = ? AND b IN (?, ?)"), "a = $1 AND b IN ($2, $3)");
        assert_eq!(numbered("SELECT 1"), "SELECT 1");
    }
}
