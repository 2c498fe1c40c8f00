//! The first half of the demo: one payment after another, each with its expected result.

use anyhow::{Context, Result};
use codecs::value::{Currency, Minor};
use pos_sim::chip::IssuerAuthentication;
use pos_sim::exchange::{Exchange, RequestKind};
use pos_sim::reading::{Instrument, PinEntry};
use pos_sim::request::reason;
use pos_sim::till::{Payment, Transaction};

use super::demo_run::DemoRun;
use super::narrate::or_none;
use super::report::euros;

/// The response code, or a text for no answer.
pub fn code(exchange: &Exchange) -> String {
    exchange.code().map_or_else(|| "no answer".to_owned(), |code| code.as_str().to_owned())
}

fn pay(instrument: Instrument, minor: i64) -> Payment {
    Payment::new(instrument, Minor(minor), Currency::EUR)
}

impl DemoRun {
    /// One request at a terminal of ours, and its response code.
    async fn at_till(
        &mut self,
        what: &str,
        terminal: usize,
        kind: RequestKind,
        payment: &Payment,
        expected: &str,
    ) -> Result<Transaction> {
        let till = self.world.terminals.get(terminal).context("no such terminal")?;
        let transaction = till.transact(kind, payment).await?;
        let answered = format!("{what}, EUR {}", euros(payment.amount.0));
        self.told.equal(answered, expected.to_owned(), code(&transaction.exchange));
        self.print_receipt(&transaction);
        Ok(transaction)
    }

    async fn buy(&mut self, what: &str, terminal: usize, payment: &Payment, expected: &str) -> Result<Transaction> {
        self.at_till(what, terminal, RequestKind::Purchase, payment, expected).await
    }

    pub(super) async fn sign_on(&mut self) -> Result<()> {
        self.told.step("Sign-on");
        let mut answers = Vec::new();
        for terminal in &self.world.terminals {
            answers.push(code(&terminal.sign_on().await?));
        }
        let accepted = answers.iter().filter(|code| *code == "00").count();
        self.told.equal("terminals signed on", answers.len(), accepted);
        let acquirer = code(&self.world.acquirer.sign_on().await?);
        self.told.equal("the foreign acquirer", "00".to_owned(), acquirer);
        Ok(())
    }

    pub(super) async fn stripe_on_both_listeners(&mut self) -> Result<()> {
        self.told.step("A magnetic stripe, at our terminal and at the foreign acquirer's");
        let card = self.world.card("stripe")?;
        self.buy("our terminal", 0, &pay(Instrument::Stripe(card.clone()), 1_999), "00").await?;
        let payment = pay(Instrument::Stripe(card), 2_050);
        let transaction = self.world.acquirer.transact(RequestKind::Purchase, &payment).await?;
        self.told.equal("the foreign acquirer, EUR 20.50", "00".to_owned(), code(&transaction.exchange));
        Ok(())
    }

    pub(super) async fn chip_with_pin(&mut self) -> Result<()> {
        self.told.step("Chip purchase with PIN");
        let payment = pay(Instrument::Chip(self.world.card("chip")?), 4_250).with_pin(PinEntry::Right);
        let transaction = self.buy("chip and PIN", 0, &payment, "00").await?;
        self.issuer_is_authentic(&transaction);
        Ok(())
    }

    pub(super) async fn wallet(&mut self) -> Result<()> {
        self.told.step("Contactless wallet purchase with a device number (DPAN)");
        let wallet = self.world.wallet("wallet")?;
        self.told.say(format!("the terminal sees {}, never the card's number", wallet.token.masked()));
        let transaction = self.buy("wallet", 2, &pay(Instrument::Contactless(wallet), 1_275), "00").await?;
        self.issuer_is_authentic(&transaction);
        Ok(())
    }

    fn issuer_is_authentic(&mut self, transaction: &Transaction) {
        self.told.equal(
            "the chip checks its issuer's cryptogram",
            IssuerAuthentication::Genuine { approves: true },
            transaction.chip,
        );
    }

    pub(super) async fn foreign_card(&mut self) -> Result<()> {
        self.told.step("A foreign card at our merchant, routed to its issuer");
        let card = self.world.foreign_card()?;
        self.told
            .say(format!("{} belongs to another bank: ISO 8583:1993 goes out, 1987 comes back", card.pan.masked()));
        self.buy("foreign card", 4, &pay(Instrument::Stripe(card), 3_300), "00").await?;
        Ok(())
    }

