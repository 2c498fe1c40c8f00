//! Table `card_state`: the hot counters of a card.

use tokio_postgres::{Client, GenericClient, Row, Statement};

use super::StoreError;
use crate::atc_window::AtcWindow;
use crate::card::Card;

const UPDATE: &str =
    "UPDATE card_state s SET day = u.day, spent_minor = u.spent_minor, pin_tries = u.pin_tries, atc_high = u.atc_high,
    atc_window = u.atc_window, code_tries = u.code_tries, code_refused_until = u.code_refused_until
  FROM unnest($1::int2[], $2::int8[], $3::date[], $4::int8[], $5::int2[], $6::int4[], $7::int8[], $8::int2[], $9::timestamptz[])
    AS u(bucket, card_id, day, spent_minor, pin_tries, atc_high, atc_window, code_tries, code_refused_until)
  WHERE s.bucket = u.bucket AND s.card_id = u.card_id";

/// The statement of a batch, prepared on one connection.
#[derive(Debug)]
pub(super) struct CardStateTable {
    update: Statement,
}

impl CardStateTable {
    pub(super) async fn prepare(client: &Client) -> Result<Self, StoreError> {
        Ok(Self { update: client.prepare(UPDATE).await? })
    }

    pub(super) async fn update(&self, client: &Client, cards: &[&Card]) -> Result<(), StoreError> {
        if cards.is_empty() {
            return Ok(());
        }
        let buckets: Vec<i16> = cards.iter().map(|card| card.bucket).collect();
        let ids: Vec<i64> = cards.iter().map(|card| card.card_id).collect();
        let days: Vec<_> = cards.iter().map(|card| card.day).collect();
        let spent: Vec<i64> = cards.iter().map(|card| card.spent_minor).collect();
        let tries: Vec<i16> = cards.iter().map(|card| card.pin_tries).collect();
        let high: Vec<i32> = cards.iter().map(|card| card.used_atcs.high).collect();
        let window: Vec<i64> = cards.iter().map(|card| card.used_atcs.window.cast_signed()).collect();
        let code_tries: Vec<i16> = cards.iter().map(|card| card.code_tries).collect();
        let refused: Vec<_> = cards.iter().map(|card| card.code_refused_until).collect();
        client
            .execute(&self.update, &[&buckets, &ids, &days, &spent, &tries, &high, &window, &code_tries, &refused])
            .await?;
        Ok(())
    }
}

/// Inserts the counters of a new card.
pub(super) async fn insert(
    client: &impl GenericClient,
    bucket: i16,
    card_id: i64,
    account_id: i64,
) -> Result<(), StoreError> {
    let insert = "INSERT INTO card_state (bucket, card_id, account_id) VALUES ($1, $2, $3)";
    client.execute(insert, &[&bucket, &card_id, &account_id]).await?;
    Ok(())
}

pub(super) fn read_used_atcs(row: &Row) -> AtcWindow {
    AtcWindow { high: row.get("atc_high"), window: row.get::<_, i64>("atc_window").cast_unsigned() }
}
