//! Captures that a refund names. Pure.

use codecs::value::{ApprovalCode, MerchantId, Rrn};

use super::journal::RowKey;
use super::key::JournalKey;

/// How a refund names what it gives back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamedBy<'a> {
    pub life_cycle: Option<&'a str>,
    /// Key of the captured row.
    pub key: Option<JournalKey>,
    pub rrn: Option<Rrn>,
    pub approval_code: Option<ApprovalCode>,
    pub merchant: Option<MerchantId>,
}

/// A capture of the refund's account, as far as it can be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    pub key: RowKey,
    pub life_cycle: String,
    pub rrn: Option<Rrn>,
    pub approval_code: Option<ApprovalCode>,
    pub merchant: Option<MerchantId>,
}

/// The captures that are meant: by life-cycle id, by key, by RRN and approval code, by approval code and merchant. The first of
/// these that any capture answers to decides. Several answer where one hold was captured in parts.
#[must_use]
pub fn choose(captures: &[Capture], by: &NamedBy<'_>) -> Vec<RowKey> {
    let has_code = |of: &Capture| by.approval_code.is_some() && of.approval_code == by.approval_code;
    let by_life_cycle = |of: &Capture| by.life_cycle == Some(of.life_cycle.as_str());
    let by_key = |of: &Capture| by.key == Some(of.key.idem);
    let by_rrn = |of: &Capture| has_code(of) && of.rrn.is_some() && of.rrn == by.rrn;
    let by_code = |of: &Capture| has_code(of) && of.merchant.is_some() && of.merchant == by.merchant;
    let rules: [&dyn Fn(&Capture) -> bool; 4] = [&by_life_cycle, &by_key, &by_rrn, &by_code];
    let answering = |rule: &&dyn Fn(&Capture) -> bool| {
        let mut keys: Vec<RowKey> = captures.iter().filter(|of| rule(of)).map(|of| of.key).collect();
        keys.sort_unstable();
        keys
    };
    rules.iter().map(answering).find(|keys| !keys.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn capture(number: u8, life_cycle: &str, rrn: &str, code: &str, merchant: &str) -> Capture {
        Capture {
            key: RowKey { bucket: 1, date: date(2026, 11, 20), idem: JournalKey([number; 16]) },
            life_cycle: life_cycle.to_owned(),
            rrn: Rrn::new(rrn),
            approval_code: ApprovalCode::new(code),
            merchant: MerchantId::new(merchant),
        }
    }

    #[test]
    fn the_first_name_that_a_capture_answers_to_decides() {
        let captures = [
            capture(1, "SWY1", "000000000001", "111111", "M1"),
            capture(2, "SWY1", "000000000002", "111111", "M1"),
            capture(3, "SWY3", "000000000003", "333333", "M1"),
            capture(4, "SWY4", "000000000004", "333333", "M2"),
        ];
        let named = NamedBy { merchant: MerchantId::new("M1"), ..NamedBy::default() };
        let code = |code| ApprovalCode::new(code);
        for (by, expected, meaning) in [
            (named, &[][..], "nothing named"),
            (NamedBy { life_cycle: Some("SWY1"), approval_code: code("333333"), ..named }, &[1, 2], "both parts of it"),
            (NamedBy { key: Some(JournalKey([4; 16])), approval_code: code("111111"), ..named }, &[4], "by key"),
            (
                NamedBy { rrn: Rrn::new("000000000002"), approval_code: code("111111"), ..named },
                &[2],
                "by RRN and code",
            ),
            (NamedBy { rrn: Rrn::new("000000000002"), ..named }, &[], "an RRN alone is no name"),
            (
                NamedBy { rrn: Rrn::new("000000000009"), approval_code: code("333333"), ..named },
                &[3],
                "code at its shop",
            ),
            (NamedBy { life_cycle: Some("SWY9"), approval_code: code("444444"), ..named }, &[], "unknown"),
        ] {
            let chosen: Vec<u8> = choose(&captures, &by).iter().map(|key| key.idem.0[0]).collect();
            assert_eq!(chosen, expected, "{meaning}");
        }
    }
}
