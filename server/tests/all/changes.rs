use std::collections::BTreeMap;

use client::{Backoff, Client, Content, Event, Follower, Message, Reaction};
use e2ee::Kind;
use entrenous::schema::tables::messages;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestApp, raw_refusal, refused};

fn text(text: &str) -> Content {
    Content::Text(text.to_owned())
}

async fn latest(reader: &Client, conversation: Uuid) -> Message {
    reader.history(conversation, None, 1).await.unwrap().pop().unwrap()
}

#[tokio::test]
async fn an_edit_is_seen_by_both_and_leaves_its_trace() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let sent = alice.send(conversation, "A demain").await.unwrap();
    alice.send(conversation, "another").await.unwrap();
    let mut live = bob.events().await.unwrap();
    app.clock.advance(60_000);
    for (number, version) in ["À demain", "À demain !"].into_iter().enumerate() {
        let accepted = alice.edit(conversation, sent.id, version).await.unwrap();
        assert_eq!((accepted.seq, accepted.rev), (1, 3 + number as u64));
        let pushed = live.next_message().await.unwrap();
        assert_eq!((pushed.id, pushed.rev, pushed.content), (sent.id, accepted.rev, text(version)));
        assert_eq!(pushed.edited_at, Some(accepted.sent_at));
        assert!(accepted.sent_at >= sent.sent_at + 60_000);
    }
    for reader in [&alice, &bob] {
        let history = reader.history(conversation, None, 10).await.unwrap();
        assert_eq!((history[0].seq, &history[0].content), (1, &text("À demain !")));
        assert_eq!((history[0].sent_at, history[1].seq), (sent.sent_at, 2), "its place and time stay");
        let versions = reader.versions(conversation, &history[0]).await.unwrap();
        assert_eq!(versions, [text("A demain"), text("À demain")]);
        assert!(reader.versions(conversation, &history[1]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_was_deleted_is_nowhere() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let kept = alice.send(conversation, "stays").await.unwrap();
    let sent = alice.seal(conversation, "first").await.unwrap();
    alice.send_sealed(conversation, &sent).await.unwrap();
    let second = json!({"type": "text", "body": "second"});
    let edit = alice.seal_about(conversation, Kind::Edit, sent.id, &second).await.unwrap();
    alice.send_sealed(conversation, &edit).await.unwrap();
    let reaction = json!({"type": "reaction", "emoji": "👍"});
    let reaction = bob.seal_about(conversation, Kind::Reaction, sent.id, &reaction).await.unwrap();
    bob.send_sealed(conversation, &reaction).await.unwrap();
    let mut live = bob.events().await.unwrap();

    let deleted = alice.delete(conversation, sent.id).await.unwrap();
    assert_eq!((deleted.id, deleted.seq, deleted.rev), (sent.id, 2, 5));
    let pushed = live.next_message().await.unwrap();
    assert_eq!((pushed.seq, pushed.rev, &pushed.content), (2, 5, &Content::Deleted));
    assert!(pushed.reactions.is_empty() && pushed.edited_at.is_none());
    assert_eq!(alice.delete(conversation, sent.id).await.unwrap().rev, 5, "twice is once");
    assert_eq!(alice.versions(conversation, &pushed).await.unwrap(), []);
    for (table, left) in [("messages", vec![kept.id]), ("versions", vec![]), ("reactions", vec![])] {
        let sql = format!("SELECT id FROM {table} WHERE length(envelope) > 0");
        let db = app.app.db.read();
        let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await;
        let ids: Vec<Uuid> = rows.unwrap().iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
        assert_eq!(ids, left, "{table}");
    }
    // Attempts that come late: the message was accepted, and what is about it has nothing to be about.
    assert_eq!(alice.send_sealed(conversation, &sent).await.unwrap().seq, 2);
    for late in [(&alice, &edit), (&bob, &reaction)] {
        let refusal = late.0.send_sealed(conversation, late.1).await.unwrap_err();
        assert_eq!(refusal.code(), Some("message_deleted"));
    }
    assert_eq!(latest(&bob, conversation).await.content, Content::Deleted);
}

#[tokio::test]
async fn a_person_has_one_reaction_to_a_message() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let sent = alice.send(conversation, "Bravo").await.unwrap();
    let reactions = async || latest(&alice, conversation).await.reactions;
    let by = |person: &Client, emoji: &str| Reaction { sender: person.id(), emoji: emoji.to_owned() };
    bob.react(conversation, sent.id, "👍").await.unwrap();
    assert_eq!(reactions().await, [by(&bob, "👍")]);
    bob.react(conversation, sent.id, "❤️").await.unwrap();
    let accepted = alice.react(conversation, sent.id, "🎉").await.unwrap();
    assert_eq!((accepted.seq, accepted.rev), (1, 4));
    let mut both = [by(&alice, "🎉"), by(&bob, "❤️")];
    both.sort_by_key(|reaction| reaction.sender);
    assert_eq!(reactions().await, both);
    assert_eq!(bob.conversation(conversation).await.unwrap().last_message.unwrap().reactions.len(), 2);
    let gone = bob.unreact(conversation, sent.id).await.unwrap();
    assert_eq!(bob.unreact(conversation, sent.id).await.unwrap().rev, gone.rev, "twice is once");
    assert_eq!(reactions().await, [by(&alice, "🎉")]);
}

#[tokio::test]
async fn ten_thousand_reactions_are_one() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let sent = alice.send(conversation, "Bravo").await.unwrap();
    let mut live = bob.events().await.unwrap();
    for number in 0..10_000 {
        let emoji = json!({"type": "reaction", "emoji": if number % 2 == 0 { "👍" } else { "👎" }});
        let reaction = bob.seal_about(conversation, Kind::Reaction, sent.id, &emoji).await.unwrap();
        live.send_sealed(conversation, reaction).await.unwrap();
        // No more than the limit of frames allows.
        if number % 50 == 49 {
            app.clock.advance(1_000);
        }
        while !matches!(live.next().await.unwrap(), Event::Accepted(_)) {}
    }
    let message = latest(&alice, conversation).await;
    assert_eq!((message.rev, message.reactions.len()), (10_001, 1));
    let missed = alice.changes(conversation, 1, 200).await.unwrap();
    assert_eq!(missed, [message], "who was away asks for one message");
}

