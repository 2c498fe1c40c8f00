//! Advices of originators: completions of pre-authorizations and sales decided offline. They tell what happened, so
//! they are acknowledged as soon as they are owed durably, whatever their destination will say.

use crate::core::Core;
use crate::event::DestinationId;
use crate::intake::{EndedRequest, Identity, Inbound, KeyClass, RecentRequest, Reference, State, Verdict};
use crate::life_cycle::LifeCycleId;
use crate::metrics;
use crate::saf::{Advice, NotOwed, Numbered};
use crate::store::record::Ending;
use crate::translate::{Stamps, answer, canonical, strip};
use crate::turn::Turn;
use bytes::Bytes;
use codecs::value::{InstitutionId, Minor, MonthDay, Opaque, ResponseCode, Rrn, Stan, TerminalId};
use codecs::{Builder, Message, de};
use std::sync::Arc;

impl Core {
    pub(crate) fn completion(&mut self, turn: &mut Turn<'_>, inbound: Inbound, class: KeyClass) {
        let identity = Identity { key: inbound.key.clone(), class };
        match self.parts.recents.judge(&identity, inbound.content) {
            Verdict::New => self.take_completion(turn, inbound, identity),
            Verdict::Stored(stored) => {
                metrics::repeat("stored-answer");
                self.parts.intake.answer_again(turn, &inbound.origin, &stored);
            }
            Verdict::UnderWay(_) | Verdict::Ended91 => {
                metrics::repeat("acknowledged");
                self.parts.intake.refuse_again(turn, &inbound.origin, ResponseCode::APPROVED);
            }
            Verdict::OtherContent => {
                // 94 is for requests; a person has to look at this one
                metrics::alarm("advice-other-content", self.parts.intake.name(inbound.origin.listener));
                tracing::error!(key = inbound.key.as_str(), "an advice with a known key and another card or amount");
                self.parts.intake.refuse(turn, &inbound.origin, ResponseCode::APPROVED);
            }
        }
    }

    fn take_completion(&mut self, turn: &mut Turn<'_>, inbound: Inbound, identity: Identity) {
        let original = self.original_of(&inbound);
        let destination = inbound
            .destination
            .or(original.as_ref().map(|(_, o)| o.destination))
            .unwrap_or(self.parts.destinations.host());
        let acquired = self.parts.is_acquired(&inbound, destination);
        let rrn = self.assigned_rrn(turn, &inbound);
        let refers_to = original.as_ref().map(|(identity, _)| identity.key.as_str().to_owned());
        let life_cycle = life_cycle_of(turn, &inbound, original.as_ref().map(|(_, o)| o), acquired);
        let card = match (&inbound.card, &original) {
            (None, Some((_, original))) => original.card,
            _ => inbound.card_index,
        };
        let business_date = turn.business_date;
        let facts = Facts { destination, acquired, rrn, refers_to, life_cycle, card, business_date };
        // the host's first: should the other not be promised, the sender repeats, and the host knows this one by its key
        let host = acquired.then(|| {
            (self.parts.destinations.host(), canonical::authorized_by(self.parts.destinations.name(destination)))
        });
        if let Some((host, authorized_by)) = host
            && self.owe_completion(turn, &inbound, &facts, host, Some(&authorized_by), original.as_ref()).is_err()
        {
            return metrics::not_acknowledged();
        }
        let Ok(message) = self.owe_completion(turn, &inbound, &facts, destination, None, original.as_ref()) else {
            // nothing is promised, so nothing is acknowledged: the sender keeps it
            return metrics::not_acknowledged();
        };
        self.acknowledge(turn, &inbound, identity, facts, message);
    }

    /// The authorization that a completion names: by the switch's retrieval reference number, or by DE90.
    fn original_of(&self, inbound: &Inbound) -> Option<(Identity, RecentRequest)> {
        let message = &inbound.origin.message;
        let link = self.parts.intake.name(inbound.origin.listener);
        let terminal = message.get::<de::TerminalId>().ok().flatten();
        let terminal = terminal.as_ref().map_or("", TerminalId::as_str);
        let by_rrn = message.get::<de::Rrn>().ok().flatten();
        let by_rrn =
            by_rrn.and_then(|rrn| self.parts.recents.find(Reference::Rrn { link, terminal, rrn: rrn.as_str() }));
        let by_stan = || {
            let original = message.get::<de::OriginalData>().ok().flatten()?;
            self.parts.recents.find(Reference::Stan { link, terminal, stan: original.stan.0 })
        };
        let (identity, recent) = by_rrn.or_else(by_stan)?;
        (identity.key != inbound.key).then(|| (identity.clone(), recent.clone()))
    }

