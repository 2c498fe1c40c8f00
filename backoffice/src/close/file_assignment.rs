//! Assigns the presentments of a day to clearing files and records, and names and numbers the files. Pure.

use std::collections::BTreeMap;

use codecs::value::Currency;
use jiff::civil::Date;

use crate::clearing::outgoing;
use crate::clearing::record::FileId;
use crate::clearing::reference::AcquirerReference;
use crate::clearing::store::{OutgoingFile, OutgoingRow};
use crate::settlement::line::SettlementLine;
use crate::settlement::position::UnknownIssuer;

/// Why a presentment cannot be assigned to a clearing file.
#[derive(Debug, thiserror::Error)]
pub enum AssignmentError {
    #[error("acquirer_id {0} does not fit clearing files: it must be six digits")]
    AcquirerId(String),
    #[error("there is no further number for a file or a reference of {0}")]
    Exhausted(Date),
    #[error(transparent)]
    Issuer(#[from] UnknownIssuer),
}

/// Our clearing files of a batch: by whom, of which day, for whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Assignment<'a> {
    pub acquirer_id: &'a str,
    pub cycle: Date,
    /// The currency that file names tell; none for the first of those that are settled.
    pub named: Option<Currency>,
    /// Institution number of the issuer behind each destination.
    pub issuers: &'a BTreeMap<String, String>,
    /// The last file number of the day so far, and the last reference.
    pub last_file: u32,
    pub last_reference: u64,
}

impl Assignment<'_> {
    /// The id of a file of ours of that day.
    pub(super) fn file_id(&self, sequence: u32) -> Result<FileId, AssignmentError> {
        if sequence > FileId::MAX_SEQUENCE {
            return Err(AssignmentError::Exhausted(self.cycle));
        }
        FileId::new(FileId::ACQUIRER_TO_ISSUER, self.cycle, self.acquirer_id, sequence)
            .ok_or_else(|| AssignmentError::AcquirerId(self.acquirer_id.to_owned()))
    }

    fn name(&self, institution: &str) -> String {
        let day = self.cycle.strftime("%Y%m%d");
        let currency = self.named.map(|currency| format!("-{currency}")).unwrap_or_default();
        format!("{day}{currency}-{}-{institution}.ipm", self.acquirer_id)
    }

    /// One file per institution, in the order of their destinations; those of no presentment are empty.
    pub(super) fn files(&self) -> Result<BTreeMap<String, OutgoingFile>, AssignmentError> {
        let mut files = BTreeMap::new();
        let mut sequence = self.last_file;
        for institution in self.issuers.values() {
            if files.contains_key(institution) {
                continue;
            }
            sequence += 1;
            let (file_id, name) = (self.file_id(sequence)?, self.name(institution));
            // header and trailer
            let file = OutgoingFile { file_id, institution: institution.clone(), name, records: 2 };
            files.insert(institution.clone(), file);
        }
        Ok(files)
    }

    /// Assigns file, record number and reference to each presentment of the cycle. The files' numbers of records are
    /// counted.
    pub(super) fn assign(
        &self,
        files: &mut BTreeMap<String, OutgoingFile>,
        lines: &[SettlementLine],
    ) -> Result<Vec<OutgoingRow>, AssignmentError> {
        let mut rows = Vec::new();
        let due = outgoing::due(self.cycle, lines.iter().map(|line| &line.movement));
        for (due, sequence) in due.into_iter().zip(self.last_reference + 1..) {
            let destination = due.movement.issuer.as_deref().unwrap_or("unnamed");
            let unknown = || UnknownIssuer(destination.to_owned());
            let institution = self.issuers.get(destination).ok_or_else(unknown)?;
            let file = files.get_mut(institution).ok_or_else(unknown)?;
            // the trailer comes after it
            let record = file.records;
            file.records += 1;
            let reference = AcquirerReference::new(self.acquirer_id, self.cycle, sequence)
                .ok_or_else(|| AssignmentError::AcquirerId(self.acquirer_id.to_owned()))?;
            rows.push(OutgoingRow {
                file_id: file.file_id.as_str().to_owned(),
                record,
                institution: institution.clone(),
                bucket: due.movement.bucket,
                auth_id: due.movement.auth_id,
                amount_minor: due.minor,
                refund: due.refund,
                takes_back: due.takes_back.is_some(),
                taken_back_on: due.takes_back,
                reference: reference.as_str().to_owned(),
            });
        }
        Ok(rows)
    }
}
