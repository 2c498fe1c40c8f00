//! Table `posting`: what authorizations moved.

use jiff::civil::Date;
use tokio_postgres::{GenericClient, Statement};

use super::word::Word;
use super::{StoreError, currency_column};
use crate::journal::Row;
use crate::posting::Posting;

const INSERT: &str = "INSERT INTO posting (bucket, auth_id, payer_kind, payer_ref, payee_kind, payee_ref, amount_minor, currency,
    business_date, cycle)
  SELECT * FROM unnest($1::int2[], $2::int8[], $3::account_kind[], $4::text[], $5::account_kind[], $6::text[], $7::int8[],
    $8::int2[], $9::date[], $10::date[])";

/// The statement, prepared on one connection.
#[derive(Debug)]
pub(super) struct PostingTable {
    insert: Statement,
}

impl PostingTable {
    pub(super) async fn prepare(client: &impl GenericClient) -> Result<Self, StoreError> {
        Ok(Self { insert: client.prepare(INSERT).await? })
    }

    /// Inserts the postings of rows.
    pub(super) async fn insert(
        &self,
        client: &impl GenericClient,
        postings: &[(&Row, &Posting)],
    ) -> Result<(), StoreError> {
        if postings.is_empty() {
            return Ok(());
        }
        macro_rules! column {
            ($of:pat => $value:expr) => {
                postings.iter().map(|$of| $value).collect::<Vec<_>>()
            };
        }
        let dates: Vec<Date> = column!((row, _) => row.business_date);
        let cycles: Vec<Date> = column!((row, _) => row.cycle);
        client
            .execute(
                &self.insert,
                &[
                    &column!((row, _) => row.bucket),
                    &column!((row, _) => row.auth_id),
                    &column!((_, posting) => Word(posting.payer().kind.as_str())),
                    &column!((_, posting) => posting.payer().reference.as_str()),
                    &column!((_, posting) => Word(posting.payee().kind.as_str())),
                    &column!((_, posting) => posting.payee().reference.as_str()),
                    &column!((_, posting) => posting.minor()),
                    &column!((row, _) => currency_column(row.currency)),
                    &dates,
                    &cycles,
                ],
            )
            .await?;
        Ok(())
    }
}
