//! `backoffice present-in`: a foreign acquirer's file, from bytes to postings. All of it is verified before any of it is
//! posted, and it is posted in one transaction: wholly or not at all. What it has to capture first is told to the host, stretch
//! by stretch, under keys of the file's own, so that a file that is read again captures nothing twice.
//!
//! No lane waits for a file: it excludes other files and the closing of a day, nothing else. A stretch of it is in memory.
#![expect(clippy::disallowed_methods, reason = "shell: it measures how long it works, and rests as long")]

use std::collections::{BTreeMap, HashSet};
use std::io::{Read, Seek};
use std::time::Instant;

use codecs::value::{Currency, TransactionType};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ledger::journal::Role;
use ledger::posting::NamedPosting;
use ledger::store::{StoreError, Writer, business_day, settlement_posting};
use link::role::Roles;
use serde::Serialize;
use tokio::time::sleep;
use tokio_postgres::{Client, Transaction};

use super::advice::{self, ClearingAdvice, RecordPlace};
use super::control::{Control, ControlFault};
use super::host_link::{HostLinkError, PostingHost};
use super::matching::{Advise, Claimable, Covered, IssuedKind, IssuedTransaction, Names, Outcome, Presented, Unposted};
use super::reader::{
    self, Dialects, FileRequirements, Presentments, PresentmentsError, Refused, VerifiedFile, VerifyError,
};
use super::record::{FileId, Presentment, ProcessingMode};
use super::store::issued::{self, ClaimableTransactions};
use super::store::{self, FileRow, PresentmentRow, RecordedOutcome};
use crate::settlement::fees::{Charge, ChargeOverflow, FeeEntryMode, FeeSchedule, Standing, Subject};
use crate::settlement::posting;
use crate::{PROGRAM, recorded};

/// Records that are matched, told and posted together. After each stretch the file rests for as long as it took, so that it has half
/// a processor at most: authorizations go first.
const STRETCH: usize = 100;
/// Exceptions of one file that are told; further ones are counted.
const EXCEPTIONS_TOLD: i64 = 1_000;

/// A clearing file as received.
#[derive(Debug)]
pub struct IncomingFile<'a, F> {
    /// Its file name, which is recorded.
    pub name: &'a str,
    /// Read from its beginning to its end, several times.
    pub content: F,
    /// The control file beside it, if there is one.
    pub control: Option<&'a [u8]>,
}

/// The rules by which files are accepted.
#[derive(Clone, Copy, Debug)]
pub struct AcceptanceRules<'a> {
    pub dialects: &'a Dialects,
    pub processing: ProcessingMode,
    /// The links of the switch, with the acquirers behind them: they may send files.
    pub links: &'a Roles,
    pub fees: &'a FeeSchedule,
}

/// The outcome of reading a file.
#[derive(Clone, Debug, Serialize)]
pub struct PresentedFile {
    pub file_id: String,
    pub acquirer: String,
    /// The cycle in which its presentments are settled.
    pub cycle: Date,
    /// When the same file was read before, in which case nothing was done now.
    pub already: Option<Timestamp>,
    pub records: u32,
    pub checksum_minor: u64,
    /// Presentments of what was captured before.
    pub matched: u64,
    /// Number of presentments by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Sum of what was posted, in the currency of the accounts.
    pub posted_minor: i64,
    /// Presentments that were not posted, or were posted without an authorization: someone should look. The first thousand.
    pub exceptions: Vec<RecordedOutcome>,
}

