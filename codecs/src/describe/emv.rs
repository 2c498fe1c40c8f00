//! Names and exposure of EMV tags (EMV 4.3 Book 3, annex A; tags of payment networks as their public kernels name
//! them).

mod meaning;

pub use meaning::meaning;

use crate::de::Exposure;

/// The name of a tag; `None` if it is not in the table.
pub fn tag_name(tag: u32) -> Option<&'static str> {
    row(tag).map(|(_, name, _)| *name)
}

/// How much of a tag's value may be shown. An unknown tag is hidden, because its content is unknown.
pub fn exposure(tag: u32) -> Exposure {
    row(tag).map_or(Hidden, |(.., exposure)| *exposure)
}

/// Every tag in the table, ascending.
pub fn tags() -> impl Iterator<Item = u32> {
    TAGS.iter().map(|(tag, ..)| *tag)
}

fn row(tag: u32) -> Option<&'static (u32, &'static str, Exposure)> {
    TAGS.binary_search_by_key(&tag, |(number, ..)| *number).ok().map(|at| &TAGS[at])
}

use Exposure::{Clear, Hidden, Masked};

/// Ascending by tag.
const TAGS: &[(u32, &str, Exposure)] = &[
    (0x42, "issuer identification number", Clear),
    (0x4F, "application identifier, card", Clear),
    (0x50, "application label", Clear),
    (0x56, "track 1 equivalent data", Hidden),
    (0x57, "track 2 equivalent data", Hidden),
    (0x5A, "application PAN", Masked),
    (0x71, "issuer script template 1", Clear),
    (0x72, "issuer script template 2", Clear),
    (0x82, "application interchange profile", Clear),
    (0x84, "dedicated file name", Clear),
    (0x86, "issuer script command", Clear),
    (0x8A, "authorization response code", Clear),
    (0x8E, "cardholder verification method list", Clear),
    (0x91, "issuer authentication data", Clear),
    (0x95, "terminal verification results", Clear),
    (0x99, "transaction PIN data", Hidden),
    (0x9A, "transaction date", Clear),
    (0x9B, "transaction status information", Clear),
    (0x9C, "transaction type", Clear),
    (0x5F20, "cardholder name", Hidden),
    (0x5F24, "application expiration date", Clear),
    (0x5F25, "application effective date", Clear),
    (0x5F28, "issuer country code", Clear),
    (0x5F2A, "transaction currency code", Clear),
    (0x5F2D, "language preference", Clear),
    (0x5F30, "service code", Clear),
    (0x5F34, "PAN sequence number", Clear),
    (0x9F01, "acquirer identifier", Clear),
    (0x9F02, "amount, authorized", Clear),
    (0x9F03, "amount, other", Clear),
    (0x9F06, "application identifier, terminal", Clear),
    (0x9F07, "application usage control", Clear),
    (0x9F09, "application version number, terminal", Clear),
    (0x9F0B, "cardholder name, extended", Hidden),
    (0x9F0D, "issuer action code, default", Clear),
    (0x9F0E, "issuer action code, denial", Clear),
    (0x9F0F, "issuer action code, online", Clear),
    (0x9F10, "issuer application data", Clear),
    (0x9F12, "application preferred name", Clear),
    (0x9F15, "merchant category code", Clear),
    (0x9F16, "merchant identifier", Clear),
    (0x9F1A, "terminal country code", Clear),
    (0x9F1C, "terminal identification", Clear),
    (0x9F1E, "interface device serial number", Clear),
    (0x9F1F, "track 1 discretionary data", Hidden),
    (0x9F20, "track 2 discretionary data", Hidden),
    (0x9F21, "transaction time", Clear),
    (0x9F24, "payment account reference", Hidden),
    (0x9F26, "application cryptogram", Clear),
    (0x9F27, "cryptogram information data", Clear),
    (0x9F33, "terminal capabilities", Clear),
    (0x9F34, "cardholder verification results", Clear),
    (0x9F35, "terminal type", Clear),
    (0x9F36, "application transaction counter", Clear),
    (0x9F37, "unpredictable number", Clear),
    (0x9F39, "point of service entry mode", Clear),
    (0x9F40, "terminal capabilities, additional", Clear),
    (0x9F41, "transaction sequence counter", Clear),
    (0x9F4E, "merchant name and location", Clear),
    (0x9F53, "transaction category code", Clear),
    (0x9F5B, "issuer script results", Clear),
    (0x9F66, "terminal transaction qualifiers", Clear),
    (0x9F6B, "track 2 data, contactless", Hidden),
    (0x9F6C, "card transaction qualifiers", Clear),
    (0x9F6E, "form factor indicator", Clear),
    (0x9F7C, "customer exclusive data", Clear),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_ascend_so_that_each_is_found() {
        assert!(TAGS.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(tag_name(0x9F26), Some("application cryptogram"));
        assert_eq!(exposure(0x57), Hidden);
        assert_eq!(exposure(0xDF01), Hidden, "an unknown tag is not shown");
    }
}
