//! The plain objects that go in and out, as TypeScript sees them and as Rust reads them.

use e2ee::SealedVault;
use js_sys::JsString;
use uuid::Uuid;
use wasm_bindgen::prelude::*;

use crate::edge::{self, Thrown, blob, id, object, string, text, version};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** A body and the signature over it; both base64url. */
export interface Signed { body: string; signature: string }
export interface SealedVault { version: number; box: string }
export interface Slot { id: string; box: string }
export interface NewSlot extends Slot { kind: "password" | "recovery" | "passkey" }
export interface KeyringEntry { conversation: string; epoch: string; box: string }
/** What the server serves of one's own account. */
export interface Account { account: string; handle: string; vault: SealedVault; key_bundle: Signed }
/** An account with the slot that is to be opened. */
export interface LockedAccount extends Account { slot: Slot }
/** All that the server stores of a new account. */
export interface Material {
  record: string;
  slots: NewSlot[];
  vault: SealedVault;
  key_bundle: Signed;
  recovery_verifier: string;
}
export interface NewPassword { record: string; slot: NewSlot }
export interface NewRecoveryCode { code: string; verifier: string; slot: NewSlot }
export interface Registered { material: Material; recovery_code: string; keychain: Keychain }
export interface ReloadedAccount extends Account { session: string; share: string; sealed: string }
export type Seen = "new" | "known" | "changed";
export interface LoadedKeyring { loaded: number; unreadable: { conversation: string; epoch: string }[] }
export interface CreatedEpoch { epoch: string; number: number; created_at: number; grant: Signed; keyring: string }
/** `current`: one may write in it. */
export interface AdoptedEpoch { epoch: string; number: number; created_at: number; current: boolean; keyring: string }
/** What this module throws. */
export interface E2eeError extends Error { code: string }
"#;

// The server may leave out anything. What a getter throws is caught here: thrown through a call, it would leave the keychain
// in that call's hands for ever.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "Signed")]
    pub type JsSigned;
    #[wasm_bindgen(method, getter, catch)]
    fn body(this: &JsSigned) -> Thrown<JsValue>;
    #[wasm_bindgen(method, getter, catch)]
    fn signature(this: &JsSigned) -> Thrown<JsValue>;

    #[wasm_bindgen(typescript_type = "SealedVault")]
    pub type JsVault;
    #[wasm_bindgen(method, getter, catch)]
    fn version(this: &JsVault) -> Thrown<JsValue>;
    #[wasm_bindgen(method, getter, catch, js_name = box)]
    fn sealed(this: &JsVault) -> Thrown<JsValue>;

    #[wasm_bindgen(typescript_type = "Slot")]
    pub type JsSlot;
    #[wasm_bindgen(method, getter, catch)]
    fn id(this: &JsSlot) -> Thrown<JsValue>;
    #[wasm_bindgen(method, getter, catch, js_name = box)]
    fn sealed(this: &JsSlot) -> Thrown<JsValue>;

    #[wasm_bindgen(typescript_type = "KeyringEntry")]
    pub type JsKeyringEntry;
    #[wasm_bindgen(method, getter, catch)]
    fn conversation(this: &JsKeyringEntry) -> Thrown<JsValue>;
    #[wasm_bindgen(method, getter, catch)]
    fn epoch(this: &JsKeyringEntry) -> Thrown<JsValue>;
    #[wasm_bindgen(method, getter, catch, js_name = box)]
    fn sealed(this: &JsKeyringEntry) -> Thrown<JsValue>;

    #[wasm_bindgen(typescript_type = "Account")]
    pub type JsAccount;
    #[wasm_bindgen(method, getter, catch)]
    fn account(this: &JsAccount) -> Thrown<JsValue>;
    #[wasm_bindgen(method, getter, catch)]
    fn handle(this: &JsAccount) -> Thrown<JsValue>;
    #[wasm_bindgen(method, getter, catch)]
    fn vault(this: &JsAccount) -> Thrown<JsVault>;
    #[wasm_bindgen(method, getter, catch)]
    fn key_bundle(this: &JsAccount) -> Thrown<JsSigned>;

    #[wasm_bindgen(extends = JsAccount, typescript_type = "LockedAccount")]
    pub type JsLockedAccount;
    #[wasm_bindgen(method, getter, catch)]
    pub fn slot(this: &JsLockedAccount) -> Thrown<JsSlot>;

    #[wasm_bindgen(extends = JsAccount, typescript_type = "ReloadedAccount")]
    pub type JsReloadedAccount;
    #[wasm_bindgen(method, getter, catch)]
    pub fn session(this: &JsReloadedAccount) -> Thrown<JsValue>;
    #[wasm_bindgen(method, getter, catch)]
    pub fn share(this: &JsReloadedAccount) -> Thrown<JsValue>;
    #[wasm_bindgen(method, getter, catch)]
    pub fn sealed(this: &JsReloadedAccount) -> Thrown<JsValue>;

    #[wasm_bindgen(typescript_type = "NewSlot")]
    pub type JsNewSlot;
    #[wasm_bindgen(typescript_type = "NewPassword")]
    pub type JsNewPassword;
    #[wasm_bindgen(typescript_type = "NewRecoveryCode")]
    pub type JsNewRecoveryCode;
    #[wasm_bindgen(typescript_type = "Registered")]
    pub type JsRegistered;
    #[wasm_bindgen(typescript_type = "Seen")]
    pub type JsSeen;
    #[wasm_bindgen(typescript_type = "LoadedKeyring")]
    pub type JsLoadedKeyring;
    #[wasm_bindgen(typescript_type = "CreatedEpoch")]
    pub type JsCreatedEpoch;
    #[wasm_bindgen(typescript_type = "AdoptedEpoch")]
    pub type JsAdoptedEpoch;
}

