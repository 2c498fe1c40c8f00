//! The originator's key of a request (idempotency key): fields of its originator, which the switch passes unchanged to
//! the host in a private element, and by which a repeat is recognised. It is written and parsed only here.

use std::fmt;

use crate::mti::Class;
use crate::value::{LocalTime, MerchantId, MonthDay, Stan, TerminalId};

/// `link|DE41|DE42|DE11|DE12|DE13`, each as sent by the originator; absent parts are empty. With the message class it
/// identifies a request ([`NamedKey`]).
///
/// The trace number alone is no key: at twelve requests a second it wraps around daily. Fields that differ between
/// repeats – DE7, the MAC, the random fill of a PIN block – are left out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginatorKey(String);

/// The elements of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyElements {
    pub terminal: Option<TerminalId>,
    pub merchant: Option<MerchantId>,
    pub stan: Option<Stan>,
    pub time: Option<LocalTime>,
    pub date: Option<MonthDay>,
}

/// A text that does not have the parts of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an originator key has six parts, and the message class as a seventh if it names one")]
pub struct NotAKey;

/// The message class of a request, a part of its identity: an authorization and its completion may share STAN, time and
/// date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyClass {
    /// 01xx.
    Authorization = 1,
    /// 02xx.
    Financial = 2,
}

impl KeyClass {
    /// The class of this number: the second digit of the message type.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Authorization, Self::Financial].into_iter().find(|class| *class as u8 == number)
    }

    /// The class of a message that can be an original; `None` for reversals and all that moves no money.
    pub fn of(class: Class) -> Option<Self> {
        match class {
            Class::Authorization => Some(Self::Authorization),
            Class::Financial => Some(Self::Financial),
            _ => None,
        }
    }
}

/// A key as it is written in a message that refers to another one: the key, and the class of what it names. Without a
/// class the message does not say whether it means the authorization or the sale of that key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamedKey {
    pub key: OriginatorKey,
    pub class: Option<KeyClass>,
}

impl NamedKey {
    /// Parses a key with or without a class.
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        match text.bytes().filter(|byte| *byte == b'|').count() {
            6 => {
                let (key, class) = text.rsplit_once('|').ok_or(NotAKey)?;
                let class = class.parse().ok().and_then(KeyClass::from_number).ok_or(NotAKey)?;
                Ok(Self { key: OriginatorKey::parse(key)?, class: Some(class) })
            }
            _ => Ok(Self { key: OriginatorKey::parse(text)?, class: None }),
        }
    }
}

/// The text of a key to be written, with the class if the message is to name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyText<'k> {
    pub key: &'k str,
    pub class: Option<KeyClass>,
}

impl fmt::Display for KeyText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.class {
            Some(class) => write!(f, "{}|{}", self.key, class as u8),
            None => f.write_str(self.key),
        }
    }
}

/// A part of a key: its value, or empty.
struct OrNothing<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for OrNothing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |part| part.fmt(f))
    }
}

impl OriginatorKey {
    /// The key of a request with these elements that came in on `link`, whose name has no `|`.
    pub fn new(link: &str, of: &KeyElements) -> Self {
        let mut key = String::with_capacity(64);
        let (terminal, merchant, stan) = (OrNothing(of.terminal), OrNothing(of.merchant), OrNothing(of.stan));
        let (time, date) = (OrNothing(of.time), OrNothing(of.date));
        // writing to a String cannot fail
        let _ = fmt::Write::write_fmt(&mut key, format_args!("{link}|{terminal}|{merchant}|{stan}|{time}|{date}"));
        Self(key)
    }

    /// Parses a key.
    pub fn parse(text: impl Into<String>) -> Result<Self, NotAKey> {
        let text = text.into();
        if text.split('|').count() == 6 { Ok(Self(text)) } else { Err(NotAKey) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Name of the switch's link on which the request came in.
    pub fn link(&self) -> &str {
        self.part(0)
    }

    /// DE41.
    pub fn terminal(&self) -> &str {
        self.part(1)
    }

    /// DE42.
    pub fn merchant(&self) -> &str {
        self.part(2)
    }

    /// DE11; `None` if it is absent or no number.
    pub fn stan(&self) -> Option<Stan> {
        self.part(3).parse().ok().map(Stan)
    }

    /// DE12; `None` if it is absent or no time.
    pub fn time(&self) -> Option<LocalTime> {
        let [hour, minute, second] = pairs(self.part(4))?;
        LocalTime::new(hour, minute, second)
    }

    /// DE13; `None` if it is absent or no date.
    pub fn date(&self) -> Option<MonthDay> {
        let [month, day] = pairs(self.part(5))?;
        MonthDay::new(month, day)
    }

    fn part(&self, at: usize) -> &str {
        self.0.split('|').nth(at).expect("a key has six parts")
    }
}

impl fmt::Display for OriginatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Adjacent numbers of two digits each.
fn pairs<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut numbers = [0; N];
    for (number, pair) in numbers.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *number = (pair[0] - b'0') * 10 + pair[1] - b'0';
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let elements = KeyElements {
            terminal: TerminalId::new("T0000001"),
            merchant: MerchantId::new("SWYD00000000001"),
            stan: Some(Stan(17)),
            time: LocalTime::new(23, 59, 58),
            date: MonthDay::new(12, 31),
        };
        let key = OriginatorKey::new("terminals", &elements);
        assert_eq!(key.as_str(), "terminals|T0000001|SWYD00000000001|000017|235958|1231");
        assert_eq!(OriginatorKey::parse(key.as_str()), Ok(key.clone()));
        assert_eq!((key.link(), key.terminal(), key.merchant()), ("terminals", "T0000001", "SWYD00000000001"));
        assert_eq!((key.stan(), key.time(), key.date()), (elements.stan, elements.time, elements.date));
    }

    #[test]
    fn absent_parts_are_empty() {
        let key = OriginatorKey::new("a", &KeyElements::default());
        assert_eq!(key.as_str(), "a|||||");
        assert_eq!((key.terminal(), key.stan(), key.time(), key.date()), ("", None, None, None));
    }

    #[test]
    fn a_key_may_name_the_class_of_what_it_means() {
        let key = OriginatorKey::parse("a|T|M|000001|101010|0601").expect("six parts");
        for class in [None, Some(KeyClass::Authorization), Some(KeyClass::Financial)] {
            let text = KeyText { key: key.as_str(), class }.to_string();
            assert_eq!(NamedKey::parse(&text), Ok(NamedKey { key: key.clone(), class }), "{text}");
        }
        for text in ["a|T|M|1|101010|0601|", "a|T|M|1|101010|0601|4", "a|T|M|1|101010|0601|1|1", "a|T"] {
            assert_eq!(NamedKey::parse(text), Err(NotAKey), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_keys() {
        for text in ["", "a|b|c", "a|T|M|1|101010|0601|x"] {
            assert_eq!(OriginatorKey::parse(text), Err(NotAKey), "{text}");
        }
        let odd = OriginatorKey::parse("a|T|M|x|251010|1301").expect("six parts");
        assert_eq!((odd.stan(), odd.time(), odd.date()), (None, None, None));
    }
}
