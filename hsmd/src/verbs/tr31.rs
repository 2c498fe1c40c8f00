//! Opening and making TR-31 key blocks. The keys that encipher and authenticate a block are derived inside the module. The
//! transported key is in this process's zeroized memory between its block and its import: a block enciphers the key's length
//! together with the key, which PKCS#11 cannot unwrap.
use hsm::{ImportedKey, KeyImportOutcome, KeyName, KeyOrder, KeyUsage, MadeKey};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::des_key::odd_parity;
use crate::hex::hex;
use crate::module::key_kind::{KeyKind, Material};
use crate::module::{Fault, Module, generation};
use crate::verbs::exchangeable::{ExchangeableKey, may_be_wrapped_under};
use crate::verbs::issue::{draw_key, key_block};
use crate::verbs::kcv;
use crate::verbs::mac::{des_cmac, subkeys};
use crate::verbs::pin_block::xor;
use crate::verbs::tr31_text::{Header, Malformed, Version, parse};
use crate::verbs::working_keys::kind_of;
use crate::weakness;

/// Why a block was not opened. These are outcomes and not faults: the sender of the block caused them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenRefused {
    Malformed(Malformed),
    /// The MAC is not right: altered, or made under another protection key.
    NotAuthentic,
    /// The enciphered length is not one that a key can have.
    Length,
}

/// The key of a block, and the block's header.
pub(crate) struct OpenedBlock {
    pub header: Header,
    pub key: Zeroizing<Vec<u8>>,
}

/// The block's own keys, which live for one block.
struct BlockKeys<K> {
    encipherment: K,
    authentication: K,
}

/// Opens a block; its MAC is checked before its contents are used.
pub(crate) fn open<M: Module>(
    module: &M,
    kbpk: &M::Key,
    text: &str,
) -> Result<Result<OpenedBlock, OpenRefused>, Fault> {
    let parsed = match parse(text) {
        Ok(parsed) => parsed,
        Err(why) => return Ok(Err(OpenRefused::Malformed(why))),
    };
    let version = parsed.header.version;
    let keys = block_keys(module, version, kbpk)?;
    let clear = decipher(module, version, &keys.encipherment, &parsed.mac, &parsed.enciphered)?;
    let mac = mac(module, version, &keys.authentication, parsed.covered, &clear)?;
    if !bool::from(mac.ct_eq(&parsed.mac)) {
        return Ok(Err(OpenRefused::NotAuthentic));
    }
    let bits = usize::from(u16::from_be_bytes([clear[0], clear[1]]));
    match clear[2..].get(..bits / 8) {
        Some(key) if bits > 0 && bits % 8 == 0 => {
            Ok(Ok(OpenedBlock { header: parsed.header, key: Zeroizing::new(key.to_vec()) }))
        }
        _ => Ok(Err(OpenRefused::Length)),
    }
}

/// Makes a block. The payload is as long as for the longest key of the algorithm, so that it does not reveal the key's length.
pub(crate) fn make<M: Module>(module: &M, kbpk: &M::Key, header: &Header, key: &[u8]) -> Result<String, Fault> {
    let longest = if header.algorithm == b'A' { 32 } else { 24 };
    let block = header.version.block();
    let mut clear = Zeroizing::new(vec![0; (2 + key.len().max(longest)).next_multiple_of(block)]);
    module.random(&mut clear)?;
    clear[..2].copy_from_slice(&(8 * key.len() as u16).to_be_bytes());
    clear[2..2 + key.len()].copy_from_slice(key);
    let text = header.text(clear.len()).map_err(|_| Fault::Request("what the key block's header is to say"))?;
    let keys = block_keys(module, header.version, kbpk)?;
    let mac = mac(module, header.version, &keys.authentication, text.as_bytes(), &clear)?;
    let enciphered = encipher(module, header.version, &keys.encipherment, &mac, &clear)?;
    Ok(text + &hex(&enciphered) + &hex(&mac))
}

