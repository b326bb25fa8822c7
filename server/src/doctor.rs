//! `entrenous doctor`: whether everything is as the server needs it, for whoever sets it up, and what to do where it
//! is not. It leaves everything as it was, and may be asked while the server runs.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use e2ee::opaque::server::ServerSetup as Opaque;
use nix::sys::statfs::{NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, statfs};
use nix::unistd::{AccessFlags, access};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait, TryGetable,
};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use crate::clock::{Clock, MINUTE, Millis, SECOND};
use crate::cluster::Cluster;
use crate::config::{Config, DatabaseUrl, Storage, TrustedProxy};
use crate::listen::Listen;
use crate::mail::Relay;
use crate::schema::{self, Migrator};
use crate::{ENOUGH, accounts, archive, db, room_left};

/// With less room than this on the disk it is time to do something.
const LITTLE_ROOM: u64 = 500 << 20;
/// Clocks further apart than this show in the order of what people read.
const APART: Millis = 5 * SECOND;
/// 2026-01-01: whoever believes to be earlier has no clock.
const THE_PAST: Millis = 1_767_225_600_000;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    Ok,
    /// It works, but not as well as it could.
    Warn,
    /// The server will not start, or people will be shut out.
    Fail,
}

/// One line of the report, and what to do.
#[derive(Debug)]
pub struct Finding {
    pub level: Level,
    pub what: String,
    pub advice: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok  ",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        write!(f, "{level}  {}", self.what)?;
        self.advice.as_ref().map_or(Ok(()), |advice| write!(f, "\n      → {advice}"))
    }
}

#[derive(Default)]
struct Report(Vec<Finding>);

impl Report {
    fn ok(&mut self, what: impl Into<String>) {
        self.0.push(Finding { level: Level::Ok, what: what.into(), advice: None });
    }

    fn warn(&mut self, what: impl Into<String>, advice: impl Into<String>) {
        self.0.push(Finding { level: Level::Warn, what: what.into(), advice: Some(advice.into()) });
    }

    fn fail(&mut self, what: impl Into<String>, advice: impl Into<String>) {
        self.0.push(Finding { level: Level::Fail, what: what.into(), advice: Some(advice.into()) });
    }
}

pub async fn examine(config: &Config, clock: &Clock) -> Vec<Finding> {
    let mut report = Report::default();
    let storage = &config.storage;
    if let Some(file) = &storage.config {
        private(&mut report, "settings file", file, 0o600);
    }
    folder(&mut report, storage);
    room(&mut report, storage);
    let database = storage.database();
    let db = database_answers(&mut report, &database, storage).await;
    key(&mut report, storage, db.as_ref()).await;
    if let Some(db) = db {
        if let Err(error) = look_into(&mut report, &db, storage).await {
            report.fail(format!("database: {error}"), "see what its own log says");
        }
        if let Err(error) = clocks(&mut report, &db, clock).await {
            report
                .warn(format!("clock: the database does not tell its own: {error}"), "compare them by hand");
        }
        // All was said already.
        let _ = db.close().await;
    }
    mail(&mut report, config).await;
    if let Some(url) = &config.nats {
        match Cluster::ask(url).await {
            Ok(version) => report.ok(format!("NATS: {version} answers")),
            Err(error) => report.fail(
                format!("NATS: {error}"),
                "is it running, and are address, user and password right? Meanwhile each node knows only what happens on itself",
            ),
        }
    }
    listens(&mut report, config).await;
    public(&mut report, config);
    report.0
}

// ── The disk ─────────────────────────────────────────────────────────────────────────────────────────────────────

/// A file or folder that only the server's own user may open.
fn private(report: &mut Report, what: &str, path: &Path, mode: u32) -> bool {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if found.mode() & 0o077 != 0 => {
            let others = found.permissions().mode() & 0o777;
            report.warn(
                format!("{what} {shown}: others on this machine may open it ({others:03o})"),
                format!("chmod {mode:o} {shown}"),
            );
            true
        }
        Ok(_) => {
            report.ok(format!("{what} {shown}: nobody else may open it"));
            true
        }
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => {
            report.fail(format!("{what} {shown}: {error}"), "run this as the user who runs the server");
            false
        }
    }
}

