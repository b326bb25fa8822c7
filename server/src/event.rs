//! What travels over the live connection: frames from the client, events to it. JSON, told apart by `type`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::clock::Millis;
use crate::error::Code;
use crate::keys::Epoch;
use crate::messages::{Accepted, Kind, Message};
use crate::people::Person;
use crate::wire::Bytes;

/// From the client.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Frame {
    /// As `POST …/messages`; answered by `accepted` or `refused`.
    Send {
        conversation: Uuid,
        id: Uuid,
        envelope: Bytes,
        #[serde(default)]
        kind: Kind,
        target: Option<Uuid>,
    },
    /// As `POST …/receipts`.
    Receipt { conversation: Uuid, delivered: Option<i64>, read: Option<i64> },
}

/// To the client.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The connection is open. What happened before is to be asked for (`changed_after`).
    Ready { session: Uuid, server_time: Millis },
    /// What was sent over this socket is stored. For a new message it stands for the event, which all others get.
    Accepted(Accepted),
    /// What was sent over this socket is not stored.
    Refused { conversation: Uuid, id: Uuid, code: Code, message: String },
    /// A message in one of one's conversations is new (unless it was sent over this very socket), or is another now.
    Message { message: Message },
    /// How far `account` has come in a conversation.
    Receipt { conversation: Uuid, account: Uuid, delivered: i64, read: i64 },
    /// A conversation has a new epoch.
    Epoch { conversation: Uuid, epoch: Epoch },
    /// One has blocked or unblocked somebody.
    Block { account: Uuid, blocked: bool },
    /// One's own vault was written, by one of one's browsers.
    Vault { version: i64 },
    /// A contact, or oneself, changed the profile.
    Profile { person: Person },
    /// A frame that was not understood.
    Error { code: Code, message: String },
}
