//! The rows of the journal that terminals can know of, for the comparison with their log. They are held in memory, as the
//! log is: that comparison is for a day or a trial, not for years.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::AuditError;

/// A row of the journal as its terminal knows it: what it asked and was told.
#[derive(Clone, Debug)]
pub(super) struct AnsweredRow {
    pub idem: Vec<u8>,
    pub kind: String,
    pub response_code: String,
    pub approval: Option<String>,
    pub approved_minor: i64,
    pub terminal: Option<String>,
    pub stan: i32,
    pub rrn: Option<String>,
    pub original_idem: Option<Vec<u8>>,
}

/// The rows of the journal.
#[derive(Debug)]
pub(super) struct Journal {
    pub entries: Vec<AnsweredRow>,
}

impl Journal {
    pub(super) async fn read(client: &Client) -> Result<Self, AuditError> {
        let rows = client
            .query(
                "SELECT idem, kind::text, response_code, approval_code, approved_minor, terminal, stan, rrn, original_idem
                 FROM auth ORDER BY auth_id",
                &[],
            )
            .await?;
        let entries = rows
            .iter()
            .map(|row| AnsweredRow {
                idem: row.get(0),
                kind: row.get(1),
                response_code: row.get(2),
                approval: row.get(3),
                approved_minor: row.get(4),
                terminal: row.get(5),
                stan: row.get(6),
                rrn: row.get(7),
                original_idem: row.get(8),
            })
            .collect();
        Ok(Self { entries })
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
}
