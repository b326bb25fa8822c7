//! Padding: the server sees only how long a message is roughly. Multiples of 64 bytes up to 1,024; beyond
//! that Padmé lengths, which cost at most 12 % and give away O(log log n) bits.

const MARK: u8 = 0x80;
const BLOCK: usize = 64;
const SMALL: usize = 1024;

/// Appends 0x80, then zeros up to the next length that padded texts may have.
pub(crate) fn pad(text: &[u8]) -> Vec<u8> {
    let mut padded = Vec::with_capacity(padded_length(text.len()));
    padded.extend_from_slice(text);
    padded.push(MARK);
    padded.resize(padded_length(text.len()), 0);
    padded
}

/// `None` when this is nothing that [`pad`] gives.
pub(crate) fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let end = padded.iter().rposition(|byte| *byte != 0)?;
    let text = padded[..=end].strip_suffix(&[MARK])?;
    (padded_length(text.len()) == padded.len()).then_some(text)
}

/// How long a text of `length` bytes is when padded.
pub fn padded_length(length: usize) -> usize {
    round_up(length.saturating_add(1))
}

/// Whether padded texts can be this long.
pub(crate) fn is_padded_length(length: usize) -> bool {
    length > 0 && round_up(length) == length
}

fn round_up(length: usize) -> usize {
    let block = if length <= SMALL {
        BLOCK
    } else {
        let exponent = length.ilog2();
        let kept = exponent.ilog2() + 1;
        1 << (exponent - kept)
    };
    length.checked_next_multiple_of(block).unwrap_or(usize::MAX)
}
