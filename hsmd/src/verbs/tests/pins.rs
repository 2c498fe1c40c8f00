//! PINs: reference values, changes of PIN, permitted translations.
use super::*;

fn scheme() -> OffsetScheme {
    OffsetScheme::with_table(*b"0123456789012345", 4, 11, 0xF).unwrap()
}

fn reference(module: &SoftwareModule, method: &PinMethod, digits: &[u8]) -> PinReference {
    let pvk = module.find(&name("pvk/400012")).unwrap();
    pin::reference(module, &pvk, &pan(FPAN), method, &entered(digits)).unwrap()
}

fn methods() -> [PinMethod; 2] {
    [PinMethod::Pvv { pvki: 1 }, PinMethod::Offset(scheme())]
}

#[test]
fn a_card_read_is_verified_by_offset_as_by_pvv() {
    let module = module();
    for method in methods() {
        let reference = reference(&module, &method, &[1, 2, 3, 4]);
        let verdict = |digits: &[u8]| {
            let mut check = read(pan(FPAN));
            let block = block(&module, "zpk/host", PinFormat::Iso0, digits, &pan(FPAN));
            check.pin = Some(PinCheck { block, zone_key: name("zpk/host"), reference: reference.clone() });
            card::check(&module, &check).unwrap().pin.unwrap()
        };
        assert_eq!(verdict(&[1, 2, 3, 4]), PinOutcome::Ok);
        assert_eq!(verdict(&[1, 2, 3, 5]), PinOutcome::Wrong);
    }
    // an offset of four digits cannot verify a PIN of five
    let of_four = reference(&module, &PinMethod::Offset(scheme()), &[1, 2, 3, 4]);
    let pvk = module.find(&name("pvk/400012")).unwrap();
    assert!(!pin::verify(&module, &pvk, &pan(FPAN), &of_four, &entered(&[1, 2, 3, 4, 5])).unwrap());
}

#[test]
fn a_pin_changes_only_for_whoever_knows_the_old_one() {
    let module = module();
    for method in methods() {
        let old = reference(&module, &method, &[1, 2, 3, 4]);
        let change = |current: &[u8], new_bound_to: &[u8]| PinChange {
            presented: pan(FPAN),
            funding: None,
            issuer_keys: KeySet::new("400012").unwrap(),
            zone_key: name("zpk/host"),
            format: PinFormat::Iso0,
            current: block(&module, "zpk/host", PinFormat::Iso0, current, &pan(FPAN)),
            reference: old.clone(),
            new: block(&module, "zpk/host", PinFormat::Iso0, &[9, 8, 7, 6], &pan(new_bound_to)),
        };
        let outcome = pin::change(&module, &change(&[1, 2, 3, 4], FPAN)).unwrap();
        assert_eq!(outcome, PinChangeOutcome::Changed(reference(&module, &method, &[9, 8, 7, 6])));
        assert_eq!(pin::change(&module, &change(&[1, 2, 3, 5], FPAN)).unwrap(), PinChangeOutcome::Wrong);
        let elsewhere = change(&[1, 2, 3, 4], b"4000121111111110");
        assert_eq!(pin::change(&module, &elsewhere).unwrap(), PinChangeOutcome::FormatError);
    }
}

#[test]
fn a_tokens_pin_changes_under_the_card_behind_it() {
    let module = module();
    let method = PinMethod::Pvv { pvki: 6 };
    let mut change = PinChange {
        presented: pan(DPAN),
        funding: Some((vault::seal(&module, &pan(FPAN), DPAN).unwrap(), DPAN.to_vec())),
        issuer_keys: KeySet::new("400012").unwrap(),
        zone_key: name("zpk/aes-a"),
        format: PinFormat::Iso4,
        current: block(&module, "zpk/aes-a", PinFormat::Iso4, &[1, 2, 3, 4], &pan(DPAN)),
        reference: reference(&module, &method, &[1, 2, 3, 4]),
        new: block(&module, "zpk/aes-a", PinFormat::Iso4, &[4, 4, 4, 1], &pan(DPAN)),
    };
    let expected = reference(&module, &method, &[4, 4, 4, 1]);
    assert_eq!(pin::change(&module, &change).unwrap(), PinChangeOutcome::Changed(expected));
    change.funding.as_mut().unwrap().1 = b"another row".to_vec();
    assert_eq!(pin::change(&module, &change).unwrap(), PinChangeOutcome::EnvelopeMismatch);
}

/// The table of the PCI PIN Security Requirements: rows are sources, columns targets.
#[test]
fn formats_become_only_what_keeps_the_account_number() {
    use PinFormat::{Iso0, Iso1, Iso3, Iso4};
    for bound in [Iso0, Iso3, Iso4] {
        assert!([Iso0, Iso3, Iso4].into_iter().all(|to| pin::may_be_translated(bound, to)));
        assert!(!pin::may_be_translated(bound, Iso1), "{bound:?} to format 1 would set the PIN free of its account");
    }
    assert!([Iso0, Iso1, Iso3, Iso4].into_iter().all(|to| pin::may_be_translated(Iso1, to)));
}

