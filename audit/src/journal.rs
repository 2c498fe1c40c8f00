//! The journal and the ledger's legs as raw rows, read once, with the auditor's own interpretation of a row.

use std::collections::HashMap;

use jiff::civil::Date;
use tokio_postgres::Client;

use super::AuditError;

/// A journal row: its columns that concern money, parties and dates.
#[derive(Clone, Debug)]
pub(super) struct JournalRow {
    pub bucket: i16,
    pub idem: Vec<u8>,
    pub auth_id: i64,
    pub kind: String,
    pub role: String,
    pub account_id: Option<i64>,
    pub response_code: String,
    pub approval: Option<String>,
    pub approved_minor: i64,
    pub acquirer: String,
    pub issuer: Option<String>,
    pub merchant: Option<String>,
    pub terminal: Option<String>,
    pub stan: i32,
    pub rrn: Option<String>,
    pub life_cycle: String,
    pub business_date: Date,
    pub cycle: Date,
    pub original_idem: Option<Vec<u8>>,
}

impl JournalRow {
    pub(super) fn captures(&self) -> bool {
        matches!(self.kind.as_str(), "purchase" | "completion" | "refund")
    }

    /// Describes the transaction so that an operator can find it.
    pub(super) fn named(&self) -> String {
        let terminal = self.terminal.as_deref().unwrap_or("-");
        let rrn = self.rrn.as_deref().unwrap_or("-");
        let Self { kind, auth_id, stan, life_cycle, .. } = self;
        format!("{kind} {auth_id} (terminal {terminal}, STAN {stan:06}, RRN {rrn}, {life_cycle})")
    }
}

/// One side of a posting, from table `ledger`: an amount on the account that `kind` and `reference` name, negative where
/// the money comes from. The legs of an authorization sum to zero.
#[derive(Clone, Debug)]
pub(super) struct LegRow {
    pub bucket: i16,
    pub auth_id: i64,
    pub kind: String,
    pub reference: String,
    pub minor: i64,
    pub business_date: Date,
    pub cycle: Date,
}

/// The journal and the legs of its transactions.
#[derive(Debug)]
pub(super) struct Journal {
    pub entries: Vec<JournalRow>,
    pub legs: Vec<LegRow>,
    by_idem: HashMap<Vec<u8>, usize>,
}

impl Journal {
    pub(super) async fn read(client: &Client) -> Result<Self, AuditError> {
        let rows = client
            .query(
                "SELECT bucket, idem, auth_id, kind::text, role::text, account_id, response_code::text, approval_code,
                        approved_minor, acquirer, issuer, merchant, terminal, stan, rrn, lifecycle, business_date, cycle, original_idem
                 FROM auth ORDER BY auth_id",
                &[],
            )
            .await?;
        let entries: Vec<JournalRow> = rows
            .iter()
            .map(|row| JournalRow {
                bucket: row.get(0),
                idem: row.get(1),
                auth_id: row.get(2),
                kind: row.get(3),
                role: row.get(4),
                account_id: row.get(5),
                response_code: row.get(6),
                approval: row.get(7),
                approved_minor: row.get(8),
                acquirer: row.get(9),
                issuer: row.get(10),
                merchant: row.get(11),
                terminal: row.get(12),
                stan: row.get(13),
                rrn: row.get(14),
                life_cycle: row.get(15),
                business_date: row.get(16),
                cycle: row.get(17),
                original_idem: row.get(18),
            })
            .collect();
        let rows = client
            .query(
                "SELECT bucket, auth_id, account_kind, account_ref, amount_minor, business_date, cycle FROM ledger ORDER BY auth_id, leg",
                &[],
            )
            .await?;
        let legs = rows
            .iter()
            .map(|row| LegRow {
                bucket: row.get(0),
                auth_id: row.get(1),
                kind: row.get(2),
                reference: row.get(3),
                minor: row.get(4),
                business_date: row.get(5),
                cycle: row.get(6),
            })
            .collect();
        // of several rows with one key, the one that moved money is taken; another check reports that there are several
        let mut by_idem = HashMap::with_capacity(entries.len());
        for (at, entry) in entries.iter().enumerate() {
            if entry.approved_minor > 0 || !by_idem.contains_key(&entry.idem) {
                by_idem.insert(entry.idem.clone(), at);
            }
        }
        Ok(Self { entries, legs, by_idem })
    }

    /// The row that a reversal or completion refers to.
    pub(super) fn original(&self, entry: &JournalRow) -> Option<&JournalRow> {
        entry.original_idem.as_ref().and_then(|idem| self.by_idem.get(idem)).map(|at| &self.entries[*at])
    }

    /// Reversed amounts, by the key of the original.
    pub(super) fn reversed_amounts(&self) -> HashMap<&[u8], i64> {
        let mut back: HashMap<&[u8], i64> = HashMap::new();
        for entry in self.entries.iter().filter(|entry| entry.kind == "reversal") {
            if let Some(original) = &entry.original_idem {
                *back.entry(original).or_default() += entry.approved_minor;
            }
        }
        back
    }

    /// The amount that a row should have moved to the merchant's side, from its kind; 0 for a hold.
    pub(super) fn moved(&self, entry: &JournalRow) -> i64 {
        let minor = entry.approved_minor;
        match entry.kind.as_str() {
            "purchase" | "completion" => minor,
            "refund" => -minor,
            "reversal" => match self.original(entry).map(|original| original.kind.as_str()) {
                Some("purchase" | "completion") => -minor,
                Some("refund") => minor,
                _ => 0,
            },
            _ => 0,
        }
    }
}
