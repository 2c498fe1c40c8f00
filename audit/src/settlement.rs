//! Checks of settlement against the journal: settlement lines, merchant balances, positions, and the files in the
//! folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::civil::Date;
use quick_xml::Reader;
use quick_xml::events::Event;
use sha2::{Digest, Sha256};
use tokio_postgres::Client;

use super::journal::Journal;
use super::{AuditError, Finding, compare};

/// Every movement at a merchant of ours in a closed cycle is one line of one batch, with its amount.
pub(super) async fn movements_are_settled(
    client: &Client,
    journal: &Journal,
    closed: &BTreeSet<Date>,
) -> Result<Finding, AuditError> {
    let mut expected = BTreeMap::new();
    for entry in journal.entries.iter().filter(|entry| entry.role != "issued" && closed.contains(&entry.cycle)) {
        let minor = journal.moved(entry);
        if minor != 0 {
            expected.insert(format!("{} in cycle {}", entry.named(), entry.cycle), minor);
        }
    }
    let rows = client
        .query(
            "SELECT l.auth_id, b.cycle, l.gross_minor FROM settlement_line l JOIN settlement_batch b USING (batch_id)",
            &[],
        )
        .await?;
    let names: BTreeMap<i64, String> = journal.entries.iter().map(|entry| (entry.auth_id, entry.named())).collect();
    let mut settled: BTreeMap<String, i64> = BTreeMap::new();
    for row in &rows {
        let (auth_id, cycle): (i64, Date) = (row.get(0), row.get(1));
        let name = names.get(&auth_id).cloned().unwrap_or_else(|| format!("transaction {auth_id}"));
        *settled.entry(format!("{name} in cycle {cycle}")).or_default() += row.get::<_, i64>(2);
    }
    Ok(Finding::new(
        "captures_are_settled_once",
        "I10: each capture, refund and reversal at our merchants in a closed cycle is one line of its batch",
        expected.len(),
        compare(("journal", &expected), ("settled", &settled)),
    ))
}

/// Batch balances are the sums of their lines, each continues the one before, and the merchants' accounts equal the
/// last.
pub(super) async fn balances_follow(client: &Client) -> Result<Finding, AuditError> {
    let rows = client
        .query(
            "SELECT b.cycle, m.merchant, m.gross_minor, m.fee_minor, m.brought_forward_minor, m.payout_minor, m.carried_forward_minor,
                    coalesce((SELECT sum(l.gross_minor) FROM settlement_line l WHERE l.batch_id = m.batch_id AND l.merchant = m.merchant), 0)::int8,
                    coalesce((SELECT sum(l.fee_minor) FROM settlement_line l WHERE l.batch_id = m.batch_id AND l.merchant = m.merchant), 0)::int8
             FROM settlement_merchant m JOIN settlement_batch b USING (batch_id) ORDER BY m.merchant, b.cycle",
            &[],
        )
        .await?;
    let mut differences = Vec::new();
    let mut carried: BTreeMap<String, i64> = BTreeMap::new();
    for row in &rows {
        let (cycle, merchant): (Date, String) = (row.get(0), row.get(1));
        let [gross, fee, brought, payout, left, lines_gross, lines_fee] =
            [2, 3, 4, 5, 6, 7, 8].map(|at: usize| row.get::<_, i64>(at));
        let name = format!("merchant {merchant}, cycle {cycle}");
        if (gross, fee) != (lines_gross, lines_fee) {
            differences.push(format!("{name}: gross and fee are not the sums of the lines"));
        }
        if gross - fee + brought != payout + left || payout < 0 {
            differences.push(format!("{name}: {gross} - {fee} + {brought} is not {payout} + {left}"));
        }
        let before = carried.insert(merchant, left).unwrap_or(0);
        if before != brought {
            differences.push(format!("{name}: {before} was carried forward, {brought} came in"));
        }
    }
    let accounts = client
        .query(
            "SELECT account_ref, sum(amount_minor)::int8 FROM (
                 SELECT account_ref, amount_minor FROM ledger
                 WHERE account_kind = 'merchant' AND cycle IN (SELECT cycle FROM settlement_batch)
                 UNION ALL SELECT account_ref, amount_minor FROM settlement_posting WHERE account_kind = 'merchant') l GROUP BY 1",
            &[],
        )
        .await?;
    let accounts: BTreeMap<String, i64> = accounts.iter().map(|row| (row.get(0), row.get(1))).collect();
    differences.extend(compare(("carried forward", &carried), ("account", &accounts)));
    Ok(Finding::new(
        "merchants_are_paid_what_they_are_owed",
        "I10: gross less fees and what was brought forward is what was paid and what is carried forward",
        rows.len(),
        differences,
    ))
}

