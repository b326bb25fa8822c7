//! What two people see of each other: whether the other is there, types, and has read. Who hides does not see.

use client::wire::{Presence, PrivacyChange};
use client::{Client, Event, Live};
use entrenous::clock::{MINUTE, SECOND};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::support::{PASSWORD, TestApp, raw_refusal, refusal, refused};

const ONLINE: Presence = Presence { online: true, last_seen: None };
/// Also of who hides it, and of who blocks.
const NOTHING: Presence = Presence { online: false, last_seen: None };

fn seen(at: i64) -> Presence {
    Presence { online: false, last_seen: Some((at - at % MINUTE) as u64) }
}

async fn next_presence(live: &mut Live) -> Presence {
    loop {
        if let Event::Presence { presence, .. } = live.next().await.unwrap() {
            return presence;
        }
    }
}

/// What is told until it is this; it is told in the end.
async fn until(live: &mut Live, expected: Presence) -> Vec<Presence> {
    let mut told = Vec::new();
    loop {
        told.push(next_presence(live).await);
        if told.last() == Some(&expected) {
            return told;
        }
    }
}

/// Everything that was sent over this socket has been worked on: it answers in order.
async fn heard(live: &mut Live) {
    live.raw("?").await.unwrap();
    while !matches!(live.next().await.unwrap(), Event::Error { .. }) {}
}

async fn here(person: &Client) -> Live {
    let mut live = person.events().await.unwrap();
    live.attend(true).await.unwrap();
    heard(&mut live).await;
    live
}

async fn watching(person: &Client, conversation: Uuid) -> Live {
    let mut live = person.events().await.unwrap();
    live.watch(Some(conversation)).await.unwrap();
    live
}

fn presence(shared: bool) -> PrivacyChange {
    PrivacyChange { presence: Some(shared), ..PrivacyChange::default() }
}

fn typing(shared: bool) -> PrivacyChange {
    PrivacyChange { typing: Some(shared), ..PrivacyChange::default() }
}

fn receipts(shared: bool) -> PrivacyChange {
    PrivacyChange { receipts: Some(shared), ..PrivacyChange::default() }
}

#[tokio::test]
async fn whoever_watches_is_told_when_the_other_comes_and_goes() {
    let mut app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let mut bobs = watching(&bob, conversation).await;
    assert_eq!(
        bobs.next().await.unwrap(),
        Event::Presence { account: alice.id(), presence: NOTHING },
        "at once"
    );
    let mut alices = here(&alice).await;
    assert_eq!(next_presence(&mut bobs).await, ONLINE);
    assert_eq!(bob.presence(conversation).await.unwrap(), ONLINE);

    // In another browser, too: she is there until the last of them is left.
    let elsewhere = Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    let there = here(&elsewhere).await;
    alices.attend(false).await.unwrap();
    heard(&mut alices).await;
    assert_eq!(bob.presence(conversation).await.unwrap(), ONLINE);
    app.clock.advance(10 * MINUTE);
    let left_at = app.clock.now();
    there.close().await.unwrap();
    let told = next_presence(&mut bobs).await;
    let last_seen = told.last_seen.unwrap();
    assert_eq!(last_seen % MINUTE as u64, 0, "to the minute");
    assert!(last_seen >= seen(left_at).last_seen.unwrap(), "{told:?}");

    app.clock.advance(10 * MINUTE);
    assert_eq!(bob.presence(conversation).await.unwrap(), told);
    app.stop().await;
    app.start_again().await;
    assert_eq!(bob.presence(conversation).await.unwrap(), told, "it is stored");
}

#[tokio::test]
async fn whoever_is_there_when_the_server_stops_was_seen_then() {
    let mut app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let _alices = here(&alice).await;
    let before = app.clock.now();
    app.stop().await;
    app.start_again().await;
    let told = bob.presence(conversation).await.unwrap();
    assert!(!told.online && told.last_seen >= seen(before).last_seen, "{told:?}");
}

