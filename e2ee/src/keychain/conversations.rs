//! Epochs and messages with the keys of this account.

use uuid::Uuid;
use zeroize::Zeroizing;

use super::Keychain;
use crate::{
    Context, Envelope, Error, Grant, KeyBundle, KeyringEntry, Kind, Result, Signed, capsules,
    epochs::Recipient,
    keyring,
    keys::{Key, random_key, sha256},
    messages,
};

/// An epoch made here, to be offered to the server. It counts only once the server has taken it.
#[derive(Clone, Debug)]
pub struct CreatedEpoch {
    pub epoch: Uuid,
    pub number: u32,
    /// As the grant says it.
    pub created_at: u64,
    pub grant: Signed,
    pub keyring: KeyringEntry,
}

/// An epoch that someone else made, or another browser of ours. Its entry should go to the keyring on the
/// server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    pub epoch: Uuid,
    pub number: u32,
    /// By the clock of who made it, and signed.
    pub created_at: u64,
    /// Made for the keys that both have now, as [`Keychain::pin`] has seen those of the other: one may write in it.
    pub current: bool,
    pub keyring: KeyringEntry,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadedKeyring {
    pub loaded: usize,
    /// Conversation and epoch of the entries that did not open.
    pub unreadable: Vec<(Uuid, Uuid)>,
}

impl Keychain {
    /// One entry that cannot be opened does not keep the others from it. Loading an entry twice is fine.
    pub fn load_keyring<'a>(&mut self, entries: impl IntoIterator<Item = &'a KeyringEntry>) -> LoadedKeyring {
        let mut result = LoadedKeyring::default();
        for entry in entries {
            let place = (entry.conversation, entry.epoch);
            match keyring::open(&self.account_key, self.account(), entry) {
                Ok(key) => {
                    self.epochs.insert(place, key);
                    result.loaded += 1;
                }
                Err(_) => result.unreadable.push(place),
            }
        }
        result
    }

    /// Forgets an epoch's key: what was sealed under it opens no more.
    pub fn forget_epoch(&mut self, conversation: Uuid, epoch: Uuid) {
        self.epochs.remove(&(conversation, epoch));
    }

    pub fn has_epoch(&self, conversation: Uuid, epoch: Uuid) -> bool {
        self.epochs.contains_key(&(conversation, epoch))
    }

    /// Begins the epoch after `previous` (`None`: the first) with a fresh key. `PeerNotPinned` unless
    /// [`Keychain::pin`] has seen the peer's bundle.
    pub fn create_epoch(&mut self, peer: Uuid, previous: Option<&Signed>, now: u64) -> Result<CreatedEpoch> {
        let peer = self.peers.get(&peer).ok_or(Error::PeerNotPinned)?;
        let previous = previous.map(Grant::parse).transpose()?;
        if previous.as_ref().is_some_and(|grant| grant.conversation != self.conversation_id(peer.account)) {
            return Err(Error::BrokenEpochChain);
        }
        let key = random_key();
        let (signed, grant) =
            Grant::create(&self.bundle, &self.vault.identity_seed, peer, previous.as_ref(), &key, now)?;
        let keyring = self.keep(&grant, key);
        let Grant { epoch, number, created_at, .. } = grant;
        Ok(CreatedEpoch { epoch, number, created_at, grant: signed, keyring })
    }

    /// Takes an epoch's key out of its grant, after every check: both people, the creator's pinned identity
    /// and signature, our own encryption key, the commitment, and that it follows `previous`, the id of the
    /// epoch before it (`None` for the first epoch, or where the one before is not known).
    pub fn adopt_epoch(&mut self, peer: Uuid, grant: &Signed, previous: Option<Uuid>) -> Result<Adopted> {
        let grant = Grant::parse(grant)?;
        if grant.conversation != self.conversation_id(peer) || grant.share_of(self.account()).is_none() {
            return Err(Error::BadGrant);
        }
        let creator_identity = if grant.creator == self.account() {
            self.bundle.identity
        } else {
            self.pinned(grant.creator).ok_or(Error::PeerNotPinned)?.identity
        };
        grant.verify(&creator_identity)?;
        let before = grant.number.checked_sub(1).filter(|number| *number > 0);
        if previous.is_some_and(|epoch| before.is_none_or(|number| !grant.follows(Some((number, epoch))))) {
            return Err(Error::BrokenEpochChain);
        }
        let key = self.unwrap_key(&grant, &creator_identity)?;
        let keyring = self.keep(&grant, key);
        let current = self.is_current(&grant, peer);
        let Grant { epoch, number, created_at, .. } = grant;
        Ok(Adopted { epoch, number, created_at, current, keyring })
    }

    /// What was made for keys that somebody has left behind may be read by whoever has those.
    fn is_current(&self, grant: &Grant, peer: Uuid) -> bool {
        let is_for = |bundle: &KeyBundle| {
            let share = grant.share_of(bundle.account);
            share.is_some_and(|share| share.encryption_hash == bundle.encryption_hash())
        };
        is_for(&self.bundle) && self.peers.get(&peer).is_some_and(is_for)
    }

    /// The envelope of a message. The same id must never be sealed with two texts: keep the envelope for the
    /// retry.
    pub fn seal(
        &self,
        conversation: Uuid,
        epoch: Uuid,
        id: Uuid,
        kind: Kind,
        target: Option<Uuid>,
        text: &str,
    ) -> Result<Vec<u8>> {
        let key = self.epochs.get(&(conversation, epoch)).ok_or(Error::UnknownEpoch)?;
        let context = Context { conversation, sender: self.account(), id, kind, target };
        Ok(messages::seal(key, epoch, &context, text.as_bytes()))
    }

    /// The text of a message, if all that surrounds it is as its sender sealed it.
    pub fn open(&self, context: &Context, envelope: &[u8]) -> Result<Zeroizing<String>> {
        let envelope = Envelope::parse(envelope)?;
        let key = self.epochs.get(&(context.conversation, envelope.epoch)).ok_or(Error::UnknownEpoch)?;
        let text = envelope.open(key, context)?;
        str::from_utf8(&text).map(|text| Zeroizing::new(text.to_owned())).map_err(|_| Error::BadEnvelope)
    }

    fn unwrap_key(&self, grant: &Grant, creator_identity: &[u8; 32]) -> Result<Key> {
        let wanted = grant.share_of(self.account()).ok_or(Error::BadGrant)?.encryption_hash;
        let opens = |seed: &&Key| sha256(&capsules::public_of(seed)) == wanted;
        // Newest first: nearly always the one.
        let encryption_seed = self.vault.encryption_seeds.iter().rev().find(opens).ok_or(Error::BadGrant)?;
        let identity = &self.bundle.identity;
        grant.unwrap_key(creator_identity, &Recipient { account: self.account(), identity, encryption_seed })
    }

    fn keep(&mut self, grant: &Grant, key: Key) -> KeyringEntry {
        let (conversation, epoch) = (grant.conversation, grant.epoch);
        let entry = keyring::seal(&self.account_key, self.account(), conversation, epoch, &key);
        self.epochs.insert((conversation, epoch), key);
        entry
    }
}
