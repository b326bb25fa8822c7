//! Passkeys: what a device has signed lets one in, alone or beside the password, and nothing else does.

use client::wire::Bytes;
use client::{Client, Error, Event, PendingLogin, SignUp, WayIn};
use e2ee::{Account, Keychain, Login, RecoveryCode, Signed};
use entrenous::clock::{MINUTE, SECOND};
use entrenous::schema::tables::{backup_codes, challenges, passkeys, slots};
use reqwest::header::HOST;
use reqwest::{Method, Response};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use totp_rs::Builder;
use uuid::Uuid;

use crate::support::{PASSWORD, Refusal, TestApp, raw_refusal, refusal, refused};

const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const HAS_CREDENTIAL: u8 = 1 << 6;
/// How DER begins of a key of P-256, and of Ed25519.
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const ED25519: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

enum Key {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A device with one passkey, and the browser in front of it.
struct Device {
    key: Key,
    credential: Vec<u8>,
    user: Vec<u8>,
    /// What its PRF gives, where it has one.
    output: [u8; 32],
    flags: u8,
    counter: u32,
    site: String,
    origin: String,
}

impl Device {
    fn new(app: &TestApp, of: &Client) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self {
            key: Key::P256(key),
            credential: Uuid::new_v4().as_bytes().to_vec(),
            user: of.id().as_bytes().to_vec(),
            output: Sha256::digest(Uuid::new_v4()).into(),
            flags: PRESENT | VERIFIED,
            counter: 0,
            site: "localhost".to_owned(),
            origin: at_home(app),
        }
    }

    fn with_ed25519(self) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self { key: Key::Ed25519(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap()), ..self }
    }

    fn public_key(&self) -> Vec<u8> {
        match &self.key {
            Key::P256(key) => [P256, key.public_key().as_ref()].concat(),
            Key::Ed25519(key) => [ED25519, key.public_key().as_ref()].concat(),
        }
    }

    fn client_data(&self, kind: &str, challenge: &Value) -> Vec<u8> {
        let said = json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false});
        said.to_string().into_bytes()
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        [&Sha256::digest(&self.site)[..], &[self.flags | flags], &self.counter.to_be_bytes()].concat()
    }

    /// What a browser says of a passkey that was just made.
    fn make(&self, wanted: &Value) -> Value {
        let length = u16::try_from(self.credential.len()).unwrap().to_be_bytes();
        // What comes after the credential is CBOR, at which nobody looks.
        let credential = [&[0; 16][..], &length, &self.credential, b"\xa5"].concat();
        json!({
            "client_data": Bytes(self.client_data("webauthn.create", &wanted["challenge"])),
            "authenticator_data": Bytes([self.data(HAS_CREDENTIAL), credential].concat()),
            "public_key": Bytes(self.public_key()),
        })
    }

    /// What it says of one that was used.
    fn sign(&self, wanted: &Value) -> Value {
        let client_data = self.client_data("webauthn.get", &wanted["challenge"]);
        let data = self.data(0);
        let signed = [&data[..], &Sha256::digest(&client_data)].concat();
        let signature = match &self.key {
            Key::P256(key) => key.sign(&SystemRandom::new(), &signed).unwrap(),
            Key::Ed25519(key) => key.sign(&signed),
        };
        json!({
            "credential": Bytes(self.credential.clone()),
            "user": Bytes(self.user.clone()),
            "client_data": Bytes(client_data),
            "authenticator_data": Bytes(data),
            "signature": Bytes(signature.as_ref().to_vec()),
        })
    }
}

fn at_home(app: &TestApp) -> String {
    format!("http://{}", host(app))
}

/// As people type it: addresses of numbers have no passkeys.
fn host(app: &TestApp) -> String {
    app.url.replace("http://127.0.0.1", "localhost")
}

/// A request by nobody in particular, or by somebody, to the server by its name.
async fn post(app: &TestApp, path: &str, body: &Value) -> Response {
    let path = format!("/api{path}");
    app.request(Method::POST, &path).header(HOST, host(app)).json(body).send().await.unwrap()
}

async fn by(app: &TestApp, who: &Client, path: &str, body: &Value) -> Response {
    let request = app.request(Method::POST, &format!("/api{path}")).header(HOST, host(app));
    request.bearer_auth(who.token()).json(body).send().await.unwrap()
}

