//! Answers to originators: built in their dialect, given a MAC where their link has one, sent over the connection that
//! the request came by. If that connection is gone, an institution gets the answer over another of its connections, as it may
//! send its messages over any. A terminal's answer is dropped, and counted: the terminal repeats or reverses its request.

use super::Intake;
use crate::config::Durability;
use crate::event::{Arrival, Effect};
use crate::metrics;
use crate::translate::answer;
use crate::turn::Turn;
use bytes::Bytes;
use codecs::frame::Framed;
use codecs::value::ResponseCode;
use codecs::{Builder, Message, de};

impl Intake {
    /// Answers with a response code of the switch's own, without a destination.
    pub(crate) fn answer_code(&mut self, turn: &mut Turn<'_>, origin: &Arrival, code: ResponseCode) {
        let own = self.switch_elements(turn, origin, code);
        self.answer(turn, origin, &answer::build(&origin.message, None, own), code);
    }

    /// The elements that the switch itself puts on an answer to this originator.
    pub(crate) fn switch_elements(
        &self,
        turn: &Turn<'_>,
        origin: &Arrival,
        code: ResponseCode,
    ) -> answer::SwitchElements<'static> {
        let to_institution = !self.listener(origin.listener).role.is_ours();
        answer::SwitchElements { code, business_date: turn.business_date, rrn: None, life_cycle: None, to_institution }
    }

    /// Whether an answer to this originator may only be sent once its record is on the disk.
    pub(crate) fn outlives_power(&self, origin: &Arrival) -> bool {
        self.listener(origin.listener).config.durability == Durability::Power
    }

    /// An answer, encoded to be kept for repeats; `None` if it does not fit the originator's dialect.
    pub(crate) fn stored(&self, origin: &Arrival, answer: &Builder) -> Option<Bytes> {
        let listener = self.name(origin.listener);
        let stored = answer.encode();
        stored.inspect_err(|error| tracing::error!(listener, %error, "an answer cannot be kept for repeats")).ok()
    }

    /// Sends an answer over the connection that the request came by.
    pub(crate) fn answer(&mut self, turn: &mut Turn<'_>, origin: &Arrival, answer: &Builder, code: ResponseCode) {
        let listener = self.listener(origin.listener);
        let name = &listener.config.name;
        metrics::answered(name, answer.mti(), code);
        let Some(connection) = listener.way_back(origin.connection) else {
            metrics::undeliverable(name, code.is_approval());
            tracing::info!(listener = %name, connection = origin.connection.0, %code, "the connection that asked is gone");
            return;
        };
        let mac_key = listener.config.mac.then(|| self.mac_key(&origin.message)).flatten();
        let encoded = match &mac_key {
            Some(_) => answer.clone().reserve_mac().encode(),
            None => answer.encode(),
        };
        let body = match encoded {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(listener = %name, %error, "an answer does not fit the originator's dialect");
                return metrics::undeliverable(name, code.is_approval());
            }
        };
        let framed = Framed { header: origin.header.clone(), body: Bytes::new() }.answer(body);
        match mac_key {
            Some(key) => {
                let asked_by = (origin.message.dialect().clone(), origin.place.clone());
                self.ask_for_mac(turn, key, (connection, framed.header, framed.body), asked_by);
            }
            None => {
                let (header, body, place) = (framed.header, framed.body, origin.place.clone());
                turn.push(Effect::Answer { connection, header, body, place });
            }
        }
    }

    /// As [`Intake::answer_code`], for a repeat of a message whose answer relies on a record of the pending log: the answer
    /// is sent once every such record made so far is on the disk.
    pub(crate) fn answer_code_after_sync(&mut self, turn: &mut Turn<'_>, origin: &Arrival, code: ResponseCode) {
        turn.push(Effect::AfterSync);
        self.answer_code(turn, origin, code);
    }

    /// Answers a repeat with the stored answer of its original, once every record that such an answer relies on is on
    /// the disk.
    pub(crate) fn repeat_answer(&mut self, turn: &mut Turn<'_>, origin: &Arrival, stored: &Bytes) {
        turn.push(Effect::AfterSync);
        match Message::decode(origin.message.dialect(), stored.clone()) {
            Ok(stored) => {
                let code = stored.get::<de::ResponseCode>().ok().flatten().unwrap_or(ResponseCode::SYSTEM_MALFUNCTION);
                self.answer(turn, origin, &answer::for_repeat(&stored, &origin.message), code);
            }
            Err(error) => {
                // it was stored while the link was configured with another dialect
                tracing::error!(%error, "a stored answer cannot be read in the link's dialect");
                self.answer_code(turn, origin, ResponseCode::ISSUER_INOPERATIVE);
            }
        }
    }

    fn mac_key(&self, message: &Message) -> Option<hsm::MacKey> {
        let terminal = message.get::<de::TerminalId>().ok().flatten()?;
        self.terminals.get(&terminal).map(|terminal| terminal.mac_key.clone())
    }
}
