//! Source of the PANs in clearing files.

use std::future::Future;

use codecs::value::Pan;
use hsm::{HsmError, PanEnvelope};

/// Decrypts the PANs of presentments: the HSM, or a substitute in tests.
pub trait PanVault {
    /// The PANs in envelopes, in order; `None` for an envelope that does not open with its associated data.
    fn reveal(
        &self,
        envelopes: &[(PanEnvelope, Vec<u8>)],
    ) -> impl Future<Output = Result<Vec<Option<Pan>>, HsmError>> + Send;
}

impl PanVault for hsm::Client {
    async fn reveal(&self, envelopes: &[(PanEnvelope, Vec<u8>)]) -> Result<Vec<Option<Pan>>, HsmError> {
        // the client sends them in batches of 16, which yield to authorizations
        Self::reveal(self, envelopes).await
    }
}
