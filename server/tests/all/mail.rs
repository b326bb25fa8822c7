//! Mail: whose address is whose, and that what is to be sent is sent once, whatever the mail server does.

use client::Client;
use entrenous::app::App;
use entrenous::clock::{DAY, HOUR, MINUTE};
use entrenous::config::Config;
use entrenous::doctor::{self, Level};
use entrenous::mail::send_due;
use entrenous::schema::tables::{addresses as table, mail_tokens, mails};
use entrenous::{addresses, command_line, erasure};
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::smtp::{Mail, Manners, Smtp};
use crate::support::{PASSWORD, Refusal, TestApp, raw_refusal, refused};
use crate::tls::Authority;

/// As an administrator sets it up.
fn configure(config: &mut Config, port: u16) {
    config.smtp = Some(format!("smtp://127.0.0.1:{port}").parse().unwrap());
    config.mail_from = Some("messages@example.org".parse().unwrap());
}

pub async fn with_mail() -> (TestApp, Smtp) {
    let smtp = Smtp::start().await;
    let app = TestApp::start_with(|config| configure(config, smtp.port)).await;
    (app, smtp)
}

/// Ask for an address; the link is on its way.
pub async fn ask(of: &Client, address: &str) -> (u16, Value) {
    let mut body = of.proof(PASSWORD).await.unwrap();
    body["address"] = address.into();
    body["language"] = "en".into();
    of.raw("POST", "/address", Some(&body)).await.unwrap()
}

pub async fn remove(of: &Client) -> (u16, Value) {
    let body = of.proof(PASSWORD).await.unwrap();
    of.raw("POST", "/address/remove", Some(&body)).await.unwrap()
}

pub async fn confirm(app: &TestApp, token: &str) -> Refusal {
    app.post("/api/address/confirm", &json!({"token": token})).await
}

/// Somebody's address, confirmed.
pub async fn with_address(app: &TestApp, smtp: &mut Smtp, of: &Client, address: &str) {
    assert_eq!(ask(of, address).await.0, 200);
    let token = smtp.next().await.token("confirm");
    assert_eq!(confirm(app, &token).await.0, 200);
}

async fn own(of: &Client) -> Value {
    of.raw("GET", "/address", None).await.unwrap().1
}

/// All that was due was tried, by this node's own loop or here. False where there was nobody to take it here.
pub async fn settled(app: &App) -> bool {
    send_due(app).await.unwrap()
}

async fn waiting(app: &App) -> u64 {
    mails::Entity::find().count(app.db.read()).await.unwrap()
}

#[tokio::test]
async fn an_address_counts_once_its_mailbox_has_confirmed_it() {
    let (app, mut smtp) = with_mail().await;
    let alice = app.person("Alice").await;
    assert_eq!(own(&alice).await, json!({"address": null, "pending": null, "digest": "off"}));
    let (status, asked) = ask(&alice, " Alice@Example.org ").await;
    assert_eq!(
        (status, &asked["pending"], &asked["address"]),
        (200, &json!("alice@example.org"), &Value::Null)
    );
    let mail = smtp.next().await;
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("messages@example.org", &["alice@example.org".to_owned()][..])
    );
    assert!(mail.text.contains(&format!("@{}", alice.handle())), "{}", mail.text);
    assert_eq!(mail.header("Auto-Submitted"), Some("auto-generated"));
    assert_eq!(mail.header("From"), Some("\"Entre Nous\" <messages@example.org>"));
    let token = mail.token("confirm");
    assert_eq!(token.len(), 43);
    let stored = mail_tokens::Entity::find().one(app.app.db.read()).await.unwrap().unwrap();
    assert_eq!(stored.token_hash, entrenous::tokens::hash(&token), "only its hash is kept");

    assert_eq!(confirm(&app, "not the token").await, refused(410, "mail_link_over"));
    assert_eq!(confirm(&app, &token).await.0, 200);
    assert_eq!(own(&alice).await, json!({"address": "alice@example.org", "pending": null, "digest": "off"}));
    assert_eq!(confirm(&app, &token).await, refused(410, "mail_link_over"), "it is good once");
    assert!(settled(&app.app).await);
    assert_eq!((waiting(&app.app).await, smtp.rest().len()), (0, 0));
}

#[tokio::test]
async fn a_link_is_good_for_two_days_and_only_the_last_one() {
    let (app, mut smtp) = with_mail().await;
    let alice = app.person("Alice").await;
    ask(&alice, "first@example.org").await;
    let first = smtp.next().await.token("confirm");
    ask(&alice, "second@example.org").await;
    let second = smtp.next().await.token("confirm");
    assert_eq!(confirm(&app, &first).await, refused(410, "mail_link_over"));
    app.clock.advance(48 * HOUR);
    assert_eq!(confirm(&app, &second).await, refused(410, "mail_link_over"));
    assert_eq!(mail_tokens::Entity::find().count(app.app.db.read()).await.unwrap(), 1);
    addresses::tidy(&app.app).await.unwrap();
    assert_eq!(mail_tokens::Entity::find().count(app.app.db.read()).await.unwrap(), 0);
    assert_eq!(own(&alice).await["pending"], "second@example.org");
}