async fn body(response: Response) -> Value {
    let status = response.status();
    let body = response.json().await.unwrap();
    assert!(status.is_success(), "{status} {body}");
    body
}

/// The proof of a password.
async fn proof(who: &Client, password: &str) -> Value {
    let login = Login::start(password).unwrap();
    let start = json!({"request": Bytes(login.request().to_vec())});
    let (_, started) = who.raw("POST", "/credentials/start", Some(&start)).await.unwrap();
    let response: Bytes = serde_json::from_value(started["response"].clone()).unwrap();
    // Who does not know it cannot go on, and sends anything.
    let proven = login.finish(who.handle(), &response.0).map(|proven| proven.finalization);
    json!({"login": started["login"], "finalization": Bytes(proven.unwrap_or_else(|_| vec![0; 64]))})
}

/// What is sent to add a passkey, with a slot where its PRF is used.
async fn new(app: &TestApp, who: &Client, device: &Device, opens: bool) -> Value {
    let wanted = body(by(app, who, "/passkeys/start", &json!({})).await).await;
    new_of(app, who, device.make(&wanted), opens.then_some(&device.output)).await
}

async fn new_of(app: &TestApp, who: &Client, made: Value, output: Option<&[u8; 32]>) -> Value {
    let mut new = proof(who, PASSWORD).await;
    new["name"] = "My phone".into();
    for (key, value) in made.as_object().unwrap() {
        new[key] = value.clone();
    }
    if let Some(output) = output {
        let now = u64::try_from(app.clock.now()).unwrap();
        let slot = who.keychain().await.add_passkey(output, now);
        new["slot"] = json!({"id": slot.id, "kind": "passkey", "box": Bytes(slot.sealed)});
    }
    new
}

async fn add(app: &TestApp, who: &Client, device: &Device, opens: bool) -> Value {
    let new = new(app, who, device, opens).await;
    let answer = by(app, who, "/passkeys", &new).await;
    assert_eq!(answer.status(), 201);
    body(answer).await
}

async fn wanted(app: &TestApp) -> Value {
    body(post(app, "/login/passkey/start", &json!({})).await).await
}

/// With the passkey alone.
async fn log_in(app: &TestApp, device: &Device) -> Response {
    post(app, "/login/passkey", &device.sign(&wanted(app).await)).await
}

async fn is_refused(response: Response) {
    assert_eq!(refusal(response).await, refused(401, "wrong_passkey"));
}

/// What the answer to a log-in opens.
fn open(session: &Value, output: &[u8; 32]) -> Result<Keychain, e2ee::Error> {
    let bytes = |value: &Value| serde_json::from_value::<Bytes>(value.clone()).unwrap().0;
    let account = Account {
        id: session["me"]["id"].as_str().unwrap().parse().unwrap(),
        handle: session["me"]["handle"].as_str().unwrap().to_owned(),
        vault: e2ee::SealedVault {
            version: session["vault"]["version"].as_u64().unwrap(),
            sealed: bytes(&session["vault"]["box"]),
        },
        key_bundle: Signed {
            body: bytes(&session["key_bundle"]["body"]),
            signature: bytes(&session["key_bundle"]["signature"]),
        },
    };
    let slot = session["slot"]["id"].as_str().unwrap().parse().unwrap();
    Keychain::unlock_with_passkey(output, (slot, &bytes(&session["slot"]["box"])), &account)
}

/// Beside a good password.
async fn begin(app: &TestApp, of: &Client) -> Value {
    let login = Login::start(PASSWORD).unwrap();
    let request = Bytes(login.request().to_vec());
    let started =
        body(post(app, "/login/start", &json!({"handle": of.handle(), "request": request})).await).await;
    let response: Bytes = serde_json::from_value(started["response"].clone()).unwrap();
    let finalization = Bytes(login.finish(of.handle(), &response.0).unwrap().finalization);
    let finish = json!({"login": started["login"], "finalization": finalization});
    let answer = post(app, "/login/finish", &finish).await;
    assert_eq!(answer.status(), 202);
    body(answer).await
}

async fn ask_beside(app: &TestApp, pending: &Value) -> Response {
    post(app, "/login/code/passkey", &json!({"login": pending["login"]})).await
}

async fn beside(app: &TestApp, device: &Device, pending: &Value) -> Response {
    let mut signed = device.sign(&body(ask_beside(app, pending).await).await);
    signed["login"] = pending["login"].clone();
    post(app, "/login/passkey", &signed).await
}

