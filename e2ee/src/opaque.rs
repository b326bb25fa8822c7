//! Logging in with a password that the server never sees: OPAQUE (RFC 9807) over ristretto255, with 3DH and
//! SHA-512. What the server stores of a password can only be attacked by guessing, each guess at the price of
//! [`Stretch`].
//!
//! The client's identity in the protocol is its handle, the server's is its public key; the context is
//! `entrenous/v1`; the credential identifier is the handle.

pub(crate) mod client;
pub mod server;

use argon2::{Algorithm, Argon2, Params, Version};
use opaque_ke::{
    CipherSuite, Identifiers, Ristretto255, TripleDh,
    errors::InternalError,
    generic_array::{ArrayLength, GenericArray},
    ksf::Ksf,
};
use sha2::Sha512;

const CONTEXT: &[u8] = b"entrenous/v1";

pub(crate) struct Suite;

impl CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, Sha512>;
    type Ksf = Stretch;
}

/// Argon2id, 64 MiB, 3 passes, 1 lane; run by the client only. Compiled in: a server that could ask for less
/// would get cheap guesses. The salt is zero, as RFC 9807 has it, since the input is already unique to the
/// account.
#[derive(Default)]
pub(crate) struct Stretch;

const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;

impl Ksf for Stretch {
    fn hash<L: ArrayLength<u8>>(
        &self,
        input: GenericArray<u8, L>,
    ) -> Result<GenericArray<u8, L>, InternalError> {
        let mut output = GenericArray::default();
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| InternalError::KsfError)?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(&input, &[0; 16], &mut output)
            .map_err(|_| InternalError::KsfError)?;
        Ok(output)
    }
}

fn identifiers(handle: &str) -> Identifiers<'_> {
    Identifiers { client: Some(handle.as_bytes()), server: None }
}

/// The library's parsers do not mind bytes that follow; ours do.
fn exactly<const N: usize>(bytes: &[u8]) -> Option<&[u8; N]> {
    bytes.try_into().ok()
}

const REQUEST: usize = 32;
const RESPONSE: usize = 64;
const RECORD: usize = 192;
const KE1: usize = 96;
const KE2: usize = 320;
const KE3: usize = 64;
