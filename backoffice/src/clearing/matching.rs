//! Matching: finds what a presentment claims among what we approved for its acquirer, and decides what becomes of it. Pure.
//!
//! A transaction is found by its life-cycle id; else by RRN and approval code; else by approval code, merchant and card. What
//! was captured already is matched. What was only authorized, or never heard of, is first told to the host as an advice: it
//! alone moves cardholders' accounts. The presentment is then judged again.

use std::collections::{HashMap, HashSet};

use codecs::value::Minor;
use jiff::civil::DateTime;
use ledger::key::JournalKey;

/// Bucket and number of a journal row.
pub type RowAt = (i16, i64);

/// What a transaction of our cards at a foreign acquirer can be claimed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuedKind {
    /// A single message that captured.
    Sale,
    /// What was captured of an authorization, or without one.
    Completion,
    Refund,
    /// Not captured: its amount is held, or was.
    Authorization,
}

/// What an acquirer calls a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub acquirer: String,
    pub life_cycle: Option<String>,
    pub rrn: Option<String>,
    pub approval: Option<String>,
    pub terminal: Option<String>,
    pub merchant: Option<String>,
    pub pan_masked: Option<String>,
}

impl Names {
    /// Each of the names as a text of its own: two presentments that share one may mean the same transaction.
    pub fn keys(&self) -> impl Iterator<Item = String> {
        let life_cycle = self.life_cycle.as_ref().map(|id| format!("life cycle {id}"));
        let rrn = rrn_key(self).map(|(rrn, code)| format!("rrn {rrn} {code}"));
        let merchant = merchant_key(self).map(|(code, merchant, pan)| format!("merchant {code} {merchant} {pan}"));
        [life_cycle, rrn, merchant].into_iter().flatten()
    }
}

/// A transaction that we approved for a foreign acquirer. Amounts are in the currency of its message, and not negative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedTransaction {
    pub at: RowAt,
    pub idem: JournalKey,
    pub kind: IssuedKind,
    pub names: Names,
    /// Link, trace number and local time of its originator's key.
    pub link: String,
    pub stan: u32,
    pub local_at: DateTime,
    /// The file id and record whose presentment it was captured by.
    pub captured_by: Option<(String, i32)>,
    pub entry_mode: Option<String>,
    pub currency: u16,
    pub requested_minor: i64,
    /// What was captured, or authorized.
    pub approved_minor: i64,
    /// The same in the currency of the account.
    pub account_minor: i64,
    pub account_currency: u16,
    pub reversed_minor: i64,
    /// What later advices added to a sale.
    pub adjusted_minor: i64,
    /// What was presented of it and posted, less what was taken back.
    pub presented_minor: i64,
    /// The same in the currency of the account.
    pub posted_minor: i64,
    pub ever_presented: bool,
}

impl IssuedTransaction {
    /// What may be presented of it in all.
    #[must_use]
    pub const fn standing_minor(&self) -> i64 {
        self.approved_minor + self.adjusted_minor - self.reversed_minor
    }

    const fn left_minor(&self) -> i64 {
        self.standing_minor() - self.presented_minor
    }

    /// An amount of it in the currency of the account.
    fn in_account_currency(&self, minor: i64) -> i64 {
        if self.currency == self.account_currency {
            minor
        } else {
            Minor(minor).scaled(Minor(self.account_minor), Minor(self.approved_minor)).0
        }
    }
}

/// The parts of a presentment that matching uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// Key of the journal row that captures it, if it has to be captured.
    pub own: JournalKey,
    pub names: Names,
    /// Acquirer reference number (DE31).
    pub reference: String,
    pub currency: u16,
    /// Not negative.
    pub minor: i64,
    pub refund: bool,
    /// It withdraws an earlier presentment, wholly or in part.
    pub takes_back: bool,
}

