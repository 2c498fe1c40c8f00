//! Reconciliation (0500, 0520): compares an originator's totals for a business date with the journal's. Pure.

use codecs::originator::OriginatorKey;
use codecs::value::{Count, InstitutionId, Number, Total};
use codecs::view::{Reconciliation, Totals};
use codecs::{Builder, Message, de};
use jiff::civil::Date;
use ledger::key::nearest_year;
use ledger::store::Acceptors;
use ledger::totals::{Counted, Originator, Sum};
use link::role::Role;

use crate::answer::NoDecision;
use crate::config::Config;

/// DE66: the two sides agree.
const IN_BALANCE: Number<1> = Number(1);
/// DE66: the two sides differ; the answer carries our totals.
const OUT_OF_BALANCE: Number<1> = Number(2);

/// Why totals are not compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TotalsRefused {
    #[error("DE15 is no day of the calendar near today")]
    Date,
    #[error("{0} has not begun")]
    NotBegun(Date),
    #[error("DE97 says that the totals sum to the other side's favour, and they do not")]
    NetSign,
    #[error("link {0:?} is not in the configuration")]
    LinkUnknown(String),
    #[error("DE41 and DE42 are no terminal of ours at its merchant")]
    TerminalUnknown,
    #[error("DE99 is neither our institution nor the originator's")]
    Institution,
}

impl TotalsRefused {
    /// The answer to it.
    #[must_use]
    pub const fn no_decision(&self) -> NoDecision {
        match self {
            Self::Date | Self::NotBegun(_) | Self::NetSign | Self::LinkUnknown(_) => NoDecision::Unreadable,
            Self::TerminalUnknown => NoDecision::UnknownOriginator,
            Self::Institution => NoDecision::UnknownInstitution,
        }
    }
}

/// Whose totals are asked for: of the link on which the message came in, which the switch has authenticated, and of nobody
/// else. On a link of ours they are those of the terminal in the message, if it is one of the merchant in the message; on a
/// foreign acquirer's link they are that acquirer's, whatever terminal it names.
pub fn originator(
    request: &Reconciliation<'_>,
    config: &Config,
    acceptors: &Acceptors,
) -> Result<Originator, TotalsRefused> {
    let link = link_of(request.message);
    let role = config.links.get(&link).ok_or(TotalsRefused::LinkUnknown(link))?;
    let named = request.message.get::<de::SettlementInstitution>().map_err(|_| TotalsRefused::Institution)?;
    if named.is_some_and(|named| named != config.acquirer_id() && !is_its_own(role, &named)) {
        return Err(TotalsRefused::Institution);
    }
    match role.acquirer_id() {
        Some(acquirer) => Ok(Originator::Acquirer(acquirer.to_owned())),
        None => {
            let merchant = request.message.get::<de::MerchantId>().ok().flatten();
            let terminal = request.terminal.filter(|terminal| acceptors.knows(merchant.as_ref(), Some(terminal)));
            let terminal = terminal.ok_or(TotalsRefused::TerminalUnknown)?;
            Ok(Originator::Terminal(terminal.as_str().to_owned()))
        }
    }
}

/// The link in the switch's key of the message; empty if there is none.
fn link_of(message: &Message) -> String {
    let key = message.get::<de::OriginatorKey>().ok().flatten();
    let key = key.and_then(|key| OriginatorKey::parse(key.as_str()?).ok());
    key.map(|key| key.link().to_owned()).unwrap_or_default()
}

fn is_its_own(role: &Role, institution: &InstitutionId) -> bool {
    role.claimable_ids().any(|id| id == institution.as_str())
}

/// The day asked for (DE15); `today` supplies the year, and `open` is the latest day that has begun.
pub fn day(request: &Reconciliation<'_>, today: Date, open: Option<Date>) -> Result<Date, TotalsRefused> {
    let month_and_day = (i8::try_from(request.date.month), i8::try_from(request.date.day));
    let (Ok(month), Ok(day)) = month_and_day else { return Err(TotalsRefused::Date) };
    let date = nearest_year(month, day, today).ok_or(TotalsRefused::Date)?;
    match open {
        Some(open) if date > open => Err(TotalsRefused::NotBegun(date)),
        _ => Ok(date),
    }
}

/// Refuses a net (DE97) that is the totals' beside it with the other letter: whoever made the message sees it from the other
/// side. Another amount is no contradiction in itself, because partners leave different things out of it: such totals are
/// compared, and do not agree if they do not. An absent one says nothing.
pub fn check_net(totals: &Totals) -> Result<(), TotalsRefused> {
    let (said, summed) = (totals.net.0, totals.net_of_amounts().0);
    if summed != 0 && said == -summed { Err(TotalsRefused::NetSign) } else { Ok(()) }
}

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
    fn a_net_on_the_wrong_side_is_refused() {
        let with_net = |net| Totals { net: codecs::value::SignedTotal(net), ..counted(3, 1) };
        for (net, expected, meaning) in [
            (-200, Ok(()), "what they sum to"),
            (-150, Ok(()), "less a fee, say"),
            (0, Ok(()), "not told"),
            (200, Err(TotalsRefused::NetSign), "as the other side sees it"),
            (150, Ok(()), "of other totals than those beside it"),
        ] {
            assert_eq!(check_net(&with_net(net)), expected, "{meaning}");
        }
        let even = Totals { net: codecs::value::SignedTotal(200), ..counted(1, 1) };
        assert_eq!(check_net(&even), Ok(()), "a sum of nothing is on no side");
    }

    #[test]
    fn a_day_of_sales_is_a_debit() {
        assert_eq!(counted(3, 1).net.0, -200);
    }
}
