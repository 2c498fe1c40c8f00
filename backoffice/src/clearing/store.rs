//! Tables `clearing_file`, `presentment`, `outgoing_file` and `outgoing_presentment`.

pub mod issued;

use std::collections::HashMap;
use std::pin::pin;

use jiff::Timestamp;
use jiff::civil::Date;
use ledger::store::StoreError;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient, Row, Transaction};

use super::matching::{Covered, Presented, RowAt};
use super::record::FileId;

/// Advisory lock under which clearing files are read one at a time.
const LOCK_PRESENT: i64 = 5_857_005;

/// Advisory lock under which days are closed one at a time; a file is posted under it shared.
pub(crate) const LOCK_CLOSE: i64 = 5_857_004;

/// Until the transaction ends no other file is posted, because two could present the same capture, and no day is closed. No lane
/// takes these locks.
pub async fn one_file_at_a_time(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK_PRESENT]).await?;
    transaction.execute("SELECT pg_advisory_xact_lock_shared($1)", &[&LOCK_CLOSE]).await?;
    Ok(())
}

/// A row of `clearing_file`: a file that was read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    pub file_id: FileId,
    pub incoming: bool,
    pub institution: String,
    pub name: String,
    pub sha256: Vec<u8>,
    pub records: i32,
    pub checksum_minor: i64,
    pub cycle: Date,
}

/// An earlier file with the same id or the same content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownFile {
    pub file_id: String,
    pub sha256: Vec<u8>,
    pub cycle: Date,
    pub recorded_at: Timestamp,
}

/// The earlier file with this id or content, if there is one.
pub async fn known_file(
    client: &impl GenericClient,
    file_id: &FileId,
    sha256: &[u8],
) -> Result<Option<KnownFile>, StoreError> {
    // content first: the same file again is accepted, another file with the same id is a mistake
    let row = client
        .query_opt(
            "SELECT file_id, sha256, cycle, recorded_at FROM clearing_file WHERE sha256 = $2 OR file_id = $1
             ORDER BY sha256 = $2 DESC LIMIT 1",
            &[&file_id.as_str(), &sha256],
        )
        .await?;
    Ok(row.map(|row| KnownFile {
        file_id: row.get("file_id"),
        sha256: row.get("sha256"),
        cycle: row.get("cycle"),
        recorded_at: row.get("recorded_at"),
    }))
}

/// Records a file; an existing row is left as it is.
pub async fn insert_file(client: &impl GenericClient, file: &FileRow) -> Result<(), StoreError> {
    client
        .execute(
            "INSERT INTO clearing_file (file_id, incoming, institution, name, sha256, records, checksum_minor, cycle)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (file_id) DO NOTHING",
            &[
                &file.file_id.as_str(),
                &file.incoming,
                &file.institution,
                &file.name,
                &file.sha256,
                &file.records,
                &file.checksum_minor,
                &file.cycle,
            ],
        )
        .await?;
    Ok(())
}

/// A row of `presentment`: an incoming presentment and its outcome.
#[derive(Clone, Debug)]
pub struct PresentmentRow {
    pub record: i32,
    pub outcome: &'static str,
    pub presented: Presented,
    pub authorization: Option<RowAt>,
    pub standing_minor: Option<i64>,
    pub posted_minor: i64,
    pub posted_currency: u16,
    pub interchange_minor: i64,
    pub interchange_rate_id: Option<String>,
    pub scheme_fee_minor: i64,
    pub scheme_fee_rate_id: Option<String>,
}

