//! A message on its way: the envelope. Its head is readable (version, suite, epoch, message id) and
//! authenticated, as are the conversation, the sender, the kind and the target: the server can neither
//! re-target nor re-attribute.
//!
//! There is no signature on a message. Either of the two could have made it, so it proves nothing to a third
//! person.

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    Error, Result, boxes,
    codec::enc,
    keys::{Key, derive_salted},
    padding::{is_padded_length, pad, unpad},
};

const VERSION: u8 = 1;
const SUITE: u8 = 1;
const HEAD: usize = 2 + 16 + 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Message = 1,
    Edit = 2,
    Reaction = 3,
}

impl Kind {
    /// `UnsupportedVersion` for a number that only a newer version can have written.
    pub fn from_number(number: u8) -> Result<Self> {
        match number {
            1 => Ok(Kind::Message),
            2 => Ok(Kind::Edit),
            3 => Ok(Kind::Reaction),
            _ => Err(Error::UnsupportedVersion),
        }
    }
}

/// What surrounds a message's text and is authenticated with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    pub conversation: Uuid,
    pub sender: Uuid,
    /// The client message id.
    pub id: Uuid,
    pub kind: Kind,
    /// The message that an edit or a reaction is about.
    pub target: Option<Uuid>,
}

/// The part of an envelope that everyone may read. Its text stays closed; its shape has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    pub epoch: Uuid,
    /// The client message id.
    pub id: Uuid,
    sealed: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// `UnsupportedVersion` when the version or the suite is not 1, `BadEnvelope` when the form is wrong,
    /// which includes lengths that no padded text has.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let (head, sealed) = bytes.split_first_chunk::<HEAD>().ok_or(Error::BadEnvelope)?;
        let [version, suite, ids @ ..] = head;
        if (*version, *suite) != (VERSION, SUITE) {
            return Err(Error::UnsupportedVersion);
        }
        if !boxes::has_length_for(sealed, is_padded_length) {
            return Err(Error::BadEnvelope);
        }
        let (epoch, id) = ids.split_at(16);
        let uuid = |bytes| Uuid::from_slice(bytes).map_err(|_| Error::BadEnvelope);
        Ok(Envelope { epoch: uuid(epoch)?, id: uuid(id)?, sealed })
    }

    pub(crate) fn open(&self, epoch_key: &Key, context: &Context) -> Result<Zeroizing<Vec<u8>>> {
        if self.id != context.id {
            return Err(Error::NotAuthentic);
        }
        let key = sender_key(epoch_key, self.epoch, context.conversation, context.sender);
        let padded = boxes::open(&key, "message", &aad(self.epoch, context), self.sealed)?;
        unpad(&padded).map(|text| Zeroizing::new(text.to_vec())).ok_or(Error::BadEnvelope)
    }
}

pub(crate) fn seal(epoch_key: &Key, epoch: Uuid, context: &Context, text: &[u8]) -> Vec<u8> {
    let key = sender_key(epoch_key, epoch, context.conversation, context.sender);
    let padded = Zeroizing::new(pad(text));
    with_head(epoch, context.id, &boxes::seal(&key, "message", &aad(epoch, context), &padded))
}

pub(crate) fn with_head(epoch: Uuid, id: Uuid, sealed: &[u8]) -> Vec<u8> {
    [&[VERSION, SUITE][..], epoch.as_bytes(), id.as_bytes(), sealed].concat()
}

/// Each of the two writes under a key of their own, so that neither's words can be shown as the other's.
pub(crate) fn sender_key(epoch_key: &Key, epoch: Uuid, conversation: Uuid, sender: Uuid) -> Key {
    let info = enc("epoch-sender", &[conversation.as_bytes(), sender.as_bytes()]);
    derive_salted(epoch.as_bytes(), &**epoch_key, &info)
}

pub(crate) fn aad(epoch: Uuid, context: &Context) -> Vec<u8> {
    let target = context.target.as_ref().map_or(&[][..], |target| target.as_bytes());
    enc(
        "message-aad",
        &[
            &[VERSION, SUITE],
            context.conversation.as_bytes(),
            epoch.as_bytes(),
            context.sender.as_bytes(),
            context.id.as_bytes(),
            &[context.kind as u8],
            target,
        ],
    )
}
