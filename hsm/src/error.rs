/// Why a verb gave no verdict. A wrong PIN, MAC, CVV or cryptogram is never one of these: it is an outcome inside the verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HsmError {
    /// The token holds no key of this name, or a key block was made under another token's storage key.
    #[error("the module holds no key {0}")]
    KeyMissing(String),
    /// The queue of the daemon or of this client is full: decline or stand in, do not wait.
    #[error("the module's queue is full")]
    Busy,
    /// The daemon or its module could not be reached, or did not answer before the deadline.
    /// For a PIN verification it is unknown whether the module saw the request.
    #[error("the module is unavailable: {0}")]
    Unavailable(&'static str),
    /// This socket's role does not offer the verb, or the module's policy forbids the use (a PIN translation to format 1, say).
    #[error("denied: {0}")]
    Denied(&'static str),
    /// The request contradicts itself, such as a format 4 block under a double-length DES key.
    #[error("bad input: {0}")]
    BadInput(&'static str),
}
