//! A fingerprint as 48 bytes.
//!
//! | bytes | contents |
//! |---|---|
//! | 0–4 | identity |
//! | 5–7 | the originator's trace number |
//! | 8–12 | reference number or its hash; 0: none |
//! | 13–17, 18–22 | content, card |
//! | 23–30 | from the low end: second within the hour (12 bits), local time (25), transmission time (25) |
//! | 31–32 | destination |
//! | 33 | flags |
//! | 34–36 | trace number as sent on |
//! | 37–40 | approval code |
//! | 41–45 | approved amount |
//! | 46–47 | response code |

use super::names::{Named, RrnMark};
use super::{Fingerprint, Hour};
use crate::record::Ending;
use codecs::originator::KeyClass;
use codecs::value::{ApprovalCode, LocalTime, Minor, MonthDay, ResponseCode, Stan, TransmissionTime};

pub const ROW_BYTES: usize = 48;

const IS_FINANCIAL: u8 = 1;
const IS_ADVICE: u8 = 2;
const IS_ACQUIRED: u8 = 4;
const ENDING_SHIFT: u8 = 3;
const IS_REVERSED: u8 = 32;
const RRN_IS_NUMBER: u8 = 64;
/// So that a row of zeros, as a power cut may leave it, is none.
const IS_WRITTEN: u8 = 128;

const TIME_BITS: u32 = 25;
const SECOND_BITS: u32 = 12;

impl Fingerprint {
    pub fn to_row(&self) -> [u8; ROW_BYTES] {
        let mut row = Writer { row: [0; ROW_BYTES], at: 0 };
        row.put::<5>(self.identity.0);
        row.put::<3>(self.stan.0.into());
        let (rrn, rrn_is_number) = match self.rrn {
            None => (0, false),
            Some(RrnMark::Number(number)) => (number, true),
            Some(RrnMark::Hash(hash)) => (hash, false),
        };
        row.put::<5>(rrn);
        row.bytes(&self.content);
        row.bytes(&self.card);
        let second = (self.at_ms - Hour::of(self.at_ms).starts_ms()) as u64 / 1000;
        let times = second | packed(self.local) << SECOND_BITS | packed(self.transmitted) << (SECOND_BITS + TIME_BITS);
        row.put::<8>(times);
        row.put::<2>(self.destination.into());
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let flags = IS_WRITTEN
            | flag(self.class == KeyClass::Financial, IS_FINANCIAL)
            | flag(self.advice, IS_ADVICE)
            | flag(self.acquired, IS_ACQUIRED)
            | number_of(self.ending) << ENDING_SHIFT
            | flag(self.reversed, IS_REVERSED)
            | flag(rrn_is_number, RRN_IS_NUMBER);
        row.bytes(&[flags]);
        row.put::<3>(self.sent_stan.0.into());
        row.put::<4>(packed_approval(self.approval).into());
        row.put::<5>(self.approved.0.try_into().unwrap_or(0));
        row.bytes(&self.code.0);
        row.row
    }

