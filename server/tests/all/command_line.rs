//! `entrenous admin`: what whoever has the machine can do, and nobody else.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use client::{Client, SignUp};
use entrenous::command_line::{Act, Admin, ask};
use entrenous::{Failure, administration, organisation};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::support::{PASSWORD, TestApp, raw_refusal, refused};

async fn run(app: &TestApp, act: Act) -> Result<Value, Failure> {
    ask(&Admin { storage: app.config.storage.clone(), act }).await
}

fn socket(app: &TestApp) -> PathBuf {
    app.config.storage.data.join("admin.sock")
}

#[tokio::test]
async fn the_command_line_does_what_administrators_do() {
    let app = TestApp::start().await;
    let admin = app.person("Admin").await;
    let alice = app.person("Alice").await;
    let handle = || format!("@{}", alice.handle());
    run(&app, Act::Promote { handle: handle() }).await.unwrap();
    assert_eq!(alice.raw("GET", "/administration/people", None).await.unwrap().0, 200);
    run(&app, Act::Demote { handle: handle() }).await.unwrap();
    run(&app, Act::Suspend { handle: handle() }).await.unwrap();
    assert_eq!(raw_refusal(alice.raw("GET", "/session", None).await.unwrap()), refused(401, "signed_out"));
    let which = administration::Which::Suspended;
    let found = run(&app, Act::People { q: String::new(), which }).await.unwrap();
    assert_eq!(found["accounts"][0]["handle"], json!(alice.handle()));
    run(&app, Act::Resume { handle: handle() }).await.unwrap();
    let alice = Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    run(&app, Act::EndSessions { handle: alice.handle().to_owned() }).await.unwrap();
    assert_eq!(alice.raw("GET", "/session", None).await.unwrap().0, 401);

    run(&app, Act::SignUp { policy: organisation::SignUp::Invited }).await.unwrap();
    let invite = Act::Invite { note: "For Bob".to_owned(), uses: 1, days: 7 };
    let made = run(&app, invite).await.unwrap();
    let link = made["links"][0].as_str().unwrap();
    let (address, token) = link.split_once("/sign-up#").unwrap();
    assert_eq!(address, app.config.address());
    let invited = SignUp { invitation: Some(token), ..SignUp::default() };
    Client::register_with(&app.url, "bob", "Bob", PASSWORD, invited).await.unwrap();

    let journal = run(&app, Act::Journal).await.unwrap();
    let journal = journal["entries"].as_array().unwrap();
    assert_eq!(journal.len(), 7);
    assert!(journal.iter().all(|entry| entry["by_command_line"] == true));
    assert!(!journal.iter().any(|entry| entry.to_string().contains(token)), "no secret is written down");
    assert_eq!(admin.raw("GET", "/administration/audit", None).await.unwrap().1["entries"], json!(journal));
}

#[tokio::test]
async fn a_refusal_says_why() {
    let app = TestApp::start().await;
    let admin = app.person("Admin").await;
    let demote = Act::Demote { handle: admin.handle().to_owned() };
    let refusal = run(&app, demote).await.unwrap_err().to_string();
    assert!(refusal.contains("Somebody must administer"), "{refusal}");
    let nobody = run(&app, Act::Suspend { handle: "nobody".to_owned() }).await.unwrap_err().to_string();
    assert!(nobody.contains("nothing here"), "{nobody}");
}

#[tokio::test]
async fn only_the_servers_own_user_reaches_it_and_only_while_it_runs() {
    let mut app = TestApp::start().await;
    app.person("Admin").await;
    run(&app, Act::Journal).await.unwrap();
    let mode = std::fs::metadata(socket(&app)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    app.stop().await;
    assert!(!socket(&app).exists());
    let error = run(&app, Act::Journal).await.unwrap_err().to_string();
    assert!(error.contains("Does the server run"), "{error}");
}

#[tokio::test]
async fn garbage_on_the_socket_is_answered_and_forgotten() {
    let app = TestApp::start().await;
    app.person("Admin").await;
    run(&app, Act::Journal).await.unwrap();
    let long = vec![b'x'; 200 << 10];
    for garbage in [&b"\n"[..], b"{\"act\":\"erase_everything\"}\n", b"\xff\xfe\n", &long] {
        let mut stream = UnixStream::connect(socket(&app)).await.unwrap();
        // The server may have read enough before all of it is written.
        let _ = stream.write_all(garbage).await;
        let _ = stream.shutdown().await;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(answer.is_empty() || answer.contains("bad_request"), "{answer}");
    }
    run(&app, Act::Journal).await.unwrap();
}