async fn own(who: &Client) -> Value {
    who.raw("GET", "/sessions", None).await.unwrap().1
}

async fn change(who: &Client, method: &str, passkey: &Value, rest: &str, body: &Value) -> (u16, Value) {
    let path = format!("/passkeys/{}{rest}", passkey.as_str().unwrap());
    who.raw(method, &path, Some(body)).await.unwrap()
}

async fn pending_of(app: &TestApp, who: &Client) -> PendingLogin {
    match Client::prove_password(&app.url, who.handle(), PASSWORD).await.unwrap() {
        WayIn::Code(pending) => pending,
        WayIn::Open(_) => panic!("the password alone has opened a session"),
    }
}

#[tokio::test]
async fn a_passkey_with_a_secret_logs_one_in_without_the_password_and_opens_everything() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let mut told = alice.events().await.unwrap();
    let device = Device::new(&app, &alice);
    let added = add(&app, &alice, &device, true).await;
    let listed = &added["passkeys"][0];
    assert_eq!(
        (&listed["name"], &listed["opens"], &listed["used_at"]),
        (&json!("My phone"), &json!(true), &json!(null))
    );
    assert_eq!((&listed["site"], &added["codes"]), (&json!("localhost"), &json!([])));
    assert_eq!(added["second_factor"]["on"], false);

    app.clock.advance(MINUTE);
    let answer = log_in(&app, &device).await;
    assert!(answer.headers().contains_key("set-cookie"));
    let session = body(answer).await;
    assert_eq!(session["me"]["id"], json!(alice.id()));
    assert_eq!(session["slot"]["id"], listed["id"]);
    let kept = alice.keychain().await.seal_local("note", b"from before");
    let keychain = open(&session, &device.output).unwrap();
    assert_eq!(**keychain.open_local("note", &kept).unwrap(), *b"from before");
    assert!(open(&session, &[7; 32]).is_err());
    let Event::SessionBegun { .. } = told.next().await.unwrap() else { panic!("a log-in is told") };
    let listed = own(&alice).await["passkeys"][0].clone();
    assert!(
        listed["used_at"].as_i64().unwrap() >= listed["created_at"].as_i64().unwrap() + MINUTE,
        "{listed}"
    );
    // The password alone goes on to be enough.
    assert!(Client::log_in(&app.url, alice.handle(), PASSWORD).await.is_ok());
}

#[tokio::test]
async fn keys_of_another_kind_do_as_well() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let device = Device::new(&app, &alice).with_ed25519();
    add(&app, &alice, &device, true).await;
    assert!(open(&body(log_in(&app, &device).await).await, &device.output).is_ok());
}

#[tokio::test]
async fn what_was_signed_is_good_once_and_not_for_long() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let device = Device::new(&app, &alice);
    add(&app, &alice, &device, true).await;
    let signed = device.sign(&wanted(&app).await);
    let (one, other) =
        tokio::join!(post(&app, "/login/passkey", &signed), post(&app, "/login/passkey", &signed));
    assert_ne!(one.status().is_success(), other.status().is_success());
    is_refused(post(&app, "/login/passkey", &signed).await).await;

    let (soon, late) = (wanted(&app).await, wanted(&app).await);
    app.clock.advance(5 * MINUTE - SECOND);
    assert!(post(&app, "/login/passkey", &device.sign(&soon)).await.status().is_success());
    app.clock.advance(SECOND);
    is_refused(post(&app, "/login/passkey", &device.sign(&late)).await).await;
    // A challenge that was looked at is gone; the others go in time.
    wanted(&app).await;
    let left = async || challenges::Entity::find().count(app.app.db.read()).await.unwrap();
    assert_eq!(left().await, 1);
    app.clock.advance(5 * MINUTE);
    entrenous::passkeys::tidy(&app.app).await.unwrap();
    assert_eq!(left().await, 0);
}

