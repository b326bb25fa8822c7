//! [`client::Follower`], and through it what the server promises to those who come back.

use client::{Client, Event, Follower, Message};
use entrenous::schema::tables::conversations;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::support::{PASSWORD, TestApp};

/// Until it is connected.
async fn ready(follower: &mut Follower) {
    while !matches!(follower.next().await.unwrap(), Event::Ready { .. }) {}
}

async fn hear(follower: &mut Follower, count: usize) -> Vec<Message> {
    let mut heard = Vec::new();
    while heard.len() < count {
        if let Event::Message(message) = follower.next().await.unwrap() {
            heard.push(message);
        }
    }
    heard
}

fn numbers(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.seq).collect()
}

async fn write(writer: &Client, conversation: Uuid, count: usize, text: &str) {
    let mut live = writer.events().await.unwrap();
    // Twenty frames at a time: the server works on 64.
    for round in 0..count.div_ceil(20) {
        let frames = 20.min(count - round * 20);
        for _ in 0..frames {
            live.send(conversation, text).await.unwrap();
        }
        let mut answers = 0;
        while answers < frames {
            answers += usize::from(matches!(live.next().await.unwrap(), Event::Accepted(_)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stops_reading_is_cut_off_and_then_catches_up() {
    let app = TestApp::start_with(|config| config.frames_per_second = 10_000).await;
    let (alice, bob, conversation) = app.pair().await;
    let mut slow = bob.follow();
    ready(&mut slow).await;
    // More than the system keeps for a connection, and 1 MiB.
    let count = 400;
    write(&alice, conversation, count, &"x".repeat(36 << 10)).await;
    let heard = hear(&mut slow, count).await;
    assert_eq!(numbers(&heard), (1..=count as u64).collect::<Vec<_>>());
    assert!(slow.attempts() > 1, "it was never cut off");
    alice.send(conversation, "and on").await.unwrap();
    assert_eq!(hear(&mut slow, 1).await[0].text(), Some("and on"));
}

#[tokio::test]
async fn who_was_away_hears_what_was_missed_once_and_in_order() {
    let mut app = TestApp::start_with(|config| config.frames_per_second = 10_000).await;
    let (alice, bob, conversation) = app.pair().await;
    let mut follower = bob.follow();
    ready(&mut follower).await;
    alice.send(conversation, "1").await.unwrap();
    assert_eq!(numbers(&hear(&mut follower, 1).await), [1]);
    app.stop().await;
    app.start_again().await;
    write(&alice, conversation, 450, "more").await;
    assert_eq!(numbers(&hear(&mut follower, 450).await), (2..=451).collect::<Vec<_>>(), "three pages of it");

    // Another life begins where this one ended, or from now on, or from the beginning.
    let places = follower.places().clone();
    alice.send(conversation, "452").await.unwrap();
    assert_eq!(numbers(&hear(&mut bob.follow().after(places), 1).await), [452]);
    let mut from_now = bob.follow().after(bob.places().await.unwrap());
    alice.send(conversation, "453").await.unwrap();
    assert_eq!(numbers(&hear(&mut from_now, 1).await), [453]);
    assert_eq!(numbers(&hear(&mut bob.follow(), 453).await), (1..=453).collect::<Vec<_>>());
}

/// Unheard by whoever writes, as while a line is lost.
async fn close_epoch(app: &TestApp, conversation: Uuid) {
    let closed = conversations::Entity::update_many()
        .col_expr(conversations::Column::ClosedEpoch, Expr::col(conversations::Column::Epoch))
        .filter(conversations::Column::Id.eq(conversation));
    app.app.db.write(async |tx| Ok(closed.clone().exec(tx).await?)).await.unwrap();
}

#[tokio::test]
async fn what_was_stored_before_its_epoch_closed_stays_so_when_it_is_sent_again() {
    let app = TestApp::start().await;
    let (alice, _bob, conversation) = app.pair().await;
    let sealed = alice.seal(conversation, "one").await.unwrap();
    let late = alice.seal(conversation, "two").await.unwrap();
    let stored = alice.send_sealed(conversation, &sealed).await.unwrap();
    close_epoch(&app, conversation).await;
    assert_eq!(alice.send_sealed(conversation, &sealed).await.unwrap(), stored);
    let refused = alice.send_sealed(conversation, &late).await.unwrap_err();
    assert_eq!(refused.code(), Some("epoch_closed"));
}

#[tokio::test]
async fn what_was_sealed_under_an_epoch_that_is_closed_is_sealed_anew() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let mut writer = alice.follow();
    for text in ["one", "two"] {
        let id = writer.send(conversation, text);
        loop {
            match writer.next().await.unwrap() {
                Event::Accepted(accepted) if accepted.id == id => break,
                Event::Refused { code, .. } => panic!("{code}"),
                _ => {}
            }
        }
        close_epoch(&app, conversation).await;
    }
    let read = bob.history(conversation, None, 10).await.unwrap();
    assert_eq!(read.iter().map(|message| message.text()).collect::<Vec<_>>(), [Some("one"), Some("two")]);
}

#[tokio::test]
async fn what_is_given_to_a_follower_is_sent_when_there_is_a_server() {
    let mut app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let mut reader = bob.follow();
    ready(&mut reader).await;
    let mut writer = alice.follow();
    ready(&mut writer).await;
    app.stop().await;
    let ids = ["one", "two", "three"].map(|text| writer.send(conversation, text));
    app.start_again().await;
    let mut told = Vec::new();
    while !writer.is_settled() {
        match writer.next().await.unwrap() {
            Event::Accepted(accepted) => told.push(accepted.id),
            Event::Message(message) => assert_eq!(message.sender, alice.id(), "one hears oneself, too"),
            _ => {}
        }
    }
    assert_eq!(told, ids);
    let heard = hear(&mut reader, 3).await;
    assert_eq!(heard.iter().map(|message| message.id).collect::<Vec<_>>(), ids);

    reader.receipt(conversation, Some(3), Some(2));
    while !reader.is_settled() {
        reader.next().await.unwrap();
    }
    let there = bob.conversation(conversation).await.unwrap();
    assert_eq!((there.mine.delivered, there.mine.read, there.unread), (3, 2, 1));
}

#[tokio::test]
async fn what_will_never_be_taken_is_said_and_the_rest_goes_on() {
    let app = TestApp::start().await;
    let (alice, _bob, conversation) = app.pair().await;
    let mut follower = alice.follow();
    let bad = follower.send(conversation, "x".repeat(64 << 10));
    let nowhere = follower.send(Uuid::now_v7(), "lost");
    let good = follower.send(conversation, "good");
    let mut refused = Vec::new();
    let accepted = loop {
        match follower.next().await.unwrap() {
            Event::Refused { id, code, .. } => refused.push((id, code)),
            Event::Accepted(accepted) if refused.len() == 2 => break accepted,
            Event::Accepted(accepted) => panic!("{accepted:?} before it was refused"),
            _ => {}
        }
    };
    assert_eq!(accepted.id, good);
    refused.sort();
    let mut expected = [(bad, "message_too_large".to_owned()), (nowhere, "not_found".to_owned())];
    expected.sort();
    assert_eq!(refused, expected);
}

#[tokio::test]
async fn a_session_that_ends_ends_the_following() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let elsewhere = Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    let mut follower = elsewhere.follow();
    ready(&mut follower).await;
    elsewhere.log_out().await.unwrap();
    let ended = loop {
        match follower.next().await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(ended, client::Error::Closed { code: 4401, .. }), "{ended}");
    assert_eq!(follower.next().await.unwrap_err().code(), Some("signed_out"), "nor does it come back");
}
