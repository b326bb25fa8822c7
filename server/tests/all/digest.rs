//! "You have unread messages", by mail: to whoever wants it, once, and without a word of what they say.

use client::Client;
use entrenous::clock::{DAY, HOUR, MINUTE};
use entrenous::mail::digest::look;
use reqwest::{Method, redirect};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::mail::{settled, with_address, with_mail};
use crate::smtp::{Mail, Smtp};
use crate::support::{Refusal, TestApp, raw_refusal, refused};

async fn choose(of: &Client, digest: &str, language: &str) -> (u16, Value) {
    let body = json!({"digest": digest, "language": language});
    of.raw("PUT", "/address/digest", Some(&body)).await.unwrap()
}

/// Alice writes to Bob, who has an address and is away.
async fn away(digest: &str) -> (TestApp, Smtp, Client, Client, Uuid) {
    let (app, mut smtp) = with_mail().await;
    let (alice, bob, conversation) = app.pair().await;
    with_address(&app, &mut smtp, &bob, "bob@example.org").await;
    if digest != "off" {
        assert_eq!(choose(&bob, digest, "en").await.0, 200);
    }
    (app, smtp, alice, bob, conversation)
}

/// Those that are sent now.
async fn told(app: &TestApp, smtp: &mut Smtp) -> Vec<Mail> {
    look(&app.app).await.unwrap();
    assert!(settled(&app.app).await);
    smtp.rest()
}

async fn unsubscribe(app: &TestApp, token: &str) -> Refusal {
    let path = format!("/api/address/unsubscribe?token={token}");
    // As a mail program does it: RFC 8058.
    let request =
        app.request(Method::POST, &path).header("content-type", "application/x-www-form-urlencoded");
    let response = request.body("List-Unsubscribe=One-Click").send().await.unwrap();
    crate::support::refusal(response).await
}

#[tokio::test]
async fn messages_that_wait_for_an_hour_are_told_once() {
    let (app, mut smtp, alice, bob, conversation) = away("after_hour").await;
    for text in ["the first secret", "the second secret"] {
        alice.send(conversation, text).await.unwrap();
    }
    assert_eq!(told(&app, &mut smtp).await.len(), 0, "they wait for no hour yet");
    app.clock.advance(HOUR + MINUTE);
    alice.send(conversation, "a third").await.unwrap();
    let mails = told(&app, &mut smtp).await;
    let [mail] = mails.as_slice() else { panic!("one mail: {mails:?}") };
    assert_eq!(mail.to, ["bob@example.org"]);
    assert_eq!(mail.header("Subject"), Some("3 messages wait for you at Entre Nous"));
    for secret in ["secret", "Alice", alice.handle(), &conversation.to_string()] {
        assert!(!mail.text.contains(secret) && !mail.headers.contains(secret), "{secret}: {}", mail.text);
    }
    assert!(mail.text.contains(&format!("{}/\n", app.config.address())), "{}", mail.text);

    // Of the same ones never again, and of others the next day.
    for _ in 0..3 {
        app.clock.advance(DAY);
        assert_eq!(told(&app, &mut smtp).await.len(), 0);
    }
    alice.send(conversation, "a fourth").await.unwrap();
    app.clock.advance(2 * HOUR);
    let mails = told(&app, &mut smtp).await;
    assert_eq!(mails[0].header("Subject"), Some("One message waits for you at Entre Nous"));
    alice.send(conversation, "a fifth, on the same day").await.unwrap();
    app.clock.advance(20 * HOUR);
    assert_eq!(told(&app, &mut smtp).await.len(), 0);
    app.clock.advance(5 * HOUR);
    assert_eq!(told(&app, &mut smtp).await.len(), 1);
    drop(bob);
}

