//! Every primitive against vectors computed by independent programs (psec, pyemv, cryptography).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pos_sim::crypto::cryptogram::{application_cryptogram, response_cryptogram, session_key};
use pos_sim::crypto::key::{hex, unhex};
use pos_sim::crypto::mac::{Padding, aes_cmac, retail_mac};
use pos_sim::crypto::{AesKey, TdesKey, pin_block};
use serde_json::Value;

fn vectors(kind: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../vectors/crypto.json")).unwrap();
    let list = file[kind].as_array().unwrap().clone();
    assert!(list.len() >= 8, "{kind} has too few vectors to prove anything");
    list
}

fn text<'v>(vector: &'v Value, field: &str) -> &'v str {
    vector[field].as_str().unwrap_or_else(|| panic!("{field} is missing"))
}

fn bytes(vector: &Value, field: &str) -> Vec<u8> {
    unhex(text(vector, field)).unwrap()
}

fn tdes(vector: &Value, field: &str) -> TdesKey {
    TdesKey::from_hex(text(vector, field)).unwrap()
}

#[test]
fn pin_block_format_0_both_ways() {
    for v in vectors("pinblock_iso0") {
        let (pan, pin) = (text(&v, "pan"), text(&v, "pin"));
        let key = tdes(&v, "zpk");
        assert_eq!(key.check_value(), text(&v, "zpk_kcv"));
        let block = pin_block::format_0(&key, pan, pin).unwrap();
        assert_eq!(hex(&block), text(&v, "encrypted"));
        assert_eq!(pin_block::read_format_0(&key, pan, block).unwrap().as_str(), pin);
        let other = pin_block::format_0(&tdes(&v, "zpk2"), pan, pin).unwrap();
        assert_eq!(hex(&other), text(&v, "translated_under_zpk2"));
    }
}

#[test]
fn pin_block_format_4() {
    for v in vectors("pinblock_iso4") {
        let key = AesKey::from_hex(text(&v, "key")).unwrap();
        assert_eq!(key.check_value_cmac(), text(&v, "kcv_cmac"));
        assert_eq!(key.check_value_ecb(), text(&v, "kcv_ecb"));
        let random: [u8; 8] = bytes(&v, "pin_field")[8..].try_into().unwrap();
        let block = pin_block::format_4(&key, text(&v, "pan"), text(&v, "pin"), random).unwrap();
        assert_eq!(hex(&block), text(&v, "encrypted"));
    }
}

#[test]
fn cryptograms_of_version_18() {
    for v in vectors("emv_cvn18") {
        let atc = bytes(&v["tags"], "tag_9f36");
        let session = session_key(&tdes(&v, "udk_ac"), u16::from_be_bytes([atc[0], atc[1]]));
        let arqc = application_cryptogram(&session, &bytes(&v, "ac_data"));
        assert_eq!(hex(&arqc), text(&v, "arqc"));
        let csu: [u8; 4] = bytes(&v, "csu").try_into().unwrap();
        let proprietary = bytes(&v, "prop_auth_data");
        assert_eq!(hex(&response_cryptogram(&session, arqc, csu, &proprietary)), text(&v, "arpc"));
    }
}

#[test]
fn retail_mac_with_both_paddings() {
    for v in vectors("retail_mac_x919") {
        let padding = if v["padding"] == 1 { Padding::Zeros } else { Padding::OneThenZeros };
        assert_eq!(hex(&retail_mac(&tdes(&v, "key"), &bytes(&v, "data"), padding)), text(&v, "mac"));
    }
}

#[test]
fn aes_cmac_for_every_key_length() {
    for v in vectors("aes_cmac") {
        let key = AesKey::from_hex(text(&v, "key")).unwrap();
        assert_eq!(hex(&aes_cmac(&key, &bytes(&v, "data"))), text(&v, "mac"));
    }
}

#[test]
fn a_damaged_block_is_not_a_pin() {
    let v = &vectors("pinblock_iso0")[0];
    let wrong = tdes(v, "zpk2");
    let block: [u8; 8] = bytes(v, "encrypted").try_into().unwrap();
    assert_eq!(pin_block::read_format_0(&wrong, text(v, "pan"), block), Err(pin_block::PinBlockError::Format));
    assert_eq!(pin_block::format_0(&wrong, text(v, "pan"), "123"), Err(pin_block::PinBlockError::Pin));
    assert_eq!(pin_block::format_0(&wrong, "4000", "1234"), Err(pin_block::PinBlockError::Pan));
}
