//! Duplicate detection: recent requests by their idempotency key, so that a repeat gets the answer of its original and
//! no transaction is done twice.
//!
//! | same key, and … | the originator gets |
//! |---|---|
//! | same content, under way | the answer, when it comes |
//! | same content, answered | the stored answer |
//! | same content, timed out or reversed since | 91 again |
//! | other card, amount, currency or DE3 | 94 |

use super::early::{EarlyReversal, EarlyReversals};
use super::identity::{CardIndex, Content};
use crate::config::RecentConfig;
use crate::event::{DestinationId, Effect, RequestId};
use crate::fingerprint::{Filter, Named, Names, RrnMark};
use crate::life_cycle::LifeCycleId;
use crate::record::{Ending, Record};
use crate::turn::Turn;
use bytes::Bytes;
use codecs::originator::{KeyClass, KeyText, OriginatorKey};
use codecs::value::{ApprovalCode, Minor, ResponseCode, Rrn, Stan, TransmissionTime};
use std::collections::{HashMap, VecDeque};

/// The identity of a request or advice: originator key and message class. A second message with the same identity is a
/// repeat, or, with other content, a duplicate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    pub key: OriginatorKey,
    pub class: KeyClass,
    /// An advice may have the key of a request, and tell how that went on at the terminal: it is no repeat of it.
    pub advice: bool,
}

impl Identity {
    pub fn of_request(key: OriginatorKey, class: KeyClass) -> Self {
        Self { key, class, advice: false }
    }

    pub fn of_advice(key: OriginatorKey, class: KeyClass) -> Self {
        Self { key, class, advice: true }
    }

    /// Its number in the pending log: the class, and ten more for an advice.
    pub(super) fn number(&self) -> u8 {
        Self::number_of(self.class, self.advice)
    }

    pub(super) fn number_of(class: KeyClass, advice: bool) -> u8 {
        class as u8 + if advice { OF_ADVICES } else { 0 }
    }

    /// From a record of the pending log; `None` for a number that stands for no class.
    pub(crate) fn of_record(key: OriginatorKey, number: u8) -> Option<Self> {
        let advice = number > OF_ADVICES;
        let class = KeyClass::from_number(if advice { number - OF_ADVICES } else { number })?;
        Some(Self { key, class, advice })
    }

    /// The key as a message names it that refers to this request.
    pub fn named(&self) -> KeyText<'_> {
        KeyText { key: self.key.as_str(), class: Some(self.class) }
    }
}

const OF_ADVICES: u8 = 10;

/// Whether a request still awaits its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    UnderWay,
    Ended(EndedRequest),
}

/// How a request ended, with the data of its answer that its repeats, completions and reversals need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedRequest {
    pub ending: Ending,
    /// As the originator was answered, or would be.
    pub code: ResponseCode,
    /// In the originator's dialect; `None` if there was no answer, or if it could not be encoded in that dialect.
    pub answer: Option<Bytes>,
    pub life_cycle: Option<LifeCycleId>,
    pub approval: Option<ApprovalCode>,
    /// Zero where nothing was approved.
    pub approved: Minor,
}

impl EndedRequest {
    /// For a request that ended without an answer of its destination.
    pub fn without_decision(ending: Ending, answer: Option<Bytes>) -> Self {
        Self { ending, code: ending.usual_code(), answer, life_cycle: None, approval: None, approved: Minor::ZERO }
    }
}

/// A request that is kept for its repeats, completions and reversals.
#[derive(Debug, Clone)]
pub struct RecentRequest {
    pub request: RequestId,
    pub content: Content,
    pub card: CardIndex,
    pub destination: DestinationId,
    pub acquired: bool,
    /// When it arrived, in milliseconds since 1970.
    pub at_ms: i64,
    /// DE7 as its originator sent it; not known of before a restart.
    pub transmitted: Option<TransmissionTime>,
    /// DE11 as it was sent on.
    pub sent_stan: Stan,
    pub state: State,
    /// A full reversal is, or was, in store and forward.
    pub reversed: bool,
    /// The amount that remains after the last partial reversal (DE95).
    pub remaining: Option<Minor>,
    /// The request as forwarded, in the host's dialect, without sensitive elements.
    pub message: Bytes,
    /// It was forgotten, and is known again from this fingerprint.
    pub recalled: Option<Named>,
}

impl RecentRequest {
    /// A request that is forwarded now.
    pub fn new(request: RequestId, content: Content, card: CardIndex, destination: DestinationId, at_ms: i64) -> Self {
        Self {
            request,
            content,
            card,
            destination,
            acquired: false,
            at_ms,
            transmitted: None,
            sent_stan: Stan(0),
            state: State::UnderWay,
            reversed: false,
            remaining: None,
            message: Bytes::new(),
            recalled: None,
        }
    }

