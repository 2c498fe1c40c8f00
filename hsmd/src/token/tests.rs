//! The token against the software module: for any input both give the same answers.
//!
//! SoftHSM reads the folder of its tokens from the environment once per process, and changing the environment of a running
//! process is unsafe: so the test starts itself again, as a child process with a token folder of its own.
use std::path::{Path, PathBuf};
use std::process::Command;

use codecs::value::{Expiry, Pan, PinBlock};
use cryptoki::context::Pkcs11;
use hsm::{AesTransaction, CodeRead, CryptogramData, DynamicRead, KeyName, OffsetScheme, PinFormat, PinOffset};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use static_assertions::assert_not_impl_any;

use super::memory::MemoryKey;
use super::{Extraction, Token, TokenConfig, initialise_token, read_pin};
use crate::des_key::{left_twice, odd_parity};
use crate::hex::hex;
use crate::module::Module;
use crate::module::key_kind::KeyKind;
use crate::verbs::dukpt::{self, WorkingKeyUse};
use crate::verbs::emv::{self, Derivation};
use crate::verbs::mac::{self, DesPair};
use crate::verbs::pin_block::Pin;
use crate::verbs::software::SoftwareModule;
use crate::verbs::tr31_text::{Header, OptionalBlock, Version};
use crate::verbs::{cvv, offset, pin, tr31};

assert_not_impl_any!(MemoryKey: std::fmt::Debug, std::fmt::Display, serde::Serialize);

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const FOLDER: &str = "SWITCHYARD_TEST_TOKEN";

#[test]
fn the_token_and_the_double_agree() {
    match std::env::var_os(FOLDER) {
        None => in_child("token::tests::the_token_and_the_double_agree"),
        Some(folder) => compare(&scratch(Path::new(&folder))),
    }
}

#[test]
fn temporary_objects_do_not_pile_up() {
    match std::env::var_os(FOLDER) {
        None => in_child("token::tests::temporary_objects_do_not_pile_up"),
        Some(folder) => {
            let token = scratch(Path::new(&folder));
            let count = || token.session().find_objects(&[]).unwrap().len();
            let before = count();
            for _ in 0..50 {
                let imk = token.import(KeyKind::ImkAc, &[0x02; 16]).unwrap();
                let pan = Pan::from_digits(b"4000120000000002").unwrap();
                emv::session_keys(&token, &imk, &pan, 1, [0, 1]).unwrap();
            }
            assert_eq!(count(), before);
            assert_eq!(token.created(), 50 * 4);
        }
    }
}

#[test]
fn a_key_does_nothing_but_its_own_work() {
    match std::env::var_os(FOLDER) {
        None => in_child("token::tests::a_key_does_nothing_but_its_own_work"),
        Some(folder) => {
            let token = scratch(Path::new(&folder));
            let imk = token.import(KeyKind::ImkAc, &[0x02; 16]).unwrap();
            assert!(matches!(token.des_encrypt(&imk, &[0; 8]), Err(crate::module::Fault::Refused(_))));
            let cvk = token.import(KeyKind::Cvk, &[0x02; 16]).unwrap();
            assert!(token.des_encrypt(&cvk, &[0; 8]).is_ok());
            assert!(token.des_decrypt(&cvk, &[0; 8]).is_err());
            assert!(token.derive(&cvk, &[0; 16]).is_err());
            let transport = token.import(KeyKind::Transport, &[3; 32]).unwrap();
            let sealed = token.seal(&transport, &[0; 12], b"", b"secret").unwrap();
            assert!(token.open(&transport, &[0; 12], b"", &sealed).is_err());
        }
    }
}

