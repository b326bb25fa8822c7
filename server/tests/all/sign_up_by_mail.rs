//! Signing up with an address of the organisation's own domain: a mail brings the link.

use client::{Client, SignUp};
use entrenous::clock::DAY;
use entrenous::invitations;
use entrenous::schema::tables::invitations as table;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::mail::{settled, with_mail};
use crate::smtp::Smtp;
use crate::support::{PASSWORD, Refusal, TestApp, raw_refusal, refused};

async fn decide(admin: &Client, change: Value) -> (u16, Value) {
    let (_, mut decided) = admin.raw("GET", "/administration/organisation", None).await.unwrap();
    for (key, value) in change.as_object().unwrap() {
        decided[key] = value.clone();
    }
    admin.raw("PUT", "/administration/organisation", Some(&decided)).await.unwrap()
}

/// Where whoever has an address of example.org may sign up.
async fn by_domain() -> (TestApp, Smtp, Client) {
    let (app, smtp) = with_mail().await;
    let admin = app.person("Admin").await;
    let (status, decided) =
        decide(&admin, json!({"sign_up": "domain", "domains": [" Example.org", "@mail.example.com", ""]}))
            .await;
    assert_eq!((status, &decided["domains"]), (200, &json!(["example.org", "mail.example.com"])));
    (app, smtp, admin)
}

async fn ask(app: &TestApp, address: &str) -> Refusal {
    app.post("/api/register/mail", &json!({"address": address, "language": "en"})).await
}

async fn sign_up(app: &TestApp, handle: &str, token: &str) -> Result<Client, client::Error> {
    let invited = SignUp { invitation: Some(token), ..SignUp::default() };
    Client::register_with(&app.url, handle, "Somebody", PASSWORD, invited).await
}

#[tokio::test]
async fn the_link_makes_one_account_whose_address_is_confirmed() {
    let (app, mut smtp, admin) = by_domain().await;
    assert_eq!(admin.raw("GET", "/config", None).await.unwrap().1["domains"][0], "example.org");
    assert!(Client::register(&app.url, "nobody", "Nobody", PASSWORD).await.is_err(), "not without a link");
    assert_eq!(ask(&app, "Alice@example.org").await.0, 202);
    let mail = smtp.next().await;
    assert_eq!(mail.to, ["alice@example.org"]);
    let token = mail.token("sign-up");
    let alice = sign_up(&app, "alice", &token).await.unwrap();
    assert_eq!(alice.raw("GET", "/address", None).await.unwrap().1["address"], "alice@example.org");
    let again = sign_up(&app, "alice2", &token).await.err().unwrap();
    assert_eq!(again.code(), Some("invitation_over"));
    // Nobody is told who asked.
    let (_, list) = admin.raw("GET", "/administration/invitations", None).await.unwrap();
    assert_eq!(list["invitations"], json!([]));
}

#[tokio::test]
async fn the_answer_does_not_tell_who_has_an_account_but_the_mail_does() {
    let (app, mut smtp, _admin) = by_domain().await;
    ask(&app, "alice@example.org").await;
    sign_up(&app, "alice", &smtp.next().await.token("sign-up")).await.unwrap();
    let (has, has_not) = (ask(&app, "alice@example.org").await, ask(&app, "bob@example.org").await);
    assert_eq!(has, has_not);
    let (first, second) = (smtp.next().await, smtp.next().await);
    assert!(first.text.contains("@alice") && !first.text.contains("sign-up#"), "{}", first.text);
    assert!(second.text.contains("sign-up#"), "{}", second.text);
}

#[tokio::test]
async fn a_link_is_void_after_two_days_or_another_one() {
    let (app, mut smtp, _admin) = by_domain().await;
    ask(&app, "alice@example.org").await;
    let first = smtp.next().await.token("sign-up");
    ask(&app, "alice@example.org").await;
    let second = smtp.next().await.token("sign-up");
    assert_eq!(sign_up(&app, "alice", &first).await.err().unwrap().code(), Some("invitation_over"));
    app.clock.advance(2 * DAY);
    assert_eq!(sign_up(&app, "alice", &second).await.err().unwrap().code(), Some("invitation_over"));
    assert_eq!(table::Entity::find().count(app.app.db.read()).await.unwrap(), 1);
    invitations::tidy(&app.app).await.unwrap();
    assert_eq!(table::Entity::find().count(app.app.db.read()).await.unwrap(), 0);
}

#[tokio::test]
async fn only_the_domains_that_were_named_are_enough() {
    let (app, mut smtp, admin) = by_domain().await;
    for (address, code) in [
        ("alice@example.net", "other_domain"),
        ("alice@sub.example.org", "other_domain"),
        ("alice@example.org.evil.net", "other_domain"),
        ("alice@example.com", "other_domain"),
        ("alice@example.org\r\nBcc: eve@evil.net", "bad_address"),
    ] {
        assert_eq!(ask(&app, address).await, refused(422, code), "{address:?}");
    }
    assert_eq!(ask(&app, "alice@mail.example.com").await.0, 202);
    smtp.next().await;
    // Who asked in time, but whose mail waited until it was decided otherwise, gets none.
    smtp.stop().await;
    ask(&app, "bob@example.org").await;
    settled(&app.app).await;
    assert_eq!(decide(&admin, json!({"sign_up": "invited"})).await.0, 200);
    smtp.start_again().await;
    app.clock.advance(DAY);
    assert!(settled(&app.app).await);
    assert_eq!(smtp.rest().len(), 0);
    assert_eq!(ask(&app, "carol@example.org").await, refused(403, "sign_up_closed"));
}

#[tokio::test]
async fn a_link_is_good_as_long_as_its_address_is_enough() {
    let (app, mut smtp, admin) = by_domain().await;
    ask(&app, "alice@example.org").await;
    let token = smtp.next().await.token("sign-up");
    for otherwise in [
        json!({"sign_up": "domain", "domains": ["example.com"]}),
        json!({"sign_up": "invited", "domains": ["example.org"]}),
    ] {
        assert_eq!(decide(&admin, otherwise).await.0, 200);
        assert_eq!(sign_up(&app, "alice", &token).await.err().unwrap().code(), Some("invitation_over"));
    }
    assert_eq!(decide(&admin, json!({"sign_up": "domain"})).await.0, 200);
    assert!(sign_up(&app, "alice", &token).await.is_ok());
}

#[tokio::test]
async fn an_organisation_names_domains_and_has_mail() {
    let (app, _smtp) = with_mail().await;
    let admin = app.person("Admin").await;
    for domains in [json!([]), json!(["not a domain"]), json!(["localhost"]), json!(["a@b.org"])] {
        let change = json!({"sign_up": "domain", "domains": domains});
        assert_eq!(raw_refusal(decide(&admin, change).await), refused(422, "bad_domains"));
    }
    let without = TestApp::start().await;
    let admin = without.person("Admin").await;
    let change = json!({"sign_up": "domain", "domains": ["example.org"]});
    assert_eq!(raw_refusal(decide(&admin, change).await), refused(404, "no_mail"));
}
