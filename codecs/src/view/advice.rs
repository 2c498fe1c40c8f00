use crate::de;
use crate::error::DecodeError;
use crate::message::Message;
use crate::value::{ApprovalCode, Currency, LocalTime, MerchantId, Minor, MonthDay, OriginalData, Pan, ProcessingCode};
use crate::value::{ResponseCode, Rrn, Stan, TerminalId};

/// An advice: reports something that has happened (0120, 0220). It is acknowledged, never declined.
#[derive(Debug)]
pub struct Advice<'m> {
    pub message: &'m Message,
    pub pan: Option<Pan>,
    pub processing_code: ProcessingCode,
    pub amount: Minor,
    pub currency: Currency,
    pub stan: Stan,
    pub local_time: LocalTime,
    pub local_date: MonthDay,
    pub terminal: TerminalId,
    pub merchant: MerchantId,
    pub rrn: Option<Rrn>,
    pub approval: Option<ApprovalCode>,
    /// The outcome reported; absent means approved.
    pub outcome: Option<ResponseCode>,
    pub original: Option<OriginalData>,
}

impl<'m> Advice<'m> {
    /// # Errors
    /// A mandatory element is missing or malformed: the error names it.
    pub fn of(message: &'m Message) -> Result<Self, DecodeError> {
        Ok(Self {
            message,
            pan: super::pan_if_any(message)?,
            processing_code: message.require::<de::ProcessingCode>()?,
            amount: message.require::<de::Amount>()?,
            currency: message.require::<de::Currency>()?,
            stan: message.require::<de::Stan>()?,
            local_time: message.require::<de::LocalTime>()?,
            local_date: message.require::<de::LocalDate>()?,
            terminal: message.require::<de::TerminalId>()?,
            merchant: message.require::<de::MerchantId>()?,
            rrn: message.get::<de::Rrn>()?,
            approval: message.get::<de::ApprovalCode>()?,
            outcome: message.get::<de::ResponseCode>()?,
            original: message.get::<de::OriginalData>()?,
        })
    }
}