#[tokio::test]
async fn a_socket_that_is_gone_without_a_word_is_nobody() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let alices = here(&alice).await;
    let mut bobs = watching(&bob, conversation).await;
    assert_eq!(next_presence(&mut bobs).await, ONLINE);
    drop(alices);
    assert!(next_presence(&mut bobs).await.last_seen.is_some());
    // The end of a session, too.
    let elsewhere = Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    let _there = here(&elsewhere).await;
    until(&mut bobs, ONLINE).await;
    elsewhere.raw("POST", "/logout", None).await.unwrap();
    assert!(!next_presence(&mut bobs).await.online);
}

#[tokio::test]
async fn only_whoever_watches_is_told_and_only_of_whom_they_watch() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let carol = app.person("Carol").await;
    let with_carol = alice.open_conversation(carol.id()).await.unwrap().id;
    let mut bobs = watching(&bob, conversation).await;
    let mut carols = watching(&carol, with_carol).await;
    assert_eq!(next_presence(&mut carols).await, NOTHING);
    carols.watch(None).await.unwrap();
    heard(&mut carols).await;
    let mut beside = bob.events().await.unwrap();
    let _alices = here(&alice).await;
    until(&mut bobs, ONLINE).await;
    // Both would have been told by now.
    for (who, live) in [(&carol, &mut carols), (&bob, &mut beside)] {
        who.raw("PATCH", "/profile", Some(&json!({"status": "next"}))).await.unwrap();
        assert!(matches!(live.next().await.unwrap(), Event::Profile(_)));
    }
}

#[tokio::test]
async fn an_outsider_is_told_nothing_and_cannot_tell_that_a_conversation_exists() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let mallory = app.person("Mallory").await;
    let _alices = here(&alice).await;
    let mut bobs = bob.events().await.unwrap();
    let mut mallorys = mallory.events().await.unwrap();
    for id in [conversation, Uuid::now_v7()] {
        for (method, what) in [("GET", "presence"), ("POST", "typing")] {
            let answer = mallory.raw(method, &format!("/conversations/{id}/{what}"), None).await.unwrap();
            assert_eq!(raw_refusal(answer), refused(404, "not_found"), "{what}");
        }
        mallorys.watch(Some(id)).await.unwrap();
        mallorys.typing(id).await.unwrap();
        for _ in 0..2 {
            let told = mallorys.next().await.unwrap();
            assert!(matches!(&told, Event::Error { code, .. } if code == "not_found"), "{told:?}");
        }
    }
    for path in ["/attending", "/privacy", &format!("/conversations/{conversation}/presence")] {
        let method = if path == "/attending" { Method::POST } else { Method::GET };
        let nobody = app.request(method, &format!("/api{path}")).send().await.unwrap();
        assert_eq!(refusal(nobody).await, refused(401, "signed_out"), "{path}");
    }
    alice.send(conversation, "nobody typed").await.unwrap();
    assert!(matches!(bobs.next().await.unwrap(), Event::Epoch { .. }));
    assert!(matches!(bobs.next().await.unwrap(), Event::Message(_)));
}

#[tokio::test]
async fn who_hides_their_presence_is_not_seen_and_does_not_see() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let mut alices = here(&alice).await;
    let mut bobs = here(&bob).await;
    alices.watch(Some(conversation)).await.unwrap();
    bobs.watch(Some(conversation)).await.unwrap();
    for live in [&mut alices, &mut bobs] {
        assert_eq!(next_presence(live).await, ONLINE);
    }
    let mut elsewhere = alice.events().await.unwrap();
    let now = alice.share(presence(false)).await.unwrap();
    assert!(!now.presence && now.typing && now.receipts, "the rest is kept");
    assert_eq!(elsewhere.next().await.unwrap(), Event::Privacy(now), "one's own browsers agree");
    for (who, live) in [(&alice, &mut alices), (&bob, &mut bobs)] {
        assert_eq!(next_presence(live).await, NOTHING);
        live.watch(Some(conversation)).await.unwrap();
        assert_eq!(next_presence(live).await, NOTHING);
        assert_eq!(who.presence(conversation).await.unwrap(), NOTHING);
    }
    // Both hide: one of them alone changes nothing.
    bob.share(presence(false)).await.unwrap();
    alice.share(presence(true)).await.unwrap();
    assert_eq!(bob.presence(conversation).await.unwrap(), NOTHING);
    bob.share(presence(true)).await.unwrap();
    for live in [&mut alices, &mut bobs] {
        until(live, ONLINE).await;
    }
}

