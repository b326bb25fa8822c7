//! The rows of a database of ours, whichever engine and whichever version of the schema: which tables and columns
//! there are is asked of the database itself, so that also one can be read that is older than this program.
//!
//! Rows are read page by page in the order of their primary key, which is the same on each engine: bytes are compared,
//! never words of a language. A row's bytes are those of its columns, one after the other: 0 for nothing, or 1 and the
//! value (an id 16 bytes, a number 8, a flag 1, text and bytes their length as u32 and themselves).

use std::fmt::Write;

use sea_orm::sea_query::{Alias, Asterisk, Cond, Expr, ExprTrait, Order, Query, SelectStatement, SimpleExpr};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::schema;

/// What a page or a batch should hold: enough that the way to the database does not count.
const PAGE_BYTES: usize = 1 << 20;
const PAGE_ROWS: u64 = 256;
/// The first page, before it is known how large the rows are.
const FIRST_PAGE_ROWS: u64 = 16;

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    /// The places of the primary key's columns.
    pub key: Vec<usize>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
}

/// What each engine calls by a name of its own.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Id,
    Number,
    Flag,
    Text,
    Bytes,
}

/// As the database gives and takes them; of each column's kind, and perhaps nothing.
pub type Row = Vec<Value>;

/// The tables that are there, in the order of their names.
pub async fn tables(db: &impl ConnectionTrait) -> Result<Vec<Table>, DbErr> {
    let mut tables = Vec::new();
    for name in schema::TABLES {
        let found =
            db.query_all_raw(Statement::from_string(db.get_database_backend(), columns_of(db, name))).await?;
        if !found.is_empty() {
            tables.push(Table::new(name, &found)?);
        }
    }
    Ok(tables)
}

/// Asks for name and type of each column, and for its place in the primary key, from 1.
fn columns_of(db: &impl ConnectionTrait, table: &str) -> String {
    let (text, number, here) = match db.get_database_backend() {
        DbBackend::MySql => ("CHAR", "SIGNED", "DATABASE()"),
        DbBackend::Postgres => ("TEXT", "BIGINT", "current_schema()"),
        _ => return format!("SELECT name, lower(type), pk FROM pragma_table_info('{table}') ORDER BY cid"),
    };
    format!(
        "SELECT CAST(c.column_name AS {text}), CAST(c.data_type AS {text}),
             CAST(COALESCE(k.ordinal_position, 0) AS {number})
         FROM information_schema.columns c
         LEFT JOIN information_schema.table_constraints t ON t.table_schema = c.table_schema
             AND t.table_name = c.table_name AND t.constraint_type = 'PRIMARY KEY'
         LEFT JOIN information_schema.key_column_usage k ON k.table_schema = c.table_schema
             AND k.table_name = c.table_name AND k.constraint_name = t.constraint_name
             AND k.column_name = c.column_name
         WHERE c.table_schema = {here} AND c.table_name = '{table}'
         ORDER BY c.ordinal_position"
    )
}

impl Table {
    fn new(name: &str, found: &[QueryResult]) -> Result<Self, DbErr> {
        let mut columns = Vec::new();
        let mut key = Vec::new();
        for (index, row) in found.iter().enumerate() {
            let column: String = row.try_get_by_index(0)?;
            let declared: String = row.try_get_by_index(1)?;
            let kind = kind(&declared).ok_or_else(|| {
                DbErr::Custom(format!("{name}.{column} is a {declared}, which cannot be read"))
            })?;
            columns.push(Column { name: column, kind });
            key.push((row.try_get_by_index::<i64>(2)?, index));
        }
        key.retain(|(place, _)| *place > 0);
        key.sort_unstable();
        let key: Vec<usize> = key.into_iter().map(|(_, index)| index).collect();
        if key.is_empty() {
            return Err(DbErr::Custom(format!("the table {name} has no primary key")));
        }
        Ok(Self { name: name.to_owned(), columns, key })
    }

