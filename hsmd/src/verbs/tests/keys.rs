//! Import and export of working keys, and terminals whose key changes with every transaction.
use super::*;
use crate::verbs::tr31_text::{Header, Version};
use crate::verbs::{dukpt, kcv, tr31};

/// A module that shares protection keys with two partners.
fn with_partners() -> SoftwareModule {
    let mut module = module();
    for (label, kind) in [("kbpk/des", KeyKind::KbpkDes), ("kbpk/aes", KeyKind::KbpkAes)] {
        let key = draw_key(&module, kind).unwrap();
        module.insert(name(label), kind, &key);
    }
    module
}

fn made(module: &SoftwareModule, usage: KeyUsage, under: &str) -> Result<MadeKey, Fault> {
    let order = KeyOrder { usage, under: name(under), key_version: *b"01" };
    tr31::draw_for_partner(module, &order)
}

fn imported(module: &SoftwareModule, under: &str, block: &str) -> KeyImportOutcome {
    tr31::import(module, &name(under), block).unwrap()
}

#[test]
fn a_key_that_is_drawn_for_a_partner_is_the_key_that_the_partner_reads() {
    let module = with_partners();
    let mut working = WorkingKeys::new(8);
    for (usage, under) in [
        (KeyUsage::PinDes, "kbpk/des"),
        (KeyUsage::PinDes, "kbpk/aes"),
        (KeyUsage::PinAes, "kbpk/aes"),
        (KeyUsage::MacX919, "kbpk/des"),
        (KeyUsage::MacAesCmac, "kbpk/aes"),
    ] {
        let made = made(&module, usage, under).unwrap();
        assert_eq!(kcv::of_working_key(&module, &made.key).unwrap(), made.check_values);
        // in practice the partner has another token; for the block this makes no difference
        let KeyImportOutcome::Imported(theirs) = imported(&module, under, &made.tr31) else { panic!("{usage:?}") };
        assert_eq!(theirs.check_values, made.check_values);
        assert_eq!(theirs.key.usage(), usage);
        assert_eq!(theirs.check_values.cmac.is_some(), matches!(usage, KeyUsage::PinAes | KeyUsage::MacAesCmac));
        if matches!(usage, KeyUsage::MacX919 | KeyUsage::MacAesCmac) {
            let mac =
                |working: &mut _, key| edge::make_mac(&module, working, &MacKey::Terminal(key), b"message").unwrap();
            assert_eq!(mac(&mut working, made.key).0, mac(&mut working, theirs.key).0);
        }
    }
}

#[test]
fn a_partners_working_key_translates_pins() {
    let module = with_partners();
    let mut working = WorkingKeys::new(8);
    let zone = made(&module, KeyUsage::PinAes, "kbpk/aes").unwrap();
    let translate = |working: &mut _, from, from_format, to, to_format, block| {
        let request = EdgeCheck {
            mac: None,
            pin: Some(PinTranslation { from, from_format, block, pan: pan(FPAN), to, to_format }),
        };
        edge::check(&module, working, &request)
    };
    let (host, partner) = (PinKey::Zone(name("zpk/host")), PinKey::Terminal(zone.key));
    let sent = block(&module, "zpk/host", PinFormat::Iso3, &[5, 5, 1, 2], &pan(FPAN));
    let out = translate(&mut working, host.clone(), PinFormat::Iso3, partner.clone(), PinFormat::Iso4, sent).unwrap();
    let Some(TranslationOutcome::Translated(out)) = out.pin else { panic!("not translated") };
    let back = translate(&mut working, partner, PinFormat::Iso4, host, PinFormat::Iso0, out).unwrap();
    let Some(TranslationOutcome::Translated(back)) = back.pin else { panic!("not translated back") };
    let key = module.find(&name("zpk/host")).unwrap();
    let arrived = pin::decipher(&module, &key, PinFormat::Iso0, &back, &pan(FPAN)).unwrap().unwrap();
    assert_eq!(arrived.values(), [5, 5, 1, 2]);
}

