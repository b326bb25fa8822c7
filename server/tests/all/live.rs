use client::wire::{Bytes, NewMessage};
use client::{Client, Event, Live};
use entrenous::clock::{DAY, HOUR};
use futures_util::{SinkExt, StreamExt};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use uuid::Uuid;

use crate::support::{PASSWORD, TestApp, news};

async fn closed(live: &mut Live) -> u16 {
    loop {
        match live.next().await {
            Ok(_) => {}
            Err(client::Error::Closed { code, .. }) => return code,
            Err(other) => panic!("ended without a reason: {other}"),
        }
    }
}

#[tokio::test]
async fn a_message_reaches_every_browser_of_both_people() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let elsewhere = Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    alice.seal(conversation, "this opens the first epoch").await.unwrap();
    let mut sender = alice.events().await.unwrap();
    let mut others = [elsewhere.events().await.unwrap(), bob.events().await.unwrap()];
    let id = sender.send(conversation, "hello").await.unwrap();
    assert!(matches!(sender.next().await.unwrap(), Event::Accepted(answer) if answer.id == id));
    for other in &mut others {
        let message = other.next_message().await.unwrap();
        assert_eq!((message.id, message.text()), (id, Some("hello")));
    }
    // The answer stood for the message: what the sender hears next is the one after it.
    bob.send(conversation, "hello yourself").await.unwrap();
    assert!(matches!(news(&mut sender).await, Event::Message(message) if message.seq == 2));
}

/// However many share a commit: who sent one and gets another hears of both in the order of their numbers, and
/// never has to ask for what lies between.
#[tokio::test]
async fn answers_and_events_come_in_the_order_of_the_conversation() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.seal(conversation, "this opens the first epoch").await.unwrap();
    let mut alices = alice.events().await.unwrap();
    let mut bobs = bob.events().await.unwrap();
    for number in 0..20 {
        alices.send(conversation, &format!("a{number}")).await.unwrap();
        bobs.send(conversation, &format!("b{number}")).await.unwrap();
    }
    for live in [&mut alices, &mut bobs] {
        for expected in 1..=40 {
            let seq = match news(live).await {
                Event::Accepted(answer) => answer.seq,
                Event::Message(message) => message.seq,
                other => panic!("{other:?}"),
            };
            assert_eq!(seq, expected);
        }
    }
}

#[tokio::test]
async fn messages_of_one_socket_keep_their_order() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let mut reader = bob.events().await.unwrap();
    let mut writer = alice.events().await.unwrap();
    for number in 0..150 {
        writer.send(conversation, &number.to_string()).await.unwrap();
    }
    for number in 0..150 {
        let message = reader.next_message().await.unwrap();
        assert_eq!((message.seq, message.text()), (number + 1, Some(number.to_string().as_str())));
    }
}

#[tokio::test]
async fn receipts_and_profiles_are_told_to_those_they_concern() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let stranger = app.person("Mallory").await;
    alice.send(conversation, "hello").await.unwrap();
    let mut watching = alice.events().await.unwrap();
    let mut strangers = stranger.events().await.unwrap();
    let mut bobs = bob.events().await.unwrap();
    bobs.receipt(conversation, Some(1), Some(1)).await.unwrap();
    let event = watching.next().await.unwrap();
    assert_eq!(event, Event::Receipt { conversation, account: bob.id(), delivered: 1, read: 1 });
    bob.raw("PATCH", "/profile", Some(&json!({"status": "away"}))).await.unwrap();
    assert!(matches!(watching.next().await.unwrap(), Event::Profile(person) if person.status == "away"));
    // The stranger's first event is their own: nothing of the above reached them.
    stranger.raw("PATCH", "/profile", Some(&json!({"status": "mine"}))).await.unwrap();
    assert!(matches!(strangers.next().await.unwrap(), Event::Profile(person) if person.status == "mine"));
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_by_its_id_and_the_socket_lives_on() {
    let app = TestApp::start().await;
    let (alice, _, conversation) = app.pair().await;
    alice.send(conversation, "first").await.unwrap();
    let mut live = alice.events().await.unwrap();
    let id = Uuid::now_v7();
    for (to, code) in [(conversation, "bad_envelope"), (Uuid::now_v7(), "not_found")] {
        let message = if to == conversation {
            NewMessage::new(id, Bytes(vec![1; 100]))
        } else {
            alice.seal(conversation, "lost").await.unwrap()
        };
        live.send_sealed(to, message).await.unwrap();
        loop {
            if let Event::Refused { code: refused, .. } = live.next().await.unwrap() {
                assert_eq!(refused, code);
                break;
            }
        }
    }
    let unknown = format!(r#"{{"type":"receipt","conversation":"{conversation}","read":1,"unheard_of":1}}"#);
    for garbage in ["", "nonsense", "[]", "{}", r#"{"type":"unheard_of"}"#, r#"{"type":"send"}"#, &unknown] {
        live.raw(garbage).await.unwrap();
        let Event::Error { code, .. } = live.next().await.unwrap() else {
            panic!("{garbage} was understood")
        };
        assert_eq!(code, "bad_request", "{garbage}");
    }
    live.receipt(conversation, None, Some(99)).await.unwrap();
    assert!(matches!(live.next().await.unwrap(), Event::Error { code, .. } if code == "bad_receipt"));
    let id = live.send(conversation, "still here").await.unwrap();
    assert!(matches!(live.next().await.unwrap(), Event::Accepted(answer) if answer.id == id));
}

#[tokio::test]
async fn ten_thousand_frames_in_a_second_are_cut_off_and_the_others_do_not_notice() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let mut calm = bob.events().await.unwrap();
    let mut flood = alice.events().await.unwrap();
    for _ in 0..10_001 {
        // The server may close at any of them.
        if flood.raw("{}").await.is_err() {
            break;
        }
    }
    assert_eq!(closed(&mut flood).await, 4408);
    alice.send(conversation, "calm again").await.unwrap();
    assert_eq!(calm.next_message().await.unwrap().text(), Some("calm again"));
}

