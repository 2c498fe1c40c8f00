//! Checks of clearing files against the journal. The files are parsed by code of the auditor's own: bytes, records,
//! elements.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use codecs::ipm::{Layout, Reader};
use codecs::value::TransactionType;
use codecs::{Dialect, Message, de, subfields};
use futures::TryStreamExt;
use jiff::civil::Date;
use sha2::{Digest, Sha256};
use tokio_postgres::Client;

use super::settlement::MOVED;
use super::{AuditError, Differences, Finding, compare, decimal};

/// A clearing file of the folder, parsed.
#[derive(Debug)]
pub(super) struct ClearingFile {
    name: String,
    sha256: Vec<u8>,
    records: i64,
    /// Sum of DE4.
    amount: i64,
    /// Number of records and sum of DE4 according to the trailer; -1 for a number that it does not have.
    declared: (i64, i64),
    file_id: String,
    presentments: Vec<Presentment>,
    faults: Vec<String>,
}

#[derive(Debug)]
struct Presentment {
    record: i64,
    reference: String,
    life_cycle: String,
    /// Amount due to the acquirer; negative if it is taken back.
    minor: i64,
}

/// Reads every `.ipm` file of a folder.
pub(super) fn read_folder(folder: &Path, dialect: &Arc<Dialect>) -> Result<Vec<ClearingFile>, AuditError> {
    let wrong = |error: std::io::Error| AuditError::file(folder, error);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.extension().is_some_and(|extension| extension == "ipm") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| read(path, dialect)).collect()
}

fn read(path: &Path, dialect: &Arc<Dialect>) -> Result<ClearingFile, AuditError> {
    let bytes = std::fs::read(path).map_err(|error| AuditError::file(path, error))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut file = ClearingFile {
        sha256: Sha256::digest(&bytes).to_vec(),
        name,
        records: 0,
        amount: 0,
        declared: (-1, -1),
        file_id: String::new(),
        presentments: Vec::new(),
        faults: Vec::new(),
    };
    let layout = Layout::of(&bytes[..]).map_err(|error| AuditError::file(path, error))?;
    let mut records = Reader::new(&bytes[..], layout);
    loop {
        let record = match records.next_record() {
            Ok(Some(record)) => record,
            Ok(None) => break,
            Err(error) => {
                file.faults.push(error.to_string());
                break;
            }
        };
        file.records += 1;
        let read = Message::decode(dialect, record.to_vec().into()).map_err(|error| error.to_string());
        if let Err(fault) = read.and_then(|message| file.take(&message).map_err(|error| error.to_string())) {
            file.faults.push(format!("record {}: {fault}", file.records));
        }
    }
    file.check_control(path);
    Ok(file)
}

impl ClearingFile {
    fn take(&mut self, message: &Message) -> Result<(), codecs::DecodeError> {
        let data = message.get::<de::AdditionalData>()?.map(codecs::value::Opaque::into_owned).unwrap_or_default();
        let subelement = |wanted: u16| {
            let found = subfields::private_data(&data).flatten().find(|(tag, _)| *tag == wanted);
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        match (message.mti().as_str(), message.require::<de::FunctionCode>()?.0) {
            ("1644", 697) => self.file_id = subelement(105).unwrap_or_default(),
            ("1644", 695) => {
                let number = |tag| subelement(tag).and_then(|text| text.parse().ok()).unwrap_or(-1);
                self.declared = (number(306), number(301));
            }
            _ => {
                let amount = message.require::<de::Amount>()?.0;
                self.amount += amount;
                let credit = message.require::<de::ProcessingCode>()?.kind() == TransactionType::Credit;
                let taken_back = subelement(25).is_some_and(|text| text.starts_with('R'));
                let text = |value: Option<codecs::value::Opaque<'_>>| {
                    value.and_then(|value| value.as_str().map(|text| text.trim_end().to_owned())).unwrap_or_default()
                };
                self.presentments.push(Presentment {
                    record: self.records,
                    reference: text(message.get::<de::v93::AcquirerReference>()?),
                    life_cycle: text(message.get::<de::LifeCycleId>()?),
                    minor: if credit == taken_back { amount } else { -amount },
                });
            }
        }
        Ok(())
    }

    fn check_control(&mut self, path: &Path) {
        let control = std::fs::read(path.with_extension("json")).ok();
        let Some(control) = control.and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok()) else {
            return self.faults.push("no control file that can be read".to_owned());
        };
        let number = |key: &str| control[key].as_i64().unwrap_or(-1);
        if (number("records"), number("checksum")) != (self.records, self.amount) {
            self.faults.push("the control file has other totals".to_owned());
        }
        let sha256 = control["sha256"].as_str().unwrap_or_default().to_lowercase();
        if sha256 != self.sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>() {
            self.faults.push("the control file has another sha256".to_owned());
        }
    }
}