#[tokio::test]
async fn whoever_has_not_asked_for_it_is_told_nothing() {
    let (app, mut smtp, alice, bob, conversation) = away("off").await;
    alice.send(conversation, "hello").await.unwrap();
    app.clock.advance(2 * DAY);
    assert_eq!(told(&app, &mut smtp).await.len(), 0);
    // Who has no address cannot ask.
    assert_eq!(raw_refusal(choose(&alice, "after_hour", "en").await), refused(404, "not_found"));
    assert_eq!(raw_refusal(choose(&bob, "hourly", "en").await), refused(400, "bad_request"));
    choose(&bob, "after_day", "fr").await;
    let mails = told(&app, &mut smtp).await;
    assert!(mails[0].text.contains("Un message vous attend\u{a0}:"), "{}", mails[0].text);
}

#[tokio::test]
async fn what_a_browser_has_fetched_or_was_taken_back_is_not_told() {
    let (app, mut smtp, alice, bob, conversation) = away("after_hour").await;
    alice.send(conversation, "seen elsewhere").await.unwrap();
    bob.receipt(conversation, Some(1), None).await.unwrap();
    let taken_back = alice.send(conversation, "taken back").await.unwrap();
    let path = format!("/conversations/{conversation}/messages/{}", taken_back.id);
    assert_eq!(alice.raw("DELETE", &path, None).await.unwrap().0, 200);
    app.clock.advance(2 * HOUR);
    assert_eq!(told(&app, &mut smtp).await.len(), 0);
    // Whoever comes back while the mail waits gets none.
    alice.send(conversation, "not fetched").await.unwrap();
    app.clock.advance(2 * HOUR);
    smtp.stop().await;
    assert_eq!(look(&app.app).await.unwrap(), 1);
    settled(&app.app).await;
    bob.receipt(conversation, Some(3), None).await.unwrap();
    smtp.start_again().await;
    app.clock.advance(HOUR);
    assert_eq!(told(&app, &mut smtp).await.len(), 0);
}

#[tokio::test]
async fn of_two_nodes_one_tells() {
    let (app, mut smtp, alice, _bob, conversation) = away("after_hour").await;
    let other = entrenous::open(app.config.clone(), app.clock.clone()).await.unwrap();
    alice.send(conversation, "hello").await.unwrap();
    app.clock.advance(2 * HOUR);
    let (one, two) = tokio::join!(look(&app.app), look(&other));
    assert_eq!(one.unwrap() + two.unwrap(), 1);
    assert!(settled(&app.app).await);
    assert_eq!(smtp.rest().len(), 1);
}

#[tokio::test]
async fn one_click_in_the_mail_is_enough_to_be_told_no_more() {
    let (app, mut smtp, alice, bob, conversation) = away("after_hour").await;
    alice.send(conversation, "hello").await.unwrap();
    app.clock.advance(2 * HOUR);
    let mail = told(&app, &mut smtp).await.remove(0);
    let token = mail.token("unsubscribe");
    let link = format!("{}/api/address/unsubscribe?token={token}", app.config.address());
    assert_eq!(mail.header("List-Unsubscribe"), Some(format!("<{link}>").as_str()));
    assert_eq!(mail.header("List-Unsubscribe-Post"), Some("List-Unsubscribe=One-Click"));

    // In a browser it leads to the page that asks first.
    let browser = reqwest::Client::builder().redirect(redirect::Policy::none()).build().unwrap();
    let opened =
        browser.get(format!("{}/api/address/unsubscribe?token={token}", app.url)).send().await.unwrap();
    assert_eq!(opened.status(), 303);
    assert_eq!(opened.headers()["location"], format!("/unsubscribe#{token}"));
    assert_eq!(bob.raw("GET", "/address", None).await.unwrap().1["digest"], "after_hour");

    assert_eq!(unsubscribe(&app, "another").await, refused(410, "mail_link_over"));
    for _ in 0..2 {
        assert_eq!(unsubscribe(&app, &token).await.0, 204, "twice is once");
    }
    assert_eq!(bob.raw("GET", "/address", None).await.unwrap().1["digest"], "off");
    // It is good for nothing else.
    assert_eq!(crate::mail::confirm(&app, &token).await, refused(410, "mail_link_over"));
    alice.send(conversation, "hello again").await.unwrap();
    app.clock.advance(2 * DAY);
    assert_eq!(told(&app, &mut smtp).await.len(), 0);
}
