//! The words of a dialect file for each choice, in one place for reading and printing them.

use super::{BitmapEncoding, Length, Rule, Tertiary, Version};
use crate::de::Exposure;
use crate::ebcdic::CodePage;
use crate::encoding::{Content, Format, LengthUnit, Padding, PrefixEncoding};

macro_rules! words {
    ($($type:ty: $($word:literal = $value:expr),+;)*) => { $(
        impl $type {
            /// The words for this choice in a dialect file.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The value of a word in a dialect file.
            pub fn of_word(word: &str) -> Option<Self> {
                match word { $($word => Some($value),)+ _ => None }
            }

            /// The word for the value in a dialect file.
            pub fn word(self) -> &'static str {
                [$(($value, $word)),+].into_iter().find(|(value, _)| *value == self).map_or("", |(_, word)| word)
            }
        }
    )* };
}

words! {
    Version: "1987" = Self::V1987, "1993" = Self::V1993, "2003" = Self::V2003;
    Length: "fixed" = Self::Fixed, "lvar" = Self::Prefix(1), "llvar" = Self::Prefix(2), "lllvar" = Self::Prefix(3),
        "llllvar" = Self::Prefix(4), "lllllvar" = Self::Prefix(5), "llllllvar" = Self::Prefix(6);
    BitmapEncoding: "bin" = Self::Raw, "hexascii" = Self::HexAscii, "hexebcdic" = Self::HexEbcdic;
    PrefixEncoding: "ascii" = Self::Ascii, "bcd" = Self::Bcd, "ebcdic" = Self::Ebcdic, "bin" = Self::Binary,
        "hexascii" = Self::HexAscii;
    LengthUnit: "digits" = Self::Digits, "bytes" = Self::Bytes;
    Padding: "left0" = Self::LeftZero, "right0" = Self::RightZero, "rightF" = Self::RightF;
    Tertiary: "after-secondary" = Self::AfterSecondary, "chained" = Self::Chained, "de127" = Self::InDe127;
    CodePage: "cp037" = Self::Cp037, "cp500" = Self::Cp500, "cp1047" = Self::Cp1047;
    Exposure: "clear" = Self::Clear, "masked" = Self::Masked, "hidden" = Self::Hidden;
}

impl Content {
    pub const WORDS: &'static [&'static str] = &["ascii", "ebcdic", "bcd", "raw", "hexascii", "hexebcdic"];

    /// The value of a word in a dialect file; EBCDIC is that of `page`.
    pub fn of_word(word: &str, page: CodePage) -> Option<Self> {
        match word {
            "ascii" => Some(Self::Ascii),
            "ebcdic" => Some(Self::Ebcdic(page)),
            "bcd" => Some(Self::Bcd),
            "raw" => Some(Self::Raw),
            "hexascii" => Some(Self::HexAscii),
            "hexebcdic" => Some(Self::HexEbcdic(page)),
            _ => None,
        }
    }

    /// The word for the value in a dialect file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ascii => "ascii",
            Self::Ebcdic(_) => "ebcdic",
            Self::Bcd => "bcd",
            Self::Raw => "raw",
            Self::HexAscii => "hexascii",
            Self::HexEbcdic(_) => "hexebcdic",
        }
    }

    /// Whether an element of that format can have this encoding: bytes are not characters, and a nibble holds no
    /// letter.
    pub(crate) fn suits(self, format: Format) -> bool {
        match self {
            Self::Ascii | Self::Ebcdic(_) => format != Format::Binary,
            Self::Bcd => !matches!(format, Format::Binary | Format::Text),
            Self::Raw | Self::HexAscii | Self::HexEbcdic(_) => format == Format::Binary,
        }
    }
}

impl Format {
    pub const WORDS: &'static [&'static str] = &["n", "x+n", "a", "an", "ans", "anp", "ns", "as", "s", "b", "z"];

    /// The value of a format in the standard's letters.
    pub fn of_word(letters: &str) -> Option<Self> {
        match letters {
            "n" => Some(Self::Numeric),
            "xn" | "x+n" => Some(Self::SignedNumeric),
            "b" => Some(Self::Binary),
            "z" => Some(Self::Track),
            "a" | "an" | "ans" | "anp" | "ns" | "as" | "s" => Some(Self::Text),
            _ => None,
        }
    }

    /// The standard's letters for the format; all text is `ans`, because its kinds are the same on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Numeric => "n",
            Self::SignedNumeric => "x+n",
            Self::Text => "ans",
            Self::Binary => "b",
            Self::Track => "z",
        }
    }
}

impl Rule {
    /// `6` if fixed; `..19` with two digits of length, and so on.
    pub fn length_word(&self) -> String {
        match self.length {
            Length::Fixed => self.max.to_string(),
            Length::Prefix(digits) => format!("{}{}", ".".repeat(digits.into()), self.max),
        }
    }

    /// The encoding of the length prefix, and its unit if that is not the content's own; empty without a prefix.
    pub fn prefix_word(&self) -> String {
        let counts = match (self.content, self.unit) {
            _ if self.length == Length::Fixed => return String::new(),
            (Content::Bcd, LengthUnit::Bytes) => " bytes",
            (Content::HexAscii | Content::HexEbcdic(_), LengthUnit::Digits) => " digits",
            _ => "",
        };
        format!("{}{counts}", self.prefix.word())
    }

    /// The position of the filler for an odd number of packed digits; empty if nothing is packed.
    pub fn filler_word(&self) -> &'static str {
        if self.content == Content::Bcd { self.padding.word() } else { "" }
    }
}
