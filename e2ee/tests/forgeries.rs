//! Grants and key bundles that are signed by the right key, and wrong all the same.

use e2ee::{
    Error, Grant, KeyBundle, Result, Signed, conversation_id, enc,
    known_answers::{self as inside},
    sha256,
};
use uuid::Uuid;

const NOW: u64 = 1_767_225_600_000;

struct Party {
    account: Uuid,
    identity_seed: [u8; 32],
    encryption_seed: [u8; 32],
}

/// Ordered: Alice's account is the lower one.
fn parties() -> [Party; 3] {
    [1, 2, 3].map(|number| Party {
        account: Uuid::from_bytes([number; 16]),
        identity_seed: [number + 10; 32],
        encryption_seed: [number + 20; 32],
    })
}

impl Party {
    fn identity(&self) -> [u8; 32] {
        inside::identity_public(&self.identity_seed)
    }

    fn encryption(&self) -> Vec<u8> {
        inside::encryption_public(&self.encryption_seed)
    }

    fn bundle(&self) -> KeyBundle {
        let signed =
            inside::first_bundle(self.account, "someone", &self.identity_seed, &self.encryption_seed, NOW);
        KeyBundle::open(&signed, self.account, "someone").unwrap()
    }
}

/// A grant from Alice to Bob, every part of which can be another one.
struct Draft<'a> {
    suite: u8,
    conversation: Uuid,
    number: u32,
    previous_hash: [u8; 32],
    creator: Uuid,
    commit: [u8; 32],
    shares: Vec<DraftShare<'a>>,
    signer: [u8; 32],
    more: Vec<Vec<u8>>,
}

struct DraftShare<'a> {
    person: &'a Party,
    account: Uuid,
    encryption_hash: [u8; 32],
    key: [u8; 32],
}

const KEY: [u8; 32] = [7; 32];

impl<'a> Draft<'a> {
    fn honest(alice: &'a Party, bob: &'a Party) -> Self {
        let conversation = conversation_id(alice.account, bob.account);
        let share = |person: &'a Party| DraftShare {
            person,
            account: person.account,
            encryption_hash: sha256(&person.encryption()),
            key: KEY,
        };
        Draft {
            suite: 1,
            conversation,
            number: 1,
            previous_hash: [0; 32],
            creator: alice.account,
            commit: inside::commitment(conversation, 1, KEY),
            shares: vec![share(alice), share(bob)],
            signer: alice.identity_seed,
            more: vec![],
        }
    }

    fn sign(&self, alice: &Party) -> Signed {
        let mut fields = vec![
            vec![self.suite],
            self.conversation.as_bytes().to_vec(),
            self.number.to_be_bytes().to_vec(),
            self.previous_hash.to_vec(),
            self.creator.as_bytes().to_vec(),
            NOW.to_be_bytes().to_vec(),
            self.commit.to_vec(),
        ];
        for share in &self.shares {
            let info = inside::capsule_info(
                self.conversation,
                self.number,
                (self.creator, &alice.identity()),
                (share.account, &share.person.identity()),
                &share.encryption_hash,
            );
            let (enc, ct) =
                inside::seal_capsule(&share.person.encryption(), &info, &self.commit, &share.key).unwrap();
            fields.extend([share.account.as_bytes().to_vec(), share.encryption_hash.to_vec(), enc, ct]);
        }
        fields.extend(self.more.clone());
        let fields: Vec<_> = fields.iter().map(Vec::as_slice).collect();
        inside::sign(&self.signer, &enc("epoch-grant", &fields))
    }

    /// What Bob gets out of it, who knows everyone's identity.
    fn received(&self, parties: &[Party; 3]) -> Result<[u8; 32]> {
        let [alice, bob, _] = parties;
        let grant = Grant::parse(&self.sign(alice))?;
        let creator = parties.iter().find(|party| party.account == grant.creator).unwrap();
        grant.verify(&creator.identity())?;
        inside::unwrap_key(&grant, &creator.identity(), &bob.bundle(), &bob.encryption_seed)
    }
}

