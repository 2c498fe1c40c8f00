//! Message type identifier: version, class, function, origin (ISO 8583:1987 and :1993, clause 4.1).

use crate::dialect::Version;
use crate::encoding::Content;
use std::fmt;

/// A message type identifier: four digits, kept unchanged so that unknown combinations survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mti([u8; 4]);

/// Message class: the second digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    Authorization,
    Financial,
    File,
    Reversal,
    Reconciliation,
    Administrative,
    Fee,
    Network,
    Other(u8),
}

/// Message function: the third digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    Request,
    Response,
    Advice,
    AdviceResponse,
    Notification,
    Other(u8),
}

impl Mti {
    /// From four ASCII digits; `None` if one of them is no digit.
    pub const fn from_digits(digits: [u8; 4]) -> Option<Self> {
        let mut i = 0;
        while i < 4 {
            if !digits[i].is_ascii_digit() {
                return None;
            }
            i += 1;
        }
        Some(Self(digits))
    }

    /// From bytes in the encoding `content`; `None` if they are not four digits.
    #[inline]
    pub(crate) fn from_wire(bytes: &[u8], content: Content) -> Option<Self> {
        Self::from_digits(match (content, bytes) {
            (Content::Bcd, [first, second]) => {
                [first >> 4, first & 15, second >> 4, second & 15].map(|nibble| nibble + b'0')
            }
            (Content::Ebcdic(page), _) => <[u8; 4]>::try_from(bytes).ok()?.map(|byte| page.decode(byte)),
            _ => bytes.try_into().ok()?,
        })
    }

    /// For constants: the digits are checked at compile time.
    pub const fn of(digits: &[u8; 4]) -> Self {
        match Self::from_digits(*digits) {
            Some(mti) => mti,
            None => panic!("an MTI is four digits"),
        }
    }

    pub const fn digits(&self) -> &[u8; 4] {
        &self.0
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an MTI holds ASCII digits only")
    }

    pub fn class(self) -> Class {
        match self.0[1] {
            b'1' => Class::Authorization,
            b'2' => Class::Financial,
            b'3' => Class::File,
            b'4' => Class::Reversal,
            b'5' => Class::Reconciliation,
            b'6' => Class::Administrative,
            b'7' => Class::Fee,
            b'8' => Class::Network,
            d => Class::Other(d - b'0'),
        }
    }

    pub fn function(self) -> Function {
        match self.0[2] {
            b'0' => Function::Request,
            b'1' => Function::Response,
            b'2' => Function::Advice,
            b'3' => Function::AdviceResponse,
            b'4' => Function::Notification,
            d => Function::Other(d - b'0'),
        }
    }

    /// True for responses of all kinds, which end a request instead of starting one.
    pub fn is_response(self) -> bool {
        matches!(self.function(), Function::Response | Function::AdviceResponse)
    }

    /// True for what its sender waits for an answer to. Answers and acknowledgements are none, nor is what is of no class.
    pub fn is_answered(self) -> bool {
        matches!(self.0[2], b'0' | b'2' | b'4' | b'6') && !matches!(self.class(), Class::Other(_))
    }

    pub fn is_advice(self) -> bool {
        matches!(self.function(), Function::Advice)
    }

    /// True for repeats, 0101, 0201, 0221, 0401, 0421 …: the sender has sent the message before.
    pub fn is_repeat(self) -> bool {
        matches!(self.0[3], b'1' | b'3' | b'5')
    }

    /// The same message as a repeat: 0420 → 0421.
    pub fn repeat(mut self) -> Self {
        self.0[3] |= 1;
        self
    }

    /// The type of the answer: the function digit plus one, and the origin without the repeat mark (0401 → 0410, 0421 →
    /// 0430).
    pub fn answer(mut self) -> Self {
        if matches!(self.0[2], b'0' | b'2' | b'4' | b'6') {
            self.0[2] += 1;
        }
        self.0[3] &= !1;
        self
    }

    /// The type of the request for this answer; a request is returned unchanged.
    pub fn request(mut self) -> Self {
        if matches!(self.0[2], b'1' | b'3' | b'5' | b'7') {
            self.0[2] -= 1;
        }
        self
    }

    /// The version by the first digit.
    pub fn version(self) -> Option<Version> {
        match self.0[0] {
            b'0' => Some(Version::V1987),
            b'1' => Some(Version::V1993),
            b'2' => Some(Version::V2003),
            _ => None,
        }
    }

    /// The same class, function and origin in another version.
    pub fn in_version(mut self, version: Version) -> Self {
        self.0[0] = match version {
            Version::V1987 => b'0',
            Version::V1993 => b'1',
            Version::V2003 => b'2',
        };
        self
    }
}

impl fmt::Debug for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_acknowledgements_are_not_answered() {
        for (mti, answered) in [
            ("0200", true),
            ("0421", true),
            ("0800", true),
            ("0302", true),
            ("0210", false),
            ("0430", false),
            ("0180", false),
            ("0280", false),
            ("0281", false),
            ("0000", false),
            ("0900", false),
        ] {
            assert_eq!(Mti::of(mti.as_bytes().try_into().unwrap()).is_answered(), answered, "{mti}");
        }
    }

    #[test]
    fn answers_and_repeats() {
        for (request, repeat, answer) in [
            ("0200", "0201", "0210"),
            ("0401", "0401", "0410"),
            ("0420", "0421", "0430"),
            ("0421", "0421", "0430"),
            ("1804", "1805", "1814"),
            ("0520", "0521", "0530"),
        ] {
            let mti = Mti::of(request.as_bytes().try_into().unwrap());
            assert_eq!(mti.repeat().as_str(), repeat);
            assert_eq!(mti.answer().as_str(), answer);
            assert_eq!(mti.answer().request().answer().as_str(), answer);
        }
    }
}