#[tokio::test]
async fn when_somebody_was_there_while_they_hid_it_is_never_known() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let mut alices = here(&alice).await;
    alices.attend(false).await.unwrap();
    let mut bobs = watching(&bob, conversation).await;
    while next_presence(&mut bobs).await.last_seen.is_none() {}

    alice.share(presence(false)).await.unwrap();
    app.clock.advance(5 * MINUTE);
    alices.attend(true).await.unwrap();
    alices.attend(false).await.unwrap();
    heard(&mut alices).await;
    alice.share(presence(true)).await.unwrap();
    assert_eq!(bob.presence(conversation).await.unwrap(), NOTHING, "what was before is forgotten, too");
    alices.attend(true).await.unwrap();
    until(&mut bobs, ONLINE).await;
}

#[tokio::test]
async fn a_block_looks_like_hiding() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let mut alices = here(&alice).await;
    let mut bobs = here(&bob).await;
    alice.send(conversation, "one").await.unwrap();
    bob.send(conversation, "two").await.unwrap();
    alices.watch(Some(conversation)).await.unwrap();
    bobs.watch(Some(conversation)).await.unwrap();
    for live in [&mut alices, &mut bobs] {
        until(live, ONLINE).await;
        live.typing(conversation).await.unwrap();
    }
    for live in [&mut alices, &mut bobs] {
        while !matches!(live.next().await.unwrap(), Event::Typing { .. }) {}
    }

    alice.block(bob.id()).await.unwrap();
    // Neither sees the other any more; and whoever is blocked gets the answers of before.
    for live in [&mut alices, &mut bobs] {
        assert_eq!(until(live, NOTHING).await, [NOTHING]);
    }
    let told = |live| bob.raw("GET", live, None);
    let view = format!("/conversations/{conversation}/presence");
    let (status, blocked) = told(&view).await.unwrap();
    alice.unblock(bob.id()).await.unwrap();
    assert_eq!(until(&mut bobs, ONLINE).await, [ONLINE]);
    alice.share(presence(false)).await.unwrap();
    assert_eq!(until(&mut bobs, NOTHING).await, [NOTHING]);
    assert_eq!(told(&view).await.unwrap(), (status, blocked), "as of who hides it");
    alice.share(presence(true)).await.unwrap();
    until(&mut bobs, ONLINE).await;
    alice.block(bob.id()).await.unwrap();
    until(&mut bobs, NOTHING).await;

    let mut beside = bob.events().await.unwrap();
    alices.typing(conversation).await.unwrap();
    bobs.typing(conversation).await.unwrap();
    heard(&mut alices).await;
    alice.receipt(conversation, Some(2), Some(1)).await.unwrap();
    bob.receipt(conversation, Some(1), Some(1)).await.unwrap();
    // What reaches a browser is told as ever, and no more: not that she types, nor that she has read.
    let told = beside.next().await.unwrap();
    assert_eq!(told, Event::Receipt { conversation, account: alice.id(), delivered: 2, read: 0 });
    let told = beside.next().await.unwrap();
    assert_eq!(told, Event::Receipt { conversation, account: bob.id(), delivered: 1, read: 1 });
    let there = alice.conversation(conversation).await.unwrap();
    assert_eq!((there.mine.read, there.theirs.read), (1, 0), "nor does she see that he has");
    let typed = bob.raw("POST", &format!("/conversations/{conversation}/typing"), None).await.unwrap();
    assert_eq!(typed.0, 204);
}

