use codecs::value::{Expiry, Mac, Pan, PinBlock};
use proptest::prelude::*;

use super::*;
use crate::card::*;
use crate::edge::*;
use crate::key_block::KeyBlock;
use crate::name::{KeyName, KeySet};
use crate::pin::{OffsetScheme, PinOffset, PinReference};
use crate::secret::{Pvv, SecurityCode};
use crate::vault::PanEnvelope;

fn pan() -> impl Strategy<Value = Pan> {
    "[0-9]{8,19}".prop_map(|digits| Pan::from_digits(digits.as_bytes()).unwrap())
}

fn block() -> impl Strategy<Value = PinBlock> {
    prop_oneof![any::<[u8; 8]>().prop_map(|b| b.to_vec()), any::<[u8; 16]>().prop_map(|b| b.to_vec())]
        .prop_map(|bytes| PinBlock::new(&bytes).unwrap())
}

fn key_name() -> impl Strategy<Value = KeyName> {
    "[a-z]{1,8}/[a-z0-9-]{1,20}".prop_map(|name| KeyName::new(name).unwrap())
}

fn key_block() -> impl Strategy<Value = KeyBlock> {
    (1_u8..=3, any::<[u8; 24]>())
        .prop_map(|(usage, wrap)| KeyBlock::from_bytes(&[&[1, usage], &wrap[..]].concat()).unwrap())
}

prop_compose! {
    fn code()(service_code in "[0-9]{3}", value in "[0-9]{3}", which in 0..3, year in 0_u8..100, month in 1_u8..13) -> CodeCheck {
        let fixed = |text: &str| <[u8; 3]>::try_from(text.as_bytes()).unwrap();
        let read = match which {
            0 => CodeRead::Stripe { service_code: fixed(&service_code) },
            1 => CodeRead::Chip,
            _ => CodeRead::Keyed,
        };
        CodeCheck { read, expiry: Expiry::new(year, month).unwrap(), value: SecurityCode::new(fixed(&value)).unwrap() }
    }
}

prop_compose! {
    fn chip()(psn in 0_u8..100, cryptogram: [u8; 8], amount: [u8; 6], tvr: [u8; 5], unpredictable: [u8; 4],
              atc: [u8; 2], iad in prop::collection::vec(any::<u8>(), 3..33), approve_csu: [u8; 4]) -> ChipCheck {
        let data = CryptogramData {
            amount, other_amount: [0; 6], country: [2, 0x80], tvr, currency: [9, 0x78], date: [0x26, 1, 2], kind: 0,
            unpredictable, aip: [0x39, 0], atc, iad,
        };
        ChipCheck { keys: KeySet::new("40001290").unwrap(), psn, cryptogram, data, approve_csu }
    }
}

prop_compose! {
    fn card_check()(presented in pan(), funding in prop::option::of((any::<[u8; 12]>(), prop::collection::vec(any::<u8>(), 32))),
                    code in prop::option::of(code()), chip in prop::option::of(chip()), block in block(), pin: bool) -> Verb {
        let pin = pin.then(|| PinCheck {
            block: block.clone(),
            zone_key: KeyName::zone_pin("host").unwrap(),
            reference: PinReference::Pvv { pvv: Pvv::new(*b"1234").unwrap(), pvki: 6 },
        });
        let funding = funding.map(|(nonce, sealed)| (PanEnvelope::seal(1, &nonce, &sealed), b"row".to_vec()));
        Verb::CheckCard(Box::new(CardCheck { presented, funding, issuer_keys: KeySet::new("400012").unwrap(), code, pin, chip }))
    }
}

prop_compose! {
    fn edge_check()(pan in pan(), key in key_block(), zone in key_name(), data in prop::collection::vec(any::<u8>(), 0..600),
                    mac: [u8; 8], block in block(), has_mac: bool, has_pin: bool) -> Verb {
        Verb::Edge(Box::new(EdgeCheck {
            mac: has_mac.then(|| MacCheck { key: MacKey::Terminal(key.clone()), data: data.into(), mac: Mac(mac) }),
            pin: has_pin.then(|| PinTranslation {
                from: PinKey::Terminal(key), from_format: PinFormat::Iso0, block, pan, to: PinKey::Zone(zone), to_format: PinFormat::Iso4,
            }),
        }))
    }
}

proptest! {
    /// A value that was decoded is encoded to the same bytes. (Values with hidden content cannot be compared directly.)
    #[test]
    fn requests_survive_the_wire(verb in prop_oneof![card_check(), edge_check()], id: u64, budget: u32) {
        let mut first = Vec::new();
        put_request(&mut first, id, budget, &verb);
        let request = take_request(&first[4..]).unwrap();
        prop_assert_eq!((request.id, request.budget_us), (id, budget));
        let mut second = Vec::new();
        put_request(&mut second, id, budget, &request.verb.unwrap());
        prop_assert_eq!(first, second);
    }

    /// A body cut short or altered is refused or read as something else, but never a panic.
    #[test]
    fn mangled_requests_are_refused(verb in prop_oneof![card_check(), edge_check()], cut: prop::sample::Index, flip: prop::sample::Index) {
        let mut bytes = Vec::new();
        put_request(&mut bytes, 1, 1, &verb);
        let frame = &bytes[4..];
        let short = &frame[..cut.index(frame.len())];
        if let Ok(request) = take_request(short) {
            prop_assert!(request.verb.is_err(), "a body that lacks bytes was accepted");
        }
        let mut altered = frame.to_vec();
        altered[flip.index(frame.len())] ^= 0xFF;
        let _ = take_request(&altered);
    }

    /// However the stream is cut into reads, the same frames come out.
    #[test]
    fn frames_do_not_depend_on_reads(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..8), read in 1_usize..64) {
        let mut stream = Vec::new();
        for body in &bodies {
            framed(&mut stream, |out| out.extend_from_slice(body));
        }
        let mut buffer = FrameBuffer::default();
        let mut found = Vec::new();
        for part in stream.chunks(read) {
            buffer.space().extend_from_slice(part);
            while let Some(frame) = buffer.next_frame().unwrap() {
                found.push(frame.to_vec());
            }
        }
        prop_assert_eq!(found, bodies);
    }
}