#[tokio::test]
async fn pings_count_as_frames() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let mut request =
        format!("{}/api/live", app.url.replacen("http", "ws", 1)).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {}", alice.token()).parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    for _ in 0..1_000 {
        if socket.feed(tungstenite::Message::Ping(Vec::new().into())).await.is_err() {
            break;
        }
    }
    // The server may have closed in the middle.
    let _ = socket.flush().await;
    let reason = loop {
        match socket.next().await {
            Some(Ok(tungstenite::Message::Close(frame))) => break frame.unwrap().code,
            Some(Ok(_)) => {}
            other => panic!("ended without a reason: {other:?}"),
        }
    };
    assert_eq!(u16::from(reason), 4408);
}

#[tokio::test]
async fn one_person_has_so_many_sockets_and_no_more() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.person("Alice").await, app.person("Bob").await);
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(alice.events().await.unwrap());
    }
    assert!(alice.events().await.is_err());
    bob.events().await.unwrap();
}

#[tokio::test]
async fn frames_that_are_too_large_or_not_text_end_the_socket() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let mut live = alice.events().await.unwrap();
    live.raw_binary(vec![1, 2, 3]).await.unwrap();
    assert_eq!(closed(&mut live).await, 4413);
    let mut live = alice.events().await.unwrap();
    live.raw("x".repeat(1 << 20)).await.unwrap();
    assert_eq!(closed(&mut live).await, 4413);
}

#[tokio::test]
async fn a_session_that_ends_ends_its_socket() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let mut live = alice.events().await.unwrap();
    app.clock.advance(30 * DAY + HOUR);
    live.raw("{}").await.unwrap();
    assert_eq!(closed(&mut live).await, 4401);
    assert!(alice.events().await.is_err(), "nor is there a new one");
}

#[tokio::test]
async fn a_stop_tells_the_sockets_that_the_server_comes_back() {
    let mut app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.send(conversation, "before").await.unwrap();
    let mut live = bob.events().await.unwrap();
    app.stop().await;
    assert_eq!(closed(&mut live).await, 1012);
    app.start_again().await;
    alice.send(conversation, "after").await.unwrap();
    let changes = bob.changes(conversation, 1, 10).await.unwrap();
    assert_eq!(changes.iter().map(client::Message::text).collect::<Vec<_>>(), [Some("after")]);
}

#[tokio::test]
async fn only_our_own_page_may_open_a_socket() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let open = async |origin: Option<&str>, token: &str| {
        let mut request =
            format!("{}/api/live", app.url.replacen("http", "ws", 1)).into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("cookie", format!("entrenous={token}").parse().unwrap());
        if let Some(origin) = origin {
            headers.insert("origin", origin.parse().unwrap());
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok(_) => StatusCode::SWITCHING_PROTOCOLS.as_u16(),
            Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(open(Some(&app.url), alice.token()).await, 101);
    for origin in ["https://evil.example", "null", "http://localhost:1", ""] {
        assert_eq!(open(Some(origin), alice.token()).await, 403, "{origin}");
    }
    assert_eq!(open(None, "wrong").await, 401);
    let plain = app.request(Method::GET, "/api/live").bearer_auth(alice.token()).send().await.unwrap();
    assert!(plain.status().is_client_error(), "a socket that is none");
}
