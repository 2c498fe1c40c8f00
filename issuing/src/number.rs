//! Card and device PANs: Luhn-valid, within our ranges, each used once. Pure.

use codecs::value::{Pan, luhn_digit};

/// Coprime to every power of ten, so that it permutes the numbers of a range: from one card the next number cannot be
/// told.
const STEP: u64 = 7_654_321;

/// The `serial`-th number with `digits` digits that begins with `prefix`; `None` if the range is used up.
pub(super) fn pan(prefix: &str, digits: usize, serial: u64) -> Option<Pan> {
    let free = digits.checked_sub(prefix.len() + 1)?;
    let size = 10_u64.checked_pow(u32::try_from(free).ok()?)?;
    if serial >= size {
        return None;
    }
    let place = u64::try_from(u128::from(serial) * u128::from(STEP) % u128::from(size)).ok()?;
    let mut number = format!("{prefix}{place:0free$}").into_bytes();
    number.push(luhn_digit(&number));
    Pan::from_digits(&number).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::pan;

    #[test]
    fn numbers_are_valid_distinct_and_within_their_range() {
        let mut seen = HashSet::new();
        for serial in 0..2_000 {
            let pan = pan("40001200", 16, serial).unwrap();
            assert!(pan.luhn_holds() && pan.expose().len() == 16 && pan.expose().starts_with(b"40001200"));
            assert!(seen.insert(pan));
        }
    }

    #[test]
    fn a_range_ends() {
        assert!(pan("40001290000000", 16, 9).is_some());
        assert!(pan("40001290000000", 16, 10).is_none());
        assert_eq!(pan("40001219", 19, 5).unwrap().expose().len(), 19);
    }
}
