//! Known answers, made by an independent implementation. Every file in `vectors/` is read, and every answer
//! in it is used: a field that no check has read fails the test, so that a file can never be looked at only
//! in part.

use std::{cell::RefCell, collections::BTreeSet, fs, path::Path};

use e2ee::{
    Context, Envelope, Grant, KeyBundle, Kind, RecoveryCode, Signed, SlotKind, conversation_id,
    known_answers as inside, padded_length, safety_number, sha256,
};
use serde_json::Value;
use uuid::Uuid;

#[test]
fn every_known_answer_is_reproduced() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut read = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let answers = Answers::of(serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap());
            check(&answers);
            assert_eq!(
                answers.unread(),
                BTreeSet::new(),
                "answers that nothing checked in {}",
                path.display()
            );
            read += 1;
        }
    }
    assert!(read > 0);
}

fn check(all: &Answers) {
    all.text("/about");
    let alice = Party::of(all, "alice");
    let bob = Party::of(all, "bob");
    check_slots(all, &alice);
    check_account(all, &alice);

    let bundle =
        Signed { body: all.bytes("/key_bundle/body"), signature: all.bytes("/key_bundle/signature") };
    let opened = KeyBundle::open(&bundle, alice.account, &alice.handle).unwrap();
    assert_eq!(u64::from(opened.sequence), all.number("/key_bundle/sequence"));
    assert_eq!(opened.created_at, all.number("/key_bundle/created_ms"));
    assert_eq!(opened.previous_hash, all.array("/key_bundle/previous_hash"));
    assert_eq!(opened.identity, alice.identity_public);
    assert_eq!(opened.encryption, alice.encryption_public);
    assert_eq!(alice.bundle(opened.created_at), bundle);

    let conversation = all.id("/conversation_id");
    assert_eq!(conversation_id(alice.account, bob.account), conversation);
    assert_eq!(conversation_id(bob.account, alice.account), conversation);
    check_epoch(all, conversation, &alice, &bob);

    for index in 0..all.length("/messages") {
        check_message(all, conversation, index, &alice, &bob);
    }
    for index in 0..all.length("/padding") {
        let length = usize::try_from(all.number(&format!("/padding/{index}/0"))).unwrap();
        let padded = usize::try_from(all.number(&format!("/padding/{index}/1"))).unwrap();
        assert_eq!(padded_length(length), padded);
        assert_eq!(inside::pad(&vec![b'x'; length]).len(), padded);
    }
    let sides = [(alice.account, &alice.identity_public), (bob.account, &bob.identity_public)];
    assert_eq!(safety_number(sides[0], sides[1]), all.text("/safety_number"));
    assert_eq!(safety_number(sides[1], sides[0]), all.text("/safety_number"));
}

fn check_slots(all: &Answers, alice: &Party) {
    for kind in [SlotKind::Password, SlotKind::Recovery, SlotKind::Passkey] {
        let at = |field: &str| format!("/slots/{}/{field}", kind.name());
        let (id, secret) = (all.id(&at("slot_id")), all.bytes(&at("input_key")));
        let account_key: [u8; 32] = all.array(&at("account_key"));
        let slot = all.bytes(&at("slot"));
        let kek = inside::slot_kek(kind, alice.account, id, &secret);
        assert_eq!(kek, all.array(&at("kek")));
        let aad = inside::slot_aad(kind, alice.account, id);
        assert_eq!(inside::seal_box(&kek, "slot", &aad, &account_key, all.array(&at("nonce"))), slot);
        assert_eq!(inside::open_slot(kind, alice.account, id, &secret, &slot), Ok(account_key));
    }
}

