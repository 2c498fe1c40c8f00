//! Names of the private data subelements (PDS) of clearing records, as public readers of the format give them.

const NAMES: [(&str, &str); 9] = [
    ("0023", "terminal type"),
    ("0025", "reversal indicator"),
    ("0105", "file id"),
    ("0122", "processing mode"),
    ("0148", "currency exponents"),
    ("0158", "business activity"),
    ("0165", "settlement indicator"),
    ("0301", "file amount checksum"),
    ("0306", "file message count"),
];

pub(super) fn name(tag: &str) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == tag).map(|(_, name)| *name)
}
