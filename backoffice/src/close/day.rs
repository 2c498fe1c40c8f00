//! `backoffice close-day`: closes the day, writes the settlement batch, then the files.

use std::collections::BTreeMap;
use std::path::Path;

use codecs::value::Currency;
use jiff::Timestamp;
use jiff::civil::Date;
use ledger::store::business_day::{self, CloseRefused};
use ledger::store::{StoreError, Writer, merchant, settlement_posting};
use serde::Serialize;
use tokio_postgres::{Client, Transaction};

use super::failpoint;
use super::file_assignment::{Assignment, AssignmentError};
use super::files::{self, WriteError, WrittenFile};
use super::render::{self, RenderError};
use super::store as close_store;
use super::vault::PanVault;
use crate::clearing::store as clearing_store;
use crate::exceptions::follow;
use crate::settlement::export::BatchHead;
use crate::settlement::fees::{ChargeOverflow, FeeSchedule};
use crate::settlement::line::{self, SettlementLine};
use crate::settlement::position::{self, UnknownIssuer};
use crate::settlement::posting::{self, OwnSums};
use crate::settlement::sender::Sender;
use crate::settlement::store::{self, BatchRow, SettledMerchant};
use crate::{Config, PROGRAM, recorded};

/// Result of closing a day.
#[derive(Clone, Debug, Serialize)]
pub struct Closed {
    pub batch_id: String,
    pub cycle: Date,
    pub closed_at: Timestamp,
    /// The batch existed before; at most its files were written again.
    pub already: bool,
    /// Messages of the day that the switch still owed the host; they are settled with the next day. Null: it was not asked.
    pub owed: Option<u64>,
    pub files: Vec<WrittenFile>,
}

