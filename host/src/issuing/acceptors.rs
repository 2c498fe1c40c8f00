//! Merchants and terminals from an order file. Doing it again brings the tables up to date with the file.

use crate::store::StoreError;

use super::orders::Merchants;
use super::{IssuingError, Office};

const MERCHANT: &str =
    "INSERT INTO merchant (merchant_id, name, mcc, city, country, iban) VALUES ($1, $2, $3, $4, $5, $6)
  ON CONFLICT (merchant_id) DO UPDATE SET name = excluded.name, mcc = excluded.mcc, city = excluded.city,
    country = excluded.country, iban = excluded.iban";

const TERMINAL: &str = "INSERT INTO terminal (terminal_id, merchant_id) VALUES ($1, $2)
  ON CONFLICT (terminal_id) DO UPDATE SET merchant_id = excluded.merchant_id";

/// Returns how many merchants and terminals there are in the file.
pub async fn seed(office: &Office, merchants: &Merchants) -> Result<(usize, usize), IssuingError> {
    let mut client = office.pool.get().await.map_err(StoreError::from)?;
    let transaction = client.transaction().await?;
    let mut terminals = 0;
    for merchant in &merchants.merchant {
        transaction
            .execute(
                MERCHANT,
                &[
                    &merchant.merchant_id,
                    &merchant.name,
                    &merchant.mcc,
                    &merchant.city,
                    &merchant.country,
                    &merchant.iban,
                ],
            )
            .await?;
        for terminal in &merchant.terminals {
            transaction.execute(TERMINAL, &[terminal, &merchant.merchant_id]).await?;
            terminals += 1;
        }
    }
    transaction.commit().await?;
    Ok((merchants.merchant.len(), terminals))
}
