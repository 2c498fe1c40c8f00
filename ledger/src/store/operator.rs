//! Table `operator`: the people who may decide exceptions. A person is told by the user of the machine that runs the command.

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::{Client, GenericClient, Row};

use super::StoreError;
use super::recorded_change::RecordedTable;
use crate::chain::{Change, Subject};

const UPSERT: &str = "INSERT INTO operator (name, unix_uid, active) VALUES ($1, $2, $3)
  ON CONFLICT (name) DO UPDATE SET unix_uid = excluded.unix_uid, active = excluded.active
  WHERE (operator.unix_uid, operator.active) <> (excluded.unix_uid, excluded.active)";

const RECORDED: RecordedTable = RecordedTable {
    subject: Subject::Operator,
    name: "operator",
    key: &["name"],
    columns: "name, unix_uid::text, active::text",
};

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Operator {
    pub name: String,
    pub unix_uid: u32,
    pub active: bool,
}

/// Inserts an operator, or updates its row; `None` if nothing changed. The change is to be recorded.
pub async fn put(client: &impl GenericClient, of: &Operator, at: Timestamp) -> Result<Option<Change>, StoreError> {
    let changed = client.execute(UPSERT, &[&of.name, &i64::from(of.unix_uid), &of.active]).await?;
    if changed == 0 {
        return Ok(None);
    }
    let said = if of.active { "added" } else { "removed" };
    RECORDED.change(client, &[&of.name], said.to_owned(), at).await.map(Some)
}

/// The active operator of a user of the machine. That row does not change before the transaction ends.
pub async fn of_user(client: &impl GenericClient, unix_uid: u32) -> Result<Option<Operator>, StoreError> {
    let sql = "SELECT name, unix_uid, active FROM operator WHERE active AND unix_uid = $1 FOR UPDATE";
    client.query_opt(sql, &[&i64::from(unix_uid)]).await?.as_ref().map(read).transpose()
}

/// The operator of this name.
pub async fn named(client: &impl GenericClient, name: &str) -> Result<Option<Operator>, StoreError> {
    let sql = "SELECT name, unix_uid, active FROM operator WHERE name = $1";
    client.query_opt(sql, &[&name]).await?.as_ref().map(read).transpose()
}

/// All operators by name, those who were removed too.
pub async fn all(client: &Client) -> Result<Vec<Operator>, StoreError> {
    let rows = client.query("SELECT name, unix_uid, active FROM operator ORDER BY name", &[]).await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Operator, StoreError> {
    let unix_uid = u32::try_from(row.get::<_, i64>("unix_uid")).map_err(|_| StoreError::Column("operator.unix_uid"))?;
    Ok(Operator { name: row.get("name"), unix_uid, active: row.get("active") })
}
