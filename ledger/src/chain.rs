//! The hash chains over the journal: what is hashed of a row, a posting and a change, and how a batch becomes a link.
//! Pure. docs/journal.md describes the bytes.

use codecs::value::{ApprovalCode, MerchantId, Rrn, TerminalId};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use crate::journal::Row;
use crate::posting::Posting;

/// A SHA-256 over fields. Each field stands after its length, so that no two sequences of fields run into the same
/// bytes; an absent one is told apart from an empty one.
#[derive(Clone, Debug, Default)]
pub struct FieldHash(Sha256);

impl FieldHash {
    /// Length of an absent field.
    const ABSENT: [u8; 4] = [0xFF; 4];

    /// A hash whose first field says what is hashed.
    #[must_use]
    pub fn of(what: &str) -> Self {
        let mut hash = Self::default();
        hash.text(what);
        hash
    }

    /// Adds bytes.
    pub fn bytes<'a>(&mut self, bytes: impl Into<Option<&'a [u8]>>) -> &mut Self {
        match bytes.into() {
            Some(bytes) => {
                self.0.update(u32::try_from(bytes.len()).expect("a column has less than 4 GiB").to_be_bytes());
                self.0.update(bytes);
            }
            None => self.0.update(Self::ABSENT),
        }
        self
    }

    /// Adds a text in UTF-8.
    pub fn text<'a>(&mut self, text: impl Into<Option<&'a str>>) -> &mut Self {
        self.bytes(text.into().map(str::as_bytes))
    }

    /// Adds a number as eight bytes, big-endian.
    pub fn number(&mut self, number: impl Into<Option<i64>>) -> &mut Self {
        let bytes = number.into().map(i64::to_be_bytes);
        self.bytes(bytes.as_ref().map(|bytes| &bytes[..]))
    }

    /// Adds a date as `YYYY-MM-DD`.
    pub fn date(&mut self, date: impl Into<Option<Date>>) -> &mut Self {
        let text = date.into().map(|date| date.to_string());
        self.text(text.as_deref())
    }

    /// Adds a moment as microseconds since 1970, the resolution of the table.
    pub fn moment(&mut self, moment: Timestamp) -> &mut Self {
        self.number(moment.as_microsecond())
    }

    /// Adds a local time as if it were UTC.
    pub fn local(&mut self, local: DateTime) -> &mut Self {
        let moment = local.to_zoned(TimeZone::UTC).expect("a message's year is near ours").timestamp();
        self.moment(moment)
    }

    /// The hash.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// Hash of a journal row and of its posting, every column of both.
