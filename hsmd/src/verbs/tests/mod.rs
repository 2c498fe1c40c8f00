//! The verbs on the software module: their decisions, beyond the known answers.
mod keys;
mod pins;
mod scripts;
mod secrets;

use codecs::value::{Expiry, Mac, Pan, PinBlock};
use hsm::*;

use crate::des_key::{left_twice, odd_parity};
use crate::hex::unhex;
use crate::module::key_kind::KeyKind;
use crate::module::{Fault, Module};
use crate::verbs::issue::draw_key;
use crate::verbs::pin_block::Pin;
use crate::verbs::software::SoftwareModule;
use crate::verbs::working_keys::WorkingKeys;
use crate::verbs::{card, cvv, edge, issue, mac, pin, vault};

const FPAN: &[u8] = b"4000120000000002";
const DPAN: &[u8] = b"4000129000000001";

fn pan(digits: &[u8]) -> Pan {
    Pan::from_digits(digits).unwrap()
}

fn name(text: &str) -> KeyName {
    KeyName::new(text).unwrap()
}

/// A module with every key of the demo's ceremony, freshly drawn.
fn module() -> SoftwareModule {
    let mut module = SoftwareModule::default();
    let draw = |module: &mut SoftwareModule, label: &str, kind: KeyKind| {
        let key = draw_key(module, kind).unwrap();
        module.insert(name(label), kind, &key);
        key
    };
    for (label, kind) in [
        ("vault", KeyKind::Vault),
        ("pan-index", KeyKind::PanIndex),
        ("data-kek", KeyKind::DataKek),
        ("transport", KeyKind::Transport),
        ("audit", KeyKind::MacCmac),
        ("pvk/400012", KeyKind::Pvk),
        ("imk-ac/400012", KeyKind::ImkAc),
        ("imk-ac/40001290", KeyKind::ImkAc),
        ("zpk/host", KeyKind::PinDes),
        ("zpk/partner", KeyKind::PinDes),
        ("zpk/aes-a", KeyKind::PinAes),
        ("zpk/aes-b", KeyKind::PinAes),
        (STORAGE_X919_LEFT, KeyKind::Storage),
    ] {
        draw(&mut module, label, kind);
    }
    for usage in KeyUsage::ALL {
        draw(&mut module, usage.storage_key(), KeyKind::Storage);
    }
    let cvk = draw(&mut module, "cvk/400012", KeyKind::Cvk);
    module.insert(name("cvk/400012.l"), KeyKind::CvkLeft, &left_twice(&cvk));
    module
}

fn entered(digits: &[u8]) -> Pin {
    Pin::new(digits).unwrap()
}

/// A PIN block of format 0 under a zone key, as a terminal would have sent it.
fn block(module: &SoftwareModule, zone: &str, format: PinFormat, digits: &[u8], bound_to: &Pan) -> PinBlock {
    let key = module.find(&name(zone)).unwrap();
    pin::encipher(module, &key, format, &entered(digits), bound_to).unwrap()
}

fn stored_pvv(module: &SoftwareModule, account: &Pan, digits: &[u8]) -> Pvv {
    let pvk = module.find(&name("pvk/400012")).unwrap();
    pin::pvv(module, &pvk, account, 6, &entered(digits)).unwrap()
}

fn read(presented: Pan) -> CardCheck {
    CardCheck {
        presented,
        funding: None,
        issuer_keys: KeySet::new("400012").unwrap(),
        code: None,
        pin: None,
        chip: None,
    }
}

fn with_pin(mut check: CardCheck, block: PinBlock, pvv: Pvv) -> CardCheck {
    check.pin = Some(PinCheck { block, zone_key: name("zpk/host"), reference: PinReference::Pvv { pvv, pvki: 6 } });
    check
}

