//! Renders the files of a batch from its rows alone, so that the same rows give the same bytes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use codecs::Dialect;
use codecs::dialect::{self, DialectError};
use codecs::value::{Currency, Pan};
use hsm::{HsmError, PanEnvelope};
use ledger::journal::hex;
use ledger::store::StoreError;
use tokio_postgres::Client;

use super::vault::PanVault;
use crate::clearing::control::Control;
use crate::clearing::outgoing::{self, Acceptor, DuePresentment, PresentmentDetails, Unpresentable};
use crate::clearing::record::{Header, ProcessingMode};
use crate::clearing::reference::AcquirerReference;
use crate::clearing::store::{self as clearing_store, FileRow, OutgoingFile, OutgoingRow};
use crate::clearing::writer::{Totals, WriteError, Writer};
use crate::settlement::export::{self, BatchContents, BatchHead, ClearingSummary};
use crate::settlement::held::Treatment;
use crate::settlement::line::{Movement, SettlementLine};
use crate::settlement::payout::{self, Payee};
use crate::settlement::sender::Sender;
use crate::settlement::store::{self, BatchRow, SettledMerchant};

/// Why a file of a batch could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("HSM: {0}")]
    Hsm(#[from] HsmError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Dialect(#[from] DialectError),
    #[error("the envelope of a card that is to be presented does not open")]
    Envelope,
    #[error("presentment of movement {0}: its card is not known")]
    CardMissing(i64),
    #[error("presentment of movement {0}: no such movement in the cycle")]
    MovementMissing(i64),
    #[error(transparent)]
    Unpresentable(#[from] Unpresentable),
    #[error("clearing file: {0}")]
    Clearing(#[from] WriteError),
    #[error("record {expected} of clearing file {file} came out as record {found}")]
    RecordNumber { file: String, expected: i32, found: u32 },
    #[error("csv: {0}")]
    Csv(#[from] csv::Error),
    #[error("payout: {0}")]
    Payout(std::io::Error),
}

/// A file: path below the output folder, and bytes.
type Content = (String, Vec<u8>);

/// All files of a batch. `batch.json` is the last: if it exists, all the others do. `configured` is the sender of a batch of
/// form 1, which does not name its own.
pub(super) async fn contents(
    client: &Client,
    configured: &Sender,
    dialects_dir: &Path,
    vault: &impl PanVault,
    batch: &BatchRow,
) -> Result<Vec<Content>, RenderError> {
    let head = BatchHead {
        batch_id: batch.batch_id.clone(),
        cycle: batch.cycle,
        currency: Currency::from_number(batch.currency.unsigned_abs()),
        closed_at: batch.closed_at,
        value_date: batch.value_date,
    };
    let sender = batch.sender.as_ref().unwrap_or(configured);
    let lines = store::lines(client, batch).await?;
    let outgoing = clearing_store::outgoing(client, &batch.batch_id).await?;
    let mut contents = Vec::new();
    let mut summaries = Vec::new();
    let source = ClearingFileSource {
        sender,
        processing: ProcessingMode::from_word(&sender.processing)
            .ok_or(StoreError::Column("settlement_batch.processing"))?,
        dialect: &dialect::load(dialects_dir, &sender.dialect)?,
        batch,
        acceptors: &acceptors(client, &batch.batch_id).await?,
        cards: &reveal(client, vault, &batch.batch_id).await?,
    };
    for file in clearing_store::outgoing_files(client, &batch.batch_id).await? {
        let records: Vec<_> = outgoing.iter().filter(|row| row.file_id == file.file_id.as_str()).collect();
        summaries.push(source.render(client, &file, &records, &lines, &mut contents).await?);
    }
    let merchants = store::settled_merchants(client, &batch.batch_id).await?;
    contents.extend(merchant_files(&head, &merchants, &lines, &outgoing)?);
    let payees: Vec<_> = merchants.iter().filter_map(payee).collect();
    let payout = payout::payout_xml(&head, &sender.payer, &payees).map_err(RenderError::Payout)?;
    contents.extend(payout.map(|payout| (format!("settlement/{}/payout.xml", head.batch_id), payout)));
    let balances: Vec<_> = merchants.into_iter().map(|of| of.balance).collect();
    let json = export::batch_json(&BatchContents {
        head: &head,
        balances: &balances,
        positions: &store::positions(client, &batch.batch_id).await?,
        own: batch.own,
        presentments: &store::shown_presentments(client, &batch.batch_id).await?,
        clearing: &summaries,
    });
    contents.push((format!("settlement/{}/batch.json", head.batch_id), json));
    Ok(contents)
}

fn payee(of: &SettledMerchant) -> Option<Payee> {
    let iban = of.iban.clone()?;
    let (merchant, minor) = (of.balance.merchant.clone(), of.balance.payout_minor);
    (minor > 0).then(|| Payee { merchant, name: of.name.clone(), iban, minor })
}

fn merchant_files(
    head: &BatchHead,
    merchants: &[SettledMerchant],
    lines: &[SettlementLine],
    outgoing: &[OutgoingRow],
) -> Result<Vec<Content>, RenderError> {
    let references: HashMap<(i16, i64), &str> =
        outgoing.iter().map(|row| ((row.bucket, row.auth_id), row.reference.as_str())).collect();
    let mut by_merchant: HashMap<&str, Vec<&SettlementLine>> = HashMap::new();
    for line in lines.iter().filter(|line| line.movement.treatment == Treatment::Payable) {
        by_merchant.entry(&line.movement.merchant).or_default().push(line);
    }
    let file = |of: &SettledMerchant| {
        let merchant = &of.balance.merchant;
        let own = by_merchant.get(merchant.as_str()).map_or(&[][..], Vec::as_slice);
        let reference = |line: &SettlementLine| references.get(&(line.movement.bucket, line.movement.auth_id)).copied();
        let csv = export::merchant_csv(head, own.iter().map(|line| (*line, reference(line))))?;
        Ok((format!("settlement/{}/{}.csv", head.batch_id, file_name(merchant)), csv))
    };
    merchants.iter().map(file).collect()
}

/// A merchant's file name. Its id came in DE42, so characters that could lead out of the folder are replaced.
fn file_name(merchant: &str) -> String {
    merchant.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// The card of a presentment: its PAN in clear, and DE55 if the chip was read.
struct PresentedCard {
    pan: Pan,
    icc: Option<Vec<u8>>,
}

/// PresentedCard data of the batch's presentments; each card is revealed once.
async fn reveal(
    client: &Client,
    vault: &impl PanVault,
    batch_id: &str,
) -> Result<HashMap<(i16, i64), PresentedCard>, RenderError> {
    let mut cards = clearing_store::presented_cards(client, batch_id).await?;
    let envelopes = cards
        .envelopes
        .into_iter()
        .map(|(envelope, index)| Ok((PanEnvelope::from_bytes(&envelope)?, index)))
        .collect::<Result<Vec<_>, HsmError>>()?;
    let pans = if envelopes.is_empty() { Vec::new() } else { vault.reveal(&envelopes).await? };
    let of = |(at, card): ((i16, i64), usize)| {
        let pan = pans.get(card).cloned().flatten().ok_or(RenderError::Envelope)?;
        Ok((at, PresentedCard { pan, icc: cards.chip.remove(&at) }))
    };
    cards.of.into_iter().map(of).collect()
}

/// The merchants of the batch as they were when it was written.
async fn acceptors(client: &Client, batch_id: &str) -> Result<HashMap<String, Acceptor>, StoreError> {
    let acceptor = |of: SettledMerchant| {
        let (city, country) = of.place?;
        Some((of.balance.merchant, Acceptor { name: of.name, city, country }))
    };
    Ok(store::settled_merchants(client, batch_id).await?.into_iter().filter_map(acceptor).collect())
}

/// The inputs of our clearing files. `cards` is by bucket and id of the authorization.
struct ClearingFileSource<'a> {
    sender: &'a Sender,
    processing: ProcessingMode,
    dialect: &'a Arc<Dialect>,
    batch: &'a BatchRow,
    acceptors: &'a HashMap<String, Acceptor>,
    cards: &'a HashMap<(i16, i64), PresentedCard>,
}

impl ClearingFileSource<'_> {
    /// Appends the clearing file and its control file, and records the file in its table.
    async fn render(
        &self,
        client: &Client,
        file: &OutgoingFile,
        records: &[&OutgoingRow],
        lines: &[SettlementLine],
        contents: &mut Vec<Content>,
    ) -> Result<ClearingSummary, RenderError> {
        let header = Header { file: file.file_id.clone(), processing: self.processing };
        let (bytes, totals) = self.bytes(header, records, lines)?;
        let control = Control::of(&file.name, &bytes, totals);
        let row = FileRow {
            file_id: file.file_id.clone(),
            incoming: false,
            institution: file.institution.clone(),
            name: file.name.clone(),
            sha256: <sha2::Sha256 as sha2::Digest>::digest(&bytes).to_vec(),
            records: i32::try_from(totals.records).unwrap_or(i32::MAX),
            checksum_minor: i64::try_from(totals.checksum).unwrap_or(i64::MAX),
            cycle: self.batch.cycle,
        };
        clearing_store::insert_file(client, &row).await?;
        let stem = file.name.trim_end_matches(".ipm");
        contents.push((format!("clearing/{}", file.name), bytes));
        contents.push((format!("clearing/{stem}.json"), control.write()));
        Ok(ClearingSummary {
            file: file.name.clone(),
            institution: file.institution.clone(),
            records: totals.records,
            checksum: totals.checksum,
            sha256: hex(&row.sha256),
        })
    }

    fn bytes(
        &self,
        header: Header,
        records: &[&OutgoingRow],
        lines: &[SettlementLine],
    ) -> Result<(Vec<u8>, Totals), RenderError> {
        let movements: HashMap<(i16, i64), &Movement> =
            lines.iter().map(|line| ((line.movement.bucket, line.movement.auth_id), &line.movement)).collect();
        let mut bytes = Vec::new();
        let mut writer = Writer::start(self.dialect, header, &mut bytes)?;
        for row in records {
            let at = (row.bucket, row.auth_id);
            let movement = movements.get(&at).ok_or(RenderError::MovementMissing(row.auth_id))?;
            let card = self.cards.get(&at).ok_or(RenderError::CardMissing(row.auth_id))?;
            // a batch of form 1 does not say on what day, and has its own in the file
            let takes_back = row.takes_back.then(|| row.taken_back_on.unwrap_or(self.batch.cycle));
            let presentment = outgoing::presentment(
                &DuePresentment {
                    movement,
                    auth_id: row.auth_id,
                    minor: row.amount_minor,
                    refund: row.refund,
                    takes_back,
                },
                PresentmentDetails {
                    pan: card.pan.clone(),
                    reference: AcquirerReference::parse(&row.reference)
                        .map_err(|_| Unpresentable { auth_id: row.auth_id, what: "reference" })?,
                    acquirer: &self.sender.acquirer_id,
                    acceptor: self.acceptors.get(&movement.merchant),
                    icc: card.icc.clone(),
                },
            )?;
            let found = writer.presentment(&presentment, takes_back, &mut bytes)?;
            if i32::try_from(found) != Ok(row.record) {
                return Err(RenderError::RecordNumber { file: row.file_id.clone(), expected: row.record, found });
            }
        }
        let totals = writer.finish(&mut bytes)?;
        Ok((bytes, totals))
    }
}
