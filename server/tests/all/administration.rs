//! What administrators decide, whom they let in, and the journal of it.

use client::{Client, SignUp};
use entrenous::accounts::Role;
use entrenous::administration;
use entrenous::audit::Actor;
use entrenous::clock::{DAY, HOUR};
use entrenous::error::{Code, Error};
use entrenous::sessions::CurrentAccount;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::factor::secured;
use crate::support::{PASSWORD, Refusal, TestApp, raw_refusal, refused};

async fn ask(by: &Client, method: &str, path: &str, body: Option<Value>) -> Value {
    let (status, answer) = by.raw(method, &format!("/administration{path}"), body.as_ref()).await.unwrap();
    assert!(status < 300, "{method} {path}: {status} {answer}");
    answer
}

async fn refusal(by: &Client, method: &str, path: &str, body: Option<Value>) -> Refusal {
    raw_refusal(by.raw(method, &format!("/administration{path}"), body.as_ref()).await.unwrap())
}

/// The first account administers.
async fn admin_and_alice() -> (TestApp, Client, Client) {
    let app = TestApp::start().await;
    let admin = app.person("Admin").await;
    let alice = app.person("Alice").await;
    (app, admin, alice)
}

async fn decide(admin: &Client, change: Value) {
    let mut organisation = ask(admin, "GET", "/organisation", None).await;
    for (name, value) in change.as_object().unwrap() {
        organisation[name] = value.clone();
    }
    ask(admin, "PUT", "/organisation", Some(organisation)).await;
}

async fn join(app: &TestApp, handle: &str, invitation: Option<&str>) -> Result<Client, client::Error> {
    let sign_up = SignUp { invitation, ..SignUp::default() };
    Client::register_with(&app.url, handle, handle, PASSWORD, sign_up).await
}

async fn invite(admin: &Client, uses: i64, days: i64) -> Value {
    let body = json!({"notes": ["For the choir"], "uses": uses, "days": days});
    ask(admin, "POST", "/invitations", Some(body)).await["invitations"][0].clone()
}

async fn journal(by: &Client) -> Vec<(String, Value)> {
    let entries = ask(by, "GET", "/audit", None).await;
    let entries = entries["entries"].as_array().unwrap().clone();
    entries.into_iter().map(|entry| (entry["act"].as_str().unwrap().to_owned(), entry)).collect()
}

