//! Verifying and re-enciphering PINs. The clear PIN is in this process's memory for the length of one verb: PKCS#11 has no PIN
//! translation, so this process does what a payment HSM does inside its enclosure (docs/security.md).
use codecs::value::{Pan, PinBlock};
use hsm::{KeyName, PinChange, PinChangeOutcome, PinFormat, PinMethod, PinReference, Pvv, TranslationOutcome};
use zeroize::Zeroizing;

use crate::module::key_kind::KeyKind;
use crate::module::{Fault, Module, generation};
use crate::verbs::pin_block::{
    Pin, bound_block, decimalise, pvv_input, read_bound_block, read_unbound_block, read_wide_block, unbound_block,
    wide_block, wide_pan_field, xor,
};
use crate::verbs::{offset, vault};

/// The PIN in an enciphered block. `Ok(None)`: the deciphered block is not of that format for this PAN.
pub(crate) fn decipher<M: Module>(
    module: &M,
    key: &M::Key,
    format: PinFormat,
    block: &PinBlock,
    pan: &Pan,
) -> Result<Option<Pin>, Fault> {
    match (format, module.kind(key)) {
        (PinFormat::Iso0 | PinFormat::Iso3, KeyKind::PinDes) => {
            let block = block.expose().try_into().map_err(|_| WRONG_LENGTH)?;
            let clear = Zeroizing::new(module.des_decrypt(key, &block)?);
            Ok(read_bound_block(if format == PinFormat::Iso0 { 0 } else { 3 }, &clear, pan))
        }
        (PinFormat::Iso4, KeyKind::PinAes) => {
            let block = block.expose().try_into().map_err(|_| WRONG_LENGTH)?;
            let bound = Zeroizing::new(module.aes_decrypt(key, &block)?);
            let field = Zeroizing::new(xor(&bound, &wide_pan_field(pan)));
            let clear = Zeroizing::new(module.aes_decrypt(key, &field)?);
            Ok(read_wide_block(&clear))
        }
        (PinFormat::Iso1, KeyKind::PinDes) => {
            let block = block.expose().try_into().map_err(|_| WRONG_LENGTH)?;
            Ok(read_unbound_block(&Zeroizing::new(module.des_decrypt(key, &block)?)))
        }
        _ => Err(WRONG_CIPHER),
    }
}

/// An enciphered block for a PIN.
pub(crate) fn encipher<M: Module>(
    module: &M,
    key: &M::Key,
    format: PinFormat,
    pin: &Pin,
    pan: &Pan,
) -> Result<PinBlock, Fault> {
    match (format, module.kind(key)) {
        (PinFormat::Iso0, KeyKind::PinDes) => des_block(module, key, &bound_block(0, pin, pan, &[0xF; 14])),
        (PinFormat::Iso1, KeyKind::PinDes) => des_block(module, key, &unbound_block(pin, &nibbles(module)?)),
        (PinFormat::Iso3, KeyKind::PinDes) => des_block(module, key, &bound_block(3, pin, pan, &letters(module)?)),
        (PinFormat::Iso4, KeyKind::PinAes) => {
            let mut random = [0; 8];
            module.random(&mut random)?;
            let clear = Zeroizing::new(wide_block(pin, &random));
            let field = module.aes_encrypt(key, &clear)?;
            let block = module.aes_encrypt(key, &xor(&field, &wide_pan_field(pan)))?;
            PinBlock::new(&block).ok_or(WRONG_LENGTH)
        }
        _ => Err(WRONG_CIPHER),
    }
}

const WRONG_LENGTH: Fault = Fault::Request("a PIN block has 8 bytes under DES and 16 under AES");
const WRONG_CIPHER: Fault = Fault::Request("PIN block formats 0, 1 and 3 go with DES keys, format 4 with AES keys");
const UNBOUND: Fault = Fault::Refused("a PIN block that is bound to a PAN stays bound to it");

fn des_block<M: Module>(module: &M, key: &M::Key, clear: &[u8; 8]) -> Result<PinBlock, Fault> {
    let clear = Zeroizing::new(*clear);
    PinBlock::new(&module.des_encrypt(key, &clear)?).ok_or(WRONG_LENGTH)
}

/// Fourteen random nibbles from A to F, the fill of format 3.
fn letters<M: Module>(module: &M) -> Result<[u8; 14], Fault> {
    let mut random = [0; 14];
    module.random(&mut random)?;
    Ok(random.map(|byte| 0xA + byte % 6))
}

/// Fourteen random nibbles, the fill of format 1.
fn nibbles<M: Module>(module: &M) -> Result<[u8; 14], Fault> {
    let mut random = [0; 14];
    module.random(&mut random)?;
    Ok(random.map(|byte| byte & 0xF))
}