/// How a presentment that was posted was covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Covered {
    /// By what was captured before.
    Matched,
    /// By an authorization, which it captured.
    Captured,
    /// By nothing: it was posted all the same, and is an exception.
    Forced,
    /// A refund that no message had announced.
    Credited,
    /// It took an earlier presentment back.
    Withdrawn,
}

ledger::stored_words!(Covered, "column `presentment.outcome`, of what is posted" {
    Matched => "matched",
    Captured => "captured",
    Forced => "forced",
    Credited => "credited",
    Withdrawn => "withdrawn",
});

/// Why a presentment was not posted. A person decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unposted {
    /// Another amount than stands, or another currency.
    AmountDiffers,
    /// It names a transaction of another card.
    CardDiffers,
    /// What it claims was wholly reversed before.
    Reversed,
    /// It was presented before.
    Duplicate,
    /// It takes back what was never presented.
    NotPresented,
    /// The host took the advice and moved nothing, or its original cannot be named.
    NotPostable,
}

ledger::stored_words!(Unposted, "column `presentment.outcome`, of what is not posted" {
    AmountDiffers => "amount-differs",
    CardDiffers => "card-differs",
    Reversed => "reversed",
    Duplicate => "duplicate",
    NotPresented => "not-presented",
    NotPostable => "not-postable",
});

/// What the host has to be told before a presentment can be posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advise {
    /// Capture this much of an authorization.
    Capture { authorization: RowAt },
    /// Post a sale that nobody authorized.
    Force,
    /// Post a refund.
    Credit,
    /// The sale came to more than its message said.
    Adjust { sale: RowAt },
    /// Reverse a capture, or refund, until this much of it stands.
    Reverse { capture: RowAt, standing_minor: i64 },
}

/// Outcome of a presentment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It moves `minor` to the acquirer's position: signed, a sale positive, in the currency of the account. `before_minor` is
    /// what had been presented of the transaction before, with the sign of the transaction.
    Posted {
        covered: Covered,
        at: RowAt,
        minor: i64,
        before_minor: i64,
    },
    Unposted {
        why: Unposted,
        at: Option<RowAt>,
    },
    Advise(Advise),
}

/// The transactions that the presentments of a stretch of a file may claim. It notes each claim, so that a second one is
/// recognised.
#[derive(Debug, Default)]
pub struct Claimable {
    transactions: Vec<IssuedTransaction>,
    by_key: HashMap<JournalKey, usize>,
    by_number: HashMap<RowAt, usize>,
    by_life_cycle: HashMap<String, Vec<usize>>,
    by_rrn: HashMap<(String, String), Vec<usize>>,
    by_merchant: HashMap<(String, String, String), Vec<usize>>,
    /// References that were posted or are about to be, and whether they took something back.
    posted: HashSet<(String, bool)>,
}

impl Claimable {
    /// Of transactions of one acquirer, and of references of its presentments that were posted before.
    #[must_use]
    pub fn new(transactions: Vec<IssuedTransaction>, posted: HashSet<(String, bool)>) -> Self {
        let mut claimable = Self { posted, ..Self::default() };
        for (at, transaction) in transactions.iter().enumerate() {
            let names = &transaction.names;
            claimable.by_key.insert(transaction.idem, at);
            claimable.by_number.insert(transaction.at, at);
            if let Some(id) = &names.life_cycle {
                claimable.by_life_cycle.entry(id.clone()).or_default().push(at);
            }
            if let Some(key) = rrn_key(names) {
                claimable.by_rrn.entry(key).or_default().push(at);
            }
            if let Some(key) = merchant_key(names) {
                claimable.by_merchant.entry(key).or_default().push(at);
            }
        }
        claimable.transactions = transactions;
        claimable
    }

    /// The transaction with this number.
    #[must_use]
    pub fn transaction(&self, at: RowAt) -> Option<&IssuedTransaction> {
        self.by_number.get(&at).map(|at| &self.transactions[*at])
    }

