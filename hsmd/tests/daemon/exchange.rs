//! Import and export of keys: TR-31 blocks and key wraps made by others (published, or computed by other programs), and exchange
//! between two tokens of ours.
use hsm::*;

use crate::installation::{Installation, up};
use crate::{outside, pan, read, same};

/// Version B: an X9.19 key, and its protection key (tests/vectors/known-answers.json, computed by another program).
const DES_KBPK: &str = "731A911A6E2F0DEF8504409DCEBFCEFB";
const MAC_KEY: &str = "DFCBF4255E70D0F20EA8F4F8F8AB0164";
const MAC_BLOCK: &str =
    "B0096M3TC00E000030CB2D3BA5B7C3FB9945D3C4D7E4926E6E722D927CCCA6FEC95E04AFBAA88F98995B7F7B4C771977";
/// Version D: a card verification key pair.
const AES_KBPK: &str = "FAFEE079E9F15FA22BEEDF431A0CB62D475EFA939EAB8A3091FF2918C240CF8C";
const CVK: &str = "E532E53237DA8923D39868104352DFF4";
const CVK_BLOCK: &str =
    "D0112C0TC00E0000DB742059EA7A2DB825D0C8B216E17EE3AB58B335F19B915196D9222EA41D5101710641E757D721A4E6EA5A20CE823891";
/// RFC 3394, 4.3, and RFC 5649, 6 (a key that has no length that a key here can have).
const KEK: &str = "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F";
const WRAPPED: &str = "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7";
const WRAPPED_KEY: &str = "00112233445566778899AABBCCDDEEFF";
const RFC_5649_KEK: &str = "5840DF6E29B02AF1AB493B705BF16EA1AE8338F4DCC176A8";
const RFC_5649_WRAP: &str = "138BDEAA9B8FA7FC61F97742E72248EE5AE6AE5360D1AE6A5F54F373FA543B6A";

/// Loads a known key from the components of two custodians.
fn load(installation: &Installation, name: &str, key: &str, more: &[&str]) -> String {
    let key = outside::unhex(key);
    let is_des = !more.contains(&"aes");
    let odd =
        |byte: u8| if is_des { byte & 0xFE | u8::from((byte & 0xFE).count_ones().is_multiple_of(2)) } else { byte };
    let one: Vec<u8> = (0..key.len()).map(|n| odd((n as u8).wrapping_mul(7).wrapping_add(0x3A))).collect();
    let other: Vec<u8> = key.iter().zip(&one).map(|(byte, mask)| odd(byte ^ mask)).collect();
    let part = |who: &str, part: &[u8]| {
        let path = installation.folder.join(format!("component-{who}"));
        std::fs::write(&path, part.iter().map(|byte| format!("{byte:02X}")).collect::<String>()).unwrap();
        format!("--component={who}={}", path.display())
    };
    let (anna, ben) = (part("anna", &one), part("ben", &other));
    let mut arguments = vec!["load", name, &anna, &ben];
    arguments.extend(more);
    installation.verb(&arguments)
}

