//! One PIN entered at a terminal, and the outcome that the cardholder learns.

use std::sync::Arc;

use anyhow::Result;
use codecs::value::{Currency, Minor};
use pos_sim::card::Card;
use pos_sim::exchange::RequestKind;
use pos_sim::reading::{Instrument, PinEntry};
use pos_sim::terminal::Terminal;
use pos_sim::till::Payment;

const AMOUNT: Minor = Minor(100);

/// The outcome for a PIN, as the terminal shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinOutcome {
    /// 00: it was right.
    Accepted,
    /// 55: it was wrong.
    Wrong,
    /// 75: no more tries, whether it was right or wrong.
    Exhausted,
    /// Another code, or no answer: nothing about the PIN.
    Nothing,
}

/// One entered PIN, with the key of its request in the journal.
#[derive(Debug, Clone)]
pub struct PinAttempt {
    pub terminal: String,
    pub stan: u32,
    pub right: bool,
    pub outcome: PinOutcome,
    /// The response code, for attempts without an outcome.
    pub code: Option<String>,
}

/// Pays by stripe and PIN; a purchase without an answer is reversed, as by any terminal.
pub async fn enter(terminal: &Terminal, card: &Arc<Card>, pin: PinEntry) -> Result<PinAttempt> {
    enter_amount(terminal, card, pin, AMOUNT).await
}

/// As [`enter`], over an amount by which the tap recognizes the purchase.
pub async fn enter_amount(terminal: &Terminal, card: &Arc<Card>, pin: PinEntry, amount: Minor) -> Result<PinAttempt> {
    let payment = Payment::new(Instrument::Stripe(Arc::clone(card)), amount, Currency::EUR).with_pin(pin);
    let exchange = terminal.transact_decided(RequestKind::Purchase, &payment).await?.transaction.exchange;
    let code = exchange.code().map(|code| code.as_str().to_owned());
    let outcome = match code.as_deref() {
        Some("00") => PinOutcome::Accepted,
        Some("55") => PinOutcome::Wrong,
        Some("75") => PinOutcome::Exhausted,
        _ => PinOutcome::Nothing,
    };
    let terminal = terminal.acceptor().terminal.as_str().to_owned();
    Ok(PinAttempt { terminal, stan: exchange.asked.stan.0, right: pin == PinEntry::Right, outcome, code })
}

/// How many of these attempts had this outcome.
pub fn count(attempts: &[PinAttempt], outcome: PinOutcome) -> usize {
    attempts.iter().filter(|attempt| attempt.outcome == outcome).count()
}
