use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestApp, raw_refusal, refused};

async fn names(client: &client::Client, query: &str) -> Vec<String> {
    client.search(query).await.unwrap().into_iter().map(|person| person.display_name).collect()
}

#[tokio::test]
async fn people_are_found_by_name_and_handle_without_accents_best_first() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    for (handle, name) in [
        ("jean.villon", "Élodie Velours"),
        ("marchand", "Éloïse Marchand"),
        ("elo", "Zoé Dupont"),
        ("e.elodie", "Yann Petit"),
        ("other", "Jean Eloy"),
    ] {
        client::Client::register(&app.url, handle, name, crate::support::PASSWORD).await.unwrap();
    }
    // Handle, then names, then words of names, then words of handles.
    let found = ["Zoé Dupont", "Élodie Velours", "Éloïse Marchand", "Jean Eloy", "Yann Petit"];
    assert_eq!(names(&alice, "elo").await, found);
    assert_eq!(names(&alice, " ÉLOÏSE m").await, ["Éloïse Marchand"]);
    assert_eq!(names(&alice, "@marchand").await, ["Éloïse Marchand"], "once, though name and handle match");
    assert_eq!(names(&alice, "loise").await, [""; 0]);
    assert_eq!(names(&alice, "  ").await, [""; 0]);
}

#[tokio::test]
async fn two_words_that_are_seldom_together_are_found_and_a_cursor_cannot_leave_the_query() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let one = app.person("Somebody").await;
    one.raw("PATCH", "/profile", Some(&json!({"display_name": "Somebody Zzyzx"}))).await.unwrap();
    for _ in 0..3 {
        app.person("Somebody").await;
    }
    assert_eq!(names(&alice, "somebody zz").await, ["Somebody Zzyzx"]);
    assert_eq!(names(&alice, "zz some").await, ["Somebody Zzyzx"]);
    let (_, page) =
        alice.raw("GET", &format!("/people?q=zz&cursor=0~{}~a", Uuid::nil()), None).await.unwrap();
    assert_eq!(page["people"].as_array().unwrap().len(), 1, "as without a cursor: {page}");
}

#[tokio::test]
async fn a_new_name_replaces_the_old_one_in_the_search() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    assert_eq!(names(&alice, "Ali").await, ["Alice"]);
    alice.raw("PATCH", "/profile", Some(&json!({"display_name": "Bérénice"}))).await.unwrap();
    assert_eq!(names(&alice, "beren").await, ["Bérénice"]);
    assert_eq!(names(&alice, "alice").await, ["Bérénice"], "still by the handle");
}

#[tokio::test]
async fn pages_show_everyone_once() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    for number in 0..7 {
        // Each of them matches "ann" in three ways.
        let handle = format!("ann.{number}.anna");
        client::Client::register(
            &app.url,
            &handle,
            &format!("Anna Annette {number}"),
            crate::support::PASSWORD,
        )
        .await
        .unwrap();
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = alice.raw("GET", &format!("/people?q=ann&limit=3{cursor}"), None).await.unwrap();
        assert_eq!(status, 200, "{page}");
        seen.extend(page["people"].as_array().unwrap().iter().map(|person| person["handle"].to_string()));
        let Value::String(next) = &page["next"] else { break };
        cursor = format!("&cursor={next}");
    }
    let expected: Vec<String> = (0..7).map(|number| format!("\"ann.{number}.anna\"")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn others_see_the_public_profile_and_nothing_more() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.person("Alice").await, app.person("Bob").await);
    let (_, person) = alice.raw("GET", &format!("/people/{}", bob.id()), None).await.unwrap();
    let fields: Vec<&String> = person.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["avatar", "bio", "display_name", "handle", "id", "status"]);
    let (_, found) = alice.raw("GET", &format!("/people?q={}", bob.handle()), None).await.unwrap();
    assert_eq!(found["people"][0], person);
    for nobody in [Uuid::now_v7().to_string(), "me".to_owned(), "%00".to_owned()] {
        let answer = alice.raw("GET", &format!("/people/{nobody}"), None).await.unwrap();
        assert_eq!(raw_refusal(answer), refused(404, "not_found"), "{nobody}");
    }
}

#[tokio::test]
async fn searches_that_make_no_sense_are_refused() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    for query in ["", "?q=a&q=b", "?q=a&limit=-1", "?q=a&cursor=9~x~y", "?q=a&cursor=%ff", "?q=a&unheard=of"]
    {
        let answer = alice.raw("GET", &format!("/people{query}"), None).await.unwrap();
        assert_eq!(raw_refusal(answer), refused(400, "bad_request"), "{query}");
    }
    let long = "é".repeat(1_000);
    let answer = alice.raw("GET", &format!("/people?q={long}"), None).await.unwrap();
    assert_eq!(answer.0, 200, "a long word finds nobody, and that is all");
}
