//! New secrets: drawn or derived here, and delivered only under the transport key.
use codecs::value::Pan;
use hsm::{
    CardOrder, CodeOrder, CodeRead, DeliveryItem, DeliveryKind, IssuedPin, KeyBlock, KeyName, KeySet, KeyUsage,
    MacAlgorithm, PersonalisedCard, PinOrder, STORAGE_X919_LEFT, SecurityCode, TerminalKeys, TerminalOrder, TokenOrder,
};
use serde::Serialize;
use zeroize::{Zeroize, Zeroizing};

use crate::des_key::{left_twice, odd_parity};
use crate::hex::hex;
use crate::module::key_kind::KeyKind;
use crate::module::{Fault, Module, generation};
use crate::verbs::emv::{Derivation, card_key_data};
use crate::verbs::mac::DesPair;
use crate::verbs::pin_block::Pin;
use crate::verbs::working_keys::kind_of;
use crate::verbs::{cvv, kcv, pin};

/// The key that seals deliveries.
pub(crate) const TRANSPORT: &str = "transport";

/// Delivery to the personalisation bureau, to make a card.
#[derive(Serialize)]
struct CardRecord<'a> {
    pan: &'a str,
    expiry: &'a str,
    psn: String,
    service_code: &'a str,
    pin: &'a str,
    cvv: &'a str,
    icvv: &'a str,
    cvv2: &'a str,
    udk_ac: &'a str,
    note: &'a str,
    balance_minor: i64,
    currency: String,
}

/// Delivery to the printer of a PIN mailer.
#[derive(Serialize)]
struct MailerRecord<'a> {
    pan_end: &'a str,
    pin: &'a str,
    note: &'a str,
}

/// Delivery to a wallet, to put a token on a device.
#[derive(Serialize)]
struct WalletRecord<'a> {
    dpan: &'a str,
    expiry: &'a str,
    psn: String,
    udk_ac: &'a str,
    card_note: &'a str,
}

/// Delivery to a vendor, to inject keys into a terminal.
#[derive(Serialize)]
struct TerminalRecord<'a> {
    terminal: &'a str,
    merchant: &'a str,
    mcc: &'a str,
    tpk: &'a str,
    tak: &'a str,
    mac: MacAlgorithm,
}

/// Delivery of a zone PIN key to a partner.
#[derive(Serialize)]
struct ZoneRecord<'a> {
    name: &'a str,
    zpk: &'a str,
}

pub(crate) fn personalise_card<M: Module>(module: &M, order: &CardOrder) -> Result<PersonalisedCard, Fault> {
    let drawn = pin::draw(module)?;
    let pvk = module.find(&KeyName::role("pvk", &order.keys))?;
    let pvv = pin::pvv(module, &pvk, &order.pan, order.pvki, &drawn)?;
    let [stripe, chip, printed] = codes(module, order)?;
    let digits = text_digits(&drawn);
    let expiry = cvv::yymm(order.expiry);
    let udk = card_key(module, &order.keys, &order.pan, order.psn)?;
    let record = CardRecord {
        pan: text(order.pan.expose())?,
        expiry: text(&expiry)?,
        psn: format!("{:02}", order.psn),
        service_code: text(&order.service_code)?,
        pin: text(&digits)?,
        cvv: text(&*stripe)?,
        icvv: text(&*chip)?,
        cvv2: text(&*printed)?,
        udk_ac: &udk,
        note: &order.note,
        balance_minor: order.balance_minor,
        currency: format!("{:03}", order.currency),
    };
    let delivery = deliver(module, DeliveryKind::Cards, &record)?;
    Ok(PersonalisedCard { pvv, pvki: order.pvki, delivery })
}

/// Stripe, chip and printed code, in this order.
fn codes<M: Module>(module: &M, order: &CardOrder) -> Result<[Zeroizing<[u8; 3]>; 3], Fault> {
    let keys = code_keys(module, &order.keys)?;
    let reads = [CodeRead::Stripe { service_code: order.service_code }, CodeRead::Chip, CodeRead::Keyed];
    let mut codes = std::array::from_fn(|_| Zeroizing::new([0; 3]));
    for (code, read) in codes.iter_mut().zip(reads) {
        **code = cvv::expected(module, &keys, &order.pan, order.expiry, read)?;
    }
    Ok(codes)
}

fn code_keys<M: Module>(module: &M, keys: &KeySet) -> Result<DesPair<M::Key>, Fault> {
    let name = KeyName::role("cvk", keys);
    Ok(DesPair { full: module.find(&name)?, left: module.find(&name.left())? })
}

/// A new PIN: its reference for the issuer, the PIN itself for the printer of mailers.
pub(crate) fn issue_pin<M: Module>(module: &M, order: &PinOrder) -> Result<IssuedPin, Fault> {
    let drawn = pin::draw(module)?;
    let pvk = module.find(&KeyName::role("pvk", &order.keys))?;
    let reference = pin::reference(module, &pvk, &order.pan, &order.method, &drawn)?;
    let digits = text_digits(&drawn);
    let pan = order.pan.expose();
    let record = MailerRecord { pan_end: text(&pan[pan.len() - 4..])?, pin: text(&digits)?, note: &order.note };
    Ok(IssuedPin { reference, mailer: deliver(module, DeliveryKind::Mailers, &record)? })
}

fn text_digits(pin: &Pin) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(pin.values().iter().map(|digit| b'0' + digit).collect())
}

