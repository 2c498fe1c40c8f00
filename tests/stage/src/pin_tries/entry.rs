//! One PIN entered at a terminal, and what was heard of it.

use std::sync::Arc;

use anyhow::Result;
use codecs::value::{Currency, Minor};
use pos_sim::card::Card;
use pos_sim::exchange::Kind;
use pos_sim::reading::{Instrument, PinEntry};
use pos_sim::terminal::Terminal;
use pos_sim::till::Payment;

const AMOUNT: Minor = Minor(100);

/// What a cardholder learns about a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// 00: it was right.
    Accepted,
    /// 55: it was wrong.
    Wrong,
    /// 75: no more tries, whether it was right or wrong.
    Exhausted,
    /// Another code, or no answer: nothing about the PIN.
    Nothing,
}

/// An entry, by the key that the journal has it under.
#[derive(Debug, Clone)]
pub struct Entry {
    pub terminal: String,
    pub stan: u32,
    pub right: bool,
    pub heard: Heard,
    /// The response code, for those that heard nothing.
    pub code: Option<String>,
}

/// Pays by stripe and PIN; without an answer the purchase is taken back, as any terminal does.
pub async fn enter(terminal: &Terminal, card: &Arc<Card>, pin: PinEntry) -> Result<Entry> {
    enter_amount(terminal, card, pin, AMOUNT).await
}

/// As [`enter`], over an amount by which the line's tap knows the purchase.
pub async fn enter_amount(terminal: &Terminal, card: &Arc<Card>, pin: PinEntry, amount: Minor) -> Result<Entry> {
    let payment = Payment::new(Instrument::Stripe(Arc::clone(card)), amount, Currency::EUR).with_pin(pin);
    let exchange = terminal.transact_decided(Kind::Purchase, &payment).await?.transaction.exchange;
    let code = exchange.code().map(|code| code.as_str().to_owned());
    let heard = match code.as_deref() {
        Some("00") => Heard::Accepted,
        Some("55") => Heard::Wrong,
        Some("75") => Heard::Exhausted,
        _ => Heard::Nothing,
    };
    let terminal = terminal.acceptor().terminal.as_str().to_owned();
    Ok(Entry { terminal, stan: exchange.asked.stan.0, right: pin == PinEntry::Right, heard, code })
}

/// How many of these heard that.
pub fn count(entries: &[Entry], heard: Heard) -> usize {
    entries.iter().filter(|entry| entry.heard == heard).count()
}
