//! Everything in one file and back ([`backup`], [`restore`]), or from one database into another ([`carry`]).
//!
//! A backup is read in one transaction that sees the database as it was when it began, on a connection of its own
//! beside the server (docs/decisions/0010-backup-beside-the-server.md). It holds every table and the server's key, whole and in one format whatever the
//! engine, so that it can be restored into any. [`format`] is the file, [`rows`] what is in it.
//!
//! Nothing is half: a backup is kept under its name when it was read again from its first byte to its last, a
//! restored database is committed when it was read back and is the same, and a database that was moved into is not
//! served before both sides were compared.

mod carry;
mod format;
mod rows;

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, EntityTrait, Statement,
    TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::clock::{Clock, Millis};
use crate::config::{DatabaseUrl, Storage};
use crate::files::{self, write_secret};
use crate::schema::tables::settings;
use crate::schema::{self, Migrator};
use crate::{Failure, SERVER_KEY, db};

pub use carry::{carry, refuse_half_moved};
pub use format::{Passphrase, is_sealed};

use format::{Header, Reader, Record, Whole, Writer};
use rows::{Batch, Pages, Sum, Table, Tally};

/// Copies that are kept of what was there before an upgrade.
const COPIES: usize = 3;

/// Whoever wants to know how far it is.
pub type Tell<'a> = &'a mut (dyn FnMut(&str) + Send);

/// What a backup holds.
pub struct Contents {
    pub header: Header,
    key: Zeroizing<Vec<u8>>,
    pub tables: Vec<(Table, Sum)>,
}

impl Contents {
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|(_, sum)| sum.rows).sum()
    }

    /// Of one table.
    pub fn rows_of(&self, table: &str) -> u64 {
        self.tables.iter().find(|(each, _)| each.name == table).map_or(0, |(_, sum)| sum.rows)
    }
}

/// Says of each table how far it is, but not more often than one can read.
struct Progress<'a> {
    tell: Tell<'a>,
    said: Instant,
}

impl<'a> Progress<'a> {
    fn new(tell: Tell<'a>, doing: &str) -> Self {
        tell(doing);
        Self { tell, said: Instant::now() }
    }

    fn at(&mut self, table: &str, rows: u64) {
        if self.said.elapsed() >= Duration::from_secs(2) {
            self.said = Instant::now();
            (self.tell)(&format!("  {table}: {rows} rows so far"));
        }
    }

    fn done(&mut self, table: &Table, sum: &Sum) {
        (self.tell)(&format!("  {:<18}{:>10} rows  {}", table.name, sum.rows, sum.short()));
    }
}

// ── Backup ───────────────────────────────────────────────────────────────────────────────────────────────────────

/// Everything of a server, which may run meanwhile, into a file that does not exist yet.
pub async fn backup(
    storage: &Storage,
    file: &Path,
    passphrase: Option<&Passphrase>,
    now: Millis,
    tell: Tell<'_>,
) -> Result<Contents, Failure> {
    format::refuse_existing(file)?;
    let key = read_key(storage)?;
    let writer = Writer::create(file, passphrase)?;
    let looked = Looked::at(&storage.database(), file, tell).await?;
    let whole = async {
        db::refuse_newer::<Migrator>(&schema::applied(&looked.db).await?)?;
        write(&looked.db, &key, writer, now, tell).await
    };
    let whole: Result<Whole, Failure> = whole.await;
    looked.close().await?;
    let whole = whole?;
    let contents = walk(whole.part(), passphrase, None, Progress::new(tell, "Reading it again"))
        .await
        .map_err(|error| format!("the file was not written as it should be: {error}"))?;
    whole.keep()?;
    // Only for the administrators' page: a backup is no worse where it cannot be written down.
    if let Err(error) = fs::write(marker(storage), now.to_string()) {
        tell(&format!("{}: {error}", marker(storage).display()));
    }
    Ok(contents)
}

/// When the last backup was made of this data folder.
pub fn last_backup(storage: &Storage) -> Option<Millis> {
    fs::read_to_string(marker(storage)).ok()?.trim().parse().ok()
}

fn marker(storage: &Storage) -> PathBuf {
    storage.data.join("last-backup")
}

fn read_key(storage: &Storage) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let path = storage.key_file();
    let key = fs::read(&path).map_err(|error| {
        format!(
            "{}: {error}. The server's key belongs to a backup: name the same --data and --key-file as for \
             `serve`, and be a user who may read them",
            path.display()
        )
    })?;
    Ok(Zeroizing::new(key))
}

