//! Compares the terminal log with the journal, the ledger, the clearing files and the settlement batches, and names each
//! difference. It reads rows, lines and control files directly; no code is shared with the programs that wrote them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use codecs::value::Minor;
use pos_sim::issuer::accounts::ApprovalRecord;
use tokio_postgres::Client;

use super::report::{Share, euros};
use super::terminal_log::{self, Capture, LoggedExchange};

/// Prefix of the card numbers that we issued.
const OUR_BIN: &str = "400012";
/// Prefix of the names of the foreign acquirer's clearing files.
pub const FROM_ACQUIRER: &str = "from-acquirer";

/// A difference between two records, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference(pub String);

/// One comparison of the terminal log with another record.
#[derive(Debug, Clone)]
pub struct Comparison {
    pub what: &'static str,
    /// Sums of both sides in minor units.
    pub log_minor: i64,
    pub other_minor: i64,
    pub compared: usize,
    pub differences: Vec<Difference>,
}

impl Comparison {
    fn of(what: &'static str, log: &BTreeMap<String, i64>, other: &BTreeMap<String, i64>) -> Self {
        let keys: BTreeSet<_> = log.keys().chain(other.keys()).collect();
        let differences = keys
            .iter()
            .filter_map(|key| {
                let (ours, theirs) = (log.get(*key).copied().unwrap_or(0), other.get(*key).copied().unwrap_or(0));
                (ours != theirs).then(|| Difference(format!("{key}: log {}, {what} {}", euros(ours), euros(theirs))))
            })
            .collect();
        Self {
            what,
            log_minor: log.values().sum(),
            other_minor: other.values().sum(),
            compared: keys.len(),
            differences,
        }
    }
}

const CAPTURED: &str = "
    SELECT a.terminal, lpad(a.stan::text, 6, '0'), a.kind::text,
           (a.approved_minor - coalesce(r.minor, 0))::bigint, coalesce(a.rrn, '')
    FROM auth a
    LEFT JOIN (SELECT original_idem, sum(approved_minor) AS minor FROM auth
               WHERE kind = 'reversal' GROUP BY original_idem) r ON r.original_idem = a.idem
    WHERE a.kind IN ('purchase', 'completion', 'refund') AND a.approved_minor > 0
      AND NOT EXISTS (SELECT 1 FROM presentment p WHERE p.auth_bucket = a.bucket AND p.auth_id = a.auth_id
                      AND p.outcome IN ('captured', 'forced', 'credited'))";

/// Every capture of the terminal log is in the journal exactly once, and the journal has no other but what a file captured.
pub async fn with_journal(lines: &[LoggedExchange], database: &Client) -> Result<Comparison> {
    let mut log = BTreeMap::new();
    for capture in terminal_log::captures(lines) {
        *log.entry(format!("{} {} {}", capture.terminal, capture.stan, capture.rrn)).or_insert(0) += capture.minor;
    }
    let mut journal = BTreeMap::new();
    for row in database.query(CAPTURED, &[]).await? {
        let terminal: Option<String> = row.get(0);
        let (stan, kind, minor, rrn): (String, String, i64, String) = (row.get(1), row.get(2), row.get(3), row.get(4));
        let sign = if kind == "refund" { -1 } else { 1 };
        *journal.entry(format!("{} {stan} {rrn}", terminal.unwrap_or_default())).or_insert(0) += sign * minor;
    }
    // a capture that was wholly reversed counts on neither side
    log.retain(|_, minor| *minor != 0);
    journal.retain(|_, minor| *minor != 0);
    Ok(Comparison::of("journal", &log, &journal))
}

