//! The decision in a destination's answer, of either version.

use crate::life_cycle::LifeCycleId;
use codecs::value::{ApprovalCode, Currency, Minor, ResponseCode};
use codecs::{DecodeError, Message, Version, de};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// In the codes of 1987.
    pub code: ResponseCode,
    /// DE4 of the answer: less than was asked for on a partial approval.
    pub amount: Option<Minor>,
    pub currency: Option<Currency>,
    pub approval: Option<ApprovalCode>,
    pub life_cycle: Option<LifeCycleId>,
}

impl Outcome {
    /// # Errors
    /// The answer has no response or action code, or an element that is needed from it is malformed.
    pub fn of(answer: &Message) -> Result<Self, DecodeError> {
        let code = match answer.dialect().version {
            Version::V1987 => answer.require::<de::ResponseCode>()?,
            _ => {
                let action = answer.require::<de::v93::ActionCode>()?.0;
                ResponseCode::from_action(u16::try_from(action).unwrap_or(u16::MAX))
            }
        };
        let life_cycle = match answer.dialect().version {
            Version::V1987 => answer.get::<de::LifeCycleId>()?.and_then(|id| id.as_str().and_then(LifeCycleId::new)),
            // a foreign issuer's element of that number is no life-cycle id of ours
            _ => None,
        };
        Ok(Self {
            code,
            amount: answer.get::<de::Amount>()?,
            currency: answer.get::<de::Currency>()?,
            approval: answer.get::<de::ApprovalCode>()?,
            life_cycle,
        })
    }

    /// What in the answer cannot be, as an answer to a request of this amount and currency. A decline moves nothing, so that
    /// only its code counts.
    pub fn contradiction(&self, requested: Option<Minor>, currency: Option<Currency>) -> Option<Contradiction> {
        if !self.code.is_approval() {
            return (!self.code.is_decline()).then_some(Contradiction::Code);
        }
        let requested = requested.unwrap_or(Minor::ZERO);
        let in_part = self.code == ResponseCode::PARTIAL_APPROVAL;
        let amount = match self.amount {
            Some(amount) if in_part => amount > Minor::ZERO && amount < requested,
            Some(amount) => amount == requested,
            None => !in_part,
        };
        if !amount {
            return Some(Contradiction::Amount);
        }
        let other_currency = self.currency.is_some() && currency.is_some() && self.currency != currency;
        other_currency.then_some(Contradiction::Currency)
    }
}

/// What in an answer contradicts its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contradiction {
    /// Neither an approval nor a decline.
    Code,
    /// Another amount, or with a partial approval none that is a part.
    Amount,
    Currency,
}

impl Contradiction {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Amount => "amount",
            Self::Currency => "currency",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_fits_its_request() {
        for (code, amount, currency, expected) in [
            ("00", Some(700), Some(978), None),
            ("00", None, None, None),
            ("00", Some(699), Some(978), Some(Contradiction::Amount)),
            ("00", Some(70_000), None, Some(Contradiction::Amount)),
            ("00", Some(700), Some(840), Some(Contradiction::Currency)),
            ("10", Some(300), Some(978), None),
            ("10", Some(700), Some(978), Some(Contradiction::Amount)),
            ("10", Some(0), None, Some(Contradiction::Amount)),
            ("10", None, None, Some(Contradiction::Amount)),
            ("51", Some(1), Some(840), None),
            ("96", None, None, None),
            // the reason of a reversal, and nothing at all
            ("17", None, None, Some(Contradiction::Code)),
            ("32", None, None, Some(Contradiction::Code)),
            ("ZZ", None, None, Some(Contradiction::Code)),
        ] {
            let outcome = Outcome {
                code: ResponseCode(code.as_bytes().try_into().expect("two characters")),
                amount: amount.map(Minor),
                currency: currency.map(Currency::from_number),
                approval: None,
                life_cycle: None,
            };
            let found = outcome.contradiction(Some(Minor(700)), Some(Currency::EUR));
            assert_eq!(found, expected, "{code} {amount:?} {currency:?}");
        }
        let verified = Outcome {
            code: ResponseCode::NO_REASON_TO_DECLINE,
            amount: Some(Minor::ZERO),
            currency: None,
            approval: None,
            life_cycle: None,
        };
        assert_eq!(verified.contradiction(Some(Minor::ZERO), None), None);
    }
}
