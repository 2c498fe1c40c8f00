//! Words of Postgres enums, passed and read as they are: a cast from text would be made anew for every row.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

/// A value of a Postgres enum, as its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'w>(pub &'w str);

impl ToSql for Word<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        matches!(of.kind(), Kind::Enum(_))
    }

    to_sql_checked!();
}

impl<'w> FromSql<'w> for Word<'w> {
    fn from_sql(_: &Type, word: &'w [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(std::str::from_utf8(word)?))
    }

    fn accepts(of: &Type) -> bool {
        matches!(of.kind(), Kind::Enum(_))
    }
}
