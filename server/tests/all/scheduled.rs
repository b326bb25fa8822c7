//! Messages that are sent at a time.

use client::wire::NewMessage;
use client::{Client, Content};
use entrenous::clock::{DAY, HOUR, MINUTE, SECOND};
use entrenous::schema::tables::{accounts, outliving};
use futures_util::future::{join_all, try_join_all};
use reqwest::Method;
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{PASSWORD, Refusal, TestApp, raw_refusal, refused};

/// The events that came to somebody's browser, without having to be waited for.
struct Inbox<'a> {
    app: &'a TestApp,
    of: &'a Client,
    ticket: String,
}

impl<'a> Inbox<'a> {
    async fn open(app: &'a TestApp, of: &'a Client) -> Self {
        let mut inbox = Self { app, of, ticket: String::new() };
        assert_eq!(inbox.next().await[0]["type"], "ready");
        inbox
    }

    async fn next(&mut self) -> Vec<Value> {
        let query = if self.ticket.is_empty() { String::new() } else { format!("?ticket={}", self.ticket) };
        let ask = self.app.request(Method::GET, &format!("/api/live/poll{query}"));
        let answer = ask.bearer_auth(self.of.token()).send().await.unwrap();
        let mut answer: Value = answer.json().await.unwrap();
        self.ticket = answer["ticket"].as_str().unwrap().to_owned();
        answer["events"].as_array_mut().unwrap().drain(..).collect()
    }

    /// The events of these types, once there are so many.
    async fn these(&mut self, types: &[&str], count: usize) -> Vec<Value> {
        let mut found = Vec::new();
        while found.len() < count {
            found.extend(
                self.next().await.into_iter().filter(|event| types.iter().any(|t| event["type"] == *t)),
            );
        }
        found
    }
}

fn path(conversation: Uuid, id: Uuid) -> String {
    format!("/conversations/{conversation}/scheduled/{id}")
}

async fn put(by: &Client, conversation: Uuid, message: &NewMessage, at: i64) -> (u16, Value) {
    let body = json!({"envelope": message.envelope, "at": at});
    by.raw("PUT", &path(conversation, message.id), Some(&body)).await.unwrap()
}

/// A text that waits until `at`.
async fn schedule(by: &Client, conversation: Uuid, text: &str, at: i64) -> NewMessage {
    let message = by.seal(conversation, text).await.unwrap();
    let (status, scheduled) = put(by, conversation, &message, at).await;
    assert_eq!((status, &scheduled["id"], &scheduled["at"]), (200, &json!(message.id), &json!(at)));
    message
}

async fn withdraw(by: &Client, conversation: Uuid, id: Uuid) -> Refusal {
    raw_refusal(by.raw("DELETE", &path(conversation, id), None).await.unwrap())
}

async fn waiting(by: &Client) -> Vec<Value> {
    let (status, mut all) = by.raw("GET", "/scheduled", None).await.unwrap();
    assert_eq!(status, 200);
    all["scheduled"].as_array_mut().unwrap().drain(..).collect()
}

async fn texts(of: &Client, conversation: Uuid) -> Vec<String> {
    let history = of.history(conversation, None, 200).await.unwrap();
    history.iter().map(|message| message.text().unwrap_or("?").to_owned()).collect()
}

#[tokio::test]
async fn a_message_is_sent_at_its_time_as_an_ordinary_one() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let at = app.clock.now() + HOUR;
    let message = schedule(&alice, conversation, "at eleven", at).await;
    alice.send(conversation, "now").await.unwrap();
    let mut for_alice = Inbox::open(&app, &alice).await;
    let mut for_bob = Inbox::open(&app, &bob).await;
    app.clock.advance(59 * MINUTE);
    assert_eq!(entrenous::send_due(&app.app).await.unwrap(), 0);
    assert_eq!(texts(&bob, conversation).await, ["now"], "not before its time");
    assert_eq!(waiting(&bob).await, [Value::Null; 0], "nor is it shown to the other");
    app.clock.advance(MINUTE);
    // The server's own loop may have been faster.
    entrenous::send_due(&app.app).await.unwrap();

    for (inbox, types) in [(&mut for_alice, &["message", "unscheduled"][..]), (&mut for_bob, &["message"])] {
        let events = inbox.these(types, types.len()).await;
        assert_eq!(events[0]["message"]["id"], json!(message.id));
        assert!(events[0]["message"]["sent_at"].as_i64().unwrap() >= at);
        if let Some(gone) = events.get(1) {
            assert_eq!(
                *gone,
                json!({"type": "unscheduled", "conversation": conversation, "id": message.id, "sent": true})
            );
        }
    }
    for reader in [&alice, &bob] {
        assert_eq!(texts(reader, conversation).await, ["now", "at eleven"]);
    }
    let last = bob.history(conversation, None, 1).await.unwrap().pop().unwrap();
    assert_eq!((last.sender, last.seq), (alice.id(), 2));
    assert!(waiting(&alice).await.is_empty());
    assert_eq!(bob.conversation(conversation).await.unwrap().unread, 2);
}