/// The security code for a stripe, a chip or a panel, for a card that is made elsewhere.
pub(crate) fn card_code<M: Module>(module: &M, order: &CodeOrder) -> Result<SecurityCode, Fault> {
    let keys = match order.read {
        CodeRead::Dynamic(_) => return Err(Fault::Request("a dynamic code is made by the card alone")),
        _ => code_keys(module, &order.keys)?,
    };
    let code = Zeroizing::new(cvv::expected(module, &keys, &order.pan, order.expiry, order.read)?);
    SecurityCode::new(*code).map_err(|_| Fault::Request("a card security code is three digits"))
}

pub(crate) fn personalise_token<M: Module>(module: &M, order: &TokenOrder) -> Result<DeliveryItem, Fault> {
    let udk = card_key(module, &order.keys, &order.dpan, order.psn)?;
    let expiry = cvv::yymm(order.expiry);
    let record = WalletRecord {
        dpan: text(order.dpan.expose())?,
        expiry: text(&expiry)?,
        psn: format!("{:02}", order.psn),
        udk_ac: &udk,
        card_note: &order.card_note,
    };
    deliver(module, DeliveryKind::Wallets, &record)
}

/// The card's application cryptogram key, in hex.
fn card_key<M: Module>(module: &M, keys: &KeySet, pan: &Pan, psn: u8) -> Result<Zeroizing<String>, Fault> {
    let imk = module.find(&KeyName::role("imk-ac", keys))?;
    let udk = module.derive_exposed(&imk, &card_key_data(pan, psn, Derivation::B))?;
    Ok(Zeroizing::new(hex(&*udk)))
}

pub(crate) fn terminal_keys<M: Module>(module: &M, order: &TerminalOrder) -> Result<TerminalKeys, Fault> {
    let tak_usage = match order.mac {
        MacAlgorithm::AesCmac => KeyUsage::MacAesCmac,
        MacAlgorithm::X919 => KeyUsage::MacX919,
    };
    let tpk = draw_key(module, kind_of(KeyUsage::PinDes))?;
    let tak = draw_key(module, kind_of(tak_usage))?;
    let record = TerminalRecord {
        terminal: &order.terminal,
        merchant: &order.merchant,
        mcc: &order.mcc,
        tpk: &Zeroizing::new(hex(&tpk)),
        tak: &Zeroizing::new(hex(&tak)),
        mac: order.mac,
    };
    Ok(TerminalKeys {
        tpk: key_block(module, KeyUsage::PinDes, &tpk)?,
        tak: key_block(module, tak_usage, &tak)?,
        tak_kcv: kcv::of_clear_key(module, kind_of(tak_usage), &tak)?,
        delivery: deliver(module, DeliveryKind::Terminals, &record)?,
    })
}

/// The delivery item of a partner's zone PIN key. It can be made only while the key is being made.
pub(crate) fn zone_delivery<M: Module>(module: &M, zone: &str, zpk: &[u8]) -> Result<DeliveryItem, Fault> {
    let zpk = Zeroizing::new(hex(zpk));
    deliver(module, DeliveryKind::Zones, &ZoneRecord { name: zone, zpk: &zpk })
}

/// A random key of this kind in clear, with odd parity if it is DES, its halves different.
pub(crate) fn draw_key<M: Module>(module: &M, kind: KeyKind) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut key = Zeroizing::new(vec![0; kind.length()]);
    loop {
        module.random(&mut key)?;
        if kind.material() != crate::module::key_kind::Material::Des2 {
            return Ok(key);
        }
        odd_parity(&mut key);
        if key[..8] != key[8..] {
            return Ok(key);
        }
    }
}

/// A clear working key as a block under its storage key.
pub(crate) fn key_block<M: Module>(module: &M, usage: KeyUsage, key: &[u8]) -> Result<KeyBlock, Fault> {
    let (_, generation) = generation::current(module, &KeyName::fixed(usage.storage_key()))?;
    let wrap = |storage: &'static str, kind, value: &[u8]| {
        let storage = generation::exactly(module, &KeyName::fixed(storage), generation)?;
        module.wrap(&storage, &module.import(kind, value)?)
    };
    let mut wraps = wrap(usage.storage_key(), kind_of(usage), key)?;
    if usage == KeyUsage::MacX919 {
        wraps.extend(wrap(STORAGE_X919_LEFT, KeyKind::MacDesLeft, &left_twice(key))?);
    }
    Ok(KeyBlock::new(generation, usage, wraps))
}

/// Seals one record under the transport key.
fn deliver<M: Module>(module: &M, kind: DeliveryKind, record: &impl Serialize) -> Result<DeliveryItem, Fault> {
    let mut plain = Zeroizing::new(Vec::with_capacity(1024));
    serde_json::to_writer(&mut *plain, record)
        .map_err(|_| Fault::Request("the order's texts cannot be written as JSON"))?;
    let (transport, _) = generation::current(module, &KeyName::fixed(TRANSPORT))?;
    let mut nonce = [0; 12];
    module.random(&mut nonce)?;
    let mut item = nonce.to_vec();
    item.extend(module.seal(&transport, &nonce, kind.as_str().as_bytes(), &plain)?);
    plain.zeroize();
    Ok(DeliveryItem(hex(&item)))
}

fn text(digits: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(digits).map_err(|_| Fault::Request("digits are expected"))
}