#[test]
fn strict_fast_and_software_card_keys_agree() {
    match std::env::var_os(FOLDER) {
        None => in_child("token::tests::strict_fast_and_software_card_keys_agree"),
        Some(folder) => {
            let (library, config) = initialised(Path::new(&folder));
            let mut token = Token::open(&library, &config).unwrap();
            let value = [[0x13; 8], [0x25; 8]].concat();
            // the fast set's key as the ceremony makes it, and the strict one's
            let [fast, strict] = ["imk-ac/400099", "imk-ac/400012"].map(|name| KeyName::new(name).unwrap());
            token.import_static(&fast, KeyKind::ImkAcFast, &value, Extraction::Never).unwrap();
            token.import_static(&strict, KeyKind::ImkAc, &value, Extraction::Never).unwrap();
            token.close();
            let token = Token::open(&library, &config).unwrap();
            let (fast, strict) = (token.find(&fast).unwrap(), token.find(&strict).unwrap());
            assert_eq!((token.kind(&fast), token.kind(&strict)), (KeyKind::ImkAcFast, KeyKind::ImkAc));
            let software = SoftwareModule::default();
            let double = software.import(KeyKind::ImkAc, &value).unwrap();
            let cards =
                [("4000120000000002", 1, true), ("4000120000000002", 2, false), ("4000990000000000019", 7, true)];
            for (digits, atc, is_new) in cards {
                let pan = Pan::from_digits(digits.as_bytes()).unwrap();
                let before = token.created();
                let expected = macs(&software, &double, &pan, atc);
                assert_eq!(macs(&token, &fast, &pan, atc), expected);
                assert_eq!(token.created(), before, "a fast card key is no object of the module");
                assert_eq!(macs(&token, &strict, &pan, atc), expected);
                let first = token.created() - before;
                assert_eq!(macs(&token, &strict, &pan, atc), expected);
                assert_eq!(macs(&token, &strict, &pan, atc), expected);
                let twice = token.created() - before;
                assert_eq!(macs(&token, &strict, &pan, atc), expected);
                let again = token.created() - before - twice;
                assert_eq!(
                    again < first,
                    is_new,
                    "a card's key is kept from its second time on: {first}, then {again}"
                );
            }
            assert!(matches!(token.des_encrypt(&strict, &[0; 8]), Err(crate::module::Fault::Refused(_))));
        }
    }
}

/// A login belongs to a process, so no other process can log `hsmd` out; but a module may. The supervisor reopens the module on
/// this kind of fault.
#[test]
fn a_token_that_was_logged_out_is_at_fault_and_opens_again() {
    match std::env::var_os(FOLDER) {
        None => in_child("token::tests::a_token_that_was_logged_out_is_at_fault_and_opens_again"),
        Some(folder) => {
            let (library, config) = initialised(Path::new(&folder));
            let mut token = Token::open(&library, &config).unwrap();
            let name = KeyName::fixed("pan-index");
            token.generate_static(&name, KeyKind::PanIndex, Extraction::Never).unwrap();
            token.generate_static(&KeyName::audit(), KeyKind::MacCmac, Extraction::Never).unwrap();
            let index = |token: &Token| token.hmac_sha256(&token.find(&name)?, b"4000120000000002");
            let expected = index(&token).unwrap();
            token.probe().unwrap();
            for _ in 0..2 {
                token.session().logout().unwrap();
                assert!(matches!(index(&token), Err(crate::module::Fault::Device(_))));
                assert!(token.probe().is_err(), "seen without a request, too");
                token.close();
                token = Token::open(&library, &config).unwrap();
                assert_eq!(index(&token).unwrap(), expected);
                token.probe().unwrap();
            }
        }
    }
}

/// A MAC under the card's key and one under a session's.
fn macs<M: Module>(module: &M, imk: &M::Key, pan: &Pan, atc: u8) -> [[u8; 8]; 2] {
    let data = mac::pad_bit(&[7; 41]);
    let card = emv::card_keys(module, imk, pan, 1).unwrap();
    let session = emv::session_keys(module, imk, pan, 1, [0, atc]).unwrap();
    [card, session].map(|keys| mac::algorithm_3(module, &keys, &data).unwrap())
}

fn in_child(test: &str) {
    let folder = std::env::temp_dir().join(format!("switchyard-{}-{}", test.replace("::", "-"), std::process::id()));
    std::fs::create_dir_all(folder.join("tokens")).unwrap();
    let conf = folder.join("softhsm2.conf");
    let settings = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        folder.join("tokens").display()
    );
    std::fs::write(&conf, settings).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env("SOFTHSM2_CONF", &conf)
        .env(FOLDER, &folder)
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "the child ran no test:\n{said}");
}

fn scratch(folder: &Path) -> Token {
    let (library, config) = initialised(folder);
    Token::open(&library, &config).unwrap()
}

/// A fresh token.
fn initialised(folder: &Path) -> (Pkcs11, TokenConfig) {
    let pin_file = |name: &str| -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, "1234-scratch").unwrap();
        path
    };
    let config = TokenConfig {
        module: MODULE.into(),
        init_arguments: None,
        allowed_mechanisms: true,
        label: "scratch".into(),
        user_pin_file: pin_file("user"),
        so_pin_file: Some(pin_file("so")),
        card_keys: 4096,
        fast_card_keys: vec!["400099".into()],
    };
    let library = config.library().unwrap();
    config.initialize(&library).unwrap();
    let pin = read_pin(&config.user_pin_file).unwrap();
    assert!(initialise_token(&library, &config.functions().unwrap(), &config.label, &pin, &pin).unwrap());
    library.clone().finalize().unwrap();
    (library, config)
}

#[derive(Debug, Clone)]
struct Case {
    des: [u8; 16],
    other_des: [u8; 16],
    aes: [u8; 16],
    long: [u8; 32],
    pan: String,
    psn: u8,
    pin: Vec<u8>,
    data: Vec<u8>,
    block: [u8; 16],
}

