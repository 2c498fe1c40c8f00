//! A terminal's own totals, counted from the answers it got, per business date and currency.
//!
//! Purchases and completions are debits, refunds are credits; their reversals are counted apart and under the date of the
//! reversal. Authorizations are counted but add no captured amount. Declined requests are not counted, and a partial approval
//! counts with the approved amount. The reversal of a request that had no approval is not counted either, because the request
//! itself was not.

use std::collections::BTreeMap;

use codecs::de::{self, DataElement};
use codecs::value::{Count, Minor, MonthDay, SignedTotal, Total};
use codecs::{Builder, Message};

use crate::exchange::{Exchange, RequestKind};

/// Number and sum of one kind of movement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub count: i64,
    pub amount: i64,
}

impl Tally {
    fn less(self, back: Self) -> Self {
        Self { count: self.count - back.count, amount: self.amount - back.amount }
    }

    fn add(&mut self, amount: Minor) {
        self.count += 1;
        self.amount += amount.0;
    }
}

/// The totals of one terminal on one business date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayTotals {
    /// Purchases and completions.
    pub debits: Tally,
    pub debit_reversals: Tally,
    /// Refunds.
    pub credits: Tally,
    pub credit_reversals: Tally,
    /// Approved authorizations, inquiries and verifications.
    pub authorizations: u64,
}

impl DayTotals {
    /// The amount due to the merchant for the day (negative: due from it), in minor units.
    #[must_use]
    pub fn net(&self) -> i64 {
        self.debits.amount - self.debit_reversals.amount - self.credits.amount + self.credit_reversals.amount
    }

    /// The totals without one sale of this amount, as of a terminal that lost a sale.
    #[must_use]
    pub fn without_sale(mut self, amount: Minor) -> Self {
        self.debits.count -= 1;
        self.debits.amount -= amount.0;
        self
    }

    /// Each kind less its reversals: a sale that the host approved and reversed, because its answer was lost, is two movements at
    /// the host and none at the terminal, but no difference.
    fn standing(&self) -> [(&'static str, Tally); 2] {
        [("sales", self.debits.less(self.debit_reversals)), ("refunds", self.credits.less(self.credit_reversals))]
    }

    /// Reads the other side's totals from its answer; an absent element counts as zero.
    fn read(message: &Message) -> Self {
        fn count<E: for<'m> DataElement<Value<'m> = Count>>(message: &Message) -> i64 {
            message.get::<E>().ok().flatten().and_then(|count| i64::try_from(count.0).ok()).unwrap_or(0)
        }
        fn total<E: for<'m> DataElement<Value<'m> = Total>>(message: &Message) -> i64 {
            message.get::<E>().ok().flatten().and_then(|total| i64::try_from(total.0).ok()).unwrap_or(0)
        }
        Self {
            debits: Tally { count: count::<de::DebitsCount>(message), amount: total::<de::DebitsAmount>(message) },
            debit_reversals: Tally {
                count: count::<de::DebitReversalsCount>(message),
                amount: total::<de::DebitReversalsAmount>(message),
            },
            credits: Tally { count: count::<de::CreditsCount>(message), amount: total::<de::CreditsAmount>(message) },
            credit_reversals: Tally {
                count: count::<de::CreditReversalsCount>(message),
                amount: total::<de::CreditReversalsAmount>(message),
            },
            authorizations: count::<de::AuthorizationsCount>(message).unsigned_abs(),
        }
    }

    /// Puts them into a reconciliation request. The net is credits less debits: a day of sales is a `D`, because sales
    /// debit the cardholders' side.
    pub fn put(&self, builder: &mut Builder) {
        let count = |tally: Tally| Count(tally.count.unsigned_abs());
        let total = |tally: Tally| Total(tally.amount.unsigned_abs());
        builder
            .put::<de::CreditsCount>(count(self.credits))
            .put::<de::CreditReversalsCount>(count(self.credit_reversals))
            .put::<de::DebitsCount>(count(self.debits))
            .put::<de::DebitReversalsCount>(count(self.debit_reversals))
            .put::<de::AuthorizationsCount>(Count(self.authorizations))
            .put::<de::CreditsAmount>(total(self.credits))
            .put::<de::CreditReversalsAmount>(total(self.credit_reversals))
            .put::<de::DebitsAmount>(total(self.debits))
            .put::<de::DebitReversalsAmount>(total(self.debit_reversals))
            .put::<de::NetSettlement>(SignedTotal(-self.net()));
    }
}

/// The two sides of a reconciliation.
#[derive(Clone, Debug)]
pub struct Reconciled {
    pub date: MonthDay,
    pub ours: DayTotals,
    /// The host's totals; the host sends them only if they differ.
    pub theirs: Option<DayTotals>,
    /// `None` if no answer says so.
    pub in_balance: Option<bool>,
    pub exchange: Exchange,
}

/// One figure on which the two sides disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    pub what: &'static str,
    pub ours: Tally,
    pub theirs: Tally,
}

/// Settlement code of an answer: the other side counted the same.
const IN_BALANCE: u32 = 1;

impl Reconciled {
    /// Reads the host's answer to our totals.
    #[must_use]
    pub fn read(date: MonthDay, ours: DayTotals, exchange: Exchange) -> Self {
        let message = exchange.answer().map(|answer| &answer.message);
        let code = message.and_then(|m| m.get::<de::SettlementCode>().ok().flatten());
        let in_balance = code.map(|code| code.0 == IN_BALANCE);
        let theirs = message.filter(|m| m.has::<de::DebitsCount>()).map(DayTotals::read);
        Self { date, ours, theirs, in_balance, exchange }
    }