#[tokio::test]
async fn what_is_wrong_with_an_answer_keeps_one_out() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.person("Alice").await, app.person("Bob").await);
    let mut device = Device::new(&app, &alice);
    add(&app, &alice, &device, true).await;
    let own_device = Device::new(&app, &bob);
    add(&app, &bob, &own_device, true).await;

    // A challenge that nobody has given.
    is_refused(post(&app, "/login/passkey", &device.sign(&json!({"challenge": Bytes(vec![7; 32])}))).await)
        .await;
    // Another page, or another server.
    for origin in [app.url.as_str(), "https://evil.example", "http://localhost", "null", ""] {
        device.origin = origin.to_owned();
        is_refused(log_in(&app, &device).await).await;
    }
    device.origin = at_home(&app);
    for site in ["evil.example", "127.0.0.1", ""] {
        device.site = site.to_owned();
        is_refused(log_in(&app, &device).await).await;
    }
    device.site = "localhost".to_owned();
    // Nobody there, or perhaps not the owner.
    for flags in [0, PRESENT, VERIFIED] {
        device.flags = flags;
        is_refused(log_in(&app, &device).await).await;
    }
    device.flags = PRESENT | VERIFIED;
    // Somebody else's account, or nobody's.
    for user in [bob.id().as_bytes().to_vec(), vec![7; 16], vec![], vec![7; 64]] {
        let user = std::mem::replace(&mut device.user, user);
        is_refused(log_in(&app, &device).await).await;
        device.user = user;
    }
    // Somebody else's passkey, with the signature of one's own.
    let credential = std::mem::replace(&mut device.credential, own_device.credential.clone());
    is_refused(log_in(&app, &device).await).await;
    device.user = bob.id().as_bytes().to_vec();
    is_refused(log_in(&app, &device).await).await;
    device.user = alice.id().as_bytes().to_vec();
    device.credential = credential;
    // One byte of anything.
    for part in ["client_data", "authenticator_data", "signature"] {
        let mut signed = device.sign(&wanted(&app).await);
        let mut bytes: Bytes = serde_json::from_value(signed[part].clone()).unwrap();
        *bytes.0.last_mut().unwrap() ^= 1;
        signed[part] = json!(bytes);
        is_refused(post(&app, "/login/passkey", &signed).await).await;
    }
    // Nothing that makes sense.
    for part in ["client_data", "authenticator_data", "signature", "credential", "user"] {
        for garbage in [vec![], vec![0; 36], vec![0xff; 4_000]] {
            let mut signed = device.sign(&wanted(&app).await);
            signed[part] = json!(Bytes(garbage));
            is_refused(post(&app, "/login/passkey", &signed).await).await;
        }
    }
    // A signature for making one is none for using it.
    let wanted_now = wanted(&app).await;
    let mut signed = device.sign(&wanted_now);
    signed["client_data"] = json!(Bytes(device.client_data("webauthn.create", &wanted_now["challenge"])));
    is_refused(post(&app, "/login/passkey", &signed).await).await;
    // After all of that it still works.
    assert!(log_in(&app, &device).await.status().is_success());
}

#[tokio::test]
async fn a_device_that_counts_backwards_is_kept_out_and_noted() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let mut device = Device::new(&app, &alice);
    device.counter = 5;
    add(&app, &alice, &device, true).await;
    for (counter, good) in
        [(5, false), (4, false), (6, true), (6, false), (100, true), (7, false), (101, true)]
    {
        device.counter = counter;
        let answer = log_in(&app, &device).await;
        match good {
            true => assert!(answer.status().is_success(), "{counter}"),
            false => is_refused(answer).await,
        }
    }
}

#[tokio::test]
async fn a_passkey_without_a_secret_is_asked_for_beside_the_password() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let mut device = Device::new(&app, &alice);
    let added = add(&app, &alice, &device, false).await;
    assert_eq!(added["passkeys"][0]["opens"], false);
    assert_eq!(
        (&added["second_factor"]["on"], &added["second_factor"]["app"]),
        (&json!(true), &json!(false))
    );
    let codes = added["codes"].as_array().unwrap();
    assert_eq!(codes.len(), 10);
    // A second one makes no others.
    let another = Device::new(&app, &alice);
    assert_eq!(add(&app, &alice, &another, false).await["codes"], json!([]));

    assert!(matches!(Client::log_in(&app.url, alice.handle(), PASSWORD).await, Err(Error::CodeWanted)));
    let pending = begin(&app, &alice).await;
    assert_eq!((&pending["app"], &pending["passkey"]), (&json!(false), &json!(true)));
    // Whoever has the password and not the device.
    is_refused(beside(&app, &Device::new(&app, &alice), &pending).await).await;
    // That it is the owner, the password has said.
    device.flags = PRESENT;
    let session = body(beside(&app, &device, &pending).await).await;
    assert_ne!(session["slot"]["id"], added["passkeys"][0]["id"]);
    assert_eq!(refusal(ask_beside(&app, &pending).await).await, refused(409, "login_expired"));
    // Alone it opens nothing, which its owner may know.
    device.flags = PRESENT | VERIFIED;
    assert_eq!(refusal(log_in(&app, &device).await).await, refused(409, "passkey_opens_nothing"));
    // Where the device is not there, a backup code does; digits are of no app.
    let pending = pending_of(&app, &alice).await;
    assert_eq!(pending.answer("123456").await.unwrap_err().code(), Some("wrong_second_factor"));
    assert!(pending.answer(codes[0].as_str().unwrap()).await.is_ok());
}

