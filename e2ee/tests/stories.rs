//! What people do, from the outside of the crate: two accounts, a server that holds blobs, and one that
//! cheats.

use e2ee::{
    Account, Adopted, Context, CreatedEpoch, Error, Grant, Keychain, KeyringEntry, Kind, Login, Material,
    RecoveryCode, Registration, Result, Seen, Signed, enc, known_answers as inside, new_id,
    opaque::server::{PendingLogin, ServerSetup, finish_login, finish_registration},
    recovery, sha256,
};
use uuid::Uuid;

const NOW: u64 = 1_767_225_600_000;
const PASSWORD: &str = "correct horse battery";

/// What the server has of one account.
struct Stored {
    account: Account,
    material: Material,
    record: Vec<u8>,
}

struct Person {
    keychain: Keychain,
    recovery_code: RecoveryCode,
    stored: Stored,
}

fn register(server: &ServerSetup, handle: &str, password: &str) -> Person {
    let registration = Registration::start(password).unwrap();
    let response = server.start_registration(handle, registration.request()).unwrap();
    let id = new_id(NOW);
    let registered = registration.finish(handle, id, &response, NOW).unwrap();
    let material = registered.material;
    let account = Account {
        id,
        handle: handle.to_owned(),
        vault: material.vault.clone(),
        key_bundle: material.key_bundle.clone(),
    };
    let record = finish_registration(&material.record).unwrap();
    Person {
        keychain: registered.keychain,
        recovery_code: registered.recovery_code,
        stored: Stored { account, material, record },
    }
}

fn log_in(server: &ServerSetup, stored: &Stored, password: &str) -> Result<Keychain> {
    let handle = &stored.account.handle;
    let login = Login::start(password)?;
    let PendingLogin { response, state } =
        server.start_login(handle, Some(&stored.record), login.request())?;
    let proven = login.finish(handle, &response)?;
    finish_login(&state, &proven.finalization)?;
    let slot = &stored.material.slots[0];
    proven.unlock((slot.id, &slot.sealed), &stored.account)
}

fn meet(one: &mut Person, other: &mut Person) {
    one.keychain
        .pin(other.stored.account.id, &other.stored.account.handle, &other.stored.account.key_bundle, NOW)
        .unwrap();
    other
        .keychain
        .pin(one.stored.account.id, &one.stored.account.handle, &one.stored.account.key_bundle, NOW)
        .unwrap();
}

fn two_people() -> (ServerSetup, Person, Person) {
    let server = ServerSetup::generate();
    let mut alice = register(&server, "alice", PASSWORD);
    let mut bob = register(&server, "bob", "a different password");
    meet(&mut alice, &mut bob);
    (server, alice, bob)
}

fn text(conversation: Uuid, sender: &Keychain) -> Context {
    Context { conversation, sender: sender.account(), id: new_id(NOW), kind: Kind::Message, target: None }
}

fn seal(keychain: &Keychain, epoch: Uuid, context: &Context, body: &str) -> Result<Vec<u8>> {
    keychain.seal(context.conversation, epoch, context.id, context.kind, context.target, body)
}

fn adopt(
    keychain: &mut Keychain,
    peer: Uuid,
    created: &CreatedEpoch,
    previous: Option<Uuid>,
) -> Result<KeyringEntry> {
    let adopted = keychain.adopt_epoch(peer, &created.grant, previous)?;
    let Adopted { epoch, number, created_at, keyring, .. } = adopted;
    assert_eq!((epoch, number, created_at), (created.epoch, created.number, created.created_at));
    Ok(keyring)
}