    /// Judges one presentment, and notes what it claims if it is posted.
    pub fn present(&mut self, presented: &Presented) -> Outcome {
        let outcome = if self.posted.contains(&(presented.reference.clone(), presented.takes_back)) {
            let at = self.found(presented).first().map(|at| self.transactions[*at].at);
            Outcome::Unposted { why: Unposted::Duplicate, at }
        } else if presented.takes_back {
            self.taken_back(presented)
        } else {
            self.claimed(presented)
        };
        if !matches!(outcome, Outcome::Unposted { .. }) {
            self.posted.insert((presented.reference.clone(), presented.takes_back));
        }
        if let Outcome::Posted { at, minor, .. } = outcome {
            let at = self.by_number[&at];
            let transaction = &mut self.transactions[at];
            transaction.presented_minor += if presented.takes_back { -presented.minor } else { presented.minor };
            transaction.posted_minor += if presented.refund { -minor } else { minor };
            transaction.ever_presented = true;
        }
        outcome
    }

    fn claimed(&self, presented: &Presented) -> Outcome {
        let found = self.found(presented);
        let all = || found.iter().map(|at| &self.transactions[*at]);
        if let Some(own) = self.by_key.get(&presented.own).map(|at| &self.transactions[*at]) {
            let covered = match own.kind {
                IssuedKind::Refund => Covered::Credited,
                _ if all().any(|of| of.kind == IssuedKind::Authorization) => Covered::Captured,
                _ => Covered::Forced,
            };
            return if own.left_minor() == presented.minor && own.currency == presented.currency {
                posted(own, presented, covered)
            } else {
                unposted(Unposted::AmountDiffers, own)
            };
        }
        let Some(first) = all().next() else {
            return Outcome::Advise(if presented.refund { Advise::Credit } else { Advise::Force });
        };
        if !all().any(|of| is_same_card(of, presented)) {
            return unposted(Unposted::CardDiffers, first);
        }
        let of_card = || all().filter(|of| is_same_card(of, presented) && of.currency == presented.currency);
        let captures = || of_card().filter(|of| of.kind != IssuedKind::Authorization);
        let exact = captures().find(|of| of.left_minor() == presented.minor && of.left_minor() > 0);
        if let Some(capture) = exact.or_else(|| captures().find(|of| of.left_minor() > presented.minor)) {
            return posted(capture, presented, Covered::Matched);
        }
        let partly = captures().find(|of| of.left_minor() > 0);
        match (of_card().find(|of| of.kind == IssuedKind::Authorization), partly) {
            (Some(authorization), None) => capture_of(authorization),
            (_, Some(sale)) if is_untouched(sale) => Outcome::Advise(Advise::Adjust { sale: sale.at }),
            (_, Some(capture)) => unposted(Unposted::AmountDiffers, capture),
            (None, None) => match captures().next() {
                Some(capture) if capture.presented_minor > 0 => unposted(Unposted::Duplicate, capture),
                Some(capture) => unposted(Unposted::Reversed, capture),
                None => unposted(Unposted::AmountDiffers, first),
            },
        }
    }

    /// A presentment that takes back an earlier one. What was reversed since is covered by the reversal; the rest is reversed
    /// because of it.
    fn taken_back(&self, presented: &Presented) -> Outcome {
        let found = self.found(presented);
        let captures = || {
            let all = found.iter().map(|at| &self.transactions[*at]);
            all.filter(|of| of.kind != IssuedKind::Authorization && of.currency == presented.currency)
        };
        let presented_ones = || captures().filter(|of| of.presented_minor > 0 && is_same_card(of, presented));
        let exact = presented_ones().find(|of| of.presented_minor == presented.minor);
        let Some(capture) = exact.or_else(|| presented_ones().next()) else {
            return match captures().find(|of| of.ever_presented) {
                Some(capture) => unposted(Unposted::Duplicate, capture),
                None => Outcome::Unposted { why: Unposted::NotPresented, at: captures().next().map(|of| of.at) },
            };
        };
        let reversed = (capture.presented_minor - capture.standing_minor()).max(0);
        // what an advice added to a sale has a row of its own, which is not reversed here
        let standing_minor = capture.approved_minor - capture.reversed_minor - (presented.minor - reversed);
        if presented.minor <= reversed {
            posted(capture, presented, Covered::Withdrawn)
        } else if presented.minor > capture.presented_minor || standing_minor < 0 {
            unposted(Unposted::AmountDiffers, capture)
        } else {
            Outcome::Advise(Advise::Reverse { capture: capture.at, standing_minor })
        }
    }

