//! Signals that end the program: in good order by the first, at once by the second.
#![expect(clippy::disallowed_methods, reason = "a task listens for signals")]

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Tokens that the first and the second SIGTERM or SIGINT cancel.
#[derive(Debug, Clone)]
pub struct Termination {
    /// Cancelled by the first signal: the orderly shutdown begins.
    pub in_good_order: CancellationToken,
    /// Cancelled by the second: the program ends without waiting.
    pub at_once: CancellationToken,
}

impl Termination {
    /// Listens from here on, on the current runtime.
    ///
    /// # Errors
    /// A signal's handler cannot be installed.
    pub fn asked_by_signals() -> std::io::Result<Self> {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let termination = Self { in_good_order: CancellationToken::new(), at_once: CancellationToken::new() };
        let Self { in_good_order, at_once } = termination.clone();
        tokio::spawn(async move {
            for asked in [in_good_order, at_once] {
                tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
                asked.cancel();
            }
        });
        Ok(termination)
    }
}
