//! Renders the files of a batch from its rows alone, so that the same rows give the same bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use codecs::Dialect;
use codecs::value::{Currency, Pan};
use hsm::{HsmError, PanEnvelope};
use ledger::journal::hex;
use ledger::store::StoreError;
use ledger::store::merchant::{self, MerchantRow};
use tokio_postgres::Client;

use super::file_assignment::{AssignmentError, file_id};
use super::vault::PanVault;
use crate::Config;
use crate::clearing::control::Control;
use crate::clearing::outgoing::{self, Acceptor, DuePresentment, PresentmentDetails, Unpresentable};
use crate::clearing::record::Header;
use crate::clearing::reference::AcquirerReference;
use crate::clearing::store::{self as clearing_store, FileRow, OutgoingRow};
use crate::clearing::writer::{Totals, WriteError, Writer};
use crate::settlement::export::{self, BatchContents, BatchHead, ClearingSummary};
use crate::settlement::line::{Movement, SettlementLine};
use crate::settlement::payout::{self, Payee};
use crate::settlement::store::{self, BatchRow, SettledMerchant};

/// Why a file of a batch could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("HSM: {0}")]
    Hsm(#[from] HsmError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Assignment(#[from] AssignmentError),
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

/// All files of a batch. `batch.json` is the last: if it exists, all the others do.
pub(super) async fn contents(
    client: &Client,
    config: &Config,
    dialect: &Arc<Dialect>,
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
    let lines = store::lines(client, batch.cycle, &batch.batch_id).await?;
    let outgoing = clearing_store::outgoing(client, &batch.batch_id).await?;
    let mut contents = Vec::new();
    let mut summaries = Vec::new();
    let cards = reveal(client, vault, &batch.batch_id).await?;
    let acceptors = acceptors(client).await?;
    for institution in config.clearing.issuers.values() {
        let records: Vec<_> = outgoing.iter().filter(|row| row.institution == *institution).collect();
        let file = ClearingFileSource { config, dialect, batch, institution, acceptors: &acceptors, cards: &cards };
        let summary = file.render(client, &records, &lines, &mut contents).await?;
        summaries.push(summary);
    }
    let merchants = store::settled_merchants(client, &batch.batch_id).await?;
    contents.extend(merchant_files(&head, &merchants, &lines, &outgoing)?);
    let payees: Vec<_> = merchants.iter().filter_map(payee).collect();
    let payout = payout::payout_xml(&head, &config.settlement.payer, &payees).map_err(RenderError::Payout)?;
    contents.extend(payout.map(|payout| (format!("settlement/{}/payout.xml", head.batch_id), payout)));
    let balances: Vec<_> = merchants.into_iter().map(|of| of.balance).collect();
    let json = export::batch_json(&BatchContents {
        head: &head,
        balances: &balances,
        positions: &store::positions(client, &batch.batch_id).await?,
        own: batch.own,
        presentments: &store::presentment_counts(client, batch.cycle).await?,
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
    for line in lines {
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

async fn acceptors(client: &Client) -> Result<BTreeMap<String, Acceptor>, StoreError> {
    let merchants = merchant::all(client).await?;
    let acceptor = |of: MerchantRow| Acceptor { name: of.name, city: of.city, country: of.country };
    Ok(merchants.into_iter().map(|(merchant, of)| (merchant, acceptor(of))).collect())
}

/// The inputs of our clearing file to one institution. `cards` is by bucket and id of the authorization.
struct ClearingFileSource<'a> {
    config: &'a Config,
    dialect: &'a Arc<Dialect>,
    batch: &'a BatchRow,
    institution: &'a str,
    acceptors: &'a BTreeMap<String, Acceptor>,
    cards: &'a HashMap<(i16, i64), PresentedCard>,
}

impl ClearingFileSource<'_> {
    /// Appends the clearing file and its control file, and records the file in its table.
    async fn render(
        &self,
        client: &Client,
        records: &[&OutgoingRow],
        lines: &[SettlementLine],
        contents: &mut Vec<Content>,
    ) -> Result<ClearingSummary, RenderError> {
        let file = file_id(self.config, self.batch.cycle, self.institution)?;
        let header = Header { file: file.clone(), processing: self.config.clearing.processing };
        let (bytes, totals) = self.bytes(header, records, lines)?;
        let day = self.batch.cycle.strftime("%Y%m%d");
        let stem = format!("{day}-{}-{}", self.config.acquirer_id, self.institution);
        let name = format!("{stem}.ipm");
        let control = Control::of(&name, &bytes, totals);
        let row = FileRow {
            file_id: file,
            incoming: false,
            institution: self.institution.to_owned(),
            name: name.clone(),
            sha256: <sha2::Sha256 as sha2::Digest>::digest(&bytes).to_vec(),
            records: i32::try_from(totals.records).unwrap_or(i32::MAX),
            checksum_minor: i64::try_from(totals.checksum).unwrap_or(i64::MAX),
            cycle: self.batch.cycle,
        };
        clearing_store::insert_file(client, &row).await?;
        contents.push((format!("clearing/{name}"), bytes));
        contents.push((format!("clearing/{stem}.json"), control.write()));
        Ok(ClearingSummary {
            file: name,
            institution: self.institution.to_owned(),
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
            let presentment = outgoing::presentment(
                &DuePresentment {
                    movement,
                    auth_id: row.auth_id,
                    minor: row.amount_minor,
                    refund: row.refund,
                    takes_back: row.takes_back,
                },
                PresentmentDetails {
                    pan: card.pan.clone(),
                    reference: AcquirerReference::parse(&row.reference)
                        .map_err(|_| Unpresentable { auth_id: row.auth_id, what: "reference" })?,
                    acquirer: &self.config.acquirer_id,
                    acceptor: self.acceptors.get(&movement.merchant),
                    icc: card.icc.clone(),
                },
            )?;
            let taken_back_on = row.takes_back.then_some(self.batch.cycle);
            let found = writer.presentment(&presentment, taken_back_on, &mut bytes)?;
            if i32::try_from(found) != Ok(row.record) {
                return Err(RenderError::RecordNumber { file: row.file_id.clone(), expected: row.record, found });
            }
        }
        let totals = writer.finish(&mut bytes)?;
        Ok((bytes, totals))
    }
}
