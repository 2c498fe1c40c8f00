use crate::de;
use crate::error::DecodeError;
use crate::message::Message;
use crate::value::{Currency, LocalTime, MerchantId, Minor, MonthDay, OriginalData, Pan, ProcessingCode};
use crate::value::{ResponseCode, Rrn, Stan, TerminalId};

/// A reversal: a transaction to be undone, wholly or in part (0400, 0420).
#[derive(Debug)]
pub struct Reversal<'m> {
    pub message: &'m Message,
    pub pan: Option<Pan>,
    pub processing_code: ProcessingCode,
    /// The requested amount of the original.
    pub amount: Minor,
    /// For a partial reversal: the amount that remains (DE95).
    pub replacement: Option<Minor>,
    pub currency: Option<Currency>,
    pub stan: Stan,
    /// Local time and date of the *original*.
    pub local_time: LocalTime,
    pub local_date: MonthDay,
    pub terminal: TerminalId,
    pub merchant: MerchantId,
    pub rrn: Option<Rrn>,
    /// The reason for the reversal: in a 0420, DE39 is a reason and not a result.
    pub reason: Option<ResponseCode>,
    pub original: Option<OriginalData>,
}

impl<'m> Reversal<'m> {
    /// # Errors
    /// A mandatory element is missing or malformed: the error names it.
    pub fn of(message: &'m Message) -> Result<Self, DecodeError> {
        Ok(Self {
            message,
            pan: super::pan_if_any(message)?,
            processing_code: message.require::<de::ProcessingCode>()?,
            amount: message.require::<de::Amount>()?,
            replacement: message.get::<de::ReplacementAmounts>()?.map(|amounts| amounts.transaction),
            currency: message.get::<de::Currency>()?,
            stan: message.require::<de::Stan>()?,
            local_time: message.require::<de::LocalTime>()?,
            local_date: message.require::<de::LocalDate>()?,
            terminal: message.require::<de::TerminalId>()?,
            merchant: message.require::<de::MerchantId>()?,
            rrn: message.get::<de::Rrn>()?,
            reason: message.get::<de::ResponseCode>()?,
            original: message.get::<de::OriginalData>()?,
        })
    }
}
