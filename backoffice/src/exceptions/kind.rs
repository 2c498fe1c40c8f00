//! The kinds of exceptions: what each means, what can be done about it, and what that posts. Pure. docs/clearing-and-settlement.md
//! has the same table.

use ledger::chart::AccountKind;
use ledger::posting::{NamedPosting, Posting};

use super::item::{Item, Source};
use crate::settlement::held;

/// What a person can do about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// It was looked at and stays as it is, or was put right elsewhere; nothing is posted.
    Acknowledge,
    /// The presentment is refused towards the acquirer; nothing is posted.
    Return,
    /// The presented amount is owed to the acquirer after all, and paid by hand.
    Pay,
    /// The movement that is held at a merchant of ours is paid, or deducted, with the next batch.
    Release,
    /// The next batch posts the movement away from the merchant's account; it is never paid.
    Reject,
}

ledger::stored_words!(Act, "column `exception_item.act`" {
    Acknowledge => "acknowledge",
    Return => "return",
    Pay => "pay",
    Release => "release",
    Reject => "reject",
});

impl Act {
    /// Such an act takes two people.
    #[must_use]
    pub const fn moves_money(self) -> bool {
        match self {
            Self::Acknowledge | Self::Return => false,
            Self::Pay | Self::Release | Self::Reject => true,
        }
    }

    /// It is posted when it is approved; what is held is carried out by the next batch.
    #[must_use]
    pub const fn posts(self) -> bool {
        matches!(self, Self::Pay)
    }
}

/// A kind of exception.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    pub source: Source,
    /// The word in `auth.exception`, in `presentment.outcome`, or on the switch's list of dead letters.
    pub word: &'static str,
    pub meaning: &'static str,
    /// The proposed one first.
    pub acts: &'static [Act],
}

const fn host(word: &'static str, meaning: &'static str) -> Kind {
    Kind { source: Source::Host, word, meaning, acts: &[Act::Acknowledge] }
}

/// A movement that is held at merchants of ours. Where nothing is held of it, it is acknowledged.
const fn held(word: &'static str, meaning: &'static str) -> Kind {
    Kind { source: Source::Host, word, meaning, acts: &[Act::Acknowledge, Act::Release, Act::Reject] }
}

/// What is possible while the movement is held: both take two people, so neither is proposed.
pub(super) const OF_HELD: &[Act] = &[Act::Release, Act::Reject];

const fn switch(word: &'static str, meaning: &'static str) -> Kind {
    Kind { source: Source::Switch, word, meaning, acts: &[Act::Acknowledge] }
}

const fn presentment(word: &'static str, meaning: &'static str, acts: &'static [Act]) -> Kind {
    Kind { source: Source::Backoffice, word, meaning, acts }
}

