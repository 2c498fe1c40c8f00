//! `backoffice present-in`: a foreign acquirer's file, from bytes to postings. All of it is verified before any of it
//! is posted, and it is posted in one transaction: wholly or not at all.
#![expect(clippy::disallowed_methods, reason = "shell: a recorded change says when it was made")]

use std::collections::HashMap;

use codecs::value::{Currency, TransactionType};
use jiff::Timestamp;
use jiff::civil::Date;
use ledger::journal::Role;
use ledger::posting::NamedPosting;
use ledger::store::{StoreError, Writer, business_day, settlement_posting};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio_postgres::Client;

use super::control::{Control, ControlFault};
use super::matching::{Authorized, OpenCaptures, Outcome, Presented};
use super::reader::{self, ClearingFile, Dialects, FileRequirements, Refused};
use super::record::{Presentment, ProcessingMode};
use super::store::{self, Claimable, FileRow, PresentmentRow, RecordedOutcome};
use crate::settlement::fees::{Charge, ChargeOverflow, FeeEntryMode, FeeSchedule, Standing, Subject};
use crate::settlement::posting;
use crate::{PROGRAM, recorded};

/// A clearing file as received.
#[derive(Clone, Copy, Debug)]
pub struct IncomingFile<'a> {
    /// Its file name, which is recorded.
    pub name: &'a str,
    pub bytes: &'a [u8],
    /// The control file beside it, if there is one.
    pub control: Option<&'a [u8]>,
}

/// The rules by which files are accepted.
#[derive(Clone, Copy, Debug)]
pub struct AcceptanceRules<'a> {
    pub dialects: &'a Dialects,
    pub processing: ProcessingMode,
    pub senders: &'a [&'a str],
    pub fees: &'a FeeSchedule,
}

/// The outcome of reading a file.
#[derive(Clone, Debug, Serialize)]
pub struct PresentedFile {
    pub file_id: String,
    pub acquirer: String,
    /// The cycle in which its matched presentments are settled.
    pub cycle: Date,
    /// When the same file was read before, in which case nothing was done now.
    pub already: Option<Timestamp>,
    pub records: u32,
    pub checksum_minor: u64,
    pub matched: usize,
    pub posted_minor: i64,
    /// Presentments that were not posted, for the back office to review.
    pub exceptions: Vec<RecordedOutcome>,
}