/// Derives the block's keys from the protection key: each is the CMAC of a counter, a purpose, an algorithm and a length.
/// The CMAC of one block is one encryption, so that the module derives them without showing them.
fn block_keys<M: Module>(module: &M, version: Version, kbpk: &M::Key) -> Result<BlockKeys<M::Key>, Fault> {
    let length = module.length(kbpk)?;
    match (version, module.kind(kbpk)) {
        (Version::B, KeyKind::KbpkDes) => {
            let algorithm = u8::from(length == 24);
            let (subkey, _) = subkeys::<8>(&module.des_encrypt(kbpk, &[0; 8])?, 0x1B);
            let data = |purpose| {
                derivation(length / 8, |counter| {
                    xor(&[counter, 0, purpose, 0, 0, algorithm, 0, 8 * length as u8], &subkey)
                })
            };
            Ok(BlockKeys {
                encipherment: module.derive_as(kbpk, KeyKind::KbekDes, &data(0), length)?,
                authentication: module.derive_as(kbpk, KeyKind::KbakDes, &data(1), length)?,
            })
        }
        (Version::D, KeyKind::KbpkAes) => {
            let algorithm = (length / 8) as u8;
            let bits = (8 * length as u16).to_be_bytes();
            // the data are half a block: the second subkey, and padding
            let (_, subkey) = subkeys::<16>(&module.aes_encrypt(kbpk, &[0; 16])?, 0x87);
            let data = |purpose| {
                derivation(length.div_ceil(16), |counter| {
                    let mut block = [0; 16];
                    block[..8].copy_from_slice(&[counter, 0, purpose, 0, 0, algorithm, bits[0], bits[1]]);
                    block[8] = 0x80;
                    xor(&block, &subkey)
                })
            };
            Ok(BlockKeys {
                encipherment: module.derive_as(kbpk, KeyKind::KbekAes, &data(0), length)?,
                authentication: module.derive_as(kbpk, KeyKind::MacCmac, &data(1), length)?,
            })
        }
        _ => Err(Fault::Request("key blocks of version B are under DES keys, those of version D under AES keys")),
    }
}

fn derivation<const N: usize>(blocks: usize, block: impl Fn(u8) -> [u8; N]) -> Vec<u8> {
    (1..=blocks as u8).flat_map(block).collect()
}

fn mac<M: Module>(module: &M, version: Version, key: &M::Key, header: &[u8], clear: &[u8]) -> Result<Vec<u8>, Fault> {
    let covered = Zeroizing::new([header, clear].concat());
    Ok(match version {
        Version::B => des_cmac(module, key, &covered)?.to_vec(),
        Version::D => module.aes_cmac(key, &covered)?.to_vec(),
    })
}

/// CBC by single blocks, with the MAC as initial value.
fn encipher<M: Module>(module: &M, version: Version, key: &M::Key, mac: &[u8], clear: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(clear.len());
    match version {
        Version::B => {
            let mut carried: [u8; 8] = sized(mac)?;
            for block in clear.chunks(8) {
                carried = module.des_encrypt(key, &xor(&carried, &sized(block)?))?;
                out.extend_from_slice(&carried);
            }
        }
        Version::D => {
            let mut carried: [u8; 16] = sized(mac)?;
            for block in clear.chunks(16) {
                carried = module.aes_encrypt(key, &xor(&carried, &sized(block)?))?;
                out.extend_from_slice(&carried);
            }
        }
    }
    Ok(out)
}

fn decipher<M: Module>(
    module: &M,
    version: Version,
    key: &M::Key,
    mac: &[u8],
    enciphered: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    // sized at once: a growing buffer would leave copies of the key behind
    let mut out = Zeroizing::new(Vec::with_capacity(enciphered.len()));
    let mut carried = mac;
    for block in enciphered.chunks(version.block()) {
        match version {
            Version::B => {
                let clear = Zeroizing::new(module.des_decrypt(key, &sized(block)?)?);
                out.extend_from_slice(&xor(&clear, &sized(carried)?));
            }
            Version::D => {
                let clear = Zeroizing::new(module.aes_decrypt(key, &sized(block)?)?);
                out.extend_from_slice(&xor(&clear, &sized(carried)?));
            }
        }
        carried = block;
    }
    Ok(out)
}

fn sized<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Fault> {
    bytes.try_into().map_err(|_| Fault::Request("a key block is whole cipher blocks"))
}