    fn columns(&self) -> impl Iterator<Item = Alias> {
        self.columns.iter().map(|column| Alias::new(&column.name))
    }

    fn select(&self, backend: DbBackend, columns: impl Iterator<Item = usize>) -> SelectStatement {
        let mut select = Query::select();
        select.from(Alias::new(&self.name));
        for index in columns {
            let Column { name, kind } = &self.columns[index];
            let column = Expr::col(Alias::new(name));
            // The driver of PostgreSQL tells short numbers from long ones.
            match (backend, kind) {
                (DbBackend::Postgres, Kind::Number) => select.expr(column.cast_as("bigint")),
                _ => select.expr(column),
            };
        }
        select
    }

    /// A column of the key as it is sorted and compared.
    fn sorted(&self, backend: DbBackend, index: usize) -> SimpleExpr {
        let Column { name, kind } = &self.columns[index];
        match (backend, kind) {
            (DbBackend::Postgres, Kind::Text) => Expr::cust(format!("\"{name}\" COLLATE \"C\"")),
            _ => Expr::col(Alias::new(name)),
        }
    }

    /// The next rows after this key. Written so that each engine reads one stretch of the primary key for it: MySQL
    /// only by alternatives, the others only by comparing rows.
    async fn after(
        &self,
        db: &impl ConnectionTrait,
        key: Option<&Row>,
        limit: u64,
    ) -> Result<Vec<Row>, DbErr> {
        let backend = db.get_database_backend();
        let mut select = self.select(backend, 0..self.columns.len());
        let sorted = || self.key.iter().map(|index| self.sorted(backend, *index));
        if let Some(key) = key {
            if backend == DbBackend::MySql {
                let mut later = Cond::any();
                for (index, (column, value)) in sorted().zip(key).enumerate() {
                    let mut same = Cond::all();
                    for (column, value) in sorted().zip(key).take(index) {
                        same = same.add(column.eq(value.clone()));
                    }
                    later = later.add(same.add(column.gt(value.clone())));
                }
                select.cond_where(later);
            } else {
                let values = key.iter().map(|value| Expr::val(value.clone()));
                select.and_where(Expr::tuple(sorted()).gt(Expr::tuple(values)));
            }
        }
        for column in sorted() {
            select.order_by_expr(column, Order::Asc);
        }
        let rows = db.query_all(select.limit(limit)).await?;
        rows.iter().map(|row| self.read(row, 0..self.columns.len())).collect()
    }

    /// The key of the last row.
    pub async fn last(&self, db: &impl ConnectionTrait) -> Result<Option<Row>, DbErr> {
        let backend = db.get_database_backend();
        let mut select = self.select(backend, self.key.iter().copied());
        for index in &self.key {
            select.order_by_expr(self.sorted(backend, *index), Order::Desc);
        }
        let row = db.query_one(select.limit(1)).await?;
        row.map(|row| self.read(&row, self.key.iter().copied())).transpose()
    }

    pub async fn insert(&self, db: &impl ConnectionTrait, rows: Vec<Row>) -> Result<(), DbErr> {
        let mut insert = Query::insert();
        insert.into_table(Alias::new(&self.name)).columns(self.columns());
        for row in rows {
            insert.values_panic(row.into_iter().map(Expr::val));
        }
        db.execute(&insert).await.map(drop)
    }

    pub async fn is_empty(&self, db: &impl ConnectionTrait) -> Result<bool, DbErr> {
        Ok(self.last(db).await?.is_none())
    }

    pub async fn clear(&self, db: &impl ConnectionTrait) -> Result<(), DbErr> {
        db.execute(Query::delete().from_table(Alias::new(&self.name))).await.map(drop)
    }

