//! Reads the simulator's terminal log (`terminal-log.ndjson`) and sums it up. No code is shared with the programs that are checked
//! against it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// One exchange as the simulator logged it.
#[derive(Debug, Clone, Deserialize)]
pub struct LoggedExchange {
    pub t_us: u64,
    pub terminal: String,
    pub merchant: String,
    pub acquirer: String,
    pub ours: bool,
    pub kind: String,
    pub mti: String,
    pub stan: String,
    pub rrn: Option<String>,
    pub pan_masked: Option<String>,
    pub amount_minor: i64,
    pub approved_minor: i64,
    pub original_stan: Option<String>,
    pub rc: Option<String>,
    pub approval: Option<String>,
    #[serde(default)]
    pub late: bool,
    #[serde(default)]
    pub repeat: bool,
}

impl LoggedExchange {
    pub fn approved(&self) -> bool {
        matches!(self.rc.as_deref(), Some("00" | "10"))
    }

    /// Empty if it was told none.
    fn rrn(&self) -> &str {
        self.rrn.as_deref().unwrap_or_default()
    }

    /// +1 if the merchant gets money, -1 if it gives money, `None` if nothing is captured.
    fn capture_sign(&self) -> Option<i64> {
        match self.kind.as_str() {
            "purchase" | "completion" => Some(1),
            "refund" => Some(-1),
            _ => None,
        }
    }
}

pub fn read(path: &Path) -> Result<Vec<LoggedExchange>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut lines = Vec::new();
    for (number, text) in BufReader::new(file).lines().enumerate() {
        let text = text?;
        let line = serde_json::from_str(&text).with_context(|| format!("{}, line {}", path.display(), number + 1))?;
        lines.push(line);
    }
    Ok(lines)
}

/// A captured sale or refund, less its reversals.
#[derive(Debug, Clone)]
pub struct Capture {
    pub terminal: String,
    pub stan: String,
    pub rrn: String,
    pub merchant: String,
    pub acquirer: String,
    pub ours: bool,
    pub pan_masked: String,
    /// Signed from the merchant's view, in minor units.
    pub minor: i64,
}

/// Every capture once, however often it was repeated: a STAN comes round, and names one transaction together with the RRN. A
/// reversal that does not name the RRN means the latest one under its STAN; that of a request that was not approved has no
/// effect.
pub fn captures(lines: &[LoggedExchange]) -> Vec<Capture> {
    let mut captured: BTreeMap<_, Vec<Capture>> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.approved()) {
        if let Some(sign) = line.capture_sign() {
            let under = captured.entry((&*line.acquirer, &*line.terminal, &*line.stan)).or_default();
            under.retain(|capture| capture.rrn != line.rrn());
            under.push(Capture {
                terminal: line.terminal.clone(),
                stan: line.stan.clone(),
                rrn: line.rrn().to_owned(),
                merchant: line.merchant.clone(),
                acquirer: line.acquirer.clone(),
                ours: line.ours,
                pan_masked: line.pan_masked.clone().unwrap_or_default(),
                minor: sign * line.approved_minor,
            });
        }
    }
    // a reversal that was repeated takes back once
    let mut given_back: BTreeMap<_, i64> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.kind == "reversal" && line.approved()) {
        let original = line.original_stan.as_deref().unwrap_or(&line.stan);
        let key = (&*line.acquirer, &*line.terminal, original);
        let under = captured.get(&key).map_or(&[][..], Vec::as_slice);
        let named = under.iter().rposition(|capture| capture.rrn == line.rrn()).or(under.len().checked_sub(1));
        if let Some(at) = named {
            given_back.insert((key, at), line.approved_minor);
        }
    }
    for ((key, at), minor) in given_back {
        if let Some(capture) = captured.get_mut(&key).and_then(|under| under.get_mut(at)) {
            capture.minor -= capture.minor.signum() * minor.min(capture.minor.abs());
        }
    }
    captured.into_values().flatten().collect()
}

/// Minor units per merchant of ours.
pub fn owed_per_merchant(captures: &[Capture]) -> BTreeMap<String, i64> {
    let mut owed = BTreeMap::new();
    for capture in captures.iter().filter(|capture| capture.ours) {
        *owed.entry(capture.merchant.clone()).or_default() += capture.minor;
    }
    owed
}