fn folder(report: &mut Report, storage: &Storage) {
    let data = &storage.data;
    let shown = data.display();
    if private(report, "data folder", data, 0o700) {
        if let Err(error) = access(data, AccessFlags::W_OK | AccessFlags::X_OK) {
            report.fail(
                format!("data folder {shown}: {}", error.desc()),
                "give it to the server's user (chown)",
            );
        }
    } else if !data.exists() {
        match access(&nearest(data), AccessFlags::W_OK) {
            Ok(()) => report.ok(format!("data folder {shown}: will be made at the first start")),
            Err(error) => report.fail(
                format!("data folder {shown} is missing and cannot be made: {}", error.desc()),
                "make it, and give it to the server's user; or name another one by --data",
            ),
        }
    }
}

/// The path itself, or the nearest folder above it that is there.
fn nearest(path: &Path) -> PathBuf {
    let there = path.ancestors().find(|each| !each.as_os_str().is_empty() && each.exists());
    there.unwrap_or(Path::new(".")).to_owned()
}

fn room(report: &mut Report, storage: &Storage) {
    let data = nearest(&storage.data).display().to_string();
    match room_left(&data) {
        None => report.warn(format!("disk of {data}: its room is not known"), "look with df"),
        Some(left) => {
            let what = format!("disk of {data}: {} MiB left", left >> 20);
            match left {
                ..ENOUGH => report.fail(what, "make room, or nothing can be stored"),
                ENOUGH..LITTLE_ROOM => {
                    report.warn(what, "make room soon: on a full disk nothing can be stored")
                }
                LITTLE_ROOM.. => report.ok(what),
            }
        }
    }
}

async fn key(report: &mut Report, storage: &Storage, db: Option<&DatabaseConnection>) {
    let path = storage.key_file();
    let shown = path.display();
    if !private(report, "key file", &path, 0o600) && path.exists() {
        return;
    }
    let key = fs::read(&path).ok();
    if key.as_ref().is_some_and(|key| Opaque::from_bytes(key).is_err()) {
        return report.fail(format!("key file {shown}: is no key"), "restore it from a backup");
    }
    let (mut known, mut has_accounts) = (None, false);
    if let Some(db) = db {
        // Without the tables there is neither.
        known = archive::known_key(db).await.ok().flatten();
        has_accounts = accounts::exist(db).await.unwrap_or_default();
    }
    match (key, known) {
        (None, None) if !has_accounts => {
            report.ok(format!("key file {shown}: will be made at the first start; back it up then"));
        }
        (None, _) => report.fail(
            format!("key file {shown} is missing, and nobody can log in with a password without it"),
            "restore it from a backup, or copy it from another node; or name it by --key-file",
        ),
        (Some(key), Some(known)) if known[..] != Sha256::digest(&key)[..] => report.fail(
            format!("key file {shown}: is not the key that this database is served with"),
            "copy the file from the other node, or from the backup that belongs to this database",
        ),
        (Some(_), Some(_)) => {
            report.ok(format!("key file {shown}: is the one that this database is served with"))
        }
        (Some(_), None) => {
            report.ok(format!("key file {shown}: the database will remember it at the next start"))
        }
    }
}

// ── The database ─────────────────────────────────────────────────────────────────────────────────────────────────

async fn database_answers(
    report: &mut Report,
    database: &DatabaseUrl,
    storage: &Storage,
) -> Option<DatabaseConnection> {
    if let DatabaseUrl::Sqlite(path) = database {
        let shown = path.display();
        if !private(report, "database", path, 0o600) && !path.exists() {
            match nearest(path) {
                // Also when the data folder is still to be made.
                there if path.starts_with(&storage.data) || path.parent() == Some(&there) => {
                    report.ok(format!("database {shown}: will be made at the first start"));
                }
                there => report.fail(
                    format!("database {shown}: there is no such folder (only {})", there.display()),
                    "make it, and give it to the server's user",
                ),
            }
            return None;
        }
    }
    match db::look(database).await {
        Ok(db) => Some(db),
        Err(error) => {
            report.fail(
                format!("database {database:?}: {error}"),
                "is it running, and are address, name, user and password right? Special characters in a password are \
                 written as %40 and so on",
            );
            None
        }
    }
}

