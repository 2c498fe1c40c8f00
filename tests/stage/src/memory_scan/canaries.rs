//! The secrets that must not be in the memory of programs without need for them, in the spellings that programs use.

use std::sync::Arc;

use pos_sim::card::Card;
use pos_sim::reading::{Instrument, PinEntry};
use pos_sim::wallet::Wallet;

use crate::demo::secrets::{clear_block, digits};
use crate::secret_search::Needle;

/// PIN verification key index of the demo's cards.
const PVKI: u8 = 1;

/// The clear PIN blocks of a card's or wallet's right and wrong PIN, and every intermediate value in making one and in computing its
/// verification value. The random fill of formats 1 and 3 is not known outside; their PIN field would be found in the
/// intermediate value before it.
pub fn of_pins(cards: &[Arc<Card>], wallets: &[Arc<Wallet>]) -> Vec<Needle> {
    let cards = cards.iter().map(|card| (format!("card \"{}\"", card.note), card, Instrument::Chip(Arc::clone(card))));
    let wallets = wallets.iter().map(|wallet| {
        (format!("wallet \"{}\"", wallet.card.note), &wallet.card, Instrument::Contactless(Arc::clone(wallet)))
    });
    let mut needles = Vec::new();
    for (whose, card, instrument) in cards.chain(wallets) {
        for entry in [PinEntry::Right, PinEntry::Wrong] {
            let Some(pin) = instrument.pin(entry) else { continue };
            let (presented, funding) = (digits(instrument.pan().expose()), digits(card.pan.expose()));
            needles.extend(of_pin(&whose, &presented, &funding, pin.expose()));
        }
    }
    needles
}

fn of_pin(whose: &str, presented: &str, funding: &str, pin: &str) -> Vec<Needle> {
    let length = pin.len();
    let narrow = format!("0{length:X}{pin:F<14}");
    let wide = format!("4{length:X}{pin:A<14}");
    let account = &funding[funding.len() - 12..funding.len() - 1];
    let verified = format!("{account}{PVKI}{}", &pin[..4]);
    let mut needles = Needle::of_bytes(&format!("clear PIN block of {whose}"), &clear_block(presented, pin));
    for (what, nibbles) in
        [("PIN field of format 0", narrow), ("PIN field of format 4", wide), ("input of the PVV", verified)]
    {
        let values = values(&nibbles);
        let packed: Vec<u8> = values.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        needles.push(Needle::of_raw(&format!("{what} of {whose}"), &packed));
        needles.push(Needle::of_raw(&format!("{what} of {whose}, unpacked"), &values));
    }
    needles.push(Needle::of_text(&format!("PIN of {whose} in JSON"), &format!("\"pin\":\"{pin}\"")));
    // digits and length as one value; with zeros or repetitions it would match other data
    let mut distinct = pin.as_bytes().to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() == length && !pin.contains('0') {
        let mut value = values(pin);
        value.resize(12, 0);
        value.push(length as u8);
        needles.push(Needle::of_raw(&format!("PIN of {whose} as a value"), &value));
    }
    needles
}

fn values(nibbles: &str) -> Vec<u8> {
    nibbles.chars().map(|digit| digit.to_digit(16).expect("hexadecimal digits") as u8).collect()
}

/// A clear key: each of its eight-byte parts, so that a pair of equal halves shows as well, and the whole in hexadecimal.
pub fn of_key(whose: &str, key: &[u8]) -> Vec<Needle> {
    let parts = key.chunks_exact(8).map(|part| Needle::of_raw(&format!("part of {whose}"), part));
    let spelled = Needle::of_bytes(whose, key).into_iter();
    parts.chain(spelled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret_search::SecretSearch;

    fn found(memory: &[u8]) -> Vec<String> {
        let needles = of_pin("a card", "4000129000000001", "4000120000000002", "1234");
        let mut search = SecretSearch::new(needles).expect("needles");
        search.stream("memory", memory).expect("scan");
        search.hits.into_iter().map(|hit| hit.needle).collect()
    }

    #[test]
    fn each_step_of_a_pin_shows() {
        let steps: [&[u8]; 6] = [
            // 04 12 34 FF … under 00 00 01 29 00 00 00 00
            &[0x04, 0x12, 0x35, 0xD6, 0xFF, 0xFF, 0xFF, 0xFF],
            &[0x04, 0x12, 0x34, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            &[0, 4, 1, 2, 3, 4, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15],
            &[0x44, 0x12, 0x34, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 7, 7, 7, 7, 7, 7, 7, 7],
            &[0x12, 0x00, 0x00, 0x00, 0x00, 0x01, 0x12, 0x34],
            &[1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4],
        ];
        for step in steps {
            assert_eq!(found(step).len(), 1, "{step:X?}: {:?}", found(step));
        }
        assert_eq!(found(&[0x04, 0x12, 0x34, 0xFF, 0xFF, 0xFF, 0xFF]), [""; 0]);
    }
}
