//! Clocks that are wrong by days, on either side.

use client::{Client, SignUp};
use entrenous::clock::{DAY, HOUR, MINUTE};

use crate::support::{PASSWORD, TestApp};

#[tokio::test]
async fn people_whose_clocks_are_wrong_by_a_month_write_to_each_other_as_others_do() {
    let app = TestApp::start().await;
    let register = async |handle: &str, off_by: i64| {
        let by_clock = SignUp { off_by, ..SignUp::default() };
        Client::register_with(&app.url, handle, handle, PASSWORD, by_clock).await.unwrap()
    };
    let (ahead, behind) = (register("ahead", 30 * DAY).await, register("behind", -30 * DAY).await);
    let right = register("right", 0).await;
    for (one, other) in [(&ahead, &behind), (&behind, &right), (&right, &ahead)] {
        let conversation = one.open_conversation(other.id()).await.unwrap().id;
        let mut expected = Vec::new();
        for number in 0..6 {
            let (writer, reader) = if number % 2 == 0 { (one, other) } else { (other, one) };
            let text = number.to_string();
            writer.send(conversation, &text).await.unwrap();
            // Whoever answers knows of the epoch that was written in.
            reader.history(conversation, None, 1).await.unwrap();
            expected.push(text);
        }
        let elsewhere = Client::log_in(&app.url, other.handle(), PASSWORD).await.unwrap();
        for reader in [one, other, &elsewhere] {
            let history = reader.history(conversation, None, 50).await.unwrap();
            let texts: Vec<_> =
                history.iter().map(|message| message.text().unwrap_or("unreadable")).collect();
            assert_eq!(texts, expected, "{}", reader.handle());
            assert!(history.is_sorted_by_key(|message| message.sent_at));
            let now = app.clock.now() as u64;
            assert!(history.iter().all(|message| now.abs_diff(message.sent_at) < MINUTE as u64));
        }
        // Each may think the other's epoch is old, once.
        assert!(one.conversation(conversation).await.unwrap().epoch.unwrap().number <= 2);
    }
}

#[tokio::test]
async fn a_server_whose_clock_is_set_back_by_a_day_keeps_its_order_and_its_sessions() {
    let mut app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    for text in ["one", "two"] {
        alice.send(conversation, text).await.unwrap();
    }
    let before = app.clock.now();
    app.stop().await;
    app.clock.advance(-DAY);
    app.start_again().await;
    assert!(app.clock.now() < before - DAY + HOUR, "it is yesterday");

    let mut live = bob.events().await.unwrap();
    let third = alice.send(conversation, "three").await.unwrap();
    assert_eq!((third.seq, third.rev), (3, 3));
    assert_eq!(live.next_message().await.unwrap().text(), Some("three"));
    bob.send(conversation, "four").await.unwrap();
    bob.receipt(conversation, None, Some(3)).await.unwrap();
    let newcomer = Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    for reader in [&alice, &bob, &newcomer] {
        let history = reader.history(conversation, None, 50).await.unwrap();
        let texts: Vec<_> = history.iter().map(|message| message.text().unwrap()).collect();
        assert_eq!(texts, ["one", "two", "three", "four"]);
        assert!(history.is_sorted_by_key(|message| message.sent_at));
        assert_eq!(reader.changes(conversation, 2, 50).await.unwrap().len(), 2);
    }
    // A session lasts for thirty days of absence by the clock as it is now, and a day more at the most.
    app.clock.advance(29 * DAY);
    bob.conversations().await.unwrap();
    app.clock.advance(32 * DAY);
    assert_eq!(alice.conversations().await.unwrap_err().code(), Some("signed_out"));
}
