//! The effects of a decision: balance, transaction counters, limit, hold, legs.

use std::sync::Arc;

use codecs::value::MerchantId;
use jiff::Span;
use jiff::civil::Date;
use ledger::account::Account;
use ledger::batch_rows::{BatchRows, Changes};
use ledger::hold::{Hold, HoldState};
use ledger::journal::Row;
use ledger::movement::Movement;
use ledger::posting::{self, Parties};
use ledger::row_location::RowLocation;

use crate::authorize::{self, Decision, PinCount};

use super::prepared_request::PreparedRequest;

/// One decided request, ready to be applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effects<'a> {
    pub prepared: &'a PreparedRequest,
    pub row: &'a Arc<Row>,
    pub decision: Decision,
    pub pin: PinCount,
    /// For a reversal: the business date on which the original was spent.
    pub spent_on: Option<Date>,
    pub hold_days: u16,
}

impl Effects<'_> {
    fn movement(&self) -> Movement {
        match self.decision {
            Decision::Approve(movement) | Decision::Acknowledge { movement, .. } => movement,
            Decision::Decline(_) | Decision::Repeat => Movement::None,
        }
    }

    /// Changes the loaded rows, and records what has to be written.
    pub(super) fn apply(&self, loaded: &mut BatchRows, changes: &mut Changes) {
        if let RowLocation::OurAccount { bucket, account_id, card_id, token, .. } = self.prepared.location {
            if let Some(account) = loaded.accounts.get_mut(&(bucket, account_id)) {
                account.seq += 1;
                changes.accounts.insert((bucket, account_id));
                move_balance(account, self.movement());
            }
            self.count_pin(card_id, loaded, changes);
            self.count_use(card_id, token, loaded, changes);
            self.move_limit(card_id, loaded, changes);
            self.move_hold((bucket, account_id, card_id), loaded, changes);
        }
        self.post(loaded, changes);
    }

    fn post(&self, loaded: &mut BatchRows, changes: &mut Changes) {
        let row = self.row;
        let parties = Parties {
            role: row.role,
            account_id: row.account_id,
            merchant: row.merchant.as_ref().map_or("unnamed", MerchantId::as_str),
            acquirer: row.acquirer.as_str(),
            issuer: row.issuer.as_deref().unwrap_or("unnamed"),
        };
        if let Some(posting) = posting::of_movement(self.movement(), &parties) {
            changes.postings.push((changes.rows.len(), posting));
        }
        loaded.rows.insert(row.key(), Arc::clone(row));
        changes.rows.push(Arc::clone(row));
    }

    fn count_pin(&self, card_id: i64, loaded: &mut BatchRows, changes: &mut Changes) {
        let Some(card) = loaded.cards.get_mut(&card_id) else { return };
        match self.pin {
            PinCount::Unchanged => return,
            PinCount::OneMore => card.pin_tries += 1,
            PinCount::BackToZero => card.pin_tries = 0,
        }
        changes.cards.insert(card_id);
    }

    /// Counts the use of the card: on the device's counters if there is one, else on the card's chip.
    fn count_use(&self, card_id: i64, token: Option<(i64, i32)>, loaded: &mut BatchRows, changes: &mut Changes) {
        let Some(atc) = authorize::counter_seen(&self.decision, &self.prepared.proof) else { return };
        if let Some((token_id, _)) = token {
            let Some(token) = loaded.tokens.get_mut(&token_id) else { return };
            token.used_atcs.record(atc);
            changes.tokens.insert(token_id);
        } else if let Some(card) = loaded.cards.get_mut(&card_id) {
            card.used_atcs.record(atc);
            changes.cards.insert(card_id);
        }
    }

    fn move_limit(&self, card_id: i64, loaded: &mut BatchRows, changes: &mut Changes) {
        let Some(card) = loaded.cards.get_mut(&card_id) else { return };
        let today = self.prepared.request.business_date;
        match (self.movement(), self.spent_on) {
            (Movement::Hold { minor } | Movement::Capture { minor }, _) => card.spend(today, minor),
            // the hold already counts towards the limit of its day; only the excess is new
            (Movement::Complete { minor, hold }, _) => {
                let held = loaded.holds.get(&hold).map_or(0, |hold| hold.amount_minor);
                card.spend(today, (minor - held).max(0));
            }
            (Movement::UndoCapture { minor } | Movement::Release { minor, .. }, Some(date)) => {
                card.unspend(date, minor)
            }
            _ => return,
        }
        changes.cards.insert(card_id);
    }

    fn move_hold(&self, place: (i16, i64, i64), loaded: &mut BatchRows, changes: &mut Changes) {
        match self.movement() {
            Movement::Hold { minor } => {
                let hold = self.new_hold(place, minor);
                changes.new_holds.insert(hold.auth_id);
                loaded.holds.insert(hold.auth_id, hold);
            }
            Movement::Complete { hold, .. } => {
                let Some(hold) = loaded.holds.get_mut(&hold) else { return };
                hold.state = HoldState::Completed;
                changes.changed_holds.insert(hold.auth_id);
                if let Some(account) = loaded.accounts.get_mut(&(place.0, place.1)) {
                    account.held_minor -= hold.amount_minor;
                }
            }
            Movement::Release { minor, hold } => {
                let Some(hold) = loaded.holds.get_mut(&hold) else { return };
                if minor >= hold.amount_minor {
                    hold.state = HoldState::Released;
                } else {
                    hold.amount_minor -= minor;
                }
                changes.changed_holds.insert(hold.auth_id);
            }
            Movement::None
            | Movement::Capture { .. }
            | Movement::Refund { .. }
            | Movement::UndoCapture { .. }
            | Movement::UndoRefund { .. } => {}
        }
    }

    fn new_hold(&self, (bucket, account_id, card_id): (i16, i64, i64), minor: i64) -> Hold {
        let row = self.row;
        Hold {
            bucket,
            auth_id: row.auth_id,
            account_id,
            card_id,
            idem_date: row.idem_date,
            idem: row.idem,
            amount_minor: minor,
            currency: row.currency,
            rrn: row.rrn,
            approval_code: row.approval_code.expect("a hold is granted, and what is granted has a code"),
            life_cycle: row.life_cycle.clone(),
            state: HoldState::Open,
            expires_on: row.business_date.saturating_add(Span::new().days(self.hold_days)),
        }
    }
}

fn move_balance(account: &mut Account, movement: Movement) {
    match movement {
        Movement::None => {}
        Movement::Hold { minor } => account.held_minor += minor,
        Movement::Release { minor, .. } => account.held_minor -= minor,
        // the held amount is released where the hold is closed
        Movement::Capture { minor } | Movement::Complete { minor, .. } | Movement::UndoRefund { minor } => {
            account.ledger_minor -= minor;
        }
        Movement::Refund { minor } | Movement::UndoCapture { minor } => account.ledger_minor += minor,
    }
}