/// How the requests of the log ended.
#[derive(Debug, Clone, Default)]
pub struct Endings {
    pub approved: u64,
    pub declined: BTreeMap<String, u64>,
    pub reversed: u64,
    pub unanswered: u64,
    pub duplicates: u64,
    pub late: u64,
}

pub fn endings(lines: &[LoggedExchange]) -> Endings {
    let mut endings = Endings::default();
    for line in lines {
        endings.late += u64::from(line.late);
        endings.duplicates += u64::from(line.repeat);
        if line.repeat {
            continue;
        }
        match line.rc.as_deref() {
            None => endings.unanswered += 1,
            Some("00") if line.kind == "reversal" => endings.reversed += 1,
            // 85 is the approval of an account verification
            Some("00" | "10" | "85") => endings.approved += 1,
            Some(code) => *endings.declined.entry(code.to_owned()).or_default() += 1,
        }
    }
    endings
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn line(kind: &str, stan: &str, rc: Option<&str>, minor: i64) -> LoggedExchange {
        LoggedExchange {
            t_us: 0,
            terminal: "T0000001".into(),
            merchant: "SWYD00000000001".into(),
            acquirer: "400012".into(),
            ours: true,
            kind: kind.into(),
            mti: "0200".into(),
            stan: stan.into(),
            rrn: None,
            pan_masked: None,
            amount_minor: minor,
            approved_minor: if rc == Some("00") { minor } else { 0 },
            original_stan: None,
            rc: rc.map(Into::into),
            approval: None,
            late: false,
            repeat: false,
        }
    }

    fn owed(lines: &[LoggedExchange]) -> i64 {
        owed_per_merchant(&captures(lines)).values().sum()
    }

    #[test]
    fn a_repeated_sale_counts_once_even_if_only_the_repeat_was_answered() {
        let lost = line("purchase", "000001", None, 500);
        let repeat = LoggedExchange { repeat: true, ..line("purchase", "000001", Some("00"), 500) };
        assert_eq!(owed(&[lost.clone(), repeat.clone()]), 500);
        assert_eq!(owed(&[repeat.clone(), repeat]), 500);
        assert_eq!(owed(&[lost]), 0);
    }

    #[test]
    fn a_reversal_takes_back_only_what_was_captured() {
        let sale = line("purchase", "000001", Some("00"), 500);
        let unanswered = line("purchase", "000002", None, 700);
        let reversal = |original: &str, minor| LoggedExchange {
            original_stan: Some(original.into()),
            ..line("reversal", original, Some("00"), minor)
        };
        assert_eq!(owed(&[sale.clone(), reversal("000001", 500)]), 0);
        assert_eq!(owed(&[sale.clone(), reversal("000001", 200)]), 300);
        assert_eq!(owed(&[sale.clone(), reversal("000001", 200), reversal("000001", 200)]), 300, "repeated");
        assert_eq!(owed(&[sale, unanswered, reversal("000002", 700)]), 500);
    }

    #[test]
    fn a_stan_that_comes_round_is_another_sale() {
        let with_rrn = |rrn: &str, line| LoggedExchange { rrn: Some(rrn.into()), ..line };
        let sales = [("632400000001", 500), ("633500000009", 700)]
            .map(|(rrn, minor)| with_rrn(rrn, line("purchase", "000001", Some("00"), minor)));
        assert_eq!(owed(&sales), 1_200);
        let reversal = with_rrn("632400000001", line("reversal", "000001", Some("00"), 500));
        assert_eq!(owed(&[sales[0].clone(), sales[1].clone(), reversal]), 700, "it takes back the one that it names");
    }

    #[test]
    fn only_captures_of_approved_requests_count() {
        let declined = line("purchase", "000001", Some("51"), 500);
        let hold = line("preauth", "000002", Some("00"), 900);
        let completion = line("completion", "000003", Some("00"), 800);
        let refund = line("refund", "000004", Some("00"), 100);
        assert_eq!(owed(&[declined, hold, completion, refund]), 700);
    }
}
