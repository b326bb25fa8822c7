//! How satisfied people are: when they are asked, and what is known of their answers.

use client::Client;
use entrenous::clock::{DAY, HOUR};
use entrenous::schema::tables::{opinions, surveyed};
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::support::{Refusal, TestApp, raw_refusal, refused};

async fn is_asked(person: &Client) -> bool {
    let (status, asked) = person.raw("GET", "/survey", None).await.unwrap();
    assert_eq!(status, 200, "{asked}");
    asked["question"].is_object()
}

async fn answer(person: &Client, score: i64, comment: &str) -> Refusal {
    let body = json!({"score": score, "comment": comment});
    raw_refusal(person.raw("POST", "/survey/answer", Some(&body)).await.unwrap())
}

async fn put_off(person: &Client) -> Refusal {
    raw_refusal(person.raw("POST", "/survey/later", None).await.unwrap())
}

async fn set(admin: &Client, settings: Value) -> Refusal {
    raw_refusal(admin.raw("PUT", "/administration/survey", Some(&settings)).await.unwrap())
}

fn settings(after_days: i64, every_months: i64) -> Value {
    json!({"enabled": true, "after_days": after_days, "every_months": every_months, "question": {"en": "", "fr": ""}})
}

async fn ask_everyone(admin: &Client) {
    assert_eq!(admin.raw("POST", "/administration/survey/everyone", None).await.unwrap().0, 200);
}

async fn satisfaction(admin: &Client) -> Value {
    let (_, found) = admin.raw("GET", "/administration/indicators", None).await.unwrap();
    found["satisfaction"].clone()
}

/// Time passes, and they come by in between: who is away for thirty days is signed out.
async fn pass(app: &TestApp, people: &[&Client], days: i64) {
    for _ in 0..days / 10 {
        app.clock.advance(10 * DAY);
        for person in people {
            person.conversations().await.unwrap();
        }
    }
    app.clock.advance(days % 10 * DAY);
}

const GONE: &str = "not_found";

#[tokio::test]
async fn people_are_asked_two_weeks_after_they_came_and_then_every_three_months() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    assert!(!is_asked(&alice).await);
    pass(&app, &[&alice], 13).await;
    assert!(!is_asked(&alice).await);
    assert_eq!(
        answer(&alice, 5, "").await,
        refused(404, GONE),
        "whoever was not asked has nothing to answer"
    );
    app.clock.advance(DAY);
    assert!(is_asked(&alice).await);
    assert!(is_asked(&alice).await, "until it is answered");
    assert_eq!(answer(&alice, 5, "").await.0, 204);
    assert!(!is_asked(&alice).await);
    assert_eq!(answer(&alice, 1, "").await, refused(404, GONE), "and not twice");
    pass(&app, &[&alice], 91).await;
    assert!(!is_asked(&alice).await);
    app.clock.advance(DAY);
    assert!(is_asked(&alice).await);
    let rows = surveyed::Entity::find().all(app.app.db.read()).await.unwrap();
    assert_eq!(rows.iter().filter(|row| row.answered).count(), 1);
    assert_eq!(rows.len(), 2);
}

#[tokio::test]
async fn not_now_is_asked_again_after_a_week_and_twice_at_most() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    app.clock.advance(14 * DAY);
    for _ in 0..3 {
        assert!(is_asked(&alice).await);
        assert_eq!(put_off(&alice).await.0, 204);
        assert!(!is_asked(&alice).await);
        app.clock.advance(7 * DAY - HOUR);
        assert!(!is_asked(&alice).await);
        app.clock.advance(HOUR);
    }
    assert!(!is_asked(&alice).await, "the third time it was a no");
    assert_eq!(put_off(&alice).await, refused(404, GONE));
    pass(&app, &[&alice], 70).await;
    assert!(!is_asked(&alice).await);
    app.clock.advance(DAY);
    assert!(is_asked(&alice).await, "three months after the first time");
}

#[tokio::test]
async fn everyone_is_asked_at_once_but_those_who_were_asked_of_late() {
    let app = TestApp::start().await;
    let admin = app.person("Admin").await;
    let alice = app.person("Alice").await;
    pass(&app, &[&admin, &alice], 14).await;
    assert!(is_asked(&alice).await);
    answer(&alice, 4, "").await;
    let bob = app.person("Bob").await;
    assert!(!is_asked(&bob).await);
    ask_everyone(&admin).await;
    assert!(is_asked(&bob).await, "long before his two weeks are over");
    assert!(!is_asked(&alice).await);
    let carol = app.person("Carol").await;
    app.clock.advance(DAY);
    let dave = app.person("Dave").await;
    assert!(!is_asked(&dave).await, "who came later");
    assert_eq!(answer(&bob, 4, "").await.0, 204);
    pass(&app, &[&admin, &alice, &bob, &carol, &dave], 29).await;
    ask_everyone(&admin).await;
    assert!(is_asked(&alice).await, "30 days later");
    assert_eq!(answer(&alice, 4, "").await.0, 204);
    ask_everyone(&admin).await;
    assert!(!is_asked(&alice).await, "however often it is pressed");
}

