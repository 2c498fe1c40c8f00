//! An originator's message in the host's dialect: the elements that it sent, and those that the switch stamps on it.

use crate::life_cycle::LifeCycleId;
use codecs::de::{self, DataElement};
use codecs::originator::KeyText;
use codecs::value::{InstitutionId, MonthDay, Number, Opaque, Pan, PinBlock, Rrn, Stan, TransmissionTime};
use codecs::{Builder, DecodeError, Dialect, Message, Mti};
use std::sync::Arc;

/// The elements that are copied from an originator's message. The private elements between switch and host are not
/// among them: an originator must not be able to set them.
const CARRIED: [u8; 29] = [
    de::Pan::NUMBER,
    de::ProcessingCode::NUMBER,
    de::Amount::NUMBER,
    de::BillingAmount::NUMBER,
    de::BillingRate::NUMBER,
    de::LocalTime::NUMBER,
    de::LocalDate::NUMBER,
    de::Expiry::NUMBER,
    de::MerchantType::NUMBER,
    de::AcquirerCountry::NUMBER,
    de::PosEntryMode::NUMBER,
    de::CardSequence::NUMBER,
    de::ConditionCode::NUMBER,
    de::PinCapture::NUMBER,
    de::Track2::NUMBER,
    de::Rrn::NUMBER,
    de::ApprovalCode::NUMBER,
    de::ResponseCode::NUMBER,
    de::TerminalId::NUMBER,
    de::MerchantId::NUMBER,
    de::MerchantName::NUMBER,
    de::AdditionalData::NUMBER,
    de::Currency::NUMBER,
    de::BillingCurrency::NUMBER,
    de::AdditionalAmounts::NUMBER,
    de::Icc::NUMBER,
    de::Invoice::NUMBER,
    de::ReplacementAmounts::NUMBER,
    de::CaptureDate::NUMBER,
];

/// The elements with totals, copied for reconciliations only.
pub(super) const TOTALS: [u8; 13] = [
    de::SettlementCurrency::NUMBER,
    de::SettlementCode::NUMBER,
    de::CreditsCount::NUMBER,
    de::CreditReversalsCount::NUMBER,
    de::DebitsCount::NUMBER,
    de::DebitReversalsCount::NUMBER,
    de::AuthorizationsCount::NUMBER,
    de::CreditsAmount::NUMBER,
    de::CreditReversalsAmount::NUMBER,
    de::DebitsAmount::NUMBER,
    de::DebitReversalsAmount::NUMBER,
    de::NetSettlement::NUMBER,
    de::SettlementInstitution::NUMBER,
];

/// The values that the switch puts on every message for a destination.
#[derive(Debug, Clone)]
pub struct Stamps<'s> {
    pub stan: Stan,
    pub time: TransmissionTime,
    pub business_date: MonthDay,
    pub acquirer: InstitutionId,
    /// Put where the originator sent none.
    pub rrn: Option<Rrn>,
    pub merchant_type: Option<Number<4>>,
    /// The originator key, unchanged on repeats; on a reversal that of its original, with the original's class.
    pub key: KeyText<'s>,
    /// Key and class of the transaction that this one refers to.
    pub refers_to: Option<KeyText<'s>>,
    pub life_cycle: Option<&'s LifeCycleId>,
}

/// The card of a message: DE2, else the PAN of its track.
///
/// # Errors
/// The element that names it is malformed.
pub fn card(message: &Message) -> Result<Option<Pan>, DecodeError> {
    match message.get::<de::Pan>()? {
        Some(pan) => Ok(Some(pan)),
        None => Ok(message.get::<de::Track2>()?.map(|track| track.pan())),
    }
}

/// `message` under `mti` in the host's dialect. `pin` is the translated PIN block; the one in `message` is never
/// copied.
///
/// # Errors
/// An element that is read, not only copied, is malformed.
pub fn forward(
    message: &Message,
    host: &Arc<Dialect>,
    mti: Mti,
    stamps: &Stamps<'_>,
    pin: Option<PinBlock>,
) -> Result<Builder, DecodeError> {
    let mut builder = Builder::new(host, mti);
    for element in CARRIED {
        builder.copy_element(message, element);
    }
    if message.mti().class() == codecs::mti::Class::Reconciliation {
        for element in TOTALS {
            builder.copy_element(message, element);
        }
    }
    if let Some(track) = message.get::<de::Track2>()? {
        // a stored message may not carry the track, so PAN and expiry are put beside it from the start
        if !message.has::<de::Pan>() {
            builder.put::<de::Pan>(track.pan());
        }
        if let (false, Ok(expiry)) = (message.has::<de::Expiry>(), track.expiry()) {
            builder.put::<de::Expiry>(expiry);
        }
    }
    builder.put_some::<de::PinBlock>(pin);
    stamp(&mut builder, stamps);
    Ok(builder)
}

/// Puts the switch's stamps on a message for a destination.
pub fn stamp(builder: &mut Builder, stamps: &Stamps<'_>) {
    builder.put::<de::TransmissionTime>(stamps.time).put::<de::Stan>(stamps.stan);
    builder.put::<de::SettlementDate>(stamps.business_date).put::<de::Acquirer>(stamps.acquirer);
    if !builder.has::<de::Rrn>() {
        builder.put_some::<de::Rrn>(stamps.rrn);
    }
    if !builder.has::<de::MerchantType>() {
        builder.put_some::<de::MerchantType>(stamps.merchant_type);
    }
    builder.put::<de::OriginatorKey>(Opaque::text(&stamps.key.to_string()));
    if let Some(key) = stamps.refers_to {
        builder.put::<de::ReferredKey>(Opaque::text(&key.to_string()));
    }
    builder.put_some::<de::LifeCycleId>(stamps.life_cycle.map(|id| Opaque::text(id.as_str())));
}

/// DE61 of an advice about an acquired sale: `A` and the destination that authorized it.
pub fn authorized_by(destination: &str) -> String {
    format!("A{destination}")
}

/// A message in the host's dialect for a partner of the same version: without the private elements between switch and
/// host.
pub fn for_partner(message: &Message, dialect: &Arc<Dialect>) -> Builder {
    let mut builder = Builder::new(dialect, message.mti());
    builder.copy_all(message);
    builder.remove::<de::OriginatorKey>().remove::<de::ReferredKey>();
    builder.remove::<de::AuthorizedBy>().remove::<de::LifeCycleId>();
    builder
}