#[tokio::test]
async fn what_was_asked_of_one_log_in_is_no_answer_to_another() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let (device, opening) = (Device::new(&app, &alice), Device::new(&app, &alice));
    add(&app, &alice, &device, false).await;
    add(&app, &alice, &opening, true).await;
    let (one, other) = (begin(&app, &alice).await, begin(&app, &alice).await);
    let wanted_of = async |pending: &Value| body(ask_beside(&app, pending).await).await;
    let asked = wanted_of(&one).await;
    let ids: Vec<_> = [&device, &opening].map(|device| json!(Bytes(device.credential.clone()))).into();
    assert!(ids.iter().all(|id| asked["credentials"].as_array().unwrap().contains(id)), "{asked}");
    // Of one log-in in another, alone, and the other way round.
    let mut signed = opening.sign(&asked);
    signed["login"] = other["login"].clone();
    is_refused(post(&app, "/login/passkey", &signed).await).await;
    is_refused(post(&app, "/login/passkey", &opening.sign(&wanted_of(&one).await)).await).await;
    let mut signed = opening.sign(&wanted(&app).await);
    signed["login"] = one["login"].clone();
    is_refused(post(&app, "/login/passkey", &signed).await).await;
    // Of an account in a log-in.
    let making = body(by(&app, &alice, "/passkeys/start", &json!({})).await).await;
    is_refused(post(&app, "/login/passkey", &opening.sign(&making)).await).await;
    // A passkey that opens is a second factor as well.
    assert!(beside(&app, &opening, &one).await.status().is_success());
    // A log-in does not outlive its password.
    alice.change_password(PASSWORD, "another horse, another battery").await.unwrap();
    assert_eq!(refusal(ask_beside(&app, &other).await).await, refused(401, "wrong_credentials"));
    // Passkeys do.
    assert!(open(&body(log_in(&app, &opening).await).await, &opening.output).is_ok());
}

