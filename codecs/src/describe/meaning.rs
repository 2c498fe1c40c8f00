//! Contents of elements in words: one row per element whose content can be explained.

use super::words;
use crate::de::{self, DataElement};
use crate::dialect::Version;
use crate::message::Message;
use crate::value::{Currency, Minor, ResponseCode, country_letters};

type Words = fn(&Message) -> Option<String>;

/// Element, the version to which the row applies (`None`: all), and the function that explains it.
const MEANINGS: &[(u8, Option<Version>, Words)] = &[
    (de::ProcessingCode::NUMBER, None, |m| Some(words::processing_code(m.get::<de::ProcessingCode>().ok()??))),
    (de::Amount::NUMBER, None, |m| money(m, m.get::<de::Amount>().ok()??, m.get::<de::Currency>().ok().flatten())),
    (de::SettlementAmount::NUMBER, None, |m| {
        money(m, m.get::<de::SettlementAmount>().ok()??, m.get::<de::SettlementCurrency>().ok().flatten())
    }),
    (de::BillingAmount::NUMBER, None, |m| {
        money(m, m.get::<de::BillingAmount>().ok()??, m.get::<de::BillingCurrency>().ok().flatten())
    }),
    (de::TransmissionTime::NUMBER, None, |m| {
        let sent = m.get::<de::TransmissionTime>().ok()??;
        Some(format!("{} {} UTC", date(sent.date), clock(sent.time)))
    }),
    (de::BillingRate::NUMBER, None, |m| Some(m.get::<de::BillingRate>().ok()??.to_string())),
    (de::LocalTime::NUMBER, Some(Version::V1987), |m| Some(clock(m.get::<de::LocalTime>().ok()??))),
    (de::v93::LocalDateTime::NUMBER, Some(Version::V1993), |m| {
        let at = m.get::<de::v93::LocalDateTime>().ok()??;
        Some(format!("{} 20{:02} {}", date(at.date), at.year, clock(at.time)))
    }),
    (de::LocalDate::NUMBER, Some(Version::V1987), |m| Some(date(m.get::<de::LocalDate>().ok()??))),
    (de::Expiry::NUMBER, None, |m| {
        let expiry = m.get::<de::Expiry>().ok()??;
        Some(format!("good to the end of {:02}/{:02}", expiry.month, expiry.year))
    }),
    (de::SettlementDate::NUMBER, Some(Version::V1987), |m| Some(date(m.get::<de::SettlementDate>().ok()??))),
    (de::AcquirerCountry::NUMBER, None, |m| country(m, de::AcquirerCountry::NUMBER)),
    (de::v93::PosData::NUMBER, Some(Version::V1993), |m| {
        words::point_of_service_data(&m.field(de::v93::PosData::NUMBER)?.content())
    }),
    (de::PosEntryMode::NUMBER, Some(Version::V1987), |m| Some(words::entry_mode(m.get::<de::PosEntryMode>().ok()??))),
    (de::FunctionCode::NUMBER, Some(Version::V1993), |m| {
        words::function_code(m.get::<de::FunctionCode>().ok()??.0).map(Into::into)
    }),
    (de::ConditionCode::NUMBER, Some(Version::V1987), |m| {
        words::condition_code(m.get::<de::ConditionCode>().ok()??.0).map(Into::into)
    }),
    (de::v93::MessageReason::NUMBER, Some(Version::V1993), |m| {
        words::message_reason(m.get::<de::v93::MessageReason>().ok()??.0).map(Into::into)
    }),
    (de::ResponseCode::NUMBER, Some(Version::V1987), |m| response(m.get::<de::ResponseCode>().ok()??)),
    (de::v93::ActionCode::NUMBER, Some(Version::V1993), |m| {
        words::action_code(m.get::<de::v93::ActionCode>().ok()??.0).map(Into::into)
    }),
    (de::Currency::NUMBER, None, |m| letters(m.get::<de::Currency>().ok()??)),
    (de::SettlementCurrency::NUMBER, None, |m| letters(m.get::<de::SettlementCurrency>().ok()??)),
    (de::BillingCurrency::NUMBER, None, |m| letters(m.get::<de::BillingCurrency>().ok()??)),
    (de::SettlementCode::NUMBER, Some(Version::V1987), |m| {
        words::settlement_code(m.get::<de::SettlementCode>().ok()??.0).map(Into::into)
    }),
    (de::NetworkManagementCode::NUMBER, Some(Version::V1987), |m| {
        words::network_code(m.get::<de::NetworkManagementCode>().ok()??.0).map(Into::into)
    }),
];

/// An element's content in words; `None` if there is nothing to add to the digits.
pub fn meaning(message: &Message, element: u8) -> Option<String> {
    let version = message.dialect().version;
    MEANINGS
        .iter()
        .find(|(number, of, _)| *number == element && of.is_none_or(|of| of == version))
        .and_then(|(.., words)| words(message))
}

pub(super) fn money(message: &Message, amount: Minor, currency: Option<Currency>) -> Option<String> {
    // in 2003 currency and exponent are within the amount: twelve digits alone are minor units
    (message.dialect().version != Version::V2003)
        .then(|| currency.map(|currency| format!("{} {currency}", currency.decimal(amount))))?
}

fn letters(currency: Currency) -> Option<String> {
    currency.letters().map(Into::into)
}

fn response(code: ResponseCode) -> Option<String> {
    words::response_code(code).map(Into::into)
}

fn country(message: &Message, element: u8) -> Option<String> {
    country_letters(message.field(element)?.number()? as u16).map(Into::into)
}

fn date(date: crate::value::MonthDay) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    format!("{} {}", date.day, MONTHS[usize::from(date.month) - 1])
}

fn clock(time: crate::value::LocalTime) -> String {
    format!("{:02}:{:02}:{:02}", time.hour, time.minute, time.second)
}
