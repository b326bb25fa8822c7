//! An epoch is a stretch of a conversation under one key. Its grant brings that key to both people: a capsule
//! for each, a commitment that both capsules hold the same key, and the signature of the one who made it.
//!
//! Grants form a chain: each names the hash of the one before. The server takes a grant only whole, and a
//! message only of an epoch whose grant it holds, so that there is never a message without a key.

use uuid::Uuid;

use crate::{
    Error, KeyBundle, Result,
    capsules::{self, ENCAPSULATED, WRAPPED_KEY},
    codec::{Fields, enc},
    keys::{Key, sha256},
    signing::Signed,
};

const SUITE: u8 = 1;

/// Exactly one conversation a pair, the same whoever asks; nobody can point two people to another one.
pub fn conversation_id(one: Uuid, other: Uuid) -> Uuid {
    let (lower, higher) = (one.min(other), one.max(other));
    id_of(&sha256(&enc("conv-id", &[lower.as_bytes(), higher.as_bytes()])))
}

/// A grant whose form has been checked: two different people, the creator one of them, the conversation
/// theirs. Whose signature it bears is for [`Grant::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The epoch's id: the first 16 bytes of [`Grant::hash`].
    pub epoch: Uuid,
    pub conversation: Uuid,
    /// 1 for a conversation's first epoch.
    pub number: u32,
    /// [`Grant::hash`] of the grant before; zeros for the first.
    pub previous_hash: [u8; 32],
    pub creator: Uuid,
    /// Milliseconds since 1970, by the clock of who made it.
    pub created_at: u64,
    pub commit: [u8; 32],
    /// For the lower account, then for the higher.
    pub shares: [Share; 2],
    signed: Signed,
}

/// What a grant holds for one of the two people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    pub account: Uuid,
    /// SHA-256 of the encryption key that the capsule was made for.
    pub encryption_hash: [u8; 32],
    enc: Vec<u8>,
    ct: Vec<u8>,
}

impl Grant {
    /// Reads a grant. The signature is *not* checked here, since it needs the creator's key: call
    /// [`Grant::verify`].
    pub fn parse(signed: &Signed) -> Result<Self> {
        Self::read(signed).ok_or(Error::BadGrant)
    }

    /// Whether the creator, who has this identity key, signed the grant.
    pub fn verify(&self, creator_identity: &[u8; 32]) -> Result<()> {
        if self.signed.is_by(creator_identity) { Ok(()) } else { Err(Error::BadGrant) }
    }

    /// Whether this grant comes right after the epoch of this number and id (`None`: whether it can be the
    /// first).
    pub fn follows(&self, previous: Option<(u32, Uuid)>) -> bool {
        match previous {
            None => self.number == 1,
            Some((number, epoch)) => {
                number.checked_add(1) == Some(self.number) && id_of(&self.previous_hash) == epoch
            }
        }
    }

    /// SHA-256 of body and signature: what the next grant points to.
    pub fn hash(&self) -> [u8; 32] {
        self.signed.hash()
    }

    pub fn share_of(&self, account: Uuid) -> Option<&Share> {
        self.shares.iter().find(|share| share.account == account)
    }

    /// Wraps `key` for both people and signs. `creator` is one of the two.
    pub(crate) fn create(
        creator: &KeyBundle,
        creator_seed: &[u8; 32],
        peer: &KeyBundle,
        previous: Option<&Grant>,
        key: &Key,
        now: u64,
    ) -> Result<(Signed, Self)> {
        let conversation = conversation_id(creator.account, peer.account);
        let number = match previous {
            None => 1,
            Some(previous) => previous.number.checked_add(1).ok_or(Error::BrokenEpochChain)?,
        };
        let previous_hash = previous.map_or([0; 32], Grant::hash);
        let commit = commitment(conversation, number, key);
        let mut people = [creator, peer];
        people.sort_by_key(|person| person.account);
        let shares = people.map(|person| {
            let encryption_hash = person.encryption_hash();
            let info = capsule_info(
                conversation,
                number,
                (creator.account, &creator.identity),
                (person.account, &person.identity),
                &encryption_hash,
            );
            (person, encryption_hash, capsules::seal(&person.encryption, &info, &commit, key))
        });
        let number = number.to_be_bytes();
        let now = now.to_be_bytes();
        let mut fields: Vec<&[u8]> = vec![
            &[SUITE],
            conversation.as_bytes(),
            &number,
            &previous_hash,
            creator.account.as_bytes(),
            &now,
            &commit,
        ];
        for (person, encryption_hash, capsule) in &shares {
            let capsule = capsule.as_ref().ok_or(Error::BadKeyBundle)?;
            fields.extend([person.account.as_bytes(), &encryption_hash[..], &capsule.enc, &capsule.ct]);
        }
        let signed = Signed::new(creator_seed, enc("epoch-grant", &fields));
        let grant = Self::parse(&signed)?;
        Ok((signed, grant))
    }

