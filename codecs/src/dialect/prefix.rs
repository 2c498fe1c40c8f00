//! Length prefixes, compiled for fast reading and writing.

use crate::char_class::CharClass;
use crate::encoding::PrefixEncoding;

/// A length prefix of up to four bytes. An element with a longer one is read and written by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    form: Form,
    /// Its size in bytes.
    width: u8,
    /// Shifts it to the front of a word, by multiplication: that needs fewer registers than a count of bits.
    to_front: u32,
    /// Mask of its bytes in a word that ends with it.
    mask: u32,
    /// The zero digits in it, if a digit is a character.
    zeros: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Form {
    /// No prefix.
    None,
    /// One character per digit.
    Chars,
    /// Two digits per byte.
    Packed,
    Binary,
}

impl Prefix {
    pub(crate) const NONE: Self = Self { form: Form::None, width: 0, to_front: 1, mask: 0, zeros: 0 };

    pub(super) fn of(encoding: PrefixEncoding, digits: u8) -> Option<Self> {
        let (form, zero, widest) = match encoding {
            PrefixEncoding::Ascii => (Form::Chars, b'0', 4),
            PrefixEncoding::Ebcdic => (Form::Chars, 0xF0, 4),
            PrefixEncoding::Bcd => (Form::Packed, 0, 2),
            PrefixEncoding::Binary => (Form::Binary, 0, 2),
            PrefixEncoding::HexAscii => return None,
        };
        let width = u8::try_from(encoding.wire_len(digits)).ok().filter(|width| (1..=widest).contains(width))?;
        let spare = 32 - 8 * width;
        let mask = u32::MAX >> spare;
        Some(Self { form, width, to_front: 1 << spare, mask, zeros: u32::from_ne_bytes([zero; 4]) & mask })
    }

    pub(super) fn passes(self, class: CharClass) -> bool {
        match self.form {
            Form::None => true,
            Form::Chars if self.zeros as u8 == b'0' => {
                matches!(class, CharClass::Any | CharClass::Digits | CharClass::Ascii | CharClass::Hex)
            }
            Form::Chars => matches!(class, CharClass::Any | CharClass::EbcdicDigits),
            Form::Packed => matches!(class, CharClass::Any | CharClass::Packed),
            Form::Binary => class == CharClass::Any,
        }
    }

    #[inline(always)]
    pub(crate) fn is_none(self) -> bool {
        self.width == 0
    }

    /// Whether it has one character per digit.
    pub(super) fn is_chars(self) -> bool {
        self.form == Form::Chars
    }

    /// Whether it has one nibble per digit.
    pub(super) fn is_packed(self) -> bool {
        self.form == Form::Packed
    }

    /// Its size in bytes.
    #[inline(always)]
    pub(crate) fn wire_len(self) -> usize {
        usize::from(self.width)
    }

    /// The largest number that it can represent; unlimited without a prefix.
    pub(super) fn most(self) -> usize {
        match self.form {
            Form::None => usize::MAX,
            Form::Chars => 10usize.pow(self.width.into()) - 1,
            Form::Packed => 100usize.pow(self.width.into()) - 1,
            Form::Binary => self.mask as usize,
        }
    }

    /// The prefix for `number`, which is at most [`Prefix::most`]; the bytes after it have no meaning.
    #[inline(always)]
    pub(super) fn written(self, number: usize) -> [u8; 4] {
        // separate tests of fields, so that they do not become a jump through a table
        let word = if self.zeros != 0 {
            four_digits(number as u32) | self.zeros
        } else if self.form == Form::Packed {
            let digits = four_digits(number as u32);
            let pairs = digits >> 4 | digits;
            pairs >> 8 & 0xFF00 | pairs & 0xFF
        } else {
            number as u32
        };
        word.wrapping_mul(self.to_front).to_be_bytes()
    }

    /// The number in the prefix that ends at byte `end`; `None` if it is malformed or incomplete.
    #[inline(always)]
    pub(super) fn read(self, bytes: &[u8], end: usize) -> Option<u32> {
        let word = self.word(bytes, end)?;
        match self.form {
            Form::Chars => number_of_digits(word ^ self.zeros),
            Form::Packed => number_of_pairs(word),
            Form::Binary | Form::None => Some(word),
        }
    }

    /// As [`Prefix::read`], for a prefix in characters.
    #[inline(always)]
    pub(crate) fn read_chars(self, bytes: &[u8], end: usize) -> Option<u32> {
        number_of_digits(self.word(bytes, end)? ^ self.zeros)
    }

