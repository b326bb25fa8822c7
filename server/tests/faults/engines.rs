//! A database server on its bad days: it is killed while people write, ends connections that are idle, allows few
//! of them; and several of our programs begin on it together. For `make test-mariadb` and `make test-postgres`.

use std::env;
use std::time::Duration;

use client::{Client, Error};
use fastrand::Rng;
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use tokio::process::Command;
use uuid::Uuid;

use crate::people::{PASSWORD, People, in_time};
use crate::program::{Program, seed};

const NEEDS: &str = "needs a database server: make test-mariadb, make test-postgres";

/// The server beside this test, with a new database on it.
pub struct Engine {
    /// `mysql://root@127.0.0.1:20000`
    pub address: String,
    pub name: String,
    /// As its administrator.
    connection: DatabaseConnection,
}

impl Engine {
    pub async fn new() -> Self {
        let address = env::var("ENTRENOUS_TEST_DATABASE").expect(NEEDS);
        let everything = if address.starts_with("mysql") { "" } else { "/postgres" };
        let connection = Database::connect(format!("{address}{everything}")).await.unwrap();
        let engine = Self { address, name: format!("us$er_{}", Uuid::now_v7().simple()), connection };
        engine.run(&format!("CREATE DATABASE {}", engine.quoted(&engine.name))).await;
        engine
    }

    fn is_mysql(&self) -> bool {
        self.connection.get_database_backend() == DbBackend::MySql
    }

    fn quoted(&self, name: &str) -> String {
        if self.is_mysql() { format!("`{name}`") } else { format!("\"{name}\"") }
    }

    async fn run(&self, sql: &str) {
        self.connection.execute_unprepared(sql).await.unwrap();
    }

    async fn count(&self, sql: &str) -> i64 {
        let statement = Statement::from_string(self.connection.get_database_backend(), sql);
        let row = self.connection.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }

    /// For our program, as the administrator.
    pub fn url(&self) -> String {
        format!("{}/{}", self.address, self.name)
    }

    /// Somebody who may do everything with this database and nothing else, with this password in clear.
    async fn user(&self, password: &str, limit: u32) -> String {
        let name = format!("u{}", &Uuid::now_v7().simple().to_string()[12..]);
        let written = password.replace('\\', "\\\\").replace('\'', "''");
        let database = self.quoted(&self.name);
        if self.is_mysql() {
            self.run(&format!(
                "CREATE USER '{name}'@'%' IDENTIFIED BY '{written}' WITH MAX_USER_CONNECTIONS {limit}"
            ))
            .await;
            self.run(&format!("GRANT ALL ON {database}.* TO '{name}'@'%'")).await;
        } else {
            let written = password.replace('\'', "''");
            self.run(&format!(
                "CREATE ROLE {name} LOGIN PASSWORD '{written}' CONNECTION LIMIT {limit}; \
                 ALTER DATABASE {database} OWNER TO {name}"
            ))
            .await;
        }
        let encoded: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (scheme, host) = self.address.split_once("://").unwrap();
        let host = host.rsplit('@').next().unwrap();
        format!("{scheme}://{name}:{encoded}@{host}/{}", self.name)
    }

    /// As when its machine goes down and comes up again.
    async fn kill_and_start_again() {
        let restart = env::var("ENTRENOUS_TEST_RESTART").expect(NEEDS);
        assert!(in_time(Command::new(restart).status()).await.unwrap().success());
    }
}

