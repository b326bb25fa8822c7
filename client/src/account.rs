//! Signing up, logging in, and what the account keeps on the server: the vault and the keyring.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicI64},
};

use e2ee::{
    Account, Keychain, Login, Material, NewPassword, NewRecoveryCode, RecoveryCode, Registration, Signed,
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    sync::Mutex,
    task::{JoinError, spawn_blocking},
};
use uuid::Uuid;

use crate::{
    Client, Error, Result, Shared,
    api::{Api, query},
    now,
    wire::{Bytes, Config, Keyring, KeyringEntry, Person, Session, SignedBytes, Slot, Vault},
};

/// The server takes no more in one request.
const KEYRING_ENTRIES: usize = 500;

#[derive(Deserialize)]
struct RegisterStarted {
    account: Uuid,
    response: Bytes,
}

#[derive(Deserialize)]
struct LoginStarted {
    login: Uuid,
    response: Bytes,
}

#[derive(Deserialize)]
struct CredentialsStarted {
    login: Uuid,
    response: Bytes,
    registration: Option<Bytes>,
}

#[derive(Deserialize)]
struct RecoveryStarted {
    account: Uuid,
    response: Bytes,
    slot: Slot,
    vault: Vault,
    key_bundle: SignedBytes,
}

#[derive(Deserialize)]
struct ResetStarted {
    person: Person,
    response: Option<Bytes>,
    key_bundle: SignedBytes,
    vault_version: u64,
}

fn of_account(material: Material) -> Value {
    json!({
        "record": Bytes(material.record),
        "slots": material.slots.map(Slot::from),
        "vault": Vault::from(material.vault),
        "key_bundle": SignedBytes::from(material.key_bundle),
        "recovery_verifier": Bytes(material.recovery_verifier.to_vec()),
    })
}

fn new_password(made: NewPassword) -> Value {
    json!({"record": Bytes(made.record), "slot": Slot::from(made.slot)})
}

fn new_code(made: &NewRecoveryCode) -> Value {
    json!({"verifier": Bytes(made.verifier.to_vec()), "slot": Slot::from(made.slot.clone())})
}

impl Client {
    /// Creates an account. `base_url`: `http://host:port`.
    pub async fn register(base_url: &str, handle: &str, display_name: &str, password: &str) -> Result<Self> {
        Self::register_with(base_url, handle, display_name, password, None).await
    }

    /// As [`Client::register`], with the code that a server on the network wants from its first account.
    pub async fn register_with(
        base_url: &str,
        handle: &str,
        display_name: &str,
        password: &str,
        setup_code: Option<&str>,
    ) -> Result<Self> {
        Self::sign_up(base_url, [handle, display_name, password], setup_code, 0).await
    }

    /// As [`Client::register`], on a machine whose clock is off by so many milliseconds.
    pub async fn register_by_clock(
        base_url: &str,
        handle: &str,
        display_name: &str,
        password: &str,
        off_by: i64,
    ) -> Result<Self> {
        Self::sign_up(base_url, [handle, display_name, password], None, off_by).await
    }

    async fn sign_up(
        base_url: &str,
        [handle, display_name, password]: [&str; 3],
        setup_code: Option<&str>,
        off_by: i64,
    ) -> Result<Self> {
        let api = Api::new(base_url);
        let registration = Registration::start(password)?;
        let request = Bytes(registration.request().to_vec());
        let started: RegisterStarted =
            api.post("/register/start", &json!({"handle": handle, "request": request})).await?;
        let RegisterStarted { account, response } = started;
        let name = handle.to_owned();
        let time = now().saturating_add_signed(off_by);
        let registered =
            spawn_blocking(move || registration.finish(&name, account, &response.0, time)).await??;
        let mut finish = of_account(registered.material);
        finish["account"] = json!(account);
        finish["display_name"] = display_name.into();
        if let Some(code) = setup_code {
            finish["setup_code"] = code.into();
        }
        let (token, session) = api.begin_session::<Session>("/register/finish", &finish).await?;
        let recovery_code = Some(registered.recovery_code);
        let client = Self::signed_in(api.with_token(token), session, recovery_code, registered.keychain);
        client.move_clock(off_by);
        Ok(client)
    }