#[tokio::test]
async fn only_the_password_sets_or_removes_an_address() {
    let (app, mut smtp) = with_mail().await;
    let alice = app.person("Alice").await;
    with_address(&app, &mut smtp, &alice, "alice@example.org").await;
    let mallory = app.person("Mallory").await;
    for path in ["/address", "/address/remove"] {
        // A good proof, but of another password.
        let mut body = mallory.proof(PASSWORD).await.unwrap();
        if path == "/address" {
            body["address"] = "mallory@example.org".into();
            body["language"] = "en".into();
        }
        let refusal = raw_refusal(alice.raw("POST", path, Some(&body)).await.unwrap());
        assert_eq!(refusal, refused(401, "wrong_credentials"), "{path}");
        // And one that was used.
        assert_eq!(alice.raw("POST", path, Some(&body)).await.unwrap().0, 401);
    }
    assert_eq!(own(&alice).await["address"], "alice@example.org");
    assert!(settled(&app.app).await);
    assert_eq!(smtp.rest().len(), 0);
}

#[tokio::test]
async fn whoever_has_the_mailbox_from_before_is_told() {
    let (app, mut smtp) = with_mail().await;
    let alice = app.person("Alice").await;
    with_address(&app, &mut smtp, &alice, "first@example.org").await;
    ask(&alice, "second@example.org").await;
    let token = smtp.next().await.token("confirm");
    assert_eq!(
        own(&alice).await,
        json!({"address": "first@example.org", "pending": "second@example.org", "digest": "off"})
    );
    confirm(&app, &token).await;
    let told = smtp.next().await;
    assert_eq!(told.to, ["first@example.org"]);
    assert!(told.text.contains("another address") && !told.text.contains("second"), "{}", told.text);
    assert_eq!(remove(&alice).await.0, 200);
    let told = smtp.next().await;
    assert_eq!(told.to, ["second@example.org"]);
    assert!(told.text.contains("was removed"), "{}", told.text);
    assert_eq!(own(&alice).await, json!({"address": null, "pending": null, "digest": "off"}));
}

#[tokio::test]
async fn a_changed_password_and_a_used_recovery_code_are_told_by_mail() {
    let (app, mut smtp) = with_mail().await;
    let alice = app.person("Alice").await;
    with_address(&app, &mut smtp, &alice, "alice@example.org").await;
    alice.change_password(PASSWORD, "another horse").await.unwrap();
    assert!(smtp.next().await.text.contains("password of your account was changed"));
    let code = alice.recovery_code().unwrap();
    Client::recover(&app.url, alice.handle(), code, "a third horse").await.unwrap();
    assert!(smtp.next().await.text.contains("recovery code of your account was used"));
}

#[tokio::test]
async fn whoever_asks_to_be_erased_is_told_once_and_then_nothing_of_the_address_is_left() {
    let (app, mut smtp) = with_mail().await;
    app.person("Admin").await;
    let alice = app.person("Alice").await;
    with_address(&app, &mut smtp, &alice, "alice@example.org").await;
    ask(&alice, "new@example.org").await;
    smtp.next().await.token("confirm");
    for _ in 0..2 {
        alice.ask_for_erasure(PASSWORD).await.unwrap();
    }
    let told = smtp.next().await.text;
    assert!(told.contains("in seven days") && told.contains(alice.handle()), "{told}");
    assert!(settled(&app.app).await);
    assert_eq!(smtp.rest().len(), 0, "pressed twice, it is told once");
    // One that is still under way when the time has come goes to nobody.
    smtp.stop().await;
    app.clock.advance(7 * DAY);
    ask(&alice, "newer@example.org").await;
    assert_eq!(waiting(&app.app).await, 1);
    erasure::tidy(&app.app).await.unwrap();
    let db = app.app.db.read();
    assert_eq!(waiting(&app.app).await, 0);
    assert_eq!(table::Entity::find().count(db).await.unwrap(), 0);
    assert_eq!(mail_tokens::Entity::find().count(db).await.unwrap(), 0);
}

