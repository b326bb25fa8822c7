//! What administrators see of how the server serves its people, against histories that are known.

use client::{Client, Event};
use entrenous::clock::{DAY, HOUR, SECOND};
use entrenous::indicators;
use entrenous::schema::tables::{accounts, activity, delays, opinions, surveyed};
use sea_orm::ActiveValue::Set;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestApp, raw_refusal, refused};

/// The first account administers. It is noon, so that a test does not cross midnight.
async fn start() -> (TestApp, Client) {
    let app = TestApp::start().await;
    app.clock.advance(DAY + DAY / 2 - app.clock.now().rem_euclid(DAY));
    let admin = app.person("Admin").await;
    (app, admin)
}

async fn look(admin: &Client) -> Value {
    let (status, indicators) = admin.raw("GET", "/administration/indicators", None).await.unwrap();
    assert_eq!(status, 200, "{indicators}");
    indicators
}

/// People without keys, who can be counted and nothing else.
async fn sign_up(app: &TestApp, count: usize) -> Vec<Uuid> {
    let ids: Vec<Uuid> = (0..count).map(|_| app.clock.new_id()).collect();
    let row = |id: &Uuid| accounts::ActiveModel {
        id: Set(*id),
        handle: Set(id.simple().to_string()),
        display_name: Set("Somebody".to_owned()),
        status: Set(String::new()),
        bio: Set(String::new()),
        avatar: Set(None),
        administrator: Set(false),
        opaque_record: Set(vec![0]),
        recovery_verifier: Set(vec![0]),
        created_at: Set(app.clock.now()),
        ..Default::default()
    };
    let rows: Vec<_> = ids.iter().map(row).collect();
    app.app
        .db
        .write(async |tx| Ok(accounts::Entity::insert_many(rows.clone()).exec_without_returning(tx).await?))
        .await
        .unwrap();
    ids
}

#[tokio::test]
async fn who_was_active_in_thirty_days_is_counted_against_who_has_an_account() {
    let (app, admin) = start().await;
    // 150 accounts, 130 of which do something on the first day; the administrator is one of the 20 that never do.
    let others = sign_up(&app, 149).await;
    let (daily, weekly, once) = (&others[..60], &others[60..100], &others[100..130]);
    let mut newcomers = Vec::new();
    for day in 0..30 {
        if day > 0 {
            app.clock.advance(DAY);
        }
        let mut active = daily.to_vec();
        if day % 7 == 0 {
            active.extend(weekly);
            // Who is gone for thirty days is signed out.
            look(&admin).await;
        }
        if day == 0 {
            active.extend(once);
        }
        if day == 20 {
            newcomers = sign_up(&app, 50).await;
            active.extend(&newcomers[..30]);
        }
        for account in active {
            app.app.pulse.active(account);
            app.app.pulse.active(account);
        }
    }
    assert_eq!(newcomers.len(), 50);
    let found = look(&admin).await["use"].clone();
    // 60 + 40 + 30 and 30 newcomers, of 200.
    assert_eq!(
        (&found["active"], &found["registered"], &found["target"]),
        (&json!(160), &json!(200), &json!(80))
    );
    let today = app.clock.now().div_euclid(DAY);
    let week = |weeks_ago: i64, numbers: [i64; 5]| {
        let [registered, active_in_month, active, new, returning] = numbers;
        json!({
            "from": (today - 7 * weeks_ago - 6) * DAY, "to": (today - 7 * weeks_ago) * DAY, "registered": registered,
            "active_in_month": active_in_month, "active": active, "new": new, "returning": returning,
        })
    };
    let expected = json!([
        week(4, [150, 130, 130, 130, 0]),
        week(3, [150, 130, 100, 0, 100]),
        week(2, [150, 130, 100, 0, 100]),
        week(1, [200, 160, 130, 30, 100]),
        week(0, [200, 160, 100, 0, 100]),
    ]);
    assert_eq!(found["weeks"], expected);
    assert_eq!(found["since"], json!((today - 29) * DAY));

    app.clock.advance(DAY);
    let next = look(&admin).await["use"].clone();
    assert_eq!(next["active"], json!(130), "whoever came on the first day only");
    let rows = activity::Entity::find().count(app.app.db.read()).await.unwrap();
    assert_eq!(rows, 30 * 60 + 5 * 40 + 30 + 30, "one row a person and day");
}

