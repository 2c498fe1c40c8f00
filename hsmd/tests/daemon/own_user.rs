//! Started by root, `hsmd` serves as a user of its own. These tests need root, and print that they do not run without it.
use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::time::Duration;

use codecs::value::Pan;
use hsm::{Client, ClientConfig, HsmError};
use nix::unistd::{User, geteuid};

use crate::installation::{Installation, up};

/// A user that every system has and that owns nothing.
const USER: &str = "nobody";

fn with_user(config: String) -> String {
    config
        .replace("[token]\n", &format!("[process]\nuser = \"{USER}\"\n\n[token]\n"))
        // the host's user is root here; the switch's is one that nobody is
        .replace("[socket.host]\nuids = []", "[socket.host]\nuids = [0]")
        .replace("[socket.switch]\nuids = []", "[socket.switch]\nuids = [4000000001]")
}

fn is_root() -> bool {
    if !geteuid().is_root() {
        // printed past the test harness, which hides the output of passed tests
        let _ = writeln!(std::io::stderr(), "skipped: not root, so there is no user to change from");
    }
    geteuid().is_root()
}

fn own(path: &Path, user: &User) {
    chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    if path.is_dir() {
        path.read_dir().unwrap().for_each(|entry| own(&entry.unwrap().path(), user));
    }
}

fn status(pid: u32) -> impl Fn(&str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    move |field| {
        let line = text.lines().find(|line| line.starts_with(&format!("{field}:"))).unwrap();
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    }
}

/// Whether root has CAP_SYS_RESOURCE; in a container it often has not.
fn may_raise_limits() -> bool {
    u64::from_str_radix(&status(std::process::id())("CapEff"), 16).unwrap() & 1 << 24 != 0
}

#[tokio::test]
async fn started_by_root_it_is_another_user_for_good() {
    if !is_root() {
        return;
    }
    let user = User::from_name(USER).unwrap().expect("every system has it");
    let mut installation = Installation::prepared(with_user);
    own(&installation.folder, &user);
    installation.start();
    let host = installation.client("host");
    up(&host).await;
    let pan = Pan::from_digits(b"4000120000000002").unwrap();
    host.pan_index(std::slice::from_ref(&pan)).await.unwrap();

    let pid = installation.pids()[0];
    let status = status(pid);
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    // real, effective, saved and of the file system: with these and no capability there is no way back
    assert_eq!(status("Uid"), format!("{uid} {uid} {uid} {uid}"));
    assert_eq!(status("Gid"), format!("{gid} {gid} {gid} {gid}"));
    assert!(status("Groups").split(' ').all(|group| group != "0"), "{}", status("Groups"));
    assert_eq!([status("CapPrm"), status("CapEff")], ["0000000000000000"; 2]);
    // a change of user resets this, to the system's setting for set-uid programs
    let owner = std::fs::metadata(format!("/proc/{pid}/environ")).unwrap().uid();
    assert_eq!(owner, 0, "a process that may be dumped owns its own files in /proc");
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let limit = |name: &str| limits.lines().find(|line| line.starts_with(name)).unwrap()[26..46].trim().to_owned();
    assert_eq!(limit("Max core file size"), "0");
    if may_raise_limits() {
        assert_eq!(limit("Max locked memory"), "unlimited");
        let kib = |field: &str| status(field).split(' ').next().unwrap().parse::<u64>().unwrap();
        assert!(kib("VmLck") * 10 > kib("VmSize") * 9, "{} of {} KiB locked", kib("VmLck"), kib("VmSize"));
    } else {
        let _ = writeln!(std::io::stderr(), "locked memory was not looked at: root may not raise its limit here");
    }

    for role in ["host", "switch", "operator"] {
        let socket = std::fs::metadata(installation.folder.join(format!("run/hsm-a-{role}.sock"))).unwrap();
        let mode = if role == "operator" { 0o600 } else { 0o666 };
        assert_eq!((socket.uid(), socket.mode() & 0o777), (uid, mode), "{role}");
    }
    let refused = Client::new(&ClientConfig { timeout_ms: 300, ..installation.client_config("switch") });
    assert!(matches!(refused.health().await, Err(HsmError::Unavailable(_))));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let metrics = installation.metrics();
    assert!(metrics.contains("hsm_strangers_total{role=\"switch\"}"), "{metrics}");
    assert!(!metrics.contains("hsm_strangers_total{role=\"host\"}"), "{metrics}");
}

#[test]
fn a_user_that_is_not_there_or_may_not_read_the_token_is_an_error_with_a_name() {
    if !is_root() {
        return;
    }
    let refused = |installation: &Installation| {
        let output = installation.try_verb(&["serve"]);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let installation = Installation::prepared(|config| with_user(config).replace(USER, "no-such-user"));
    assert!(refused(&installation).contains("there is no user \"no-such-user\""));
    let installation = Installation::prepared(|config| with_user(config).replace(USER, "root"));
    assert!(refused(&installation).contains("is root"));

    let user = User::from_name(USER).unwrap().expect("every system has it");
    let installation = Installation::prepared(with_user);
    own(&installation.folder, &user);
    let tokens = installation.folder.join("tokens");
    chown(&tokens, Some(0), Some(0)).unwrap();
    let said = refused(&installation);
    assert!(said.contains(&format!("\"{USER}\" may not write to {}: ", tokens.display())), "{said}");
}
