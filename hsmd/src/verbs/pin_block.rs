//! PIN blocks of ISO 9564-1 and the PIN verification value: arithmetic on digits, without keys.
use std::fmt;

use codecs::value::Pan;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A clear PIN of 4 to 12 digits. It exists inside one verb and is wiped after it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Pin {
    digits: [u8; 12],
    length: u8,
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(hidden)")
    }
}

impl Pin {
    /// Digit values 0 to 9, not characters.
    pub(crate) fn new(values: &[u8]) -> Option<Self> {
        if !(4..=12).contains(&values.len()) || values.iter().any(|d| *d > 9) {
            return None;
        }
        let mut digits = [0; 12];
        digits[..values.len()].copy_from_slice(values);
        Some(Self { digits, length: values.len() as u8 })
    }

    /// Digit values 0 to 9.
    pub(crate) fn values(&self) -> &[u8] {
        &self.digits[..usize::from(self.length)]
    }
}

/// The clear block of format 0 (fill F) or 3 (fill of the caller's random nibbles A to F), bound to the PAN.
pub(crate) fn bound_block(control: u8, pin: &Pin, pan: &Pan, fill: &[u8; 14]) -> [u8; 8] {
    let mut nibbles = [0; 16];
    nibbles[0] = control;
    nibbles[1] = pin.length;
    nibbles[2..].copy_from_slice(fill);
    nibbles[2..2 + pin.values().len()].copy_from_slice(pin.values());
    let mut block = xor(&pack(&nibbles), &pan_block(pan));
    let out = block;
    block.zeroize();
    nibbles.zeroize();
    out
}

/// The PIN in a clear block of format 0 or 3. `None`: not a block of that format for this PAN.
pub(crate) fn read_bound_block(control: u8, block: &[u8; 8], pan: &Pan) -> Option<Pin> {
    let mut nibbles: [u8; 16] = unpack(&xor(block, &pan_block(pan)));
    let length = usize::from(nibbles[1]);
    let fill_holds = |fill: &[u8]| fill.iter().all(|n| if control == 0 { *n == 0xF } else { *n >= 0xA });
    let pin = (nibbles[0] == control && (4..=12).contains(&length) && fill_holds(&nibbles[2 + length..]))
        .then(|| Pin::new(&nibbles[2..2 + length]))
        .flatten();
    nibbles.zeroize();
    pin
}

/// The clear block of format 1: bound to no account number, filled with the caller's random nibbles.
pub(crate) fn unbound_block(pin: &Pin, fill: &[u8; 14]) -> [u8; 8] {
    let mut nibbles = [0; 16];
    nibbles[0] = 1;
    nibbles[1] = pin.length;
    nibbles[2..].copy_from_slice(fill);
    nibbles[2..2 + pin.values().len()].copy_from_slice(pin.values());
    let block = pack(&nibbles);
    nibbles.zeroize();
    block
}

/// The PIN in a clear block of format 1. Its fill is random, so little distinguishes a block from noise.
pub(crate) fn read_unbound_block(block: &[u8; 8]) -> Option<Pin> {
    let mut nibbles: [u8; 16] = unpack(block);
    let length = usize::from(nibbles[1]);
    let pin = (nibbles[0] == 1 && (4..=12).contains(&length)).then(|| Pin::new(&nibbles[2..2 + length])).flatten();
    nibbles.zeroize();
    pin
}

/// The clear PIN field of format 4, with eight random bytes at its end.
pub(crate) fn wide_block(pin: &Pin, random: &[u8; 8]) -> [u8; 16] {
    let mut nibbles = [0xA; 16];
    nibbles[0] = 4;
    nibbles[1] = pin.length;
    nibbles[2..2 + pin.values().len()].copy_from_slice(pin.values());
    let mut block = [0; 16];
    block[..8].copy_from_slice(&pack::<16, 8>(&nibbles));
    block[8..].copy_from_slice(random);
    nibbles.zeroize();
    block
}

/// The PIN in a clear PIN field of format 4.
pub(crate) fn read_wide_block(block: &[u8; 16]) -> Option<Pin> {
    let mut nibbles: [u8; 16] = unpack(block.first_chunk::<8>()?);
    let length = usize::from(nibbles[1]);
    let pin = (nibbles[0] == 4 && (4..=12).contains(&length) && nibbles[2 + length..].iter().all(|n| *n == 0xA))
        .then(|| Pin::new(&nibbles[2..2 + length]))
        .flatten();
    nibbles.zeroize();
    pin
}

/// The PAN field of format 4: the PAN's length less 12, the digits, zeros to the right.
pub(crate) fn wide_pan_field(pan: &Pan) -> [u8; 16] {
    let digits = pan.expose();
    // a PAN under 12 digits is brought to 12 with zeros on its left
    let lead = 12_usize.saturating_sub(digits.len());
    let mut nibbles = [0; 32];
    nibbles[0] = digits.len().saturating_sub(12) as u8;
    for (nibble, digit) in nibbles[1 + lead..].iter_mut().zip(digits) {
        *nibble = digit - b'0';
    }
    pack(&nibbles)
}

/// Input of the PVV: the eleven digits before the PAN's check digit, key index, first four digits of the PIN.
pub(crate) fn pvv_input(pan: &Pan, pvki: u8, pin: &Pin) -> [u8; 8] {
    let mut nibbles = [0; 16];
    nibbles[..11].copy_from_slice(&before_check_digit::<11>(pan));
    nibbles[11] = pvki;
    nibbles[12..].copy_from_slice(&pin.values()[..4]);
    let packed = pack(&nibbles);
    nibbles.zeroize();
    packed
}

/// The PAN's part of formats 0 and 3: four zeros and the twelve digits before the check digit.
fn pan_block(pan: &Pan) -> [u8; 8] {
    let mut nibbles = [0; 16];
    nibbles[4..].copy_from_slice(&before_check_digit::<12>(pan));
    pack(&nibbles)
}

/// The `N` digits before the check digit as values, zeros on the left of a shorter PAN.
fn before_check_digit<const N: usize>(pan: &Pan) -> [u8; N] {
    let digits = pan.expose();
    let payload = &digits[..digits.len() - 1];
    let mut out = [0; N];
    for (place, digit) in out.iter_mut().rev().zip(payload.iter().rev()) {
        *place = digit - b'0';
    }
    out
}

/// Decimalises a block as PVV and CVV do: decimal nibbles in order, then the others less ten.
pub(crate) fn decimalise<const N: usize>(block: &[u8; 8]) -> [u8; N] {
    let nibbles: [u8; 16] = unpack(block);
    let low = nibbles.iter().filter(|n| **n < 10).copied();
    let high = nibbles.iter().filter(|n| **n >= 10).map(|n| n - 10);
    let mut out = [0; N];
    for (place, value) in out.iter_mut().zip(low.chain(high)) {
        *place = b'0' + value;
    }
    out
}

/// Two nibbles a byte.
pub(crate) fn pack<const N: usize, const B: usize>(nibbles: &[u8; N]) -> [u8; B] {
    const { assert!(N == 2 * B) };
    let mut out = [0; B];
    for (byte, pair) in out.iter_mut().zip(nibbles.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    out
}

pub(crate) fn unpack<const B: usize, const N: usize>(bytes: &[u8; B]) -> [u8; N] {
    const { assert!(N == 2 * B) };
    let mut out = [0; N];
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = byte >> 4;
        pair[1] = byte & 0xF;
    }
    out
}

/// Byte by byte.
pub(crate) fn xor<const N: usize>(a: &[u8; N], b: &[u8; N]) -> [u8; N] {
    std::array::from_fn(|i| a[i] ^ b[i])
}