#[test]
fn two_people_exchange_messages_over_two_epochs() {
    let (_, mut alice, mut bob) = two_people();
    let (alice_id, bob_id) = (alice.keychain.account(), bob.keychain.account());
    let conversation = alice.keychain.conversation_id(bob_id);
    assert_eq!(conversation, bob.keychain.conversation_id(alice_id));

    let first = alice.keychain.create_epoch(bob_id, None, NOW).unwrap();
    assert!(alice.keychain.has_epoch(conversation, first.epoch));
    assert!(!bob.keychain.has_epoch(conversation, first.epoch));
    adopt(&mut bob.keychain, alice_id, &first, None).unwrap();

    let hello = text(conversation, &alice.keychain);
    let envelope = seal(&alice.keychain, first.epoch, &hello, "Bonjour").unwrap();
    assert_eq!(*bob.keychain.open(&hello, &envelope).unwrap(), "Bonjour");
    assert_eq!(
        *alice.keychain.open(&hello, &envelope).unwrap(),
        "Bonjour",
        "one's own messages open as well"
    );

    let second = bob.keychain.create_epoch(alice_id, Some(&first.grant), NOW + 1).unwrap();
    assert_eq!((second.number, second.created_at), (2, NOW + 1));
    adopt(&mut alice.keychain, bob_id, &second, Some(first.epoch)).unwrap();
    let answer = text(conversation, &bob.keychain);
    let envelope = seal(&bob.keychain, second.epoch, &answer, "Salut").unwrap();
    assert_eq!(*alice.keychain.open(&answer, &envelope).unwrap(), "Salut");

    assert_eq!(alice.keychain.safety_number(bob_id), bob.keychain.safety_number(alice_id));
}

#[test]
fn the_password_alone_opens_everything_elsewhere() {
    let (server, mut alice, mut bob) = two_people();
    let bob_id = bob.keychain.account();
    let epoch = alice.keychain.create_epoch(bob_id, None, NOW).unwrap();
    adopt(&mut bob.keychain, alice.keychain.account(), &epoch, None).unwrap();
    let hello = text(epoch.keyring.conversation, &bob.keychain);
    let envelope = seal(&bob.keychain, epoch.epoch, &hello, "the history").unwrap();
    alice.stored.account.vault = alice.keychain.vault();

    let mut elsewhere = log_in(&server, &alice.stored, PASSWORD).unwrap();
    assert_eq!(elsewhere.open(&hello, &envelope), Err(Error::UnknownEpoch), "the keyring is not loaded yet");
    assert_eq!(elsewhere.load_keyring([&epoch.keyring]).loaded, 1);
    assert_eq!(elsewhere.load_keyring([&epoch.keyring]).loaded, 1, "loading twice is fine");
    assert_eq!(*elsewhere.open(&hello, &envelope).unwrap(), "the history");
    assert_eq!(elsewhere.pinned(bob_id).unwrap().first_seen, NOW);
    assert!(
        elsewhere
            .create_epoch(bob_id, Some(&epoch.grant), NOW)
            .is_err_and(|error| error == Error::PeerNotPinned)
    );
    let bundle = &bob.stored.account.key_bundle;
    assert_eq!(elsewhere.pin(bob_id, "bob", bundle, NOW + 1), Ok(Seen::Known));
    assert_eq!(elsewhere.create_epoch(bob_id, Some(&epoch.grant), NOW).unwrap().number, 2);
}

#[test]
fn a_keyring_entry_that_does_not_open_does_not_keep_the_others() {
    let (_, mut alice, bob) = two_people();
    let mine = alice.keychain.create_epoch(bob.keychain.account(), None, NOW).unwrap().keyring;
    let moved = KeyringEntry { conversation: new_id(NOW), ..mine.clone() };
    let result = alice.keychain.load_keyring([&moved, &mine]);
    assert_eq!((result.loaded, result.unreadable), (1, vec![(moved.conversation, moved.epoch)]));
}

#[test]
fn a_wrong_password_and_an_unknown_handle_fail_alike() {
    let server = ServerSetup::generate();
    let alice = register(&server, "alice", PASSWORD);
    assert!(log_in(&server, &alice.stored, PASSWORD).is_ok());
    assert_eq!(log_in(&server, &alice.stored, "wrong horse battery").err(), Some(Error::WrongCredentials));

    let login = Login::start(PASSWORD).unwrap();
    let known = server.start_login("alice", Some(&alice.stored.record), login.request()).unwrap();
    let unknown = server.start_login("nobody", None, login.request()).unwrap();
    assert_eq!(known.response.len(), unknown.response.len());
    assert_eq!(known.state.len(), unknown.state.len());
    assert_eq!(login.finish("nobody", &unknown.response).err(), Some(Error::WrongCredentials));
    assert_eq!(finish_login(&unknown.state, &[0; 64]), Err(Error::WrongCredentials));
}

