//! Postgres. One file owns each table's statements; nobody else writes SQL against it.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::NoTls;

mod acceptors;
mod accounts;
pub mod anchors;
mod auth;
pub mod cold;
mod committed;
pub mod days;
pub mod holds;
#[expect(clippy::disallowed_methods, reason = "shell: measures stages and stamps the chain's links")]
mod lane;
#[expect(clippy::disallowed_methods, reason = "shell: starts the lanes")]
mod lanes;
pub mod migrate;
mod postings;
pub mod totals;

pub use acceptors::Acceptors;
pub use cold::ColdCard;
pub use committed::Committed;
pub use lane::LaneError;
pub use lanes::Lanes;

/// Everything that can go wrong between the host and Postgres.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("no connection to Postgres: {0}")]
    Pool(#[from] deadpool_postgres::PoolError),
    #[error("Postgres: {}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("the pool cannot be built: {0}")]
    Build(#[from] deadpool_postgres::BuildError),
    #[error("column {0} holds something this program does not know")]
    Column(&'static str),
}

/// Message and code of the server's error; never its detail, which quotes row contents.
fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => error.to_string(),
    }
}

/// Number of buckets. Fixed for the life of a database.
pub const BUCKETS: u8 = 64;

/// Advisory lock that every batch holds shared while it reads the business days and commits, and closing takes exclusively.
pub const LOCK_DAYS: i64 = 5_857_001;

/// Advisory lock under which migrations run, one program at a time.
pub const LOCK_MIGRATE: i64 = 5_857_002;

/// A pool of at most `size` connections.
pub fn pool(config: &tokio_postgres::Config, size: usize) -> Result<Pool, StoreError> {
    let manager =
        Manager::from_config(config.clone(), NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    let pool = Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(Duration::from_secs(5)))
        .create_timeout(Some(Duration::from_secs(5)))
        .build()?;
    Ok(pool)
}

/// The bucket of an index or key that belongs to no account of ours.
#[must_use]
pub fn bucket_of(hash: &[u8]) -> i16 {
    i16::from(hash.first().copied().unwrap_or(0) % BUCKETS)
}
