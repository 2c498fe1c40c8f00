//! Where closing gets PANs from.

use std::future::Future;

use codecs::value::Pan;
use hsm::{HsmError, PanEnvelope};

/// Where PANs are had from for presentments: the HSM's batch verb.
pub trait PanVault {
    /// The PANs in envelopes, in order; `None` for one that does not open with its associated data.
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