#[test]
fn a_log_in_is_bound_to_its_handle_and_to_its_own_messages() {
    let server = ServerSetup::generate();
    let alice = register(&server, "alice", PASSWORD);
    let start = || {
        let login = Login::start(PASSWORD).unwrap();
        let pending = server.start_login("alice", Some(&alice.stored.record), login.request()).unwrap();
        (login, pending)
    };
    let (login, pending) = start();
    assert_eq!(login.finish("alicia", &pending.response).err(), Some(Error::WrongCredentials));
    let (login, pending) = start();
    let proven = login.finish("alice", &pending.response).unwrap();
    let (_, another) = start();
    assert_eq!(finish_login(&another.state, &proven.finalization), Err(Error::WrongCredentials), "replayed");
    assert_eq!(finish_login(&pending.state, &proven.finalization), Ok(()));
}

#[test]
fn the_servers_setup_outlives_a_restart() {
    let server = ServerSetup::generate();
    let alice = register(&server, "alice", PASSWORD);
    let restarted = ServerSetup::from_bytes(&server.to_bytes()).unwrap();
    assert!(log_in(&restarted, &alice.stored, PASSWORD).is_ok());
    assert!(
        log_in(&ServerSetup::generate(), &alice.stored, PASSWORD).is_err(),
        "another setup opens nothing"
    );
}

#[test]
fn a_password_is_the_same_however_its_accents_are_typed() {
    let server = ServerSetup::generate();
    let composed =
        register(&server, "zoé".replace('é', "e").as_str(), "caf\u{e9} cr\u{e8}me br\u{fb}l\u{e9}e");
    assert!(log_in(&server, &composed.stored, "cafe\u{301} cre\u{300}me bru\u{302}le\u{301}e").is_ok());
}

#[test]
fn a_password_has_ten_characters_as_people_count_them() {
    assert_eq!(Registration::start("123456789").err(), Some(Error::PasswordTooShort));
    assert!(Registration::start("1234567890").is_ok());
    // Nine letters, each with its accent typed apart: eighteen code points before normalisation.
    assert_eq!(Registration::start(&"e\u{301}".repeat(9)).err(), Some(Error::PasswordTooShort));
    assert!(Registration::start(&"é".repeat(10)).is_ok());
}

#[test]
fn a_passkey_opens_its_own_slot_and_no_other() {
    let server = ServerSetup::generate();
    let (alice, bob) = (register(&server, "alice", PASSWORD), register(&server, "bob", PASSWORD));
    let output = sha256(b"what the PRF of a passkey gives");
    let (slot, other) = (alice.keychain.add_passkey(&output, NOW), alice.keychain.add_passkey(&output, NOW));
    let account = &alice.stored.account;
    let open = |output: &[u8; 32], id, sealed: &[u8]| {
        Keychain::unlock_with_passkey(output, (id, sealed), account).map(|keychain| keychain.account())
    };
    assert_eq!(open(&output, slot.id, &slot.sealed), Ok(account.id));
    assert_eq!(open(&sha256(b"another"), slot.id, &slot.sealed), Err(Error::NotAuthentic));
    // Nor under the name of another passkey, in another account, or in the place of a recovery code.
    assert_eq!(open(&output, other.id, &slot.sealed), Err(Error::NotAuthentic));
    let of_bob = bob.keychain.add_passkey(&output, NOW);
    assert_eq!(open(&output, of_bob.id, &of_bob.sealed), Err(Error::NotAuthentic));
    let recovery = &alice.stored.material.slots[1];
    assert_eq!(open(&output, recovery.id, &recovery.sealed), Err(Error::NotAuthentic));
}

#[test]
fn the_recovery_code_opens_the_account() {
    let server = ServerSetup::generate();
    let alice = register(&server, "alice", PASSWORD);
    let Stored { account, material, .. } = &alice.stored;
    let slot = (material.slots[1].id, &material.slots[1].sealed[..]);
    let typed = RecoveryCode::parse(&alice.recovery_code.to_string().to_lowercase()).unwrap();
    assert_eq!(recovery::verifier(&*typed.proof("alice")), material.recovery_verifier);
    let keychain = Keychain::unlock_with_recovery_code(&typed, slot, account).unwrap();
    assert_eq!(keychain.account(), account.id);

    let other = register(&server, "bob", PASSWORD).recovery_code;
    assert_ne!(recovery::verifier(&*other.proof("alice")), material.recovery_verifier);
    let refused = Keychain::unlock_with_recovery_code(&other, slot, account).err();
    assert_eq!(refused, Some(Error::NotAuthentic));
    let password_slot = (material.slots[0].id, &material.slots[0].sealed[..]);
    assert!(Keychain::unlock_with_recovery_code(&typed, password_slot, account).is_err());
}

