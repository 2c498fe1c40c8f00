//! The keys that may be exchanged with partners in TR-31 blocks, and the usage, algorithm and modes of use (ANSI X9.143) that the
//! block's header has for each role. The same table serves export and import.
use std::fmt;

use hsm::KeyName;

use crate::module::key_kind::{KeyKind, Material};
use crate::verbs::tr31_text::{Header, Version};

/// Keys of one role and algorithm. The first usage and mode are written at export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExchangeableKey {
    role: &'static str,
    algorithm: u8,
    usages: &'static [&'static [u8; 2]],
    modes: &'static [u8],
}

const fn row(
    role: &'static str,
    algorithm: u8,
    usages: &'static [&'static [u8; 2]],
    modes: &'static [u8],
) -> ExchangeableKey {
    ExchangeableKey { role, algorithm, usages, modes }
}

/// Keys for one direction only are not accepted: each of these serves both. A PIN verification key serves the method that the
/// card's row names.
const TABLE: [ExchangeableKey; 14] = [
    row("zpk", b'T', &[b"P0"], b"BN"),
    row("zpk", b'A', &[b"P0"], b"BN"),
    row("zak", b'T', &[b"M3"], b"CN"),
    row("zak", b'A', &[b"M6"], b"CN"),
    row("cvk", b'T', &[b"C0"], b"CN"),
    row("pvk", b'T', &[b"V2", b"V1", b"V0"], b"CN"),
    row("imk-ac", b'T', &[b"E0"], b"XN"),
    row("imk-smc", b'T', &[b"E1"], b"XN"),
    row("imk-smi", b'T', &[b"E2"], b"XN"),
    row("imk-dcvv", b'T', &[b"E4"], b"XN"),
    row("kbpk", b'T', &[b"K1"], b"BN"),
    row("kbpk", b'A', &[b"K1"], b"BN"),
    row("bdk", b'T', &[b"B0"], b"XN"),
    row("bdk", b'A', &[b"B0"], b"XN"),
];

/// Why the key of a block is refused for a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsuitable {
    #[error("keys of this role are made here and travel nowhere")]
    NotExchangeable,
    #[error("expected {expected}, found {found}")]
    Header { expected: String, found: String },
    #[error("expected a key that may be passed on (exportability E or S), found exportability {0}")]
    NotExportable(char),
    #[error("expected a whole key, found a component (key version {0})")]
    Component(String),
    #[error("expected {expected}, found {}", length(*found))]
    Length {
        expected: &'static str,
        /// 0 stands for a length that no key has.
        found: usize,
    },
    #[error("{0}")]
    Weak(&'static str),
    #[error("a key of {key} bits under one of {under} bits: it would be no stronger than that")]
    Stronger { key: usize, under: usize },
}

impl ExchangeableKey {
    /// The row of a key; `None` for a key that is never exchanged.
    pub(crate) fn of(name: &KeyName, kind: KeyKind) -> Option<&'static Self> {
        if name.without_companion() != *name {
            return None;
        }
        Self::of_role(name.as_str().split('/').next().unwrap_or_default(), kind)
    }

    pub(crate) fn of_role(role: &str, kind: KeyKind) -> Option<&'static Self> {
        let algorithm = if kind.material() == Material::Des2 { b'T' } else { b'A' };
        TABLE.iter().find(|row| row.role == role && row.algorithm == algorithm)
    }

    /// Usage, algorithm and mode for export.
    pub(crate) fn written(&self) -> ([u8; 2], u8, u8) {
        (*self.usages[0], self.algorithm, self.modes[0])
    }

    /// Whether a header matches this row.
    pub(crate) fn suits(&self, header: &Header) -> bool {
        self.usages.contains(&&header.usage)
            && self.algorithm == header.algorithm
            && self.modes.contains(&header.mode)
            && !is_component(header)
    }

    /// As [`ExchangeableKey::suits`]; the error has the expected and the found values.
    pub(crate) fn judge(&self, header: &Header) -> Result<(), Unsuitable> {
        if is_component(header) {
            return Err(Unsuitable::Component(text(&header.key_version)));
        }
        if self.suits(header) {
            return Ok(());
        }
        Err(Unsuitable::Header { expected: self.to_string(), found: header.to_string() })
    }
}

