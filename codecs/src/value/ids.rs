//! Identifiers of transactions, terminals, merchants and institutions.

use super::Value;
use super::encoded_value::{EncodedValue, FixedDigits};
use super::text::Text;
use crate::error::ErrorKind;
use crate::field::Field;
use std::fmt;

/// System trace audit number: assigned by the sender of each hop; wraps around after 999999, and is never a key by
/// itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stan(pub u32);

impl Stan {
    /// The next number; 999999 is followed by 1, because partners treat zero as absent.
    pub fn next(self) -> Self {
        Self(if self.0 >= 999_999 { 1 } else { self.0 + 1 })
    }
}

impl fmt::Display for Stan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

impl Value<'_> for Stan {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        let value = field.number().ok_or(ErrorKind::Class)?;
        u32::try_from(value).map(Self).map_err(|_| ErrorKind::LengthOverMax)
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Number(FixedDigits::of::<6>(u64::from(self.0)))
    }
}

macro_rules! names {
    ($( $(#[$doc:meta])* $name:ident, most $most:literal, fills $width:literal; )*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Text<$most>);

        impl $name {
            /// `None` for a text that is too long or not printable ASCII.
            pub fn new(text: &str) -> Option<Self> {
                Text::new(text).map(Self)
            }

            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Value<'_> for $name {
            fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
                Text::read_from(&field).map(Self)
            }

            #[inline]
            fn encoded(&self) -> EncodedValue<'_> {
                EncodedValue::Text(self.0.wide($width))
            }
        }
    )* };
}

names! {
    /// Card acceptor terminal (DE41); eight characters, sixteen in some dialects.
    TerminalId, most 16, fills 8;
    /// Card acceptor, the merchant (DE42).
    MerchantId, most 15, fills 15;
    /// Retrieval reference number (DE37): assigned by the acquirer, and unique only within that acquirer.
    Rrn, most 12, fills 12;
    /// Approval code (DE38), assigned by the authorizer.
    ApprovalCode, most 6, fills 6;
    /// Number of an institution (DE32, 33, 99): up to eleven digits, variable length.
    InstitutionId, most 11, fills 0;
}
