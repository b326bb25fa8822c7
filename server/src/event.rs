//! What travels over the live connection: frames from the client, events to it. JSON, told apart by `type`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::clock::Millis;
use crate::epochs::Epoch;
use crate::error::Code;
use crate::factor::SecondFactor;
use crate::messages::{Accepted, Kind, Message};
use crate::passkeys::OwnPasskeys;
use crate::people::Person;
use crate::privacy::Privacy;
use crate::resets::by_mail::ResetAsked;
use crate::scheduled::Scheduled;
use crate::sessions::OwnSession;
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
        timer: Option<Millis>,
    },
    /// As `POST …/receipts`.
    Receipt { conversation: Uuid, delivered: Option<i64>, read: Option<i64> },
    /// As `POST …/took`.
    Took { conversation: Uuid, seq: i64, milliseconds: Millis },
    /// As `POST …/typing`.
    Typing { conversation: Uuid },
    /// Whether the person is at this page; until it is said otherwise, or the connection ends.
    Attending { attending: bool },
    /// The conversation that is open here: `presence` tells of the other person, at once and at each change.
    Watch { conversation: Option<Uuid> },
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
    /// A message of one's own waits for its time, with this text and this time.
    Scheduled { scheduled: Scheduled },
    /// It waits no more: it was withdrawn, or `sent`.
    Unscheduled { conversation: Uuid, id: Uuid, sent: bool },
    /// How far `account` has come in a conversation; of the other person, as far as it is shown.
    Receipt { conversation: Uuid, account: Uuid, delivered: i64, read: i64 },
    /// The other person types.
    Typing { conversation: Uuid, account: Uuid },
    /// Whether the other person of the conversation that is watched is there. Nothing is said of who hides it.
    Presence {
        account: Uuid,
        online: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        last_seen: Option<Millis>,
    },
    /// One shares more or less with others now.
    Privacy { privacy: Privacy },
    /// A conversation has a new epoch.
    Epoch { conversation: Uuid, epoch: Epoch },
    /// An epoch's key is gone from the server, as is all it carried: it is to be forgotten.
    EpochErased { conversation: Uuid, epoch: Uuid },
    /// One has blocked or unblocked somebody.
    Block { account: Uuid, blocked: bool },
    /// One's own vault was written, by one of one's browsers.
    Vault { version: i64 },
    /// One's second factor was turned on or off, or its backup codes were replaced.
    SecondFactor(SecondFactor),
    /// A passkey of one's own was added, renamed or removed.
    Passkeys(OwnPasskeys),
    /// Somebody has asked by mail to begin one's account anew, or that was called off.
    ResetAsked { reset_asked: Option<ResetAsked> },
    /// Somebody has logged in to one's account.
    SessionBegun { session: OwnSession },
    /// One's password was changed or recovered, or all other sessions were ended.
    Secured { secured_at: Millis },
    /// One's account will be erased, or will not after all.
    Erasure { erase_at: Option<Millis> },
    /// A contact has begun anew, with another identity: their keys are to be looked at again.
    Keys { account: Uuid },
    /// A contact, or oneself, changed the profile; or a contact's account was erased.
    Profile { person: Person },
    /// A frame that was not understood.
    Error { code: Code, message: String },
}
