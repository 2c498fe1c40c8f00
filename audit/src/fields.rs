//! Hashes over fields, as docs/journal.md describes them. Code of the auditor's own.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

/// A SHA-256 over fields, each after its length in four bytes; all ones for an absent one.
#[derive(Debug)]
pub(super) struct Fields(Sha256);

impl Fields {
    pub(super) fn of(what: &str) -> Self {
        Self(Sha256::new()).text(Some(what))
    }

    pub(super) fn bytes(mut self, field: Option<&[u8]>) -> Self {
        match field {
            None => self.0.update([0xFF, 0xFF, 0xFF, 0xFF]),
            Some(field) => {
                let length = u32::try_from(field.len()).unwrap_or(u32::MAX - 1);
                self.0.update(length.to_be_bytes());
                self.0.update(field);
            }
        }
        self
    }

    pub(super) fn text(self, field: Option<&str>) -> Self {
        self.bytes(field.map(str::as_bytes))
    }

    pub(super) fn number(self, field: Option<i64>) -> Self {
        match field {
            Some(number) => self.bytes(Some(&number.to_be_bytes())),
            None => self.bytes(None),
        }
    }

    pub(super) fn date(self, field: Option<Date>) -> Self {
        match field {
            Some(date) => self.text(Some(&format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()))),
            None => self.bytes(None),
        }
    }

    pub(super) fn moment(self, field: Timestamp) -> Self {
        self.number(Some(field.as_microsecond()))
    }

    pub(super) fn local(self, field: DateTime) -> Self {
        let at = TimeZone::UTC.to_timestamp(field).unwrap_or(Timestamp::UNIX_EPOCH);
        self.moment(at)
    }

    pub(super) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
