//! Seals on the heads of hash chains.
use hsm::{AuditSeal, KeyName, MacOutcome};
use subtle::ConstantTimeEq;

use crate::module::{Fault, Module, generation};
use crate::verbs::mac::cmac_8;

pub(crate) fn seal<M: Module>(module: &M, data: &[u8]) -> Result<AuditSeal, Fault> {
    let (key, number) = generation::current(module, &KeyName::audit())?;
    Ok(AuditSeal::new(number, cmac_8(module, &key, data)?))
}

/// Under the generation that the seal names, and no other.
pub(crate) fn check<M: Module>(module: &M, data: &[u8], seal: &AuditSeal) -> Result<MacOutcome, Fault> {
    let key = generation::exactly(module, &KeyName::audit(), seal.generation())?;
    let holds = cmac_8(module, &key, data)?.ct_eq(seal.mac());
    Ok(if holds.into() { MacOutcome::Ok } else { MacOutcome::Wrong })
}
