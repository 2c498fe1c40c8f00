use crate::de;
use crate::error::DecodeError;
use crate::message::Message;
use crate::value::MerchantId;
use crate::value::{Currency, LocalTime, Minor, MonthDay, Pan, PosEntryMode, ProcessingCode, Stan, TerminalId};

/// A request that moves money, or asks whether it could: 0100 and 0200 have the same elements (ISO 8583:1987, annex B,
/// table of mandatory elements).
#[derive(Debug)]
pub struct Financial<'m> {
    pub message: &'m Message,
    pub pan: Pan,
    pub processing_code: ProcessingCode,
    pub amount: Minor,
    pub currency: Currency,
    pub stan: Stan,
    pub local_time: LocalTime,
    pub local_date: MonthDay,
    pub entry_mode: PosEntryMode,
    pub terminal: TerminalId,
    pub merchant: MerchantId,
}

impl<'m> Financial<'m> {
    /// # Errors
    /// A mandatory element is missing or malformed: the error names it.
    pub fn of(message: &'m Message) -> Result<Self, DecodeError> {
        Ok(Self {
            message,
            pan: super::pan(message)?,
            processing_code: message.require::<de::ProcessingCode>()?,
            amount: message.require::<de::Amount>()?,
            currency: message.require::<de::Currency>()?,
            stan: message.require::<de::Stan>()?,
            local_time: message.require::<de::LocalTime>()?,
            local_date: message.require::<de::LocalDate>()?,
            entry_mode: message.require::<de::PosEntryMode>()?,
            terminal: message.require::<de::TerminalId>()?,
            merchant: message.require::<de::MerchantId>()?,
        })
    }
}
