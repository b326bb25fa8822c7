//! The ways in that need the server's answer in between.

use e2ee::RecoveryCode;
use wasm_bindgen::prelude::*;

use crate::{
    edge::{Thrown, bytes, id, milliseconds, object, text, thrown},
    keychain::Keychain,
    types::{JsLockedAccount, JsRegistered, JsSigned, JsSlot, JsVault},
};

#[wasm_bindgen]
pub struct Registration(pub(crate) e2ee::Registration);

#[wasm_bindgen]
impl Registration {
    /// Throws `password_too_short` under 10 characters.
    pub fn start(password: &str) -> Thrown<Registration> {
        e2ee::Registration::start(password).map(Registration).map_err(thrown)
    }

    #[wasm_bindgen(getter)]
    pub fn request(&self) -> String {
        text(self.0.request())
    }

    /// Takes a second or so. The object cannot be used afterwards.
    pub fn finish(self, handle: &str, account: &str, response: &str, now: f64) -> Thrown<JsRegistered> {
        let registered = self.0.finish(handle, id(account)?, &bytes(response)?, milliseconds(now));
        Ok(made(registered.map_err(thrown)?))
    }

    /// As `finish`, for an account that is there and that nothing opens any more. `bundle` and `vault_version`: what the
    /// server has of it.
    pub fn finish_anew(
        self,
        handle: &str,
        account: &str,
        response: &str,
        bundle: &JsSigned,
        vault_version: f64,
        now: f64,
    ) -> Thrown<JsRegistered> {
        let before = (&bundle.read()?, milliseconds(vault_version));
        let registered =
            self.0.finish_anew(handle, id(account)?, &bytes(response)?, before, milliseconds(now));
        Ok(made(registered.map_err(thrown)?))
    }
}

fn made(registered: e2ee::Registered) -> JsRegistered {
    let material = &registered.material;
    let slots: js_sys::Array = material.slots.iter().map(JsSlot::write).collect();
    let material = object::<JsValue>(&[
        ("record", text(&material.record).into()),
        ("slots", slots.into()),
        ("vault", JsVault::write(&material.vault).into()),
        ("key_bundle", JsSigned::write(&material.key_bundle).into()),
        ("recovery_verifier", text(material.recovery_verifier).into()),
    ]);
    object(&[
        ("material", material),
        ("recovery_code", registered.recovery_code.to_string().into()),
        ("keychain", Keychain::new(registered.keychain).into()),
    ])
}

/// What proves to the server that somebody has the recovery code. Throws `bad_recovery_code` for one that cannot be
/// any.
#[wasm_bindgen]
pub fn recovery_proof(code: &str, handle: &str) -> Thrown<String> {
    let code = RecoveryCode::parse(code).map_err(thrown)?;
    Ok(text(*code.proof(handle)))
}

/// A log-in, from its first message to the keychain.
#[wasm_bindgen]
pub struct Login(State);

enum State {
    Started(Box<e2ee::Login>),
    Proven(e2ee::ProvenLogin),
    Failed,
}

#[wasm_bindgen]
impl Login {
    pub fn start(password: &str) -> Thrown<Login> {
        e2ee::Login::start(password).map(|login| Login(State::Started(Box::new(login)))).map_err(thrown)
    }

    #[wasm_bindgen(getter)]
    pub fn request(&self) -> Option<String> {
        match &self.0 {
            State::Started(login) => Some(text(login.request())),
            State::Proven(_) | State::Failed => None,
        }
    }

    /// The finalization for the server; throws `wrong_credentials`. Takes a second or so, and works once.
    pub fn finish(&mut self, handle: &str, response: &str) -> Thrown<String> {
        let response = bytes(response)?;
        let State::Started(login) = std::mem::replace(&mut self.0, State::Failed) else {
            return Err(thrown(e2ee::Error::WrongCredentials));
        };
        let proven = login.finish(handle, &response).map_err(thrown)?;
        let finalization = text(&proven.finalization);
        self.0 = State::Proven(proven);
        Ok(finalization)
    }

    /// Throws `own_identity_mismatch` when the server shows another identity than the vault's.
    pub fn unlock(&self, account: &JsLockedAccount) -> Thrown<Keychain> {
        let State::Proven(login) = &self.0 else {
            return Err(thrown(e2ee::Error::WrongCredentials));
        };
        let (slot, sealed) = account.slot()?.read()?;
        login.unlock((slot, &sealed), &account.read()?).map(Keychain::new).map_err(thrown)
    }
}
