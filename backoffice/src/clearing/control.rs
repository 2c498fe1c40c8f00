//! The control file beside a clearing file, by which its receiver checks that it arrived whole. Pure.

use ledger::journal::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::writer::Totals;

/// Content of a control file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    pub file: String,
    /// Number of records, header and trailer included.
    pub records: u32,
    /// Sum of DE4 in minor units.
    pub checksum: u64,
    /// SHA-256 of the clearing file, in lower-case hex.
    pub sha256: String,
}

/// A difference between a clearing file and its control file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlFault {
    #[error("the control file cannot be read: {0}")]
    Form(String),
    #[error("the control file's sha256 is not that of the file")]
    Sha256,
    #[error("the control file says {declared} records, there are {counted}")]
    Records { declared: u32, counted: u32 },
    #[error("the control file says checksum {declared}, it is {counted}")]
    Checksum { declared: u64, counted: u64 },
}

impl Control {
    /// The control file of a clearing file with these bytes and totals.
    #[must_use]
    pub fn of(name: &str, bytes: &[u8], totals: Totals) -> Self {
        let Totals { records, checksum } = totals;
        Self { file: name.to_owned(), records, checksum, sha256: hex(&Sha256::digest(bytes)) }
    }

    /// Parses a control file.
    pub fn parse(text: &[u8]) -> Result<Self, ControlFault> {
        serde_json::from_slice(text).map_err(|error| ControlFault::Form(error.to_string()))
    }

    /// The control file's bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("text and numbers serialize");
        bytes.push(b'\n');
        bytes
    }

    /// Whether it belongs to the file with this hash, whose own totals were verified.
    pub fn check(&self, sha256: &[u8; 32], totals: Totals) -> Result<(), ControlFault> {
        let Totals { records, checksum } = totals;
        if !self.sha256.eq_ignore_ascii_case(&hex(sha256)) {
            Err(ControlFault::Sha256)
        } else if self.records != records {
            Err(ControlFault::Records { declared: self.records, counted: records })
        } else if self.checksum != checksum {
            Err(ControlFault::Checksum { declared: self.checksum, counted: checksum })
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_disagreement_is_named() {
        let totals = Totals { records: 3, checksum: 632 };
        let control = Control::of("a.ipm", b"bytes", totals);
        assert_eq!(Control::parse(&control.write()), Ok(control.clone()));
        let of = |bytes: &[u8]| -> [u8; 32] { Sha256::digest(bytes).into() };
        assert_eq!(control.check(&of(b"bytes"), totals), Ok(()));
        assert_eq!(control.check(&of(b"other"), totals), Err(ControlFault::Sha256));
        let fewer = Totals { records: 2, ..totals };
        assert_eq!(control.check(&of(b"bytes"), fewer), Err(ControlFault::Records { declared: 3, counted: 2 }));
        let less = Totals { checksum: 631, ..totals };
        assert_eq!(control.check(&of(b"bytes"), less), Err(ControlFault::Checksum { declared: 632, counted: 631 }));
        assert!(matches!(Control::parse(b"{"), Err(ControlFault::Form(_))));
    }
}
