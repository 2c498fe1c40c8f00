//! Original data elements (DE90 of 1987): identify the original of a reversal or completion.

use super::encoded_value::{EncodedValue, FixedDigits, InlineChars};
use super::ids::{InstitutionId, Stan};
use super::time::TransmissionTime;
use super::{Value, digits, exactly};
use crate::error::ErrorKind;
use crate::field::Field;
use crate::mti::Mti;

/// MTI, STAN and transmission time of the original, then acquirer and forwarder, right-justified with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginalData {
    pub mti: Mti,
    pub stan: Stan,
    /// Absent if the sender has none (all zeros).
    pub transmitted: Option<TransmissionTime>,
    pub acquirer: Option<InstitutionId>,
    pub forwarder: Option<InstitutionId>,
}

impl Value<'_> for OriginalData {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        exactly(&field, 42)?;
        let mti = [0, 1, 2, 3].map(|i| field.char_at(i));
        Ok(Self {
            mti: Mti::from_digits(mti).ok_or(ErrorKind::Class)?,
            stan: Stan(digits(&field, 4, 10)? as u32),
            transmitted: transmitted(&field, 10)?,
            acquirer: institution(&field, 20)?,
            forwarder: institution(&field, 31)?,
        })
    }

    fn encoded(&self) -> EncodedValue<'_> {
        let number = |id: &Option<InstitutionId>| id.and_then(|id| id.as_str().parse().ok()).unwrap_or(0);
        let joined = InlineChars::empty()
            .with(self.mti.digits())
            .with_digits::<6>(u64::from(self.stan.0))
            .with_number(FixedDigits::of_pairs(self.transmitted.map_or([0; 5], TransmissionTime::pairs)))
            .with_digits::<11>(number(&self.acquirer))
            .with_digits::<11>(number(&self.forwarder));
        EncodedValue::Inline(joined)
    }
}

fn transmitted(field: &Field<'_>, from: usize) -> Result<Option<TransmissionTime>, ErrorKind> {
    use super::time::{LocalTime, MonthDay};
    if digits(field, from, from + 10)? == 0 {
        return Ok(None);
    }
    let pair = |i: usize| digits(field, from + i, from + i + 2).map(|n| n as u8);
    let date = MonthDay::new(pair(0)?, pair(2)?).ok_or(ErrorKind::Date)?;
    let time = LocalTime::new(pair(4)?, pair(6)?, pair(8)?).ok_or(ErrorKind::Date)?;
    Ok(Some(TransmissionTime { date, time }))
}

fn institution(field: &Field<'_>, from: usize) -> Result<Option<InstitutionId>, ErrorKind> {
    let number = digits(field, from, from + 11)?;
    Ok((number != 0).then(|| InstitutionId::new(&number.to_string()).expect("eleven digits fit an institution id")))
}
