//! Messages that disappear, and the keys that opened them.

use client::{Client, Content, Event};
use entrenous::clock::{DAY, HOUR, Millis};
use entrenous::schema::tables::{epochs, keyring, messages};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use crate::support::{PASSWORD, TestApp, raw_refusal, refused};

const WEEK: u64 = 7 * DAY as u64;

impl TestApp {
    async fn pass(&self, time: Millis) {
        self.clock.advance(time);
        entrenous::run_due(&self.app).await.unwrap();
    }

    async fn stored(&self, conversation: Uuid) -> Vec<messages::Model> {
        let all = messages::Entity::find().filter(messages::Column::Conversation.eq(conversation));
        all.order_by_asc(messages::Column::Seq).all(self.app.db.read()).await.unwrap()
    }
}

fn said(history: &[client::Message]) -> Vec<String> {
    let said = |content: &Content| match content {
        Content::Text(text) => text.clone(),
        other => format!("{other:?}"),
    };
    history.iter().map(|message| said(&message.content)).collect()
}

#[tokio::test]
async fn what_is_written_after_the_timer_disappears_for_both_and_from_the_server() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    bob.send(conversation, "stays").await.unwrap();
    let timer = alice.set_timer(conversation, WEEK).await.unwrap();
    let goes = bob.send(conversation, "goes").await.unwrap();
    bob.edit(conversation, goes.id, "goes, edited").await.unwrap();
    alice.react(conversation, goes.id, "👍").await.unwrap();
    assert_eq!(goes.expires_at, Some(goes.sent_at + WEEK));
    assert_eq!(bob.conversation(conversation).await.unwrap().timer, WEEK);
    let mut live = bob.events().await.unwrap();
    let rev = bob.conversation(conversation).await.unwrap().rev;

    app.pass(7 * DAY - HOUR).await;
    assert!(app.stored(conversation).await.iter().all(|message| !message.envelope.is_empty()));
    app.pass(HOUR).await;
    let stored = app.stored(conversation).await;
    assert_eq!(stored.iter().map(|message| message.envelope.len()).filter(|len| *len > 0).count(), 1);
    assert!(stored[1..].iter().all(|message| message.deleted_at == message.expires_at && message.edits == 0));
    for reader in [&alice, &bob] {
        let history = reader.history(conversation, None, 10).await.unwrap();
        assert_eq!(said(&history), ["stays", "Expired", "Expired"]);
        assert!(history.iter().all(|message| message.reactions.is_empty()));
    }
    // Whoever is there is told, and whoever was away finds it by `rev`.
    assert_eq!(live.next_message().await.unwrap().seq, timer.seq);
    assert_eq!(live.next_message().await.unwrap().seq, goes.seq);
    let changed = bob.changes(conversation, rev, 10).await.unwrap();
    assert_eq!(changed.iter().map(|message| message.seq).collect::<Vec<_>>(), [timer.seq, goes.seq]);
    // Once is enough.
    assert_eq!(entrenous::run_due(&app.app).await.unwrap(), 0);
    assert_eq!(bob.conversation(conversation).await.unwrap().rev, changed.last().unwrap().rev);
}

#[tokio::test]
async fn the_timer_is_changed_by_either_and_turned_off() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.set_timer(conversation, WEEK).await.unwrap();
    let shorter = bob.set_timer(conversation, DAY as u64).await.unwrap();
    assert_eq!(shorter.expires_at, Some(shorter.sent_at + WEEK), "as long as what it is about");
    let brief = alice.send(conversation, "a day").await.unwrap();
    assert_eq!(brief.expires_at, Some(brief.sent_at + DAY as u64));
    alice.set_timer(conversation, 0).await.unwrap();
    let ever = bob.send(conversation, "for ever").await.unwrap();
    assert_eq!(ever.expires_at, None);
    app.pass(29 * DAY).await;
    assert_eq!(
        said(&alice.history(conversation, None, 10).await.unwrap()),
        ["Expired", "Expired", "Expired", "Expired", "for ever"]
    );
}