#[test]
fn a_strong_key_does_not_travel_under_a_weak_one() {
    let module = with_partners();
    assert!(matches!(made(&module, KeyUsage::PinAes, "kbpk/des"), Err(Fault::Refused(_))));
    assert!(matches!(made(&module, KeyUsage::PinDes, "zpk/host"), Err(Fault::Refused(_))));
}

#[test]
fn a_key_block_is_taken_only_if_its_mac_and_its_header_allow_it() {
    let module = with_partners();
    let kbpk = module.find(&name("kbpk/aes")).unwrap();
    let header = Header {
        version: Version::D,
        usage: *b"P0",
        algorithm: b'T',
        mode: b'B',
        key_version: *b"00",
        exportability: b'N',
        blocks: Vec::new(),
    };
    let key = draw_key(&module, KeyKind::PinDes).unwrap();
    let take =
        |header: &Header, key: &[u8]| imported(&module, "kbpk/aes", &tr31::make(&module, &kbpk, header, key).unwrap());
    assert!(matches!(take(&header, &key), KeyImportOutcome::Imported(_)));
    // a card verification key is nothing that a switch works with, and a key to decipher only would serve both ways here
    assert_eq!(take(&Header { usage: *b"C0", ..header.clone() }, &key), KeyImportOutcome::UsageNotOffered);
    assert_eq!(take(&Header { mode: b'D', ..header.clone() }, &key), KeyImportOutcome::UsageNotOffered);
    assert_eq!(take(&header, &[&key[..], &key[..8]].concat()), KeyImportOutcome::LengthNotOffered);
    assert_eq!(take(&header, &left_twice(&key)), KeyImportOutcome::Weak);

    let block = tr31::make(&module, &kbpk, &header, &key).unwrap();
    for place in 5..block.len() {
        let mut altered = block.clone().into_bytes();
        altered[place] = if altered[place] == b'0' { b'1' } else { b'0' };
        let outcome = imported(&module, "kbpk/aes", std::str::from_utf8(&altered).unwrap());
        assert!(
            matches!(outcome, KeyImportOutcome::NotAuthentic | KeyImportOutcome::Malformed),
            "place {place}: {outcome:?}"
        );
    }
    // under another partner's key it is as foreign as an altered one
    let mut other = with_partners();
    other.insert(name("kbpk/aes"), KeyKind::KbpkAes, &[7; 32]);
    assert_eq!(imported(&other, "kbpk/aes", &block), KeyImportOutcome::NotAuthentic);
    assert_eq!(imported(&module, "kbpk/aes", "D0016P0TB00N0000"), KeyImportOutcome::Malformed);
}

#[test]
fn a_payload_does_not_tell_how_long_its_key_is() {
    let module = with_partners();
    let kbpk = module.find(&name("kbpk/aes")).unwrap();
    let header = Header {
        version: Version::D,
        usage: *b"P0",
        algorithm: b'A',
        mode: b'B',
        key_version: *b"00",
        exportability: b'N',
        blocks: Vec::new(),
    };
    let length = |key: &[u8]| tr31::make(&module, &kbpk, &header, key).unwrap().len();
    assert_eq!(length(&[1; 16]), length(&[1; 32]));
}

