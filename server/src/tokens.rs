//! Secrets that let somebody in: of a session, an invitation, a link to begin anew. Each is shown once, to whom it is
//! for, and stored only as a hash, by which it is found.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// 32 random bytes, as 43 characters of base64url.
pub fn new() -> Result<String> {
    Ok(BASE64.encode(random::<32>()?))
}

/// SHA-256 of its characters: nobody guesses 256 bits, so it takes no more.
pub fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}

pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(bytes)
}