    /// Owes the advice to one destination; gives the message as it is owed.
    fn owe_completion(
        &mut self,
        turn: &mut Turn<'_>,
        inbound: &Inbound,
        facts: &Facts,
        destination: DestinationId,
        authorized_by: Option<&str>,
        original: Option<&(Identity, RecentRequest)>,
    ) -> Result<Bytes, NotOwed> {
        let advice = Advice {
            destination,
            card: facts.card,
            key: inbound.key.as_str(),
            refers_to: facts.refers_to.as_deref(),
            life_cycle: facts.life_cycle.as_ref(),
            acquirer: inbound.acquirer,
            business_date: facts.business_date,
            for_request: None,
        };
        let host = Arc::clone(self.parts.destinations.host_dialect());
        let original_message = original.and_then(|(_, recent)| self.parts.destinations.read_own(&recent.message).ok());
        let merchant_type = inbound.terminal.as_ref().map(|terminal| terminal.mcc);
        let rrn = facts.rrn;
        let message = &inbound.origin.message;
        let mti = message.mti();
        let owed = self.parts.saf.owe(turn, &mut self.parts.destinations, &advice, Numbered::Fresh, |stamps| {
            let stamps = Stamps { rrn, merchant_type, ..stamps.clone() };
            let forwarded = canonical::forward(message, &host, mti, &stamps, None)?;
            let decoded = Message::decode(&host, forwarded.encode()?)?;
            let mut builder = strip::without_sensitive(&decoded);
            complete_from(&mut builder, original_message.as_ref());
            builder.put_some::<de::AuthorizedBy>(authorized_by.map(Opaque::text));
            if !builder.has::<de::ResponseCode>() {
                builder.put::<de::ResponseCode>(ResponseCode::APPROVED);
            }
            Ok(builder)
        })?;
        Ok(owed.1)
    }

    /// Answers 00, and remembers it for repeats and reversals.
    fn acknowledge(
        &mut self,
        turn: &mut Turn<'_>,
        inbound: &Inbound,
        identity: Identity,
        facts: Facts,
        message: Bytes,
    ) {
        let own = answer::Own {
            rrn: facts.rrn,
            life_cycle: facts.life_cycle.as_ref(),
            ..self.parts.intake.own(turn, &inbound.origin, ResponseCode::APPROVED)
        };
        let mut answer = answer::build(&inbound.origin.message, None, own);
        answer.copy::<de::ApprovalCode>(&inbound.origin.message);
        let request = turn.numbers.next_request();
        let approval = inbound.origin.message.get::<de::ApprovalCode>().ok().flatten();
        let mut recent = RecentRequest {
            acquired: facts.acquired,
            message,
            ..RecentRequest::new(request, inbound.content, facts.card, facts.destination, turn.now.wall_ms)
        };
        self.journal_sent(turn, &identity, &recent);
        let ended = EndedRequest {
            ending: Ending::Approved,
            answer: self.stored(&inbound.origin, &answer),
            life_cycle: facts.life_cycle,
            approval: approval.filter(|code| !code.as_str().is_empty()),
            approved: inbound.amount.unwrap_or(Minor::ZERO),
        };
        self.journal_ended(turn, request, &ended);
        recent.state = State::Ended(ended);
        self.parts.recents.insert(identity, recent);
        self.parts.intake.answer(turn, &inbound.origin, &answer, ResponseCode::APPROVED);
        metrics::total(inbound.received, turn.now.mono);
    }
}

/// What the switch found out about a completion.
struct Facts {
    destination: DestinationId,
    acquired: bool,
    rrn: Option<Rrn>,
    refers_to: Option<String>,
    life_cycle: Option<LifeCycleId>,
    card: crate::intake::CardIndex,
    business_date: MonthDay,
}

/// Card, expiry and original data from the authorization, where the completion left them out.
fn complete_from(builder: &mut Builder, original: Option<&Message>) {
    let Some(original) = original else { return };
    if !builder.has::<de::Pan>() {
        builder.copy::<de::Pan>(original).copy::<de::Expiry>(original).copy::<de::CardSequence>(original);
    }
    let stan: Option<Stan> = original.get::<de::Stan>().ok().flatten();
    let acquirer: Option<InstitutionId> = original.get::<de::Acquirer>().ok().flatten();
    if let Some(stan) = stan {
        builder.put::<de::OriginalData>(codecs::value::OriginalData {
            mti: original.mti(),
            stan,
            transmitted: original.get::<de::TransmissionTime>().ok().flatten(),
            acquirer,
            forwarder: None,
        });
    }
}

fn life_cycle_of(
    turn: &mut Turn<'_>,
    inbound: &Inbound,
    original: Option<&RecentRequest>,
    acquired: bool,
) -> Option<LifeCycleId> {
    let sent = inbound.origin.message.get::<de::LifeCycleId>().ok().flatten();
    let sent = sent.and_then(|id| id.as_str().and_then(LifeCycleId::claimed));
    let of_original = original.and_then(RecentRequest::life_cycle).cloned();
    sent.or(of_original).or_else(|| acquired.then(|| turn.numbers.life_cycle_id()))
}
