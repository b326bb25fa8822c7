use client::wire::{Bytes, NewMessage};
use client::{Client, Message};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{PASSWORD, TestApp, raw_refusal, refused};

fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter_map(Message::text).collect()
}

#[tokio::test]
async fn a_message_is_stored_sealed_and_opened_by_both() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let accepted = alice.send(conversation, "Bonjour 👋").await.unwrap();
    assert_eq!((accepted.seq, accepted.rev), (1, 1));
    for reader in [&alice, &bob] {
        let history = reader.history(conversation, None, 10).await.unwrap();
        assert_eq!(texts(&history), ["Bonjour 👋"]);
        assert_eq!((history[0].sender, history[0].id), (alice.id(), accepted.id));
    }
}

#[tokio::test]
async fn a_message_sent_twice_is_stored_once() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let sealed = alice.seal(conversation, "once").await.unwrap();
    let first = alice.send_sealed(conversation, &sealed).await.unwrap();
    alice.send(conversation, "another").await.unwrap();
    let again = alice.send_sealed(conversation, &sealed).await.unwrap();
    assert_eq!(first, again);
    // At the same moment, too: in one batch or in two.
    let sealed = alice.seal(conversation, "both at once").await.unwrap();
    let tries = (0..8).map(|_| alice.send_sealed(conversation, &sealed));
    let answers = futures_util::future::try_join_all(tries).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(
        texts(&bob.history(conversation, None, 10).await.unwrap()),
        ["once", "another", "both at once"]
    );
}

#[tokio::test]
async fn an_id_stands_for_one_content_by_one_sender() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let sealed = alice.seal(conversation, "mine").await.unwrap();
    alice.send_sealed(conversation, &sealed).await.unwrap();
    let mut other = sealed.clone();
    *other.envelope.0.last_mut().unwrap() ^= 1;
    for (who, message) in [(&alice, &other), (&bob, &sealed)] {
        let refused = who.send_sealed(conversation, message).await.unwrap_err();
        assert_eq!(refused.code(), Some("message_id_reused"));
    }
    assert_eq!(bob.history(conversation, None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_envelope_must_be_whole_and_of_this_conversation() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.send(conversation, "first").await.unwrap();
    let carol = app.person("Carol").await;
    let elsewhere = alice.open_conversation(carol.id()).await.unwrap().id;
    let good = alice.seal(conversation, "good").await.unwrap();
    let foreign = alice.seal(elsewhere, "of another conversation").await.unwrap();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut envelope = good.envelope.0.clone();
        change(&mut envelope);
        NewMessage::new(good.id, Bytes(envelope))
    };
    let cases = [
        (with(&Vec::clear), "bad_envelope"),
        (with(&|envelope| envelope.truncate(20)), "bad_envelope"),
        (with(&|envelope| envelope.truncate(envelope.len() - 1)), "bad_envelope"),
        (with(&|envelope| envelope[0] = 2), "bad_envelope"),
        (with(&|envelope| envelope[1] = 9), "bad_envelope"),
        (with(&|envelope| envelope[5] ^= 1), "unknown_epoch"),
        (with(&|envelope| envelope[20] ^= 1), "bad_envelope"),
        (with(&|envelope| envelope.resize(64 << 10, 0)), "message_too_large"),
        (with(&|envelope| envelope.resize(1 << 20, 0)), "too_large"),
        (NewMessage::new(Uuid::now_v7(), good.envelope.clone()), "bad_envelope"),
        (foreign, "unknown_epoch"),
    ];
    for (at, (message, code)) in cases.iter().enumerate() {
        let refused = alice.send_sealed(conversation, message).await.unwrap_err();
        assert_eq!(refused.code(), Some(*code), "case {at}");
    }
    alice.send_sealed(conversation, &good).await.unwrap();
    assert_eq!(
        texts(&bob.history(conversation, None, 10).await.unwrap()),
        ["first", "good"],
        "no gap, nothing lost"
    );
}

#[tokio::test]
async fn bodies_that_are_not_what_they_should_be_are_refused() {
    let app = TestApp::start().await;
    let (alice, _, conversation) = app.pair().await;
    alice.send(conversation, "first").await.unwrap();
    let good = alice.seal(conversation, "good").await.unwrap();
    let good = json!({"id": good.id, "envelope": good.envelope});
    let path = format!("/conversations/{conversation}/messages");
    for (field, value) in [
        ("id", json!("not-an-id")),
        ("id", json!(7)),
        ("id", Value::Null),
        ("envelope", json!("not base64!")),
        ("envelope", json!("AAAA====")),
        ("envelope", json!([1, 2])),
        ("sender", json!(Uuid::now_v7())),
        ("seq", json!(1)),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let answer = alice.raw("POST", &path, Some(&body)).await.unwrap();
        assert_eq!(raw_refusal(answer), refused(400, "bad_request"), "{body}");
    }
    let url = format!("/api{path}");
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    for body in [b"\xff\xfe{}".to_vec(), deep.into_bytes(), b"{".to_vec(), Vec::new()] {
        let request = app.request(reqwest::Method::POST, &url).bearer_auth(alice.token());
        let request = request.header("content-type", "application/json").body(body);
        assert_eq!(crate::support::refusal(request.send().await.unwrap()).await, refused(400, "bad_request"));
    }
    let untyped = app.request(reqwest::Method::POST, &url).bearer_auth(alice.token()).body(good.to_string());
    assert_eq!(crate::support::refusal(untyped.send().await.unwrap()).await, refused(400, "bad_request"));
    assert_eq!(alice.raw("POST", &path, Some(&good)).await.unwrap().1["seq"], 2);
}