/// Why a file was refused. Nothing of it was posted; what the host was told of it stays, and is found again.
#[derive(Debug, thiserror::Error)]
pub enum PresentError {
    #[error("refused: {0}")]
    Refused(#[from] Refused),
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("it was changed while it was read")]
    Changed,
    #[error("refused: {0}")]
    Control(#[from] ControlFault),
    #[error("refused: file id {file_id} was used on {recorded_at} for another file")]
    FileIdReused { file_id: String, recorded_at: Timestamp },
    #[error("no business day is open to settle it with")]
    NoDay,
    #[error(transparent)]
    Host(#[from] HostLinkError),
    #[error(transparent)]
    Charge(#[from] ChargeOverflow),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<tokio_postgres::Error> for PresentError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<VerifyError> for PresentError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Refused(refused) => Self::Refused(refused),
            VerifyError::Io(error) => Self::Io(error),
        }
    }
}

impl From<PresentmentsError> for PresentError {
    fn from(error: PresentmentsError) -> Self {
        match error {
            PresentmentsError::Changed => Self::Changed,
            PresentmentsError::Io(error) => Self::Io(error),
        }
    }
}

/// Verifies, matches and posts a file. `now` is when it is recorded; dates without a year lie near it.
pub async fn present_in<F: Read + Seek + Send>(
    client: &mut Client,
    rules: &AcceptanceRules<'_>,
    host: &impl PostingHost,
    mut incoming: IncomingFile<'_, F>,
    now: Timestamp,
) -> Result<PresentedFile, PresentError> {
    let senders: Vec<&str> = rules.links.values().filter_map(link::role::Role::acquirer_id).collect();
    let expected = FileRequirements { processing: rules.processing, senders: &senders };
    let file = reader::verify(&mut incoming.content, rules.dialects, &expected)?;
    if let Some(control) = incoming.control {
        Control::parse(control)?.check(&file.sha256, file.totals)?;
    }
    let transaction = client.transaction().await?;
    store::one_file_at_a_time(&transaction).await?;
    if let Some(known) = store::known_file(&transaction, file.id(), &file.sha256).await? {
        if known.sha256 != file.sha256 {
            let (file_id, recorded_at) = (known.file_id, known.recorded_at);
            return Err(PresentError::FileIdReused { file_id, recorded_at });
        }
        return summary(&transaction, &file, &known.file_id, known.cycle, Some(known.recorded_at)).await;
    }
    let cycle = business_day::earliest_not_closed(&transaction).await?.ok_or(PresentError::NoDay)?;
    store::insert_file(&transaction, &file_row(&file, incoming.name, cycle)).await?;
    let link = rules.links.link_of(file.id().sender()).unwrap_or_default();
    let posting = FilePosting {
        transaction: &transaction,
        claimable: ClaimableTransactions::prepare(&transaction).await?,
        fees: rules.fees,
        file: file.id(),
        link,
        cycle,
        today: now.to_zoned(TimeZone::UTC).date(),
    };
    let mut presentments = Presentments::of(&file, &mut incoming.content, rules.dialects)?;
    loop {
        let mut stretch = Vec::with_capacity(STRETCH);
        while stretch.len() < STRETCH
            && let Some(next) = presentments.next_presentment()?
        {
            stretch.push(next);
        }
        let began = Instant::now();
        posting.post(&stretch, host).await?;
        if stretch.len() < STRETCH {
            break;
        }
        sleep(began.elapsed()).await;
    }
    let writer = Writer::register(&transaction, PROGRAM).await?;
    let change = recorded::store::clearing_file(&transaction, file.id().as_str(), now).await?;
    writer.record(&transaction, &[change]).await?;
    let told = summary(&transaction, &file, file.id().as_str(), cycle, None).await?;
    transaction.commit().await?;
    Ok(told)
}

fn file_row(file: &VerifiedFile, name: &str, cycle: Date) -> FileRow {
    FileRow {
        file_id: file.id().clone(),
        incoming: true,
        institution: file.id().sender().to_owned(),
        name: name.to_owned(),
        sha256: file.sha256.to_vec(),
        records: i32::try_from(file.totals.records).unwrap_or(i32::MAX),
        checksum_minor: i64::try_from(file.totals.checksum).unwrap_or(i64::MAX),
        cycle,
    }
}

/// A file that is being posted.
struct FilePosting<'a> {
    transaction: &'a Transaction<'a>,
    claimable: ClaimableTransactions,
    fees: &'a FeeSchedule,
    file: &'a FileId,
    /// The link of the switch behind which its sender is.
    link: &'a str,
    cycle: Date,
    today: Date,
}

