//! Reversals of originators. A terminal's 0400 and an acquirer's 0420 are acknowledged once the reversal is owed
//! durably, not when the destination answers: the originator's lane must not be blocked by a link that is down, and
//! from that moment the switch repeats it until it is acknowledged. An unknown original is acknowledged as well; the
//! destination keeps a tombstone for it.

use crate::config;
use crate::core::Core;
use crate::event::{DestinationId, OwedId};
use crate::intake::{Identity, Inbound, KeyClass, RecentRequest, State};
use crate::metrics;
use crate::owed::Subject;
use crate::reversal::{self, Cause};
use crate::saf::{Advice, NotOwed, Numbered};
use crate::turn::Turn;
use codecs::mti::Class;
use codecs::value::{Opaque, ReplacementAmounts, ResponseCode};
use codecs::{DecodeError, de};
use std::sync::Arc;

impl Core {
    pub(crate) fn undo(&mut self, turn: &mut Turn<'_>, inbound: Inbound) {
        let parts = match Parts::of(&inbound) {
            Ok(parts) => parts,
            Err(error) => {
                tracing::warn!(%error, key = inbound.key.as_str(), "a reversal that cannot be read");
                return self.intake.refuse(turn, &inbound.origin, ResponseCode::FORMAT_ERROR);
            }
        };
        let promised = match self.identity_of_original(&inbound) {
            Some((identity, original)) => self.undo_known(turn, &inbound, &identity, &original, &parts),
            None => self.undo_unknown(turn, &inbound),
        };
        if !promised {
            // nothing is owed, so nothing is acknowledged: the sender keeps it
            return metrics::not_acknowledged();
        }
        metrics::originator_reversal();
        self.intake.refuse_again(turn, &inbound.origin, ResponseCode::APPROVED);
        metrics::total(inbound.received, turn.now.mono);
    }

    /// A STAN may be shared by an authorization and a sale; DE90 tells which, else the sale is meant.
    fn identity_of_original(&self, inbound: &Inbound) -> Option<(Identity, RecentRequest)> {
        let named = inbound.origin.message.get::<de::OriginalData>().ok().flatten().map(|o| o.mti.class());
        let classes = match named {
            Some(Class::Authorization) => [KeyClass::Authorization, KeyClass::Financial],
            _ => [KeyClass::Financial, KeyClass::Authorization],
        };
        classes.into_iter().find_map(|class| {
            let identity = Identity { key: inbound.key.clone(), class };
            self.recents.get(&identity).cloned().map(|recent| (identity, recent))
        })
    }

    fn undo_known(
        &mut self,
        turn: &mut Turn<'_>,
        inbound: &Inbound,
        identity: &Identity,
        original: &RecentRequest,
        parts: &Parts,
    ) -> bool {
        if !is_needed(original, parts) {
            return true;
        }
        let key = identity.key.as_str();
        let approval = original.ended().and_then(|ended| ended.approval);
        // whatever was meant to stand of it, an answer that has not come cannot be forwarded any more
        let replacement = parts.replacement.filter(|_| original.state != State::UnderWay);
        let cause = Cause { reason: parts.reason, replacement, approval };
        let subject = Subject {
            request: None,
            destination: original.destination,
            card: original.card,
            key,
            message: &original.message,
            life_cycle: original.life_cycle(),
        };
        let Ok(message) = self.destinations.read_own(&original.message) else {
            return self.undo_unknown(turn, inbound);
        };
        if reversal::is_owed(&message) == Ok(false) {
            // an inquiry, or a verification: there is nothing to take back
            return true;
        }
        // the host's first: should the other not be promised, the originator repeats, and the host knows this one by its key
        if original.acquired
            && original.is_approved()
            && identity.class == KeyClass::Financial
            && self.owe_host_reversal(turn, subject, cause, original.destination).is_err()
        {
            return false;
        }
        if self.owe_reversal(turn, subject, cause, Numbered::Fresh).is_err() {
            return false;
        }
        if original.state == State::UnderWay {
            self.end_reversed(turn, original.request);
        }
        self.recents.reverse(identity, replacement.map(|amounts| amounts.transaction));
        true
    }

    /// The merchant's side of an acquired sale is taken back at the host, behind the advice that put it there.
    fn owe_host_reversal(
        &mut self,
        turn: &mut Turn<'_>,
        subject: Subject<'_>,
        cause: Cause,
        authorized_by: DestinationId,
    ) -> Result<OwedId, NotOwed> {
        let request = self.destinations.read_own(subject.message).map_err(|_| NotOwed::Unreadable)?;
        let acquirer = request.get::<de::Acquirer>().ok().flatten();
        let advice = Advice {
            destination: self.destinations.host(),
            card: subject.card,
            key: subject.key,
            refers_to: Some(subject.key),
            life_cycle: subject.life_cycle,
            acquirer: acquirer.unwrap_or_else(|| config::institution(&self.config.acquirer_id)),
            business_date: turn.business_date,
            for_request: None,
        };
        let authorized_by = self.authorized_by(authorized_by);
        let owed = self.saf.owe(turn, &mut self.destinations, &advice, Numbered::Fresh, |stamps| {
            let mut builder = reversal::of(&request, stamps, cause)?;
            builder.put::<de::AuthorizedBy>(Opaque::text(&authorized_by));
            Ok(builder)
        })?;
        Ok(owed.0)
    }

    /// What the switch does not remember, its destination may: by the card if there is one, else the host knows.
    fn undo_unknown(&mut self, turn: &mut Turn<'_>, inbound: &Inbound) -> bool {
        metrics::unknown_original();
        tracing::info!(key = inbound.key.as_str(), "reversal of an original that is not remembered here");
        let host = Arc::clone(self.destinations.host_dialect());
        let advice = Advice {
            destination: inbound.destination.unwrap_or(self.destinations.host()),
            card: inbound.card_index,
            key: inbound.key.as_str(),
            refers_to: Some(inbound.key.as_str()),
            life_cycle: None,
            acquirer: inbound.acquirer,
            business_date: turn.business_date,
            for_request: None,
        };
        let message = &inbound.origin.message;
        let build = |stamps: &crate::translate::Stamps<'_>| reversal::of_unknown(message, &host, stamps);
        self.saf.owe(turn, &mut self.destinations, &advice, Numbered::Fresh, build).is_ok()
    }
}

/// What a reversal says beside which transaction it means.
struct Parts {
    reason: ResponseCode,
    /// Only part of the amount is taken back.
    replacement: Option<ReplacementAmounts>,
}

impl Parts {
    fn of(inbound: &Inbound) -> Result<Self, DecodeError> {
        let message = &inbound.origin.message;
        // replacement amounts of zero say that nothing stands: that is a full reversal
        let replacement = message.get::<de::ReplacementAmounts>()?.filter(|amounts| amounts.transaction.0 > 0);
        let reason = message.get::<de::ResponseCode>()?.unwrap_or(ResponseCode::CUSTOMER_CANCELLED);
        Ok(Self { reason, replacement })
    }
}

/// Whether the destination has to hear of it: not if it has, or if the original never stood.
fn is_needed(original: &RecentRequest, parts: &Parts) -> bool {
    let stands = parts.replacement.map(|amounts| amounts.transaction);
    if original.reversed || (stands.is_some() && stands == original.stands) {
        metrics::repeat("reversal");
        return false;
    }
    // a time-out's own reversal covers it
    original.state == State::UnderWay || original.is_approved()
}