#[tokio::test]
async fn nothing_but_an_address_is_taken_for_one() {
    let (app, mut smtp) = with_mail().await;
    let alice = app.person("Alice").await;
    for address in [
        "",
        "alice",
        "a@b@example.org",
        "alice@example.org\r\nBcc: bob@example.org",
        "Alice <a@example.org>",
        // Which a mail server might send on to another domain.
        "alice%example.net@example.org",
        "example.net!alice@example.org",
    ] {
        assert_eq!(raw_refusal(ask(&alice, address).await), refused(422, "bad_address"), "{address:?}");
    }
    // What could be said in a header by another way does not leave it.
    let name = "Ours\" <eve@example.org>, \"";
    let mut admin = json!({"name": name});
    let (_, decided) = alice.raw("GET", "/administration/organisation", None).await.unwrap();
    for (key, value) in decided.as_object().unwrap() {
        if key != "name" {
            admin[key] = value.clone();
        }
    }
    assert_eq!(alice.raw("PUT", "/administration/organisation", Some(&admin)).await.unwrap().0, 200);
    assert_eq!(ask(&alice, "alice@example.org").await.0, 200);
    let mail = smtp.next().await;
    assert_eq!(mail.to, ["alice@example.org"]);
    let from = mail.header("From").unwrap();
    assert!(from.ends_with(" <messages@example.org>") && !from.contains("eve"), "{from}");
}

#[tokio::test]
async fn nobody_is_buried_in_mail() {
    let (app, mut smtp) = with_mail().await;
    let alice = app.person("Alice").await;
    let bob = app.person("Bob").await;
    for by in [&alice, &bob, &alice] {
        assert_eq!(ask(by, "victim@example.org").await.0, 200);
        smtp.next().await;
    }
    assert_eq!(raw_refusal(ask(&bob, "VICTIM@example.org").await), refused(429, "too_many_attempts"));
    assert_eq!(ask(&bob, "other@example.org").await.0, 200);
    app.clock.advance(4 * HOUR);
    assert_eq!(ask(&bob, "victim@example.org").await.0, 200);
}

#[tokio::test]
async fn what_the_mail_server_does_not_take_today_it_takes_tomorrow() {
    let (app, mut smtp) = with_mail().await;
    let alice = app.person("Alice").await;
    smtp.stop().await;
    assert_eq!(ask(&alice, "alice@example.org").await.0, 200);
    settled(&app.app).await;
    assert_eq!(waiting(&app.app).await, 1);
    let (_, seen) = alice.raw("GET", "/administration/monitoring?range=hour", None).await.unwrap();
    let health = &seen["health"]["mail"];
    assert_eq!((&health["waiting"], &health["works"]), (&json!(1), &json!(false)));
    smtp.start_again().await;
    // Not at once, but when its time has come.
    assert!(settled(&app.app).await);
    assert_eq!(smtp.rest().len(), 0);
    app.clock.advance(MINUTE);
    settled(&app.app).await;
    assert_eq!(confirm(&app, &smtp.next().await.token("confirm")).await.0, 200);
    assert!(settled(&app.app).await);
    assert_eq!((waiting(&app.app).await, smtp.rest().len()), (0, 0));
    let (_, seen) = alice.raw("GET", "/administration/monitoring?range=hour", None).await.unwrap();
    assert_eq!(seen["health"]["mail"]["works"], true);
}

#[tokio::test]
async fn after_days_a_mail_is_given_up() {
    let (app, mut smtp) = with_mail().await;
    let alice = app.person("Alice").await;
    smtp.behave(Manners { later: vec!["alice@example.org".to_owned()], ..Manners::default() });
    ask(&alice, "alice@example.org").await;
    for _ in 0..4 {
        settled(&app.app).await;
        assert_eq!(waiting(&app.app).await, 1);
        app.clock.advance(HOUR);
    }
    app.clock.advance(3 * DAY);
    settled(&app.app).await;
    assert_eq!((waiting(&app.app).await, smtp.rest().len()), (0, 0));
}

#[tokio::test]
async fn a_recipient_who_is_refused_holds_up_nobody() {
    let (app, mut smtp) = with_mail().await;
    let alice = app.person("Alice").await;
    smtp.behave(Manners { unknown: vec!["nobody@example.org".to_owned()], ..Manners::default() });
    ask(&alice, "nobody@example.org").await;
    assert!(settled(&app.app).await);
    assert_eq!(waiting(&app.app).await, 0, "it is not tried again");
    ask(&alice, "alice@example.org").await;
    assert_eq!(smtp.next().await.to, ["alice@example.org"]);
}

