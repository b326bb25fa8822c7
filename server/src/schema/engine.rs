//! What the migrations write differently for each engine.

use sea_orm_migration::schema::string_len;
use sea_orm_migration::sea_orm::DbBackend;
use sea_orm_migration::sea_query::{ColumnDef, Index, Table, TableCreateStatement};

/// What each engine calls the same thing.
#[derive(Clone, Copy)]
pub struct Engine(pub DbBackend);

impl Engine {
    pub fn table(
        self,
        name: &'static str,
        key: &[&'static str],
        columns: impl IntoIterator<Item = ColumnDef>,
    ) -> TableCreateStatement {
        let mut primary = Index::create();
        for column in key {
            primary.col(*column);
        }
        let mut table = Table::create();
        table.table(name).if_not_exists().primary_key(&mut primary);
        match self.0 {
            // Rows lie in the order of their primary key, as they do in InnoDB.
            DbBackend::Sqlite => table.extra("WITHOUT ROWID"),
            // Whatever the server's own defaults are; text is compared byte by byte, as on the others.
            DbBackend::MySql => table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin"),
            _ => &mut table,
        };
        for column in columns {
            table.col(column);
        }
        table
    }

    /// Of any length. A `BLOB` of MySQL ends at 64 KiB.
    pub fn bytes(self, name: &'static str) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        match self.0 {
            DbBackend::MySql => column.custom("longblob"),
            _ => column.blob(),
        };
        column.not_null().take()
    }

    /// Up to a length, so that MySQL can have them in an index.
    pub fn short_bytes(self, name: &'static str, length: u32) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        match self.0 {
            DbBackend::MySql => column.var_binary(length),
            _ => column.blob(),
        };
        column.not_null().take()
    }

    /// Text that is searched by ranges: in the order of its bytes, not of a language.
    pub fn ordered_text(self, name: &'static str, length: u32) -> ColumnDef {
        let mut column = string_len(name, length);
        if self.0 == DbBackend::Postgres {
            column.extra("COLLATE \"C\"");
        }
        column.take()
    }
}
