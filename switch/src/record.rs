//! The records of the pending log: requests and how they ended, messages of store and forward, the business date.

use codecs::value::ResponseCode;
use serde::{Deserialize, Serialize};

/// One record of the pending log. It is stored with the position of its kind in this list: new kinds go to the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// The business date that is stamped from here on.
    BusinessDate(DateStamp),
    /// A request is sent to its destination.
    Sent(Sent),
    /// A request ended: by an answer, by its time-out, or by its originator's reversal.
    Ended(Ended),
    /// A message of store and forward: it is sent until its destination acknowledges it.
    Owed(Owed),
    /// A destination acknowledged a message of store and forward.
    Acknowledged { owed: u64 },
    /// A message of store and forward became a dead letter: written by version 2 of the log.
    GivenUp { owed: u64 },
    /// A reversal in store and forward whose request got a late answer. It is written again as a whole and takes the
    /// place of its earlier record, so that it outlives that record's segment.
    OwedLate { owed: Owed, code: [u8; 2] },
    /// A message of store and forward became a dead letter, for the reason of this number. It is written as a whole, as
    /// above; a [`Record::GivenUp`] alone would not outlive the segment of the message.
    DeadLetter { owed: Owed, why: u8 },
    /// A reversal came before its original.
    EarlyReversal(Early),
    /// The segment of this number is on the disk as a whole, with so many bytes: damage in it is not what a power failure
    /// leaves.
    SegmentWhole { segment: u64, bytes: u64 },
    /// The segment with this record has what could be read of a damaged one: it may be shorter than it was.
    SegmentRepaired,
}

/// The business date, and whether the host has agreed to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateStamp {
    pub year: i16,
    pub month: u8,
    pub day: u8,
    /// The host acknowledged the cut-over to this date.
    pub acknowledged: bool,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    pub request: u64,
    /// The originator key. With class and content it identifies repeats (intake/identity.rs).
    pub key: String,
    /// Of an advice ten more.
    pub class: u8,
    pub content: [u8; 16],
    pub card: [u8; 16],
    pub destination: String,
    pub sent_at_ms: i64,
    /// A foreign card at our own terminal: the host gets an advice of an approval.
    pub acquired: bool,
    /// The request as forwarded, in the host's dialect, without sensitive elements (translate/strip.rs).
    pub message: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    Approved,
    Declined,
    /// The originator gets 91; if the request may have posted anything, its reversal is in store and forward.
    TimedOut,
    /// The originator reversed it before an answer came.
    Reversed,
}

impl Ending {
    /// The response code of a request that ended so, where its own is not known.
    pub fn usual_code(self) -> ResponseCode {
        match self {
            Self::Approved => ResponseCode::APPROVED,
            Self::Declined => ResponseCode::DO_NOT_HONOUR,
            Self::TimedOut | Self::Reversed => ResponseCode::ISSUER_INOPERATIVE,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub request: u64,
    pub ending: Ending,
    /// The answer in the originator's dialect, for repeats; empty if there is none.
    pub answer: Vec<u8>,
    /// For completions and reversals that refer to it.
    pub life_cycle: String,
    pub approval: String,
    pub approved_minor: i64,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    pub owed: u64,
    pub destination: String,
    /// Messages of one card are sent in the order in which they were queued.
    pub card: [u8; 16],
    pub since_ms: i64,
    /// The originator key it carries, for the operator's list.
    pub key: String,
    /// The message in the host's dialect, complete; an attempt after the first changes its MTI to a repeat's.
    pub message: Vec<u8>,
}

/// A full reversal whose original was not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Early {
    /// The originator key of its original, as far as it names it.
    pub key: String,
    /// The message class of its original; 0 if it names none.
    pub class: u8,
    /// DE7 of its original: month, day, hour, minute, second.
    pub transmitted: Option<[u8; 5]>,
    pub at_ms: i64,
}

impl Ended {
    /// For a request that ended without a decision of its destination.
    pub fn without_answer(request: u64, ending: Ending) -> Self {
        let (life_cycle, approval) = (String::new(), String::new());
        Self { request, ending, answer: Vec::new(), life_cycle, approval, approved_minor: 0 }
    }
}

impl Record {
    /// Whether the record must be on the disk before any later effect of its event is carried out.
    pub fn must_be_durable(&self) -> bool {
        matches!(self, Self::Owed(_) | Self::BusinessDate(_) | Self::EarlyReversal(_))
    }
}

/// `Debug` of `Sent`, `Ended` and `Owed` shows number and kind only: the rest may identify a card.
impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", self.request, self.destination)
    }
}

impl std::fmt::Debug for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.request, self.ending)
    }
}

impl std::fmt::Debug for Owed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", self.owed, self.destination)
    }
}