/// Why a file was refused. Nothing of it was posted.
#[derive(Debug, thiserror::Error)]
pub enum PresentError {
    #[error("refused: {0}")]
    Refused(#[from] Refused),
    #[error("refused: {0}")]
    Control(#[from] ControlFault),
    #[error("refused: file id {file_id} was used on {recorded_at} for another file")]
    FileIdReused { file_id: String, recorded_at: Timestamp },
    #[error("no business day is open to settle it with")]
    NoDay,
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

/// Verifies, matches and posts a file.
pub async fn present_in(
    client: &mut Client,
    rules: &AcceptanceRules<'_>,
    incoming: &IncomingFile<'_>,
) -> Result<PresentedFile, PresentError> {
    let expected = FileRequirements { processing: rules.processing, senders: rules.senders };
    let file = reader::read(incoming.bytes, rules.dialects, &expected)?;
    if let Some(control) = incoming.control {
        Control::parse(control)?.check(incoming.bytes, file.totals)?;
    }
    let sha256 = Sha256::digest(incoming.bytes).to_vec();
    let file_id = file.header.file.clone();
    let transaction = client.transaction().await?;
    store::one_file_at_a_time(&transaction).await?;
    if let Some(known) = store::known_file(&transaction, &file_id, &sha256).await? {
        if known.sha256 != sha256 {
            let (file_id, recorded_at) = (known.file_id, known.recorded_at);
            return Err(PresentError::FileIdReused { file_id, recorded_at });
        }
        let outcomes = store::outcomes(&transaction, &known.file_id).await?;
        return Ok(summary(&file, known.cycle, Some(known.recorded_at), outcomes));
    }
    let cycle = business_day::earliest_not_closed(&transaction).await?.ok_or(PresentError::NoDay)?;
    let acquirer = file_id.sender();
    let presented: Vec<_> = file.presentments.iter().map(|(_, of)| presented(of, acquirer)).collect();
    let claimable = store::claimable(&transaction, acquirer, &presented).await?;
    let rows = judged(&file, &presented, claimable, rules.fees)?;
    store::insert_file(&transaction, &file_row(&file, incoming.name, sha256, cycle)).await?;
    store::insert_presentments(&transaction, &file_id, cycle, &rows).await?;
    for (currency, postings) in postings(&file, &rows) {
        settlement_posting::insert(&transaction, &postings, Currency::from_number(currency), cycle).await?;
    }
    let writer = Writer::register(&transaction, PROGRAM).await?;
    writer
        .record(
            &transaction,
            &[recorded::store::clearing_file(&transaction, file_id.as_str(), Timestamp::now()).await?],
        )
        .await?;
    let outcomes = store::outcomes(&transaction, file_id.as_str()).await?;
    transaction.commit().await?;
    Ok(summary(&file, cycle, None, outcomes))
}

fn file_row(file: &ClearingFile, name: &str, sha256: Vec<u8>, cycle: Date) -> FileRow {
    FileRow {
        file_id: file.header.file.clone(),
        incoming: true,
        institution: file.header.file.sender().to_owned(),
        name: name.to_owned(),
        sha256,
        records: i32::try_from(file.totals.records).unwrap_or(i32::MAX),
        checksum_minor: i64::try_from(file.totals.checksum).unwrap_or(i64::MAX),
        cycle,
    }
}

/// The parts that matching uses; the processing code determines the sign.
fn presented(of: &Presentment, acquirer: &str) -> Presented {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let sign = if of.processing.kind() == TransactionType::Credit { -1 } else { 1 };
    Presented {
        acquirer: acquirer.to_owned(),
        life_cycle: of.life_cycle.clone(),
        rrn: of.rrn.and_then(|rrn| text(rrn.as_str())),
        terminal: of.terminal.and_then(|terminal| text(terminal.as_str())),
        approval: of.approval.and_then(|approval| text(approval.as_str())),
        pan_masked: of.pan.masked(),
        currency: of.currency.number(),
        minor: sign * of.amount.0,
        takes_back: of.takes_back,
    }
}

fn judged(
    file: &ClearingFile,
    presented: &[Presented],
    claimable: Vec<Claimable>,
    fees: &FeeSchedule,
) -> Result<Vec<PresentmentRow>, ChargeOverflow> {
    let known: HashMap<(i16, i64), (Option<String>, Authorized)> = claimable
        .into_iter()
        .map(|of| ((of.authorized.bucket, of.authorized.auth_id), (of.entry_mode, of.authorized)))
        .collect();
    let mut authorized: Vec<_> = known.values().map(|(_, authorized)| authorized.clone()).collect();
    authorized.sort_by_key(|authorized| authorized.auth_id);
    let mut open = OpenCaptures::new(authorized);
    // of each authorization, what was presented so far: earlier, and in this file
    let mut so_far: HashMap<(i16, i64), i64> =
        known.iter().map(|(at, (_, authorized))| (*at, authorized.presented_minor)).collect();
    file.presentments
        .iter()
        .zip(presented)
        .map(|((record, of), presented)| {
            let outcome = open.present(presented);
            let found = outcome.authorization().and_then(|at| known.get(&at));
            let priced = priced(&outcome, of, found, &mut so_far, fees)?;
            let (interchange, scheme_fee) = priced.unzip();
            Ok(PresentmentRow {
                record: i32::try_from(*record).unwrap_or(i32::MAX),
                outcome: outcome.as_str(),
                presented: presented.clone(),
                reference: of.reference.as_str().to_owned(),
                merchant: of.merchant.as_str().to_owned(),
                authorization: outcome.authorization(),
                standing_minor: found.map(|(_, of)| of.captured_minor - of.reversed_minor),
                posted_minor: if let Outcome::Matched { minor, .. } = outcome { minor } else { 0 },
                interchange_minor: interchange.as_ref().map_or(0, |charge: &Charge| charge.minor),
                interchange_rate_id: interchange.map(|charge| charge.rate_id),
                scheme_fee_minor: scheme_fee.as_ref().map_or(0, |charge: &Charge| charge.minor),
                scheme_fee_rate_id: scheme_fee.map(|charge| charge.rate_id),
            })
        })
        .collect()
}

/// Interchange that we earn on a matched presentment, and the scheme fee that we owe for it: charges of what is presented
/// with it less those of what was before.
fn priced(
    outcome: &Outcome,
    of: &Presentment,
    found: Option<&(Option<String>, Authorized)>,
    so_far: &mut HashMap<(i16, i64), i64>,
    fees: &FeeSchedule,
) -> Result<Option<(Charge, Charge)>, ChargeOverflow> {
    let (Outcome::Matched { minor, .. }, Some((entry_mode, authorized))) = (outcome, found) else { return Ok(None) };
    let presented = so_far.entry((authorized.bucket, authorized.auth_id)).or_default();
    let before_minor = presented.abs();
    *presented += minor;
    let standing = Standing { refund: authorized.captured_minor < 0, before_minor, after_minor: presented.abs() };
    let subject = Subject {
        role: Role::Issued,
        merchant: of.merchant.as_str(),
        mcc: i16::try_from(of.business_code).ok(),
        entry: FeeEntryMode::of(entry_mode.as_deref()),
    };
    Ok(Some((fees.interchange(&standing, &subject)?, fees.scheme_fee(&standing, &subject)?)))
}

/// The postings of the matched presentments, by currency.
fn postings(file: &ClearingFile, rows: &[PresentmentRow]) -> Vec<(u16, Vec<NamedPosting>)> {
    let id = file.header.file.as_str();
    let mut by_currency: Vec<(u16, Vec<NamedPosting>)> = Vec::new();
    for row in rows {
        let of = &row.presented;
        let record = row.record.unsigned_abs();
        let Some(posting) = posting::presented(id, record, &of.acquirer, row.posted_minor) else { continue };
        match by_currency.iter_mut().find(|(currency, _)| *currency == of.currency) {
            Some((_, postings)) => postings.push(posting),
            None => by_currency.push((of.currency, vec![posting])),
        }
    }
    by_currency
}

fn summary(
    file: &ClearingFile,
    cycle: Date,
    already: Option<Timestamp>,
    outcomes: Vec<RecordedOutcome>,
) -> PresentedFile {
    let (matched, exceptions): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|of| of.outcome == "matched");
    PresentedFile {
        file_id: file.header.file.as_str().to_owned(),
        acquirer: file.header.file.sender().to_owned(),
        cycle,
        already,
        records: file.totals.records,
        checksum_minor: file.totals.checksum,
        matched: matched.len(),
        posted_minor: matched.iter().map(|of| of.posted_minor).sum(),
        exceptions,
    }
}
