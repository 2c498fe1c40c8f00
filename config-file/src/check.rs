//! What a file means, after it was read.

use std::fmt::Display;
use std::ops::RangeInclusive;

/// A type that a file is read into.
pub trait Check {
    /// Keys that had another spelling once, by their path without the names of entries (`listener.role`), and what the
    /// error says of each, for instance "is called dialects_dir now".
    const RENAMED: &'static [(&'static str, &'static str)] = &[];

    /// The first mistake in meaning.
    ///
    /// # Errors
    /// There is one.
    fn check(&self) -> Result<(), Wrong>;
}

/// A mistake in meaning. The reason must not repeat the value of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The key's path as `listener[1].address`: entries of a list by their place. Empty: the file as a whole.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Wrong {
    /// A key and what is wrong with it.
    pub fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }
}

/// A text of digits, so many of them.
///
/// # Errors
/// It is another text.
pub fn check_digits(key: &str, text: &str, length: RangeInclusive<usize>) -> Result<(), Wrong> {
    if length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    let (least, most) = length.into_inner();
    Err(Wrong::new(key, format!("must be {least} to {most} digits")))
}

/// A number from a least to a most.
///
/// # Errors
/// It is outside.
pub fn check_range<N: PartialOrd + Display>(key: &str, number: N, range: RangeInclusive<N>) -> Result<(), Wrong> {
    if range.contains(&number) {
        return Ok(());
    }
    Err(Wrong::new(key, format!("must be {} to {}", range.start(), range.end())))
}
