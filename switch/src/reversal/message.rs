//! The reversal advice (0420), made from the request as it went upstream, or from an originator's own reversal.

use crate::translate::{BuildError, Stamps, canonical, strip};
use codecs::value::{ApprovalCode, OriginalData, ProcessingCode, ReplacementAmounts, ResponseCode, TransactionType};
use codecs::{Builder, DecodeError, Message, Mti, de};

const REVERSAL_ADVICE: Mti = Mti::of(b"0420");

/// Whether a request may have changed anything at its destination. An inquiry and an account verification (no amount)
/// cannot have.
///
/// # Errors
/// As [`of`].
pub(crate) fn has_effect(request: &Message) -> Result<bool, DecodeError> {
    let kind = request.get::<de::ProcessingCode>()?.map(ProcessingCode::kind);
    let amount = request.get::<de::Amount>()?.map_or(0, |amount| amount.0);
    Ok(kind != Some(TransactionType::Inquiry) && amount > 0)
}

/// Why something is reversed, and what is known of it beyond the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cause {
    pub reason: ResponseCode,
    /// What stays of it, on a partial reversal.
    pub replacement: Option<ReplacementAmounts>,
    pub approval: Option<ApprovalCode>,
}

impl Cause {
    pub const TIMED_OUT: Self = Cause { reason: ResponseCode::RESPONSE_TOO_LATE, replacement: None, approval: None };
}

/// The 0420 for a request in the host's form, as it went upstream: same card, amount, local time and key, and in
/// DE90 the switch's own MTI, STAN and DE7 of it. The amount is the requested one, whatever was approved.
///
/// # Errors
/// An element of the request is malformed; it was written by the switch, so that is damage.
pub(super) fn of(request: &Message, stamps: &Stamps<'_>, cause: Cause) -> Result<Builder, DecodeError> {
    let mut reversal = Builder::new(request.dialect(), REVERSAL_ADVICE);
    reversal
        .copy::<de::Pan>(request)
        .copy::<de::ProcessingCode>(request)
        .copy::<de::Amount>(request)
        .copy::<de::LocalTime>(request)
        .copy::<de::LocalDate>(request)
        .copy::<de::Expiry>(request)
        .copy::<de::MerchantType>(request)
        .copy::<de::PosEntryMode>(request)
        .copy::<de::CardSequence>(request)
        .copy::<de::ConditionCode>(request)
        .copy::<de::Rrn>(request)
        .copy::<de::TerminalId>(request)
        .copy::<de::MerchantId>(request)
        .copy::<de::Currency>(request)
        .copy::<de::Invoice>(request);
    reversal.put_some::<de::ApprovalCode>(cause.approval).put::<de::ResponseCode>(cause.reason);
    reversal.put_some::<de::ReplacementAmounts>(cause.replacement);
    reversal.put::<de::OriginalData>(OriginalData {
        mti: request.mti(),
        stan: request.require::<de::Stan>()?,
        transmitted: request.get::<de::TransmissionTime>()?,
        acquirer: request.get::<de::Acquirer>()?,
        forwarder: request.get::<de::Forwarder>()?,
    });
    canonical::stamp(&mut reversal, stamps);
    Ok(reversal)
}

/// The 0420 for an original the switch does not know: what the originator's own reversal says of it.
///
/// # Errors
/// An element of the reversal is malformed, or does not fit the host's dialect.
pub(super) fn of_unknown(
    message: &Message,
    host: &std::sync::Arc<codecs::Dialect>,
    stamps: &Stamps<'_>,
) -> Result<Builder, BuildError> {
    let forwarded = canonical::forward(message, host, REVERSAL_ADVICE, stamps, None)?;
    let mut reversal = strip::without_sensitive(&Message::decode(host, forwarded.encode()?)?);
    if !reversal.has::<de::ResponseCode>() {
        reversal.put::<de::ResponseCode>(ResponseCode::CUSTOMER_CANCELLED);
    }
    Ok(reversal)
}
