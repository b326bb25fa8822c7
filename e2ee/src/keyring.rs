//! The keyring: one small box for each epoch of each conversation, so that a browser that has just logged in
//! gets the keys of the whole history without opening a single capsule.

use uuid::Uuid;

use crate::{
    Error, Result, boxes,
    codec::enc,
    keys::{Key, derive},
};

/// An entry as the server stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyringEntry {
    pub conversation: Uuid,
    pub epoch: Uuid,
    pub sealed: Vec<u8>,
}

/// How many bytes every entry's box has.
pub const KEYRING_ENTRY_LENGTH: usize = 32 + boxes::OVERHEAD;

pub(crate) fn seal(
    account_key: &Key,
    account: Uuid,
    conversation: Uuid,
    epoch: Uuid,
    epoch_key: &Key,
) -> KeyringEntry {
    let aad = aad(account, conversation, epoch);
    let sealed = boxes::seal(&key(account_key, account), "keyring", &aad, &**epoch_key);
    KeyringEntry { conversation, epoch, sealed }
}

pub(crate) fn open(account_key: &Key, account: Uuid, entry: &KeyringEntry) -> Result<Key> {
    let aad = aad(account, entry.conversation, entry.epoch);
    let epoch_key = boxes::open(&key(account_key, account), "keyring", &aad, &entry.sealed)?;
    epoch_key.as_slice().try_into().map(Key::new).map_err(|_| Error::NotAuthentic)
}

pub(crate) fn key(account_key: &Key, account: Uuid) -> Key {
    derive(&**account_key, &enc("mk/keyring", &[account.as_bytes()]))
}

pub(crate) fn aad(account: Uuid, conversation: Uuid, epoch: Uuid) -> Vec<u8> {
    enc("keyring-aad", &[account.as_bytes(), conversation.as_bytes(), epoch.as_bytes()])
}
