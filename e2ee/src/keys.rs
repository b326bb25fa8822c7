//! Secret keys: where they come from (the system's randomness) and how one makes others (HKDF-SHA-256).

use hkdf::Hkdf;
use rand::{RngCore, rngs::OsRng};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// 32 secret bytes, wiped when dropped.
pub(crate) type Key = Zeroizing<[u8; 32]>;

/// `KDF(K, info)`: HKDF-SHA-256 with an empty salt.
pub(crate) fn derive(secret: &[u8], info: &[u8]) -> Key {
    derive_salted(&[], secret, info)
}

pub(crate) fn derive_salted(salt: &[u8], secret: &[u8], info: &[u8]) -> Key {
    let mut key = Key::default();
    Hkdf::<Sha256>::new(Some(salt), secret)
        .expand(info, &mut *key)
        .expect("32 bytes are within what HKDF can give");
    key
}

/// Fresh bytes. A system without randomness is no place to make keys, so there is no way on without it.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    OsRng.fill_bytes(&mut bytes);
    bytes
}

pub(crate) fn random_key() -> Key {
    let mut key = Key::default();
    OsRng.fill_bytes(&mut *key);
    key
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
