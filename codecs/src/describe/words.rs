//! Codes in words (ISO 8583 annexes; common practice where they have no entry).

use crate::dialect::Version;
use crate::mti::{Class, Function, Mti};
use crate::value::{EntryMode, PosEntryMode, ProcessingCode, ResponseCode};

/// `1987 financial request, from the acquirer`.
pub fn mti(mti: Mti) -> String {
    let version = match mti.version() {
        Some(Version::V1987) => "1987",
        Some(Version::V1993) => "1993",
        Some(Version::V2003) => "2003",
        None => "private",
    };
    let class = match mti.class() {
        Class::Authorization => "authorization",
        Class::Financial => "financial",
        Class::File => "file action",
        Class::Reversal => "reversal",
        Class::Reconciliation => "reconciliation",
        Class::Administrative => "administrative",
        Class::Fee => "fee collection",
        Class::Network => "network management",
        Class::Other(_) => "reserved class",
    };
    let function = match mti.function() {
        Function::Request => "request",
        Function::Response => "response",
        Function::Advice => "advice",
        Function::AdviceResponse => "advice response",
        Function::Notification => "notification",
        Function::Other(_) => "reserved function",
    };
    let origin = match mti.digits()[3] {
        b'0' | b'1' => ", from the acquirer",
        b'2' | b'3' => ", from the issuer",
        b'4' | b'5' => ", from another party",
        _ => ", reserved origin",
    };
    format!("{version} {class} {function}{origin}{}", if mti.is_repeat() { ", repeated" } else { "" })
}

/// `purchase, from default account`; account types are given unless they are the default.
pub fn processing_code(code: ProcessingCode) -> String {
    let mut words = transaction_type(code.transaction).to_owned();
    for (side, account) in [(", from ", code.from), (", to ", code.to)] {
        if account != 0 {
            words.push_str(side);
            words.push_str(account_type(account));
        }
    }
    words
}

/// The first two digits of DE3; also chip tag 9C.
pub fn transaction_type(code: u8) -> &'static str {
    match code {
        0 => "purchase",
        1 => "cash",
        2 => "debit adjustment",
        3 => "cheque guarantee",
        9 => "purchase with cashback",
        10 => "non-cash financial instrument",
        11 => "quasi-cash",
        4..=8 | 12..=19 => "debit",
        20 => "refund",
        21 => "deposit",
        22 => "credit adjustment",
        23..=29 => "credit",
        30 => "available funds inquiry",
        31 => "balance inquiry",
        38 => "mini statement",
        35 => "full statement",
        32..=34 | 36 | 37 | 39 => "inquiry",
        40..=49 => "account transfer",
        50..=59 => "payment",
        92 => "PIN change",
        _ => "reserved transaction type",
    }
}

/// DE39 of 1987: the codes of this program, and others in common use.
pub fn response_code(code: ResponseCode) -> Option<&'static str> {
    Some(match code.as_str() {
        "02" => "refer to card issuer, special condition",
        "06" => "error",
        "07" => "pick up card, special condition",
        "16" => "approved, update track 3",
        "19" => "re-enter transaction",
        "21" => "no action taken",
        "23" => "unacceptable fee",
        "24" => "file update not supported",
        "26" => "duplicate record, file updated",
        "27" => "field edit error in a file update",
        "28" => "file locked out",
        "29" => "file update not successful",
        "31" => "bank not supported by the switch",
        "33" => "expired card, pick up",
        "34" => "suspected fraud, pick up",
        "35" => "contact the acquirer, pick up",
        "36" => "restricted card, pick up",
        "37" => "call the acquirer's security, pick up",
        "38" => "PIN tries exceeded, pick up",
        "39" => "no credit account",
        "40" => "requested function not supported",
        "42" => "no universal account",
        "44" => "no investment account",
        "52" => "no cheque account",
        "53" => "no savings account",
        "60" => "contact the acquirer",
        "64" => "original amount incorrect",
        "66" => "call the acquirer's security",
        "67" => "hard capture, pick up",
        "76" => "original transaction not found",
        "77" => "does not match the original",
        "80" => "invalid date",
        "98" => "exceeds cash limit",
        _ => return Some(code.meaning()).filter(|words| !words.is_empty()),
    })
}

/// Account types of DE3 and DE54.
pub fn account_type(code: u8) -> &'static str {
    match code {
        0 => "default account",
        10 => "savings account",
        20 => "cheque account",
        30 => "credit account",
        40 => "universal account",
        50 => "investment account",
        60 => "stored value account",
        91 => "mortgage",
        92 => "instalment loan",
        _ => "another account",
    }
}

