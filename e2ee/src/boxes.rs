//! The box: how anything is encrypted under a symmetric key. `0x01 ‖ nonce[24] ‖ XChaCha20-Poly1305
//! ciphertext`, under a key of its own for each label. The nonce is random, and long enough that chance never
//! repeats one.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use zeroize::Zeroizing;

use crate::{
    Error, Result,
    codec::enc,
    keys::{derive, random},
};

const VERSION: u8 = 1;
const NONCE: usize = 24;
const TAG: usize = 16;

/// How much longer a box is than what it holds.
pub(crate) const OVERHEAD: usize = 1 + NONCE + TAG;

pub(crate) fn seal(key: &[u8; 32], label: &str, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    seal_with_nonce(key, label, aad, plaintext, random())
}

/// A nonce used twice under a key gives both texts away: only [`seal`] and the known answers call this.
pub(crate) fn seal_with_nonce(
    key: &[u8; 32],
    label: &str,
    aad: &[u8],
    plaintext: &[u8],
    nonce: [u8; NONCE],
) -> Vec<u8> {
    let ciphertext = cipher(key, label)
        .encrypt(&nonce.into(), Payload { msg: plaintext, aad })
        .expect("what we seal is shorter than 256 GiB");
    [&[VERSION][..], &nonce, &ciphertext].concat()
}

/// `NotAuthentic` for another key, label, associated data or content; `UnsupportedVersion` for a later kind
/// of box.
pub(crate) fn open(key: &[u8; 32], label: &str, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let (&version, rest) = sealed.split_first().ok_or(Error::NotAuthentic)?;
    if version != VERSION {
        return Err(Error::UnsupportedVersion);
    }
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>().ok_or(Error::NotAuthentic)?;
    cipher(key, label)
        .decrypt(&(*nonce).into(), Payload { msg: ciphertext, aad })
        .map(Zeroizing::new)
        .map_err(|_| Error::NotAuthentic)
}

fn cipher(key: &[u8; 32], label: &str) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&*derive(key, &enc(label, &[]))).into())
}

/// The shape alone, for those who have no key: a box of `plaintext` bytes.
pub(crate) fn has_length_for(sealed: &[u8], plaintext: impl Fn(usize) -> bool) -> bool {
    sealed.len().checked_sub(OVERHEAD).is_some_and(plaintext)
}