/// A DUKPT terminal's message: its MAC is checked, its PIN is translated to the host's zone, the answer gets a MAC under another
/// key than the request's.
#[test]
fn a_terminal_with_a_key_per_transaction_is_served() {
    let mut module = module();
    let base: [u8; 16] = draw_key(&module, KeyKind::BdkDes).unwrap().as_slice().try_into().unwrap();
    module.insert(name("bdk/pos"), KeyKind::BdkDes, &base);
    module.insert(name("bdk/pos.v"), KeyKind::BdkDesMasked, &*dukpt::masked(&base));
    let wide = draw_key(&module, KeyKind::BdkAes).unwrap();
    module.insert(name("bdk/wide"), KeyKind::BdkAes, &wide);
    let tdes = |count| TdesTransaction::new(name("bdk/pos"), [0xFF, 0xFF, 1, 2, 3, 4, 5, 0xE0, 0, count]).unwrap();
    let aes = |count| AesTransaction::new(name("bdk/wide"), [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, count]).unwrap();

    let sent = |key: &_, format| pin::encipher(&module, key, format, &entered(&[1, 2, 3, 4]), &pan(FPAN)).unwrap();
    let tdes_block = sent(&dukpt::tdes_pin_key(&module, &tdes(3)).unwrap(), PinFormat::Iso0);
    let aes_block =
        sent(&dukpt::aes_working_key(&module, &aes(3), dukpt::WorkingKeyUse::Pin).unwrap(), PinFormat::Iso4);
    for (mac_key, pin_key, format, block, stale) in [
        (
            MacKey::DukptTdes(tdes(3)),
            PinKey::DukptTdes(tdes(3)),
            PinFormat::Iso0,
            tdes_block,
            PinKey::DukptTdes(tdes(4)),
        ),
        (MacKey::DukptAes(aes(3)), PinKey::DukptAes(aes(3)), PinFormat::Iso4, aes_block, PinKey::DukptAes(aes(4))),
    ] {
        let mut working = WorkingKeys::new(8);
        let data = b"0200 and what follows".to_vec();
        let answer_mac = edge::make_mac(&module, &mut working, &mac_key, &data).unwrap();
        let check = |mac| EdgeCheck {
            mac: Some(MacCheck { key: mac_key.clone(), data: data.clone().into(), mac }),
            pin: Some(PinTranslation {
                from: pin_key.clone(),
                from_format: format,
                block: block.clone(),
                pan: pan(FPAN),
                to: PinKey::Zone(name("zpk/host")),
                to_format: PinFormat::Iso0,
            }),
        };
        // a request with the answer's MAC is a reflection
        let reflected = edge::check(&module, &mut working, &check(answer_mac)).unwrap();
        assert_eq!(reflected, EdgeVerdict { mac: Some(MacOutcome::Wrong), pin: None });
        let mut unsigned = check(answer_mac);
        unsigned.mac = None;
        let verdict = edge::check(&module, &mut working, &unsigned).unwrap();
        let Some(TranslationOutcome::Translated(arrived)) = verdict.pin else { panic!("not translated") };
        let zone = module.find(&name("zpk/host")).unwrap();
        let pin = pin::decipher(&module, &zone, PinFormat::Iso0, &arrived, &pan(FPAN)).unwrap().unwrap();
        assert_eq!(pin.values(), [1, 2, 3, 4]);
        // the key of another count deciphers to noise
        unsigned.pin.as_mut().unwrap().from = stale.clone();
        let verdict = edge::check(&module, &mut working, &unsigned).unwrap();
        assert_eq!(verdict.pin, Some(TranslationOutcome::FormatError));
        // and nothing is enciphered for a terminal
        unsigned.pin.as_mut().unwrap().to = stale;
        assert!(matches!(edge::check(&module, &mut working, &unsigned), Err(Fault::Refused(_))));
    }
}

#[test]
fn a_zones_mac_key_is_named() {
    let mut module = module();
    let key = draw_key(&module, KeyKind::MacDes).unwrap();
    module.insert(name("zak/partner"), KeyKind::MacDes, &key);
    module.insert(name("zak/partner.l"), KeyKind::MacDesLeft, &left_twice(&key));
    let mut working = WorkingKeys::new(1);
    let made = edge::make_mac(&module, &mut working, &MacKey::Named(name("zak/partner")), b"message").unwrap();
    let keys = mac::DesPair {
        full: module.import(KeyKind::MacDes, &key).unwrap(),
        left: module.import(KeyKind::MacDesLeft, &left_twice(&key)).unwrap(),
    };
    assert_eq!(made.0, mac::algorithm_3(&module, &keys, &mac::pad_zeros(b"message")).unwrap());
    let with_a_pin_key = edge::make_mac(&module, &mut working, &MacKey::Named(name("zpk/host")), b"message");
    assert!(matches!(with_a_pin_key, Err(Fault::Refused(_))));
}
