//! Matching: finds the authorization of a presentment, and decides whether it covers it. Pure.
//!
//! The life-cycle id identifies the authorization; without one, or with an unknown one, acquirer, RRN, terminal,
//! approval code and amount together do. A file is matched in order, so that a second presentment of a capture is found
//! as a duplicate.

use std::collections::HashMap;

/// A capture that we authorized for a foreign acquirer. Amounts are signed: a sale positive, a refund negative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorized {
    pub bucket: i16,
    pub auth_id: i64,
    pub acquirer: String,
    pub life_cycle: String,
    pub rrn: Option<String>,
    pub terminal: Option<String>,
    pub approval: Option<String>,
    pub pan_masked: Option<String>,
    pub currency: u16,
    pub captured_minor: i64,
    /// Amount reversed, with the sign of the capture.
    pub reversed_minor: i64,
    /// Amount presented and matched so far, with the sign of the capture.
    pub presented_minor: i64,
}

impl Authorized {
    /// The amount that the acquirer may present in total.
    const fn standing_minor(&self) -> i64 {
        self.captured_minor - self.reversed_minor
    }
}

/// The parts of a presentment that matching uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    pub acquirer: String,
    pub life_cycle: Option<String>,
    pub rrn: Option<String>,
    pub terminal: Option<String>,
    pub approval: Option<String>,
    pub pan_masked: String,
    pub currency: u16,
    /// A sale positive, a refund negative; the sign stays the same if it takes back an earlier presentment.
    pub minor: i64,
    pub takes_back: bool,
}

/// Outcome of a presentment. Only a match is posted; all others are exceptions for the back office.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Posted: `minor` goes to the acquirer's position (negative for a refund, or for a presentment taken back).
    Matched {
        bucket: i16,
        auth_id: i64,
        minor: i64,
    },
    /// The life-cycle id is known, but the amount is not the captured amount less reversals.
    AmountDiffers {
        bucket: i16,
        auth_id: i64,
        standing_minor: i64,
    },
    /// The life-cycle id is known, but belongs to another card.
    CardDiffers {
        bucket: i16,
        auth_id: i64,
    },
    /// The capture was reversed in full before it was presented.
    Reversed {
        bucket: i16,
        auth_id: i64,
    },
    /// The capture was presented before.
    Duplicate {
        bucket: i16,
        auth_id: i64,
    },
    NoAuthorization,
}

impl Outcome {
    /// The word in column `presentment.outcome`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Matched { .. } => "matched",
            Self::AmountDiffers { .. } => "amount-differs",
            Self::CardDiffers { .. } => "card-differs",
            Self::Reversed { .. } => "reversed",
            Self::Duplicate { .. } => "duplicate",
            Self::NoAuthorization => "no-authorization",
        }
    }

    /// The authorization concerned, if one was found.
    #[must_use]
    pub const fn authorization(&self) -> Option<(i16, i64)> {
        match *self {
            Self::Matched { bucket, auth_id, .. }
            | Self::AmountDiffers { bucket, auth_id, .. }
            | Self::CardDiffers { bucket, auth_id }
            | Self::Reversed { bucket, auth_id }
            | Self::Duplicate { bucket, auth_id } => Some((bucket, auth_id)),
            Self::NoAuthorization => None,
        }
    }
}

/// Match key without a life-cycle id: acquirer, RRN, terminal and approval code.
type SecondKey = (String, String, String, String);

/// The captures of an acquirer to match against. It records each match, to recognise duplicates.
#[derive(Debug)]
pub struct OpenCaptures {
    authorized: Vec<Authorized>,
    by_life_cycle: HashMap<String, Vec<usize>>,
    by_second_key: HashMap<SecondKey, Vec<usize>>,
}

impl OpenCaptures {
    #[must_use]
    pub fn new(authorized: Vec<Authorized>) -> Self {
        let mut by_life_cycle: HashMap<String, Vec<usize>> = HashMap::with_capacity(authorized.len());
        let mut by_second_key: HashMap<SecondKey, Vec<usize>> = HashMap::with_capacity(authorized.len());
        for (at, capture) in authorized.iter().enumerate() {
            by_life_cycle.entry(capture.life_cycle.clone()).or_default().push(at);
            if let Some(key) = second_key(&capture.acquirer, &capture.rrn, &capture.terminal, &capture.approval) {
                by_second_key.entry(key).or_default().push(at);
            }
        }
        Self { authorized, by_life_cycle, by_second_key }
    }

    /// Matches one presentment and, if it is covered, records it as presented.
    pub fn present(&mut self, presented: &Presented) -> Outcome {
        let Some(at) = self.find(presented) else { return Outcome::NoAuthorization };
        let outcome = judge(&self.authorized[at], presented);
        if let Outcome::Matched { minor, .. } = outcome {
            self.authorized[at].presented_minor += minor;
        }
        outcome
    }

