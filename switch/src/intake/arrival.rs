//! Reads an arriving message of an originator: its kind, terminal, acquirer, idempotency key, card and destination. A
//! message that the switch does not take is answered here with a response code.

use super::edge::Checked;
use super::identity::{key_of, key_of_original};
use super::terminals::Terminal;
use super::{Inbound, Intake, Kind};
use crate::config::{self, RouteClass};
use crate::destination::Destinations;
use crate::event::Arrival;
use crate::metrics;
use crate::translate::{canonical, wire};
use crate::turn::Turn;
use codecs::de::DataElement;
use codecs::mti::{Class, Function};
use codecs::originator::KeyClass;
use codecs::value::{InstitutionId, Minor, Pan, ProcessingCode, ResponseCode, TerminalId, TransactionType};
use codecs::{DecodeError, ErrorKind, Message, de};
use link::role::Role;
use std::time::Instant;

/// Why a message is refused: a response code, or an element that is missing or malformed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Code(ResponseCode),
    Unreadable(DecodeError),
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Self::Unreadable(error)
    }
}

impl From<ResponseCode> for Refusal {
    fn from(code: ResponseCode) -> Self {
        Self::Code(code)
    }
}

impl Intake {
    /// Takes an arriving message through its checks. `Some` is a message that passed them without the HSM; `None` means
    /// that the message was answered here, or waits for the HSM.
    pub(crate) fn arrived(
        &mut self,
        turn: &mut Turn<'_>,
        destinations: &Destinations,
        arrival: Arrival,
    ) -> Option<Checked> {
        let name = self.name(arrival.listener);
        metrics::arrived(name, arrival.message.mti());
        if !arrival.message.mti().is_answered() {
            // the switch sends originators no requests, so it expects no answers and acknowledgements of theirs
            metrics::unmatched(name);
            return None;
        }
        if !self.may_send(&arrival) {
            // whoever has not signed on is a stranger: what it sends is not looked at, reversals neither
            metrics::not_signed_on(name);
            return None;
        }
        match self.examine(turn.now.mono, &arrival) {
            Ok(inbound) => {
                let _transaction = inbound.span.clone().entered();
                return self.check(turn, destinations, inbound);
            }
            Err(Refusal::Unreadable(error)) => {
                metrics::malformed(name, &error);
                tracing::warn!(listener = %name, mti = %arrival.message.mti(), %error, "message refused");
                *self.listener_mut(arrival.listener).refused.entry(error.element).or_default() += 1;
                self.answer_code(turn, &arrival, ResponseCode::FORMAT_ERROR);
            }
            Err(Refusal::Code(code)) => self.answer_code(turn, &arrival, code),
        }
        None
    }

    fn examine(&self, received: Instant, arrival: &Arrival) -> Result<Inbound, Refusal> {
        let listener = self.listener(arrival.listener);
        let message = &arrival.message;
        let kind = kind_of(message)?;
        let terminal = self.terminal_of(arrival, kind)?;
        let acquirer = self.acquirer_of(arrival)?;
        message.require::<de::Stan>()?;
        let amount = message.get::<de::Amount>()?;
        let processing = message.get::<de::ProcessingCode>()?;
        let card = canonical::card(message)?;
        match kind {
            Kind::Request(class) => check_request(message, class, amount, processing, card.as_ref())?,
            Kind::Advice(_) => _ = message.require::<de::Amount>()?,
            Kind::Network => _ = message.require::<de::NetworkManagementCode>()?,
            Kind::Reversal | Kind::Reconciliation => {}
        }
        let key = match kind {
            Kind::Reversal => key_of_original(&listener.config.name, message)?,
            _ => key_of(&listener.config.name, message)?,
        };
        let card_index = match &card {
            Some(pan) => self.hasher.card(pan),
            None => self.hasher.without_card(&key),
        };
        let currency = message.get::<de::Currency>()?;
        let content = self.hasher.content(card_index, amount, currency, processing);
        let destination = card.as_ref().and_then(|pan| self.routes.find(pan, route_class(kind), arrival.listener));
        if let (Kind::Request(_), None) = (kind, destination) {
            return Err(ResponseCode::NO_ROUTE.into());
        }
        let span = tracing::info_span!("transaction", key = key.as_str(), mti = %message.mti());
        let origin = arrival.clone();
        Ok(Inbound {
            origin,
            received,
            kind,
            key,
            card,
            card_index,
            content,
            amount,
            terminal,
            acquirer,
            destination,
            span,
        })
    }

