//! How long things are kept.

use client::{Client, Content};
use entrenous::clock::{DAY, HOUR, Millis};
use entrenous::command_line::{Act, Admin, Kept, ask};
use entrenous::retention;
use entrenous::schema::tables::{epochs, keyring, messages, reported_messages};
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{PASSWORD, TestApp, raw_refusal, refused};

impl TestApp {
    async fn keep(&self, what: Kept, days: Option<u32>) {
        let storage = self.config.storage.clone();
        ask(&Admin { storage, act: Act::Retain { what, days } }).await.unwrap();
    }

    async fn wait(&self, time: Millis) {
        self.clock.advance(time);
        retention::tidy(&self.app).await.unwrap();
        entrenous::run_due(&self.app).await.unwrap();
    }
}

async fn told(by: &Client, conversation: Uuid) -> Vec<Option<String>> {
    let history = by.history(conversation, None, 100).await.unwrap();
    history.iter().map(|message| message.text().map(str::to_owned)).collect()
}

fn said(texts: &[Option<&str>]) -> Vec<Option<String>> {
    texts.iter().map(|text| text.map(str::to_owned)).collect()
}

#[tokio::test]
async fn messages_go_for_both_when_they_were_kept_long_enough() {
    let app = TestApp::start().await;
    app.person("Admin").await;
    let (alice, bob, conversation) = app.pair().await;
    let first = alice.send(conversation, "first").await.unwrap();
    bob.react(conversation, first.id, "👍").await.unwrap();
    alice.edit(conversation, first.id, "first, edited").await.unwrap();
    let second = bob.send(conversation, "second").await.unwrap();
    bob.delete(conversation, second.id).await.unwrap();
    // Nothing was decided.
    app.wait(20 * DAY).await;
    alice.rotate(conversation).await.unwrap();
    alice.send(conversation, "later").await.unwrap();
    assert_eq!(told(&bob, conversation).await[0].as_deref(), Some("first, edited"));
    assert_eq!(bob.conversation(conversation).await.unwrap().unread, 2);

    app.keep(Kept::Messages, Some(30)).await;
    app.wait(9 * DAY).await;
    assert_eq!(told(&bob, conversation).await[0].as_deref(), Some("first, edited"));
    app.wait(DAY + HOUR).await;
    assert_eq!(told(&bob, conversation).await, said(&[None, None, Some("later")]));
    assert_eq!(told(&alice, conversation).await, said(&[None, None, Some("later")]));
    let history = bob.history(conversation, None, 100).await.unwrap();
    assert!(
        history[..2].iter().all(|message| message.content == Content::Expired),
        "also what was deleted by hand"
    );
    assert_eq!(bob.conversation(conversation).await.unwrap().unread, 1);
    let stored = messages::Entity::find().all(app.app.db.read()).await.unwrap();
    assert_eq!(stored.iter().filter(|message| !message.envelope.is_empty()).count(), 1);
    // The key under which nothing is left is gone; the one of the last message is not.
    let granted = epochs::Entity::find().all(app.app.db.read()).await.unwrap();
    let with_key: Vec<_> =
        granted.iter().filter(|epoch| !epoch.body.is_empty()).map(|epoch| epoch.number).collect();
    assert_eq!(with_key, [2]);
    assert_eq!(keyring::Entity::find().count(app.app.db.read()).await.unwrap(), 2);

    // What is gone is not looked at again, and what comes is kept as long.
    let rev = bob.conversation(conversation).await.unwrap().rev;
    app.wait(HOUR).await;
    assert_eq!(bob.conversation(conversation).await.unwrap().rev, rev);
    app.wait(21 * DAY).await;
    assert_eq!(told(&alice, conversation).await, said(&[None, None, None]));
    alice.send(conversation, "still").await.unwrap();
    assert_eq!(told(&bob, conversation).await[3].as_deref(), Some("still"));
}

#[tokio::test]
async fn what_was_decided_counts_a_day_later() {
    let app = TestApp::start().await;
    app.person("Admin").await;
    let (alice, bob, conversation) = app.pair().await;
    alice.send(conversation, "old").await.unwrap();
    app.clock.advance(10 * DAY);
    app.keep(Kept::Messages, Some(1)).await;
    app.wait(DAY - HOUR).await;
    assert_eq!(told(&bob, conversation).await, said(&[Some("old")]));
    app.keep(Kept::Messages, None).await;
    app.wait(3 * DAY).await;
    assert_eq!(told(&bob, conversation).await, said(&[Some("old")]));
    app.keep(Kept::Messages, Some(1)).await;
    app.wait(DAY).await;
    assert_eq!(told(&bob, conversation).await, said(&[None]));
}

