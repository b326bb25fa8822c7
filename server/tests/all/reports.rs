//! What people tell the administrators about each other.

use client::Client;
use entrenous::clock::{DAY, HOUR};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Refusal, TestApp, raw_refusal, refused};

/// The first account administers.
async fn people(app: &TestApp) -> (Client, Client, Client, Uuid) {
    let admin = app.person("Admin").await;
    let (alice, bob, conversation) = app.pair().await;
    (admin, alice, bob, conversation)
}

fn named(conversation: Uuid, seq: u64, sent_at: u64, text: &str) -> Value {
    json!({"conversation": conversation, "seq": seq, "sent_at": sent_at, "text": text})
}

async fn report(by: &Client, body: &Value) -> Refusal {
    raw_refusal(by.raw("POST", "/reports", Some(body)).await.unwrap())
}

async fn reports(by: &Client, query: &str) -> Value {
    let (status, reports) = by.raw("GET", &format!("/reports{query}"), None).await.unwrap();
    assert_eq!(status, 200, "{reports}");
    reports
}

#[tokio::test]
async fn a_report_discloses_to_administrators_what_its_author_chose() {
    let app = TestApp::start().await;
    let (admin, alice, bob, conversation) = people(&app).await;
    let chosen = bob.send(conversation, "buy this").await.unwrap();
    bob.send(conversation, "between us").await.unwrap();
    let body = json!({
        "account": bob.id(), "reason": "spam", "note": " Each day. ",
        "messages": [named(conversation, chosen.seq, chosen.sent_at, "buy this")],
    });
    assert_eq!(report(&alice, &body).await.0, 204);
    let found = reports(&admin, "").await;
    let one = &found["reports"][0];
    assert_eq!(found["reports"].as_array().unwrap().len(), 1);
    assert_eq!((&one["reporter"]["id"], &one["account"]["id"]), (&json!(alice.id()), &json!(bob.id())));
    assert_eq!((&one["reason"], &one["note"]), (&json!("spam"), &json!("Each day.")));
    assert_eq!(one["messages"], body["messages"]);
    assert!(!found.to_string().contains("between us"));
    for person in [&alice, &bob] {
        let refusal = raw_refusal(person.raw("GET", "/reports", None).await.unwrap());
        assert_eq!(refusal, refused(403, "not_administrator"));
    }
}

#[tokio::test]
async fn nobody_is_told_of_a_report() {
    let app = TestApp::start().await;
    let (admin, alice, bob, conversation) = people(&app).await;
    let mut live = bob.events().await.unwrap();
    assert_eq!(report(&alice, &json!({"account": bob.id(), "reason": "abuse"})).await.0, 204);
    assert_eq!(reports(&admin, "").await["reports"][0]["messages"], json!([]));
    alice.send(conversation, "next").await.unwrap();
    // Of the first message comes the epoch, then itself: nothing before.
    let mut heard = Vec::new();
    loop {
        match live.next().await.unwrap() {
            client::Event::Message(message) => break assert_eq!(message.text(), Some("next")),
            other => heard.push(other),
        }
    }
    assert!(heard.iter().all(|event| matches!(event, client::Event::Epoch { .. })), "{heard:?}");
}

#[tokio::test]
async fn only_messages_that_the_other_sent_to_oneself_can_be_named() {
    let app = TestApp::start().await;
    let (admin, alice, bob, conversation) = people(&app).await;
    let carol = app.person("Carol").await;
    let elsewhere = bob.open_conversation(carol.id()).await.unwrap().id;
    let theirs = bob.send(conversation, "theirs").await.unwrap();
    let mine = alice.send(conversation, "mine").await.unwrap();
    let foreign = bob.send(elsewhere, "to Carol").await.unwrap();
    alice.block(bob.id()).await.unwrap();
    let hidden = bob.send(conversation, "hidden").await.unwrap();
    let good = named(conversation, theirs.seq, theirs.sent_at, "theirs");
    for wrong in [
        named(conversation, mine.seq, mine.sent_at, "mine"),
        named(conversation, 9, theirs.sent_at, "never sent"),
        named(conversation, theirs.seq, theirs.sent_at + 1, "at another time"),
        named(elsewhere, foreign.seq, foreign.sent_at, "to Carol"),
        named(conversation, hidden.seq, hidden.sent_at, "hidden"),
        good.clone(),
    ] {
        let body = json!({"account": bob.id(), "reason": "abuse", "messages": [good, wrong]});
        assert_eq!(report(&alice, &body).await, refused(404, "unknown_message"), "{wrong}");
    }
    // Nor somebody else's words in another's name.
    let body = json!({"account": carol.id(), "reason": "abuse", "messages": [good]});
    assert_eq!(report(&alice, &body).await, refused(404, "unknown_message"));
    assert_eq!(reports(&admin, "").await["reports"], json!([]), "nothing of it is kept");
    let body = json!({"account": bob.id(), "reason": "abuse", "messages": [good]});
    assert_eq!(report(&alice, &body).await.0, 204);
}

