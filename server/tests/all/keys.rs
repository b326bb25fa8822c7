use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use client::{Client, Event};
use e2ee::{Keychain, Signed};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{PASSWORD, TestApp, raw_refusal, refused};

/// A keychain of this account apart from its client's, so that it can do what a client would not.
async fn keychain_of(client: &Client) -> Keychain {
    let login = e2ee::Login::start(PASSWORD).unwrap();
    let start = json!({"handle": client.handle(), "request": BASE64.encode(login.request())});
    let (_, started) = client.raw("POST", "/login/start", Some(&start)).await.unwrap();
    let proven = login.finish(client.handle(), &bytes(&started["response"])).unwrap();
    let (_, session) = client.raw("GET", "/session", None).await.unwrap();
    let account = e2ee::Account {
        id: client.id(),
        handle: client.handle().to_owned(),
        vault: e2ee::SealedVault {
            version: session["vault"]["version"].as_u64().unwrap(),
            sealed: bytes(&session["vault"]["box"]),
        },
        key_bundle: signed(&session["key_bundle"]),
    };
    let slot: Uuid = session["slot"]["id"].as_str().unwrap().parse().unwrap();
    proven.unlock((slot, &bytes(&session["slot"]["box"])), &account).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    BASE64.decode(value.as_str().unwrap()).unwrap()
}

fn signed(value: &Value) -> Signed {
    Signed { body: bytes(&value["body"]), signature: bytes(&value["signature"]) }
}

fn json_of(signed: &Signed) -> Value {
    json!({"body": BASE64.encode(&signed.body), "signature": BASE64.encode(&signed.signature)})
}

async fn pin(keychain: &mut Keychain, by: &Client, whom: &Client) {
    let (_, bundle) = by.raw("GET", &format!("/people/{}/key-bundle", whom.id()), None).await.unwrap();
    keychain.pin(whom.id(), whom.handle(), &signed(&bundle), 0).unwrap();
}

#[tokio::test]
async fn a_vault_is_written_with_the_next_version_or_not_at_all() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let put = async |version: Value, boxed: &str| {
        alice.raw("PUT", "/vault", Some(&json!({"version": version, "box": boxed}))).await.unwrap()
    };
    let (_, vault) = alice.raw("GET", "/vault", None).await.unwrap();
    assert_eq!(vault["version"], 1);
    for stale in [json!(-1), json!(0), json!(1), json!(3), json!(i64::MAX)] {
        assert_eq!(raw_refusal(put(stale.clone(), "AAAA").await), refused(409, "vault_conflict"), "{stale}");
    }
    assert_eq!(raw_refusal(put(json!(2), "").await), refused(422, "bad_key_material"));
    let large = BASE64.encode(vec![0; (512 << 10) + 1]);
    assert_eq!(raw_refusal(put(json!(2), &large).await), refused(422, "bad_key_material"));
    for wrong in [json!("2"), json!(2.5), json!(1e300), json!(null)] {
        assert_eq!(raw_refusal(put(wrong.clone(), "AAAA").await), refused(400, "bad_request"), "{wrong}");
    }
    let mut live = alice.events().await.unwrap();
    assert_eq!(put(json!(2), "AAAA").await.0, 204);
    let written = json!({"version": 2, "box": "AAAA"});
    assert_eq!(alice.raw("GET", "/vault", None).await.unwrap().1, written);
    // One's other browsers are told, and fetch what is new to them.
    while !matches!(live.next().await.unwrap(), Event::Vault { version: 2 }) {}
    assert_eq!(alice.raw("GET", "/vault?known=1", None).await.unwrap(), (200, written));
    assert_eq!(alice.raw("GET", "/vault?known=2", None).await.unwrap().0, 204);
}