    pub async fn count(&self, db: &impl ConnectionTrait) -> Result<u64, DbErr> {
        let count = Expr::col(Asterisk).count();
        let row = db.query_one(Query::select().from(Alias::new(&self.name)).expr(count)).await?;
        let count: i64 = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
        Ok(count.unsigned_abs())
    }

    fn read(&self, row: &QueryResult, columns: impl Iterator<Item = usize>) -> Result<Row, DbErr> {
        let kinds = columns.map(|index| self.columns[index].kind);
        kinds.enumerate().map(|(index, kind)| kind.read(row, index)).collect()
    }

    pub fn key_of(&self, row: &Row) -> Row {
        self.key.iter().map(|index| row[*index].clone()).collect()
    }

    pub fn encode(&self, row: &Row) -> Vec<u8> {
        let mut bytes = Vec::new();
        for value in row {
            encode(value, &mut bytes);
        }
        bytes
    }

    /// None if the bytes are no row of this table.
    pub fn decode(&self, mut bytes: &[u8]) -> Option<Row> {
        let row =
            self.columns.iter().map(|column| column.kind.decode(&mut bytes)).collect::<Option<Row>>()?;
        bytes.is_empty().then_some(row)
    }

    /// How many rows there are, and what they are.
    pub async fn sum(&self, db: &impl ConnectionTrait, mut told: impl FnMut(u64)) -> Result<Sum, DbErr> {
        let mut tally = Tally::default();
        let mut pages = Pages::of(self);
        while let Some(rows) = pages.next(db).await? {
            for row in &rows {
                tally.add(&self.encode(row));
            }
            told(tally.rows);
        }
        Ok(tally.sum())
    }
}

/// The rows of a table, page by page; each page is about as large as the one before, however large its rows are.
pub struct Pages<'t> {
    table: &'t Table,
    after: Option<Row>,
    limit: u64,
    done: bool,
}

impl<'t> Pages<'t> {
    pub fn of(table: &'t Table) -> Self {
        Self::after(table, None)
    }

    pub fn after(table: &'t Table, key: Option<Row>) -> Self {
        Self { table, after: key, limit: FIRST_PAGE_ROWS, done: false }
    }

    pub async fn next(&mut self, db: &impl ConnectionTrait) -> Result<Option<Vec<Row>>, DbErr> {
        if self.done {
            return Ok(None);
        }
        let rows = self.table.after(db, self.after.as_ref(), self.limit).await?;
        self.done = (rows.len() as u64) < self.limit;
        let Some(last) = rows.last() else { return Ok(None) };
        self.after = Some(self.table.key_of(last));
        let size = rows.iter().map(size).sum::<usize>() / rows.len();
        self.limit = ((PAGE_BYTES / size.max(1)) as u64).clamp(1, PAGE_ROWS);
        Ok(Some(rows))
    }
}

/// Rows that are inserted together.
pub struct Batch<'t> {
    table: &'t Table,
    rows: Vec<Row>,
    size: usize,
}

impl<'t> Batch<'t> {
    pub fn of(table: &'t Table) -> Self {
        Self { table, rows: Vec::new(), size: 0 }
    }

    pub async fn add(&mut self, db: &impl ConnectionTrait, row: Row) -> Result<(), DbErr> {
        self.size += size(&row);
        self.rows.push(row);
        if self.size >= PAGE_BYTES || self.rows.len() as u64 >= PAGE_ROWS {
            self.flush(db).await?;
        }
        Ok(())
    }

    pub async fn flush(&mut self, db: &impl ConnectionTrait) -> Result<(), DbErr> {
        self.size = 0;
        if self.rows.is_empty() {
            return Ok(());
        }
        self.table.insert(db, std::mem::take(&mut self.rows)).await
    }
}

/// What two tables with the same rows share.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sum {
    pub rows: u64,
    pub sha256: [u8; 32],
}

