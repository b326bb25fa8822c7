use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use client::{Client, SignUp};
use e2ee::{Login, Registration};
use entrenous::clock::{HOUR, MINUTE};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{PASSWORD, TestApp, refusal, refused};

/// The first request of a sign-up, and what the second one would carry.
async fn prepared(app: &TestApp, handle: &str) -> Value {
    let registration = Registration::start(PASSWORD).unwrap();
    let start = json!({"handle": handle, "request": BASE64.encode(registration.request())});
    let started = app.request(Method::POST, "/api/register/start").json(&start).send().await.unwrap();
    let started: Value = started.error_for_status().unwrap().json().await.unwrap();
    let account: Uuid = started["account"].as_str().unwrap().parse().unwrap();
    let response = BASE64.decode(started["response"].as_str().unwrap()).unwrap();
    let material = registration.finish(handle, account, &response, 0).unwrap().material;
    let slots = material
        .slots
        .map(|slot| json!({"id": slot.id, "kind": slot.kind.name(), "box": BASE64.encode(slot.sealed)}));
    json!({
        "account": account,
        "display_name": "Somebody",
        "record": BASE64.encode(material.record),
        "slots": slots,
        "vault": {"version": 1, "box": BASE64.encode(material.vault.sealed)},
        "key_bundle": {
            "body": BASE64.encode(material.key_bundle.body),
            "signature": BASE64.encode(material.key_bundle.signature),
        },
        "recovery_verifier": BASE64.encode(material.recovery_verifier),
    })
}

#[tokio::test]
async fn one_signs_up_and_logs_in_with_the_password_alone() {
    let app = TestApp::start().await;
    let alice = Client::register(&app.url, "alice", "Alice", PASSWORD).await.unwrap();
    let again = Client::log_in(&app.url, "alice", PASSWORD).await.unwrap();
    assert_eq!(again.id(), alice.id());
    assert_ne!(again.session(), alice.session());
    let wrong = Client::log_in(&app.url, "alice", "correct horse batterx").await.unwrap_err();
    assert_eq!(wrong.code(), Some("wrong_credentials"));
}

#[tokio::test]
async fn the_first_account_of_a_local_server_administers_it() {
    let app = TestApp::start().await;
    let first = app.person("First").await;
    let second = app.person("Second").await;
    assert_eq!(first.raw("GET", "/session", None).await.unwrap().1["me"]["role"], "administrator");
    assert_eq!(second.raw("GET", "/session", None).await.unwrap().1["me"]["role"], "person");
}

#[tokio::test]
async fn a_server_that_others_reach_wants_its_set_up_code_from_the_first_account() {
    let app = TestApp::start_with(|config| config.public_url = "https://chat.example.org".parse().ok()).await;
    let code = entrenous::sign_up::setup_code(&app.app).await.unwrap().unwrap();
    assert!(Client::config(&app.url).await.unwrap().setup_code_needed);
    for wrong in [None, Some(""), Some("0000000000000000")] {
        let code = SignUp { setup_code: wrong, ..SignUp::default() };
        let refused = Client::register_with(&app.url, "alice", "Alice", PASSWORD, code).await.unwrap_err();
        assert_eq!(refused.code(), Some("wrong_setup_code"), "{wrong:?}");
    }
    // The refusal did not use up the sign-up.
    let mut finish = prepared(&app, "alice").await;
    finish["setup_code"] = "nonsense".into();
    assert_eq!(app.post("/api/register/finish", &finish).await, refused(403, "wrong_setup_code"));
    finish["setup_code"] = code.to_ascii_lowercase().into();
    assert_eq!(app.post("/api/register/finish", &finish).await.0, 201);

    assert_eq!(entrenous::sign_up::setup_code(&app.app).await.unwrap(), None);
    assert_eq!(
        app.post("/api/register/finish", &prepared(&app, "bob").await).await.0,
        201,
        "no code any more"
    );
}

