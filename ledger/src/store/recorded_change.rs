//! Table `recorded_change`: changes of what decides or pays that no journal row tells.

use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row};

use super::StoreError;
use crate::chain::{Change, FieldHash, Subject};

/// What is recorded of a row of a table: the columns that decide, none of which a journal row changes.
#[derive(Debug)]
pub(super) struct RecordedTable {
    pub subject: Subject,
    pub name: &'static str,
    /// The columns of its key: of a row of an account's the bucket and a number, else a text.
    pub key: &'static [&'static str],
    /// As texts, in the order in which they are hashed.
    pub columns: &'static str,
}

impl RecordedTable {
    /// The change that made the row with this key what it is now.
    pub(super) async fn change(
        &self,
        client: &impl GenericClient,
        key: &[&(dyn ToSql + Sync)],
        said: String,
        at: Timestamp,
    ) -> Result<Change, StoreError> {
        let conditions: Vec<String> =
            self.key.iter().zip(1..).map(|(column, place)| format!("{column} = ${place}")).collect();
        let row = client.query_one(&format!("{} WHERE {}", self.select(), conditions.join(" AND ")), key).await?;
        Ok(self.change_of(&row, said, at))
    }

    /// Reads every row, in the order of their keys, for [`Self::change_of`].
    pub(super) fn select_all(&self) -> String {
        format!("{} ORDER BY {}", self.select(), self.key.join(", "))
    }

    /// The change that made a row what it is now.
    pub(super) fn change_of(&self, row: &Row, said: String, at: Timestamp) -> Change {
        let mut hash = FieldHash::of(self.subject.as_str());
        (1..row.len()).for_each(|column| _ = hash.text(row.get::<_, Option<&str>>(column)));
        Change { subject: self.subject, reference: row.get(0), said, content: hash.finish(), at }
    }

    fn select(&self) -> String {
        format!("SELECT {}, {} FROM {}", self.key.join(" || '/' || "), self.columns, self.name)
    }
}

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