#[tokio::test]
async fn the_same_change_again_is_one_change() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let sent = alice.send(conversation, "one").await.unwrap();
    let body = |body: &str| json!({"type": "text", "body": body});
    let first = alice.seal_about(conversation, Kind::Edit, sent.id, &body("two")).await.unwrap();
    let second = alice.seal_about(conversation, Kind::Edit, sent.id, &body("three")).await.unwrap();
    let tries = (0..4).map(|_| alice.send_sealed(conversation, &first));
    let answers = futures_util::future::try_join_all(tries).await.unwrap();
    assert!(answers.iter().all(|answer| answer.rev == 2));
    alice.send_sealed(conversation, &second).await.unwrap();
    // Late, when it is history already: it must not come back.
    alice.send_sealed(conversation, &first).await.unwrap();
    let reaction = json!({"type": "reaction", "emoji": "👍"});
    let reaction = bob.seal_about(conversation, Kind::Reaction, sent.id, &reaction).await.unwrap();
    for _ in 0..2 {
        bob.send_sealed(conversation, &reaction).await.unwrap();
    }
    let message = latest(&bob, conversation).await;
    assert_eq!((message.rev, message.content, message.reactions.len()), (4, text("three"), 1));
}

#[tokio::test]
async fn only_ones_own_message_in_this_conversation_can_be_changed() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let carol = app.person("Carol").await;
    let elsewhere = alice.open_conversation(carol.id()).await.unwrap().id;
    let sent = alice.send(conversation, "mine").await.unwrap();
    let foreign = alice.send(elsewhere, "elsewhere").await.unwrap();
    for (who, target, code) in [
        (&bob, sent.id, "not_yours"),
        (&alice, foreign.id, "unknown_message"),
        (&alice, Uuid::now_v7(), "unknown_message"),
    ] {
        let edited = who.edit(conversation, target, "changed").await.unwrap_err();
        let deleted = who.delete(conversation, target).await.unwrap_err();
        assert_eq!((edited.code(), deleted.code()), (Some(code), Some(code)));
    }
    let unknown = bob.react(conversation, foreign.id, "👍").await.unwrap_err();
    assert_eq!(unknown.code(), Some("unknown_message"));
    assert_eq!(bob.unreact(conversation, foreign.id).await.unwrap_err().code(), Some("unknown_message"));
    // Outsiders do not even learn that there is a conversation.
    for path in ["", "/reaction"] {
        let path = format!("/conversations/{conversation}/messages/{}{path}", sent.id);
        assert_eq!(raw_refusal(carol.raw("DELETE", &path, None).await.unwrap()), refused(404, "not_found"));
    }
    assert_eq!(latest(&bob, conversation).await.content, text("mine"));
    assert_eq!(bob.conversation(conversation).await.unwrap().rev, 1, "nothing has changed");
}

