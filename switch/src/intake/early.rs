//! Reversals that came before their original: the original, when it comes, must not take effect.

use super::duplicates::Identity;
use crate::record::Early;
use codecs::originator::{KeyClass, OriginatorKey};
use codecs::value::{LocalTime, MonthDay, Stan, TransmissionTime};
use std::collections::{HashMap, VecDeque};

/// A full reversal whose original is not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlyReversal {
    /// The key of its original, as far as it names it: its trace number is that of DE90.
    pub key: OriginatorKey,
    /// The class of its original, if it names one.
    pub class: Option<KeyClass>,
    /// DE7 of its original, if it names it.
    pub transmitted: Option<TransmissionTime>,
    /// When it came, in milliseconds since 1970.
    pub at_ms: i64,
}

impl EarlyReversal {
    pub(super) fn record(&self) -> Early {
        let time = |at: TransmissionTime| [at.date.month, at.date.day, at.time.hour, at.time.minute, at.time.second];
        Early {
            key: self.key.as_str().to_owned(),
            class: self.class.map_or(0, |class| class as u8),
            transmitted: self.transmitted.map(time),
            at_ms: self.at_ms,
        }
    }

    /// `None` if the record has no key.
    pub(crate) fn of_record(record: Early) -> Option<Self> {
        let time = |[month, day, hour, minute, second]: [u8; 5]| {
            let (date, time) = (MonthDay::new(month, day)?, LocalTime::new(hour, minute, second)?);
            Some(TransmissionTime { date, time })
        };
        Some(Self {
            key: OriginatorKey::parse(record.key).ok()?,
            class: KeyClass::from_number(record.class),
            transmitted: record.transmitted.and_then(time),
            at_ms: record.at_ms,
        })
    }
}

/// The early reversals of the recent past, bounded in number and age.
#[derive(Debug, Default)]
pub(super) struct EarlyReversals {
    /// By link and trace number.
    by_stan: HashMap<(String, u32), Vec<EarlyReversal>>,
    /// Oldest first.
    order: VecDeque<(i64, (String, u32))>,
}

impl EarlyReversals {
    /// Remembers a reversal; what is older than `keep_ms`, or more than `limit`, is forgotten.
    pub(super) fn note(&mut self, reversal: EarlyReversal, limit: usize, keep_ms: i64) {
        let Some(place) = place(&reversal.key) else { return };
        let now_ms = reversal.at_ms;
        while let Some((at_ms, _)) = self.order.front() {
            if self.order.len() < limit && now_ms - at_ms <= keep_ms {
                break;
            }
            self.forget_oldest();
        }
        if !self.has_this(&reversal) {
            self.by_stan.entry(place.clone()).or_default().push(reversal);
            self.order.push_back((now_ms, place));
        }
    }

    fn forget_oldest(&mut self) {
        let Some((at_ms, place)) = self.order.pop_front() else { return };
        let Some(at_place) = self.by_stan.get_mut(&place) else { return };
        if let Some(oldest) = at_place.iter().position(|of| of.at_ms == at_ms) {
            at_place.remove(oldest);
        }
        if at_place.is_empty() {
            self.by_stan.remove(&place);
        }
    }

    /// Whether this reversal, or its repeat, is remembered.
    pub(super) fn has_this(&self, reversal: &EarlyReversal) -> bool {
        let at_place = place(&reversal.key).and_then(|place| self.by_stan.get(&place));
        at_place.into_iter().flatten().any(|of| of.key == reversal.key && of.class == reversal.class)
    }

    /// Whether a request was reversed before it came: by its key, or by trace number and transmission time at its terminal.
    pub(super) fn has(&self, request: &Identity, transmitted: Option<TransmissionTime>) -> bool {
        let at_place = place(&request.key).and_then(|place| self.by_stan.get(&place));
        at_place.into_iter().flatten().any(|of| {
            let same_time = transmitted.is_some() && of.transmitted == transmitted;
            let same_place = ["", request.key.terminal()].contains(&of.key.terminal());
            let class = of.class.is_none_or(|class| class == request.class);
            class && (of.key == request.key || (same_time && same_place))
        })
    }
}

fn place(key: &OriginatorKey) -> Option<(String, u32)> {
    let Stan(stan) = key.stan()?;
    Some((key.link().to_owned(), stan))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> OriginatorKey {
        OriginatorKey::parse(text).expect("six parts")
    }

    fn at(second: u8) -> Option<TransmissionTime> {
        let (date, time) = (MonthDay::new(11, 20)?, LocalTime::new(10, 0, second)?);
        Some(TransmissionTime { date, time })
    }

    #[test]
    fn what_a_reversal_named_is_found_by_its_key_or_by_its_time() {
        let mut early = EarlyReversals::default();
        let class = Some(KeyClass::Financial);
        // local time and date are the reversal's own
        let reversal = EarlyReversal { key: key("a|T|M|000017|120000|1121"), class, transmitted: at(1), at_ms: 0 };
        assert_eq!(EarlyReversal::of_record(reversal.record()).as_ref(), Some(&reversal));
        early.note(reversal, 10, 100);
        for (request, class, transmitted, expected) in [
            ("a|T|M|000017|120000|1121", KeyClass::Financial, None, true),
            ("a|T|M|000017|100001|1120", KeyClass::Financial, at(1), true),
            ("a|T|N|000017|100001|1120", KeyClass::Financial, at(1), true),
            ("a|T|M|000017|100001|1120", KeyClass::Authorization, at(1), false),
            ("a|T|M|000017|100001|1120", KeyClass::Financial, at(2), false),
            ("a|T|M|000017|100001|1120", KeyClass::Financial, None, false),
            ("a|U|M|000017|100001|1120", KeyClass::Financial, at(1), false),
            ("b|T|M|000017|100001|1120", KeyClass::Financial, at(1), false),
            ("a|T|M|000018|100001|1120", KeyClass::Financial, at(1), false),
        ] {
            assert_eq!(
                early.has(&Identity::of_request(key(request), class), transmitted),
                expected,
                "{request} {class:?}"
            );
        }
    }

    #[test]
    fn number_and_age_are_bounded() {
        let mut early = EarlyReversals::default();
        let reversal = |stan: u32, at_ms| {
            let key = key(&format!("a|T|M|{stan:06}|120000|1121"));
            EarlyReversal { key, class: None, transmitted: None, at_ms }
        };
        let known = |early: &EarlyReversals, stan| {
            let key = reversal(stan, 0).key;
            early.has(&Identity::of_request(key, KeyClass::Financial), None)
        };
        for stan in 1..=4 {
            early.note(reversal(stan, i64::from(stan)), 3, 100);
        }
        assert_eq!([1, 2, 3, 4].map(|stan| known(&early, stan)), [false, true, true, true]);
        early.note(reversal(9, 103), 3, 100);
        assert_eq!([2, 3, 4, 9].map(|stan| known(&early, stan)), [false, true, true, true]);
        early.note(reversal(9, 500), 3, 100);
        assert_eq!((early.by_stan.len(), early.order.len()), (1, 1), "a repeat is not kept twice");
    }
}