    /// As [`Prefix::read`], for a packed prefix.
    #[inline(always)]
    pub(crate) fn read_packed(self, bytes: &[u8], end: usize) -> Option<u32> {
        number_of_pairs(self.word(bytes, end)?)
    }

    /// Its bytes as one word. An MTI or bitmap before the first element always fills the word up.
    #[inline(always)]
    fn word(self, bytes: &[u8], end: usize) -> Option<u32> {
        Some(u32::from_be_bytes(*bytes.get(..end)?.last_chunk()?) & self.mask)
    }
}

/// The number in four digits, one per byte; `None` if one is above nine.
#[inline(always)]
fn number_of_digits(digits: u32) -> Option<u32> {
    // adding six carries into the high nibble for values above nine
    if (digits | digits.wrapping_add(0x0606_0606)) & 0xF0F0_F0F0 != 0 {
        return None;
    }
    // ten times each digit plus the next; every other sum belongs to no pair and is masked out
    let pairs = digits + (digits >> 8) * 10;
    Some((pairs & 0xFF) + (pairs >> 16 & 0xFF) * 100)
}

/// The number in four packed digits; `None` if one is above nine.
#[inline(always)]
fn number_of_pairs(word: u32) -> Option<u32> {
    let (high, low) = (word >> 4 & 0x0F0F, word & 0x0F0F);
    // adding six carries into the next bit for values above nine
    if ((high + 0x0606) | (low + 0x0606)) & 0x1010 != 0 {
        return None;
    }
    let pairs = high * 10 + low;
    Some((pairs >> 8) * 100 + (pairs & 0xFF))
}

/// The digits of a number below ten thousand, one per byte.
#[inline(always)]
fn four_digits(number: u32) -> u32 {
    // for numbers this small a multiplication and a shift divide exactly; what is subtracted in one lane is added to
    // the next
    let hundreds = number.wrapping_mul(5243) >> 19;
    let pairs = number.wrapping_add(hundreds.wrapping_mul((1 << 16) - 100));
    let tens = pairs.wrapping_mul(103) >> 10 & 0x000F_000F;
    pairs.wrapping_add(tens.wrapping_mul((1 << 8) - 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fast prefixes read, write and refuse the same as the row's encoding.
    #[test]
    fn prefixes_are_those_of_the_encoding() {
        use PrefixEncoding::{Ascii, Bcd, Binary, Ebcdic};
        let rows = [
            (Ascii, 1),
            (Ascii, 2),
            (Ascii, 3),
            (Ascii, 4),
            (Ebcdic, 2),
            (Ebcdic, 3),
            (Bcd, 2),
            (Bcd, 3),
            (Bcd, 4),
            (Binary, 2),
            (Binary, 3),
        ];
        for (encoding, digits) in rows {
            let prefix = Prefix::of(encoding, digits).expect("dialects have such prefixes");
            for number in 0..70_000 {
                let mut wanted = vec![0; encoding.wire_len(digits)];
                let fits = encoding.write(number, &mut wanted);
                assert_eq!(number <= prefix.most(), fits, "{prefix:?} {number}");
                if fits {
                    assert_eq!(prefix.written(number)[..wanted.len()], wanted, "{prefix:?} {number}");
                    let behind = [b"0211".as_slice(), &wanted].concat();
                    assert_eq!(prefix.read(&behind, behind.len()), Some(number as u32));
                }
            }
        }
    }

    /// Whatever the bytes, both ways of reading agree.
    #[test]
    fn a_prefix_of_wrong_bytes_is_none() {
        use PrefixEncoding::{Ascii, Bcd, Binary, Ebcdic};
        for (encoding, digits) in [(Ascii, 2), (Ascii, 3), (Ebcdic, 2), (Bcd, 2), (Bcd, 4), (Binary, 2), (Binary, 4)] {
            let prefix = Prefix::of(encoding, digits).expect("dialects have such prefixes");
            let mut bytes = vec![0; 4 + prefix.wire_len()];
            for change in 0..=u16::MAX {
                bytes[..4].copy_from_slice(b"7777");
                bytes[4..].fill(change as u8);
                bytes[3 + prefix.wire_len()] = (change >> 8) as u8;
                let wanted = encoding.read(&bytes[4..]).map(|number| number as u32);
                assert_eq!(prefix.read(&bytes, bytes.len()), wanted, "{prefix:?} {change:04X}");
            }
        }
    }
}