/// One value that the database tells of itself.
async fn ask<T: TryGetable>(db: &impl ConnectionTrait, sql: &str) -> Result<T, DbErr> {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    row.ok_or_else(|| DbErr::RecordNotFound(sql.to_owned()))?.try_get_by_index(0)
}

async fn look_into(report: &mut Report, db: &DatabaseConnection, storage: &Storage) -> Result<(), DbErr> {
    match db.get_database_backend() {
        DbBackend::MySql => mysql(report, db, storage).await?,
        DbBackend::Postgres => postgres(report, db, storage).await?,
        _ => sqlite(report, db, storage).await?,
    }
    schema_is_known(report, db).await?;
    rights(report, db).await;
    Ok(())
}

async fn sqlite(report: &mut Report, db: &DatabaseConnection, storage: &Storage) -> Result<(), DbErr> {
    report.ok(format!("database: SQLite {}", ask::<String>(db, "SELECT sqlite_version()").await?));
    let encoding: String = ask(db, "PRAGMA encoding").await?;
    if encoding != "UTF-8" {
        report.fail(format!("database: its encoding is {encoding}"), "restore a backup into a new file");
    }
    let (asked, found) = (storage.sqlite_journal.name(), archive::journal(db).await?);
    let DatabaseUrl::Sqlite(path) = storage.database() else { return Ok(()) };
    let network =
        statfs(&path).is_ok_and(|disk| [NFS_SUPER_MAGIC, SMB_SUPER_MAGIC].contains(&disk.filesystem_type()));
    match (found == "wal", network) {
        (true, true) => report.fail(
            "database: a write-ahead log on a file system of a network, where it may be damaged",
            "stop the server, and start it with --sqlite-journal delete",
        ),
        _ if found != asked => report.warn(
            format!("database: its journal mode is {found}, and {asked} is asked for"),
            "it is changed at the next start, while no other program has it open",
        ),
        _ => report.ok(format!("database: journal mode {found}")),
    }
    Ok(())
}

async fn mysql(report: &mut Report, db: &DatabaseConnection, storage: &Storage) -> Result<(), DbErr> {
    let version: String = ask(db, "SELECT VERSION()").await?;
    let name = if version.contains("MariaDB") { "" } else { "MySQL " };
    report.ok(format!("database: {name}{version}"));
    let others = "SELECT CAST(COUNT(*) AS SIGNED) FROM information_schema.tables
                  WHERE table_schema = DATABASE() AND table_collation <> 'utf8mb4_bin'
                  AND table_name IN ";
    let ours = schema::TABLES.join("', '");
    match ask::<i64>(db, &format!("{others} ('{ours}')")).await? {
        0 => report.ok("database: all tables are utf8mb4"),
        other => report.fail(
            format!("database: {other} tables are not utf8mb4_bin, so that some characters or handles get lost"),
            "restore a backup into a new database, or ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        ),
    }
    let idle: i64 = ask(db, "SELECT CAST(@@GLOBAL.wait_timeout AS SIGNED)").await?;
    match idle {
        ..30 => report.warn(
            format!("database: it ends connections after {idle} idle seconds (wait_timeout)"),
            "it works, but the first request after a pause waits for a new connection: ask for 300 or more",
        ),
        _ => report.ok(format!("database: idle connections are kept for {idle} s")),
    }
    let of_user: i64 = ask(db, "SELECT CAST(@@max_user_connections AS SIGNED)").await?;
    let of_all: i64 = ask(db, "SELECT CAST(@@max_connections AS SIGNED)").await?;
    let allowed = if of_user > 0 { of_user.min(of_all) } else { of_all };
    connections(report, storage, allowed);
    Ok(())
}

async fn postgres(report: &mut Report, db: &DatabaseConnection, storage: &Storage) -> Result<(), DbErr> {
    report.ok(format!("database: PostgreSQL {}", ask::<String>(db, "SHOW server_version").await?));
    match db::refuse_other_encodings(db).await {
        Ok(()) => report.ok("database: its encoding is UTF8"),
        Err(error) => report.fail(format!("database: {error}"), "restore a backup into a new database"),
    }
    let allowed = "SELECT LEAST(
            NULLIF((SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user), -1),
            NULLIF((SELECT datconnlimit FROM pg_database WHERE datname = current_database()), -1),
            current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        )::bigint";
    connections(report, storage, ask(db, allowed).await?);
    Ok(())
}

