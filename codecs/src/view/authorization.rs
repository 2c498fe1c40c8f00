use super::Financial;
use crate::de;
use crate::error::DecodeError;
use crate::message::Message;

/// An authorization request without capture (0100): the elements of a [`Financial`], and whether a capture is to
/// follow.
#[derive(Debug)]
pub struct Authorization<'m> {
    pub request: Financial<'m>,
    /// DE25 is 06: the capture follows later, possibly for another amount.
    pub is_pre_authorization: bool,
}

impl<'m> Authorization<'m> {
    /// DE25 of a pre-authorization.
    pub const PRE_AUTHORIZATION: u32 = 6;

    /// # Errors
    /// As [`Financial::of`].
    pub fn of(message: &'m Message) -> Result<Self, DecodeError> {
        let request = Financial::of(message)?;
        let condition = message.get::<de::ConditionCode>()?;
        Ok(Self { request, is_pre_authorization: condition.is_some_and(|c| c.0 == Self::PRE_AUTHORIZATION) })
    }
}
