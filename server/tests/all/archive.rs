//! Backups, what they bring back, and moving to another database.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use client::{Client, Message};
use e2ee::opaque::server::ServerSetup;
use entrenous::archive::{self, Passphrase};
use entrenous::clock::{Clock, DAY, HOUR};
use entrenous::config::{DatabaseUrl, Journal, Storage};
use entrenous::db::{self, Db};
use entrenous::schema::tables::{accounts, sessions, settings};
use entrenous::schema::{self, Migrator};
use reqwest::Method;
use sea_orm::ActiveValue::Set;
use sea_orm::{ConnectionTrait, DatabaseConnection, EntityTrait, Statement};
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, MigratorTrait, SchemaManager, async_trait};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{PASSWORD, TestApp, empty_place};

fn silence(_: &str) {}

fn passphrase(text: &str) -> Option<Passphrase> {
    Some(Passphrase::new(text.to_owned()).unwrap())
}

/// Everything that people can do, done once: who they are, and where they talk.
struct Story {
    admin: String,
    alice: String,
    bob: String,
    conversation: Uuid,
    avatar: String,
}

impl Story {
    async fn happens(app: &TestApp) -> (Self, Client) {
        let admin = app.person("Admin").await;
        let (alice, bob, conversation) = app.pair().await;
        let first = alice.send(conversation, "à demain 🙂").await.unwrap();
        bob.edit(conversation, bob.send(conversation, "one").await.unwrap().id, "two").await.unwrap();
        bob.react(conversation, first.id, "🎉").await.unwrap();
        let gone = alice.send(conversation, "never mind").await.unwrap();
        alice.delete(conversation, gone.id).await.unwrap();
        alice.set_timer(conversation, 7 * DAY as u64).await.unwrap();
        bob.receipt(conversation, Some(4), Some(4)).await.unwrap();
        let later = alice.seal(conversation, "later").await.unwrap();
        let at = app.clock.now() + HOUR;
        let path = format!("/conversations/{conversation}/scheduled/{}", later.id);
        let body = json!({"envelope": later.envelope, "at": at});
        assert_eq!(alice.raw("PUT", &path, Some(&body)).await.unwrap().0, 200);
        let named = json!({"conversation": conversation, "seq": first.seq, "sent_at": first.sent_at, "text": "à demain"});
        let report =
            json!({"account": alice.id(), "reason": "spam", "note": "Each\nday", "messages": [named]});
        assert_eq!(bob.raw("POST", "/reports", Some(&report)).await.unwrap().0, 204);
        let picture = include_bytes!("../../../docs/images/en-person.png").to_vec();
        let put = app.request(Method::PUT, "/api/profile/avatar").bearer_auth(alice.token()).body(picture);
        let me: Value = put.send().await.unwrap().json().await.unwrap();
        let avatar = me["avatar"].as_str().unwrap().to_owned();
        let handle = |of: &Client| of.handle().to_owned();
        let story =
            Self { admin: handle(&admin), alice: handle(&alice), bob: handle(&bob), conversation, avatar };
        (story, alice)
    }

    /// All of it, as those see it who log in with their password now.
    async fn told_on(&self, app: &TestApp) -> (Vec<Message>, Vec<String>) {
        let log_in = async |handle: &str| Client::log_in(&app.url, handle, PASSWORD).await.unwrap();
        let (admin, alice, bob) =
            (log_in(&self.admin).await, log_in(&self.alice).await, log_in(&self.bob).await);
        let history = all_of(&alice, self.conversation).await;
        assert_eq!(all_of(&bob, self.conversation).await, history);
        let edited = history.iter().find(|message| message.edited_at.is_some()).unwrap();
        let versions = alice.versions(self.conversation, edited).await.unwrap();
        let mut told = vec![format!("{versions:?}")];
        for (who, path) in [
            (&admin, "/reports"),
            (&alice, "/scheduled"),
            (&alice, "/vault"),
            (&bob, "/privacy"),
            (&bob, "/people?q=alice"),
        ] {
            let (status, answer) = who.raw("GET", path, None).await.unwrap();
            assert!(status == 200 || status == 404, "{path}: {answer}");
            told.push(answer.to_string());
        }
        let request = app.request(Method::GET, &format!("/api/avatars/{}", self.avatar));
        let picture = request.bearer_auth(bob.token()).send().await.unwrap();
        assert_eq!(picture.status(), 200);
        told.push(format!("{:?}", Sha256::digest(picture.bytes().await.unwrap())));
        (history, told)
    }
}