    pub fn ended(&self) -> Option<&EndedRequest> {
        match &self.state {
            State::UnderWay => None,
            State::Ended(ended) => Some(ended),
        }
    }

    pub fn is_approved(&self) -> bool {
        self.ended().is_some_and(|ended| ended.ending == Ending::Approved)
    }

    pub fn life_cycle(&self) -> Option<&LifeCycleId> {
        self.ended()?.life_cycle.as_ref()
    }
}

/// The result of duplicate detection for an arriving request.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    New,
    /// A repeat of this request, which still awaits its answer.
    UnderWay(RequestId),
    Stored(Bytes),
    /// A repeat of a request whose answer is forgotten, but for what its fingerprint has.
    Recalled(RecalledAnswer),
    /// A repeat of a request that timed out, was reversed, or has no stored answer: 91.
    Repeat91,
    OtherContent,
}

/// What is known of an answer from a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecalledAnswer {
    pub code: ResponseCode,
    pub approval: Option<ApprovalCode>,
    /// Zero where nothing was approved.
    pub approved: Minor,
    /// As the switch assigned it.
    pub rrn: Option<Rrn>,
}

/// A name, besides the key, by which a completion or reversal may refer to its original. Of an institution's link the
/// terminal is empty: the institution numbers for all of them, and may name none ([`super::Intake::reference_terminal`]).
#[derive(Debug, Clone, Copy)]
pub enum Reference<'r> {
    /// Listener, terminal and STAN.
    Stan { link: &'r str, terminal: &'r str, stan: u32 },
    /// Listener, terminal and retrieval reference number.
    Rrn { link: &'r str, terminal: &'r str, rrn: &'r str },
}

/// The recent requests, bounded in number and age.
#[derive(Debug)]
pub struct RecentRequests {
    entries: HashMap<Identity, Remembered>,
    /// Oldest first.
    order: VecDeque<(i64, Identity)>,
    /// From the hash of a reference to the requests with that reference, the last one last.
    references: HashMap<u64, Vec<Identity>>,
    early: EarlyReversals,
    pub(super) names: Names,
    /// The identities of those that have a fingerprint.
    pub(super) known: Filter,
    pub(super) most_known: usize,
    /// The marks of the destinations' names.
    pub(super) destinations: Vec<u16>,
    limit: usize,
    pub(super) keep_ms: i64,
}

#[derive(Debug)]
pub(super) struct Remembered {
    pub request: RecentRequest,
    /// Hashes of its references, by trace number and by reference number, which are removed with it.
    pub references: [Option<u64>; 2],
    pub rrn: Option<RrnMark>,
}

