//! Card security codes: CVV, iCVV and CVV2 are one computation over different service codes; dCVV is the same under the
//! card's key, over a PAN that carries the counter.
use codecs::value::{Expiry, Pan};
use hsm::{CodeCheck, CodeOutcome, CodeRead};

use crate::module::{Fault, Module};
use crate::verbs::mac::{DesPair, algorithm_3};
use crate::verbs::pin_block::{decimalise, pack};
use zeroize::Zeroizing;

/// Service code in the computation of the chip's code.
const CHIP: [u8; 3] = *b"999";
/// Service code in the computation of the printed code.
const PRINTED: [u8; 3] = *b"000";

/// Checks a code, which depends on the way it was read.
pub(crate) fn check<M: Module>(
    module: &M,
    keys: &DesPair<M::Key>,
    pan: &Pan,
    check: &CodeCheck,
) -> Result<CodeOutcome, Fault> {
    let expected = expected(module, keys, pan, check.expiry, check.read)?;
    if check.value.matches(&expected) {
        return Ok(CodeOutcome::Ok);
    }
    // a counterfeit made from chip data carries the iCVV on its stripe
    if matches!(check.read, CodeRead::Stripe { .. }) {
        let chip = self::expected(module, keys, pan, check.expiry, CodeRead::Chip)?;
        if check.value.matches(&chip) {
            return Ok(CodeOutcome::ChipDataOnStripe);
        }
    }
    Ok(CodeOutcome::Wrong)
}

/// The correct code for a read of this kind.
pub(crate) fn expected<M: Module>(
    module: &M,
    keys: &DesPair<M::Key>,
    pan: &Pan,
    expiry: Expiry,
    read: CodeRead,
) -> Result<[u8; 3], Fault> {
    match read {
        CodeRead::Stripe { service_code } => compute(module, keys, pan.expose(), yymm(expiry), service_code),
        CodeRead::Chip => compute(module, keys, pan.expose(), yymm(expiry), CHIP),
        CodeRead::Keyed => compute(module, keys, pan.expose(), mmyy(expiry), PRINTED),
        CodeRead::Dynamic(read) => {
            let counted = counted(pan, read.atc)?;
            compute(module, keys, &counted, yymm(expiry), read.service_code)
        }
    }
}

/// The PAN with the transaction counter's four digits in place of its first four.
///
/// The schemes do not publish their dynamic codes; this is the usual method, to be checked against a scheme's own manual.
fn counted(pan: &Pan, atc: u16) -> Result<Zeroizing<Vec<u8>>, Fault> {
    if atc > 9999 {
        return Err(Fault::Request("the counter on a stripe has four digits"));
    }
    let mut digits = Zeroizing::new(pan.expose().to_vec());
    for (place, weight) in digits.iter_mut().zip([1000, 100, 10, 1]) {
        *place = b'0' + (atc / weight % 10) as u8;
    }
    Ok(digits)
}

/// The code for a PAN's digits, an expiry (four ASCII digits in the order the code wants) and a service code.
fn compute<M: Module>(
    module: &M,
    keys: &DesPair<M::Key>,
    pan: &[u8],
    expiry: [u8; 4],
    service_code: [u8; 3],
) -> Result<[u8; 3], Fault> {
    if !service_code.iter().all(u8::is_ascii_digit) {
        return Err(Fault::Request("a service code is three digits"));
    }
    let mut nibbles = [0; 32];
    for (nibble, digit) in nibbles.iter_mut().zip(pan.iter().chain(&expiry).chain(&service_code)) {
        *nibble = digit - b'0';
    }
    Ok(decimalise(&algorithm_3(module, keys, &pack::<32, 16>(&nibbles))?))
}

/// The order of stripe and chip.
pub(crate) fn yymm(expiry: Expiry) -> [u8; 4] {
    [expiry.year / 10, expiry.year % 10, expiry.month / 10, expiry.month % 10].map(|d| b'0' + d)
}

/// The order of the printed code.
fn mmyy(expiry: Expiry) -> [u8; 4] {
    [expiry.month / 10, expiry.month % 10, expiry.year / 10, expiry.year % 10].map(|d| b'0' + d)
}
