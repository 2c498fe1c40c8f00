//! DUKPT: a terminal has a different key for each transaction (ANSI X9.24-1 for DES, X9.24-3 for AES).
use crate::error::HsmError;
use crate::name::KeyName;

/// A DES terminal's transaction: the base derivation key `bdk/<owner>` and the key serial number it sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TdesTransaction {
    bdk: KeyName,
    ksn: [u8; 10],
}

/// An AES terminal's transaction: the base derivation key and the key serial number it sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AesTransaction {
    bdk: KeyName,
    ksn: [u8; 12],
}

/// Most one bits that the counter of a DES key serial number may have; a terminal skips counters with more.
const TDES_ONES: u32 = 10;
/// The same for AES.
const AES_ONES: u32 = 16;

impl TdesTransaction {
    /// Ten bytes: identifier, then 21 bits of counter. A counter that no terminal would send is refused.
    pub fn new(bdk: KeyName, ksn: [u8; 10]) -> Result<Self, HsmError> {
        let transaction = Self { bdk, ksn };
        if (1..=TDES_ONES).contains(&transaction.counter().count_ones()) {
            Ok(transaction)
        } else {
            Err(HsmError::BadInput("the counter of a key serial number has one to ten ones"))
        }
    }

    /// The base derivation key's name.
    pub fn bdk(&self) -> &KeyName {
        &self.bdk
    }

    /// The key serial number.
    pub fn ksn(&self) -> &[u8; 10] {
        &self.ksn
    }

    /// The transaction counter.
    pub fn counter(&self) -> u32 {
        u32::from_be_bytes([0, self.ksn[7], self.ksn[8], self.ksn[9]]) & 0x1F_FFFF
    }

    /// The key serial number with its counter at zero.
    pub fn initial(&self) -> [u8; 10] {
        let mut initial = self.ksn;
        initial[7] &= 0xE0;
        initial[8] = 0;
        initial[9] = 0;
        initial
    }
}

impl AesTransaction {
    /// Twelve bytes: initial key identifier (8), counter (4). A counter that no terminal would send is refused.
    pub fn new(bdk: KeyName, ksn: [u8; 12]) -> Result<Self, HsmError> {
        let transaction = Self { bdk, ksn };
        if (1..=AES_ONES).contains(&transaction.counter().count_ones()) {
            Ok(transaction)
        } else {
            Err(HsmError::BadInput("the counter of a key serial number has one to sixteen ones"))
        }
    }

    /// The base derivation key's name.
    pub fn bdk(&self) -> &KeyName {
        &self.bdk
    }

    /// The key serial number.
    pub fn ksn(&self) -> &[u8; 12] {
        &self.ksn
    }

    /// The transaction counter.
    pub fn counter(&self) -> u32 {
        u32::from_be_bytes([self.ksn[8], self.ksn[9], self.ksn[10], self.ksn[11]])
    }

    /// The initial key's identifier.
    pub fn initial(&self) -> [u8; 8] {
        std::array::from_fn(|i| self.ksn[i])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_with_too_many_ones_is_refused() {
        let bdk = || KeyName::new("bdk/pos").unwrap();
        let tdes = |counter: u32| {
            let [_, high, middle, low] = counter.to_be_bytes();
            TdesTransaction::new(bdk(), [0xFF, 0xFF, 0x98, 0x76, 0x54, 0x32, 0x10, 0xE0 | high, middle, low])
        };
        assert_eq!(tdes(1).unwrap().counter(), 1);
        assert_eq!(tdes(0x1F_F800).unwrap().initial()[7..], [0xE0, 0, 0]);
        assert!(tdes(0).is_err() && tdes(0x7FF).is_err());
        let aes = |counter: u32| {
            let mut ksn = [0x12; 12];
            ksn[8..].copy_from_slice(&counter.to_be_bytes());
            AesTransaction::new(bdk(), ksn)
        };
        assert!(aes(0xFFFF).is_ok() && aes(0xFFFF_0000).is_ok());
        assert!(aes(0).is_err() && aes(0x1_FFFF).is_err());
    }
}