#[test]
fn a_new_password_and_a_new_code_open_what_the_old_ones_did() {
    const OTHER: &str = "another horse, another battery";
    let server = ServerSetup::generate();
    let mut alice = register(&server, "alice", PASSWORD);
    let old_code = alice.recovery_code.clone();
    let old_slot = alice.stored.material.slots[1].clone();

    let registration = Registration::start(OTHER).unwrap();
    let response = server.start_registration("alice", registration.request()).unwrap();
    let password = alice.keychain.replace_password(registration, &response, NOW).unwrap();
    let recovery = alice.keychain.replace_recovery_code(NOW);
    alice.stored.record = finish_registration(&password.record).unwrap();
    alice.stored.material.slots = [password.slot, recovery.slot];

    assert_eq!(log_in(&server, &alice.stored, PASSWORD).err(), Some(Error::WrongCredentials));
    let keychain = log_in(&server, &alice.stored, OTHER).unwrap();
    let sealed = alice.keychain.seal_local("note", b"from before");
    assert_eq!(**keychain.open_local("note", &sealed).unwrap(), *b"from before");

    let Stored { account, material, .. } = &alice.stored;
    let slot = (material.slots[1].id, &material.slots[1].sealed[..]);
    assert!(Keychain::unlock_with_recovery_code(&recovery.code, slot, account).is_ok());
    assert_eq!(recovery::verifier(&*recovery.code.proof("alice")), recovery.verifier);
    let refused = Keychain::unlock_with_recovery_code(&old_code, slot, account).err();
    assert_eq!(refused, Some(Error::NotAuthentic));
    // A server that kept the old slot can give it only to whoever has the old code.
    let kept = (old_slot.id, &old_slot.sealed[..]);
    assert!(Keychain::unlock_with_recovery_code(&recovery.code, kept, account).is_err());
}

#[test]
fn a_reload_needs_the_share_of_its_session() {
    let server = ServerSetup::generate();
    let alice = register(&server, "alice", PASSWORD);
    let session = new_id(NOW);
    let sealed = alice.keychain.seal_for_reload(session, &[7; 32]);
    let open =
        |session, share: &[u8]| Keychain::open_from_reload(session, share, &sealed, &alice.stored.account);
    assert_eq!(open(session, &[7; 32]).unwrap().account(), alice.keychain.account());
    assert_eq!(open(session, &[8; 32]).err(), Some(Error::NotAuthentic));
    assert_eq!(open(new_id(NOW), &[7; 32]).err(), Some(Error::NotAuthentic));
}

#[test]
fn of_two_first_epochs_the_loser_adopts_the_winners() {
    let (_, mut alice, mut bob) = two_people();
    let (alice_id, bob_id) = (alice.keychain.account(), bob.keychain.account());
    let winner = alice.keychain.create_epoch(bob_id, None, NOW).unwrap();
    let loser = bob.keychain.create_epoch(alice_id, None, NOW).unwrap();
    assert_ne!(winner.epoch, loser.epoch);
    assert_eq!((winner.number, loser.number), (1, 1));
    adopt(&mut bob.keychain, alice_id, &winner, None).unwrap();

    let hello = text(winner.keyring.conversation, &bob.keychain);
    let envelope = seal(&bob.keychain, winner.epoch, &hello, "after all").unwrap();
    assert_eq!(*alice.keychain.open(&hello, &envelope).unwrap(), "after all");
    let lost = seal(&bob.keychain, loser.epoch, &hello, "into the void").unwrap();
    assert_eq!(alice.keychain.open(&hello, &lost), Err(Error::UnknownEpoch));
}

#[test]
fn another_browser_of_ours_adopts_what_we_made() {
    let (server, mut alice, bob) = two_people();
    let bob_id = bob.keychain.account();
    let epoch = alice.keychain.create_epoch(bob_id, None, NOW).unwrap();
    alice.stored.account.vault = alice.keychain.vault();
    let mut elsewhere = log_in(&server, &alice.stored, PASSWORD).unwrap();
    let entry = adopt(&mut elsewhere, bob_id, &epoch, None).unwrap();
    assert_eq!((entry.conversation, entry.epoch), (epoch.keyring.conversation, epoch.epoch));
}

