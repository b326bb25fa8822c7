//! People who have lost everything that opens their account, and begin anew.

use client::wire::{Bytes, SignedBytes, Slot, Vault};
use client::{Client, Error, Event, Follower, Result};
use e2ee::Registration;
use entrenous::clock::{HOUR, MINUTE};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{PASSWORD, TestApp, news, raw_refusal, refused};

const NEW: &str = "all is new, all is well";

/// The first account administers.
async fn people(app: &TestApp) -> (Client, Client, Client, Uuid) {
    let admin = app.person("Admin").await;
    let (alice, bob, conversation) = app.pair().await;
    (admin, alice, bob, conversation)
}

async fn link(by: &Client, account: Uuid) -> String {
    let path = format!("/administration/people/{account}/reset");
    let (status, made) = by.raw("POST", &path, Some(&json!({}))).await.unwrap();
    assert_eq!(status, 201, "{made}");
    made["token"].as_str().unwrap().to_owned()
}

fn code<T>(result: Result<T>) -> String {
    match result.err() {
        Some(Error::Refused { code, .. }) => code,
        other => panic!("not a refusal: {other:?}"),
    }
}

async fn begin(app: &TestApp, token: &str) -> Result<Client> {
    Client::begin_anew(&app.url, token, NEW).await
}

#[tokio::test]
async fn who_has_lost_everything_begins_anew_under_the_same_handle_and_another_identity() {
    let app = TestApp::start().await;
    let (admin, alice, bob, conversation) = people(&app).await;
    alice.send(conversation, "from before").await.unwrap();
    let number = alice.safety_number(bob.id()).await.unwrap();
    let old_code = bob.recovery_code().unwrap();
    let anew = begin(&app, &link(&admin, bob.id()).await).await.unwrap();
    assert_eq!((anew.id(), anew.handle()), (bob.id(), bob.handle()));
    assert!(anew.me().renewed_at > 0);
    assert_eq!(anew.me().renewed_at, anew.me().secured_at);

    // What let one in before does not any more; what does now, does.
    assert_eq!(code(bob.conversations().await), "signed_out");
    assert!(Client::log_in(&app.url, bob.handle(), "a wrong password").await.is_err());
    let before = Client::recover(&app.url, bob.handle(), old_code, NEW).await;
    assert_eq!(code(before), "wrong_recovery_code");
    let again = Client::log_in(&app.url, bob.handle(), NEW).await.unwrap();
    let recovered = Client::recover(&app.url, bob.handle(), anew.recovery_code().unwrap(), PASSWORD).await;
    assert_eq!(recovered.unwrap().id(), bob.id());

    // Nothing from before opens, and it counts as read; nothing of it is on the keyring.
    let (again, anew) = (Client::log_in(&app.url, again.handle(), PASSWORD).await.unwrap(), anew);
    assert_eq!(code(anew.conversations().await), "signed_out", "the recovery ended it");
    let listed = again.conversations().await.unwrap();
    assert_eq!((listed[0].id, listed[0].unread), (conversation, 0));
    let (_, keyring) = again.raw("GET", "/keyring", None).await.unwrap();
    assert_eq!(keyring["entries"], json!([]));
    let read = again.history(conversation, None, 50).await.unwrap();
    assert_eq!(read[0].text(), None);
    assert_ne!(again.safety_number(alice.id()).await.unwrap(), number);
}

#[tokio::test]
async fn contacts_write_again_only_after_they_have_accepted_the_other_identity() {
    let app = TestApp::start().await;
    let (admin, alice, bob, conversation) = people(&app).await;
    bob.send(conversation, "from before").await.unwrap();
    assert_eq!(alice.history(conversation, None, 50).await.unwrap()[0].text(), Some("from before"));
    let person = alice.person(bob.id()).await.unwrap();
    let mut live = alice.events().await.unwrap();
    let anew = begin(&app, &link(&admin, bob.id()).await).await.unwrap();
    assert_eq!(news(&mut live).await, Event::Keys { account: bob.id() });

    let refused = alice.send(conversation, "to whom?").await;
    assert!(matches!(refused, Err(Error::IdentityChanged(id)) if id == bob.id()), "{refused:?}");
    anew.send(conversation, "it is me").await.unwrap();
    let Event::Epoch { epoch, .. } = news(&mut live).await else { panic!("no epoch") };
    assert_eq!(epoch.number, 2, "nothing is written under the keys that were lost");

    let number = alice.safety_number_now(&person).await.unwrap();
    let wrong = alice.accept_identity(&person, &alice.safety_number(bob.id()).await.unwrap()).await;
    assert!(wrong.is_err(), "the number that one looked at is the one that counts");
    alice.accept_identity(&person, &number).await.unwrap();
    assert_eq!(anew.safety_number(alice.id()).await.unwrap(), number);
    alice.send(conversation, "welcome back").await.unwrap();
    let read = |all: Vec<client::Message>| {
        all.iter().map(|message| message.text().map(str::to_owned)).collect::<Vec<_>>()
    };
    let said = |text: &str| Some(text.to_owned());
    let theirs = read(anew.history(conversation, None, 50).await.unwrap());
    assert_eq!(theirs, [None, said("it is me"), said("welcome back")]);
    let mine = read(alice.history(conversation, None, 50).await.unwrap());
    assert_eq!(mine, [said("from before"), said("it is me"), said("welcome back")]);

    // Her other browsers know by the vault.
    let elsewhere = Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    elsewhere.send(conversation, "from elsewhere").await.unwrap();
    assert_eq!(elsewhere.safety_number(bob.id()).await.unwrap(), number);
}