#[tokio::test]
async fn typing_reaches_every_browser_of_the_other_and_nobody_else() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.seal(conversation, "this opens the first epoch").await.unwrap();
    let carol = app.person("Carol").await;
    carol.open_conversation(alice.id()).await.unwrap();
    let mut alices = alice.events().await.unwrap();
    let mut bobs = [bob.events().await.unwrap(), bob.events().await.unwrap()];
    let mut others = [alice.events().await.unwrap(), carol.events().await.unwrap()];
    let typed = Event::Typing { conversation, account: alice.id() };
    alices.typing(conversation).await.unwrap();
    for live in &mut bobs {
        assert_eq!(live.next().await.unwrap(), typed);
    }
    let by_request = alice.raw("POST", &format!("/conversations/{conversation}/typing"), None).await.unwrap();
    assert_eq!(by_request.0, 204);
    for live in &mut bobs {
        assert_eq!(live.next().await.unwrap(), typed);
    }
    for (who, live) in [&alice, &carol].into_iter().zip(&mut others) {
        who.raw("PATCH", "/profile", Some(&json!({"status": "next"}))).await.unwrap();
        assert!(matches!(live.next().await.unwrap(), Event::Profile(_)));
    }
}

#[tokio::test]
async fn typing_is_told_only_while_both_share_it() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.seal(conversation, "this opens the first epoch").await.unwrap();
    let mut lives = [alice.events().await.unwrap(), bob.events().await.unwrap()];
    for (who, shared, told) in [
        (&alice, true, true),
        (&alice, false, false),
        (&alice, true, true),
        (&bob, false, false),
        (&bob, true, true),
    ] {
        who.share(typing(shared)).await.unwrap();
        for (writer, reader) in [(0, 1), (1, 0)] {
            lives[writer].typing(conversation).await.unwrap();
            let id = lives[writer].send(conversation, "after it").await.unwrap();
            let mut typed = false;
            loop {
                match lives[reader].next().await.unwrap() {
                    Event::Message(message) if message.id == id => break,
                    Event::Typing { .. } => typed = true,
                    _ => {}
                }
            }
            assert_eq!(typed, told, "{} {shared}", who.handle());
        }
    }
}

#[tokio::test]
async fn nobody_types_without_end() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let path = format!("/conversations/{conversation}/typing");
    for _ in 0..60 {
        assert_eq!(alice.raw("POST", &path, None).await.unwrap().0, 204);
    }
    // Real seconds pass too, and each of them allows one more.
    let mut answer = raw_refusal(alice.raw("POST", &path, None).await.unwrap());
    for _ in 0..60 {
        if answer.0 == 204 {
            answer = raw_refusal(alice.raw("POST", &path, None).await.unwrap());
        }
    }
    assert_eq!(answer, refused(429, "too_many_attempts"));
    let mut alices = alice.events().await.unwrap();
    loop {
        alices.typing(conversation).await.unwrap();
        alices.raw("?").await.unwrap();
        let Event::Error { code, .. } = alices.next().await.unwrap() else { panic!("nothing else is told") };
        if code == "too_many_attempts" {
            break;
        }
    }
    assert_eq!(bob.raw("POST", &path, None).await.unwrap().0, 204, "each on their own account");
    app.clock.advance(2 * SECOND);
    assert_eq!(alice.raw("POST", &path, None).await.unwrap().0, 204);
}

#[tokio::test]
async fn what_is_no_frame_is_refused_and_changes_nothing() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let _alices = here(&alice).await;
    let mut bobs = watching(&bob, conversation).await;
    assert_eq!(next_presence(&mut bobs).await, ONLINE);
    for garbage in [
        r#"{"type":"typing"}"#,
        r#"{"type":"typing","conversation":"x"}"#,
        r#"{"type":"attending"}"#,
        r#"{"type":"attending","attending":"yes"}"#,
        r#"{"type":"attending","attending":true,"account":1}"#,
        r#"{"type":"watch","conversation":7}"#,
        r#"{"type":"watch","account":null}"#,
        r#"{"type":"presence","online":true}"#,
    ] {
        bobs.raw(garbage).await.unwrap();
        let told = bobs.next().await.unwrap();
        assert!(matches!(&told, Event::Error { code, .. } if code == "bad_request"), "{garbage}: {told:?}");
    }
    for wrong in [json!({"presence": "no"}), json!({"precense": false}), json!([]), json!({"typing": 0})] {
        let answer = bob.raw("PATCH", "/privacy", Some(&wrong)).await.unwrap();
        assert_eq!(raw_refusal(answer), refused(400, "bad_request"), "{wrong}");
    }
    let (status, privacy) = bob.raw("GET", "/privacy", None).await.unwrap();
    assert_eq!((status, privacy), (200, json!({"presence": true, "typing": true, "receipts": true})));
    let me = &bob.raw("GET", "/session", None).await.unwrap().1["me"];
    assert_eq!(me["privacy"], json!({"presence": true, "typing": true, "receipts": true}));
    alice.share(presence(false)).await.unwrap();
    assert_eq!(next_presence(&mut bobs).await, NOTHING, "still watched");
}

