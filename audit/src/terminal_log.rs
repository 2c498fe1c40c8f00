//! Checks of the terminals' own log against the journal.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Display};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;

use super::journal::{Journal, JournalRow};
use super::{AuditError, Finding, compare, decimal};

/// One line of the terminals' log: one exchange, as the terminal saw it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct TerminalExchange {
    terminal: String,
    kind: String,
    stan: String,
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

    fn name(&self) -> Option<TransactionName> {
        let kind = match self.kind.as_str() {
            "purchase" => "purchase",
            "preauth" => "pre-authorization",
            "completion" => "completion",
            "refund" => "refund",
            _ => return None,
        };
        Some(TransactionName { terminal: self.terminal.clone(), stan: self.stan.parse().ok()?, kind })
    }
}

/// A transaction as its terminal identifies it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct TransactionName {
    terminal: String,
    stan: u32,
    kind: &'static str,
}

impl Display for TransactionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "terminal {}, STAN {:06}, {}", self.terminal, self.stan, self.kind)
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

/// Both sides agree on approved amounts less reversals; and every approval told to a terminal is in the journal, once.
pub(super) fn findings(exchanges: &[TerminalExchange], journal: &Journal) -> [Finding; 2] {
    let rows = by_name(journal);
    let log = approved_at_terminals(exchanges);
    let back = journal.reversed_amounts();
    let standing = |entry: &&JournalRow| entry.approved_minor - back.get(entry.idem.as_slice()).copied().unwrap_or(0);
    let host: BTreeMap<TransactionName, i64> =
        rows.iter().map(|(name, entries)| (name.clone(), entries.iter().map(standing).sum())).collect();
    let agree = Finding::new(
        "terminals_and_host_agree",
        "I6: what is approved at the terminals and not reversed there is what is approved at the host and not reversed",
        log.len().max(host.len()),
        compare(("terminal", &log), ("host", &host)),
    );
    [agree, acknowledged(exchanges, &rows)]
}

fn by_name(journal: &Journal) -> HashMap<TransactionName, Vec<&JournalRow>> {
    let mut rows: HashMap<TransactionName, Vec<&JournalRow>> = HashMap::new();
    for entry in journal.entries.iter().filter(|entry| entry.approved_minor > 0) {
        let kind = match entry.kind.as_str() {
            "purchase" => "purchase",
            "pre-authorization" => "pre-authorization",
            "completion" => "completion",
            "refund" => "refund",
            _ => continue,
        };
        let terminal = entry.terminal.clone().unwrap_or_default();
        rows.entry(TransactionName { terminal, stan: entry.stan.unsigned_abs(), kind }).or_default().push(entry);
    }
    rows
}

/// Approved amounts less reversals, by transaction; a repeat that was answered is the same transaction.
fn approved_at_terminals(exchanges: &[TerminalExchange]) -> BTreeMap<TransactionName, i64> {
    let mut approved: BTreeMap<TransactionName, i64> = exchanges
        .iter()
        .filter(|exchange| exchange.approved())
        .filter_map(|exchange| Some((exchange.name()?, exchange.approved_minor)))
        .collect();
    let mut reversed: HashMap<(&str, u32), i64> = HashMap::new();
    for exchange in exchanges.iter().filter(|exchange| exchange.kind == "reversal" && exchange.approved()) {
        let original = exchange.original_stan.as_deref().unwrap_or(&exchange.stan).parse().unwrap_or(0);
        reversed.insert((&exchange.terminal, original), exchange.approved_minor);
    }
    for (name, minor) in &mut approved {
        let back = reversed.get(&(name.terminal.as_str(), name.stan)).copied().unwrap_or(0);
        *minor -= back.min(*minor);
    }
    approved
}

fn acknowledged(exchanges: &[TerminalExchange], rows: &HashMap<TransactionName, Vec<&JournalRow>>) -> Finding {
    let mut checked = 0;
    let mut differences = Vec::new();
    for exchange in exchanges.iter().filter(|exchange| exchange.approved()) {
        let Some(name) = exchange.name() else { continue };
        checked += 1;
        match rows.get(&name).map_or(&[][..], Vec::as_slice) {
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

fn told_otherwise(exchange: &TerminalExchange, entry: &JournalRow) -> Option<String> {
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
        let shown: Vec<_> =
            approved_at_terminals(&exchanges).into_iter().map(|(name, minor)| (name.stan, minor)).collect();
        assert_eq!(shown, [(1, 500), (2, 0), (4, 700)]);
    }
}