pub fn on(url: &str) -> Program {
    Program::new().with(&["--database", url])
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database server: make test-mariadb, make test-postgres"]
async fn a_database_that_is_killed_under_load_loses_and_doubles_nothing() {
    let mut rng = Rng::with_seed(seed());
    let engine = Engine::new().await;
    let mut server = on(&engine.url());
    server.start_again().await;
    let mut people = People::sign_up(&server.url(), 4, &mut rng).await;
    let mut writing = people.write(8);
    for _ in 0..4 {
        writing.more(rng.u64(100..800)).await;
        Engine::kill_and_start_again().await;
    }
    writing.more(100).await;
    let diaries = writing.end().await;
    people.agree(diaries, &server.url()).await;
    assert!(server.stop().await.success());
    assert!(!server.log().contains("panicked"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database server: make test-mariadb, make test-postgres"]
async fn connections_that_the_database_has_ended_are_opened_again() {
    let engine = Engine::new().await;
    let url = engine.user("secret", 20).await;
    let user = url.split("://").nth(1).unwrap().split(':').next().unwrap().to_owned();
    if engine.is_mysql() {
        engine.run("SET GLOBAL wait_timeout = 2").await;
    } else {
        engine.run(&format!("ALTER ROLE {user} SET idle_session_timeout = '2s'")).await;
    }
    let mut server = on(&url);
    server.start_again().await;
    let alice = Client::register(&server.url(), "alice", "Alice", PASSWORD).await.unwrap();
    let bob = Client::register(&server.url(), "bob", "Bob", PASSWORD).await.unwrap();
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    for number in 1..=3 {
        alice.send(conversation, &number.to_string()).await.unwrap();
        let ended = async {
            let open = if engine.is_mysql() {
                format!("SELECT count(*) FROM information_schema.processlist WHERE user = '{user}'")
            } else {
                format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{user}'")
            };
            while engine.count(&open).await > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        in_time(ended).await;
        assert_eq!(server.get("/readyz").await, "ready\n");
    }
    assert_eq!(bob.history(conversation, None, 10).await.unwrap().len(), 3);
    assert_eq!(server.complaints(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database server: make test-mariadb, make test-postgres"]
async fn three_connections_are_enough_and_fewer_are_said_to_be_passing() {
    let engine = Engine::new().await;
    let url = engine.user("secret", 3).await;
    let mut server = on(&url);
    server.start_again().await;
    let mut people = People::sign_up(&server.url(), 4, &mut Rng::with_seed(seed())).await;
    let mut writing = people.write(4);
    writing.more(500).await;
    let diaries = writing.end().await;
    people.agree(diaries, &server.url()).await;
    assert_eq!(server.complaints(), [""; 0]);

    // Another program takes what it can of them.
    assert!(server.stop().await.success());
    server.start_again().await;
    let person = Client::log_in(&server.url(), "person0", PASSWORD).await.unwrap();
    let mut held = Vec::new();
    while let Ok(connection) = Database::connect(&url).await {
        held.push(connection);
    }
    let refused = join_all((0..20).map(|_| person.conversations())).await;
    for refusal in refused.into_iter().filter_map(Result::err) {
        assert!(matches!(refusal, Error::Refused { .. }), "{refusal}");
        assert_eq!(refusal.code(), Some("unavailable"));
    }
    for connection in held {
        connection.close().await.unwrap();
    }
    in_time(async { while person.conversations().await.is_err() {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database server: make test-mariadb, make test-postgres"]
async fn a_password_has_any_characters() {
    let engine = Engine::new().await;
    let url = engine.user(r#"p@ss:/?#[]%41 &é"'\$`=+;漢"#, 10).await;
    let mut server = on(&url);
    server.start_again().await;
    assert_eq!(server.get("/readyz").await, "ready\n");
    assert!(server.stop().await.success());
    assert!(!server.log().contains("p@ss") && !server.log().contains("%40"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database server: make test-mariadb, make test-postgres"]
async fn programs_that_start_together_make_the_tables_and_the_key_once() {
    let engine = Engine::new().await;
    let shared = tempfile::tempdir().unwrap();
    let key = shared.path().join("server.key").display().to_string();
    let node = |_| Program::new().with(&["--database", &engine.url(), "--key-file", &key]);
    let mut together: Vec<_> = (0..3).map(node).collect();
    join_all(together.iter_mut().map(Program::start_again)).await;
    for server in &together {
        assert_eq!(server.get("/readyz").await, "ready\n");
        assert_eq!(server.complaints(), [""; 0]);
    }
    assert_eq!(shared.path().read_dir().unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database server: make test-mariadb, make test-postgres"]
async fn a_first_start_that_is_cut_short_is_taken_up_by_the_next() {
    let mut rng = Rng::with_seed(seed());
    for _ in 0..5 {
        let engine = Engine::new().await;
        let mut server = on(&engine.url());
        let tables = if engine.is_mysql() {
            format!("SELECT count(*) FROM information_schema.tables WHERE table_schema = '{}'", engine.name)
        } else {
            // Those of others are not seen before the commit.
            format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'", engine.name)
        };
        let enough = if engine.is_mysql() { rng.i64(1..20) } else { 1 };
        let moment = async { while engine.count(&tables).await < enough {} };
        server.start_and_kill(moment).await;
        server.start_again().await;
        let alice = Client::register(&server.url(), "alice", "Alice", PASSWORD).await.unwrap();
        assert_eq!(alice.conversations().await.unwrap().len(), 0);
        assert!(server.stop().await.success());
    }
}