fn forged(forge: impl for<'a> FnOnce(&mut Draft<'a>, &'a [Party; 3])) -> Result<[u8; 32]> {
    let parties = parties();
    let [alice, bob, _] = &parties;
    let mut draft = Draft::honest(alice, bob);
    assert_eq!(draft.received(&parties), Ok(KEY), "the honest grant brings the key");
    forge(&mut draft, &parties);
    draft.received(&parties)
}

#[test]
fn a_creator_who_gives_the_two_different_keys_is_found_out() {
    assert_eq!(forged(|draft, _| draft.shares[1].key = [8; 32]), Err(Error::BadGrant));
}

#[test]
fn a_grant_of_another_suite_or_with_more_or_fewer_parts_is_refused() {
    assert_eq!(forged(|draft, _| draft.suite = 2), Err(Error::BadGrant));
    assert_eq!(forged(|draft, _| draft.more.push(vec![])), Err(Error::BadGrant));
    assert_eq!(forged(|draft, _| draft.shares.truncate(1)), Err(Error::BadGrant));
    assert_eq!(
        forged(|draft, _| draft.shares.swap(0, 1)),
        Err(Error::BadGrant),
        "the lower account is first"
    );
}

#[test]
fn a_third_person_has_no_part_in_a_grant() {
    let third = |draft: &mut Draft<'_>, place: usize, account| draft.shares[place].account = account;
    assert_eq!(forged(|draft, [.., carol]| third(draft, 1, carol.account)), Err(Error::BadGrant));
    assert_eq!(forged(|draft, [.., carol]| draft.creator = carol.account), Err(Error::BadGrant));
    assert_eq!(
        forged(|draft, [alice, ..]| third(draft, 1, alice.account)),
        Err(Error::BadGrant),
        "twice the same"
    );
    let to_carol = forged(|draft, [_, bob, carol]| {
        draft.shares[1] = DraftShare {
            person: carol,
            account: bob.account,
            encryption_hash: sha256(&carol.encryption()),
            key: KEY,
        };
    });
    assert_eq!(to_carol, Err(Error::BadGrant), "Bob's part is sealed for Carol");
    let of_all_three = forged(|draft, [.., carol]| {
        draft.shares.push(DraftShare {
            person: carol,
            account: carol.account,
            encryption_hash: sha256(&carol.encryption()),
            key: KEY,
        });
    });
    assert_eq!(of_all_three, Err(Error::BadGrant));
}

#[test]
fn a_grant_is_for_the_conversation_of_its_two_people() {
    let elsewhere = forged(|draft, [alice, _, carol]| {
        draft.conversation = conversation_id(alice.account, carol.account);
        draft.commit = inside::commitment(draft.conversation, 1, KEY);
    });
    assert_eq!(elsewhere, Err(Error::BadGrant));
}

#[test]
fn only_the_first_grant_has_nothing_before_it() {
    let renumber = |draft: &mut Draft<'_>, number, previous_hash| {
        draft.number = number;
        draft.previous_hash = previous_hash;
        draft.commit = inside::commitment(draft.conversation, number, KEY);
    };
    assert_eq!(forged(|draft, _| renumber(draft, 2, [9; 32])), Ok(KEY));
    assert_eq!(forged(|draft, _| renumber(draft, 2, [0; 32])), Err(Error::BadGrant));
    assert_eq!(forged(|draft, _| renumber(draft, 1, [9; 32])), Err(Error::BadGrant));
    assert_eq!(forged(|draft, _| renumber(draft, 0, [9; 32])), Err(Error::BadGrant));
    assert_eq!(
        forged(|draft, _| draft.commit = inside::commitment(draft.conversation, 2, KEY)),
        Err(Error::BadGrant)
    );
}

