//! What the server reads from a socket and from the body of a request.
#![no_main]

use e2ee::{Envelope, Grant, KeyBundle};
use entrenous::{event::Frame, keys::SignedBytes, messages::NewMessage, wire::Bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Frame::Send { envelope: Bytes(envelope), .. }) = serde_json::from_slice(bytes) {
        let _ = Envelope::parse(&envelope);
    }
    if let Ok(NewMessage { envelope: Bytes(envelope), id, .. }) = serde_json::from_slice(bytes) {
        let _ = Envelope::parse(&envelope).map(|head| head.id == id);
    }
    if let Ok(signed) = serde_json::from_slice::<SignedBytes>(bytes) {
        let signed = signed.signed();
        let _ = Grant::parse(&signed);
        let _ = KeyBundle::open(&signed, uuid::Uuid::nil(), "alice");
    }
});
