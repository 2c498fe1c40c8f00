//! Independent decoders and encoders on the golden messages, run by `./test --oracles`.
#![expect(clippy::print_stderr, reason = "for the person who runs it")]

use std::path::Path;
use std::process::Command;

#[expect(clippy::disallowed_methods, reason = "./test says through the environment whether foreign programs are there")]
fn asked_for() -> bool {
    std::env::var("SWITCHYARD_ORACLES").is_ok_and(|asked| asked == "1")
}

/// At least three decoders agree with ours on every golden message, or the golden file says which one is wrong and why.
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