/// X9.143: a key version that begins with `c` numbers a component.
fn is_component(header: &Header) -> bool {
    header.key_version[0] == b'c'
}

/// Whether a key may be wrapped under that one: under a key of the same cipher that is at least as long, or a DES key under AES. No
/// AES key is weaker than a DES key, however long.
pub(crate) fn may_be_wrapped_under(
    version: Version,
    under: usize,
    material: Material,
    key: usize,
) -> Result<(), Unsuitable> {
    let outgrown = match (version, material) {
        (Version::B, Material::Des2) | (Version::D, Material::Aes(_)) => key > under,
        (Version::D, Material::Des2) => false,
        (Version::B, Material::Aes(_)) | (_, Material::Secret) => true,
    };
    if outgrown { Err(Unsuitable::Stronger { key: 8 * key, under: 8 * under }) } else { Ok(()) }
}

impl fmt::Display for ExchangeableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usages: Vec<String> = self.usages.iter().map(|usage| text(*usage)).collect();
        let modes: Vec<String> = self.modes.iter().map(|mode| char::from(*mode).to_string()).collect();
        write!(f, "{} {} mode {}", usages.join(" or "), char::from(self.algorithm), modes.join(" or "))
    }
}

fn length(found: usize) -> String {
    if found == 0 { "another length".into() } else { format!("{found} bytes") }
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(usage: &[u8; 2], algorithm: u8, mode: u8) -> Header {
        Header {
            version: Version::D,
            usage: *usage,
            algorithm,
            mode,
            key_version: *b"00",
            exportability: b'N',
            blocks: Vec::new(),
        }
    }

    /// Every role accepts the headers that it writes itself, and none that another role writes.
    #[test]
    fn no_role_takes_the_key_of_another() {
        for row in &TABLE {
            let (usage, algorithm, mode) = row.written();
            assert_eq!(row.judge(&header(&usage, algorithm, mode)), Ok(()), "{row}");
            for other in TABLE.iter().filter(|other| *other != row) {
                assert!(
                    !other.suits(&header(&usage, algorithm, mode)),
                    "{} takes what {} writes",
                    other.role,
                    row.role
                );
            }
        }
    }

    #[test]
    fn what_was_expected_and_found_is_said() {
        let zak = ExchangeableKey::of(&KeyName::new("zak/partner").unwrap(), KeyKind::MacDes).unwrap();
        let said = zak.judge(&header(b"P0", b'T', b'B')).unwrap_err().to_string();
        assert_eq!(said, "expected M3 T mode C or N, found P0 T mode B");
        let component = Header { key_version: *b"c1", ..header(b"M3", b'T', b'C') };
        assert_eq!(zak.judge(&component), Err(Unsuitable::Component("c1".into())));
        assert_eq!(ExchangeableKey::of(&KeyName::new("vault").unwrap(), KeyKind::Vault), None);
        assert_eq!(ExchangeableKey::of(&KeyName::audit(), KeyKind::MacCmac), None);
    }

    #[test]
    fn a_key_travels_under_none_weaker() {
        let may = |version, under, material, key| may_be_wrapped_under(version, under, material, key).is_ok();
        assert!(may(Version::B, 16, Material::Des2, 16) && !may(Version::B, 16, Material::Des2, 24));
        assert!(may(Version::D, 16, Material::Des2, 24));
        assert!(may(Version::D, 16, Material::Aes(16), 16) && !may(Version::D, 16, Material::Aes(32), 32));
        assert!(!may(Version::B, 24, Material::Aes(16), 16));
    }
}
