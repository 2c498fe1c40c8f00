//! The effects of a decision: balance, transaction counters, limit, hold, legs.

use std::sync::Arc;

use codecs::value::{MerchantId, Minor};
use jiff::Span;
use jiff::civil::Date;
use ledger::account::Account;
use ledger::batch_rows::{BatchRows, Changes};
use ledger::card::Card;
use ledger::hold::{Hold, HoldState};
use ledger::journal::{Counted, HoldChange, Kind, Row};
use ledger::movement::Movement;
use ledger::posting::{self, Parties};
use ledger::row_location::RowLocation;
use ledger::stored_credential::StoredCredential;

use crate::authorize::{self, CodeCount, Decision, PinCount};

use super::prepared_request::PreparedRequest;

/// One decided request, ready to be applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effects<'a> {
    pub prepared: &'a PreparedRequest,
    pub decision: Decision,
    pub pin: PinCount,
    pub code: CodeCount,
    /// For a reversal: the row that it reverses.
    pub original: Option<&'a Row>,
    /// It is a refund at a merchant of ours that names nothing known.
    pub unreferenced: bool,
    pub hold_days: u16,
}

impl Effects<'_> {
    fn movement(&self) -> Movement {
        match self.decision {
            Decision::Approve(movement) | Decision::Acknowledge { movement, .. } => movement,
            Decision::Decline(_) | Decision::Repeat => Movement::None,
        }
    }

    /// Changes the loaded rows, and records what has to be written. The journal row tells what was done to the hold and
    /// to the limit.
    pub(super) fn apply(&self, mut row: Row, loaded: &mut BatchRows, changes: &mut Changes) -> Arc<Row> {
        if let RowLocation::OurAccount { bucket, account_id, card_id, token, .. } = self.prepared.location {
            if let Some(account) = loaded.accounts.get_mut(&(bucket, account_id)) {
                account.seq += 1;
                changes.accounts.insert((bucket, account_id));
                move_balance(account, self.movement());
            }
            self.count_pin(card_id, loaded, changes);
            self.count_code(card_id, loaded, changes);
            self.count_use(card_id, token, loaded, changes);
            row.counted = self.move_limit(card_id, loaded, changes);
            row.hold = self.move_hold(&row, (bucket, account_id, card_id), loaded, changes);
            self.keep_credential(&row, card_id, loaded, changes);
        }
        self.move_terminal_refunds(loaded, changes);
        if let Some(card) = &self.prepared.acquired {
            changes.acquired.push((row.key(), card.clone()));
        }
        let row = Arc::new(row);
        self.post(&row, loaded, changes);
        row
    }

    fn post(&self, row: &Arc<Row>, loaded: &mut BatchRows, changes: &mut Changes) {
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
        loaded.add_follower(Arc::clone(row));
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

    fn count_code(&self, card_id: i64, loaded: &mut BatchRows, changes: &mut Changes) {
        let Some(card) = loaded.cards.get_mut(&card_id) else { return };
        match self.code {
            CodeCount::Unchanged => return,
            CodeCount::OneMore => card.code_tries += 1,
            CodeCount::BackToZero => card.code_tries = 0,
            CodeCount::RefusedUntil(until) => (card.code_tries, card.code_refused_until) = (0, Some(until)),
        }
        changes.cards.insert(card_id);
    }

    /// Counts what the terminal gives back without naming a sale, or takes back what was counted that day.
    fn move_terminal_refunds(&self, loaded: &mut BatchRows, changes: &mut Changes) {
        let counted_here = |original: &Row| {
            let request = &self.prepared.request;
            original.original.is_none()
                && (original.business_date, original.terminal) == (request.business_date, request.terminal)
        };
        let given = match self.movement() {
            Movement::Refund { minor } if self.unreferenced => minor,
            Movement::UndoRefund { minor } if self.original.is_some_and(counted_here) => -minor,
            _ => return,
        };
        let Some((day, _)) = self.prepared.terminal_refunds() else { return };
        *loaded.terminal_refunds.entry(day.clone()).or_default() += given;
        changes.terminal_refunds.insert(day);
    }

    /// Remembers the merchant of an approved payment without the card being present.
    fn keep_credential(&self, row: &Row, card_id: i64, loaded: &mut BatchRows, changes: &mut Changes) {
        let request = &self.prepared.request;
        let approved = matches!(self.decision, Decision::Approve(_));
        let (true, true, Some(merchant)) = (approved, request.may_be_stored(), row.merchant) else { return };
        let new = StoredCredential {
            bucket: row.bucket,
            card_id,
            acquirer: row.acquirer.as_str().to_owned(),
            merchant: merchant.as_str().to_owned(),
            life_cycle: row.life_cycle.clone(),
        };
        loaded.credentials.push(new.clone());
        changes.credentials.push(new);
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

    /// Counts towards the daily limit, or gives back what was counted.
    fn move_limit(&self, card_id: i64, loaded: &mut BatchRows, changes: &mut Changes) -> Option<Counted> {
        let card = loaded.cards.get_mut(&card_id)?;
        let today = self.prepared.request.business_date;
        let counted = match self.movement() {
            Movement::Hold { minor } | Movement::Capture { minor } | Movement::Raise { minor, .. } => {
                Some(card.spend(today, minor))
            }
            // the hold counts towards the limit of its day already: what is captured takes its place
            Movement::Complete { minor, hold } => {
                let hold = loaded.holds.get(&hold)?;
                match minor - hold.held() {
                    0 => None,
                    more @ 1.. => Some(card.spend(today, more)),
                    less => card.unspend(hold.counted_on, -less),
                }
            }
            Movement::UndoCapture { minor } => {
                let original = self.original?;
                let hold = original.hold.and_then(|hold| loaded.holds.get(&hold.auth_id));
                give_back(card, original, hold, minor)
            }
            Movement::Release { minor, hold } => card.unspend(loaded.holds.get(&hold)?.counted_on, minor),
            Movement::None | Movement::Refund { .. } | Movement::UndoRefund { .. } => None,
        }?;
        changes.cards.insert(card_id);
        Some(counted)
    }

    fn move_hold(
        &self,
        row: &Row,
        place: (i16, i64, i64),
        loaded: &mut BatchRows,
        changes: &mut Changes,
    ) -> Option<HoldChange> {
        let last_day = self.prepared.request.business_date.saturating_add(Span::new().days(self.hold_days));
        let movement = self.movement();
        let (number, expires_on) = match movement {
            Movement::Hold { minor } => {
                let hold = new_hold(row, place, minor, last_day);
                changes.new_holds.insert(hold.auth_id);
                loaded.holds.insert(hold.auth_id, hold);
                return Some(HoldChange { auth_id: row.auth_id, left: Minor(minor), expires_on: Some(last_day) });
            }
            Movement::Raise { hold, .. } => (hold, Some(last_day)),
            Movement::Complete { hold, .. } | Movement::Release { hold, .. } => (hold, None),
            Movement::UndoCapture { .. } => (self.original?.hold?.auth_id, None),
            Movement::None | Movement::Capture { .. } | Movement::Refund { .. } | Movement::UndoRefund { .. } => {
                return None;
            }
        };
        let hold = loaded.holds.get_mut(&number)?;
        changes.changed_holds.insert(number);
        match movement {
            Movement::Raise { minor, .. } => {
                hold.amount_minor += minor;
                hold.authorized_minor += minor;
                hold.expires_on = hold.expires_on.max(last_day);
            }
            Movement::Complete { minor, .. } => {
                if let Some(account) = loaded.accounts.get_mut(&(place.0, place.1)) {
                    account.held_minor -= hold.held();
                }
                hold.captured_minor += minor;
                hold.state = HoldState::Completed;
            }
            Movement::Release { minor, .. } => {
                hold.authorized_minor -= minor;
                if minor >= hold.amount_minor {
                    hold.state = HoldState::Released;
                } else {
                    hold.amount_minor -= minor;
                }
            }
            Movement::UndoCapture { minor } => hold.captured_minor -= minor,
            _ => {}
        }
        Some(HoldChange { auth_id: number, left: Minor(hold.held()), expires_on })
    }
}

fn new_hold(row: &Row, (bucket, account_id, card_id): (i16, i64, i64), minor: i64, expires_on: Date) -> Hold {
    Hold {
        bucket,
        auth_id: row.auth_id,
        account_id,
        card_id,
        idem_date: row.idem_date,
        idem: row.idem,
        amount_minor: minor,
        authorized_minor: minor,
        captured_minor: 0,
        currency: row.currency,
        rrn: row.rrn,
        approval_code: row.approval_code.expect("a hold is granted, and what is granted has a code"),
        life_cycle: row.life_cycle.clone(),
        merchant: row.merchant,
        state: HoldState::Open,
        expires_on,
        counted_on: row.counted.map_or(row.business_date, |counted| counted.on),
    }
}

/// Gives back to the limit what the reversed capture counts there: on the day of its hold, the whole capture; else what
/// it counted itself.
fn give_back(card: &mut Card, original: &Row, hold: Option<&Hold>, minor: i64) -> Option<Counted> {
    if let Some(hold) = hold.filter(|hold| hold.counted_on == card.day) {
        return card.unspend(hold.counted_on, minor);
    }
    match (original.counted, original.kind) {
        (Some(counted), _) => card.unspend(counted.on, minor.min(counted.minor)),
        // a row of version 1 does not tell what it counted
        (None, Kind::Purchase) => card.unspend(original.business_date, minor),
        (None, _) => None,
    }
}

fn move_balance(account: &mut Account, movement: Movement) {
    match movement {
        Movement::None => {}
        Movement::Hold { minor } | Movement::Raise { minor, .. } => account.held_minor += minor,
        Movement::Release { minor, .. } => account.held_minor -= minor,
        // the held amount is released where the hold is closed
        Movement::Capture { minor } | Movement::Complete { minor, .. } | Movement::UndoRefund { minor } => {
            account.ledger_minor -= minor;
        }
        Movement::Refund { minor } | Movement::UndoCapture { minor } => account.ledger_minor += minor,
    }
}