/// Each file's trailer and control file equal the sums of its records, and the host recorded this very file.
pub(super) async fn files_add_up(client: &Client, files: &[ClearingFile]) -> Result<Finding, AuditError> {
    let mut differences = Vec::new();
    let known =
        client.query("SELECT name, sha256, incoming, records, checksum_minor, file_id FROM clearing_file", &[]).await?;
    for file in files {
        let name = &file.name;
        differences.extend(file.faults.iter().map(|fault| format!("{name}: {fault}")));
        if file.declared != (file.records, file.amount) {
            let (records, checksum) = file.declared;
            let (counted, summed) = (file.records, file.amount);
            differences.push(format!("{name}: trailer {records} records, {checksum}; details {counted}, {summed}"));
        }
        match known.iter().find(|row| row.get::<_, &[u8]>(1) == file.sha256) {
            None => differences.push(format!("{name}: the host neither read nor wrote this file")),
            Some(row) if (row.get::<_, &str>(0), row.get::<_, &str>(5)) != (name, &file.file_id) => {
                differences.push(format!("{name}: the host knows it by another name or number"));
            }
            Some(row) => {
                let recorded = (i64::from(row.get::<_, i32>(3)), row.get::<_, i64>(4));
                if recorded != (file.records, file.amount) {
                    differences.push(format!("{name}: the host recorded other totals"));
                }
            }
        }
    }
    let lost = known.iter().filter(|row| !files.iter().any(|file| file.sha256 == row.get::<_, &[u8]>(1)));
    differences.extend(lost.map(|row| format!("{}: recorded, and not in the folder", row.get::<_, &str>(0))));
    Ok(Finding::new(
        "clearing_files_add_up",
        "I10: each clearing file's trailer and control file are the sums of its details, and the host knows the file",
        files.len(),
        differences,
    ))
}

/// What the acquired transactions of a closed cycle, `$1`, moved, and what was presented of them; only where they differ.
fn not_presented() -> String {
    format!(
        "WITH moved AS (SELECT a.lifecycle, sum({MOVED})::int8 AS minor FROM auth a
                        WHERE a.cycle = $1 AND a.role = 'acquired' AND a.approved_minor <> 0 GROUP BY 1),
              presented AS (SELECT a.lifecycle, sum(CASE WHEN o.refund = o.takes_back THEN o.amount_minor ELSE -o.amount_minor END)::int8 AS minor
                            FROM outgoing_presentment o JOIN settlement_batch b USING (batch_id)
                            JOIN auth a ON a.bucket = o.bucket AND a.auth_id = o.auth_id WHERE b.cycle = $1 GROUP BY 1)
         SELECT lifecycle, coalesce(m.minor, 0), coalesce(p.minor, 0) FROM moved m FULL JOIN presented p USING (lifecycle)
         WHERE coalesce(m.minor, 0) <> coalesce(p.minor, 0)"
    )
}

/// Files of ours that are not named for their cycle and receiver, or whose presentments are for another.
const STRAYED_FILES: &str = "SELECT f.file_id FROM clearing_file f WHERE NOT f.incoming AND (
      NOT (starts_with(f.name, to_char(f.cycle, 'YYYYMMDD') || '-') AND f.name LIKE '%-' || f.institution || '.%')
      OR EXISTS (SELECT 1 FROM outgoing_presentment o JOIN settlement_batch b USING (batch_id)
        WHERE o.file_id = f.file_id AND (o.institution <> f.institution OR b.cycle <> f.cycle)))";

