//! IBM 3624: the natural PIN derived from the account number, and the offset by which a cardholder's own PIN differs from it.
use codecs::value::Pan;
use hsm::{OffsetScheme, PinOffset};
use zeroize::{Zeroize, Zeroizing};

use crate::module::{Fault, Module};
use crate::verbs::pin_block::{Pin, pack, unpack};

/// The offset that belongs to a PIN.
pub(crate) fn of_pin<M: Module>(
    module: &M,
    pvk: &M::Key,
    scheme: &OffsetScheme,
    pan: &Pan,
    pin: &Pin,
) -> Result<PinOffset, Fault> {
    let natural = natural_pin(module, pvk, scheme, pan)?;
    let mut digits = Zeroizing::new([0; 12]);
    for ((offset, entered), natural) in digits.iter_mut().zip(pin.values()).zip(natural.iter()) {
        *offset = b'0' + (10 + entered - natural) % 10;
    }
    PinOffset::new(&digits[..pin.values().len()]).map_err(|_| Fault::Request("an offset is four to twelve digits"))
}

/// Whether a PIN is the natural one moved by the offset. An offset of another length than the PIN is another PIN's.
pub(crate) fn verify<M: Module>(
    module: &M,
    pvk: &M::Key,
    scheme: &OffsetScheme,
    offset: &PinOffset,
    pan: &Pan,
    pin: &Pin,
) -> Result<bool, Fault> {
    Ok(of_pin(module, pvk, scheme, pan, pin)?.matches(offset))
}

/// The natural PIN: validation data from the PAN, enciphered under the module's key, decimalised.
pub(crate) fn natural_pin<M: Module>(
    module: &M,
    pvk: &M::Key,
    scheme: &OffsetScheme,
    pan: &Pan,
) -> Result<Zeroizing<[u8; 16]>, Fault> {
    let chosen = pan
        .expose()
        .get(scheme.first()..)
        .and_then(|rest| rest.get(..scheme.count()))
        .ok_or(Fault::Request("the account number has not the digits that the validation data asks for"))?;
    let mut nibbles = [scheme.pad(); 16];
    for (nibble, digit) in nibbles.iter_mut().zip(chosen) {
        *nibble = digit - b'0';
    }
    let mut enciphered = Zeroizing::new(module.des_encrypt(pvk, &pack(&nibbles))?);
    let natural = Zeroizing::new(unpack::<8, 16>(&enciphered).map(|n| scheme.table()[usize::from(n)]));
    enciphered.zeroize();
    Ok(natural)
}
