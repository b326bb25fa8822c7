//! The grant of an epoch, signed by somebody who may sign: a contact that cheats, or a browser of one's own.
#![no_main]

use e2ee::{Grant, KeyBundle, known_answers as inside};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use uuid::Uuid;

static BOB: LazyLock<KeyBundle> = LazyLock::new(|| {
    let account = Uuid::from_bytes([2; 16]);
    let bundle = inside::first_bundle(account, "bob", &[2; 32], &[12; 32], 0);
    KeyBundle::open(&bundle, account, "bob").expect("it was just made")
});

fuzz_target!(|bytes: &[u8]| {
    let signed = inside::sign(&[1; 32], bytes);
    let Ok(grant) = Grant::parse(&signed) else { return };
    let identity = inside::identity_public(&[1; 32]);
    assert_eq!(grant.verify(&identity), Ok(()));
    assert!(grant.follows(None) == (grant.number == 1));
    assert!(grant.share_of(grant.creator).is_some());
    if inside::unwrap_key(&grant, &identity, &BOB, &[12; 32]).is_ok() {
        assert_eq!(
            grant.conversation,
            e2ee::conversation_id(grant.shares[0].account, grant.shares[1].account)
        );
    }
});