/// A connection to read from, and perhaps the copy that it reads.
struct Looked {
    db: DatabaseConnection,
    _copy: Option<Temporary>,
}

struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // It was only for us.
        let _ = fs::remove_file(&self.0);
    }
}

impl Looked {
    /// Whoever reads a SQLite database without a write-ahead log keeps its writers out; so it is copied first, which
    /// takes less long.
    async fn at(database: &DatabaseUrl, file: &Path, tell: Tell<'_>) -> Result<Self, Failure> {
        let db = db::look(database).await?;
        if db.get_database_backend() != DbBackend::Sqlite || journal(&db).await? == "wal" {
            return Ok(Self { db, _copy: None });
        }
        tell("Copying the database, since this journal mode has readers and writers wait for each other");
        // One that is there was left behind by a backup that was killed: two do not write the same file.
        let copy = Temporary(files::beside(file, ".copy"));
        let _ = fs::remove_file(&copy.0);
        copy_sqlite(&db, &copy.0).await?;
        db.close().await?;
        let db = db::look(&DatabaseUrl::Sqlite(copy.0.clone())).await?;
        Ok(Self { db, _copy: Some(copy) })
    }

    async fn close(self) -> Result<(), DbErr> {
        self.db.close().await
    }
}

pub(crate) async fn journal(db: &DatabaseConnection) -> Result<String, DbErr> {
    let row = db.query_one_raw(Statement::from_string(DbBackend::Sqlite, "PRAGMA journal_mode")).await?;
    row.map_or(Ok(String::new()), |row| row.try_get_by_index(0))
}

/// A database that is whole, readable by nobody else, and on the disk.
async fn copy_sqlite(db: &DatabaseConnection, to: &Path) -> Result<(), Failure> {
    format::refuse_existing(to)?;
    db::touch(to)?;
    let into =
        Statement::from_sql_and_values(DbBackend::Sqlite, "VACUUM INTO ?", [to.display().to_string().into()]);
    db.execute_raw(into).await?;
    Ok(fs::File::open(to)?.sync_all()?)
}

async fn write(
    db: &DatabaseConnection,
    key: &[u8],
    mut writer: Writer,
    now: Millis,
    tell: Tell<'_>,
) -> Result<Whole, Failure> {
    let snapshot = db::snapshot(db).await?;
    let applied = schema::applied(&snapshot).await?;
    if applied.is_empty() {
        return Err("there is nothing of Entre Nous in this database".into());
    }
    refuse_half_moved(&snapshot).await?;
    refuse_other_key(&snapshot, key).await?;
    writer.header(&Header {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        schema: applied,
        engine: engine(&snapshot).to_owned(),
        made_at: now,
    })?;
    writer.key(key)?;
    let mut progress = Progress::new(tell, "Writing");
    for table in rows::tables(&snapshot).await? {
        writer.table(&table)?;
        let mut tally = Tally::default();
        let mut pages = Pages::of(&table);
        while let Some(page) = pages.next(&snapshot).await? {
            for row in &page {
                let bytes = table.encode(row);
                tally.add(&bytes);
                writer.row(&bytes)?;
            }
            progress.at(&table.name, tally.rows);
        }
        let sum = tally.sum();
        writer.end_of_table(&sum)?;
        progress.done(&table, &sum);
    }
    snapshot.rollback().await?;
    writer.finish()
}

pub(crate) fn engine(db: &impl ConnectionTrait) -> &'static str {
    match db.get_database_backend() {
        DbBackend::MySql => "mysql",
        DbBackend::Postgres => "postgres",
        _ => "sqlite",
    }
}

/// A backup with another key than people's accounts were made with would let nobody in.
async fn refuse_other_key(db: &impl ConnectionTrait, key: &[u8]) -> Result<(), Failure> {
    let known = known_key(db).await?;
    if known.is_some_and(|known| known[..] != Sha256::digest(key)[..]) {
        return Err(
            "the key file is not the one that this database is served with: name that one by --key-file"
                .into(),
        );
    }
    Ok(())
}

/// What the database knows of the server's key: its SHA-256.
pub(crate) async fn known_key(db: &impl ConnectionTrait) -> Result<Option<Vec<u8>>, DbErr> {
    Ok(settings::Entity::find_by_id(SERVER_KEY).one(db).await?.map(|row| row.value))
}

// ── Reading a backup ─────────────────────────────────────────────────────────────────────────────────────────────

