//! The key bundle: what an account publishes about itself. Its identity key (Ed25519) signs; its encryption
//! key (X-Wing) receives epoch keys. The bundle is signed by the identity key it names, and points to the one
//! before it.

use uuid::Uuid;

use crate::{
    Error, Result, capsules,
    codec::{Fields, enc},
    keys::sha256,
    signing::{self, Signed},
};

/// A bundle whose form and signature have been checked; nothing else can be held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyBundle {
    pub account: Uuid,
    pub handle: String,
    /// 1 for an account's first bundle.
    pub sequence: u32,
    pub identity: [u8; 32],
    pub encryption: Vec<u8>,
    /// Milliseconds since 1970, by the clock of who made it.
    pub created_at: u64,
    /// [`KeyBundle::hash`] of the bundle before; zeros for the first.
    pub previous_hash: [u8; 32],
    hash: [u8; 32],
}

impl KeyBundle {
    /// Reads and verifies the bundle of `account`, known by `handle`.
    pub fn open(signed: &Signed, account: Uuid, handle: &str) -> Result<Self> {
        let bundle = Self::parse(signed).ok_or(Error::BadKeyBundle)?;
        let is_theirs = bundle.account == account && bundle.handle == handle;
        if is_theirs && signed.is_by(&bundle.identity) { Ok(bundle) } else { Err(Error::BadKeyBundle) }
    }

    /// Whether this is the bundle to come after `previous` (`None`: whether it can be an account's first).
    pub fn follows(&self, previous: Option<&KeyBundle>) -> bool {
        match previous {
            None => self.sequence == 1 && self.previous_hash == [0; 32],
            Some(previous) => {
                self.account == previous.account
                    && self.handle == previous.handle
                    && previous.sequence.checked_add(1) == Some(self.sequence)
                    && self.previous_hash == previous.hash
            }
        }
    }

    /// SHA-256 of body and signature.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// SHA-256 of the encryption key: how grants name it.
    pub fn encryption_hash(&self) -> [u8; 32] {
        sha256(&self.encryption)
    }

    /// The bundle to come after `previous` (`None`: an account's first), signed by the identity that it names.
    pub(crate) fn next(
        previous: Option<&KeyBundle>,
        (account, handle): (Uuid, &str),
        (identity_seed, encryption_seed): (&[u8; 32], &[u8; 32]),
        now: u64,
    ) -> Result<Signed> {
        let sequence = match previous {
            None => 1,
            Some(previous) => previous.sequence.checked_add(1).ok_or(Error::BadKeyBundle)?,
        };
        let body = enc(
            "key-bundle",
            &[
                account.as_bytes(),
                handle.as_bytes(),
                &sequence.to_be_bytes(),
                &signing::public_of(identity_seed),
                &capsules::public_of(encryption_seed),
                &now.to_be_bytes(),
                &previous.map_or([0; 32], KeyBundle::hash),
            ],
        );
        Ok(Signed::new(identity_seed, body))
    }

    fn parse(signed: &Signed) -> Option<Self> {
        let mut fields = Fields::of("key-bundle", &signed.body)?;
        let bundle = KeyBundle {
            account: fields.id()?,
            handle: String::from_utf8(fields.bytes()?.to_vec()).ok()?,
            sequence: fields.u32()?,
            identity: fields.array()?,
            encryption: fields.bytes()?.to_vec(),
            created_at: fields.u64()?,
            previous_hash: fields.array()?,
            hash: signed.hash(),
        };
        fields.end()?;
        let first_without_past = (bundle.sequence == 1) == (bundle.previous_hash == [0; 32]);
        (bundle.sequence > 0
            && first_without_past
            && is_handle(&bundle.handle)
            && capsules::is_public_key(&bundle.encryption))
        .then_some(bundle)
    }
}

/// `[a-z0-9_.-]{3,32}`: ASCII only, so that no two handles look the same; immutable, since keys are bound to
/// them.
pub fn is_handle(text: &str) -> bool {
    (3..=32).contains(&text.len())
        && text
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_have_one_shape() {
        for good in ["abc", "a.b", "user_1-x", &"z".repeat(32)] {
            assert!(is_handle(good), "{good}");
        }
        for bad in ["", "ab", &"z".repeat(33), "Abc", "a b c", "été", "abc\n", "abc/"] {
            assert!(!is_handle(bad), "{bad}");
        }
    }
}
