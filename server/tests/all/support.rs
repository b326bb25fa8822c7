//! A server of one's own for each test, and people who use it.

use std::sync::atomic::{AtomicU16, Ordering};

use client::{Client, Event, Live};
use entrenous::app::App;
use entrenous::clock::Clock;
use entrenous::config::{Config, DatabaseUrl, Storage};
use entrenous::listen::{Doors, Listen};
use entrenous::tls::Tls;
use reqwest::{Method, RequestBuilder, Response};
use sea_orm::{ConnectionTrait, Database};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub const PASSWORD: &str = "correct horse battery";

/// What comes next, but for one's own vault, which is written whenever somebody new is met.
pub async fn news(live: &mut Live) -> Event {
    loop {
        match live.next().await.unwrap() {
            Event::Vault { .. } => {}
            other => return other,
        }
    }
}

pub struct TestApp {
    pub url: String,
    pub clock: Clock,
    pub config: Config,
    /// The inside, for looking at what is stored.
    pub app: App,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    http: reqwest::Client,
    _data: TempDir,
}

impl TestApp {
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub async fn start_with(set: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let listener = listen().await;
        let mut config = Config {
            listen: Listen::Tcp(listener.local_addr().unwrap()),
            attempts_per_address: 10_000,
            attempts_per_handle: 10_000,
            ..Config::default()
        };
        config.storage.data = data.path().join("data");
        config.storage.database = database().await;
        set(&mut config);
        let clock = Clock::default();
        let url = format!("http://{}", config.listen);
        let (app, running) = run(listener, &config, &clock).await;
        Self { url, clock, config, app, running: Some(running), http: reqwest::Client::new(), _data: data }
    }

    /// Stop as on SIGTERM.
    pub async fn stop(&mut self) {
        let (stop, task) = self.running.take().expect("it runs");
        stop.send(()).unwrap();
        task.await.unwrap();
    }

    /// Start again on the same folder and the same port.
    pub async fn start_again(&mut self) {
        let listener = TcpListener::bind(self.config.listen.to_string()).await.unwrap();
        let (app, running) = run(listener, &self.config, &self.clock).await;
        self.app = app;
        self.running = Some(running);
    }

    /// Somebody new. Their handle is their name and a number.
    pub async fn person(&self, name: &str) -> Client {
        static COUNT: AtomicU16 = AtomicU16::new(0);
        let handle = format!("{}{}", name.to_ascii_lowercase(), COUNT.fetch_add(1, Ordering::Relaxed));
        Client::register(&self.url, &handle, name, PASSWORD).await.unwrap()
    }

    /// Two people and their conversation.
    pub async fn pair(&self) -> (Client, Client, Uuid) {
        let (alice, bob) = (self.person("Alice").await, self.person("Bob").await);
        let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
        (alice, bob, conversation)
    }

    /// A request by nobody in particular.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub async fn post(&self, path: &str, body: &Value) -> Refusal {
        refusal(self.request(Method::POST, path).json(body).send().await.unwrap()).await
    }
}

/// Status and code.
pub type Refusal = (u16, String);

pub async fn refusal(response: Response) -> Refusal {
    let status = response.status().as_u16();
    let problem: Value = response.json().await.unwrap_or_default();
    // Every refusal is a code and a sentence.
    assert!(status < 400 || problem["message"].as_str().is_some_and(|text| text.ends_with('.')), "{problem}");
    (status, problem["code"].as_str().unwrap_or_default().to_owned())
}

pub fn refused(status: u16, code: &str) -> Refusal {
    (status, code.to_owned())
}

/// As [`refusal`], for the answers of [`Client::raw`].
pub fn raw_refusal((status, problem): (u16, Value)) -> Refusal {
    (status, problem["code"].as_str().unwrap_or_default().to_owned())
}

/// An empty place of the kind that the tests run on.
pub async fn empty_place(folder: &TempDir) -> Storage {
    let data = folder.path().join("data");
    Storage { data, database: database().await, ..Config::default().storage }
}

/// SQLite in the folder, or a new database on the server that `ENTRENOUS_TEST_DATABASE` names.
async fn database() -> Option<DatabaseUrl> {
    let server = std::env::var("ENTRENOUS_TEST_DATABASE").ok()?;
    // Hosts that share a server put the user's name and a dollar sign in front.
    let name = format!("us$er_{}", Uuid::now_v7().simple());
    let (url, quote) =
        if server.starts_with("mysql") { (server.clone(), '`') } else { (format!("{server}/postgres"), '"') };
    let connection = Database::connect(url).await.unwrap();
    connection.execute_unprepared(&format!("CREATE DATABASE {quote}{name}{quote}")).await.unwrap();
    connection.close().await.unwrap();
    Some(format!("{server}/{name}").parse().unwrap())
}

async fn run(
    listener: TcpListener,
    config: &Config,
    clock: &Clock,
) -> (App, (oneshot::Sender<()>, JoinHandle<()>)) {
    let app = entrenous::open(config.clone(), clock.clone()).await.unwrap();
    let (stop, stopped) = oneshot::channel();
    let serving = app.clone();
    let mut doors = Doors::from(listener);
    doors.tls = Tls::open(config).unwrap();
    if let Some(at) = config.http_redirect {
        doors.redirect = Some(TcpListener::bind(at).await.unwrap());
    }
    let task = tokio::spawn(async move {
        let shutdown = async { drop(stopped.await) };
        entrenous::serve(doors, serving, shutdown).await.unwrap();
    });
    (app, (stop, task))
}

/// On a free port below those that the system hands out by itself.
pub async fn listen() -> TcpListener {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 8_000) as u16;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 4_000;
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await {
            return listener;
        }
    }
}