    fn find(&self, presented: &Presented) -> Option<usize> {
        let same_side = |at: &usize| {
            let capture = &self.authorized[*at];
            capture.acquirer == presented.acquirer && (capture.captured_minor < 0) == (presented.minor < 0)
        };
        let by_life_cycle = presented.life_cycle.as_ref().and_then(|id| self.by_life_cycle.get(id));
        by_life_cycle.and_then(|found| self.best(found, presented, same_side)).or_else(|| {
            let key = second_key(&presented.acquirer, &presented.rrn, &presented.terminal, &presented.approval)?;
            let found = self.by_second_key.get(&key)?;
            // without a life-cycle id the amount is part of the match key
            self.best(found, presented, |at| same_side(at) && self.amount_fits(*at, presented))
        })
    }

    /// Of several captures with the same key, one that has not been presented, if there is one.
    fn best(&self, found: &[usize], presented: &Presented, fits: impl Fn(&usize) -> bool) -> Option<usize> {
        let fitting = || found.iter().copied().filter(|at| fits(at));
        let matching = |at: &usize| matches!(judge(&self.authorized[*at], presented), Outcome::Matched { .. });
        fitting().find(matching).or_else(|| fitting().next())
    }

    fn amount_fits(&self, at: usize, presented: &Presented) -> bool {
        let capture = &self.authorized[at];
        presented.takes_back || [capture.captured_minor, capture.standing_minor()].contains(&presented.minor)
    }
}

fn second_key(
    acquirer: &str,
    rrn: &Option<String>,
    terminal: &Option<String>,
    approval: &Option<String>,
) -> Option<SecondKey> {
    Some((acquirer.to_owned(), rrn.clone()?, terminal.clone()?, approval.clone()?))
}

