//! PAN indexes and envelopes.
use codecs::value::Pan;
use hsm::{KeyName, PanEnvelope, PanIndex, REVEAL_BATCH};

use crate::module::{Fault, Module, generation};

pub(crate) fn index<M: Module>(module: &M, pan: &Pan) -> Result<PanIndex, Fault> {
    let key = module.find(&KeyName::fixed("pan-index"))?;
    Ok(PanIndex(module.hmac_sha256(&key, pan.expose())?))
}

pub(crate) fn seal<M: Module>(module: &M, pan: &Pan, aad: &[u8]) -> Result<PanEnvelope, Fault> {
    let (key, generation) = generation::current(module, &KeyName::fixed("vault"))?;
    let mut nonce = [0; 12];
    module.random(&mut nonce)?;
    Ok(PanEnvelope::seal(generation, &nonce, &module.seal(&key, &nonce, aad, pan.expose())?))
}

/// `None`: the envelope does not open with this associated data.
pub(crate) fn open<M: Module>(module: &M, envelope: &PanEnvelope, aad: &[u8]) -> Result<Option<Pan>, Fault> {
    let key = generation::exactly(module, &KeyName::fixed("vault"), envelope.generation())?;
    let (nonce, sealed) = envelope.parts();
    Ok(module.open(&key, &nonce, aad, sealed)?.and_then(|digits| Pan::from_digits(&digits).ok()))
}

/// The FPAN: from the envelope, or the presented PAN if there is no envelope. `None`: the envelope does not open.
pub(crate) fn funding<M: Module>(
    module: &M,
    presented: &Pan,
    envelope: Option<&(PanEnvelope, Vec<u8>)>,
) -> Result<Option<Pan>, Fault> {
    match envelope {
        None => Ok(Some(presented.clone())),
        Some((envelope, aad)) => open(module, envelope, aad),
    }
}

/// The same PANs under the current generation of the vault key. `None`: an envelope that does not open.
pub(crate) fn reseal_batch<M: Module>(
    module: &M,
    envelopes: &[(PanEnvelope, Vec<u8>)],
) -> Result<Vec<Option<PanEnvelope>>, Fault> {
    if envelopes.len() > REVEAL_BATCH {
        return Err(Fault::Request("at most 16 envelopes are resealed in one job"));
    }
    let reseal = |(envelope, aad): &(PanEnvelope, Vec<u8>)| match open(module, envelope, aad)? {
        Some(pan) => seal(module, &pan, aad).map(Some),
        None => Ok(None),
    };
    envelopes.iter().map(reseal).collect()
}

pub(crate) fn open_batch<M: Module>(
    module: &M,
    envelopes: &[(PanEnvelope, Vec<u8>)],
) -> Result<Vec<Option<Pan>>, Fault> {
    if envelopes.len() > REVEAL_BATCH {
        return Err(Fault::Request("at most 16 envelopes are revealed in one job"));
    }
    envelopes.iter().map(|(envelope, aad)| open(module, envelope, aad)).collect()
}