/// Positions with foreign institutions equal the presented amounts less interchange, and so do their accounts.
pub(super) async fn positions_follow(
    client: &Client,
    journal: &Journal,
    issuers: &BTreeMap<String, String>,
) -> Result<Finding, AuditError> {
    let rows = client
        .query(
            "SELECT b.cycle, p.side, p.institution, p.gross_minor, p.interchange_minor
             FROM settlement_position p JOIN settlement_batch b USING (batch_id)",
            &[],
        )
        .await?;
    let mut stated: BTreeMap<String, i64> = BTreeMap::new();
    let mut net: BTreeMap<String, i64> = BTreeMap::new();
    let mut cycles = BTreeSet::new();
    for row in &rows {
        let (cycle, side, institution): (Date, &str, String) = (row.get(0), row.get(1), row.get(2));
        let (gross, interchange): (i64, i64) = (row.get(3), row.get(4));
        stated.insert(format!("{side} {institution}, cycle {cycle}"), gross);
        let to_acquirer = gross - interchange;
        *net.entry(format!("institution {institution}")).or_default() +=
            if side == "acquirer" { to_acquirer } else { -to_acquirer };
        cycles.insert(cycle);
    }
    let mut worked_out: BTreeMap<String, i64> = BTreeMap::new();
    for entry in journal.entries.iter().filter(|entry| entry.role == "acquired" && cycles.contains(&entry.cycle)) {
        let destination = entry.issuer.as_deref().unwrap_or("unnamed");
        let institution = issuers.get(destination).map_or(destination, String::as_str);
        *worked_out.entry(format!("issuer {institution}, cycle {}", entry.cycle)).or_default() += journal.moved(entry);
    }
    for row in &client.query("SELECT acquirer, cycle, posted_minor FROM presentment", &[]).await? {
        let (acquirer, cycle): (&str, Date) = (row.get(0), row.get(1));
        if cycles.contains(&cycle) {
            *worked_out.entry(format!("acquirer {acquirer}, cycle {cycle}")).or_default() += row.get::<_, i64>(2);
        }
    }
    let accounts = client
        .query(
            "SELECT account_ref, sum(amount_minor)::int8 FROM settlement_posting
             WHERE account_kind = 'position' AND cycle IN (SELECT cycle FROM settlement_batch) GROUP BY 1",
            &[],
        )
        .await?;
    let accounts: BTreeMap<String, i64> =
        accounts.iter().map(|row| (format!("institution {}", row.get::<_, &str>(0)), row.get(1))).collect();
    let mut differences = compare(("stated", &stated), ("journal", &worked_out));
    differences.extend(compare(("stated", &net), ("account", &accounts)));
    Ok(Finding::new(
        "positions_add_up",
        "I10: the position with each institution is what was presented less interchange, and its account says so",
        rows.len(),
        differences,
    ))
}

