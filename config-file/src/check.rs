//! Checks of meaning: after a file was read into its type, are its values in range and consistent?

use std::fmt::Display;
use std::ops::RangeInclusive;

/// A type that a configuration file is read into, with the check of its meaning.
pub trait Check {
    /// Renamed keys: the old path without the names of entries (`listener.role`), and the end of the error message, for
    /// instance "is called dialects_dir now".
    const RENAMED: &'static [(&'static str, &'static str)] = &[];

    /// Checks the meaning of the values that were read.
    ///
    /// # Errors
    /// The first mistake found.
    fn check(&self) -> Result<(), InvalidValue>;
}

/// A mistake in the meaning of a value. The reason must not repeat the value of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidValue {
    /// Path of the key, as `listener[1].address`: list entries by their index, from 0. Empty: the file as a whole.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

impl InvalidValue {
    /// The key's path and what is wrong with it.
    pub fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }
}

/// Requires a text of digits only, with a length in the range.
///
/// # Errors
/// Any other text.
pub fn check_digits(key: &str, text: &str, length: RangeInclusive<usize>) -> Result<(), InvalidValue> {
    if length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    let (least, most) = length.into_inner();
    Err(InvalidValue::new(key, format!("must be {least} to {most} digits")))
}

/// Requires a number in the range, both ends included.
///
/// # Errors
/// The number is outside the range.
pub fn check_range<N: PartialOrd + Display>(
    key: &str,
    number: N,
    range: RangeInclusive<N>,
) -> Result<(), InvalidValue> {
    if range.contains(&number) {
        return Ok(());
    }
    Err(InvalidValue::new(key, format!("must be {} to {}", range.start(), range.end())))
}
