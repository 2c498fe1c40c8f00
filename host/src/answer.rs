//! Builds answers. An approval is built from a commit receipt ([`Committed`]) only. A message without a decision gets a
//! response code that is no approval, and a plain 00 is for messages that move no money. Pure.

use codecs::subfields::{AdditionalAmount, amount_type, write_additional_amount};
use codecs::value::{Money, Opaque, ResponseCode};
use codecs::view::{Network, Reconciliation};
use codecs::{Builder, Message, de, tlv};
use ledger::journal::{Kind, Row};

use crate::batch;
use crate::lanes::Committed;
use crate::request::Refusal;

/// Tag of the issuer authentication data.
const ISSUER_AUTHENTICATION: u32 = 0x91;

/// The answer to a request whose decision is committed.
#[must_use]
pub fn decided(request: &Message, committed: &Committed) -> Builder {
    from_row(request, committed.row())
}

/// Why a message got no decision. None of the response codes is an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDecision {
    /// The message could not be read.
    Unreadable,
    /// The message asks for something that this host does not serve.
    NotServed,
    /// The originator is neither a terminal of ours nor a known acquirer.
    UnknownOriginator,
    /// The message names an institution that we do not settle with.
    UnknownInstitution,
    /// The host itself failed: database, HSM, lane.
    Malfunction,
}

impl NoDecision {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::Unreadable, Self::NotServed, Self::UnknownOriginator, Self::UnknownInstitution, Self::Malfunction];

    /// Response code (DE39, 1987) for this reason.
    #[must_use]
    pub const fn response_code(self) -> ResponseCode {
        match self {
            Self::Unreadable => ResponseCode::FORMAT_ERROR,
            Self::NotServed => ResponseCode::INVALID_TRANSACTION,
            Self::UnknownOriginator => ResponseCode::INVALID_MERCHANT,
            Self::UnknownInstitution => ResponseCode::BANK_NOT_SUPPORTED,
            Self::Malfunction => ResponseCode::SYSTEM_MALFUNCTION,
        }
    }
}

impl From<&Refusal> for NoDecision {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::NotServed(_) => Self::NotServed,
            _ => Self::Unreadable,
        }
    }
}

/// The answer to a message that got no decision.
#[must_use]
pub fn without_decision(request: &Message, why: NoDecision) -> Builder {
    with_code(request, why.response_code())
}

/// The answer to a network message (0800) that was carried out.
#[must_use]
pub fn network_answer(request: &Network<'_>) -> Builder {
    with_code(request.message, ResponseCode::APPROVED)
}

/// The start of the answer to a reconciliation: our own totals are still missing.
#[must_use]
pub fn reconciliation_answer(request: &Reconciliation<'_>) -> Builder {
    with_code(request.message, ResponseCode::APPROVED)
}

fn with_code(request: &Message, code: ResponseCode) -> Builder {
    let mut answer = Builder::answer_to(request);
    echo(&mut answer, request);
    answer.put::<de::ResponseCode>(code);
    answer
}

fn from_row(request: &Message, row: &Row) -> Builder {
    let mut answer = Builder::answer_to(request);
    echo(&mut answer, request);
    answer.put::<de::ResponseCode>(row.response_code);
    answer.put::<de::LifeCycleId>(Opaque::text(&row.life_cycle));
    if let (false, Some(rrn)) = (answer.has::<de::Rrn>(), row.rrn) {
        answer.put::<de::Rrn>(rrn);
    }
    if row.response_code.is_approval() {
        answer.put_some::<de::ApprovalCode>(row.approval_code);
        // a declined answer must not carry the ARPC that the card takes for an approval
        if let Some(value) = &row.icc_answer {
            let mut icc = Vec::with_capacity(value.len() + 2);
            tlv::write(ISSUER_AUTHENTICATION, value, &mut icc);
            answer.put::<de::Icc>(Opaque::new(icc));
        }
    }
    if row.response_code == ResponseCode::PARTIAL_APPROVAL {
        answer.put::<de::Amount>(row.approved_as_sent());
    }
    if row.transaction.is_some() {
        let billed = if row.response_code == ResponseCode::PARTIAL_APPROVAL { row.approved } else { row.requested };
        answer.put::<de::BillingAmount>(billed).put::<de::BillingCurrency>(row.currency);
        answer.put_some::<de::BillingRate>(batch::conversion_rate(&row.why));
    }
    if let Some(set) = additional_amount(row) {
        let mut text = Vec::with_capacity(20);
        write_additional_amount(&set, &mut text);
        answer.put::<de::AdditionalAmounts>(Opaque::new(text));
    }
    answer
}

