//! The frame that sends a message. The real client seals one for each conversation; every message is that frame
//! under a new id, which stands in it twice: as text, and in the head of the envelope (docs/e2ee.md). The
//! server checks that the two agree. It cannot see that the text inside was sealed for another id and would no
//! longer open; only the recipient could.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use client::wire::{Frame, NewMessage};
use uuid::Uuid;

use crate::Result;
use crate::socket::text_frame;

/// Version, suite and epoch come before the id in an envelope. That is a whole number of base64's groups of
/// three bytes, so the id begins with a character of its own.
const BEFORE_ID: usize = 18;
/// The id and what shares its last group.
const ID_GROUPS: usize = 18;
const ID_TEXT: usize = 36;

#[derive(Clone)]
pub struct SendFrame {
    bytes: Vec<u8>,
    /// Where the id stands as text, and where in the envelope.
    id: usize,
    groups: usize,
    /// What comes after the id in its last group: two bytes that stay.
    rest: [u8; 2],
}

impl SendFrame {
    pub fn new(conversation: Uuid, message: &NewMessage) -> Result<Self> {
        let rest = *message.envelope.0[BEFORE_ID + 16..].first_chunk().ok_or("an envelope without a text")?;
        let text = serde_json::to_string(&Frame::Send { conversation, message: message.clone() })?;
        let bytes = text_frame(&text);
        let place = |text: &str| {
            let found = bytes.windows(text.len()).position(|window| window == text.as_bytes());
            found.map(|start| start + text.len()).ok_or("a frame without an id or an envelope")
        };
        let groups = place(r#""envelope":""#)? + BEFORE_ID / 3 * 4;
        Ok(Self { id: place(r#""id":""#)?, groups, rest, bytes })
    }

    /// The frame under this id.
    pub fn with_id(&mut self, id: Uuid) -> &[u8] {
        id.hyphenated().encode_lower(&mut self.bytes[self.id..self.id + ID_TEXT]);
        let mut groups = [0; ID_GROUPS];
        groups[..16].copy_from_slice(id.as_bytes());
        groups[16..].copy_from_slice(&self.rest);
        let place = &mut self.bytes[self.groups..self.groups + ID_GROUPS / 3 * 4];
        URL_SAFE_NO_PAD.encode_slice(groups, place).expect("18 bytes are 24 characters");
        &self.bytes
    }
}

/// Makes UUIDs of version 7 for next to nothing: the time, a counter, and the counter scrambled, so that ids of
/// the same millisecond fall in no order, as those of many people do.
pub struct Ids {
    counter: u64,
    /// Differs from run to run.
    salt: u64,
}

impl Ids {
    #[allow(clippy::new_without_default, reason = "each is another sequence")]
    pub fn new() -> Self {
        Self { counter: 0, salt: Uuid::now_v7().as_u64_pair().1 }
    }

    pub fn another(&mut self) -> Uuid {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let milliseconds = since.as_millis() as u64;
        self.counter += 1;
        let high = milliseconds << 16 | 0x7000 | self.counter & 0xFFF;
        let low = 1 << 63 | scrambled(self.counter ^ self.salt) >> 2;
        Uuid::from_u64_pair(high, low)
    }
}

/// SplitMix64: no two numbers become the same one.
fn scrambled(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use client::wire::Bytes;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_frame_under_another_id_is_the_frame_that_would_have_been_made_for_it() {
        let envelope_of = |id: Uuid| {
            let head = [&[1, 1], Uuid::from_u128(7).as_bytes().as_slice(), id.as_bytes()].concat();
            Bytes([head, (0..=255).cycle().take(361).collect()].concat())
        };
        let (conversation, old, new) = (Uuid::now_v7(), Uuid::now_v7(), Ids::new().another());
        let made = |id| SendFrame::new(conversation, &NewMessage::new(id, envelope_of(id))).unwrap();
        assert_eq!(made(old).with_id(new), made(new).bytes);
        let text: Value = serde_json::from_slice(&made(new).bytes[8..]).unwrap();
        assert_eq!(text["id"], new.to_string());
    }

    #[test]
    fn ids_are_of_version_7_and_never_the_same() {
        let mut ids = Ids::new();
        let mut seen = HashSet::new();
        for _ in 0..10_000 {
            let id = ids.another();
            assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
            assert!(seen.insert(id));
        }
    }
}