    /// The terminal (DE41) of a message on a link of our own terminals: it must be in the terminal file, under the
    /// merchant that DE42 names.
    fn terminal_of(&self, arrival: &Arrival, kind: Kind) -> Result<Option<Terminal>, Refusal> {
        if !self.listener(arrival.listener).role.is_ours() {
            return Ok(None);
        }
        let id: TerminalId = arrival.message.require::<de::TerminalId>()?;
        let terminal = self.terminals.get(&id).ok_or(ResponseCode::INVALID_MERCHANT)?;
        match arrival.message.get::<de::MerchantId>()? {
            Some(merchant) if merchant != terminal.merchant => Err(ResponseCode::INVALID_MERCHANT.into()),
            None if kind != Kind::Network => Err(missing::<de::MerchantId>().into()),
            _ => Ok(Some(terminal.clone())),
        }
    }

    /// The acquirer (DE32): ours for our own terminals; of a foreign acquirer, an institution that its link may claim.
    fn acquirer_of(&self, arrival: &Arrival) -> Result<InstitutionId, Refusal> {
        let listener = self.listener(arrival.listener);
        let Role::Acquirer { id: only, others, .. } = &listener.role else {
            return Ok(self.own_acquirer);
        };
        let is_theirs = |id: &str| {
            let mut theirs = listener.role.claimable_ids();
            theirs.any(|theirs| theirs.trim_start_matches('0') == id.trim_start_matches('0'))
        };
        match arrival.message.get::<de::Acquirer>()? {
            Some(id) if is_theirs(id.as_str()) => Ok(id),
            Some(id) => {
                let listener = &listener.config.name;
                metrics::alarm("acquirer-not-allowed", listener);
                tracing::warn!(%listener, acquirer = %id, "DE32 is not in the link's row");
                Err(ResponseCode(*b"31").into())
            }
            None if others.is_empty() => Ok(config::institution(only)),
            None => Err(missing::<de::Acquirer>().into()),
        }
    }
}

fn missing<E: DataElement>() -> DecodeError {
    DecodeError::new(ErrorKind::MissingElement, E::NUMBER, 0)
}

fn kind_of(message: &Message) -> Result<Kind, Refusal> {
    let mti = message.mti();
    if !wire::is_taken(message) {
        return Err(ResponseCode::FORMAT_ERROR.into());
    }
    match (mti.class(), mti.function()) {
        (Class::Authorization, Function::Request) => Ok(Kind::Request(KeyClass::Authorization)),
        (Class::Financial, Function::Request) => Ok(Kind::Request(KeyClass::Financial)),
        (Class::Authorization, Function::Advice) => Ok(Kind::Advice(KeyClass::Authorization)),
        (Class::Financial, Function::Advice) => Ok(Kind::Advice(KeyClass::Financial)),
        (Class::Reversal, Function::Request | Function::Advice) => Ok(Kind::Reversal),
        (Class::Reconciliation, Function::Request | Function::Advice) => Ok(Kind::Reconciliation),
        (Class::Network, Function::Request | Function::Advice) => Ok(Kind::Network),
        _ => Err(ResponseCode::INVALID_TRANSACTION.into()),
    }
}

fn route_class(kind: Kind) -> RouteClass {
    match kind {
        Kind::Request(KeyClass::Authorization) | Kind::Advice(KeyClass::Authorization) => RouteClass::Authorization,
        _ => RouteClass::Financial,
    }
}

/// Checks that a request has the elements that every request must have. Whether the transaction is permitted, the
/// authorizer decides.
fn check_request(
    message: &Message,
    class: KeyClass,
    amount: Option<Minor>,
    processing: Option<ProcessingCode>,
    card: Option<&Pan>,
) -> Result<(), Refusal> {
    let processing = processing.ok_or(missing::<de::ProcessingCode>())?;
    message.require::<de::LocalTime>()?;
    message.require::<de::LocalDate>()?;
    message.require::<de::TerminalId>()?;
    message.require::<de::MerchantId>()?;
    if card.is_none() {
        return Err(missing::<de::Pan>().into());
    }
    if processing.kind() == TransactionType::Inquiry {
        return Ok(());
    }
    message.require::<de::Currency>()?;
    match amount {
        None => Err(missing::<de::Amount>().into()),
        // an authorization of amount zero is an account verification
        Some(Minor(0)) if class != KeyClass::Authorization => Err(ResponseCode::INVALID_AMOUNT.into()),
        Some(_) => Ok(()),
    }
}
