//! Checks of clearing files against the journal. The files are parsed by code of the auditor's own: bytes, records,
//! elements.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use codecs::ipm::{Layout, records, stream};
use codecs::value::TransactionType;
use codecs::{Dialect, Message, de, subfields};
use jiff::civil::Date;
use sha2::{Digest, Sha256};
use tokio_postgres::Client;

use super::journal::Journal;
use super::{AuditError, Finding, compare};

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
    let layout = Layout::of(&bytes);
    match stream(&bytes, layout) {
        Err(error) => file.faults.push(error.to_string()),
        Ok(stream) => {
            for record in records(&stream, layout) {
                file.records += 1;
                let of = record
                    .map_err(|error| error.to_string())
                    .and_then(|record| {
                        Message::decode(dialect, record.to_vec().into()).map_err(|error| error.to_string())
                    })
                    .and_then(|message| file.take(&message).map_err(|error| error.to_string()));
                if let Err(fault) = of {
                    file.faults.push(format!("record {}: {fault}", file.records));
                }
            }
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
    let known = client.query("SELECT name, sha256, incoming, records, checksum_minor FROM clearing_file", &[]).await?;
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

/// Every capture of a foreign card in a closed cycle is in one presentment, with its amount less reversals, and in the
/// files.
pub(super) async fn captures_are_presented(
    client: &Client,
    journal: &Journal,
    closed: &BTreeSet<Date>,
    files: Option<&[ClearingFile]>,
) -> Result<Finding, AuditError> {
    let expected = expected_presentments(journal, closed);
    let rows = client
        .query(
            "SELECT b.cycle, a.lifecycle, o.amount_minor, o.refund, o.takes_back, o.reference, o.file_id, o.record
             FROM outgoing_presentment o JOIN settlement_batch b USING (batch_id)
             JOIN auth a ON a.bucket = o.bucket AND a.auth_id = o.auth_id",
            &[],
        )
        .await?;
    let mut presented: BTreeMap<String, i64> = BTreeMap::new();
    // by file and presentment
    let mut recorded: BTreeMap<(String, String), i64> = BTreeMap::new();
    let mut file_ids = BTreeSet::new();
    for row in &rows {
        let (cycle, life_cycle): (Date, String) = (row.get(0), row.get(1));
        let (minor, refund, takes_back): (i64, bool, bool) = (row.get(2), row.get(3), row.get(4));
        let minor = if refund == takes_back { minor } else { -minor };
        *presented.entry(format!("{life_cycle} in cycle {cycle}")).or_default() += minor;
        let (reference, file_id): (String, String) = (row.get(5), row.get(6));
        let name = format!("presentment {reference} of {life_cycle}");
        *recorded.entry((file_id.clone(), name)).or_default() += minor;
        file_ids.insert(file_id);
    }
    let mut differences = compare(("journal", &expected), ("presented", &presented));
    if let Some(files) = files {
        let missing = missing_files(&file_ids, files);
        differences.extend(missing.iter().map(|file_id| not_in_folder(file_id)));
        recorded.retain(|(file_id, _), _| !missing.contains(file_id.as_str()));
        let recorded = recorded.into_iter().map(|((_, name), minor)| (name, minor)).collect();
        let mut found: BTreeMap<String, i64> = BTreeMap::new();
        for of in files.iter().filter(|file| file_ids.contains(&file.file_id)).flat_map(|file| &file.presentments) {
            *found.entry(format!("presentment {} of {}", of.reference, of.life_cycle)).or_default() += of.minor;
        }
        differences.extend(compare(("recorded", &recorded), ("in the file", &found)));
    }
    Ok(Finding::new(
        "captures_are_presented_once",
        "I10: each capture of a foreign card in a closed cycle is in one clearing file, with what stood of it",
        expected.len(),
        differences,
    ))
}

/// Those of the files that are recorded and not in the folder. Nothing can be said about what is in them.
fn missing_files<'r>(recorded: &'r BTreeSet<String>, files: &[ClearingFile]) -> BTreeSet<&'r str> {
    let is_there = |file_id: &str| files.iter().any(|file| file.file_id == file_id);
    recorded.iter().map(String::as_str).filter(|file_id| !is_there(file_id)).collect()
}