fn judge(capture: &Authorized, presented: &Presented) -> Outcome {
    let Authorized { bucket, auth_id, .. } = *capture;
    let standing_minor = capture.standing_minor();
    if capture.pan_masked.as_ref().is_some_and(|masked| *masked != presented.pan_masked) {
        return Outcome::CardDiffers { bucket, auth_id };
    }
    let amount_differs = Outcome::AmountDiffers { bucket, auth_id, standing_minor };
    if capture.currency != presented.currency {
        return amount_differs;
    }
    if presented.takes_back {
        let left = capture.presented_minor - presented.minor;
        return match capture.presented_minor {
            0 => Outcome::NoAuthorization,
            _ if left == standing_minor => Outcome::Matched { bucket, auth_id, minor: -presented.minor },
            presented if presented == standing_minor => Outcome::Duplicate { bucket, auth_id },
            _ => amount_differs,
        };
    }
    if capture.presented_minor != 0 {
        Outcome::Duplicate { bucket, auth_id }
    } else if standing_minor == 0 {
        Outcome::Reversed { bucket, auth_id }
    } else if presented.minor == standing_minor {
        Outcome::Matched { bucket, auth_id, minor: presented.minor }
    } else {
        amount_differs
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn capture(auth_id: i64, minor: i64) -> Authorized {
        Authorized {
            bucket: 3,
            auth_id,
            acquirer: "510099".into(),
            life_cycle: format!("SWY{auth_id:012}"),
            rrn: Some(format!("6324{auth_id:08}")),
            terminal: Some("F0000001".into()),
            approval: Some("123456".into()),
            pan_masked: Some("400012******0008".into()),
            currency: 978,
            captured_minor: minor,
            reversed_minor: 0,
            presented_minor: 0,
        }
    }

    fn of(capture: &Authorized) -> Presented {
        Presented {
            acquirer: capture.acquirer.clone(),
            life_cycle: Some(capture.life_cycle.clone()),
            rrn: capture.rrn.clone(),
            terminal: capture.terminal.clone(),
            approval: capture.approval.clone(),
            pan_masked: capture.pan_masked.clone().unwrap_or_default(),
            currency: capture.currency,
            minor: capture.captured_minor,
            takes_back: false,
        }
    }

    #[test]
    fn outcomes() {
        let sale = capture(7, 1250);
        let (bucket, auth_id) = (3, 7);
        let claim = of(&sale);
        let no_id = |claim: Presented| Presented { life_cycle: None, ..claim };
        let other_id = |claim: Presented| Presented { life_cycle: Some("SWYZZZZZZZZZZZZ".into()), ..claim };
        let reversed = Authorized { reversed_minor: 1250, ..sale.clone() };
        let in_part = Authorized { reversed_minor: 250, ..sale.clone() };
        let presented = Authorized { presented_minor: 1250, ..sale.clone() };
        let refund = capture(7, -400);
        let back = |minor| Presented { takes_back: true, minor, ..claim.clone() };
        let matched = |minor| Outcome::Matched { bucket, auth_id, minor };
        let differs = |standing_minor| Outcome::AmountDiffers { bucket, auth_id, standing_minor };
        for (name, capture, claim, outcome) in [
            ("by life-cycle id", sale.clone(), claim.clone(), matched(1250)),
            ("by the other elements", sale.clone(), no_id(claim.clone()), matched(1250)),
            ("an unknown id, and the other elements", sale.clone(), other_id(claim.clone()), matched(1250)),
            ("too much", sale.clone(), Presented { minor: 1251, ..claim.clone() }, differs(1250)),
            (
                "without an id the amount is part of the name",
                sale.clone(),
                no_id(Presented { minor: 1251, ..claim.clone() }),
                Outcome::NoAuthorization,
            ),
            ("another currency", sale.clone(), Presented { currency: 826, ..claim.clone() }, differs(1250)),
            (
                "another card",
                sale.clone(),
                Presented { pan_masked: "400012******0016".into(), ..claim.clone() },
                Outcome::CardDiffers { bucket, auth_id },
            ),
            (
                "another acquirer's",
                sale.clone(),
                Presented { acquirer: "510098".into(), ..claim.clone() },
                Outcome::NoAuthorization,
            ),
            (
                "a refund against a sale",
                sale.clone(),
                Presented { minor: -1250, ..claim.clone() },
                Outcome::NoAuthorization,
            ),
            ("wholly reversed", reversed, claim.clone(), Outcome::Reversed { bucket, auth_id }),
            ("reversed in part, presented whole", in_part.clone(), claim.clone(), differs(1000)),
            (
                "reversed in part, the rest presented",
                in_part,
                Presented { minor: 1000, ..claim.clone() },
                matched(1000),
            ),
            ("presented before", presented.clone(), claim.clone(), Outcome::Duplicate { bucket, auth_id }),
            ("a refund", refund.clone(), of(&refund), matched(-400)),
            (
                "taken back after a reversal",
                Authorized { reversed_minor: 1250, ..presented.clone() },
                back(1250),
                matched(-1250),
            ),
            ("taken back in part", Authorized { reversed_minor: 250, ..presented.clone() }, back(250), matched(-250)),
            ("taken back though nothing was reversed", presented, back(1250), Outcome::Duplicate { bucket, auth_id }),
            ("taken back though never presented", sale, back(1250), Outcome::NoAuthorization),
        ] {
            assert_eq!(OpenCaptures::new(vec![capture]).present(&claim), outcome, "{name}");
        }
    }

    #[test]
    fn captures_that_share_every_key_are_presented_one_each() {
        let twins = vec![capture(1, 500), Authorized { auth_id: 2, ..capture(1, 500) }];
        let claim = of(&twins[0]);
        let mut open = OpenCaptures::new(twins);
        let outcomes: Vec<_> = (0..3).map(|_| open.present(&claim)).collect();
        assert_eq!(outcomes[0], Outcome::Matched { bucket: 3, auth_id: 1, minor: 500 });
        assert_eq!(outcomes[1], Outcome::Matched { bucket: 3, auth_id: 2, minor: 500 });
        assert!(matches!(outcomes[2], Outcome::Duplicate { .. }));
    }

    proptest! {
        /// In whatever order and however often captures are presented, no more is accepted than each amounts to less
        /// reversals.
        #[test]
        fn no_more_is_taken_than_stands(
            amounts in prop::collection::vec((1i64..10_000, 0i64..10_000, any::<bool>()), 1..8),
            claims in prop::collection::vec((0usize..8, 1i64..10_000, any::<bool>(), any::<bool>()), 0..40),
        ) {
            let captures: Vec<_> = amounts.iter().zip(1i64..).map(|((minor, reversed, refund), auth_id)| {
                let sign = if *refund { -1 } else { 1 };
                Authorized { reversed_minor: sign * (*reversed).min(*minor), ..capture(auth_id, sign * minor) }
            }).collect();
            let mut open = OpenCaptures::new(captures.clone());
            let mut taken = vec![0i64; captures.len()];
            for (at, minor, exact, takes_back) in claims {
                let capture = &captures[at % captures.len()];
                let minor = if exact { capture.standing_minor() } else { capture.captured_minor.signum() * minor };
                let claim = Presented { minor, takes_back, ..of(capture) };
                if let Outcome::Matched { auth_id, minor, .. } = open.present(&claim) {
                    taken[usize::try_from(auth_id - 1).unwrap()] += minor;
                }
            }
            for (capture, taken) in captures.iter().zip(taken) {
                prop_assert!(taken == 0 || taken == capture.standing_minor());
            }
        }
    }
}
