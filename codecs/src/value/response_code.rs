//! The outcome of a message (DE39): two characters in 1987, an action code of three digits in 1993.

use super::Value;
use super::encoded_value::EncodedValue;
use crate::error::ErrorKind;
use crate::field::Field;
use std::fmt;

/// A response code of 1987: any two characters. Some have names; unknown ones are preserved.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResponseCode(pub [u8; 2]);

macro_rules! codes {
    ($( $name:ident = $chars:literal / $action:literal, $words:literal; )*) => {
        impl ResponseCode {
            $( #[doc = $words] pub const $name: Self = Self(*$chars); )*
        }

        /// Code, 1993 action code, meaning.
        const KNOWN: &[(ResponseCode, u16, &str)] = &[ $( (ResponseCode::$name, $action, $words), )* ];
    };
}

codes! {
    APPROVED = b"00" / 0, "approved";
    REFER_TO_ISSUER = b"01" / 107, "refer to card issuer";
    INVALID_MERCHANT = b"03" / 109, "invalid merchant";
    PICK_UP = b"04" / 200, "pick up card";
    DO_NOT_HONOUR = b"05" / 100, "do not honour";
    APPROVED_WITH_ID = b"08" / 1, "honour with identification";
    IN_PROGRESS = b"09" / 923, "request in progress";
    PARTIAL_APPROVAL = b"10" / 2, "approved for a partial amount";
    APPROVED_VIP = b"11" / 3, "approved, VIP";
    INVALID_TRANSACTION = b"12" / 902, "invalid transaction";
    INVALID_AMOUNT = b"13" / 110, "invalid amount";
    INVALID_CARD_NUMBER = b"14" / 111, "invalid card number";
    NO_SUCH_ISSUER = b"15" / 908, "no such issuer";
    CUSTOMER_CANCELLED = b"17" / 400, "customer cancelled (reversal reason)";
    SUSPECTED_MALFUNCTION = b"22" / 909, "suspected malfunction (reversal reason)";
    UNABLE_TO_LOCATE_RECORD = b"25" / 914, "unable to locate record";
    FORMAT_ERROR = b"30" / 904, "format error";
    BANK_NOT_SUPPORTED = b"31" / 905, "bank not supported by switch";
    COMPLETED_PARTIALLY = b"32" / 2, "completed partially (reversal reason)";
    LOST_CARD = b"41" / 208, "lost card, pick up";
    STOLEN_CARD = b"43" / 209, "stolen card, pick up";
    INSUFFICIENT_FUNDS = b"51" / 116, "insufficient funds";
    EXPIRED_CARD = b"54" / 101, "expired card";
    WRONG_PIN = b"55" / 117, "incorrect PIN";
    NO_CARD_RECORD = b"56" / 118, "no card record";
    NOT_PERMITTED_TO_CARDHOLDER = b"57" / 119, "transaction not permitted to cardholder";
    NOT_PERMITTED_TO_TERMINAL = b"58" / 120, "transaction not permitted to terminal";
    SUSPECTED_FRAUD = b"59" / 102, "suspected fraud";
    EXCEEDS_LIMIT = b"61" / 121, "exceeds withdrawal amount limit";
    RESTRICTED_CARD = b"62" / 104, "restricted card";
    SECURITY_VIOLATION = b"63" / 122, "security violation";
    EXCEEDS_FREQUENCY = b"65" / 123, "exceeds withdrawal frequency limit";
    RESPONSE_TOO_LATE = b"68" / 911, "response received too late";
    PIN_TRIES_EXCEEDED = b"75" / 106, "PIN tries exceeded";
    CRYPTOGRAM_INVALID = b"82" / 129, "card security code or cryptogram invalid";
    NO_REASON_TO_DECLINE = b"85" / 0, "no reason to decline";
    PIN_BLOCK_ERROR = b"86" / 126, "PIN block cannot be verified";
    CUT_OVER_IN_PROGRESS = b"90" / 906, "cut-over in progress";
    ISSUER_INOPERATIVE = b"91" / 907, "issuer or switch inoperative";
    NO_ROUTE = b"92" / 908, "destination cannot be found for routing";
    VIOLATION_OF_LAW = b"93" / 124, "violation of law";
    DUPLICATE = b"94" / 913, "duplicate transmission";
    RECONCILE_ERROR = b"95" / 915, "reconcile error";
    SYSTEM_MALFUNCTION = b"96" / 909, "system malfunction";
}

impl ResponseCode {
    /// True for codes that permit to hand over the goods.
    pub fn is_approval(self) -> bool {
        matches!(
            self,
            Self::APPROVED
                | Self::APPROVED_WITH_ID
                | Self::PARTIAL_APPROVAL
                | Self::APPROVED_VIP
                | Self::NO_REASON_TO_DECLINE
        )
    }

    /// True for known codes that an issuer declines with. Reasons of reversals and codes of totals are none.
    pub fn is_decline(self) -> bool {
        let no_outcome = matches!(
            self,
            Self::CUSTOMER_CANCELLED
                | Self::COMPLETED_PARTIALLY
                | Self::RECONCILE_ERROR
                | Self::UNABLE_TO_LOCATE_RECORD
        );
        !self.is_approval() && !no_outcome && KNOWN.iter().any(|(code, ..)| *code == self)
    }

    /// The code in words; empty for an unknown one.
    pub fn meaning(self) -> &'static str {
        KNOWN.iter().find(|(code, ..)| *code == self).map_or("", |(.., words)| words)
    }

    /// The 1993 action code with the same meaning; an unknown code becomes 100, do not honour.
    pub fn to_action(self) -> u16 {
        KNOWN.iter().find(|(code, ..)| *code == self).map_or(100, |(_, action, _)| *action)
    }

    /// The 1987 code for a 1993 action code: from the table, else by its first digit.
    pub fn from_action(action: u16) -> Self {
        match action {
            400 | 800 | 900 | 901 => return Self::APPROVED,
            910..=912 => return Self::ISSUER_INOPERATIVE,
            // these share their action code with codes that are no outcome of a request
            908 => return Self::NO_ROUTE,
            909 => return Self::SYSTEM_MALFUNCTION,
            _ => {}
        }
        match KNOWN.iter().find(|(_, known, _)| *known == action) {
            Some((code, ..)) => *code,
            None => match action / 100 {
                0 => Self::APPROVED,
                2 => Self::PICK_UP,
                9 => Self::SYSTEM_MALFUNCTION,
                _ => Self::DO_NOT_HONOUR,
            },
        }
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("??")
    }
}

impl fmt::Debug for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Value<'_> for ResponseCode {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        let mut chars = [0; 2];
        match field.copy_to(&mut chars) {
            Some(2) if chars.iter().all(u8::is_ascii_alphanumeric) => Ok(Self(chars)),
            Some(2) => Err(ErrorKind::Class),
            _ => Err(ErrorKind::BadLength),
        }
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Content(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_with_one_action_each_survive_the_crossing() {
        for (code, action, _) in KNOWN {
            let alone = KNOWN.iter().filter(|(_, other, _)| other == action).count() == 1;
            let folded = [400, 911].contains(action); // a reason, and one of several ways to be out of reach
            if alone && !folded {
                assert_eq!(ResponseCode::from_action(*action), *code);
            }
        }
        assert_eq!(ResponseCode::from_action(116), ResponseCode::INSUFFICIENT_FUNDS);
        assert_eq!(ResponseCode::from_action(908), ResponseCode::NO_ROUTE);
        assert_eq!(ResponseCode::from_action(909), ResponseCode::SYSTEM_MALFUNCTION);
        assert_eq!(ResponseCode::from_action(209), ResponseCode::STOLEN_CARD);
        assert_eq!(ResponseCode::from_action(299), ResponseCode::PICK_UP);
    }
}
