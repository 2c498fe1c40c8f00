//! Other modules: the report of `hsmd check-module` on them, and the daemon on a second module.
//!
//! NSS's softoken is the second. Where its library is not installed the tests on it say so and end.
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use hsm::*;
use serde_json::Value;

use crate::installation::{Installation, NSS, nss_arguments, on_nss, up};
use crate::keys::vault_is_rotated;
use crate::{FPAN, chip_is_judged, many_chip_reads, pan, pans_come_back, pin_travels, same, short_lived};

/// Whether NSS's softoken is installed. If not, that is printed past the test harness, which hides the output of passed tests.
fn nss_is_installed() -> bool {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let is = folders.iter().any(|folder| Path::new(folder).join(NSS).exists());
    if !is {
        std::io::stderr().write_all(format!("skipped: {NSS} is not installed (Debian: libnss3)\n").as_bytes()).unwrap();
    }
    is
}

fn hsmd(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hsmd")).args(arguments).env_remove("SOFTHSM2_CONF").output().unwrap()
}

fn check(arguments: &[&str]) -> (Value, Option<i32>) {
    let output = hsmd(&[&["check-module", "--json"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stdout);
    let report =
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
    (report, output.status.code())
}

fn verdict(report: &Value) -> Vec<(&str, bool, bool)> {
    let lines = report["verdict"].as_array().unwrap().iter();
    lines
        .map(|line| {
            let is = |key: &str| line[key].as_bool().unwrap();
            (line["purpose"].as_str().unwrap(), is("works"), is("in_part"))
        })
        .collect()
}

/// Name, announced and works of the needs that are not both.
fn exceptions(report: &Value) -> Vec<(&str, &Value, &Value)> {
    let needs = report["needs"].as_array().unwrap().iter();
    needs
        .map(|need| (need["name"].as_str().unwrap(), &need["announced"], &need["works"]))
        .filter(|(_, announced, works)| **announced == false || **works != true)
        .collect()
}

#[test]
fn softhsm_does_everything() {
    let (report, code) = check(&[]);
    assert_eq!(report["module"]["manufacturer"], "SoftHSM");
    assert_eq!(exceptions(&report), []);
    assert!(report["needs"].as_array().unwrap().len() > 25);
    assert!(verdict(&report).iter().all(|(_, works, in_part)| *works && !in_part), "{report}");
    assert_eq!((report["allowed_mechanisms"].as_bool(), code), (Some(true), Some(0)));
}

#[test]
fn a_named_token_is_left_as_it_was() {
    let installation = Installation::prepared(same);
    let before = installation.verb(&["list"]);
    let report: Value = serde_json::from_str(&installation.verb(&["check-module", "--json"])).unwrap();
    assert_eq!(installation.verb(&["list"]), before);
    let tried = exceptions(&report);
    let names: Vec<_> = tried.iter().map(|(name, _, _)| *name).collect();
    assert_eq!(
        names,
        ["CKA_ALLOWED_MECHANISMS", "C_GenerateKey", "C_CreateObject"],
        "what would stay on the token is not tried"
    );
    assert!(tried.iter().all(|(_, _, works)| works.is_null()));
    assert!(verdict(&report).contains(&("strict", true, true)), "{report}");
}

#[test]
fn another_module_gets_no_scratch_token_unasked() {
    if !nss_is_installed() {
        return;
    }
    let installation = Installation::prepared(same);
    let folder = installation.folder.join("nss");
    std::fs::create_dir(&folder).unwrap();
    let arguments = nss_arguments(&folder.display().to_string(), "somebody's");
    for command in [
        &["check-module"][..],
        &["check-vectors", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/published.json")],
    ] {
        let output = hsmd(&[command, &["--module", NSS, "--init-arguments", &arguments]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("--label"), "{said}");
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn nss_does_everything_but_keep_a_key_to_one_mechanism() {
    if !nss_is_installed() {
        return;
    }
    let arguments = nss_arguments("{scratch}/token", "switchyard-scratch");
    let on = ["--module", NSS, "--init-arguments", &arguments];
    let (report, code) = check(&on);
    assert_eq!(report["module"]["manufacturer"], "Mozilla Foundation");
    let failing: Vec<_> = verdict(&report).into_iter().filter(|(_, works, _)| !works).collect();
    assert_eq!(failing, [("separation", false, false)], "{report}");
    assert_eq!((report["allowed_mechanisms"].as_bool(), code), (Some(false), Some(32)));
    let unannounced: Vec<_> = exceptions(&report)
        .into_iter()
        .filter(|(_, announced, works)| **announced == false && **works == true)
        .collect();
    assert!(unannounced.iter().all(|(name, _, _)| name.ends_with("_ENCRYPT_DATA")), "{unannounced:?}");

    for file in ["known-answers", "published"] {
        let vectors = format!("{}/tests/vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let output = hsmd(&[&["check-vectors", &vectors, "--json"], &on[..]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tallies: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(tallies.as_object().unwrap().len() >= 7, "{tallies}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_serves_a_token_of_nss() {
    if !nss_is_installed() {
        return;
    }
    let mut installation = Installation::raised(|config| on_nss(short_lived(config)));
    installation.start_second();
    // on the token itself, while it is served: as it was configured, and nothing is left on it
    let output = installation.try_verb(&["check-module", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), report["allowed_mechanisms"].as_bool()), (Some(32), Some(false)), "{report}");

    vault_is_rotated(&installation).await;
    pin_travels(&installation).await;
    chip_is_judged(&installation).await;
    pans_come_back(&installation).await;

    // both daemons, recycled under load when their objects reach the limit
    let both = installation.client_of_both("host");
    up(&both).await;
    many_chip_reads(&both).await;
    many_chip_reads(&both).await;

    for client in [installation.client("host"), installation.second_client("host")] {
        let health = client.health().await.unwrap();
        assert!(health.initialisations >= 2, "{health:?}");
        assert_eq!(health.state, ModuleState::Up);
    }

    // a database of keys outlives its daemons
    let host = installation.client("host");
    let index = host.pan_index(&[pan(FPAN)]).await.unwrap();
    installation.kill();
    installation.start();
    up(&host).await;
    assert_eq!(host.pan_index(&[pan(FPAN)]).await.unwrap(), index);
}
