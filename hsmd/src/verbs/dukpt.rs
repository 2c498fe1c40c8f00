//! From a base derivation key to the key of one transaction.
//!
//! AES: every key in the derivation is derived inside the module. DES: the initial key's halves are two encryptions inside the
//! module, but the further steps mix keys with data in a way that PKCS#11 has no mechanism for, so they are computed in this
//! process's zeroized memory. Base derivation keys never leave the module in either case (docs/security.md).
use des::Des;
use des::cipher::{BlockEncrypt, KeyInit};
use hsm::{AesTransaction, TdesTransaction};
use zeroize::Zeroizing;

use crate::des_key::{left_twice, odd_parity};
use crate::module::key_kind::KeyKind;
use crate::module::{Fault, Module};
use crate::verbs::mac::DesPair;
use crate::verbs::pin_block::xor;

/// The mask that makes the variant of a DES key: for both halves of the initial key, and of each step.
const MASK: [u8; 16] = [0xC0, 0xC0, 0xC0, 0xC0, 0, 0, 0, 0, 0xC0, 0xC0, 0xC0, 0xC0, 0, 0, 0, 0];

/// The use of a working key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkingKeyUse {
    Pin,
    /// MACs from the terminal to its host.
    MacRequest,
    /// MACs from the host to its terminal.
    MacResponse,
}

impl WorkingKeyUse {
    /// The byte of each half that a DES working key differs in from the transaction's key, and by what.
    fn variant(self) -> usize {
        match self {
            Self::Pin => 7,
            Self::MacRequest => 6,
            Self::MacResponse => 4,
        }
    }

    /// Key usage indicator of X9.24-3.
    fn indicator(self) -> [u8; 2] {
        match self {
            Self::Pin => [0x10, 0x00],
            Self::MacRequest => [0x20, 0x00],
            Self::MacResponse => [0x20, 0x01],
        }
    }

    fn kind(self) -> KeyKind {
        match self {
            Self::Pin => KeyKind::PinAes,
            Self::MacRequest | Self::MacResponse => KeyKind::MacCmac,
        }
    }
}

/// The PIN key of a DES terminal's transaction.
pub(crate) fn tdes_pin_key<M: Module>(module: &M, transaction: &TdesTransaction) -> Result<M::Key, Fault> {
    let key = tdes_working(&*tdes_key(module, transaction)?, WorkingKeyUse::Pin);
    module.import(KeyKind::PinDes, &*key)
}

/// The MAC key of a DES terminal's transaction, for one direction.
pub(crate) fn tdes_mac_keys<M: Module>(
    module: &M,
    transaction: &TdesTransaction,
    direction: WorkingKeyUse,
) -> Result<DesPair<M::Key>, Fault> {
    let key = tdes_working(&*tdes_key(module, transaction)?, direction);
    Ok(DesPair {
        full: module.import(KeyKind::MacDes, &*key)?,
        left: module.import(KeyKind::MacDesLeft, &left_twice(&*key))?,
    })
}

fn tdes_key<M: Module>(module: &M, transaction: &TdesTransaction) -> Result<Zeroizing<[u8; 16]>, Fault> {
    let bdk = module.find(transaction.bdk())?;
    // its variant, which makes the right halves of initial keys
    let masked = module.find(&transaction.bdk().with_suffix(".v"))?;
    let initial = tdes_initial(module, &bdk, &masked, &transaction.initial())?;
    tdes_transaction(&initial, transaction)
}

/// A terminal's initial key: its halves are the encryption of the identifier under the base key and under its variant.
pub(crate) fn tdes_initial<M: Module>(
    module: &M,
    bdk: &M::Key,
    masked: &M::Key,
    initial: &[u8; 10],
) -> Result<Zeroizing<[u8; 16]>, Fault> {
    if (module.kind(bdk), module.kind(masked)) != (KeyKind::BdkDes, KeyKind::BdkDesMasked) {
        return Err(Fault::Request("a DES terminal's base derivation key is a DES key"));
    }
    let identifier: [u8; 8] = std::array::from_fn(|i| initial[i]);
    let mut key = Zeroizing::new([0; 16]);
    key[..8].copy_from_slice(&module.des_encrypt(bdk, &identifier)?);
    key[8..].copy_from_slice(&module.des_encrypt(masked, &identifier)?);
    Ok(key)
}

/// The base key's variant, whose encryption gives the right halves of initial keys.
pub(crate) fn masked(bdk: &[u8; 16]) -> Zeroizing<[u8; 16]> {
    Zeroizing::new(xor(bdk, &MASK))
}

/// The key of a transaction: one step for each one in the counter, from the highest down.
pub(crate) fn tdes_transaction(
    initial: &[u8; 16],
    transaction: &TdesTransaction,
) -> Result<Zeroizing<[u8; 16]>, Fault> {
    let mut key = Zeroizing::new(*initial);
    let identifier = transaction.initial();
    let mut reached = 0_u32;
    for place in (0..21).rev() {
        let bit = 1 << place;
        if transaction.counter() & bit == 0 {
            continue;
        }
        reached |= bit;
        let [_, high, middle, low] = reached.to_be_bytes();
        // the rightmost eight bytes of the serial number, with the counter bits processed so far
        let mut register: [u8; 8] = std::array::from_fn(|i| identifier[2 + i]);
        register[5] |= high;
        register[6] = middle;
        register[7] = low;
        key = step(&key, &register)?;
    }
    Ok(key)
}

