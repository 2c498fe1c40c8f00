//! Table `ledger`: the legs of authorizations.

use jiff::civil::Date;
use tokio_postgres::{GenericClient, Statement};

use super::{StoreError, currency_column};
use crate::journal::Row;
use crate::posting::{Leg, Posting};

const INSERT: &str =
    "INSERT INTO ledger (bucket, auth_id, leg, account_kind, account_ref, amount_minor, currency, business_date, cycle)
  SELECT * FROM unnest($1::int2[], $2::int8[], $3::int2[], $4::text[], $5::text[], $6::int8[], $7::int2[], $8::date[], $9::date[])";

/// The statement, prepared on one connection.
#[derive(Debug)]
pub(super) struct LedgerTable {
    insert: Statement,
}

impl LedgerTable {
    pub(super) async fn prepare(client: &impl GenericClient) -> Result<Self, StoreError> {
        Ok(Self { insert: client.prepare(INSERT).await? })
    }

    /// Inserts the postings of rows, legs numbered from 1.
    pub(super) async fn insert(
        &self,
        client: &impl GenericClient,
        postings: &[(&Row, &Posting)],
    ) -> Result<(), StoreError> {
        if postings.is_empty() {
            return Ok(());
        }
        let flat: Vec<(&Row, i16, &Leg)> = postings
            .iter()
            .flat_map(|(row, posting)| (1..).zip(posting.legs()).map(|(number, leg)| (*row, number, leg)))
            .collect();
        let buckets: Vec<i16> = flat.iter().map(|(row, ..)| row.bucket).collect();
        let ids: Vec<i64> = flat.iter().map(|(row, ..)| row.auth_id).collect();
        let numbers: Vec<i16> = flat.iter().map(|(_, number, _)| *number).collect();
        let kinds: Vec<&str> = flat.iter().map(|(.., leg)| leg.account.kind.as_str()).collect();
        let references: Vec<&str> = flat.iter().map(|(.., leg)| leg.account.reference.as_str()).collect();
        let amounts: Vec<i64> = flat.iter().map(|(.., leg)| leg.amount_minor).collect();
        let currencies: Vec<i16> = flat.iter().map(|(row, ..)| currency_column(row.currency)).collect();
        let dates: Vec<Date> = flat.iter().map(|(row, ..)| row.business_date).collect();
        let cycles: Vec<Date> = flat.iter().map(|(row, ..)| row.cycle).collect();
        client
            .execute(
                &self.insert,
                &[&buckets, &ids, &numbers, &kinds, &references, &amounts, &currencies, &dates, &cycles],
            )
            .await?;
        Ok(())
    }
}