#[tokio::test]
async fn of_two_nodes_one_sends_a_mail() {
    let (app, mut smtp) = with_mail().await;
    let other = entrenous::open(app.config.clone(), app.clock.clone()).await.unwrap();
    let alice = app.person("Alice").await;
    for number in 0..5 {
        ask(&alice, &format!("alice{number}@example.org")).await;
        let (one, two) = tokio::join!(send_due(&app.app), send_due(&other));
        assert!(one.unwrap() && two.unwrap());
    }
    // The loop of the first node has tried as well: whoever has the turn after it finds that it is done.
    assert!(settled(&app.app).await);
    assert_eq!(waiting(&app.app).await, 0);
    let mut to: Vec<String> = smtp.rest().into_iter().flat_map(|mail| mail.to).collect();
    to.sort();
    assert_eq!(to, (0..5).map(|number| format!("alice{number}@example.org")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_mail_goes_encrypted_and_with_the_password_or_not_at_all() {
    let authority = Authority::new();
    authority.issue();
    let manners = Manners::with_certificate(&authority.path("cert.pem"), &authority.path("key.pem"));
    let manners = Manners { password: Some("a mail secret".to_owned()), ..manners };
    for (scheme, from_the_start) in [("smtp", false), ("smtps", true)] {
        let mut smtp = Smtp::with(Manners { from_the_start, ..manners.clone() }).await;
        let set = |config: &mut Config| {
            configure(config, smtp.port);
            // The certificate is for a name; to this machine itself, it would be allowed to go without.
            let encryption = format!("{scheme}://mail.example.org:{}", smtp.port).parse().map(
                |url: entrenous::config::SmtpUrl| entrenous::config::SmtpUrl {
                    host: "localhost".to_owned(),
                    ..url
                },
            );
            config.smtp = Some(encryption.unwrap());
            config.smtp_user = Some("ours".to_owned());
            config.smtp_password = Some("a mail secret".parse().unwrap());
            config.smtp_ca = Some(authority.path("ca.pem"));
        };
        std::fs::write(authority.path("ca.pem"), authority.pem()).unwrap();
        let app = TestApp::start_with(set).await;
        let alice = app.person("Alice").await;
        ask(&alice, "alice@example.org").await;
        let mail: Mail = smtp.next().await;
        assert!(mail.encrypted, "{scheme}");
        assert_eq!(mail.password.as_deref(), Some("a mail secret"));
        let found = doctor::examine(&app.config, &app.clock).await;
        let of_mail = found.iter().find(|finding| finding.what.starts_with("mail:")).unwrap();
        assert_eq!(of_mail.level, Level::Ok, "{of_mail:?}");

        // By nobody we know.
        let stranger = Config { smtp_ca: None, ..app.config.clone() };
        let found = doctor::examine(&stranger, &app.clock).await;
        let of_mail = found.iter().find(|finding| finding.what.starts_with("mail:")).unwrap();
        assert_eq!(of_mail.level, Level::Fail, "{of_mail:?}");
        // And with a wrong password it waits.
        smtp.behave(Manners { from_the_start, password: Some("another".to_owned()), ..manners.clone() });
        ask(&alice, "alice2@example.org").await;
        settled(&app.app).await;
        assert_eq!(waiting(&app.app).await, 1);
        let found = doctor::examine(&app.config, &app.clock).await;
        let of_mail = found.iter().find(|finding| finding.what.starts_with("mail:")).unwrap();
        assert!(of_mail.level == Level::Fail && !of_mail.what.contains("secret"), "{of_mail:?}");
        // Without STARTTLS nothing is said at all.
        if scheme == "smtp" {
            smtp.behave(Manners::default());
            app.clock.advance(10 * MINUTE);
            settled(&app.app).await;
            assert_eq!((waiting(&app.app).await, smtp.rest().len()), (1, 0));
        }
    }
}

#[tokio::test]
async fn without_a_mail_server_nothing_of_it_is_offered() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    assert_eq!(alice.raw("GET", "/config", None).await.unwrap().1["mail"], false);
    assert_eq!(raw_refusal(ask(&alice, "alice@example.org").await), refused(404, "no_mail"));
    assert_eq!(own(&alice).await["pending"], Value::Null);
    let (_, seen) = alice.raw("GET", "/administration/monitoring?range=hour", None).await.unwrap();
    assert_eq!(seen["health"]["mail"], Value::Null);
}

#[tokio::test]
async fn the_command_line_tries_whether_mail_comes() {
    let (app, mut smtp) = with_mail().await;
    // Once it answers people, it answers the command line.
    app.person("Admin").await;
    let run = async |address: &str| {
        let act = command_line::Act::MailTest { address: address.to_owned() };
        command_line::ask(&command_line::Admin { storage: app.config.storage.clone(), act }).await
    };
    assert_eq!(run("admin@example.org").await.unwrap(), json!({"sent": true}));
    assert!(smtp.next().await.text.contains("sending works"));
    assert!(run("nobody").await.unwrap_err().to_string().contains("not an e-mail address"));
    smtp.stop().await;
    let failed = run("admin@example.org").await.unwrap();
    assert!(failed["sent"] == false && failed["why"].as_str().is_some_and(|why| !why.is_empty()), "{failed}");
}