    pub(super) async fn declines(&mut self) -> Result<()> {
        self.told.step("Declines");
        for (note, minor, expected) in [("funds", 50_000, "51"), ("expired", 1_000, "54"), ("blocked", 1_000, "62")] {
            let card = self.world.card(note)?;
            self.buy(note, 1, &pay(Instrument::Chip(card), minor), expected).await?;
        }
        let limited = self.world.card("daily limit")?;
        self.buy("within the daily limit", 1, &pay(Instrument::Chip(limited.clone()), 7_500), "00").await?;
        self.buy("beyond the daily limit", 1, &pay(Instrument::Chip(limited), 7_500), "61").await?;
        let forgetful = self.world.card("wrong PIN")?;
        for (what, entry, expected) in [
            ("wrong PIN, first", PinEntry::Wrong, "55"),
            ("wrong PIN, second", PinEntry::Wrong, "55"),
            ("wrong PIN, third", PinEntry::Wrong, "75"),
            ("the right PIN, too late", PinEntry::Right, "75"),
        ] {
            let payment = pay(Instrument::Chip(forgetful.clone()), 1_000).with_pin(entry);
            self.buy(what, 3, &payment, expected).await?;
        }
        let replayed = self.world.card("replay")?;
        self.buy("a chip", 5, &pay(Instrument::Chip(replayed.clone()), 1_500), "00").await?;
        self.buy("its cryptogram replayed", 5, &pay(Instrument::ReplayedChip(replayed), 1_500), "82").await?;
        let copied = self.world.card("copied")?;
        self.buy("a stripe with the chip's data", 5, &pay(Instrument::StripeCopiedFromChip(copied), 1_000), "82")
            .await?;
        Ok(())
    }

    pub(super) async fn partial_approval(&mut self) -> Result<()> {
        self.told.step("Partial approval at a terminal that supports it");
        let card = self.world.card("partial")?;
        let payment = Payment { partial_supported: true, ..pay(Instrument::Chip(card), 5_000) };
        let transaction = self.buy("more than there is", 6, &payment, "10").await?;
        let approved = transaction.exchange.approved_amount();
        self.told.equal("approved", euros(2_000), euros(approved.0));
        Ok(())
    }

    pub(super) async fn hotel(&mut self) -> Result<()> {
        self.told.step("Pre-authorization and completion");
        let card = self.world.card("hotel")?;
        let held = pay(Instrument::Chip(card), 30_000);
        let held = self.at_till("pre-authorization", 8, RequestKind::PreAuthorization, &held, "00").await?;
        let completed = self.world.terminals[8].complete(&held, Minor(25_480)).await?;
        self.print_receipt(&completed);
        self.told.equal("completion, EUR 254.80", "00".to_owned(), code(&completed.exchange));
        Ok(())
    }

    pub(super) async fn refunds(&mut self) -> Result<()> {
        self.told.step("Refund, also to a deleted token");
        let card = self.world.card("refund")?;
        self.buy("purchase", 7, &pay(Instrument::Chip(card.clone()), 6_000), "00").await?;
        self.at_till("refund", 7, RequestKind::Refund, &pay(Instrument::Chip(card), 6_000), "00").await?;
        let wallet = self.world.wallet("deleted token")?;
        self.buy("purchase by wallet", 7, &pay(Instrument::Contactless(wallet.clone()), 2_400), "00").await?;
        self.delete_token("deleted token")?;
        let refused = pay(Instrument::Contactless(wallet.clone()), 1_000);
        let refused = self.world.terminals[7].transact(RequestKind::Purchase, &refused).await?;
        self.told.check(
            "a purchase with the deleted token",
            "declined",
            code(&refused.exchange),
            !refused.exchange.approved() && refused.exchange.answer().is_some(),
        );
        self.at_till("refund to it", 7, RequestKind::Refund, &pay(Instrument::Contactless(wallet), 2_400), "00")
            .await?;
        Ok(())
    }

    pub(super) async fn terminal_reversal(&mut self) -> Result<()> {
        self.told.step("Terminal reversal");
        let card = self.world.card("reversal")?;
        let sold = self.buy("purchase", 9, &pay(Instrument::Chip(card), 8_800), "00").await?;
        let back = self.world.terminals[9].reverse(&sold, reason::CUSTOMER_CANCELLED).await?;
        self.told.equal("taken back", "00".to_owned(), code(&back));
        Ok(())
    }

    pub(super) async fn duplicates(&mut self) -> Result<()> {
        self.told.step("An exact duplicate, then the same number with another amount");
        let card = self.world.card("duplicate")?;
        let first = self.buy("purchase", 10, &pay(Instrument::Chip(card.clone()), 1_111), "00").await?;
        let till = &self.world.terminals[10];
        let again = till.repeat(&first).await?;
        let other = till.transact_again_as(&first, &pay(Instrument::Chip(card), 2_222)).await?;
        self.told.equal("the same bytes again", "00".to_owned(), code(&again));
        let approval = |exchange: &Exchange| or_none(exchange.answer().and_then(|answer| answer.approval));
        self.told.equal("with the same approval code", approval(&first.exchange), approval(&again));
        self.told.equal("the same number, EUR 22.22", "94".to_owned(), code(&other.exchange));
        Ok(())
    }
}