fn file(installation: &Installation, content: &str) -> String {
    let path = installation.folder.join("from-the-partner");
    std::fs::write(&path, format!("{content}\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

fn refused(installation: &Installation, arguments: &[&str]) -> String {
    let output = installation.try_verb(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?} {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap().lines().last().unwrap().to_owned()
}

fn refused_block(installation: &Installation, name: &str, under: &str, block: &str, more: &[&str]) -> String {
    let block = file(installation, block);
    let mut arguments = vec!["import-tr31", name, "--under", under, "--block", &block];
    arguments.extend(more);
    refused(installation, &arguments)
}

fn imported_block(installation: &Installation, name: &str, under: &str, block: &str, more: &[&str]) -> String {
    let block = file(installation, block);
    let mut arguments = vec!["import-tr31", name, "--under", under, "--block", &block];
    arguments.extend(more);
    installation.verb(&arguments)
}

fn exported(installation: &Installation, what: &str, name: &str, under: &str, more: &[&str]) -> String {
    let mut arguments = vec![what, name, "--under", under];
    arguments.extend(more);
    installation.verb(&arguments).trim().to_owned()
}

/// The same act in the record, by name.
fn recorded(installation: &Installation, act: &str, key: &str) -> bool {
    installation.verb(&["record"]).lines().any(|line| line.contains(act) && line.contains(key))
}

#[tokio::test]
async fn a_partners_keys_come_as_tr31_blocks_and_work() {
    let mut installation = Installation::prepared(same);
    load(&installation, "kbpk/partner", DES_KBPK, &[]);
    load(&installation, "kbpk/bank", AES_KBPK, &["--cipher", "aes"]);
    let said = refused_block(&installation, "zak/partner", "kbpk/partner", MAC_BLOCK, &["--check-value", "000000"]);
    assert!(said.contains("check value is another"), "{said}");
    let said = imported_block(&installation, "zak/partner", "kbpk/partner", MAC_BLOCK, &[]);
    let value = said.split_whitespace().last().unwrap().to_owned();
    assert_eq!(value, outside::check_value(&outside::unhex(MAC_KEY)), "the value that everybody computes");
    imported_block(
        &installation,
        "cvk/400099",
        "kbpk/bank",
        CVK_BLOCK,
        &["--check-value", &outside::check_value(&outside::unhex(CVK))],
    );
    // a key is never replaced; a next generation must be ordered with --next
    assert!(refused_block(&installation, "zak/partner", "kbpk/partner", MAC_BLOCK, &[]).contains("never replaced"));
    assert!(
        refused_block(&installation, "cvk/400099", "kbpk/bank", CVK_BLOCK, &["--next"])
            .contains("as long as their cards")
    );
    assert!(
        recorded(&installation, "imported from TR-31", "zak/partner") && recorded(&installation, &value, "zak/partner")
    );

    installation.start();
    let (switch, host) = (installation.client("switch"), installation.client("host"));
    up(&switch).await;
    let mut padded = b"0200 message".to_vec();
    padded.resize(16, 0);
    let mac = switch.mac(MacKey::Named(KeyName::new("zak/partner").unwrap()), b"0200 message").await.unwrap();
    assert_eq!(mac.0, outside::retail_mac(&outside::unhex(MAC_KEY), &padded));
    let expiry = codecs::value::Expiry::new(30, 6).unwrap();
    let code = outside::cvv2(&outside::unhex(CVK), crate::FPAN, "0630");
    let mut check = read(crate::FPAN);
    check.issuer_keys = crate::set("400099");
    let value = SecurityCode::new(code).unwrap();
    check.code = Some(CodeCheck { read: CodeRead::Keyed, expiry, value });
    assert_eq!(host.check_card(check).await.unwrap().code, Some(CodeOutcome::Ok));
}

/// A header has to suit the role of the key's name.
#[test]
fn a_key_is_not_taken_for_what_it_was_not_made_for() {
    let installation = Installation::prepared(same);
    load(&installation, "kbpk/partner", DES_KBPK, &[]);
    load(&installation, "kbpk/bank", AES_KBPK, &["--cipher", "aes"]);
    let said = refused_block(&installation, "zpk/partner", "kbpk/partner", MAC_BLOCK, &[]);
    assert!(said.contains("expected P0 T mode B or N, found M3 T mode C"), "{said}");
    let said = refused_block(&installation, "zak/partner", "kbpk/bank", CVK_BLOCK, &[]);
    assert!(said.contains("expected M3 T mode C or N, found C0 T mode C"), "{said}");
    let said = refused_block(&installation, "vault", "kbpk/bank", CVK_BLOCK, &["--next"]);
    assert!(said.contains("travel nowhere"), "{said}");
    // a PIN key that was made for MACs' place, by this token itself
    installation.verb(&["generate", "zpk/tester", "--for-export"]);
    let pin_block = exported(&installation, "export-tr31", "zpk/tester", "kbpk/bank", &[]);
    let said = refused_block(&installation, "zak/partner", "kbpk/bank", &pin_block, &[]);
    assert!(said.contains("expected M3 T mode C or N, found P0 T mode B"), "{said}");
    // the partner did not permit further export: the block has N
    let said = refused_block(&installation, "zpk/other", "kbpk/bank", &pin_block, &["--for-export"]);
    assert!(said.contains("exportability"), "{said}");
    imported_block(&installation, "zpk/other", "kbpk/bank", &pin_block, &[]);
    // the wrong protection key, and one that is none
    assert!(
        refused_block(&installation, "zak/x", "kbpk/bank", MAC_BLOCK, &[]).contains("version B are under DES keys")
    );
    assert!(refused_block(&installation, "zak/x", "zpk/host", MAC_BLOCK, &[]).contains("version B are under DES keys"));
    let foreign = CVK_BLOCK.replacen("DB74", "DB75", 1);
    assert!(refused_block(&installation, "cvk/x", "kbpk/bank", &foreign, &[]).contains("MAC is not right"));
    assert!(refused_block(&installation, "cvk/x", "kbpk/bank", "A0016P0TE00N0000", &[]).contains("no TR-31 block"));
}

/// One flipped bit anywhere in a block – text, so all eight bits of each character – and its key is not taken.
#[tokio::test]
async fn no_bit_of_a_key_block_can_be_flipped() {
    let mut installation = Installation::prepared(same);
    load(&installation, "kbpk/partner", DES_KBPK, &[]);
    load(&installation, "kbpk/bank", AES_KBPK, &["--cipher", "aes"]);
    let terminals = crate::terminals(&installation);
    installation.start();
    let switch = installation.client("switch");
    up(&switch).await;
    let pin = |under: &str, usage| {
        let order = KeyOrder { usage, under: KeyName::new(under).unwrap(), key_version: *b"00" };
        switch.draw_key(order)
    };
    let made = [
        ("kbpk/partner", pin("kbpk/partner", KeyUsage::PinDes).await.unwrap().tr31),
        ("kbpk/bank", pin("kbpk/bank", KeyUsage::PinAes).await.unwrap().tr31),
    ];
    let mut flipped = 0;
    for (under, block) in &made {
        let under = KeyName::new(*under).unwrap();
        let whole = switch.import_key(&under, block).await.unwrap();
        assert!(matches!(whole, KeyImportOutcome::Imported(_)));
        for place in 0..8 * block.len() {
            let mut bytes = block.clone().into_bytes();
            bytes[place / 8] ^= 1 << (place % 8);
            // the eighth bit makes it no text at all, and the protocol refuses that
            let Ok(text) = String::from_utf8(bytes) else { continue };
            // hex has two cases: the same value written otherwise is the same block
            if text.eq_ignore_ascii_case(block) && place / 8 >= 16 {
                continue;
            }
            let outcome = switch.import_key(&under, &text).await;
            let is_refused = match &outcome {
                Ok(outcome) => matches!(outcome, KeyImportOutcome::NotAuthentic | KeyImportOutcome::Malformed),
                // another version letter asks for a protection key of the other cipher
                Err(error) => matches!(error, HsmError::BadInput(_)),
            };
            assert!(is_refused, "bit {place}: {outcome:?}");
            flipped += 1;
        }
    }
    assert!(flipped > 1000, "{flipped}");
    // the blocks that the switch keeps
    let data = b"0200 message";
    for block in [&terminals[0].tak_block, &terminals[1].tak_block] {
        let bytes = block.to_bytes();
        switch.mac(MacKey::Terminal(block.clone()), data).await.unwrap();
        for place in 0..8 * bytes.len() {
            let mut bytes = bytes.clone();
            bytes[place / 8] ^= 1 << (place % 8);
            let Ok(altered) = KeyBlock::from_bytes(&bytes) else { continue };
            let outcome = switch.mac(MacKey::Terminal(altered), data).await;
            assert!(matches!(outcome, Err(HsmError::KeyMissing(_) | HsmError::Denied(_))), "bit {place}: {outcome:?}");
        }
    }
}

/// In every place where a key is named, and under every way of naming it.
#[tokio::test]
async fn a_pin_key_makes_no_macs() {
    let installation = Installation::raised(same);
    let (switch, host) = (installation.client("switch"), installation.client("host"));
    up(&switch).await;
    let terminal = crate::terminals(&installation).swap_remove(0);
    let zone = MacKey::Named(KeyName::zone_pin("host").unwrap());
    let check = |key| EdgeCheck {
        mac: Some(MacCheck { key, data: b"m".as_slice().into(), mac: codecs::value::Mac([0; 8]) }),
        pin: None,
    };
    for key in [MacKey::Terminal(terminal.tpk_block), zone] {
        let made = switch.mac(key.clone(), b"m").await;
        assert!(matches!(made, Err(HsmError::Denied(_))), "{made:?}");
        let checked = switch.edge(check(key.clone())).await;
        assert!(matches!(checked, Err(HsmError::Denied(_))), "{checked:?}");
        assert!(matches!(host.mac(key, b"m").await, Err(HsmError::Denied(_))));
    }
    // nor does a MAC key decipher PINs
    let pin = PinTranslation {
        from: PinKey::Terminal(terminal.tak_block),
        from_format: PinFormat::Iso0,
        block: codecs::value::PinBlock::new(&[7; 8]).unwrap(),
        pan: pan(crate::FPAN),
        to: PinKey::Zone(KeyName::zone_pin("host").unwrap()),
        to_format: PinFormat::Iso0,
    };
    let translated = switch.edge(EdgeCheck { mac: None, pin: Some(pin) }).await;
    assert!(matches!(translated, Err(HsmError::Denied(_) | HsmError::BadInput(_))), "{translated:?}");
}

/// Two tokens that share a protection key: a key made for export on one works on the other; one that was not made for it
/// never leaves.
#[tokio::test]
async fn only_a_key_that_was_made_for_export_can_leave() {
    let (mut here, mut there) = (Installation::prepared(same), Installation::prepared(same));
    for installation in [&here, &there] {
        load(installation, "kbpk/link", AES_KBPK, &["--cipher", "aes"]);
        load(installation, "kbpk/weak", DES_KBPK, &[]);
    }
    let kept = here.verb(&["generate", "zak/kept"]);
    assert!(kept.contains("zak/kept"));
    for (name, why) in [
        ("zak/kept", "was not made for export"),
        ("zpk/host", "was not made for export"),
        ("cvk/400012", "was not made for export"),
        ("kbpk/link", "was not made for export"),
        ("vault", "travel nowhere"),
        ("audit", "travel nowhere"),
        ("transport", "travel nowhere"),
        ("cvk/400012.l", "travel nowhere"),
    ] {
        let said = refused(&here, &["export-tr31", name, "--under", "kbpk/link"]);
        assert!(said.contains(why), "{name}: {said}");
    }
    assert!(refused(&here, &["generate", "vault", "--next", "--for-export"]).contains("travel nowhere"));
    let made = here.verb(&["generate", "zak/shared", "--for-export"]);
    let value = made.split_whitespace().last().unwrap().to_owned();
    assert!(here.verb(&["list"]).lines().any(|line| line.starts_with("zak/shared ") && line.contains("for export")));
    let block = exported(&here, "export-tr31", "zak/shared", "kbpk/link", &["--key-version", "07"]);
    assert!(block.starts_with("D0112M3TC07N0000"), "{block}");
    imported_block(&there, "zak/shared", "kbpk/link", &block, &["--check-value", &value]);
    assert!(recorded(&here, "exported as TR-31 under kbpk/link", "zak/shared"));
    // an AES key is not exported under a DES key, nor a longer one under a shorter
    here.verb(&["generate", "zpk/wide", "--cipher", "aes", "--for-export"]);
    assert!(refused(&here, &["export-tr31", "zpk/wide", "--under", "kbpk/weak"]).contains("weaker"));
    assert!(refused(&here, &["export-tr31", "zak/shared", "--under", "zpk/host"]).contains("protects no key blocks"));
    // after an export with --last there is no other
    exported(&here, "export-tr31", "zak/shared", "kbpk/weak", &["--last", "--exportability", "E"]);
    assert!(refused(&here, &["export-tr31", "zak/shared", "--under", "kbpk/link"]).contains("was not made for export"));

    here.start();
    there.start();
    let (our_switch, their_switch) = (here.client("switch"), there.client("switch"));
    up(&our_switch).await;
    up(&their_switch).await;
    let key = || MacKey::Named(KeyName::new("zak/shared").unwrap());
    let mac = our_switch.mac(key(), b"over the border").await.unwrap();
    let check = |mac| EdgeCheck {
        mac: Some(MacCheck { key: key(), data: b"over the border".as_slice().into(), mac }),
        pin: None,
    };
    assert_eq!(their_switch.edge(check(mac)).await.unwrap().mac, Some(MacOutcome::Ok));
    let mut wrong = mac;
    wrong.0[3] ^= 1;
    assert_eq!(their_switch.edge(check(wrong)).await.unwrap().mac, Some(MacOutcome::Wrong));
}

#[tokio::test]
async fn wrapped_keys_pass_by_the_module_alone() {
    let (mut here, there) = (Installation::prepared(same), Installation::prepared(same));
    load(&here, "kek/rfc", KEK, &["--cipher", "aes"]);
    load(&there, "kek/rfc", KEK, &["--cipher", "aes"]);
    load(&here, "kek/odd", RFC_5649_KEK, &["--cipher", "aes"]);
    let import = |installation: &Installation, name: &str, under: &str, wrap: &str, more: &[&str]| {
        let wrap = file(installation, wrap);
        let mut arguments = vec!["import-wrapped", name, "--under", under, "--wrap", &wrap];
        arguments.extend(more);
        installation.try_verb(&arguments)
    };
    let ends = |output: std::process::Output| String::from_utf8(output.stderr).unwrap();
    let said = ends(import(&here, "zak/partner", "kek/rfc", WRAPPED, &["--cipher", "aes", "--check-value", "123456"]));
    assert!(said.contains("check value is another"), "{said}");
    let cmac = outside::cmac(&outside::unhex(WRAPPED_KEY), &[0; 16]);
    let value: String = cmac[..3].iter().map(|byte| format!("{byte:02X}")).collect();
    let done = import(&here, "zak/partner", "kek/rfc", WRAPPED, &["--cipher", "aes", "--check-value", &value]);
    assert!(done.status.success(), "{}", ends(done));
    assert!(recorded(&here, "unwrapped in the module", "zak/partner") && recorded(&here, &value, "zak/partner"));
    // every bit of the wrap
    for place in 0..8 * WRAPPED.len() / 2 {
        if place % 7 != 0 {
            continue;
        }
        let mut bytes = outside::unhex(WRAPPED);
        bytes[place / 8] ^= 1 << (place % 8);
        let wrap: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        let said = ends(import(&here, "zak/other", "kek/rfc", &wrap, &["--cipher", "aes"]));
        assert!(said.contains("no key wrap under that key"), "bit {place}: {said}");
    }
    let said = ends(import(&here, "zak/other", "kek/odd", RFC_5649_WRAP, &["--cipher", "aes"]));
    assert!(said.contains("expected 16, 24 or 32 bytes, found another length"), "{said}");
    let said = ends(import(&here, "zak/other", "kek/rfc", WRAPPED, &[]));
    assert!(said.contains("let it come as a TR-31 block"), "{said}");
    let said = ends(import(&here, "zpk/other", "zpk/host", WRAPPED, &[]));
    assert!(said.contains("wraps no keys"), "{said}");

    // out, and in again elsewhere, by both standards
    here.verb(&["generate", "zpk/shared", "--for-export"]);
    let said = refused(&here, &["export-wrapped", "zak/partner", "--under", "kek/rfc"]);
    assert!(said.contains("was not made for export"), "{said}");
    for (name, more) in [("zpk/plain", &[][..]), ("zpk/padded", &["--padded"])] {
        let wrap = exported(&here, "export-wrapped", "zpk/shared", "kek/rfc", more);
        let done = import(&there, name, "kek/rfc", &wrap, &[]);
        assert!(done.status.success(), "{name}: {}", ends(done));
    }
    let values: Vec<String> = [(&here, "zpk/shared"), (&there, "zpk/plain"), (&there, "zpk/padded")]
        .into_iter()
        .map(|(installation, name)| {
            let record = installation.verb(&["record"]);
            let made = record.lines().find(|line| line.split_whitespace().any(|word| word == name)).unwrap();
            made.split_whitespace().last().unwrap().to_owned()
        })
        .collect();
    assert!(values.iter().all(|value| *value == values[0] && value.len() == 6), "{values:?}");

    here.start();
    let switch = here.client("switch");
    up(&switch).await;
    let mac = switch.mac(MacKey::Named(KeyName::new("zak/partner").unwrap()), b"m").await.unwrap();
    assert_eq!(mac.0, outside::cmac(&outside::unhex(WRAPPED_KEY), b"m")[..8]);
}
