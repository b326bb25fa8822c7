//! A slot holds the account key under one way of proving who one is: the password, the recovery code, a
//! passkey. Each can be replaced without touching what the account key protects.

use uuid::Uuid;

use crate::{
    Error, Result, boxes,
    codec::enc,
    keys::{Key, derive},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlotKind {
    Password,
    Recovery,
    Passkey,
}

impl SlotKind {
    pub fn name(self) -> &'static str {
        match self {
            SlotKind::Password => "password",
            SlotKind::Recovery => "recovery",
            SlotKind::Passkey => "passkey",
        }
    }
}

/// A slot as the server stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub id: Uuid,
    pub kind: SlotKind,
    pub sealed: Vec<u8>,
}

/// How many bytes every slot has.
pub const SLOT_LENGTH: usize = 32 + boxes::OVERHEAD;

/// `secret`: OPAQUE's export key, the recovery code's 16 bytes or the passkey's PRF output.
pub(crate) fn seal(kind: SlotKind, account: Uuid, id: Uuid, secret: &[u8], account_key: &Key) -> Slot {
    let kek = kek(kind, account, id, secret);
    Slot { id, kind, sealed: boxes::seal(&kek, "slot", &aad(kind, account, id), &**account_key) }
}

pub(crate) fn open(kind: SlotKind, account: Uuid, id: Uuid, secret: &[u8], sealed: &[u8]) -> Result<Key> {
    let account_key = boxes::open(&kek(kind, account, id, secret), "slot", &aad(kind, account, id), sealed)?;
    account_key.as_slice().try_into().map(Key::new).map_err(|_| Error::NotAuthentic)
}

pub(crate) fn kek(kind: SlotKind, account: Uuid, id: Uuid, secret: &[u8]) -> Key {
    let label = match kind {
        SlotKind::Password => "kek/password",
        SlotKind::Recovery => "kek/recovery",
        SlotKind::Passkey => "kek/passkey",
    };
    derive(secret, &enc(label, &[account.as_bytes(), id.as_bytes()]))
}

pub(crate) fn aad(kind: SlotKind, account: Uuid, id: Uuid) -> Vec<u8> {
    enc("slot-aad", &[account.as_bytes(), id.as_bytes(), kind.name().as_bytes()])
}