/// Every kind, in the order of the page.
pub const KINDS: &[Kind] = &[
    held(
        "completion-without-hold",
        "a completion that names no authorization, and in rows of earlier versions the next three: posted",
    ),
    held("completion-of-unknown", "a completion that names an authorization which is not known: posted"),
    host("completion-after-release", "a completion of a hold that was released or has expired: posted"),
    host("completion-of-captured", "a completion of a hold of which everything authorized is captured already: posted"),
    host("reversal-differs", "a reversal with another amount, currency or card than its original: nothing was moved"),
    host("hold-ended", "a reversal of a pre-authorization whose hold has ended: nothing was moved"),
    held("card-unknown", "an advice whose card is not known: posted against suspense"),
    host("acceptor-unknown", "an advice whose merchant or terminal is not known: posted"),
    host("currency-not-served", "an advice in a currency that is not served: nothing was posted"),
    host("key-reused", "an advice or reversal under the key of another one with other content: nothing was moved"),
    host("standing-raised", "a partial reversal that leaves more than an earlier one: nothing was moved"),
    host("hold-ambiguous", "a completion that several holds answer to: posted, and none of them ended"),
    host("completion-over-hold", "a completion over what was authorized and the tolerance: posted"),
    host("adjustment-lower", "an advice that tells less of a sale than was captured: nothing was moved"),
    host("not-served", "an advice of a kind that is not served: nothing was posted"),
    host("reversed-before", "an advice of what was reversed before: nothing was posted"),
    host("billing-differs", "the message gives another amount in the card's currency: posted at our own rate"),
    held("refund-over-original", "a refund of more than was captured: posted"),
    held("refund-unreferenced", "a refund at a merchant of ours that names no capture: posted"),
    held("terminal-refunds-exceeded", "the same, beyond what its terminal may give back in a day: posted"),
    switch("expired", "a message that no destination acknowledged in time"),
    switch("refused", "a message that its destination refuses, so that sending it again is no use"),
    switch("original-not-found", "a reversal for which its destination has no original"),
    presentment(
        "amount-differs",
        "presented with another amount or currency than authorized: not posted",
        &[Act::Return, Act::Pay, Act::Acknowledge],
    ),
    presentment(
        "card-differs",
        "presented for another card than authorized: not posted",
        &[Act::Return, Act::Pay, Act::Acknowledge],
    ),
    presentment("reversed", "presented, and wholly reversed before: not posted", &[Act::Return, Act::Acknowledge]),
    presentment("duplicate", "presented before: not posted", &[Act::Return, Act::Acknowledge]),
    presentment("not-presented", "takes back what was never presented: not posted", &[Act::Return, Act::Acknowledge]),
    presentment(
        "not-postable",
        "the host took its advice and moved nothing, or its original cannot be named: not posted",
        &[Act::Return, Act::Pay, Act::Acknowledge],
    ),
    presentment(
        "no-authorization",
        "in rows of earlier versions: presented, and not captured before: not posted",
        &[Act::Return, Act::Pay, Act::Acknowledge],
    ),
];

impl Kind {
    /// The kind with this word.
    #[must_use]
    pub fn of(source: Source, word: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.source == source && kind.word == word)
    }

    /// Whether movements of this kind are held at merchants of ours.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.source == Source::Host && held::is_held(self.word)
    }
}

/// The posting of an act on an item; `None` if it posts nothing.
#[must_use]
pub fn entry(act: Act, item: &Item) -> Option<NamedPosting> {
    if !act.posts() {
        return None;
    }
    let (acquirer, minor) = (item.of.acquirer.as_deref()?, item.of.amount_minor?);
    // what was authorized waits in unpresented; what was not has nothing there to take it from
    let from = if item.of.kind == "amount-differs" { AccountKind::Unpresented } else { AccountKind::Suspense };
    let posting = Posting::unless_zero(from.named(acquirer), AccountKind::Exceptions.named(acquirer), minor)?;
    Some(NamedPosting { name: format!("exception/{}/{}", item.number, act.as_str()), posting })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_has_one_row_and_an_act_for_one_person() {
        let words: BTreeSet<_> = KINDS.iter().map(|kind| (kind.source, kind.word)).collect();
        assert_eq!(words.len(), KINDS.len());
        for kind in KINDS {
            assert!(kind.acts.contains(&Act::Acknowledge), "{}", kind.word);
            assert!(!kind.acts[0].moves_money(), "{}: money is nobody's default", kind.word);
        }
    }

    #[test]
    fn what_is_held_can_be_released_and_rejected_and_nothing_else_can() {
        for kind in KINDS {
            for act in [Act::Release, Act::Reject] {
                assert_eq!(kind.acts.contains(&act), kind.is_held(), "{}", kind.word);
            }
        }
        let known = |(word, _): &(&str, &str)| Kind::of(Source::Host, word).is_some();
        assert!(held::HELD.iter().all(known), "each is a word of the host");
    }

    /// The words are in the tables of every installation. A word may be added; none may change.
    #[test]
    fn acts_are_what_they_have_always_been() {
        let words: Vec<_> = Act::ALL.iter().map(|act| act.as_str()).collect();
        assert_eq!(words, ["acknowledge", "return", "pay", "release", "reject"]);
    }
}
