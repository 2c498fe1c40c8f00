//! Merchants and terminals from an order file. Doing it again brings the tables up to date with the file.

use tokio_postgres::Client;

use crate::ledger::store::merchant::{self, MerchantRow};
use crate::ledger::store::{StoreError, terminal};

use super::orders::{Merchant, Merchants};
use super::{IssuingError, Office};

/// Returns how many merchants and terminals there are in the file.
pub async fn seed(office: &Office, merchants: &Merchants) -> Result<(usize, usize), IssuingError> {
    let mut connection = office.pool.get().await.map_err(StoreError::from)?;
    let client: &mut Client = &mut connection;
    let transaction = client.transaction().await?;
    let mut terminals = 0;
    for of in &merchants.merchant {
        merchant::put(&transaction, &row(of)).await?;
        for number in &of.terminals {
            terminal::put(&transaction, number, &of.merchant_id).await?;
            terminals += 1;
        }
    }
    transaction.commit().await?;
    Ok((merchants.merchant.len(), terminals))
}

fn row(of: &Merchant) -> MerchantRow {
    MerchantRow {
        merchant_id: of.merchant_id.clone(),
        name: of.name.clone(),
        mcc: of.mcc,
        city: of.city.clone(),
        country: of.country.clone(),
        iban: of.iban.clone(),
    }
}
