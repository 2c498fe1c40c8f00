//! The merchant's side of a sale that a foreign issuer approved: the host is owed it.

use crate::core::Core;
use crate::intake::KeyClass;
use crate::life_cycle::LifeCycleId;
use crate::reversal;
use crate::saf::{Advice, NotOwed, Numbered};
use crate::translate::{Outcome, Stamps, canonical};
use crate::turn::Turn;
use crate::under_way::Request;
use codecs::value::{Minor, Opaque};
use codecs::{Builder, Mti, de};

const FINANCIAL_ADVICE: Mti = Mti::of(b"0220");

impl Core {
    /// A foreign issuer approved at our own terminal: the host is owed the merchant's side, with the issuer's answer.
    /// An authorization alone is no sale: its completion is owed when it comes.
    pub(crate) fn owe_acquired(
        &mut self,
        turn: &mut Turn<'_>,
        request: &Request,
        outcome: &Outcome,
        life_cycle: Option<&LifeCycleId>,
    ) -> Result<(), NotOwed> {
        let Some(identity) = request.identity.as_ref().filter(|identity| identity.class == KeyClass::Financial) else {
            return Ok(());
        };
        let key = identity.key.as_str();
        let read = self
            .parts
            .destinations
            .read_own(&request.message)
            .and_then(|m| reversal::has_effect(&m).map(|is_owed| (m, is_owed)));
        let Ok((message, moves_money)) = read else {
            return Err(NotOwed::Unreadable.told(&self.parts.destinations, self.parts.destinations.host(), key));
        };
        if !moves_money {
            return Ok(());
        }
        let advice = Advice {
            destination: self.parts.destinations.host(),
            card: request.card,
            key,
            refers_to: None,
            life_cycle,
            acquirer: self.parts.saf.acquirer_of(&message),
            business_date: request.business_date,
            for_request: None,
        };
        let authorized_by = canonical::authorized_by(self.parts.destinations.name(request.destination));
        let build = |stamps: &Stamps<'_>| {
            let mut builder = Builder::new(message.dialect(), FINANCIAL_ADVICE);
            builder.copy_all(&message);
            if let Some(amount) = outcome.amount.filter(|amount| *amount > Minor::ZERO) {
                builder.put::<de::Amount>(amount);
            }
            builder.put::<de::ResponseCode>(outcome.code).put_some::<de::ApprovalCode>(outcome.approval);
            builder.put::<de::AuthorizedBy>(Opaque::text(&authorized_by));
            canonical::stamp(&mut builder, stamps);
            Ok(builder)
        };
        self.parts.saf.owe(turn, &mut self.parts.destinations, &advice, Numbered::Fresh, build).map(|_| ())
    }
}
