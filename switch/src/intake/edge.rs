//! Questions to the HSM: one verb per arriving message (MAC and PIN together), one per answer that carries a MAC.
//!
//! The core never waits: a message that is being asked about lies here under its ticket until the answer is an event.

use super::{Inbound, Intake, Kind};
use crate::destination::Destinations;
use crate::event::{Ask, ConnectionId, Effect, HsmAnswer, MacVerdict, PinVerdict, Ticket};
use crate::metrics;
use crate::turn::Turn;
use bytes::{Bytes, BytesMut};
use codecs::value::{PinBlock, ResponseCode};
use codecs::{DecodeError, Dialect, de, mac};
use hsm::{EdgeCheck, MacCheck, MacKey, PinFormat, PinKey, PinTranslation};
use std::sync::Arc;
use std::time::Instant;

/// A message on a link with MACs that cannot even be checked.
#[derive(Debug)]
enum CannotCheck {
    NoMac,
    Malformed(DecodeError),
    NoPinKey,
}

/// A message that came through its checks, with its PIN block under the destination's key.
pub(crate) struct Checked {
    pub inbound: Inbound,
    pub pin: Option<PinBlock>,
}

/// What an answer of the HSM is awaited for.
#[derive(Debug)]
pub(super) enum Asked {
    Message(Box<Inbound>),
    /// An answer that lacks only its MAC.
    AnswerMac {
        connection: ConnectionId,
        header: Bytes,
        body: BytesMut,
        dialect: Arc<Dialect>,
        asked: Instant,
    },
}

impl Intake {
    /// Asks the HSM what has to be asked about a message, or passes it on at once.
    pub(super) fn check(
        &mut self,
        turn: &mut Turn<'_>,
        destinations: &Destinations,
        inbound: Inbound,
    ) -> Option<Checked> {
        let check = match self.edge_check(destinations, &inbound) {
            Ok(check) => check,
            Err(fault) => {
                match fault {
                    CannotCheck::NoMac => metrics::alarm("mac-missing", self.name(inbound.origin.listener)),
                    CannotCheck::Malformed(error) => tracing::warn!(%error, "cannot be checked at the edge"),
                    CannotCheck::NoPinKey => tracing::warn!("a PIN block on a link without pin_key"),
                }
                self.distrust(turn, &inbound);
                return None;
            }
        };
        if check.mac.is_none() && check.pin.is_none() {
            return self.passed(turn, inbound, None);
        }
        let ticket = turn.numbers.next_ticket();
        self.asked.insert(ticket, Asked::Message(Box::new(inbound)));
        turn.push(Effect::AskHsm(ticket, Ask::Edge(Box::new(check))));
        None
    }

    fn edge_check(&self, destinations: &Destinations, inbound: &Inbound) -> Result<EdgeCheck, CannotCheck> {
        let listener = self.listener(inbound.origin.listener);
        let message = &inbound.origin.message;
        let mac = match (listener.config.mac, &inbound.terminal) {
            (true, Some(terminal)) => {
                let (data, mac) = mac::covered(message).map_err(CannotCheck::Malformed)?.ok_or(CannotCheck::NoMac)?;
                // shares the message's bytes: the MAC is over what came, before anything is rewritten
                Some(MacCheck { key: terminal.mac_key.clone(), data: message.bytes().slice_ref(data), mac })
            }
            (true, None) => return Err(CannotCheck::NoMac),
            (false, _) => None,
        };
        Ok(EdgeCheck { mac, pin: self.pin_translation(destinations, inbound)? })
    }

    /// Only a live request brings its PIN block to a destination.
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

    /// The HSM answered. `Some` is for the switch to handle.
    pub(crate) fn hsm_answered(&mut self, turn: &mut Turn<'_>, ticket: Ticket, answer: HsmAnswer) -> Option<Checked> {
        match (self.asked.remove(&ticket), answer) {
            (Some(Asked::Message(inbound)), HsmAnswer::Edge { mac, pin }) => {
                return self.judged(turn, *inbound, mac, pin);
            }
            (Some(Asked::Message(inbound)), _) => {
                metrics::hsm_failed("edge");
                self.distrust(turn, &inbound);
            }
            (Some(Asked::AnswerMac { connection, header, mut body, dialect, asked }), HsmAnswer::Mac(made)) => {
                metrics::stage("answer-mac", asked, turn.now.mono);
                mac::set(&mut body, &dialect, made);
                turn.push(Effect::Answer { connection, header, body: body.freeze() });
            }
            // an answer without its MAC would be refused: to the terminal it is one that got lost
            (Some(Asked::AnswerMac { .. }), _) => metrics::hsm_failed("mac"),
            (None, _) => {}
        }
        None
    }

    fn judged(&mut self, turn: &mut Turn<'_>, inbound: Inbound, mac: MacVerdict, pin: PinVerdict) -> Option<Checked> {
        let _transaction = inbound.span.clone().entered();
        metrics::stage("edge", inbound.received, turn.now.mono);
        if mac == MacVerdict::Wrong {
            metrics::alarm("mac-wrong", self.name(inbound.origin.listener));
            tracing::warn!(key = inbound.key.as_str(), "wrong MAC");
            self.distrust(turn, &inbound);
            return None;
        }
        match pin {
            PinVerdict::NotAsked => self.passed(turn, inbound, None),
            PinVerdict::Translated(block) => self.passed(turn, inbound, Some(block)),
            PinVerdict::FormatError => {
                metrics::alarm("pin-key-out-of-step", self.name(inbound.origin.listener));
                self.refuse(turn, &inbound.origin, ResponseCode::PIN_BLOCK_ERROR);
                None
            }
        }
    }

    /// Network messages end here; the rest is for the switch to handle.
    fn passed(&mut self, turn: &mut Turn<'_>, inbound: Inbound, pin: Option<PinBlock>) -> Option<Checked> {
        if inbound.kind == Kind::Network {
            self.network_request(turn, &inbound);
            return None;
        }
        Some(Checked { inbound, pin })
    }

    /// A request that cannot be trusted, or not be checked, is answered 96; an advice is not acknowledged, so that its
    /// sender keeps it.
    fn distrust(&mut self, turn: &mut Turn<'_>, inbound: &Inbound) {
        match inbound.kind {
            Kind::Request(_) | Kind::Network | Kind::Reconciliation => {
                self.refuse(turn, &inbound.origin, ResponseCode::SYSTEM_MALFUNCTION);
            }
            Kind::Advice(_) | Kind::Reversal => metrics::not_acknowledged(),
        }
    }

    /// Asks for the MAC of an answer, which is then sent when it comes.
    pub(super) fn ask_for_mac(
        &mut self,
        turn: &mut Turn<'_>,
        key: MacKey,
        (connection, header, body): (ConnectionId, Bytes, Bytes),
        dialect: Arc<Dialect>,
    ) {
        let covered = mac::covered_of_encoded(&body, &dialect);
        let data = body.slice_ref(covered);
        let ticket = turn.numbers.next_ticket();
        let body = BytesMut::from(&body[..]);
        self.asked.insert(ticket, Asked::AnswerMac { connection, header, body, dialect, asked: turn.now.mono });
        turn.push(Effect::AskHsm(ticket, Ask::Mac { key, data }));
    }
}
