//! A key bundle whose owner signs what they like.
#![no_main]

use e2ee::{KeyBundle, known_answers as inside};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

fuzz_target!(|bytes: &[u8]| {
    let account = Uuid::from_bytes([1; 16]);
    if let Ok(bundle) = KeyBundle::open(&inside::sign(&[1; 32], bytes), account, "alice") {
        assert_eq!((bundle.account, bundle.handle.as_str()), (account, "alice"));
        assert_eq!(bundle.identity, inside::identity_public(&[1; 32]));
    }
});