#[tokio::test]
async fn history_pages_back_and_catches_up_without_gaps() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    for number in 1..=25 {
        let from = if number % 3 == 0 { &bob } else { &alice };
        from.send(conversation, &number.to_string()).await.unwrap();
    }
    let page = async |query: &str| {
        bob.raw("GET", &format!("/conversations/{conversation}/messages?{query}"), None).await.unwrap()
    };
    let seqs = |page: &Value| -> Vec<i64> {
        page["messages"].as_array().unwrap().iter().map(|message| message["seq"].as_i64().unwrap()).collect()
    };
    let (mut back, mut before) = (Vec::new(), String::new());
    loop {
        let (_, page) = page(&format!("limit=10{before}")).await;
        back.splice(0..0, seqs(&page));
        let Some(next) = page["next"].as_i64() else { break };
        before = format!("&before={next}");
    }
    assert_eq!(back, (1..=25).collect::<Vec<i64>>());

    let (mut forward, mut rev) = (Vec::new(), 3);
    loop {
        let (_, page) = page(&format!("limit=10&changed_after={rev}")).await;
        forward.extend(seqs(&page));
        let Some(next) = page["next"].as_i64() else { break };
        rev = next;
    }
    assert_eq!(forward, (4..=25).collect::<Vec<i64>>());
    assert_eq!(seqs(&page("changed_after=25").await.1), [0; 0]);
    for beyond in [26, i64::MAX, -1, i64::MIN] {
        assert_eq!(page(&format!("changed_after={beyond}")).await.0, 200, "{beyond}");
        assert_eq!(page(&format!("before={beyond}")).await.0, 200, "{beyond}");
    }
    for wrong in ["before=x", "before=1&changed_after=1", "limit=-1", "changed_after=99999999999999999999"] {
        assert_eq!(raw_refusal(page(wrong).await), refused(400, "bad_request"), "{wrong}");
    }
}

#[tokio::test]
async fn receipts_go_forward_only_and_name_messages_that_exist() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    for text in ["1", "2", "3"] {
        alice.send(conversation, text).await.unwrap();
    }
    let theirs = async || {
        let progress = alice.conversation(conversation).await.unwrap().theirs;
        (progress.delivered, progress.read)
    };
    assert_eq!(theirs().await, (0, 0));
    bob.receipt(conversation, Some(2), None).await.unwrap();
    assert_eq!(theirs().await, (2, 0));
    bob.receipt(conversation, None, Some(3)).await.unwrap();
    assert_eq!(theirs().await, (3, 3), "what was read was delivered");
    bob.receipt(conversation, Some(1), Some(1)).await.unwrap();
    assert_eq!(theirs().await, (3, 3));
    for wrong in [json!({"read": 4}), json!({"delivered": -1}), json!({"read": i64::MAX})] {
        let answer =
            bob.raw("POST", &format!("/conversations/{conversation}/receipts"), Some(&wrong)).await.unwrap();
        assert_eq!(raw_refusal(answer), refused(422, "bad_receipt"), "{wrong}");
    }
}

#[tokio::test]
async fn a_stop_under_load_loses_nothing_that_was_acknowledged() {
    let mut app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.send(conversation, "0").await.unwrap();
    let sender = tokio::spawn({
        let alice = alice.clone();
        async move {
            let mut acknowledged = vec!["0".to_owned()];
            for number in 1.. {
                let text = number.to_string();
                match alice.send(conversation, &text).await {
                    Ok(_) => acknowledged.push(text),
                    Err(_) => break,
                }
            }
            acknowledged
        }
    });
    let mut socket = bob.events().await.unwrap();
    for _ in 0..5 {
        socket.next_message().await.unwrap();
    }
    app.stop().await;
    let acknowledged = sender.await.unwrap();
    assert!(acknowledged.len() > 5);
    app.start_again().await;
    let bob = Client::log_in(&app.url, bob.handle(), PASSWORD).await.unwrap();
    let mut kept = Vec::new();
    let mut before = None;
    loop {
        let page = bob.history(conversation, before, 100).await.unwrap();
        before = page.first().map(|message| message.seq);
        kept.splice(0..0, page.iter().map(|message| message.text().unwrap().to_owned()));
        if before.is_none_or(|seq| seq == 1) {
            break;
        }
    }
    // The last one may have been stored while its answer was lost.
    assert!(
        kept == acknowledged || kept[..kept.len() - 1] == acknowledged[..],
        "{} {}",
        kept.len(),
        acknowledged.len()
    );
}