#[tokio::test]
async fn an_app_and_a_passkey_turn_the_second_factor_off_together() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let device = Device::new(&app, &alice);
    let secret = *b"twenty bytes of test";
    let code = || {
        let seconds = u64::try_from(app.clock.now() / SECOND).unwrap();
        Builder::new().with_secret(secret).build().unwrap().generate(seconds).to_string()
    };
    alice.turn_on_second_factor(PASSWORD, &secret, &code()).await.unwrap();
    let added = add(&app, &alice, &device, false).await;
    assert_eq!(added["codes"], json!([]), "the backup codes from before go on");
    app.clock.advance(MINUTE);
    let pending = begin(&app, &alice).await;
    assert_eq!((&pending["app"], &pending["passkey"]), (&json!(true), &json!(true)));
    assert!(pending_of(&app, &alice).await.answer(&code()).await.is_ok());
    assert!(beside(&app, &device, &pending).await.status().is_success());

    // Without the app the passkey is still asked for, and its backup codes stay.
    let changed_at = own(&alice).await["second_factor"]["changed_at"].clone();
    alice.turn_off_second_factor(PASSWORD).await.unwrap();
    let state = own(&alice).await["second_factor"].clone();
    assert_eq!(state, json!({"on": true, "app": false, "changed_at": changed_at, "backup_codes": 10}));
    let passkey = &added["passkeys"][0]["id"];
    let answer = change(&alice, "POST", passkey, "/remove", &proof(&alice, PASSWORD).await).await;
    assert_eq!((answer.0, &answer.1["passkeys"]), (200, &json!([])));
    let state = own(&alice).await["second_factor"].clone();
    assert_eq!((&state["on"], &state["backup_codes"]), (&json!(false), &json!(0)));
    assert!(Client::log_in(&app.url, alice.handle(), PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_passkey_that_is_removed_opens_nothing_more() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.person("Alice").await, app.person("Bob").await);
    let (device, other) = (Device::new(&app, &alice), Device::new(&app, &alice));
    let passkey = add(&app, &alice, &device, true).await["passkeys"][0]["id"].clone();
    add(&app, &alice, &other, true).await;
    // Only with the password, and only one's own.
    let wrong = change(&alice, "POST", &passkey, "/remove", &proof(&alice, "not the password").await).await;
    assert_eq!(raw_refusal(wrong), refused(401, "wrong_credentials"));
    let not_own = change(&bob, "POST", &passkey, "/remove", &proof(&bob, PASSWORD).await).await;
    assert_eq!(raw_refusal(not_own), refused(404, "not_found"));
    let renamed = change(&bob, "PATCH", &passkey, "", &json!({"name": "Bob's"})).await;
    assert_eq!(raw_refusal(renamed), refused(404, "not_found"));

    let (status, renamed) = change(&alice, "PATCH", &passkey, "", &json!({"name": " Old phone "})).await;
    assert_eq!((status, &renamed["passkeys"][0]["name"]), (200, &json!("Old phone")));
    for name in ["", "  ", &"a".repeat(65), "a\u{7}b"] {
        let refusal = change(&alice, "PATCH", &passkey, "", &json!({"name": name})).await;
        assert_eq!(raw_refusal(refusal), refused(422, "bad_display_name"), "{name:?}");
    }
    let signed = device.sign(&wanted(&app).await);
    let (status, left) = change(&alice, "POST", &passkey, "/remove", &proof(&alice, PASSWORD).await).await;
    assert_eq!((status, left["passkeys"].as_array().unwrap().len()), (200, 1));
    is_refused(post(&app, "/login/passkey", &signed).await).await;
    is_refused(log_in(&app, &device).await).await;
    assert!(log_in(&app, &other).await.status().is_success());
    let slots = slots::Entity::find().filter(slots::Column::Kind.eq("passkey"));
    assert_eq!(slots.count(app.app.db.read()).await.unwrap(), 1);
    let again = change(&alice, "POST", &passkey, "/remove", &proof(&alice, PASSWORD).await).await;
    assert_eq!(raw_refusal(again), refused(404, "not_found"));
}

