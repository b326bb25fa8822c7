//! The end-to-end encryption of Entre Nous: one crate for the server, the browser (as WebAssembly) and the
//! Rust client. docs/e2ee.md is its specification.
//!
//! # A tour
//!
//! *From below.* [`enc`] writes lists of fields as bytes in one way only; `keys` derives keys, `boxes`
//! encrypts under them, `signing` signs, `capsules` wraps a key for someone's public key. Nothing above these
//! touches a primitive.
//!
//! *An account.* A random account key lies in [`Slot`]s: one opened by the password (through `opaque`, so
//! that the server never sees it), one by the [`RecoveryCode`]. The account key opens the vault (identity,
//! pins, settings) and the keyring (the keys of all epochs). What others may know of the account is its
//! [`KeyBundle`].
//!
//! *A conversation.* Its id follows from the two accounts ([`conversation_id`]). Its keys come in epochs,
//! each brought to both by a signed [`Grant`]; the messages of an epoch travel in [`Envelope`]s.
//!
//! *The unlocked account* is the [`Keychain`]: the only thing with secrets that a client holds. One gets it
//! from [`Registration`], [`Login`], [`Keychain::unlock_with_recovery_code`] or
//! [`Keychain::open_from_reload`].
//!
//! *The server* has no keychain. It runs its side of the password protocol ([`opaque::server`]), and checks
//! the form and the signatures of what it stores: [`KeyBundle::open`], [`Grant::parse`] and
//! [`Grant::verify`], [`Envelope::parse`], [`recovery::verifier`].
//!
//! The crate does no I/O. The time comes in as milliseconds since 1970; randomness comes from the system.
//! Parsers take exactly what the writers give, and never panic.

mod boxes;
mod bundle;
mod capsules;
mod codec;
mod epochs;
mod error;
mod keychain;
mod keyring;
mod keys;
#[cfg(feature = "known-answers")]
pub mod known_answers;
mod messages;
pub mod opaque;
mod padding;
pub mod recovery;
mod safety;
mod signing;
mod slots;
mod vault;

pub use bundle::{KeyBundle, is_handle};
pub use codec::enc;
pub use epochs::{Grant, Share, conversation_id};
pub use error::{Error, Result};
pub use keychain::{
    Account, Adopted, CreatedEpoch, Keychain, LoadedKeyring, Login, Material, NewPassword, NewRecoveryCode,
    ProvenLogin, Registered, Registration, Seen, new_id,
};
pub use keyring::{KEYRING_ENTRY_LENGTH, KeyringEntry};
pub use keys::sha256;
pub use messages::{Context, Envelope, Kind};
pub use padding::padded_length;
pub use recovery::RecoveryCode;
pub use safety::safety_number;
pub use signing::Signed;
pub use slots::{SLOT_LENGTH, Slot, SlotKind};
pub use vault::{Pin, SealedVault};
