use client::{Content, Event};
use uuid::Uuid;

use crate::support::{TestApp, raw_refusal, refused};

#[tokio::test]
async fn what_a_blocked_person_sends_is_never_shown() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let before = bob.send(conversation, "before").await.unwrap();
    let mine = alice.send(conversation, "mine").await.unwrap();
    alice.block(bob.id()).await.unwrap();
    assert_eq!(alice.conversation(conversation).await.unwrap().unread, 1);
    let mut live = alice.events().await.unwrap();
    let blocked = bob.send(conversation, "blocked").await.unwrap();
    bob.react(conversation, mine.id, "👎").await.unwrap();
    bob.edit(conversation, before.id, "worse").await.unwrap();
    // It is counted, so that nothing is missing, and says nothing.
    let pushed = live.next_message().await.unwrap();
    assert_eq!((pushed.seq, &pushed.content), (blocked.seq, &Content::Hidden));
    assert_eq!(
        alice.conversation(conversation).await.unwrap().unread,
        0,
        "what is out of sight is not unread"
    );
    alice.unblock(bob.id()).await.unwrap();
    bob.send(conversation, "after").await.unwrap();

    let seen = |history: Vec<client::Message>| {
        let said = |content| match content {
            Content::Text(text) => text,
            other => format!("{other:?}"),
        };
        history
            .into_iter()
            .map(|message| (said(message.content), message.reactions.len()))
            .collect::<Vec<_>>()
    };
    let by_alice = seen(alice.history(conversation, None, 10).await.unwrap());
    let expected = [("Hidden", 0), ("mine", 0), ("Hidden", 0), ("after", 0)];
    assert_eq!(by_alice, expected.map(|(said, reactions)| (said.to_owned(), reactions)));
    assert_eq!(seen(alice.changes(conversation, 0, 10).await.unwrap()).len(), 4);
    let by_bob = seen(bob.history(conversation, None, 10).await.unwrap());
    let expected = [("worse", 0), ("mine", 1), ("blocked", 0), ("after", 0)];
    assert_eq!(by_bob, expected.map(|(said, reactions)| (said.to_owned(), reactions)));
    // What is hidden is no message that one could do anything with.
    for refusal in [
        alice.react(conversation, blocked.id, "👍").await.unwrap_err(),
        alice.delete(conversation, blocked.id).await.unwrap_err(),
    ] {
        assert_eq!(refusal.code(), Some("unknown_message"));
    }
    let path = format!("/conversations/{conversation}/messages/{}/versions", before.id);
    let versions = alice.raw("GET", &path, None).await.unwrap();
    assert_eq!(raw_refusal(versions), refused(404, "unknown_message"));
}

#[tokio::test]
async fn nothing_tells_the_blocked_person() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    bob.send(conversation, "before").await.unwrap();
    let mut elsewhere = alice.events().await.unwrap();
    let mut live = bob.events().await.unwrap();
    let unblocked = bob.raw("GET", &format!("/conversations/{conversation}"), None).await.unwrap().1;
    alice.block(bob.id()).await.unwrap();
    let told = loop {
        if let Event::Block { account, blocked } = elsewhere.next().await.unwrap() {
            break (account, blocked);
        }
    };
    assert_eq!(told, (bob.id(), true), "one's own browsers are told");
    let blocked = bob.raw("GET", &format!("/conversations/{conversation}"), None).await.unwrap().1;
    assert_eq!(blocked, unblocked);
    let id = live.send(conversation, "blocked").await.unwrap();
    let Event::Accepted(accepted) = live.next().await.unwrap() else { panic!("it is accepted as ever") };
    assert_eq!((accepted.id, accepted.seq), (id, 2));
    // It reaches the other's browser, as far as one can see.
    alice.receipt(conversation, Some(2), None).await.unwrap();
    let Event::Receipt { delivered, .. } = live.next().await.unwrap() else { panic!("it is delivered") };
    assert_eq!(delivered, 2);

    let there = alice.conversation(conversation).await.unwrap();
    assert_eq!((there.unread, there.blocked), (1, true), "and it counts as nothing new");
    assert_eq!(there.last_message.unwrap().envelope, None);
    let (status, list) = alice.raw("GET", "/blocks", None).await.unwrap();
    assert_eq!((status, list["people"][0]["id"].as_str()), (200, Some(bob.id().to_string().as_str())));
    assert_eq!(list["people"].as_array().unwrap().len(), 1);
    assert_eq!(bob.raw("GET", "/blocks", None).await.unwrap().1["people"].as_array().unwrap().len(), 0);
    alice.receipt(conversation, None, Some(1)).await.unwrap();
    assert_eq!(alice.conversation(conversation).await.unwrap().unread, 0);
}

#[tokio::test]
async fn a_block_between_two_who_write_at_that_moment_breaks_nothing() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.send(conversation, "first").await.unwrap();
    let write = async |who: &client::Client| {
        for number in 0..60 {
            who.send(conversation, &number.to_string()).await.unwrap();
        }
    };
    let block = async {
        for _ in 0..10 {
            alice.block(bob.id()).await.unwrap();
            bob.block(alice.id()).await.unwrap();
            alice.unblock(bob.id()).await.unwrap();
            bob.unblock(alice.id()).await.unwrap();
        }
        alice.block(bob.id()).await.unwrap();
    };
    tokio::join!(write(&alice), write(&bob), block);
    bob.send(conversation, "last").await.unwrap();
    let seqs = |history: &[client::Message]| history.iter().map(|message| message.seq).collect::<Vec<_>>();
    let by_alice = alice.history(conversation, None, 200).await.unwrap();
    let by_bob = bob.history(conversation, None, 200).await.unwrap();
    assert_eq!(seqs(&by_alice), (1..=122).collect::<Vec<_>>());
    assert_eq!(seqs(&by_bob), seqs(&by_alice));
    for (reader, history) in [(&alice, &by_alice), (&bob, &by_bob)] {
        let mine = history.iter().filter(|message| message.sender == reader.id());
        assert!(mine.clone().all(|message| message.text().is_some()), "one sees all of one's own");
    }
    assert_eq!(by_alice.last().unwrap().content, Content::Hidden);
}

#[tokio::test]
async fn blocks_are_of_people_that_exist_and_not_of_oneself() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let bob = app.person("Bob").await;
    for (account, status, code) in [
        (alice.id().to_string(), 422, "conversation_with_oneself"),
        (Uuid::now_v7().to_string(), 404, "not_found"),
        ("nobody".to_owned(), 404, "not_found"),
    ] {
        let answer = alice.raw("PUT", &format!("/blocks/{account}"), None).await.unwrap();
        assert_eq!(raw_refusal(answer), refused(status, code));
    }
    // Somebody one never wrote with, twice.
    for _ in 0..2 {
        alice.block(bob.id()).await.unwrap();
    }
    let conversation = bob.open_conversation(alice.id()).await.unwrap().id;
    bob.send(conversation, "Hello?").await.unwrap();
    assert_eq!(alice.conversation(conversation).await.unwrap().unread, 0);
    assert_eq!(app.post(&format!("/api/blocks/{}", bob.id()), &serde_json::Value::Null).await.0, 405);
}
