//! A card's PIN tries in the database.

use anyhow::{Context, Result};
use pos_sim::card::Card;
use tokio_postgres::Client;

/// A card's row keys and its counter.
#[derive(Debug, Clone)]
pub struct CardTries {
    pub bucket: i16,
    pub account_id: i64,
    pub card_id: i64,
    /// Column `card_state.pin_tries`.
    pub tries: usize,
}

/// A decided purchase of a card, in the order of decision.
#[derive(Debug, Clone)]
pub struct JournalPurchase {
    pub terminal: String,
    pub stan: u32,
    pub code: String,
    pub reason: Option<String>,
}

/// The card with this card's note, which stage notes make unique.
pub async fn of(books: &Client, card: &Card) -> Result<CardTries> {
    let row = books
        .query_opt(
            "SELECT c.bucket, c.account_id, c.card_id, s.pin_tries
             FROM card c JOIN card_state s USING (bucket, card_id) WHERE c.note = $1",
            &[&card.note],
        )
        .await?
        .context("no such card")?;
    let tries: i16 = row.get(3);
    Ok(CardTries { bucket: row.get(0), account_id: row.get(1), card_id: row.get(2), tries: usize::try_from(tries)? })
}

/// The journal's purchases of a card.
pub async fn decided(books: &Client, tries_row: &CardTries) -> Result<Vec<JournalPurchase>> {
    let rows = books
        .query(
            "SELECT terminal, stan, response_code, reason FROM auth
             WHERE bucket = $1 AND card_id = $2 AND kind = 'purchase' ORDER BY account_seq",
            &[&tries_row.bucket, &tries_row.card_id],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let terminal: Option<String> = row.get(0);
            let stan: i32 = row.get(1);
            let (stan, terminal) = (u32::try_from(stan)?, terminal.context("a purchase without a terminal")?);
            Ok(JournalPurchase { terminal, stan, code: row.get(2), reason: row.get(3) })
        })
        .collect()
}

/// The counter after these decisions, recomputed: a wrong PIN adds one, a purchase with the right PIN resets it.
pub fn counted_anew(decided: &[JournalPurchase], most: usize) -> usize {
    decided.iter().fold(0, |tries, decision| match decision.code.as_str() {
        "55" => tries + 1,
        "75" => most,
        "00" => 0,
        _ => tries,
    })
}
