//! The tables of the ledger. Each table is written by one module. [`flight`] sends the statements of a lane's batch
//! together; all other changes of an account go through [`account`].

pub mod acceptors;
pub mod account;
mod account_state;
mod acquired_chip;
pub mod anchor;
mod auth;
mod baseline;
pub mod business_day;
pub mod capture;
pub mod card;
pub mod card_lookup;
mod card_state;
mod chain;
mod connection;
pub mod day_total;
pub mod envelopes;
pub mod epoch;
mod fault;
pub mod flight;
pub mod foreign_card;
pub mod hold;
pub mod instance;
mod key_lock;
pub mod merchant;
pub mod migrate;
pub mod operator;
mod pan_directory;
pub mod partitions;
mod posting;
mod recorded_change;
pub mod reference;
pub mod settlement_posting;
mod stored_credential;
pub mod terminal;
mod terminal_refund;
pub mod token;
mod token_state;
pub mod token_vault;
mod word;
mod writer;

use std::path::PathBuf;

use codecs::value::Currency;
use deadpool_postgres::Pool;

pub use acceptors::Acceptors;
pub use card_lookup::CardLookup;
pub use connection::{Connection, Durability, NotAConnection, pool};
pub use fault::Fault;
pub use writer::Writer;

/// Errors between a program and Postgres.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("no connection to Postgres: {0}")]
    Pool(deadpool_postgres::PoolError),
    #[error(
        "{0} is off in Postgres, so that what it commits may be lost; who means that puts \"{0}\" into postgres_may_lack"
    )]
    NotDurable(Durability),
    #[error("postgres_root_certificates {}: {reason}", path.display())]
    Roots { path: PathBuf, reason: String },
    #[error("Postgres: {}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("the pool cannot be built: {0}")]
    Build(#[from] deadpool_postgres::BuildError),
    #[error("column {0} holds something this program does not know")]
    Column(&'static str),
    /// As `Column`, in a row that every request needs.
    #[error("column {0} holds something this program does not know, and every request needs it")]
    SharedColumn(&'static str),
}

/// Message and code of the server's error, without its detail, which quotes row contents.
fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => error.to_string(),
    }
}

/// Whether the database answers.
pub async fn ping(pool: &Pool) -> Result<(), StoreError> {
    pool.get().await?.simple_query("SELECT 1").await?;
    Ok(())
}

/// Column value of a currency: its number, at most three digits.
fn currency_column(currency: Currency) -> i16 {
    i16::try_from(currency.number()).expect("a currency number has three digits")
}

fn currency(column: i16) -> Currency {
    Currency::from_number(column.unsigned_abs())
}

/// A column that must hold a fixed number of bytes.
fn fixed<const N: usize>(bytes: &[u8], column: &'static str) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Column(column))
}

/// The value of a nullable text column, parsed.
fn text<T>(
    row: &tokio_postgres::Row,
    column: &'static str,
    value: fn(&str) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let text: Option<&str> = row.get(column);
    text.map(|text| value(text).ok_or(StoreError::Column(column))).transpose()
}

/// Keys as two columns, for `unnest`.
fn columns(keys: &[(i16, i64)]) -> (Vec<i16>, Vec<i64>) {
    keys.iter().copied().unzip()
}