#[tokio::test]
async fn to_send_and_to_read_is_to_be_active_and_to_be_reached_is_not() {
    let (app, admin) = start().await;
    let (alice, bob, conversation) = app.pair().await;
    let active = async || look(&admin).await["use"]["active"].as_i64().unwrap();
    assert_eq!(active().await, 0, "to sign up is not to use it");
    alice.send(conversation, "hello").await.unwrap();
    assert_eq!(active().await, 1);
    bob.receipt(conversation, Some(1), Some(0)).await.unwrap();
    assert_eq!(active().await, 1);
    bob.receipt(conversation, Some(1), Some(1)).await.unwrap();
    assert_eq!(active().await, 2);
}

#[tokio::test]
async fn what_is_sent_at_its_time_makes_nobody_active() {
    let (app, admin) = start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.send(conversation, "now").await.unwrap();
    let sealed = alice.seal(conversation, "later").await.unwrap();
    let body = json!({"envelope": sealed.envelope, "at": app.clock.now() + 20 * DAY});
    let path = format!("/conversations/{conversation}/scheduled/{}", sealed.id);
    assert_eq!(alice.raw("PUT", &path, Some(&body)).await.unwrap().0, 200);
    look(&admin).await;
    app.clock.advance(20 * DAY);
    assert_eq!(entrenous::send_due(&app.app).await.unwrap(), 1);
    bob.receipt(conversation, Some(2), Some(2)).await.unwrap();
    look(&admin).await;
    app.clock.advance(15 * DAY);
    assert_eq!(look(&admin).await["use"]["active"], json!(1), "Bob, who read it; Alice has not been here");
}

/// Seconds in all: what the clock is moved by, and what the sender says.
async fn deliver(app: &TestApp, [alice, bob]: [&Client; 2], conversation: Uuid, seconds: [i64; 2]) -> u64 {
    let seq = alice.send(conversation, "how long does it take?").await.unwrap().seq;
    app.clock.advance(seconds[0] * SECOND);
    bob.receipt(conversation, Some(seq), None).await.unwrap();
    assert_eq!(took(alice, conversation, seq, seconds[1] * SECOND).await, 204);
    seq
}

async fn took(by: &Client, conversation: Uuid, seq: u64, milliseconds: i64) -> u16 {
    let body = json!({"seq": seq, "milliseconds": milliseconds});
    by.raw("POST", &format!("/conversations/{conversation}/took"), Some(&body)).await.unwrap().0
}

#[tokio::test]
async fn a_message_takes_as_long_as_its_sender_says_and_until_its_receipt() {
    let (app, admin) = start().await;
    let (alice, bob, conversation) = app.pair().await;
    let live = bob.events().await.unwrap();
    assert_eq!(look(&admin).await["speed"]["month"], json!({"messages": 0, "mean": null, "p95": null}));
    deliver(&app, [&alice, &bob], conversation, [20, 5]).await;
    let speed = look(&admin).await["speed"].clone();
    let mean = speed["month"]["mean"].as_i64().unwrap();
    // What passes by itself comes on top.
    assert!((25_000..33_000).contains(&mean), "{mean}");
    assert_eq!(speed["buckets"], json!([{"above": 22_000, "up_to": 33_000, "messages": 1}]));

    // Another one, and one that travels over the socket: both are added to the same hour.
    deliver(&app, [&alice, &bob], conversation, [21, 5]).await;
    let mut socket = alice.events().await.unwrap();
    socket.send(conversation, "over the socket").await.unwrap();
    let accepted = loop {
        if let Event::Accepted(accepted) = socket.next().await.unwrap() {
            break accepted;
        }
    };
    bob.receipt(conversation, Some(accepted.seq), Some(accepted.seq)).await.unwrap();
    let frame =
        json!({"type": "took", "conversation": conversation, "seq": accepted.seq, "milliseconds": 120});
    socket.raw(frame.to_string()).await.unwrap();
    // It answers in order.
    socket.raw("?").await.unwrap();
    while !matches!(socket.next().await.unwrap(), Event::Error { .. }) {}
    let speed = look(&admin).await["speed"].clone();
    assert_eq!(speed["month"]["messages"], json!(3));
    let of = |points: &Value| points.as_array().unwrap().last().unwrap()["messages"].clone();
    assert_eq!((of(&speed["days"]), of(&speed["hours"])), (json!(3), json!(3)));
    assert_eq!((speed["days"].as_array().unwrap().len(), speed["hours"].as_array().unwrap().len()), (30, 24));
    let hours = delays::Entity::find().all(app.app.db.read()).await.unwrap();
    assert_eq!(hours.iter().map(|row| row.messages).sum::<i64>(), 3);
    assert!(hours.iter().all(|row| row.hour == app.clock.now().div_euclid(HOUR)));
    drop(live);
}

