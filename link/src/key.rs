//! The key by which an answer is matched to its request on one link.

use codecs::mti::Class;
use codecs::value::{Stan, TerminalId, TransmissionTime};
use codecs::{DecodeError, Message, Mti, de};

/// Which elements make the key, besides class and STAN. The STAN alone would not do: it wraps while requests are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchRule {
    /// DE7, which most peers echo.
    TransmissionTime,
    /// DE41, for peers that stamp their own DE7 on answers.
    Terminal,
}

/// The element of the key besides class and STAN, by the link's rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ThirdElement {
    Time(Option<TransmissionTime>),
    Terminal(Option<TerminalId>),
}

/// The match key: equal for a request and its answer, whatever the version of the MTI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MatchKey {
    class: Class,
    stan: Stan,
    beside: ThirdElement,
}

impl MatchKey {
    /// Of a message that is about to be sent, from its parts.
    pub fn new(
        rule: MatchRule,
        mti: Mti,
        stan: Stan,
        time: Option<TransmissionTime>,
        terminal: Option<TerminalId>,
    ) -> Self {
        let beside = match rule {
            MatchRule::TransmissionTime => ThirdElement::Time(time),
            MatchRule::Terminal => ThirdElement::Terminal(terminal),
        };
        Self { class: mti.class(), stan, beside }
    }

    /// Of a message that arrived.
    ///
    /// # Errors
    /// DE11 is missing, or an element of the key is malformed.
    pub fn of(rule: MatchRule, message: &Message) -> Result<Self, DecodeError> {
        let stan = message.require::<de::Stan>()?;
        let time = message.get::<de::TransmissionTime>()?;
        let terminal = message.get::<de::TerminalId>()?;
        Ok(Self::new(rule, message.mti(), stan, time, terminal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codecs::{Builder, Dialect};
    use std::sync::Arc;

    fn dialect() -> Arc<Dialect> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/dialects");
        codecs::dialect::load(&folder, "iso87-ascii").expect("the dialect is shipped")
    }

    fn message(mti: &[u8; 4], stan: u32, second: u8, terminal: &str) -> Message {
        let dialect = dialect();
        let mut builder = Builder::new(&dialect, Mti::of(mti));
        let time = codecs::value::LocalTime::new(10, 11, second).expect("a time");
        let date = codecs::value::MonthDay::new(11, 20).expect("a date");
        builder.put::<de::Stan>(Stan(stan)).put::<de::TransmissionTime>(TransmissionTime { date, time });
        builder.put::<de::TerminalId>(TerminalId::new(terminal).expect("printable"));
        Message::decode(&dialect, builder.encode().expect("valid")).expect("valid")
    }

    #[test]
    fn a_request_and_its_answer_meet_and_others_do_not() {
        let time = |m: &Message| MatchKey::of(MatchRule::TransmissionTime, m).expect("complete");
        let terminal = |m: &Message| MatchKey::of(MatchRule::Terminal, m).expect("complete");
        let request = message(b"0200", 1, 5, "T0000001");
        assert_eq!(time(&request), time(&message(b"0210", 1, 5, "T0000009")));
        assert_eq!(time(&message(b"0421", 1, 5, "T")), time(&message(b"0430", 1, 5, "T")), "repeats meet the answer");
        assert_ne!(time(&request), time(&message(b"0210", 1, 6, "T0000001")), "same STAN after a wrap");
        assert_ne!(time(&request), time(&message(b"0210", 2, 5, "T0000001")));
        assert_ne!(time(&request), time(&message(b"0110", 1, 5, "T0000001")));
        assert_eq!(terminal(&request), terminal(&message(b"0210", 1, 9, "T0000001")));
        assert_ne!(terminal(&request), terminal(&message(b"0210", 1, 5, "T0000002")));
    }
}
