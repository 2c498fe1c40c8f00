//! The trials that go through [`Module`]: the verbs' own calls, with keys whose answers are known.
//!
//! AES under one block is FIPS 197's example, AES-CMAC RFC 4493's, the key wrap RFC 3394's. The others were computed with
//! OpenSSL and Python's `cryptography`; the tests let the software double give the same.
use super::{Failure, Outcome};
use crate::des_key::left_twice;
use crate::hex::unhex;
use crate::module::key_kind::KeyKind;
use crate::module::{Fault, Module};

const BLOCK: &[u8; 8] = b"Now is t";
const TEXT: &[u8; 24] = b"Now is the time for all ";
const CARD: &[u8; 16] = b"4000120000000002";
const DES: &str = "0123456789ABCDEFFEDCBA9876543210";
const AES_128: &str = "000102030405060708090A0B0C0D0E0F";
const AES_256: &str = "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F";
const AES_BLOCK: &str = "00112233445566778899AABBCCDDEEFF";
/// A card's number and its complement, as they are enciphered into a card key.
const CARD_DATA: &str = "2000000000000201DFFFFFFFFFFFFDFE";
const SESSION_DATA: &str = "0001F0000000000000010F0000000000";

fn bytes(hex: &str) -> Vec<u8> {
    unhex(hex).expect("the constants of this file are hex")
}

fn fixed<const N: usize>(hex: &str) -> [u8; N] {
    bytes(hex).try_into().expect("the constants of this file have their lengths")
}

fn same(what: &'static str, computed: impl AsRef<[u8]>, expected: &str) -> Outcome {
    if computed.as_ref() == bytes(expected) { Ok(()) } else { Err(Failure::Differs(what)) }
}

pub(super) fn refused<T>(what: &'static str, outcome: Result<T, Fault>) -> Outcome {
    match outcome {
        Ok(_) => Err(Failure::Allowed(what)),
        // modules report a refusal by different errors; any error counts as one
        Err(_) => Ok(()),
    }
}

pub(super) fn des_encrypts<M: Module>(module: &M) -> Outcome {
    let key = module.import(KeyKind::Pvk, &bytes(DES))?;
    same("an enciphered block", module.des_encrypt(&key, BLOCK)?, "D80A0D8B2BAE5E4E")?;
    same("the same block in a continued operation", module.des_encrypt(&key, BLOCK)?, "D80A0D8B2BAE5E4E")
}

pub(super) fn des_decrypts<M: Module>(module: &M) -> Outcome {
    let key = module.import(KeyKind::PinDes, &bytes(DES))?;
    let block = module.des_decrypt(&key, &fixed("D80A0D8B2BAE5E4E"))?;
    if &block == BLOCK { Ok(()) } else { Err(Failure::Differs("a deciphered block")) }
}

pub(super) fn des_chains<M: Module>(module: &M) -> Outcome {
    let key = module.import(KeyKind::CvkLeft, &left_twice(&bytes(DES)[..8]))?;
    same("a chain's last block", module.des_chain(&key, TEXT)?, "70A30640CC76DD8B")?;
    // the operation stays open, so the module must handle whole blocks, and carry over the last block only
    module.des_chain(&key, BLOCK)?;
    same("a chain's last block in a continued operation", module.des_chain(&key, TEXT)?, "70A30640CC76DD8B")
}

pub(super) fn card_key_is_derived<M: Module>(module: &M) -> Outcome {
    let master = module.import(KeyKind::ImkAc, &bytes(DES))?;
    let card = module.derive(&master, &fixed(CARD_DATA))?;
    // a cryptogram's MAC is a chain and a block under one key; for a cached card key both operations are continued
    for _ in 0..2 {
        same("what a card key enciphers", module.des_encrypt(&card, BLOCK)?, "8697FBD70BC85DB2")?;
        same("what a card key chains", module.des_chain(&card, TEXT)?, "90B49F423552E2BD")?;
    }
    Ok(())
}

