//! Everything lost, and an address: the link to begin anew comes by mail, slowly enough for its owner to object.

use client::{Client, Error};
use entrenous::clock::{HOUR, MINUTE};
use serde_json::{Value, json};

use crate::mail::{remove, settled, with_address, with_mail};
use crate::smtp::Smtp;
use crate::support::{PASSWORD, Refusal, TestApp, refused};

const NEW: &str = "all is new, all is well";

/// An administrator who allows it, and Bob, whose address is bob@example.org.
async fn allowed() -> (TestApp, Smtp, Client, Client) {
    let (app, mut smtp) = with_mail().await;
    let admin = app.person("Admin").await;
    allow(&admin, true).await;
    let bob = app.person("Bob").await;
    with_address(&app, &mut smtp, &bob, "bob@example.org").await;
    (app, smtp, admin, bob)
}

async fn allow(admin: &Client, reset_by_mail: bool) {
    let (_, mut decided) = admin.raw("GET", "/administration/organisation", None).await.unwrap();
    decided["reset_by_mail"] = reset_by_mail.into();
    assert_eq!(admin.raw("PUT", "/administration/organisation", Some(&decided)).await.unwrap().0, 200);
}

async fn ask(app: &TestApp, handle: &str, address: &str) -> Refusal {
    app.post("/api/resets/mail", &json!({"handle": handle, "address": address, "language": "en"})).await
}

async fn asked(of: &Client) -> Value {
    of.raw("GET", "/sessions", None).await.unwrap().1["reset_asked"].clone()
}

async fn begin(app: &TestApp, token: &str) -> Result<Client, String> {
    Client::begin_anew(&app.url, token, NEW)
        .await
        .map_err(|error: Error| error.code().unwrap_or("?").to_owned())
}

#[tokio::test]
async fn the_link_is_good_a_day_later_once() {
    let (app, mut smtp, _admin, bob) = allowed().await;
    assert_eq!(asked(&bob).await, Value::Null);
    assert_eq!(ask(&app, bob.handle(), "Bob@example.org").await.0, 202);
    let mail = smtp.next().await;
    assert_eq!(mail.to, ["bob@example.org"]);
    assert!(mail.text.contains("/recover\n") && mail.text.contains("in 24 hours"), "{}", mail.text);
    let token = mail.token("reset");
    let notice = asked(&bob).await;
    assert_eq!(notice["good_from"].as_i64().unwrap() - notice["asked_at"].as_i64().unwrap(), 24 * HOUR);
    app.clock.advance(24 * HOUR - MINUTE);
    assert_eq!(begin(&app, &token).await.err().unwrap(), "reset_too_early");
    app.clock.advance(MINUTE);
    let anew = begin(&app, &token).await.unwrap();
    assert_eq!(anew.id(), bob.id());
    assert!(smtp.next().await.text.contains("was begun anew"), "and the mailbox is told");
    assert_eq!(begin(&app, &token).await.err().unwrap(), "reset_expired");
}

#[tokio::test]
async fn a_link_that_nobody_uses_is_over_after_two_more_days() {
    let (app, mut smtp, _admin, bob) = allowed().await;
    ask(&app, bob.handle(), "bob@example.org").await;
    let token = smtp.next().await.token("reset");
    app.clock.advance(72 * HOUR);
    assert_eq!(begin(&app, &token).await.err().unwrap(), "reset_expired");
    assert_eq!(asked(&bob).await, Value::Null);
}

#[tokio::test]
async fn whoever_is_still_logged_in_calls_it_off() {
    let (app, mut smtp, _admin, bob) = allowed().await;
    ask(&app, bob.handle(), "bob@example.org").await;
    let token = smtp.next().await.token("reset");
    assert_ne!(asked(&bob).await, Value::Null);
    assert_eq!(bob.raw("DELETE", "/resets/mail", None).await.unwrap().0, 204);
    assert_eq!(asked(&bob).await, Value::Null);
    app.clock.advance(25 * HOUR);
    assert_eq!(begin(&app, &token).await.err().unwrap(), "reset_expired");
    assert!(Client::log_in(&app.url, bob.handle(), PASSWORD).await.is_ok());
}

#[tokio::test]
async fn whoever_shows_to_know_the_password_or_the_code_calls_it_off_as_well() {
    let (app, mut smtp, _admin, bob) = allowed().await;
    ask(&app, bob.handle(), "bob@example.org").await;
    let token = smtp.next().await.token("reset");
    bob.change_password(PASSWORD, "another horse").await.unwrap();
    app.clock.advance(25 * HOUR);
    assert_eq!(begin(&app, &token).await.err().unwrap(), "reset_expired");
}

