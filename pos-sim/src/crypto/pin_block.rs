//! PIN blocks (ISO 9564-1): format 0 under Triple-DES, format 4 under AES.

use zeroize::Zeroizing;

use super::{AesKey, TdesKey};

/// Why a block could not be made or read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PinBlockError {
    #[error("a PIN has 4 to 12 digits")]
    Pin,
    #[error("a card number has 12 to 19 digits")]
    Pan,
    /// The block does not have the shape of its format: wrong key, wrong card number or damage on the way.
    #[error("the decrypted block has not the shape of its format")]
    Format,
}

/// Format 0 encrypted under a terminal's or zone's PIN key.
pub fn format_0(key: &TdesKey, pan: &str, pin: &str) -> Result<[u8; 8], PinBlockError> {
    let mut block = Zeroizing::new([0xFF_u8; 8]);
    pin_nibbles(0, pin, &mut block[..])?;
    let account = account_part(pan)?;
    block.iter_mut().zip(account).for_each(|(b, a)| *b ^= a);
    Ok(key.encrypt(*block))
}

/// The PIN inside a format 0 block, as the issuer's side reads it.
pub fn read_format_0(key: &TdesKey, pan: &str, encrypted: [u8; 8]) -> Result<Zeroizing<String>, PinBlockError> {
    let mut block = Zeroizing::new(key.decrypt(encrypted));
    block.iter_mut().zip(account_part(pan)?).for_each(|(b, a)| *b ^= a);
    let digits = usize::from(block[0] & 0x0F);
    if block[0] >> 4 != 0 || !(4..=12).contains(&digits) {
        return Err(PinBlockError::Format);
    }
    let nibbles = Zeroizing::new(block[1..].iter().flat_map(|b| [b >> 4, b & 0x0F]).collect::<Vec<u8>>());
    let (pin, fill) = nibbles.split_at(digits);
    if pin.iter().any(|n| *n > 9) || fill.iter().any(|n| *n != 0x0F) {
        return Err(PinBlockError::Format);
    }
    Ok(Zeroizing::new(pin.iter().map(|n| char::from(b'0' + n)).collect()))
}

/// Format 4 encrypted under an AES PIN key; `random` fills the second half of the PIN field.
pub fn format_4(key: &AesKey, pan: &str, pin: &str, random: [u8; 8]) -> Result<[u8; 16], PinBlockError> {
    let mut field = Zeroizing::new([0xAA_u8; 16]);
    pin_nibbles(4, pin, &mut field[..8])?;
    field[8..].copy_from_slice(&random);
    let mut block = Zeroizing::new(key.encrypt(*field));
    block.iter_mut().zip(pan_field(pan)?).for_each(|(b, p)| *b ^= p);
    Ok(key.encrypt(*block))
}

/// Writes format nibble, length nibble and digits into a block that holds its filler already.
fn pin_nibbles(format: u8, pin: &str, block: &mut [u8]) -> Result<(), PinBlockError> {
    let digits = pin.as_bytes();
    if !(4..=12).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return Err(PinBlockError::Pin);
    }
    block[0] = format << 4 | digits.len() as u8;
    for (at, digit) in digits.iter().enumerate() {
        let byte = &mut block[1 + at / 2];
        *byte = if at % 2 == 0 { (digit - b'0') << 4 | *byte & 0x0F } else { *byte & 0xF0 | (digit - b'0') };
    }
    Ok(())
}

/// Two zero bytes, then the twelve digits left of the check digit.
fn account_part(pan: &str) -> Result<[u8; 8], PinBlockError> {
    let digits = pan_digits(pan)?;
    let twelve = &digits[digits.len().saturating_sub(13)..digits.len() - 1];
    let padded: Vec<u8> = std::iter::repeat_n(b'0', 12 - twelve.len()).chain(twelve.iter().copied()).collect();
    let mut out = [0; 8];
    for (byte, pair) in out[2..].iter_mut().zip(padded.chunks_exact(2)) {
        *byte = (pair[0] - b'0') << 4 | (pair[1] - b'0');
    }
    Ok(out)
}

/// One nibble that says how many digits beyond twelve, the number itself, zeros to the end.
fn pan_field(pan: &str) -> Result<[u8; 16], PinBlockError> {
    let digits = pan_digits(pan)?;
    let mut nibbles = vec![digits.len() as u8 - 12];
    nibbles.extend(digits.iter().map(|d| d - b'0'));
    nibbles.resize(32, 0);
    let mut out = [0; 16];
    out.iter_mut().zip(nibbles.chunks_exact(2)).for_each(|(byte, pair)| *byte = pair[0] << 4 | pair[1]);
    Ok(out)
}

fn pan_digits(pan: &str) -> Result<&[u8], PinBlockError> {
    let digits = pan.as_bytes();
    ((12..=19).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit))
        .then_some(digits)
        .ok_or(PinBlockError::Pan)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whoever_has_the_key_and_the_number_reads_the_pin(
            key in any::<[u8; 16]>(), pan in "[0-9]{12,19}", pin in "[0-9]{4,12}"
        ) {
            let key = TdesKey::new(key);
            let block = format_0(&key, &pan, &pin).unwrap();
            let read = read_format_0(&key, &pan, block).unwrap();
            prop_assert_eq!(read.as_str(), pin.as_str());
        }

        #[test]
        fn the_block_says_nothing_for_another_number(
            key in any::<[u8; 16]>(), pan in "[1-8][0-9]{15}", pin in "[0-9]{4}"
        ) {
            let key = TdesKey::new(key);
            let block = format_0(&key, &pan, &pin).unwrap();
            // one digit of the account part higher: the digits under the mask come out wrong, or the filler does
            let mut other = pan.into_bytes();
            other[8] = b'0' + (other[8] - b'0' + 1) % 10;
            let other = String::from_utf8(other).unwrap();
            let read = read_format_0(&key, &other, block);
            prop_assert!(read.is_err() || read.unwrap().as_str() != pin);
        }
    }
}