#[tokio::test]
async fn one_is_added_only_with_the_password_and_only_if_it_is_whole() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.person("Alice").await, app.person("Bob").await);
    let mut device = Device::new(&app, &alice);
    let send = async |new: &Value| -> Refusal { refusal(by(&app, &alice, "/passkeys", new).await).await };
    let bad = || refused(422, "bad_passkey");
    let mut unproven = new(&app, &alice, &device, true).await;
    let wrong = proof(&alice, "not the password").await;
    unproven["login"] = wrong["login"].clone();
    unproven["finalization"] = wrong["finalization"].clone();
    assert_eq!(send(&unproven).await, refused(401, "wrong_credentials"));
    // With somebody else's proof, or somebody else's challenge.
    let mut of_bob = new(&app, &alice, &device, true).await;
    let proof_of_bob = proof(&bob, PASSWORD).await;
    of_bob["login"] = proof_of_bob["login"].clone();
    of_bob["finalization"] = proof_of_bob["finalization"].clone();
    assert_eq!(send(&of_bob).await, refused(401, "wrong_credentials"));
    let of_bob = body(by(&app, &bob, "/passkeys/start", &json!({})).await).await;
    assert_eq!(send(&new_of(&app, &alice, device.make(&of_bob), None).await).await, bad());
    let of_nobody = wanted(&app).await;
    assert_eq!(send(&new_of(&app, &alice, device.make(&of_nobody), None).await).await, bad());

    device.origin = "https://evil.example".to_owned();
    assert_eq!(send(&new(&app, &alice, &device, true).await).await, bad());
    device.origin = at_home(&app);
    device.site = "evil.example".to_owned();
    assert_eq!(send(&new(&app, &alice, &device, true).await).await, bad());
    device.site = "localhost".to_owned();
    for flags in [0, PRESENT, VERIFIED] {
        device.flags = flags;
        assert_eq!(send(&new(&app, &alice, &device, false).await).await, bad());
    }
    device.flags = PRESENT | VERIFIED;
    for part in ["client_data", "authenticator_data", "public_key"] {
        for garbage in [vec![], vec![0; 55], vec![0xff; 4_000]] {
            let mut garbled = new(&app, &alice, &device, false).await;
            garbled[part] = json!(Bytes(garbage));
            assert_eq!(send(&garbled).await, bad(), "{part}");
        }
    }
    let mut without_credential = new(&app, &alice, &device, false).await;
    without_credential["authenticator_data"] = json!(Bytes(device.data(0)));
    assert_eq!(send(&without_credential).await, bad());
    // A slot of another kind or length, a name that is none.
    let mut of_password = new(&app, &alice, &device, true).await;
    of_password["slot"]["kind"] = "password".into();
    assert_eq!(send(&of_password).await, refused(422, "bad_key_material"));
    let mut short = new(&app, &alice, &device, true).await;
    short["slot"]["box"] = json!(Bytes(vec![1; 72]));
    assert_eq!(send(&short).await, refused(422, "bad_key_material"));
    let mut nameless = new(&app, &alice, &device, true).await;
    nameless["name"] = "".into();
    assert_eq!(send(&nameless).await, refused(422, "bad_display_name"));
    assert_eq!(own(&alice).await["passkeys"], json!([]));

    // What was signed for it is good once, and a device has one of each.
    let good = new(&app, &alice, &device, true).await;
    assert_eq!(by(&app, &alice, "/passkeys", &good).await.status(), 201);
    let mut again = proof(&alice, PASSWORD).await;
    for key in ["name", "client_data", "authenticator_data", "public_key"] {
        again[key] = good[key].clone();
    }
    assert_eq!(send(&again).await, bad());
    assert_eq!(send(&new(&app, &alice, &device, false).await).await, bad());
    let asked = body(by(&app, &alice, "/passkeys/start", &json!({})).await).await;
    assert_eq!(asked["credentials"], json!([Bytes(device.credential.clone())]));
    assert_eq!(own(&alice).await["second_factor"]["on"], false);
}

#[tokio::test]
async fn an_account_has_ten_at_most() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let eleventh = new(&app, &alice, &Device::new(&app, &alice), true).await;
    for _ in 0..10 {
        add(&app, &alice, &Device::new(&app, &alice), true).await;
    }
    let start = by(&app, &alice, "/passkeys/start", &json!({})).await;
    assert_eq!(refusal(start).await, refused(409, "too_many_passkeys"));
    let mut eleventh = eleventh;
    let proof = proof(&alice, PASSWORD).await;
    eleventh["login"] = proof["login"].clone();
    eleventh["finalization"] = proof["finalization"].clone();
    assert_eq!(
        refusal(by(&app, &alice, "/passkeys", &eleventh).await).await,
        refused(409, "too_many_passkeys")
    );
}

#[tokio::test]
async fn under_an_address_of_numbers_there_are_none() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let said = async |host: Option<String>| {
        let request = app.request(Method::GET, "/api/config");
        let request = if let Some(host) = host { request.header(HOST, host) } else { request };
        body(request.send().await.unwrap()).await["passkeys"].clone()
    };
    assert_eq!(said(None).await, json!(null));
    assert_eq!(said(Some(host(&app))).await, "localhost");
    assert_eq!(said(Some("messages.example.org".to_owned())).await, "messages.example.org");
    let refusal = app.post("/api/login/passkey/start", &json!({})).await;
    assert_eq!(refusal, refused(422, "no_passkeys_here"));
    let start = alice.raw("POST", "/passkeys/start", Some(&json!({}))).await.unwrap();
    assert_eq!(raw_refusal(start), refused(422, "no_passkeys_here"));
    // Where a passkey is asked for beside the password, a backup code still does.
    let added = add(&app, &alice, &Device::new(&app, &alice), false).await;
    let code = added["codes"][0].as_str().unwrap();
    assert!(pending_of(&app, &alice).await.answer(code).await.is_ok());
}

