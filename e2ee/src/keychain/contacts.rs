//! Contacts: trust on first use. The first identity seen of a person is pinned in the vault and never
//! replaced by what the server says later; a changed one is reported, always.

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
}