impl RecentRequests {
    /// `known` are the identities of those that have a fingerprint, `destinations` the names of the destinations.
    pub fn new<'d>(
        config: &RecentConfig,
        names: Names,
        known: Filter,
        destinations: impl Iterator<Item = &'d str>,
    ) -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
            references: HashMap::new(),
            early: EarlyReversals::default(),
            names,
            known,
            most_known: config.max_fingerprints,
            destinations: destinations.map(|name| names.destination(name)).collect(),
            limit: config.max_entries,
            keep_ms: i64::try_from(config.keep_s).unwrap_or(i64::MAX / 1000).saturating_mul(1000),
        }
    }

    /// Whether an arriving request with this identity and content is new, a repeat or a duplicate.
    pub fn judge(&self, identity: &Identity, content: Content) -> Verdict {
        let Some(recent) = self.get(identity) else { return Verdict::New };
        if !recent.has_content(content) {
            return Verdict::OtherContent;
        }
        match &recent.state {
            _ if recent.reversed => Verdict::Repeat91,
            State::UnderWay => Verdict::UnderWay(recent.request),
            State::Ended(EndedRequest {
                ending: Ending::Approved | Ending::Declined, answer: Some(answer), ..
            }) => Verdict::Stored(answer.clone()),
            State::Ended(EndedRequest { ending: Ending::Approved | Ending::Declined, .. })
                if recent.recalled.is_some() =>
            {
                self.recalled_answer(identity).map_or(Verdict::Repeat91, Verdict::Recalled)
            }
            State::Ended(_) => Verdict::Repeat91,
        }
    }

    /// Remembers a full reversal whose original is not known here, and journals it: its acknowledgement relies on that.
    pub(crate) fn reversed_early(&mut self, turn: &mut Turn<'_>, reversal: EarlyReversal) {
        turn.push(Effect::Journal(Record::EarlyReversal(reversal.record())));
        self.restore_early(reversal);
    }

    /// As above, of before a restart.
    pub(crate) fn restore_early(&mut self, reversal: EarlyReversal) {
        self.early.note(reversal, self.limit, self.keep_ms);
    }

    /// Whether a reversal without a known original was seen before.
    pub(crate) fn knows_early(&self, reversal: &EarlyReversal) -> bool {
        self.early.has_this(reversal)
    }

    /// Whether the reversal of a request came before it.
    pub fn was_reversed_early(&self, request: &Identity, transmitted: Option<TransmissionTime>) -> bool {
        self.early.has(request, transmitted)
    }

    pub fn insert(&mut self, identity: Identity, recent: RecentRequest) {
        self.order.push_back((recent.at_ms, identity.clone()));
        self.forget_old(recent.at_ms);
        self.entries.insert(identity, Remembered { request: recent, references: [None; 2], rrn: None });
    }

    pub fn get(&self, identity: &Identity) -> Option<&RecentRequest> {
        self.entries.get(identity).map(|remembered| &remembered.request)
    }

    /// As [`Self::get`], with the identity that is kept.
    pub fn entry(&self, identity: &Identity) -> Option<(&Identity, &RecentRequest)> {
        self.entries.get_key_value(identity).map(|(identity, remembered)| (identity, &remembered.request))
    }

    /// Sets how a request ended, without a record in the pending log. Does nothing if the request is no longer kept.
    pub(super) fn set_ended(&mut self, identity: &Identity, ended: EndedRequest) {
        if let Some(Remembered { request, .. }) = self.entries.get_mut(identity) {
            request.state = State::Ended(ended);
        }
    }

    /// A request ended before the restart; one that its originator reversed is reversed.
    pub(crate) fn restore_ended(&mut self, identity: &Identity, ended: EndedRequest) {
        if let Some(Remembered { request, .. }) = self.entries.get_mut(identity) {
            request.reversed = ended.ending == Ending::Reversed;
            request.state = State::Ended(ended);
        }
    }

    /// Marks a request as reversed: fully, or in part with `remaining` as the amount that remains.
    pub fn reverse(&mut self, turn: &mut Turn<'_>, identity: &Identity, remaining: Option<Minor>) {
        self.restore_reversed(identity, remaining);
        if remaining.is_none() {
            self.keep_changed(turn, identity);
        }
    }

    /// As above, of before a restart.
    pub(crate) fn restore_reversed(&mut self, identity: &Identity, remaining: Option<Minor>) {
        if let Some(Remembered { request, .. }) = self.entries.get_mut(identity) {
            request.reversed = remaining.is_none();
            request.remaining = remaining;
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Makes a request findable by a reference.
    pub fn index(&mut self, reference: Reference<'_>, identity: &Identity) {
        let hash = self.hash_of(reference);
        if let Some(remembered) = self.entries.get_mut(identity) {
            match reference {
                Reference::Stan { .. } => remembered.references[0] = Some(hash),
                Reference::Rrn { rrn, .. } => {
                    remembered.references[1] = Some(hash);
                    remembered.rrn = Some(self.names.rrn_mark(rrn));
                }
            }
            let named = self.references.entry(hash).or_default();
            named.retain(|other| other != identity);
            named.push(identity.clone());
        }
    }

    /// All requests with a reference, the last one last.
    pub fn referred(&self, reference: Reference<'_>) -> impl Iterator<Item = (&Identity, &RecentRequest)> {
        let named = self.references.get(&self.hash_of(reference));
        named.into_iter().flatten().filter_map(|identity| self.entry(identity))
    }

    pub(super) fn remembered(&self, identity: &Identity) -> Option<&Remembered> {
        self.entries.get(identity)
    }

    /// All that are remembered, the oldest first.
    pub(super) fn identities(&self) -> impl Iterator<Item = &Identity> {
        let is_it = |(at_ms, identity): &&(i64, Identity)| self.get(identity).is_some_and(|of| of.at_ms == *at_ms);
        self.order.iter().filter(is_it).map(|(_, identity)| identity)
    }

    pub(super) fn hash_of(&self, reference: Reference<'_>) -> u64 {
        match reference {
            Reference::Stan { link, terminal, stan } => self.names.stan(link, terminal, Stan(stan)),
            Reference::Rrn { link, terminal, rrn } => self.names.rrn(link, terminal, rrn),
        }
    }

    /// Removes the oldest entries: down to the limit, which always holds, and those past their age, checked on
    /// insertion only.
    fn forget_old(&mut self, now_ms: i64) {
        while let Some((at_ms, identity)) = self.order.front() {
            if self.order.len() <= self.limit && now_ms - at_ms <= self.keep_ms {
                break;
            }
            let (at_ms, identity) = (*at_ms, identity.clone());
            self.order.pop_front();
            // an identity that was inserted again has a younger entry, which stays
            if self.entries.get(&identity).is_some_and(|remembered| remembered.request.at_ms == at_ms) {
                self.forget(&identity);
            }
        }
    }

    fn forget(&mut self, identity: &Identity) {
        let Some(remembered) = self.entries.remove(identity) else { return };
        for hash in remembered.references.into_iter().flatten() {
            let Some(named) = self.references.get_mut(&hash) else { continue };
            named.retain(|other| other != identity);
            if named.is_empty() {
                self.references.remove(&hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(stan: u32) -> Identity {
        let key = OriginatorKey::parse(format!("terminals|T|M|{stan:06}|101112|1120")).expect("six parts");
        Identity::of_request(key, KeyClass::Financial)
    }

    fn recent(request: u64, content: u8, at_ms: i64) -> RecentRequest {
        RecentRequest::new(RequestId(request), Content([content; 16]), CardIndex([0; 16]), DestinationId(0), at_ms)
    }

    fn recents(limit: usize, keep_s: u64) -> RecentRequests {
        let names = Names::new(&crate::data_key::DataKey::new([7; 32]));
        let config = RecentConfig { max_entries: limit, keep_s, ..RecentConfig::default() };
        RecentRequests::new(&config, names, Filter::default(), std::iter::empty())
    }

    fn ended(ending: Ending) -> State {
        State::Ended(EndedRequest::without_decision(ending, Some(Bytes::from_static(b"answer"))))
    }

    #[test]
    fn each_state_has_its_verdict() {
        let stored = Verdict::Stored(Bytes::from_static(b"answer"));
        for (state, reversed, expected) in [
            (State::UnderWay, false, Verdict::UnderWay(RequestId(7))),
            (State::UnderWay, true, Verdict::Repeat91),
            (ended(Ending::Approved), false, Verdict::Stored(Bytes::from_static(b"answer"))),
            (ended(Ending::Approved), true, Verdict::Repeat91),
            (ended(Ending::Declined), false, stored),
            (ended(Ending::TimedOut), false, Verdict::Repeat91),
            (ended(Ending::Reversed), false, Verdict::Repeat91),
            (State::Ended(EndedRequest::without_decision(Ending::Approved, None)), false, Verdict::Repeat91),
        ] {
            let mut recents = recents(10, 100);
            assert_eq!(recents.judge(&identity(1), Content([1; 16])), Verdict::New);
            recents.insert(identity(1), RecentRequest { state, reversed, ..recent(7, 1, 0) });
            assert_eq!(recents.judge(&identity(1), Content([1; 16])), expected);
            assert_eq!(recents.judge(&identity(1), Content([2; 16])), Verdict::OtherContent, "whatever its state");
        }
    }

    #[test]
    fn number_and_age_are_bounded() {
        let mut recents = recents(3, 1);
        for stan in 1..=5 {
            recents.insert(identity(stan), recent(stan.into(), 1, i64::from(stan)));
        }
        assert_eq!(recents.len(), 3);
        assert!(recents.get(&identity(2)).is_none() && recents.get(&identity(3)).is_some());
        recents.insert(identity(9), recent(9, 1, 2_000));
        assert_eq!(recents.len(), 1, "the others are older than a second");
    }

    #[test]
    fn references_follow_the_last_use_and_die_with_their_entry() {
        let mut recents = recents(2, 100);
        let by_rrn = Reference::Rrn { link: "terminals", terminal: "T", rrn: "632400000001" };
        let by_stan = Reference::Stan { link: "terminals", terminal: "T", stan: 1 };
        recents.insert(identity(1), recent(1, 1, 0));
        recents.index(by_rrn, &identity(1));
        recents.index(by_stan, &identity(1));
        assert_eq!(recents.referred(by_rrn).last().map(|(_, r)| r.request.0), Some(1));
        recents.insert(identity(2), recent(2, 1, 0));
        recents.index(by_stan, &identity(2));
        assert_eq!(recents.referred(by_stan).last().map(|(_, r)| r.request.0), Some(2));
        let all = |recents: &RecentRequests| recents.referred(by_stan).map(|(_, r)| r.request.0).collect::<Vec<_>>();
        assert_eq!(all(&recents), [1, 2]);
        recents.insert(identity(3), recent(3, 1, 0));
        assert!(recents.referred(by_rrn).next().is_none(), "its entry was the oldest of three");
        assert_eq!(all(&recents), [2]);
        assert_eq!(recents.references.len(), 1);
    }
}
