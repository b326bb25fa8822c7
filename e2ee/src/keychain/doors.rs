//! The ways in: registration, the password, the recovery code, a passkey, and the reload of a page that was open.

use uuid::Uuid;

use super::{Account, Keychain, new_id};
use crate::{
    Error, KeyBundle, RecoveryCode, Result, SealedVault, Signed, Slot, SlotKind, boxes,
    bundle::is_handle,
    codec::enc,
    keys::{Key, derive, random_key},
    opaque::client::{self, ExportKey, LoggingIn, Password, Registering},
    recovery, slots,
    vault::Vault,
};

/// The registration of a password, of a new account or of one that is there, which waits for the server's answer.
pub struct Registration {
    request: Vec<u8>,
    state: Registering,
}

/// All that the server stores of a new account; none of it is secret from it.
#[derive(Clone, Debug)]
pub struct Material {
    pub record: Vec<u8>,
    pub slots: [Slot; 2],
    pub vault: SealedVault,
    pub key_bundle: Signed,
    pub recovery_verifier: [u8; 32],
}

pub struct Registered {
    pub material: Material,
    /// To be shown once; nobody can show it again.
    pub recovery_code: RecoveryCode,
    pub keychain: Keychain,
}

impl Registration {
    /// `PasswordTooShort` under 10 characters, counted after normalisation.
    pub fn start(password: &str) -> Result<Self> {
        let password = Password::new(password);
        if !password.is_long_enough() {
            return Err(Error::PasswordTooShort);
        }
        let (request, state) = client::start_registration(password)?;
        Ok(Registration { request, state })
    }

    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Makes the account: its key, its identity, its slots, its vault. `account` is the id the server gave.
    /// Takes the time of one Argon2id.
    pub fn finish(self, handle: &str, account: Uuid, response: &[u8], now: u64) -> Result<Registered> {
        self.make(handle, account, response, None, 0, now)
    }

    /// Begins an account anew whose password and recovery code are both lost: another key, another identity, an empty
    /// vault. What was sealed before opens no more. `before`: its key bundle and the version of its vault.
    pub fn finish_anew(
        self,
        handle: &str,
        account: Uuid,
        response: &[u8],
        before: (&Signed, u64),
        now: u64,
    ) -> Result<Registered> {
        let (bundle, version) = before;
        let bundle = KeyBundle::open(bundle, account, handle)?;
        self.make(handle, account, response, Some(&bundle), version, now)
    }

    fn make(
        self,
        handle: &str,
        account: Uuid,
        response: &[u8],
        previous: Option<&KeyBundle>,
        vault_version: u64,
        now: u64,
    ) -> Result<Registered> {
        if !is_handle(handle) {
            return Err(Error::BadHandle);
        }
        let (record, export_key) = self.state.finish(handle, response)?;
        let account_key = random_key();
        let vault = Vault::generate();
        let seeds = (&*vault.identity_seed, &**vault.newest_encryption_seed());
        let key_bundle = KeyBundle::next(previous, (account, handle), seeds, now)?;
        let vault = vault.seal(&account_key, account, vault_version + 1);
        let keychain = Keychain::unlock(
            account_key,
            &Account {
                id: account,
                handle: handle.to_owned(),
                vault: vault.clone(),
                key_bundle: key_bundle.clone(),
            },
        )?;
        let recovery = keychain.replace_recovery_code(now);
        let slots = [keychain.seal_slot(SlotKind::Password, &*export_key, now), recovery.slot];
        let material = Material { record, slots, vault, key_bundle, recovery_verifier: recovery.verifier };
        Ok(Registered { material, recovery_code: recovery.code, keychain })
    }
}

/// What takes the place of a password.
pub struct NewPassword {
    pub record: Vec<u8>,
    pub slot: Slot,
}

/// What takes the place of a recovery code.
pub struct NewRecoveryCode {
    /// To be shown once; nobody can show it again.
    pub code: RecoveryCode,
    pub verifier: [u8; 32],
    pub slot: Slot,
}

impl Keychain {
    /// The account's key under another password. `response`: the server's answer to the registration. Takes the
    /// time of one Argon2id.
    pub fn replace_password(
        &self,
        registration: Registration,
        response: &[u8],
        now: u64,
    ) -> Result<NewPassword> {
        let (record, export_key) = registration.state.finish(self.handle(), response)?;
        let slot = self.seal_slot(SlotKind::Password, &*export_key, now);
        Ok(NewPassword { record, slot })
    }