/// Every capture of a foreign card in a closed cycle is in one presentment, with its amount less reversals, and in the
/// files.
pub(super) async fn captures_are_presented(
    client: &Client,
    files: Option<&[ClearingFile]>,
) -> Result<Finding, AuditError> {
    let mut differences = Differences::default();
    let closed = client.query("SELECT date FROM business_day WHERE state = 'closed' ORDER BY 1", &[]).await?;
    for cycle in closed.iter().map(|row| row.get::<_, Date>(0)) {
        for row in &client.query(&not_presented(), &[&cycle]).await? {
            let (life_cycle, moved, presented): (&str, i64, i64) = (row.get(0), row.get(1), row.get(2));
            let (moved, presented) = (decimal(moved), decimal(presented));
            differences.push(format!("{life_cycle} in cycle {cycle}: journal {moved}, presented {presented}"));
        }
    }
    for row in &client.query(STRAYED_FILES, &[]).await? {
        differences.push(format!("file {}: it is of another cycle or receiver than recorded", row.get::<_, &str>(0)));
    }
    let presented: i64 = client.query_one("SELECT count(*) FROM outgoing_presentment", &[]).await?.get(0);
    differences
        .extend(not_in_folder(client, "SELECT DISTINCT file_id FROM outgoing_presentment ORDER BY 1", files).await?);
    for file in files.into_iter().flatten() {
        let recorded = "SELECT o.reference, a.lifecycle, CASE WHEN o.refund = o.takes_back THEN o.amount_minor ELSE -o.amount_minor END
             FROM outgoing_presentment o JOIN auth a ON a.bucket = o.bucket AND a.auth_id = o.auth_id WHERE o.file_id = $1";
        let recorded = client.query(recorded, &[&file.file_id]).await?;
        if recorded.is_empty() {
            continue;
        }
        let name = |reference: &str, life_cycle: &str| format!("presentment {reference} of {life_cycle}");
        let recorded = recorded.iter().map(|row| (name(row.get(0), row.get(1)), row.get(2))).collect();
        let found = file.presentments.iter().map(|of| (name(&of.reference, &of.life_cycle), of.minor)).collect();
        differences.extend(compare(("recorded", &recorded), ("in the file", &found)));
    }
    Ok(Finding::new(
        "captures_are_presented_once",
        "I10: each capture of a foreign card in a closed cycle is in one clearing file, with what stood of it",
        usize::try_from(presented).unwrap_or(0),
        differences,
    ))
}

/// Those of the files that are recorded and not in the folder. Nothing can be said about what is in them.
async fn not_in_folder(
    client: &Client,
    recorded: &str,
    files: Option<&[ClearingFile]>,
) -> Result<Vec<String>, AuditError> {
    let Some(files) = files else { return Ok(Vec::new()) };
    let recorded = client.query(recorded, &[]).await?;
    let missing =
        recorded.iter().map(|row| row.get::<_, &str>(0)).filter(|id| files.iter().all(|file| file.file_id != *id));
    Ok(missing.map(|file_id| format!("file {file_id}: recorded, and not in the folder")).collect())
}

/// Outcomes of presentments that are posted.
const POSTED: &str = "('matched', 'captured', 'forced', 'credited', 'withdrawn')";

/// What was presented of each of our cards' transactions and posted, with what the journal has captured of it, later additions
/// included; only where that does not cover it.
fn not_covered() -> String {
    format!(
        "SELECT p.auth_id, p.minor, j.captured FROM (SELECT auth_bucket AS bucket, auth_id, sum(posted_minor)::int8 AS minor
           FROM presentment WHERE outcome IN {POSTED} AND auth_id IS NOT NULL GROUP BY 1, 2) p
         LEFT JOIN LATERAL (SELECT {MOVED} + CASE a.kind WHEN 'purchase' THEN
               coalesce((SELECT sum(v.approved_minor) FROM auth v WHERE v.bucket = a.bucket AND v.original_idem = a.idem
                 AND v.original_idem IS NOT NULL AND v.original_auth_id = a.auth_id AND v.kind = 'completion'), 0) ELSE 0 END AS captured
           FROM auth a WHERE a.bucket = p.bucket AND a.auth_id = p.auth_id
             AND a.role = 'issued' AND a.kind IN ('purchase', 'completion', 'refund')) j ON true
         WHERE j.captured IS NULL OR sign(p.minor) * sign(j.captured) < 0 OR abs(p.minor) > abs(j.captured)"
    )
}

/// References of an acquirer that were posted more than once, or taken back more than once.
const TWICE: &str = "SELECT acquirer, reference FROM presentment WHERE posted_minor <> 0
    GROUP BY acquirer, reference, takes_back HAVING count(*) > 1 ORDER BY 1, 2";

/// What clearing files did to the journal without a message.
#[derive(Debug, Default)]
pub(super) struct MadeByFiles {
    /// Keys of the rows that they captured.
    pub rows: HashSet<Vec<u8>>,
    /// What was taken back of each row, by its key.
    pub withdrawn: HashMap<Vec<u8>, i64>,
}

