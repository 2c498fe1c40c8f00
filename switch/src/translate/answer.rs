//! The answer to an originator, in its own dialect: elements of its request, of the destination's answer, and of the
//! switch.

use super::canonical::TOTALS;
use crate::life_cycle::LifeCycleId;
use codecs::de::{self, DataElement};
use codecs::value::{MonthDay, Opaque, ResponseCode, Rrn};
use codecs::{Builder, Message};

/// Elements of the request that come back as they were sent.
const ECHOED: [u8; 14] = [
    de::ProcessingCode::NUMBER,
    de::Amount::NUMBER,
    de::TransmissionTime::NUMBER,
    de::Stan::NUMBER,
    de::LocalTime::NUMBER,
    de::LocalDate::NUMBER,
    de::FunctionCode::NUMBER,
    de::Acquirer::NUMBER,
    de::Rrn::NUMBER,
    de::TerminalId::NUMBER,
    de::MerchantId::NUMBER,
    de::Currency::NUMBER,
    de::Invoice::NUMBER,
    de::NetworkManagementCode::NUMBER,
];

/// Elements of the destination's answer; one that is present takes the place of the request's.
const DECIDED: [u8; 8] = [
    de::Amount::NUMBER,
    de::BillingAmount::NUMBER,
    de::BillingRate::NUMBER,
    de::ApprovalCode::NUMBER,
    de::AdditionalResponse::NUMBER,
    de::BillingCurrency::NUMBER,
    de::AdditionalAmounts::NUMBER,
    de::Icc::NUMBER,
];

/// The elements that the switch itself puts on an answer.
#[derive(Debug, Clone, Copy)]
pub struct SwitchElements<'a> {
    pub code: ResponseCode,
    pub business_date: MonthDay,
    /// Assigned by the switch where the originator sent none.
    pub rrn: Option<Rrn>,
    pub life_cycle: Option<&'a LifeCycleId>,
    /// The originator gets its PAN and DE90 back: institutions match on them, terminals do not need them.
    pub to_institution: bool,
}

/// The answer to `request`; `decided` is the destination's answer, if a destination decided.
pub fn build(request: &Message, decided: Option<&Message>, own: SwitchElements<'_>) -> Builder {
    let mut answer = Builder::answer_to(request);
    for element in ECHOED {
        answer.copy_element(request, element);
    }
    if own.to_institution {
        answer.copy::<de::Pan>(request).copy::<de::OriginalData>(request);
    }
    if let Some(decided) = decided {
        for element in DECIDED {
            answer.copy_element(decided, element);
        }
        if decided.mti().class() == codecs::mti::Class::Reconciliation {
            for element in TOTALS {
                answer.copy_element(decided, element);
            }
        }
    }
    answer.put::<de::SettlementDate>(date_of(request).unwrap_or(own.business_date)).put::<de::ResponseCode>(own.code);
    if !answer.has::<de::Rrn>() {
        answer.put_some::<de::Rrn>(own.rrn);
    }
    answer.put_some::<de::LifeCycleId>(own.life_cycle.map(|id| Opaque::text(id.as_str())));
    answer
}

/// The day that totals were asked for, which is the day of their answer too.
fn date_of(request: &Message) -> Option<MonthDay> {
    let is_totals = request.mti().class() == codecs::mti::Class::Reconciliation;
    request.get::<de::SettlementDate>().ok().flatten().filter(|_| is_totals)
}

/// A stored answer for a repeat, which may carry its own DE7.
pub fn for_repeat(stored: &Message, repeat: &Message) -> Builder {
    let mut answer = Builder::new(stored.dialect(), stored.mti());
    answer.copy_all(stored).copy::<de::TransmissionTime>(repeat);
    answer
}