    /// Transactions of the presentment's side, by the first kind of name that any of them answers to.
    fn found(&self, presented: &Presented) -> Vec<usize> {
        let names = &presented.names;
        let by_life_cycle = names.life_cycle.as_ref().and_then(|id| self.by_life_cycle.get(id));
        let by_rrn = rrn_key(names).and_then(|key| self.by_rrn.get(&key));
        let by_merchant = merchant_key(names).and_then(|key| self.by_merchant.get(&key));
        let is_of_side = |at: &usize| (self.transactions[*at].kind == IssuedKind::Refund) == presented.refund;
        [by_life_cycle, by_rrn, by_merchant]
            .into_iter()
            .flatten()
            .map(|found| found.iter().copied().filter(is_of_side).collect::<Vec<_>>())
            .find(|found| !found.is_empty())
            .unwrap_or_default()
    }
}

fn rrn_key(names: &Names) -> Option<(String, String)> {
    Some((names.rrn.clone()?, names.approval.clone()?))
}

fn merchant_key(names: &Names) -> Option<(String, String, String)> {
    Some((names.approval.clone()?, names.merchant.clone()?, names.pan_masked.clone()?))
}

fn is_same_card(of: &IssuedTransaction, presented: &Presented) -> bool {
    of.names.pan_masked.is_none() || of.names.pan_masked == presented.names.pan_masked
}

/// A sale of which nothing was reversed, presented or added yet: it may have come to more.
fn is_untouched(sale: &IssuedTransaction) -> bool {
    sale.kind == IssuedKind::Sale && (sale.reversed_minor, sale.adjusted_minor, sale.presented_minor) == (0, 0, 0)
}

fn capture_of(authorization: &IssuedTransaction) -> Outcome {
    if authorization.reversed_minor >= authorization.approved_minor {
        unposted(Unposted::Reversed, authorization)
    } else {
        Outcome::Advise(Advise::Capture { authorization: authorization.at })
    }
}

fn unposted(why: Unposted, of: &IssuedTransaction) -> Outcome {
    Outcome::Unposted { why, at: Some(of.at) }
}