pub(super) fn session_key_is_derived<M: Module>(module: &M) -> Outcome {
    let master = module.import(KeyKind::ImkAc, &bytes(DES))?;
    let card = module.derive(&master, &fixed(CARD_DATA))?;
    let session = module.derive(&card, &fixed(SESSION_DATA))?;
    same("what a session key enciphers", module.des_encrypt(&session, BLOCK)?, "6ADA71F97382AEDB")?;
    // the session of one key's operation is reused for the next key's
    drop(session);
    let session = module.derive(&card, &fixed(SESSION_DATA))?;
    same("what the next session key enciphers", module.des_encrypt(&session, BLOCK)?, "6ADA71F97382AEDB")
}

pub(super) fn card_key_is_computed<M: Module>(module: &M) -> Outcome {
    let master = module.import(KeyKind::ImkAcFast, &bytes(DES))?;
    let card = module.derive(&master, &fixed(CARD_DATA))?;
    same("what a card key enciphers", module.des_encrypt(&card, BLOCK)?, "8697FBD70BC85DB2")
}

pub(super) fn card_key_is_shown<M: Module>(module: &M) -> Outcome {
    let master = module.import(KeyKind::ImkAc, &bytes(DES))?;
    let card = module.derive_exposed(&master, &fixed(CARD_DATA))?;
    same("a card key", card.as_slice(), "9879A2E61CADA707A125CEAD8C02BA32")
}

pub(super) fn triple_key_is_derived<M: Module>(module: &M) -> Outcome {
    let base = module.import(KeyKind::KbpkDes, &[bytes(DES), bytes("89ABCDEF01234567")].concat())?;
    let data = bytes("010000000001008002000000000100800300000000010080");
    let key = module.derive_as(&base, KeyKind::KbekDes, &data, 24)?;
    same("what a triple-length key enciphers", module.des_encrypt(&key, BLOCK)?, "E62719380A66213E")
}

pub(super) fn aes_both_ways<M: Module>(module: &M) -> Outcome {
    let key = module.import(KeyKind::PinAes, &bytes(AES_128))?;
    let enciphered = module.aes_encrypt(&key, &fixed(AES_BLOCK))?;
    same("an enciphered block", enciphered, "69C4E0D86A7B0430D8CDB78070B4C55A")?;
    same("a deciphered block", module.aes_decrypt(&key, &enciphered)?, AES_BLOCK)
}

pub(super) fn aes_key_is_derived<M: Module>(module: &M) -> Outcome {
    let base = module.import(KeyKind::BdkAes, &bytes(AES_128))?;
    let initial = module.derive_as(&base, KeyKind::DukptAes, &bytes(AES_BLOCK), 16)?;
    let working = module.derive_as(&initial, KeyKind::PinAes, &bytes(AES_BLOCK), 16)?;
    let enciphered = module.aes_encrypt(&working, &fixed(AES_BLOCK))?;
    same("what a derived key enciphers", enciphered, "23558CE68F433FFA8536E557628F0052")?;
    if module.length(&initial)? == 16 { Ok(()) } else { Err(Failure::Differs("a derived key's length")) }
}

pub(super) fn long_aes_key_is_derived<M: Module>(module: &M) -> Outcome {
    let base = module.import(KeyKind::KbpkAes, &bytes(AES_256))?;
    let data: Vec<u8> = (0x40..0x60).collect();
    let cipher = module.derive_as(&base, KeyKind::KbekAes, &data, 32)?;
    same(
        "what a derived key enciphers",
        module.aes_encrypt(&cipher, &fixed(AES_BLOCK))?,
        "415D16C450FE2262551BD19B3E62D061",
    )?;
    let mac = module.derive_as(&base, KeyKind::MacCmac, &data, 32)?;
    same("a derived key's MAC", module.aes_cmac(&mac, &bytes(AES_BLOCK))?, "5BD33C1F766437358A8CF4560A8B744D")
}

pub(super) fn seals<M: Module>(module: &M) -> Outcome {
    let key = module.import(KeyKind::Vault, &bytes(AES_256))?;
    let nonce = fixed("000102030405060708090A0B");
    let mut sealed = module.seal(&key, &nonce, b"row 1", CARD)?;
    same("an envelope", &sealed, "7332E62BF4D7F22BBD71A7BB81D9485F8FBF7D28503C7AF4113867C238BAB394")?;
    let opened = module.open(&key, &nonce, b"row 1", &sealed)?;
    if opened.is_none_or(|opened| opened.as_slice() != CARD) {
        return Err(Failure::Differs("an opened envelope"));
    }
    if module.open(&key, &nonce, b"row 2", &sealed)?.is_some() {
        return Err(Failure::Allowed("an envelope of another row was opened"));
    }
    sealed[3] ^= 1;
    match module.open(&key, &nonce, b"row 1", &sealed)? {
        Some(_) => Err(Failure::Allowed("an altered envelope was opened")),
        None => Ok(()),
    }
}

