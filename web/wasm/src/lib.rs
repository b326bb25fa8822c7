//! What the browser's worker sees of `e2ee`: the same things under the same names, with bytes as base64url,
//! ids as hyphenated UUIDs and times as milliseconds. Nothing is decided here.
//!
//! Errors are thrown as `Error` objects with a `code`. The keys stay in this module's memory; only sealed
//! things, texts and public keys come out.

mod edge;
mod keychain;
mod registration;
mod types;

use e2ee::recovery;
use wasm_bindgen::prelude::*;

/// A UUIDv7 for a message or anything else.
#[wasm_bindgen]
pub fn new_id() -> String {
    e2ee::new_id(edge::milliseconds(js_sys::Date::now())).to_string()
}

/// Whether this has the shape of a handle.
#[wasm_bindgen]
pub fn is_handle(text: &str) -> bool {
    e2ee::is_handle(text)
}

/// Whether the typed characters are those shown, read as tolerantly as a recovery code.
#[wasm_bindgen]
pub fn same_recovery_characters(shown: &str, typed: &str) -> bool {
    recovery::same_characters(shown, typed)
}

/// Whether this can be a recovery code: all its characters, and a right check.
#[wasm_bindgen]
pub fn is_recovery_code(typed: &str) -> bool {
    e2ee::RecoveryCode::parse(typed).is_ok()
}
