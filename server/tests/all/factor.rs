//! The second factor: what a log-in needs beside the password, and who may turn it on and off.

use client::wire::Bytes;
use client::{Client, Error, Event, PendingLogin, WayIn};
use e2ee::RecoveryCode;
use entrenous::clock::{Clock, HOUR, MINUTE, SECOND};
use entrenous::schema::tables::{backup_codes, pending_logins, second_factors};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};
use totp_rs::Builder;

use crate::support::{PASSWORD, TestApp, raw_refusal, refused};

const NEW: &str = "another horse, another battery";
const SECRET: [u8; 20] = *b"twenty bytes of test";
const STEP: i64 = 30 * SECOND;

/// What the app on the phone shows, so many steps from now.
fn code(clock: &Clock, steps: i64) -> String {
    let seconds = (clock.now() + steps * STEP) / SECOND;
    Builder::new().with_secret(SECRET).build().unwrap().generate(seconds as u64).to_string()
}

/// To the beginning of a step: no test is to run into the next one.
fn settle(clock: &Clock) {
    clock.advance(STEP - clock.now() % STEP);
}

/// Somebody with a second factor, and their backup codes. The next code is still unused.
pub async fn secured(app: &TestApp) -> (Client, Vec<String>) {
    let alice = app.person("Alice").await;
    let codes = alice.turn_on_second_factor(PASSWORD, &SECRET, &code(&app.clock, 0)).await.unwrap();
    app.clock.advance(STEP);
    settle(&app.clock);
    (alice, codes)
}

async fn begin(app: &TestApp, of: &Client) -> PendingLogin {
    match Client::prove_password(&app.url, of.handle(), PASSWORD).await.unwrap() {
        WayIn::Code(pending) => pending,
        WayIn::Open(_) => panic!("the password alone has opened a session"),
    }
}

fn is_refused<T>(result: Result<T, Error>, code: &str) -> bool {
    result.is_err_and(|error| error.code() == Some(code))
}

async fn sessions(of: &Client) -> Value {
    of.raw("GET", "/sessions", None).await.unwrap().1
}

fn count(sessions: &Value) -> usize {
    sessions["sessions"].as_array().unwrap().len()
}

#[tokio::test]
async fn without_the_code_there_is_no_session_and_nothing_to_open() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    assert!(Client::log_in(&app.url, alice.handle(), PASSWORD).await.is_ok());
    alice.turn_on_second_factor(PASSWORD, &SECRET, &code(&app.clock, 0)).await.unwrap();
    app.clock.advance(STEP);
    let mut told = alice.events().await.unwrap();

    // Seen with one's own eyes: the whole answer to a good password.
    let login = e2ee::Login::start(PASSWORD).unwrap();
    let request = Bytes(login.request().to_vec());
    let start = json!({"handle": alice.handle(), "request": request});
    let (_, started) = alice.raw("POST", "/login/start", Some(&start)).await.unwrap();
    let response: Bytes = serde_json::from_value(started["response"].clone()).unwrap();
    let finalization = Bytes(login.finish(alice.handle(), &response.0).unwrap().finalization);
    let finish = json!({"login": started["login"], "finalization": finalization});
    let answer = app.request(reqwest::Method::POST, "/api/login/finish").json(&finish).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    assert!(answer.headers().get("set-cookie").is_none());
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["app", "login", "passkey"], "{body}");
    let before = count(&sessions(&alice).await);

    let pending = begin(&app, &alice).await;
    let back = pending.answer(&code(&app.clock, 0)).await.unwrap();
    assert_eq!(back.id(), alice.id());
    assert_eq!(count(&sessions(&alice).await), before + 1);
    // The first that the others hear is of the session, not of what came before it.
    let Event::SessionBegun { session } = told.next().await.unwrap() else { panic!("a log-in is told") };
    assert_eq!(session.id, back.session());
}

