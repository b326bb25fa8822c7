use std::time::Duration;

use client::Event;
use entrenous::app;
use entrenous::schema::tables::accounts;
use reqwest::Method;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::{TestApp, news, refusal, refused};

#[tokio::test]
async fn every_answer_carries_the_strict_headers_and_an_id() {
    let app = TestApp::start().await;
    for path in
        ["/", "/c/anything", "/api/config", "/api/session", "/api/nothing", "/assets/nothing.js", "/healthz"]
    {
        let answer = app.request(Method::GET, path).send().await.unwrap();
        let header =
            |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let policy = header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self' 'wasm-unsafe-eval';",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"));
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(header("strict-transport-security"), "", "not on plain http");
        assert_eq!(header("x-request-id").len(), 36);
    }
    let app = TestApp::start_with(|config| config.public_url = "https://chat.example.org".parse().ok()).await;
    let answer = app.request(Method::GET, "/").send().await.unwrap();
    assert!(answer.headers()["strict-transport-security"].to_str().unwrap().starts_with("max-age=31536000"));
}

#[tokio::test]
async fn it_says_whether_it_lives_and_whether_it_can_work() {
    let app = TestApp::start().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(app.request(Method::GET, path).send().await.unwrap().status(), 200);
    }
    app.app.db.clone().close().await.unwrap();
    assert_eq!(app.request(Method::GET, "/healthz").send().await.unwrap().status(), 200);
    let answer = app.request(Method::GET, "/readyz").send().await.unwrap();
    assert_eq!(refusal(answer).await, refused(503, "unavailable"));
}

#[tokio::test]
async fn what_is_not_there_is_refused_in_json_under_api_and_shows_the_page_elsewhere() {
    let app = TestApp::start().await;
    for path in ["/api/nothing", "/api/people/x/y", "/api/", "/assets/nothing.js"] {
        let answer = app.request(Method::GET, path).send().await.unwrap();
        assert_eq!(refusal(answer).await, refused(404, "not_found"), "{path}");
    }
    for (method, path) in [(Method::POST, "/"), (Method::DELETE, "/api/config"), (Method::PUT, "/c/x")] {
        let answer = app.request(method, path).send().await.unwrap();
        assert_eq!(refusal(answer).await, refused(405, "method_not_allowed"), "{path}");
    }
    let page = app.request(Method::GET, "/c/anything").send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html");
}