    /// Takes the epoch's key out of the recipient's capsule, and checks it against the commitment.
    pub(crate) fn unwrap_key(&self, creator_identity: &[u8; 32], recipient: &Recipient<'_>) -> Result<Key> {
        let share = self.share_of(recipient.account).ok_or(Error::BadGrant)?;
        let info = capsule_info(
            self.conversation,
            self.number,
            (self.creator, creator_identity),
            (recipient.account, recipient.identity),
            &share.encryption_hash,
        );
        let key = capsules::open(recipient.encryption_seed, &info, &self.commit, &share.enc, &share.ct)
            .ok_or(Error::BadGrant)?;
        if commitment(self.conversation, self.number, &key) == self.commit {
            Ok(key)
        } else {
            Err(Error::BadGrant)
        }
    }

    fn read(signed: &Signed) -> Option<Self> {
        let mut fields = Fields::of("epoch-grant", &signed.body)?;
        if fields.array()? != [SUITE] || signed.signature.len() != 64 {
            return None;
        }
        let grant = Grant {
            epoch: id_of(&signed.hash()),
            conversation: fields.id()?,
            number: fields.u32()?,
            previous_hash: fields.array()?,
            creator: fields.id()?,
            created_at: fields.u64()?,
            commit: fields.array()?,
            shares: [Share::read(&mut fields)?, Share::read(&mut fields)?],
            signed: signed.clone(),
        };
        fields.end()?;
        let [lower, higher] = &grant.shares;
        let first_without_past = (grant.number == 1) == (grant.previous_hash == [0; 32]);
        (lower.account < higher.account
            && grant.share_of(grant.creator).is_some()
            && grant.conversation == conversation_id(lower.account, higher.account)
            && grant.number > 0
            && first_without_past)
            .then_some(grant)
    }
}

impl Share {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let share = Share {
            account: fields.id()?,
            encryption_hash: fields.array()?,
            enc: fields.bytes()?.to_vec(),
            ct: fields.bytes()?.to_vec(),
        };
        (share.enc.len() == ENCAPSULATED && share.ct.len() == WRAPPED_KEY).then_some(share)
    }
}

/// Who opens a capsule, and with what.
pub(crate) struct Recipient<'a> {
    pub account: Uuid,
    pub identity: &'a [u8; 32],
    /// The one whose public key the share names.
    pub encryption_seed: &'a [u8; 32],
}

/// A capsule belongs to one epoch of one pair and to their present keys; anywhere else it does not open.
pub(crate) fn capsule_info(
    conversation: Uuid,
    number: u32,
    (creator, creator_identity): (Uuid, &[u8; 32]),
    (recipient, recipient_identity): (Uuid, &[u8; 32]),
    encryption_hash: &[u8; 32],
) -> Vec<u8> {
    enc(
        "epoch-wrap",
        &[
            conversation.as_bytes(),
            &number.to_be_bytes(),
            creator.as_bytes(),
            recipient.as_bytes(),
            creator_identity,
            recipient_identity,
            encryption_hash,
        ],
    )
}

pub(crate) fn commitment(conversation: Uuid, number: u32, key: &Key) -> [u8; 32] {
    sha256(&enc("epoch-commit", &[conversation.as_bytes(), &number.to_be_bytes(), &**key]))
}

fn id_of(hash: &[u8; 32]) -> Uuid {
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    Uuid::from_bytes(id)
}
