//! An entry of the keyring: as the server likes, and with something else than a key inside.
#![no_main]

use e2ee::{KeyringEntry, known_answers as inside};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

fuzz_target!(|bytes: &[u8]| {
    let [account, conversation, epoch] = [1, 4, 5].map(|byte| Uuid::from_bytes([byte; 16]));
    let entry = |sealed| KeyringEntry { conversation, epoch, sealed };
    assert!(inside::open_keyring_entry([9; 32], account, &entry(bytes.to_vec())).is_err());
    let [_, key, _] = inside::subkeys([9; 32], account);
    let sealed =
        inside::seal_random_box(&key, "keyring", &inside::keyring_aad(account, conversation, epoch), bytes);
    let opened = inside::open_keyring_entry([9; 32], account, &entry(sealed));
    assert_eq!(opened.is_ok(), bytes.len() == 32);
});