#[tokio::test]
async fn a_handle_is_free_or_taken_or_wrong() {
    let app = TestApp::start().await;
    Client::register(&app.url, "alice", "Alice", PASSWORD).await.unwrap();
    let look = async |handle: &str| {
        app.request(Method::GET, &format!("/api/handles/{handle}")).send().await.unwrap()
    };
    assert_eq!(look("bob").await.json::<Value>().await.unwrap(), json!({"available": true}));
    assert_eq!(look("alice").await.json::<Value>().await.unwrap(), json!({"available": false}));
    let long = "a".repeat(33);
    for wrong in ["ab", &long, "Alice", "al%20ice", "al%C3%AFce", "a%00b", "a%2Fb"] {
        assert_eq!(refusal(look(wrong).await).await, refused(422, "bad_handle"), "{wrong}");
    }
    let start = |handle: &str| json!({"handle": handle, "request": BASE64.encode([0; 32])});
    assert_eq!(app.post("/api/register/start", &start("alice")).await, refused(409, "handle_taken"));
    assert_eq!(app.post("/api/register/start", &start("ALICE")).await, refused(422, "bad_handle"));
    assert_eq!(app.post("/api/login/start", &start("ALICE")).await, refused(422, "bad_handle"));
}

#[tokio::test]
async fn of_two_who_want_a_handle_at_once_one_gets_it() {
    let app = TestApp::start().await;
    let (one, other) = (prepared(&app, "alice").await, prepared(&app, "alice").await);
    let (one, other) =
        tokio::join!(app.post("/api/register/finish", &one), app.post("/api/register/finish", &other));
    let mut answers = [one, other];
    answers.sort();
    assert_eq!(answers, [refused(201, ""), refused(409, "handle_taken")]);
}

#[tokio::test]
async fn a_password_under_ten_characters_is_refused() {
    let app = TestApp::start().await;
    let short = Client::register(&app.url, "alice", "Alice", "123456789").await.unwrap_err();
    assert_eq!(short.code(), Some("password_too_short"));
    Client::register(&app.url, "alice", "Alice", "1234567890").await.unwrap();
}

#[tokio::test]
async fn keys_that_are_not_whole_or_not_ones_own_are_refused_and_the_sign_up_can_go_on() {
    let app = TestApp::start().await;
    let good = prepared(&app, "alice").await;
    let other = prepared(&app, "mallory").await;
    let slots = good["slots"].as_array().unwrap();
    let cases = [
        ("display_name", json!(""), 422, "bad_display_name"),
        ("display_name", json!("x".repeat(65)), 422, "bad_display_name"),
        ("display_name", json!("a\u{202E}b"), 422, "bad_display_name"),
        ("display_name", json!("\u{200B}\u{FEFF}"), 422, "bad_display_name"),
        ("record", json!("AAAA"), 422, "bad_opaque"),
        ("slots", json!([slots[0]]), 422, "bad_key_material"),
        ("slots", json!([slots[0], slots[0]]), 422, "bad_key_material"),
        (
            "slots",
            json!([slots[0], {"id": slots[1]["id"], "kind": "recovery", "box": "AAAA"}]),
            422,
            "bad_key_material",
        ),
        ("vault", json!({"version": 2, "box": good["vault"]["box"]}), 422, "bad_key_material"),
        ("vault", json!({"version": 1, "box": ""}), 422, "bad_key_material"),
        ("recovery_verifier", json!("AAAA"), 422, "bad_key_material"),
        ("key_bundle", other["key_bundle"].clone(), 422, "bad_key_bundle"),
        (
            "key_bundle",
            json!({"body": good["key_bundle"]["body"], "signature": other["key_bundle"]["signature"]}),
            422,
            "bad_key_bundle",
        ),
        ("account", json!(Uuid::now_v7()), 409, "registration_expired"),
        ("unheard_of", json!(1), 400, "bad_request"),
    ];
    for (field, value, status, code) in cases {
        let mut finish = good.clone();
        finish[field] = value;
        assert_eq!(app.post("/api/register/finish", &finish).await, refused(status, code), "{field}");
    }
    assert_eq!(app.post("/api/register/finish", &good).await.0, 201);
    assert_eq!(app.post("/api/register/finish", &good).await, refused(409, "registration_expired"), "twice");
}