    /// Logs in with the password alone, and loads the keys of the whole history.
    pub async fn log_in(base_url: &str, handle: &str, password: &str) -> Result<Self> {
        let api = Api::new(base_url);
        let login = Login::start(password)?;
        let request = Bytes(login.request().to_vec());
        let started: LoginStarted =
            api.post("/login/start", &json!({"handle": handle, "request": request})).await?;
        let name = handle.to_owned();
        let proven = spawn_blocking(move || login.finish(&name, &started.response.0)).await??;
        let finish = json!({"login": started.login, "finalization": Bytes(proven.finalization.clone())});
        let (token, session) = api.begin_session::<Session>("/login/finish", &finish).await?;
        let account = Account {
            id: session.me.person.id,
            handle: handle.to_owned(),
            vault: session.vault.clone().into(),
            key_bundle: session.key_bundle.clone().into(),
        };
        let keychain = proven.unlock((session.slot.id, &session.slot.sealed.0), &account)?;
        let client = Self::signed_in(api.with_token(token), session, None, keychain);
        client.load_keyring().await?;
        Ok(client)
    }

    /// With the recovery code in the place of a password that is forgotten: both are replaced, and every other session
    /// ends. The new code is in [`Client::recovery_code`].
    pub async fn recover(base_url: &str, handle: &str, code: &RecoveryCode, password: &str) -> Result<Self> {
        let api = Api::new(base_url);
        let registration = Registration::start(password)?;
        let proof = Bytes(code.proof(handle).to_vec());
        let request = Bytes(registration.request().to_vec());
        let start = json!({"handle": handle, "proof": proof, "request": request});
        let started: RecoveryStarted = api.post("/recovery/start", &start).await?;
        let account = Account {
            id: started.account,
            handle: handle.to_owned(),
            vault: started.vault.into(),
            key_bundle: started.key_bundle.into(),
        };
        let slot = (started.slot.id, &started.slot.sealed.0[..]);
        let keychain = Keychain::unlock_with_recovery_code(code, slot, &account)?;
        let (keychain, made) = spawn_blocking(move || {
            let made = keychain.replace_password(registration, &started.response.0, now());
            (keychain, made)
        })
        .await?;
        let (password, recovery) = (made?, keychain.replace_recovery_code(now()));
        let finish = json!({
            "handle": handle,
            "proof": proof,
            "password": new_password(password),
            "recovery": new_code(&recovery),
        });
        let (token, session) = api.begin_session::<Session>("/recovery/finish", &finish).await?;
        let client = Self::signed_in(api.with_token(token), session, Some(recovery.code), keychain);
        client.load_keyring().await?;
        Ok(client)
    }

    /// Begins anew with a link that an administrator made: `token` is what stands after its `#`. The same account, with
    /// another identity and nothing from before.
    pub async fn begin_anew(base_url: &str, token: &str, password: &str) -> Result<Self> {
        let api = Api::new(base_url);
        let registration = Registration::start(password)?;
        let request = Bytes(registration.request().to_vec());
        let start = json!({"token": token, "request": request});
        let started: ResetStarted = api.post("/resets/start", &start).await?;
        let ResetStarted { person, response, key_bundle, vault_version } = started;
        let response =
            response.ok_or_else(|| Error::Connection("no answer to the new password".to_owned()))?;
        let bundle = Signed::from(key_bundle);
        let registered = spawn_blocking(move || {
            let before = (&bundle, vault_version);
            registration.finish_anew(&person.handle, person.id, &response.0, before, now())
        })
        .await??;
        let mut finish = of_account(registered.material);
        finish["token"] = token.into();
        let (token, session) = api.begin_session::<Session>("/resets/finish", &finish).await?;
        let recovery_code = Some(registered.recovery_code);
        Ok(Self::signed_in(api.with_token(token), session, recovery_code, registered.keychain))
    }

