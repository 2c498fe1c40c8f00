//! Who sends the files of a batch: all that they show of us. It is stored with the batch, because a configuration changes
//! and files do not. Pure.

use super::Payer;

/// Sender of a batch's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Our acquirer id.
    pub acquirer_id: String,
    /// Name of the dialect of clearing files.
    pub dialect: String,
    /// Production or test, by its stored word.
    pub processing: String,
    pub payer: Payer,
}
