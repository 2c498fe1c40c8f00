//! The journal: its row, and the kinds and roles with their stored words. Pure.

use std::borrow::Cow;

use codecs::originator::KeyClass;
use codecs::value::{
    ApprovalCode, Currency, InstitutionId, MerchantId, Minor, Money, Number, PosEntryMode, ResponseCode, Rrn, Stan,
    TerminalId,
};
use hsm::PanIndex;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::key::{ContentDigest, JournalKey};

/// Kind of transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Purchase,
    PreAuthorization,
    Completion,
    Refund,
    Reversal,
    BalanceInquiry,
    AccountVerification,
    /// Opening balance of an account, posted from the funding account.
    Opening,
    /// A further amount for an open pre-authorization.
    Increment,
    /// Asks whether a refund would be accepted; moves nothing.
    RefundAuthorization,
    /// An advice of a kind that is not served: kept, and nothing else.
    NotServed,
}

crate::stored_words!(Kind, "column `auth.kind`" {
    Purchase => "purchase",
    PreAuthorization => "pre-authorization",
    Completion => "completion",
    Refund => "refund",
    Reversal => "reversal",
    BalanceInquiry => "balance-inquiry",
    AccountVerification => "account-verification",
    Opening => "opening",
    Increment => "increment",
    NotServed => "not-served",
    RefundAuthorization => "refund-authorization",
});

/// Our role in a transaction: issuer, acquirer, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Our card at our merchant.
    OnUs,
    /// Our card at a foreign acquirer, which will present it.
    Issued,
    /// A foreign card at our merchant; its issuer decided.
    Acquired,
}

crate::stored_words!(Role, "column `auth.role`" {
    OnUs => "on-us",
    Issued => "issued",
    Acquired => "acquired",
});

/// First byte of [`Row::why`] as this version writes it. What follows belongs to whoever decides.
pub const WHY_VERSION: u8 = 1;

/// One row of the journal: the request, its originator, and the outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub bucket: i16,
    pub idem_date: Date,
    pub idem: JournalKey,
    pub auth_id: i64,
    pub kind: Kind,
    /// Message class; of a reversal that of its original, absent where it named none and found none.
    pub class: Option<KeyClass>,
    pub role: Role,
    pub advice: bool,
    pub digest: ContentDigest,
    pub pan_index: Option<PanIndex>,
    pub account_id: Option<i64>,
    pub card_id: Option<i64>,
    pub token_id: Option<i64>,
    pub account_seq: Option<i64>,
    pub response_code: ResponseCode,
    pub reason: Option<Cow<'static, str>>,
    pub approval_code: Option<ApprovalCode>,
    pub requested: Minor,
    pub approved: Minor,
    /// Of a partial reversal: the amount that stands after it.
    pub standing: Option<Minor>,
    pub currency: Currency,
    /// DE4 and its currency, where that is not the account's. All other amounts are in the account's.
    pub transaction: Option<Money>,
    pub icc_answer: Option<Vec<u8>>,
    pub available: Option<Minor>,
    /// Name of the switch's link on which the request came in.
    pub link: String,
    pub acquirer: InstitutionId,
    /// Name of the switch's destination whose issuer decided.
    pub issuer: Option<String>,
    pub merchant: Option<MerchantId>,
    pub terminal: Option<TerminalId>,
    /// Merchant category (DE18).
    pub mcc: Option<Number<4>>,
    pub entry_mode: Option<PosEntryMode>,
    pub stan: Stan,
    pub rrn: Option<Rrn>,
    pub life_cycle: String,
    pub local_at: DateTime,
    pub received_at: Timestamp,
    pub business_date: Date,
    pub cycle: Date,
    pub original: Option<Original>,
    pub hold: Option<HoldChange>,
    pub counted: Option<Counted>,
    pub exception: Option<Cow<'static, str>>,
    pub why: Vec<u8>,
}

/// Primary key of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowKey {
    pub bucket: i16,
    pub date: Date,
    pub idem: JournalKey,
}

/// An account's opening balance. No message asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    pub bucket: i16,
    pub account_id: i64,
    pub balance: Minor,
    pub currency: Currency,
    /// Index of the PAN of the account's first card.
    pub pan_index: PanIndex,
    /// Our own institution number.
    pub acquirer: InstitutionId,
    pub date: Date,
    pub at: Timestamp,
}

