//! Checks by the HSM: MAC check and PIN translation of an arriving message in one verb, the MAC of an answer in
//! another.
//!
//! The core never waits for the HSM: a message or an answer is kept here under a ticket until the HSM's reply arrives
//! as an event.

use super::{Inbound, Intake, Kind};
use crate::destination::Destinations;
use crate::event::{Ask, ConnectionId, Effect, HsmAnswer, InFlightPermit, MacVerdict, PinVerdict, Ticket};
use crate::metrics;
use crate::turn::Turn;
use bytes::{Bytes, BytesMut};
use codecs::value::{PinBlock, ResponseCode};
use codecs::{DecodeError, Dialect, de, mac};
use hsm::{EdgeCheck, MacCheck, MacKey, PinFormat, PinKey, PinTranslation};
use std::sync::Arc;
use std::time::Instant;

/// Why a message cannot be given to the HSM for its checks.
#[derive(Debug)]
enum CannotCheck {
    NoMac,
    Malformed(DecodeError),
    NoPinKey,
}

/// A message that passed its checks. `pin` is its PIN block, translated to the destination's key.
#[derive(Debug)]
pub(crate) struct Checked {
    pub inbound: Inbound,
    pub pin: Option<PinBlock>,
}

/// An answer that lacks only its MAC.
#[derive(Debug)]
pub(super) struct AnswerWithoutMac {
    connection: ConnectionId,
    header: Bytes,
    body: BytesMut,
    dialect: Arc<Dialect>,
    place: InFlightPermit,
    asked: Instant,
}

impl Intake {
    /// Has the HSM check a message; passes it on at once if it has neither a MAC to check nor a PIN block to translate, and
    /// none about the same transaction waits.
    pub(super) fn check(
        &mut self,
        turn: &mut Turn<'_>,
        destinations: &Destinations,
        inbound: Inbound,
    ) -> Option<Checked> {
        let check = match self.hsm_check(destinations, &inbound) {
            Ok(check) => check,
            Err(fault) => {
                match fault {
                    CannotCheck::NoMac => metrics::alarm("mac-missing", self.name(inbound.origin.listener)),
                    CannotCheck::Malformed(error) => tracing::warn!(%error, "cannot be checked at the edge"),
                    CannotCheck::NoPinKey => tracing::warn!("a PIN block on a link without pin_key"),
                }
                self.reject(turn, &inbound);
                return None;
            }
        };
        let nothing_asked = check.mac.is_none() && check.pin.is_none();
        if nothing_asked && !self.in_order.has_one_before(&inbound) {
            return self.accept(turn, inbound, None);
        }
        let ticket = turn.numbers.next_ticket();
        if nothing_asked {
            let answer = HsmAnswer::Edge { mac: MacVerdict::NotAsked, pin: PinVerdict::NotAsked };
            self.in_order.add(ticket, inbound, Some(answer));
        } else {
            self.in_order.add(ticket, inbound, None);
            turn.push(Effect::AskHsm(ticket, Ask::Edge(Box::new(check))));
        }
        None
    }

    fn hsm_check(&self, destinations: &Destinations, inbound: &Inbound) -> Result<EdgeCheck, CannotCheck> {
        let listener = self.listener(inbound.origin.listener);
        let message = &inbound.origin.message;
        let mac = match (listener.config.mac, &inbound.terminal) {
            (true, Some(terminal)) => {
                let (data, mac) = mac::covered(message).map_err(CannotCheck::Malformed)?.ok_or(CannotCheck::NoMac)?;
                // shares the message's bytes: the MAC covers them as they arrived, before any element is rewritten
                Some(MacCheck { key: terminal.mac_key.clone(), data: message.bytes().slice_ref(data), mac })
            }
            (true, None) => return Err(CannotCheck::NoMac),
            (false, _) => None,
        };
        Ok(EdgeCheck { mac, pin: self.pin_translation(destinations, inbound)? })
    }

    /// The translation of the message's PIN block. `None` without one, and for every message that is no request: only
    /// requests carry a PIN block to a destination.
    fn pin_translation(
        &self,
        destinations: &Destinations,
        inbound: &Inbound,
    ) -> Result<Option<PinTranslation>, CannotCheck> {
        let message = &inbound.origin.message;
        let block = message.get::<de::PinBlock>().map_err(CannotCheck::Malformed)?;
        let (Some(block), Kind::Request(_), Some(destination), Some(pan)) =
            (block, inbound.kind, inbound.destination, &inbound.card)
        else {
            return Ok(None);
        };
        let from = match (&inbound.terminal, &self.listener(inbound.origin.listener).pin_key) {
            (Some(terminal), _) => terminal.pin_key.clone(),
            (None, Some(zone)) => PinKey::Zone(zone.clone()),
            (None, None) => return Err(CannotCheck::NoPinKey),
        };
        Ok(Some(PinTranslation {
            from,
            from_format: PinFormat::Iso0,
            block,
            pan: pan.clone(),
            to: PinKey::Zone(destinations.pin_key(destination).clone()),
            to_format: PinFormat::Iso0,
        }))
    }

