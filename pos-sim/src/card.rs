//! A payment card and its holder's PIN: a stripe, a chip, a printed code.

use codecs::value::{Currency, Expiry, Minor, Pan, Track2};

use crate::chip::Chip;
use crate::delivery::DeliveredCard;
use crate::secret::Digits;

/// One card, with its data and its holder's PIN.
#[derive(Debug)]
pub struct Card {
    pub pan: Pan,
    pub expiry: Expiry,
    /// Card sequence number.
    pub sequence: u8,
    pub(crate) service_code: Digits,
    pub(crate) pin: Digits,
    /// Verification value on the stripe.
    pub(crate) cvv: Digits,
    /// Verification value in the chip's image of the stripe.
    pub(crate) icvv: Digits,
    /// Printed on the back.
    pub(crate) printed_code: Digits,
    pub chip: Chip,
    /// The card's purpose; scenarios name the card by it.
    pub note: String,
    /// Balance of the account when the card was issued.
    pub opening_balance: Minor,
    pub currency: Currency,
}

/// Which of the two images of track 2 a reader got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackImage {
    Stripe,
    /// The chip's, whose verification value does not belong on a stripe.
    Chip,
}

impl Card {
    #[must_use]
    pub fn track(&self, image: TrackImage) -> Track2 {
        let code = match image {
            TrackImage::Stripe => &self.cvv,
            TrackImage::Chip => &self.icvv,
        };
        // key index and PIN verification value are left zero: the issuer keeps them in its own records
        let mut chars = self.pan.expose().to_vec();
        chars.extend(format!("={}{}00000", self.expiry, self.service_code.expose()).into_bytes());
        chars.extend(code.expose().bytes());
        Track2::from_chars(&chars).expect("a card's number, expiry and codes make a track")
    }
}

impl From<DeliveredCard> for Card {
    fn from(card: DeliveredCard) -> Self {
        Self {
            pan: card.pan,
            expiry: card.expiry,
            sequence: card.psn,
            service_code: card.service_code,
            pin: card.pin,
            cvv: card.cvv,
            icvv: card.icvv,
            printed_code: card.cvv2,
            chip: Chip::new(card.udk_ac),
            note: card.note,
            opening_balance: Minor(card.balance_minor),
            currency: card.currency,
        }
    }
}