/// Read a file from its first byte to its last.
pub async fn verify(
    file: &Path,
    passphrase: Option<&Passphrase>,
    tell: Tell<'_>,
) -> Result<Contents, Failure> {
    let contents = walk(file, passphrase, None, Progress::new(tell, "Reading")).await?;
    db::refuse_newer::<Migrator>(&contents.header.schema)?;
    Ok(contents)
}

/// The one place that knows in which order a backup holds what. With a target, every row goes there.
async fn walk(
    file: &Path,
    passphrase: Option<&Passphrase>,
    target: Option<&DatabaseTransaction>,
    mut progress: Progress<'_>,
) -> Result<Contents, Failure> {
    let mut reader = Reader::open(file, passphrase)?;
    let Record::Header(header) = reader.next()? else { return Err(format::damaged()) };
    let Record::Key(key) = reader.next()? else { return Err(format::damaged()) };
    let mut contents = Contents { header, key, tables: Vec::new() };
    loop {
        match reader.next()? {
            Record::Table(table) => {
                let sum = read_table(&mut reader, &table, target, &mut progress).await?;
                progress.done(&table, &sum);
                contents.tables.push((table, sum));
            }
            Record::End(rows) if rows == contents.rows() => return Ok(contents),
            _ => return Err(format::damaged()),
        }
    }
}

async fn read_table(
    reader: &mut Reader,
    table: &Table,
    target: Option<&DatabaseTransaction>,
    progress: &mut Progress<'_>,
) -> Result<Sum, Failure> {
    let mut tally = Tally::default();
    let mut batch = Batch::of(table);
    loop {
        match reader.next()? {
            Record::Row(bytes) => {
                tally.add(&bytes);
                let row = table.decode(&bytes).ok_or_else(format::damaged)?;
                if let Some(target) = target {
                    batch.add(target, row).await?;
                }
                progress.at(&table.name, tally.rows);
            }
            Record::EndOfTable(said) => {
                if let Some(target) = target {
                    batch.flush(target).await?;
                }
                let found = tally.sum();
                return if found == said { Ok(found) } else { Err(format::damaged()) };
            }
            _ => return Err(format::damaged()),
        }
    }
}

// ── Restore ──────────────────────────────────────────────────────────────────────────────────────────────────────

/// Bring back what a backup holds, into a place where nothing is; or leave that as it was.
pub async fn restore(
    storage: &Storage,
    file: &Path,
    passphrase: Option<&Passphrase>,
    tell: Tell<'_>,
) -> Result<Contents, Failure> {
    restore_as::<Migrator>(storage, file, passphrase, tell).await
}

/// With the schema of another version of this program.
pub async fn restore_as<M: MigratorTrait>(
    storage: &Storage,
    file: &Path,
    passphrase: Option<&Passphrase>,
    tell: Tell<'_>,
) -> Result<Contents, Failure> {
    let contents = walk(file, passphrase, None, Progress::new(tell, "Reading")).await?;
    db::refuse_newer::<M>(&contents.header.schema)?;
    let mut place = Place::prepare(storage, &contents.key)?;
    let db = db::alone(&storage.database(), Some(storage.sqlite_journal)).await?;
    let restored = async {
        let transaction = fill::<M>(&db, file, passphrase, &contents, tell).await?;
        place.put_key(&contents.key)?;
        Ok(transaction.commit().await?)
    };
    let mut restored: Result<(), Failure> = restored.await;
    if restored.is_ok() {
        place.is_good = true;
        restored = M::up(&db, None).await.map_err(Failure::from);
    }
    db.close().await?;
    restored.map(|()| contents)
}

/// What is made for a restore, and goes again if that fails.
struct Place {
    made: Vec<PathBuf>,
    key_file: PathBuf,
    is_good: bool,
}

impl Place {
    fn prepare(storage: &Storage, key: &[u8]) -> Result<Self, Failure> {
        let key_file = storage.key_file();
        match fs::read(&key_file) {
            Ok(there) if there == key => {}
            Ok(_) => {
                return Err(format!(
                    "{} exists already, and is another key: restore into an empty place (--data, --key-file)",
                    key_file.display()
                )
                .into());
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", key_file.display()).into()),
        }
        let mut made = Vec::new();
        if !storage.data.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(&storage.data)?;
            made.push(storage.data.clone());
        }
        if let DatabaseUrl::Sqlite(path) = storage.database()
            && !path.exists()
        {
            made.push(path.clone());
            made.extend(["-journal", "-shm", "-wal"].map(|suffix| files::beside(&path, suffix)));
        }
        Ok(Self { made, key_file, is_good: false })
    }

