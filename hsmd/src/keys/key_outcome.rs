//! The outcome of an act on keys, key by key.

/// Outcome for one key, printed as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOutcome {
    pub key: String,
    /// Check value, six hex digits, if the key was made now.
    pub check_value: Option<String>,
}
