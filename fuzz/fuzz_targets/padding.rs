//! What stands inside an envelope: only what the padding gives is taken off again.
#![no_main]

use e2ee::known_answers as inside;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    assert_eq!(inside::unpad(&inside::pad(bytes)).as_deref(), Some(bytes));
    if let Some(text) = inside::unpad(bytes) {
        assert_eq!(inside::pad(&text), bytes);
    }
});