    /// Takes a reply of the HSM: an answer gets its MAC, a message may be fetched with [`Intake::next_checked`].
    pub(crate) fn hsm_answered(&mut self, turn: &mut Turn<'_>, ticket: Ticket, answer: HsmAnswer) {
        let answer = match self.in_order.answered(ticket, answer) {
            Ok(()) => return self.may_follow = Some(ticket),
            Err(answer) => answer,
        };
        match (self.answers.remove(&ticket), answer) {
            (Some(waiting), HsmAnswer::Mac(made)) => {
                let AnswerWithoutMac { connection, header, mut body, dialect, place, asked } = waiting;
                metrics::stage("answer-mac", asked, turn.now.mono);
                mac::set(&mut body, &dialect, made);
                turn.push(Effect::Answer { connection, header, body: body.freeze(), place });
            }
            // a terminal would refuse an answer without MAC: it is dropped, as if lost on the wire
            (Some(_), _) => metrics::hsm_failed("mac"),
            (None, _) => {}
        }
    }

    /// The next message that passed its checks, after a reply of the HSM: the one that was asked for, and those about the same
    /// transaction that waited behind it. Call until `None`.
    pub(crate) fn next_checked(&mut self, turn: &mut Turn<'_>) -> Option<Checked> {
        loop {
            let (inbound, answer, behind) = self.in_order.take(self.may_follow.take()?)?;
            self.may_follow = behind;
            if let HsmAnswer::Edge { mac, pin } = answer {
                if let Some(checked) = self.hsm_verdict(turn, inbound, mac, pin) {
                    return Some(checked);
                }
            } else {
                metrics::hsm_failed("edge");
                self.reject(turn, &inbound);
            }
        }
    }

    fn hsm_verdict(
        &mut self,
        turn: &mut Turn<'_>,
        inbound: Inbound,
        mac: MacVerdict,
        pin: PinVerdict,
    ) -> Option<Checked> {
        let _transaction = inbound.span.clone().entered();
        metrics::stage("edge", inbound.received, turn.now.mono);
        if mac == MacVerdict::Wrong {
            metrics::alarm("mac-wrong", self.name(inbound.origin.listener));
            tracing::warn!(key = inbound.key.as_str(), "wrong MAC");
            self.reject(turn, &inbound);
            return None;
        }
        match pin {
            PinVerdict::NotAsked => self.accept(turn, inbound, None),
            PinVerdict::Translated(block) => self.accept(turn, inbound, Some(block)),
            PinVerdict::FormatError => {
                metrics::alarm("pin-key-out-of-step", self.name(inbound.origin.listener));
                self.answer_code(turn, &inbound.origin, ResponseCode::PIN_BLOCK_ERROR);
                None
            }
        }
    }

    /// Answers a network message; gives back every other message.
    fn accept(&mut self, turn: &mut Turn<'_>, inbound: Inbound, pin: Option<PinBlock>) -> Option<Checked> {
        if inbound.kind == Kind::Network {
            self.network_request(turn, &inbound);
            return None;
        }
        Some(Checked { inbound, pin })
    }

    /// Answers 96 to a request that failed its checks or could not be checked. An advice or reversal is not
    /// acknowledged, so that its sender repeats it.
    pub(crate) fn reject(&mut self, turn: &mut Turn<'_>, inbound: &Inbound) {
        match inbound.kind {
            Kind::Request(_) | Kind::Network | Kind::Reconciliation => {
                self.answer_code(turn, &inbound.origin, ResponseCode::SYSTEM_MALFUNCTION);
            }
            Kind::Advice(_) | Kind::Reversal => metrics::not_acknowledged(),
        }
    }

    /// Asks the HSM for the MAC of an answer; the answer is sent when the MAC arrives.
    pub(super) fn ask_for_mac(
        &mut self,
        turn: &mut Turn<'_>,
        key: MacKey,
        (connection, header, body): (ConnectionId, Bytes, Bytes),
        (dialect, place): (Arc<Dialect>, InFlightPermit),
    ) {
        let covered = mac::covered_of_encoded(&body, &dialect);
        let data = body.slice_ref(covered);
        let ticket = turn.numbers.next_ticket();
        let body = BytesMut::from(&body[..]);
        let asked = turn.now.mono;
        self.answers.insert(ticket, AnswerWithoutMac { connection, header, body, dialect, place, asked });
        turn.push(Effect::AskHsm(ticket, Ask::Mac { key, data }));
    }
}
