//! Table `recorded_change`: changes of what decides or pays that no journal row tells.

use jiff::Timestamp;
use tokio_postgres::{GenericClient, Row};

use super::StoreError;
use crate::chain::{Change, FieldHash, Subject};

const INSERT: &str =
    "INSERT INTO recorded_change (instance, batch_seq, batch_pos, subject, reference, said, content, at)
  SELECT $1, $2, u.* FROM unnest($3::int2[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::timestamptz[]) AS u";

/// Inserts the changes of a batch. Their places follow those of its `rows` rows.
pub(super) async fn insert(
    client: &impl GenericClient,
    (instance, batch_seq): (i32, i64),
    rows: usize,
    changes: &[Change],
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let first = i16::try_from(rows).expect("a batch is capped far below");
    let places: Vec<i16> = (first..).take(changes.len()).collect();
    let subjects: Vec<&str> = changes.iter().map(|change| change.subject.as_str()).collect();
    let references: Vec<&str> = changes.iter().map(|change| change.reference.as_str()).collect();
    let said: Vec<&str> = changes.iter().map(|change| change.said.as_str()).collect();
    let contents: Vec<&[u8]> = changes.iter().map(|change| &change.content[..]).collect();
    let moments: Vec<_> = changes.iter().map(|change| change.at).collect();
    client
        .execute(INSERT, &[&instance, &batch_seq, &places, &subjects, &references, &said, &contents, &moments])
        .await?;
    Ok(())
}

/// The change of the thing called `reference`, whose deciding columns after it are those of `row`, as texts.
pub fn change(subject: Subject, reference: String, said: String, row: &Row, at: Timestamp) -> Change {
    change_from(subject, reference, said, row, 0, at)
}

/// As [`change`], with the columns from `first` on.
pub(super) fn change_from(
    subject: Subject,
    reference: String,
    said: String,
    row: &Row,
    first: usize,
    at: Timestamp,
) -> Change {
    let mut hash = FieldHash::of(subject.as_str());
    (first..row.len()).for_each(|column| _ = hash.text(row.get::<_, Option<&str>>(column)));
    Change { subject, reference, said, content: hash.finish(), at }
}