/// Reads what files captured and took back. The key of a capture is made of file and record (decision 20).
pub(super) async fn made_by_files(client: &Client) -> Result<MadeByFiles, AuditError> {
    let presented = "SELECT p.file_id, p.record, p.takes_back, abs(p.posted_minor), a.idem, a.link FROM presentment p
         JOIN auth a ON a.bucket = p.auth_bucket AND a.auth_id = p.auth_id WHERE p.posted_minor <> 0";
    let mut made = MadeByFiles::default();
    let no_parameters: [&str; 0] = [];
    let mut rows = pin!(client.query_raw(presented, no_parameters).await?);
    while let Some(row) = rows.try_next().await? {
        let (file, record, minor): (&str, i32, i64) = (row.get(0), row.get(1), row.get(3));
        if row.get(2) {
            *made.withdrawn.entry(row.get(4)).or_default() += minor;
        } else {
            made.rows.extend(key_of_record(row.get(5), file, record));
        }
    }
    Ok(made)
}

/// The journal's key of what a record captured; `None` for an id that is none.
fn key_of_record(link: &str, file: &str, record: i32) -> Option<Vec<u8>> {
    let (kind, date, sequence) = (file.get(..3)?, file.get(3..9)?, file.get(20..25)?);
    let (stan, second, day) = (record % 1_000_000, record / 1_000_000, date.get(2..)?);
    let key = format!("O{link}|CLR{sequence}|F{kind}-20{date}|{stan:06}|0000{second:02}|{day}");
    Some(Sha256::digest(key.as_bytes())[..16].to_vec())
}

/// Each presentment accepted from a foreign acquirer is in a file, is covered by its authorization, and was posted
/// once.
pub(super) async fn presentments_are_covered(
    client: &Client,
    files: Option<&[ClearingFile]>,
) -> Result<Finding, AuditError> {
    let mut differences = Differences::default();
    let wrong = format!("SELECT p.file_id, p.record, p.reference, CASE
           WHEN p.posted_minor <> coalesce(s.minor, 0) THEN 'what was posted is not what was recorded'
           WHEN p.outcome IN {POSTED} THEN 'matched with nothing' ELSE 'an exception was posted' END
         FROM presentment p
         LEFT JOIN (SELECT posting, sum(amount_minor)::int8 AS minor FROM settlement_posting WHERE account_kind = 'position' GROUP BY 1) s
           ON s.posting = 'presented/' || p.file_id || '/' || p.record
         WHERE p.posted_minor <> coalesce(s.minor, 0) OR p.outcome IN {POSTED} AND p.auth_id IS NULL
            OR p.outcome NOT IN {POSTED} AND p.posted_minor <> 0 ORDER BY 1, 2");
    let name = |file: &str, record: i64, reference: &str| format!("file {file}, record {record} ({reference})");
    for row in &client.query(&wrong, &[]).await? {
        let of = name(row.get(0), i64::from(row.get::<_, i32>(1)), row.get(2));
        differences.push(format!("{of}: {}", row.get::<_, &str>(3)));
    }
    for row in &client.query(&not_covered(), &[]).await? {
        let (auth_id, posted, captured): (i64, i64, Option<i64>) = (row.get(0), row.get(1), row.get(2));
        differences.push(match captured {
            None => format!("transaction {auth_id}: presented, and not in the journal as issued"),
            Some(captured) => format!("transaction {auth_id}: {posted} presented of {captured}"),
        });
    }
    for row in &client.query(TWICE, &[]).await? {
        let (acquirer, reference): (&str, &str) = (row.get(0), row.get(1));
        differences.push(format!("acquirer {acquirer}, reference {reference}: posted more than once"));
    }
    let presented: i64 = client.query_one("SELECT count(*) FROM presentment", &[]).await?.get(0);
    differences.extend(not_in_folder(client, "SELECT DISTINCT file_id FROM presentment ORDER BY 1", files).await?);
    for file in files.into_iter().flatten() {
        let recorded = "SELECT record, reference, CASE WHEN takes_back THEN -presented_minor ELSE presented_minor END
             FROM presentment WHERE file_id = $1";
        let recorded = client.query(recorded, &[&file.file_id]).await?;
        if recorded.is_empty() {
            continue;
        }
        let recorded = recorded
            .iter()
            .map(|row| (name(&file.file_id, i64::from(row.get::<_, i32>(0)), row.get(1)), row.get(2)))
            .collect();
        let found =
            file.presentments.iter().map(|of| (name(&file.file_id, of.record, &of.reference), of.minor)).collect();
        differences.extend(compare(("recorded", &recorded), ("in the file", &found)));
    }
    Ok(Finding::new(
        "presentments_are_covered",
        "I10: what was presented to us and taken is in its file, covered by its authorization and posted once",
        usize::try_from(presented).unwrap_or(0),
        differences,
    ))
}