/// Every capture of a foreign card at our terminals is in the issuer's book exactly once, and the issuer has no other approval
/// that stands.
pub fn with_issuer(lines: &[LoggedExchange], approvals: &[ApprovalRecord]) -> Comparison {
    let mut log = BTreeMap::new();
    for capture in terminal_log::captures(lines) {
        if capture.ours && !capture.pan_masked.starts_with(OUR_BIN) {
            *log.entry(format!("{} {}", capture.terminal, capture.rrn)).or_insert(0) += capture.minor;
        }
    }
    let mut book = BTreeMap::new();
    for approval in approvals {
        let terminal = approval.terminal.as_ref().map_or("", |terminal| terminal.as_str());
        let rrn = approval.rrn.as_ref().map_or("", |rrn| rrn.as_str());
        *book.entry(format!("{terminal} {rrn}")).or_insert(0) += approval.moved();
    }
    log.retain(|_, minor| *minor != 0);
    book.retain(|_, minor| *minor != 0);
    Comparison::of("issuer", &log, &book)
}

/// The amount due to each merchant of ours, from the ledger.
pub async fn with_ledger(captures: &[Capture], database: &Client) -> Result<Comparison> {
    let rows = database
        .query(
            "SELECT account_ref, sum(amount_minor)::bigint FROM ledger WHERE account_kind = 'merchant' GROUP BY 1",
            &[],
        )
        .await?;
    let ledger = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(Comparison::of("ledger", &terminal_log::owed_per_merchant(captures), &ledger))
}

/// The gross of each merchant's movements over all batches in `folder`, with what they hold. Nobody decides anything between the
/// batches, so nothing that was held is settled later.
pub fn with_settlement(captures: &[Capture], folder: &Path) -> Result<Comparison> {
    let mut gross = BTreeMap::new();
    for batch in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let batch = batch?.path();
        if !batch.is_dir() {
            continue;
        }
        for file in fs::read_dir(&batch)? {
            let file = file?.path();
            if file.extension().is_some_and(|extension| extension == "csv") {
                add_gross(&file, &mut gross).with_context(|| file.display().to_string())?;
            }
        }
        let totals = batch.join("batch.json");
        if totals.exists() {
            add_held(&totals, &mut gross).with_context(|| totals.display().to_string())?;
        }
    }
    Ok(Comparison::of("settlement", &terminal_log::owed_per_merchant(captures), &gross))
}

