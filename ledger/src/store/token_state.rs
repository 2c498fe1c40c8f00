//! Table `token_state`: the transaction counters of a device.

use tokio_postgres::{Client, GenericClient, Statement};

use super::StoreError;
use crate::token::Token;

const UPDATE: &str = "UPDATE token_state s SET atc_high = u.atc_high, atc_window = u.atc_window
  FROM unnest($1::int2[], $2::int8[], $3::int4[], $4::int8[]) AS u(bucket, token_id, atc_high, atc_window)
  WHERE s.bucket = u.bucket AND s.token_id = u.token_id";

/// The statement of a batch, prepared on one connection.
#[derive(Debug)]
pub(super) struct TokenStateTable {
    update: Statement,
}

impl TokenStateTable {
    pub(super) async fn prepare(client: &Client) -> Result<Self, StoreError> {
        Ok(Self { update: client.prepare(UPDATE).await? })
    }

    pub(super) async fn update(&self, client: &Client, tokens: &[&Token]) -> Result<(), StoreError> {
        if tokens.is_empty() {
            return Ok(());
        }
        let buckets: Vec<i16> = tokens.iter().map(|token| token.bucket).collect();
        let ids: Vec<i64> = tokens.iter().map(|token| token.token_id).collect();
        let high: Vec<i32> = tokens.iter().map(|token| token.used_atcs.high).collect();
        let window: Vec<i64> = tokens.iter().map(|token| token.used_atcs.window.cast_signed()).collect();
        client.execute(&self.update, &[&buckets, &ids, &high, &window]).await?;
        Ok(())
    }
}

/// Inserts the counter of a new token.
pub(super) async fn insert(client: &impl GenericClient, bucket: i16, token_id: i64) -> Result<(), StoreError> {
    client.execute("INSERT INTO token_state (bucket, token_id) VALUES ($1, $2)", &[&bucket, &token_id]).await?;
    Ok(())
}