#[tokio::test]
async fn a_wrong_code_lets_nobody_in_and_the_log_in_waits_on() {
    let app = TestApp::start().await;
    let (alice, _) = secured(&app).await;
    let pending = begin(&app, &alice).await;
    let right = code(&app.clock, 0);
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for typed in [wrong, "", "12345", "an answer", "0000-0000-0000-0000"] {
        assert!(is_refused(pending.answer(typed).await, "wrong_second_factor"), "{typed}");
    }
    assert_eq!(count(&sessions(&alice).await), 1);
    let spaced = format!(" {} {} ", &right[..3], &right[3..]);
    assert!(pending.answer(&spaced).await.is_ok());
}

#[tokio::test]
async fn a_code_is_good_once_and_so_is_a_log_in() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    settle(&app.clock);
    let first = code(&app.clock, 0);
    alice.turn_on_second_factor(PASSWORD, &SECRET, &first).await.unwrap();
    // What has turned it on lets nobody in.
    assert!(is_refused(begin(&app, &alice).await.answer(&first).await, "wrong_second_factor"));
    app.clock.advance(STEP);
    let (one, other) = (begin(&app, &alice).await, begin(&app, &alice).await);
    let next = code(&app.clock, 0);
    assert!(one.answer(&next).await.is_ok());
    assert!(is_refused(other.answer(&next).await, "wrong_second_factor"));
    // Nor is one from before it, though its time has not passed.
    assert!(is_refused(other.answer(&first).await, "wrong_second_factor"));
    app.clock.advance(STEP);
    assert!(is_refused(one.answer(&code(&app.clock, 0)).await, "login_expired"));
    assert!(other.answer(&code(&app.clock, 0)).await.is_ok());
}

#[tokio::test]
async fn of_two_who_name_one_code_at_once_one_comes_in() {
    let app = TestApp::start().await;
    let (alice, codes) = secured(&app).await;
    for named in [code(&app.clock, 0), codes[0].clone()] {
        let (one, other) = (begin(&app, &alice).await, begin(&app, &alice).await);
        let (one, other) = tokio::join!(one.answer(&named), other.answer(&named));
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        assert!(is_refused(one, "wrong_second_factor") || is_refused(other, "wrong_second_factor"));
    }
}

#[tokio::test]
async fn a_phone_may_be_one_step_behind_or_ahead() {
    let app = TestApp::start().await;
    let (alice, _) = secured(&app).await;
    app.clock.advance(4 * STEP);
    for (steps, good) in [(-2, false), (2, false), (-1, true), (1, true)] {
        let pending = begin(&app, &alice).await;
        assert_eq!(pending.answer(&code(&app.clock, steps)).await.is_ok(), good, "{steps}");
    }
}

#[tokio::test]
async fn each_backup_code_lets_one_in_once() {
    let app = TestApp::start().await;
    let (alice, codes) = secured(&app).await;
    assert_eq!(codes.len(), 10);
    let mut typed = codes.iter().map(|code| code.to_lowercase().replace('-', " "));
    let (first, second) = (typed.next().unwrap(), typed.next().unwrap());
    assert!(begin(&app, &alice).await.answer(&first).await.is_ok());
    let pending = begin(&app, &alice).await;
    assert!(is_refused(pending.answer(&first).await, "wrong_second_factor"));
    assert_eq!(sessions(&alice).await["second_factor"]["backup_codes"], 9);
    // New ones take the place of those that were left.
    assert!(is_refused(alice.replace_backup_codes("not the password").await, "wrong_credentials"));
    let new = alice.replace_backup_codes(PASSWORD).await.unwrap();
    assert!(is_refused(pending.answer(&second).await, "wrong_second_factor"));
    assert!(pending.answer(&new[0]).await.is_ok());
    // They are nobody else's.
    let bob = app.person("Bob").await;
    bob.turn_on_second_factor(PASSWORD, &SECRET, &code(&app.clock, 0)).await.unwrap();
    assert!(is_refused(begin(&app, &bob).await.answer(&new[1]).await, "wrong_second_factor"));
    assert!(begin(&app, &alice).await.answer(&new[1]).await.is_ok());
}

