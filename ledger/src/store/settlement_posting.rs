//! Table `settlement_posting`: the legs of clearing and settlement.

use codecs::value::Currency;
use jiff::civil::Date;
use tokio_postgres::GenericClient;

use super::{StoreError, currency_column};
use crate::posting::NamedPosting;

const INSERT: &str =
    "INSERT INTO settlement_posting (posting, leg, account_kind, account_ref, amount_minor, currency, cycle)
  VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// Inserts postings. The table's key refuses one whose name is already there.
pub async fn insert(
    client: &impl GenericClient,
    postings: &[NamedPosting],
    currency: Currency,
    cycle: Date,
) -> Result<(), StoreError> {
    let currency = currency_column(currency);
    let insert = client.prepare(INSERT).await?;
    let legs =
        postings.iter().flat_map(|of| (1i16..).zip(of.posting.legs()).map(move |(leg, posted)| (of, leg, posted)));
    let inserts = legs.map(|(of, leg, posted)| {
        let insert = &insert;
        async move {
            let account = &posted.account;
            client
                .execute(
                    insert,
                    &[
                        &of.name,
                        &leg,
                        &account.kind.as_str(),
                        &account.reference,
                        &posted.amount_minor,
                        &currency,
                        &cycle,
                    ],
                )
                .await
        }
    });
    futures::future::try_join_all(inserts).await?;
    Ok(())
}
