//! The ways of reading a card, and the data that the terminal then has.

use std::sync::Arc;

use codecs::value::{Expiry, Pan, PosEntryMode, Track2};

use crate::card::{Card, TrackImage};
use crate::chip::{Cryptogram, TerminalData};
use crate::secret::Digits;
use crate::wallet::Wallet;

/// The card or wallet presented, and the way it is read.
#[derive(Clone, Debug)]
pub enum Instrument {
    Stripe(Arc<Card>),
    /// A stripe onto which the chip's track data was copied.
    StripeCopiedFromChip(Arc<Card>),
    Chip(Arc<Card>),
    /// The chip's last cryptogram sent again.
    ReplayedChip(Arc<Card>),
    Contactless(Arc<Wallet>),
    /// Number, expiry and printed code typed by the merchant.
    Keyed(Arc<Card>),
    /// The same with another printed code.
    KeyedWrongCode(Arc<Card>),
    /// Number, expiry and printed code typed by the cardholder on a web page.
    Ecommerce(Arc<Card>),
    /// A card number that was never issued.
    Unissued {
        pan: Pan,
        expiry: Expiry,
    },
}

/// What is entered at the PIN pad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PinEntry {
    #[default]
    None,
    Right,
    Wrong,
}

/// The data that a terminal has after reading a card.
#[derive(Debug)]
pub struct Reading {
    pub pan: Pan,
    pub expiry: Expiry,
    pub sequence: Option<u8>,
    pub track: Option<Track2>,
    pub entry: PosEntryMode,
    pub cryptogram: Option<Cryptogram>,
    pub security_code: Option<Digits>,
}

/// A replay was requested before the chip had signed anything.
#[derive(Debug, thiserror::Error)]
#[error("this chip has not signed anything yet that could be replayed")]
pub struct NothingToReplay;

const STRIPE: PosEntryMode = PosEntryMode { entry: 90, pin: 1 };
const CHIP: PosEntryMode = PosEntryMode { entry: 5, pin: 1 };
const CONTACTLESS: PosEntryMode = PosEntryMode { entry: 7, pin: 1 };
const KEYED: PosEntryMode = PosEntryMode { entry: 1, pin: 2 };
const ECOMMERCE: PosEntryMode = PosEntryMode { entry: 81, pin: 2 };

impl Instrument {
    /// Reads it at a terminal.
    ///
    /// # Errors
    /// A replay before the first transaction.
    pub fn read(&self, terminal: &TerminalData) -> Result<Reading, NothingToReplay> {
        Ok(match self {
            Self::Stripe(card) => from_stripe(card, TrackImage::Stripe),
            Self::StripeCopiedFromChip(card) => from_stripe(card, TrackImage::Chip),
            Self::Chip(card) => from_chip(card, card.chip.sign(terminal)),
            Self::ReplayedChip(card) => from_chip(card, card.chip.replay().ok_or(NothingToReplay)?),
            Self::Contactless(wallet) => from_wallet(wallet, terminal),
            Self::Keyed(card) => typed(card, card.printed_code.clone(), KEYED),
            Self::KeyedWrongCode(card) => typed(card, another_code(&card.printed_code), KEYED),
            Self::Ecommerce(card) => typed(card, card.printed_code.clone(), ECOMMERCE),
            Self::Unissued { pan, expiry } => {
                Reading { security_code: Digits::new("000"), ..plain(pan.clone(), *expiry, KEYED) }
            }
        })
    }

    /// The card number that the terminal reads.
    #[must_use]
    pub fn pan(&self) -> &Pan {
        match self {
            Self::Contactless(wallet) => &wallet.token,
            Self::Unissued { pan, .. } => pan,
            Self::Stripe(card)
            | Self::StripeCopiedFromChip(card)
            | Self::Chip(card)
            | Self::ReplayedChip(card)
            | Self::Keyed(card)
            | Self::KeyedWrongCode(card)
            | Self::Ecommerce(card) => &card.pan,
        }
    }

    /// The digits typed at the PIN pad; a token has its card's PIN.
    #[must_use]
    pub fn pin(&self, entry: PinEntry) -> Option<Digits> {
        let right = match self {
            Self::Contactless(wallet) => &wallet.card.pin,
            Self::Unissued { .. } => return None,
            Self::Stripe(card)
            | Self::StripeCopiedFromChip(card)
            | Self::Chip(card)
            | Self::ReplayedChip(card)
            | Self::Keyed(card)
            | Self::KeyedWrongCode(card)
            | Self::Ecommerce(card) => &card.pin,
        };
        match entry {
            PinEntry::None => None,
            PinEntry::Right => Some(right.clone()),
            PinEntry::Wrong => Some(another_code(right)),
        }
    }

    /// Whether a wallet was presented, so that receipts show the token's last digits.
    #[must_use]
    pub fn is_token(&self) -> bool {
        matches!(self, Self::Contactless(_))
    }
}

fn plain(pan: Pan, expiry: Expiry, entry: PosEntryMode) -> Reading {
    Reading { pan, expiry, sequence: None, track: None, entry, cryptogram: None, security_code: None }
}

fn from_stripe(card: &Card, image: TrackImage) -> Reading {
    Reading { track: Some(card.track(image)), ..plain(card.pan.clone(), card.expiry, STRIPE) }
}

fn from_chip(card: &Card, cryptogram: Cryptogram) -> Reading {
    Reading {
        sequence: Some(card.sequence),
        track: Some(card.track(TrackImage::Chip)),
        cryptogram: Some(cryptogram),
        ..plain(card.pan.clone(), card.expiry, CHIP)
    }
}

fn from_wallet(wallet: &Wallet, terminal: &TerminalData) -> Reading {
    Reading {
        sequence: Some(wallet.sequence),
        cryptogram: Some(wallet.chip.sign(terminal)),
        ..plain(wallet.token.clone(), wallet.expiry, CONTACTLESS)
    }
}

fn typed(card: &Card, code: Digits, entry: PosEntryMode) -> Reading {
    Reading { security_code: Some(code), ..plain(card.pan.clone(), card.expiry, entry) }
}

/// As many digits, and surely others: each is one higher.
fn another_code(right: &Digits) -> Digits {
    let other: String = right.expose().bytes().map(|d| char::from(b'0' + (d - b'0' + 1) % 10)).collect();
    Digits::new(&other).expect("digits stay digits")
}