#[tokio::test]
async fn an_envelope_is_not_taken_for_another_kind() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let sent = alice.send(conversation, "first").await.unwrap();
    let good = alice.seal(conversation, "good").await.unwrap();
    let path = format!("/conversations/{conversation}/messages");
    for change in [
        json!({"kind": "edit"}),
        json!({"kind": "reaction"}),
        json!({"kind": "message", "target": sent.id}),
        json!({"target": sent.id}),
        json!({"kind": "deletion", "target": sent.id}),
        json!({"kind": 2, "target": sent.id}),
        json!({"kind": "edit", "target": "first"}),
    ] {
        let mut body = json!({"id": good.id, "envelope": good.envelope});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refusal = raw_refusal(alice.raw("POST", &path, Some(&body)).await.unwrap());
        assert_eq!(refusal, refused(400, "bad_request"), "{body}");
    }
    // A message that was sealed as such is stored as the edit that it is said to be, and opens for nobody.
    let passed_off = json!({"id": good.id, "envelope": good.envelope, "kind": "edit", "target": sent.id});
    assert_eq!(alice.raw("POST", &path, Some(&passed_off)).await.unwrap().0, 200);
    let content = latest(&bob, conversation).await.content;
    assert!(matches!(content, Content::Unreadable(e2ee::Error::NotAuthentic)), "{content:?}");
}

#[tokio::test]
async fn a_message_can_be_edited_a_hundred_times() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let sent = alice.send(conversation, "0").await.unwrap();
    for number in 1..=100 {
        alice.edit(conversation, sent.id, &number.to_string()).await.unwrap();
    }
    let refusal = alice.edit(conversation, sent.id, "101").await.unwrap_err();
    assert_eq!(refusal.code(), Some("too_many_edits"));
    let message = latest(&bob, conversation).await;
    assert_eq!(message.content, text("100"));
    assert_eq!(bob.versions(conversation, &message).await.unwrap().len(), 100);
}

/// Two people do everything that can be done; somebody who saw it live, somebody who was away for a while, and
/// somebody who was never there hold the same in the end.
#[tokio::test]
async fn whoever_catches_up_holds_what_the_others_hold() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.send(conversation, "first").await.unwrap();
    let mut away = Held::of(&bob, bob.follow());
    away.until(conversation, 1).await;
    let mut there = Held::of(&bob, bob.follow());
    let mut rng = fastrand::Rng::with_seed(7);
    let mut ids: Vec<Vec<Uuid>> = vec![Vec::new(), Vec::new()];
    for number in 0..600 {
        let (at, who) = if rng.bool() { (0, &alice) } else { (1, &bob) };
        let mine = rng.choice(&ids[at]).copied();
        let any = rng.choice(&ids[1 - at]).copied().or(mine);
        let done = match (rng.u8(..10), mine, any) {
            (0, Some(id), _) => who.delete(conversation, id).await,
            (1 | 2, Some(id), _) => who.edit(conversation, id, &format!("{number}, edited")).await,
            (3 | 4, _, Some(id)) => who.react(conversation, id, if rng.bool() { "👍" } else { "👎" }).await,
            (5, _, Some(id)) => who.unreact(conversation, id).await,
            _ => who.send(conversation, &number.to_string()).await.inspect(|sent| ids[at].push(sent.id)),
        };
        assert!(done.is_ok() || done.is_err_and(|error| error.code() == Some("message_deleted")));
    }
    let end = bob.conversation(conversation).await.unwrap();
    assert!(end.rev > end.seq + 100);
    let mut newcomer = Held::of(&bob, bob.follow());
    for held in [&mut there, &mut away, &mut newcomer] {
        held.until(conversation, end.rev).await;
        assert_eq!(held.new, end.seq, "each message is new once");
    }
    assert_eq!(there.messages, away.messages);
    assert_eq!(there.messages, newcomer.messages);
    let mut history = Vec::new();
    while history.first().is_none_or(|first: &Message| first.seq > 1) {
        let before = history.first().map(|first: &Message| first.seq);
        let page = bob.history(conversation, before, 200).await.unwrap();
        history.splice(..0, page);
    }
    assert_eq!(there.messages.into_values().collect::<Vec<_>>(), history);
    // And so does whoever takes it in the smallest steps.
    let (mut stepped, mut rev) = (BTreeMap::new(), 0);
    loop {
        let page = bob.changes(conversation, rev, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.is_sorted_by_key(|message| message.rev) && page[0].rev > rev);
        rev = last.rev;
        stepped.extend(page.into_iter().map(|message| (message.seq, message)));
    }
    assert_eq!(stepped.into_values().collect::<Vec<_>>(), history);
}

/// What a follower has told of one conversation.
struct Held {
    follower: Follower,
    messages: BTreeMap<u64, Message>,
    rev: u64,
    new: u64,
}

