//! Passwords and recovery codes that are replaced, and sessions that are ended from elsewhere.

use client::wire::Bytes;
use client::{Client, Error, Event};
use e2ee::{Login, RecoveryCode};
use entrenous::clock::{HOUR, MINUTE};
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp, raw_refusal, refused};

const NEW: &str = "another horse, another battery";

fn is_refused<T>(result: Result<T, Error>, code: &str) -> bool {
    result.is_err_and(|error| error.code() == Some(code))
}

async fn log_in(app: &TestApp, handle: &str, password: &str) -> Result<Client, Error> {
    Client::log_in(&app.url, handle, password).await
}

async fn is_signed_in(client: &Client) -> bool {
    client.raw("GET", "/session", None).await.unwrap().0 == 200
}

#[tokio::test]
async fn the_recovery_code_opens_the_account_once_and_loses_nothing() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    bob.send(conversation, "from before").await.unwrap();
    let mut socket = alice.events().await.unwrap();
    let code = alice.recovery_code().unwrap().clone();

    let back = Client::recover(&app.url, alice.handle(), &code, NEW).await.unwrap();
    assert_eq!(back.id(), alice.id());
    let history = back.history(conversation, None, 10).await.unwrap();
    assert!(history.iter().any(|message| message.text() == Some("from before")), "{history:?}");
    assert!(back.me().secured_at > 0);
    // Whoever was signed in is no more, and the old password and the old code are good for nothing.
    assert!(matches!(socket.next().await, Err(Error::Closed { code: 4401, .. })));
    assert!(!is_signed_in(&alice).await);
    assert!(is_refused(log_in(&app, alice.handle(), PASSWORD).await, "wrong_credentials"));
    let again = Client::recover(&app.url, alice.handle(), &code, PASSWORD).await;
    assert!(is_refused(again, "wrong_recovery_code"));
    // The new ones are.
    assert!(is_signed_in(&log_in(&app, alice.handle(), NEW).await.unwrap()).await);
    let next = back.recovery_code().unwrap();
    assert!(Client::recover(&app.url, alice.handle(), next, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_wrong_code_and_a_handle_that_nobody_has_are_refused_alike() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.person("Alice").await, app.person("Bob").await);
    let other = bob.recovery_code().unwrap();
    for handle in [alice.handle(), "nobody"] {
        let refused = Client::recover(&app.url, handle, other, NEW).await;
        assert!(is_refused(refused, "wrong_recovery_code"), "{handle}");
    }
    assert!(is_signed_in(&alice).await);
    assert!(log_in(&app, alice.handle(), PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_and_no_others() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let bob = app.person("Bob").await;
    let elsewhere = log_in(&app, alice.handle(), PASSWORD).await.unwrap();
    let mut socket = elsewhere.events().await.unwrap();
    assert!(is_refused(alice.change_password("not the password", NEW).await, "wrong_credentials"));
    assert!(is_signed_in(&elsewhere).await);

    alice.change_password(PASSWORD, NEW).await.unwrap();
    assert!(matches!(socket.next().await, Err(Error::Closed { code: 4401, .. })));
    assert!(is_signed_in(&alice).await && is_signed_in(&bob).await);
    assert!(!is_signed_in(&elsewhere).await);
    assert!(is_refused(log_in(&app, alice.handle(), PASSWORD).await, "wrong_credentials"));
    assert!(log_in(&app, alice.handle(), NEW).await.is_ok());
    // The code is the same.
    let code = alice.recovery_code().unwrap();
    assert!(Client::recover(&app.url, alice.handle(), code, PASSWORD).await.is_ok());
}

/// Begun before, finished after: what was proven is not the password any more.
#[tokio::test]
async fn a_log_in_under_way_does_not_outlive_the_password() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let begin = async || {
        let login = Login::start(PASSWORD).unwrap();
        let request = Bytes(login.request().to_vec());
        let body = json!({"handle": alice.handle(), "request": request});
        let (_, started) = alice.raw("POST", "/login/start", Some(&body)).await.unwrap();
        let response: Bytes = serde_json::from_value(started["response"].clone()).unwrap();
        let proven = login.finish(alice.handle(), &response.0).unwrap();
        json!({"login": started["login"], "finalization": Bytes(proven.finalization)})
    };
    let (good, late) = (begin().await, begin().await);
    assert_eq!(alice.raw("POST", "/login/finish", Some(&good)).await.unwrap().0, 200);
    alice.change_password(PASSWORD, NEW).await.unwrap();
    let refusal = raw_refusal(alice.raw("POST", "/login/finish", Some(&late)).await.unwrap());
    assert_eq!(refusal, refused(401, "wrong_credentials"));
}

#[tokio::test]
async fn log_ins_tried_by_others_do_not_keep_the_owner_from_changing_the_password() {
    let app = TestApp::start_with(|config| config.attempts_per_handle = 3).await;
    let alice = app.person("Alice").await;
    for _ in 0..3 {
        assert!(is_refused(log_in(&app, alice.handle(), "a guess at it").await, "wrong_credentials"));
    }
    assert!(is_refused(log_in(&app, alice.handle(), PASSWORD).await, "too_many_attempts"));
    alice.change_password(PASSWORD, NEW).await.unwrap();
    let code = alice.recovery_code().unwrap();
    assert!(Client::recover(&app.url, alice.handle(), code, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_new_recovery_code_takes_the_place_of_the_old_one() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let elsewhere = log_in(&app, alice.handle(), PASSWORD).await.unwrap();
    let old = alice.recovery_code().unwrap();
    assert_eq!(check(&alice, old).await, (204, String::new()));
    assert!(is_refused(alice.replace_recovery_code("not the password").await, "wrong_credentials"));
    let new = alice.replace_recovery_code(PASSWORD).await.unwrap();
    assert_eq!(check(&alice, old).await, refused(401, "wrong_recovery_code"));
    assert_eq!(check(&alice, &new).await.0, 204);
    assert!(is_signed_in(&elsewhere).await);
    assert!(is_refused(Client::recover(&app.url, alice.handle(), old, NEW).await, "wrong_recovery_code"));
    assert!(Client::recover(&app.url, alice.handle(), &new, NEW).await.is_ok());
}

async fn check(client: &Client, code: &RecoveryCode) -> (u16, String) {
    let proof = Bytes(code.proof(client.handle()).to_vec());
    raw_refusal(client.raw("POST", "/recovery/check", Some(&json!({"proof": proof}))).await.unwrap())
}

#[tokio::test]
async fn what_is_not_whole_replaces_nothing() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let slot = |kind: &str, bytes: usize| {
        let sealed = Bytes(vec![1; bytes]);
        json!({"id": alice.id(), "kind": kind, "box": sealed})
    };
    let record = Bytes(vec![0; 10]);
    let short = Bytes(vec![0; 3]);
    let finish = |what: Value| {
        let mut body = json!({"login": alice.id(), "finalization": short});
        body.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
        body
    };
    for (what, code) in [
        (json!({"password": {"record": record, "slot": slot("password", 73)}}), "bad_opaque"),
        (json!({"password": {"record": record, "slot": slot("recovery", 73)}}), "bad_key_material"),
        (json!({"password": {"record": record, "slot": slot("password", 72)}}), "bad_key_material"),
        (json!({"recovery": {"verifier": short, "slot": slot("recovery", 73)}}), "bad_key_material"),
        (json!({}), "wrong_credentials"),
    ] {
        let (status, problem) = alice.raw("POST", "/credentials/finish", Some(&finish(what))).await.unwrap();
        assert_eq!((status >= 400, problem["code"].as_str().unwrap()), (true, code));
    }
    assert!(log_in(&app, alice.handle(), PASSWORD).await.is_ok());
}

#[tokio::test]
async fn guesses_at_a_code_are_limited_like_guesses_at_a_password() {
    let app = TestApp::start_with(|config| config.attempts_per_handle = 3).await;
    let (alice, bob) = (app.person("Alice").await, app.person("Bob").await);
    let wrong = bob.recovery_code().unwrap();
    for _ in 0..3 {
        let refused = Client::recover(&app.url, alice.handle(), wrong, NEW).await;
        assert!(is_refused(refused, "wrong_recovery_code"));
    }
    let limited = Client::recover(&app.url, alice.handle(), alice.recovery_code().unwrap(), NEW).await;
    assert!(is_refused(limited, "too_many_attempts"));
    app.clock.advance(MINUTE);
    assert!(Client::recover(&app.url, alice.handle(), alice.recovery_code().unwrap(), NEW).await.is_ok());
}

#[tokio::test]
async fn one_sees_ones_sessions_and_can_end_each() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let bob = app.person("Bob").await;
    app.clock.advance(2 * HOUR);
    let mut told = alice.events().await.unwrap();
    let elsewhere = log_in(&app, alice.handle(), PASSWORD).await.unwrap();
    let Event::SessionBegun { session } = told.next().await.unwrap() else { panic!("a log-in is told") };
    assert_eq!((session.id, &*session.address), (elsewhere.session(), "127.0.0.1"));

    let (_, listed) = alice.raw("GET", "/sessions", None).await.unwrap();
    let listed = listed["sessions"].as_array().unwrap();
    assert_eq!(listed.len(), 2, "{listed:?}");
    let of = |client: &Client| {
        let id = client.session().to_string();
        listed.iter().find(|session| session["id"] == id).unwrap()
    };
    assert_eq!((&of(&alice)["current"], &of(&elsewhere)["current"]), (&json!(true), &json!(false)));
    assert_eq!(of(&elsewhere)["address"], "127.0.0.1");

    let path = |client: &Client| format!("/sessions/{}", client.session());
    let others = bob.raw("DELETE", &path(&elsewhere), None).await.unwrap();
    assert_eq!(raw_refusal(others), refused(404, "not_found"));
    let mut socket = elsewhere.events().await.unwrap();
    assert_eq!(alice.raw("DELETE", &path(&elsewhere), None).await.unwrap().0, 204);
    assert!(matches!(socket.next().await, Err(Error::Closed { code: 4401, .. })));
    assert!(!is_signed_in(&elsewhere).await);

    let (third, fourth) = (
        log_in(&app, alice.handle(), PASSWORD).await.unwrap(),
        log_in(&app, alice.handle(), PASSWORD).await.unwrap(),
    );
    let (status, me) = alice.raw("DELETE", "/sessions", None).await.unwrap();
    assert_eq!(status, 200);
    assert!(me["secured_at"].as_i64().unwrap() > 0);
    assert!(!is_signed_in(&third).await && !is_signed_in(&fourth).await);
    assert!(is_signed_in(&alice).await && is_signed_in(&bob).await);
}