#[tokio::test]
async fn the_server_wakes_at_the_time_by_itself() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let mut live = bob.events().await.unwrap();
    // It waits for the later one already when the earlier one comes.
    schedule(&alice, conversation, "later", app.clock.now() + DAY).await;
    let at = app.clock.now() + SECOND;
    let message = schedule(&alice, conversation, "in a second", at).await;
    let pushed = live.next_message().await.unwrap();
    assert_eq!(pushed.id, message.id);
    let late = app.clock.now() - at;
    assert!((0..5 * SECOND).contains(&late), "{late} ms late");
}

#[tokio::test]
async fn what_waits_can_be_changed_and_withdrawn_and_ones_browsers_agree() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let at = app.clock.now() + HOUR;
    let mut inbox = Inbox::open(&app, &alice).await;
    let mut for_bob = Inbox::open(&app, &bob).await;
    let first = schedule(&alice, conversation, "first", at).await;
    let second = schedule(&alice, conversation, "second", at - MINUTE).await;
    let ids = |all: Vec<Value>| all.iter().map(|each| each["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(waiting(&alice).await), [json!(second.id), json!(first.id)], "by time");
    // Another text under the same id: the envelope is another, the message the same.
    let epoch = alice.conversation(conversation).await.unwrap().epoch.unwrap().id;
    let text = json!({"type": "text", "body": "better"}).to_string();
    let sealed = alice.keychain().await;
    let sealed = sealed.seal(conversation, epoch, first.id, e2ee::Kind::Message, None, &text).unwrap();
    let better = NewMessage::new(first.id, client::wire::Bytes(sealed));
    assert_eq!(put(&alice, conversation, &better, at - 2 * MINUTE).await.0, 200);
    assert_eq!(ids(waiting(&alice).await), [json!(first.id), json!(second.id)]);
    assert_eq!(withdraw(&alice, conversation, second.id).await.0, 204);
    assert_eq!(withdraw(&alice, conversation, second.id).await, refused(404, "unknown_message"));

    let events = inbox.these(&["scheduled", "unscheduled"], 4).await;
    let told: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(told, ["scheduled", "scheduled", "scheduled", "unscheduled"]);
    assert_eq!(events[2]["scheduled"], waiting(&alice).await[0]);
    assert_eq!((&events[3]["id"], &events[3]["sent"]), (&json!(second.id), &json!(false)));
    app.clock.advance(HOUR);
    entrenous::send_due(&app.app).await.unwrap();
    assert_eq!(texts(&bob, conversation).await, ["better"]);
    let heard = for_bob.these(&["message", "scheduled", "unscheduled"], 1).await;
    assert_eq!(
        (heard.len(), &heard[0]["type"]),
        (1, &json!("message")),
        "the other learns of the message alone"
    );
}

#[tokio::test]
async fn one_that_waits_can_be_sent_now() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let message = schedule(&alice, conversation, "soon", app.clock.now() + DAY).await;
    schedule(&alice, conversation, "late", app.clock.now() + HOUR).await;
    let send = format!("{}/send", path(conversation, message.id));
    assert_eq!(alice.raw("POST", &send, None).await.unwrap().0, 204);
    assert_eq!(texts(&bob, conversation).await, ["soon"]);
    assert_eq!(waiting(&alice).await.len(), 1);
    assert_eq!(raw_refusal(alice.raw("POST", &send, None).await.unwrap()), refused(409, "already_sent"));
    let unknown = format!("{}/send", path(conversation, Uuid::now_v7()));
    assert_eq!(
        raw_refusal(alice.raw("POST", &unknown, None).await.unwrap()),
        refused(404, "unknown_message")
    );
}

