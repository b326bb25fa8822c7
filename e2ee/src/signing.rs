//! Signatures: Ed25519, verified strictly. Low-order public keys are refused, since a signature under such a
//! key proves nothing.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// A body and the Ed25519 signature over it, as they travel: nothing about them has been checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    pub body: Vec<u8>,
    pub signature: Vec<u8>,
}

impl Signed {
    pub(crate) fn new(seed: &[u8; 32], body: Vec<u8>) -> Self {
        let signature = SigningKey::from_bytes(seed).sign(&body).to_vec();
        Signed { body, signature }
    }

    /// Whether the owner of `public` signed this body. Strict verification is what refuses keys of low order.
    pub(crate) fn is_by(&self, public: &[u8; 32]) -> bool {
        let (Ok(key), Ok(signature)) =
            (VerifyingKey::from_bytes(public), Signature::from_slice(&self.signature))
        else {
            return false;
        };
        key.verify_strict(&self.body, &signature).is_ok()
    }

    /// SHA-256 of body and signature: what the next one in a chain points to.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::new().chain_update(&self.body).chain_update(&self.signature).finalize().into()
    }
}

pub(crate) fn public_of(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}