#[tokio::test]
async fn under_its_public_address_they_are_of_that_whatever_a_proxy_says() {
    let app = TestApp::start_with(|config| {
        config.public_url = Some("https://messages.example.org".parse().unwrap());
    })
    .await;
    let code = entrenous::sign_up::setup_code(&app.app).await.unwrap();
    let sign_up = SignUp { setup_code: code.as_deref(), ..SignUp::default() };
    let alice = Client::register_with(&app.url, "alice", "Alice", PASSWORD, sign_up).await.unwrap();
    let mut device = Device::new(&app, &alice);
    device.site = "messages.example.org".to_owned();
    device.origin = "https://messages.example.org".to_owned();
    add(&app, &alice, &device, true).await;
    assert!(log_in(&app, &device).await.status().is_success());
    device.origin = at_home(&app);
    is_refused(log_in(&app, &device).await).await;
}

#[tokio::test]
async fn attempts_are_limited_and_a_suspended_person_stays_out() {
    let app = TestApp::start_with(|config| config.attempts_per_address = 40).await;
    let alice = app.person("Alice").await;
    let device = Device::new(&app, &alice);
    add(&app, &alice, &device, true).await;
    app.clock.advance(10 * MINUTE);
    let mut answers = Vec::new();
    for _ in 0..60 {
        let answer = post(&app, "/login/passkey/start", &json!({})).await;
        answers.push(refusal(answer).await);
    }
    assert!(answers.contains(&refused(429, "too_many_attempts")));
    app.clock.advance(10 * MINUTE);
    let bob = app.person("Bob").await;
    let device_of_bob = Device::new(&app, &bob);
    add(&app, &bob, &device_of_bob, true).await;
    // Alice was the first, and administers.
    let path = format!("/administration/people/{}/suspension", bob.id());
    assert_eq!(alice.raw("PUT", &path, None).await.unwrap().0, 204);
    assert_eq!(refusal(log_in(&app, &device_of_bob).await).await, refused(403, "suspended"));
}

#[tokio::test]
async fn whoever_recovers_or_begins_anew_leaves_the_passkeys_behind() {
    let app = TestApp::start().await;
    let (admin, alice, bob) = (app.person("Admin").await, app.person("Alice").await, app.person("Bob").await);
    for (who, recovers) in [(&alice, true), (&bob, false)] {
        let (device, second) = (Device::new(&app, who), Device::new(&app, who));
        add(&app, who, &device, true).await;
        add(&app, who, &second, false).await;
        let link = format!("/administration/people/{}/reset", who.id());
        let back = if recovers {
            let code: &RecoveryCode = who.recovery_code().unwrap();
            Client::recover(&app.url, who.handle(), code, "another horse, another battery").await.unwrap()
        } else {
            let (_, made) = admin.raw("POST", &link, None).await.unwrap();
            let token = made["token"].as_str().unwrap();
            Client::begin_anew(&app.url, token, "another horse, another battery").await.unwrap()
        };
        is_refused(log_in(&app, &device).await).await;
        let left = own(&back).await;
        assert_eq!((&left["passkeys"], &left["second_factor"]["on"]), (&json!([]), &json!(false)));
        let db = app.app.db.read();
        let of = |account| passkeys::Entity::find().filter(passkeys::Column::Account.eq(account));
        assert_eq!(of(who.id()).count(db).await.unwrap(), 0);
        let codes = backup_codes::Entity::find().filter(backup_codes::Column::Account.eq(who.id()));
        assert_eq!(codes.count(db).await.unwrap(), 0);
        let opened = slots::Entity::find().filter(slots::Column::Account.eq(who.id()));
        assert_eq!(opened.count(db).await.unwrap(), 2);
    }
}

#[tokio::test]
async fn they_are_still_there_after_a_restart_and_in_sessions_that_end_everywhere() {
    let mut app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let device = Device::new(&app, &alice);
    add(&app, &alice, &device, true).await;
    let asked = wanted(&app).await;
    app.stop().await;
    app.start_again().await;
    assert!(post(&app, "/login/passkey", &device.sign(&asked)).await.status().is_success());
    assert_eq!(alice.raw("DELETE", "/sessions", None).await.unwrap().0, 200);
    assert!(log_in(&app, &device).await.status().is_success());
    // Without a session nobody touches them.
    for path in ["/passkeys/start", "/passkeys"] {
        let body = json!({"login": alice.id(), "finalization": "", "name": "", "client_data": "", "authenticator_data": "", "public_key": ""});
        assert_eq!(refusal(post(&app, path, &body).await).await, refused(401, "signed_out"));
    }
}