#[test]
fn an_epoch_that_does_not_follow_is_refused() {
    let (_, mut alice, mut bob) = two_people();
    let (alice_id, bob_id) = (alice.keychain.account(), bob.keychain.account());
    let first = alice.keychain.create_epoch(bob_id, None, NOW).unwrap();
    let rival = alice.keychain.create_epoch(bob_id, None, NOW).unwrap();
    let second = alice.keychain.create_epoch(bob_id, Some(&first.grant), NOW).unwrap();
    let broken = Err(Error::BrokenEpochChain);
    assert_eq!(adopt(&mut bob.keychain, alice_id, &second, Some(rival.epoch)), broken);
    assert_eq!(
        adopt(&mut bob.keychain, alice_id, &first, Some(rival.epoch)),
        broken,
        "the first follows nothing"
    );
    assert!(adopt(&mut bob.keychain, alice_id, &second, Some(first.epoch)).is_ok());
    assert!(adopt(&mut bob.keychain, alice_id, &second, None).is_ok(), "where the one before is not known");
}

#[test]
fn a_grant_is_for_its_two_people_only() {
    let (server, mut alice, mut bob) = two_people();
    let mut carol = register(&server, "carol", PASSWORD);
    meet(&mut alice, &mut carol);
    meet(&mut bob, &mut carol);
    let (alice_id, bob_id, carol_id) =
        (alice.keychain.account(), bob.keychain.account(), carol.keychain.account());
    let epoch = alice.keychain.create_epoch(bob_id, None, NOW).unwrap();
    assert_eq!(adopt(&mut carol.keychain, alice_id, &epoch, None), Err(Error::BadGrant));
    assert_eq!(adopt(&mut bob.keychain, carol_id, &epoch, None), Err(Error::BadGrant));
    let with_carol = alice.keychain.create_epoch(carol_id, None, NOW).unwrap();
    let of_another_pair = alice.keychain.create_epoch(bob_id, Some(&with_carol.grant), NOW);
    assert_eq!(of_another_pair.err(), Some(Error::BrokenEpochChain));
    assert!(adopt(&mut bob.keychain, alice_id, &epoch, None).is_ok());
}

#[test]
fn a_grant_whose_signature_is_broken_is_refused() {
    let (_, mut alice, mut bob) = two_people();
    let honest = alice.keychain.create_epoch(bob.keychain.account(), None, NOW).unwrap();
    let mut broken = honest.grant.clone();
    broken.signature[40] ^= 1;
    let adopted = bob.keychain.adopt_epoch(alice.keychain.account(), &broken, None);
    assert_eq!(adopted, Err(Error::BadGrant));
    assert!(adopt(&mut bob.keychain, alice.keychain.account(), &honest, None).is_ok());
}

#[test]
fn a_bundle_that_was_replaced_does_not_come_back() {
    let server = ServerSetup::generate();
    let mut alice = register(&server, "alice", PASSWORD);
    let (bob, identity_seed) = (new_id(NOW), [1; 32]);
    let bundle = |sequence: u32, encryption_seed: [u8; 32], previous: [u8; 32]| {
        let fields = [
            bob.as_bytes(),
            &b"bob"[..],
            &sequence.to_be_bytes(),
            &inside::identity_public(&identity_seed),
            &inside::encryption_public(&encryption_seed),
            &NOW.to_be_bytes(),
            &previous,
        ];
        inside::sign(&identity_seed, &enc("key-bundle", &fields))
    };
    let first = bundle(1, [2; 32], [0; 32]);
    let second = bundle(2, [3; 32], first.hash());
    let mut encrypts_for = |served: &Signed| {
        alice.keychain.pin(bob, "bob", served, NOW).unwrap();
        let grant = alice.keychain.create_epoch(bob, None, NOW).unwrap().grant;
        Grant::parse(&grant).unwrap().share_of(bob).unwrap().encryption_hash
    };
    let key_hash = |seed| sha256(&inside::encryption_public(&seed));
    assert_eq!(encrypts_for(&first), key_hash([2; 32]));
    assert_eq!(encrypts_for(&second), key_hash([3; 32]));
    assert_eq!(encrypts_for(&first), key_hash([3; 32]), "replayed");
}