/// Why a day was not closed, or not all files were written. Closing again continues from there.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    #[error(transparent)]
    Refused(#[from] CloseRefused),
    #[error("movement {auth_id} is in currency {currency:03}, which is not settled here")]
    Currency { auth_id: i64, currency: u16 },
    #[error(transparent)]
    Charge(#[from] ChargeOverflow),
    #[error(transparent)]
    Issuer(#[from] UnknownIssuer),
    #[error(transparent)]
    Assignment(#[from] AssignmentError),
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error("{path} would not be the file that this batch has had: it is not written")]
    Differs { path: String },
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<tokio_postgres::Error> for CloseError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Closes the cycle of `date` and writes its files below `out`. Idempotent, also after an interruption at any point.
pub async fn close_day(
    client: &mut Client,
    config: &Config,
    fees: &FeeSchedule,
    dialects_dir: &Path,
    vault: &impl PanVault,
    date: Date,
    out: &Path,
) -> Result<Closed, CloseError> {
    // a concurrent close waits here, and then finds the work done
    close_store::begin_close(client).await?;
    let closed = close_alone(client, config, fees, dialects_dir, vault, date, out).await;
    close_store::end_close(client).await?;
    closed
}

async fn close_alone(
    client: &mut Client,
    config: &Config,
    fees: &FeeSchedule,
    dialects_dir: &Path,
    vault: &impl PanVault,
    date: Date,
    out: &Path,
) -> Result<Closed, CloseError> {
    let closed_at = business_day::close(client, date).await?;
    failpoint::reach("after-flag");
    let currency = i16::try_from(config.currency).map_err(|_| StoreError::Column("settlement_batch.currency"))?;
    let already = store::batch(client, date, currency).await?;
    let was_there = already.is_some();
    let batch = match already {
        Some(batch) => batch,
        None => {
            let transaction = client.transaction().await?;
            let batch = write_batch(&transaction, config, fees, date, closed_at).await?;
            failpoint::reach("before-commit");
            transaction.commit().await?;
            batch
        }
    };
    failpoint::reach("after-commit");
    let contents = render::contents(client, &sender(config), dialects_dir, vault, &batch).await?;
    let mut written = Vec::with_capacity(contents.len());
    for (path, content) in contents {
        let file = WrittenFile::of(path, &content);
        let sha256 = <sha2::Sha256 as sha2::Digest>::digest(&content);
        let size = i64::try_from(content.len()).unwrap_or(i64::MAX);
        if store::remember_file(client, &batch.batch_id, &file.path, &sha256, size).await?.is_some() {
            return Err(CloseError::Differs { path: file.path });
        }
        files::write_atomically(out, &file.path, &content)?;
        failpoint::reach("after-file");
        written.push(file);
    }
    Ok(Closed { batch_id: batch.batch_id, cycle: date, closed_at, already: was_there, owed: None, files: written })
}

/// Prices the cycle's movements and writes the whole batch in one transaction.
async fn write_batch(
    transaction: &Transaction<'_>,
    config: &Config,
    fees: &FeeSchedule,
    cycle: Date,
    closed_at: Timestamp,
) -> Result<BatchRow, CloseError> {
    let currency = i16::try_from(config.currency).map_err(|_| StoreError::Column("settlement_batch.currency"))?;
    // each movement that is held is an item of the list
    follow::follow_within(transaction).await?;
    let movements = store::movements(transaction, cycle).await?;
    if let Some(other) = movements.iter().find(|of| of.currency != config.currency) {
        return Err(CloseError::Currency { auth_id: other.auth_id, currency: other.currency });
    }
    let mut lines: Vec<SettlementLine> =
        movements.into_iter().map(|of| SettlementLine::of(of, fees)).collect::<Result<_, _>>()?;
    let of_cycle = lines.len();
    for held in store::decided(transaction, cycle, currency).await? {
        lines.push(SettlementLine::resumed(held, fees)?);
    }
    let merchants = merchant::all(transaction).await?;
    let brought_forward = store::brought_forward(transaction, cycle, currency).await?;
    let balances = line::balances(&lines, &brought_forward, &|merchant| merchants.contains_key(merchant));
    let (presentments, scheme_fee) = store::matched_presentments(transaction, cycle, currency).await?;
    // towards issuers and the scheme a movement counts in its own cycle, whether it is held or not
    let (own, _) = lines.split_at(of_cycle);
    let positions = position::positions(&presentments, own, &config.clearing.issuers)?;
    let batch = BatchRow {
        batch_id: BatchHead::id(cycle, Currency::from_number(config.currency)),
        cycle,
        currency,
        closed_at,
        value_date: line::value_date(cycle, config.settlement.value_days),
        own: OwnSums::of(own, scheme_fee),
        sender: Some(sender(config)),
    };
    store::insert_batch(transaction, &batch, &sender(config)).await?;
    store::insert_lines(transaction, &batch.batch_id, &lines).await?;
    let settled: Vec<_> = balances
        .iter()
        .map(|balance| SettledMerchant {
            balance: balance.clone(),
            name: merchants.get(&balance.merchant).map_or_else(|| balance.merchant.clone(), |of| of.name.clone()),
            iban: merchants.get(&balance.merchant).map(|of| of.iban.clone()),
            place: merchants.get(&balance.merchant).map(|of| (of.city.clone(), of.country.clone())),
        })
        .collect();
    store::insert_merchants(transaction, &batch.batch_id, &settled).await?;
    store::insert_positions(transaction, &batch.batch_id, &positions).await?;
    store::insert_presentment_counts(
        transaction,
        &batch.batch_id,
        &store::presentment_counts(transaction, cycle).await?,
    )
    .await?;
    let mut assignment = Assignment {
        acquirer_id: &config.acquirer_id,
        cycle,
        named: None,
        issuers: &config.clearing.issuers,
        last_file: 0,
        last_reference: 0,
    };
    assignment.last_file = clearing_store::last_sequence(transaction, &assignment.file_id(0)?).await?;
    let mut files = assignment.files()?;
    let outgoing = assignment.assign(&mut files, own)?;
    let mut files: Vec<_> = files.into_values().collect();
    files.sort_by(|one, other| one.file_id.cmp(&other.file_id));
    clearing_store::insert_outgoing_files(transaction, &batch.batch_id, &files).await?;
    clearing_store::insert_outgoing(transaction, &batch.batch_id, &outgoing).await?;
    let network_of = |institution: &str| destination_of(&config.clearing.issuers, institution);
    let postings = posting::closing(&batch.batch_id, &balances, &positions, &network_of, batch.own);
    settlement_posting::insert(transaction, &postings, Currency::from_number(config.currency), cycle).await?;
    let writer = Writer::register(transaction, PROGRAM).await?;
    writer
        .record(transaction, &[recorded::store::settlement_batch(transaction, &batch.batch_id, closed_at).await?])
        .await?;
    Ok(batch)
}

/// Who sends our files now.
fn sender(config: &Config) -> Sender {
    Sender {
        acquirer_id: config.acquirer_id.clone(),
        dialect: config.clearing.dialect.clone(),
        processing: config.clearing.processing.as_str().to_owned(),
        payer: config.settlement.payer.clone(),
    }
}

fn destination_of(issuers: &BTreeMap<String, String>, institution: &str) -> Option<String> {
    issuers.iter().find(|(_, number)| *number == institution).map(|(destination, _)| destination.clone())
}