#[test]
fn an_unbound_pin_becomes_bound() {
    let module = module();
    let key = |zone: &str| module.find(&name(zone)).unwrap();
    let (from, to) = (key("zpk/host"), key("zpk/aes-a"));
    let sent = block(&module, "zpk/host", PinFormat::Iso1, &[1, 2, 3, 4, 5, 6], &pan(FPAN));
    let outcome = pin::translate(&module, (&from, PinFormat::Iso1), (&to, PinFormat::Iso4), &sent, &pan(FPAN));
    let TranslationOutcome::Translated(bound) = outcome.unwrap() else { panic!("not translated") };
    let arrived = pin::decipher(&module, &to, PinFormat::Iso4, &bound, &pan(FPAN)).unwrap().unwrap();
    assert_eq!(arrived.values(), [1, 2, 3, 4, 5, 6]);
    assert!(pin::decipher(&module, &to, PinFormat::Iso4, &bound, &pan(DPAN)).unwrap().is_none());
}

#[test]
fn the_fill_of_a_block_differs_every_time() {
    let module = module();
    for (zone, format) in [("zpk/host", PinFormat::Iso1), ("zpk/host", PinFormat::Iso3), ("zpk/aes-a", PinFormat::Iso4)]
    {
        let made = || block(&module, zone, format, &[1, 2, 3, 4], &pan(FPAN));
        assert_ne!(made().expose(), made().expose());
    }
}

#[test]
fn a_mailer_holds_the_pin_that_the_reference_verifies() {
    let mut module = module();
    let transport = draw_key(&module, KeyKind::Transport).unwrap();
    module.insert(name("transport"), KeyKind::Transport, &transport);
    let pvk = module.find(&name("pvk/400012")).unwrap();
    for method in methods() {
        let keys = KeySet::new("400012").unwrap();
        let order = PinOrder { pan: pan(FPAN), keys, method, note: "12 Example Street".into() };
        let issued = issue::issue_pin(&module, &order).unwrap();
        let mailer = opened(&transport, DeliveryKind::Mailers, &issued.mailer);
        assert_eq!((mailer["pan_end"].as_str(), mailer["note"].as_str()), ("0002", "12 Example Street"));
        let digits: Vec<u8> = mailer["pin"].bytes().map(|digit| digit - b'0').collect();
        assert!(pin::verify(&module, &pvk, &pan(FPAN), &issued.reference, &entered(&digits)).unwrap());
    }
}

#[test]
fn a_dynamic_code_holds_for_one_count_alone() {
    let mut module = module();
    let imk = draw_key(&module, KeyKind::ImkDcvv).unwrap();
    module.insert(name("imk-dcvv/400012"), KeyKind::ImkDcvv, &imk);
    let expiry = Expiry::new(30, 12).unwrap();
    let dynamic = |atc| CodeRead::Dynamic(DynamicRead { service_code: *b"201", psn: 1, atc });
    let master = module.find(&name("imk-dcvv/400012")).unwrap();
    let keys = crate::verbs::emv::card_keys(&module, &master, &pan(FPAN), 1).unwrap();
    let code = SecurityCode::new(cvv::expected(&module, &keys, &pan(FPAN), expiry, dynamic(17)).unwrap()).unwrap();
    let verdict = |read| {
        let mut check = super::read(pan(FPAN));
        check.code = Some(CodeCheck { read, expiry, value: code.clone() });
        card::check(&module, &check).map(|verdict| verdict.code.unwrap())
    };
    assert_eq!(verdict(dynamic(17)).unwrap(), CodeOutcome::Ok);
    // three digits coincide once in a thousand: a run of counts does not
    assert!((18..28).any(|atc| verdict(dynamic(atc)).unwrap() == CodeOutcome::Wrong));
    assert!(matches!(verdict(dynamic(10_000)), Err(Fault::Request(_))));
}

#[test]
fn a_code_that_is_made_is_the_code_that_verifies() {
    let module = module();
    let expiry = Expiry::new(30, 12).unwrap();
    for read in [CodeRead::Stripe { service_code: *b"201" }, CodeRead::Chip, CodeRead::Keyed] {
        let keys = KeySet::new("400012").unwrap();
        let value = issue::card_code(&module, &CodeOrder { pan: pan(FPAN), expiry, keys, read }).unwrap();
        let mut check = super::read(pan(FPAN));
        check.code = Some(CodeCheck { read, expiry, value });
        assert_eq!(card::check(&module, &check).unwrap().code, Some(CodeOutcome::Ok));
    }
}