pub(super) fn hmac<M: Module>(module: &M) -> Outcome {
    let key = module.import(KeyKind::PanIndex, &bytes(AES_256))?;
    let expected = "E4A1819A2ED4D47E8E091CB270D759E67519DE8136B41AF45E67D6BAA8A935C3";
    same("an index", module.hmac_sha256(&key, CARD)?, expected)
}

pub(super) fn cmac<M: Module>(module: &M) -> Outcome {
    let key = module.import(KeyKind::MacCmac, &bytes("2B7E151628AED2A6ABF7158809CF4F3C"))?;
    same("the MAC of nothing", module.aes_cmac(&key, b"")?, "BB1D6929E95937287FA37D129B756746")?;
    let block = bytes("6BC1BEE22E409F96E93D7E117393172A");
    same("a MAC", module.aes_cmac(&key, &block)?, "070A16B46B4D4144F79BDD9DD04A287C")
}

pub(super) fn wraps<M: Module>(module: &M) -> Outcome {
    let storage = module.import(KeyKind::Storage, &bytes(AES_256))?;
    let aes = module.import(KeyKind::MacCmac, &bytes(AES_BLOCK))?;
    let wrap = module.wrap(&storage, &aes)?;
    same("a wrapped AES key", &wrap, "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7")?;
    let des = module.import(KeyKind::PinDes, &bytes(DES))?;
    match module.wrap(&storage, &des)?.len() {
        24 => Ok(()),
        _ => Err(Failure::Differs("the length of a wrapped DES key")),
    }
}

pub(super) fn unwraps<M: Module>(module: &M) -> Outcome {
    let storage = module.import(KeyKind::Storage, &bytes(AES_256))?;
    let wrap = module.wrap(&storage, &module.import(KeyKind::PinDes, &bytes(DES))?)?;
    let Some(key) = module.unwrap(&storage, &wrap, KeyKind::PinDes)? else {
        return Err(Failure::Differs("an unwrapped key"));
    };
    same("what an unwrapped key enciphers", module.des_encrypt(&key, BLOCK)?, "D80A0D8B2BAE5E4E")?;
    let mut altered = wrap;
    altered[5] ^= 1;
    match module.unwrap(&storage, &altered, KeyKind::PinDes)? {
        Some(_) => Err(Failure::Allowed("an altered wrap was unwrapped")),
        None => Ok(()),
    }
}

pub(super) fn draws<M: Module>(module: &M) -> Outcome {
    let (mut one, mut other) = ([0; 32], [0; 32]);
    module.random(&mut one)?;
    module.random(&mut other)?;
    if one == other || one == [0; 32] { Err(Failure::Differs("what was drawn")) } else { Ok(()) }
}

pub(super) fn masters_only_derive<M: Module>(module: &M) -> Outcome {
    let master = module.import(KeyKind::ImkAc, &bytes(DES))?;
    refused("a master key that may only derive enciphered", module.des_encrypt(&master, BLOCK))
}

pub(super) fn usage_flags_hold<M: Module>(module: &M) -> Outcome {
    let code = module.import(KeyKind::Cvk, &bytes(DES))?;
    refused("a key that may only encipher deciphered", module.des_decrypt(&code, BLOCK))?;
    refused("a key that may only encipher derived", module.derive(&code, &fixed(CARD_DATA)))
}

pub(super) fn mechanisms_hold<M: Module>(module: &M) -> Outcome {
    let single = module.import(KeyKind::Cvk, &bytes(DES))?;
    refused("a key for single blocks chained", module.des_chain(&single, TEXT))?;
    let chain = module.import(KeyKind::CvkLeft, &bytes(DES))?;
    refused("a key for chains enciphered a single block", module.des_encrypt(&chain, BLOCK))
}
