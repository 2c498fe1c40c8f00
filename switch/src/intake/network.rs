//! Network messages of originators: sign-on, sign-off and echo.

use super::{Inbound, Intake};
use crate::event::Effect;
use crate::turn::Turn;
use codecs::value::ResponseCode;
use codecs::view::{Network, NetworkFunction};

impl Intake {
    pub(super) fn network_request(&mut self, turn: &mut Turn<'_>, inbound: &Inbound) {
        let origin = &inbound.origin;
        let code = match Network::of(&origin.message).map(|network| network.function) {
            Ok(NetworkFunction::SignOn) => {
                self.listener_mut(origin.listener).signed_on.insert(origin.connection);
                turn.push(Effect::SignedOn { connection: origin.connection });
                ResponseCode::APPROVED
            }
            Ok(NetworkFunction::SignOff) => {
                self.listener_mut(origin.listener).signed_on.remove(&origin.connection);
                ResponseCode::APPROVED
            }
            Ok(NetworkFunction::Echo) => ResponseCode::APPROVED,
            Ok(NetworkFunction::KeyChange | NetworkFunction::CutOver | NetworkFunction::Other(_)) => {
                ResponseCode::INVALID_TRANSACTION
            }
            Err(_) => ResponseCode::FORMAT_ERROR,
        };
        self.answer_code(turn, origin, code);
    }
}