#[tokio::test]
async fn nothing_is_taken_any_more_that_was_sealed_for_the_keys_that_are_lost() {
    let app = TestApp::start().await;
    let (admin, alice, bob, conversation) = people(&app).await;
    alice.send(conversation, "from before").await.unwrap();
    let late = alice.seal(conversation, "sealed before, sent after").await.unwrap();
    begin(&app, &link(&admin, bob.id()).await).await.unwrap();
    assert_eq!(code(alice.send_sealed(conversation, &late).await), "epoch_closed");
    assert!(alice.conversation(conversation).await.unwrap().epoch.unwrap().closed);
}

#[tokio::test]
async fn what_waited_to_be_sent_by_them_is_gone() {
    let app = TestApp::start().await;
    let (admin, alice, bob, conversation) = people(&app).await;
    bob.send(conversation, "from before").await.unwrap();
    let later = bob.seal(conversation, "later").await.unwrap();
    let path = format!("/conversations/{conversation}/scheduled/{}", later.id);
    let body = json!({"envelope": later.envelope, "at": app.clock.now() + HOUR});
    assert_eq!(bob.raw("PUT", &path, Some(&body)).await.unwrap().0, 200);
    begin(&app, &link(&admin, bob.id()).await).await.unwrap();
    app.clock.advance(2 * HOUR);
    assert_eq!(entrenous::scheduled::send_due(&app.app).await.unwrap(), 0);
    assert_eq!(alice.conversation(conversation).await.unwrap().seq, 1);
}

/// Their contacts' words are not lost, and go out once they are sealed for the identity that was accepted.
#[tokio::test]
async fn what_waited_to_be_sent_to_them_waits_until_it_is_sealed_anew() {
    let app = TestApp::start().await;
    let (admin, alice, bob, conversation) = people(&app).await;
    bob.send(conversation, "from before").await.unwrap();
    let id = alice.seal(conversation, "later").await.unwrap();
    let path = format!("/conversations/{conversation}/scheduled/{}", id.id);
    let body = json!({"envelope": id.envelope, "at": app.clock.now() + HOUR});
    assert_eq!(alice.raw("PUT", &path, Some(&body)).await.unwrap().0, 200);
    let anew = begin(&app, &link(&admin, bob.id()).await).await.unwrap();
    app.clock.advance(2 * HOUR);
    assert_eq!(entrenous::scheduled::send_due(&app.app).await.unwrap(), 0);
    let (_, waiting) = alice.raw("GET", "/scheduled", None).await.unwrap();
    assert_eq!(waiting["scheduled"].as_array().unwrap().len(), 1);
    assert_eq!(anew.conversation(conversation).await.unwrap().unread, 0);

    let person = alice.person(bob.id()).await.unwrap();
    let number = alice.safety_number_now(&person).await.unwrap();
    alice.accept_identity(&person, &number).await.unwrap();
    let sealed = alice.seal(conversation, "later").await.unwrap();
    let path = format!("/conversations/{conversation}/scheduled/{}", sealed.id);
    let body = json!({"envelope": sealed.envelope, "at": app.clock.now() + HOUR});
    assert_eq!(alice.raw("PUT", &path, Some(&body)).await.unwrap().0, 200);
    app.clock.advance(2 * HOUR);
    assert_eq!(entrenous::scheduled::send_due(&app.app).await.unwrap(), 1);
    let read = anew.history(conversation, None, 10).await.unwrap();
    assert_eq!(read.last().unwrap().text(), Some("later"));
}

/// A follower goes on under another epoch, and loses none of what it was given.
#[tokio::test]
async fn a_follower_seals_anew_what_was_for_the_keys_that_were_lost() {
    let app = TestApp::start().await;
    let (admin, alice, bob, conversation) = people(&app).await;
    let mut follower = alice.follow();
    let first = follower.send(conversation, "to bob as he was");
    while !accepted(&mut follower, first).await {}
    let anew = begin(&app, &link(&admin, bob.id()).await).await.unwrap();
    let person = alice.person(bob.id()).await.unwrap();
    let number = alice.safety_number_now(&person).await.unwrap();
    alice.accept_identity(&person, &number).await.unwrap();
    let second = follower.send(conversation, "to bob as he is");
    while !accepted(&mut follower, second).await {}
    let read = anew.history(conversation, None, 10).await.unwrap();
    assert_eq!(read.last().unwrap().text(), Some("to bob as he is"));
}

