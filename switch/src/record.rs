//! The records of the pending log.

use serde::{Deserialize, Serialize};

/// Kinds are told apart by their order here: new ones go to the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// The business date that is stamped from here on.
    BusinessDate(DateStamp),
    /// A request goes to its destination.
    Sent(Sent),
    /// A request is over for its originator.
    Ended(Ended),
    /// A message that is repeated until its destination acknowledges it.
    Owed(Owed),
    /// A destination acknowledged what was owed.
    Acknowledged { owed: u64 },
    /// An owed message was given up: it is on the dead-letter list from here on.
    GivenUp { owed: u64 },
    /// An owed reversal whose request was answered after all, too late. It is written again as a whole and takes the
    /// place of its earlier record, so that it outlives that record's segment.
    OwedLate { owed: Owed, code: [u8; 2] },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateStamp {
    pub year: i16,
    pub month: u8,
    pub day: u8,
    /// The host acknowledged the cut-over to this date.
    pub announced: bool,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    pub request: u64,
    /// The originator's own key, and what makes a repeat of it the same request (identity.rs).
    pub key: String,
    pub class: u8,
    pub content: [u8; 16],
    pub card: [u8; 16],
    pub destination: String,
    pub sent_at_ms: i64,
    /// A foreign card at our own terminal: its approval is owed to the host.
    pub acquired: bool,
    /// The request as it went upstream in the host's dialect, without what an owed message may not carry.
    pub message: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    Approved,
    Declined,
    /// 91 went to the originator; where something could have been posted its reversal is owed.
    TimedOut,
    /// The originator reversed it before an answer came.
    Reversed,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub request: u64,
    pub ending: Ending,
    /// What the originator was answered, in its own dialect, for its repeats.
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
    /// Messages of one card are delivered in the order in which they became owed.
    pub card: [u8; 16],
    pub since_ms: i64,
    /// The originator key it carries, for the operator's list.
    pub key: String,
    /// The advice in the host's dialect, complete but for its repeat mark.
    pub message: Vec<u8>,
}

impl Ended {
    /// For an ending that no destination decided.
    pub fn without_answer(request: u64, ending: Ending) -> Self {
        let (life_cycle, approval) = (String::new(), String::new());
        Self { request, ending, answer: Vec::new(), life_cycle, approval, approved_minor: 0 }
    }
}

impl Record {
    /// What the record opens or closes; open things keep their segment alive.
    pub(crate) fn subject(&self) -> Option<Subject> {
        match self {
            Self::Sent(sent) => Some(Subject::Opens(Open::Request(sent.request))),
            Self::Ended(ended) => Some(Subject::Closes(Open::Request(ended.request))),
            Self::Owed(owed) | Self::OwedLate { owed, .. } => Some(Subject::Opens(Open::Owed(owed.owed))),
            Self::Acknowledged { owed } => Some(Subject::Closes(Open::Owed(*owed))),
            // a dead letter stays on the list until an operator deals with it
            Self::GivenUp { .. } | Self::BusinessDate(_) => None,
        }
    }

    /// Must be on the disk before anything that follows it leaves.
    pub fn is_promise(&self) -> bool {
        matches!(self, Self::Owed(_) | Self::BusinessDate(_))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Open {
    Request(u64),
    Owed(u64),
}

pub(crate) enum Subject {
    Opens(Open),
    Closes(Open),
}

/// Number and kind only, of all three: the rest may name a card.
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
