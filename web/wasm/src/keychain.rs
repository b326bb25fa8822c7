//! The unlocked account.

use e2ee::{Context, RecoveryCode};
use wasm_bindgen::prelude::*;

use crate::{
    edge::{Thrown, blob, bytes, id, json, kind, milliseconds, number, object, secret, string, text, thrown},
    registration::Registration,
    types::{
        JsAdoptedEpoch, JsCreatedEpoch, JsKeyringEntry, JsLoadedKeyring, JsLockedAccount, JsNewPassword,
        JsNewRecoveryCode, JsNewSlot, JsReloadedAccount, JsSeen, JsSigned, JsSlot, JsVault,
    },
};

#[wasm_bindgen]
pub struct Keychain(e2ee::Keychain);

impl Keychain {
    pub(crate) fn new(keychain: e2ee::Keychain) -> Self {
        Keychain(keychain)
    }
}

#[wasm_bindgen]
impl Keychain {
    pub fn account(&self) -> String {
        self.0.account().to_string()
    }

    pub fn handle(&self) -> String {
        self.0.handle().to_owned()
    }

    /// What `open_from_reload` opens again; to be wrapped in a key that cannot leave the browser.
    pub fn seal_for_reload(&self, session: &str, share: &str) -> Thrown<String> {
        Ok(text(self.0.seal_for_reload(id(session)?, &bytes(share)?)))
    }

    pub fn open_from_reload(account: &JsReloadedAccount) -> Thrown<Keychain> {
        let (session, share, sealed) =
            (id(&string(account.session())?)?, blob(account.share())?, blob(account.sealed())?);
        e2ee::Keychain::open_from_reload(session, &share, &sealed, &account.read()?)
            .map(Keychain)
            .map_err(thrown)
    }

    /// Throws `bad_recovery_code`, and `not_authentic` where it is not this account's. `account`: with its recovery
    /// slot.
    pub fn unlock_with_recovery_code(code: &str, account: &JsLockedAccount) -> Thrown<Keychain> {
        let code = RecoveryCode::parse(code).map_err(thrown)?;
        let (slot, sealed) = account.slot()?.read()?;
        e2ee::Keychain::unlock_with_recovery_code(&code, (slot, &sealed), &account.read()?)
            .map(Keychain)
            .map_err(thrown)
    }

    /// Takes a second or so. `registration` cannot be used afterwards.
    pub fn replace_password(
        &self,
        registration: Registration,
        response: &str,
        now: f64,
    ) -> Thrown<JsNewPassword> {
        let made = self.0.replace_password(registration.0, &bytes(response)?, milliseconds(now));
        let made = made.map_err(thrown)?;
        Ok(object(&[("record", text(&made.record).into()), ("slot", JsSlot::write(&made.slot))]))
    }

    pub fn replace_recovery_code(&self, now: f64) -> JsNewRecoveryCode {
        let made = self.0.replace_recovery_code(milliseconds(now));
        object(&[
            ("code", made.code.to_string().into()),
            ("verifier", text(made.verifier).into()),
            ("slot", JsSlot::write(&made.slot)),
        ])
    }

    /// `output`: the 32 bytes that the passkey's PRF gives. Throws `bad_argument` for others.
    pub fn add_passkey(&self, output: &[u8], now: f64) -> Thrown<JsNewSlot> {
        Ok(JsSlot::write(&self.0.add_passkey(&secret(output)?, milliseconds(now))).unchecked_into())
    }

    /// Throws `not_authentic` where it is not this passkey's. `account`: with the passkey's slot.
    pub fn unlock_with_passkey(output: &[u8], account: &JsLockedAccount) -> Thrown<Keychain> {
        let (slot, sealed) = account.slot()?.read()?;
        e2ee::Keychain::unlock_with_passkey(&secret(output)?, (slot, &sealed), &account.read()?)
            .map(Keychain)
            .map_err(thrown)
    }

    /// The vault for the next PUT.
    pub fn vault(&self) -> JsVault {
        JsVault::write(&self.0.vault())
    }

    /// What the person has set, as JSON: `{key: {at, value}}`.
    pub fn settings(&self) -> String {
        serde_json::Value::Object(self.0.settings().clone()).to_string()
    }

    /// `value` is JSON; throws `bad_answer` when it is not.
    pub fn set_setting(&mut self, key: &str, value: &str, at: f64) -> Thrown<()> {
        self.0.set_setting(key, json(value)?, milliseconds(at));
        Ok(())
    }

    pub fn vault_version(&self) -> f64 {
        self.0.vault_version() as f64
    }

    pub fn vault_written(&mut self, version: f64) {
        self.0.vault_written(milliseconds(version));
    }

    /// After a `vault_conflict`: takes in what another browser wrote. Returns the accounts whose pin is now
    /// another.
    pub fn merge_vault(&mut self, served: &JsVault) -> Thrown<Vec<String>> {
        let changed = self.0.merge_vault(&served.read()?).map_err(thrown)?;
        Ok(changed.iter().map(ToString::to_string).collect())
    }

    /// "new": pinned, the vault must be written; "changed": another identity than the pinned one, which
    /// stays.
    pub fn pin(&mut self, account: &str, handle: &str, bundle: &JsSigned, now: f64) -> Thrown<JsSeen> {
        self.0
            .pin(id(account)?, handle, &bundle.read()?, milliseconds(now))
            .map(JsSeen::write)
            .map_err(thrown)
    }

