//! The JSON of the API, as far as this client needs it. Fields it does not know are ignored, so that a newer
//! server does not break it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use e2ee::{SealedVault, Signed};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use uuid::Uuid;

/// Bytes; base64url without padding in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        URL_SAFE_NO_PAD.decode(text).map(Bytes).map_err(D::Error::custom)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedBytes {
    pub body: Bytes,
    pub signature: Bytes,
}

impl From<Signed> for SignedBytes {
    fn from(signed: Signed) -> Self {
        SignedBytes { body: Bytes(signed.body), signature: Bytes(signed.signature) }
    }
}

impl From<SignedBytes> for Signed {
    fn from(signed: SignedBytes) -> Self {
        Signed { body: signed.body.0, signature: signed.signature.0 }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vault {
    pub version: u64,
    #[serde(rename = "box")]
    pub sealed: Bytes,
}

impl From<SealedVault> for Vault {
    fn from(vault: SealedVault) -> Self {
        Vault { version: vault.version, sealed: Bytes(vault.sealed) }
    }
}

impl From<Vault> for SealedVault {
    fn from(vault: Vault) -> Self {
        SealedVault { version: vault.version, sealed: vault.sealed.0 }
    }
}

/// One of one's sessions.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct OwnSession {
    pub id: Uuid,
    pub browser: String,
    pub address: String,
    pub created_at: u64,
    pub seen_at: u64,
    pub current: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    pub id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(rename = "box")]
    pub sealed: Bytes,
}