const INSERT_PRESENTMENTS: &str = "
    INSERT INTO presentment (file_id, cycle, acquirer, record, outcome, lifecycle, reference, rrn, terminal, merchant, approval_code,
        pan_masked, takes_back, presented_minor, currency, auth_bucket, auth_id, standing_minor, posted_minor, posted_currency,
        interchange_minor, interchange_rate_id, scheme_fee_minor, scheme_fee_rate_id)
    SELECT $1, $2, $3, u.* FROM unnest($4::int4[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
        $12::text[], $13::bool[], $14::int8[], $15::int2[], $16::int2[], $17::int8[], $18::int8[], $19::int8[], $20::int2[],
        $21::int8[], $22::text[], $23::int8[], $24::text[]) AS u";

/// Inserts the outcomes of presentments of a file, in one statement.
pub async fn insert_presentments(
    client: &impl GenericClient,
    file_id: &FileId,
    cycle: Date,
    rows: &[PresentmentRow],
) -> Result<(), StoreError> {
    macro_rules! column {
        ($row:ident => $value:expr) => {
            rows.iter().map(|$row| $value).collect::<Vec<_>>()
        };
    }
    let number = |currency: u16| i16::try_from(currency).map_err(|_| StoreError::Column("presentment.currency"));
    let currencies = rows.iter().map(|row| number(row.presented.currency)).collect::<Result<Vec<_>, _>>()?;
    let posted = rows
        .iter()
        .map(|row| (row.posted_currency != row.presented.currency).then(|| number(row.posted_currency)).transpose())
        .collect::<Result<Vec<_>, _>>()?;
    let insert = client.prepare(INSERT_PRESENTMENTS).await?;
    client
        .execute(
            &insert,
            &[
                &file_id.as_str(),
                &cycle,
                &file_id.sender(),
                &column!(row => row.record),
                &column!(row => row.outcome),
                &column!(row => row.presented.names.life_cycle.as_deref()),
                &column!(row => row.presented.reference.as_str()),
                &column!(row => row.presented.names.rrn.as_deref()),
                &column!(row => row.presented.names.terminal.as_deref()),
                &column!(row => row.presented.names.merchant.as_deref().unwrap_or_default()),
                &column!(row => row.presented.names.approval.as_deref()),
                &column!(row => row.presented.names.pan_masked.as_deref().unwrap_or_default()),
                &column!(row => row.presented.takes_back),
                &column!(row => if row.presented.refund { -row.presented.minor } else { row.presented.minor }),
                &currencies,
                &column!(row => row.authorization.map(|at| at.0)),
                &column!(row => row.authorization.map(|at| at.1)),
                &column!(row => row.standing_minor),
                &column!(row => row.posted_minor),
                &posted,
                &column!(row => row.interchange_minor),
                &column!(row => row.interchange_rate_id.as_deref()),
                &column!(row => row.scheme_fee_minor),
                &column!(row => row.scheme_fee_rate_id.as_deref()),
            ],
        )
        .await?;
    Ok(())
}

/// The recorded outcome of a presentment.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RecordedOutcome {
    pub record: i32,
    pub outcome: String,
    pub reference: String,
    pub rrn: Option<String>,
    pub merchant: String,
    pub pan_masked: String,
    pub takes_back: bool,
    pub presented_minor: i64,
    pub standing_minor: Option<i64>,
    pub posted_minor: i64,
}

/// The presentments of a file that someone should look at, in order, `most` at most: those that were not posted, and those that
/// were posted without an authorization.
pub async fn exceptions(
    client: &impl GenericClient,
    file_id: &str,
    most: i64,
) -> Result<Vec<RecordedOutcome>, StoreError> {
    let rows = client
        .query(
            "SELECT record, outcome, reference, rrn, merchant, pan_masked, takes_back, presented_minor, standing_minor, posted_minor
             FROM presentment WHERE file_id = $1 AND (posted_minor = 0 OR outcome = $3) ORDER BY record LIMIT $2",
            &[&file_id, &most, &Covered::Forced.as_str()],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| RecordedOutcome {
            record: row.get("record"),
            outcome: row.get("outcome"),
            reference: row.get("reference"),
            rrn: row.get("rrn"),
            merchant: row.get("merchant"),
            pan_masked: row.get("pan_masked"),
            takes_back: row.get("takes_back"),
            presented_minor: row.get("presented_minor"),
            standing_minor: row.get("standing_minor"),
            posted_minor: row.get("posted_minor"),
        })
        .collect())
}

/// The presentments of a file with one outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeCount {
    pub outcome: String,
    pub items: u64,
    pub posted_minor: i64,
}

/// The presentments of a file by outcome.
pub async fn outcome_counts(client: &impl GenericClient, file_id: &str) -> Result<Vec<OutcomeCount>, StoreError> {
    let rows = client
        .query(
            "SELECT outcome, count(*), sum(posted_minor)::int8 FROM presentment WHERE file_id = $1 GROUP BY outcome",
            &[&file_id],
        )
        .await?;
    let count = |row: &Row| OutcomeCount {
        outcome: row.get(0),
        items: row.get::<_, i64>(1).unsigned_abs(),
        posted_minor: row.get(2),
    };
    Ok(rows.iter().map(count).collect())
}

/// A row of `outgoing_presentment`: file, record and reference of a presentment of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingRow {
    pub file_id: String,
    pub record: i32,
    pub institution: String,
    pub bucket: i16,
    pub auth_id: i64,
    pub amount_minor: i64,
    pub refund: bool,
    pub takes_back: bool,
    /// The date of the file whose presentment it takes back; unknown in batches of form 1.
    pub taken_back_on: Option<Date>,
    pub reference: String,
}

/// A row of `outgoing_file`: a file of ours, empty ones too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingFile {
    pub file_id: FileId,
    pub institution: String,
    pub name: String,
    /// Header and trailer included.
    pub records: i32,
}

/// The last number of our files with this kind, date and sender; 0 if there are none.
pub async fn last_sequence(client: &impl GenericClient, first: &FileId) -> Result<u32, StoreError> {
    let sql = "SELECT coalesce(max(right(file_id, 5)::int), 0) FROM outgoing_file
        WHERE file_id BETWEEN $1 || '00000' AND $1 || '99999'";
    let last: i32 = client.query_one(sql, &[&first.without_sequence()]).await?.get(0);
    Ok(last.unsigned_abs())
}

/// Inserts the files of a batch.
pub async fn insert_outgoing_files(
    client: &impl GenericClient,
    batch_id: &str,
    files: &[OutgoingFile],
) -> Result<(), StoreError> {
    for of in files {
        client
            .execute(
                "INSERT INTO outgoing_file (file_id, batch_id, institution, name, records) VALUES ($1, $2, $3, $4, $5)",
                &[&of.file_id.as_str(), &batch_id, &of.institution, &of.name, &of.records],
            )
            .await?;
    }
    Ok(())
}