#[tokio::test]
async fn no_other_times_are_taken_nor_a_timer_on_an_edit() {
    let app = TestApp::start().await;
    let (alice, _, conversation) = app.pair().await;
    for wrong in [1, DAY as u64 + 1, 365 * DAY as u64] {
        let refusal = alice.set_timer(conversation, wrong).await.unwrap_err();
        assert_eq!(refusal.code(), Some("bad_timer"), "{wrong}");
    }
    let path = format!("/conversations/{conversation}/messages");
    let message = alice.seal(conversation, "text").await.unwrap();
    let mut body = serde_json::to_value(&message).unwrap();
    body["timer"] = (-1).into();
    let answer = alice.raw("POST", &path, Some(&body)).await.unwrap();
    assert_eq!(raw_refusal(answer), refused(422, "bad_timer"));
    let sent = alice.send(conversation, "text").await.unwrap();
    let edit = alice
        .seal_about(
            conversation,
            e2ee::Kind::Edit,
            sent.id,
            &serde_json::json!({"type": "text", "body": "x"}),
        )
        .await
        .unwrap();
    let mut body = serde_json::to_value(&edit).unwrap();
    body["timer"] = WEEK.into();
    let answer = alice.raw("POST", &path, Some(&body)).await.unwrap();
    assert_eq!(raw_refusal(answer), refused(422, "bad_timer"));
    assert_eq!(alice.conversation(conversation).await.unwrap().timer, 0);
}

#[tokio::test]
async fn what_disappears_unread_is_unread_no_more() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.set_timer(conversation, DAY as u64).await.unwrap();
    alice.send(conversation, "one").await.unwrap();
    alice.send(conversation, "two").await.unwrap();
    assert_eq!(bob.conversation(conversation).await.unwrap().unread, 3);
    bob.receipt(conversation, None, Some(1)).await.unwrap();
    // The message that sets a timer counts as any other.
    assert_eq!(bob.conversation(conversation).await.unwrap().unread, 2);
    app.pass(DAY).await;
    assert_eq!(bob.conversation(conversation).await.unwrap().unread, 0);
    let late = alice.send(conversation, "three").await.unwrap();
    assert_eq!(bob.conversation(conversation).await.unwrap().unread, 1);
    bob.receipt(conversation, None, Some(late.seq)).await.unwrap();
    assert_eq!(bob.conversation(conversation).await.unwrap().unread, 0);
}

#[tokio::test]
async fn what_was_deleted_unread_disappears_like_the_rest() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.set_timer(conversation, DAY as u64).await.unwrap();
    let regretted = alice.send(conversation, "regretted").await.unwrap();
    alice.delete(conversation, regretted.id).await.unwrap();
    assert_eq!(bob.conversation(conversation).await.unwrap().unread, 2);
    app.pass(DAY - HOUR).await;
    assert_eq!(said(&bob.history(conversation, None, 1).await.unwrap()), ["Deleted"]);
    app.pass(HOUR).await;
    assert_eq!(said(&bob.history(conversation, None, 1).await.unwrap()), ["Expired"]);
    assert_eq!(bob.conversation(conversation).await.unwrap().unread, 0);
}

#[tokio::test]
async fn keys_go_also_where_messages_no_longer_disappear() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.set_timer(conversation, DAY as u64).await.unwrap();
    bob.send(conversation, "goes").await.unwrap();
    let brief = epoch_of(&bob, conversation).await;
    alice.set_timer(conversation, 0).await.unwrap();
    alice.send(conversation, "stays").await.unwrap();
    let lasting = epoch_of(&bob, conversation).await;
    assert_eq!(lasting.number, brief.number + 1);
    assert!(has_key(&app, brief.id).await);
    app.pass(2 * DAY).await;
    app.pass(2 * HOUR).await;
    assert!(!has_key(&app, brief.id).await);
    app.pass(30 * DAY).await;
    assert!(has_key(&app, lasting.id).await);
}