impl From<e2ee::Slot> for Slot {
    fn from(slot: e2ee::Slot) -> Self {
        Slot { id: slot.id, kind: Some(slot.kind.name().to_owned()), sealed: Bytes(slot.sealed) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Person {
    pub id: Uuid,
    pub handle: String,
    pub display_name: String,
    pub status: String,
    pub bio: String,
    pub avatar: Option<Uuid>,
    /// The account was erased.
    #[serde(default)]
    pub gone: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Me {
    #[serde(flatten)]
    pub person: Person,
    pub role: String,
    pub created_at: u64,
    pub privacy: Privacy,
    /// When the password was last changed, the recovery code used, or all other sessions ended.
    pub secured_at: u64,
    /// When one began anew, with nothing from before; 0 if never.
    #[serde(default)]
    pub renewed_at: u64,
}

/// What one shares, and therefore sees of others who share it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Privacy {
    pub presence: bool,
    pub typing: bool,
    pub receipts: bool,
}

/// What is given is changed, the rest stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PrivacyChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typing: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipts: Option<bool>,
}

/// Whether somebody is there, or when they last were; nothing of who hides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Presence {
    pub online: bool,
    pub last_seen: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Session {
    pub session: Uuid,
    pub share: Bytes,
    pub me: Me,
    pub slot: Slot,
    pub vault: Vault,
    pub key_bundle: SignedBytes,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Config {
    pub name: String,
    pub version: String,
    pub setup_code_needed: bool,
    pub sign_up: String,
    pub welcome: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct People {
    pub people: Vec<Person>,
    pub next: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyringEntry {
    pub conversation: Uuid,
    pub epoch: Uuid,
    #[serde(rename = "box")]
    pub sealed: Bytes,
}

impl From<KeyringEntry> for e2ee::KeyringEntry {
    fn from(entry: KeyringEntry) -> Self {
        let KeyringEntry { conversation, epoch, sealed } = entry;
        e2ee::KeyringEntry { conversation, epoch, sealed: sealed.0 }
    }
}

impl From<e2ee::KeyringEntry> for KeyringEntry {
    fn from(entry: e2ee::KeyringEntry) -> Self {
        let e2ee::KeyringEntry { conversation, epoch, sealed } = entry;
        KeyringEntry { conversation, epoch, sealed: Bytes(sealed) }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct Keyring {
    pub entries: Vec<KeyringEntry>,
    pub next: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Epoch {
    pub id: Uuid,
    pub number: u64,
    pub created_at: u64,
    pub first_seq: u64,
    /// It takes no more envelopes.
    #[serde(default)]
    pub closed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct GrantedEpoch {
    pub id: Uuid,
    pub number: u64,
    #[serde(flatten)]
    pub grant: SignedBytes,
}

#[derive(Clone, Debug, Deserialize)]
pub struct GrantedEpochs {
    pub epochs: Vec<GrantedEpoch>,
    pub next: Option<u64>,
}

/// How far a person has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Progress {
    pub delivered: u64,
    pub read: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Conversation {
    pub id: Uuid,
    pub peer: Person,
    pub seq: u64,
    pub rev: u64,
    pub active_at: u64,
    pub unread: u64,
    pub blocked: bool,
    /// How long new messages stay, in milliseconds; 0 for ever. And the message that said so.
    pub timer: u64,
    pub timer_seq: u64,
    pub epoch: Option<Epoch>,
    pub mine: Progress,
    pub theirs: Progress,
    pub last_message: Option<SealedMessage>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Conversations {
    pub conversations: Vec<Conversation>,
    pub next: Option<String>,
}

/// A message as the server has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SealedMessage {
    pub conversation: Uuid,
    pub seq: u64,
    pub rev: u64,
    pub id: Uuid,
    pub sender: Uuid,
    pub epoch: Uuid,
    /// Absent when it was deleted, or is hidden.
    pub envelope: Option<Bytes>,
    pub sent_at: u64,
    pub edit: Option<Edit>,
    pub deleted_at: Option<u64>,
    pub expires_at: Option<u64>,
    #[serde(default)]
    pub reactions: Vec<SealedReaction>,
    #[serde(default)]
    pub hidden: bool,
}

/// The last edit of a message: what its envelope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Edit {
    pub id: Uuid,
    pub at: u64,
    pub count: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SealedReaction {
    pub sender: Uuid,
    pub id: Uuid,
    pub envelope: Bytes,
}

/// What a message said before an edit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SealedVersion {
    pub id: Uuid,
    pub envelope: Bytes,
    pub at: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Versions {
    pub versions: Vec<SealedVersion>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct History {
    pub messages: Vec<SealedMessage>,
    pub next: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewMessage {
    pub id: Uuid,
    pub envelope: Bytes,
    /// `edit` or `reaction`; absent for a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timer: Option<u64>,
}

impl NewMessage {
    /// One that is about no other.
    pub fn new(id: Uuid, envelope: Bytes) -> Self {
        Self { id, envelope, kind: None, target: None, timer: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Accepted {
    pub conversation: Uuid,
    pub id: Uuid,
    pub seq: u64,
    pub rev: u64,
    pub sent_at: u64,
    pub expires_at: Option<u64>,
}

/// What goes up the socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Frame {
    Send {
        conversation: Uuid,
        #[serde(flatten)]
        message: NewMessage,
    },
    Receipt {
        conversation: Uuid,
        #[serde(skip_serializing_if = "Option::is_none")]
        delivered: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        read: Option<u64>,
    },
    Typing {
        conversation: Uuid,
    },
    Attending {
        attending: bool,
    },
    Watch {
        conversation: Option<Uuid>,
    },
}

/// What comes down the socket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Pushed {
    Ready {
        session: Uuid,
        server_time: u64,
    },
    Accepted(Accepted),
    Refused {
        conversation: Uuid,
        id: Uuid,
        code: String,
        message: String,
    },
    Message {
        message: SealedMessage,
    },
    Receipt {
        conversation: Uuid,
        account: Uuid,
        delivered: u64,
        read: u64,
    },
    Typing {
        conversation: Uuid,
        account: Uuid,
    },
    Presence {
        account: Uuid,
        #[serde(flatten)]
        presence: Presence,
    },
    Privacy {
        privacy: Privacy,
    },
    Epoch {
        conversation: Uuid,
        epoch: Epoch,
    },
    EpochErased {
        conversation: Uuid,
        epoch: Uuid,
    },
    Block {
        account: Uuid,
        blocked: bool,
    },
    SessionBegun {
        session: OwnSession,
    },
    Secured {
        secured_at: u64,
    },
    SecondFactor {
        on: bool,
    },
    Vault {
        version: i64,
    },
    Erasure {
        erase_at: Option<u64>,
    },
    Keys {
        account: Uuid,
    },
    Profile {
        person: Person,
    },
    Error {
        code: String,
        message: String,
    },
    /// Of a newer server.
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Deserialize)]
pub struct Problem {
    pub code: String,
    pub message: String,
}
