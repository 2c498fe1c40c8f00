//! BASE24 tokens. The header is `& `, five digits of count and five of total length; then, for each token, `! `, two
//! characters of identifier, five digits of length and a blank before the value. Count and total length include the
//! header.

use super::{CutError, Part, Parts, PathStep, text};
use crate::encoding::PrefixEncoding;
use crate::error::ErrorKind;

/// Bytes of the header, and of the fields before each value.
pub(super) const HEADER: usize = 12;
const BEFORE_VALUE: usize = 10;

/// The identifier that stands for the header as a part; its value is count and total length.
pub(super) const HEADER_TAG: &[u8] = b"&";

pub(super) fn header_step() -> PathStep {
    PathStep::text(HEADER_TAG).expect("one character")
}

impl<'c> Parts<'c> {
    pub(super) fn token(&mut self) -> Result<Part<'c>, CutError> {
        if self.at == 0 { self.token_header() } else { self.token_after_header() }
    }

    fn token_header(&mut self) -> Result<Part<'c>, CutError> {
        let step = header_step();
        let header = self.content.get(..HEADER).ok_or_else(|| self.short(0, HEADER).in_step(step))?;
        if !header.starts_with(b"& ") {
            return Err(self.fault(ErrorKind::Class, 0).in_step(step));
        }
        let number = |from: usize| {
            let digits = PrefixEncoding::Ascii.read(&header[from..from + 5]);
            digits.ok_or_else(|| self.fault(ErrorKind::BadLength, from).in_step(step))
        };
        let (count, total) = (number(2)?, number(7)?);
        let sized = |offset, expected, found| CutError {
            expected: Some(expected),
            found: Some(found),
            ..self.fault(ErrorKind::BadLength, offset).in_step(step)
        };
        if total != self.content.len() {
            return Err(sized(7, total, self.content.len()));
        }
        let tokens = 1 + starts(&self.content[HEADER..]);
        if count != tokens {
            return Err(sized(2, count, tokens));
        }
        Ok(self.part(step, 2, HEADER, text))
    }

    fn token_after_header(&mut self) -> Result<Part<'c>, CutError> {
        let from = self.at + BEFORE_VALUE;
        let before = self.content.get(self.at..from).ok_or_else(|| self.short(self.at, BEFORE_VALUE))?;
        let step = PathStep::text(&before[2..4]).filter(|_| before.starts_with(b"! "));
        let step = step.ok_or_else(|| self.fault(ErrorKind::Class, self.at))?;
        let length = PrefixEncoding::Ascii.read(&before[4..9]).filter(|_| before[9] == b' ');
        let length = length.ok_or_else(|| self.fault(ErrorKind::BadLength, self.at + 4).in_step(step))?;
        if from + length > self.content.len() {
            return Err(self.short(from, length).in_step(step));
        }
        Ok(self.part(step, from, from + length, text))
    }
}

/// Number of tokens, as far as their lengths can be followed. A malformed one is counted; cutting it gives the error.
fn starts(mut rest: &[u8]) -> usize {
    let mut count = 0;
    while !rest.is_empty() {
        count += 1;
        let length = rest.get(4..9).and_then(|digits| PrefixEncoding::Ascii.read(digits)).unwrap_or(rest.len());
        rest = rest.get(BEFORE_VALUE + length..).unwrap_or(&[]);
    }
    count
}

#[cfg(test)]
mod tests {
    use crate::composite::{CutError, Form, Inner};

    fn cut(content: &str) -> Result<Vec<(String, String)>, CutError> {
        let inner = Inner::new(Form::Tokens);
        let parts = inner.parts(content.as_bytes());
        let shown = |text: std::borrow::Cow<'_, [u8]>| String::from_utf8_lossy(&text).into_owned();
        parts.map(|part| part.map(|part| (part.step.label(), shown(part.value.content())))).collect()
    }

    #[test]
    fn the_header_counts_itself() {
        let content = "& 0000300040! 0400004 1234! B400004 abcd";
        let part = |tag: &str, value: &str| (tag.to_owned(), value.to_owned());
        assert_eq!(cut(content), Ok(vec![part("&", "0000300040"), part("04", "1234"), part("B4", "abcd")]));
    }

    #[test]
    fn a_fault_names_the_token() {
        for (content, fault) in [
            ("& 0000300041! 0400004 1234! B400004 abcd", "bad-length in /& at byte 7 (expected 41, found 40)"),
            ("& 0000200040! 0400004 1234! B400004 abcd", "bad-length in /& at byte 2 (expected 2, found 3)"),
            ("& 0000300040! 0400004 1234! B400005 abcd", "truncated in /B4 at byte 36 (expected 5, found 4)"),
            ("& 0000300040! 0400004 1234? B400004 abcd", "class at byte 26"),
            ("& 0000300040! 04000X4 1234! B400004 abcd", "bad-length in /& at byte 2 (expected 3, found 2)"),
            ("& 00003", "truncated in /& at byte 0 (expected 12, found 7)"),
            ("terminal data without tokens", "class in /& at byte 0"),
        ] {
            assert_eq!(cut(content).expect_err(content).to_string(), fault);
        }
    }
}
