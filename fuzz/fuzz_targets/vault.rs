//! What stands inside a vault. It is authentic, but another version may have written it.
#![no_main]

use e2ee::known_answers as inside;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(written) = inside::rewrite_vault(bytes) {
        // What is read is written so that it reads the same.
        assert_eq!(inside::rewrite_vault(written.as_bytes()), Some(written));
    }
});
