//! The end of the business day: cut-over while traffic flows, totals, clearing, settlement, the auditor.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use codecs::dialect;
use codecs::value::{Currency, Minor, ProcessingCode};
use pos_sim::exchange::RequestKind;
use pos_sim::moment::Moment;
use pos_sim::presentment::{self, Capture, FileId};
use pos_sim::reading::Instrument;
use pos_sim::till::{Payment, Transaction};
use serde_json::Value;

use super::compare::FROM_ACQUIRER;
use super::demo_run::DemoRun;
use super::everyday::code;
use super::narrate::or_none;
use super::report::euros;
use crate::tap::AnswerLoss;
use crate::tool::Tool;

/// An amount that no other step has, by which the tap recognizes the purchase.
const IN_FLIGHT: Minor = Minor(77_77);
/// The sale that is missing from one terminal's totals.
const FORGOTTEN: Minor = Minor(10_01);
/// Authorized at the foreign acquirer, captured by its file, and given back by it.
const AUTHORIZED: Minor = Minor(50_00);
const CAPTURED: Minor = Minor(48_00);
const CREDITED: Minor = Minor(6_00);
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

impl DemoRun {
    pub(super) async fn cut_over(&mut self) -> Result<()> {
        self.told.step("Cut-over to the next business day, with one request in flight across it");
        let till = self.world.terminals.get(13).context("no such terminal")?.clone();
        let card = self.world.card("cut-over")?;
        let forgotten = Payment::new(Instrument::Chip(card.clone()), FORGOTTEN, Currency::EUR);
        let before = till.transact(RequestKind::Purchase, &forgotten).await?;
        self.told.equal("a last sale, EUR 10.01", "00".to_owned(), code(&before.exchange));

        let held = self.stage.options.timers.answer_timeout * 2 / 3;
        self.stage.tap()?.lose(AnswerLoss { amount: IN_FLIGHT, answer_delay: held, lost_acknowledgements: 0 });
        let across = Payment::new(Instrument::Chip(card.clone()), IN_FLIGHT, Currency::EUR);
        let (across, cut) = tokio::join!(till.transact(RequestKind::Purchase, &across), async {
            tokio::time::sleep(held / 3).await;
            self.stage.admin("POST", "/cut-over", "")
        });
        let (across, cut) = (across?, cut?);
        self.told.say(format!("the switch says: {cut}"));
        let after = Payment::new(Instrument::Chip(card), Minor(5_00), Currency::EUR);
        let after = till.transact(RequestKind::Purchase, &after).await?;

        let date = |exchange: &pos_sim::exchange::Exchange| exchange.answer().and_then(|answer| answer.business_date);
        let old = date(&before.exchange).context("an answer without a business date")?;
        self.told.equal("the one in flight, EUR 77.77", "00".to_owned(), code(&across.exchange));
        self.told.equal("it keeps the day on which it came", old.to_string(), or_none(date(&across.exchange)));
        let new = date(&after.exchange).context("an answer without a business date")?;
        self.told.check("the next one is of the next day", format!("not {old}"), new, new != old);
        self.closed_date = Some(old);
        Ok(())
    }

    pub(super) async fn totals(&mut self) -> Result<()> {
        self.told.step("Totals of the closed day, terminal by terminal (0500)");
        let date = self.closed_date.context("no day was cut over")?;
        self.nothing_owed()?;
        let mut in_balance = 0;
        for terminal in &self.world.terminals {
            let compared = terminal.reconcile(date, Currency::EUR, None).await?;
            in_balance += usize::from(compared.in_balance == Some(true));
            if compared.in_balance != Some(true) {
                self.told.say(format!("{terminal:?}: {}", named(&compared)));
            }
        }
        self.told.equal("terminals in balance", self.world.terminals.len(), in_balance);
        let acquirer = self.world.acquirer.reconcile(date, Currency::EUR).await?;
        self.told.equal("the foreign acquirer", "in balance", balance(acquirer.in_balance));

        let till = &self.world.terminals[13];
        let out = till.reconcile(date, Currency::EUR, Some(FORGOTTEN)).await?;
        self.told.equal("a terminal that lost one sale", "out of balance", balance(out.in_balance));
        let difference = out.differences().iter().map(|d| d.theirs.amount - d.ours.amount).sum::<i64>();
        self.told.say(named(&out));
        self.told.equal("the difference is named", euros(FORGOTTEN.0), euros(difference));
        Ok(())
    }

