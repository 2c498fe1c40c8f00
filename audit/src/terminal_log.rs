//! Checks of the terminals' own log against the journal.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Display};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;

use super::clearing::MadeByFiles;
use super::journal::{AnsweredRow, Journal};
use super::{AuditError, Finding, compare, decimal};

/// One line of the terminals' log: one exchange, as the terminal saw it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct TerminalExchange {
    terminal: String,
    kind: String,
    stan: String,
    /// As the terminal was told it; empty if it was told none.
    #[serde(default)]
    rrn: String,
    approved_minor: i64,
    #[serde(default)]
    original_stan: Option<String>,
    rc: Option<String>,
    #[serde(default)]
    approval: Option<String>,
    /// The answer came after the terminal had given up, so the cardholder was not told.
    #[serde(default)]
    late: bool,
}

impl TerminalExchange {
    fn approved(&self) -> bool {
        !self.late && matches!(self.rc.as_deref(), Some("00" | "10"))
    }

    /// The kind as the journal calls it; `None` for what is no transaction of its own.
    fn journal_kind(&self) -> Option<&'static str> {
        Some(match self.kind.as_str() {
            "purchase" => "purchase",
            "preauth" => "pre-authorization",
            "completion" => "completion",
            "refund" => "refund",
            _ => return None,
        })
    }
}

/// A transaction as its terminal identifies it. A STAN comes round; together with the RRN it names one transaction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct TransactionName {
    terminal: String,
    stan: u32,
    kind: &'static str,
    rrn: String,
}

impl Display for TransactionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "terminal {}, STAN {:06}, {}", self.terminal, self.stan, self.kind)?;
        if self.rrn.is_empty() { Ok(()) } else { write!(f, ", RRN {}", self.rrn) }
    }
}

/// The approved rows of the journal, by terminal, STAN and kind: of several, the RRN says which is meant.
struct ApprovedRows<'j>(HashMap<(&'j str, u32, &'static str), Vec<&'j AnsweredRow>>);

impl<'j> ApprovedRows<'j> {
    fn of(entries: impl IntoIterator<Item = &'j AnsweredRow>) -> Self {
        let mut rows: HashMap<_, Vec<&AnsweredRow>> = HashMap::new();
        for entry in entries.into_iter().filter(|entry| entry.approved_minor > 0) {
            if let Some(name) = Self::key(entry) {
                rows.entry(name).or_default().push(entry);
            }
        }
        Self(rows)
    }

    fn key(entry: &AnsweredRow) -> Option<(&str, u32, &'static str)> {
        let kind = match entry.kind.as_str() {
            "purchase" => "purchase",
            "pre-authorization" => "pre-authorization",
            "completion" => "completion",
            "refund" => "refund",
            _ => return None,
        };
        Some((entry.terminal.as_deref().unwrap_or_default(), entry.stan.unsigned_abs(), kind))
    }

    /// What `amount` gives for each row, summed by the transaction's name.
    fn sums(&self, amount: impl Fn(&AnsweredRow) -> i64) -> BTreeMap<TransactionName, i64> {
        let mut sums = BTreeMap::new();
        for (&(terminal, stan, kind), rows) in &self.0 {
            for row in rows {
                let rrn = row.rrn.clone().unwrap_or_default();
                let name = TransactionName { terminal: terminal.to_owned(), stan, kind, rrn };
                *sums.entry(name).or_default() += amount(row);
            }
        }
        sums
    }