/// The whole conversation, as it reads.
async fn all_of(person: &Client, conversation: Uuid) -> Vec<Message> {
    let mut all = Vec::new();
    loop {
        let before = all.first().map(|message: &Message| message.seq);
        let page = person.history(conversation, before, 200).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.splice(0..0, page);
    }
}

/// A server that has come and gone, as a process would: nothing of it holds the database.
async fn end(mut app: TestApp) {
    app.stop().await;
}

async fn serve(storage: &Storage) -> TestApp {
    TestApp::start_with(|config| config.storage = storage.clone()).await
}

/// A backup of a small story, made and whole.
async fn backed_up(folder: &TempDir, passphrase: Option<&Passphrase>) -> (TestApp, Story, PathBuf) {
    let storage = empty_place(folder).await;
    let app = serve(&storage).await;
    let (story, _) = Story::happens(&app).await;
    let file = folder.path().join("backup");
    archive::backup(&storage, &file, passphrase, app.clock.now(), &mut silence).await.unwrap();
    (app, story, file)
}

async fn refused(storage: &Storage, file: &Path, passphrase: Option<&Passphrase>) -> String {
    archive::restore(storage, file, passphrase, &mut silence).await.err().expect("it was refused").to_string()
}

/// Neither a key nor a row.
async fn assert_nothing_is_left(storage: &Storage) {
    assert!(!storage.data.exists(), "no folder, and so no key");
    if storage.database.is_none() {
        return;
    }
    let db = db::look(&storage.database()).await.unwrap();
    assert_eq!(rows(&db).await, 0);
    db.close().await.unwrap();
}

async fn rows(db: &DatabaseConnection) -> i64 {
    let mut rows = 0;
    for table in schema::TABLES {
        if schema::has_table(db, table).await.unwrap() {
            let count =
                Statement::from_string(db.get_database_backend(), format!("SELECT COUNT(*) FROM {table}"));
            let count = db.query_one_raw(count).await.unwrap().unwrap();
            rows += count.try_get_by_index::<i64>(0).unwrap();
        }
    }
    rows
}

/// The first version of this program's tables.
struct First;

impl MigratorTrait for First {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Migrator::migrations().into_iter().take(1).collect()
    }
}

#[tokio::test]
async fn who_was_signed_in_before_an_upgrade_still_is() {
    let folder = TempDir::new().unwrap();
    let storage = empty_place(&folder).await;
    fs::create_dir(&storage.data).unwrap();
    // It goes into the copy that is made before.
    fs::write(storage.key_file(), ServerSetup::generate().to_bytes()).unwrap();
    let id = Uuid::now_v7();
    let row = sessions::ActiveModel {
        id: Set(id),
        account: Set(id),
        token_hash: Set(vec![1; 32]),
        share: Set(vec![2; 32]),
        created_at: Set(3),
        seen_at: Set(4),
        ..Default::default()
    };
    let account = accounts::ActiveModel {
        id: Set(id),
        handle: Set("alice".to_owned()),
        display_name: Set("Alice".to_owned()),
        status: Set(String::new()),
        bio: Set(String::new()),
        administrator: Set(true),
        opaque_record: Set(vec![5]),
        recovery_verifier: Set(vec![6; 32]),
        created_at: Set(7),
        ..Default::default()
    };
    let before = Db::open_as::<First>(&storage).await.unwrap();
    before
        .write(async |tx| {
            accounts::Entity::insert(account.clone()).exec_without_returning(tx).await?;
            Ok(sessions::Entity::insert(row.clone()).exec_without_returning(tx).await?)
        })
        .await
        .unwrap();
    before.close().await.unwrap();

    let after = Db::open_as::<Migrator>(&storage).await.unwrap();
    let session = sessions::Entity::find_by_id(id).one(after.read()).await.unwrap().unwrap();
    assert_eq!((session.seen_at, &*session.browser, &*session.address), (4, "", ""));
    let account = accounts::Entity::find_by_id(id).one(after.read()).await.unwrap().unwrap();
    assert_eq!((account.created_at, account.secured_at), (7, 0));
    after.close().await.unwrap();
}