    /// Entries that do not open are named in `unreadable`; nothing is thrown for them.
    pub fn load_keyring(&mut self, entries: Vec<JsKeyringEntry>) -> Thrown<JsLoadedKeyring> {
        // Of one that is nothing at all there is not even a place to name.
        let entries: Vec<_> = entries.iter().filter_map(|entry| entry.read().ok()).collect();
        let result = self.0.load_keyring(&entries);
        let unreadable: js_sys::Array = result
            .unreadable
            .iter()
            .map(|(conversation, epoch)| {
                object::<JsValue>(&[
                    ("conversation", conversation.to_string().into()),
                    ("epoch", epoch.to_string().into()),
                ])
            })
            .collect();
        Ok(object(&[("loaded", (result.loaded as f64).into()), ("unreadable", unreadable.into())]))
    }

    pub fn has_epoch(&self, conversation: &str, epoch: &str) -> Thrown<bool> {
        Ok(self.0.has_epoch(id(conversation)?, id(epoch)?))
    }

    pub fn forget_epoch(&mut self, conversation: &str, epoch: &str) -> Thrown<()> {
        self.0.forget_epoch(id(conversation)?, id(epoch)?);
        Ok(())
    }

    pub fn conversation_id(&self, peer: &str) -> Thrown<String> {
        Ok(self.0.conversation_id(id(peer)?).to_string())
    }

    /// Throws `peer_not_pinned` unless `pin` has seen the peer's bundle since the unlock.
    pub fn create_epoch(
        &mut self,
        peer: &str,
        previous: Option<JsSigned>,
        now: f64,
    ) -> Thrown<JsCreatedEpoch> {
        let previous = previous.map(|grant| grant.read()).transpose()?;
        let created = self.0.create_epoch(id(peer)?, previous.as_ref(), milliseconds(now)).map_err(thrown)?;
        Ok(object(&[
            ("epoch", created.epoch.to_string().into()),
            ("number", created.number.into()),
            ("created_at", number(created.created_at)),
            ("grant", JsSigned::write(&created.grant).into()),
            ("keyring", text(&created.keyring.sealed).into()),
        ]))
    }

    /// `previous_epoch`: the id of the epoch before, where it is known.
    pub fn adopt_epoch(
        &mut self,
        peer: &str,
        grant: &JsSigned,
        previous_epoch: Option<String>,
    ) -> Thrown<JsAdoptedEpoch> {
        let previous = previous_epoch.as_deref().map(id).transpose()?;
        let adopted = self.0.adopt_epoch(id(peer)?, &grant.read()?, previous).map_err(thrown)?;
        Ok(object(&[
            ("epoch", adopted.epoch.to_string().into()),
            ("number", adopted.number.into()),
            ("created_at", number(adopted.created_at)),
            ("current", adopted.current.into()),
            ("keyring", text(&adopted.keyring.sealed).into()),
        ]))
    }

    /// The envelope. `kind`: 1 message, 2 edit, 3 reaction. Throws `unknown_epoch`.
    pub fn seal(
        &self,
        conversation: &str,
        epoch: &str,
        message_id: &str,
        kind_number: u8,
        target: Option<String>,
        text_json: &str,
    ) -> Thrown<String> {
        let target = target.as_deref().map(id).transpose()?;
        self.0
            .seal(id(conversation)?, id(epoch)?, id(message_id)?, kind(kind_number)?, target, text_json)
            .map(text)
            .map_err(thrown)
    }

    /// The plaintext's JSON. Throws `unknown_epoch`, `not_authentic`, `unsupported_version`, `bad_envelope`.
    /// `message_id`: the id that the server gives for it; another one in the envelope is `not_authentic`.
    pub fn open(
        &self,
        conversation: &str,
        sender: &str,
        envelope: &str,
        kind_number: u8,
        target: Option<String>,
        message_id: Option<String>,
    ) -> Thrown<String> {
        let envelope = bytes(envelope)?;
        let head = e2ee::Envelope::parse(&envelope).map_err(thrown)?;
        let context = Context {
            conversation: id(conversation)?,
            sender: id(sender)?,
            id: message_id.as_deref().map(id).transpose()?.unwrap_or(head.id),
            kind: kind(kind_number)?,
            target: target.as_deref().map(id).transpose()?,
        };
        self.0.open(&context, &envelope).map(|text| text.to_string()).map_err(thrown)
    }

    /// For what is kept in this browser only; `label` names the use.
    pub fn seal_local(&self, label: &str, content: &[u8]) -> Vec<u8> {
        self.0.seal_local(label, content)
    }

    pub fn open_local(&self, label: &str, sealed: &[u8]) -> Thrown<Vec<u8>> {
        self.0.open_local(label, sealed).map(|content| content.to_vec()).map_err(thrown)
    }

    /// 60 digits.
    pub fn safety_number(&self, peer: &str) -> Thrown<String> {
        self.0.safety_number(id(peer)?).map_err(thrown)
    }

    /// As it would be under the identity of this bundle.
    pub fn safety_number_under(&self, peer: &str, handle: &str, bundle: &JsSigned) -> Thrown<String> {
        self.0.safety_number_under(id(peer)?, handle, &bundle.read()?).map_err(thrown)
    }

    /// When the safety number was compared, if it was.
    pub fn verified_at(&self, peer: &str) -> Thrown<Option<f64>> {
        let pin = self.0.pinned(id(peer)?);
        Ok(pin.and_then(|pin| pin.verified_at).map(|at| at as f64))
    }

    /// The vault must be written afterwards.
    pub fn mark_verified(&mut self, peer: &str, verified: bool, now: f64) -> Thrown<()> {
        self.0.mark_verified(id(peer)?, verified, milliseconds(now)).map_err(thrown)
    }

    /// The identity of this very bundle in the place of the pinned one; the vault must be written afterwards.
    pub fn accept_identity(&mut self, peer: &str, handle: &str, bundle: &JsSigned, now: f64) -> Thrown<()> {
        self.0.accept_identity(id(peer)?, handle, &bundle.read()?, milliseconds(now)).map_err(thrown)
    }
}
