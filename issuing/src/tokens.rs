//! Provisions wallets: a device PAN (DPAN) for a card, and the delivery file for the wallet.

use std::path::Path;

use codecs::value::Pan;
use hsm::{DeliveryItem, DeliveryKind, KeySet, PanEnvelope, TokenOrder};
use ledger::reference::ReferenceKind;
use ledger::store::StoreError;
use ledger::store::account::{LockedAccount, with_account};
use ledger::store::card::{self, OrderedCard};
use ledger::store::token::NewToken;

use super::cards::{first, next_serial};
use super::orders::{Wallet, Wallets};
use super::reference_check::must_be_free;
use super::status::find_or_refuse;
use super::{IssuingContext, IssuingError, number};

/// Provisions `wallets`, writes the delivery file and returns the number of wallets.
pub async fn provision(context: &IssuingContext, wallets: &Wallets, deliver_to: &Path) -> Result<usize, IssuingError> {
    must_be_free(context, ReferenceKind::Token, wallets.wallet.iter().filter_map(|wallet| wallet.reference.as_ref()))
        .await?;
    let mut items = Vec::with_capacity(wallets.wallet.len());
    for wallet in &wallets.wallet {
        items.push(one(context, wallet).await?);
    }
    let count = items.len();
    context.deliver(DeliveryKind::Wallets, items, deliver_to).await?;
    Ok(count)
}

async fn one(context: &IssuingContext, wallet: &Wallet) -> Result<DeliveryItem, IssuingError> {
    let mut client = context.pool.get().await.map_err(StoreError::from)?;
    let at = find_or_refuse(&client, ReferenceKind::Card, &wallet.card).await?;
    let card = card::ordered(&**client, at.bucket, at.id).await?;
    let card = card.ok_or_else(|| IssuingError::Unknown(ReferenceKind::Card.as_str(), wallet.card.clone()))?;
    let expiry = wallet.expiry.unwrap_or(card.expiry);
    let serial = next_serial(context).await?;
    let range = context.config.issuer.token_range.clone();
    let dpan = number::pan(&range, 16, serial).ok_or(IssuingError::RangeUsedUp(range))?;
    let keys = KeySet::new(context.config.issuer.token_key_set.as_str())?;
    let item = context
        .operator
        .personalise_token(TokenOrder {
            dpan: dpan.clone(),
            expiry,
            psn: u8::try_from(card.sequence).map_err(|_| StoreError::Column("card.psn"))?,
            keys: keys.clone(),
            card_note: card.note.clone(),
        })
        .await?;
    let funding = funding_pan(context, &card, wallet).await?;
    let index = first(context.hsm.pan_index(std::slice::from_ref(&dpan)).await?)?;
    let (_, sealed) = context.hsm.tokenize(&funding, dpan.expose()).await?;
    let (_, dpan_sealed) = context.hsm.tokenize(&dpan, &index.0).await?;
    let token = NewToken {
        token_id: i64::try_from(serial).expect("a sequence is positive"),
        reference: wallet.reference.as_ref(),
        card_id: at.id,
        dpan_index: &index,
        dpan_masked: &dpan.masked(),
        expiry,
        sequence: card.sequence,
        key_set: &keys,
        note: wallet.note.as_ref().unwrap_or(&card.note),
        funding: &sealed,
        dpan: &dpan_sealed,
    };
    let enter = async |account: &LockedAccount<'_>| account.add_token(&token).await;
    with_account(&mut client, &context.writer, (at.bucket, at.account_id), enter).await?;
    Ok(item)
}

/// The funding PAN in clear. It is in memory only until it is sealed for the DPAN.
async fn funding_pan(context: &IssuingContext, card: &OrderedCard, wallet: &Wallet) -> Result<Pan, IssuingError> {
    let envelope = PanEnvelope::from_bytes(&card.pan_envelope)?;
    let revealed = context.hsm.reveal(&[(envelope, card.pan_index.clone())]).await?;
    first(revealed)?.ok_or_else(|| IssuingError::Tampered(wallet.card.clone()))
}
