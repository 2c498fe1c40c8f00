//! The error of acts on keys and of module checks at a token. It is only text, because they can do no more than print it.
use cryptoki::error::Error;

use super::OpenError;
use crate::module::Fault;

/// Why a token could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TokenError(String);

impl TokenError {
    /// The module has nowhere to make a token.
    pub(crate) fn no_slot() -> Self {
        Self("the module has no slot for a new token".into())
    }
}

macro_rules! token_error {
    ($($cause:ty),*) => {$(
        impl From<$cause> for TokenError {
            fn from(cause: $cause) -> Self {
                Self(cause.to_string())
            }
        }
    )*};
}
token_error!(OpenError, Fault, Error);
