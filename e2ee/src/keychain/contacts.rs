//! Contacts: trust on first use. The first identity seen of a person is pinned in the vault, and what the server says
//! later never replaces it; a changed one is reported, always. Only the person at this end puts it in the other's place.

use uuid::Uuid;

use super::Keychain;
use crate::{Error, KeyBundle, Result, Signed, epochs::conversation_id, safety::safety_number, vault::Pin};

/// What a bundle means for the pin of its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// Pinned now; the vault must be written.
    New,
    Known,
    /// Not the pinned identity: the pin stays, and nothing is encrypted for the new keys.
    Changed,
}

impl Seen {
    pub fn name(self) -> &'static str {
        match self {
            Seen::New => "new",
            Seen::Known => "known",
            Seen::Changed => "changed",
        }
    }
}

impl Keychain {
    /// Looks at the bundle that the server serves for a person. Needed once in each run before
    /// [`Keychain::create_epoch`], which encrypts for the bundle seen last.
    pub fn pin(&mut self, account: Uuid, handle: &str, bundle: &Signed, now: u64) -> Result<Seen> {
        if account == self.account() {
            return Err(Error::ConversationWithOneself);
        }
        let bundle = KeyBundle::open(bundle, account, handle)?;
        let seen = match self.vault.contacts.get(&account) {
            Some(pin) if pin.identity == bundle.identity => Seen::Known,
            Some(_) => {
                self.peers.remove(&account);
                return Ok(Seen::Changed);
            }
            None => {
                self.vault.contacts.insert(account, Pin::new(bundle.identity, now));
                Seen::New
            }
        };
        // A bundle that was replaced must not come back: the server may be the one who replays it.
        if self.peers.get(&account).is_none_or(|known| known.sequence <= bundle.sequence) {
            self.peers.insert(account, bundle);
        }
        Ok(seen)
    }

    /// The person's bundle is to be looked at again before it is used.
    pub fn forget_bundle(&mut self, account: Uuid) {
        self.peers.remove(&account);
    }

    /// Whether the person's bundle has been seen since the unlock, with the pinned identity.
    pub fn knows(&self, account: Uuid) -> bool {
        self.peers.contains_key(&account)
    }

    pub fn pinned(&self, account: Uuid) -> Option<&Pin> {
        self.vault.contacts.get(&account)
    }

    pub fn conversation_id(&self, peer: Uuid) -> Uuid {
        conversation_id(self.account(), peer)
    }

    /// 60 digits, the same for both people if nobody sits between them.
    pub fn safety_number(&self, peer: Uuid) -> Result<String> {
        let pin = self.pinned(peer).ok_or(Error::PeerNotPinned)?;
        Ok(safety_number((self.account(), &self.bundle.identity), (peer, &pin.identity)))
    }

    /// As [`Keychain::safety_number`] would be under the identity of this bundle, before anybody trusts it.
    pub fn safety_number_under(&self, peer: Uuid, handle: &str, bundle: &Signed) -> Result<String> {
        let bundle = KeyBundle::open(bundle, peer, handle)?;
        Ok(safety_number((self.account(), &self.bundle.identity), (peer, &bundle.identity)))
    }

    /// The two have compared their numbers, or it is no longer to be relied on that they did. The vault must be written.
    pub fn mark_verified(&mut self, peer: Uuid, verified: bool, now: u64) -> Result<()> {
        let pin = self.vault.contacts.get_mut(&peer).ok_or(Error::PeerNotPinned)?;
        pin.mark(verified, now);
        Ok(())
    }

    /// By the person's own decision: the identity of this very bundle takes the place of the pinned one, and the vault
    /// must be written. Adopt before what was still to be adopted under the old one: afterwards nothing is.
    pub fn accept_identity(&mut self, peer: Uuid, handle: &str, bundle: &Signed, now: u64) -> Result<()> {
        let bundle = KeyBundle::open(bundle, peer, handle)?;
        let pin = self.vault.contacts.get_mut(&peer).ok_or(Error::PeerNotPinned)?;
        if pin.identity != bundle.identity {
            pin.accept(bundle.identity, now);
            self.peers.insert(peer, bundle);
        }
        Ok(())
    }
}
