//! Issuer scripts: which key sets can make which.
use super::*;
use crate::verbs::script;

const VISA_18: &[u8] = &[6, 1, 0x12, 3, 0xA0, 0, 0];
const M_CHIP_20: [u8; 18] = {
    let mut iad = [0; 18];
    iad[1] = 0x14;
    iad
};

fn with_script_keys(kind: impl Fn(KeyKind) -> KeyKind) -> SoftwareModule {
    let mut module = module();
    for (label, strict) in
        [("imk-smi/400012", KeyKind::ImkSmi), ("imk-smc/400012", KeyKind::ImkSmc), ("imk-ac/400012", KeyKind::ImkAc)]
    {
        let key = draw_key(&module, strict).unwrap();
        module.insert(name(label), kind(strict), &key);
    }
    module
}

fn order(iad: &[u8], data: ScriptData) -> ScriptOrder {
    ScriptOrder {
        presented: pan(FPAN),
        keys: KeySet::new("400012").unwrap(),
        psn: 1,
        cryptogram: [1, 2, 3, 4, 5, 6, 7, 8],
        atc: [0, 9],
        iad: iad.to_vec(),
        header: [0x84, 0x24, 0, 2],
        data,
    }
}

fn new_pin(module: &SoftwareModule, bound_to: &[u8]) -> ScriptData {
    let block = block(module, "zpk/host", PinFormat::Iso0, &[2, 4, 6, 8], &pan(bound_to));
    ScriptData::NewPin(EnteredPin { block, zone_key: name("zpk/host"), format: PinFormat::Iso0 })
}

#[test]
fn what_cannot_be_made_inside_the_module_is_said_so() {
    let module = with_script_keys(|kind| kind);
    let outcome = |iad: &[u8], data| script::make(&module, &order(iad, data)).unwrap();
    assert_eq!(outcome(VISA_18, ScriptData::Open(Vec::new())), ScriptOutcome::NotPossibleHere);
    assert_eq!(outcome(VISA_18, new_pin(&module, FPAN)), ScriptOutcome::NotPossibleHere);
    assert!(matches!(outcome(&M_CHIP_20, new_pin(&module, FPAN)), ScriptOutcome::Made(_)));
    let fast = with_script_keys(|_| KeyKind::ImkAcFast);
    let made = script::make(&fast, &order(VISA_18, new_pin(&fast, FPAN))).unwrap();
    assert!(matches!(made, ScriptOutcome::Made(command) if command.len() == 5 + 16 + 8 && command[4] == 24));
}

#[test]
fn a_script_is_bound_to_its_card_transaction_and_data() {
    let module = with_script_keys(|kind| kind);
    let base = order(&M_CHIP_20, ScriptData::Open(vec![7; 4]));
    let made = |change: &dyn Fn(&mut ScriptOrder)| {
        let mut order = base.clone();
        change(&mut order);
        match script::make(&module, &order).unwrap() {
            ScriptOutcome::Made(command) => command[command.len() - 8..].to_vec(),
            other => panic!("{other:?}"),
        }
    };
    let mac = made(&|_| {});
    assert_ne!(mac, made(&|order| order.presented = pan(DPAN)));
    assert_ne!(mac, made(&|order| order.cryptogram[7] ^= 1));
    assert_ne!(mac, made(&|order| order.atc[1] ^= 1));
    assert_ne!(mac, made(&|order| order.data = ScriptData::Open(vec![7, 7, 7, 6])));
}

#[test]
fn a_foreign_pin_block_makes_no_script() {
    let module = with_script_keys(|kind| kind);
    let data = new_pin(&module, b"4000121111111110");
    assert_eq!(script::make(&module, &order(&M_CHIP_20, data)).unwrap(), ScriptOutcome::FormatError);
    let unknown = order(&[6, 1, 0x0B, 3, 0, 0, 0], ScriptData::Open(Vec::new()));
    assert_eq!(script::make(&module, &unknown).unwrap(), ScriptOutcome::UnknownVersion(0x0B));
    let long = order(&M_CHIP_20, ScriptData::Open(vec![0; 248]));
    assert!(matches!(script::make(&module, &long), Err(Fault::Request(_))));
}