#[tokio::test]
async fn an_answer_has_no_author() {
    let app = TestApp::start().await;
    let admin = app.person("Admin").await;
    let alice = app.person("Alice").await;
    ask_everyone(&admin).await;
    assert!(is_asked(&alice).await);
    assert_eq!(answer(&alice, 2, " Too\0slow. ").await.0, 204);
    let db = app.app.db.read();
    let opinions = opinions::Entity::find().all(db).await.unwrap();
    let [opinion] = &opinions[..] else { panic!("{opinions:?}") };
    assert_eq!((opinion.score, opinion.comment.as_str()), (2, "Too\u{FFFD}slow."));
    assert_eq!(opinion.id.get_version_num(), 4, "of an id in the order of time one could read when");
    let monday = (opinion.week * 7 + 4) * DAY;
    assert!((monday..monday + 7 * DAY).contains(&app.clock.now()));
    let asked = surveyed::Entity::find().all(db).await.unwrap();
    assert_eq!(asked.iter().map(|row| (row.account, row.answered)).collect::<Vec<_>>(), [(alice.id(), true)]);
}

#[tokio::test]
async fn answers_are_shown_from_five_on() {
    let app = TestApp::start().await;
    let admin = app.person("Admin").await;
    let mut people = Vec::new();
    for _ in 0..6 {
        people.push(app.person("Somebody").await);
    }
    ask_everyone(&admin).await;
    for person in &people {
        assert!(is_asked(person).await);
    }
    for (person, score) in people.iter().zip([5, 4, 4, 1]) {
        assert_eq!(answer(person, score, "=calm").await.0, 204);
    }
    let few = satisfaction(&admin).await;
    let latest = &few["periods"][0];
    assert_eq!(
        (&latest["asked"], &latest["answered"], &latest["answers"]),
        (&json!(6), &json!(4), &json!(4))
    );
    assert_eq!((&latest["scores"], &few["comments"]), (&Value::Null, &json!([])));
    assert_eq!(answer(&people[4], 3, "").await.0, 204);
    let enough = satisfaction(&admin).await;
    assert_eq!(enough["periods"][0]["scores"], json!([1, 0, 1, 2, 1]));
    assert_eq!(enough["comments"], json!(["=calm", "=calm", "=calm", "=calm"]));
    assert_eq!((&enough["target"], &enough["enough"]), (&json!(90), &json!(5)));
    let request = app.request(reqwest::Method::GET, "/api/administration/indicators/export/comments");
    let csv = request.bearer_auth(admin.token()).send().await.unwrap().text().await.unwrap();
    assert!(csv.contains("\"'=calm\"\r\n"), "{csv}");

    // Thirteen weeks later it is the period before, and the present one is empty.
    let all: Vec<_> = people.iter().chain([&admin]).collect();
    pass(&app, &all, 91).await;
    let later = satisfaction(&admin).await;
    assert_eq!(later["periods"][1]["scores"], json!([1, 0, 1, 2, 1]));
    assert_eq!((&later["periods"][0]["scores"], &later["comments"]), (&Value::Null, &json!([])));
}

#[tokio::test]
async fn what_is_answered_has_its_bounds() {
    let app = TestApp::start().await;
    let admin = app.person("Admin").await;
    ask_everyone(&admin).await;
    assert!(is_asked(&admin).await);
    let long = "é".repeat(500);
    for (score, comment) in [(0, ""), (6, ""), (3, format!("{long}é").as_str())] {
        assert_eq!(answer(&admin, score, comment).await, refused(400, "bad_request"), "{score}");
    }
    assert_eq!(answer(&admin, 3, &long).await.0, 204);
}

#[tokio::test]
async fn administrators_set_when_people_are_asked_and_what_and_the_journal_says_so() {
    let app = TestApp::start().await;
    let admin = app.person("Admin").await;
    let kept = async || admin.raw("GET", "/administration/survey", None).await.unwrap().1;
    assert_eq!(kept().await, json!({"settings": settings(14, 3), "everyone_at": null}));
    for wrong in [settings(-1, 3), settings(366, 3), settings(14, 0), settings(14, 13)] {
        assert_eq!(set(&admin, wrong).await, refused(400, "bad_request"));
    }
    let mut long = settings(14, 3);
    long["question"]["fr"] = json!("é".repeat(201));
    assert_eq!(set(&admin, long).await, refused(400, "bad_request"));

    let mut new = settings(0, 1);
    new["question"] = json!({"en": " Happy? ", "fr": "Satisfait ?"});
    assert_eq!(set(&admin, new.clone()).await.0, 200);
    new["question"]["en"] = json!("Happy?");
    assert_eq!(set(&admin, new.clone()).await.0, 200);
    assert_eq!(kept().await["settings"], new);
    let (_, asked) = admin.raw("GET", "/survey", None).await.unwrap();
    assert_eq!(asked["question"], new["question"], "0 days after the sign-up");
    let (_, journal) = admin.raw("GET", "/administration/audit", None).await.unwrap();
    let entries = journal["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "the second time nothing was changed");
    assert_eq!(entries[0]["act"], json!("settings_changed"));
    assert!(entries[0]["detail"].as_str().unwrap().contains("Happy?"));
    ask_everyone(&admin).await;
    assert!(kept().await["everyone_at"].is_number());
    let (_, journal) = admin.raw("GET", "/administration/audit", None).await.unwrap();
    assert_eq!(journal["entries"].as_array().unwrap().len(), 2);

    new["enabled"] = json!(false);
    assert_eq!(set(&admin, new).await.0, 200);
    assert!(!is_asked(&admin).await, "what is switched off asks nobody, who was asked before neither");
}