#[test]
fn a_pin_is_right_wrong_or_no_pin_block_at_all() {
    let module = module();
    let pvv = stored_pvv(&module, &pan(FPAN), &[1, 2, 3, 4]);
    let verdict = |digits: &[u8], bound_to: &[u8]| {
        let block = block(&module, "zpk/host", PinFormat::Iso0, digits, &pan(bound_to));
        card::check(&module, &with_pin(read(pan(FPAN)), block, pvv.clone())).unwrap().pin.unwrap()
    };
    assert_eq!(verdict(&[1, 2, 3, 4], FPAN), PinOutcome::Ok);
    assert_eq!(verdict(&[1, 2, 3, 5], FPAN), PinOutcome::Wrong);
    // formed with another PAN: the digits do not come out as a block
    assert_eq!(verdict(&[1, 2, 3, 4], b"4000121111111110"), PinOutcome::FormatError);
    let noise = PinBlock::new(&[0x5A; 8]).unwrap();
    let check = with_pin(read(pan(FPAN)), noise, pvv.clone());
    assert_eq!(card::check(&module, &check).unwrap().pin, Some(PinOutcome::FormatError));
}

#[test]
fn a_tokens_block_binds_to_the_dpan_and_its_pvv_to_the_fpan() {
    let module = module();
    let envelope = vault::seal(&module, &pan(FPAN), DPAN).unwrap();
    let pvv = stored_pvv(&module, &pan(FPAN), &[4, 3, 2, 1]);
    let mut check =
        with_pin(read(pan(DPAN)), block(&module, "zpk/host", PinFormat::Iso0, &[4, 3, 2, 1], &pan(DPAN)), pvv);
    check.funding = Some((envelope.clone(), DPAN.to_vec()));
    assert_eq!(card::check(&module, &check).unwrap().pin, Some(PinOutcome::Ok));
    // the same envelope in another token's row does not open
    check.funding = Some((envelope, b"4000129000000019".to_vec()));
    assert_eq!(card::check(&module, &check).unwrap().pin, Some(PinOutcome::EnvelopeMismatch));
}

#[test]
fn a_pin_is_not_looked_at_when_the_card_is_not_genuine() {
    let module = module();
    let pvv = stored_pvv(&module, &pan(FPAN), &[1, 2, 3, 4]);
    let mut check =
        with_pin(read(pan(FPAN)), block(&module, "zpk/host", PinFormat::Iso0, &[1, 2, 3, 4], &pan(FPAN)), pvv);
    let expiry = Expiry::new(30, 12).unwrap();
    let keys = mac::DesPair {
        full: module.find(&name("cvk/400012")).unwrap(),
        left: module.find(&name("cvk/400012.l")).unwrap(),
    };
    let stripe = CodeRead::Stripe { service_code: *b"201" };
    let code = |read| SecurityCode::new(cvv::expected(&module, &keys, &pan(FPAN), expiry, read).unwrap()).unwrap();
    let mut verdict = |read, value: SecurityCode| {
        check.code = Some(CodeCheck { read, expiry, value });
        card::check(&module, &check).unwrap()
    };
    let good = verdict(stripe, code(stripe));
    assert_eq!((good.code, good.pin), (Some(CodeOutcome::Ok), Some(PinOutcome::Ok)));
    let chip_data = verdict(stripe, code(CodeRead::Chip));
    assert_eq!((chip_data.code, chip_data.pin), (Some(CodeOutcome::ChipDataOnStripe), None));
    let swapped = verdict(CodeRead::Keyed, code(stripe));
    assert_eq!((swapped.code, swapped.pin), (Some(CodeOutcome::Wrong), None));
}

#[test]
fn an_unknown_cryptogram_version_is_not_a_wrong_cryptogram() {
    let module = module();
    let data = |iad: &[u8]| CryptogramData {
        amount: [0; 6],
        other_amount: [0; 6],
        country: [2, 0x80],
        tvr: [0; 5],
        currency: [9, 0x78],
        date: [0x26, 1, 1],
        kind: 0,
        unpredictable: [1; 4],
        aip: [0x39, 0],
        atc: [0, 1],
        iad: iad.to_vec(),
    };
    let verdict = |iad: &str| {
        let mut check = read(pan(FPAN));
        check.chip = Some(ChipCheck {
            keys: KeySet::new("400012").unwrap(),
            psn: 1,
            cryptogram: [7; 8],
            data: data(&unhex(iad).unwrap()),
            approve_csu: [0; 4],
        });
        card::check(&module, &check).unwrap().chip.unwrap()
    };
    assert_eq!(verdict("06011203A00000"), ChipOutcome::Wrong);
    assert_eq!(verdict("06011003A00000"), ChipOutcome::UnknownVersion(0x10));
    assert_eq!(verdict(&format!("1F23{:060}", 0)), ChipOutcome::UnknownVersion(0x23));
}

