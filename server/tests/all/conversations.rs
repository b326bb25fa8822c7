use serde_json::json;
use uuid::Uuid;

use crate::support::{TestApp, raw_refusal, refused};

#[tokio::test]
async fn two_people_have_one_conversation_whoever_opens_it() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    assert_eq!(bob.open_conversation(alice.id()).await.unwrap().id, conversation);
    assert_eq!(conversation, e2ee::conversation_id(bob.id(), alice.id()));
}

#[tokio::test]
async fn an_outsider_cannot_tell_that_a_conversation_exists() {
    let app = TestApp::start().await;
    let (alice, _, conversation) = app.pair().await;
    alice.send(conversation, "between us").await.unwrap();
    let mallory = app.person("Mallory").await;
    let sealed = alice.seal(conversation, "mine").await.unwrap();
    let message = json!({"id": sealed.id, "envelope": sealed.envelope});
    let grant = json!({"grant": {"body": "", "signature": ""}, "keyring": ""});
    for id in [conversation, Uuid::now_v7()] {
        for (method, path, body) in [
            ("GET", "", None),
            ("GET", "/messages", None),
            ("GET", "/messages?changed_after=0", None),
            ("POST", "/messages", Some(&message)),
            ("POST", "/receipts", Some(&json!({"read": 1}))),
            ("GET", "/epochs", None),
            ("POST", "/epochs", Some(&grant)),
        ] {
            let path = format!("/conversations/{id}{path}");
            let answer = mallory.raw(method, &path, body).await.unwrap();
            assert_eq!(raw_refusal(answer), refused(404, "not_found"), "{method} {path}");
        }
        let entry = json!({"entries": [{"conversation": id, "epoch": Uuid::now_v7(), "box": "AAAA"}]});
        let answer = mallory.raw("PUT", "/keyring", Some(&entry)).await.unwrap();
        assert_eq!(raw_refusal(answer), refused(404, "not_found"));
    }
    // They exist for those who belong to them.
    assert_eq!(alice.history(conversation, None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn notes_to_oneself_and_to_nobody_are_refused() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    for (with, status, code) in [
        (json!(alice.id()), 422, "conversation_with_oneself"),
        (json!(Uuid::now_v7()), 404, "not_found"),
        (json!("bob"), 400, "bad_request"),
    ] {
        let answer = alice.raw("POST", "/conversations", Some(&json!({"with": with}))).await.unwrap();
        assert_eq!(raw_refusal(answer), refused(status, code));
    }
}

#[tokio::test]
async fn the_list_shows_conversations_with_messages_the_latest_first() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let mut conversations = Vec::new();
    for name in ["Bob", "Carol", "Dave", "Erin"] {
        let peer = app.person(name).await;
        let conversation = alice.open_conversation(peer.id()).await.unwrap().id;
        assert!(peer.conversations().await.unwrap().is_empty(), "an opened one is nobody's business yet");
        app.clock.advance(1_000);
        peer.send(conversation, &format!("from {name}")).await.unwrap();
        conversations.push((conversation, peer));
    }
    app.clock.advance(1_000);
    alice.send(conversations[1].0, "to Carol").await.unwrap();

    let expected: Vec<Uuid> = [1, 3, 2, 0].map(|at| conversations[at].0).to_vec();
    let listed: Vec<Uuid> = alice.conversations().await.unwrap().iter().map(|view| view.id).collect();
    assert_eq!(listed, expected);

    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = alice.raw("GET", &format!("/conversations?limit=1{cursor}"), None).await.unwrap();
        let views = page["conversations"].as_array().unwrap();
        paged.extend(views.iter().map(|view| view["id"].as_str().unwrap().parse::<Uuid>().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, expected);
    for cursor in ["x", "1~x", "x~00000000-0000-0000-0000-000000000000"] {
        let answer = alice.raw("GET", &format!("/conversations?cursor={cursor}"), None).await.unwrap();
        assert_eq!(raw_refusal(answer), refused(400, "bad_request"));
    }
}

#[tokio::test]
async fn unread_counts_what_the_other_wrote_and_i_have_not_read() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    for text in ["1", "2", "3"] {
        alice.send(conversation, text).await.unwrap();
    }
    bob.send(conversation, "4").await.unwrap();
    alice.send(conversation, "5").await.unwrap();
    let unread = async |who: &client::Client| who.conversation(conversation).await.unwrap().unread;
    assert_eq!((unread(&alice).await, unread(&bob).await), (1, 4));
    bob.receipt(conversation, None, Some(2)).await.unwrap();
    assert_eq!(unread(&bob).await, 2);
    bob.receipt(conversation, None, Some(5)).await.unwrap();
    assert_eq!((unread(&alice).await, unread(&bob).await), (1, 0));
    alice.send(conversation, "6").await.unwrap();
    assert_eq!(unread(&bob).await, 1);
}