#[test]
fn answers_survive_the_wire() {
    let verdict = CardVerdict {
        code: Some(CodeOutcome::ChipDataOnStripe),
        pin: Some(PinOutcome::FormatError),
        chip: Some(ChipOutcome::Ok { approval: vec![1, 2, 3, 4, 5, 6, 7, 8] }),
    };
    let mut bytes = Vec::new();
    put_answer(&mut bytes, 7, &Ok(Answer::CheckCard(verdict.clone())));
    let response = take_response(&bytes[4..]).unwrap();
    assert_eq!(response.id, 7);
    match take_answer(VerbKind::CheckCard, response.status, response.body).unwrap() {
        Answer::CheckCard(read) => assert_eq!(read, verdict),
        other => panic!("{other:?}"),
    }
}

#[test]
fn errors_survive_the_wire() {
    for error in [
        HsmError::KeyMissing("zpk/x".into()),
        HsmError::Busy,
        HsmError::Denied("a"),
        HsmError::BadInput("b"),
        HsmError::Unavailable("c"),
    ] {
        let mut bytes = Vec::new();
        put_answer(&mut bytes, 1, &Err(error.clone()));
        let response = take_response(&bytes[4..]).unwrap();
        let read = take_answer(VerbKind::Edge, response.status, response.body).unwrap_err();
        assert_eq!(std::mem::discriminant(&read), std::mem::discriminant(&error));
    }
}

/// A request to verify an offset has no field for a decimalisation table: a request off the wire always has the usual one,
/// and a caller that puts sixteen digits in front of the scheme, or behind it, is not understood.
#[test]
fn no_decimalisation_table_comes_off_the_wire() {
    let scheme = OffsetScheme::usual(4, 11, 0xF).unwrap();
    let verb = |scheme: &OffsetScheme| {
        let offset = PinOffset::new(b"1234").unwrap();
        let reference = PinReference::Offset { offset, scheme: scheme.clone() };
        let presented = Pan::from_digits(b"4000120000000002").unwrap();
        let block = PinBlock::new(&[7; 8]).unwrap();
        let pin = Some(PinCheck { block, zone_key: KeyName::zone_pin("host").unwrap(), reference });
        let issuer_keys = KeySet::new("400012").unwrap();
        Verb::CheckCard(Box::new(CardCheck { presented, funding: None, issuer_keys, code: None, pin, chip: None }))
    };
    let sent = |scheme: &OffsetScheme| {
        let mut frame = Vec::new();
        put_request(&mut frame, 1, 1_000, &verb(scheme));
        frame[LENGTH..].to_vec()
    };
    let taken = |frame: &[u8]| match take_request(frame).unwrap().verb {
        Ok(Verb::CheckCard(check)) => match check.pin.unwrap().reference {
            PinReference::Offset { scheme, .. } => Some(scheme),
            PinReference::Pvv { .. } => panic!("another reference"),
        },
        _ => None,
    };
    assert_eq!(taken(&sent(&scheme)), Some(scheme.clone()));
    // made with a table of its own inside this crate, it arrives with the usual one
    let other = OffsetScheme::with_table(*b"1123456789012345", 4, 11, 0xF).unwrap();
    assert_eq!(taken(&sent(&other)), Some(scheme.clone()));
    let frame = sent(&scheme);
    let at = frame.windows(3).rposition(|bytes| bytes == [4, 11, 0xF]).unwrap();
    for place in [at, at + 3] {
        let mut with_table = frame.clone();
        with_table.splice(place..place, *b"1123456789012345");
        assert_eq!(taken(&with_table), None);
    }
}

#[test]
fn a_giant_length_is_refused_before_it_is_waited_for() {
    let mut buffer = FrameBuffer::default();
    buffer.space().extend_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF]);
    assert!(buffer.next_frame().is_err());
}

#[test]
fn secrets_do_not_show() {
    let verb = Verb::CheckCard(Box::new(CardCheck {
        presented: Pan::from_digits(b"4000120000000002").unwrap(),
        funding: None,
        issuer_keys: KeySet::new("400012").unwrap(),
        code: Some(CodeCheck {
            read: CodeRead::Keyed,
            expiry: Expiry::new(30, 1).unwrap(),
            value: SecurityCode::new(*b"357").unwrap(),
        }),
        pin: Some(PinCheck {
            block: PinBlock::new(&[0xAB; 8]).unwrap(),
            zone_key: KeyName::zone_pin("host").unwrap(),
            reference: PinReference::Pvv { pvv: Pvv::new(*b"8642").unwrap(), pvki: 6 },
        }),
        chip: None,
    }));
    let shown = format!("{verb:?} {:?}", crate::secret::DataKey::new([0xCD; 32]));
    for secret in ["4000120000000002", "357", "8642", "171", "205", "ab", "AB", "cd", "CD"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