    /// The rows that an exchange may mean, and the name of its transaction; `None` for what is no transaction of its own.
    /// A side that knows no RRN agrees with every one.
    fn meant_by(&self, exchange: &TerminalExchange) -> Option<(TransactionName, Vec<&'j AnsweredRow>)> {
        let (stan, kind) = (exchange.stan.parse().ok()?, exchange.journal_kind()?);
        let told = exchange.rrn.as_str();
        let fits = |row: &&&AnsweredRow| told.is_empty() || row.rrn.as_deref().is_none_or(|rrn| rrn == told);
        let rows = self.0.get(&(exchange.terminal.as_str(), stan, kind)).map_or(&[][..], Vec::as_slice);
        let rows: Vec<&AnsweredRow> = rows.iter().filter(fits).copied().collect();
        let rrn = match rows.first() {
            Some(first) if rows.iter().all(|row| row.rrn == first.rrn) => first.rrn.clone().unwrap_or_default(),
            _ => told.to_owned(),
        };
        Some((TransactionName { terminal: exchange.terminal.clone(), stan, kind, rrn }, rows))
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<TerminalExchange>, AuditError> {
    let file = File::open(path).map_err(|error| AuditError::file(path, error))?;
    let mut exchanges = Vec::new();
    for (number, text) in BufReader::new(file).lines().enumerate() {
        let wrong = |error: &dyn Display| AuditError::file(path, format!("line {}: {error}", number + 1));
        let text = text.map_err(|error| wrong(&error))?;
        if !text.trim().is_empty() {
            exchanges.push(serde_json::from_str(&text).map_err(|error| wrong(&error))?);
        }
    }
    Ok(exchanges)
}

/// Both sides agree on approved amounts less reversals; and every approval told to a terminal is in the journal, once. What
/// clearing files captured no terminal knows of, and what they took back it knows of, or not.
pub(super) fn findings(exchanges: &[TerminalExchange], journal: &Journal, files: &MadeByFiles) -> [Finding; 2] {
    let rows = ApprovedRows::of(journal.entries.iter().filter(|row| !files.rows.contains(&row.idem)));
    let log = approved_at_terminals(exchanges, &rows);
    let back = journal.reversed_amounts();
    let mut host = rows.sums(|row| row.approved_minor - back.get(row.idem.as_slice()).copied().unwrap_or(0));
    let withdrawn = rows.sums(|row| files.withdrawn.get(&row.idem).copied().unwrap_or(0));
    for (name, minor) in &mut host {
        let more = log.get(name).copied().unwrap_or(0) - *minor;
        if (1..=withdrawn.get(name).copied().unwrap_or(0)).contains(&more) {
            *minor += more;
        }
    }
    let agree = Finding::new(
        "terminals_and_host_agree",
        "I6: what is approved at the terminals and not reversed there is what is approved at the host and not reversed",
        log.len().max(host.len()),
        compare(("terminal", &log), ("host", &host)),
    );
    [agree, acknowledged(exchanges, &rows)]
}

/// Approved amounts less reversals, by transaction; a repeat that was answered is the same transaction.
fn approved_at_terminals(exchanges: &[TerminalExchange], rows: &ApprovedRows<'_>) -> BTreeMap<TransactionName, i64> {
    let mut approved: BTreeMap<TransactionName, i64> = BTreeMap::new();
    let mut given_back: BTreeMap<TransactionName, i64> = BTreeMap::new();
    // the transactions under each STAN so far, in the order of the log
    let mut so_far: HashMap<(&str, u32), Vec<TransactionName>> = HashMap::new();
    for exchange in exchanges.iter().filter(|exchange| exchange.approved()) {
        let terminal = exchange.terminal.as_str();
        if exchange.kind == "reversal" {
            let original = exchange.original_stan.as_deref().unwrap_or(&exchange.stan).parse().unwrap_or(0);
            let under = so_far.get(&(terminal, original)).map_or(&[][..], Vec::as_slice);
            let named = under.iter().rfind(|name| name.rrn == exchange.rrn);
            // a reversal that does not name the RRN means the latest one under that STAN
            if let Some(name) = named.or(under.last()) {
                given_back.insert(name.clone(), exchange.approved_minor);
            }
        } else if let Some((name, _)) = rows.meant_by(exchange) {
            let under = so_far.entry((terminal, name.stan)).or_default();
            if !under.contains(&name) {
                under.push(name.clone());
            }
            approved.insert(name, exchange.approved_minor);
        }
    }
    for (name, minor) in &mut approved {
        *minor -= given_back.get(name).copied().unwrap_or(0).min(*minor);
    }
    approved
}

fn acknowledged(exchanges: &[TerminalExchange], rows: &ApprovedRows<'_>) -> Finding {
    let mut checked = 0;
    let mut differences = Vec::new();
    for exchange in exchanges.iter().filter(|exchange| exchange.approved()) {
        let Some((name, meant)) = rows.meant_by(exchange) else { continue };
        checked += 1;
        match meant.as_slice() {
            [] => differences.push(format!("{name}: approved there, not in the journal")),
            [entry] => differences.extend(told_otherwise(exchange, entry).map(|fault| format!("{name}: {fault}"))),
            many => differences.push(format!("{name}: approved there once, {} times in the journal", many.len())),
        }
    }
    Finding::new(
        "approvals_are_journalled",
        "I5: every approval that a terminal was told is in the journal, exactly once, with its amount and code",
        checked,
        differences,
    )
}

fn told_otherwise(exchange: &TerminalExchange, entry: &AnsweredRow) -> Option<String> {
    let (there, here) = (exchange.approved_minor, entry.approved_minor);
    if there != here {
        return Some(format!("{} approved there, {} in the journal", decimal(there), decimal(here)));
    }
    let told = exchange.approval.as_deref().filter(|code| !code.is_empty());
    if told.is_some_and(|told| entry.approval.as_deref() != Some(told)) {
        return Some("told another approval code than the journal has".to_owned());
    }
    let answered = entry.response_code.as_str();
    (!matches!(answered, "00" | "10")).then(|| format!("approved there, answered {answered} in the journal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(text: &str) -> TerminalExchange {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_stands_at_a_terminal_is_what_it_was_told_and_did_not_take_back() {
        let of = |kind: &str, stan: &str, minor: i64, rest: &str| {
            exchange(&format!(
                r#"{{"terminal":"T0000001","kind":"{kind}","stan":"{stan}","approved_minor":{minor},"rc":"00"{rest}}}"#
            ))
        };
        let exchanges = [
            of("purchase", "000001", 500, ""),
            of("purchase", "000001", 500, r#","repeat":true"#),
            of("purchase", "000002", 700, ""),
            of("reversal", "000002", 700, r#","original_stan":"000002""#),
            of("purchase", "000003", 900, r#","late":true"#),
            of("purchase", "000004", 900, ""),
            of("reversal", "000004", 200, r#","original_stan":"000004""#),
            of("echo", "000005", 0, ""),
            exchange(r#"{"terminal":"T0000001","kind":"purchase","stan":"000006","approved_minor":0,"rc":null}"#),
        ];
        let shown: Vec<_> = approved_at_terminals(&exchanges, &ApprovedRows::of(&[]))
            .into_iter()
            .map(|(name, minor)| (name.stan, minor))
            .collect();
        assert_eq!(shown, [(1, 500), (2, 0), (4, 700)]);
    }

    fn row(auth_id: i64, rrn: Option<&str>, approved_minor: i64) -> AnsweredRow {
        AnsweredRow {
            idem: auth_id.to_be_bytes().to_vec(),
            kind: "purchase".into(),
            response_code: "00".into(),
            approval: None,
            approved_minor,
            terminal: Some("T0000001".into()),
            stan: 1,
            rrn: rrn.map(str::to_owned),
            original_idem: None,
        }
    }

    fn told(kind: &str, rrn: &str, minor: i64) -> TerminalExchange {
        exchange(&format!(
            r#"{{"terminal":"T0000001","kind":"{kind}","stan":"000001","rrn":"{rrn}","approved_minor":{minor},"rc":"00"}}"#
        ))
    }

    #[test]
    fn a_stan_that_comes_round_names_another_transaction() {
        let rows = [row(1, Some("632400000001"), 500), row(2, Some("633500000009"), 700)];
        let rows = ApprovedRows::of(&rows);
        let exchanges = [
            told("purchase", "632400000001", 500),
            told("purchase", "633500000009", 700),
            told("purchase", "633500000009", 700),
            told("reversal", "632400000001", 500),
        ];
        assert_eq!(acknowledged(&exchanges, &rows).differences, [""; 0], "neither is the other's double");
        let standing: Vec<i64> = approved_at_terminals(&exchanges, &rows).into_values().collect();
        assert_eq!(standing, [0, 700], "the reversal takes back the one that it names");
    }

    #[test]
    fn the_same_transaction_twice_in_the_journal_is_found() {
        let rows = [row(1, Some("632400000001"), 500), row(2, Some("632400000001"), 500)];
        let found = acknowledged(&[told("purchase", "632400000001", 500)], &ApprovedRows::of(&rows)).differences;
        let doubled =
            "terminal T0000001, STAN 000001, purchase, RRN 632400000001: approved there once, 2 times in the journal";
        assert_eq!(found, [doubled]);
    }

    #[test]
    fn a_side_that_knows_no_rrn_agrees_with_the_only_one_there_is() {
        for (there, here) in [("", Some("632400000001")), ("632400000001", None), ("", None)] {
            let rows = [row(1, here, 500)];
            let found = acknowledged(&[told("purchase", there, 500)], &ApprovedRows::of(&rows)).differences;
            assert_eq!(found, [""; 0], "{there:?} there, {here:?} here");
        }
    }

    #[test]
    fn what_was_told_under_another_rrn_is_not_in_the_journal() {
        let rows = [row(1, Some("632400000001"), 500)];
        let found = acknowledged(&[told("purchase", "633500000009", 500)], &ApprovedRows::of(&rows)).differences;
        assert_eq!(found.len(), 1);
        assert!(found[0].ends_with("approved there, not in the journal"), "{found:?}");
    }
}