/// Whether a PIN may be translated from one format to another (PCI PIN Security Requirements, requirement 3, and ISO 9564-1): a
/// PIN block bound to an account number only into a format that binds it to the same one, an unbound one into any format. The
/// account number cannot change, because a translation names only one.
pub(crate) fn may_be_translated(from: PinFormat, to: PinFormat) -> bool {
    to != PinFormat::Iso1 || from == PinFormat::Iso1
}

/// Translates a PIN block for the next zone. The block is checked against its PAN before anything is enciphered again.
pub(crate) fn translate<M: Module>(
    module: &M,
    from: (&M::Key, PinFormat),
    to: (&M::Key, PinFormat),
    block: &PinBlock,
    pan: &Pan,
) -> Result<TranslationOutcome, Fault> {
    if !may_be_translated(from.1, to.1) {
        return Err(UNBOUND);
    }
    match decipher(module, from.0, from.1, block, pan)? {
        None => Ok(TranslationOutcome::FormatError),
        Some(pin) => Ok(TranslationOutcome::Translated(encipher(module, to.0, to.1, &pin, pan)?)),
    }
}

/// Visa PIN verification value of a PIN.
pub(crate) fn pvv<M: Module>(module: &M, pvk: &M::Key, pan: &Pan, pvki: u8, pin: &Pin) -> Result<Pvv, Fault> {
    if pvki > 9 {
        return Err(Fault::Request("a PIN verification key index is one digit"));
    }
    let input = Zeroizing::new(pvv_input(pan, pvki, pin));
    let digits = decimalise(&module.des_encrypt(pvk, &input)?);
    Pvv::new(digits).map_err(|_| Fault::Request("a PVV is four digits"))
}

/// Whether a PIN matches the issuer's reference value.
pub(crate) fn verify<M: Module>(
    module: &M,
    pvk: &M::Key,
    pan: &Pan,
    reference: &PinReference,
    pin: &Pin,
) -> Result<bool, Fault> {
    match reference {
        PinReference::Pvv { pvv: expected, pvki } => Ok(expected.matches(pvv(module, pvk, pan, *pvki, pin)?.expose())),
        PinReference::Offset { offset: expected, scheme } => offset::verify(module, pvk, scheme, expected, pan, pin),
    }
}

/// The reference value of a PIN, for the issuer.
pub(crate) fn reference<M: Module>(
    module: &M,
    pvk: &M::Key,
    pan: &Pan,
    method: &PinMethod,
    pin: &Pin,
) -> Result<PinReference, Fault> {
    Ok(match method {
        PinMethod::Pvv { pvki } => PinReference::Pvv { pvv: pvv(module, pvk, pan, *pvki, pin)?, pvki: *pvki },
        PinMethod::Offset(scheme) => {
            PinReference::Offset { offset: offset::of_pin(module, pvk, scheme, pan, pin)?, scheme: scheme.clone() }
        }
    })
}

/// The PIN in a block that was made under one of these keys: the newer generation of a zone key comes first, and a block of
/// the older one is no PIN block under it.
pub(crate) fn decipher_any<M: Module>(
    module: &M,
    keys: &[M::Key],
    format: PinFormat,
    block: &PinBlock,
    pan: &Pan,
) -> Result<Option<Pin>, Fault> {
    for key in keys {
        if let Some(pin) = decipher(module, key, format, block, pan)? {
            return Ok(Some(pin));
        }
    }
    Ok(None)
}

/// The cardholder's change of PIN. The new block is deciphered only if the old PIN was right.
pub(crate) fn change<M: Module>(module: &M, request: &PinChange) -> Result<PinChangeOutcome, Fault> {
    let zone_keys = generation::accepted(module, &request.zone_key)?;
    let read = |block| decipher_any(module, &zone_keys, request.format, block, &request.presented);
    let Some(current) = read(&request.current)? else { return Ok(PinChangeOutcome::FormatError) };
    let Some(funding) = vault::funding(module, &request.presented, request.funding.as_ref())? else {
        return Ok(PinChangeOutcome::EnvelopeMismatch);
    };
    let pvk = module.find(&KeyName::role("pvk", &request.issuer_keys))?;
    if !verify(module, &pvk, &funding, &request.reference, &current)? {
        return Ok(PinChangeOutcome::Wrong);
    }
    let Some(new) = read(&request.new)? else { return Ok(PinChangeOutcome::FormatError) };
    let method = request.reference.method();
    Ok(PinChangeOutcome::Changed(reference(module, &pvk, &funding, &method, &new)?))
}

/// Draws a PIN of four digits, each equally likely.
pub(crate) fn draw<M: Module>(module: &M) -> Result<Pin, Fault> {
    let mut values = Zeroizing::new([0_u8; 4]);
    let mut drawn = 0;
    while drawn < values.len() {
        let mut byte = [0; 1];
        module.random(&mut byte)?;
        // 250 to 255 would make the digits 0 to 5 likelier
        if byte[0] < 250 {
            values[drawn] = byte[0] % 10;
            drawn += 1;
        }
    }
    Pin::new(&*values).ok_or(Fault::Request("a PIN is four to twelve digits"))
}