/// DE54: after a partial approval the requested amount, after a balance inquiry the balance.
fn additional_amount(row: &Row) -> Option<AdditionalAmount> {
    let (amount_type, of) = match row.kind {
        _ if row.response_code == ResponseCode::PARTIAL_APPROVAL => (amount_type::ORIGINAL, row.sent()),
        Kind::BalanceInquiry => {
            (amount_type::AVAILABLE_BALANCE, Money { minor: row.available?, currency: row.currency })
        }
        _ => return None,
    };
    Some(AdditionalAmount { account_type: 0, amount_type, currency: of.currency, amount: of.minor })
}

/// Copies the elements that return unchanged: those by which the switch matches, and those that the class's answer
/// requires.
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use bytes::Bytes;
    use codecs::Dialect;
    use codecs::value::{ApprovalCode, Currency, InstitutionId, Minor, Stan};
    use jiff::civil::date;

    use super::*;
    use ledger::journal::Role;
    use ledger::key::{ContentDigest, JournalKey};

    fn dialect() -> Arc<Dialect> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/dialects");
        codecs::dialect::load(&folder, "switchyard-host").unwrap()
    }

    /// A chip purchase of 12.50 in ASCII; the bitmap has 3, 4, 7, 11, 12, 13, 15, 37, 41, 42, 49.
    fn request(dialect: &Arc<Dialect>, mti: &str) -> Message {
        let mut bytes = mti.as_bytes().to_vec();
        bytes.extend_from_slice(&[0x32, 0x3A, 0x00, 0x00, 0x08, 0xC0, 0x80, 0x00]);
        bytes.extend_from_slice(b"000000");
        bytes.extend_from_slice(b"000000001250");
        bytes.extend_from_slice(b"1120101500");
        bytes.extend_from_slice(b"000017");
        bytes.extend_from_slice(b"101459");
        bytes.extend_from_slice(b"1120");
        bytes.extend_from_slice(b"1120");
        bytes.extend_from_slice(b"632400000017");
        bytes.extend_from_slice(b"T0000001");
        bytes.extend_from_slice(b"SWYD00000000001");
        bytes.extend_from_slice(b"978");
        Message::decode(dialect, Bytes::from(bytes)).unwrap()
    }

    fn row(kind: Kind, code: &[u8; 2], approved_minor: i64) -> Row {
        Row {
            bucket: 1,
            idem_date: date(2026, 11, 20),
            idem: JournalKey([0; 16]),
            auth_id: 1 << 40,
            kind,
            class: None,
            role: Role::OnUs,
            advice: false,
            digest: ContentDigest([0; 16]),
            pan_index: None,
            account_id: Some(1),
            card_id: Some(1),
            token_id: None,
            account_seq: Some(1),
            response_code: ResponseCode(*code),
            reason: None,
            approval_code: ApprovalCode::new("064409"),
            requested: Minor(1250),
            approved: Minor(approved_minor),
            currency: Currency::EUR,
            standing: None,
            transaction: None,
            icc_answer: Some(vec![0xA1, 0xA2, 0xA3, 0xA4, 0x00, 0x80, 0x00, 0x00]),
            available: Some(Minor(99_900)),
            link: "terminals".into(),
            acquirer: InstitutionId::new("400012").unwrap(),
            issuer: None,
            merchant: None,
            terminal: None,
            mcc: None,
            entry_mode: None,
            stan: Stan(17),
            rrn: None,
            life_cycle: "SWY0000E13WU1OH".into(),
            local_at: date(2026, 11, 20).at(10, 14, 59, 0),
            received_at: jiff::Timestamp::UNIX_EPOCH,
            business_date: date(2026, 11, 20),
            cycle: date(2026, 11, 20),
            original: None,
            hold: None,
            counted: None,
            exception: None,
            why: Vec::new(),
        }
    }

    /// The answer after its echoed part: everything from DE37 on, bytes outside ASCII as `\xNN`.
    fn golden(mti: &str, row: &Row) -> String {
        let dialect = dialect();
        let bytes = from_row(&request(&dialect, mti), row).encode().unwrap();
        bytes.iter().flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from).collect()
    }

    #[test]
    fn an_approval_carries_code_cryptogram_and_life_cycle() {
        assert_eq!(
            golden("0200", &row(Kind::Purchase, b"00", 1250)),
            concat!(
                r"02102:\x00\x00\x0e\xc0\x82\x02",
                "000000000000001250112010150000001710145911201120",
                "63240000001706440900T0000001SWYD00000000001978",
                r"010\x91\x08\xa1\xa2\xa3\xa4\x00\x80\x00\x00",
                "015SWY0000E13WU1OH",
            )
        );
    }

    #[test]
    fn a_decline_carries_neither_code_nor_cryptogram() {
        assert_eq!(
            golden("0200", &row(Kind::Purchase, b"51", 0)),
            concat!(
                r"02102:\x00\x00\n\xc0\x80\x02",
                "000000000000001250112010150000001710145911201120",
                "63240000001751T0000001SWYD00000000001978",
                "015SWY0000E13WU1OH",
            )
        );
    }

    #[test]
    fn a_partial_approval_tells_both_amounts() {
        let answer = golden("0200", &row(Kind::Purchase, b"10", 999));
        assert!(answer.contains("000000000000000999"), "DE4 is what was approved: {answer}");
        assert!(answer.contains("0200057978C000000001250"), "DE54 is what was asked for: {answer}");
    }

    #[test]
    fn what_was_bought_abroad_is_answered_in_both_currencies() {
        let dollars = Money::new(1_250, Currency::from_number(840));
        let mut row = row(Kind::Purchase, b"00", 1_125);
        (row.requested, row.transaction, row.why) =
            (Minor(1_125), Some(dollars), vec![1, 3, 0, 0, 10, 0, 0x98, 0x96, 0x89]);
        let billing = |row: &Row| {
            let dialect = dialect();
            let answer = from_row(&request(&dialect, "0200"), row).encode().unwrap();
            let answer = Message::decode(&dialect, answer).unwrap();
            let (amount, billed) = (answer.get::<de::Amount>(), answer.get::<de::BillingAmount>());
            let rate = answer.get::<de::BillingRate>().unwrap().map(|rate| rate.to_string());
            assert_eq!(answer.get::<de::BillingCurrency>(), Ok(Some(Currency::EUR)));
            (amount.unwrap().unwrap().0, billed.unwrap().unwrap().0, rate.unwrap())
        };
        assert_eq!(billing(&row), (1_250, 1_125, "0.9".into()));
        (row.response_code, row.approved) = (ResponseCode::PARTIAL_APPROVAL, Minor(450));
        assert_eq!(billing(&row), (500, 450, "0.9".into()));
        let answer = golden("0200", &row);
        assert!(answer.contains("0200057840C000000001250"), "DE54 is what was asked for, in its currency: {answer}");
    }

    #[test]
    fn a_balance_is_told_to_who_asked_for_it() {
        let asked = golden("0100", &row(Kind::BalanceInquiry, b"00", 0));
        assert!(asked.contains("0200002978C000000099900"), "{asked}");
        assert!(!golden("0200", &row(Kind::Purchase, b"00", 1250)).contains("99900"));
    }

    #[test]
    fn what_was_not_decided_is_no_approval_and_says_nothing_else() {
        let dialect = dialect();
        for why in NoDecision::ALL {
            let answer = without_decision(&request(&dialect, "0420"), why).encode().unwrap();
            let answer = Message::decode(&dialect, answer).unwrap();
            assert_eq!(answer.mti().as_str(), "0430");
            let code = answer.get::<de::ResponseCode>().unwrap();
            assert!(code == Some(why.response_code()) && !why.response_code().is_approval(), "{why:?}");
            assert!(!answer.has::<de::ApprovalCode>() && !answer.has::<de::LifeCycleId>());
        }
    }

    #[test]
    fn a_00_without_a_commit_is_for_messages_that_move_no_money() {
        let dialect = dialect();
        for mti in ["0100", "0200", "0220", "0420"] {
            let request = request(&dialect, mti);
            let (network, totals) = (Network::of(&request), Reconciliation::of(&request));
            assert_eq!(network.err().map(|error| error.element), Some(de::MTI), "{mti}");
            assert_eq!(totals.err().map(|error| error.element), Some(de::MTI), "{mti}");
        }
        let totals = request(&dialect, "0500");
        let answer = reconciliation_answer(&Reconciliation::of(&totals).unwrap()).encode().unwrap();
        let answer = Message::decode(&dialect, answer).unwrap();
        assert_eq!(
            (answer.mti().as_str(), answer.get::<de::ResponseCode>()),
            ("0510", Ok(Some(ResponseCode::APPROVED)))
        );
    }
}