async fn accepted(follower: &mut Follower, id: Uuid) -> bool {
    match follower.next().await.unwrap() {
        Event::Accepted(accepted) => accepted.id == id,
        Event::Refused { code, .. } => panic!("{code}"),
        _ => false,
    }
}

#[tokio::test]
async fn a_link_is_good_once_for_two_days_and_until_there_is_another() {
    let app = TestApp::start().await;
    let (admin, _, bob, _) = people(&app).await;
    let first = link(&admin, bob.id()).await;
    let second = link(&admin, bob.id()).await;
    assert_eq!(code(begin(&app, &first).await), "reset_expired", "there is another");
    app.clock.advance(48 * HOUR - MINUTE);
    let look = app.post("/api/resets/start", &json!({"token": second})).await;
    assert_eq!(look.0, 200, "only looked at: nothing is changed");
    app.clock.advance(MINUTE);
    assert_eq!(code(begin(&app, &second).await), "reset_expired", "too old");
    let third = link(&admin, bob.id()).await;
    begin(&app, &third).await.unwrap();
    assert_eq!(code(begin(&app, &third).await), "reset_expired", "used");
    assert_eq!(code(begin(&app, "no link at all").await), "reset_expired");
}

#[tokio::test]
async fn only_administrators_make_links_and_it_stands_in_the_journal_and_nowhere_the_token() {
    let app = TestApp::start().await;
    let (admin, alice, bob, _) = people(&app).await;
    let path = format!("/administration/people/{}/reset", bob.id());
    let refusal = raw_refusal(alice.raw("POST", &path, Some(&json!({}))).await.unwrap());
    assert_eq!(refusal, refused(403, "not_administrator"));
    let nobody = format!("/administration/people/{}/reset", Uuid::now_v7());
    let refusal = raw_refusal(admin.raw("POST", &nobody, Some(&json!({}))).await.unwrap());
    assert_eq!(refusal, refused(404, "not_found"));
    let token = link(&admin, bob.id()).await;
    let entries = async |who: &Client, path: &str| {
        let (_, journal) = who.raw("GET", path, None).await.unwrap();
        assert!(!journal.to_string().contains(&token));
        journal["entries"].as_array().unwrap().clone()
    };
    let journal = entries(&admin, "/administration/audit").await;
    assert_eq!(journal.len(), 1, "{journal:?}");
    assert_eq!(journal[0]["act"], "reset_link_made");
    assert_eq!(journal[0]["administrator"]["id"], json!(admin.id()));
    assert_eq!(entries(&bob, "/audit").await, journal);
    assert_eq!(entries(&alice, "/audit").await, Vec::<Value>::new());
}

#[tokio::test]
async fn keys_that_do_not_follow_those_of_before_or_are_the_same_are_refused() {
    let app = TestApp::start().await;
    let (admin, _, bob, _) = people(&app).await;
    let token = link(&admin, bob.id()).await;
    let registration = Registration::start(NEW).unwrap();
    let start = json!({"token": token, "request": Bytes(registration.request().to_vec())});
    let (_, started) = bob.raw("POST", "/resets/start", Some(&start)).await.unwrap();
    assert_eq!(started["person"]["id"], json!(bob.id()));
    let response: Bytes = serde_json::from_value(started["response"].clone()).unwrap();
    // As for a first account.
    let made = registration.finish(bob.handle(), bob.id(), &response.0, 1).unwrap().material;
    let whole = json!({
        "token": token,
        "record": Bytes(made.record),
        "slots": made.slots.map(Slot::from),
        "vault": Vault { version: started["vault_version"].as_u64().unwrap() + 1, sealed: Bytes(vec![1]) },
        "key_bundle": SignedBytes::from(made.key_bundle),
        "recovery_verifier": Bytes(made.recovery_verifier.to_vec()),
    });
    let finish = async |change: (&str, Value)| {
        let mut body = whole.clone();
        body[change.0] = change.1;
        raw_refusal(bob.raw("POST", "/resets/finish", Some(&body)).await.unwrap())
    };
    assert_eq!(finish(("key_bundle", whole["key_bundle"].clone())).await, refused(422, "bad_key_bundle"));
    assert_eq!(finish(("key_bundle", started["key_bundle"].clone())).await, refused(422, "bad_key_bundle"));
    assert_eq!(finish(("slots", json!([]))).await, refused(422, "bad_key_material"));
    // Nothing of it was done, and the link is still good.
    assert_eq!(bob.conversations().await.unwrap().len(), 0);
    begin(&app, &token).await.unwrap();
}

#[tokio::test]
async fn guesses_at_links_are_limited() {
    let app = TestApp::start_with(|config| config.attempts_per_address = 3).await;
    for _ in 0..3 {
        assert_eq!(
            app.post("/api/resets/start", &json!({"token": "x"})).await,
            refused(410, "reset_expired")
        );
    }
    let refusal = app.post("/api/resets/start", &json!({"token": "x"})).await;
    assert_eq!(refusal, refused(429, "too_many_attempts"));
}
