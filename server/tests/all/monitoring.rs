//! What administrators and Prometheus see of how the server does.

use client::Client;
use entrenous::clock::{DAY, HOUR, MINUTE};
use entrenous::meters::Span;
use entrenous::{archive, monitoring};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{PASSWORD, TestApp, raw_refusal, refusal, refused};

const TOKEN: &str = "a token of the operator";

async fn over(admin: &Client, range: &str) -> Value {
    let path = format!("/administration/monitoring?range={range}");
    let (status, seen) = admin.raw("GET", &path, None).await.unwrap();
    assert_eq!(status, 200, "{seen}");
    seen
}

/// As at the end of each minute and half-hour.
async fn note(app: &TestApp, span: Span, node: Uuid, ago: i64) {
    monitoring::note(&app.app, node, span, (app.clock.now() - ago) / MINUTE * MINUTE).await.unwrap();
}

#[tokio::test]
async fn what_happened_is_counted_by_what_it_was() {
    let app = TestApp::start().await;
    let admin = app.person("Admin").await;
    let (alice, bob, conversation) = app.pair().await;
    let _live = alice.events().await.unwrap();
    for text in ["one", "two", "three"] {
        bob.send(conversation, text).await.unwrap();
    }
    Client::log_in(&app.url, bob.handle(), PASSWORD).await.unwrap();
    Client::log_in(&app.url, bob.handle(), "not his password").await.unwrap_err();
    bob.raw("GET", "/nothing", None).await.unwrap();
    let seen = over(&admin, "hour").await;
    assert_eq!(seen["health"]["connections"], 1);
    assert_eq!((&seen["health"]["database"], &seen["health"]["stores"]), (&true.into(), &true.into()));
    assert!(seen["health"]["nats"].is_null());
    for name in ["memory", "disk_left", "started_at", "database_time"] {
        assert!(seen["health"][name].as_u64().unwrap() > 0, "{name}");
    }

    let node = Uuid::new_v4();
    note(&app, Span::Minute, node, MINUTE).await;
    let seen = over(&admin, "hour").await;
    let sample = &seen["samples"][0];
    assert_eq!(seen["length"], MINUTE);
    assert_eq!(sample["messages"], 3);
    assert_eq!((&sample["begun_sign_ins"], &sample["sign_ins"]), (&2.into(), &1.into()));
    assert_eq!((&sample["refused"], &sample["failed"]), (&1.into(), &0.into()));
    assert!(sample["requests"].as_u64().unwrap() > 10);
    let times = &sample["request_time"];
    assert!(times["p50"].as_u64().unwrap() > 0 && times["p50"].as_u64() <= times["p99"].as_u64());
    assert!(sample["batch_time"]["p95"].as_u64().unwrap() > 0);

    // What was counted in one minute is not counted in the next.
    note(&app, Span::Minute, node, 0).await;
    assert_eq!(over(&admin, "hour").await["samples"][1]["messages"], 0);
}

#[tokio::test]
async fn nodes_are_added_up_and_a_month_is_drawn_from_half_hours() {
    let app = TestApp::start().await;
    let admin = app.person("Admin").await;
    let (_, bob, conversation) = app.pair().await;
    let half_hour = 30 * MINUTE;
    let at = (app.clock.now() - DAY) / (12 * half_hour) * (12 * half_hour);
    for (node, at) in [(1, at), (2, at), (1, at + half_hour), (1, at + 12 * half_hour)] {
        bob.send(conversation, "hello").await.unwrap();
        monitoring::note(&app.app, Uuid::from_u128(node), Span::HalfHour, at).await.unwrap();
    }
    let month = over(&admin, "month").await;
    let messages: Vec<&Value> =
        month["samples"].as_array().unwrap().iter().map(|sample| &sample["messages"]).collect();
    assert_eq!(messages, [3, 1]);
    assert_eq!(month["length"], 12 * half_hour);
    assert!(over(&admin, "hour").await["samples"].as_array().unwrap().is_empty());

    // And forgotten when it is too old.
    app.clock.advance(33 * DAY);
    let admin = Client::log_in(&app.url, admin.handle(), PASSWORD).await.unwrap();
    note(&app, Span::HalfHour, Uuid::from_u128(1), HOUR).await;
    app.clock.advance(-33 * DAY);
    assert_eq!(over(&admin, "month").await["samples"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_counted_is_for_administrators_and_for_whoever_has_the_token() {
    let app = TestApp::start_with(|config| config.metrics_token = TOKEN.parse().ok()).await;
    app.person("Admin").await;
    let alice = app.person("Alice").await;
    for path in ["/administration/monitoring?range=hour", "/administration/log"] {
        let refusal = raw_refusal(alice.raw("GET", path, None).await.unwrap());
        assert_eq!(refusal, refused(403, "not_administrator"), "{path}");
    }
    let ask =
        async |token: &str| app.request(Method::GET, "/metrics").bearer_auth(token).send().await.unwrap();
    assert_eq!(refusal(ask("guessed").await).await.0, 401);
    assert_eq!(app.request(Method::GET, "/metrics").send().await.unwrap().status(), 401);
    let answer = ask(TOKEN).await;
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let text = answer.text().await.unwrap();
    for line in
        ["entrenous_requests_total ", "entrenous_request_time_seconds_bucket{", "entrenous_memory_bytes "]
    {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(text.ends_with("# EOF\n") && !text.contains(alice.handle()));
}

#[tokio::test]
async fn without_a_token_there_are_no_metrics_to_be_had() {
    let app = TestApp::start().await;
    let asked = app.request(Method::GET, "/metrics").bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(refusal(asked).await, refused(404, "not_found"));
}

#[tokio::test]
async fn browsers_say_how_many_messages_they_could_not_open_and_nothing_else() {
    let app = TestApp::start().await;
    let admin = app.person("Admin").await;
    let say =
        async |by: &Client, body: Value| raw_refusal(by.raw("POST", "/trouble", Some(&body)).await.unwrap());
    assert_eq!(say(&admin, json!({"unopened": 2})).await.0, 204);
    assert_eq!(say(&admin, json!({"unopened": 5})).await.0, 204);
    for body in [json!({"unopened": 0}), json!({"unopened": 1_001}), json!({"unopened": 1, "of": "Bob"})] {
        assert_eq!(say(&admin, body).await, refused(400, "bad_request"));
    }
    assert_eq!(app.post("/api/trouble", &json!({"unopened": 1})).await, refused(401, "signed_out"));
    note(&app, Span::Minute, Uuid::new_v4(), MINUTE).await;
    assert_eq!(over(&admin, "hour").await["samples"][0]["unopened"], 7);
}

#[tokio::test]
async fn the_page_says_when_the_last_backup_was_made() {
    let app = TestApp::start().await;
    let admin = app.person("Admin").await;
    assert_eq!(over(&admin, "hour").await["health"]["backup_at"], Value::Null);
    let (storage, now) = (&app.config.storage, app.clock.now());
    let file = storage.data.join("backup");
    archive::backup(storage, &file, None, now, &mut |_| ()).await.unwrap();
    assert_eq!(over(&admin, "hour").await["health"]["backup_at"], now);
}