    /// Reads a row of this hour; `None` for one that was not written as a whole: after a power failure its beginning or its
    /// end may be zeros.
    pub fn from_row(row: &[u8; ROW_BYTES], hour: Hour) -> Option<Self> {
        let mut row = Reader { row, at: 0 };
        let identity = Named(row.take::<5>());
        let stan = Stan(row.take::<3>() as u32);
        let rrn = row.take::<5>();
        let (content, card) = (row.bytes::<5>(), row.bytes::<5>());
        let times = row.take::<8>();
        let destination = row.take::<2>() as u16;
        let [flags] = row.bytes::<1>();
        let sent_stan = Stan(row.take::<3>() as u32);
        let approval = unpacked_approval(row.take::<4>() as u32);
        let approved = Minor(i64::try_from(row.take::<5>()).ok()?);
        let code = ResponseCode(row.bytes::<2>());
        let is = |flag: u8| flags & flag != 0;
        let rrn = match rrn {
            0 => None,
            number if is(RRN_IS_NUMBER) => Some(RrnMark::Number(number)),
            hash => Some(RrnMark::Hash(hash)),
        };
        let second = times & ((1 << SECOND_BITS) - 1);
        let is_whole = identity != Named(0) && is(IS_WRITTEN) && code.0 != [0; 2];
        is_whole.then(|| Self {
            identity,
            class: if is(IS_FINANCIAL) { KeyClass::Financial } else { KeyClass::Authorization },
            advice: is(IS_ADVICE),
            stan,
            local: unpacked(times >> SECOND_BITS),
            transmitted: unpacked(times >> (SECOND_BITS + TIME_BITS)),
            rrn,
            content,
            card,
            at_ms: hour.starts_ms() + second as i64 * 1000,
            destination,
            acquired: is(IS_ACQUIRED),
            sent_stan,
            ending: ending_of(flags >> ENDING_SHIFT),
            reversed: is(IS_REVERSED),
            code,
            approval,
            approved,
        })
    }
}

/// The identity of a row, which has been written.
pub fn identity_of(row: &[u8; ROW_BYTES]) -> Named {
    Named(Reader { row, at: 0 }.take::<5>())
}

struct Writer {
    row: [u8; ROW_BYTES],
    at: usize,
}

impl Writer {
    fn bytes(&mut self, bytes: &[u8]) {
        self.row[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    /// The low `N` bytes of a number.
    fn put<const N: usize>(&mut self, number: u64) {
        self.bytes(&number.to_be_bytes()[8 - N..]);
    }
}

struct Reader<'r> {
    row: &'r [u8; ROW_BYTES],
    at: usize,
}

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let bytes = self.row[self.at..self.at + N].try_into().expect("as many bytes");
        self.at += N;
        bytes
    }

    fn take<const N: usize>(&mut self) -> u64 {
        self.bytes::<N>().into_iter().fold(0, |number, byte| number << 8 | u64::from(byte))
    }
}

/// A date and time without year as a number, with every month of 31 days; 0 for none.
fn packed(at: Option<TransmissionTime>) -> u64 {
    at.map_or(0, |TransmissionTime { date, time }| {
        let day = u64::from(date.month - 1) * 31 + u64::from(date.day - 1);
        let second = u64::from(time.hour) * 3600 + u64::from(time.minute) * 60 + u64::from(time.second);
        1 + day * 86_400 + second
    })
}

/// Reads the low [`TIME_BITS`] bits.
fn unpacked(number: u64) -> Option<TransmissionTime> {
    let number = (number & ((1 << TIME_BITS) - 1)).checked_sub(1)?;
    let (day, second) = (number / 86_400, number % 86_400);
    let date = MonthDay::new((day / 31 + 1) as u8, (day % 31 + 1) as u8)?;
    let time = LocalTime::new((second / 3600) as u8, (second / 60 % 60) as u8, (second % 60) as u8)?;
    Some(TransmissionTime { date, time })
}

/// Capitals, digits and blank: an approval code of others is not kept.
const APPROVAL_CHARS: &[u8; 37] = b" 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

fn packed_approval(code: Option<ApprovalCode>) -> u32 {
    let Some(code) = code else { return 0 };
    let code = format!("{:6}", code.as_str());
    code.bytes()
        .try_fold(0, |number: u32, char| {
            let digit = APPROVAL_CHARS.iter().position(|known| *known == char)?;
            Some(number * APPROVAL_CHARS.len() as u32 + digit as u32)
        })
        .unwrap_or(0)
}

/// 0, a code of blanks, is none.
fn unpacked_approval(mut number: u32) -> Option<ApprovalCode> {
    let mut chars = [b' '; 6];
    for char in chars.iter_mut().rev() {
        let base = APPROVAL_CHARS.len() as u32;
        *char = APPROVAL_CHARS[(number % base) as usize];
        number /= base;
    }
    ApprovalCode::new(std::str::from_utf8(&chars).ok()?).filter(|code| !code.as_str().is_empty())
}