#[tokio::test]
async fn guesses_are_limited_by_account_and_leave_the_owner_the_backup_codes() {
    let app = TestApp::start().await;
    let (alice, codes) = secured(&app).await;
    let (bob, _) = secured(&app).await;
    let pending = begin(&app, &alice).await;
    for guess in 0..10 {
        let typed = format!("{:06}", guess);
        assert!(is_refused(pending.answer(&typed).await, "wrong_second_factor"), "{guess}");
    }
    // Also in another log-in, and whatever is named.
    let other = begin(&app, &alice).await;
    assert!(is_refused(other.answer(&code(&app.clock, 0)).await, "too_many_attempts"));
    app.clock.advance(MINUTE);
    assert!(is_refused(other.answer(&code(&app.clock, 0)).await, "too_many_attempts"));
    assert!(begin(&app, &bob).await.answer(&code(&app.clock, 0)).await.is_ok());
    assert!(other.answer(&codes[0]).await.is_ok());
    app.clock.advance(HOUR);
    assert!(begin(&app, &alice).await.answer(&code(&app.clock, 0)).await.is_ok());
}

#[tokio::test]
async fn guesses_at_backup_codes_are_limited_too() {
    let app = TestApp::start_with(|config| config.attempts_per_handle = 3).await;
    let (alice, codes) = secured(&app).await;
    let pending = begin(&app, &alice).await;
    for _ in 0..3 {
        assert!(is_refused(pending.answer("0000-0000-0000-0000").await, "wrong_second_factor"));
    }
    assert!(is_refused(pending.answer(&codes[0]).await, "too_many_attempts"));
    assert!(pending.answer(&code(&app.clock, 0)).await.is_ok());
}

#[tokio::test]
async fn a_log_in_waits_five_minutes_for_its_code() {
    let app = TestApp::start().await;
    let (alice, _) = secured(&app).await;
    let (soon, late) = (begin(&app, &alice).await, begin(&app, &alice).await);
    app.clock.advance(5 * MINUTE - 10 * SECOND);
    assert!(soon.answer(&code(&app.clock, 0)).await.is_ok());
    app.clock.advance(STEP);
    assert!(is_refused(late.answer(&code(&app.clock, 0)).await, "login_expired"));
    let waiting = async || pending_logins::Entity::find().count(app.app.db.read()).await.unwrap();
    assert_eq!(waiting().await, 1);
    entrenous::factor::tidy(&app.app).await.unwrap();
    assert_eq!(waiting().await, 0);
    assert!(begin(&app, &alice).await.answer(&code(&app.clock, 0)).await.is_ok());
}

#[tokio::test]
async fn a_log_in_that_waits_does_not_outlive_the_password() {
    let app = TestApp::start().await;
    let (alice, codes) = secured(&app).await;
    let (good, void) = (begin(&app, &alice).await, begin(&app, &alice).await);
    assert!(good.answer(&codes[0]).await.is_ok());
    // A session that stands needs no code for it.
    alice.change_password(PASSWORD, NEW).await.unwrap();
    for named in [&code(&app.clock, 0), &codes[1]] {
        assert!(is_refused(void.answer(named).await, "wrong_credentials"));
    }
    // And the factor is still there.
    assert!(matches!(Client::log_in(&app.url, alice.handle(), NEW).await, Err(Error::CodeWanted)));
}

