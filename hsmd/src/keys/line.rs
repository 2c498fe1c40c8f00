//! What an act on keys answers.

/// One line of an act's outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub key: String,
    /// Check value, six hex digits, if the key was made now.
    pub check_value: Option<String>,
}