/// One more is needed by whoever makes a backup.
fn connections(report: &mut Report, storage: &Storage, allowed: i64) {
    let wanted = i64::from(storage.database_connections);
    let what = format!("database: {allowed} connections are allowed, and up to {wanted} are opened");
    if wanted < allowed {
        return report.ok(what);
    }
    let fewer = (allowed - 1).max(2);
    report.warn(what, format!("--database-connections {fewer}, which leaves one for backups and for this"));
}

async fn schema_is_known(report: &mut Report, db: &DatabaseConnection) -> Result<(), DbErr> {
    if let Err(error) = archive::refuse_half_moved(db).await {
        report.fail(format!("database: {error}"), "the server does not start before that");
    }
    let applied = schema::applied(db).await?;
    if let Err(error) = db::refuse_newer::<Migrator>(&applied) {
        report.fail(format!("database: {error}"), "this version does not start on it");
    } else if applied.is_empty() {
        report.ok("database: is empty; the tables are made at the first start");
    } else if applied.len() < schema::known::<Migrator>().len() {
        report.warn(
            "database: its tables are those of an older version",
            "the next start copies it into the data folder, and brings it up to date",
        );
    } else {
        report.ok("database: its tables are those of this version");
    }
    Ok(())
}

/// What the server does, on a table that nobody sees or that is gone again.
async fn rights(report: &mut Report, db: &DatabaseConnection) {
    const CLEAR: &str = "DROP TABLE IF EXISTS entrenous_doctor";
    const STEPS: [&str; 7] = [
        CLEAR,
        "CREATE TABLE entrenous_doctor (id BIGINT NOT NULL PRIMARY KEY, seen BIGINT)",
        "CREATE INDEX entrenous_doctor_seen ON entrenous_doctor (seen)",
        "INSERT INTO entrenous_doctor VALUES (1, 2)",
        "UPDATE entrenous_doctor SET seen = 3",
        "DELETE FROM entrenous_doctor",
        "DROP TABLE entrenous_doctor",
    ];
    let tried = async {
        let at_once = Some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions { sqlite_transaction_mode: at_once, ..Default::default() };
        let transaction = db.begin_with_options(options).await?;
        for step in STEPS {
            transaction.execute_unprepared(step).await?;
        }
        transaction.rollback().await
    };
    let tried: Result<(), DbErr> = tried.await;
    if tried.is_err() && db.get_database_backend() == DbBackend::MySql {
        // Which does not take back the table itself; what is wrong there is said below.
        let _ = db.execute_unprepared(CLEAR).await;
    }
    match tried {
        Ok(()) => report.ok("database: the server may do there what it has to"),
        Err(error) => report.fail(
            format!("database: not all that the server has to do is allowed there: {error}"),
            "grant its user CREATE, ALTER, INDEX, DROP, SELECT, INSERT, UPDATE and DELETE on this database; with SQLite, \
             write access to the file and its folder",
        ),
    }
}

async fn clocks(report: &mut Report, db: &DatabaseConnection, clock: &Clock) -> Result<(), DbErr> {
    let now = clock.now();
    if now < THE_PAST {
        report.fail(
            "clock: this machine believes to be in the past",
            "set its clock (timedatectl set-ntp true)",
        );
    }
    let theirs = match db.get_database_backend() {
        DbBackend::MySql => "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
        DbBackend::Postgres => "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
        // It has this machine's.
        _ => return Ok(()),
    };
    let apart = (ask::<i64>(db, theirs).await? - now).abs();
    let what = format!("clock: {:.1} s apart from the database's", apart as f64 / SECOND as f64);
    match apart {
        ..APART => report.ok(what),
        APART..MINUTE => report.warn(what, "set both by NTP: people see the times of this machine"),
        _ => report.fail(what, "set both by NTP: sessions and messages that disappear depend on it"),
    }
    Ok(())
}