fn check_account(all: &Answers, alice: &Party) {
    let code = inside::recovery_code(all.array("/recovery_verifier/code"));
    assert_eq!(*code.proof(&all.text("/recovery_verifier/handle")), all.array("/recovery_verifier/auth"));
    assert_eq!(RecoveryCode::parse(&code.to_string()), Ok(code));

    let subkeys = inside::subkeys(all.array("/account_subkeys/account_key"), alice.account);
    assert_eq!(
        subkeys,
        ["vault", "keyring", "local"].map(|name| all.array(&format!("/account_subkeys/{name}")))
    );

    let aad = inside::vault_aad(alice.account, all.number("/vault/version"));
    let (plaintext, sealed) = (all.bytes("/vault/plaintext"), all.bytes("/vault/box"));
    assert_eq!(inside::seal_box(&subkeys[0], "vault", &aad, &plaintext, all.array("/vault/nonce")), sealed);
    assert_eq!(inside::open_box(&subkeys[0], "vault", &aad, &sealed), Ok(plaintext));

    let aad = inside::keyring_aad(alice.account, all.id("/conversation_id"), all.id("/epoch/epoch_uid"));
    let (plaintext, sealed) = (all.bytes("/epoch/conversation_key"), all.bytes("/keyring_entry/box"));
    let nonce = all.array("/keyring_entry/nonce");
    assert_eq!(inside::seal_box(&subkeys[1], "keyring", &aad, &plaintext, nonce), sealed);
    assert_eq!(inside::open_box(&subkeys[1], "keyring", &aad, &sealed), Ok(plaintext));
}

fn check_epoch(all: &Answers, conversation: Uuid, alice: &Party, bob: &Party) {
    let creator = Party::of(all, &all.text("/epoch/creator"));
    let signed = Signed { body: all.bytes("/epoch/body"), signature: all.bytes("/epoch/signature") };
    let grant = Grant::parse(&signed).unwrap();
    grant.verify(&creator.identity_public).unwrap();
    assert_eq!(inside::sign(&creator.identity_seed, &signed.body), signed);
    let key: [u8; 32] = all.array("/epoch/conversation_key");
    assert_eq!(grant.conversation, conversation);
    assert_eq!(u64::from(grant.number), all.number("/epoch/number"));
    assert_eq!(grant.created_at, all.number("/epoch/created_ms"));
    assert_eq!(grant.creator, creator.account);
    assert_eq!(grant.previous_hash, all.array("/epoch/previous_hash"));
    assert_eq!(grant.epoch, all.id("/epoch/epoch_uid"));
    assert_eq!(grant.commit, all.array("/epoch/commit"));
    assert_eq!(inside::commitment(conversation, grant.number, key), grant.commit);

    assert_eq!(all.length("/epoch/capsules"), 2);
    for index in 0..2 {
        let at = |field: &str| format!("/epoch/capsules/{index}/{field}");
        let account = all.id(&at("account"));
        let recipient = if account == alice.account { alice } else { bob };
        assert_eq!(account, recipient.account);
        assert_eq!(grant.shares[index].account, account);
        let encryption_hash = sha256(&recipient.encryption_public);
        assert_eq!(grant.shares[index].encryption_hash, encryption_hash);
        let info = inside::capsule_info(
            conversation,
            grant.number,
            (creator.account, &creator.identity_public),
            (recipient.account, &recipient.identity_public),
            &encryption_hash,
        );
        assert_eq!(info, all.bytes(&at("info")));
        let (enc, ct) = (all.bytes(&at("enc")), all.bytes(&at("ct")));
        let opened = inside::open_capsule(&recipient.encryption_seed, &info, &grant.commit, &enc, &ct);
        assert_eq!(opened, Some(key));
        let bundle = KeyBundle::open(&recipient.bundle(1), recipient.account, &recipient.handle).unwrap();
        assert_eq!(
            inside::unwrap_key(&grant, &creator.identity_public, &bundle, &recipient.encryption_seed),
            Ok(key)
        );
    }
}