impl JsSigned {
    pub fn read(&self) -> Thrown<e2ee::Signed> {
        Ok(e2ee::Signed { body: blob(self.body())?, signature: blob(self.signature())? })
    }

    pub fn write(signed: &e2ee::Signed) -> Self {
        object(&[("body", text(&signed.body).into()), ("signature", text(&signed.signature).into())])
    }
}

impl JsVault {
    pub fn read(&self) -> Thrown<SealedVault> {
        Ok(SealedVault { version: version(self.version())?, sealed: blob(self.sealed())? })
    }

    pub fn write(vault: &SealedVault) -> Self {
        object(&[("version", edge::number(vault.version)), ("box", text(&vault.sealed).into())])
    }
}

impl JsSlot {
    pub fn read(&self) -> Thrown<(Uuid, Vec<u8>)> {
        Ok((id(&string(self.id())?)?, blob(self.sealed())?))
    }

    pub fn write(slot: &e2ee::Slot) -> JsValue {
        object(&[
            ("id", slot.id.to_string().into()),
            ("kind", slot.kind.name().into()),
            ("box", text(&slot.sealed).into()),
        ])
    }
}

impl JsKeyringEntry {
    pub fn read(&self) -> Thrown<e2ee::KeyringEntry> {
        Ok(e2ee::KeyringEntry {
            conversation: id(&string(self.conversation())?)?,
            epoch: id(&string(self.epoch())?)?,
            sealed: blob(self.sealed())?,
        })
    }
}

impl JsAccount {
    pub fn read(&self) -> Thrown<e2ee::Account> {
        Ok(e2ee::Account {
            id: id(&string(self.account())?)?,
            handle: string(self.handle())?,
            vault: self.vault()?.read()?,
            key_bundle: self.key_bundle()?.read()?,
        })
    }
}

impl JsSeen {
    pub fn write(seen: e2ee::Seen) -> Self {
        JsString::from(seen.name()).unchecked_into()
    }
}
