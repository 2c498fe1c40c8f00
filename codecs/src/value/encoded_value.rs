//! The characters that a value writes, in a form that needs no copy on the way into a message.

use crate::char_class::CharClass;
use crate::packed;

/// The characters of a value in ASCII – bytes, for a binary element – independent of the dialect.
#[derive(Debug)]
pub enum EncodedValue<'v> {
    Number(FixedDigits),
    /// Decimal digits in one piece.
    Digits(&'v [u8]),
    /// Decimal digits and the separator `=` of a track, in one piece.
    Track(&'v [u8]),
    /// ASCII characters in one piece.
    Text(&'v [u8]),
    /// Bytes, or characters that have not been checked.
    Content(&'v [u8]),
    /// ASCII characters assembled for writing.
    Inline(InlineChars),
}

impl EncodedValue<'_> {
    /// Passes the characters in one piece, with the class that they are known to have.
    #[inline]
    pub(crate) fn piece<T>(&self, take: impl FnOnce(&[u8], CharClass) -> T) -> T {
        match self {
            Self::Number(digits) => take(&digits.chars(b'0')[..digits.count()], CharClass::Digits),
            Self::Digits(chars) => take(chars, CharClass::Digits),
            Self::Track(chars) => take(chars, CharClass::TrackDigits),
            Self::Text(chars) => take(chars, CharClass::Ascii),
            Self::Content(content) => take(content, CharClass::Any),
            Self::Inline(joined) => take(joined.chars(), CharClass::Ascii),
        }
    }
}

/// A number with a fixed count of decimal digits, at most sixteen.
#[derive(Clone, Copy)]
pub struct FixedDigits {
    /// One digit per byte, the last digit in the lowest byte.
    digits: u128,
    count: u8,
}

impl FixedDigits {
    /// The largest number of digits.
    pub(crate) const MOST: usize = 16;

    /// The last `COUNT` digits of `number`, with leading zeros.
    #[inline]
    pub fn of<const COUNT: usize>(number: u64) -> Self {
        const { assert!(COUNT <= Self::MOST) };
        const HALF: u64 = 100_000_000;
        let eight = |number: u64, count: usize| {
            let number = if count > 4 { number % HALF } else { number % 10_000 };
            digits_of_fours(if count > 4 { carried(number, number / 10_000, 10_000, 32) } else { number })
        };
        let high = if COUNT > 8 { eight(number / HALF, COUNT - 8) } else { 0 };
        Self::cut::<COUNT>(high, eight(number, COUNT))
    }

    /// Two digits of each number, side by side; of a number over 99 its last two.
    #[inline]
    pub fn of_pairs<const PAIRS: usize>(pairs: [u8; PAIRS]) -> Self {
        const { assert!(PAIRS <= 8) };
        let lanes = pairs.iter().fold(0u128, |lanes, pair| lanes << 16 | u128::from(*pair));
        let [high, low] = [(lanes >> 64) as u64, lanes as u64].map(|lanes| {
            // adding this brings a number over 99 above 127
            let over = lanes.wrapping_add(28 * 0x0001_0001_0001_0001) & (0x0180 * 0x0001_0001_0001_0001);
            if over == 0 { digits_of_pairs(lanes) } else { digits_of_any_pairs(lanes) }
        });
        Self { digits: u128::from(high) << 64 | u128::from(low), count: 2 * PAIRS as u8 }
    }

    /// The last `COUNT` of sixteen digits.
    #[inline]
    fn cut<const COUNT: usize>(high: u64, low: u64) -> Self {
        let wanted = u128::MAX.checked_shr(128 - 8 * COUNT as u32).unwrap_or(0);
        Self { digits: (u128::from(high) << 64 | u128::from(low)) & wanted, count: COUNT as u8 }
    }

    #[inline]
    pub(crate) fn count(self) -> usize {
        usize::from(self.count)
    }

    /// As [`FixedDigits::chars`] in ASCII, of four digits at most.
    #[inline(always)]
    pub(crate) fn four_chars(self) -> [u8; 4] {
        let from_the_left = (self.digits as u32).checked_shl(32 - 8 * u32::from(self.count)).unwrap_or(0);
        (from_the_left | 0x3030_3030).to_be_bytes()
    }

    /// As [`FixedDigits::chars`], of eight digits at most.
    #[inline(always)]
    pub(crate) fn eight_chars(self, zero: u8) -> [u8; 8] {
        let from_the_left = (self.digits as u64).checked_shl(64 - 8 * u32::from(self.count)).unwrap_or(0);
        (from_the_left | u64::from_ne_bytes([zero; 8])).to_be_bytes()
    }

    /// The digits as characters of a code with the zero `zero`, followed by further zeros.
    #[inline(always)]
    pub(crate) fn chars(self, zero: u8) -> [u8; 16] {
        let from_the_left = self.digits.checked_shl(128 - 8 * u32::from(self.count)).unwrap_or(0);
        let zeros = u128::from(u64::from_ne_bytes([zero; 8]));
        (from_the_left | zeros << 64 | zeros).to_be_bytes()
    }

    /// Two digits per byte, after a zero if their number is odd, followed by further zeros.
    #[inline(always)]
    pub(crate) fn packed(self) -> [u8; 8] {
        let [high, low] = [(self.digits >> 64) as u64, self.digits as u64].map(packed::nibbles);
        let packed = u64::from(high) << 32 | u64::from(low);
        packed.checked_shl(64 - 8 * self.packed_count()).unwrap_or(0).to_be_bytes()
    }

    /// As [`FixedDigits::packed`], of eight digits at most.
    #[inline(always)]
    pub(crate) fn four_packed(self) -> [u8; 4] {
        packed::nibbles(self.digits as u64).checked_shl(32 - 8 * self.packed_count()).unwrap_or(0).to_be_bytes()
    }

    /// As [`FixedDigits::packed`], of four digits at most.
    #[inline(always)]
    pub(crate) fn two_packed(self) -> [u8; 2] {
        packed::four_nibbles(self.digits as u32).checked_shl(16 - 8 * self.packed_count()).unwrap_or(0).to_be_bytes()
    }

    #[inline(always)]
    fn packed_count(self) -> u32 {
        u32::from(self.count).div_ceil(2)
    }
}

impl std::fmt::Debug for FixedDigits {
    /// Shows the number of digits only: the value may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} digits", self.count)
    }
}

/// The digits of two numbers below ten thousand, one in each half: each is halved again, with the halves side by side.
#[inline]
fn digits_of_fours(fours: u64) -> u64 {
    // for lanes this small a multiplication and a shift divide exactly
    let hundreds = (fours.wrapping_mul(10_486) >> 20) & 0x0000_007F_0000_007F;
    digits_of_pairs(carried(fours, hundreds, 100, 16))
}

/// The digits of four numbers below a hundred.
#[inline]
fn digits_of_pairs(pairs: u64) -> u64 {
    let tens = (pairs.wrapping_mul(103) >> 10) & 0x000F_000F_000F_000F;
    carried(pairs, tens, 10, 8)
}

/// Lanes with their quotients by `unit` placed `bits` bits above their remainders.
#[inline(always)]
fn carried(lanes: u64, quotients: u64, unit: u64, bits: u32) -> u64 {
    lanes.wrapping_add(quotients.wrapping_mul((1 << bits) - unit))
}

/// As [`digits_of_pairs`], for numbers that may be higher.
#[cold]
fn digits_of_any_pairs(pairs: u64) -> u64 {
    digits_of_pairs([48, 32, 16, 0].iter().fold(0, |all, lane| (all << 16) | ((pairs >> lane & 0xFFFF) % 100)))
}

/// Up to 48 characters written by several values, one after the other.
#[derive(Clone)]
pub struct InlineChars {
    chars: [u8; 48],
    count: u8,
}

impl InlineChars {
    pub(crate) const fn empty() -> Self {
        Self { chars: [0; 48], count: 0 }
    }

    /// Appends characters; those that do not fit are left out.
    pub(crate) fn with(mut self, chars: &[u8]) -> Self {
        let start = usize::from(self.count);
        for (place, char) in self.chars[start..].iter_mut().zip(chars) {
            *place = *char;
            self.count += 1;
        }
        self
    }

    pub(crate) fn with_digits<const COUNT: usize>(self, number: u64) -> Self {
        self.with_number(FixedDigits::of::<COUNT>(number))
    }

    pub(crate) fn with_number(self, digits: FixedDigits) -> Self {
        self.with(&digits.chars(b'0')[..digits.count()])
    }

    fn chars(&self) -> &[u8] {
        &self.chars[..usize::from(self.count)]
    }
}

impl std::fmt::Debug for InlineChars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} characters", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_number() {
        let mut number = 0u64;
        for step in 0..20_000u64 {
            number = number.wrapping_mul(31).wrapping_add(step) % 10_000_000_000_000_000;
            let chars = |digits: FixedDigits| digits.chars(b'0')[..digits.count()].to_vec();
            let encoded = [
                chars(FixedDigits::of::<16>(number)),
                chars(FixedDigits::of::<12>(number)),
                chars(FixedDigits::of::<7>(number)),
                chars(FixedDigits::of::<3>(step)),
            ];
            let [twelve, seven] = [number % 1_000_000_000_000, number % 10_000_000];
            assert_eq!(encoded.concat(), format!("{number:016}{twelve:012}{seven:07}{:03}", step % 1000).into_bytes());
            let packed = |digits: FixedDigits| {
                let packed = crate::encoding::to_hex(&digits.packed()[..digits.count().div_ceil(2)]);
                if digits.count() <= 8 {
                    assert!(crate::encoding::to_hex(&digits.four_packed()).starts_with(&packed));
                    assert!(digits.eight_chars(b'0').starts_with(&chars(digits)));
                }
                if digits.count() <= 4 {
                    assert!(crate::encoding::to_hex(&digits.two_packed()).starts_with(&packed));
                    assert!(digits.four_chars().starts_with(&chars(digits)));
                }
                packed
            };
            assert_eq!(packed(FixedDigits::of::<2>(step)), format!("{:02}", step % 100));
            assert_eq!(packed(FixedDigits::of::<16>(number)), format!("{number:016}"));
            assert_eq!(packed(FixedDigits::of::<7>(number)), format!("{seven:08}"));
            assert_eq!(packed(FixedDigits::of::<3>(step)), format!("{:04}", step % 1000));
        }
        for pair in 0..=255u8 {
            let chars = FixedDigits::of_pairs([7, 99, pair, 0, 10]).chars(b'0');
            assert_eq!(chars[..10], *format!("0799{:02}0010", pair % 100).as_bytes());
        }
        assert_eq!(&FixedDigits::of::<3>(205).chars(0xF0)[..3], [0xF2, 0xF0, 0xF5]);
    }
}
