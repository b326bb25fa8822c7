//! What the fuzz targets begin with (`make fuzz`): a folder for each, with what this crate itself writes.

use std::{error::Error, fs, path::Path};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use e2ee::{Context, KeyBundle, Kind, known_answers as inside, opaque::server::ServerSetup};
use serde_json::{Value, json};
use uuid::Uuid;

const NOW: u64 = 1_767_225_600_000;

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = std::env::args().nth(1).ok_or("seeds FOLDER")?;
    let keep = |target: &str, name: &str, bytes: &[u8]| {
        let folder = Path::new(&corpus).join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)
    };
    let [alice, bob, id, conversation, epoch] = [1, 2, 3, 4, 5].map(|byte| Uuid::from_bytes([byte; 16]));
    let text = |bytes: &[u8]| Value::from(URL_SAFE_NO_PAD.encode(bytes));

    let bundle = inside::first_bundle(alice, "alice", &[1; 32], &[11; 32], NOW);
    let theirs = inside::first_bundle(bob, "bob", &[2; 32], &[12; 32], NOW);
    keep("bundle", "first", &bundle.body)?;
    let (ours, theirs) = (KeyBundle::open(&bundle, alice, "alice")?, KeyBundle::open(&theirs, bob, "bob")?);
    let grant = inside::first_grant(&ours, &[1; 32], &theirs, [7; 32], NOW)?;
    keep("grant", "first", &grant.body)?;

    let context = Context { conversation, sender: alice, id, kind: Kind::Message, target: None };
    let words = json!({"type": "text", "body": "between us"}).to_string();
    let padded = inside::pad(words.as_bytes());
    let key = inside::sender_key([7; 32], epoch, conversation, alice);
    let sealed = inside::seal_random_box(&key, "message", &inside::message_aad(epoch, &context), &padded);
    let envelope = inside::envelope(epoch, id, &sealed);
    keep("envelope", "text", &envelope)?;
    keep("padding", "text", &padded)?;

    let pin = json!({"identity": text(&[2; 32]), "first_seen": NOW, "verified_at": NOW,
        "replaced": [{"identity": text(&[3; 32]), "until": NOW}]});
    let vault = json!({"identity_seed": text(&[1; 32]), "encryption_seeds": [text(&[11; 32])],
        "contacts": {(bob.to_string()): pin}, "settings": {"theme": {"at": NOW, "value": "dark"}}});
    keep("vault", "pinned", vault.to_string().as_bytes())?;
    keep("slot", "key", &[9; 32])?;
    keep("keyring", "key", &[7; 32])?;
    keep("recovery_code", "code", inside::recovery_code([8; 16]).to_string().as_bytes())?;

    let server = ServerSetup::generate();
    let request = URL_SAFE_NO_PAD.decode("4vZ5fkKzQjXZ6S0DkdQBN5Gc4B4rH0K8T8fRtxPg_gg")?;
    keep("opaque", "request", &[&[0][..], &request].concat())?;
    keep("opaque", "server", &[&[5][..], &server.to_bytes()].concat())?;
    for (which, length) in [(1, 96), (2, 192 + 96), (3, 192), (4, 192 + 64), (6, 64)] {
        keep("opaque", &which.to_string(), &[&[which][..], &vec![0; length]].concat())?;
    }

    let signed =
        |signed: &e2ee::Signed| json!({"body": text(&signed.body), "signature": text(&signed.signature)});
    let frames = [
        (
            "send",
            json!({"type": "send", "conversation": conversation, "id": id, "envelope": text(&envelope),
            "kind": "edit", "target": id, "timer": null}),
        ),
        ("receipt", json!({"type": "receipt", "conversation": conversation, "delivered": 1, "read": 1})),
        ("typing", json!({"type": "typing", "conversation": conversation})),
        ("attending", json!({"type": "attending", "attending": true})),
        ("watch", json!({"type": "watch", "conversation": conversation})),
        ("took", json!({"type": "took", "conversation": conversation, "seq": 1, "milliseconds": 9})),
        ("new", json!({"id": id, "envelope": text(&envelope)})),
        ("grant", signed(&grant)),
        ("bundle", signed(&bundle)),
    ];
    for (name, frame) in frames {
        keep("server_frame", name, frame.to_string().as_bytes())?;
    }
    let message = json!({"conversation": conversation, "seq": 1, "rev": 1, "id": id, "sender": alice,
        "epoch": epoch, "envelope": text(&envelope), "sent_at": NOW, "edit": {"id": id, "at": NOW, "count": 1},
        "reactions": [{"sender": bob, "id": id, "envelope": text(&envelope)}]});
    let frames = [
        ("ready", json!({"type": "ready", "session": id, "server_time": NOW})),
        ("message", json!({"type": "message", "message": message})),
        (
            "receipt",
            json!({"type": "receipt", "conversation": conversation, "account": bob, "delivered": 1, "read": 1}),
        ),
        (
            "epoch",
            json!({"type": "epoch", "conversation": conversation,
            "epoch": {"id": epoch, "number": 1, "first_seq": 1, "created_at": NOW, "closed": false}}),
        ),
        ("history", json!({"messages": [message], "next": 1})),
        (
            "keyring",
            json!({"entries": [{"conversation": conversation, "epoch": epoch, "box": text(&[0; 73])}]}),
        ),
    ];
    for (name, frame) in frames {
        keep("client_frame", name, frame.to_string().as_bytes())?;
    }
    Ok(())
}