/// A later version of this program, with one table more.
struct Next;

impl MigratorTrait for Next {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Migrator::migrations().into_iter().chain([Box::new(Later) as Box<dyn MigrationTrait>]).collect()
    }
}

struct Later;

impl MigrationName for Later {
    fn name(&self) -> &str {
        "m2999_01_01_later"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Later {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared("CREATE TABLE later (id BIGINT PRIMARY KEY)")
            .await
            .map(drop)
    }
}

/// And one after that.
struct AfterNext;

impl MigratorTrait for AfterNext {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Next::migrations().into_iter().chain([Box::new(MuchLater) as Box<dyn MigrationTrait>]).collect()
    }
}

struct MuchLater;

impl MigrationName for MuchLater {
    fn name(&self) -> &str {
        "m2999_01_02_much_later"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for MuchLater {
    async fn up(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }
}

/// Backed up while Alice writes, and restored elsewhere.
async fn drill(journal: Journal) {
    let app = TestApp::start_with(|config| config.storage.sqlite_journal = journal).await;
    let (story, alice) = Story::happens(&app).await;
    let (accepted, acceptances) = mpsc::channel();
    let conversation = story.conversation;
    let writing = tokio::spawn(async move {
        // Until nobody counts any more.
        loop {
            let sent = alice.send(conversation, "and on, and on").await.unwrap();
            if accepted.send(sent.seq).is_err() {
                return sent.seq;
            }
        }
    });
    let (folder, place) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let file = folder.path().join("backup");
    let sealed = passphrase("between us");
    let before = acceptances.recv().unwrap();
    let mut said = Vec::new();
    let lines = &mut said;
    let mut tell = move |line: &str| {
        if line == "Writing" {
            // The snapshot is older than what is accepted from now on.
            acceptances.try_iter().for_each(drop);
            for _ in 0..3 {
                acceptances.recv().unwrap();
            }
        }
        lines.push(line.to_owned());
    };
    let storage = &app.config.storage;
    let made = archive::backup(storage, &file, sealed.as_ref(), app.clock.now(), &mut tell).await.unwrap();
    drop(tell);
    let last = writing.await.unwrap();
    assert!(said.iter().any(|line| line.contains("messages")), "{said:?}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left beside it");

    let storage = empty_place(&place).await;
    let back = archive::restore(&storage, &file, sealed.as_ref(), &mut silence).await.unwrap();
    assert_eq!(back.rows(), made.rows());
    assert_eq!(back.rows_of("accounts"), 3);
    assert_eq!(storage.key_file().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let restored = serve(&storage).await;
    let (then, told) = story.told_on(&restored).await;
    let (now, still_told) = story.told_on(&app).await;
    assert_eq!(told, still_told);
    // Up to one message everything, and after it nothing.
    let end = then.last().unwrap().seq;
    assert!(before <= end && end < last, "{before} {end} {last}");
    let alike = now.iter().filter(|message| message.seq <= end && message.seq >= then[0].seq);
    assert!(alike.eq(then.iter().filter(|message| message.seq >= now[0].seq)));
    assert_eq!(
        then.iter().map(|message| message.seq).collect::<Vec<_>>(),
        (then[0].seq..=end).collect::<Vec<_>>()
    );
    // And life goes on there.
    let bob = Client::log_in(&restored.url, &story.bob, PASSWORD).await.unwrap();
    assert_eq!(bob.send(conversation, "where were we?").await.unwrap().seq, end + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_backup_made_while_people_write_brings_everything_back() {
    drill(Journal::Wal).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn nor_does_it_need_a_write_ahead_log() {
    drill(Journal::Delete).await;
}

#[tokio::test]
async fn a_sealed_backup_opens_only_with_its_passphrase() {
    let folder = TempDir::new().unwrap();
    let (app, story, file) = backed_up(&folder, passphrase("right").as_ref()).await;
    let bytes = fs::read(&file).unwrap();
    let holds = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
    let key = fs::read(app.config.storage.key_file()).unwrap();
    assert!(!holds(story.alice.as_bytes()) && !holds(&key[..16]));
    assert!(archive::is_sealed(&file).unwrap());
    let place = TempDir::new().unwrap();
    let storage = empty_place(&place).await;
    for (given, word) in [(passphrase("wrong"), "passphrase"), (None, "passphrase")] {
        let error = refused(&storage, &file, given.as_ref()).await;
        assert!(error.contains(word), "{error}");
        assert_nothing_is_left(&storage).await;
    }
    let right = passphrase("right\n");
    archive::restore(&storage, &file, right.as_ref(), &mut silence).await.unwrap();
    // The same without a seal has both in it.
    let plain = folder.path().join("plain");
    archive::backup(&storage, &plain, None, app.clock.now(), &mut silence).await.unwrap();
    let bytes = fs::read(&plain).unwrap();
    let holds = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
    assert!(holds(story.alice.as_bytes()) && holds(&key[..16]));
}

#[tokio::test]
async fn a_damaged_backup_is_refused_wherever_it_is_damaged() {
    let folder = TempDir::new().unwrap();
    let (_app, _story, file) = backed_up(&folder, None).await;
    let whole = fs::read(&file).unwrap();
    let sealed = folder.path().join("sealed");
    let open = passphrase("right");
    archive::backup(&_app.config.storage, &sealed, open.as_ref(), 0, &mut silence).await.unwrap();
    let whole_sealed = fs::read(&sealed).unwrap();
    let place = TempDir::new().unwrap();
    let storage = empty_place(&place).await;
    let bad = folder.path().join("bad");

    for (whole, passphrase, steps) in [(&whole, None, 400), (&whole_sealed, open.as_ref(), 8)] {
        fs::write(&bad, whole).unwrap();
        archive::verify(&bad, passphrase, &mut silence).await.unwrap();
        let mut damaged = Vec::new();
        for place in (0..18).chain((0..whole.len()).step_by(whole.len() / steps)).chain([whole.len() - 1]) {
            let mut flipped = whole.clone();
            flipped[place] ^= 1;
            damaged.push((format!("byte {place} is another"), flipped));
        }
        for length in (0..whole.len()).step_by(whole.len() / steps).chain([whole.len() - 1]) {
            damaged.push((format!("ends after {length}"), whole[..length].to_vec()));
        }
        damaged.push(("goes on".to_owned(), [&whole[..], b"z"].concat()));
        for (what, bytes) in damaged {
            fs::write(&bad, bytes).unwrap();
            let found = archive::verify(&bad, passphrase, &mut silence).await;
            assert!(found.is_err(), "{what} of {}", whole.len());
        }
        let mut middle = whole.clone();
        middle[whole.len() / 2] ^= 1;
        fs::write(&bad, middle).unwrap();
        let error = refused(&storage, &bad, passphrase).await;
        assert!(error.contains("damaged"), "{error}");
        assert_nothing_is_left(&storage).await;
    }
    archive::restore(&storage, &file, None, &mut silence).await.unwrap();
}

#[tokio::test]
async fn a_backup_by_a_newer_version_is_refused_and_one_by_an_older_brought_up_to_date() {
    let folder = TempDir::new().unwrap();
    let (_app, story, file) = backed_up(&folder, None).await;
    let whole = fs::read(&file).unwrap();
    let place = TempDir::new().unwrap();
    let storage = empty_place(&place).await;
    let newer = folder.path().join("newer");

    let mut format = whole.clone();
    format[16] += 1;
    let known = schema::known::<Migrator>().pop().unwrap();
    let at = whole.windows(known.len()).position(|window| window == known.as_bytes()).unwrap();
    let mut schema = whole.clone();
    schema[at..at + 5].copy_from_slice(b"m2999");
    // As if it had been written like that.
    let end = schema.len() - 32;
    let sha = Sha256::digest(&schema[..end]);
    schema[end..].copy_from_slice(&sha);
    for bytes in [format, schema] {
        fs::write(&newer, bytes).unwrap();
        let error = refused(&storage, &newer, None).await;
        assert!(error.contains("newer version"), "{error}");
        assert_nothing_is_left(&storage).await;
    }

    archive::restore_as::<Next>(&storage, &file, None, &mut silence).await.unwrap();
    let db = db::look(&storage.database()).await.unwrap();
    assert!(schema::has_table(&db, "later").await.unwrap());
    assert!(rows(&db).await > 20);
    db.close().await.unwrap();
    assert!(!story.alice.is_empty());
}

#[tokio::test]
async fn nothing_that_is_there_is_overwritten() {
    let folder = TempDir::new().unwrap();
    let (app, _story, file) = backed_up(&folder, None).await;
    let before = fs::read(&file).unwrap();
    let storage = app.config.storage.clone();
    let error = archive::backup(&storage, &file, None, 0, &mut silence).await.err().unwrap().to_string();
    assert!(error.contains("not overwritten"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), before);
    end(app).await;
    // The same key is no obstacle, but the database is.
    let error = refused(&storage, &file, None).await;
    assert!(error.contains("not empty"), "{error}");
    let place = TempDir::new().unwrap();
    let other = empty_place(&place).await;
    fs::create_dir(&other.data).unwrap();
    fs::write(other.key_file(), b"another key").unwrap();
    let error = refused(&other, &file, None).await;
    assert!(error.contains("another key"), "{error}");
    assert_eq!(fs::read(other.key_file()).unwrap(), b"another key");
}

#[tokio::test]
async fn a_backup_with_another_key_is_not_made() {
    let app = TestApp::start().await;
    app.person("Alice").await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("backup");
    let key = folder.path().join("key");
    let mut storage = Storage { key_file: Some(key.clone()), ..app.config.storage.clone() };
    for content in [None, Some(b"another")] {
        if let Some(content) = content {
            fs::write(&key, content).unwrap();
        }
        let error = archive::backup(&storage, &file, None, 0, &mut silence).await.err().unwrap().to_string();
        assert!(error.contains("--key-file"), "{error}");
        assert!(!file.exists() && !folder.path().join("backup.part").exists());
    }
    storage.key_file = None;
    archive::backup(&storage, &file, None, 0, &mut silence).await.unwrap();
}

#[tokio::test]
async fn every_table_is_in_a_backup() {
    let folder = TempDir::new().unwrap();
    let (app, _story, file) = backed_up(&folder, None).await;
    let there = archive::verify(&file, None, &mut silence).await.unwrap();
    let names: Vec<_> = there.tables.iter().map(|(table, _)| table.name.as_str()).collect();
    assert_eq!(names, schema::TABLES);
    let tables = match app.app.db.read().get_database_backend() {
        sea_orm::DbBackend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
        sea_orm::DbBackend::MySql => {
            "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = DATABASE()"
        }
        _ => "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()",
    };
    let db = app.app.db.read();
    let found = db.query_all_raw(Statement::from_string(db.get_database_backend(), tables)).await.unwrap();
    let mut found: Vec<String> = found.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
    found.retain(|name| name != "seaql_migrations");
    found.sort();
    assert_eq!(found, schema::TABLES, "a new table belongs into `schema::TABLES`");
}

fn sqlite(folder: &TempDir, name: &str) -> DatabaseUrl {
    DatabaseUrl::Sqlite(folder.path().join(name))
}

async fn carry(from: &DatabaseUrl, to: &DatabaseUrl, storage: &Storage) -> Result<u64, String> {
    let moved = archive::carry(from, to, storage, false, &mut silence).await;
    moved.map(|sums| sums.iter().map(|(_, sum)| sum.rows).sum()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn everything_moves_to_another_engine_and_back() {
    let folder = TempDir::new().unwrap();
    let mut storage = empty_place(&folder).await;
    let app = serve(&storage).await;
    let (story, _) = Story::happens(&app).await;
    let (_, told) = story.told_on(&app).await;
    let here = storage.database();
    let (there, back) = (sqlite(&folder, "there.db"), sqlite(&folder, "back.db"));
    // Without a write-ahead log an idle server holds nothing by which it could be known.
    if storage.sqlite_journal == Journal::Wal || storage.database.is_some() {
        let busy = carry(&here, &there, &storage).await.unwrap_err();
        assert!(busy.contains("stop"), "a server is writing to it: {busy}");
    }
    end(app).await;

    let rows = carry(&here, &there, &storage).await.unwrap();
    assert!(rows > 40, "{rows}");
    let used = carry(&here, &there, &storage).await.unwrap_err();
    assert!(used.contains("not empty"), "{used}");
    // Where the tests run on SQLite, back into another file of it.
    let place = TempDir::new().unwrap();
    let home = empty_place(&place).await.database.unwrap_or(back);
    assert_eq!(carry(&there, &home, &storage).await.unwrap(), rows);

    storage.database = Some(home.clone());
    let moved = serve(&storage).await;
    assert_eq!(story.told_on(&moved).await.1, told);
}

/// Waits for a line, and then never goes on.
async fn cut_short(from: &DatabaseUrl, to: &DatabaseUrl, storage: &Storage, at: &str) {
    let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let mut tell = |line: &str| {
        if line.contains(at) {
            said.send(()).unwrap();
        }
    };
    tokio::select! {
        biased;
        _ = heard.recv() => {}
        done = archive::carry(from, to, storage, false, &mut tell) => panic!("it was too fast: {}", done.is_ok()),
    }
}

#[tokio::test]
async fn a_move_that_is_cut_short_goes_on_and_is_not_served_before() {
    let folder = TempDir::new().unwrap();
    let mut storage = empty_place(&folder).await;
    let app = serve(&storage).await;
    let (story, alice) = Story::happens(&app).await;
    for number in 0..100 {
        alice.send(story.conversation, &format!("number {number}")).await.unwrap();
    }
    let (_, told) = story.told_on(&app).await;
    end(app).await;
    // There and back, so that each engine is a target that was cut short.
    let place = TempDir::new().unwrap();
    let home = empty_place(&place).await.database.unwrap_or(sqlite(&folder, "back.db"));
    for to in [sqlite(&folder, "there.db"), home] {
        let from = storage.database();
        cut_short(&from, &to, &storage, "  keyring ").await;
        // As if it had ended in the middle of a table; a row that is not as it was is found as well.
        let db = db::look(&to).await.unwrap();
        assert!(rows(&db).await > 10);
        db.execute_unprepared("DELETE FROM epochs").await.unwrap();
        db.execute_unprepared("UPDATE accounts SET bio = 'other'").await.unwrap();
        db.close().await.unwrap();
        storage.database = Some(to.clone());
        let refused = Db::open_as::<Migrator>(&storage).await.err().unwrap().to_string();
        assert!(refused.contains("move"), "{refused}");
        let mut said = Vec::new();
        let mut tell = |line: &str| said.push(line.to_owned());
        archive::carry(&from, &to, &storage, false, &mut tell).await.unwrap();
        assert!(said.iter().any(|line| line.contains("going on")), "{said:?}");
        assert!(said.iter().any(|line| line.contains("accounts has changed")), "{said:?}");
    }
    let moved = serve(&storage).await;
    assert_eq!(story.told_on(&moved).await.1, told);
}

#[tokio::test]
async fn an_upgrade_keeps_a_copy_of_what_was_there_and_the_last_three_of_them() {
    let mut app = TestApp::start().await;
    let (story, _) = Story::happens(&app).await;
    app.stop().await;
    let storage = app.config.storage.clone();
    let copies = || {
        let names = fs::read_dir(&storage.data).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| name.starts_with("before-"));
        names.sort();
        names
    };
    assert_eq!(copies(), [""; 0], "a first start has nothing to copy");
    for old in ["before-0.0.1-20200101T000000.000Z", "before-0.0.9-20210101T000000.000Z"] {
        for suffix in [".db", ".backup"] {
            fs::write(storage.data.join(format!("{old}{suffix}")), "").unwrap();
        }
    }
    for upgraded in [true, false] {
        let before = copies();
        Db::open_as::<Next>(&storage).await.unwrap().close().await.unwrap();
        assert_eq!(copies().len(), before.len() + usize::from(upgraded), "once for each upgrade");
    }
    Db::open_as::<AfterNext>(&storage).await.unwrap().close().await.unwrap();
    let suffix = if storage.database.is_none() { ".db" } else { ".backup" };
    let of_this_kind: Vec<_> = copies().into_iter().filter(|name| name.ends_with(suffix)).collect();
    assert_eq!(of_this_kind.len(), 3);
    assert!(!of_this_kind.iter().any(|name| name.contains("0.0.1")), "the oldest is gone: {of_this_kind:?}");

    let refused = entrenous::open(app.config.clone(), Clock::default()).await.err().unwrap().to_string();
    assert!(refused.contains("newer version") && refused.contains("later"), "{refused}");

    // The way back: the copy, and the version of before.
    let copy = storage.data.join(&of_this_kind[1]);
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let place = TempDir::new().unwrap();
    let mut old = empty_place(&place).await;
    if old.database.is_none() {
        fs::create_dir(&old.data).unwrap();
        fs::copy(&copy, old.data.join("entrenous.db")).unwrap();
        fs::copy(storage.key_file(), old.key_file()).unwrap();
    } else {
        old.database_connections = 3;
        archive::restore(&old, &copy, None, &mut silence).await.unwrap();
    }
    let restored = serve(&old).await;
    assert!(!story.told_on(&restored).await.0.is_empty());
}

#[tokio::test]
async fn a_node_with_another_key_is_not_started() {
    let app = TestApp::start().await;
    let known = settings::Entity::find_by_id("server_key").one(app.app.db.read()).await.unwrap().unwrap();
    let key = fs::read(app.config.storage.key_file()).unwrap();
    assert_eq!(known.value, Sha256::digest(&key).to_vec());
    let elsewhere = TempDir::new().unwrap();
    let mut config = app.config.clone();
    config.storage.database = Some(config.storage.database());
    config.storage.data = elsewhere.path().to_owned();
    let refused = entrenous::open(config.clone(), Clock::default()).await.err().unwrap().to_string();
    assert!(refused.contains("is not the key that this database is served with"), "{refused}");
    fs::write(config.storage.key_file(), key).unwrap();
    entrenous::open(config, Clock::default()).await.unwrap();
}

/// Where there can be two: SQLite has one server at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_that_start_together_with_different_keys_one_does() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let first = empty_place(&one).await;
    if first.database.is_none() {
        return;
    }
    let second = Storage { data: two.path().to_owned(), ..first.clone() };
    let open = |storage: &Storage| {
        let config = entrenous::config::Config { storage: storage.clone(), ..Default::default() };
        tokio::spawn(async move {
            let opened = entrenous::open(config, Clock::default()).await;
            opened.map(drop).map_err(|error| error.to_string())
        })
    };
    let (first, second) = (open(&first), open(&second));
    let both = [first.await.unwrap(), second.await.unwrap()];
    let refused: Vec<_> = both.iter().filter_map(|opened| opened.as_ref().err()).collect();
    assert_eq!(refused.len(), 1, "{both:?}");
    assert!(refused[0].contains("is not the key"), "{refused:?}");
}
