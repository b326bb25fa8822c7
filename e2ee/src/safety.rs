//! The safety number: 60 digits that two people compare out of band. They agree only if each of them has
//! pinned the identity key that the other one really has. The many rounds make a look-alike key expensive to
//! search for.

use sha2::{Digest, Sha512};
use uuid::Uuid;

use crate::codec::enc;

const VERSION: [u8; 2] = [0, 1];
const ROUNDS: usize = 5_200;

/// The same whichever side asks.
pub fn safety_number(one: (Uuid, &[u8; 32]), other: (Uuid, &[u8; 32])) -> String {
    let mut halves = [half(one), half(other)];
    halves.sort();
    halves.concat()
}

fn half((account, identity): (Uuid, &[u8; 32])) -> String {
    let mut hash = enc("safety-number", &[&VERSION, account.as_bytes(), identity]);
    for _ in 0..ROUNDS {
        hash = Sha512::new().chain_update(&hash).chain_update(identity).finalize().to_vec();
    }
    let group =
        |bytes: &[u8]| bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte)) % 100_000;
    hash.chunks_exact(5).take(6).map(|bytes| format!("{:05}", group(bytes))).collect()
}
