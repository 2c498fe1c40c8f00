//! Errors of decoding and encoding messages, with element and byte.

use crate::composite::Path;
use std::fmt;

/// The kind of a decoding error. The names are part of the tool's output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    Truncated,
    Charset,
    LengthOverMax,
    BadLength,
    BadHex,
    BadPad,
    BadTlv,
    TrailingData,
    Framing,
    UnknownElement,
    NoRule,
    Date,
    MissingElement,
    UnexpectedElement,
    Class,
}

impl ErrorKind {
    /// The stable name, as printed by `iso8583 decode --ndjson`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Charset => "charset",
            Self::LengthOverMax => "length-over-max",
            Self::BadLength => "bad-length",
            Self::BadHex => "bad-hex",
            Self::BadPad => "bad-pad",
            Self::BadTlv => "bad-tlv",
            Self::TrailingData => "trailing-data",
            Self::Framing => "framing",
            Self::UnknownElement => "unknown-element",
            Self::NoRule => "no-rule",
            Self::Date => "date",
            Self::MissingElement => "missing-element",
            Self::UnexpectedElement => "unexpected-element",
            Self::Class => "class",
        }
    }
}

/// The name of an element in text and logs: the MTI, the bitmap, or `DE` and its number.
pub fn element_name(element: u8) -> String {
    match element {
        crate::de::MTI => "MTI".into(),
        crate::de::BITMAP => "bitmap".into(),
        n => format!("DE{n}"),
    }
}

/// Why a message could not be read: kind, element and byte.
///
/// It never contains content, so it can be logged whatever the element holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    pub kind: ErrorKind,
    /// Element number; 0 is the MTI, 1 the bitmap.
    pub element: u8,
    /// The path to the part within a composite element, if the fault is in one.
    pub within: Path,
    /// Byte offset from the start of the message body.
    pub offset: usize,
    /// Number of units (bytes, digits or characters, by kind) that were needed, if known.
    pub expected: Option<usize>,
    /// Number of units that were there.
    pub found: Option<usize>,
}

impl DecodeError {
    pub fn new(kind: ErrorKind, element: u8, offset: usize) -> Self {
        Self { kind, element, within: Path::default(), offset, expected: None, found: None }
    }

    pub(crate) fn sized(mut self, expected: usize, found: usize) -> Self {
        self.expected = Some(expected);
        self.found = Some(found);
        self
    }

    /// `DE55/9F26`, `DE127.25`, `DE43`, `MTI`.
    pub fn path(&self) -> String {
        format!("{}{}", element_name(self.element), self.within)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}", self.path(), self.offset, self.kind.name())?;
        match (self.expected, self.found) {
            (Some(expected), Some(found)) => write!(f, " (expected {expected}, found {found})"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Why a message could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The dialect has no row for the element.
    #[error("{}: the dialect has no rule for it", element_name(*.0))]
    NoRule(u8),
    /// The value does not fit the element's length.
    #[error("{}: {found} long, the dialect allows {allowed}", element_name(*.element))]
    Length { element: u8, allowed: usize, found: usize },
    /// The value has characters that the element's format or encoding cannot carry.
    #[error("{}: characters the element cannot carry", element_name(*.0))]
    Class(u8),
}
