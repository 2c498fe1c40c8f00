//! Translation from 1987 to 1993, for a foreign issuer's link.
//!
//! | 1987 | 1993 |
//! |---|---|
//! | MTI 0xxx, network 0800 | 1xxx, 1804 |
//! | DE12 hhmmss + DE13 MMDD | DE12 YYMMDDhhmmss |
//! | DE15 MMDD | DE15 YYMMDD |
//! | DE18 merchant type | DE26 card acceptor business code |
//! | DE22 n3 | DE22 an12, by position |
//! | DE70, class | DE24 function code |
//! | DE25 condition, DE39 of a reversal | DE25 reason code |
//! | DE39 an2 | DE39 n3 |
//! | DE90 | DE56 |
//! | DE95 new amount beside DE4 | DE4 new amount, DE30 original amounts |

use codecs::de::{self, DataElement};
use codecs::mti::Class;
use codecs::originator::NamedKey;
use codecs::value::{
    EntryMode, LocalDateTime, MonthDay, Number, Opaque, OriginalAmounts, PosEntryMode, ProcessingCode, ResponseCode,
    Text, TransactionType, YearMonthDay,
};
use codecs::{Builder, DecodeError, Dialect, Message, Version};
use jiff::civil::Date;
use std::sync::Arc;

/// Elements with the same number and meaning in both versions.
const SAME: [u8; 17] = [
    de::Pan::NUMBER,
    de::ProcessingCode::NUMBER,
    de::Amount::NUMBER,
    de::TransmissionTime::NUMBER,
    de::Stan::NUMBER,
    de::Expiry::NUMBER,
    de::CardSequence::NUMBER,
    de::Acquirer::NUMBER,
    de::Track2::NUMBER,
    de::Rrn::NUMBER,
    de::ApprovalCode::NUMBER,
    de::TerminalId::NUMBER,
    de::MerchantId::NUMBER,
    de::Currency::NUMBER,
    de::AdditionalAmounts::NUMBER,
    de::PinBlock::NUMBER,
    de::Icc::NUMBER,
];

/// DE25 of 1987 for a pre-authorization.
const PREAUTHORIZATION: u32 = 6;

/// The 1993 form of a message in the host's dialect. `today` supplies the years that 1987 leaves out.
///
/// # Errors
/// An element that has to be read for the translation is malformed.
pub fn from_canonical(message: &Message, dialect: &Arc<Dialect>, today: Date) -> Result<Builder, DecodeError> {
    let mut builder = Builder::new(dialect, message.mti().in_version(Version::V1993));
    for element in SAME {
        builder.copy_element(message, element);
    }
    let date = message.get::<de::LocalDate>()?;
    if let (Some(date), Some(time)) = (date, message.get::<de::LocalTime>()?) {
        builder.put::<de::v93::LocalDateTime>(LocalDateTime { year: year_of(date, today), date, time });
    }
    if let Some(date) = message.get::<de::SettlementDate>()? {
        builder.put::<de::v93::SettlementDate>(YearMonthDay { year: year_of(date, today), date });
    }
    if let Some(Number(merchant_type)) = message.get::<de::MerchantType>()? {
        builder.put::<de::v93::BusinessCode>(Number(merchant_type));
    }
    if let Some(mode) = message.get::<de::PosEntryMode>()? {
        builder.put::<de::v93::PosData>(pos_data(mode, message.has::<de::PinBlock>()));
    }
    if let Some(data) = message.get::<de::AdditionalData>()? {
        builder.put::<de::AdditionalData>(data);
    }
    put_class(&mut builder, message)?;
    put_original(&mut builder, message, today)?;
    Ok(builder)
}

/// Function code, reason code, action code and replaced amounts, by class.
fn put_class(builder: &mut Builder, message: &Message) -> Result<(), DecodeError> {
    let replaced = message.get::<de::ReplacementAmounts>()?;
    let partial = replaced.is_some_and(|amounts| amounts.transaction.0 > 0);
    builder.put::<de::FunctionCode>(Number(function_code(message, partial)?));
    let code = message.get::<de::ResponseCode>()?;
    match message.mti().class() {
        Class::Reversal => {
            let reason = reversal_reason(code, partial);
            builder.put::<de::v93::MessageReason>(Number(reason));
        }
        _ if message.mti().is_advice() => {
            // a completion: the terminal decided on the basis of its authorization
            builder.put::<de::v93::MessageReason>(Number(1004));
            let action = code.unwrap_or(ResponseCode::APPROVED).to_action();
            builder.put::<de::v93::ActionCode>(Number(action.into()));
        }
        _ => {}
    }
    if let (Some(replaced), Some(original)) = (replaced, message.get::<de::Amount>()?) {
        builder.put::<de::Amount>(replaced.transaction);
        let reconciliation = codecs::value::Minor::ZERO;
        builder.put::<de::v93::OriginalAmounts>(OriginalAmounts { transaction: original, reconciliation });
    }
    Ok(())
}

fn function_code(message: &Message, partial: bool) -> Result<u32, DecodeError> {
    let processing = message.get::<de::ProcessingCode>()?;
    let inquiry = processing.map(ProcessingCode::kind) == Some(TransactionType::Inquiry);
    let condition = message.get::<de::ConditionCode>()?.map(|c| c.0);
    Ok(match message.mti().class() {
        Class::Authorization if inquiry => 108,
        // the amount is an estimate until the completion names it
        Class::Authorization if condition == Some(PREAUTHORIZATION) => 101,
        Class::Authorization => 100,
        Class::Reversal if partial => 401,
        Class::Reversal => 400,
        // previously approved authorization
        _ if message.mti().is_advice() => 201,
        _ => 200,
    })
}

