//! Decoders and encoders that are not ours, on the golden messages. They run where `./test --oracles` asks for them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
use std::path::Path;
use std::process::Command;

#[expect(clippy::disallowed_methods, reason = "./test says through the environment whether foreign programs are there")]
fn asked_for() -> bool {
    std::env::var("SWITCHYARD_ORACLES").is_ok_and(|asked| asked == "1")
}

fn agrees(command: &[&str]) {
    if !asked_for() {
        eprintln!("not asked for: {command:?}");
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(command[0]).args(&command[1..]).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("{}", said.trim_end());
}

#[test]
fn pyiso8583_reads_and_writes_every_golden_message_alike() {
    agrees(&["tests/interop/python", "tests/interop/check-goldens"]);
}

#[test]
fn wireshark_reads_the_golden_messages_alike() {
    agrees(&["python3", "tests/interop/check-wireshark", "tests/golden/iso87-ascii.json"]);
}
