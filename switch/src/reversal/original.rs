//! Finds the original of a reversal among the recent requests.
//!
//! The first of these that finds any decides: DE90 – trace number and transmission time of the original –, the retrieval
//! reference number with the approval code, the key of the request. What a rule finds must not contradict anything else
//! that the reversal says of its original: class, terminal, approval code.

use crate::intake::{Identity, Inbound, RecentRequest, Reference};
use crate::parts::Parts;
use codecs::de;
use codecs::originator::KeyClass;
use codecs::value::{ApprovalCode, OriginalData};

/// The original of a reversal.
#[derive(Debug)]
pub(super) enum Original {
    Found(Identity, Box<RecentRequest>),
    /// Several requests answer to what the reversal says.
    Ambiguous,
    Unknown,
}

pub(super) fn of(parts: &Parts, inbound: &Inbound) -> Original {
    let named = Named::of(parts, inbound);
    let found = [
        named.only_one(named.by_original_data(parts)),
        named.only_one(named.by_retrieval_reference(parts)),
        named.only_one(named.by_key(parts)),
    ];
    for found in found {
        match found {
            Ok(None) => {}
            Ok(Some((identity, recent))) => return Original::Found(identity.clone(), Box::new(recent.clone())),
            Err(Several) => return Original::Ambiguous,
        }
    }
    Original::Unknown
}

/// Whether anything that is remembered answers to what a reversal says of its original.
pub(crate) fn is_known(parts: &Parts, inbound: &Inbound) -> bool {
    !matches!(of(parts, inbound), Original::Unknown)
}

/// The class of the original that a reversal names in DE90.
pub(super) fn class_named(inbound: &Inbound) -> Option<KeyClass> {
    original_data(inbound).and_then(|original| KeyClass::of(original.mti.class()))
}

type Candidate<'p> = (&'p Identity, &'p RecentRequest);

#[derive(Debug)]
struct Several;

/// What a reversal says of its original.
struct Named<'i> {
    link: &'i str,
    /// For references: see [`Reference`].
    terminal: &'i str,
    inbound: &'i Inbound,
    original: Option<OriginalData>,
    approval: Option<ApprovalCode>,
}

impl<'i> Named<'i> {
    fn of(parts: &Parts, inbound: &'i Inbound) -> Self {
        let message = &inbound.origin.message;
        Self {
            link: inbound.key.link(),
            terminal: parts.intake.reference_terminal(&inbound.key),
            inbound,
            original: original_data(inbound),
            approval: message.get::<de::ApprovalCode>().ok().flatten().filter(|code| !code.as_str().is_empty()),
        }
    }

    fn by_original_data<'p>(&self, parts: &'p Parts) -> Vec<Candidate<'p>> {
        let Some(original) = &self.original else { return Vec::new() };
        let reference = Reference::Stan { link: self.link, terminal: self.terminal, stan: original.stan.0 };
        let fits = |(identity, recent): &Candidate<'_>| {
            let same_key = identity.key == self.inbound.key;
            // trace numbers come round; of before a restart the time is not known
            let same_time = match (original.transmitted, recent.transmitted) {
                (Some(named), Some(sent)) => named == sent,
                _ => true,
            };
            (same_key || same_time) && self.allows(identity, recent)
        };
        parts.recents.referred(reference).filter(fits).collect()
    }

    fn by_retrieval_reference<'p>(&self, parts: &'p Parts) -> Vec<Candidate<'p>> {
        let Ok(Some(rrn)) = self.inbound.origin.message.get::<de::Rrn>() else { return Vec::new() };
        let reference = Reference::Rrn { link: self.link, terminal: self.terminal, rrn: rrn.as_str() };
        parts.recents.referred(reference).filter(|(identity, recent)| self.allows(identity, recent)).collect()
    }

    /// An authorization and a sale may share a key; without DE90 the sale is meant.
    fn by_key<'p>(&self, parts: &'p Parts) -> Vec<Candidate<'p>> {
        let classes = match self.class() {
            Some(KeyClass::Authorization) => [KeyClass::Authorization, KeyClass::Financial],
            _ => [KeyClass::Financial, KeyClass::Authorization],
        };
        let of = |class, advice| parts.recents.entry(&Identity { key: self.inbound.key.clone(), class, advice });
        let of_class = |class| {
            let found: Vec<_> = [of(class, false), of(class, true)].into_iter().flatten().collect();
            (!found.is_empty()).then_some(found)
        };
        classes.into_iter().find_map(of_class).unwrap_or_default()
    }

    /// Whether nothing that the reversal says of its original contradicts this being it.
    fn allows(&self, identity: &Identity, recent: &RecentRequest) -> bool {
        let given = recent.ended().and_then(|ended| ended.approval);
        let class = self.class().is_none_or(|class| class == identity.class);
        let terminal = ["", identity.key.terminal()].contains(&self.inbound.key.terminal());
        let approval = self.approval.is_none() || given.is_none() || self.approval == given;
        class && terminal && approval
    }

    fn class(&self) -> Option<KeyClass> {
        self.original.and_then(|original| KeyClass::of(original.mti.class()))
    }

    /// Of several the one whose key it is too; of an authorization and its sale the sale; of a request that failed and the
    /// advice after it the advice.
    fn only_one<'p>(&self, mut found: Vec<Candidate<'p>>) -> Result<Option<Candidate<'p>>, Several> {
        if found.iter().any(|(identity, _)| identity.key == self.inbound.key) {
            found.retain(|(identity, _)| identity.key == self.inbound.key);
        }
        if found.iter().any(|(identity, _)| identity.class == KeyClass::Financial) {
            found.retain(|(identity, _)| identity.class == KeyClass::Financial);
        }
        let stands = |(_, recent): &Candidate<'_>| recent.is_approved() && !recent.reversed;
        if found.windows(2).all(|pair| pair[0].0.key == pair[1].0.key) && found.iter().any(stands) {
            found.retain(stands);
        }
        match found[..] {
            [] => Ok(None),
            [only] => Ok(Some(only)),
            _ => Err(Several),
        }
    }
}

fn original_data(inbound: &Inbound) -> Option<OriginalData> {
    inbound.origin.message.get::<de::OriginalData>().ok().flatten()
}