#[test]
fn a_changed_identity_is_told_and_never_used() {
    let (server, mut alice, mut bob) = two_people();
    let (alice_id, bob_id) = (alice.keychain.account(), bob.keychain.account());
    let before = alice.keychain.safety_number(bob_id).unwrap();
    // The server shows keys of its own under Bob's name.
    let impostor = forged_bundle(&server, bob_id, "bob");
    assert_eq!(alice.keychain.pin(bob_id, "bob", &impostor.0, NOW + 9), Ok(Seen::Changed));
    assert_eq!(alice.keychain.pin(bob_id, "bob", &impostor.0, NOW + 9), Ok(Seen::Changed), "and again");
    assert_eq!(alice.keychain.pinned(bob_id).unwrap().first_seen, NOW);
    assert_eq!(alice.keychain.safety_number(bob_id).unwrap(), before);
    assert_eq!(alice.keychain.create_epoch(bob_id, None, NOW).err(), Some(Error::PeerNotPinned));

    let mut impostor = impostor.1;
    impostor.pin(alice_id, "alice", &alice.stored.account.key_bundle, NOW).unwrap();
    let grant = impostor.create_epoch(alice_id, None, NOW).unwrap();
    assert_eq!(adopt(&mut alice.keychain, bob_id, &grant, None), Err(Error::BadGrant));
    let honest = bob.keychain.create_epoch(alice_id, None, NOW).unwrap();
    assert!(adopt(&mut alice.keychain, bob_id, &honest, None).is_ok(), "the pinned identity still counts");
}

fn forged_bundle(server: &ServerSetup, account: Uuid, handle: &str) -> (Signed, Keychain) {
    let registration = Registration::start(PASSWORD).unwrap();
    let response = server.start_registration(handle, registration.request()).unwrap();
    let registered = registration.finish(handle, account, &response, NOW).unwrap();
    (registered.material.key_bundle, registered.keychain)
}

/// The account goes on with another identity, as when everything that opened it is lost.
fn begin_anew(server: &ServerSetup, person: &Person) -> Person {
    let account = &person.stored.account;
    let registration = Registration::start("all is new, all is well").unwrap();
    let response = server.start_registration(&account.handle, registration.request()).unwrap();
    let before = (&account.key_bundle, account.vault.version);
    let made = registration.finish_anew(&account.handle, account.id, &response, before, NOW + 9).unwrap();
    let material = made.material;
    let (vault, key_bundle) = (material.vault.clone(), material.key_bundle.clone());
    let account = Account { vault, key_bundle, ..account.clone() };
    let record = finish_registration(&material.record).unwrap();
    let stored = Stored { account, material, record };
    Person { keychain: made.keychain, recovery_code: made.recovery_code, stored }
}

#[test]
fn an_account_that_begins_anew_opens_nothing_of_before_and_follows_it() {
    let (server, mut alice, bob) = two_people();
    let (alice_id, bob_id) = (alice.keychain.account(), bob.keychain.account());
    let old = alice.keychain.create_epoch(bob_id, None, NOW).unwrap();
    let mut anew = begin_anew(&server, &bob);
    assert!(anew.keychain.key_bundle().follows(Some(bob.keychain.key_bundle())));
    assert_ne!(anew.keychain.key_bundle().identity, bob.keychain.key_bundle().identity);
    assert_eq!(anew.stored.account.vault.version, bob.stored.account.vault.version + 1);
    assert!(log_in(&server, &anew.stored, "all is new, all is well").is_ok());
    assert!(
        log_in(&server, &bob.stored, "a different password").is_ok(),
        "what was lost is not what opens it"
    );

    assert!(anew.keychain.pinned(alice_id).is_none());
    anew.keychain.pin(alice_id, "alice", &alice.stored.account.key_bundle, NOW).unwrap();
    assert_eq!(adopt(&mut anew.keychain, alice_id, &old, None), Err(Error::BadGrant));
    assert_eq!(anew.keychain.load_keyring([&old.keyring]).loaded, 0);
}