impl FilePosting<'_> {
    /// Posts a stretch of the file, and inserts its outcomes.
    async fn post(&self, stretch: &[(u32, Presentment)], host: &impl PostingHost) -> Result<(), PresentError> {
        let presented: Vec<Presented> = stretch.iter().map(|(record, of)| self.presented(*record, of)).collect();
        let (claims, outcomes) = self.judge(stretch, &presented, host).await?;
        let mut rows = Vec::with_capacity(stretch.len());
        let mut postings: BTreeMap<u16, Vec<NamedPosting>> = BTreeMap::new();
        for (((record, of), presented), outcome) in stretch.iter().zip(presented).zip(outcomes) {
            let row = self.row(*record, of, presented, outcome, &claims)?;
            let acquirer = self.file.sender();
            if let Some(posting) = posting::presented(self.file.as_str(), *record, acquirer, row.posted_minor) {
                postings.entry(row.posted_currency).or_default().push(posting);
            }
            rows.push(row);
        }
        store::insert_presentments(self.transaction, self.file, self.cycle, &rows).await?;
        for (currency, postings) in postings {
            settlement_posting::insert(self.transaction, &postings, Currency::from_number(currency), self.cycle)
                .await?;
        }
        Ok(())
    }

    /// Judges a stretch; tells the host what has to be captured or reversed first, and judges again. Of several that share a
    /// name one is told at a time: the next may find what the one before has captured.
    async fn judge(
        &self,
        stretch: &[(u32, Presentment)],
        presented: &[Presented],
        host: &impl PostingHost,
    ) -> Result<(Claimable, Vec<Outcome>), PresentError> {
        let mut told = HashSet::new();
        loop {
            issued::follow(self.transaction).await?;
            let (transactions, posted) = self.claimable.of(self.transaction, self.file.sender(), presented).await?;
            let mut claims = Claimable::new(transactions, posted);
            let mut outcomes: Vec<Outcome> = presented.iter().map(|of| claims.present(of)).collect();
            let mut names = HashSet::new();
            let mut advices = Vec::new();
            for (at, outcome) in outcomes.iter().enumerate() {
                let Outcome::Advise(advise) = *outcome else { continue };
                // each name is noted, also of one that shares another
                if told.contains(&at) {
                    continue;
                }
                let shared = presented[at].names.keys().filter(|key| names.replace(key.clone()).is_some()).count();
                if shared > 0 {
                    continue;
                }
                told.insert(at);
                advices.extend(self.advice(advise, &stretch[at], &claims));
            }
            if advices.is_empty() {
                let waits = |outcome: &Outcome| matches!(outcome, Outcome::Advise(_));
                if outcomes.iter().enumerate().any(|(at, outcome)| waits(outcome) && !told.contains(&at)) {
                    continue;
                }
                for outcome in outcomes.iter_mut().filter(|outcome| waits(outcome)) {
                    *outcome = Outcome::Unposted { why: Unposted::NotPostable, at: None };
                }
                return Ok((claims, outcomes));
            }
            host.tell(&advices).await?;
        }
    }

    fn advice(
        &self,
        advise: Advise,
        (record, of): &(u32, Presentment),
        claims: &Claimable,
    ) -> Option<(u32, ClearingAdvice)> {
        let original = match advise {
            Advise::Capture { authorization: at }
            | Advise::Adjust { sale: at }
            | Advise::Reverse { capture: at, .. } => claims.transaction(at),
            Advise::Force | Advise::Credit => None,
        };
        let place = RecordPlace { link: self.link, file: self.file, record: *record, cycle: self.cycle };
        Some((*record, ClearingAdvice::new(advise, of, original, &place)?))
    }

    /// The parts that matching uses; the processing code determines the side.
    fn presented(&self, record: u32, of: &Presentment) -> Presented {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let key = advice::journal_key_of(self.link, self.file, record, self.today);
        Presented {
            own: key.expect("a file id and a record number make a key"),
            names: Names {
                acquirer: self.file.sender().to_owned(),
                life_cycle: of.life_cycle.clone(),
                rrn: of.rrn.and_then(|rrn| text(rrn.as_str())),
                approval: of.approval.and_then(|approval| text(approval.as_str())),
                terminal: of.terminal.and_then(|terminal| text(terminal.as_str())),
                merchant: text(of.merchant.as_str()),
                pan_masked: Some(of.pan.masked()),
            },
            reference: of.reference.as_str().to_owned(),
            currency: of.currency.number(),
            minor: of.amount.0,
            refund: of.processing.kind() == TransactionType::Credit,
            takes_back: of.takes_back,
        }
    }

    fn row(
        &self,
        record: u32,
        of: &Presentment,
        presented: Presented,
        outcome: Outcome,
        claims: &Claimable,
    ) -> Result<PresentmentRow, ChargeOverflow> {
        let (word, at, posted_minor) = match outcome {
            Outcome::Posted { covered, at, minor, .. } => (covered.as_str(), Some(at), minor),
            Outcome::Unposted { why, at } => (why.as_str(), at, 0),
            Outcome::Advise(_) => (Unposted::NotPostable.as_str(), None, 0),
        };
        let found = at.and_then(|at| claims.transaction(at));
        let (interchange, scheme_fee) = priced(&outcome, of, found, self.fees)?.unzip();
        let sign = if presented.refund { -1 } else { 1 };
        Ok(PresentmentRow {
            record: i32::try_from(record).unwrap_or(i32::MAX),
            outcome: word,
            authorization: at,
            standing_minor: found.map(|of| sign * of.standing_minor()),
            posted_minor,
            posted_currency: found.map_or(presented.currency, |of| of.account_currency),
            interchange_minor: interchange.as_ref().map_or(0, |charge: &Charge| charge.minor),
            interchange_rate_id: interchange.map(|charge| charge.rate_id),
            scheme_fee_minor: scheme_fee.as_ref().map_or(0, |charge: &Charge| charge.minor),
            scheme_fee_rate_id: scheme_fee.map(|charge| charge.rate_id),
            presented,
        })
    }
}

