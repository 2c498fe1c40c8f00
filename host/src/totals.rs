//! Reconciliation (0500, 0520): compares an originator's totals for a business date with the journal's. Pure.

use codecs::value::{Count, Number, Total};
use codecs::view::{Reconciliation, Totals};
use codecs::{Builder, de};

use ledger::totals::{Counted, Sum};

/// DE66: the two sides agree.
const IN_BALANCE: Number<1> = Number(1);
/// DE66: the two sides differ; the answer carries our totals.
const OUT_OF_BALANCE: Number<1> = Number(2);

/// The journal's totals in the form of the message, from the originator's point of view.
#[must_use]
pub fn as_totals(counted: &Counted) -> Totals {
    let pair = |sum: Sum| (Count(sum.count.unsigned_abs()), Total(sum.amount_minor.unsigned_abs()));
    let mut totals = Totals {
        credits: pair(counted.credits),
        credit_reversals: pair(counted.credit_reversals),
        debits: pair(counted.debits),
        debit_reversals: pair(counted.debit_reversals),
        authorizations: Count(counted.authorizations.unsigned_abs()),
        ..Totals::default()
    };
    totals.net = totals.net_of_amounts();
    totals
}

/// Whether two sides agree about money.
///
/// A sale whose answer was lost, and which was therefore reversed, counts here as a sale and a reversal; an originator
/// that never received the approval counts neither. So each kind is compared net of its reversals, in number and
/// amount. Authorizations move no money: they are reported, not compared.
#[must_use]
pub fn agree(theirs: &Totals, ours: &Totals) -> bool {
    let less = |(count, amount): (Count, Total), (back_count, back_amount): (Count, Total)| {
        (i128::from(count.0) - i128::from(back_count.0), i128::from(amount.0) - i128::from(back_amount.0))
    };
    less(theirs.debits, theirs.debit_reversals) == less(ours.debits, ours.debit_reversals)
        && less(theirs.credits, theirs.credit_reversals) == less(ours.credits, ours.credit_reversals)
}

/// The answer to a reconciliation.
#[must_use]
pub fn answer(request: &Reconciliation<'_>, ours: &Totals) -> Builder {
    let mut answer = crate::answer::reconciliation_answer(request);
    let balanced = agree(&request.totals, ours);
    answer.put::<de::SettlementCode>(if balanced { IN_BALANCE } else { OUT_OF_BALANCE });
    answer.put_totals(ours);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(debits: i64, debit_reversals: i64) -> Totals {
        let sum = |count: i64| Sum { count, amount_minor: count * 100 };
        as_totals(&Counted { debits: sum(debits), debit_reversals: sum(debit_reversals), ..Counted::default() })
    }

    #[test]
    fn a_sale_that_was_undone_unseen_is_no_difference() {
        assert!(agree(&counted(3, 0), &counted(3, 0)));
        assert!(agree(&counted(3, 0), &counted(4, 1)), "one answer was lost and its sale reversed");
        assert!(!agree(&counted(3, 0), &counted(4, 0)), "one sale is missing at the terminal");
        assert!(!agree(&counted(3, 1), &counted(3, 0)));
    }

    #[test]
    fn the_same_number_of_another_amount_is_a_difference() {
        let mut theirs = counted(3, 0);
        theirs.debits.1 = Total(301);
        assert!(!agree(&theirs, &counted(3, 0)));
    }

    #[test]
    fn a_day_of_sales_is_a_debit() {
        assert_eq!(counted(3, 1).net.0, -200);
    }
}