#[tokio::test]
async fn several_messages_that_one_receipt_confirms_count_each() {
    let (app, admin) = start().await;
    let (alice, bob, conversation) = app.pair().await;
    let live = bob.events().await.unwrap();
    for _ in 0..3 {
        let seq = alice.send(conversation, "and").await.unwrap().seq;
        assert_eq!(took(&alice, conversation, seq, 90).await, 204);
    }
    bob.receipt(conversation, Some(3), None).await.unwrap();
    bob.receipt(conversation, Some(3), Some(3)).await.unwrap();
    assert_eq!(look(&admin).await["speed"]["month"]["messages"], json!(3));
    drop(live);
}

#[tokio::test]
async fn who_catches_up_is_not_measured() {
    let (app, admin) = start().await;
    let (alice, bob, conversation) = app.pair().await;
    let measured = async || look(&admin).await["speed"]["month"]["messages"].as_i64().unwrap();
    // Away when it was sent.
    deliver(&app, [&alice, &bob], conversation, [60, 1]).await;
    assert_eq!(measured().await, 0);
    // There when it was sent, then away.
    let live = bob.events().await.unwrap();
    let seq = alice.send(conversation, "are you there?").await.unwrap().seq;
    live.close().await.unwrap();
    while !app.app.live.connections_of(bob.id()).is_empty() {
        bob.conversations().await.unwrap();
    }
    let live = bob.events().await.unwrap();
    bob.receipt(conversation, Some(seq), None).await.unwrap();
    took(&alice, conversation, seq, 100).await;
    assert_eq!(measured().await, 0);
    // There all the time, by one of two connections.
    let other = bob.events().await.unwrap();
    let seq = alice.send(conversation, "and now?").await.unwrap().seq;
    live.close().await.unwrap();
    while app.app.live.connections_of(bob.id()).len() > 1 {
        bob.conversations().await.unwrap();
    }
    bob.receipt(conversation, Some(seq), None).await.unwrap();
    took(&alice, conversation, seq, 100).await;
    assert_eq!(measured().await, 1);
    let metrics = app.app.meters.render().unwrap();
    assert!(metrics.contains("entrenous_delivery_time_seconds_count 1\n"), "{metrics}");
    drop(other);
}

#[tokio::test]
async fn only_what_is_known_from_both_ends_is_measured_once() {
    let (app, admin) = start().await;
    let (alice, bob, conversation) = app.pair().await;
    let measured = async || look(&admin).await["speed"]["month"]["messages"].as_i64().unwrap();
    let live = bob.events().await.unwrap();
    let send = async || alice.send(conversation, "one").await.unwrap().seq;
    // Its sender says nothing; the recipient cannot say it.
    let seq = send().await;
    bob.receipt(conversation, Some(seq), None).await.unwrap();
    assert_eq!(took(&bob, conversation, seq, 1).await, 204);
    assert_eq!(measured().await, 0);
    // Nobody confirms it in ten minutes.
    let seq = send().await;
    took(&alice, conversation, seq, 1).await;
    app.clock.advance(HOUR);
    assert_eq!(measured().await, 0);
    bob.receipt(conversation, Some(seq), None).await.unwrap();
    assert_eq!(measured().await, 0);
    // No time that can be.
    for milliseconds in [-1, DAY] {
        let seq = send().await;
        bob.receipt(conversation, Some(seq), None).await.unwrap();
        took(&alice, conversation, seq, milliseconds).await;
        took(&alice, conversation, seq, 1).await;
    }
    assert_eq!(measured().await, 0);
    // What Bob will never see.
    bob.block(alice.id()).await.unwrap();
    let seq = send().await;
    bob.receipt(conversation, Some(seq), None).await.unwrap();
    took(&alice, conversation, seq, 1).await;
    bob.unblock(alice.id()).await.unwrap();
    assert_eq!(measured().await, 0);
    // All is well, and said twice.
    let seq = send().await;
    for _ in 0..2 {
        took(&alice, conversation, seq, 1).await;
        bob.receipt(conversation, Some(seq), None).await.unwrap();
    }
    assert_eq!(measured().await, 1);
    let carol = app.person("Carol").await;
    let body = json!({"seq": seq, "milliseconds": 1});
    let path = format!("/conversations/{conversation}/took");
    assert_eq!(raw_refusal(carol.raw("POST", &path, Some(&body)).await.unwrap()), refused(404, "not_found"));
    drop(live);
}