#[test]
fn pins_are_translated_between_formats_but_never_to_format_1() {
    let module = module();
    let key = |zone: &str| module.find(&name(zone)).unwrap();
    use PinFormat::{Iso0, Iso1, Iso3, Iso4};
    for (from, from_format, to, to_format) in [
        ("zpk/host", Iso0, "zpk/partner", Iso0),
        ("zpk/host", Iso0, "zpk/partner", Iso3),
        ("zpk/partner", Iso3, "zpk/host", Iso0),
        ("zpk/host", Iso0, "zpk/aes-a", Iso4),
        ("zpk/aes-a", Iso4, "zpk/host", Iso0),
        ("zpk/aes-a", Iso4, "zpk/aes-b", Iso4),
    ] {
        // 19 digits: the PAN field of format 4 and the twelve digits of format 0 differ most
        for bound_to in [FPAN, b"4000121900000000008", b"40001200"] {
            let sent = block(&module, from, from_format, &[9, 8, 7, 6, 5], &pan(bound_to));
            let outcome =
                pin::translate(&module, (&key(from), from_format), (&key(to), to_format), &sent, &pan(bound_to));
            let TranslationOutcome::Translated(translated) = outcome.unwrap() else { panic!("{from} {to}") };
            let arrived = pin::decipher(&module, &key(to), to_format, &translated, &pan(bound_to)).unwrap().unwrap();
            assert_eq!(arrived.values(), [9, 8, 7, 6, 5]);
        }
    }
    let sent = block(&module, "zpk/host", Iso0, &[1, 2, 3, 4], &pan(FPAN));
    let refused = pin::translate(&module, (&key("zpk/host"), Iso0), (&key("zpk/partner"), Iso1), &sent, &pan(FPAN));
    assert!(matches!(refused, Err(Fault::Refused(_))));
    let wrong_cipher =
        pin::translate(&module, (&key("zpk/host"), Iso0), (&key("zpk/partner"), Iso4), &sent, &pan(FPAN));
    assert!(matches!(wrong_cipher, Err(Fault::Request(_))));
}

fn terminal(module: &SoftwareModule, mac: MacAlgorithm) -> TerminalKeys {
    let order =
        TerminalOrder { terminal: "T0000001".into(), merchant: "SWYD00000000001".into(), mcc: "5411".into(), mac };
    issue::terminal_keys(module, &order).unwrap()
}

#[test]
fn a_message_is_translated_only_if_its_mac_holds() {
    let module = module();
    let mut working = WorkingKeys::new(8);
    for algorithm in [MacAlgorithm::AesCmac, MacAlgorithm::X919] {
        let keys = terminal(&module, algorithm);
        let data = b"0200 and what follows".to_vec();
        let made = edge::make_mac(&module, &mut working, &MacKey::Terminal(keys.tak.clone()), &data).unwrap();
        let mut request = EdgeCheck {
            mac: Some(MacCheck { key: MacKey::Terminal(keys.tak.clone()), data: data.into(), mac: made }),
            pin: Some(PinTranslation {
                from: PinKey::Terminal(keys.tpk.clone()),
                from_format: PinFormat::Iso0,
                block: PinBlock::new(&[0x11; 8]).unwrap(),
                pan: pan(FPAN),
                to: PinKey::Zone(name("zpk/host")),
                to_format: PinFormat::Iso0,
            }),
        };
        let verdict = edge::check(&module, &mut working, &request).unwrap();
        assert_eq!(verdict, EdgeVerdict { mac: Some(MacOutcome::Ok), pin: Some(TranslationOutcome::FormatError) });
        request.mac.as_mut().unwrap().mac = Mac([0; 8]);
        let verdict = edge::check(&module, &mut working, &request).unwrap();
        assert_eq!(verdict, EdgeVerdict { mac: Some(MacOutcome::Wrong), pin: None });
    }
}