/// The reason code of a reversal: DE39 of a 1987 reversal is a reason, not a result.
fn reversal_reason(code: Option<ResponseCode>, partial: bool) -> u32 {
    match code {
        _ if partial => 4004,
        Some(ResponseCode::CUSTOMER_CANCELLED) => 4000,
        Some(ResponseCode::SUSPECTED_MALFUNCTION) => 4002,
        Some(ResponseCode::FORMAT_ERROR) => 4003,
        Some(ResponseCode::RESPONSE_TOO_LATE) => 4021,
        _ => 4001,
    }
}

/// DE90 to DE56: MTI, STAN and local date and time of the original, then its acquirer with a length.
fn put_original(builder: &mut Builder, message: &Message, today: Date) -> Result<(), DecodeError> {
    let Some(original) = message.get::<de::OriginalData>()? else { return Ok(()) };
    let key = message.get::<de::ReferredKey>()?;
    let key = key.and_then(|key| NamedKey::parse(key.as_str()?).ok()).map(|named| named.key);
    // its own local time is that of a completion, and may be that of a reversal
    let (date, time) = match &key {
        Some(key) => (key.date(), key.time()),
        None => (message.get::<de::LocalDate>()?, message.get::<de::LocalTime>()?),
    };
    let when = match (date, time) {
        (Some(date), Some(time)) => LocalDateTime { year: year_of(date, today), date, time }.to_string(),
        _ => "0".repeat(12),
    };
    let acquirer = original.acquirer.as_ref().map_or("", |id| id.as_str());
    let mti = original.mti.in_version(Version::V1993);
    let text = format!("{mti}{}{when}{:02}{acquirer}", original.stan, acquirer.len());
    builder.put::<de::OriginalData93>(Opaque::text(&text));
    Ok(())
}

/// The two-digit year that puts a month and day nearest to today: around New Year it is not always this year.
pub fn year_of(date: MonthDay, today: Date) -> u8 {
    let this_year = today.year();
    let near = [this_year - 1, this_year, this_year + 1].into_iter().filter_map(|year| {
        // the 29th of February does not exist in three years of four
        let candidate = Date::new(year, date.month as i8, date.day as i8).ok()?;
        Some((candidate.since(today).ok()?.get_days().abs(), year))
    });
    let year = near.min().map_or(this_year, |(_, year)| year);
    year.rem_euclid(100) as u8
}

/// The twelve positions of DE22 in 1993, as far as the three digits of 1987 and the presence of a PIN determine them.
fn pos_data(mode: PosEntryMode, has_pin: bool) -> Text<12> {
    let can_pin = mode.pin == 1;
    // capability and mode of input; M, A and S are the letters in use for contactless and e-commerce
    let (capability, input) = match mode.mode() {
        EntryMode::Manual => ('6', '6'),
        EntryMode::Stripe => ('2', '2'),
        EntryMode::Fallback => ('5', '2'),
        EntryMode::Chip | EntryMode::ChipUnreliable => ('5', '5'),
        EntryMode::ContactlessChip => ('5', 'M'),
        EntryMode::ContactlessStripe => ('2', 'A'),
        EntryMode::Ecommerce | EntryMode::StoredCredential => ('0', 'S'),
        EntryMode::Unknown | EntryMode::Other(_) => ('0', '0'),
    };
    let remote = input == 'S';
    let positions = [
        capability,
        if can_pin { '1' } else { '0' },
        '0',
        if remote { '0' } else { '1' },
        if remote { '5' } else { '0' },
        if remote { '0' } else { '1' },
        input,
        if has_pin { '1' } else { '0' },
        if has_pin { '3' } else { '0' },
        '0',
        '0',
        if can_pin { '1' } else { '0' },
    ];
    let text: String = positions.into_iter().collect();
    Text::new(&text).expect("twelve printable characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_year_is_the_nearest_one() {
        let date = |m, d| MonthDay::new(m, d).expect("a date");
        let today = |y, m, d| Date::new(y, m, d).expect("a date");
        for (month_day, today, year) in [
            (date(11, 20), today(2026, 11, 20), 26),
            (date(12, 31), today(2027, 1, 1), 26),
            (date(1, 1), today(2026, 12, 31), 27),
            (date(7, 5), today(2026, 12, 31), 26),
            (date(2, 29), today(2028, 3, 1), 28),
        ] {
            assert_eq!(year_of(month_day, today), year, "{month_day:?} on {today}");
        }
    }

    #[test]
    fn positions_follow_entry_mode_and_pin() {
        for ((entry, pin), has_pin, expected) in [
            ((5, 1), true, "510101513001"),
            ((90, 1), false, "210101200001"),
            ((7, 1), false, "510101M00001"),
            ((1, 2), false, "600101600000"),
            ((81, 2), false, "000050S00000"),
        ] {
            assert_eq!(pos_data(PosEntryMode { entry, pin }, has_pin).as_str(), expected);
        }
    }

    #[test]
    fn reversal_reasons() {
        for (code, partial, expected) in [
            (Some(ResponseCode::RESPONSE_TOO_LATE), false, 4021),
            (Some(ResponseCode::CUSTOMER_CANCELLED), false, 4000),
            (Some(ResponseCode::SUSPECTED_MALFUNCTION), false, 4002),
            (Some(ResponseCode::CUSTOMER_CANCELLED), true, 4004),
            (None, false, 4001),
        ] {
            assert_eq!(reversal_reason(code, partial), expected);
        }
    }
}