// ── The network ──────────────────────────────────────────────────────────────────────────────────────────────────

async fn listens(report: &mut Report, config: &Config) {
    match &config.listen {
        Listen::Systemd => report.ok("listening: on the socket that systemd opens"),
        Listen::Tcp(address) => match TcpListener::bind(address) {
            Ok(_) => report.ok(format!("listening: {address} is free")),
            Err(error) if error.kind() == ErrorKind::AddrInUse && is_ours(*address).await => {
                report.ok(format!("listening: a server of Entre Nous answers on {address}"));
            }
            Err(error) => report.fail(
                format!("listening: {address}: {error}"),
                "end what listens there (ss -ltnp), or --listen on another port, above 1023",
            ),
        },
        Listen::Unix(path) => unix(report, path),
    }
}

fn unix(report: &mut Report, path: &Path) {
    let shown = path.display();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return report.fail(format!("listening: {shown} is a file, and no socket"), "name another path");
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            return report.ok(format!("listening: a server answers on {shown}"));
        }
        _ => {}
    }
    match access(folder, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) => report.ok(format!("listening: {shown} can be made")),
        Err(error) => report.fail(
            format!("listening: no socket can be made in {}: {}", folder.display(), error.desc()),
            "make the folder, and give it to the server's user",
        ),
    }
}

/// Whether what listens there is such a server.
async fn is_ours(address: SocketAddr) -> bool {
    let asked = move || -> io::Result<String> {
        let patience = Duration::from_secs(2);
        let mut stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.write_all(b"GET /api/config HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(64 << 10).read_to_string(&mut answer)?;
        Ok(answer)
    };
    let asked = spawn_blocking(asked).await;
    let Ok(Ok(answer)) = asked else { return false };
    answer.starts_with("HTTP/1.1 200") && answer.contains("x-request-id")
}

async fn mail(report: &mut Report, config: &Config) {
    let advice = "see --smtp, --smtp-user and --smtp-password; meanwhile mails wait, for three days";
    match Relay::new(config) {
        Ok(None) => report.ok("mail: none is sent; everything works without"),
        Ok(Some(relay)) => match relay.ask().await {
            Ok(()) => report.ok("mail: its server answers; try entrenous admin mail-test you@example.org"),
            Err(error) => report.fail(format!("mail: {error}"), advice),
        },
        Err(error) => report.fail(format!("mail: {error}"), advice),
    }
}

fn public(report: &mut Report, config: &Config) {
    let proxies = &config.trusted_proxies;
    let Some(url) = &config.public_url else {
        return match config.listen.is_loopback() {
            true => report.ok("public address: none; for this machine alone"),
            false => report.warn(
                "public address: none, and others can reach this server: browsers let nobody in without https",
                "put a proxy with https in front, and set --public-url https://…",
            ),
        };
    };
    let origin = &url.origin;
    if !url.is_https() && !url.is_local() {
        return report.fail(
            format!("public address: {origin}: browsers encrypt nothing on plain http"),
            "get a certificate, and set --public-url https://…",
        );
    }
    report.ok(format!("public address: {origin}"));
    if url.is_https() && proxies.is_empty() {
        report.warn(
            "proxies: none is trusted, so that all people count as one address for the limits",
            "name the one in front by --trusted-proxies (127.0.0.1, or unix for a Unix socket)",
        );
    }
    if matches!(config.listen, Listen::Unix(_))
        && !proxies.is_empty()
        && !proxies.contains(&TrustedProxy::Unix)
    {
        report.warn(
            "proxies: only addresses are trusted, but whoever comes through a Unix socket has none",
            "add unix to --trusted-proxies",
        );
    }
    let anybody = |proxy: &TrustedProxy| matches!(proxy, TrustedProxy::Network(net) if net.prefix_len() == 0);
    if proxies.iter().any(anybody) {
        report.warn("proxies: everybody is trusted to say their address", "name only the proxies in front");
    }
}