#[tokio::test]
async fn it_is_turned_on_and_off_by_whoever_knows_the_password_and_the_others_are_told() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let elsewhere = Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    let mut told = elsewhere.events().await.unwrap();
    settle(&app.clock);
    let now = code(&app.clock, 0);
    let wrong = if now == "000000" { "000001" } else { "000000" };
    let on =
        async |password, secret: &[u8], code: &str| alice.turn_on_second_factor(password, secret, code).await;
    assert!(is_refused(on("not the password", &SECRET, &now).await, "wrong_credentials"));
    assert!(is_refused(on(PASSWORD, &SECRET, wrong).await, "wrong_second_factor"));
    assert!(is_refused(on(PASSWORD, &SECRET[..10], &now).await, "bad_key_material"));
    assert!(is_refused(alice.replace_backup_codes(PASSWORD).await, "not_found"));
    let state = sessions(&alice).await["second_factor"].clone();
    assert_eq!(state, json!({"on": false, "app": false, "changed_at": 0, "backup_codes": 0}));

    on(PASSWORD, &SECRET, &now).await.unwrap();
    assert_eq!(told.next().await.unwrap(), Event::SecondFactor { on: true });
    let state = sessions(&elsewhere).await["second_factor"].clone();
    assert_eq!((&state["on"], &state["backup_codes"]), (&json!(true), &json!(10)));
    assert!(state["changed_at"].as_i64().unwrap() > 0);
    // Nobody who was in is sent out.
    assert_eq!(count(&sessions(&alice).await), 2);

    let pending = begin(&app, &alice).await;
    assert!(is_refused(alice.turn_off_second_factor("not the password").await, "wrong_credentials"));
    elsewhere.turn_off_second_factor(PASSWORD).await.unwrap();
    assert_eq!(told.next().await.unwrap(), Event::SecondFactor { on: false });
    assert!(is_refused(pending.answer(&code(&app.clock, 1)).await, "login_expired"));
    let left = backup_codes::Column::Account.eq(alice.id());
    assert_eq!(backup_codes::Entity::find().filter(left).count(app.app.db.read()).await.unwrap(), 0);
    assert!(Client::log_in(&app.url, alice.handle(), PASSWORD).await.is_ok());
    // Turned off twice is turned off once.
    let at = sessions(&alice).await["second_factor"]["changed_at"].clone();
    app.clock.advance(MINUTE);
    alice.turn_off_second_factor(PASSWORD).await.unwrap();
    assert_eq!(sessions(&alice).await["second_factor"]["changed_at"], at);
}

#[tokio::test]
async fn another_phone_takes_the_place_of_the_first_one() {
    let app = TestApp::start().await;
    let (alice, old) = secured(&app).await;
    let other = *b"another twenty bytes";
    let of_other = || {
        let seconds = (app.clock.now() / SECOND) as u64;
        Builder::new().with_secret(other).build().unwrap().generate(seconds).to_string()
    };
    let new = alice.turn_on_second_factor(PASSWORD, &other, &of_other()).await.unwrap();
    app.clock.advance(STEP);
    let pending = begin(&app, &alice).await;
    assert!(is_refused(pending.answer(&code(&app.clock, 0)).await, "wrong_second_factor"));
    assert!(is_refused(pending.answer(&old[0]).await, "wrong_second_factor"));
    assert!(pending.answer(&of_other()).await.is_ok());
    assert!(begin(&app, &alice).await.answer(&new[0]).await.is_ok());
}

#[tokio::test]
async fn a_recovery_turns_it_off_and_says_so_before() {
    let app = TestApp::start().await;
    let (alice, codes) = secured(&app).await;
    let pending = begin(&app, &alice).await;
    let recovery: &RecoveryCode = alice.recovery_code().unwrap();
    let registration = e2ee::Registration::start(NEW).unwrap();
    let start = json!({
        "handle": alice.handle(),
        "proof": Bytes(recovery.proof(alice.handle()).to_vec()),
        "request": Bytes(registration.request().to_vec()),
    });
    let says =
        async || alice.raw("POST", "/recovery/start", Some(&start)).await.unwrap().1["second_factor"].clone();
    assert_eq!(says().await, true);
    // What was only begun changes nothing.
    assert!(matches!(Client::log_in(&app.url, alice.handle(), PASSWORD).await, Err(Error::CodeWanted)));

    let back = Client::recover(&app.url, alice.handle(), recovery, NEW).await.unwrap();
    assert!(is_refused(pending.answer(&codes[0]).await, "wrong_credentials"));
    let listed = sessions(&back).await;
    assert_eq!(listed["second_factor"]["on"], false);
    // Its owner is told of what happened since their session began.
    let began = listed["sessions"][0]["created_at"].as_i64().unwrap();
    assert!(listed["second_factor"]["changed_at"].as_i64().unwrap() >= began, "{listed}");
    assert!(Client::log_in(&app.url, alice.handle(), NEW).await.is_ok());
}

