//! One way to write a list of fields as bytes: `enc(label, f1..fn)`. Everything that is hashed, signed,
//! authenticated or derived goes through it. Every part carries its length, so two different lists never give
//! the same bytes; the label keeps the uses apart.

use uuid::Uuid;

const PREFIX: &str = "entrenous/v1/";

/// `u16be(len L) ‖ L ‖ Σ (u32be(len f) ‖ f)` with `L = "entrenous/v1/" + label`.
pub fn enc(label: &str, fields: &[&[u8]]) -> Vec<u8> {
    let label_length = u16::try_from(PREFIX.len() + label.len()).expect("labels are short");
    let size = 2 + usize::from(label_length) + fields.iter().map(|field| 4 + field.len()).sum::<usize>();
    let mut bytes = Vec::with_capacity(size);
    bytes.extend_from_slice(&label_length.to_be_bytes());
    bytes.extend_from_slice(PREFIX.as_bytes());
    bytes.extend_from_slice(label.as_bytes());
    for field in fields {
        let length = u32::try_from(field.len()).expect("a field is shorter than 4 GiB");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}

/// Reads back what [`enc`] wrote, field by field. `None` means that the bytes are not of that form.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn of(label: &str, bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(enc(label, &[]).as_slice())?;
        Some(Fields { rest })
    }

    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (field, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(field)
    }

    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes()?.try_into().ok()
    }

    pub fn id(&mut self) -> Option<Uuid> {
        self.array().map(Uuid::from_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// Nothing may follow the last field.
    pub fn end(self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_and_nothing_may_follow() {
        let id = Uuid::from_bytes([7; 16]);
        let mut bytes = enc("test", &[id.as_bytes(), &5u32.to_be_bytes(), b"", &9u64.to_be_bytes()]);
        let mut fields = Fields::of("test", &bytes).unwrap();
        assert_eq!(fields.id(), Some(id));
        assert_eq!(fields.u32(), Some(5));
        assert_eq!(fields.bytes(), Some(&b""[..]));
        assert_eq!(fields.u64(), Some(9));
        assert_eq!(fields.end(), Some(()));

        bytes.push(0);
        let mut fields = Fields::of("test", &bytes).unwrap();
        for _ in 0..4 {
            fields.bytes().unwrap();
        }
        assert_eq!(fields.end(), None);
    }

    #[test]
    fn a_length_beyond_the_end_is_refused() {
        let mut bytes = enc("test", &[b"field"]);
        let last = bytes.len() - 6;
        bytes[last] = 6;
        assert_eq!(Fields::of("test", &bytes).unwrap().bytes(), None);
        assert!(Fields::of("other", &bytes).is_none());
    }
}