#[tokio::test]
async fn a_report_has_its_bounds() {
    let app = TestApp::start().await;
    let (_admin, alice, bob, conversation) = people(&app).await;
    let mut messages = Vec::new();
    let longest = "\n".repeat(40 << 10);
    for _ in 0..51 {
        let sent = bob.send(conversation, "again").await.unwrap();
        messages.push(named(conversation, sent.seq, sent.sent_at, &longest));
    }
    let body = |messages: &[Value], note: &str| json!({"account": bob.id(), "reason": "other", "note": note, "messages": messages});
    let bad = refused(422, "bad_report");
    assert_eq!(report(&alice, &body(&messages, "")).await, bad);
    assert_eq!(report(&alice, &body(&[], &"é".repeat(1_001))).await, bad);
    let mut long = messages[0].clone();
    long["text"] = json!(format!("{longest}x"));
    assert_eq!(report(&alice, &body(&[long], "")).await, bad);
    assert_eq!(report(&alice, &json!({"account": alice.id(), "reason": "other"})).await, bad);
    let nobody = json!({"account": Uuid::now_v7(), "reason": "other"});
    assert_eq!(report(&alice, &nobody).await, refused(404, "not_found"));
    for wrong in [json!({"account": bob.id(), "reason": "fun"}), json!({"account": bob.id()}), json!([])] {
        assert_eq!(report(&alice, &wrong).await, refused(400, "bad_request"), "{wrong}");
    }
    assert_eq!(report(&alice, &body(&messages[..50], &"é".repeat(1_000))).await.0, 204, "that much is taken");
}

#[tokio::test]
async fn ten_reports_a_day_and_they_come_in_pages() {
    let app = TestApp::start().await;
    let (admin, alice, bob, _) = people(&app).await;
    let body = |number: usize| json!({"account": bob.id(), "reason": "other", "note": number.to_string()});
    for number in 0..10 {
        assert_eq!(report(&alice, &body(number)).await.0, 204);
        app.clock.advance(1);
    }
    assert_eq!(report(&alice, &body(10)).await, refused(429, "too_many_attempts"));
    app.clock.advance(DAY - HOUR);
    assert_eq!(report(&alice, &body(10)).await, refused(429, "too_many_attempts"));
    app.clock.advance(HOUR);
    assert_eq!(report(&alice, &body(10)).await.0, 204);

    let first = reports(&admin, "").await;
    let second = reports(&admin, &format!("?before={}", first["next"].as_str().unwrap())).await;
    let notes = |page: &Value| {
        let reports = page["reports"].as_array().unwrap();
        reports.iter().map(|each| each["note"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let expected: Vec<_> = (0..11).rev().map(|number| number.to_string()).collect();
    assert_eq!([notes(&first), notes(&second)].concat(), expected);
    assert_eq!(second["next"], Value::Null);
}

#[tokio::test]
async fn an_administrator_is_done_with_a_report_and_can_open_it_again() {
    let app = TestApp::start().await;
    let (admin, alice, bob, _) = people(&app).await;
    let body = json!({"account": bob.id(), "reason": "spam", "note": "", "messages": []});
    assert_eq!(report(&alice, &body).await.0, 204);
    let id = reports(&admin, "").await["reports"][0]["id"].as_str().unwrap().to_owned();
    let state = async |by: &Client, closed: bool| {
        let body = json!({ "closed": closed });
        raw_refusal(by.raw("PUT", &format!("/reports/{id}"), Some(&body)).await.unwrap())
    };
    assert_eq!(state(&alice, true).await, refused(403, "not_administrator"));
    // Pressed twice, it is once.
    for _ in 0..2 {
        assert_eq!(state(&admin, true).await.0, 204);
    }
    assert_eq!(reports(&admin, "").await["reports"], json!([]));
    let closed = reports(&admin, "?closed=true").await;
    assert_eq!(closed["reports"][0]["id"], json!(id));
    assert!(closed["reports"][0]["closed_at"].as_i64().unwrap() > 0);
    assert_eq!(state(&admin, false).await.0, 204);
    assert_eq!(reports(&admin, "").await["reports"][0]["closed_at"], json!(null));
    let (_, journal) = admin.raw("GET", "/administration/audit", None).await.unwrap();
    let acts: Vec<_> = journal["entries"].as_array().unwrap().iter().map(|entry| &entry["act"]).collect();
    assert_eq!(acts, ["report_opened", "report_closed"]);
    let unknown = format!("/reports/{}", Uuid::now_v7());
    let answer = admin.raw("PUT", &unknown, Some(&json!({"closed": true}))).await.unwrap();
    assert_eq!(raw_refusal(answer), refused(404, "not_found"));
}
