//! A lost answer: the host approves, the terminal gets no answer in time, and the purchase must be reversed.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use codecs::mti::{Class, Function};
use codecs::value::{Currency, Minor};
use pos_sim::exchange::RequestKind;
use pos_sim::reading::Instrument;
use pos_sim::till::Payment;

use super::demo_run::DemoRun;
use super::everyday::code;
use super::timeline::{self, TerminalMessage};
use crate::tap::{AnswerLoss, MessageFate, TappedMessage};

/// An amount that no other step has, by which the tap recognizes the purchase.
const AMOUNT: Minor = Minor(47_11);
/// How long after the switch's time-out the answer arrives.
const TOO_LATE_BY: Duration = Duration::from_millis(700);
const OVER_WITHIN: Duration = Duration::from_secs(20);

impl DemoRun {
    pub(super) async fn lost_answer(&mut self) -> Result<()> {
        self.told.step("An answer lost on the way");
        self.told.say(
            "the host approves, the line holds its answer back, and the first acknowledgement of the reversal is lost",
        );
        let answer_delay = self.stage.options.timers.answer_timeout + TOO_LATE_BY;
        self.stage.tap()?.lose(AnswerLoss { amount: AMOUNT, answer_delay, lost_acknowledgements: 1 });
        let late_before = self.stage.late_answers()?;
        let payment = Payment::new(Instrument::Chip(self.world.card("lost answer")?), AMOUNT, Currency::EUR);
        let till = self.world.terminals.get(11).context("no such terminal")?;
        let sent = SystemTime::now();
        let transaction = till.transact(RequestKind::Purchase, &payment).await?;
        let answered = SystemTime::now();
        let tapped = self.until_acknowledged().await?;

        let stan = transaction.exchange.asked.stan.to_string();
        let seen = [
            TerminalMessage { at: sent, what: "0200".into(), stan: stan.clone(), sent: true },
            TerminalMessage { at: answered, what: format!("0210/{}", code(&transaction.exchange)), stan, sent: false },
        ];
        self.timeline = timeline::lines(&seen, &tapped);
        self.told.say(self.timeline.join("\n"));
        self.judge(&code(&transaction.exchange), &tapped, late_before)
    }

    fn judge(&mut self, at_terminal: &str, tapped: &[TappedMessage], late_before: u64) -> Result<()> {
        let count = |held: &dyn Fn(&TappedMessage) -> bool| tapped.iter().filter(|tapped| held(tapped)).count();
        let reversal = |tapped: &TappedMessage, function| {
            tapped.message.mti().class() == Class::Reversal && tapped.message.mti().function() == function
        };
        let first = count(&|tapped| reversal(tapped, Function::Advice) && !tapped.message.mti().is_repeat());
        let repeats = count(&|tapped| reversal(tapped, Function::Advice) && tapped.message.mti().is_repeat());
        let acknowledged =
            count(&|tapped| reversal(tapped, Function::AdviceResponse) && tapped.fate == MessageFate::Passed);
        let late = count(&|tapped| tapped.fate == MessageFate::ArrivedLate);
        self.told.equal("at the terminal", "91", at_terminal);
        self.told.equal("reversals sent (0420)", 1, first);
        self.told.check("repeated until acknowledged (0421)", "at least 1", repeats, repeats >= 1);
        self.told.check("acknowledged (0430)", "at least 1", acknowledged, acknowledged >= 1);
        self.told.equal("the late answer arrived at the switch", 1, late);
        let named = self.stage.late_answers()? - late_before;
        self.told.check("and was counted as late, not forwarded", "at least 1", named, named >= 1);
        let owed = self.settled_within(OVER_WITHIN)?;
        self.told.equal("messages still owed", 0, owed);
        Ok(())
    }

    /// Waits for the acknowledgement of the reversal and for the late answer.
    async fn until_acknowledged(&self) -> Result<Vec<TappedMessage>> {
        let deadline = tokio::time::Instant::now() + OVER_WITHIN;
        loop {
            let tapped = self.stage.tap()?.messages();
            let over = |fate, function| {
                tapped.iter().any(|tapped| tapped.fate == fate && tapped.message.mti().function() == function)
            };
            let done = over(MessageFate::Passed, Function::AdviceResponse)
                && over(MessageFate::ArrivedLate, Function::Response);
            if done || tokio::time::Instant::now() > deadline {
                return Ok(tapped);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