    fn put_key(&mut self, key: &[u8]) -> Result<(), Failure> {
        if !self.key_file.exists() {
            write_secret(&self.key_file, key)?;
            self.made.push(self.key_file.clone());
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_good {
            return;
        }
        // The folder last; what cannot be removed is not ours, or was never made.
        for path in self.made.iter().rev() {
            let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
    }
}

/// A transaction in which everything is there, and was read back.
async fn fill<M: MigratorTrait>(
    db: &DatabaseConnection,
    file: &Path,
    passphrase: Option<&Passphrase>,
    contents: &Contents,
    tell: Tell<'_>,
) -> Result<DatabaseTransaction, Failure> {
    refuse_half_moved(db).await?;
    refuse_used(db).await?;
    let missing = contents.header.schema.strip_prefix(schema::applied(db).await?.as_slice());
    let steps =
        missing.ok_or("this database has the tables of another version: restore into a new one")?.len();
    let steps = Some(u32::try_from(steps)?);
    // MySQL commits each change of a table by itself.
    if db.get_database_backend() == DbBackend::MySql {
        M::up(db, steps).await?;
    }
    let transaction = db.begin().await?;
    if db.get_database_backend() != DbBackend::MySql {
        db::refuse_other_encodings(&transaction).await?;
        M::up(&transaction, steps).await?;
    }
    if !rows::tables(&transaction).await?.iter().eq(contents.tables.iter().map(|(table, _)| table)) {
        return Err("the tables of this database are not those of the backup".into());
    }
    walk(file, passphrase, Some(&transaction), Progress::new(tell, "Restoring")).await?;
    let mut progress = Progress::new(tell, "Comparing");
    for (table, sum) in &contents.tables {
        let found = table.sum(&transaction, |rows| progress.at(&table.name, rows)).await?;
        if found != *sum {
            return Err(format!("{} came out otherwise than it is in the backup", table.name).into());
        }
    }
    Ok(transaction)
}

async fn refuse_used(db: &impl ConnectionTrait) -> Result<(), Failure> {
    for table in rows::tables(db).await? {
        if !table.is_empty(db).await? {
            return Err(format!(
                "this database is not empty (there is something in its table {}): name a new one",
                table.name
            )
            .into());
        }
    }
    Ok(())
}

// ── Before an upgrade ────────────────────────────────────────────────────────────────────────────────────────────

/// A copy of what is there, in the data folder: SQLite's as it is, a server's as a backup. The last three are kept.
pub async fn keep_before_upgrade(pool: &DatabaseConnection, storage: &Storage) -> Result<(), Failure> {
    let now = Clock::default().now();
    let name = format!("before-{}-{}", env!("CARGO_PKG_VERSION"), date(now)?);
    let is_sqlite = pool.get_database_backend() == DbBackend::Sqlite;
    let suffix = if is_sqlite { ".db" } else { ".backup" };
    let path = storage.data.join(name + suffix);
    if is_sqlite {
        let part = Temporary(files::beside(&path, ".part"));
        copy_sqlite(pool, &part.0).await?;
        format::refuse_existing(&path)?;
        fs::rename(&part.0, &path)?;
        files::sync_folder_of(&path)?;
    } else {
        let writer = Writer::create(&path, None)?;
        write(pool, &read_key(storage)?, writer, now, &mut |_| ()).await?.keep()?;
    }
    tracing::info!(copy = %path.display(), "the database was copied before it is brought up to date");
    forget_old_copies(&storage.data, suffix)
}

/// As in 20261128T193000.123Z: in the order of time.
fn date(now: Millis) -> Result<String, Failure> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(now) * 1_000_000)?;
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second, milli) = at.to_hms_milli();
    let month = u8::from(month);
    Ok(format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{milli:03}Z"))
}

fn forget_old_copies(folder: &Path, suffix: &str) -> Result<(), Failure> {
    let mut copies = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some(copy) = name.strip_prefix("before-").and_then(|name| name.strip_suffix(suffix))
            && let Some((_, date)) = copy.rsplit_once('-')
        {
            copies.push((date.to_owned(), folder.join(name)));
        }
    }
    copies.sort_unstable();
    let old = copies.len().saturating_sub(COPIES);
    for (_, path) in &copies[..old] {
        fs::remove_file(path)?;
    }
    Ok(())
}