/// Files of closed batches are in the folders, byte for byte as they were written, and each batch has been written
/// once.
pub(super) async fn files_are_as_recorded(
    client: &Client,
    clearing: Option<&Path>,
    settlement: Option<&Path>,
) -> Result<Finding, AuditError> {
    let rows = client.query("SELECT path, sha256 FROM settlement_file ORDER BY path", &[]).await?;
    let mut differences = Vec::new();
    let mut checked = 0;
    for row in &rows {
        let (path, sha256): (&str, &[u8]) = (row.get(0), row.get(1));
        let place = match path.split_once('/') {
            Some(("clearing", rest)) => clearing.map(|folder| folder.join(rest)),
            Some(("settlement", rest)) => settlement.map(|folder| folder.join(rest)),
            _ => None,
        };
        let Some(place) = place else { continue };
        checked += 1;
        match std::fs::read(&place) {
            Err(_) => differences.push(format!("{path}: recorded, and not in the folder")),
            Ok(bytes) if Sha256::digest(&bytes)[..] != *sha256 => {
                differences.push(format!("{path}: not the bytes that were written when the batch was closed"));
            }
            Ok(_) => {}
        }
    }
    let twice = "SELECT cycle::text FROM settlement_batch GROUP BY cycle, currency HAVING count(*) > 1";
    let twice = client.query(twice, &[]).await?;
    differences.extend(twice.iter().map(|row| format!("cycle {}: settled twice", row.get::<_, &str>(0))));
    Ok(Finding::new(
        "closed_batches_do_not_change",
        "I11: each cycle was settled once, and its files are the bytes that were written then",
        checked,
        differences,
    ))
}

