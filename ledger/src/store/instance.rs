//! Table `journal_instance`: every writer of the journal, registered before it writes. Each has a hash chain of its own.

use tokio_postgres::GenericClient;

use super::StoreError;

const REGISTER: &str = "INSERT INTO journal_instance (instance, program, actor) VALUES ($1, $2, $3)";

/// A writer of the journal: a lane within one start of its host, or one run of another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalInstance {
    /// The lane's number within its host; 0 in a program without lanes.
    pub lane: i16,
    /// host epoch << 8 | lane.
    pub number: i32,
}

impl JournalInstance {
    /// The instance of a lane in the start with this epoch.
    #[must_use]
    pub fn of_lane(epoch: i64, lane: i16) -> Self {
        Self { lane, number: i32::try_from(epoch).unwrap_or(i32::MAX >> 8) << 8 | i32::from(lane) }
    }

    /// The instance with this number.
    #[must_use]
    pub fn from_number(number: i32) -> Self {
        Self { lane: i16::try_from(number & 0xFF).expect("a byte"), number }
    }

    /// Registers the instance. `actor` is the user on whose behalf it writes.
    pub async fn register(self, client: &impl GenericClient, program: &str, actor: &str) -> Result<(), StoreError> {
        client.execute(REGISTER, &[&self.number, &program, &actor]).await?;
        Ok(())
    }
}

/// Name of an actor: the number of the user that this process runs as.
#[must_use]
pub fn this_user() -> String {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |of| format!("uid {}", of.uid()))
}
