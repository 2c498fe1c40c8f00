//! After a restart: rebuilds the state from the records of the pending log. A request that was sent and has not ended
//! counts as timed out: its reversal is queued, and a repeat gets 91.

use super::Core;
use crate::destination::Destinations;
use crate::event::{DestinationId, Effect, Now, RequestId, SafId};
use crate::intake::{CardIndex, Content, EarlyReversal, EndedRequest, Identity, RecentRequest, Reference};
use crate::life_cycle::LifeCycleId;
use crate::now::utc;
use crate::parts::Parts;
use crate::record::{Ended, Owed, Record, Sent};
use crate::reversal::{self, ToReverse};
use crate::saf::{DeadLetterReason, NotQueued, Restored};
use crate::turn::Turn;
use codecs::de;
use codecs::mti::Class;
use codecs::originator::{KeyClass, OriginatorKey};
use codecs::value::{ApprovalCode, Minor, ResponseCode, Stan};
use std::collections::BTreeMap;

/// If the last business date is further than this from today, the log warns that a cut-over may be missing.
const LONG_AWAY_DAYS: i64 = 4;

/// Reads the originator key in a record. Without it a request cannot be found again.
fn known_key(text: &str) -> Option<OriginatorKey> {
    let key = OriginatorKey::parse(text);
    if let Err(error) = &key {
        tracing::error!(%error, "a record of the pending log has no key");
    }
    key.ok()
}

impl Core {
    /// Takes the records of the pending log, oldest first. The effects are the records to be journaled because of them.
    pub fn restore(&mut self, now: Now, records: Vec<Record>) -> Vec<Effect> {
        let mut effects = Vec::new();
        if !records.iter().any(|record| matches!(record, Record::BusinessDate(_))) {
            effects.push(Effect::Journal(self.day.record()));
        }
        let mut unanswered: BTreeMap<RequestId, Identity> = BTreeMap::new();
        let mut owed: BTreeMap<SafId, Restored> = BTreeMap::new();
        let mut dead: BTreeMap<SafId, (Restored, DeadLetterReason)> = BTreeMap::new();
        for record in records {
            match record {
                Record::BusinessDate(stamp) => self.day.restore(stamp, now),
                Record::Sent(sent) => {
                    self.numbers.restore_request(RequestId(sent.request));
                    if let Some((request, identity)) = self.restore_sent(sent) {
                        unanswered.insert(request, identity);
                    }
                }
                Record::Ended(ended) => {
                    if let Some(identity) = unanswered.remove(&RequestId(ended.request)) {
                        self.restore_ended(&identity, ended);
                    }
                }
                Record::Owed(record) => {
                    let restored = self.restore_owed(record, None);
                    owed.insert(restored.id, restored);
                }
                Record::OwedLate { owed: record, code } => {
                    let restored = self.restore_owed(record, Some(ResponseCode(code)));
                    owed.insert(restored.id, restored);
                }
                Record::EarlyReversal(record) => {
                    if let Some(reversal) = EarlyReversal::of_record(record) {
                        self.parts.recents.restore_early(reversal);
                    }
                }
                // of the log itself
                Record::SegmentWhole { .. } | Record::SegmentRepaired => {}
                Record::Acknowledged { owed: id } => _ = owed.remove(&SafId(id)),
                Record::GivenUp { owed: id } => {
                    if let Some(restored) = owed.remove(&SafId(id)) {
                        dead.insert(restored.id, (restored, DeadLetterReason::Expired));
                    }
                }
                Record::DeadLetter { owed: record, why } => {
                    let restored = self.restore_owed(record, None);
                    owed.remove(&restored.id);
                    dead.insert(restored.id, (restored, DeadLetterReason::from_number(why)));
                }
            }
        }
        for restored in owed.into_values() {
            if let Some(to) = self.destination_named(&restored.record.destination) {
                self.parts.saf.restore(now, &self.parts.destinations, to, restored);
            }
        }
        for (restored, why) in dead.into_values() {
            if let Some(to) = self.destination_named(&restored.record.destination) {
                self.parts.saf.restore_dead_letter(now, to, restored, why);
            }
        }
        let days_away = (utc(now.wall_ms).date() - self.day.date()).get_days();
        if i64::from(days_away) > LONG_AWAY_DAYS {
            tracing::warn!(business_date = %self.day.date(), days_away, "the business date is old: is a cut-over missing?");
        }
        let turn = &mut Turn::new(now, self.day.stamp(), &mut self.numbers, &mut effects);
        for (request, identity) in unanswered {
            end_unanswered(turn, &mut self.parts, request, &identity);
        }
        self.parts.recents.keep_restored(turn);
        tracing::info!(owed = self.parts.saf.len(), remembered = self.parts.recents.len(), business_date = %self.day.date(), "restored");
        effects
    }

    fn destination_named(&self, name: &str) -> Option<DestinationId> {
        let found = self.parts.destinations.named(name);
        if found.is_none() {
            tracing::error!(
                destination = name,
                "the pending log speaks of a destination that is not configured any more"
            );
        }
        found
    }

