//! Decoders and encoders that are not ours, on the golden messages. They run where `./test --oracles` asks for them.

use std::path::Path;
use std::process::Command;

#[expect(clippy::disallowed_methods, reason = "./test says through the environment whether foreign programs are there")]
fn asked_for() -> bool {
    std::env::var("SWITCHYARD_ORACLES").is_ok_and(|asked| asked == "1")
}

/// Every golden message reads and writes alike in at least three decoders, or a comment says which one is wrong and why.
#[test]
fn the_golden_messages_read_alike_in_decoders_that_are_not_ours() {
    if !asked_for() {
        eprintln!("not asked for: the foreign decoders");
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new("tests/interop/python")
        .args(["tests/interop/check-goldens", "--tool", env!("CARGO_BIN_EXE_iso8583")])
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("{}", said.trim_end());
}