impl Held {
    fn of(_: &Client, follower: Follower) -> Self {
        let backoff = Backoff { first: std::time::Duration::ZERO, ..Backoff::default() };
        Self { follower: follower.backoff(backoff), messages: BTreeMap::new(), rev: 0, new: 0 }
    }

    async fn until(&mut self, conversation: Uuid, rev: u64) {
        while self.rev < rev {
            let (message, is_new) = match self.follower.next().await.unwrap() {
                Event::Message(message) => (message, true),
                Event::Changed(message) => (message, false),
                _ => continue,
            };
            assert_eq!(message.conversation, conversation);
            assert_eq!(is_new, !self.messages.contains_key(&message.seq));
            assert!(message.rev > self.rev, "in the order of changes");
            self.rev = message.rev;
            self.new += u64::from(is_new);
            self.messages.insert(message.seq, message);
        }
    }
}

#[tokio::test]
async fn a_change_in_the_middle_of_catching_up_hides_nothing_behind_it() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    for number in 0..12 {
        let sent = alice.send(conversation, &number.to_string()).await.unwrap();
        alice.edit(conversation, sent.id, &format!("{number}, edited")).await.unwrap();
    }
    let end = bob.conversation(conversation).await.unwrap().rev;
    let page = async |after: u64| {
        let path = format!("/conversations/{conversation}/messages?changed_after={after}&limit=10");
        let (_, page) = bob.raw("GET", &path, None).await.unwrap();
        (page["messages"].as_array().unwrap().len(), page["next"].as_u64())
    };
    let (ten, next) = page(0).await;
    assert_eq!((ten, page(next.unwrap()).await), (10, (2, None)));
    // As a reader sees it between whose two queries the third message changes once more.
    let again = messages::Entity::update_many()
        .col_expr(messages::Column::Rev, (end as i64 + 1).into())
        .filter(messages::Column::Seq.eq(3));
    app.app.db.write(async |tx| Ok(again.clone().exec(tx).await?)).await.unwrap();
    let (nine, next) = page(0).await;
    assert_eq!((nine, page(next.unwrap()).await), (9, (2, None)));
}

#[tokio::test]
async fn history_goes_forward_from_a_place_or_a_time() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let path = |query: &str| format!("/conversations/{conversation}/messages?{query}");
    let page = async |query: &str| {
        let (status, page) = bob.raw("GET", &path(query), None).await.unwrap();
        assert_eq!(status, 200, "{page}");
        let seqs =
            page["messages"].as_array().unwrap().iter().map(|message| message["seq"].as_u64().unwrap());
        (seqs.collect::<Vec<_>>(), page["next"].as_u64())
    };
    assert_eq!(page("since=0").await, (vec![], None));
    let mut times = Vec::new();
    for day in 0..9 {
        times.push(alice.send(conversation, &format!("day {day}")).await.unwrap().sent_at);
        app.clock.advance(24 * 60 * 60 * 1_000);
    }
    assert_eq!(page("after=0&limit=4").await, (vec![1, 2, 3, 4], Some(4)));
    assert_eq!(page("after=4&limit=5").await, (vec![5, 6, 7, 8, 9], Some(9)));
    assert_eq!(page("after=9&limit=5").await, (vec![], None));
    for (at, time) in times.iter().enumerate() {
        assert_eq!(page(&format!("since={time}&limit=1")).await.0, [at as u64 + 1]);
        assert_eq!(
            page(&format!("since={}&limit=1", time + 1)).await.0.first().copied().unwrap_or(10),
            at as u64 + 2
        );
    }
    for query in ["since=-1", "after=-5", &format!("since={}", i64::MIN)] {
        assert_eq!(page(query).await.0.len(), 9, "{query}");
    }
    assert_eq!(page(&format!("since={}", i64::MAX)).await, (vec![], None));
    assert_eq!(page(&format!("changed_after={}", i64::MAX)).await, (vec![], None));
    for query in ["before=3&after=1", "after=1&since=2", "since=1&changed_after=0", "after=x"] {
        let refusal = raw_refusal(bob.raw("GET", &path(query), None).await.unwrap());
        assert_eq!(refusal, refused(400, "bad_request"), "{query}");
    }
    let Value::Object(first) = bob.raw("GET", &path("after=0&limit=1"), None).await.unwrap().1 else {
        panic!()
    };
    let fields: Vec<_> = first["messages"][0].as_object().unwrap().keys().cloned().collect();
    let plain = ["conversation", "envelope", "epoch", "id", "rev", "sender", "sent_at", "seq"];
    assert_eq!(fields, plain, "a message to which nothing was done carries nothing of it");
}
