//! What the database keeps of a card's tries.

use anyhow::{Context, Result};
use pos_sim::card::Card;
use tokio_postgres::Client;

/// A card's row keys and its counter.
#[derive(Debug, Clone)]
pub struct Kept {
    pub bucket: i16,
    pub account_id: i64,
    pub card_id: i64,
    /// Column `card_state.pin_tries`.
    pub tries: usize,
}

/// A decided purchase of a card, in the order of decision.
#[derive(Debug, Clone)]
pub struct Decided {
    pub terminal: String,
    pub stan: u32,
    pub code: String,
    pub reason: Option<String>,
}

/// The card with this card's note, which stage notes make unique.
pub async fn of(books: &Client, card: &Card) -> Result<Kept> {
    let row = books
        .query_opt(
            "SELECT c.bucket, c.account_id, c.card_id, s.pin_tries
             FROM card c JOIN card_state s USING (bucket, card_id) WHERE c.note = $1",
            &[&card.note],
        )
        .await?
        .context("no such card")?;
    let tries: i16 = row.get(3);
    Ok(Kept { bucket: row.get(0), account_id: row.get(1), card_id: row.get(2), tries: usize::try_from(tries)? })
}

/// The journal's purchases of a card.
pub async fn decided(books: &Client, kept: &Kept) -> Result<Vec<Decided>> {
    let rows = books
        .query(
            "SELECT terminal, stan, response_code, reason FROM auth
             WHERE bucket = $1 AND card_id = $2 AND kind = 'purchase' ORDER BY account_seq",
            &[&kept.bucket, &kept.card_id],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let terminal: Option<String> = row.get(0);
            let stan: i32 = row.get(1);
            let (stan, terminal) = (u32::try_from(stan)?, terminal.context("a purchase without a terminal")?);
            Ok(Decided { terminal, stan, code: row.get(2), reason: row.get(3) })
        })
        .collect()
}

/// The counter after these decisions, counted anew: a wrong PIN is one more, a purchase that got past its PIN sets it back.
pub fn counted_anew(decided: &[Decided], most: usize) -> usize {
    decided.iter().fold(0, |tries, decision| match decision.code.as_str() {
        "55" => tries + 1,
        "75" => most,
        "00" => 0,
        _ => tries,
    })
}
