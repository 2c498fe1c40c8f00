//! Paths to parts of an element, and errors in them.

use super::Part;
use crate::error::ErrorKind;
use std::fmt;

/// One step from an element, or from a part of it, to a part within.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathStep {
    /// An element of an inner bitmap, or the n-th of several parts without tags: `.25`.
    Number(u8),
    /// A binary tag, most significant byte first: `/9F26`.
    Tag(u32),
    /// A tag in characters: `/0105`.
    Text(Label),
}

/// A tag of up to six characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    chars: [u8; 6],
    len: u8,
}

impl Label {
    /// `None` for more than six characters, or for others than letters, digits, blanks and punctuation of ASCII.
    pub fn new(chars: &[u8]) -> Option<Self> {
        let mut label = Self { chars: [0; 6], len: u8::try_from(chars.len()).ok()? };
        label.chars.get_mut(..chars.len())?.copy_from_slice(chars);
        chars.iter().all(|c| (b' '..=b'~').contains(c)).then_some(label)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.chars[..usize::from(self.len)]).expect("a label is ASCII")
    }
}

impl PathStep {
    /// A tag in characters; `None` as for [`Label::new`].
    pub fn text(chars: &[u8]) -> Option<Self> {
        Label::new(chars).map(Self::Text)
    }

    /// The tag or number as a dialect file writes it.
    pub fn label(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Tag(tag) => format!("{tag:02X}"),
            Self::Text(label) => label.as_str().into(),
        }
    }
}

impl fmt::Display for PathStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if matches!(self, Self::Number(_)) { '.' } else { '/' };
        write!(f, "{sign}{}", self.label())
    }
}

impl fmt::Debug for PathStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The steps from an element to a part of it, outermost first. Three at most: deeper ones are left out.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Path([Option<PathStep>; 3]);

impl Path {
    pub fn of(step: Option<PathStep>) -> Self {
        Self([step, None, None])
    }

    /// The same path from one level further out.
    pub(crate) fn below(self, step: PathStep) -> Self {
        Self([Some(step), self.0[0], self.0[1]])
    }

    pub fn steps(&self) -> impl Iterator<Item = PathStep> + '_ {
        self.0.iter().copied().flatten()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps().try_for_each(|step| write!(f, "{step}"))
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why content cannot be cut into parts: the fault, the path to the part so far as it was read, the byte in the
/// content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{} at byte {offset}{}", kind.name(), in_part(path), sizes(*expected, *found))]
pub struct CutError {
    pub kind: ErrorKind,
    pub path: Path,
    pub offset: usize,
    pub expected: Option<usize>,
    pub found: Option<usize>,
}

fn in_part(path: &Path) -> String {
    let path = path.to_string();
    if path.is_empty() { path } else { format!(" in {path}") }
}

fn sizes(expected: Option<usize>, found: Option<usize>) -> String {
    match (expected, found) {
        (Some(expected), Some(found)) => format!(" (expected {expected}, found {found})"),
        _ => String::new(),
    }
}

impl CutError {
    pub(super) fn in_step(self, step: PathStep) -> Self {
        Self { path: self.path.below(step), ..self }
    }

    /// The same fault, located in the content that contains `part`.
    pub(crate) fn within(self, part: &Part<'_>) -> Self {
        let offset = part.at + part.value.rule().place_of(self.offset);
        Self { path: self.path.below(part.step), offset, ..self }
    }
}