#[tokio::test]
async fn without_a_socket_a_word_holds_for_a_minute() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let mut bobs = watching(&bob, conversation).await;
    assert_eq!(next_presence(&mut bobs).await, NOTHING);
    let said_at = app.clock.now();
    assert_eq!(alice.raw("POST", "/attending", None).await.unwrap().0, 204);
    assert_eq!(next_presence(&mut bobs).await, ONLINE);
    app.clock.advance(MINUTE / 2);
    alice.raw("POST", "/attending", None).await.unwrap();
    app.clock.advance(MINUTE / 2);
    assert_eq!(bob.presence(conversation).await.unwrap(), ONLINE, "said again in time");
    app.clock.advance(MINUTE / 2);
    let told = bob.presence(conversation).await.unwrap();
    assert!(told.last_seen >= seen(said_at).last_seen, "{told:?}");
    app.app.live.presence().tidy();
    assert_eq!(next_presence(&mut bobs).await, told);
    app.clock.advance(MINUTE);
    assert_eq!(bob.presence(conversation).await.unwrap(), told);
}

#[tokio::test]
async fn what_is_read_while_either_hides_it_is_not_shown() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    for number in 1..=6 {
        alice.send(conversation, &number.to_string()).await.unwrap();
    }
    let elsewhere = Client::log_in(&app.url, bob.handle(), PASSWORD).await.unwrap();
    let mut alices = alice.events().await.unwrap();
    let mut bobs = elsewhere.events().await.unwrap();
    let told = |account, delivered, read| Event::Receipt { conversation, account, delivered, read };
    let by_bob = |delivered, read| told(bob.id(), delivered, read);
    bob.receipt(conversation, Some(3), Some(1)).await.unwrap();
    assert_eq!(alices.next().await.unwrap(), by_bob(3, 1));
    assert_eq!(bobs.next().await.unwrap(), by_bob(3, 1));

    for (who, read) in [(&bob, 2), (&alice, 3)] {
        who.share(receipts(false)).await.unwrap();
        bob.receipt(conversation, None, Some(read)).await.unwrap();
        who.share(receipts(true)).await.unwrap();
        loop {
            if let told @ Event::Receipt { .. } = bobs.next().await.unwrap() {
                assert_eq!(told, by_bob(3, read), "one's own browsers know");
                break;
            }
        }
        let mine = bob.conversation(conversation).await.unwrap();
        assert_eq!((mine.mine.read, mine.unread), (read, 6 - read));
        assert_eq!(alice.conversation(conversation).await.unwrap().theirs.read, 1);
    }
    // The same marks again, as after a line that broke, and what only arrives, bring nothing to light.
    bob.receipt(conversation, Some(3), Some(3)).await.unwrap();
    bob.receipt(conversation, Some(4), None).await.unwrap();
    let next_receipt = async |live: &mut Live| loop {
        if let told @ Event::Receipt { .. } = live.next().await.unwrap() {
            return told;
        }
    };
    assert_eq!(next_receipt(&mut alices).await, by_bob(4, 1), "and nothing before it");
    bob.receipt(conversation, None, Some(4)).await.unwrap();
    assert_eq!(next_receipt(&mut alices).await, by_bob(4, 4), "what is read from now on");
    assert_eq!(alice.conversation(conversation).await.unwrap().theirs.read, 4);
}