fn posted(of: &IssuedTransaction, presented: &Presented, covered: Covered) -> Outcome {
    let after = of.presented_minor + if presented.takes_back { -presented.minor } else { presented.minor };
    let minor = of.in_account_currency(after) - of.posted_minor;
    let sign = if presented.refund { -1 } else { 1 };
    Outcome::Posted { covered, at: of.at, minor: sign * minor, before_minor: sign * of.posted_minor }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn transaction(number: i64, kind: IssuedKind, minor: i64) -> IssuedTransaction {
        IssuedTransaction {
            at: (3, number),
            idem: JournalKey([u8::try_from(number).unwrap(); 16]),
            kind,
            names: Names {
                acquirer: "510099".into(),
                life_cycle: Some(format!("SWY{number:012}")),
                rrn: Some(format!("6324{number:08}")),
                approval: Some("123456".into()),
                terminal: Some("F0000001".into()),
                merchant: Some("FACQ00000000001".into()),
                pan_masked: Some("400012******0008".into()),
            },
            link: "acquirer-ascii".into(),
            stan: 17,
            local_at: date(2026, 11, 20).at(10, 15, 30, 0),
            captured_by: None,
            entry_mode: None,
            currency: 978,
            requested_minor: minor,
            approved_minor: minor,
            account_minor: minor,
            account_currency: 978,
            reversed_minor: 0,
            adjusted_minor: 0,
            presented_minor: 0,
            posted_minor: 0,
            ever_presented: false,
        }
    }

    fn sale(number: i64, minor: i64) -> IssuedTransaction {
        transaction(number, IssuedKind::Sale, minor)
    }

    fn of(transaction: &IssuedTransaction) -> Presented {
        Presented {
            own: JournalKey([0xFF; 16]),
            names: transaction.names.clone(),
            reference: "R1".into(),
            currency: transaction.currency,
            minor: transaction.approved_minor,
            refund: transaction.kind == IssuedKind::Refund,
            takes_back: false,
        }
    }

    fn judged(transactions: Vec<IssuedTransaction>, presented: &Presented) -> Outcome {
        Claimable::new(transactions, HashSet::new()).present(presented)
    }

    fn posted_as(covered: Covered, minor: i64, before_minor: i64) -> Outcome {
        Outcome::Posted { covered, at: (3, 7), minor, before_minor }
    }

    fn listed(why: Unposted) -> Outcome {
        Outcome::Unposted { why, at: Some((3, 7)) }
    }

    #[test]
    fn first_presentments() {
        let sale = sale(7, 1250);
        let claim = of(&sale);
        let no_id = Names { life_cycle: None, ..claim.names.clone() };
        let other_id = Names { life_cycle: Some("SWYZZZZZZZZZZZZ".into()), ..claim.names.clone() };
        let only_code = Names { rrn: None, life_cycle: None, ..claim.names.clone() };
        let other_card = Names { pan_masked: Some("400012******0016".into()), ..claim.names.clone() };
        let named = |names: Names| Presented { names, ..claim.clone() };
        let of_minor = |minor| Presented { minor, ..claim.clone() };
        let reversed = |minor| IssuedTransaction { reversed_minor: minor, ..sale.clone() };
        let presented = |minor| IssuedTransaction {
            presented_minor: minor,
            posted_minor: minor,
            ever_presented: true,
            ..sale.clone()
        };
        let refund = transaction(7, IssuedKind::Refund, 400);
        let authorized = transaction(7, IssuedKind::Authorization, 2000);
        let abroad = IssuedTransaction { currency: 840, account_minor: 1125, ..sale.clone() };
        let matched = |minor| posted_as(Covered::Matched, minor, 0);
        let adjust = Outcome::Advise(Advise::Adjust { sale: (3, 7) });
        let capture = Outcome::Advise(Advise::Capture { authorization: (3, 7) });
        for (name, of_ours, claim, outcome) in [
            ("by life-cycle id", sale.clone(), claim.clone(), matched(1250)),
            ("by RRN and approval code", sale.clone(), named(no_id.clone()), matched(1250)),
            ("an unknown id, and the other elements", sale.clone(), named(other_id), matched(1250)),
            ("by approval code, merchant and card", sale.clone(), named(only_code), matched(1250)),
            ("more than its message said", sale.clone(), of_minor(1300), adjust),
            ("a part of it", sale.clone(), of_minor(500), matched(500)),
            (
                "another currency",
                sale.clone(),
                Presented { currency: 826, ..claim.clone() },
                listed(Unposted::AmountDiffers),
            ),
            ("another card", sale.clone(), named(other_card), listed(Unposted::CardDiffers)),
            ("wholly reversed", reversed(1250), claim.clone(), listed(Unposted::Reversed)),
            ("reversed in part, presented whole", reversed(250), claim.clone(), listed(Unposted::AmountDiffers)),
            ("reversed in part, the rest presented", reversed(250), of_minor(1000), matched(1000)),
            ("presented before", presented(1250), claim.clone(), listed(Unposted::Duplicate)),
            ("the rest of it", presented(250), of_minor(1000), posted_as(Covered::Matched, 1000, 250)),
            ("more than the rest", presented(250), claim.clone(), listed(Unposted::AmountDiffers)),
            ("a refund", refund.clone(), of(&refund), posted_as(Covered::Matched, -400, 0)),
            (
                "a refund, a sale is known",
                sale.clone(),
                Presented { refund: true, ..claim.clone() },
                Outcome::Advise(Advise::Credit),
            ),
            ("an authorization", authorized.clone(), of_minor(1800), capture),
            ("more than authorized", authorized.clone(), of_minor(2800), capture),
            (
                "an authorization that was reversed",
                IssuedTransaction { reversed_minor: 2000, ..authorized },
                of_minor(1800),
                listed(Unposted::Reversed),
            ),
            ("dollars", abroad.clone(), Presented { currency: 840, ..claim.clone() }, matched(1125)),
            ("dollars, a part", abroad, Presented { currency: 840, ..of_minor(500) }, matched(450)),
        ] {
            assert_eq!(judged(vec![of_ours], &claim), outcome, "{name}");
        }
        assert_eq!(judged(vec![], &claim), Outcome::Advise(Advise::Force));
    }

    #[test]
    fn presentments_that_take_back() {
        let sale =
            IssuedTransaction { presented_minor: 1250, posted_minor: 1250, ever_presented: true, ..sale(7, 1250) };
        let back = |minor| Presented { takes_back: true, minor, ..of(&sale) };
        let reversed = |minor| IssuedTransaction { reversed_minor: minor, ..sale.clone() };
        let never = IssuedTransaction { presented_minor: 0, posted_minor: 0, ever_presented: false, ..sale.clone() };
        let raised =
            IssuedTransaction { adjusted_minor: 300, presented_minor: 1550, posted_minor: 1550, ..sale.clone() };
        let withdrawn = |minor| posted_as(Covered::Withdrawn, minor, 1250);
        let reverse = |standing_minor| Outcome::Advise(Advise::Reverse { capture: (3, 7), standing_minor });
        for (name, of_ours, claim, outcome) in [
            ("after a reversal", reversed(1250), back(1250), withdrawn(-1250)),
            ("in part", reversed(250), back(250), withdrawn(-250)),
            ("less than was reversed", reversed(250), back(100), withdrawn(-100)),
            ("though nothing was reversed", sale.clone(), back(1250), reverse(0)),
            ("in part, though nothing was reversed", sale.clone(), back(250), reverse(1000)),
            ("more than was reversed", reversed(250), back(450), reverse(800)),
            ("more than was presented", sale.clone(), back(1300), listed(Unposted::AmountDiffers)),
            ("a part of one that came to more", raised.clone(), back(450), reverse(800)),
            ("all of one that came to more", raised, back(1550), listed(Unposted::AmountDiffers)),
            ("though never presented", never.clone(), back(1250), listed(Unposted::NotPresented)),
            (
                "twice",
                IssuedTransaction { ever_presented: true, reversed_minor: 1250, ..never },
                back(1250),
                listed(Unposted::Duplicate),
            ),
        ] {
            assert_eq!(judged(vec![of_ours], &claim), outcome, "{name}");
        }
        assert_eq!(judged(vec![], &back(1)), Outcome::Unposted { why: Unposted::NotPresented, at: None });
    }

    #[test]
    fn what_a_presentment_captured_is_its_own() {
        let authorization = transaction(6, IssuedKind::Authorization, 2000);
        let captured =
            IssuedTransaction { names: authorization.names.clone(), ..transaction(7, IssuedKind::Completion, 1800) };
        let forced = IssuedTransaction { names: Names::default(), ..captured.clone() };
        let claim = Presented { own: captured.idem, minor: 1800, ..of(&authorization) };
        for (transactions, covered) in
            [(vec![authorization.clone(), captured.clone()], Covered::Captured), (vec![forced], Covered::Forced)]
        {
            assert_eq!(judged(transactions, &claim), posted_as(covered, 1800, 0));
        }
        // a second clearing of the same authorization has a capture of its own
        let mut claimable = Claimable::new(vec![authorization, captured], HashSet::new());
        claimable.present(&claim);
        let second = Presented { own: JournalKey([9; 16]), reference: "R2".into(), minor: 200, ..claim };
        assert_eq!(claimable.present(&second), Outcome::Advise(Advise::Capture { authorization: (3, 6) }));
    }

    #[test]
    fn a_reference_is_posted_once_and_withdrawn_once() {
        let sale = sale(7, 1250);
        let claim = Presented { minor: 500, ..of(&sale) };
        let mut claimable = Claimable::new(vec![sale], HashSet::new());
        assert_eq!(claimable.present(&claim), posted_as(Covered::Matched, 500, 0));
        assert_eq!(claimable.present(&claim), listed(Unposted::Duplicate), "though 7.50 are left");
        let other = Presented { reference: "R2".into(), ..claim.clone() };
        assert_eq!(claimable.present(&other), posted_as(Covered::Matched, 500, 500));
        let back = Presented { takes_back: true, ..claim };
        assert_eq!(claimable.present(&back), Outcome::Advise(Advise::Reverse { capture: (3, 7), standing_minor: 750 }));
    }

    #[test]
    fn captures_that_share_every_name_are_presented_one_each() {
        let twins = vec![sale(7, 500), IssuedTransaction { names: sale(7, 500).names, ..sale(8, 500) }];
        let claim = of(&twins[0]);
        let mut claimable = Claimable::new(twins, HashSet::new());
        let outcomes: Vec<_> = ["R1", "R2", "R3"]
            .map(|reference| claimable.present(&Presented { reference: reference.into(), ..claim.clone() }))
            .to_vec();
        assert_eq!(outcomes[0], posted_as(Covered::Matched, 500, 0));
        assert_eq!(outcomes[1], Outcome::Posted { covered: Covered::Matched, at: (3, 8), minor: 500, before_minor: 0 });
        assert_eq!(outcomes[2], listed(Unposted::Duplicate));
    }

    proptest! {
        /// In whatever order and however often captures are presented and taken back, no more is accepted than stands of each,
        /// and what is posted is what was presented at the transaction's own rate.
        #[test]
        fn no_more_is_taken_than_stands(
            amounts in prop::collection::vec((1i64..10_000, 0i64..10_000, any::<bool>(), 1i64..30_000), 1..8),
            claims in prop::collection::vec((0usize..8, 1i64..10_000, any::<bool>(), any::<bool>()), 0..40),
        ) {
            let transactions: Vec<_> = amounts.iter().zip(1i64..).map(|((minor, reversed, refund, account), number)| {
                let kind = if *refund { IssuedKind::Refund } else { IssuedKind::Sale };
                IssuedTransaction {
                    reversed_minor: (*reversed).min(*minor), currency: 840, account_minor: *account, ..transaction(number, kind, *minor)
                }
            }).collect();
            let mut claimable = Claimable::new(transactions.clone(), HashSet::new());
            let mut posted = HashMap::new();
            for ((at, minor, exact, takes_back), number) in claims.into_iter().zip(0..) {
                let of_ours = &transactions[at % transactions.len()];
                let minor = if exact { of_ours.standing_minor().max(1) } else { minor };
                let claim = Presented { minor, takes_back, reference: format!("R{number}"), ..of(of_ours) };
                if let Outcome::Posted { at, minor, before_minor, .. } = claimable.present(&claim) {
                    let sum = posted.entry(at).or_insert(0);
                    prop_assert_eq!(*sum, before_minor);
                    *sum += minor;
                }
            }
            for of_ours in &transactions {
                let now = claimable.transaction(of_ours.at).unwrap();
                let sign = if of_ours.kind == IssuedKind::Refund { -1 } else { 1 };
                prop_assert!((0..=of_ours.standing_minor()).contains(&now.presented_minor));
                prop_assert_eq!(posted.get(&of_ours.at).copied().unwrap_or(0), sign * now.in_account_currency(now.presented_minor));
            }
        }
    }
}