prop_compose! {
    fn case()(des: [u8; 16], other_des: [u8; 16], aes: [u8; 16], long: [u8; 32], pan in "[0-9]{8,19}", psn in 0_u8..100,
              pin in prop::collection::vec(0_u8..10, 4..13), data in prop::collection::vec(any::<u8>(), 0..200),
              block: [u8; 16]) -> Case {
        let (mut des, mut other_des) = (des, other_des);
        odd_parity(&mut des);
        odd_parity(&mut other_des);
        Case { des, other_des, aes, long, pan, psn, pin, data, block }
    }
}

fn compare(token: &Token) {
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() });
    let software = SoftwareModule::default();
    let outcome = runner.run(&case(), |case| {
        prop_assert_eq!(answers(token, &case), answers(&software, &case));
        // each unwraps the other's wraps
        let (storage, working) = (
            software.import(KeyKind::Storage, &case.long).unwrap(),
            software.import(KeyKind::PinDes, &case.des).unwrap(),
        );
        let wrap = software.wrap(&storage, &working).unwrap();
        let storage = token.import(KeyKind::Storage, &case.long).unwrap();
        let unwrapped = token.unwrap(&storage, &wrap, KeyKind::PinDes).unwrap().expect("unwraps");
        prop_assert_eq!(
            token.des_encrypt(&unwrapped, &[0; 8]).unwrap(),
            software.des_encrypt(&working, &[0; 8]).unwrap()
        );
        let mut altered = wrap.clone();
        altered[5] ^= 1;
        prop_assert!(token.unwrap(&storage, &altered, KeyKind::PinDes).unwrap().is_none());
        Ok(())
    });
    outcome.unwrap();
}

/// All results that are not random, as one text.
fn answers<M: Module>(module: &M, case: &Case) -> Vec<String> {
    let pan = Pan::from_digits(case.pan.as_bytes()).unwrap();
    let key = |kind, value: &[u8]| module.import(kind, value).unwrap();
    let pair = |value: &[u8]| DesPair {
        full: key(KeyKind::MacDes, value),
        left: key(KeyKind::MacDesLeft, &left_twice(value)),
    };
    let zone = key(KeyKind::PinDes, &case.des);
    let wide = key(KeyKind::PinAes, &case.aes);
    let pvk = key(KeyKind::Pvk, &case.other_des);
    let entered = Pin::new(&case.pin).unwrap();
    let imk = key(KeyKind::ImkAc, &case.des);
    let vault = key(KeyKind::Vault, &case.long);
    let short = |bytes: &[u8]| hex(bytes);
    let sealed = module.seal(&vault, &[7; 12], &case.data, pan.expose()).unwrap();
    let block = pin::encipher(module, &zone, PinFormat::Iso0, &entered, &pan).unwrap();
    let noise = PinBlock::new(&case.block[..8]).unwrap();
    let wide_noise = PinBlock::new(&case.block).unwrap();
    let sessions = emv::session_keys(module, &imk, &pan, case.psn, [case.block[0], case.block[1]]).unwrap();
    let data = CryptogramData::from_tags(|tag| tags(case, tag)).unwrap();
    vec![
        short(block.expose()),
        short(&module.aes_encrypt(&wide, &case.block).unwrap()),
        short(&module.aes_decrypt(&wide, &case.block).unwrap()),
        format!("{}", pin::decipher(module, &zone, PinFormat::Iso0, &block, &pan).unwrap() == Some(entered.clone())),
        format!("{}", pin::decipher(module, &zone, PinFormat::Iso0, &noise, &pan).unwrap().is_some()),
        format!("{}", pin::decipher(module, &wide, PinFormat::Iso4, &wide_noise, &pan).unwrap().is_some()),
        short(pin::pvv(module, &pvk, &pan, 6, &entered).unwrap().expose()),
        short(&cvv::expected(module, &pair(&case.des), &pan, Expiry::new(31, 1).unwrap(), CodeRead::Keyed).unwrap()),
        short(&mac::algorithm_3(module, &pair(&case.other_des), &mac::pad_zeros(&case.data)).unwrap()),
        short(&mac::algorithm_3(module, &sessions, &mac::pad_bit(&case.data)).unwrap()),
        short(&module.aes_cmac(&key(KeyKind::MacCmac, &case.aes), &case.data).unwrap()),
        short(&module.hmac_sha256(&key(KeyKind::PanIndex, &case.long), &case.data).unwrap()),
        short(&sealed),
        format!("{:?}", module.open(&vault, &[7; 12], &case.data, &sealed).unwrap().map(|plain| plain.len())),
        format!("{:?}", module.open(&vault, &[8; 12], &case.data, &sealed).unwrap().is_some()),
        short(&*module.derive_exposed(&imk, &emv::card_key_data(&pan, case.psn, Derivation::A)).unwrap()),
        short(&*module.derive_exposed(&imk, &emv::card_key_data(&pan, case.psn, Derivation::B)).unwrap()),
        format!("{:?}", data.atc),
        short(made_of_offset(module, case, &pan, &entered).expose()),
        short(&chip_macs(module, case, &pan, &imk)),
        short(&dynamic_code(module, case, &pan, &imk)),
        transported(module, case),
        short(&transaction_macs(module, case)),
    ]
}