#[must_use]
pub fn row_hash(row: &Row, posting: Option<&Posting>) -> [u8; 32] {
    let mut hash = FieldHash::of("auth");
    hash.number(row.auth_id).number(row.account_id).number(row.account_seq).number(row.card_id).number(row.token_id);
    hash.number(row.requested.0).number(row.approved.0).number(row.standing.map(|minor| minor.0));
    hash.number(row.transaction.map(|of| of.minor.0)).number(row.available.map(|minor| minor.0));
    hash.number(row.hold.map(|hold| hold.auth_id)).number(row.hold.map(|hold| hold.left.0));
    hash.number(row.counted.map(|counted| counted.minor)).number(row.original.and_then(|original| original.auth_id));
    hash.local(row.local_at).moment(row.received_at);
    hash.date(row.idem_date).date(row.business_date).date(row.cycle).date(row.original.map(|original| original.date));
    hash.date(row.hold.and_then(|hold| hold.expires_on)).date(row.counted.map(|counted| counted.on));
    hash.number(i64::from(row.stan.0)).text(row.kind.as_str()).text(row.role.as_str()).number(i64::from(row.bucket));
    hash.number(row.class.map(|class| class as i64)).number(i64::from(row.currency.number()));
    hash.number(row.transaction.map(|of| i64::from(of.currency.number())));
    hash.number(row.mcc.map(|mcc| i64::from(mcc.0))).number(i64::from(row.advice));
    hash.text(row.response_code.as_str());
    hash.bytes(&row.idem.0[..]).bytes(&row.digest.0[..]);
    hash.bytes(row.pan_index.as_ref().map(|index| &index.0[..]));
    hash.bytes(row.original.as_ref().map(|original| &original.idem.0[..]));
    hash.text(row.reason.as_deref()).text(row.exception.as_deref());
    hash.text(row.approval_code.as_ref().map(ApprovalCode::as_str)).bytes(row.icc_answer.as_deref());
    hash.text(row.link.as_str()).text(row.acquirer.as_str()).text(row.issuer.as_deref());
    hash.text(row.merchant.as_ref().map(MerchantId::as_str)).text(row.terminal.as_ref().map(TerminalId::as_str));
    let entry_mode = row.entry_mode.map(|mode| mode.to_string());
    hash.text(entry_mode.as_deref()).text(row.rrn.as_ref().map(Rrn::as_str)).text(row.life_cycle.as_str());
    hash.bytes(&row.why[..]);
    if let Some(posting) = posting {
        let (payer, payee) = (posting.payer(), posting.payee());
        hash.text("posting").number(posting.minor());
        hash.text(payer.kind.as_str()).text(payer.reference.as_str());
        hash.text(payee.kind.as_str()).text(payee.reference.as_str());
    }
    hash.finish()
}

/// A change, other than by a journal row, of what decides or pays. It is recorded in the chain of its writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Kind of thing: the word in `recorded_change.subject`.
    pub subject: Subject,
    /// Its key in words.
    pub reference: String,
    /// What was done, for people.
    pub said: String,
    /// Hash of the deciding columns after the change.
    pub content: [u8; 32],
    pub at: Timestamp,
}

/// Kind of thing that changes are recorded of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Account,
    Card,
    Token,
    /// A hold that expired.
    Hold,
    Merchant,
    Terminal,
    /// A batch with its lines, balances, positions and postings.
    SettlementBatch,
    /// An acquirer's file with its presentments and postings.
    ClearingFile,
    /// A person who decides exceptions.
    Operator,
    /// An item of the list of exceptions.
    Exception,
}

crate::stored_words!(Subject, "column `recorded_change.subject`" {
    Account => "account",
    Card => "card",
    Token => "token",
    Hold => "hold",
    Merchant => "merchant",
    Terminal => "terminal",
    SettlementBatch => "settlement-batch",
    ClearingFile => "clearing-file",
    Operator => "operator",
    Exception => "exception",
});

impl Change {
    fn hash(&self) -> [u8; 32] {
        let mut hash = FieldHash::of("change");
        hash.text(self.subject.as_str()).text(self.reference.as_str()).text(self.said.as_str());
        hash.bytes(&self.content[..]).moment(self.at);
        hash.finish()
    }
}

/// Head of a hash chain: one chain per journal instance, one link per batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    pub batch_seq: i64,
    pub hash: [u8; 32],
}

impl ChainHead {
    /// Head of an empty chain.
    pub const START: Self = Self { batch_seq: 0, hash: [0; 32] };

    /// The head after one more batch of `instance`, of these rows and changes.
    #[must_use]
    pub fn after<'a>(
        &self,
        instance: i32,
        rows: impl IntoIterator<Item = (&'a Row, Option<&'a Posting>)>,
        changes: &[Change],
    ) -> Self {
        let batch_seq = self.batch_seq + 1;
        let mut hash = FieldHash::of("link");
        hash.bytes(&self.hash[..]).number(i64::from(instance)).number(batch_seq);
        for (row, posting) in rows {
            hash.bytes(&row_hash(row, posting)[..]);
        }
        for change in changes {
            hash.bytes(&change.hash()[..]);
        }
        Self { batch_seq, hash: hash.finish() }
    }
}