#[tokio::test]
async fn the_keys_go_after_the_messages_and_no_other_keys_do() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.send(conversation, "stays").await.unwrap();
    alice.set_timer(conversation, DAY as u64).await.unwrap();
    bob.send(conversation, "goes").await.unwrap();
    let brief = epoch_of(&bob, conversation).await;
    assert_eq!(brief.number, 2, "what disappears has an epoch of its own");
    app.pass(2 * DAY).await;
    look_at_the_clock(&alice).await;
    alice.send(conversation, "later").await.unwrap();
    assert_eq!(epoch_of(&alice, conversation).await.number, 3, "a day is an epoch");
    let mut live = bob.events().await.unwrap();
    assert!(has_key(&app, brief.id).await);

    app.pass(DAY + HOUR).await;
    assert!(!has_key(&app, brief.id).await);
    while !matches!(live.next().await.unwrap(), Event::EpochErased { epoch, .. } if epoch == brief.id) {}
    let rows =
        epochs::Entity::find().order_by_asc(epochs::Column::Number).all(app.app.db.read()).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.body.is_empty()).collect::<Vec<_>>(), [false, true, false]);
    // Everything else reads and goes on, in a browser that knows nothing too.
    bob.send(conversation, "and on").await.unwrap();
    let newcomer = Client::log_in(&app.url, bob.handle(), PASSWORD).await.unwrap();
    let history = newcomer.history(conversation, None, 10).await.unwrap();
    assert_eq!(said(&history), ["stays", "Expired", "Expired", "Expired", "and on"]);
}

#[tokio::test]
async fn a_message_that_was_under_way_is_let_in_and_read_or_sealed_anew() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.set_timer(conversation, DAY as u64).await.unwrap();
    alice.send(conversation, "first").await.unwrap();
    let before = alice.seal(conversation, "sealed before").await.unwrap();
    let long_before = alice.seal(conversation, "sealed long before").await.unwrap();
    app.pass(DAY).await;
    look_at_the_clock(&bob).await;
    let old = epoch_of(&alice, conversation).await;
    bob.send(conversation, "next").await.unwrap();
    app.pass(12 * HOUR).await;
    alice.send_sealed(conversation, &before).await.unwrap();
    app.pass(13 * HOUR).await;
    // It came last in its epoch, which is closed now, and whose key stays until it is gone too.
    let refusal = alice.send_sealed(conversation, &long_before).await.unwrap_err();
    assert_eq!(refusal.code(), Some("epoch_closed"));
    assert!(has_key(&app, old.id).await);
    let newcomer = Client::log_in(&app.url, bob.handle(), PASSWORD).await.unwrap();
    let history = newcomer.history(conversation, None, 10).await.unwrap();
    assert_eq!(said(&history)[2..], ["Expired", "sealed before"]);
    let anew = alice.send(conversation, "sealed anew").await.unwrap();
    assert_eq!(said(&newcomer.history(conversation, None, 1).await.unwrap()), ["sealed anew"]);
    assert_eq!(anew.seq, 5);
    app.pass(DAY).await;
    assert!(!has_key(&app, old.id).await);
}

#[tokio::test]
async fn an_epoch_with_something_that_stays_keeps_its_key() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let stays = bob.send(conversation, "stays").await.unwrap();
    alice.set_timer(conversation, DAY as u64).await.unwrap();
    alice.send(conversation, "goes").await.unwrap();
    // An edit of an old message is sealed under the new epoch.
    bob.history(conversation, None, 10).await.unwrap();
    assert!(stays.seq < epoch_of(&bob, conversation).await.first_seq);
    bob.edit(conversation, stays.id, "stays, edited").await.unwrap();
    let brief = epoch_of(&bob, conversation).await;
    app.pass(DAY).await;
    look_at_the_clock(&alice).await;
    alice.send(conversation, "next epoch").await.unwrap();
    app.pass(3 * DAY).await;
    assert!(has_key(&app, brief.id).await);
    let newcomer = Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    assert_eq!(said(&newcomer.history(conversation, None, 10).await.unwrap())[0], "stays, edited");
}

/// The server says what time it is whenever a line opens.
async fn look_at_the_clock(client: &Client) {
    drop(client.events().await.unwrap());
}

async fn epoch_of(client: &Client, conversation: Uuid) -> client::wire::Epoch {
    client.conversation(conversation).await.unwrap().epoch.unwrap()
}

async fn has_key(app: &TestApp, epoch: Uuid) -> bool {
    let entries = keyring::Entity::find().filter(keyring::Column::Epoch.eq(epoch));
    !entries.all(app.app.db.read()).await.unwrap().is_empty()
}