impl Sum {
    /// The beginning of the checksum, for the eye.
    pub fn short(&self) -> String {
        self.sha256[..8].iter().fold(String::new(), |mut hex, byte| {
            // Writing into a string does not fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

#[derive(Default)]
pub struct Tally {
    pub rows: u64,
    sha: Sha256,
}

impl Tally {
    pub fn add(&mut self, row: &[u8]) {
        self.rows += 1;
        self.sha.update((row.len() as u64).to_be_bytes());
        self.sha.update(row);
    }

    pub fn sum(self) -> Sum {
        Sum { rows: self.rows, sha256: self.sha.finalize().into() }
    }
}

/// By the name that an engine has for it.
fn kind(declared: &str) -> Option<Kind> {
    let name = declared.split('(').next().unwrap_or_default();
    Some(match name {
        "uuid" | "uuid_text" | "uuid_blob" | "binary" => Kind::Id,
        "bigint" | "smallint" | "int" | "integer" => Kind::Number,
        "boolean" | "tinyint" => Kind::Flag,
        "text" | "varchar" | "character varying" | "mediumtext" | "longtext" => Kind::Text,
        "bytea" | "blob" | "varbinary" | "mediumblob" | "longblob" => Kind::Bytes,
        _ => return None,
    })
}

impl Kind {
    fn read(self, row: &QueryResult, index: usize) -> Result<Value, DbErr> {
        Ok(match self {
            Kind::Id => Value::Uuid(row.try_get_by_index(index)?),
            Kind::Number => Value::BigInt(row.try_get_by_index(index)?),
            Kind::Flag => Value::Bool(row.try_get_by_index(index)?),
            Kind::Text => Value::String(row.try_get_by_index(index)?),
            Kind::Bytes => Value::Bytes(row.try_get_by_index(index)?),
        })
    }

    fn decode(self, bytes: &mut &[u8]) -> Option<Value> {
        let there = match take::<1>(bytes)? {
            [0] => false,
            [1] => true,
            _ => return None,
        };
        Some(match self {
            Kind::Id if there => Value::Uuid(Some(Uuid::from_bytes(take(bytes)?))),
            Kind::Id => Value::Uuid(None),
            Kind::Number if there => Value::BigInt(Some(i64::from_be_bytes(take(bytes)?))),
            Kind::Number => Value::BigInt(None),
            Kind::Flag if there => Value::Bool(Some(take::<1>(bytes)? != [0])),
            Kind::Flag => Value::Bool(None),
            Kind::Text if there => Value::String(Some(String::from_utf8(take_long(bytes)?).ok()?)),
            Kind::Text => Value::String(None),
            Kind::Bytes if there => Value::Bytes(Some(take_long(bytes)?)),
            Kind::Bytes => Value::Bytes(None),
        })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

fn take_long(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let length = u32::from_be_bytes(take(bytes)?) as usize;
    let (first, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(first.to_vec())
}

fn encode(value: &Value, bytes: &mut Vec<u8>) {
    let mut put = |value: &[&[u8]]| {
        bytes.push(1);
        value.iter().for_each(|part| bytes.extend_from_slice(part));
    };
    let length = |of: &[u8]| u32::try_from(of.len()).unwrap_or(u32::MAX).to_be_bytes();
    match value {
        Value::Uuid(Some(id)) => put(&[id.as_bytes()]),
        Value::BigInt(Some(number)) => put(&[&number.to_be_bytes()]),
        Value::Bool(Some(flag)) => put(&[&[u8::from(*flag)]]),
        Value::String(Some(text)) => put(&[&length(text.as_bytes()), text.as_bytes()]),
        Value::Bytes(Some(blob)) => put(&[&length(blob), blob]),
        // Of other kinds there are none here.
        _ => bytes.push(0),
    }
}

fn size(row: &Row) -> usize {
    let of = |value: &Value| match value {
        Value::String(Some(text)) => text.len(),
        Value::Bytes(Some(bytes)) => bytes.len(),
        _ => 16,
    };
    row.iter().map(of).sum()
}
