//! The host's compound verb: all checks of one card read, in one job.
use codecs::value::{Expiry, Pan, PinBlock};
use subtle::ConstantTimeEq;

use crate::name::{KeyName, KeySet};
use crate::pin::PinReference;
use crate::secret::SecurityCode;
use crate::vault::PanEnvelope;

/// One card read to be judged. Absent parts are not checked.
#[derive(Debug, Clone)]
pub struct CardCheck {
    /// The PAN as the terminal saw it: the FPAN, or the DPAN of a token. Card keys, CVV and the PIN block bind to it.
    pub presented: Pan,
    /// The FPAN behind a DPAN, with the associated data that its envelope was sealed with. Absent when `presented` is the FPAN.
    pub funding: Option<(PanEnvelope, Vec<u8>)>,
    /// Whose `cvk`, `imk-dcvv` and `pvk` apply: the issuer's BIN, for a token the BIN of the FPAN.
    pub issuer_keys: KeySet,
    pub code: Option<CodeCheck>,
    pub pin: Option<PinCheck>,
    pub chip: Option<ChipCheck>,
}

/// A card security code and the way it was read, on which its computation depends.
#[derive(Debug, Clone)]
pub struct CodeCheck {
    pub read: CodeRead,
    pub expiry: Expiry,
    pub value: SecurityCode,
}

/// Where a card security code came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeRead {
    /// CVV of the stripe, over the service code in the track (three ASCII digits).
    Stripe { service_code: [u8; 3] },
    /// iCVV in the chip's track 2 equivalent, service code 999.
    Chip,
    /// CVV2 printed on the card, keyed or e-commerce, service code 000 and the expiry as MMYY.
    Keyed,
    /// dCVV of a contactless card in magnetic-stripe mode: made under the card's own key, different for each ATC.
    Dynamic(DynamicRead),
}

/// Inputs of a dynamic code besides PAN and expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DynamicRead {
    /// Three ASCII digits of the track.
    pub service_code: [u8; 3],
    /// PAN sequence number, 0 to 99.
    pub psn: u8,
    /// Application transaction counter as in the track: four decimal digits, 0 to 9999.
    pub atc: u16,
}

/// An online PIN with its reference value.
#[derive(Debug, Clone)]
pub struct PinCheck {
    pub block: PinBlock,
    /// The zone PIN key it arrived under, `zpk/host`.
    pub zone_key: KeyName,
    pub reference: PinReference,
}

/// An application cryptogram with the data it covers.
#[derive(Debug, Clone)]
pub struct ChipCheck {
    /// Whose `imk-ac` applies: the BIN, or the token range of a DPAN.
    pub keys: KeySet,
    /// PAN sequence number, 0 to 99.
    pub psn: u8,
    /// Tag 9F26: ARQC, or TC or AAC in an advice.
    pub cryptogram: [u8; 8],
    pub data: CryptogramData,
    /// Card status update that the issuer's answer carries if the host approves (CVN 18 and 22).
    pub approve_csu: [u8; 4],
}

impl ChipCheck {
    /// Whether the card sent this cryptogram; takes as long wherever they differ.
    pub fn holds(&self, expected: &[u8; 8]) -> bool {
        self.cryptogram.ct_eq(expected).into()
    }
}

/// The data elements that a cryptogram covers, as the terminal sent them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CryptogramData {
    /// 9F02, BCD.
    pub amount: [u8; 6],
    /// 9F03, BCD.
    pub other_amount: [u8; 6],
    /// 9F1A.
    pub country: [u8; 2],
    /// 95, terminal verification results.
    pub tvr: [u8; 5],
    /// 5F2A.
    pub currency: [u8; 2],
    /// 9A, YYMMDD.
    pub date: [u8; 3],
    /// 9C.
    pub kind: u8,
    /// 9F37.
    pub unpredictable: [u8; 4],
    /// 82, application interchange profile.
    pub aip: [u8; 2],
    /// 9F36, application transaction counter.
    pub atc: [u8; 2],
    /// 9F10, issuer application data: names the cryptogram version and carries the card verification results.
    pub iad: Vec<u8>,
}

impl CryptogramData {
    /// Collects the elements from wherever the caller keeps DE55's tags. `Err` names the first tag that is missing or has a
    /// wrong length.
    pub fn from_tags<'a>(tag: impl Fn(u32) -> Option<&'a [u8]>) -> Result<Self, u32> {
        fn fixed<'a, const N: usize>(tag: &impl Fn(u32) -> Option<&'a [u8]>, name: u32) -> Result<[u8; N], u32> {
            tag(name).and_then(|bytes| bytes.try_into().ok()).ok_or(name)
        }
        let iad = tag(0x9F10).filter(|iad| (3..=32).contains(&iad.len())).ok_or(0x9F10_u32)?;
        Ok(Self {
            amount: fixed(&tag, 0x9F02)?,
            other_amount: fixed(&tag, 0x9F03)?,
            country: fixed(&tag, 0x9F1A)?,
            tvr: fixed(&tag, 0x95)?,
            currency: fixed(&tag, 0x5F2A)?,
            date: fixed(&tag, 0x9A)?,
            kind: fixed::<1>(&tag, 0x9C)?[0],
            unpredictable: fixed(&tag, 0x9F37)?,
            aip: fixed(&tag, 0x82)?,
            atc: fixed(&tag, 0x9F36)?,
            iad: iad.to_vec(),
        })
    }
}

/// Verdict on a card read. Each part is present if the check asked for it, except `pin`: see there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardVerdict {
    pub code: Option<CodeOutcome>,
    /// Absent also when the code or the cryptogram was wrong: a PIN is verified only for an authentic card, because otherwise
    /// anyone with a PAN could guess PINs or lock the card.
    pub pin: Option<PinOutcome>,
    pub chip: Option<ChipOutcome>,
}

/// Verdict on a card security code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeOutcome {
    Ok,
    Wrong,
    /// The stripe carries the iCVV: chip data was copied to a magnetic stripe.
    ChipDataOnStripe,
}

/// Verdict on a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinOutcome {
    Ok,
    Wrong,
    /// The deciphered block is not a PIN block for this PAN: another key or another PAN. It costs the cardholder no PIN try.
    FormatError,
    /// The funding envelope does not open with its associated data: the row has been tampered with.
    EnvelopeMismatch,
}

/// Verdict on an application cryptogram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChipOutcome {
    /// Right. `approval` is the value of tag 91 for an approval: ARPC (4) and CSU (4) for CVN 18 and 22, ARPC (8) and a
    /// response code (2) for CVN 10 and 17 and for M/Chip, nothing for the tokens of CVN 43. A decline must not carry it.
    Ok {
        approval: Vec<u8>,
    },
    Wrong,
    /// A cryptogram version this module does not compute (the byte from 9F10): not the same as wrong.
    UnknownVersion(u8),
}
