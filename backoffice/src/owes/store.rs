//! Settled transactions by RRN. Reads the journal and the tables of clearing and settlement, and writes none.

use ledger::journal::Role;
use ledger::store::StoreError;
use tokio_postgres::{Client, Row};

use super::shares::Amounts;

/// A settled transaction with its amounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SettledTransaction {
    pub auth_id: i64,
    pub life_cycle: String,
    pub movement: String,
    pub role: Role,
    pub currency: u16,
    pub amounts: Amounts,
}

/// The settled transactions with this RRN: lines of our merchants that were paid, and matched presentments of foreign acquirers.
pub(super) async fn settled_transactions(client: &Client, rrn: &str) -> Result<Vec<SettledTransaction>, StoreError> {
    let rows = client
        .query(
            "SELECT a.auth_id, a.lifecycle, l.movement, a.role::text, a.currency, l.gross_minor, l.fee_minor,
               l.interchange_minor + coalesce(h.interchange_minor, 0), l.scheme_fee_minor + coalesce(h.scheme_fee_minor, 0)
             FROM auth a JOIN settlement_line l ON l.bucket = a.bucket AND l.auth_id = a.auth_id AND NOT l.held AND NOT l.rejected
             LEFT JOIN settlement_line h ON h.bucket = l.bucket AND h.auth_id = l.auth_id AND h.held WHERE a.rrn = $1
             UNION ALL
             SELECT a.auth_id, a.lifecycle, 'presentment', a.role::text, a.currency, p.posted_minor, 0, p.interchange_minor, p.scheme_fee_minor
             FROM auth a JOIN presentment p ON p.auth_bucket = a.bucket AND p.auth_id = a.auth_id AND p.posted_minor <> 0
             WHERE a.rrn = $1 ORDER BY 1",
            &[&rrn],
        )
        .await?;
    let settled = |row: &Row| {
        Ok(SettledTransaction {
            auth_id: row.get(0),
            life_cycle: row.get(1),
            movement: row.get(2),
            role: Role::from_word(row.get(3)).ok_or(StoreError::Column("auth.role"))?,
            currency: row.get::<_, i16>(4).unsigned_abs(),
            amounts: Amounts {
                gross_minor: row.get(5),
                service_charge_minor: row.get(6),
                interchange_minor: row.get(7),
                scheme_fee_minor: row.get(8),
            },
        })
    };
    rows.iter().map(settled).collect()
}