    /// Every other session ends.
    pub async fn change_password(&self, present: &str, new: &str) -> Result<()> {
        let registration = Registration::start(new)?;
        let request = Bytes(registration.request().to_vec());
        let (mut finish, response) = self.prove(present, Some(request)).await?;
        let response =
            response.ok_or_else(|| Error::Connection("no answer to the new password".to_owned()))?;
        let password = self.keychain().await.replace_password(registration, &response.0, now())?;
        finish["password"] = new_password(password);
        self.api().post::<Value>("/credentials/finish", &finish).await.map(drop)
    }

    pub async fn replace_recovery_code(&self, password: &str) -> Result<RecoveryCode> {
        let (mut finish, _) = self.prove(password, None).await?;
        let recovery = self.keychain().await.replace_recovery_code(now());
        finish["recovery"] = new_code(&recovery);
        self.api().post::<Value>("/credentials/finish", &finish).await?;
        Ok(recovery.code)
    }

    /// The proof of the password, to be sent with what it is for, and the answer to `registration`.
    async fn prove(&self, password: &str, registration: Option<Bytes>) -> Result<(Value, Option<Bytes>)> {
        let login = Login::start(password)?;
        let mut start = json!({"request": Bytes(login.request().to_vec())});
        if let Some(request) = registration {
            start["registration"] = json!(request);
        }
        let started: CredentialsStarted = self.api().post("/credentials/start", &start).await?;
        let handle = self.handle().to_owned();
        let proven = spawn_blocking(move || login.finish(&handle, &started.response.0)).await??;
        let finish = json!({"login": started.login, "finalization": Bytes(proven.finalization)});
        Ok((finish, started.registration))
    }

    /// Ends the session; its token and its sockets are of no use from then on.
    pub async fn log_out(&self) -> Result<()> {
        self.api().tell(Method::POST, "/logout", &json!({})).await
    }

    /// What a server says of itself to anyone.
    pub async fn config(base_url: &str) -> Result<Config> {
        Api::new(base_url).get("/config").await
    }

    /// Any request at all, with this session's token: status and JSON (`null` where there is none). `path`
    /// comes after `/api`.
    pub async fn raw(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let method =
            Method::from_bytes(method.as_bytes()).map_err(|error| Error::Connection(error.to_string()))?;
        self.api().raw(method, path, body).await
    }

    fn signed_in(
        api: Api,
        session: Session,
        recovery_code: Option<RecoveryCode>,
        keychain: Keychain,
    ) -> Self {
        let shared = Shared {
            api,
            session: session.session,
            me: session.me,
            recovery_code,
            keychain: Mutex::new(keychain),
            threads: Mutex::new(HashMap::new()),
            advanced: AtomicI64::new(0),
            skew: AtomicI64::new(0),
        };
        Client { shared: Arc::new(shared) }
    }

    async fn load_keyring(&self) -> Result<()> {
        let mut cursor = None;
        loop {
            let page: Keyring = self.api().get(&format!("/keyring{}", query([("cursor", cursor)]))).await?;
            let entries: Vec<e2ee::KeyringEntry> = page.entries.into_iter().map(Into::into).collect();
            self.keychain().await.load_keyring(&entries);
            if page.next.is_none() {
                return Ok(());
            }
            cursor = page.next;
        }
    }

    pub(crate) async fn put_on_keyring(&self, entries: Vec<e2ee::KeyringEntry>) -> Result<()> {
        let entries: Vec<KeyringEntry> = entries.into_iter().map(Into::into).collect();
        for entries in entries.chunks(KEYRING_ENTRIES) {
            self.api().tell(Method::PUT, "/keyring", &json!({"entries": entries})).await?;
        }
        Ok(())
    }

    /// Writes the vault. If another client of this account was first, its vault is merged and ours written
    /// again.
    pub async fn save_vault(&self) -> Result<()> {
        let mut keychain = self.keychain().await;
        loop {
            let vault = keychain.vault();
            let version = vault.version;
            match self.api().tell(Method::PUT, "/vault", &Vault::from(vault)).await {
                Ok(()) => {
                    keychain.vault_written(version);
                    return Ok(());
                }
                Err(error) if error.is_refusal("vault_conflict") => {
                    let served: Vault = self.api().get("/vault").await?;
                    keychain.merge_vault(&served.into())?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl From<JoinError> for Error {
    fn from(error: JoinError) -> Self {
        Error::Connection(error.to_string())
    }
}