#[test]
fn an_accepted_identity_counts_from_then_on_and_what_was_adopted_before_stays_readable() {
    let (server, mut alice, mut bob) = two_people();
    let (alice_id, bob_id) = (alice.keychain.account(), bob.keychain.account());
    let theirs = bob.keychain.create_epoch(alice_id, None, NOW).unwrap();
    assert!(alice.keychain.adopt_epoch(bob_id, &theirs.grant, None).unwrap().current);
    let mine = alice.keychain.create_epoch(bob_id, Some(&theirs.grant), NOW).unwrap();
    let late = bob.keychain.create_epoch(alice_id, Some(&mine.grant), NOW).unwrap();
    let said = text(mine.keyring.conversation, &bob.keychain);
    let envelope = seal(&bob.keychain, theirs.epoch, &said, "from before").unwrap();
    alice.keychain.mark_verified(bob_id, true, NOW + 5).unwrap();

    let mut anew = begin_anew(&server, &bob);
    let bundle = anew.stored.account.key_bundle.clone();
    assert_eq!(alice.keychain.pin(bob_id, "bob", &bundle, NOW + 10), Ok(Seen::Changed));
    let shown = alice.keychain.safety_number_under(bob_id, "bob", &bundle).unwrap();
    assert_ne!(alice.keychain.safety_number(bob_id), Ok(shown.clone()));
    alice.keychain.accept_identity(bob_id, "bob", &bundle, NOW + 11).unwrap();
    assert_eq!(alice.keychain.safety_number(bob_id), Ok(shown.clone()));
    anew.keychain.pin(alice_id, "alice", &alice.stored.account.key_bundle, NOW).unwrap();
    assert_eq!(anew.keychain.safety_number(alice_id), Ok(shown));
    let pin = alice.keychain.pinned(bob_id).unwrap();
    assert_eq!((pin.first_seen, pin.verified_at), (NOW + 11, None));
    assert_eq!(alice.keychain.pin(bob_id, "bob", &bundle, NOW + 12), Ok(Seen::Known));
    let old = alice.keychain.pin(bob_id, "bob", &bob.stored.account.key_bundle, NOW + 12);
    assert_eq!(old, Ok(Seen::Changed), "the one that was left does not come back by itself");

    assert_eq!(*alice.keychain.open(&said, &envelope).unwrap(), "from before");
    // Whoever has the old keys makes no epoch any more, and nobody writes in one that they can read.
    assert_eq!(alice.keychain.adopt_epoch(bob_id, &late.grant, None), Err(Error::BadGrant));
    assert!(!alice.keychain.adopt_epoch(bob_id, &mine.grant, None).unwrap().current);
    let next = anew.keychain.create_epoch(alice_id, Some(&late.grant), NOW + 13).unwrap();
    adopt(&mut alice.keychain, bob_id, &next, None).unwrap();
}

#[test]
fn an_acceptance_reaches_the_other_browsers_by_the_vault() {
    let (server, mut alice, bob) = two_people();
    let bob_id = bob.keychain.account();
    alice.stored.account.vault = alice.keychain.vault();
    let mut elsewhere = log_in(&server, &alice.stored, PASSWORD).unwrap();
    let bundle = begin_anew(&server, &bob).stored.account.key_bundle;
    alice.keychain.vault_written(2);
    alice.keychain.accept_identity(bob_id, "bob", &bundle, NOW + 11).unwrap();
    // Which does not know that meanwhile the number of before was compared.
    elsewhere.mark_verified(bob_id, true, NOW + 12).unwrap();
    assert_eq!(elsewhere.pin(bob_id, "bob", &bundle, NOW + 12), Ok(Seen::Changed));
    assert_eq!(elsewhere.merge_vault(&alice.keychain.vault()), Ok(vec![bob_id]));
    assert_eq!(elsewhere.pin(bob_id, "bob", &bundle, NOW + 12), Ok(Seen::Known));
    assert_eq!(elsewhere.pinned(bob_id).unwrap().verified_at, None);
    assert_eq!(elsewhere.safety_number(bob_id), alice.keychain.safety_number(bob_id));
}

#[test]
fn a_server_that_shows_another_identity_for_us_is_found_at_log_in() {
    let (server, mut alice, bob) = two_people();
    assert!(log_in(&server, &alice.stored, PASSWORD).is_ok());
    let alarm = Some(Error::OwnIdentityMismatch);
    alice.stored.account.key_bundle = forged_bundle(&server, alice.keychain.account(), "alice").0;
    assert_eq!(log_in(&server, &alice.stored, PASSWORD).err(), alarm);
    alice.stored.account.key_bundle = bob.stored.account.key_bundle;
    assert_eq!(log_in(&server, &alice.stored, PASSWORD).err(), alarm);
}

