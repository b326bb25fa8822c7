//! The inside, for the tests that compare it with known answers: fixed nonces, subkeys, associated data.
//! Behind the feature of the same name, which nothing that ships turns on.

use uuid::Uuid;

use crate::{
    Context, Grant, KeyringEntry, RecoveryCode, Result, Signed, SlotKind, boxes, bundle::KeyBundle, capsules,
    epochs, keychain, keyring, keys::Key, messages, opaque, padding, signing, slots, vault,
};

pub fn seal_box(key: &[u8; 32], label: &str, aad: &[u8], plaintext: &[u8], nonce: [u8; 24]) -> Vec<u8> {
    boxes::seal_with_nonce(key, label, aad, plaintext, nonce)
}

pub fn seal_random_box(key: &[u8; 32], label: &str, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    boxes::seal(key, label, aad, plaintext)
}

pub fn open_box(key: &[u8; 32], label: &str, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
    boxes::open(key, label, aad, sealed).map(|plaintext| plaintext.to_vec())
}

pub fn identity_public(seed: &[u8; 32]) -> [u8; 32] {
    signing::public_of(seed)
}

pub fn encryption_public(seed: &[u8; 32]) -> Vec<u8> {
    capsules::public_of(seed)
}

pub fn sign(seed: &[u8; 32], body: &[u8]) -> Signed {
    Signed::new(seed, body.to_vec())
}

pub fn is_signed_by(signed: &Signed, public: &[u8; 32]) -> bool {
    signed.is_by(public)
}

pub fn slot_kek(kind: SlotKind, account: Uuid, id: Uuid, secret: &[u8]) -> [u8; 32] {
    *slots::kek(kind, account, id, secret)
}

pub fn slot_aad(kind: SlotKind, account: Uuid, id: Uuid) -> Vec<u8> {
    slots::aad(kind, account, id)
}

pub fn open_slot(kind: SlotKind, account: Uuid, id: Uuid, secret: &[u8], sealed: &[u8]) -> Result<[u8; 32]> {
    slots::open(kind, account, id, secret, sealed).map(|key| *key)
}

pub fn recovery_code(bits: [u8; 16]) -> RecoveryCode {
    RecoveryCode::from_bits(bits)
}

/// The keys of vault, keyring and local cache.
pub fn subkeys(account_key: [u8; 32], account: Uuid) -> [[u8; 32]; 3] {
    let account_key = Key::new(account_key);
    [vault::key, keyring::key, keychain::local_key].map(|key| *key(&account_key, account))
}

/// What stands inside a vault, read and written again; `None` where it is no vault.
pub fn rewrite_vault(plaintext: &[u8]) -> Option<String> {
    vault::Vault::from_json(serde_json::from_slice(plaintext).ok()?).map(|vault| vault.to_json())
}

pub fn vault_aad(account: Uuid, version: u64) -> Vec<u8> {
    vault::aad(account, version)
}

pub fn keyring_aad(account: Uuid, conversation: Uuid, epoch: Uuid) -> Vec<u8> {
    keyring::aad(account, conversation, epoch)
}

pub fn open_keyring_entry(account_key: [u8; 32], account: Uuid, entry: &KeyringEntry) -> Result<[u8; 32]> {
    keyring::open(&Key::new(account_key), account, entry).map(|key| *key)
}

pub fn first_bundle(
    account: Uuid,
    handle: &str,
    identity_seed: &[u8; 32],
    encryption_seed: &[u8; 32],
    now: u64,
) -> Signed {
    KeyBundle::next(None, (account, handle), (identity_seed, encryption_seed), now)
        .expect("there is always a first")
}

pub fn commitment(conversation: Uuid, number: u32, key: [u8; 32]) -> [u8; 32] {
    epochs::commitment(conversation, number, &Key::new(key))
}

pub fn capsule_info(
    conversation: Uuid,
    number: u32,
    creator: (Uuid, &[u8; 32]),
    recipient: (Uuid, &[u8; 32]),
    encryption_hash: &[u8; 32],
) -> Vec<u8> {
    epochs::capsule_info(conversation, number, creator, recipient, encryption_hash)
}

pub fn open_capsule(seed: &[u8; 32], info: &[u8], aad: &[u8], enc: &[u8], ct: &[u8]) -> Option<[u8; 32]> {
    capsules::open(seed, info, aad, enc, ct).map(|key| *key)
}

/// The first grant of a conversation.
pub fn first_grant(
    creator: &KeyBundle,
    creator_seed: &[u8; 32],
    peer: &KeyBundle,
    key: [u8; 32],
    now: u64,
) -> Result<Signed> {
    Grant::create(creator, creator_seed, peer, None, &Key::new(key), now).map(|(signed, _)| signed)
}

/// The key out of one person's share, as a receiver gets it.
pub fn unwrap_key(
    grant: &Grant,
    creator_identity: &[u8; 32],
    recipient: &KeyBundle,
    encryption_seed: &[u8; 32],
) -> Result<[u8; 32]> {
    let recipient =
        epochs::Recipient { account: recipient.account, identity: &recipient.identity, encryption_seed };
    grant.unwrap_key(creator_identity, &recipient).map(|key| *key)
}

pub fn sender_key(key: [u8; 32], epoch: Uuid, conversation: Uuid, sender: Uuid) -> [u8; 32] {
    *messages::sender_key(&Key::new(key), epoch, conversation, sender)
}

pub fn message_aad(epoch: Uuid, context: &Context) -> Vec<u8> {
    messages::aad(epoch, context)
}

pub fn envelope(epoch: Uuid, id: Uuid, sealed: &[u8]) -> Vec<u8> {
    messages::with_head(epoch, id, sealed)
}

pub fn open_envelope(key: [u8; 32], context: &Context, envelope: &[u8]) -> Result<Vec<u8>> {
    crate::Envelope::parse(envelope)?.open(&Key::new(key), context).map(|text| text.to_vec())
}

pub fn stretch(input: [u8; 64]) -> [u8; 64] {
    opaque_ke::ksf::Ksf::hash(&opaque::Stretch, input.into()).map(Into::into).unwrap_or([0; 64])
}

pub fn pad(text: &[u8]) -> Vec<u8> {
    padding::pad(text)
}

pub fn unpad(padded: &[u8]) -> Option<Vec<u8>> {
    padding::unpad(padded).map(<[u8]>::to_vec)
}

pub fn seal_capsule(recipient: &[u8], info: &[u8], aad: &[u8], key: &[u8; 32]) -> Option<(Vec<u8>, Vec<u8>)> {
    capsules::seal(recipient, info, aad, key).map(|capsule| (capsule.enc, capsule.ct))
}
