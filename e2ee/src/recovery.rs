//! The recovery code: 128 random bits a person keeps on paper, for the day the password is forgotten. It
//! opens a slot of its own, and proves to the server, which stores only a hash of a hash, that its owner
//! asks.
//!
//! Written, it is 26 Crockford base-32 characters (128 bits, most significant first, then two zero bits) and
//! 2 check characters: the first 10 bits of SHA-256 over the 16 bytes. A mistyped character is found before
//! anything is sent, except once in 1,024 times.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

use crate::{
    Error, Result,
    codec::enc,
    keys::{Key, derive, random, sha256},
};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CHARACTERS: usize = 28;
const GROUP: usize = 4;

#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode {
    bits: Zeroizing<[u8; 16]>,
}

impl RecoveryCode {
    pub(crate) fn generate() -> Self {
        Self::from_bits(random())
    }

    pub(crate) fn from_bits(bits: [u8; 16]) -> Self {
        RecoveryCode { bits: Zeroizing::new(bits) }
    }

    /// Reads what a person typed: any case, I and L for 1, O for 0, hyphens and spaces anywhere.
    pub fn parse(typed: &str) -> Result<Self> {
        let digits =
            Zeroizing::new(digits(typed).collect::<Option<Vec<u8>>>().ok_or(Error::BadRecoveryCode)?);
        if digits.len() != CHARACTERS {
            return Err(Error::BadRecoveryCode);
        }
        let mut bits = [0; 16];
        for (index, bit) in bits.iter_mut().enumerate() {
            *bit = (0..8).fold(0, |byte, offset| byte << 1 | digit_bit(&digits, index * 8 + offset));
        }
        let code = Self::from_bits(bits);
        bits.zeroize();
        // Written again it must be the same: this settles the two zero bits and the check characters.
        if code.digits() == digits { Ok(code) } else { Err(Error::BadRecoveryCode) }
    }

    /// What the client shows to the server to prove that it holds the code. The server stores [`verifier`] of
    /// it.
    pub fn proof(&self, handle: &str) -> Key {
        derive(&*self.bits, &enc("recovery-auth", &[handle.as_bytes()]))
    }

    pub(crate) fn secret(&self) -> &[u8; 16] {
        &self.bits
    }

    fn digits(&self) -> Zeroizing<Vec<u8>> {
        let check = sha256(&*self.bits);
        let mut bytes = Zeroizing::new([0; 18]);
        bytes[..16].copy_from_slice(&*self.bits);
        // Bits 128 and 129 stay zero; the check's ten bits follow.
        bytes[16] = check[0] >> 2;
        bytes[17] = check[0] << 6 | check[1] >> 2;
        let bit = |index: usize| bytes[index / 8] >> (7 - index % 8) & 1;
        let digit = |place: usize| (0..5).fold(0, |digit, offset| digit << 1 | bit(place * 5 + offset));
        Zeroizing::new((0..CHARACTERS).map(digit).collect())
    }
}

/// Seven groups of four: `7K3D-QW9M-…`.
impl fmt::Display for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, digit) in self.digits().iter().enumerate() {
            if place > 0 && place % GROUP == 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(ALPHABET[usize::from(*digit)]))?;
        }
        Ok(())
    }
}

/// Never the code itself, in no log.
impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode")
    }
}

/// What the server stores at registration, and compares with the hash of the proof it is shown.
pub fn verifier(proof: &[u8]) -> [u8; 32] {
    sha256(proof)
}

fn digits(text: &str) -> impl Iterator<Item = Option<u8>> {
    text.chars().filter(|c| !matches!(c, '-' | '\u{2010}'..='\u{2015}') && !c.is_whitespace()).map(|c| {
        let c = match c.to_ascii_uppercase() {
            'I' | 'L' => '1',
            'O' => '0',
            other => other,
        };
        ALPHABET.iter().position(|digit| char::from(*digit) == c).and_then(|place| u8::try_from(place).ok())
    })
}

fn digit_bit(digits: &[u8], index: usize) -> u8 {
    digits[index / 5] >> (4 - index % 5) & 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> RecoveryCode {
        RecoveryCode::from_bits(*b"sixteen bytes ok")
    }

    #[test]
    fn a_code_is_seven_groups_of_four_and_reads_back() {
        let shown = code().to_string();
        assert_eq!(shown.len(), 34);
        assert!(shown.split('-').all(|group| group.len() == 4));
        assert_eq!(RecoveryCode::parse(&shown), Ok(code()));
    }

    #[test]
    fn a_code_is_read_as_people_type() {
        let bits =
            [0x08, 0x42, 0x10, 0x84, 0x21, 0x08, 0x42, 0x10, 0x84, 0x21, 0x08, 0x42, 0x10, 0x84, 0x21, 0x00];
        let code = RecoveryCode::from_bits(bits);
        let shown = code.to_string();
        assert!(shown.contains('1') && shown.contains('0'));
        for typed in [
            shown.to_lowercase(),
            shown.replace('-', ""),
            shown.replace('-', " "),
            shown.replace('1', "l"),
            shown.replace('1', "I"),
            shown.replace('0', "o"),
            format!("  {shown}\n"),
        ] {
            assert_eq!(RecoveryCode::parse(&typed), Ok(code.clone()), "{typed}");
        }
    }

    #[test]
    fn a_wrong_character_is_nearly_always_found() {
        let shown = code().to_string().replace('-', "");
        let (mut changed, mut missed) = (0, 0);
        for place in 0..shown.len() {
            for digit in ALPHABET {
                let mut typed = shown.clone().into_bytes();
                if typed[place] == *digit {
                    continue;
                }
                typed[place] = *digit;
                changed += 1;
                missed += usize::from(RecoveryCode::parse(str::from_utf8(&typed).unwrap()).is_ok());
            }
        }
        assert_eq!(changed, 28 * 31);
        assert!(missed <= 5, "{missed} of {changed} wrong characters went unnoticed");
    }

    #[test]
    fn other_lengths_and_letters_are_refused() {
        let shown = code().to_string();
        for typed in [
            "",
            "-",
            &shown[1..],
            &format!("{shown}0"),
            &shown.replacen(|_| true, "U", 1),
            &shown.replacen(|_| true, "é", 1),
        ] {
            assert_eq!(RecoveryCode::parse(typed), Err(Error::BadRecoveryCode), "{typed}");
        }
    }
}