#[tokio::test]
async fn a_sign_up_waits_an_hour_and_no_longer() {
    let app = TestApp::start().await;
    let finish = prepared(&app, "alice").await;
    app.clock.advance(HOUR);
    assert_eq!(app.post("/api/register/finish", &finish).await, refused(409, "registration_expired"));
}

#[tokio::test]
async fn a_log_in_is_good_once_and_for_a_minute() {
    let app = TestApp::start().await;
    Client::register(&app.url, "alice", "Alice", PASSWORD).await.unwrap();
    let begin = async || {
        let login = Login::start(PASSWORD).unwrap();
        let start = json!({"handle": "alice", "request": BASE64.encode(login.request())});
        let started = app.request(Method::POST, "/api/login/start").json(&start).send().await.unwrap();
        let started: Value = started.json().await.unwrap();
        let response = BASE64.decode(started["response"].as_str().unwrap()).unwrap();
        let finalization = login.finish("alice", &response).unwrap().finalization;
        json!({"login": started["login"], "finalization": BASE64.encode(finalization)})
    };
    let finish = begin().await;
    assert_eq!(app.post("/api/login/finish", &finish).await.0, 200);
    assert_eq!(app.post("/api/login/finish", &finish).await, refused(401, "wrong_credentials"), "replayed");

    let late = begin().await;
    app.clock.advance(MINUTE);
    assert_eq!(app.post("/api/login/finish", &late).await, refused(401, "wrong_credentials"));

    let good = begin().await;
    let mut garbled = good.clone();
    garbled["finalization"] = BASE64.encode([7; 64]).into();
    assert_eq!(app.post("/api/login/finish", &garbled).await, refused(401, "wrong_credentials"));
    assert_eq!(
        app.post("/api/login/finish", &good).await,
        refused(401, "wrong_credentials"),
        "a failed one is used up"
    );
    for request in ["", "AAAA", &BASE64.encode([255; 96])] {
        let start = json!({"handle": "alice", "request": request});
        assert_eq!(app.post("/api/login/start", &start).await, refused(422, "bad_opaque"), "{request}");
    }
}

#[tokio::test]
async fn an_unknown_handle_answers_like_a_known_one() {
    let app = TestApp::start().await;
    Client::register(&app.url, "alice", "Alice", PASSWORD).await.unwrap();
    let mut answers = Vec::new();
    for handle in ["alice", "nobody"] {
        let login = Login::start("the wrong password").unwrap();
        let start = json!({"handle": handle, "request": BASE64.encode(login.request())});
        let started = app.request(Method::POST, "/api/login/start").json(&start).send().await.unwrap();
        let headers: Vec<String> = started.headers().keys().map(ToString::to_string).collect();
        let status = started.status();
        let started: Value = started.json().await.unwrap();
        let response = BASE64.decode(started["response"].as_str().unwrap()).unwrap();
        let here = login.finish(handle, &response).err().map(e2ee::Error::code);
        let finish = json!({"login": started["login"], "finalization": BASE64.encode([7; 64])});
        answers.push((status, headers, response.len(), here, app.post("/api/login/finish", &finish).await));
    }
    assert_eq!(answers[0].3, Some("wrong_credentials"));
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn attempts_are_limited_by_handle_and_by_address() {
    let app = TestApp::start_with(|config| {
        config.attempts_per_handle = 3;
        config.attempts_per_address = 5;
    })
    .await;
    let start = |handle: &str| json!({"handle": handle, "request": "AAAA"});
    for _ in 0..3 {
        assert_eq!(app.post("/api/login/start", &start("alice")).await, refused(422, "bad_opaque"));
    }
    assert_eq!(
        app.post("/api/login/start", &start("alice")).await,
        refused(429, "too_many_attempts"),
        "the handle"
    );
    assert_eq!(app.post("/api/login/start", &start("bob")).await, refused(422, "bad_opaque"));
    let limited = app.request(Method::POST, "/api/login/start").json(&start("carol")).send().await.unwrap();
    let seconds: u64 = limited.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(refusal(limited).await, refused(429, "too_many_attempts"), "the address");
    app.clock.advance(MINUTE);
    assert_eq!(app.post("/api/login/start", &start("alice")).await, refused(422, "bad_opaque"), "later");
}