fn not_in_folder(file_id: &str) -> String {
    format!("file {file_id}: recorded, and not in the folder")
}

/// The amount of each acquired transaction, less reversals, at the end of each closed cycle that changed it.
fn expected_presentments(journal: &Journal, closed: &BTreeSet<Date>) -> BTreeMap<String, i64> {
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    let acquired = journal.entries.iter().filter(|entry| entry.role == "acquired" && closed.contains(&entry.cycle));
    for entry in acquired {
        let minor = journal.moved(entry);
        if minor != 0 {
            *expected.entry(format!("{} in cycle {}", entry.life_cycle, entry.cycle)).or_default() += minor;
        }
    }
    expected.retain(|_, minor| *minor != 0);
    expected
}

/// Each presentment accepted from a foreign acquirer is in a file, is covered by its authorization, and was posted
/// once.
pub(super) async fn presentments_are_covered(
    client: &Client,
    journal: &Journal,
    files: Option<&[ClearingFile]>,
) -> Result<Finding, AuditError> {
    let rows = client
        .query(
            "SELECT p.file_id, p.record, p.outcome, p.presented_minor, p.takes_back, p.posted_minor, p.auth_id, p.reference,
                    (SELECT sum(amount_minor)::int8 FROM settlement_posting s
                     WHERE s.posting = 'presented/' || p.file_id || '/' || p.record AND s.account_kind = 'position')
             FROM presentment p ORDER BY 1, 2",
            &[],
        )
        .await?;
    let captured: HashMap<i64, _> =
        journal.entries.iter().filter(|entry| entry.role == "issued").map(|entry| (entry.auth_id, entry)).collect();
    let mut differences = Vec::new();
    // by file and record
    let mut recorded: BTreeMap<(String, String), i64> = BTreeMap::new();
    let mut taken: BTreeMap<i64, i64> = BTreeMap::new();
    for row in &rows {
        let (file, record, reference): (&str, i32, &str) = (row.get(0), row.get(1), row.get(7));
        let name = format!("file {file}, record {record} ({reference})");
        let posted: i64 = row.get(5);
        let sign = if row.get::<_, bool>(4) { -1 } else { 1 };
        recorded.insert((file.to_owned(), name.clone()), sign * row.get::<_, i64>(3));
        if row.get::<_, Option<i64>>(8).unwrap_or(0) != posted {
            differences.push(format!("{name}: what was posted is not what was recorded"));
        }
        match (row.get::<_, &str>(2), row.get::<_, Option<i64>>(6)) {
            ("matched", Some(auth_id)) => *taken.entry(auth_id).or_default() += posted,
            ("matched", None) => differences.push(format!("{name}: matched with nothing")),
            (_, _) if posted != 0 => differences.push(format!("{name}: an exception was posted")),
            _ => {}
        }
    }
    for (auth_id, posted) in taken {
        let Some(entry) = captured.get(&auth_id) else {
            differences.push(format!("transaction {auth_id}: presented, and not in the journal as issued"));
            continue;
        };
        let captured = journal.moved(entry);
        if !entry.captures() || posted.signum() * captured.signum() < 0 || posted.abs() > captured.abs() {
            differences.push(format!("{}: {posted} presented of {captured}", entry.named()));
        }
    }
    if let Some(files) = files {
        let ids: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        let missing = missing_files(&ids, files);
        differences.extend(missing.iter().map(|file_id| not_in_folder(file_id)));
        recorded.retain(|(file_id, _), _| !missing.contains(file_id.as_str()));
        let recorded = recorded.into_iter().map(|((_, name), minor)| (name, minor)).collect();
        let mut found = BTreeMap::new();
        for file in files.iter().filter(|file| ids.contains(&file.file_id)) {
            for of in &file.presentments {
                found.insert(format!("file {}, record {} ({})", file.file_id, of.record, of.reference), of.minor);
            }
        }
        differences.extend(compare(("recorded", &recorded), ("in the file", &found)));
    }
    Ok(Finding::new(
        "presentments_are_covered",
        "I10: what was presented to us and taken is in its file, covered by its authorization and posted once",
        rows.len(),
        differences,
    ))
}
