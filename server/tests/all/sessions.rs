use entrenous::clock::{DAY, HOUR};
use entrenous::schema::tables::sessions;
use reqwest::Method;
use sea_orm::EntityTrait;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{PASSWORD, TestApp, raw_refusal, refusal, refused};

#[tokio::test]
async fn a_session_ends_after_thirty_days_without_a_request() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    for _ in 0..3 {
        app.clock.advance(29 * DAY);
        assert_eq!(alice.raw("GET", "/session", None).await.unwrap().0, 200);
    }
    app.clock.advance(30 * DAY + HOUR);
    assert_eq!(raw_refusal(alice.raw("GET", "/session", None).await.unwrap()), refused(401, "signed_out"));
}

#[tokio::test]
async fn logging_out_ends_this_session_and_no_other() {
    let app = TestApp::start().await;
    let here = app.person("Alice").await;
    let there = client::Client::log_in(&app.url, here.handle(), PASSWORD).await.unwrap();
    let mut socket = here.events().await.unwrap();
    here.log_out().await.unwrap();
    assert!(matches!(socket.next().await, Err(client::Error::Closed { code: 4401, .. })));
    for path in ["/session", "/vault", "/keyring", "/conversations", "/people?q=a"] {
        assert_eq!(
            raw_refusal(here.raw("GET", path, None).await.unwrap()),
            refused(401, "signed_out"),
            "{path}"
        );
    }
    assert!(here.events().await.is_err());
    assert_eq!(there.raw("GET", "/session", None).await.unwrap().0, 200);
}

#[tokio::test]
async fn the_token_is_stored_hashed_and_shown_once() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let (_, session) = alice.raw("GET", "/session", None).await.unwrap();
    assert!(!session.to_string().contains(alice.token()));
    let (status, _) = alice.raw("GET", "/session", None).await.unwrap();
    assert_eq!(status, 200, "the token works");
    let stored = sessions::Entity::find().all(app.app.db.read()).await.unwrap();
    assert_eq!(
        stored.iter().map(|row| row.token_hash.clone()).collect::<Vec<_>>(),
        [Sha256::digest(alice.token()).to_vec()]
    );
    let entries = std::fs::read_dir(&app.config.storage.data).unwrap().map(|entry| entry.unwrap());
    // The socket of the command line holds nothing.
    for entry in entries.filter(|entry| entry.file_type().unwrap().is_file()) {
        let bytes = std::fs::read(entry.path()).unwrap();
        assert!(!bytes.windows(43).any(|window| window == alice.token().as_bytes()));
    }
}

#[tokio::test]
async fn the_cookie_is_strict_and_secure_except_on_plain_localhost() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let renew = async |host: &str| {
        let request =
            app.request(Method::GET, "/api/session").bearer_auth(alice.token()).header("host", host);
        let response = request.send().await.unwrap();
        response.headers()["set-cookie"].to_str().unwrap().to_owned()
    };
    let token = alice.token();
    let rest = "Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict";
    for host in ["localhost:8080", "127.0.0.1"] {
        assert_eq!(renew(host).await, format!("entrenous={token}; {rest}"));
    }
    for host in ["chat.example.org", "192.168.1.7:8080", "localhost.example.org"] {
        assert_eq!(renew(host).await, format!("__Host-entrenous={token}; {rest}; Secure"));
    }
    let with_cookie = async |host: &str, name: &str| {
        let request = app.request(Method::GET, "/api/session").header("host", host);
        request.header("cookie", format!("a=b; {name}={token}")).send().await.unwrap().status().as_u16()
    };
    assert_eq!(with_cookie("localhost", "entrenous").await, 200);
    assert_eq!(with_cookie("chat.example.org", "__Host-entrenous").await, 200);
    assert_eq!(with_cookie("chat.example.org", "entrenous").await, 401, "the weaker name counts only here");
}

#[tokio::test]
async fn tokens_that_are_none_are_refused() {
    let app = TestApp::start().await;
    app.person("Alice").await;
    for header in ["Bearer ", "Bearer x", "Basic abc", "bearer", "Bearer \u{e9}"] {
        let request = app.request(Method::GET, "/api/session").header("authorization", header);
        assert_eq!(refusal(request.send().await.unwrap()).await, refused(401, "signed_out"), "{header}");
    }
}

#[tokio::test]
async fn each_session_has_a_share_of_its_own() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let elsewhere = client::Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    let share = async |client: &client::Client| -> Value {
        client.raw("GET", "/session", None).await.unwrap().1["share"].clone()
    };
    assert_eq!(share(&alice).await.as_str().unwrap().len(), 43);
    assert_eq!(share(&alice).await, share(&alice).await);
    assert_ne!(share(&alice).await, share(&elsewhere).await);
}
