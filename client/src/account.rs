//! Signing up, logging in, and what the account keeps on the server: the vault and the keyring.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicI64},
};

use e2ee::{
    Account, Keychain, Login, Material, NewPassword, NewRecoveryCode, ProvenLogin, RecoveryCode,
    Registration, Signed,
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
    api::{Api, Begun, query},
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

#[derive(Deserialize)]
struct CodeWanted {
    login: Uuid,
}

#[derive(Deserialize)]
struct ErasureAsked {
    receipt: String,
}

#[derive(Deserialize)]
struct BackupCodes {
    codes: Vec<String>,
}

/// Where a good password leads.
#[derive(Debug)]
pub enum WayIn {
    Open(Client),
    Code(PendingLogin),
}

/// A log-in that waits for the code of the second factor.
pub struct PendingLogin {
    api: Api,
    login: Uuid,
    proven: ProvenLogin,
    handle: String,
}

/// Whose it is; never a key.
impl std::fmt::Debug for PendingLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingLogin").field("handle", &self.handle).finish_non_exhaustive()
    }
}

impl PendingLogin {
    /// With six digits from the app, or a backup code. After a wrong one it waits on.
    pub async fn answer(&self, code: &str) -> Result<Client> {
        let answer = json!({"login": self.login, "code": code});
        let (token, session) = self.api.begin_session::<Session>("/login/code", &answer).await?;
        let api = Api::new(self.api.base()).with_token(token);
        Client::unlocked(api, session, &self.proven, self.handle.clone()).await
    }
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

/// What a sign-up may need besides names and a password.
#[derive(Clone, Copy, Debug, Default)]
pub struct SignUp<'a> {
    /// The code that a server on the network wants from its first account.
    pub setup_code: Option<&'a str>,
    /// The token of an invitation.
    pub invitation: Option<&'a str>,
    /// The machine's clock is off by so many milliseconds.
    pub off_by: i64,
}

impl Client {
    /// Creates an account. `base_url`: `http://host:port`.
    pub async fn register(base_url: &str, handle: &str, display_name: &str, password: &str) -> Result<Self> {
        Self::register_with(base_url, handle, display_name, password, SignUp::default()).await
    }

    /// As [`Client::register`], where more is needed.
    pub async fn register_with(
        base_url: &str,
        handle: &str,
        display_name: &str,
        password: &str,
        SignUp { setup_code, invitation, off_by }: SignUp<'_>,
    ) -> Result<Self> {
        let api = Api::new(base_url);
        let registration = Registration::start(password)?;
        let request = Bytes(registration.request().to_vec());
        let start = json!({"handle": handle, "request": request, "invitation": invitation});
        let started: RegisterStarted = api.post("/register/start", &start).await?;
        let RegisterStarted { account, response } = started;
        let name = handle.to_owned();
        let time = now().saturating_add_signed(off_by);
        let registered =
            spawn_blocking(move || registration.finish(&name, account, &response.0, time)).await??;
        let mut finish = of_account(registered.material);
        finish["account"] = json!(account);
        finish["display_name"] = display_name.into();
        finish["setup_code"] = setup_code.into();
        finish["invitation"] = invitation.into();
        let (token, session) = api.begin_session::<Session>("/register/finish", &finish).await?;
        let recovery_code = Some(registered.recovery_code);
        let client = Self::signed_in(api.with_token(token), session, recovery_code, registered.keychain);
        client.move_clock(off_by);
        Ok(client)
    }

    /// Logs in with the password alone, and loads the keys of the whole history.
    pub async fn log_in(base_url: &str, handle: &str, password: &str) -> Result<Self> {
        match Self::prove_password(base_url, handle, password).await? {
            WayIn::Open(client) => Ok(client),
            WayIn::Code(_) => Err(Error::CodeWanted),
        }
    }

    /// As [`Client::log_in`], where there may be a second factor.
    pub async fn prove_password(base_url: &str, handle: &str, password: &str) -> Result<WayIn> {
        let api = Api::new(base_url);
        let login = Login::start(password)?;
        let request = Bytes(login.request().to_vec());
        let started: LoginStarted =
            api.post("/login/start", &json!({"handle": handle, "request": request})).await?;
        let name = handle.to_owned();
        let proven = spawn_blocking(move || login.finish(&name, &started.response.0)).await??;
        let finish = json!({"login": started.login, "finalization": Bytes(proven.finalization.clone())});
        let handle = handle.to_owned();
        match api.begin_session_or::<Session, CodeWanted>("/login/finish", &finish).await? {
            Begun::Session(token, session) => {
                Ok(WayIn::Open(Self::unlocked(api.with_token(token), *session, &proven, handle).await?))
            }
            Begun::Not(CodeWanted { login }) => Ok(WayIn::Code(PendingLogin { api, login, proven, handle })),
        }
    }

    async fn unlocked(api: Api, session: Session, proven: &ProvenLogin, handle: String) -> Result<Self> {
        let account = Account {
            id: session.me.person.id,
            handle,
            vault: session.vault.clone().into(),
            key_bundle: session.key_bundle.clone().into(),
        };
        let keychain = proven.unlock((session.slot.id, &session.slot.sealed.0), &account)?;
        let client = Self::signed_in(api, session, None, keychain);
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

    /// Turns the second factor on, or replaces it, with what an app makes of `secret` at this moment. Returns the backup
    /// codes.
    pub async fn turn_on_second_factor(
        &self,
        password: &str,
        secret: &[u8],
        code: &str,
    ) -> Result<Vec<String>> {
        let (mut body, _) = self.prove(password, None).await?;
        body["secret"] = json!(Bytes(secret.to_vec()));
        body["code"] = code.into();
        Ok(self.api().post::<BackupCodes>("/second-factor/on", &body).await?.codes)
    }

    pub async fn turn_off_second_factor(&self, password: &str) -> Result<()> {
        let (body, _) = self.prove(password, None).await?;
        self.api().post::<Value>("/second-factor/off", &body).await.map(drop)
    }

    pub async fn replace_backup_codes(&self, password: &str) -> Result<Vec<String>> {
        let (body, _) = self.prove(password, None).await?;
        Ok(self.api().post::<BackupCodes>("/second-factor/backup-codes", &body).await?.codes)
    }

    /// Has one's account erased in seven days. Returns the receipt, by which one sees afterwards what became of it.
    pub async fn ask_for_erasure(&self, password: &str) -> Result<String> {
        let (body, _) = self.prove(password, None).await?;
        Ok(self.api().post::<ErasureAsked>("/erasure", &body).await?.receipt)
    }

    /// The proof of the password, to be sent with what it is for; good once.
    pub async fn proof(&self, password: &str) -> Result<Value> {
        Ok(self.prove(password, None).await?.0)
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
            let path = format!("/keyring{}", query([("cursor", cursor.clone())]));
            let page: Keyring = self.api().get(&path).await?;
            let entries: Vec<e2ee::KeyringEntry> = page.entries.into_iter().map(Into::into).collect();
            self.keychain().await.load_keyring(&entries);
            if page.next.is_none() {
                return Ok(());
            }
            if page.next == cursor {
                return Err(Error::nonsense("a keyring without an end"));
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
