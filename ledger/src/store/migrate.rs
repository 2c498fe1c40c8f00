//! Migrations of the schema, embedded in the program, applied in order under an advisory lock: two starts cannot
//! collide.

use std::ops::RangeInclusive;

use deadpool_postgres::Pool;
use tokio_postgres::Client;

use super::{StoreError, baseline, day_total};

/// Advisory lock under which migrations run, one program at a time.
const LOCK_MIGRATE: i64 = 5_857_002;

/// One step: a number that never changes, a name, its SQL.
struct Migration {
    number: i32,
    name: &'static str,
    sql: &'static str,
}

macro_rules! migration {
    ($number:literal, $name:literal) => {
        Migration { number: $number, name: $name, sql: include_str!(concat!("../../migrations/", $name, ".sql")) }
    };
}

const MIGRATIONS: &[Migration] = &[
    migration!(1, "0001_accounts_and_cards"),
    migration!(2, "0002_journal_and_ledger"),
    migration!(3, "0003_merchants_and_terminals"),
    migration!(4, "0004_clearing_and_settlement"),
    migration!(5, "0005_acquired_chip"),
    migration!(6, "0006_references"),
    migration!(7, "0007_journal_version_2"),
    migration!(8, "0008_roles"),
    migration!(9, "0009_day_totals"),
    migration!(10, "0010_captures_of_an_account"),
    migration!(11, "0011_terminal_refunds"),
    migration!(12, "0012_issued_transactions"),
    migration!(13, "0013_settlement_batches"),
    migration!(14, "0014_exceptions"),
    migration!(15, "0015_held_movements"),
];

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("migration {name}: {source}")]
    Step { name: &'static str, source: StoreError },
    #[error("the database has migration {0}, which this program does not know: it is older than the database")]
    FromTheFuture(i32),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The newest schema version, to which [`migrate`] brings a database.
pub const NEWEST: i32 = 15;

/// Why a program does not work with this database.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error("the database has no schema yet: run `authhost migrate`")]
    None,
    #[error("the database has schema {found}, this program needs {needed} or later: run `authhost migrate`")]
    Older { found: i32, needed: i32 },
    #[error("the database has schema {found}, this program knows none beyond {known}: it is older than the database")]
    Newer { found: i32, known: i32 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Refuses a database whose schema version is outside the range that a program works with.
pub async fn require(pool: &Pool, works_with: RangeInclusive<i32>) -> Result<(), SchemaError> {
    let client = pool.get().await.map_err(StoreError::from)?;
    let there = "SELECT to_regclass('schema_migration') IS NOT NULL";
    if !client.query_one(there, &[]).await.map_err(StoreError::from)?.get::<_, bool>(0) {
        return Err(SchemaError::None);
    }
    let found = reached(&client).await?;
    if found < *works_with.start() {
        Err(SchemaError::Older { found, needed: *works_with.start() })
    } else if found > *works_with.end() {
        Err(SchemaError::Newer { found, known: *works_with.end() })
    } else {
        Ok(())
    }
}

async fn reached(client: &Client) -> Result<i32, StoreError> {
    Ok(client.query_one("SELECT coalesce(max(number), 0) FROM schema_migration", &[]).await?.get(0))
}

/// Brings the schema up to date; returns the names of the steps applied now.
pub async fn migrate(client: &mut Client) -> Result<Vec<&'static str>, MigrateError> {
    migrate_to(client, NEWEST).await
}

/// As [`migrate`], no further than to `last`.
pub async fn migrate_to(client: &mut Client, last: i32) -> Result<Vec<&'static str>, MigrateError> {
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK_MIGRATE]).await.map_err(StoreError::from)?;
    let outcome = apply(client, last).await;
    client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK_MIGRATE]).await.map_err(StoreError::from)?;
    outcome
}

async fn apply(client: &mut Client, last: i32) -> Result<Vec<&'static str>, MigrateError> {
    client
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS schema_migration (number int PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())",
        )
        .await
        .map_err(StoreError::from)?;
    let reached = reached(client).await?;
    if reached > NEWEST {
        return Err(MigrateError::FromTheFuture(reached));
    }
    let mut applied = Vec::new();
    for step in MIGRATIONS.iter().filter(|step| step.number > reached && step.number <= last) {
        one_step(client, step).await.map_err(|source| MigrateError::Step { name: step.name, source })?;
        applied.push(step.name);
    }
    Ok(applied)
}

async fn one_step(client: &mut Client, step: &Migration) -> Result<(), StoreError> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(step.sql).await?;
    if step.number == baseline::SINCE {
        baseline::record(&transaction).await?;
    }
    if step.number == day_total::SINCE {
        day_total::add_up_in(&transaction).await?;
    }
    transaction
        .execute("INSERT INTO schema_migration (number, name) VALUES ($1, $2)", &[&step.number, &step.name])
        .await?;
    transaction.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{MIGRATIONS, NEWEST};

    #[test]
    fn numbers_rise_by_one_and_names_carry_them() {
        assert_eq!(MIGRATIONS.last().map(|step| step.number), Some(NEWEST));
        for (at, step) in MIGRATIONS.iter().enumerate() {
            assert_eq!(step.number, i32::try_from(at).expect("few") + 1);
            assert!(step.name.starts_with(&format!("{:04}_", step.number)), "{}", step.name);
        }
    }
}
