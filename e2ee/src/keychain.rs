//! The unlocked account: every secret a client holds, and all that it does with them. The browser keeps it in
//! a worker; the page never sees it.

mod contacts;
mod conversations;
mod doors;

use std::collections::HashMap;

use uuid::Uuid;
use zeroize::Zeroizing;

pub use contacts::Seen;
pub use conversations::{Adopted, CreatedEpoch, LoadedKeyring};
pub use doors::{Login, Material, NewPassword, NewRecoveryCode, ProvenLogin, Registered, Registration};

use crate::{
    Error, KeyBundle, Result, SealedVault, Signed, boxes, capsules,
    codec::enc,
    keys::{Key, derive, random},
    signing,
    vault::Vault,
};

/// What the server serves of one's own account, to be opened and checked.
#[derive(Clone, Debug)]
pub struct Account {
    pub id: Uuid,
    pub handle: String,
    pub vault: SealedVault,
    pub key_bundle: Signed,
}

pub struct Keychain {
    account_key: Key,
    bundle: KeyBundle,
    vault: Vault,
    /// The version of the vault that the server holds, as far as we know.
    vault_version: u64,
    /// The present bundles of contacts, each with the identity that is pinned.
    peers: HashMap<Uuid, KeyBundle>,
    /// By conversation and epoch.
    epochs: HashMap<(Uuid, Uuid), Key>,
}

impl Keychain {
    /// Opens the vault, and makes sure that the server shows the world the identity that lies in it.
    fn unlock(account_key: Key, account: &Account) -> Result<Self> {
        let vault = Vault::open(&account_key, account.id, &account.vault)?;
        let bundle = KeyBundle::open(&account.key_bundle, account.id, &account.handle)
            .map_err(|_| Error::OwnIdentityMismatch)?;
        let ours = bundle.identity == signing::public_of(&vault.identity_seed)
            && bundle.encryption == capsules::public_of(vault.newest_encryption_seed());
        if !ours {
            return Err(Error::OwnIdentityMismatch);
        }
        let vault_version = account.vault.version;
        Ok(Keychain {
            account_key,
            bundle,
            vault,
            vault_version,
            peers: HashMap::new(),
            epochs: HashMap::new(),
        })
    }

    pub fn account(&self) -> Uuid {
        self.bundle.account
    }

    pub fn handle(&self) -> &str {
        &self.bundle.handle
    }

    pub fn key_bundle(&self) -> &KeyBundle {
        &self.bundle
    }

    /// The vault as it is now, sealed for the server as the next version.
    pub fn vault(&self) -> SealedVault {
        self.vault.seal(&self.account_key, self.account(), self.vault_version + 1)
    }

    /// The version of the vault on the server, as far as is known here.
    pub fn vault_version(&self) -> u64 {
        self.vault_version
    }

    /// What the person has set, by its key: `{"at": milliseconds since 1970, "value": …}`; the value of one that
    /// was taken back is `null`.
    pub fn settings(&self) -> &serde_json::Map<String, serde_json::Value> {
        &self.vault.settings
    }

    /// Sets one, as of `at`; the vault must be written. An entry that is older than the one there changes nothing
    /// at the next merge.
    pub fn set_setting(&mut self, key: &str, value: serde_json::Value, at: u64) {
        self.vault.set(key, value, at);
    }

    /// The server took the vault under this version.
    pub fn vault_written(&mut self, version: u64) {
        self.vault_version = version;
    }

    /// Takes in the vault that another browser wrote; to be called when the server refuses ours for its
    /// version. What was added here stays, and [`Keychain::vault`] gives the union. Returns the contacts
    /// whose pin is now another.
    pub fn merge_vault(&mut self, served: &SealedVault) -> Result<Vec<Uuid>> {
        if served.version < self.vault_version {
            return Err(Error::StaleVault);
        }
        let theirs = Vault::open(&self.account_key, self.account(), served)?;
        if theirs.identity_seed != self.vault.identity_seed {
            return Err(Error::OwnIdentityMismatch);
        }
        let changed = self.vault.merge(theirs);
        self.vault_version = served.version;
        for account in &changed {
            self.peers.remove(account);
        }
        Ok(changed)
    }

    /// For what is kept on this machine only. `label` names the use (and, if it matters, the place).
    pub fn seal_local(&self, label: &str, bytes: &[u8]) -> Vec<u8> {
        boxes::seal(&self.local_key(), "local", &self.local_aad(label), bytes)
    }

    pub fn open_local(&self, label: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        boxes::open(&self.local_key(), "local", &self.local_aad(label), sealed)
    }

    fn local_key(&self) -> Key {
        local_key(&self.account_key, self.account())
    }

    fn local_aad(&self, label: &str) -> Vec<u8> {
        enc("local-aad", &[self.account().as_bytes(), label.as_bytes()])
    }
}

pub(crate) fn local_key(account_key: &Key, account: Uuid) -> Key {
    derive(&**account_key, &enc("mk/local", &[account.as_bytes()]))
}

/// A UUIDv7: ids sort by the time they were made. `now`: milliseconds since 1970.
pub fn new_id(now: u64) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(now, &random()).into_uuid()
}