async fn code_of(refused: Result<Client, client::Error>) -> String {
    refused.expect_err("refused").code().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn only_administrators_administer() {
    let (app, admin, alice) = admin_and_alice().await;
    let of_alice = |what: &str| format!("/people/{}/{what}", alice.id());
    let (role, suspension, sessions) = (of_alice("role"), of_alice("suspension"), of_alice("sessions"));
    let routes = [
        ("GET", "/people", None),
        ("GET", "/audit", None),
        ("GET", "/organisation", None),
        ("PUT", "/organisation", Some(json!({}))),
        ("GET", "/invitations", None),
        ("POST", "/invitations", Some(json!({"notes": [""], "uses": 1, "days": 1}))),
        ("PUT", &role, Some(json!({"role": "administrator"}))),
        ("PUT", &suspension, None),
        ("DELETE", &suspension, None),
        ("DELETE", &sessions, None),
    ];
    for (method, path, body) in routes {
        assert_eq!(
            refusal(&alice, method, path, body.clone()).await,
            refused(403, "not_administrator"),
            "{method} {path}"
        );
        let anybody = app.request(method.parse().unwrap(), &format!("/api/administration{path}"));
        assert_eq!(anybody.json(&body).send().await.unwrap().status(), 401, "{method} {path}");
    }
    assert!(journal(&admin).await.is_empty(), "nothing was done");
}

#[tokio::test]
async fn who_is_suspended_is_out_at_once_and_stays_out_until_let_back_in() {
    let (app, admin, alice) = admin_and_alice().await;
    let mut live = alice.events().await.unwrap();
    let suspension = format!("/people/{}/suspension", alice.id());
    ask(&admin, "PUT", &suspension, None).await;
    while live.next().await.is_ok() {}
    assert_eq!(raw_refusal(alice.raw("GET", "/session", None).await.unwrap()), refused(401, "signed_out"));
    let wrong = Client::log_in(&app.url, alice.handle(), "not her password").await;
    assert_eq!(code_of(wrong).await, "wrong_credentials", "only she is told why");
    let again = Client::log_in(&app.url, alice.handle(), PASSWORD).await;
    assert_eq!(code_of(again).await, "suspended");
    let found = async || {
        let path = format!("/people?q={}", alice.handle());
        admin.raw("GET", &path, None).await.unwrap().1["people"].as_array().unwrap().len()
    };
    assert_eq!(found().await, 0, "nobody begins a conversation with who cannot answer");

    ask(&admin, "DELETE", &suspension, None).await;
    assert_eq!(found().await, 1);
    Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    let acts: Vec<String> = journal(&admin).await.into_iter().map(|(act, _)| act).collect();
    assert_eq!(acts, ["resumed", "suspended"]);
}

#[tokio::test]
async fn what_is_written_to_somebody_suspended_waits_for_them() {
    let app = TestApp::start().await;
    let admin = app.person("Admin").await;
    let (alice, bob, conversation) = app.pair().await;
    bob.send(conversation, "first").await.unwrap();
    let suspension = format!("/people/{}/suspension", alice.id());
    ask(&admin, "PUT", &suspension, None).await;
    bob.send(conversation, "are you there?").await.unwrap();
    ask(&admin, "DELETE", &suspension, None).await;
    let alice = Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    let history = alice.history(conversation, None, 10).await.unwrap();
    let texts: Vec<&str> = history.iter().filter_map(|message| message.text()).collect();
    assert_eq!(texts, ["first", "are you there?"]);
}

#[tokio::test]
async fn ended_sessions_are_gone_and_the_password_opens_new_ones() {
    let (app, admin, alice) = admin_and_alice().await;
    ask(&admin, "DELETE", &format!("/people/{}/sessions", alice.id()), None).await;
    assert_eq!(raw_refusal(alice.raw("GET", "/session", None).await.unwrap()), refused(401, "signed_out"));
    let again = Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    let me = again.raw("GET", "/session", None).await.unwrap().1["me"].clone();
    assert!(me["secured_at"].as_i64().unwrap() > 0, "she writes under new keys");
}

#[tokio::test]
async fn there_is_always_an_administrator_who_can_act() {
    let (_app, admin, alice) = admin_and_alice().await;
    let role = |who: &Client| format!("/people/{}/role", who.id());
    let suspension = format!("/people/{}/suspension", admin.id());
    let person = || Some(json!({"role": "person"}));
    assert_eq!(refusal(&admin, "PUT", &role(&admin), person()).await, refused(409, "last_administrator"));
    assert_eq!(refusal(&admin, "PUT", &suspension, None).await, refused(409, "last_administrator"));

    ask(&admin, "PUT", &role(&alice), Some(json!({"role": "administrator"}))).await;
    ask(&admin, "PUT", &format!("/people/{}/suspension", alice.id()), None).await;
    // One who is kept out cannot act.
    assert_eq!(refusal(&admin, "PUT", &role(&admin), person()).await, refused(409, "last_administrator"));
    ask(&admin, "DELETE", &format!("/people/{}/suspension", alice.id()), None).await;
    ask(&admin, "PUT", &role(&admin), person()).await;
    assert_eq!(refusal(&admin, "GET", "/people", None).await, refused(403, "not_administrator"), "at once");
}

#[tokio::test]
async fn whoever_may_no_longer_does_not_end_what_they_began() {
    let (app, admin, alice) = admin_and_alice().await;
    let role = |who: &Client| format!("/people/{}/role", who.id());
    ask(&admin, "PUT", &role(&alice), Some(json!({"role": "administrator"}))).await;
    // As it stands while the rest of the request is still on its way.
    let begun = async |by: &Client| {
        let session = by.raw("GET", "/session", None).await.unwrap().1["session"].clone();
        let session = serde_json::from_value(session).unwrap();
        Actor::Administrator(CurrentAccount { account: by.id(), session, expires_at: i64::MAX })
    };
    let (by_alice, by_admin) = (begun(&alice).await, begun(&admin).await);
    ask(&admin, "PUT", &role(&alice), Some(json!({"role": "person"}))).await;
    let before = journal(&admin).await.len();
    let refused = administration::give_role(&app.app, by_alice, alice.id(), Role::Administrator).await;
    assert_eq!(refused.unwrap_err().to_string(), Error::from(Code::NotAdministrator).to_string());
    assert_eq!(journal(&admin).await.len(), before);
    // Nor does a session that was ended.
    ask(&admin, "DELETE", &format!("/people/{}/sessions", admin.id()), None).await;
    let refused = administration::keep_out(&app.app, by_admin, alice.id()).await;
    assert_eq!(refused.unwrap_err().to_string(), Error::from(Code::SignedOut).to_string());
    assert!(Client::log_in(&app.url, alice.handle(), PASSWORD).await.is_ok());
}

#[tokio::test]
async fn the_list_of_people_says_who_is_there() {
    let (app, admin, alice) = admin_and_alice().await;
    let bob = Client::register(&app.url, "bob.e", "Bob Élan", PASSWORD).await.unwrap();
    let list = async |query: &str| {
        let list = ask(&admin, "GET", &format!("/people{query}"), None).await;
        let names = list["accounts"].as_array().unwrap().iter();
        names.map(|account| account["handle"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = [bob.handle(), alice.handle(), admin.handle()].map(str::to_owned);
    assert_eq!(list("").await, all);
    assert_eq!(list("?q=elan").await, [bob.handle()]);
    assert_eq!(list(&format!("?q=@{}", alice.handle())).await, [alice.handle()]);
    assert!(list("?q=nobody").await.is_empty());
    assert!(list("?q=%20%20").await.len() == 3);
    assert_eq!(list("?which=administrators").await, [admin.handle()]);
    ask(&admin, "PUT", &format!("/people/{}/suspension", bob.id()), None).await;
    assert_eq!(list("?which=suspended").await, [bob.handle()]);
    assert_eq!(list("?which=absent").await, [bob.handle()], "signed in nowhere");
    assert_eq!(list("?which=suspended&q=alice").await, [""; 0]);
    let page = list(&format!("?before={}", bob.id())).await;
    assert_eq!(page, all[1..]);

    let one = ask(&admin, "GET", &format!("/people?q={}", alice.handle()), None).await;
    let one = &one["accounts"][0];
    assert_eq!((&one["role"], &one["sessions"]), (&json!("person"), &json!(1)));
    assert_eq!(one["second_factor"], json!(false));
    assert!(one["suspended_at"].is_null() && one["seen_at"].is_i64());

    app.clock.advance(29 * DAY);
    admin.raw("GET", "/session", None).await.unwrap();
    app.clock.advance(DAY + HOUR);
    assert_eq!(list("?which=absent").await, [bob.handle(), alice.handle()]);

    let (carol, _) = secured(&app).await;
    let guarded = ask(&admin, "GET", &format!("/people?q={}", carol.handle()), None).await;
    assert_eq!(guarded["accounts"][0]["second_factor"], json!(true));
}

#[tokio::test]
async fn closed_means_that_nobody_signs_up() {
    let (app, admin, _) = admin_and_alice().await;
    assert_eq!(Client::config(&app.url).await.unwrap().sign_up, "open");
    decide(&admin, json!({"sign_up": "closed"})).await;
    assert_eq!(Client::config(&app.url).await.unwrap().sign_up, "closed");
    assert_eq!(code_of(join(&app, "carol", None).await).await, "sign_up_closed");
    let invitation = invite(&admin, 1, 1).await;
    let with = invitation["token"].as_str();
    assert_eq!(code_of(join(&app, "carol", with).await).await, "sign_up_closed");
    decide(&admin, json!({"sign_up": "open"})).await;
    join(&app, "carol", None).await.unwrap();
}

#[tokio::test]
async fn the_first_account_needs_no_invitation() {
    let app = TestApp::start().await;
    let by_the_machine = |decided| entrenous::organisation::Organisation {
        sign_up: entrenous::organisation::SignUp::Invited,
        ..decided
    };
    entrenous::organisation::change(&app.app, Actor::CommandLine, by_the_machine).await.unwrap();
    join(&app, "first", None).await.unwrap();
    assert_eq!(code_of(join(&app, "second", None).await).await, "invitation_needed");
}

#[tokio::test]
async fn an_invitation_lets_in_as_many_as_it_says_for_as_long_as_it_says() {
    let (app, admin, _) = admin_and_alice().await;
    decide(&admin, json!({"sign_up": "invited"})).await;
    assert_eq!(code_of(join(&app, "carol", None).await).await, "invitation_needed");
    assert_eq!(code_of(join(&app, "carol", Some("guessed")).await).await, "invitation_over");

    let twice = invite(&admin, 2, 7).await;
    let token = twice["token"].as_str();
    join(&app, "carol", token).await.unwrap();
    // A handle that is taken uses nothing up.
    assert_eq!(code_of(join(&app, "carol", token).await).await, "handle_taken");
    join(&app, "dave", token).await.unwrap();
    assert_eq!(code_of(join(&app, "erin", token).await).await, "invitation_over");

    let late = invite(&admin, 1, 7).await;
    app.clock.advance(7 * DAY - HOUR);
    admin.raw("GET", "/session", None).await.unwrap();
    app.clock.advance(HOUR);
    assert_eq!(code_of(join(&app, "erin", late["token"].as_str()).await).await, "invitation_over");

    let taken_back = invite(&admin, 1, 7).await;
    let id = taken_back["id"].as_str().unwrap();
    ask(&admin, "DELETE", &format!("/invitations/{id}"), None).await;
    assert_eq!(code_of(join(&app, "erin", taken_back["token"].as_str()).await).await, "invitation_over");

    let list = ask(&admin, "GET", "/invitations", None).await;
    let used: Vec<&Value> = list["invitations"].as_array().unwrap().iter().map(|one| &one["used"]).collect();
    assert_eq!(used, [&json!(0), &json!(0), &json!(2)]);
    assert!(!list.to_string().contains(token.unwrap()), "a token is shown once");
}

#[tokio::test]
async fn of_many_who_use_the_last_place_of_an_invitation_at_once_one_gets_it() {
    let (app, admin, _) = admin_and_alice().await;
    decide(&admin, json!({"sign_up": "invited"})).await;
    let invitation = invite(&admin, 1, 1).await;
    let token = invitation["token"].as_str();
    let (one, two, three) =
        tokio::join!(join(&app, "carol", token), join(&app, "dave", token), join(&app, "erin", token));
    let mut let_in = 0;
    for tried in [one, two, three] {
        match tried {
            Ok(_) => let_in += 1,
            refused => assert_eq!(code_of(refused).await, "invitation_over"),
        }
    }
    assert_eq!(let_in, 1);
    let list = ask(&admin, "GET", "/invitations", None).await;
    assert_eq!(list["invitations"][0]["used"], 1);
}

#[tokio::test]
async fn what_is_decided_badly_is_refused_and_changes_nothing() {
    let (_app, admin, _) = admin_and_alice().await;
    let long = |length: usize| "x".repeat(length);
    let bad = [
        json!({"name": long(41)}),
        json!({"name": "a\u{202e}b"}),
        json!({"accent": "red"}),
        json!({"welcome": long(2_001)}),
        json!({"welcome": "a\u{0}b"}),
    ];
    for decided in bad {
        let answer = refusal(&admin, "PUT", "/organisation", Some(decided.clone())).await;
        assert_eq!(answer, refused(422, "bad_organisation"), "{decided}");
    }
    for unknown in [json!({"sign_up": "maybe"}), json!({"colour": "#123456"})] {
        let answer = refusal(&admin, "PUT", "/organisation", Some(unknown.clone())).await;
        assert_eq!(answer, refused(400, "bad_request"), "{unknown}");
    }
    let invitations = [
        json!({"notes": [], "uses": 1, "days": 1}),
        json!({"notes": [long(201)], "uses": 1, "days": 1}),
        json!({"notes": [""], "uses": 0, "days": 1}),
        json!({"notes": [""], "uses": 10_001, "days": 1}),
        json!({"notes": [""], "uses": 1, "days": 366}),
        json!({"notes": vec![""; 501], "uses": 1, "days": 1}),
    ];
    for invitation in invitations {
        let answer = refusal(&admin, "POST", "/invitations", Some(invitation)).await;
        assert_eq!(answer, refused(422, "bad_invitation"));
    }
    assert!(journal(&admin).await.is_empty());
}

#[tokio::test]
async fn what_is_decided_shows_to_all_who_come_and_stands_in_the_journal() {
    let (app, admin, _) = admin_and_alice().await;
    decide(
        &admin,
        json!({"name": " Chorale ", "accent": "#8a2be2", "welcome": "Welcome.\nBe kind.", "language": "fr"}),
    )
    .await;
    let config: Value =
        app.request("GET".parse().unwrap(), "/api/config").send().await.unwrap().json().await.unwrap();
    assert_eq!(config["name"], "Chorale");
    assert_eq!(config["accent"], "#8a2be2");
    assert_eq!(config["welcome"], "Welcome.\nBe kind.");
    assert_eq!(config["language"], "fr");
    let (act, entry) = journal(&admin).await.remove(0);
    assert_eq!(act, "settings_changed");
    assert_eq!(entry["administrator"]["id"], json!(admin.id()));
    assert!(entry["detail"].as_str().unwrap().contains("Chorale"), "{entry}");
    decide(&admin, json!({})).await;
    assert_eq!(journal(&admin).await.len(), 1, "what changes nothing is no act");
}

#[tokio::test]
async fn everybody_can_read_what_was_done_to_their_own_account_and_to_no_other() {
    let (app, admin, alice) = admin_and_alice().await;
    let bob = app.person("Bob").await;
    administration::give_role(&app.app, Actor::CommandLine, alice.id(), Role::Administrator).await.unwrap();
    ask(&admin, "PUT", &format!("/people/{}/role", alice.id()), Some(json!({"role": "person"}))).await;
    ask(&admin, "DELETE", &format!("/people/{}/sessions", bob.id()), None).await;
    let (_, own) = alice.raw("GET", "/audit", None).await.unwrap();
    let own = own["entries"].as_array().unwrap();
    assert_eq!(own.len(), 2);
    assert_eq!((&own[0]["act"], &own[0]["administrator"]["id"]), (&json!("made_person"), &json!(admin.id())));
    assert_eq!((&own[1]["act"], &own[1]["by_command_line"]), (&json!("made_administrator"), &json!(true)));
    assert_eq!(journal(&admin).await.len(), 3);
}

#[tokio::test]
async fn the_whole_journal_can_be_taken_away_as_a_table() {
    let (app, admin, alice) = admin_and_alice().await;
    let path = format!("/people/{}/sessions", alice.id());
    for _ in 0..60 {
        ask(&admin, "DELETE", &path, None).await;
    }
    let export = |by: &Client| {
        app.request("GET".parse().unwrap(), "/api/administration/audit/export").bearer_auth(by.token()).send()
    };
    let answer = export(&admin).await.unwrap();
    assert!(answer.headers()["content-disposition"].to_str().unwrap().contains("journal-"));
    let table = answer.text().await.unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 61, "more than one page, and a head");
    assert!(lines[1].contains("sessions_ended") && lines[1].contains(alice.handle()), "{}", lines[1]);
    let alice = Client::log_in(&app.url, alice.handle(), PASSWORD).await.unwrap();
    assert_eq!(export(&alice).await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_logo_is_shown_to_all_who_come_until_it_is_replaced_or_taken_away() {
    let (app, admin, alice) = admin_and_alice().await;
    let picture = |side: u32| {
        let mut png = std::io::Cursor::new(Vec::new());
        image::RgbaImage::from_pixel(side, side / 2, image::Rgba([200, 0, 0, 90]))
            .write_to(&mut png, image::ImageFormat::Png)
            .unwrap();
        png.into_inner()
    };
    let give = async |by: &Client, bytes: Vec<u8>| {
        let put = app.request("PUT".parse().unwrap(), "/api/administration/organisation/logo");
        put.bearer_auth(by.token()).body(bytes).send().await.unwrap()
    };
    let shown = async || {
        let config = app.request("GET".parse().unwrap(), "/api/config").send().await.unwrap();
        config.json::<Value>().await.unwrap()["logo"].clone()
    };
    let logo = async |id: &Value| {
        let path = format!("/api/logo/{}", id.as_str().unwrap());
        app.request("GET".parse().unwrap(), &path).send().await.unwrap()
    };
    assert_eq!(shown().await, Value::Null);
    assert_eq!(give(&alice, picture(100)).await.status(), 403);
    assert_eq!(give(&admin, b"<svg onload=alert(1)>".to_vec()).await.status(), 422);
    assert_eq!(give(&admin, picture(1_000)).await.status(), 200);
    let first = shown().await;
    let answer = logo(&first).await;
    assert_eq!(answer.headers()["content-type"], "image/png");
    let stored = image::load_from_memory(&answer.bytes().await.unwrap()).unwrap().into_rgba8();
    assert_eq!((stored.width(), stored.height(), stored.get_pixel(3, 3)[3]), (256, 128, 90));

    assert_eq!(give(&admin, picture(64)).await.status(), 200);
    let second = shown().await;
    assert_ne!(first, second);
    assert_eq!(
        (logo(&first).await.status(), logo(&second).await.status()),
        (404.try_into().unwrap(), 200.try_into().unwrap())
    );
    // What is decided otherwise keeps it, and nobody names a picture that was never given.
    decide(&admin, json!({"name": "Chorale"})).await;
    assert_eq!(shown().await, second);
    decide(&admin, json!({"logo": Uuid::now_v7()})).await;
    assert_eq!(shown().await, second);
    decide(&admin, json!({"logo": null})).await;
    assert_eq!(shown().await, Value::Null);
    assert_eq!(logo(&second).await.status(), 404);
}