#[test]
fn a_grant_is_signed_by_its_creator() {
    assert_eq!(forged(|draft, [_, bob, _]| draft.signer = bob.identity_seed), Err(Error::BadGrant));
    assert_eq!(forged(|draft, [_, bob, _]| draft.creator = bob.account), Err(Error::BadGrant));
}

#[test]
fn a_grants_order_is_told() {
    let [alice, bob, _] = parties();
    let first = Grant::parse(&Draft::honest(&alice, &bob).sign(&alice)).unwrap();
    let second = Draft { number: 2, previous_hash: first.hash(), ..Draft::honest(&alice, &bob) };
    let second = Grant::parse(&second.sign(&alice)).unwrap();
    assert!(first.follows(None) && !first.follows(Some((1, first.epoch))));
    assert!(second.follows(Some((1, first.epoch))));
    assert!(
        !second.follows(None)
            && !second.follows(Some((2, first.epoch)))
            && !second.follows(Some((1, second.epoch)))
    );
}

/// A key bundle, every part of which can be another one.
fn bundle(
    handle: &[u8],
    sequence: u32,
    identity: &[u8],
    encryption: &[u8],
    previous_hash: [u8; 32],
) -> Signed {
    let [alice, ..] = parties();
    let fields = [
        alice.account.as_bytes(),
        handle,
        &sequence.to_be_bytes(),
        identity,
        encryption,
        &NOW.to_be_bytes(),
        &previous_hash[..],
    ];
    inside::sign(&alice.identity_seed, &enc("key-bundle", &fields))
}

#[test]
fn a_bundle_with_a_wrong_part_is_refused_though_it_is_signed() {
    let [alice, bob, _] = parties();
    let (identity, encryption) = (alice.identity(), alice.encryption());
    let open = |signed: &Signed, handle| KeyBundle::open(signed, alice.account, handle).map(drop);
    assert_eq!(open(&bundle(b"alice", 1, &identity, &encryption, [0; 32]), "alice"), Ok(()));
    let refused = Err(Error::BadKeyBundle);
    assert_eq!(open(&bundle(b"alice", 1, &identity, &encryption, [0; 32]), "alicia"), refused);
    assert_eq!(open(&bundle(b"Alice", 1, &identity, &encryption, [0; 32]), "Alice"), refused);
    assert_eq!(open(&bundle(b"\xff\xff\xff", 1, &identity, &encryption, [0; 32]), "\u{fffd}"), refused);
    assert_eq!(open(&bundle(b"alice", 0, &identity, &encryption, [0; 32]), "alice"), refused);
    assert_eq!(open(&bundle(b"alice", 1, &identity, &encryption, [1; 32]), "alice"), refused);
    assert_eq!(open(&bundle(b"alice", 2, &identity, &encryption, [0; 32]), "alice"), refused);
    assert_eq!(open(&bundle(b"alice", 1, &bob.identity(), &encryption, [0; 32]), "alice"), refused);
    assert_eq!(open(&bundle(b"alice", 1, &identity[1..], &encryption, [0; 32]), "alice"), refused);
    assert_eq!(open(&bundle(b"alice", 1, &identity, &encryption[1..], [0; 32]), "alice"), refused);
    let mut unreduced = encryption.clone();
    unreduced[..3].fill(0xff);
    assert_eq!(open(&bundle(b"alice", 1, &identity, &unreduced, [0; 32]), "alice"), refused);
}

#[test]
fn bundles_form_a_chain() {
    let [alice, ..] = parties();
    let (identity, encryption) = (alice.identity(), alice.encryption());
    let open = |sequence, previous| {
        KeyBundle::open(&bundle(b"alice", sequence, &identity, &encryption, previous), alice.account, "alice")
            .unwrap()
    };
    let first = open(1, [0; 32]);
    let second = open(2, first.hash());
    assert!(first.follows(None) && second.follows(Some(&first)));
    assert!(!second.follows(None) && !first.follows(Some(&first)) && !first.follows(Some(&second)));
    assert!(!open(3, first.hash()).follows(Some(&first)) && !open(2, [5; 32]).follows(Some(&first)));
}