#[tokio::test]
async fn nobody_learns_of_it_before_the_password_is_proven() {
    let app = TestApp::start().await;
    let (alice, _) = secured(&app).await;
    let bob = app.person("Bob").await;
    for handle in [alice.handle(), bob.handle(), "nobody"] {
        let refusal = Client::prove_password(&app.url, handle, "a guess at it").await;
        assert!(is_refused(refusal, "wrong_credentials"), "{handle}");
    }
    // A log-in that never was looks like one that is over.
    let named = json!({"login": uuid::Uuid::new_v4(), "code": code(&app.clock, 0)});
    assert_eq!(app.post("/api/login/code", &named).await, refused(409, "login_expired"));
    // Nor does a log-in whose password is not proven yet stand for one.
    let login = e2ee::Login::start(PASSWORD).unwrap();
    let request = Bytes(login.request().to_vec());
    let start = json!({"handle": alice.handle(), "request": request});
    let (_, started) = alice.raw("POST", "/login/start", Some(&start)).await.unwrap();
    let named = json!({"login": started["login"], "code": code(&app.clock, 0)});
    assert_eq!(app.post("/api/login/code", &named).await, refused(409, "login_expired"));
    // Others see nothing of it.
    let (_, seen) = bob.raw("GET", &format!("/people/{}", alice.id()), None).await.unwrap();
    assert_eq!(seen["handle"], alice.handle());
    assert!(!seen.to_string().contains("factor"), "{seen}");
}

#[tokio::test]
async fn what_is_stored_of_it_opens_nothing_without_the_servers_key() {
    let app = TestApp::start().await;
    let (alice, codes) = secured(&app).await;
    let row = second_factors::Entity::find_by_id(alice.id()).one(app.app.db.read()).await.unwrap().unwrap();
    let sealed = row.secret.unwrap();
    assert!(!sealed.windows(4).any(|bytes| SECRET.windows(4).any(|secret| secret == bytes)));
    let hashes = backup_codes::Entity::find().all(app.app.db.read()).await.unwrap();
    assert_eq!(hashes.len(), 10);
    for code in codes {
        let plain = code.replace('-', "");
        assert!(!hashes.iter().any(|row| row.hash.windows(16).any(|bytes| bytes == plain.as_bytes())));
    }
    // Copied into another account's row it lets nobody in there.
    let (bob, _) = secured(&app).await;
    let copied = second_factors::ActiveModel {
        account: sea_orm::Set(bob.id()),
        secret: sea_orm::Set(Some(sealed)),
        ..Default::default()
    };
    let copy = second_factors::Entity::update(copied);
    app.app.db.write(async |tx| Ok(copy.clone().exec(tx).await?)).await.unwrap();
    let refusal = begin(&app, &bob).await.answer(&code(&app.clock, 0)).await;
    assert!(is_refused(refusal, "internal"));
}

#[tokio::test]
async fn it_is_still_there_after_a_restart() {
    let mut app = TestApp::start().await;
    let (alice, codes) = secured(&app).await;
    let pending = begin(&app, &alice).await;
    app.stop().await;
    app.start_again().await;
    assert!(pending.answer(&code(&app.clock, 0)).await.is_ok());
    assert!(begin(&app, &alice).await.answer(&codes[0]).await.is_ok());
}

#[tokio::test]
async fn without_a_session_nobody_turns_it_off() {
    let app = TestApp::start().await;
    let (alice, _) = secured(&app).await;
    let bob = app.person("Bob").await;
    let body = json!({"login": alice.id(), "finalization": ""});
    for path in ["/api/second-factor/off", "/api/second-factor/backup-codes"] {
        assert_eq!(app.post(path, &body).await, refused(401, "signed_out"));
    }
    // With somebody else's proof neither.
    let login = e2ee::Login::start(PASSWORD).unwrap();
    let start = json!({"request": Bytes(login.request().to_vec())});
    let (_, started) = bob.raw("POST", "/credentials/start", Some(&start)).await.unwrap();
    let response: Bytes = serde_json::from_value(started["response"].clone()).unwrap();
    let finalization = Bytes(login.finish(bob.handle(), &response.0).unwrap().finalization);
    let off = json!({"login": started["login"], "finalization": finalization});
    let refusal = raw_refusal(alice.raw("POST", "/second-factor/off", Some(&off)).await.unwrap());
    assert_eq!(refusal, refused(401, "wrong_credentials"));
    assert_eq!(sessions(&alice).await["second_factor"]["on"], true);
}
