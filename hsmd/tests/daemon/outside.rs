//! The parties outside: a vendor that opens deliveries, a terminal that makes PIN blocks and MACs, a card that makes cryptograms.
//! Written from the standards with the RustCrypto ciphers; it shares no code with the crate.
use std::path::Path;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use cmac::{Cmac, Mac};
use des::cipher::{BlockEncrypt, generic_array::GenericArray};
use des::{Des, TdesEde2};
use serde_json::Value;

pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The transport key, from both custodians' components.
pub fn transport_key(keys: &Path) -> Vec<u8> {
    let component = |n| unhex(std::fs::read_to_string(keys.join(format!("transport.component{n}"))).unwrap().trim());
    component(1).iter().zip(component(2)).map(|(a, b)| a ^ b).collect()
}

pub fn open(transport: &[u8], kind: &str, item: &str) -> Value {
    let bytes = unhex(item);
    let gcm = Aes256Gcm::new_from_slice(transport).unwrap();
    let payload = Payload { msg: &bytes[12..], aad: kind.as_bytes() };
    serde_json::from_slice(&gcm.decrypt(bytes[..12].into(), payload).unwrap()).unwrap()
}

#[allow(dead_code, reason = "the benchmark's yardstick")]
pub fn seal(key: &[u8], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    Aes256Gcm::new_from_slice(key).unwrap().encrypt(&[0; 12].into(), Payload { msg: plain, aad }).unwrap()
}

#[allow(dead_code, reason = "the benchmark's yardstick")]
pub fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = <hmac::Hmac<sha2::Sha256> as Mac>::new_from_slice(key).unwrap();
    mac.update(data);
    mac.finalize().into_bytes().into()
}

pub fn cmac(key: &[u8], data: &[u8]) -> [u8; 16] {
    let mut mac = <Cmac<aes::Aes128> as Mac>::new_from_slice(key).unwrap();
    mac.update(data);
    mac.finalize().into_bytes().into()
}

fn tdes(key: &[u8], block: [u8; 8]) -> [u8; 8] {
    let mut out = GenericArray::from(block);
    TdesEde2::new_from_slice(key).unwrap().encrypt_block(&mut out);
    out.into()
}

fn xor(a: [u8; 8], b: [u8; 8]) -> [u8; 8] {
    std::array::from_fn(|i| a[i] ^ b[i])
}

/// ISO 9797-1 algorithm 3 over whole blocks.
pub fn retail_mac(key: &[u8], padded: &[u8]) -> [u8; 8] {
    let single = Des::new_from_slice(&key[..8]).unwrap();
    let mut chain = [0; 8];
    let blocks: Vec<[u8; 8]> = padded.chunks(8).map(|b| b.try_into().unwrap()).collect();
    for block in &blocks[..blocks.len() - 1] {
        let mut out = GenericArray::from(xor(chain, *block));
        single.encrypt_block(&mut out);
        chain = out.into();
    }
    tdes(key, xor(chain, blocks[blocks.len() - 1]))
}

/// The check value of a double-length DES key: the first three bytes of an enciphered zero block.
#[allow(dead_code, reason = "the benchmarks share this file")]
pub fn check_value(key: &[u8]) -> String {
    tdes(key, [0; 8])[..3].iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The check value of an AES-256 key: the first three bytes of the CMAC of a zero block.
#[allow(dead_code, reason = "the benchmarks share this file")]
pub fn long_check_value(key: &[u8]) -> String {
    let mut mac = <Cmac<aes::Aes256> as Mac>::new_from_slice(key).unwrap();
    mac.update(&[0; 16]);
    mac.finalize().into_bytes()[..3].iter().map(|byte| format!("{byte:02X}")).collect()
}

/// CVV2: PAN, expiry as MMYY, service code 000, under a key pair.
#[allow(dead_code, reason = "the benchmarks share this file")]
pub fn cvv2(cvk: &[u8], pan: &str, expiry: &str) -> [u8; 3] {
    let done = retail_mac(cvk, &unhex(&format!("{:0<32}", format!("{pan}{expiry}000"))));
    let nibbles = || done.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
    let digits = nibbles().filter(|n| *n < 10).chain(nibbles().filter(|n| *n > 9).map(|n| n - 10));
    let digits: Vec<u8> = digits.take(3).map(|digit| b'0' + digit).collect();
    digits.try_into().unwrap()
}

/// A PIN block of format 0 under a terminal's key.
pub fn pin_block(tpk: &[u8], pin: &str, pan: &str) -> [u8; 8] {
    let field = format!("0{}{pin:F<14}", pin.len());
    let account = format!("0000{}", &pan[pan.len() - 13..pan.len() - 1]);
    tdes(tpk, xor(unhex(&field).try_into().unwrap(), unhex(&account).try_into().unwrap()))
}

/// The card's session key for an ATC (EMV common session key).
pub fn session_key(udk: &[u8], atc: u16) -> Vec<u8> {
    let [a, b] = atc.to_be_bytes();
    let half = |marker| tdes(udk, [a, b, marker, 0, 0, 0, 0, 0]);
    [half(0xF0), half(0x0F)].concat()
}

/// A purchase of 12.34, and its cryptogram (Visa's version 18) by the card with this key at this ATC.
pub fn cryptogram(udk: &[u8], atc: u16) -> (hsm::CryptogramData, [u8; 8]) {
    let data = hsm::CryptogramData {
        amount: [0, 0, 0, 0, 0x12, 0x34],
        other_amount: [0; 6],
        country: [2, 0x80],
        tvr: [0; 5],
        currency: [9, 0x78],
        date: [0x26, 0x11, 0x20],
        kind: 0,
        unpredictable: [1, 2, 3, 4],
        aip: [0x39, 0],
        atc: atc.to_be_bytes(),
        iad: unhex("06011203A00000"),
    };
    let covered = [
        &data.amount[..],
        &data.other_amount,
        &data.country,
        &data.tvr,
        &data.currency,
        &data.date,
        &[data.kind],
        &data.unpredictable,
        &data.aip,
        &data.atc,
        &data.iad,
    ]
    .concat();
    let cryptogram = retail_mac(&session_key(udk, atc), &pad_bit(&covered));
    (data, cryptogram)
}

pub fn pad_bit(data: &[u8]) -> Vec<u8> {
    let mut padded = data.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(8), 0);
    padded
}
