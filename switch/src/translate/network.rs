//! Network management messages with a destination, in the version it speaks: 0800 with DE70 in 1987, 1804 with DE24 in
//! 1993.

use codecs::value::{LocalDateTime, MonthDay, Number, ResponseCode, Stan, YearMonthDay};
use codecs::{Builder, Dialect, Message, Mti, Version, de};
use jiff::civil::Date;
use std::sync::Arc;

use crate::now;

/// 1993 calls the sender of network messages "other" (last digit 4).
const REQUEST_87: Mti = Mti::of(b"0800");
const REQUEST_93: Mti = Mti::of(b"1804");
/// Action code of an accepted network message in 1993.
const ACCEPTED_93: u16 = 800;

/// The function of a network message that the switch sends to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    SignOn,
    SignOff,
    Echo,
    /// To this business date.
    CutOver(Date),
}

impl Function {
    /// DE70 of 1987, DE24 of 1993.
    fn codes(self) -> (u32, u32) {
        match self {
            Self::SignOn => (1, 801),
            Self::SignOff => (2, 802),
            Self::CutOver(_) => (201, 821),
            Self::Echo => (301, 831),
        }
    }
}

/// A request to a destination, sent at `wall_ms` under the switch's own STAN.
pub fn request(dialect: &Arc<Dialect>, function: Function, stan: Stan, wall_ms: i64) -> Builder {
    let mti = if dialect.version == Version::V1987 { REQUEST_87 } else { REQUEST_93 };
    let now = now::transmission_time(wall_ms);
    let mut message = Builder::new(dialect, mti);
    message.put::<de::TransmissionTime>(now).put::<de::Stan>(stan);
    let (code_87, code_93) = function.codes();
    if mti == REQUEST_87 {
        message.put::<de::NetworkManagementCode>(Number(code_87));
        if let Function::CutOver(date) = function {
            message.put::<de::SettlementDate>(month_and_day(date));
        }
        return message;
    }
    let year = now::utc(wall_ms).year().rem_euclid(100) as u8;
    message.put::<de::v93::LocalDateTime>(LocalDateTime { year, date: now.date, time: now.time });
    message.put::<de::FunctionCode>(Number(code_93));
    if let Function::CutOver(date) = function {
        let year = date.year().rem_euclid(100) as u8;
        message.put::<de::v93::SettlementDate>(YearMonthDay { year, date: month_and_day(date) });
    }
    message
}

/// The answer to a destination's own request.
pub fn answer(request: &Message, code: ResponseCode) -> Builder {
    let mut answer = Builder::answer_to(request);
    answer.copy::<de::TransmissionTime>(request).copy::<de::Stan>(request);
    match request.dialect().version {
        Version::V1987 => {
            answer.copy::<de::NetworkManagementCode>(request).put::<de::ResponseCode>(code);
        }
        _ => {
            let action = if code == ResponseCode::APPROVED { ACCEPTED_93 } else { code.to_action() };
            answer.copy::<de::v93::LocalDateTime>(request).copy::<de::FunctionCode>(request);
            answer.put::<de::v93::ActionCode>(Number(action.into()));
        }
    }
    answer
}

fn month_and_day(date: Date) -> MonthDay {
    MonthDay { month: date.month() as u8, day: date.day() as u8 }
}
