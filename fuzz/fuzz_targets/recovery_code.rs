//! What somebody types where a recovery code belongs.
#![no_main]

use e2ee::RecoveryCode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|typed: &str| {
    if let Ok(code) = RecoveryCode::parse(typed) {
        assert_eq!(RecoveryCode::parse(&code.to_string()), Ok(code));
    }
});
