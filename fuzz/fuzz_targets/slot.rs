//! A slot: as the server likes, and with something else than a key inside.
#![no_main]

use e2ee::{SlotKind, known_answers as inside};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

fuzz_target!(|bytes: &[u8]| {
    let [account, id] = [1, 3].map(|byte| Uuid::from_bytes([byte; 16]));
    for kind in [SlotKind::Password, SlotKind::Recovery] {
        assert!(inside::open_slot(kind, account, id, b"secret", bytes).is_err());
        let kek = inside::slot_kek(kind, account, id, b"secret");
        let sealed = inside::seal_random_box(&kek, "slot", &inside::slot_aad(kind, account, id), bytes);
        assert_eq!(inside::open_slot(kind, account, id, b"secret", &sealed).is_ok(), bytes.len() == 32);
    }
});