/// The settlement files agree with the batches: each line, each merchant, and the payout.
pub(super) async fn files_say_what_batches_say(
    client: &Client,
    journal: &Journal,
    folder: &Path,
) -> Result<Finding, AuditError> {
    let mut in_files = FileSums::default();
    let mut batches = BTreeSet::new();
    let mut missing = MissingFiles::default();
    for row in &client.query("SELECT batch_id, path FROM settlement_file ORDER BY path", &[]).await? {
        let (batch, recorded): (String, &str) = (row.get(0), row.get(1));
        let Some(path) = recorded.strip_prefix("settlement/").map(|path| folder.join(path)) else { continue };
        if !path.exists() {
            missing.add(&batch, recorded);
            continue;
        }
        if path.extension().is_some_and(|extension| extension == "csv") {
            in_files.add_csv(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            in_files.add_payout(&path, &batch)?;
        }
        batches.insert(batch);
    }
    let mut in_batches = FileSums::default();
    for row in &client
        .query("SELECT batch_id, merchant, gross_minor, fee_minor, payout_minor FROM settlement_merchant", &[])
        .await?
    {
        let (batch, merchant): (String, &str) = (row.get(0), row.get(1));
        if batches.contains(&batch) {
            *in_batches.payouts.entry(format!("{batch}, payout")).or_default() += row.get::<_, i64>(4);
            if missing.may_have_held(&batch, merchant, &in_files) {
                continue;
            }
            let (gross, fee): (i64, i64) = (row.get(2), row.get(3));
            in_batches.merchants.insert(format!("{batch}, merchant {merchant}, gross"), gross);
            in_batches.merchants.insert(format!("{batch}, merchant {merchant}, net"), gross - fee);
        }
    }
    let cycles = client.query("SELECT batch_id, cycle FROM settlement_batch", &[]).await?;
    let cycles: BTreeMap<Date, String> = cycles.iter().map(|row| (row.get(1), row.get(0))).collect();
    for entry in journal.entries.iter().filter(|entry| entry.role != "issued") {
        let Some(batch) = cycles.get(&entry.cycle).filter(|batch| batches.contains(*batch)) else { continue };
        let minor = journal.moved(entry);
        let unseen = missing.may_have_held(batch, entry.merchant.as_deref().unwrap_or_default(), &in_files);
        if minor != 0 && !unseen {
            *in_batches.transactions.entry(format!("{batch}, {}", entry.life_cycle)).or_default() += minor;
        }
    }
    in_batches.payouts.retain(|payout, _| !missing.payouts.contains(payout));
    let mut differences: Vec<String> =
        missing.paths.iter().map(|path| format!("{path}: recorded, and not in the folder")).collect();
    differences.extend(compare(("journal", &in_batches.transactions), ("csv", &in_files.transactions)));
    differences.extend(compare(("batch", &in_batches.merchants), ("csv", &in_files.merchants)));
    differences.extend(compare(("batch", &in_batches.payouts), ("payout.xml", &in_files.payouts)));
    differences.extend(in_files.faults);
    Ok(Finding::new(
        "settlement_files_add_up",
        "I10: each merchant's file is the sum of the journal's movements, and the payout file pays what the batch says",
        in_batches.transactions.len(),
        differences,
    ))
}

/// Files that are recorded and not in the folder. What was in them is compared with nothing.
#[derive(Debug, Default)]
struct MissingFiles {
    paths: Vec<String>,
    /// Batches of which a merchant's file is missing.
    merchants_of: BTreeSet<String>,
    /// Payouts whose file is missing, as [`FileSums`] names them.
    payouts: BTreeSet<String>,
}

impl MissingFiles {
    fn add(&mut self, batch: &str, path: &str) {
        self.paths.push(path.to_owned());
        match path.rsplit_once('.') {
            Some((_, "csv")) => drop(self.merchants_of.insert(batch.to_owned())),
            Some((_, "xml")) => drop(self.payouts.insert(format!("{batch}, payout"))),
            _ => {}
        }
    }

    /// Whether a missing file may be this merchant's: of its batch one is missing, and none that is there has a line of it.
    fn may_have_held(&self, batch: &str, merchant: &str, there: &FileSums) -> bool {
        self.merchants_of.contains(batch)
            && !there.merchants.contains_key(&format!("{batch}, merchant {merchant}, gross"))
    }
}

/// Sums of the files: by batch and transaction, by batch and merchant, by batch.
#[derive(Debug, Default)]
struct FileSums {
    transactions: BTreeMap<String, i64>,
    merchants: BTreeMap<String, i64>,
    payouts: BTreeMap<String, i64>,
    faults: Vec<String>,
}

impl FileSums {
    fn add_csv(&mut self, path: &Path) -> Result<(), AuditError> {
        let wrong = |error: csv::Error| AuditError::file(path, error);
        let mut reader = csv::Reader::from_path(path).map_err(wrong)?;
        let headers = reader.headers().map_err(wrong)?.clone();
        let column = |name: &str| {
            let at = headers.iter().position(|header| header == name);
            at.ok_or_else(|| AuditError::file(path, format!("no column {name}")))
        };
        let (batch, merchant, life_cycle) = (column("batch_id")?, column("merchant_id")?, column("lifecycle_id")?);
        let amounts = [column("gross")?, column("fee")?, column("net")?];
        for (number, row) in reader.records().enumerate() {
            let row = row.map_err(wrong)?;
            let line = || format!("{}, line {}", path.display(), number + 2);
            let [Some(gross), Some(fee), Some(net)] = amounts.map(|at| minor(&row[at])) else {
                self.faults.push(format!("{}: an amount is no amount", line()));
                continue;
            };
            if gross - fee != net {
                self.faults.push(format!("{}: net is not gross less fee", line()));
            }
            *self.transactions.entry(format!("{}, {}", &row[batch], &row[life_cycle])).or_default() += gross;
            let merchant = format!("{}, merchant {}", &row[batch], &row[merchant]);
            *self.merchants.entry(format!("{merchant}, gross")).or_default() += gross;
            *self.merchants.entry(format!("{merchant}, net")).or_default() += net;
        }
        Ok(())
    }

    fn add_payout(&mut self, path: &Path, batch: &str) -> Result<(), AuditError> {
        let mut reader = Reader::from_file(path).map_err(|error| AuditError::file(path, error))?;
        let (mut buffer, mut element) = (Vec::new(), String::new());
        let (mut paid, mut control) = (0, None);
        loop {
            match reader.read_event_into(&mut buffer).map_err(|error| AuditError::file(path, error))? {
                Event::Start(start) => element = start.name().as_ref().to_owned(),
                Event::Text(text) => match element.as_str() {
                    "InstdAmt" => paid += minor(&text).unwrap_or(0),
                    "CtrlSum" => control = minor(&text),
                    _ => {}
                },
                Event::End(_) => element.clear(),
                Event::Eof => break,
                _ => {}
            }
            buffer.clear();
        }
        if control != Some(paid) {
            self.faults.push(format!("{}: the control sum is not the sum of the payments", path.display()));
        }
        *self.payouts.entry(format!("{batch}, payout")).or_default() += paid;
        Ok(())
    }
}

/// Parses `-12.34` into -1234.
fn minor(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, cents) = digits.split_once('.')?;
    let cents = if cents.len() == 2 { cents.parse::<i64>().ok()? } else { return None };
    Some(sign * (whole.parse::<i64>().ok()? * 100 + cents))
}