    /// The figures that differ; empty in balance, or if the host sent no totals.
    #[must_use]
    pub fn differences(&self) -> Vec<Difference> {
        let Some(theirs) = self.theirs else { return Vec::new() };
        let ours = self.ours.standing();
        ours.into_iter()
            .zip(theirs.standing())
            .filter(|((_, ours), (_, theirs))| ours != theirs)
            .map(|((what, ours), (_, theirs))| Difference { what, ours, theirs })
            .collect()
    }
}

/// All days of one terminal.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    days: BTreeMap<MonthDay, DayTotals>,
}

impl Totals {
    /// Counts how an exchange ended, under the business date of its answer.
    pub fn count(&mut self, exchange: &Exchange) {
        let Some(answer) = exchange.answer().filter(|answer| answer.is_approval()) else { return };
        if let Some(date) = answer.business_date {
            self.approved(date, exchange.asked.kind, answer.approved);
        }
    }

    /// Counts an acknowledged reversal of an approval that was counted.
    pub fn count_reversal(&mut self, original: &Exchange, reversal: &Exchange) {
        let Some(approved) = original.answer().filter(|answer| answer.is_approval()) else { return };
        let Some(acknowledged) = reversal.answer().filter(|answer| answer.is_approval()) else { return };
        if let Some(date) = acknowledged.business_date.or(approved.business_date) {
            self.reversed(date, original.asked.kind, approved.approved);
        }
    }

    fn approved(&mut self, date: MonthDay, kind: RequestKind, amount: Minor) {
        let day = self.days.entry(date).or_default();
        match kind {
            RequestKind::Purchase | RequestKind::Completion => day.debits.add(amount),
            RequestKind::Refund => day.credits.add(amount),
            RequestKind::PreAuthorization | RequestKind::BalanceInquiry | RequestKind::Verification => {
                day.authorizations += 1
            }
            RequestKind::SignOn
            | RequestKind::SignOff
            | RequestKind::Echo
            | RequestKind::Reversal
            | RequestKind::Totals => {}
        }
    }

    fn reversed(&mut self, date: MonthDay, original: RequestKind, amount: Minor) {
        let day = self.days.entry(date).or_default();
        match original {
            RequestKind::Purchase | RequestKind::Completion => day.debit_reversals.add(amount),
            RequestKind::Refund => day.credit_reversals.add(amount),
            _ => {}
        }
    }

    #[must_use]
    pub fn day(&self, date: MonthDay) -> DayTotals {
        self.days.get(&date).copied().unwrap_or_default()
    }

    /// The dates on which anything was counted, in the order of the calendar.
    pub fn dates(&self) -> impl Iterator<Item = MonthDay> + '_ {
        self.days.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRIDAY: MonthDay = MonthDay { month: 11, day: 20 };
    const SATURDAY: MonthDay = MonthDay { month: 11, day: 21 };

    fn tally(count: i64, amount: i64) -> Tally {
        Tally { count, amount }
    }

    #[test]
    fn each_kind_has_its_place() {
        let rows = [
            (RequestKind::Purchase, 1000, DayTotals { debits: tally(1, 1000), ..DayTotals::default() }),
            (RequestKind::Completion, 800, DayTotals { debits: tally(1, 800), ..DayTotals::default() }),
            (RequestKind::Refund, 300, DayTotals { credits: tally(1, 300), ..DayTotals::default() }),
            (RequestKind::PreAuthorization, 900, DayTotals { authorizations: 1, ..DayTotals::default() }),
            (RequestKind::Verification, 0, DayTotals { authorizations: 1, ..DayTotals::default() }),
            (RequestKind::Echo, 0, DayTotals::default()),
        ];
        for (kind, amount, expected) in rows {
            let mut totals = Totals::default();
            totals.approved(FRIDAY, kind, Minor(amount));
            assert_eq!(totals.day(FRIDAY), expected, "{kind:?}");
            assert_eq!(totals.day(SATURDAY), DayTotals::default());
        }
    }

    #[test]
    fn a_reversal_counts_on_its_own_day() {
        let mut totals = Totals::default();
        totals.approved(FRIDAY, RequestKind::Purchase, Minor(1000));
        totals.approved(FRIDAY, RequestKind::Refund, Minor(300));
        totals.reversed(SATURDAY, RequestKind::Purchase, Minor(1000));
        totals.reversed(SATURDAY, RequestKind::Refund, Minor(300));
        totals.reversed(SATURDAY, RequestKind::PreAuthorization, Minor(50));
        assert_eq!(totals.day(FRIDAY).net(), 700);
        let saturday =
            DayTotals { debit_reversals: tally(1, 1000), credit_reversals: tally(1, 300), ..DayTotals::default() };
        assert_eq!(totals.day(SATURDAY), saturday);
        assert_eq!(saturday.net(), -700);
    }

    #[test]
    fn a_lost_sale_shows_as_one_debit_less() {
        let mut totals = Totals::default();
        totals.approved(FRIDAY, RequestKind::Purchase, Minor(1000));
        totals.approved(FRIDAY, RequestKind::Purchase, Minor(250));
        let out = totals.day(FRIDAY).without_sale(Minor(250));
        assert_eq!(out.debits, tally(1, 1000));
    }
}
