//! What the browser's worker sees of `e2ee`: the same things under the same names, with bytes as base64url,
//! ids as hyphenated UUIDs and times as milliseconds. Nothing is decided here.
//!
//! Errors are thrown as `Error` objects with a `code`. The keys stay in this module's memory; only sealed
//! things, texts and public keys come out.

mod edge;
mod keychain;
mod registration;
mod types;