#[tokio::test]
async fn a_grant_must_fit_its_conversation_and_its_keys() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let mallory = app.person("Mallory").await;
    let mut keys = keychain_of(&alice).await;
    pin(&mut keys, &alice, &bob).await;
    pin(&mut keys, &alice, &mallory).await;
    let mut mallorys = keychain_of(&mallory).await;
    pin(&mut mallorys, &mallory, &bob).await;

    let good = keys.create_epoch(bob.id(), None, 1).unwrap();
    let with_third = keys.create_epoch(mallory.id(), None, 1).unwrap().grant;
    let by_third = mallorys.create_epoch(bob.id(), None, 1).unwrap().grant;
    let second = keys.create_epoch(bob.id(), Some(&good.grant), 2).unwrap();
    let keyring = BASE64.encode(&good.keyring.sealed);
    let post = async |grant: &Signed, keyring: &str| {
        let body = json!({"grant": json_of(grant), "keyring": keyring});
        alice.raw("POST", &format!("/conversations/{conversation}/epochs"), Some(&body)).await.unwrap()
    };

    let with = |change: &dyn Fn(&mut Signed)| {
        let mut grant = good.grant.clone();
        change(&mut grant);
        grant
    };
    for (what, grant) in [
        ("a third account", with_third),
        ("of somebody else", by_third),
        ("a broken signature", with(&|grant| grant.signature[10] ^= 1)),
        ("no signature", with(&|grant| grant.signature.clear())),
        ("a missing capsule", with(&|grant| grant.body.truncate(grant.body.len() - 48))),
        ("a changed capsule", with(&|grant| *grant.body.last_mut().unwrap() ^= 1)),
        ("something after its end", with(&|grant| grant.body.push(0))),
        ("nothing", with(&|grant| grant.body.clear())),
    ] {
        assert_eq!(raw_refusal(post(&grant, &keyring).await), refused(422, "bad_grant"), "{what}");
    }
    assert_eq!(
        raw_refusal(post(&second.grant, &keyring).await),
        refused(409, "epoch_conflict"),
        "number 2 before 1"
    );
    assert_eq!(raw_refusal(post(&good.grant, "AAAA").await), refused(422, "bad_key_material"));

    // None of that left a trace, and the good one still fits.
    let (_, none) = alice.raw("GET", &format!("/conversations/{conversation}/epochs"), None).await.unwrap();
    assert_eq!(none["epochs"], json!([]));
    assert_eq!(post(&good.grant, &keyring).await.0, 201);
    assert_eq!(raw_refusal(post(&good.grant, &keyring).await), refused(409, "epoch_conflict"), "twice");
    let mut forked = keychain_of(&alice).await;
    pin(&mut forked, &alice, &bob).await;
    let other_first = forked.create_epoch(bob.id(), None, 1).unwrap();
    let fork = forked.create_epoch(bob.id(), Some(&other_first.grant), 2).unwrap();
    assert_eq!(raw_refusal(post(&fork.grant, &keyring).await), refused(422, "bad_grant"), "another chain");
    assert_eq!(post(&second.grant, &BASE64.encode(&second.keyring.sealed)).await.0, 201);
}

#[tokio::test]
async fn of_two_who_open_an_epoch_at_once_one_wins_and_both_write_in_it() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    let (one, other) =
        tokio::join!(alice.send(conversation, "from Alice"), bob.send(conversation, "from Bob"));
    assert_eq!(one.unwrap().seq + other.unwrap().seq, 1 + 2);
    let (_, epochs) = alice.raw("GET", &format!("/conversations/{conversation}/epochs"), None).await.unwrap();
    assert_eq!(epochs["epochs"].as_array().unwrap().len(), 1);
    for reader in [&alice, &bob] {
        let mut texts: Vec<String> = Vec::new();
        for message in reader.history(conversation, None, 10).await.unwrap() {
            texts.push(message.text().unwrap().to_owned());
        }
        texts.sort();
        assert_eq!(texts, ["from Alice", "from Bob"]);
    }
}

#[tokio::test]
async fn a_keyring_takes_entries_of_ones_own_epochs_and_keeps_the_first() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.send(conversation, "hello").await.unwrap();
    bob.history(conversation, None, 10).await.unwrap();
    let (_, mine) = bob.raw("GET", "/keyring", None).await.unwrap();
    let entry = mine["entries"][0].clone();
    assert_eq!(entry["conversation"], json!(conversation));

    let put = async |entries: Value| {
        raw_refusal(bob.raw("PUT", "/keyring", Some(&json!({"entries": entries}))).await.unwrap())
    };
    let with = |field: &str, value: Value| {
        let mut entry = entry.clone();
        entry[field] = value;
        json!([entry])
    };
    assert_eq!(put(with("epoch", json!(Uuid::now_v7()))).await, refused(422, "unknown_epoch"));
    assert_eq!(put(with("box", json!("AAAA"))).await, refused(422, "bad_key_material"));
    assert_eq!(put(json!(vec![entry.clone(); 501])).await, refused(413, "too_large"));
    assert_eq!(put(with("box", json!(BASE64.encode([9; 73])))).await.0, 204);
    assert_eq!(bob.raw("GET", "/keyring", None).await.unwrap().1, mine, "what is there stays");
}

#[tokio::test]
async fn an_epoch_lasts_a_week() {
    let app = TestApp::start().await;
    let (alice, bob, conversation) = app.pair().await;
    alice.send(conversation, "this week").await.unwrap();
    let week = 7 * entrenous::clock::DAY;
    app.clock.advance(week);
    alice.advance_clock(std::time::Duration::from_millis(week as u64));
    alice.send(conversation, "next week").await.unwrap();
    assert_eq!(bob.conversation(conversation).await.unwrap().epoch.unwrap().number, 2);
    let texts: Vec<_> = bob.history(conversation, None, 10).await.unwrap();
    assert_eq!(texts.iter().map(|m| m.text()).collect::<Vec<_>>(), [Some("this week"), Some("next week")]);
}
