//! The reversal advice (0420), built from the request as forwarded, or from the originator's own reversal.

use crate::translate::{BuildError, Stamps, canonical, strip};
use codecs::value::{ApprovalCode, OriginalData, ProcessingCode, ReplacementAmounts, ResponseCode, TransactionType};
use codecs::{Builder, DecodeError, Message, Mti, de};

const REVERSAL_ADVICE: Mti = Mti::of(b"0420");

/// Whether a request may have changed anything at its destination. An inquiry and an account verification (no amount)
/// cannot have.
///
/// # Errors
/// As [`of`].
pub(super) fn has_effect(request: &Message) -> Result<bool, DecodeError> {
    let kind = request.get::<de::ProcessingCode>()?.map(ProcessingCode::kind);
    let amount = request.get::<de::Amount>()?.map_or(0, |amount| amount.0);
    Ok(kind != Some(TransactionType::Inquiry) && amount > 0)
}

/// The elements of a reversal that its request does not have: reason (DE39), DE95 and approval code (DE38).
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReversalCause<'m> {
    pub reason: ResponseCode,
    /// The amounts that remain, in a partial reversal.
    pub replacement: Option<ReplacementAmounts>,
    pub approval: Option<ApprovalCode>,
    /// The originator's own reversal. Its amount, currency and card are those of the 0420, so that its destination can see
    /// whether it means this request.
    pub named: Option<&'m Message>,
}

impl ReversalCause<'_> {
    pub const TIMED_OUT: Self =
        ReversalCause { reason: ResponseCode::RESPONSE_TOO_LATE, replacement: None, approval: None, named: None };
}

/// The 0420 for a request as forwarded, in the host's dialect: the request's card, amount, local time and key, and in
/// DE90 the MTI, STAN and DE7 that the switch sent it with. The amount is the requested one, whatever was approved.
///
/// # Errors
/// An element of the request is malformed: it was damaged, because the switch wrote it.
pub(super) fn of(request: &Message, stamps: &Stamps<'_>, cause: ReversalCause<'_>) -> Result<Builder, DecodeError> {
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
    if let Some(named) = cause.named {
        reversal.put_some::<de::Amount>(named.get::<de::Amount>()?.filter(|amount| amount.0 > 0));
        reversal.put_some::<de::Currency>(named.get::<de::Currency>()?);
        reversal.put_some::<de::Pan>(canonical::card(named)?);
    }
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

/// The 0420 for an original that is not kept here, built from the originator's own reversal.
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
