//! Reference values that PINs are verified against, and the orders that change PINs and make new ones.
use codecs::value::{Pan, PinBlock};

use crate::delivery_file::DeliveryItem;
use crate::edge::PinFormat;
use crate::error::HsmError;
use crate::name::{KeyName, KeySet};
use crate::secret::{Pvv, hidden};
use crate::vault::PanEnvelope;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The reference value of a PIN, which the issuer stores instead of the PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinReference {
    /// Visa's PIN verification value under a key index from 0 to 9 (6 is usual).
    Pvv { pvv: Pvv, pvki: u8 },
    /// IBM 3624: how the PIN differs from the one that follows from the account number.
    Offset { offset: PinOffset, scheme: OffsetScheme },
}

/// By which method a new PIN is to be verified later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinMethod {
    /// Visa's PIN verification value under a key index from 0 to 9.
    Pvv { pvki: u8 },
    /// IBM 3624 offset.
    Offset(OffsetScheme),
}

impl PinReference {
    /// The method it was made by.
    pub fn method(&self) -> PinMethod {
        match self {
            Self::Pvv { pvki, .. } => PinMethod::Pvv { pvki: *pvki },
            Self::Offset { scheme, .. } => PinMethod::Offset(scheme.clone()),
        }
    }
}

/// IBM 3624 offset: four to twelve digits, as many as the PIN has.
#[derive(Clone, Eq, Zeroize, ZeroizeOnDrop)]
pub struct PinOffset(Vec<u8>);
hidden!(PinOffset);

impl PartialEq for PinOffset {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other)
    }
}

impl PinOffset {
    /// Four to twelve ASCII digits.
    pub fn new(digits: &[u8]) -> Result<Self, HsmError> {
        if (4..=12).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) {
            Ok(Self(digits.to_vec()))
        } else {
            Err(HsmError::BadInput("a PIN offset is four to twelve digits"))
        }
    }

    /// The digits, to be stored with the card.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is this one; takes as long whatever digits differ. Their number is no secret.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// How IBM 3624 makes digits of an account number: which of the PAN's digits are enciphered, what fills them up to
/// sixteen, and which digit stands for each hexadecimal one of the result.
///
/// A caller cannot choose the table: whoever may choose decimalisation tables learns a PIN in about fifteen queries (Bond
/// and Zieliński, "Decimalisation table attacks for PIN cracking", 2003). Callers get the usual table, and the protocol has
/// no field for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetScheme {
    table: [u8; 16],
    first: u8,
    count: u8,
    pad: u8,
}

/// The table that issuers use.
const USUAL_TABLE: [u8; 16] = *b"0123456789012345";

/// Fewest different digits of a decimalisation table; payment HSMs refuse one with fewer as well.
const DIFFERENT_DIGITS: usize = 8;
const SAME_DIGIT: usize = 4;

impl OffsetScheme {
    /// With the usual table. `first` counts the PAN's digits from 0, `count` of them are taken; `pad` is a nibble, usually F.
    pub fn usual(first: u8, count: u8, pad: u8) -> Result<Self, HsmError> {
        Self::with_table(USUAL_TABLE, first, count, pad)
    }

    /// With a table of sixteen ASCII digits: for known answers inside the daemon. A caller gains nothing by it, because the table
    /// is not sent.
    pub fn with_table(table: [u8; 16], first: u8, count: u8, pad: u8) -> Result<Self, HsmError> {
        if !table.iter().all(u8::is_ascii_digit) {
            return Err(HsmError::BadInput("a decimalisation table is sixteen digits"));
        }
        let mut seen = [0_usize; 10];
        for digit in table {
            seen[usize::from(digit - b'0')] += 1;
        }
        let different = seen.iter().filter(|times| **times > 0).count();
        if different < DIFFERENT_DIGITS || seen.iter().any(|times| *times > SAME_DIGIT) {
            return Err(HsmError::BadInput(
                "a decimalisation table needs eight different digits, and none of them more than four times",
            ));
        }
        if pad > 0xF || !(1..=16).contains(&count) || first > 18 {
            return Err(HsmError::BadInput(
                "validation data are 1 to 16 digits of the account number, filled with a nibble",
            ));
        }
        Ok(Self { table: table.map(|digit| digit - b'0'), first, count, pad })
    }

    /// The digit, 0 to 9, for each hexadecimal digit.
    pub fn table(&self) -> &[u8; 16] {
        &self.table
    }

    /// The first of the digits taken, counted from 0.
    pub fn first(&self) -> usize {
        self.first.into()
    }

    /// How many digits are taken.
    pub fn count(&self) -> usize {
        self.count.into()
    }

    /// The nibble that fills them up to sixteen.
    pub fn pad(&self) -> u8 {
        self.pad
    }

    /// `first`, `count` and `pad` as [`OffsetScheme::usual`] takes them.
    pub(crate) fn parts(&self) -> [u8; 3] {
        [self.first, self.count, self.pad]
    }
}

/// A cardholder changes the PIN: the old one is verified and the reference value of the new one is made, in one job.
#[derive(Debug, Clone)]
pub struct PinChange {
    /// The PAN as the terminal saw it; both blocks bind to it.
    pub presented: Pan,
    /// The FPAN behind a DPAN, with the associated data of its envelope. Absent when `presented` is the FPAN.
    pub funding: Option<(PanEnvelope, Vec<u8>)>,
    /// Whose `pvk` applies.
    pub issuer_keys: KeySet,
    /// The zone PIN key both blocks arrived under.
    pub zone_key: KeyName,
    pub format: PinFormat,
    pub current: PinBlock,
    pub reference: PinReference,
    pub new: PinBlock,
}

/// Result of a PIN change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinChangeOutcome {
    /// To be stored in the place of the old one; same method, same key index or scheme.
    Changed(PinReference),
    /// The current PIN is not right: it costs a try.
    Wrong,
    /// One of the deciphered blocks is not a PIN block for this PAN. It costs no try.
    FormatError,
    /// The funding envelope does not open with its associated data.
    EnvelopeMismatch,
}

/// A new PIN for an existing card, as a paper mailer: drawn in the module, delivered only to the printer of PIN mailers.
#[derive(Debug, Clone)]
pub struct PinOrder {
    pub pan: Pan,
    /// Whose `pvk` applies.
    pub keys: KeySet,
    pub method: PinMethod,
    /// For the mailer's file: its address, as text.
    pub note: String,
}

/// The reference value of a new PIN, for the issuer, and the delivery item for the printer.
#[derive(Debug, Clone)]
pub struct IssuedPin {
    pub reference: PinReference,
    /// Holds the PIN and the PAN's last four digits, under the transport key.
    pub mailer: DeliveryItem,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimalisation_table_with_few_digits_is_refused() {
        let scheme = |table: &[u8; 16]| OffsetScheme::with_table(*table, 0, 16, 0xF);
        assert!(scheme(b"0123456789012345").is_ok());
        assert!(scheme(b"0000000000000001").is_err(), "fifteen zeros tell which digits a PIN has");
        assert!(scheme(b"0123456701234567").is_ok());
        assert!(scheme(b"0123456012345601").is_err(), "seven different digits");
        assert!(scheme(b"012345678900000A").is_err());
    }

    #[test]
    fn an_offset_does_not_show() {
        let offset = PinOffset::new(b"73519").unwrap();
        assert_eq!(format!("{offset:?}"), "PinOffset(hidden)");
        assert!(PinOffset::new(b"735").is_err() && PinOffset::new(b"73a1").is_err());
    }
}
