//! Processing code and entry mode: the kind of transaction, and how the card was read.

use super::encoded_value::{EncodedValue, FixedDigits};
use super::{Value, digits, exactly};
use crate::error::ErrorKind;
use crate::field::Field;
use std::fmt;

/// DE3: transaction type, account from, account to (two digits each).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessingCode {
    pub transaction: u8,
    pub from: u8,
    pub to: u8,
}

/// Groups of transaction types: the first two digits of DE3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionType {
    /// 00–19.
    Debit,
    /// 20–29.
    Credit,
    /// 30–39.
    Inquiry,
    /// 40–49.
    Transfer,
    /// 50–59.
    Payment,
    /// 60–99.
    Other,
}

impl ProcessingCode {
    pub const PURCHASE: Self = Self::of(0);
    pub const CASH: Self = Self::of(1);
    pub const PURCHASE_WITH_CASHBACK: Self = Self::of(9);
    pub const REFUND: Self = Self::of(20);
    pub const BALANCE_INQUIRY: Self = Self::of(31);

    /// A transaction type with default accounts.
    pub const fn of(transaction: u8) -> Self {
        Self { transaction, from: 0, to: 0 }
    }

    pub fn kind(self) -> TransactionType {
        match self.transaction {
            0..=19 => TransactionType::Debit,
            20..=29 => TransactionType::Credit,
            30..=39 => TransactionType::Inquiry,
            40..=49 => TransactionType::Transfer,
            50..=59 => TransactionType::Payment,
            _ => TransactionType::Other,
        }
    }
}

impl fmt::Debug for ProcessingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ProcessingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}{:02}{:02}", self.transaction, self.from, self.to)
    }
}

impl Value<'_> for ProcessingCode {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        exactly(&field, 6)?;
        let pair = |from| digits(&field, from, from + 2).map(|n| n as u8);
        Ok(Self { transaction: pair(0)?, from: pair(2)?, to: pair(4)? })
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Number(FixedDigits::of_pairs([self.transaction, self.from, self.to]))
    }
}

/// DE22 of 1987: how the PAN was entered (two digits), and whether a PIN can be (one).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PosEntryMode {
    pub entry: u8,
    pub pin: u8,
}

/// How the card number was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryMode {
    Unknown,
    Manual,
    Stripe,
    Chip,
    ContactlessChip,
    StoredCredential,
    /// Magnetic stripe of a chip card, because the chip failed.
    Fallback,
    Ecommerce,
    ContactlessStripe,
    /// Chip whose security code is not reliable.
    ChipUnreliable,
    Other(u8),
}

impl PosEntryMode {
    pub fn mode(self) -> EntryMode {
        match self.entry {
            0 => EntryMode::Unknown,
            1 => EntryMode::Manual,
            2 | 90 => EntryMode::Stripe,
            5 => EntryMode::Chip,
            7 => EntryMode::ContactlessChip,
            10 => EntryMode::StoredCredential,
            79 | 80 => EntryMode::Fallback,
            81 => EntryMode::Ecommerce,
            91 => EntryMode::ContactlessStripe,
            95 => EntryMode::ChipUnreliable,
            other => EntryMode::Other(other),
        }
    }
}

impl PosEntryMode {
    /// Parses the three digits that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number: u16 = text.parse().ok().filter(|_| digits)?;
        Some(Self { entry: u8::try_from(number / 10).ok()?, pin: u8::try_from(number % 10).ok()? })
    }
}

impl fmt::Display for PosEntryMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}{}", self.entry, self.pin)
    }
}

impl fmt::Debug for PosEntryMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Value<'_> for PosEntryMode {
    /// Some packed dialects have four digits, the first a zero: the last three are used.
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        let number = field.number().ok_or(ErrorKind::Class)?;
        if number > 999 {
            return Err(ErrorKind::LengthOverMax);
        }
        Ok(Self { entry: (number / 10) as u8, pin: (number % 10) as u8 })
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Number(FixedDigits::of::<3>(u64::from(self.entry) * 10 + u64::from(self.pin)))
    }
}