#[test]
fn a_pin_is_for_its_account_and_handle() {
    let (_, mut alice, bob) = two_people();
    let bundle = &bob.stored.account.key_bundle;
    let bob_id = bob.keychain.account();
    assert_eq!(alice.keychain.pin(bob_id, "bob", bundle, NOW), Ok(Seen::Known));
    assert_eq!(alice.keychain.pin(bob_id, "robert", bundle, NOW), Err(Error::BadKeyBundle));
    assert_eq!(alice.keychain.pin(new_id(NOW), "bob", bundle, NOW), Err(Error::BadKeyBundle));
    let own = alice.stored.account.key_bundle.clone();
    let oneself = alice.keychain.pin(alice.keychain.account(), "alice", &own, NOW);
    assert_eq!(oneself, Err(Error::ConversationWithOneself));
}

#[test]
fn two_browsers_write_the_vault_and_no_pin_is_lost() {
    let server = ServerSetup::generate();
    let mut alice = register(&server, "alice", PASSWORD);
    let (bob, carol) = (register(&server, "bob", PASSWORD), register(&server, "carol", PASSWORD));
    let mut elsewhere = log_in(&server, &alice.stored, PASSWORD).unwrap();
    alice.keychain.pin(bob.keychain.account(), "bob", &bob.stored.account.key_bundle, NOW).unwrap();
    elsewhere.pin(carol.keychain.account(), "carol", &carol.stored.account.key_bundle, NOW).unwrap();

    let written = alice.keychain.vault();
    assert_eq!(written.version, 2);
    alice.keychain.vault_written(2);
    assert_eq!(elsewhere.vault().version, 2, "which the server refuses: it has a version 2");
    assert_eq!(elsewhere.merge_vault(&written), Ok(vec![]));
    let union = elsewhere.vault();
    assert_eq!(union.version, 3);
    alice.keychain.merge_vault(&union).unwrap();
    for person in [&bob, &carol] {
        assert!(alice.keychain.pinned(person.keychain.account()).is_some());
        assert!(elsewhere.pinned(person.keychain.account()).is_some());
    }
    assert_eq!(alice.keychain.merge_vault(&written), Err(Error::StaleVault));
}

#[test]
fn what_is_kept_locally_is_for_its_label_and_account() {
    let server = ServerSetup::generate();
    let (alice, bob) = (register(&server, "alice", PASSWORD), register(&server, "bob", PASSWORD));
    let sealed = alice.keychain.seal_local("outbox", b"draft");
    assert_eq!(*alice.keychain.open_local("outbox", &sealed).unwrap(), b"draft");
    assert_eq!(alice.keychain.open_local("index", &sealed), Err(Error::NotAuthentic));
    assert_eq!(bob.keychain.open_local("outbox", &sealed), Err(Error::NotAuthentic));
}

#[test]
fn garbled_messages_of_the_password_protocol_are_errors() {
    let server = ServerSetup::generate();
    let alice = register(&server, "alice", PASSWORD);
    let request = Login::start(PASSWORD).unwrap().request().to_vec();
    assert!(server.start_login("alice", Some(&alice.stored.record), &request).is_ok());
    for garbled in [&b""[..], &[0xff; 96], &request[1..], &[&request[..], &[0]].concat()] {
        assert_eq!(server.start_login("alice", None, garbled).err(), Some(Error::BadOpaque));
        assert_eq!(server.start_registration("alice", garbled).err(), Some(Error::BadOpaque));
        assert_eq!(finish_registration(garbled).err(), Some(Error::BadOpaque));
        assert_eq!(finish_login(garbled, garbled).err(), Some(Error::DamagedRecord));
        assert_eq!(ServerSetup::from_bytes(garbled).err(), Some(Error::DamagedRecord));
        assert_eq!(Login::start(PASSWORD).unwrap().finish("alice", garbled).err(), Some(Error::BadOpaque));
        let registration = Registration::start(PASSWORD).unwrap();
        assert_eq!(registration.finish("alice", new_id(NOW), garbled, NOW).err(), Some(Error::BadOpaque));
    }
    assert_eq!(server.start_login("alice", Some(b"damaged"), &request).err(), Some(Error::DamagedRecord));
}
