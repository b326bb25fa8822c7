//! What the Rust client reads from its socket and from the server's answers.
#![no_main]

use client::wire::{Conversation, GrantedEpochs, History, Keyring, Pushed, Session};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = serde_json::from_slice::<Pushed>(bytes);
    let _ = serde_json::from_slice::<Session>(bytes);
    let _ = serde_json::from_slice::<Conversation>(bytes);
    let _ = serde_json::from_slice::<History>(bytes);
    let _ = serde_json::from_slice::<Keyring>(bytes);
    let _ = serde_json::from_slice::<GrantedEpochs>(bytes);
});