/// Imports a partner's block: the working key becomes a key block under this token's storage keys.
pub(crate) fn import<M: Module>(module: &M, kbpk: &KeyName, text: &str) -> Result<KeyImportOutcome, Fault> {
    let opened = match open_any(module, kbpk, text)?.1 {
        Ok(opened) => opened,
        Err(OpenRefused::NotAuthentic) => return Ok(KeyImportOutcome::NotAuthentic),
        Err(OpenRefused::Malformed(_) | OpenRefused::Length) => return Ok(KeyImportOutcome::Malformed),
    };
    let Some(usage) = usage_of(&opened.header) else { return Ok(KeyImportOutcome::UsageNotOffered) };
    let kind = kind_of(usage);
    let mut key = opened.key;
    let fits = match kind.material() {
        Material::Des2 => key.len() == 16,
        Material::Aes(_) => matches!(key.len(), 16 | 24 | 32),
        Material::Secret => false,
    };
    if !fits {
        return Ok(KeyImportOutcome::LengthNotOffered);
    }
    if kind.material() == Material::Des2 {
        odd_parity(&mut key);
    }
    if weakness::of_key(kind.material(), &key).is_some() {
        return Ok(KeyImportOutcome::Weak);
    }
    let check_values = kcv::both_of_clear_key(module, kind, &key)?;
    Ok(KeyImportOutcome::Imported(ImportedKey { key: key_block(module, usage, &key)?, check_values }))
}

/// Which blocks a protection key makes and opens.
pub(crate) fn version_under<M: Module>(module: &M, kbpk: &M::Key) -> Result<Version, Fault> {
    match module.kind(kbpk) {
        KeyKind::KbpkDes => Ok(Version::B),
        KeyKind::KbpkAes => Ok(Version::D),
        _ => Err(Fault::Refused("the named key protects no key blocks")),
    }
}

/// [`open`] under whichever generation of a protection key the block was made, the newer first.
pub(crate) fn open_any<M: Module>(
    module: &M,
    kbpk: &KeyName,
    text: &str,
) -> Result<(M::Key, Result<OpenedBlock, OpenRefused>), Fault> {
    let mut keys = generation::accepted(module, kbpk)?.into_iter();
    let mut key = keys.next().ok_or_else(|| Fault::KeyMissing(kbpk.to_string()))?;
    let mut opened = open(module, &key, text)?;
    for older in keys {
        if !matches!(opened, Err(OpenRefused::NotAuthentic)) {
            break;
        }
        opened = open(module, &older, text)?;
        key = older;
    }
    Ok((key, opened))
}

/// Draws a working key and exports it to a partner in one job: a working key can be exported only while it is made.
pub(crate) fn draw_for_partner<M: Module>(module: &M, order: &KeyOrder) -> Result<MadeKey, Fault> {
    let (kbpk, _) = generation::current(module, &order.under)?;
    let kbpk = &kbpk;
    let kind = kind_of(order.usage);
    let version = version_under(module, kbpk)?;
    let key = draw_key(module, kind)?;
    may_be_wrapped_under(version, module.length(kbpk)?, kind.material(), key.len())
        .map_err(|_| Fault::Refused("a key does not travel under a weaker one"))?;
    let row = row_of(order.usage).ok_or(Fault::Refused("keys of this usage travel nowhere"))?;
    let (usage, algorithm, mode) = row.written();
    let header = Header {
        version,
        usage,
        algorithm,
        mode,
        key_version: order.key_version,
        exportability: b'N',
        blocks: Vec::new(),
    };
    Ok(MadeKey {
        key: key_block(module, order.usage, &key)?,
        tr31: make(module, kbpk, &header, &key)?,
        check_values: kcv::both_of_clear_key(module, kind, &key)?,
    })
}

/// A working key's usage from a header. Keys for one direction only are refused: a working key here serves both.
fn usage_of(header: &Header) -> Option<KeyUsage> {
    KeyUsage::ALL.into_iter().find(|usage| row_of(*usage).is_some_and(|row| row.suits(header)))
}

/// The header attributes of a working key's block.
fn row_of(usage: KeyUsage) -> Option<&'static ExchangeableKey> {
    let role = match usage {
        KeyUsage::PinDes | KeyUsage::PinAes => "zpk",
        KeyUsage::MacX919 | KeyUsage::MacAesCmac => "zak",
    };
    ExchangeableKey::of_role(role, kind_of(usage))
}
