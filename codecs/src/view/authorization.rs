use super::Financial;
use crate::de;
use crate::error::DecodeError;
use crate::message::Message;

/// A request for authority without capture (0100): what a [`Financial`] carries, and why authority is asked for.
#[derive(Debug)]
pub struct Authorization<'m> {
    pub request: Financial<'m>,
    /// DE 25 is 06: the capture follows later, for another amount perhaps.
    pub is_pre_authorization: bool,
}

impl<'m> Authorization<'m> {
    /// DE 25 of a pre-authorization.
    pub const PRE_AUTHORIZATION: u32 = 6;

    /// # Errors
    /// As [`Financial::of`].
    pub fn of(message: &'m Message) -> Result<Self, DecodeError> {
        let request = Financial::of(message)?;
        let condition = message.get::<de::ConditionCode>()?;
        Ok(Self { request, is_pre_authorization: condition.is_some_and(|c| c.0 == Self::PRE_AUTHORIZATION) })
    }
}