fn number_of(ending: Ending) -> u8 {
    match ending {
        Ending::Approved => 0,
        Ending::Declined => 1,
        Ending::TimedOut => 2,
        Ending::Reversed => 3,
    }
}

/// The ending with this number, in its low two bits.
fn ending_of(number: u8) -> Ending {
    match number & 3 {
        0 => Ending::Approved,
        1 => Ending::Declined,
        2 => Ending::TimedOut,
        _ => Ending::Reversed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn times() -> impl Strategy<Value = Option<TransmissionTime>> {
        let at = (1u8..=12, 1u8..=31, 0u8..24, 0u8..60, 0u8..60);
        proptest::option::of(at.prop_filter_map("a date", |(month, day, hour, minute, second)| {
            let (date, time) = (MonthDay::new(month, day)?, LocalTime::new(hour, minute, second)?);
            Some(TransmissionTime { date, time })
        }))
    }

    prop_compose! {
        fn fingerprints()(
            (identity, stan, sent_stan) in (1u64..1 << 40, 0u32..1_000_000, 0u32..1_000_000),
            rrn in proptest::option::of(prop_oneof![
                (1u64..1_000_000_000_000).prop_map(RrnMark::Number),
                (1u64..1 << 40).prop_map(RrnMark::Hash),
            ]),
            (content, card, destination) in (any::<Prefix>(), any::<Prefix>(), any::<u16>()),
            (local, transmitted, at_s) in (times(), times(), 0i64..4_000_000_000),
            (financial, advice, acquired, reversed, ending) in any::<(bool, bool, bool, bool, u8)>(),
            approval in proptest::option::of("[A-Z0-9]{1,6}"),
            (approved, code) in (0i64..1_000_000_000_000, "[0-9A-Z]{2}"),
        ) -> Fingerprint {
            Fingerprint {
                identity: Named(identity),
                class: if financial { KeyClass::Financial } else { KeyClass::Authorization },
                advice, stan: Stan(stan), local, transmitted, rrn, content, card,
                at_ms: at_s * 1000,
                destination, acquired, sent_stan: Stan(sent_stan),
                ending: ending_of(ending),
                reversed,
                code: ResponseCode(code.as_bytes().try_into().expect("two")),
                approval: approval.and_then(|code| ApprovalCode::new(&code)),
                approved: Minor(approved),
            }
        }
    }

    use super::super::Prefix;

    proptest! {
        #[test]
        fn what_is_written_is_read(fingerprint in fingerprints()) {
            let row = fingerprint.to_row();
            prop_assert_eq!(identity_of(&row), fingerprint.identity);
            prop_assert_eq!(Fingerprint::from_row(&row, Hour::of(fingerprint.at_ms)), Some(fingerprint));
        }
    }

    proptest! {
        #[test]
        fn a_row_that_begins_or_ends_in_zeros_is_none(fingerprint in fingerprints(), at in 5usize..ROW_BYTES - 1) {
            let (whole, hour) = (fingerprint.to_row(), Hour::of(fingerprint.at_ms));
            let (mut no_end, mut no_beginning) = (whole, whole);
            no_end[at..].fill(0);
            no_beginning[..at].fill(0);
            prop_assert_eq!(Fingerprint::from_row(&no_end, hour), None);
            prop_assert_eq!(Fingerprint::from_row(&no_beginning, hour), None);
        }
    }

    #[test]
    fn an_approval_code_of_other_characters_is_not_kept() {
        for (code, kept) in [("A1B2C3", true), ("00", true), ("a1b2c3", false), ("A-1", false)] {
            let code = ApprovalCode::new(code);
            assert_eq!(unpacked_approval(packed_approval(code)), code.filter(|_| kept));
        }
    }
}