#[test]
fn a_key_block_serves_only_its_own_usage() {
    let module = module();
    let mut working = WorkingKeys::new(8);
    let keys = terminal(&module, MacAlgorithm::AesCmac);
    let as_mac = edge::make_mac(&module, &mut working, &MacKey::Terminal(keys.tpk.clone()), b"data");
    assert!(matches!(as_mac, Err(Fault::Refused(_))));
    // a PIN key relabelled as a MAC key does not unwrap: the wrap is under the PIN keys' storage key
    let mut bytes = keys.tpk.to_bytes();
    bytes[1] = keys.tak.to_bytes()[1];
    let relabelled = KeyBlock::from_bytes(&bytes).unwrap();
    let as_mac = edge::make_mac(&module, &mut working, &MacKey::Terminal(relabelled), b"data");
    assert!(matches!(as_mac, Err(Fault::KeyMissing(_))));
}

#[test]
fn only_so_many_working_keys_are_kept() {
    let module = module();
    let mut working = WorkingKeys::new(16);
    let blocks: Vec<KeyBlock> = (0..40).map(|_| terminal(&module, MacAlgorithm::AesCmac).tak).collect();
    for block in &blocks {
        working.open(&module, &blocks[0]).unwrap();
        working.open(&module, block).unwrap();
        assert!(working.len() <= 16);
    }
}

#[test]
fn an_envelope_opens_only_with_its_own_associated_data() {
    let module = module();
    let envelope = vault::seal(&module, &pan(FPAN), b"card 1").unwrap();
    assert_eq!(vault::open(&module, &envelope, b"card 1").unwrap(), Some(pan(FPAN)));
    assert_eq!(vault::open(&module, &envelope, b"card 2").unwrap(), None);
    let seventeen = vec![(envelope, b"card 1".to_vec()); 17];
    assert!(matches!(vault::open_batch(&module, &seventeen), Err(Fault::Request(_))));
}

/// The host accepts the PIN, codes and card key that the bureau reads from its item.
#[test]
fn a_personalised_card_verifies() {
    let mut module = module();
    let transport = draw_key(&module, KeyKind::Transport).unwrap();
    module.insert(name("transport"), KeyKind::Transport, &transport);
    let expiry = Expiry::new(29, 11).unwrap();
    for digits in [FPAN, b"4000121900000000008"] {
        let order = CardOrder {
            pan: pan(digits),
            expiry,
            psn: 1,
            service_code: *b"201",
            pvki: 6,
            keys: KeySet::new("400012").unwrap(),
            note: "everyday card".into(),
            balance_minor: 50_000,
            currency: 978,
        };
        let card = issue::personalise_card(&module, &order).unwrap();
        let item = opened(&transport, DeliveryKind::Cards, &card.delivery);
        assert_eq!(item["pan"].as_bytes(), digits);
        assert_eq!((item["expiry"].as_str(), item["psn"].as_str()), ("2911", "01"));
        let values: Vec<u8> = item["pin"].bytes().map(|d| d - b'0').collect();
        let sent = block(&module, "zpk/host", PinFormat::Iso0, &values, &order.pan);
        let mut check = with_pin(read(order.pan.clone()), sent, card.pvv.clone());
        check.code = Some(CodeCheck {
            read: CodeRead::Chip,
            expiry,
            value: SecurityCode::new(item["icvv"].as_bytes().try_into().unwrap()).unwrap(),
        });
        let verdict = card::check(&module, &check).unwrap();
        assert_eq!((verdict.code, verdict.pin), (Some(CodeOutcome::Ok), Some(PinOutcome::Ok)));
        let mut key = unhex(&item["udk_ac"]).unwrap();
        let as_delivered = key.clone();
        odd_parity(&mut key);
        assert_eq!((key.len(), key), (16, as_delivered));
    }
}

/// Opens an item as its addressee does, who has the transport key in clear.
fn opened(transport: &[u8], kind: DeliveryKind, item: &DeliveryItem) -> std::collections::BTreeMap<String, String> {
    let bytes = unhex(&item.0).unwrap();
    let (nonce, sealed) = bytes.split_first_chunk::<12>().unwrap();
    let module = SoftwareModule::default();
    let key = module.import(KeyKind::Vault, transport).unwrap();
    let plain = module.open(&key, nonce, kind.as_str().as_bytes(), sealed).unwrap().expect("opens under its kind");
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&plain).unwrap();
    fields.into_iter().map(|(name, value)| (name, value.as_str().map_or(value.to_string(), str::to_owned))).collect()
}
