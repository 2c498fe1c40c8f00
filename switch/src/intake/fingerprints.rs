//! Recent requests that are forgotten in memory, and known again from their fingerprints.

use super::duplicates::{EndedRequest, Identity, RecalledAnswer, RecentRequest, RecentRequests, State};
use super::identity::{CardIndex, Content};
use crate::event::{DestinationId, Effect, RequestId};
use crate::fingerprint::{Entry, Fingerprint, Hour, Kept, Named, Prefix, References, RrnMark};
use crate::metrics;
use crate::record::Ending;
use crate::turn::Turn;
use bytes::Bytes;
use codecs::originator::{KeyClass, KeyElements, OriginatorKey};
use codecs::value::{MerchantId, Minor, Stan, TerminalId, TransmissionTime};

/// The first half of a hash, by which fingerprints are sorted; 0 stands for none.
fn half(hash: u64) -> u32 {
    ((hash >> 32) as u32).max(1)
}

/// A hash of which only its first bytes are known.
fn begins_with(prefix: Prefix) -> [u8; 16] {
    let mut hash = [0; 16];
    hash[..prefix.len()].copy_from_slice(&prefix);
    hash
}

impl RecentRequest {
    /// Whether a message has the same card, amount, currency and processing code. Of a recalled request less is known.
    pub(crate) fn has_content(&self, content: Content) -> bool {
        match self.recalled {
            Some(_) => self.content.prefix() == content.prefix(),
            None => self.content == content,
        }
    }

    /// As above, of the card.
    pub(crate) fn has_card(&self, card: CardIndex) -> bool {
        match self.recalled {
            Some(_) => self.card.prefix() == card.prefix(),
            None => self.card == card,
        }
    }
}

impl RecentRequests {
    /// Has the fingerprint of a request that has ended kept.
    pub(super) fn keep(&mut self, turn: &mut Turn<'_>, identity: &Identity) {
        if let Some(entry) = self.entry_to_keep(identity) {
            self.known.insert(entry.hour(), entry.fingerprint.identity);
            turn.push(Effect::Keep(Box::new(Kept::New(entry))));
        }
    }

    /// Has the fingerprint of a request kept that may have one already.
    pub(super) fn keep_changed(&mut self, turn: &mut Turn<'_>, identity: &Identity) {
        if let Some(entry) = self.entry_to_keep(identity) {
            if !self.known.may_have(entry.fingerprint.identity) {
                self.known.insert(entry.hour(), entry.fingerprint.identity);
            }
            turn.push(Effect::Keep(Box::new(Kept::Changed(entry))));
        }
    }

    /// Has the fingerprints of all requests kept that the pending log still has: a power failure may have taken them.
    pub(crate) fn keep_restored(&mut self, turn: &mut Turn<'_>) {
        let oldest = Hour::of(turn.now.wall_ms - self.keep_ms);
        let all: Vec<Identity> = self.identities().cloned().collect();
        for identity in all {
            let is_kept = |recent: &RecentRequest| Hour::of(recent.at_ms) > oldest;
            if self.get(&identity).is_some_and(is_kept) {
                self.keep_changed(turn, &identity);
            }
        }
    }

    /// `None` for a request under way: the pending log keeps it until it ends.
    fn entry_to_keep(&self, identity: &Identity) -> Option<Entry> {
        let remembered = self.remembered(identity)?;
        let recent = &remembered.request;
        let unanswered = EndedRequest::without_decision(Ending::Reversed, None);
        let ended = match &recent.state {
            State::Ended(ended) => ended,
            State::UnderWay if recent.reversed => &unanswered,
            State::UnderWay => return None,
        };
        let [stan, rrn] = remembered.references;
        let key = &identity.key;
        let local = key.date().zip(key.time()).map(|(date, time)| TransmissionTime { date, time });
        let fingerprint = Fingerprint {
            identity: recent.recalled.unwrap_or_else(|| self.names.identity(key, identity.number())),
            class: identity.class,
            advice: identity.advice,
            stan: key.stan().unwrap_or(Stan(0)),
            local,
            transmitted: recent.transmitted,
            rrn: remembered.rrn,
            content: recent.content.prefix(),
            card: recent.card.prefix(),
            at_ms: recent.at_ms - recent.at_ms.rem_euclid(1000),
            destination: self.destinations.get(recent.destination.0).copied()?,
            acquired: recent.acquired,
            sent_stan: recent.sent_stan,
            ending: ended.ending,
            reversed: recent.reversed,
            code: ended.code,
            approval: ended.approval,
            approved: ended.approved,
        };
        Some(Entry { fingerprint, references: References { stan: half(stan?), rrn: rrn.map(half) } })
    }