/// Amount types of DE54.
pub fn amount_type(code: u8) -> &'static str {
    match code {
        1 => "ledger balance",
        2 => "available balance",
        3 => "amount owing",
        20 => "amount remaining this cycle",
        40 => "cash amount",
        53 => "approved amount",
        57 => "original amount",
        _ => "amount",
    }
}

/// DE22 of 1987: how the card was read, and whether a PIN could be entered.
pub fn entry_mode(mode: PosEntryMode) -> String {
    let read = match mode.mode() {
        EntryMode::Unknown => "not known",
        EntryMode::Manual => "keyed",
        EntryMode::Stripe => "magnetic stripe",
        EntryMode::Chip => "chip",
        EntryMode::ContactlessChip => "contactless chip",
        EntryMode::StoredCredential => "stored credential",
        EntryMode::Fallback => "stripe after the chip failed",
        EntryMode::Ecommerce => "e-commerce",
        EntryMode::ContactlessStripe => "contactless stripe",
        EntryMode::ChipUnreliable => "chip, security code unreliable",
        EntryMode::Other(3) => "bar code",
        EntryMode::Other(4) => "optical",
        EntryMode::Other(_) => "reserved mode",
    };
    let pin = match mode.pin {
        0 => "PIN entry not known",
        1 => "PIN entry possible",
        2 => "no PIN entry",
        8 => "PIN pad out of order",
        _ => "reserved PIN capability",
    };
    format!("{read}, {pin}")
}

/// DE22 of 1993: how the card was read, whether card and cardholder were present, how the cardholder was verified. The
/// other positions describe what the terminal can do, and are left out.
pub fn point_of_service_data(positions: &[u8]) -> Option<String> {
    let [_, _, _, _, cardholder, card, input, verified, ..] = positions else { return None };
    let read = match input {
        b'1' => "no terminal",
        b'2' => "magnetic stripe",
        b'3' => "bar code",
        b'4' => "optical",
        b'5' => "chip",
        b'6' => "keyed",
        _ => "input not specified",
    };
    let card = match card {
        b'0' => "card absent",
        b'1' => "card present",
        _ => "card not specified",
    };
    let cardholder = match cardholder {
        b'0' => "cardholder present",
        b'1' => "cardholder absent",
        b'2' => "mail order",
        b'3' => "telephone order",
        b'4' => "standing authorization",
        _ => "cardholder not specified",
    };
    let verified = match verified {
        b'0' => "not verified",
        b'1' => "PIN",
        b'2' => "electronic signature",
        b'3' => "biometrics",
        b'4' => "biographic data",
        b'5' => "signature",
        _ => "verified otherwise",
    };
    Some(format!("{read}, {card}, {cardholder}, {verified}"))
}

/// DE25 of 1987.
pub fn condition_code(code: u32) -> Option<&'static str> {
    Some(match code {
        0 => "normal",
        1 => "cardholder not present",
        2 => "unattended, can retain the card",
        3 => "merchant suspicious",
        5 => "card not present",
        6 => "pre-authorization",
        7 => "telephone request",
        8 => "mail or telephone order",
        27 => "unattended, cannot retain the card",
        40 => "recurring",
        52..=59 => "e-commerce",
        _ => return None,
    })
}

/// DE25 of 1993.
pub fn message_reason(code: u32) -> Option<&'static str> {
    Some(match code {
        1000 => "stood in by the issuer's choice",
        1001 => "stood in, issuer signed off",
        1002 => "stood in, issuer timed out",
        1003 => "stood in, issuer unavailable",
        1004 => "decided by the terminal",
        1005 => "decided by the chip",
        1006 => "under the floor limit",
        1007 => "stood in by the acquirer",
        4000 => "customer cancelled",
        4001 => "unspecified, no action taken",
        4002 => "suspected malfunction",
        4003 => "format error",
        4004 => "completed partially",
        4005 => "original amount incorrect",
        4006 => "response received too late",
        4007 => "device could not complete",
        4013 => "could not be delivered",
        4021 => "time-out waiting for a response",
        _ => return None,
    })
}

/// DE70 of 1987.
pub fn network_code(code: u32) -> Option<&'static str> {
    Some(match code {
        1 => "sign-on",
        2 => "sign-off",
        101 => "PIN key change",
        160..=169 => "key change",
        201 => "cut-over",
        301 => "echo test",
        999 => "text",
        _ => return None,
    })
}

