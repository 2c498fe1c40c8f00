//! Whose fault an error of the store is: the one request's, the machine's, or nobody's that lasts.

use deadpool_postgres::{HookError, PoolError};

use super::StoreError;

/// Whose fault an error is, which says what becomes of the batch that met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A request's, or that of a row which only this request needs. Parts of the batch without it succeed.
    Request,
    /// Another writer was first. The same again finds what that one wrote; if it does not, it is the request's fault.
    Race,
    /// Nobody's that lasts: a lost connection, a server that restarts, rows that are locked. The same again may succeed.
    Passing,
    /// The machine's: no disk, no memory, a database that is read-only, damaged or of another shape. No part of the batch
    /// succeeds, nor does it at once, so parts are not tried.
    Machine,
}

impl Fault {
    /// The fault that a SQLSTATE tells of: five characters, of which two are the class. The longer entry decides.
    #[must_use]
    pub fn of_sqlstate(code: &str) -> Self {
        let by_length = |length: usize| {
            let start = code.get(..length)?;
            SQLSTATES.iter().find(|(known, _)| *known == start).map(|(_, fault)| *fault)
        };
        by_length(5).or_else(|| by_length(2)).unwrap_or(Self::Request)
    }
}

/// Classes and codes that are not a request's fault. A code that is not here is taken for the request's: a batch with it is
/// halved, and what is not to blame goes on.
const SQLSTATES: [(&str, Fault); 23] = [
    // another host wrote one of our keys first, or held what we held in another order
    ("23505", Fault::Race),
    ("40", Fault::Race),
    // connections
    ("08", Fault::Passing),
    ("53300", Fault::Passing),
    // locked, cancelled, shut down, starting
    ("55", Fault::Passing),
    ("57", Fault::Passing),
    ("57P04", Fault::Machine),
    // a statement of a new connection fits again: the table's shape changed, or a proxy forgot the statement
    ("0A000", Fault::Passing),
    ("26", Fault::Passing),
    // the transaction was lost before this statement, whose own fault it is not
    ("25", Fault::Passing),
    ("25006", Fault::Machine),
    // no disk, no memory
    ("53", Fault::Machine),
    // files cannot be read or written
    ("58", Fault::Machine),
    // the server's own errors, and damaged pages: nothing more is written into such books
    ("XX", Fault::Machine),
    ("F0", Fault::Machine),
    // who we are, and which database: every request meets it
    ("28", Fault::Machine),
    ("3D", Fault::Machine),
    ("3F", Fault::Machine),
    ("42501", Fault::Machine),
    // tables, columns, functions and types that are not there
    ("42P01", Fault::Machine),
    ("42703", Fault::Machine),
    ("42883", Fault::Machine),
    ("42704", Fault::Machine),
];

impl StoreError {
    /// Whose fault this is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Postgres(error) => of_postgres(error),
            // without an answer of the server: it was not reached, or the pool is used up
            Self::Pool(PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error))) => {
                error.code().map_or(Fault::Passing, |_| of_postgres(error))
            }
            Self::Pool(PoolError::Timeout(_)) => Fault::Passing,
            Self::Pool(_) | Self::Build(_) | Self::SharedColumn(_) | Self::NotDurable(_) | Self::Roots { .. } => {
                Fault::Machine
            }
            Self::Column(_) => Fault::Request,
        }
    }
}

fn of_postgres(error: &tokio_postgres::Error) -> Fault {
    let Some(code) = error.code() else {
        let lost =
            error.is_closed() || std::error::Error::source(error).is_none_or(|source| source.is::<std::io::Error>());
        // what is neither the server's word nor the connection's is about a value that could not be sent
        return if lost { Fault::Passing } else { Fault::Request };
    };
    Fault::of_sqlstate(code.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlstate_says_whose_fault_it_is() {
        use Fault::{Machine, Passing, Race, Request};
        let cases = [
            ("22003", Request, "a number out of range"),
            ("22021", Request, "a NUL in a text"),
            ("23502", Request, "a column without its value"),
            ("23514", Request, "a CHECK that does not hold"),
            ("54000", Request, "a row that is too long"),
            ("P0001", Request, "raised by a function of the schema"),
            ("99999", Request, "never heard of"),
            ("", Request, "no code at all"),
            ("23505", Race, "a key that is there"),
            ("40001", Race, "serialization failure"),
            ("40P01", Race, "deadlock"),
            ("08006", Passing, "connection failure"),
            ("53300", Passing, "too many connections"),
            ("55P03", Passing, "rows are locked"),
            ("57014", Passing, "cancelled"),
            ("57P01", Passing, "shut down by an operator"),
            ("57P02", Passing, "shut down by a crash"),
            ("57P03", Passing, "starting"),
            ("0A000", Passing, "the plan does not fit the table any more"),
            ("26000", Passing, "the statement is not prepared on this connection"),
            ("25P02", Passing, "the transaction failed before"),
            ("25006", Machine, "read-only"),
            ("28P01", Machine, "wrong password"),
            ("3D000", Machine, "no such database"),
            ("42501", Machine, "no privilege"),
            ("42P01", Machine, "no such table"),
            ("42703", Machine, "no such column"),
            ("53000", Machine, "out of something"),
            ("53100", Machine, "disk full"),
            ("53200", Machine, "out of memory"),
            ("57P04", Machine, "the database was dropped"),
            ("58030", Machine, "input or output failed"),
            ("58P01", Machine, "a file is missing"),
            ("XX000", Machine, "the server's own error"),
            ("XX001", Machine, "a damaged page"),
        ];
        for (code, fault, meaning) in cases {
            assert_eq!(Fault::of_sqlstate(code), fault, "{code}: {meaning}");
        }
    }

    #[test]
    fn a_word_that_is_not_known_is_the_fault_of_whoever_needs_its_row() {
        assert_eq!(StoreError::Column("card.status").fault(), Fault::Request);
        assert_eq!(StoreError::SharedColumn("business_day.state").fault(), Fault::Machine);
    }
}
