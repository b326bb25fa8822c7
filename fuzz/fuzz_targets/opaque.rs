//! The messages of the password protocol, on both sides. The first byte says which.
#![no_main]

use std::sync::LazyLock;

use e2ee::{Login, Registration, opaque::server};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

static SERVER: LazyLock<server::ServerSetup> = LazyLock::new(server::ServerSetup::generate);

fuzz_target!(|bytes: &[u8]| {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    match which % 7 {
        0 => drop(SERVER.start_registration("alice", bytes)),
        1 => drop(SERVER.start_login("alice", None, bytes)),
        2 => {
            let (record, request) = bytes.split_at(bytes.len().min(192));
            drop(SERVER.start_login("alice", Some(record), request));
        }
        3 => drop(server::finish_registration(bytes)),
        4 => {
            let (state, finalization) = bytes.split_at(bytes.len().saturating_sub(64));
            assert!(server::finish_login(state, finalization).is_err());
        }
        5 => drop(server::ServerSetup::from_bytes(bytes)),
        _ => {
            let password = "correct horse battery";
            let login = Login::start(password).expect("it is long enough");
            assert!(login.finish("alice", bytes).is_err());
            let registration = Registration::start(password).expect("it is long enough");
            drop(registration.finish("alice", Uuid::from_bytes([1; 16]), bytes, 0));
        }
    }
});