/// DE24 of 1993.
pub fn function_code(code: u32) -> Option<&'static str> {
    Some(match code {
        100..=103 => "authorization",
        108 => "inquiry",
        200 => "original financial, or first presentment",
        201 => "previously approved, same amount",
        202 => "previously approved, other amount",
        203..=208 => "resubmission or representment",
        300..=309 => "file action",
        400 => "full reversal",
        401 => "partial reversal",
        450..=460 => "chargeback",
        500..=504 => "reconciliation",
        603 => "retrieval request",
        650 => "message could not be parsed",
        695 => "clearing file trailer",
        697 => "clearing file header",
        690..=694 | 696 | 698 | 699 => "clearing file control",
        700 => "fee collection",
        780..=799 => "fee return",
        801 => "sign-on",
        802 => "sign-off",
        811..=818 => "key change",
        821 => "cut-over",
        831 => "echo test",
        _ => return None,
    })
}

/// DE66: the result of comparing totals, as given by the party that answers a reconciliation.
pub fn settlement_code(code: u32) -> Option<&'static str> {
    Some(match code {
        1 => "in balance",
        2 => "out of balance",
        3 => "error",
        _ => return None,
    })
}

/// DE39 of 1993. Codes from 200 mean the same as those of 100–199, with an order to keep the card.
pub fn action_code(code: u32) -> Option<&'static str> {
    Some(match code {
        0 => "approved",
        1 => "honour with identification",
        2 => "approved for a partial amount",
        3 => "approved, VIP",
        5..=7 => "approved, another account type",
        100 | 200 => "do not honour",
        101 | 201 => "expired card",
        102 | 202 => "suspected fraud",
        103 | 203 => "contact the acquirer",
        104 | 204 => "restricted card",
        105 | 205 => "call the acquirer's security",
        106 | 206 => "PIN tries exceeded",
        107 => "refer to card issuer",
        108 => "refer to card issuer, special conditions",
        109 => "invalid merchant",
        110 => "invalid amount",
        111 => "invalid card number",
        112 => "PIN data required",
        113 => "unacceptable fee",
        114 => "no account of the type requested",
        115 => "function not supported",
        116 => "insufficient funds",
        117 => "incorrect PIN",
        118 => "no card record",
        119 => "transaction not permitted to cardholder",
        120 => "transaction not permitted to terminal",
        121 => "exceeds withdrawal amount limit",
        122 => "security violation",
        123 => "exceeds withdrawal frequency limit",
        124 => "violation of law",
        125 => "card not effective",
        126 => "invalid PIN block",
        127 => "PIN length error",
        128 => "PIN key synchronization error",
        129 | 210 => "suspected counterfeit card",
        207 => "special conditions",
        208 => "lost card",
        209 => "stolen card",
        300 => "file action successful",
        301..=309 => "file action refused",
        400 => "reversal accepted",
        500 => "reconciled, in balance",
        501 => "reconciled, out of balance",
        502..=504 => "not reconciled",
        600..=606 => "administrative",
        800 => "network message accepted",
        900 => "advice acknowledged, no liability accepted",
        901 => "advice acknowledged, liability accepted",
        902 => "invalid transaction",
        903 => "re-enter transaction",
        904 => "format error",
        905 => "acquirer not supported",
        906 => "cut-over in progress",
        907 => "issuer or switch inoperative",
        908 => "destination cannot be found for routing",
        909 => "system malfunction",
        910 => "issuer signed off",
        911 => "issuer timed out",
        912 => "issuer unavailable",
        913 => "duplicate transmission",
        914 => "original transaction not found",
        915 => "reconcile error",
        916 => "message authentication code incorrect",
        917..=921 => "key error",
        922 => "message number out of sequence",
        923 => "request in progress",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_types_in_words() {
        assert_eq!(mti(Mti::of(b"0200")), "1987 financial request, from the acquirer");
        assert_eq!(mti(Mti::of(b"0421")), "1987 reversal advice, from the acquirer, repeated");
        assert_eq!(mti(Mti::of(b"1814")), "1993 network management response, from another party");
    }

    #[test]
    fn accounts_are_said_where_they_are_not_the_default() {
        assert_eq!(processing_code(ProcessingCode::PURCHASE), "purchase");
        let transfer = ProcessingCode { transaction: 40, from: 10, to: 20 };
        assert_eq!(processing_code(transfer), "account transfer, from savings account, to cheque account");
    }
}