/// The files of presentments: the foreign acquirer's captures of our cards, and our merchants' captures of foreign cards. A
/// clearing file's checksum is the sum of its amounts, whatever their direction. `only_presented` is what no terminal captured.
pub fn with_clearing(captures: &[Capture], only_presented: Minor, folder: &Path) -> Result<Comparison> {
    let mut log = BTreeMap::from([("presented to us".to_owned(), only_presented.0)]);
    let mut add = |name: &str, capture: &Capture| *log.entry(name.to_owned()).or_insert(0) += capture.minor.abs();
    for capture in captures.iter().filter(|capture| capture.minor != 0) {
        match (capture.ours, capture.pan_masked.starts_with(OUR_BIN)) {
            (false, _) => add("presented to us", capture),
            (true, false) => add("presented by us", capture),
            (true, true) => {}
        }
    }
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let control: serde_json::Value =
            serde_json::from_slice(&fs::read(&path)?).with_context(|| path.display().to_string())?;
        let checksum = control["checksum"].as_i64().with_context(|| format!("{}: no checksum", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let way = if name.starts_with(FROM_ACQUIRER) { "presented to us" } else { "presented by us" };
        *files.entry(way.to_owned()).or_insert(0) += checksum;
    }
    Ok(Comparison::of("clearing", &log, &files))
}

fn add_held(file: &Path, gross: &mut BTreeMap<String, i64>) -> Result<()> {
    let batch: serde_json::Value = serde_json::from_slice(&fs::read(file)?)?;
    for of in batch["merchants"].as_array().into_iter().flatten() {
        let merchant = of["merchant_id"].as_str().context("a merchant without an id")?;
        *gross.entry(merchant.to_owned()).or_insert(0) += of["held"]["gross_minor"].as_i64().unwrap_or(0);
    }
    Ok(())
}

fn add_gross(file: &Path, gross: &mut BTreeMap<String, i64>) -> Result<()> {
    let mut reader = csv::Reader::from_path(file)?;
    let headers = reader.headers()?.clone();
    let column =
        |name: &str| headers.iter().position(|header| header == name).with_context(|| format!("no column {name}"));
    let (merchant, movement, amount) = (column("merchant_id")?, column("movement")?, column("gross")?);
    for row in reader.records() {
        let row = row?;
        if matches!(&row[movement], "sale" | "refund" | "reversal") {
            *gross.entry(row[merchant].to_owned()).or_insert(0) += minor(&row[amount])?;
        }
    }
    Ok(())
}

/// One sale to a foreign card, and each party's share when it is settled.
#[derive(Debug)]
pub struct SharedSale {
    pub merchant: String,
    pub rrn: String,
    pub gross_minor: i64,
    pub shares: Vec<Share>,
}

/// The shares of the first sale to a foreign card, which is the kind of sale that involves all five parties.
pub async fn who_owes_whom(database: &Client) -> Result<SharedSale> {
    let row = database
        .query_opt(
            "SELECT a.merchant, a.rrn, l.gross_minor, l.fee_minor, l.interchange_minor, l.scheme_fee_minor
             FROM settlement_line l JOIN auth a USING (bucket, auth_id)
             WHERE a.role = 'acquired' AND l.gross_minor > 0 AND NOT l.held AND NOT l.rejected ORDER BY a.auth_id LIMIT 1",
            &[],
        )
        .await?
        .context("no sale to a foreign card was settled")?;
    let (merchant, rrn): (String, String) = (row.get(0), row.get(1));
    let (gross, fee, interchange, scheme): (i64, i64, i64, i64) = (row.get(2), row.get(3), row.get(4), row.get(5));
    let share = |party: &str, what: &str, minor| Share { party: party.to_owned(), what: what.to_owned(), minor };
    let shares = vec![
        share("cardholder", "pays", -gross),
        share("merchant", "gets the price less the service charge", gross - fee),
        share("acquirer", "keeps what interchange and scheme leave of it", fee - interchange - scheme),
        share("issuer", "gets interchange", interchange),
        share("scheme", "gets its fee", scheme),
    ];
    Ok(SharedSale { merchant, rrn, gross_minor: gross, shares })
}

/// The merchant's amount for one sale, from its settlement file.
pub fn net_in_file(folder: &Path, sale: &SharedSale) -> Result<Option<i64>> {
    for batch in fs::read_dir(folder)? {
        let file = batch?.path().join(format!("{}.csv", sale.merchant));
        if !file.exists() {
            continue;
        }
        let mut reader = csv::Reader::from_path(&file)?;
        let headers = reader.headers()?.clone();
        let column =
            |name: &str| headers.iter().position(|header| header == name).with_context(|| format!("no column {name}"));
        let (rrn, movement, net) = (column("rrn")?, column("movement")?, column("net")?);
        for row in reader.records() {
            let row = row?;
            if row[rrn] == sale.rrn && &row[movement] == "sale" {
                return minor(&row[net]).map(Some);
            }
        }
    }
    Ok(None)
}

/// `-12.34` as -1234.
fn minor(text: &str) -> Result<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, cents) = digits.split_once('.').with_context(|| format!("no decimals in {text}"))?;
    anyhow::ensure!(cents.len() == 2, "not two decimals: {text}");
    Ok(sign * (whole.parse::<i64>()? * 100 + cents.parse::<i64>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_become_minor_units() {
        assert_eq!(minor("12.34").expect("amount"), 1234);
        assert_eq!(minor("-0.05").expect("amount"), -5);
        for odd in ["12", "1.5", "1.234", "x.00"] {
            minor(odd).expect_err(odd);
        }
    }

    #[test]
    fn a_merchant_on_one_side_only_is_a_difference() {
        let log = BTreeMap::from([("A".to_owned(), 100), ("B".to_owned(), 50)]);
        let other = BTreeMap::from([("A".to_owned(), 100), ("C".to_owned(), 50)]);
        let comparison = Comparison::of("ledger", &log, &other);
        assert_eq!(comparison.log_minor, comparison.other_minor, "sums alone would not have told");
        assert_eq!(comparison.differences.len(), 2);
    }
}
