//! Short inline text, and content without a type of its own.

use super::Value;
use super::encoded_value::EncodedValue;
use crate::error::ErrorKind;
use crate::field::Field;
use std::borrow::Cow;
use std::fmt;

/// Up to `N` printable ASCII characters, trailing blanks removed, without an allocation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const N: usize> {
    chars: [u8; N],
    len: u8,
}

impl<const N: usize> Text<N> {
    /// `None` for more than `N` characters, or one that is not printable ASCII.
    pub fn new(text: &str) -> Option<Self> {
        Self::from_chars(text.as_bytes())
    }

    fn from_chars(chars: &[u8]) -> Option<Self> {
        let text = &chars[..chars.iter().rposition(|char| *char != b' ').map_or(0, |last| last + 1)];
        // no early exit: nearly all text is printable
        let printable = text.iter().fold(true, |all, char| all & (0x20..0x7F).contains(char));
        (text.len() <= N && printable).then(|| {
            let mut chars = [b' '; N];
            chars[..text.len()].copy_from_slice(text);
            Self { chars, len: text.len() as u8 }
        })
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.chars[..usize::from(self.len)]).expect("text holds printable ASCII only")
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn read_from(field: &Field<'_>) -> Result<Self, ErrorKind> {
        let mut chars = [b' '; 64];
        let count = field.copy_to(&mut chars).ok_or(ErrorKind::LengthOverMax)?;
        Self::from_chars(&chars[..count]).ok_or(ErrorKind::Class)
    }

    /// Its characters, padded with blanks to `width`, or to the longest text.
    #[inline]
    pub(crate) fn wide(&self, width: usize) -> &[u8] {
        // the buffer is blank after the last character
        &self.chars[..width.min(N).max(usize::from(self.len))]
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize> Value<'_> for Text<N> {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        Self::read_from(&field)
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Text(&self.chars)
    }
}

/// Content without a type of its own: characters in ASCII, or bytes. Borrowed where the wire allows.
#[derive(Clone, PartialEq, Eq)]
pub struct Opaque<'m>(Cow<'m, [u8]>);

impl<'m> Opaque<'m> {
    pub fn new(content: impl Into<Cow<'m, [u8]>>) -> Self {
        Self(content.into())
    }

    pub fn text(text: &'m str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The content as text; `None` if it is not UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    pub fn into_owned(self) -> Vec<u8> {
        self.0.into_owned()
    }
}

impl fmt::Debug for Opaque<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

impl<'m> Value<'m> for Opaque<'m> {
    fn read(field: Field<'m>) -> Result<Self, ErrorKind> {
        Ok(Self(field.content()))
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Content(&self.0)
    }
}