/// What a row did to a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldChange {
    /// Number of the pre-authorization that opened it.
    pub auth_id: i64,
    /// What is held on it afterwards; zero when it has ended.
    pub left: Minor,
    /// Its last day, if this row set it.
    pub expires_on: Option<Date>,
}

/// What a row added to the card's spending of a business date; negative for what it gave back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    pub on: Date,
    pub minor: i64,
}

/// The row that a reversal or completion refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original {
    pub date: Date,
    pub idem: JournalKey,
    /// Absent in a tombstone.
    pub auth_id: Option<i64>,
}

impl Row {
    /// Amount and currency as the message had them.
    #[must_use]
    pub fn sent(&self) -> Money {
        self.transaction.unwrap_or(Money { minor: self.requested, currency: self.currency })
    }

    /// What was approved, in the currency of the message. Of a part it is rounded down, so that it is never more than was
    /// taken from the account.
    #[must_use]
    pub fn approved_as_sent(&self) -> Minor {
        match self.transaction {
            Some(_) if self.approved == self.requested => self.sent().minor,
            Some(sent) => self.approved.scaled_down(sent.minor, self.requested),
            None => self.approved,
        }
    }

    /// An amount in the currency of the message, in that of the account, at the rate of this transaction.
    #[must_use]
    pub fn in_account_currency(&self, sent: Minor) -> Minor {
        match self.transaction {
            Some(_) if sent == self.approved_as_sent() => self.approved,
            Some(of) => sent.scaled(self.requested, of.minor),
            None => sent,
        }
    }

    /// The row of an opening balance. Account, first card and row share one number. Such numbers are below those of the
    /// first host epoch, so no other row has them.
    #[must_use]
    pub fn of_opening(of: &Opening) -> Self {
        let auth_id = of.account_id;
        Self {
            bucket: of.bucket,
            idem_date: of.date,
            idem: JournalKey::of_opening(of.account_id),
            auth_id,
            kind: Kind::Opening,
            class: None,
            role: Role::OnUs,
            advice: false,
            digest: ContentDigest::of(Some(&of.pan_index), of.balance, of.currency, Kind::Opening.as_str()),
            pan_index: Some(of.pan_index),
            account_id: Some(of.account_id),
            card_id: Some(of.account_id),
            token_id: None,
            account_seq: Some(1),
            response_code: ResponseCode::APPROVED,
            reason: None,
            approval_code: None,
            requested: of.balance,
            approved: of.balance,
            standing: None,
            currency: of.currency,
            transaction: None,
            icc_answer: None,
            available: None,
            link: "issue".to_owned(),
            acquirer: of.acquirer,
            issuer: None,
            merchant: None,
            terminal: None,
            mcc: None,
            entry_mode: None,
            stan: Stan(0),
            rrn: None,
            life_cycle: life_cycle_id(auth_id),
            local_at: of.at.to_zoned(TimeZone::UTC).datetime(),
            received_at: of.at,
            business_date: of.date,
            cycle: of.date,
            original: None,
            hold: None,
            counted: None,
            exception: None,
            why: vec![WHY_VERSION],
        }
    }

    /// The row's primary key.
    #[must_use]
    pub const fn key(&self) -> RowKey {
        RowKey { bucket: self.bucket, date: self.idem_date, idem: self.idem }
    }
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        text.push(char::from_digit(u32::from(byte >> 4), 16).expect("a nibble is below 16"));
        text.push(char::from_digit(u32::from(byte & 15), 16).expect("a nibble is below 16"));
        text
    })
}

/// Life-cycle id: `SWY` and twelve characters of base 36. Identifies a transaction through clearing and disputes
/// (DE63).
#[must_use]
pub fn life_cycle_id(auth_id: i64) -> String {
    let mut rest = auth_id.unsigned_abs();
    let mut text = [b'0'; 15];
    text[..3].copy_from_slice(b"SWY");
    for place in text[3..].iter_mut().rev() {
        *place = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(rest % 36) as usize];
        rest /= 36;
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Six digits. Two transactions of a day can share one; amount and date tell them apart.
#[must_use]
pub fn approval_code(auth_id: i64) -> ApprovalCode {
    // a multiplier coprime to a million, so that consecutive approvals do not look consecutive
    let code = format!("{:06}", auth_id.unsigned_abs().wrapping_mul(638_617) % 1_000_000);
    ApprovalCode::new(&code).expect("six digits")
}
