//! The decision in a destination's answer, of either version.

use crate::life_cycle::LifeCycleId;
use codecs::value::{ApprovalCode, Minor, ResponseCode};
use codecs::{DecodeError, Message, Version, de};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// In the codes of 1987.
    pub code: ResponseCode,
    /// DE4 of the answer: less than was asked for on a partial approval.
    pub amount: Option<Minor>,
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
        Ok(Self { code, amount: answer.get::<de::Amount>()?, approval: answer.get::<de::ApprovalCode>()?, life_cycle })
    }
}
