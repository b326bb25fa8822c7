//! An envelope, as the server reads its head and a recipient opens it.
#![no_main]

use e2ee::{Context, Envelope, Kind, known_answers as inside};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

fuzz_target!(|bytes: &[u8]| {
    let Ok(head) = Envelope::parse(bytes) else { return };
    let [conversation, sender] = [1, 2].map(|byte| Uuid::from_bytes([byte; 16]));
    let context = Context { conversation, sender, id: head.id, kind: Kind::Message, target: None };
    let opened = inside::open_envelope([7; 32], &context, bytes);
    // Whatever opens is written once more as it was, but for the nonce.
    if let Ok(text) = opened {
        let head_and_box = 2 + 16 + 16 + 1 + 24 + 16;
        assert_eq!(bytes.len(), head_and_box + e2ee::padded_length(text.len()));
    }
});