/// Interchange that we earn on a presentment that is posted, and the scheme fee that we owe for it: charges of what is presented
/// with it less those of what was before.
fn priced(
    outcome: &Outcome,
    of: &Presentment,
    found: Option<&IssuedTransaction>,
    fees: &FeeSchedule,
) -> Result<Option<(Charge, Charge)>, ChargeOverflow> {
    let (Outcome::Posted { minor, before_minor, .. }, Some(transaction)) = (outcome, found) else {
        return Ok(None);
    };
    let standing = Standing {
        refund: transaction.kind == IssuedKind::Refund,
        before_minor: before_minor.abs(),
        after_minor: (before_minor + minor).abs(),
    };
    let subject = Subject {
        role: Role::Issued,
        merchant: of.merchant.as_str(),
        mcc: i16::try_from(of.business_code).ok(),
        entry: FeeEntryMode::of(transaction.entry_mode.as_deref()),
    };
    Ok(Some((fees.interchange(&standing, &subject)?, fees.scheme_fee(&standing, &subject)?)))
}

async fn summary(
    transaction: &Transaction<'_>,
    file: &VerifiedFile,
    file_id: &str,
    cycle: Date,
    already: Option<Timestamp>,
) -> Result<PresentedFile, PresentError> {
    let counts = store::outcome_counts(transaction, file_id).await?;
    Ok(PresentedFile {
        file_id: file_id.to_owned(),
        acquirer: file.id().sender().to_owned(),
        cycle,
        already,
        records: file.totals.records,
        checksum_minor: file.totals.checksum,
        matched: counts.iter().filter(|of| of.outcome == Covered::Matched.as_str()).map(|of| of.items).sum(),
        posted_minor: counts.iter().map(|of| of.posted_minor).sum(),
        outcomes: counts.into_iter().map(|of| (of.outcome, of.items)).collect(),
        exceptions: store::exceptions(transaction, file_id, EXCEPTIONS_TOLD).await?,
    })
}