/// The clearing files of a batch, in the order of their numbers.
pub async fn outgoing_files(client: &Client, batch_id: &str) -> Result<Vec<OutgoingFile>, StoreError> {
    let sql = "SELECT file_id, institution, name, records FROM outgoing_file WHERE batch_id = $1 ORDER BY file_id";
    let file = |row: &Row| {
        Ok(OutgoingFile {
            file_id: FileId::parse(row.get("file_id")).ok_or(StoreError::Column("outgoing_file.file_id"))?,
            institution: row.get("institution"),
            name: row.get("name"),
            records: row.get("records"),
        })
    };
    client.query(sql, &[&batch_id]).await?.iter().map(file).collect()
}

/// Inserts outgoing presentments.
pub async fn insert_outgoing(
    transaction: &Transaction<'_>,
    batch_id: &str,
    rows: &[OutgoingRow],
) -> Result<(), StoreError> {
    const TYPES: [Type; 11] = [
        Type::TEXT,
        Type::INT4,
        Type::TEXT,
        Type::TEXT,
        Type::INT2,
        Type::INT8,
        Type::INT8,
        Type::BOOL,
        Type::BOOL,
        Type::DATE,
        Type::TEXT,
    ];
    let sink = transaction
        .copy_in(
            "COPY outgoing_presentment (file_id, record, batch_id, institution, bucket, auth_id, amount_minor, refund, takes_back,
                 taken_back_on, reference) FROM STDIN (FORMAT binary)",
        )
        .await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &TYPES));
    for row in rows {
        writer
            .as_mut()
            .write(&[
                &row.file_id,
                &row.record,
                &batch_id,
                &row.institution,
                &row.bucket,
                &row.auth_id,
                &row.amount_minor,
                &row.refund,
                &row.takes_back,
                &row.taken_back_on,
                &row.reference,
            ])
            .await?;
    }
    writer.finish().await?;
    Ok(())
}

/// The outgoing presentments of a batch, in the order of their files.
pub async fn outgoing(client: &Client, batch_id: &str) -> Result<Vec<OutgoingRow>, StoreError> {
    let rows = client
        .query(
            "SELECT file_id, record, institution, bucket, auth_id, amount_minor, refund, takes_back, taken_back_on, reference
             FROM outgoing_presentment WHERE batch_id = $1 ORDER BY file_id, record",
            &[&batch_id],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| OutgoingRow {
            file_id: row.get("file_id"),
            record: row.get("record"),
            institution: row.get("institution"),
            bucket: row.get("bucket"),
            auth_id: row.get("auth_id"),
            amount_minor: row.get("amount_minor"),
            refund: row.get("refund"),
            takes_back: row.get("takes_back"),
            taken_back_on: row.get("taken_back_on"),
            reference: row.get("reference"),
        })
        .collect())
}

/// Each foreign card that a batch presents: its envelope and associated data by PAN index, and which movements it
/// belongs to.
#[derive(Clone, Debug, Default)]
pub struct PresentedCards {
    pub envelopes: Vec<(Vec<u8>, Vec<u8>)>,
    /// (bucket, auth_id) → index in `envelopes`.
    pub of: HashMap<(i16, i64), usize>,
    /// (bucket, auth_id) → DE55, where the chip was read.
    pub chip: HashMap<(i16, i64), Vec<u8>>,
}

/// The cards of a batch's presentments, each card once.
pub async fn presented_cards(client: &Client, batch_id: &str) -> Result<PresentedCards, StoreError> {
    let rows = client
        .query(
            "SELECT o.bucket, o.auth_id, f.pan_index, f.pan_envelope, i.icc
             FROM outgoing_presentment o
             JOIN auth a ON a.bucket = o.bucket AND a.auth_id = o.auth_id AND a.cycle = (SELECT cycle FROM settlement_batch WHERE batch_id = $1)
             LEFT JOIN auth g ON a.kind = 'reversal' AND g.bucket = a.bucket AND g.idem_date = a.original_date AND g.idem = a.original_idem
             JOIN foreign_card f ON f.pan_index = coalesce(a.pan_index, g.pan_index) AND f.bucket = get_byte(f.pan_index, 0) % 64
             LEFT JOIN acquired_chip i ON i.bucket = a.bucket AND i.idem = coalesce(g.idem, a.idem)
             WHERE o.batch_id = $1 ORDER BY f.pan_index",
            &[&batch_id],
        )
        .await?;
    let mut cards = PresentedCards::default();
    for row in &rows {
        let index: Vec<u8> = row.get("pan_index");
        if cards.envelopes.last().is_none_or(|(_, last)| *last != index) {
            cards.envelopes.push((row.get("pan_envelope"), index));
        }
        let at = (row.get("bucket"), row.get("auth_id"));
        cards.of.insert(at, cards.envelopes.len() - 1);
        if let Some(icc) = row.get("icc") {
            cards.chip.insert(at, icc);
        }
    }
    Ok(cards)
}