    fn restore_sent(&mut self, sent: Sent) -> Option<(RequestId, Identity)> {
        let destination = self.destination_named(&sent.destination)?;
        let identity = Identity::of_record(known_key(&sent.key)?, sent.class)?;
        let message = sent.message.into();
        let read = self.parts.destinations.read_own(&message);
        let (content, card) = (Content(sent.content), CardIndex(sent.card));
        let request = RequestId(sent.request);
        let recent = RecentRequest::new(request, content, card, destination, sent.sent_at_ms);
        let sent_stan = read.as_ref().ok().and_then(|read| read.get::<de::Stan>().ok()?).unwrap_or(Stan(0));
        let recent = RecentRequest { acquired: sent.acquired, message, sent_stan, ..recent };
        self.parts.recents.insert(identity.clone(), recent);
        if let Ok(read) = read {
            if let Ok(Some(stan)) = read.get::<de::Stan>() {
                self.parts.destinations.restore_stan(destination, stan, sent.sent_at_ms);
            }
            self.restore_references(&read, &identity);
        }
        Some((request, identity))
    }

    /// Makes a request findable for its completion or reversal, by STAN and by RRN.
    fn restore_references(&mut self, message: &codecs::Message, identity: &Identity) {
        let (link, terminal) = (identity.key.link(), self.parts.intake.reference_terminal(&identity.key));
        if let Some(Stan(stan)) = identity.key.stan() {
            self.parts.recents.index(Reference::Stan { link, terminal, stan }, identity);
        }
        if let Ok(Some(rrn)) = message.get::<de::Rrn>() {
            self.numbers.restore_rrn(&rrn);
            self.parts.recents.index(Reference::Rrn { link, terminal, rrn: rrn.as_str() }, identity);
        }
    }

    fn restore_ended(&mut self, identity: &Identity, ended: Ended) {
        let restored = EndedRequest {
            ending: ended.ending,
            code: ended.ending.usual_code(),
            answer: (!ended.answer.is_empty()).then(|| ended.answer.into()),
            life_cycle: LifeCycleId::new(&ended.life_cycle),
            approval: ApprovalCode::new(&ended.approval).filter(|code| !code.as_str().is_empty()),
            approved: Minor(ended.approved_minor),
        };
        self.parts.recents.restore_ended(identity, restored);
    }

    fn restore_owed(&mut self, record: Owed, late: Option<ResponseCode>) -> Restored {
        let id = SafId(record.owed);
        self.numbers.restore_saf(id);
        self.restore_traces_of(&record);
        Restored { id, record, late }
    }

    /// Restores from a message of store and forward, acknowledged since or not, that its STAN was used, and that the
    /// request which it reverses is reversed: a repeat of that must not get its approval again.
    fn restore_traces_of(&mut self, advice: &Owed) {
        let Ok(message) = self.parts.destinations.read_own(&advice.message.clone().into()) else { return };
        if let (Some(destination), Ok(Some(stan))) =
            (self.destination_named(&advice.destination), message.get::<de::Stan>())
        {
            self.parts.destinations.restore_stan(destination, stan, advice.since_ms);
        }
        let Ok(Some(original)) = message.get::<de::OriginalData>() else { return };
        let class = match (message.mti().class(), original.mti.class()) {
            (Class::Reversal, Class::Authorization) => KeyClass::Authorization,
            (Class::Reversal, _) => KeyClass::Financial,
            _ => return,
        };
        let replacement = message.get::<de::ReplacementAmounts>().ok().flatten().map(|amounts| amounts.transaction);
        let Some(key) = known_key(&advice.key) else { return };
        let identity = Identity { key, class, advice: original.mti.is_advice() };
        self.parts.recents.restore_reversed(&identity, replacement);
    }
}

/// Ends a request that had no answer when the switch was killed: queues its reversal and journals its end.
fn end_unanswered(turn: &mut Turn<'_>, parts: &mut Parts, request: RequestId, identity: &Identity) {
    let Some(recent) = parts.recents.get(identity).filter(|recent| recent.request == request).cloned() else {
        return;
    };
    let subject = ToReverse {
        request: Some(request),
        destination: recent.destination,
        card: recent.card,
        key: identity.named(),
        message: &recent.message,
        life_cycle: None,
    };
    // the request held this STAN when the switch was killed, so no message of store and forward has it
    let covered = match read_stan(&parts.destinations, &recent.message) {
        Some(stan) => {
            let stan = parts.destinations.hold_stan(recent.destination, stan);
            reversal::cover(turn, &mut parts.destinations, &mut parts.saf, Some(subject), stan)
        }
        None => Err(NotQueued::Unreadable),
    };
    let covered = match covered {
        Ok(covered) => covered,
        Err(error) => {
            // the request stays open in the pending log, and unanswered, until a start can queue its reversal
            return tracing::error!(request = request.0, %error, "unanswered at the restart, and its reversal cannot be promised");
        }
    };
    tracing::warn!(request = request.0, owed = covered.by().map(|id| id.0), "unanswered at the restart");
    parts.recents.end_unanswered(turn, request, identity);
}

fn read_stan(destinations: &Destinations, message: &bytes::Bytes) -> Option<Stan> {
    destinations.read_own(message).ok()?.get::<de::Stan>().ok().flatten()
}
