//! Issuing: orders of new cards, accounts and device PANs, and changes of their status.
//!
//! The HSM draws the secrets of a cardholder, a wallet or a bureau. They leave it only in delivery items under the
//! transport key; the tables store ciphertext, an index and verification values.

mod cards;
pub mod config;
mod number;
mod orders;
mod reference_check;
mod status;
mod tokens;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use deadpool_postgres::Pool;
use hsm::{Client, DeliveryFile, DeliveryItem, DeliveryKind, HsmError};

use ledger::reference::{NotAReference, Reference};
use ledger::store::migrate::SchemaError;
use ledger::store::{StoreError, Writer, migrate, pool};

pub use cards::issue;
pub use config::Config;
pub use orders::{CardProfile, Cards, Wallet, Wallets, read};
pub use status::{set_card_status, set_token_status};
pub use tokens::provision;

/// Schema versions that the program works with: it is a registered writer of the journal since version 7.
const SCHEMAS: RangeInclusive<i32> = 7..=15;

/// Why an order could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum IssuingError {
    #[error("{}: {reason}", path.display())]
    Orders { path: PathBuf, reason: String },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("HSM: {0}")]
    Hsm(#[from] HsmError),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no {0} has the reference {1}")]
    Unknown(&'static str, Reference),
    #[error("there is a {0} with the reference {1} already: nothing was made")]
    Taken(&'static str, Reference),
    #[error("the order gives the reference {1} to two {0}s: nothing was made")]
    Twice(&'static str, Reference),
    #[error("{1} is how a {0} without a reference is called, by its number: nothing was made")]
    Numbered(&'static str, Reference),
    #[error(transparent)]
    Reference(#[from] NotAReference),
    #[error("the range {0} is used up")]
    RangeUsedUp(String),
    #[error("the envelope of the card {0} does not open: its row was tampered with")]
    Tampered(Reference),
}

impl From<tokio_postgres::Error> for IssuingError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Connections of the program: database, and two HSM clients. The host's role indexes and seals PANs, the operators'
/// draws secrets.
#[derive(Debug)]
pub struct IssuingContext {
    pool: Pool,
    /// Records what it changes in the journal.
    writer: Writer,
    hsm: Client,
    operator: Client,
    config: Config,
}

impl IssuingContext {
    /// Connects to the database and the HSM.
    pub async fn open(config: Config) -> Result<Self, IssuingError> {
        let pool = pool(&config.postgres(), 8)?;
        migrate::require(&pool, SCHEMAS).await?;
        let hsm = Client::connect(&config.hsm_socket);
        let operator = Client::connect(&config.hsm_operator_socket);
        let writer = Writer::register(&**pool.get().await.map_err(StoreError::from)?, "issuing").await?;
        Ok(Self { pool, writer, hsm, operator, config })
    }

    /// Writes a delivery file, which only its addressee can open.
    async fn deliver(&self, kind: DeliveryKind, items: Vec<DeliveryItem>, to: &Path) -> Result<(), IssuingError> {
        let file = DeliveryFile { kind, transport_kcv: self.operator.transport_kcv().await?, items };
        let text = serde_json::to_vec_pretty(&file).expect("a delivery file is text");
        std::fs::write(to, text).map_err(|source| IssuingError::File { path: to.to_owned(), source })
    }
}
