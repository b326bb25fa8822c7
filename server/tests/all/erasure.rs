//! The end of an account: asked for, taken back, and carried out.

use std::collections::BTreeSet;

use client::{Client, Content, Event};
use entrenous::clock::{DAY, HOUR, Millis};
use entrenous::command_line::{Act, Admin, ask};
use entrenous::erasure;
use entrenous::schema::TABLES;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{PASSWORD, TestApp, news, raw_refusal, refused};

impl TestApp {
    async fn later(&self, time: Millis) {
        self.clock.advance(time);
        erasure::tidy(&self.app).await.unwrap();
    }

    async fn receipt(&self, token: &str) -> Value {
        let shown = self.request(reqwest::Method::POST, "/api/receipts").json(&json!({ "token": token }));
        shown.send().await.unwrap().json().await.unwrap()
    }

    /// The tables in which an account's id, or one of these words, still stands.
    async fn traces(&self, account: Uuid, words: &[&str]) -> BTreeSet<&'static str> {
        let db = self.app.db.read();
        let mut traces = BTreeSet::new();
        for table in TABLES {
            let all = Statement::from_string(db.get_database_backend(), format!("SELECT * FROM {table}"));
            for row in db.query_all_raw(all).await.unwrap() {
                for column in row.column_names() {
                    let id = row.try_get::<Option<Uuid>>("", &column).ok().flatten();
                    let bytes =
                        row.try_get::<Option<Vec<u8>>>("", &column).ok().flatten().unwrap_or_default();
                    let text = row.try_get::<Option<String>>("", &column).ok().flatten().unwrap_or_default();
                    let said =
                        words.iter().any(|word| text.contains(word) || contains(&bytes, word.as_bytes()));
                    if id == Some(account) || contains(&bytes, account.as_bytes()) || said {
                        traces.insert(table);
                    }
                }
            }
        }
        traces
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

async fn act(by: &Client, method: &str, account: Uuid, what: &str) -> (u16, Value) {
    by.raw(method, &format!("/administration/people/{account}/{what}"), None).await.unwrap()
}

async fn erase_at(of: &Client) -> Option<i64> {
    of.raw("GET", "/session", None).await.unwrap().1["me"]["erase_at"].as_i64()
}

fn texts(history: &[client::Message]) -> Vec<String> {
    let said = |content: &Content| match content {
        Content::Text(text) => text.clone(),
        other => format!("{other:?}"),
    };
    history.iter().map(|message| said(&message.content)).collect()
}

#[tokio::test]
async fn after_seven_days_nothing_is_left_but_an_id_and_what_the_others_wrote() {
    let app = TestApp::start().await;
    app.person("Admin").await;
    let (alice, bob, conversation) = app.pair().await;
    let hers = alice.send(conversation, "hers").await.unwrap();
    let his = bob.send(conversation, "his").await.unwrap();
    bob.react(conversation, hers.id, "👍").await.unwrap();
    alice.react(conversation, his.id, "❤️").await.unwrap();
    alice.edit(conversation, hers.id, "hers, edited").await.unwrap();
    alice.raw("PUT", "/blocks/01890000-0000-7000-8000-000000000000", None).await.unwrap();
    let report = json!({"account": alice.id(), "reason": "spam", "note": "", "messages": []});
    bob.raw("POST", "/reports", Some(&report)).await.unwrap();
    let report = json!({"account": bob.id(), "reason": "spam", "note": "in her words", "messages": []});
    alice.raw("POST", "/reports", Some(&report)).await.unwrap();
    let mut her_page = alice.events().await.unwrap();
    let receipt = alice.ask_for_erasure(PASSWORD).await.unwrap();
    let asked = app.clock.now();
    let Event::Erasure { erase_at: Some(due) } = news(&mut her_page).await else { panic!("not told") };
    assert!((asked + 7 * DAY - HOUR..=asked + 7 * DAY).contains(&(due as i64)));
    assert_eq!(erase_at(&alice).await, Some(due as i64));
    assert_eq!(app.receipt(&receipt).await["erase_at"], json!(due));

    // Until then all is as ever.
    app.later(7 * DAY - HOUR).await;
    alice.send(conversation, "still here").await.unwrap();
    let mut his_page = bob.events().await.unwrap();
    app.later(HOUR).await;
    assert_eq!(raw_refusal(alice.raw("GET", "/session", None).await.unwrap()), refused(401, "signed_out"));

    let Event::Profile(person) = news(&mut his_page).await else { panic!("not told") };
    assert!(person.gone && person.id == alice.id() && person.handle.is_empty());
    let history = bob.history(conversation, None, 10).await.unwrap();
    assert_eq!(texts(&history), ["Expired", "his", "Expired"]);
    assert!(history.iter().all(|message| message.reactions.is_empty()));
    let listed = &bob.conversations().await.unwrap()[0];
    assert!(listed.peer.gone);
    assert_eq!(bob.person(alice.id()).await.unwrap(), person);

    let left = app.traces(alice.id(), &[alice.handle(), "Alice"]).await;
    // His words stand under an epoch that both made; that she reacted, wrote and told of him is a number without words.
    assert_eq!(left, BTreeSet::from(["conversations", "epochs", "erasures", "messages", "reports"]));
    assert!(app.traces(Uuid::new_v4(), &["in her words"]).await.is_empty());
    let shown = app.receipt(&receipt).await;
    assert_eq!((&shown["messages"], &shown["conversations"]), (&json!(2), &json!(1)));
    assert!(shown["done_at"].as_i64().unwrap() >= due as i64 && shown["erase_at"].is_null());
    assert!(Client::log_in(&app.url, alice.handle(), PASSWORD).await.is_err());
    // Once is enough, and a start that goes on where it was finds nothing to do.
    let rev = bob.conversation(conversation).await.unwrap().rev;
    app.later(DAY).await;
    assert_eq!(bob.conversation(conversation).await.unwrap().rev, rev);
}

#[tokio::test]
async fn nobody_writes_to_an_account_that_is_gone_nor_gets_its_handle() {
    let app = TestApp::start().await;
    app.person("Admin").await;
    let (alice, bob, conversation) = app.pair().await;
    alice.send(conversation, "hello").await.unwrap();
    bob.send(conversation, "and hello to you").await.unwrap();
    let late = bob.seal(conversation, "sealed before").await.unwrap();
    let waiting = bob.seal(conversation, "waits").await.unwrap();
    let at = app.clock.now() + 30 * DAY;
    let body = json!({"envelope": waiting.envelope, "at": at});
    let path = format!("/conversations/{conversation}/scheduled/{}", waiting.id);
    assert!(bob.raw("PUT", &path, Some(&body)).await.unwrap().0 < 300);
    alice.ask_for_erasure(PASSWORD).await.unwrap();
    app.later(7 * DAY).await;

    let refusal = bob.send_sealed(conversation, &late).await.unwrap_err();
    assert_eq!(refusal.code(), Some("epoch_closed"));
    let refusal = bob.send(conversation, "anybody?").await.unwrap_err();
    assert_eq!(refusal.code(), Some("account_erased"));
    let (_, left) = bob.raw("GET", "/scheduled", None).await.unwrap();
    assert!(!left.to_string().contains(&waiting.id.to_string()), "{left}");
    let free = app.request(reqwest::Method::GET, &format!("/api/handles/{}", alice.handle()));
    assert_eq!(free.send().await.unwrap().json::<Value>().await.unwrap(), json!({"available": false}));
    let again = Client::register(&app.url, alice.handle(), "Mallory", PASSWORD).await;
    assert_eq!(again.err().unwrap().code(), Some("handle_taken"));
    let (_, found) = bob.raw("GET", &format!("/people?q={}", alice.handle()), None).await.unwrap();
    assert_eq!(found["people"], json!([]));
    assert_eq!(
        app.request(reqwest::Method::POST, "/api/receipts")
            .json(&json!({"token": "x"}))
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
}

#[tokio::test]
async fn what_was_asked_for_can_be_taken_back_for_seven_days() {
    let app = TestApp::start().await;
    app.person("Admin").await;
    let alice = app.person("Alice").await;
    assert_eq!(raw_refusal(alice.raw("DELETE", "/erasure", None).await.unwrap()), refused(404, "not_found"));
    let wrong = alice.ask_for_erasure("a wrong password").await.unwrap_err();
    assert_eq!(wrong.code(), Some("wrong_credentials"));
    let first = alice.ask_for_erasure(PASSWORD).await.unwrap();
    let due = erase_at(&alice).await;
    app.later(DAY).await;
    // Another receipt, and not another date.
    let second = alice.ask_for_erasure(PASSWORD).await.unwrap();
    assert_eq!(erase_at(&alice).await, due);
    assert_eq!(app.receipt(&first).await["code"], "not_found");
    assert_eq!(app.receipt(&second).await["erase_at"].as_i64(), due);
    assert_eq!(alice.raw("DELETE", "/erasure", None).await.unwrap().0, 204);
    assert_eq!(erase_at(&alice).await, None);
    assert_eq!(app.receipt(&second).await["code"], "not_found");
    app.later(8 * DAY).await;
    assert_eq!(alice.raw("GET", "/session", None).await.unwrap().0, 200);
}

#[tokio::test]
async fn administrators_erase_after_seven_days_and_can_take_it_back() {
    let app = TestApp::start().await;
    let (admin, alice) = (app.person("Admin").await, app.person("Alice").await);
    assert_eq!(
        raw_refusal(act(&alice, "PUT", admin.id(), "erasure").await),
        refused(403, "not_administrator")
    );
    let (status, erasing) = act(&admin, "PUT", alice.id(), "erasure").await;
    assert_eq!(status, 200);
    assert_eq!(alice.raw("GET", "/session", None).await.unwrap().0, 401);
    let (_, listed) = admin.raw("GET", "/administration/people?which=leaving", None).await.unwrap();
    assert_eq!(listed["accounts"][0]["erase_at"], erasing["erase_at"]);
    assert_eq!(act(&admin, "DELETE", alice.id(), "erasure").await.0, 204);
    assert_eq!(act(&admin, "DELETE", alice.id(), "suspension").await.0, 204);
    app.later(8 * DAY).await;
    let alice = Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();

    // What its owner asked for, an administrator does not take back, but can decide as well.
    alice.ask_for_erasure(PASSWORD).await.unwrap();
    assert_eq!(
        raw_refusal(act(&admin, "DELETE", alice.id(), "erasure").await),
        refused(409, "asked_by_owner")
    );
    let due = erase_at(&alice).await;
    let put = act(&admin, "PUT", alice.id(), "erasure").await;
    assert_eq!((put.0, put.1["erase_at"].as_i64()), (200, due));
    assert_eq!(act(&admin, "DELETE", alice.id(), "erasure").await.0, 204, "what the administrator decided");
    assert_eq!(act(&admin, "DELETE", alice.id(), "suspension").await.0, 204);
    let alice = Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    assert_eq!(erase_at(&alice).await, due, "what she asked for stands");
    assert_eq!(
        raw_refusal(act(&admin, "DELETE", alice.id(), "erasure").await),
        refused(409, "asked_by_owner")
    );
    app.later(DAY).await;
    assert_eq!(
        act(&admin, "PUT", alice.id(), "erasure").await.1["erase_at"].as_i64(),
        due,
        "no later for it"
    );
    // Nor does its owner take back what an administrator decided, also when let back in.
    assert_eq!(act(&admin, "DELETE", alice.id(), "suspension").await.0, 204);
    let alice = Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    let kept = alice.raw("DELETE", "/erasure", None).await.unwrap();
    assert_eq!(raw_refusal(kept), refused(409, "administrators_decided"));
    app.later(6 * DAY).await;
    assert!(Client::log_in(&app.url, alice.handle(), PASSWORD).await.is_err());
    let (_, journal) = admin.raw("GET", "/administration/audit", None).await.unwrap();
    let acts: Vec<_> =
        journal["entries"].as_array().unwrap().iter().map(|entry| entry["act"].clone()).collect();
    let once = ["resumed", "erasure_undone", "erasure_decided"];
    assert_eq!(acts, [&["resumed", "erasure_decided"], &once[..], &once[..]].concat());
    assert_eq!(journal["entries"][0]["account"]["gone"], true);
}

#[tokio::test]
async fn somebody_always_administers() {
    let app = TestApp::start().await;
    let admin = app.person("Admin").await;
    let other = app.person("Other").await;
    let last = refused(409, "last_administrator");
    assert_eq!(admin.ask_for_erasure(PASSWORD).await.unwrap_err().code(), Some("last_administrator"));
    assert_eq!(raw_refusal(act(&admin, "PUT", admin.id(), "erasure").await), last);
    let role = |role: &str| json!({ "role": role });
    let path = |of: &Client| format!("/administration/people/{}/role", of.id());
    admin.raw("PUT", &path(&other), Some(&role("administrator"))).await.unwrap();
    admin.ask_for_erasure(PASSWORD).await.unwrap();
    // Who leaves does not count any more.
    let refusal = admin.raw("PUT", &path(&other), Some(&role("person"))).await.unwrap();
    assert_eq!(raw_refusal(refusal), last);
    assert_eq!(other.ask_for_erasure(PASSWORD).await.unwrap_err().code(), Some("last_administrator"));
}

#[tokio::test]
async fn what_one_felt_about_what_one_no_longer_sees_goes_as_well() {
    let app = TestApp::start().await;
    app.person("Admin").await;
    let (alice, bob, conversation) = app.pair().await;
    let his = bob.send(conversation, "his").await.unwrap();
    alice.react(conversation, his.id, "❤️").await.unwrap();
    alice.raw("PUT", &format!("/blocks/{}", bob.id()), None).await.unwrap();
    // Hidden from her with it.
    bob.edit(conversation, his.id, "his, edited").await.unwrap();
    alice.ask_for_erasure(PASSWORD).await.unwrap();
    app.later(7 * DAY).await;
    let history = bob.history(conversation, None, 10).await.unwrap();
    assert_eq!(texts(&history), ["his, edited"]);
    assert!(history[0].reactions.is_empty());
    assert_eq!(app.traces(alice.id(), &[]).await.get("reactions"), None);
}

#[tokio::test]
async fn the_command_line_erases_at_once() {
    let app = TestApp::start().await;
    app.person("Admin").await;
    let (alice, bob, conversation) = app.pair().await;
    alice.send(conversation, "hers").await.unwrap();
    let run = async |act| ask(&Admin { storage: app.config.storage.clone(), act }).await.unwrap();
    let handle = || alice.handle().to_owned();
    assert!(
        run(Act::Erase { handle: handle(), now: false }).await["erase_at"].as_i64().unwrap()
            > app.clock.now()
    );
    run(Act::Keep { handle: handle() }).await;
    run(Act::Erase { handle: handle(), now: true }).await;
    assert_eq!(texts(&bob.history(conversation, None, 10).await.unwrap()), ["Expired"]);
    // Where only she wrote, no key of it is left either.
    let left = app.traces(alice.id(), &[alice.handle(), "Alice"]).await;
    assert_eq!(left, BTreeSet::from(["audit", "conversations", "erasures", "messages"]));
}

/// More than one batch, and a server that is stopped in the middle of it.
#[tokio::test]
async fn what_was_begun_is_finished_by_the_next_start() {
    let mut app = TestApp::start().await;
    app.person("Admin").await;
    let (alice, bob, conversation) = app.pair().await;
    for number in 0..1_200 {
        alice.send(conversation, &number.to_string()).await.unwrap();
    }
    alice.ask_for_erasure(PASSWORD).await.unwrap();
    app.clock.advance(7 * DAY);
    let begun = tokio::spawn({
        let app = app.app.clone();
        async move { erasure::tidy(&app).await }
    });
    // As soon as the account is gone.
    while erasure::gone(app.app.db.read(), vec![alice.id()]).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    begun.abort();
    app.stop().await;
    app.start_again().await;
    app.later(0).await;
    let bob = Client::log_in(&app.url, bob.handle(), PASSWORD).await.unwrap();
    let history = bob.history(conversation, None, 100).await.unwrap();
    assert!(history.iter().all(|message| message.content == Content::Expired));
    assert_eq!(bob.conversation(conversation).await.unwrap().unread, 0);
    let left = app.traces(alice.id(), &[alice.handle(), "Alice"]).await;
    assert_eq!(left, BTreeSet::from(["conversations", "erasures", "messages"]));
}
