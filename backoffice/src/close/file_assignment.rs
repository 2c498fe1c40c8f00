//! Assigns the presentments of a day to clearing files and records, and names the files.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::Config;
use crate::clearing::outgoing;
use crate::clearing::record::FileId;
use crate::clearing::reference::AcquirerReference;
use crate::clearing::store::OutgoingRow;
use crate::settlement::line::SettlementLine;
use crate::settlement::position::UnknownIssuer;

/// Why a presentment cannot be assigned to a clearing file.
#[derive(Debug, thiserror::Error)]
pub enum AssignmentError {
    #[error("acquirer_id {0} does not fit clearing files: it must be six digits")]
    AcquirerId(String),
    #[error(transparent)]
    Issuer(#[from] UnknownIssuer),
}

/// The id of our file to an institution. Its sequence number is the institution's position in the configuration.
pub(super) fn file_id(config: &Config, cycle: Date, institution: &str) -> Result<FileId, AssignmentError> {
    let wrong = || AssignmentError::AcquirerId(config.acquirer_id.clone());
    let place = config.clearing.issuers.values().position(|number| number == institution).unwrap_or(0);
    let sequence = u32::try_from(place + 1).map_err(|_| wrong())?;
    FileId::new(FileId::ACQUIRER_TO_ISSUER, cycle, &config.acquirer_id, sequence).ok_or_else(wrong)
}

/// File, record number and reference of each presentment of the cycle.
pub(super) fn assign(
    config: &Config,
    cycle: Date,
    lines: &[SettlementLine],
) -> Result<Vec<OutgoingRow>, AssignmentError> {
    let mut next: BTreeMap<&str, i32> = BTreeMap::new();
    let mut rows = Vec::new();
    for (due, sequence) in outgoing::due(cycle, lines.iter().map(|line| &line.movement)).into_iter().zip(1..) {
        let destination = due.movement.issuer.as_deref().unwrap_or("unnamed");
        let institution = config.clearing.issuers.get(destination);
        let institution = institution.ok_or_else(|| UnknownIssuer(destination.to_owned()))?;
        // the header is record 1
        let record = next.entry(institution).or_insert(1);
        *record += 1;
        let reference = AcquirerReference::new(&config.acquirer_id, cycle, sequence)
            .ok_or_else(|| AssignmentError::AcquirerId(config.acquirer_id.clone()))?;
        rows.push(OutgoingRow {
            file_id: file_id(config, cycle, institution)?.as_str().to_owned(),
            record: *record,
            institution: institution.clone(),
            bucket: due.movement.bucket,
            auth_id: due.movement.auth_id,
            amount_minor: due.minor,
            refund: due.refund,
            takes_back: due.takes_back,
            reference: reference.as_str().to_owned(),
        });
    }
    Ok(rows)
}