fn made_of_offset<M: Module>(module: &M, case: &Case, pan: &Pan, entered: &Pin) -> PinOffset {
    let pvk = module.import(KeyKind::Pvk, &case.other_des).unwrap();
    let scheme = OffsetScheme::with_table(*b"1234567890123456", 0, 8, 0xD).unwrap();
    offset::of_pin(module, &pvk, &scheme, pan, entered).unwrap()
}

/// A MAC under each way of deriving a session key.
fn chip_macs<M: Module>(module: &M, case: &Case, pan: &Pan, imk: &M::Key) -> Vec<u8> {
    let card = module.derive(imk, &emv::card_key_data(pan, case.psn, Derivation::A)).unwrap();
    let value = *case.block.first_chunk::<8>().unwrap();
    let index = *case.block.last_chunk::<4>().unwrap();
    let pairs = [
        emv::card_keys(module, imk, pan, case.psn).unwrap(),
        emv::diversified(module, &card, &value).unwrap(),
        emv::limited_use_keys(module, &card, index).unwrap(),
    ];
    pairs.iter().flat_map(|keys| mac::algorithm_3(module, keys, &mac::pad_bit(&case.data)).unwrap()).collect()
}

/// A key block that one module made is opened by both.
fn transported<M: Module>(module: &M, case: &Case) -> String {
    let double = SoftwareModule::default();
    let opened = [(KeyKind::KbpkDes, Version::B, &case.des[..]), (KeyKind::KbpkAes, Version::D, &case.long[..])].map(
        |(kind, version, kbpk)| {
            let header = Header {
                version,
                usage: *b"P0",
                algorithm: b'T',
                mode: b'B',
                key_version: *b"00",
                exportability: b'N',
                blocks: vec![OptionalBlock { id: *b"KS", data: b"00604B120F9292800000".to_vec() }],
            };
            let made = tr31::make(&double, &double.import(kind, kbpk).unwrap(), &header, &case.other_des).unwrap();
            let opened = tr31::open(module, &module.import(kind, kbpk).unwrap(), &made).unwrap();
            assert_eq!(*opened.ok().unwrap().key, case.other_des);
            let made = tr31::make(module, &module.import(kind, kbpk).unwrap(), &header, &case.other_des).unwrap();
            let opened = tr31::open(&double, &double.import(kind, kbpk).unwrap(), &made).unwrap();
            hex(&opened.ok().unwrap().key)
        },
    );
    opened.concat()
}

fn transaction_macs<M: Module>(module: &M, case: &Case) -> Vec<u8> {
    let mut ksn = *case.block.first_chunk::<12>().unwrap();
    ksn[8..].copy_from_slice(&(u32::from(case.block[12]) << 9 | 1).to_be_bytes());
    let transaction = AesTransaction::new(KeyName::new("bdk/case").unwrap(), ksn).unwrap();
    let bdk = module.import(KeyKind::BdkAes, &case.long).unwrap();
    let initial = dukpt::aes_initial(module, &bdk, &transaction.initial()).unwrap();
    let key = dukpt::aes_transaction(module, &initial, &transaction).unwrap();
    [16, 24, 32]
        .into_iter()
        .flat_map(|length| {
            let key = dukpt::aes_working(module, &key, &transaction, WorkingKeyUse::MacRequest, length).unwrap();
            module.aes_cmac(&key, &case.data).unwrap()
        })
        .collect()
}

fn dynamic_code<M: Module>(module: &M, case: &Case, pan: &Pan, imk: &M::Key) -> [u8; 3] {
    let keys = emv::card_keys(module, imk, pan, case.psn).unwrap();
    let atc = u16::from(case.block[3]) * 39;
    let read = CodeRead::Dynamic(DynamicRead { service_code: *b"121", psn: case.psn, atc });
    cvv::expected(module, &keys, pan, Expiry::new(28, 2).unwrap(), read).unwrap()
}

fn tags(case: &Case, tag: u32) -> Option<&[u8]> {
    let length = match tag {
        0x9F02 | 0x9F03 => 6,
        0x95 => 5,
        0x9F37 => 4,
        0x9A => 3,
        0x9C => 1,
        0x9F10 => 7,
        _ => 2,
    };
    Some(&case.block[..length])
}
