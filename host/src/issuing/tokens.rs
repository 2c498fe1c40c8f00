//! Provisioning: a device PAN for a card, and the wallet's file.

use std::path::Path;

use codecs::value::{Expiry, Pan};
use hsm::{DeliveryItem, DeliveryKind, KeySet, PanEnvelope, TokenOrder};

use crate::store::{StoreError, bucket_of};

use super::cards::{first, next_serial};
use super::orders::{Wallet, Wallets};
use super::{IssuingError, Office, number};

const CARD: &str = "SELECT bucket, card_id, account_id, pan_index, pan_envelope, expiry, psn FROM card WHERE note = $1";

const NEW_TOKEN: &str =
    "INSERT INTO token (bucket, token_id, card_id, account_id, dpan_index, dpan_masked, expiry, psn, key_set,
    status, note)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'active', $10)";

const NEW_ENTRY: &str =
    "INSERT INTO pan_directory (bucket, pan_index, home_bucket, card_id, token_id) VALUES ($1, $2, $3, $4, $5)";

const NEW_SEAL: &str = "INSERT INTO token_vault (bucket, token_id, envelope, dpan_envelope) VALUES ($1, $2, $3, $4)";

/// Provisions `wallets`, writes the delivery file and returns how many there are.
pub async fn provision(office: &Office, wallets: &Wallets, deliver_to: &Path) -> Result<usize, IssuingError> {
    let mut items = Vec::with_capacity(wallets.wallet.len());
    for wallet in &wallets.wallet {
        items.push(one(office, wallet).await?);
    }
    let count = items.len();
    office.deliver(DeliveryKind::Wallets, items, deliver_to).await?;
    Ok(count)
}

async fn one(office: &Office, wallet: &Wallet) -> Result<DeliveryItem, IssuingError> {
    let mut client = office.pool.get().await.map_err(StoreError::from)?;
    let card = client.query_opt(CARD, &[&wallet.card_note]).await?;
    let card = card.ok_or_else(|| IssuingError::NoCard(wallet.card_note.clone()))?;
    let (bucket, card_id, account_id): (i16, i64, i64) = (card.get(0), card.get(1), card.get(2));
    let expiry: String = wallet.expiry.clone().unwrap_or_else(|| card.get(5));
    let psn: i16 = card.get(6);
    let serial = next_serial(office).await?;
    let range = office.config.issuer.token_range.clone();
    let dpan = number::pan(&range, 16, serial).ok_or(IssuingError::RangeUsedUp(range))?;
    let keys = KeySet::new(office.config.issuer.token_key_set.as_str())?;
    let item = office
        .operator
        .personalise_token(TokenOrder {
            dpan: dpan.clone(),
            expiry: read_expiry(&expiry, wallet)?,
            psn: u8::try_from(psn).map_err(|_| StoreError::Column("card.psn"))?,
            keys: keys.clone(),
            card_note: wallet.card_note.clone(),
        })
        .await?;
    let funding = funding_pan(office, &card, wallet).await?;
    let index = first(office.hsm.pan_index(std::slice::from_ref(&dpan)).await?)?;
    let (_, sealed) = office.hsm.tokenize(&funding, dpan.expose()).await?;
    let (_, dpan_sealed) = office.hsm.tokenize(&dpan, &index.0).await?;
    let token_id = i64::try_from(serial).expect("a sequence is positive");
    let (index, note) = (&index.0[..], wallet.note.as_ref().unwrap_or(&wallet.card_note));
    let transaction = client.transaction().await?;
    transaction
        .execute(
            NEW_TOKEN,
            &[&bucket, &token_id, &card_id, &account_id, &index, &dpan.masked(), &expiry, &psn, &keys.as_str(), note],
        )
        .await?;
    transaction.execute("INSERT INTO token_state (bucket, token_id) VALUES ($1, $2)", &[&bucket, &token_id]).await?;
    transaction.execute(NEW_SEAL, &[&bucket, &token_id, &sealed.as_bytes(), &dpan_sealed.as_bytes()]).await?;
    transaction.execute(NEW_ENTRY, &[&bucket_of(index), &index, &bucket, &card_id, &Some(token_id)]).await?;
    transaction.commit().await?;
    Ok(item)
}

fn read_expiry(expiry: &str, wallet: &Wallet) -> Result<Expiry, IssuingError> {
    let parts = expiry.get(..2).zip(expiry.get(2..4)).filter(|_| expiry.len() == 4);
    parts.and_then(|(year, month)| Expiry::new(year.parse().ok()?, month.parse().ok()?)).ok_or_else(|| {
        IssuingError::Orders { path: "wallets".into(), reason: format!("{}: expiry is YYMM", wallet.card_note) }
    })
}

/// The card's PAN in clear, for as long as it takes to seal it to the DPAN.
async fn funding_pan(office: &Office, card: &tokio_postgres::Row, wallet: &Wallet) -> Result<Pan, IssuingError> {
    let envelope = PanEnvelope::from_bytes(card.get(4))?;
    let revealed = office.hsm.reveal(&[(envelope, card.get(3))]).await?;
    first(revealed)?.ok_or_else(|| IssuingError::Tampered(wallet.card_note.clone()))
}