#[tokio::test]
async fn what_was_sent_can_no_longer_be_changed_here() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let at = app.clock.now() + HOUR;
    let message = schedule(&alice, conversation, "gone", at).await;
    app.clock.advance(HOUR);
    entrenous::send_due(&app.app).await.unwrap();
    let later = put(&alice, conversation, &message, app.clock.now() + HOUR).await;
    assert_eq!(raw_refusal(later), refused(409, "already_sent"));
    assert_eq!(withdraw(&alice, conversation, message.id).await, refused(409, "already_sent"));
    // An id of a message of the other's is not told to be sent.
    let theirs = bob.send(conversation, "mine").await.unwrap();
    assert_eq!(withdraw(&alice, conversation, theirs.id).await, refused(409, "message_id_reused"));
    assert_eq!(texts(&bob, conversation).await, ["gone", "mine"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_sent_once_however_many_try() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let at = app.clock.now() + HOUR;
    for number in 0..30 {
        schedule(&alice, conversation, &number.to_string(), at + number).await;
    }
    // One was sent by its own way meanwhile, as a browser that retries might.
    let also = schedule(&alice, conversation, "also", at + 100).await;
    alice.send_sealed(conversation, &also).await.unwrap();
    app.clock.advance(HOUR + SECOND);
    let tries = try_join_all((0..8).map(|_| entrenous::send_due(&app.app))).await.unwrap();
    assert!(tries.iter().sum::<usize>() <= 31);
    let expected: Vec<_> = ["also".to_owned()].into_iter().chain((0..30).map(|n| n.to_string())).collect();
    assert_eq!(texts(&bob, conversation).await, expected, "each once, in the order of their times");
    assert!(waiting(&alice).await.is_empty());
}

#[tokio::test]
async fn what_came_due_while_the_server_was_down_is_sent_at_the_next_start() {
    let mut app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    schedule(&alice, conversation, "meanwhile", app.clock.now() + HOUR).await;
    app.stop().await;
    app.clock.advance(DAY);
    app.start_again().await;
    entrenous::send_due(&app.app).await.unwrap();
    assert_eq!(texts(&bob, conversation).await, ["meanwhile"]);
    app.stop().await;
    app.start_again().await;
    entrenous::send_due(&app.app).await.unwrap();
    assert_eq!(texts(&bob, conversation).await, ["meanwhile"], "and only once");
}

#[tokio::test]
async fn a_block_counts_in_the_moment_of_sending() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    schedule(&alice, conversation, "blocked", app.clock.now() + HOUR).await;
    schedule(&alice, conversation, "after", app.clock.now() + 2 * HOUR).await;
    bob.block(alice.id()).await.unwrap();
    app.clock.advance(HOUR);
    entrenous::send_due(&app.app).await.unwrap();
    bob.unblock(alice.id()).await.unwrap();
    app.clock.advance(HOUR);
    entrenous::send_due(&app.app).await.unwrap();
    let seen = bob.history(conversation, None, 10).await.unwrap();
    assert_eq!(seen[0].content, Content::Hidden);
    assert_eq!(seen[1].text(), Some("after"));
    assert_eq!(texts(&alice, conversation).await, ["blocked", "after"], "who is blocked cannot tell");
}

#[tokio::test]
async fn an_envelope_is_checked_as_if_it_were_sent() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let carol = app.person("Carol").await;
    let elsewhere = alice.open_conversation(carol.id()).await.unwrap().id;
    let at = app.clock.now() + HOUR;
    let message = alice.seal(conversation, "good").await.unwrap();
    let foreign = alice.seal(elsewhere, "elsewhere").await.unwrap();
    assert_eq!(raw_refusal(put(&alice, conversation, &foreign, at).await), refused(422, "unknown_epoch"));
    let mistaken = NewMessage::new(Uuid::now_v7(), message.envelope.clone());
    assert_eq!(raw_refusal(put(&alice, conversation, &mistaken, at).await), refused(422, "bad_envelope"));
    let large = NewMessage::new(message.id, client::wire::Bytes(vec![1; 41 << 10]));
    assert_eq!(raw_refusal(put(&alice, conversation, &large, at).await), refused(413, "message_too_large"));
    let unknown = json!({"envelope": message.envelope, "at": at, "sender": bob.id()});
    let answer = alice.raw("PUT", &path(conversation, message.id), Some(&unknown)).await.unwrap();
    assert_eq!(raw_refusal(answer), refused(400, "bad_request"));
    // An outsider does not even learn that there is a conversation.
    assert_eq!(raw_refusal(put(&carol, conversation, &message, at).await), refused(404, "not_found"));
    assert_eq!(withdraw(&carol, conversation, message.id).await, refused(404, "not_found"));
    assert_eq!(put(&alice, conversation, &message, at).await.0, 200, "it is a good one");
    // Nor can the other person reach what waits.
    assert_eq!(withdraw(&bob, conversation, message.id).await, refused(404, "unknown_message"));
    assert_eq!(waiting(&alice).await.len(), 1);
}