/// Each time that messages of the conversation go, its keys are looked at again.
#[tokio::test]
async fn a_message_that_waits_keeps_its_key_and_holds_up_nothing() {
    let app = TestApp::start().await;
    app.person("Admin").await;
    let (alice, bob, conversation) = app.pair().await;
    app.keep(Kept::Messages, Some(30)).await;
    let waiting = alice.seal(conversation, "waits").await.unwrap();
    let body = json!({"envelope": waiting.envelope, "at": app.clock.now() + 200 * DAY});
    let path = format!("/conversations/{conversation}/scheduled/{}", waiting.id);
    assert!(alice.raw("PUT", &path, Some(&body)).await.unwrap().0 < 300);
    alice.send(conversation, "first").await.unwrap();
    app.clock.advance(2 * DAY);
    alice.rotate(conversation).await.unwrap();
    alice.send(conversation, "second").await.unwrap();
    app.wait(29 * DAY).await;
    let alice = Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    alice.send(conversation, "third").await.unwrap();
    app.wait(2 * DAY).await;
    let bob = Client::log_in(&app.url, bob.handle(), PASSWORD).await.unwrap();
    assert_eq!(told(&bob, conversation).await, said(&[None, None, Some("third")]));
    let granted = epochs::Entity::find().all(app.app.db.read()).await.unwrap();
    assert!(granted.iter().all(|epoch| !epoch.body.is_empty()));
}

/// More than fit one batch, some of which disappear by themselves, and before.
#[tokio::test]
async fn long_conversations_go_piece_by_piece() {
    let app = TestApp::start().await;
    app.person("Admin").await;
    let (alice, bob, conversation) = app.pair().await;
    alice.set_timer(conversation, 28 * DAY as u64).await.unwrap();
    for number in 0..600 {
        alice.send(conversation, &number.to_string()).await.unwrap();
    }
    alice.set_timer(conversation, 0).await.unwrap();
    for number in 600..1_100 {
        alice.send(conversation, &number.to_string()).await.unwrap();
    }
    app.keep(Kept::Messages, Some(7)).await;
    app.wait(8 * DAY).await;
    let stored = messages::Entity::find().all(app.app.db.read()).await.unwrap();
    assert!(stored.len() == 1_102 && stored.iter().all(|message| message.envelope.is_empty()));
    let bob = Client::log_in(&app.url, bob.handle(), PASSWORD).await.unwrap();
    let before = bob.conversation(conversation).await.unwrap();
    assert_eq!(before.unread, 0);
    // Their own time comes when they are gone already.
    app.wait(25 * DAY).await;
    let after = bob.conversation(conversation).await.unwrap();
    assert_eq!((after.rev, after.unread), (before.rev, 0));
}

#[tokio::test]
async fn reports_and_the_journal_are_forgotten_on_their_own_days() {
    let app = TestApp::start().await;
    let admin = app.person("Admin").await;
    let (alice, bob, conversation) = app.pair().await;
    let sent = alice.send(conversation, "bad words").await.unwrap();
    let told = json!([{"conversation": conversation, "seq": sent.seq, "sent_at": sent.sent_at, "text": "bad words"}]);
    let report = json!({"account": alice.id(), "reason": "spam", "note": "", "messages": told});
    assert!(bob.raw("POST", "/reports", Some(&report)).await.unwrap().0 < 300);
    app.keep(Kept::Reports, Some(30)).await;
    app.keep(Kept::Journal, Some(60)).await;
    let journal =
        async || admin.raw("GET", "/administration/audit", None).await.unwrap().1["entries"].clone();
    let disclosed = async || reported_messages::Entity::find().count(app.app.db.read()).await.unwrap();
    app.wait(29 * DAY).await;
    assert_eq!((disclosed().await, journal().await.as_array().unwrap().len()), (1, 2));
    app.wait(2 * DAY).await;
    assert_eq!((disclosed().await, journal().await.as_array().unwrap().len()), (0, 2));
    assert_eq!(admin.raw("GET", "/reports", None).await.unwrap().1["reports"], json!([]));
    for _ in 0..2 {
        app.wait(15 * DAY).await;
        assert!(journal().await.is_array(), "still signed in");
    }
    assert_eq!(journal().await, json!([]));
}

#[tokio::test]
async fn days_that_make_no_sense_are_refused_and_everybody_can_see_what_was_decided() {
    let app = TestApp::start().await;
    let admin = app.person("Admin").await;
    for days in [0, 3_651] {
        let decided = json!({"sign_up": "open", "name": null, "accent": null, "language": null, "welcome": "",
            "messages_days": days, "reports_days": null, "journal_days": null});
        let answer = admin.raw("PUT", "/administration/organisation", Some(&decided)).await.unwrap();
        assert_eq!(raw_refusal(answer), refused(422, "bad_organisation"));
        let storage = app.config.storage.clone();
        let act = Act::Retain { what: Kept::Messages, days: Some(days) };
        assert!(ask(&Admin { storage, act }).await.is_err());
    }
    app.keep(Kept::Messages, Some(90)).await;
    let shown = app.request(reqwest::Method::GET, "/api/config").send().await.unwrap();
    assert_eq!(shown.json::<Value>().await.unwrap()["messages_days"], 90);
}