/// The one-way step: the left half of the next key under the variant, the right half under the key itself.
fn step(key: &[u8; 16], register: &[u8; 8]) -> Result<Zeroizing<[u8; 16]>, Fault> {
    let mut next = Zeroizing::new([0; 16]);
    let variant = Zeroizing::new(xor(key, &MASK));
    next[..8].copy_from_slice(&half(&variant, register)?);
    next[8..].copy_from_slice(&half(key, register)?);
    Ok(next)
}

fn half(key: &[u8; 16], register: &[u8; 8]) -> Result<[u8; 8], Fault> {
    let (left, right) = key.split_at(8);
    let mut right_half = Zeroizing::new([0; 8]);
    right_half.copy_from_slice(right);
    let cipher = Des::new_from_slice(left).map_err(|_| Fault::Request("length of the key"))?;
    let mut block = xor(register, &right_half).into();
    cipher.encrypt_block(&mut block);
    Ok(xor(&block.into(), &right_half))
}

/// A working key: the transaction's key with the bits of one byte in each half turned over.
pub(crate) fn tdes_working(transaction_key: &[u8; 16], purpose: WorkingKeyUse) -> Zeroizing<[u8; 16]> {
    let mut key = Zeroizing::new(*transaction_key);
    key[purpose.variant()] ^= 0xFF;
    key[8 + purpose.variant()] ^= 0xFF;
    odd_parity(&mut *key);
    key
}

/// The working key of an AES terminal's transaction: AES-128.
pub(crate) fn aes_working_key<M: Module>(
    module: &M,
    transaction: &AesTransaction,
    purpose: WorkingKeyUse,
) -> Result<M::Key, Fault> {
    let bdk = module.find(transaction.bdk())?;
    let initial = aes_initial(module, &bdk, &transaction.initial())?;
    let key = aes_transaction(module, &initial, transaction)?;
    aes_working(module, &key, transaction, purpose, 16)
}

/// A terminal's initial key, as strong as the base key.
pub(crate) fn aes_initial<M: Module>(module: &M, bdk: &M::Key, identifier: &[u8; 8]) -> Result<M::Key, Fault> {
    if module.kind(bdk) != KeyKind::BdkAes {
        return Err(Fault::Request("an AES terminal's base derivation key is an AES key"));
    }
    derive(module, bdk, KeyKind::DukptAes, [0x80, 0x01], module.length(bdk)?, identifier)
}

/// The key of a transaction: one derivation for each one in the counter, from the highest down.
pub(crate) fn aes_transaction<M: Module>(
    module: &M,
    initial: &M::Key,
    transaction: &AesTransaction,
) -> Result<M::Key, Fault> {
    let length = module.length(initial)?;
    let mut key = initial.clone();
    let mut reached = 0_u32;
    for place in (0..32).rev() {
        let bit = 1 << place;
        if transaction.counter() & bit != 0 {
            reached |= bit;
            key = derive(module, &key, KeyKind::DukptAes, [0x80, 0x00], length, &counted(transaction, reached))?;
        }
    }
    Ok(key)
}

/// A working key of so many bytes. It must not be stronger than the key it comes from.
pub(crate) fn aes_working<M: Module>(
    module: &M,
    key: &M::Key,
    transaction: &AesTransaction,
    purpose: WorkingKeyUse,
    length: usize,
) -> Result<M::Key, Fault> {
    if length > module.length(key)? {
        return Err(Fault::Request("a working key is not stronger than what it is derived from"));
    }
    let context = counted(transaction, transaction.counter());
    derive(module, key, purpose.kind(), purpose.indicator(), length, &context)
}

/// The right half of the initial key's identifier and a counter.
fn counted(transaction: &AesTransaction, counter: u32) -> [u8; 8] {
    let mut context = [0; 8];
    context[..4].copy_from_slice(&transaction.ksn()[4..8]);
    context[4..].copy_from_slice(&counter.to_be_bytes());
    context
}

/// One derivation: encryptions of version, block counter, usage, algorithm, length and context.
fn derive<M: Module>(
    module: &M,
    base: &M::Key,
    kind: KeyKind,
    usage: [u8; 2],
    length: usize,
    context: &[u8; 8],
) -> Result<M::Key, Fault> {
    let algorithm = (length / 8) as u8;
    let bits = (8 * length as u16).to_be_bytes();
    let blocks = (1..=length.div_ceil(16) as u8).flat_map(|counter| {
        let head = [0x01, counter, usage[0], usage[1], 0, algorithm, bits[0], bits[1]];
        head.into_iter().chain(*context)
    });
    module.derive_as(base, kind, &blocks.collect::<Vec<u8>>(), length)
}
