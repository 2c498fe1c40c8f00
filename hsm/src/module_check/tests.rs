//! The trials against the software double: their constants are right, and they see what a module does wrong.
use super::*;
use crate::software::Software;

#[test]
fn the_software_double_does_everything() {
    let failures: Vec<_> = needs::all::<Software>()
        .into_iter()
        .filter_map(|(need, trial)| trial(&Software::default()).err().map(|why| format!("{}: {why}", need.name)))
        .collect();
    assert_eq!(failures, Vec::<String>::new());
}

#[test]
fn every_verb_that_uses_the_module_is_a_reason_for_something() {
    let needed: Vec<VerbKind> = needs::all::<Software>().iter().flat_map(|(need, _)| need.verbs).copied().collect();
    let missing: Vec<_> =
        VerbKind::ALL.into_iter().filter(|verb| !needed.contains(verb)).map(VerbKind::label).collect();
    assert_eq!(missing, ["health", "transport_kcv"], "these the daemon answers by itself");
}

#[test]
fn what_fails_is_in_the_verdict_and_in_the_exit_code() {
    let found = || {
        let needs = needs::all::<Software>().into_iter();
        needs.map(|(need, _)| Found { need, announced: Some(true), works: Seen::Works }).collect::<Vec<_>>()
    };
    let without = |name: &str, works: Seen| {
        let mut found = found();
        found.iter_mut().filter(|found| found.need.name == name).for_each(|found| found.works = works.clone());
        Report::new(crate::token::Description::default(), true, found)
    };
    let fails = |name: &str| without(name, Seen::Fails("no".into())).exit_code();
    assert_eq!(Report::new(crate::token::Description::default(), true, found()).exit_code(), 0);
    assert_eq!(fails("CKM_AES_GCM"), 4 + 32, "the vault and issuing");
    assert_eq!(fails("CKM_SHA256_HMAC"), 4, "the vault alone");
    assert_eq!(fails("CKM_DES3_ECB_ENCRYPT_DATA"), 16 + 32, "strict, issuing, TR-31; never fast");
    assert_eq!(fails("CKM_DES3_ECB"), 8 + 16 + 32, "everything but the vault");
    let untried = without("CKM_AES_CMAC", Seen::NotTried);
    assert_eq!(untried.exit_code(), 0);
    let text = untried.to_string();
    assert!(text.contains("not tried") && text.contains("macs          as far as tried"), "{text}");
}