#[tokio::test]
async fn the_answer_is_the_same_whoever_asks_for_whom() {
    let (app, mut smtp, _admin, bob) = allowed().await;
    let carol = app.person("Carol").await;
    let right = ask(&app, bob.handle(), "bob@example.org").await;
    smtp.next().await;
    for (handle, address) in [
        (bob.handle(), "mallory@example.org"),
        ("nobody.there", "nobody@example.org"),
        (carol.handle(), "carol@example.org"),
    ] {
        assert_eq!(ask(&app, handle, address).await, right);
    }
    assert!(settled(&app.app).await);
    assert_eq!(smtp.rest().len(), 0, "and there is no mail");
}

#[tokio::test]
async fn to_ask_again_does_not_make_the_owner_wait_again() {
    let (app, mut smtp, _admin, bob) = allowed().await;
    ask(&app, bob.handle(), "bob@example.org").await;
    let first = smtp.next().await.token("reset");
    app.clock.advance(20 * HOUR);
    ask(&app, bob.handle(), "bob@example.org").await;
    let mail = smtp.next().await;
    assert!(mail.text.contains("in 4 hours"), "{}", mail.text);
    app.clock.advance(4 * HOUR);
    assert_eq!(begin(&app, &first).await.err().unwrap(), "reset_expired");
    assert!(begin(&app, &mail.token("reset")).await.is_ok());
}

#[tokio::test]
async fn to_ask_by_mail_takes_nothing_from_the_link_that_an_administrator_made() {
    let (app, mut smtp, admin, bob) = allowed().await;
    let path = format!("/administration/people/{}/reset", bob.id());
    let (status, made) = admin.raw("POST", &path, None).await.unwrap();
    assert_eq!(status, 201);
    ask(&app, bob.handle(), "bob@example.org").await;
    let by_mail = smtp.next().await.token("reset");
    assert!(begin(&app, made["token"].as_str().unwrap()).await.is_ok());
    app.clock.advance(25 * HOUR);
    assert_eq!(begin(&app, &by_mail).await.err().unwrap(), "reset_expired", "one is enough");
}

#[tokio::test]
async fn a_mailbox_is_not_enough_for_administrators_nor_against_a_second_factor() {
    let (app, mut smtp, admin, bob) = allowed().await;
    with_address(&app, &mut smtp, &admin, "admin@example.org").await;
    ask(&app, admin.handle(), "admin@example.org").await;
    let mail = smtp.next().await;
    assert!(mail.text.contains("only an administrator") && !mail.text.contains("reset#"), "{}", mail.text);
    ask(&app, bob.handle(), "bob@example.org").await;
    let before = smtp.next().await.token("reset");
    let secret = *b"twenty bytes of test";
    let seconds = (app.clock.now() / 1_000) as u64;
    let code = totp_rs::Builder::new().with_secret(secret).build().unwrap().generate(seconds).to_string();
    bob.turn_on_second_factor(PASSWORD, &secret, &code).await.unwrap();
    ask(&app, bob.handle(), "bob@example.org").await;
    assert!(smtp.next().await.text.contains("second factor"));
    app.clock.advance(24 * HOUR);
    assert_eq!(begin(&app, &before).await.err().unwrap(), "reset_expired", "no more than a new one");
}

#[tokio::test]
async fn a_link_is_void_once_its_mailbox_no_longer_counts() {
    let (app, mut smtp, admin, bob) = allowed().await;
    let mut token = async || {
        ask(&app, bob.handle(), "bob@example.org").await;
        smtp.next().await.token("reset")
    };
    // Decided otherwise, and back again.
    let link = token().await;
    app.clock.advance(24 * HOUR);
    allow(&admin, false).await;
    assert_eq!(begin(&app, &link).await.err().unwrap(), "reset_expired");
    allow(&admin, true).await;
    let link = token().await;
    assert_ne!(asked(&bob).await, Value::Null);
    app.clock.advance(24 * HOUR);
    with_address(&app, &mut smtp, &bob, "bob@example.net").await;
    assert_eq!(asked(&bob).await, Value::Null);
    assert_eq!(begin(&app, &link).await.err().unwrap(), "reset_expired");
    assert!(smtp.next().await.to == ["bob@example.org"], "who had it before is told");
    ask(&app, bob.handle(), "bob@example.net").await;
    let link = smtp.next().await.token("reset");
    app.clock.advance(24 * HOUR);
    assert_eq!(remove(&bob).await.0, 200);
    assert_eq!(begin(&app, &link).await.err().unwrap(), "reset_expired");
}

#[tokio::test]
async fn where_it_is_not_allowed_nobody_can_ask() {
    let (app, mut smtp, admin, bob) = allowed().await;
    let config = admin.raw("GET", "/config", None).await.unwrap().1;
    assert_eq!((&config["mail"], &config["reset_by_mail"]), (&json!(true), &json!(true)));
    allow(&admin, false).await;
    assert_eq!(ask(&app, bob.handle(), "bob@example.org").await, refused(403, "no_reset_by_mail"));
    assert!(settled(&app.app).await);
    assert_eq!(smtp.rest().len(), 0);
    let fresh = TestApp::start().await;
    assert_eq!(ask(&fresh, "bob", "bob@example.org").await, refused(404, "no_mail"));
}
