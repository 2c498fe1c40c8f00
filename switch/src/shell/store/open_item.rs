//! Requests and messages that are not over: the log keeps their records, however old their segment is.

use crate::record::Record;

/// A request without an end, or a message of store and forward without an acknowledgement, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum OpenItem {
    Request(u64),
    Owed(u64),
}

/// The effect of a record on an item of the log.
pub(super) enum OpensOrCloses {
    Opens(OpenItem),
    Closes(OpenItem),
}

impl OpensOrCloses {
    /// `None` for a record that does neither. A dead letter stays open: it is on the list until an operator deals with it.
    pub(super) fn of(record: &Record) -> Option<Self> {
        match record {
            Record::Sent(sent) => Some(Self::Opens(OpenItem::Request(sent.request))),
            Record::Ended(ended) => Some(Self::Closes(OpenItem::Request(ended.request))),
            Record::Owed(owed) | Record::OwedLate { owed, .. } | Record::DeadLetter { owed, .. } => {
                Some(Self::Opens(OpenItem::Owed(owed.owed)))
            }
            Record::Acknowledged { owed } => Some(Self::Closes(OpenItem::Owed(*owed))),
            Record::GivenUp { .. }
            | Record::BusinessDate(_)
            | Record::EarlyReversal(_)
            | Record::SegmentWhole { .. }
            | Record::SegmentRepaired => None,
        }
    }
}
