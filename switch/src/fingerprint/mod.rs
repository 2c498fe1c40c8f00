//! Fingerprints: what is kept of a request for a whole day, so that its repeat, completion or reversal is recognized long
//! after the request itself is forgotten (intake/duplicates.rs).
//!
//! A fingerprint has 48 bytes and lies in a file (shell/store/fingerprints/). In memory is a filter that tells for nearly
//! every new request that none is there. Card and content are parts of keyed hashes.
//!
//! | file | contents |
//! |---|---|
//! | mod.rs | a fingerprint, and the question by which one is found |
//! | names.rs | hashes of keys and references |
//! | row.rs | the 48 bytes |
//! | filter.rs | whether a fingerprint may be there |

mod filter;
mod names;
mod row;

pub use filter::{Filter, HourFilter};
pub use names::{Named, Names, RrnMark};
pub use row::{ROW_BYTES, identity_of};

use crate::record::Ending;
use codecs::originator::KeyClass;
use codecs::value::{ApprovalCode, Minor, ResponseCode, Stan, TransmissionTime};

const MS_PER_HOUR: i64 = 3_600_000;

/// An hour since 1970: fingerprints are kept and forgotten by the hour of their request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(pub i64);

impl Hour {
    pub fn of(wall_ms: i64) -> Self {
        Self(wall_ms.div_euclid(MS_PER_HOUR))
    }

    pub fn starts_ms(self) -> i64 {
        self.0 * MS_PER_HOUR
    }

    pub fn ends_ms(self) -> i64 {
        self.starts_ms() + MS_PER_HOUR
    }
}

/// The first bytes of a keyed hash of a card or of a content (intake/identity.rs): enough to tell whether two are equal.
pub type Prefix = [u8; 5];

/// A request or advice that has ended, as far as its repeats, completions and reversals need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// Of key, class, and whether it is an advice.
    pub identity: Named,
    pub class: KeyClass,
    pub advice: bool,
    /// DE11 as its originator sent it, and DE12 with DE13.
    pub stan: Stan,
    pub local: Option<TransmissionTime>,
    /// DE7 as its originator sent it, if that is known.
    pub transmitted: Option<TransmissionTime>,
    pub rrn: Option<RrnMark>,
    pub content: Prefix,
    pub card: Prefix,
    /// When it arrived, in milliseconds since 1970, in whole seconds. It was sent on with this DE7.
    pub at_ms: i64,
    /// A mark of the destination's name ([`Names::destination`]).
    pub destination: u16,
    pub acquired: bool,
    /// DE11 as it was sent on.
    pub sent_stan: Stan,
    pub ending: Ending,
    /// It was reversed in full after it had ended.
    pub reversed: bool,
    /// As its originator was answered.
    pub code: ResponseCode,
    pub approval: Option<ApprovalCode>,
    /// Zero where nothing was approved.
    pub approved: Minor,
}

/// A fingerprint, and the references by which it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub fingerprint: Fingerprint,
    pub references: References,
}

impl Entry {
    pub fn hour(&self) -> Hour {
        Hour::of(self.fingerprint.at_ms)
    }
}

/// A fingerprint to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    New(Entry),
    /// There may be an earlier one of the same request.
    Changed(Entry),
}

impl Kept {
    pub fn entry(&self) -> &Entry {
        match self {
            Self::New(entry) | Self::Changed(entry) => entry,
        }
    }
}

/// The fingerprints could not be read: it is not known whether there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotRead;

/// The first halves of the hashes of link, terminal and trace number, and of link, terminal and reference number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct References {
    pub stan: u32,
    pub rrn: Option<u32>,
}

/// What a message asks of the fingerprints. Each of its parts may find some.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    /// Requests with these identities; they have this trace number and this reference.
    pub identities: Vec<Named>,
    pub key: Option<(u32, Stan)>,
    /// Requests with this trace number, that were transmitted at this time if it is given.
    pub stan: Option<(u32, Stan, Option<TransmissionTime>)>,
    pub rrn: Option<(u32, RrnMark)>,
}

impl Question {
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty() && self.stan.is_none() && self.rrn.is_none()
    }

    /// The first halves of the hashes under which the trace numbers asked for lie.
    pub fn stan_references(&self) -> impl Iterator<Item = u32> {
        let key = self.key.map(|(reference, _)| reference);
        let stan = self.stan.map(|(reference, ..)| reference).filter(|stan| key != Some(*stan));
        key.into_iter().chain(stan)
    }

    /// Whether a fingerprint that lies under the reference of a trace number answers it.
    pub fn fits_by_stan(&self, found: &Fingerprint) -> bool {
        let by_key = self.key.is_some_and(|(_, stan)| stan == found.stan) && self.identities.contains(&found.identity);
        let by_stan = self.stan.is_some_and(|(_, stan, transmitted)| {
            let same_time = match (transmitted, found.transmitted) {
                (Some(named), Some(sent)) => named == sent,
                _ => true,
            };
            stan == found.stan && same_time
        });
        by_key || by_stan
    }

    /// Whether a fingerprint that lies under the reference of a reference number answers it.
    pub fn fits_by_rrn(&self, found: &Fingerprint) -> bool {
        self.rrn.is_some_and(|(_, rrn)| found.rrn == Some(rrn))
    }
}

/// Most fingerprints that one question gets. Trace numbers of an institution come round many times a day.
pub const MOST_FOUND: usize = 64;
