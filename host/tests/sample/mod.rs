//! A request that would be approved: the starting point of tests and the benchmark, each of which changes what it is
//! about.

use codecs::originator::KeyClass;
use codecs::value::{
    Currency, InstitutionId, MerchantId, Minor, Number, PosEntryMode, ProcessingCode, Rrn, TerminalId,
};
use host::authorize::{Cryptogram, Pin, Proof, SecurityCode};
use host::batch::PreparedRequest;
use host::request::{CardEntry, Request};
use hsm::PanIndex;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use ledger::journal::{Kind, Role};
use ledger::key::{ContentDigest, DatedOriginatorKey};
use ledger::row_location::RowLocation;

/// Link, terminal and merchant of most requests.
pub const OUR_SHOP: &str = "terminals|T0000001|SWYD00000000001";
pub const TODAY: Date = date(2026, 11, 20);

/// The originator's key of a request sent today; `origin` is link, terminal and merchant.
pub fn key(origin: &str, stan: u32) -> DatedOriginatorKey {
    DatedOriginatorKey::parse(&format!("{origin}|{stan:06}|101500|1120"), TODAY).unwrap()
}

/// The class of a message of this kind; a reversal names none here, as a terminal's.
pub fn class(kind: Kind) -> Option<KeyClass> {
    match kind {
        Kind::Reversal => None,
        Kind::PreAuthorization | Kind::AccountVerification | Kind::BalanceInquiry | Kind::RefundAuthorization => {
            Some(KeyClass::Authorization)
        }
        _ => Some(KeyClass::Financial),
    }
}

/// A request of this kind by magnetic stripe, our card at our merchant, in euros. It has no PAN index yet.
pub fn request(origin: &str, stan: u32, kind: Kind, amount_minor: i64) -> Request {
    let key = key(origin, stan);
    let mut names = origin.split('|').skip(1);
    let (terminal, merchant) = (names.next().and_then(TerminalId::new), names.next().and_then(MerchantId::new));
    let class = class(kind);
    let other = match class {
        Some(KeyClass::Financial) => None,
        Some(KeyClass::Authorization) => Some(KeyClass::Financial),
        None => Some(KeyClass::Authorization),
    };
    Request {
        kind,
        advice: kind == Kind::Completion,
        role: Role::OnUs,
        key: key.of_class(class.unwrap_or(KeyClass::Financial)),
        other_class: other.map(|class| key.of_class(class)),
        class,
        referred: None,
        link: key.link().to_owned(),
        stan: key.stan(),
        local_at: key.local_at(),
        processing_code: ProcessingCode::PURCHASE,
        amount: Minor(amount_minor),
        currency: Currency::EUR,
        foreign: None,
        billing_disbelieved: false,
        currency_named: true,
        replacement: None,
        card_entry: CardEntry::Stripe,
        chip_terms: None,
        partial_supported: false,
        cash_back: None,
        advised: None,
        approval_code: None,
        rrn: Rrn::new(&format!("6324{stan:08}")),
        life_cycle: None,
        acquirer: InstitutionId::new("400012").unwrap(),
        issuer: None,
        merchant,
        terminal,
        mcc: Some(Number(5411)),
        entry_mode: PosEntryMode::parse("901"),
        business_date: TODAY,
        pan_index: None,
        digest: ContentDigest([0; 16]),
    }
}

/// The request with the facts of an account's card and a right security code. Each account has one card, under the same
/// number.
pub fn prepared(mut request: Request, bucket: i16, account_id: i64) -> PreparedRequest {
    let mut index = [0; 32];
    index[..8].copy_from_slice(&account_id.to_be_bytes());
    request.identify(Some(PanIndex(index)));
    PreparedRequest {
        request,
        location: RowLocation::OurAccount { bucket, account_id, card_id: account_id, card_version: 1, token: None },
        proof: Proof {
            security_code: SecurityCode::Right,
            cryptogram: Cryptogram::Absent,
            pin: Pin::Absent,
            expiry: None,
        },
        icc_approval: None,
        acceptor_known: true,
        received_at: Timestamp::UNIX_EPOCH,
        acquired: None,
        refund_of: Vec::new(),
        followed_by: Vec::new(),
    }
}