#[tokio::test]
async fn other_sites_cannot_act_in_a_persons_name() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let change = async |headers: &[(&str, &str)]| {
        let mut request = app.request(Method::PATCH, "/api/profile").json(&json!({"status": "changed"}));
        request = request.header("cookie", format!("entrenous={}", alice.token()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        refusal(request.send().await.unwrap()).await
    };
    for headers in [
        [("sec-fetch-site", "cross-site")].as_slice(),
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
    ] {
        assert_eq!(change(headers).await, refused(403, "bad_origin"), "{headers:?}");
    }
    assert_eq!(change(&[("sec-fetch-site", "same-origin")]).await.0, 200);
    assert_eq!(change(&[("origin", &app.url)]).await.0, 200);
}

#[tokio::test]
async fn bodies_and_headers_have_limits() {
    let app = TestApp::start().await;
    let large = json!({"handle": "x".repeat(2 << 20), "request": ""});
    assert_eq!(app.post("/api/login/start", &large).await, refused(413, "too_large"));
    let headers = app.request(Method::GET, "/healthz").header("x-large", "x".repeat(64 << 10));
    let status = headers.send().await.map(|answer| answer.status().as_u16());
    assert!(status.is_err() || status.is_ok_and(|status| status == 431));
    let mut many = app.request(Method::GET, "/healthz");
    for number in 0..200 {
        many = many.header(format!("x-{number}"), "1");
    }
    let status = many.send().await.map(|answer| answer.status().as_u16());
    assert!(status.is_err() || status.is_ok_and(|status| status == 431));
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let app = TestApp::start().await;
    for first in [b"".as_slice(), b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n"] {
        let mut silent = TcpStream::connect(app.config.listen.to_string()).await.unwrap();
        silent.write_all(first).await.unwrap();
        let mut answer = Vec::new();
        // Ends when the server does not wait any longer; what it says then is its own affair.
        silent.read_to_end(&mut answer).await.unwrap();
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_database_whose_key_is_missing_is_not_served_with_a_new_one() {
    let mut app = TestApp::start().await;
    app.person("Alice").await;
    app.stop().await;
    let key = app.config.storage.data.join("server.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let refused = entrenous::open(app.config.clone(), app.clock.clone()).await.err().unwrap().to_string();
    assert!(refused.contains("server.key is missing"), "{refused}");
    std::fs::write(&key, &kept[..100]).unwrap();
    assert!(entrenous::open(app.config.clone(), app.clock.clone()).await.is_err(), "half a key");
    std::fs::write(&key, &kept).unwrap();
    app.start_again().await;
}

#[tokio::test]
async fn nobody_else_on_the_machine_can_read_what_is_stored() {
    use std::os::unix::fs::PermissionsExt;
    let app = TestApp::start_with(|config| std::fs::create_dir(&config.storage.data).unwrap()).await;
    app.person("Alice").await;
    let files: Vec<_> = std::fs::read_dir(&app.config.storage.data).unwrap().map(Result::unwrap).collect();
    assert!(files.len() >= if app.config.storage.database.is_none() { 2 } else { 1 });
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.path());
    }
}

/// `openapi.json` is what the web's types are made from, and what others read.
#[test]
fn the_description_of_the_api_is_up_to_date() {
    let snapshot: Value = serde_json::from_str(include_str!("../../../openapi.json")).unwrap();
    let description = serde_json::to_value(app::description()).unwrap();
    assert!(snapshot == description, "run `make api` and look at the difference");
}

#[test]
fn the_description_names_codes_events_and_the_refusals_of_every_route() {
    let description = serde_json::to_value(app::description()).unwrap();
    let schemas = &description["components"]["schemas"];
    let codes = schemas["Code"].to_string();
    for code in ["signed_out", "message_id_reused", "epoch_conflict", "too_many_attempts"] {
        assert!(codes.contains(code), "{code}");
    }
    let events = schemas["Event"].to_string();
    for event in ["ready", "accepted", "refused", "message", "receipt", "epoch", "profile", "error"] {
        assert!(events.contains(&format!("\"{event}\"")), "{event}");
    }
    for (path, operations) in description["paths"].as_object().unwrap() {
        let operations = operations.as_object().unwrap().iter().filter(|(key, _)| *key != "servers");
        for (method, operation) in operations {
            assert!(
                operation["responses"]["default"].is_object(),
                "{method} {path} says nothing of refusals"
            );
        }
    }
}

#[tokio::test]
async fn a_change_is_made_and_told_also_when_whoever_asked_for_it_hangs_up() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.send(conversation, "hello").await.unwrap();
    let mut live = bob.events().await.unwrap();
    let tasks = &app.app.tasks;
    let others = tasks.len();

    // Somebody else changes her row first, and takes their time.
    let (begun, hung_up) = (Notify::new(), Notify::new());
    let first = app.app.db.write(async |tx| {
        let her_row = accounts::Entity::update_many()
            .col_expr(accounts::Column::Status, Expr::value("first"))
            .filter(accounts::Column::Id.eq(alice.id()));
        her_row.exec(tx).await?;
        begun.notify_one();
        hung_up.notified().await;
        Ok(())
    });
    let hangs_up = async {
        begun.notified().await;
        let mut socket = TcpStream::connect(app.config.listen.to_string()).await.unwrap();
        let bearer = alice.token();
        let request = format!(
            "DELETE /api/profile/avatar HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {bearer}\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        // Its connection, and the change.
        until(|| tasks.len() == others + 2).await;
        drop(socket);
        until(|| tasks.len() == others + 1).await;
        hung_up.notify_one();
    };
    let (first, ()) = tokio::join!(first, hangs_up);
    first.unwrap();
    assert!(matches!(news(&mut live).await, Event::Profile(person) if person.id == alice.id()));
}

async fn until(comes: impl Fn() -> bool) {
    let waiting = async {
        while !comes() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it comes");
}
