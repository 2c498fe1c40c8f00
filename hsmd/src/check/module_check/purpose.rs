//! Purposes of a module: the lines of the verdict.
use serde::Serialize;

/// A group of verbs that all work or all fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Purpose {
    Vault,
    Fast,
    Strict,
    Pins,
    #[serde(rename = "pins-aes")]
    PinsAes,
    CardCodes,
    Macs,
    WorkingKeys,
    KeyExchange,
    Dukpt,
    Issuing,
    Ceremony,
    Separation,
}

impl Purpose {
    pub(crate) const ALL: [Self; 13] = [
        Self::Vault,
        Self::Fast,
        Self::Strict,
        Self::Pins,
        Self::PinsAes,
        Self::CardCodes,
        Self::Macs,
        Self::WorkingKeys,
        Self::KeyExchange,
        Self::Dukpt,
        Self::Issuing,
        Self::Ceremony,
        Self::Separation,
    ];

    /// Its name in the output of `--json`.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::Fast => "fast",
            Self::Strict => "strict",
            Self::Pins => "pins",
            Self::PinsAes => "pins-aes",
            Self::CardCodes => "card-codes",
            Self::Macs => "macs",
            Self::WorkingKeys => "working-keys",
            Self::KeyExchange => "key-exchange",
            Self::Dukpt => "dukpt",
            Self::Issuing => "issuing",
            Self::Ceremony => "ceremony",
            Self::Separation => "separation",
        }
    }

    /// Its description in the table.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Vault => "account numbers sealed, revealed and indexed; data keys; deliveries",
            Self::Fast => "cryptograms with the card key in the daemon's memory",
            Self::Strict => "cryptograms with every derived key inside the module",
            Self::Pins => "PINs verified, changed and translated, formats 0, 1 and 3",
            Self::PinsAes => "PIN blocks of format 4",
            Self::CardCodes => "CVV, CVV2, iCVV and dCVV",
            Self::Macs => "message MACs: X9.19 and AES-CMAC; the audit seal",
            Self::WorkingKeys => "terminals' and zones' working keys as key blocks",
            Self::KeyExchange => "TR-31, versions B and D",
            Self::Dukpt => "terminals with DUKPT, DES and AES",
            Self::Issuing => "cards and tokens personalised",
            Self::Ceremony => "keys generated, kept and found again",
            Self::Separation => "a key does nothing but its own work",
        }
    }

    /// Added to the exit code if it does not work.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Vault => 4,
            Self::Fast => 8,
            Self::Strict => 16,
            _ => 32,
        }
    }
}
