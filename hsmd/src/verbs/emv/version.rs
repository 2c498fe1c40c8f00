//! Cryptogram versions: which one the issuer application data names, and which keys and data it uses.
use hsm::CryptogramData;

use crate::verbs::mac::{pad_bit, pad_zeros};

/// How a cryptogram is computed. A new version is a row in [`Version::of`] and an arm in each match on this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Card key used as it is, zero padding, card verification results only; ARPC method 1.
    V10,
    /// The short contactless one: amount, unpredictable number, ATC and one byte of the card verification results.
    V17,
    /// EMV common session key, whole issuer application data; ARPC method 2.
    V18,
    /// As 18, with issuer application data of format 2.
    V22,
    /// A token of a wallet in the cloud: the key is a limited-use key under an index that the wallet sends along.
    V43,
    /// M/Chip: versions 10, 11, 14 and 15 in hexadecimal, which its manuals also call 16, 17, 20 and 21.
    MChip {
        session: MChipSession,
        /// Whether the counters at the end of the issuer application data are covered.
        counters: bool,
    },
}

/// Where an M/Chip card's session key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MChipSession {
    /// ATC and unpredictable number; the ARPC is under the card key.
    Proprietary,
    /// EMV common session key; the ARPC is under it too.
    Common,
}

/// Lengths of M/Chip's issuer application data: key index, version, card verification results (6), data authentication
/// code (2), then counters of 8 or 16 bytes with or without the last online ATC.
const M_CHIP_LENGTHS: [usize; 4] = [18, 20, 26, 28];
/// Where M/Chip's counters begin.
const M_CHIP_COUNTERS: usize = 10;

impl Version {
    /// The version that issuer application data (tag 9F10) names. `Err` is the byte that names another one.
    ///
    /// The layout shows the scheme: Visa's begins with a length (06, optionally followed by issuer data behind a length of its
    /// own; or 1F with the version next), M/Chip's has one of four lengths and no length byte.
    pub(crate) fn of(iad: &[u8]) -> Result<Self, u8> {
        match iad {
            [0x1F, version, ..] if iad.len() == 32 => match version {
                0x22 => Ok(Self::V22),
                0x43 => Ok(Self::V43),
                other => Err(*other),
            },
            [0x06, _, version, _, _, _, _] => Self::visa(*version),
            [0x06, _, version, _, _, _, _, further, ..] if iad.len() == 8 + usize::from(*further) => {
                Self::visa(*version)
            }
            [_, version, ..] if M_CHIP_LENGTHS.contains(&iad.len()) => Self::m_chip(*version),
            [_, _, version, ..] => Self::visa(*version),
            _ => Err(0),
        }
    }

    fn visa(version: u8) -> Result<Self, u8> {
        match version {
            0x0A => Ok(Self::V10),
            0x11 => Ok(Self::V17),
            0x12 => Ok(Self::V18),
            other => Err(other),
        }
    }

    fn m_chip(version: u8) -> Result<Self, u8> {
        let (session, counters) = match version {
            0x10 => (MChipSession::Proprietary, false),
            0x11 => (MChipSession::Proprietary, true),
            0x14 => (MChipSession::Common, false),
            0x15 => (MChipSession::Common, true),
            other => return Err(other),
        };
        Ok(Self::MChip { session, counters })
    }

    /// The padded data that the card computed its cryptogram over.
    pub(crate) fn covered(self, data: &CryptogramData) -> Vec<u8> {
        if self == Self::V17 {
            // card verification results follow length, key index and version; their second byte is covered
            let results = data.iad.get(4).copied().unwrap_or(0);
            return pad_zeros(&[&data.amount[..], &data.unpredictable, &data.atc, &[results]].concat());
        }
        let mut bytes = common(data);
        match self {
            Self::V10 | Self::V17 => {
                bytes.extend_from_slice(data.iad.get(3..7).unwrap_or(&[]));
                pad_zeros(&bytes)
            }
            Self::V18 | Self::V22 | Self::V43 => {
                bytes.extend_from_slice(&data.iad);
                pad_bit(&bytes)
            }
            Self::MChip { counters, .. } => {
                bytes.extend_from_slice(data.iad.get(2..8).unwrap_or(&[]));
                if counters {
                    bytes.extend_from_slice(data.iad.get(M_CHIP_COUNTERS..).unwrap_or(&[]));
                }
                pad_bit(&bytes)
            }
        }
    }

    /// The index of a cloud token's limited-use key: year digit, hours since the year began, count within the hour, in
    /// seven digits behind a zero.
    pub(crate) fn key_index(iad: &[u8]) -> Option<[u8; 4]> {
        // length, version, key index, card verification results (6), wallet (4)
        iad.get(13..17)?.try_into().ok()
    }
}

/// The data elements with which all versions but 17 begin, in the order of the card's list of tags.
fn common(data: &CryptogramData) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(80);
    bytes.extend_from_slice(&data.amount);
    bytes.extend_from_slice(&data.other_amount);
    bytes.extend_from_slice(&data.country);
    bytes.extend_from_slice(&data.tvr);
    bytes.extend_from_slice(&data.currency);
    bytes.extend_from_slice(&data.date);
    bytes.push(data.kind);
    bytes.extend_from_slice(&data.unpredictable);
    bytes.extend_from_slice(&data.aip);
    bytes.extend_from_slice(&data.atc);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_tells_whose_version_it_is() {
        let visa = |version| vec![0x06, 0x01, version, 3, 0xA0, 0, 0];
        assert_eq!(Version::of(&visa(0x0A)), Ok(Version::V10));
        assert_eq!(Version::of(&visa(0x11)), Ok(Version::V17));
        assert_eq!(Version::of(&visa(0x12)), Ok(Version::V18));
        assert_eq!(Version::of(&visa(0x10)), Err(0x10), "16 is an M/Chip version, and this is Visa's layout");
        // ten bytes of issuer data: eighteen in all, as long as M/Chip's
        let with_issuer_data = [visa(0x12), vec![10], vec![7; 10]].concat();
        assert_eq!(Version::of(&with_issuer_data), Ok(Version::V18));

        let m_chip = |version, length| {
            let mut iad = vec![0xAA; length];
            iad[1] = version;
            iad
        };
        for length in M_CHIP_LENGTHS {
            let version = Version::of(&m_chip(0x11, length));
            assert_eq!(version, Ok(Version::MChip { session: MChipSession::Proprietary, counters: true }));
        }
        assert_eq!(
            Version::of(&m_chip(0x14, 18)),
            Ok(Version::MChip { session: MChipSession::Common, counters: false })
        );
        assert_eq!(Version::of(&m_chip(0x16, 18)), Err(0x16));

        let format_2 = |version| [vec![0x1F, version], vec![0; 30]].concat();
        assert_eq!(Version::of(&format_2(0x22)), Ok(Version::V22));
        assert_eq!(Version::of(&format_2(0x43)), Ok(Version::V43));
        assert_eq!(Version::of(&format_2(0x23)), Err(0x23));
        assert_eq!(Version::of(&[1]), Err(0));
    }
}