    /// The account's key under another recovery code.
    pub fn replace_recovery_code(&self, now: u64) -> NewRecoveryCode {
        let code = RecoveryCode::generate();
        let verifier = recovery::verifier(&*code.proof(self.handle()));
        let slot = self.seal_slot(SlotKind::Recovery, code.secret(), now);
        NewRecoveryCode { code, verifier, slot }
    }

    /// The account's key under a passkey. `output`: what its PRF gives (docs/e2ee.md).
    pub fn add_passkey(&self, output: &[u8; 32], now: u64) -> Slot {
        self.seal_slot(SlotKind::Passkey, output, now)
    }

    fn seal_slot(&self, kind: SlotKind, secret: &[u8], now: u64) -> Slot {
        slots::seal(kind, self.account(), new_id(now), secret, &self.account_key)
    }
}

/// A log-in that waits for the server's answer.
pub struct Login {
    request: Vec<u8>,
    state: LoggingIn,
}

/// A log-in with the right password: the server will open a session for `finalization`.
pub struct ProvenLogin {
    pub finalization: Vec<u8>,
    export_key: ExportKey,
}

impl Login {
    pub fn start(password: &str) -> Result<Self> {
        let (request, state) = client::start_login(Password::new(password))?;
        Ok(Login { request, state })
    }

    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// `WrongCredentials` for a wrong password as for an unknown handle. Takes the time of one Argon2id.
    pub fn finish(self, handle: &str, response: &[u8]) -> Result<ProvenLogin> {
        let (finalization, export_key) = self.state.finish(handle, response)?;
        Ok(ProvenLogin { finalization, export_key })
    }
}

impl ProvenLogin {
    /// `slot`: the password slot's id and box, from the session.
    pub fn unlock(&self, slot: (Uuid, &[u8]), account: &Account) -> Result<Keychain> {
        let (id, sealed) = slot;
        let account_key = slots::open(SlotKind::Password, account.id, id, &*self.export_key, sealed)?;
        Keychain::unlock(account_key, account)
    }
}

impl Keychain {
    /// `slot`: the recovery slot's id and box.
    pub fn unlock_with_recovery_code(
        code: &RecoveryCode,
        slot: (Uuid, &[u8]),
        account: &Account,
    ) -> Result<Self> {
        let (id, sealed) = slot;
        let account_key = slots::open(SlotKind::Recovery, account.id, id, code.secret(), sealed)?;
        Self::unlock(account_key, account)
    }

    /// `slot`: the passkey's slot's id and box. `output`: as in [`Keychain::add_passkey`].
    pub fn unlock_with_passkey(output: &[u8; 32], slot: (Uuid, &[u8]), account: &Account) -> Result<Self> {
        let (id, sealed) = slot;
        let account_key = slots::open(SlotKind::Passkey, account.id, id, output, sealed)?;
        Self::unlock(account_key, account)
    }

    /// The account key, sealed so that a reloaded page opens without the password, but only while the session
    /// lives: `share` is a secret that the server keeps for the session and deletes with it. What comes out
    /// still has to be wrapped in a key that cannot leave the browser, since the server knows the share.
    pub fn seal_for_reload(&self, session: Uuid, share: &[u8]) -> Vec<u8> {
        let account = self.account();
        let key = reload_key(account, session, share);
        boxes::seal(&key, "reload", &reload_aad(account, session), &*self.account_key)
    }

    pub fn open_from_reload(session: Uuid, share: &[u8], sealed: &[u8], account: &Account) -> Result<Self> {
        let key = reload_key(account.id, session, share);
        let account_key = boxes::open(&key, "reload", &reload_aad(account.id, session), sealed)?;
        let account_key = account_key.as_slice().try_into().map(Key::new).map_err(|_| Error::NotAuthentic)?;
        Self::unlock(account_key, account)
    }
}

fn reload_key(account: Uuid, session: Uuid, share: &[u8]) -> Key {
    derive(share, &enc("kek/reload", &[account.as_bytes(), session.as_bytes()]))
}

fn reload_aad(account: Uuid, session: Uuid) -> Vec<u8> {
    enc("reload-aad", &[account.as_bytes(), session.as_bytes()])
}
