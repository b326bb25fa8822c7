//! Several nodes on one database, with NATS between them and nginx in front, and what becomes of people when one of
//! these goes. For `make test-cluster`.

use std::net::SocketAddr;
use std::process::Stdio;

use client::{Client, Event, Live};
use entrenous::clock::Clock;
use entrenous::config::Config;
use entrenous::doctor::{self, Level};
use fastrand::Rng;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::yield_now;

use crate::engines::Engine;
use crate::people::{PASSWORD, People, in_time};
use crate::program::{Program, free_port, seed};

/// A real NATS server.
struct Nats {
    address: SocketAddr,
    child: Option<Child>,
}

impl Nats {
    async fn start() -> Self {
        let mut nats = Self { address: SocketAddr::from(([127, 0, 0, 1], free_port())), child: None };
        nats.start_again().await;
        nats
    }

    async fn start_again(&mut self) {
        let mut child = Command::new("nats-server")
            .args(["--addr", "127.0.0.1", "--port", &self.address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        in_time(async {
            while !lines.next_line().await.unwrap().expect("it ended").contains("Server is ready") {}
        })
        .await;
        // Or it would stop at the first line that nobody reads.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        self.child = Some(child);
    }

    async fn kill(&mut self) {
        self.child.take().expect("it runs").kill().await.unwrap();
    }
}

/// A real nginx that gives each connection to the next node.
struct Nginx {
    address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Nginx {
    async fn before(nodes: &[Program]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let servers: String =
            nodes.iter().map(|node| format!("server {} max_fails=0;", node.address)).collect();
        let own = folder.path().display();
        let config = format!(
            "daemon off; worker_processes 1; pid {own}/pid; error_log {own}/log;
             events {{ worker_connections 1000; }}
             http {{
               access_log off;
               client_body_temp_path {own}/body; proxy_temp_path {own}/proxy; fastcgi_temp_path {own}/fastcgi;
               uwsgi_temp_path {own}/uwsgi; scgi_temp_path {own}/scgi;
               map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
               upstream nodes {{ {servers} }}
               server {{
                 listen {address};
                 location / {{
                   proxy_pass http://nodes;
                   proxy_http_version 1.1;
                   proxy_set_header Host $http_host;
                   proxy_set_header Upgrade $http_upgrade;
                   proxy_set_header Connection $connection_upgrade;
                   proxy_connect_timeout 2s;
                 }}
               }}
             }}"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let child = Command::new("/usr/sbin/nginx").arg("-c").arg(&file).spawn().unwrap();
        in_time(async {
            while TcpStream::connect(address).await.is_err() {
                yield_now().await
            }
        })
        .await;
        Self { address, child, _folder: folder }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Some(id) = self.child.id() {
            let _ = kill(Pid::from_raw(id.cast_signed()), Signal::SIGTERM);
        }
    }
}

/// Nodes of one installation, which run.
async fn nodes(count: usize, engine: &Engine, nats: &Nats) -> Vec<Program> {
    let mut nodes: Vec<Program> = Vec::new();
    for _ in 0..count {
        let node = Program::new();
        let key = nodes.first().unwrap_or(&node).data.join("server.key").display().to_string();
        let (database, nats) = (engine.url(), format!("nats://{}", nats.address));
        let mut node = node.with(&["--database", &database, "--nats", &nats, "--key-file", &key]);
        node.start_again().await;
        nodes.push(node);
    }
    nodes
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database server, NATS and nginx: make test-cluster"]
async fn a_node_that_is_killed_under_load_loses_and_doubles_nothing() {
    let mut rng = Rng::with_seed(seed());
    let (engine, nats) = (Engine::new().await, Nats::start().await);
    let mut nodes = nodes(2, &engine, &nats).await;
    let nginx = Nginx::before(&nodes).await;
    let mut people = People::sign_up(&nginx.url(), 4, &mut rng).await;
    let mut writing = people.write(8);
    for number in 0..6 {
        writing.more(rng.u64(100..600)).await;
        let node = &mut nodes[number % 2];
        node.kill().await;
        writing.more(rng.u64(50..200)).await;
        node.start_again().await;
    }
    writing.more(200).await;
    let diaries = writing.end().await;
    people.agree(diaries, &nginx.url()).await;
    for node in &mut nodes {
        assert!(node.stop().await.success());
        assert!(!node.log().contains("panicked"));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database server, NATS and nginx: make test-cluster"]
async fn three_nodes_go_on_while_nats_is_away_and_after_it_is_back() {
    let mut rng = Rng::with_seed(seed());
    let (engine, mut nats) = (Engine::new().await, Nats::start().await);
    let mut nodes = nodes(3, &engine, &nats).await;
    let nginx = Nginx::before(&nodes).await;
    let mut people = People::sign_up(&nginx.url(), 6, &mut rng).await;
    let mut writing = people.write(4);
    for _ in 0..3 {
        writing.more(rng.u64(100..600)).await;
        nats.kill().await;
        writing.more(rng.u64(100..600)).await;
        nats.start_again().await;
    }
    writing.more(200).await;
    let diaries = writing.end().await;
    people.agree(diaries, &nginx.url()).await;
    for node in &mut nodes {
        assert!(node.stop().await.success());
        assert!(!node.log().contains("panicked"));
    }
}

/// What comes next that is `wanted`.
async fn hear(live: &mut Live, wanted: impl Fn(&Event) -> bool) -> Event {
    in_time(async {
        loop {
            let event = live.next().await.unwrap();
            if wanted(&event) {
                return event;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database server, NATS and nginx: make test-cluster"]
async fn two_people_on_different_nodes_are_as_near_as_on_one() {
    let (engine, nats) = (Engine::new().await, Nats::start().await);
    let mut nodes = nodes(2, &engine, &nats).await;
    let alice = Client::register(&nodes[0].url(), "alice", "Alice", PASSWORD).await.unwrap();
    let bob = Client::register(&nodes[1].url(), "bob", "Bob", PASSWORD).await.unwrap();
    let conversation = alice.open_conversation(bob.id()).await.unwrap().id;
    let (mut alices, mut bobs) = (alice.events().await.unwrap(), bob.events().await.unwrap());

    // Messages and what is done to them, receipts, epochs.
    let sent = alice.send(conversation, "over there").await.unwrap();
    let Event::Message(message) = hear(&mut bobs, |event| matches!(event, Event::Message(_))).await else {
        unreachable!()
    };
    assert_eq!((message.id, message.text()), (sent.id, Some("over there")));
    bob.receipt(conversation, None, Some(1)).await.unwrap();
    hear(&mut alices, |event| matches!(event, Event::Receipt { read: 1, .. })).await;
    bob.react(conversation, sent.id, "👍").await.unwrap();
    hear(&mut alices, |event| matches!(event, Event::Message(message) if message.reactions.len() == 1)).await;

    // Who is there, and types, as far as both share it.
    bobs.watch(Some(conversation)).await.unwrap();
    alices.attend(true).await.unwrap();
    let online = |wanted| move |event: &Event| matches!(event, Event::Presence { presence, .. } if presence.online == wanted);
    hear(&mut bobs, online(true)).await;
    alices.typing(conversation).await.unwrap();
    hear(&mut bobs, |event| matches!(event, Event::Typing { .. })).await;
    alice.block(bob.id()).await.unwrap();
    hear(&mut bobs, online(false)).await;
    alice.unblock(bob.id()).await.unwrap();
    hear(&mut bobs, online(true)).await;
    alices.attend(false).await.unwrap();
    hear(&mut bobs, online(false)).await;
    alices.attend(true).await.unwrap();
    hear(&mut bobs, online(true)).await;
    // With a node, all go who were there.
    nodes[0].kill().await;
    nodes[0].start_again().await;
    hear(&mut bobs, online(false)).await;

    // A session that ends at one node ends its sockets at the other.
    let log_out = reqwest::Client::new().post(format!("{}/api/logout", nodes[0].url()));
    assert_eq!(log_out.bearer_auth(bob.token()).send().await.unwrap().status(), 204);
    let ended = in_time(async {
        loop {
            if let Err(error) = bobs.next().await {
                return error;
            }
        }
    })
    .await;
    assert!(matches!(ended, client::Error::Closed { code: 4401, .. }), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS: make test-cluster"]
async fn the_doctor_says_whether_nats_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut nats = Nats::start().await;
    let mut config =
        Config { nats: Some(format!("nats://{}", nats.address).parse().unwrap()), ..Config::default() };
    config.storage.data = folder.path().to_owned();
    let found = async || {
        let all = doctor::examine(&config, &Clock::default()).await;
        all.into_iter().find(|finding| finding.what.starts_with("NATS")).unwrap()
    };
    assert_eq!(found().await.level, Level::Ok);
    nats.kill().await;
    let found = found().await;
    assert!(found.level == Level::Fail && found.advice.is_some(), "{found:?}");
}
