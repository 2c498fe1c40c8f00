//! Card security codes.
use codecs::value::Expiry;
use hsm::{CodeRead, DynamicRead};

use super::{Failure, Outcome, Vector, same};
use crate::module::Module;
use crate::module::key_kind::KeyKind;
use crate::verbs::{cvv, emv};

fn expiry(vector: &Vector<'_>) -> Result<Expiry, Failure> {
    let wrong = Failure::Field("expiry_yymm");
    let number = |text: &str| text.parse::<u8>().map_err(|_| Failure::Field("expiry_yymm"));
    let (year, month) = vector.text("expiry_yymm")?.split_at_checked(2).ok_or(Failure::Field("expiry_yymm"))?;
    Expiry::new(number(year)?, number(month)?).ok_or(wrong)
}

pub(super) fn card_codes<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let keys = vector.pair(module, "cvk")?;
    let (pan, expiry) = (vector.pan()?, expiry(vector)?);
    let stripe = CodeRead::Stripe { service_code: vector.digits("cvv1_service_code")? };
    for (read, name) in [(stripe, "cvv1"), (CodeRead::Chip, "icvv"), (CodeRead::Keyed, "cvv2")] {
        same(name, cvv::expected(module, &keys, &pan, expiry, read)?, vector.text(name)?)?;
    }
    Ok(())
}

pub(super) fn dynamic_code<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let imk = vector.key(module, "imk", KeyKind::ImkDcvv)?;
    let pan = vector.pan()?;
    let read = DynamicRead {
        service_code: vector.digits("service_code")?,
        psn: vector.psn()?,
        atc: vector.number("atc_dec")?,
    };
    let keys = emv::card_keys(module, &imk, &pan, read.psn)?;
    let code = cvv::expected(module, &keys, &pan, expiry(vector)?, CodeRead::Dynamic(read))?;
    same("dcvv", code, vector.text("dcvv")?)
}
