//! The answer, made from a commit receipt and nothing else. Pure.

use codecs::subfields::{AdditionalAmount, amount_type, write_additional_amount};
use codecs::value::{ApprovalCode, Currency, Minor, Opaque, ResponseCode, Rrn};
use codecs::{Builder, Message, de, tlv};

use crate::journal::{Kind, Row};
use crate::store::Committed;

/// Tag of the issuer authentication data.
const ISSUER_AUTHENTICATION: u32 = 0x91;

/// The answer to a request that was decided and committed.
#[must_use]
pub fn decided(request: &Message, committed: &Committed) -> Builder {
    from_row(request, committed.row())
}

/// The answer to a message about which nothing was decided: it could not be read, or the machine could not.
#[must_use]
pub fn undecided(request: &Message, code: ResponseCode) -> Builder {
    let mut answer = Builder::answer_to(request);
    echo(&mut answer, request);
    answer.put::<de::ResponseCode>(code);
    answer
}

fn from_row(request: &Message, row: &Row) -> Builder {
    let mut answer = Builder::answer_to(request);
    echo(&mut answer, request);
    answer.put::<de::ResponseCode>(row.response_code);
    answer.put::<de::LifeCycleId>(Opaque::text(&row.lifecycle));
    if let (false, Some(rrn)) = (answer.has::<de::Rrn>(), row.rrn.as_deref().and_then(Rrn::new)) {
        answer.put::<de::Rrn>(rrn);
    }
    if row.response_code.is_approval() {
        answer.put_some::<de::ApprovalCode>(row.approval_code.as_deref().and_then(ApprovalCode::new));
        // a declining answer must not carry what the card takes for an approval
        if let Some(value) = &row.icc_answer {
            let mut icc = Vec::with_capacity(value.len() + 2);
            tlv::write(ISSUER_AUTHENTICATION, value, &mut icc);
            answer.put::<de::Icc>(Opaque::new(icc));
        }
    }
    if row.response_code == ResponseCode::PARTIAL_APPROVAL {
        answer.put::<de::Amount>(Minor(row.approved_minor));
    }
    if let Some(set) = additional_amount(row) {
        let mut text = Vec::with_capacity(20);
        write_additional_amount(&set, &mut text);
        answer.put::<de::AdditionalAmounts>(Opaque::new(text));
    }
    answer
}

/// What DE54 tells: the amount asked for beside a part of it, or the balance that was asked for.
fn additional_amount(row: &Row) -> Option<AdditionalAmount> {
    let (amount_type, minor) = match row.kind {
        _ if row.response_code == ResponseCode::PARTIAL_APPROVAL => (amount_type::ORIGINAL, row.requested_minor),
        Kind::BalanceInquiry => (amount_type::AVAILABLE_BALANCE, row.available_minor?),
        _ => return None,
    };
    let currency = Currency::from_number(row.currency);
    Some(AdditionalAmount { account_type: 0, amount_type, currency, amount: Minor(minor) })
}

/// What comes back as it was sent: what the switch matches on, and what an answer of the class carries.
fn echo(answer: &mut Builder, request: &Message) {
    answer
        .copy::<de::Pan>(request)
        .copy::<de::ProcessingCode>(request)
        .copy::<de::Amount>(request)
        .copy::<de::TransmissionTime>(request)
        .copy::<de::Stan>(request)
        .copy::<de::LocalTime>(request)
        .copy::<de::LocalDate>(request)
        .copy::<de::SettlementDate>(request)
        .copy::<de::Acquirer>(request)
        .copy::<de::Rrn>(request)
        .copy::<de::TerminalId>(request)
        .copy::<de::MerchantId>(request)
        .copy::<de::Currency>(request)
        .copy::<de::SettlementCurrency>(request)
        .copy::<de::NetworkManagementCode>(request)
        .copy::<de::OriginalData>(request)
        .copy::<de::SettlementInstitution>(request);
}