#[tokio::test]
async fn what_was_noted_is_stored_when_the_server_stops() {
    let (mut app, admin) = start().await;
    let (alice, bob, conversation) = app.pair().await;
    let live = bob.events().await.unwrap();
    deliver(&app, [&alice, &bob], conversation, [1, 1]).await;
    assert_eq!(activity::Entity::find().count(app.app.db.read()).await.unwrap(), 0, "it is in memory");
    drop(live);
    app.stop().await;
    app.start_again().await;
    let found = look(&admin).await;
    assert_eq!((&found["use"]["active"], &found["speed"]["month"]["messages"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn nothing_is_kept_for_longer_than_four_hundred_days() {
    let (app, _admin) = start().await;
    let (alice, bob, conversation) = app.pair().await;
    let live = bob.events().await.unwrap();
    deliver(&app, [&alice, &bob], conversation, [1, 1]).await;
    let asked = surveyed::Model {
        account: alice.id(),
        asked_at: app.clock.now(),
        again_at: app.clock.now(),
        put_off: 0,
        answered: true,
    };
    let week = indicators::satisfaction::week(app.clock.now());
    let opinion = opinions::Model { id: Uuid::new_v4(), week, score: 4, comment: String::new() };
    app.app
        .db
        .write(async |tx| {
            surveyed::Entity::insert(surveyed::ActiveModel::from(asked.clone()))
                .exec_without_returning(tx)
                .await?;
            opinions::Entity::insert(opinions::ActiveModel::from(opinion.clone()))
                .exec_without_returning(tx)
                .await?;
            Ok(())
        })
        .await
        .unwrap();
    let kept = async || {
        indicators::tidy(&app.app).await.unwrap();
        let db = app.app.db.read();
        [
            activity::Entity::find().count(db).await.unwrap(),
            delays::Entity::find().count(db).await.unwrap(),
            surveyed::Entity::find().count(db).await.unwrap(),
            opinions::Entity::find().count(db).await.unwrap(),
        ]
    };
    assert_eq!(kept().await, [1; 4]);
    app.clock.advance(399 * DAY);
    assert_eq!(kept().await, [1; 4]);
    // The week of an opinion is over up to seven days later.
    app.clock.advance(9 * DAY);
    assert_eq!(kept().await, [0; 4]);
    drop(live);
}

#[tokio::test]
async fn each_figure_can_be_taken_along_as_a_table() {
    let (app, admin) = start().await;
    let (alice, _bob, conversation) = app.pair().await;
    alice.send(conversation, "hello").await.unwrap();
    let table = async |name: &str| {
        let path = format!("/api/administration/indicators/export/{name}");
        let request = app.request(reqwest::Method::GET, &path).bearer_auth(admin.token());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8");
        let disposition = response.headers()["content-disposition"].to_str().unwrap().to_owned();
        assert!(disposition.starts_with(&format!("attachment; filename=\"{name}-20")), "{disposition}");
        String::from_utf8(response.bytes().await.unwrap().to_vec()).unwrap()
    };
    let usage = table("use").await;
    let lines: Vec<_> = usage.trim_end().split("\r\n").collect();
    assert_eq!(
        lines[0],
        "\u{FEFF}\"from\",\"to\",\"accounts\",\"active in 30 days\",\"active in 7 days\",\"new\",\"returning\""
    );
    assert!(lines[1].ends_with(",3,1,1,1,0"), "{}", lines[1]);
    assert_eq!(lines.len(), 2);
    assert_eq!(table("speed").await.trim_end().split("\r\n").count(), 1 + 30 + 24);
    assert_eq!(table("satisfaction").await.trim_end().split("\r\n").count(), 1 + 4);
    assert_eq!(table("comments").await, "\u{FEFF}\"comment\"\r\n");
    let nothing = admin.raw("GET", "/administration/indicators/export/people", None).await.unwrap();
    assert_eq!(raw_refusal(nothing), refused(404, "not_found"));
}

#[tokio::test]
async fn only_administrators_see_and_change_any_of_it() {
    let (app, _admin) = start().await;
    let alice = app.person("Alice").await;
    let settings =
        json!({"enabled": false, "after_days": 1, "every_months": 1, "question": {"en": "", "fr": ""}});
    for (method, path, body) in [
        ("GET", "/administration/indicators", None),
        ("GET", "/administration/indicators/export/comments", None),
        ("GET", "/administration/survey", None),
        ("PUT", "/administration/survey", Some(&settings)),
        ("POST", "/administration/survey/everyone", None),
    ] {
        let refusal = raw_refusal(alice.raw(method, path, body).await.unwrap());
        assert_eq!(refusal, refused(403, "not_administrator"), "{method} {path}");
    }
}
