//! Why an act on keys stopped.
use std::io;
use std::path::PathBuf;

use cryptoki::error::Error;

use crate::keys::ceremony_record::RecordError;
use crate::keys::split_knowledge::ComponentRefused;
use crate::module::Fault;
use crate::token::{OpenError, TokenError};
use crate::verbs::exchangeable::Unsuitable;

/// Why an act on keys stopped: a ceremony, an export, a rewrap, a delivery, a list. Keys that a ceremony had made by then
/// stay, and its next run continues from there.
#[derive(Debug, thiserror::Error)]
pub enum KeyActError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    #[error("component of {0}: {1}")]
    Component(String, ComponentRefused),
    #[error("the desk: {0}")]
    Prompt(#[from] io::Error),
    #[error("{0} was not accepted")]
    NotAccepted(String),
    #[error(transparent)]
    Import(#[from] ImportRefused),
    #[error("the components give the transport key {found}, the token holds {held}")]
    OtherTransport { found: String, held: String },
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The id of a payment terminal, and why its keys cannot be rewrapped or delivered.
    #[error("terminal {0}: {1}")]
    Terminal(String, &'static str),
}

macro_rules! token_error {
    ($($cause:ty),*) => {$(
        impl From<$cause> for KeyActError {
            fn from(cause: $cause) -> Self {
                Self::Token(cause.into())
            }
        }
    )*};
}
token_error!(OpenError, Fault, Error);

impl From<(PathBuf, io::Error)> for KeyActError {
    fn from((path, error): (PathBuf, io::Error)) -> Self {
        Self::File(path, error)
    }
}

/// Why an encrypted key was not imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportRefused {
    #[error("no TR-31 block of version B or D: {0}")]
    Malformed(String),
    #[error("the block's MAC is not right: altered on its way, or made under another protection key")]
    NotAuthentic,
    #[error("no key wrap under that key: altered on its way, or made under another")]
    NoWrap,
    #[error(transparent)]
    Unsuitable(#[from] Unsuitable),
}
