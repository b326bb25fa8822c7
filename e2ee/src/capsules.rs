//! The capsule: a key wrapped for one person's encryption key with HPKE (RFC 9180, base mode). The KEM is
//! X-Wing, X25519 and ML-KEM-768 together: what is recorded today stays closed to a quantum computer of
//! tomorrow.
//!
//! A private key is X-Wing's own 32-byte seed. HPKE's DeriveKeyPair stretches a seed first, and
//! implementations have differed in how; it is never used.

use hpke::{
    Deserializable, Kem as _, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::XWing, single_shot_open, single_shot_seal,
};
use zeroize::Zeroizing;

use crate::keys::Key;

pub(crate) const ENCAPSULATED: usize = 1120;
/// A wrapped key: 32 bytes and the tag.
pub(crate) const WRAPPED_KEY: usize = 48;

type PublicKey = <XWing as hpke::Kem>::PublicKey;
type PrivateKey = <XWing as hpke::Kem>::PrivateKey;
type Encapsulated = <XWing as hpke::Kem>::EncappedKey;

/// What X-Wing sent along, and the wrapped key.
pub(crate) struct Capsule {
    pub enc: Vec<u8>,
    pub ct: Vec<u8>,
}

pub(crate) fn public_of(seed: &[u8; 32]) -> Vec<u8> {
    XWing::sk_to_pk(&private(seed)).to_bytes().to_vec()
}

/// Whether these bytes are a public key, its lattice part reduced as it must be.
pub(crate) fn is_public_key(bytes: &[u8]) -> bool {
    PublicKey::from_bytes(bytes).is_ok()
}

/// `None` when `recipient` is not a public key.
pub(crate) fn seal(recipient: &[u8], info: &[u8], aad: &[u8], key: &[u8; 32]) -> Option<Capsule> {
    let recipient = PublicKey::from_bytes(recipient).ok()?;
    let (enc, ct) =
        single_shot_seal::<ChaCha20Poly1305, HkdfSha256, XWing>(&OpModeS::Base, &recipient, info, key, aad)
            .ok()?;
    Some(Capsule { enc: enc.to_bytes().to_vec(), ct })
}

pub(crate) fn open(seed: &[u8; 32], info: &[u8], aad: &[u8], enc: &[u8], ct: &[u8]) -> Option<Key> {
    let enc = Encapsulated::from_bytes(enc).ok()?;
    let key = single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeR::Base,
        &private(seed),
        &enc,
        info,
        ct,
        aad,
    )
    .map(Zeroizing::new)
    .ok()?;
    key.as_slice().try_into().map(Key::new).ok()
}

fn private(seed: &[u8; 32]) -> PrivateKey {
    PrivateKey::from_bytes(seed).expect("a seed has the 32 bytes of a private key")
}