fn check_message(all: &Answers, conversation: Uuid, index: usize, alice: &Party, bob: &Party) {
    let at = |field: &str| format!("/messages/{index}/{field}");
    let key: [u8; 32] = all.array("/epoch/conversation_key");
    let epoch = all.id("/epoch/epoch_uid");
    let sender = if all.text(&at("sender")) == "alice" { alice } else { bob };
    let target = all.text(&at("target"));
    let context = Context {
        conversation,
        sender: sender.account,
        id: all.id(&at("client_message_id")),
        kind: Kind::from_number(u8::try_from(all.number(&at("kind"))).unwrap()).unwrap(),
        target: (!target.is_empty()).then(|| Uuid::try_parse(&target).unwrap()),
    };
    let text = all.text(&at("plaintext")).into_bytes();
    let padded = inside::pad(&text);
    assert_eq!(u64::try_from(padded.len()).unwrap(), all.number(&at("padded_length")));
    let sender_key = inside::sender_key(key, epoch, conversation, sender.account);
    assert_eq!(sender_key, all.array(&at("sender_key")));
    let aad = inside::message_aad(epoch, &context);
    assert_eq!(aad, all.bytes(&at("aad")));
    let sealed = inside::seal_box(&sender_key, "message", &aad, &padded, all.array(&at("nonce")));
    let envelope = all.bytes(&at("envelope"));
    assert_eq!(inside::envelope(epoch, context.id, &sealed), envelope);
    let head = Envelope::parse(&envelope).unwrap();
    assert_eq!((head.epoch, head.id), (epoch, context.id));
    assert_eq!(inside::open_envelope(key, &context, &envelope), Ok(text));
}

struct Party {
    account: Uuid,
    handle: String,
    identity_seed: [u8; 32],
    identity_public: [u8; 32],
    encryption_seed: [u8; 32],
    encryption_public: Vec<u8>,
}

impl Party {
    fn of(all: &Answers, name: &str) -> Self {
        let at = |field: &str| format!("/parties/{name}/{field}");
        let party = Party {
            account: all.id(&at("account")),
            handle: all.text(&at("handle")),
            identity_seed: all.array(&at("identity_seed")),
            identity_public: all.array(&at("identity_public")),
            encryption_seed: all.array(&at("encryption_seed")),
            encryption_public: all.bytes(&at("encryption_public")),
        };
        assert_eq!(inside::identity_public(&party.identity_seed), party.identity_public);
        assert_eq!(inside::encryption_public(&party.encryption_seed), party.encryption_public);
        party
    }

    fn bundle(&self, now: u64) -> Signed {
        inside::first_bundle(self.account, &self.handle, &self.identity_seed, &self.encryption_seed, now)
    }
}

/// A file of answers that remembers which of them were asked for.
struct Answers {
    document: Value,
    read: RefCell<BTreeSet<String>>,
}

impl Answers {
    fn of(document: Value) -> Self {
        Answers { document, read: RefCell::default() }
    }

    fn at(&self, pointer: &str) -> &Value {
        self.read.borrow_mut().insert(pointer.to_owned());
        self.document.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"))
    }

    fn text(&self, pointer: &str) -> String {
        self.at(pointer).as_str().unwrap().to_owned()
    }

    fn number(&self, pointer: &str) -> u64 {
        self.at(pointer).as_u64().unwrap()
    }

    fn bytes(&self, pointer: &str) -> Vec<u8> {
        hex::decode(self.text(pointer)).unwrap()
    }

    fn array<const N: usize>(&self, pointer: &str) -> [u8; N] {
        self.bytes(pointer).try_into().unwrap()
    }

    fn id(&self, pointer: &str) -> Uuid {
        Uuid::from_bytes(self.array(pointer))
    }

    fn length(&self, pointer: &str) -> usize {
        self.document.pointer(pointer).and_then(Value::as_array).unwrap().len()
    }

    fn unread(&self) -> BTreeSet<String> {
        let mut leaves = BTreeSet::new();
        collect_leaves(&self.document, String::new(), &mut leaves);
        &leaves - &self.read.borrow()
    }
}

fn collect_leaves(value: &Value, pointer: String, leaves: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(name, value)| collect_leaves(value, format!("{pointer}/{name}"), leaves));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(i, value)| collect_leaves(value, format!("{pointer}/{i}"), leaves));
        }
        _ => {
            leaves.insert(pointer);
        }
    }
}