    #[cfg(test)]
    pub(crate) fn known_mut(&mut self) -> &mut crate::fingerprint::Filter {
        &mut self.known
    }

    /// Forgets the fingerprints that are past their age, and the oldest if there are more than allowed.
    pub(crate) fn forget_fingerprints(&mut self, turn: &mut Turn<'_>) {
        let is_old = |hour: Hour, now_ms: i64| now_ms - hour.ends_ms() > self.keep_ms;
        while let Some(oldest) = self.known.oldest_hour() {
            let old = is_old(oldest, turn.now.wall_ms);
            if !old && self.known.len() <= self.most_known {
                break;
            }
            let Some((hour, count)) = self.known.forget_oldest() else { break };
            if !old {
                metrics::fingerprints_forgotten(count);
                tracing::error!(count, "more requests in a day than recent.max_fingerprints: the oldest are forgotten");
            }
            turn.push(Effect::ForgetTo(hour));
        }
    }

    /// Whether a request may have a fingerprint, and is not in memory.
    pub(crate) fn may_be_kept(&self, key: &OriginatorKey, class: KeyClass, advice: bool) -> Option<Named> {
        let number = Identity::number_of(class, advice);
        let named = self.names.identity(key, number);
        let in_memory = || self.get(&Identity { key: key.clone(), class, advice }).is_some();
        (self.known.may_have(named) && !in_memory()).then_some(named)
    }

    /// The first halves of the hashes of references, for questions.
    pub(crate) fn stan_reference(&self, link: &str, terminal: &str, stan: Stan) -> u32 {
        half(self.names.stan(link, terminal, stan))
    }

    /// As above, and the reference number's mark.
    pub(crate) fn rrn_reference(&self, link: &str, terminal: &str, rrn: &str) -> (u32, RrnMark) {
        (half(self.names.rrn(link, terminal, rrn)), self.names.rrn_mark(rrn))
    }

    /// The destination of a fingerprint; `None` if it is not configured any more.
    pub(crate) fn destination_of(&self, found: &Fingerprint) -> Option<DestinationId> {
        self.destinations.iter().position(|mark| *mark == found.destination).map(DestinationId)
    }

    /// The identity of a fingerprint that a message with this key has found. Where the message does not name terminal and
    /// merchant as the original did, it is as near as the message allows.
    pub(crate) fn identity_of(&self, found: &Fingerprint, by: &OriginatorKey) -> Identity {
        let elements = KeyElements {
            terminal: TerminalId::new(by.terminal()).filter(|terminal| !terminal.as_str().is_empty()),
            merchant: MerchantId::new(by.merchant()).filter(|merchant| !merchant.as_str().is_empty()),
            stan: Some(found.stan),
            time: found.local.map(|local| local.time),
            date: found.local.map(|local| local.date),
        };
        let key = OriginatorKey::new(by.link(), &elements);
        Identity { key, class: found.class, advice: found.advice }
    }

    /// Knows a request again. `like` are content and card of the message that found it, `message` the request as it was
    /// forwarded, as far as that message tells.
    pub(crate) fn recall(
        &mut self,
        identity: Identity,
        found: &Fingerprint,
        destination: DestinationId,
        like: (Content, CardIndex),
        message: Bytes,
    ) {
        let ended = EndedRequest {
            ending: found.ending,
            code: found.code,
            answer: None,
            life_cycle: None,
            approval: found.approval,
            approved: found.approved,
        };
        let content = Some(like.0).filter(|content| content.prefix() == found.content);
        let content = content.unwrap_or_else(|| Content(begins_with(found.content)));
        let card = Some(like.1).filter(|card| card.prefix() == found.card);
        let card = card.unwrap_or_else(|| CardIndex(begins_with(found.card)));
        let recent = RecentRequest {
            acquired: found.acquired,
            transmitted: found.transmitted,
            sent_stan: found.sent_stan,
            state: State::Ended(ended),
            reversed: found.reversed || found.ending == Ending::Reversed,
            message,
            recalled: Some(found.identity),
            ..RecentRequest::new(RequestId(0), content, card, destination, found.at_ms)
        };
        self.insert(identity, recent);
    }

    /// What a fingerprint has of an answer.
    pub(super) fn recalled_answer(&self, identity: &Identity) -> Option<RecalledAnswer> {
        let remembered = self.remembered(identity)?;
        let ended = remembered.request.ended()?;
        let approved = if ended.ending == Ending::Approved { ended.approved } else { Minor::ZERO };
        let rrn = remembered.rrn.and_then(RrnMark::rrn);
        Some(RecalledAnswer { code: ended.code, approval: ended.approval, approved, rrn })
    }
}