#[tokio::test]
async fn a_time_is_to_come_and_within_a_year() {
    let app = TestApp::start().await;
    let (alice, _bob, conversation) = app.pair().await;
    let message = alice.seal(conversation, "when").await.unwrap();
    let now = app.clock.now();
    for at in [0, -1, i64::MIN, i64::MAX, now - 1, now, now + 366 * DAY + MINUTE] {
        assert_eq!(
            raw_refusal(put(&alice, conversation, &message, at).await),
            refused(422, "bad_time"),
            "{at}"
        );
    }
    assert!(waiting(&alice).await.is_empty());
    assert_eq!(put(&alice, conversation, &message, now + 366 * DAY).await.0, 200);
}

#[tokio::test]
async fn a_hundred_can_wait_and_no_more() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let at = app.clock.now() + HOUR;
    let first = schedule(&alice, conversation, "0", at).await;
    for number in 1..100 {
        schedule(&alice, conversation, &number.to_string(), at + number).await;
    }
    let more = alice.seal(conversation, "more").await.unwrap();
    assert_eq!(raw_refusal(put(&alice, conversation, &more, at).await), refused(409, "too_many_scheduled"));
    assert_eq!(put(&alice, conversation, &first, at + DAY).await.0, 200, "what waits can still be changed");
    assert_eq!(waiting(&alice).await.len(), 100);
    assert_eq!(withdraw(&alice, conversation, first.id).await.0, 204);
    assert_eq!(put(&alice, conversation, &more, at).await.0, 200);
    let theirs = bob.seal(conversation, "theirs").await.unwrap();
    assert_eq!(put(&bob, conversation, &theirs, at).await.0, 200, "each has a hundred");
}

#[tokio::test]
async fn nothing_new_waits_under_a_closed_epoch_and_what_waits_keeps_its_key() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let before = schedule(&alice, conversation, "before", app.clock.now() + HOUR).await;
    alice.rotate(conversation).await.unwrap();
    let over = outliving::ActiveModel::from(outliving::Model { at: 1, conversation, number: 1 });
    app.app
        .db
        .write(async |tx| Ok(outliving::Entity::insert(over).exec_without_returning(tx).await?))
        .await
        .unwrap();
    entrenous::run_due(&app.app).await.unwrap();
    let later = put(&alice, conversation, &before, app.clock.now() + DAY).await;
    assert_eq!(raw_refusal(later), refused(409, "epoch_closed"));
    app.clock.advance(HOUR);
    entrenous::send_due(&app.app).await.unwrap();
    // Who has no key yet finds it.
    let newcomer = Client::log_in(&app.url, bob.handle(), PASSWORD).await.unwrap();
    assert_eq!(texts(&newcomer, conversation).await, ["before"]);
}

#[tokio::test]
async fn who_is_gone_sends_nothing_and_the_others_are_not_held_up() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let at = app.clock.now() + HOUR;
    schedule(&alice, conversation, "of somebody gone", at).await;
    schedule(&bob, conversation, "of somebody here", at + 1).await;
    let delete = accounts::Entity::delete_by_id(alice.id());
    app.app.db.write(async |tx| Ok(delete.exec(tx).await?)).await.unwrap();
    app.clock.advance(HOUR + SECOND);
    entrenous::send_due(&app.app).await.unwrap();
    assert_eq!(texts(&bob, conversation).await, ["of somebody here"]);
    assert_eq!(entrenous::send_due(&app.app).await.unwrap(), 0, "nothing is left over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_at_the_last_moment_counts_or_is_told_to_be_too_late() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let at = app.clock.now() + HOUR;
    let mut messages = Vec::new();
    for number in 0..20 {
        messages.push(schedule(&alice, conversation, &number.to_string(), at).await);
    }
    app.clock.advance(HOUR + 1);
    let withdrawals = join_all(messages.iter().map(|message| withdraw(&alice, conversation, message.id)));
    let (answers, sent) = tokio::join!(withdrawals, entrenous::send_due(&app.app));
    sent.unwrap();
    let sent = texts(&bob, conversation).await;
    for (number, answer) in answers.iter().enumerate() {
        let was_sent = sent.contains(&number.to_string());
        let expected = if was_sent { refused(409, "already_sent") } else { (204, String::new()) };
        assert_eq!(*answer, expected, "{number}");
    }
}
