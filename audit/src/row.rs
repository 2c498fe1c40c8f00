//! A row of the journal with its posting, and what must be true of the two alone.

use jiff::civil::Date;
use tokio_postgres::Row;

/// A journal row as the checks see it.
#[derive(Clone, Debug)]
pub(super) struct JournalRow {
    pub auth_id: i64,
    pub kind: String,
    pub role: String,
    pub account_id: Option<i64>,
    pub account_seq: Option<i64>,
    pub card_id: Option<i64>,
    pub approved_minor: i64,
    pub acquirer: String,
    pub issuer: Option<String>,
    pub merchant: Option<String>,
    pub terminal: Option<String>,
    pub stan: i32,
    pub rrn: Option<String>,
    pub life_cycle: String,
    pub business_date: Date,
    pub cycle: Date,
    pub hash_version: i16,
    /// The hold that the row changed, and what it left of it.
    pub hold: Option<(i64, i64)>,
    /// The last day of the hold, if the row set it.
    pub hold_expires_on: Option<Date>,
    /// What the row counted towards the card's daily limit, and on which day.
    pub counted: Option<(Date, i64)>,
    pub original_auth_id: Option<i64>,
    pub original_kind: Option<String>,
    pub posting: Option<PostingRow>,
}

/// A row of `posting`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PostingRow {
    pub payer: (String, String),
    pub payee: (String, String),
    pub minor: i64,
    pub same_currency: bool,
    pub business_date: Date,
}

/// Kind and reference of an account.
type ExpectedAccount = (&'static str, String);

/// Payer, payee and amount that a posting should have.
type ExpectedPosting = (ExpectedAccount, ExpectedAccount, i64);

impl JournalRow {
    /// Reads a row of the statement in `days`.
    pub(super) fn read(row: &Row) -> Self {
        let posting = row.get::<_, Option<String>>(23).map(|kind| PostingRow {
            payer: (kind, row.get(24)),
            payee: (row.get(25), row.get(26)),
            minor: row.get(27),
            same_currency: row.get(28),
            business_date: row.get(29),
        });
        Self {
            auth_id: row.get(0),
            kind: row.get(1),
            role: row.get(2),
            account_id: row.get(3),
            account_seq: row.get(4),
            card_id: row.get(5),
            approved_minor: row.get(6),
            acquirer: row.get(7),
            issuer: row.get(8),
            merchant: row.get(9),
            terminal: row.get(10),
            stan: row.get(11),
            rrn: row.get(12),
            life_cycle: row.get(13),
            business_date: row.get(14),
            cycle: row.get(15),
            hash_version: row.get(16),
            hold: row.get::<_, Option<i64>>(17).zip(row.get::<_, Option<i64>>(18)),
            counted: row.get::<_, Option<Date>>(19).zip(row.get::<_, Option<i64>>(20)),
            hold_expires_on: row.get(31),
            original_auth_id: row.get(21),
            original_kind: row.get(22),
            posting,
        }
    }

    /// Describes the transaction so that an operator can find it.
    pub(super) fn named(&self) -> String {
        let terminal = self.terminal.as_deref().unwrap_or("-");
        let rrn = self.rrn.as_deref().unwrap_or("-");
        let Self { kind, auth_id, stan, life_cycle, .. } = self;
        format!("{kind} {auth_id} (terminal {terminal}, STAN {stan:06}, RRN {rrn}, {life_cycle})")
    }

    /// The amount that the row should have moved to the merchant's side, from its kind; 0 for a hold.
    pub(super) fn moved(&self) -> i64 {
        let minor = self.approved_minor;
        match (self.kind.as_str(), self.original_kind.as_deref()) {
            ("purchase" | "completion", _) | ("reversal", Some("refund")) => minor,
            ("refund", _) | ("reversal", Some("purchase" | "completion")) => -minor,
            _ => 0,
        }
    }

    /// The posting that the row's kind, parties and amount require.
    fn expected_posting(&self) -> Option<ExpectedPosting> {
        let account = self.account_id.map(|id| id.to_string());
        if self.kind == "opening" {
            let to = ("cardholder", account.unwrap_or_default());
            return Some((("funding", "opening".to_owned()), to, self.approved_minor));
        }
        let minor = self.moved();
        if minor == 0 {
            return None;
        }
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "unnamed".to_owned());
        let payer = match (self.role.as_str(), account) {
            ("acquired", _) => ("network", text(&self.issuer)),
            (_, Some(account)) => ("cardholder", account),
            (_, None) => ("suspense", self.acquirer.clone()),
        };
        let payee = match self.role.as_str() {
            "issued" => ("unpresented", self.acquirer.clone()),
            _ => ("merchant", text(&self.merchant)),
        };
        Some((payer, payee, minor))
    }

    pub(super) fn posting_fault(&self) -> Option<String> {
        let expected = self.expected_posting();
        let found = self.posting.as_ref();
        let same = match (&expected, found) {
            (None, None) => true,
            (Some((payer, payee, minor)), Some(found)) => {
                (payer.0, payer.1.as_str()) == (found.payer.0.as_str(), found.payer.1.as_str())
                    && (payee.0, payee.1.as_str()) == (found.payee.0.as_str(), found.payee.1.as_str())
                    && *minor == found.minor
                    && found.same_currency
            }
            _ => false,
        };
        (!same).then(|| format!("{}: posted {found:?}, expected {expected:?}", self.named()))
    }

    pub(super) fn date_fault(&self) -> Option<String> {
        if self.cycle < self.business_date {
            let (cycle, date) = (self.cycle, self.business_date);
            return Some(format!("{}: settled with {cycle}, before its date {date}", self.named()));
        }
        let strayed = self.posting.as_ref().filter(|posting| posting.business_date != self.business_date)?;
        Some(format!("{}: its posting is dated {}", self.named(), strayed.business_date))
    }
}
