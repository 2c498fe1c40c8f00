use crate::de;
use crate::error::DecodeError;
use crate::message::Message;
use crate::mti::Class;
use crate::value::{MonthDay, Stan};

/// Function of a network management message (DE70 of 1987, DE24 of 1993).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkFunction {
    SignOn,
    SignOff,
    KeyChange,
    CutOver,
    Echo,
    Other(u32),
}

/// A network management message: sign-on, sign-off, echo, cut-over (0800, 0820, 1804).
#[derive(Debug)]
pub struct Network<'m> {
    pub message: &'m Message,
    pub stan: Stan,
    pub function: NetworkFunction,
    /// At cut-over: the new business date.
    pub date: Option<MonthDay>,
}

impl<'m> Network<'m> {
    /// # Errors
    /// The message is of another class, or a mandatory element is missing or malformed: the error names it.
    pub fn of(message: &'m Message) -> Result<Self, DecodeError> {
        super::require_class(message, Class::Network)?;
        let code = match message.dialect().version {
            crate::Version::V1987 => message.require::<de::NetworkManagementCode>()?.0,
            _ => message.require::<de::FunctionCode>()?.0,
        };
        let function = match code {
            1 | 801 => NetworkFunction::SignOn,
            2 | 802 => NetworkFunction::SignOff,
            101 | 160..=169 | 811..=818 => NetworkFunction::KeyChange,
            201 | 821 => NetworkFunction::CutOver,
            301 | 831 => NetworkFunction::Echo,
            other => NetworkFunction::Other(other),
        };
        Ok(Self { message, stan: message.require::<de::Stan>()?, function, date: message.get::<de::SettlementDate>()? })
    }
}
