//! The secrets of a run's cards, which must not be found anywhere afterwards.

use std::sync::Arc;

use pos_sim::card::{Card, TrackImage};
use pos_sim::crypto::TdesKey;
use pos_sim::crypto::pin_block::format_0;
use pos_sim::delivery::DeliveredCard;
use pos_sim::reading::{Instrument, PinEntry};
use pos_sim::wallet::Wallet;

use crate::secret_search::Needle;

/// The sources of the secrets: cards and devices, and the keys that encrypted PINs.
#[derive(Debug)]
pub struct SecretSources<'a> {
    pub cards: &'a [Arc<Card>],
    pub wallets: &'a [Arc<Wallet>],
    /// Their printed and encoded codes. Only those of the cards of the demo's steps: among thousands of three-digit codes some
    /// would be found by chance.
    pub story_cards: &'a [DeliveredCard],
    pub pin_keys: &'a [TdesKey],
}

impl SecretSources<'_> {
    pub fn needles(&self) -> Vec<Needle> {
        let cards = self.cards.iter().enumerate().flat_map(|(number, card)| self.of_card(number, card));
        let wallets = self.wallets.iter().enumerate().flat_map(|(number, wallet)| {
            let pan = Needle::of_digits(&format!("PAN of wallet {number}"), &digits(wallet.token.expose()));
            pan.into_iter().chain(self.of_pins(&format!("wallet {number}"), &Instrument::Contactless(wallet.clone())))
        });
        let codes = self.story_cards.iter().flat_map(codes);
        cards.chain(wallets).chain(codes).collect()
    }

    fn of_card(&self, number: usize, card: &Arc<Card>) -> Vec<Needle> {
        let mut needles = Needle::of_digits(&format!("PAN of card {number}"), &digits(card.pan.expose()));
        for image in [TrackImage::Stripe, TrackImage::Chip] {
            // The number in front of the separator is searched for already; this is the part behind it.
            let track = digits(card.track(image).expose());
            needles.extend(Needle::of_track_end(&format!("track of card {number}"), after_separator(&track)));
        }
        needles.extend(self.of_pins(&format!("card {number}"), &Instrument::Chip(card.clone())));
        needles
    }

    /// The PIN blocks that were made of a card's right and wrong PIN: clear, and under each key.
    fn of_pins(&self, whose: &str, instrument: &Instrument) -> Vec<Needle> {
        let pan = digits(instrument.pan().expose());
        let mut needles = Vec::new();
        for entry in [PinEntry::Right, PinEntry::Wrong] {
            let Some(pin) = instrument.pin(entry) else { continue };
            needles.extend(Needle::of_bytes(&format!("clear PIN block of {whose}"), &clear_block(&pan, pin.expose())));
            for key in self.pin_keys {
                let block = format_0(key, &pan, pin.expose()).expect("the cardholder's PIN makes a block");
                needles.extend(Needle::of_bytes(&format!("PIN block of {whose}"), &block));
            }
        }
        needles
    }
}

pub(crate) fn digits(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn after_separator(track: &str) -> &str {
    track.split_once(['=', 'D']).map_or(track, |(_, rest)| rest)
}

fn codes(card: &DeliveredCard) -> Vec<Needle> {
    let expiry = card.expiry.to_string();
    let named = [("CVV", &card.cvv), ("iCVV", &card.icvv), ("CVV2", &card.cvv2)];
    // Beside an expiry these are the service code and the currency.
    let tells = |code: &str| !["201", "978", "000", "101"].contains(&code);
    named
        .into_iter()
        .filter(|(_, code)| tells(code.expose()))
        .flat_map(|(name, code)| {
            Needle::of_code_beside_expiry(&format!("{name} of \"{}\"", card.note), &expiry, code.expose())
        })
        .collect()
}

/// ISO 9564 format 0 before it is encrypted: length and PIN, filled with F, over the twelve rightmost digits of the number
/// without its check digit.
pub(crate) fn clear_block(pan: &str, pin: &str) -> [u8; 8] {
    let account = &pan[pan.len() - 13..pan.len() - 1];
    let pin_field = format!("0{:X}{pin:F<14}", pin.len());
    let account_field = format!("0000{account}");
    let byte = |field: &str, at: usize| u8::from_str_radix(&field[2 * at..2 * at + 2], 16).expect("hexadecimal digits");
    std::array::from_fn(|at| byte(&pin_field, at) ^ byte(&account_field, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clear_block_is_what_the_key_encrypts() {
        let key = TdesKey::new(
            [0x0123_4567_89AB_CDEF_u64.to_be_bytes(), 0xFEDC_BA98_7654_3210_u64.to_be_bytes()]
                .concat()
                .try_into()
                .expect("16 bytes"),
        );
        let encrypted = format_0(&key, "4000120000000002", "1234").expect("block");
        assert_eq!(key.decrypt(encrypted), clear_block("4000120000000002", "1234"));
    }
}