    /// Every day that has movements is closed, the second one after a cut-over of its own.
    pub(super) async fn clearing_and_settlement(&mut self) -> Result<()> {
        self.told.step("Clearing and settlement");
        let card = self.world.card("cut-over")?;
        let authorized = Payment::new(Instrument::Chip(card), AUTHORIZED, Currency::EUR);
        let authorized = self.world.acquirer.transact(RequestKind::PreAuthorization, &authorized).await?;
        self.told.equal(
            "an authorization at the foreign acquirer, EUR 50.00",
            "00".to_owned(),
            code(&authorized.exchange),
        );
        self.stage.admin("POST", "/cut-over", "")?;
        self.nothing_owed()?;
        self.present(&authorized).await?;
        let days = self.days_with_movements().await?;
        let out = self.folder.path().to_str().context("a path that is not UTF-8")?.to_owned();
        for day in &days {
            let closed = self.stage.run_tool(Tool::BackOffice, "close-day", &["--date", day, "--out", &out])?;
            let closed: Value = serde_json::from_str(&closed)?;
            let files = closed["files"].as_array().map_or(0, Vec::len);
            self.told.check(format!("{day} closed"), "its files", format!("{files} files"), files > 0);
            let again = self.stage.run_tool(Tool::BackOffice, "close-day", &["--date", day, "--out", &out])?;
            let again: Value = serde_json::from_str(&again)?;
            let same = closed["files"] == again["files"];
            self.told.check("closed once more", "the same bytes", if same { "the same bytes" } else { "others" }, same);
        }
        self.told.equal("business days closed", 2, days.len());
        Ok(())
    }

    /// The foreign acquirer presents its captures, and what only its file captures: a sale of which the host knows the
    /// authorization, and a refund of which it knows nothing.
    async fn present(&mut self, authorized: &Transaction) -> Result<()> {
        let acquirer = &self.world.acquirer;
        let dialect = dialect::load(&self.stage.options.checkout.join("config/dialects"), "ipm")?;
        let mut captures = acquirer.take_captures();
        let matched = captures.len();
        let captured = acquirer.capture_of(authorized, CAPTURED)?;
        let refund = Capture {
            processing: ProcessingCode::REFUND,
            amount: CREDITED,
            rrn: None,
            approval: None,
            life_cycle: None,
            ..captured.clone()
        };
        captures.extend([captured, refund]);
        self.only_presented = Minor(CAPTURED.0 + CREDITED.0);
        let (count, minor) = (captures.len(), captures.iter().map(|capture| capture.amount.0).sum::<i64>());
        let id = FileId { sender: acquirer.institution(), at: Moment::utc(jiff::Timestamp::now()), sequence: 1 };
        let folder = self.folder.path().join("clearing");
        std::fs::create_dir_all(&folder)?;
        let file: PathBuf = presentment::present(&dialect, id, captures)?
            .write(&folder, &format!("{FROM_ACQUIRER}-{}", acquirer.institution()))?;
        let file = file.to_str().context("a path that is not UTF-8")?;
        let read = self.stage.run_tool(Tool::BackOffice, "present-in", &[file])?;
        let read: Value = serde_json::from_str(&read)?;
        self.told.say(format!("the foreign acquirer presents {count} captures over EUR {}", euros(minor)));
        let outcome = |word: &str| or_none(read["outcomes"][word].as_u64());
        self.told.equal("presentments matched", matched.to_string(), outcome("matched"));
        self.told.equal("of EUR 50.00 authorized 48.00 captured by the file", "1".to_owned(), outcome("captured"));
        self.told.equal("a refund that only the file knew, EUR 6.00", "1".to_owned(), outcome("credited"));
        Ok(())
    }

    async fn days_with_movements(&self) -> Result<Vec<String>> {
        let rows = self.stage.database().await?;
        let rows = rows.query("SELECT DISTINCT cycle::text FROM auth WHERE kind <> 'opening' ORDER BY 1", &[]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    fn nothing_owed(&mut self) -> Result<()> {
        let owed = self.settled_within(SETTLED_WITHIN)?;
        self.told.equal("messages owed", 0, owed);
        Ok(())
    }
}

/// The host's verdict on a party's totals (DE66).
fn balance(verdict: Option<bool>) -> &'static str {
    match verdict {
        Some(true) => "in balance",
        Some(false) => "out of balance",
        None => "no verdict",
    }
}

/// A reconciliation's differences as text.
fn named(compared: &pos_sim::totals::Reconciled) -> String {
    let differences = compared.differences();
    let lines = differences.iter().map(|difference| {
        format!(
            "{}: terminal {} over {}, host {} over {}",
            difference.what,
            difference.ours.count,
            euros(difference.ours.amount),
            difference.theirs.count,
            euros(difference.theirs.amount)
        )
    });
    lines.collect::<Vec<_>>().join("; ")
}
