//! Messages whose original is forgotten in memory wait here until its fingerprint is read from the disk. Then the original
//! is known again, as far as its fingerprint tells, and the message is handled as any other.

use crate::event::{Effect, Ticket};
use crate::fingerprint::{Fingerprint, NotRead, Question};
use crate::intake::{Checked, Identity, Inbound, Kind, Reference};
use crate::metrics;
use crate::now;
use crate::parts::Parts;
use crate::translate::{BuildError, Stamps, canonical, strip};
use crate::turn::Turn;
use crate::{advice, reversal};
use bytes::Bytes;
use codecs::originator::KeyClass;
use codecs::value::Minor;
use codecs::{Message, Mti, de};
use std::collections::HashMap;

/// Messages that may wait at once.
const MOST_WAITING: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct Recalls {
    waiting: HashMap<Ticket, Checked>,
}

impl Recalls {
    /// Gives a message back at once if there is nothing to be looked for: nearly every request.
    pub(crate) fn ask(&mut self, turn: &mut Turn<'_>, parts: &mut Parts, checked: Checked) -> Option<Checked> {
        let question = question(parts, &checked.inbound);
        if question.is_empty() {
            return Some(checked);
        }
        if self.waiting.len() >= MOST_WAITING {
            reject(turn, parts, &checked.inbound);
            return None;
        }
        let ticket = turn.numbers.next_ticket();
        self.waiting.insert(ticket, checked);
        turn.push(Effect::Find(ticket, Box::new(question)));
        None
    }

    /// Takes what was found for a message, and gives the message back. Without an answer it is not known whether it is a
    /// repeat: it is refused.
    pub(crate) fn found(
        &mut self,
        turn: &mut Turn<'_>,
        parts: &mut Parts,
        ticket: Ticket,
        found: Result<Vec<Fingerprint>, NotRead>,
    ) -> Option<Checked> {
        let checked = self.waiting.remove(&ticket)?;
        let Ok(found) = found else {
            reject(turn, parts, &checked.inbound);
            return None;
        };
        metrics::recalled(if found.is_empty() { "unknown" } else { "known" });
        // the latest last, as they would be in memory
        for fingerprint in found.iter().rev() {
            recall(turn, parts, &checked.inbound, fingerprint);
        }
        Some(checked)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

fn reject(turn: &mut Turn<'_>, parts: &mut Parts, inbound: &Inbound) {
    metrics::recalled("not-read");
    parts.intake.reject(turn, inbound);
}

/// What has to be looked for before a message can be handled.
fn question(parts: &Parts, inbound: &Inbound) -> Question {
    let mut question = Question::default();
    let kept = |class, advice| parts.recents.may_be_kept(&inbound.key, class, advice);
    match inbound.kind {
        Kind::Request(class) => question.identities.extend(kept(class, false)),
        Kind::Advice(class) => {
            question.identities.extend([kept(class, true), kept(class, false)].into_iter().flatten());
            if !advice::knows_original(parts, inbound) {
                by_references(parts, inbound, &mut question);
            }
        }
        Kind::Reversal if !reversal::knows_original(parts, inbound) => {
            let classes = [KeyClass::Financial, KeyClass::Authorization];
            let all = classes.into_iter().flat_map(|class| [kept(class, false), kept(class, true)]);
            question.identities.extend(all.flatten());
            by_references(parts, inbound, &mut question);
        }
        Kind::Reversal | Kind::Network | Kind::Reconciliation => {}
    }
    if let (false, Some(stan)) = (question.identities.is_empty(), inbound.key.stan()) {
        let terminal = parts.intake.reference_terminal(&inbound.key);
        question.key = Some((parts.recents.stan_reference(inbound.key.link(), terminal, stan), stan));
    }
    question
}

/// What a message names besides a key: DE90 and the retrieval reference number.
fn by_references(parts: &Parts, inbound: &Inbound, question: &mut Question) {
    let message = &inbound.origin.message;
    let (link, terminal) = (inbound.key.link(), parts.intake.reference_terminal(&inbound.key));
    if let Ok(Some(original)) = message.get::<de::OriginalData>() {
        let reference = parts.recents.stan_reference(link, terminal, original.stan);
        question.stan = Some((reference, original.stan, original.transmitted));
    }
    if let Ok(Some(rrn)) = message.get::<de::Rrn>() {
        question.rrn = Some(parts.recents.rrn_reference(link, terminal, rrn.as_str()));
    }
}

/// Makes a request known again to the message that asked for it.
fn recall(turn: &Turn<'_>, parts: &mut Parts, inbound: &Inbound, found: &Fingerprint) {
    let Some(destination) = parts.recents.destination_of(found) else { return };
    let identity = parts.recents.identity_of(found, &inbound.key);
    if parts.recents.get(&identity).is_some() {
        return;
    }
    // without it the original is as good as unknown, and handled so
    let message = forwarded(turn, parts, inbound, found, &identity).unwrap_or_else(|error| {
        tracing::warn!(%error, key = inbound.key.as_str(), "an original cannot be made from the message that names it");
        Bytes::new()
    });
    let like = (inbound.content, inbound.card_index);
    parts.recents.recall(identity.clone(), found, destination, like, message);
    let (link, terminal) = (identity.key.link(), parts.intake.reference_terminal(&identity.key));
    parts.recents.index(Reference::Stan { link, terminal, stan: found.stan.0 }, &identity);
    let named = inbound.origin.message.get::<de::Rrn>().ok().flatten();
    if let Some(rrn) = found.rrn.and_then(|mark| mark.rrn().or(named)) {
        parts.recents.index(Reference::Rrn { link, terminal, rrn: rrn.as_str() }, &identity);
    }
}

/// A forgotten request as it was forwarded: its trace number and times, and the elements of the message that names it,
/// which has most of them too. An amount that is not the original's becomes the approved one, so that the difference shows.
fn forwarded(
    turn: &Turn<'_>,
    parts: &Parts,
    inbound: &Inbound,
    found: &Fingerprint,
    identity: &Identity,
) -> Result<Bytes, BuildError> {
    let message = &inbound.origin.message;
    let host = parts.destinations.host_dialect();
    let mti = match (found.class, found.advice) {
        (KeyClass::Authorization, false) => Mti::of(b"0100"),
        (KeyClass::Authorization, true) => Mti::of(b"0120"),
        (KeyClass::Financial, false) => Mti::of(b"0200"),
        (KeyClass::Financial, true) => Mti::of(b"0220"),
    };
    let stamps = Stamps {
        stan: found.sent_stan,
        time: now::transmission_time(found.at_ms),
        business_date: turn.business_date,
        acquirer: inbound.acquirer,
        rrn: found.rrn.and_then(|mark| mark.rrn()),
        merchant_type: inbound.terminal.as_ref().map(|terminal| terminal.mcc),
        key: identity.named(),
        refers_to: None,
        life_cycle: None,
    };
    let forwarded = canonical::forward(message, host, mti, &stamps, None)?;
    let mut builder = strip::without_sensitive(&Message::decode(host, forwarded.encode()?)?);
    builder.remove::<de::ReplacementAmounts>().remove::<de::ResponseCode>();
    if inbound.content.prefix() != found.content && found.approved > Minor::ZERO {
        builder.put::<de::Amount>(found.approved);
    }
    if let Some(local) = found.local {
        builder.put::<de::LocalTime>(local.time).put::<de::LocalDate>(local.date);
    }
    Ok(builder.encode()?)
}
