//! What a destination's answer to a message of store and forward means for that message. Pure.

use codecs::value::ResponseCode;

/// What becomes of a message after an answer with some response code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerMeaning {
    /// The destination has it, now or since an earlier attempt.
    Acknowledged,
    /// "Not now": the destination's own system is down, or a day is being closed.
    Later,
    /// The destination has no original for the reversal. It may still be on its way there.
    OriginalNotFound,
    /// The destination does not take it, and a retry would not help.
    Refused,
}

impl AnswerMeaning {
    /// Of an answer to a reversal, or to an advice.
    pub(super) fn of(code: ResponseCode, to_reversal: bool) -> Self {
        match code {
            ResponseCode::DUPLICATE => Self::Acknowledged,
            code if code.is_approval() => Self::Acknowledged,
            ResponseCode::ISSUER_INOPERATIVE
            | ResponseCode::SYSTEM_MALFUNCTION
            | ResponseCode::CUT_OVER_IN_PROGRESS
            | ResponseCode::IN_PROGRESS => Self::Later,
            ResponseCode::UNABLE_TO_LOCATE_RECORD if to_reversal => Self::OriginalNotFound,
            _ => Self::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_so_acknowledges() {
        use AnswerMeaning::{Acknowledged, Later, OriginalNotFound, Refused};
        for (codes, to_reversal, to_advice) in [
            ("00 94 08 10 85", Acknowledged, Acknowledged),
            ("91 96 90 09", Later, Later),
            ("25", OriginalNotFound, Refused),
            ("30 12 05 14 51 92 31 68 ZZ", Refused, Refused),
        ] {
            for code in codes.split(' ') {
                let code = ResponseCode(code.as_bytes().try_into().expect("two characters"));
                assert_eq!(AnswerMeaning::of(code, true), to_reversal, "{code} to a reversal");
                assert_eq!(AnswerMeaning::of(code, false), to_advice, "{code} to an advice");
            }
        }
        // 1993: accepted, original not found, format error
        let of_action = |action| AnswerMeaning::of(ResponseCode::from_action(action), true);
        assert_eq!([of_action(400), of_action(914), of_action(904)], [Acknowledged, OriginalNotFound, Refused]);
    }
}
