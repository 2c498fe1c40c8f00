//! The trials against the software module: their constants are right, and they detect a module's errors.
use super::*;
use crate::verbs::software::SoftwareModule;

#[test]
fn the_software_double_does_everything() {
    let failures: Vec<_> = needs::all::<SoftwareModule>()
        .into_iter()
        .filter_map(|(need, trial)| trial(&SoftwareModule::default()).err().map(|why| format!("{}: {why}", need.name)))
        .collect();
    assert_eq!(failures, Vec::<String>::new());
}

#[test]
fn every_verb_that_uses_the_module_is_a_reason_for_something() {
    let needed: Vec<VerbKind> =
        needs::all::<SoftwareModule>().iter().flat_map(|(need, _)| need.verbs).copied().collect();
    let missing: Vec<_> =
        VerbKind::ALL.into_iter().filter(|verb| !needed.contains(verb)).map(VerbKind::label).collect();
    assert_eq!(missing, ["health", "transport_kcv"], "these the daemon answers by itself");
}

/// The row of a need in docs/hsm-modules.md, up to the results.
fn documented(need: &Need) -> String {
    let purposes: Vec<_> = need.purposes.iter().map(|purpose| purpose.label()).collect();
    let verbs: Vec<_> = need.verbs.iter().map(|verb| format!("`{}`", verb.label())).collect();
    format!("| {} | {} | {} | {} | {} |", need.name, need.how, purposes.join(", "), verbs.join(", "), need.without)
}

#[test]
fn the_documented_table_is_the_one_that_is_tried() {
    let page = include_str!("../../../../docs/hsm-modules.md");
    let mut needs = vec![token_needs::mechanisms_are_written().0];
    needs.extend(needs::all::<SoftwareModule>().into_iter().map(|(need, _)| need));
    needs.extend(token_needs::in_a_session().into_iter().map(|(need, _)| need));
    needs.extend(token_needs::on_the_token().into_iter().map(|(need, _)| need));
    let missing: Vec<_> = needs.iter().map(documented).filter(|row| !page.contains(row)).collect();
    assert!(missing.is_empty(), "rows that docs/hsm-modules.md does not have:\n{}", missing.join("\n"));
    let rows = page.lines().filter(|line| line.starts_with("| CK") || line.starts_with("| C_")).count();
    assert_eq!(rows, needs.len(), "the page has a row too many");
    for purpose in Purpose::ALL {
        assert!(page.contains(&format!("| `{}` | {} |", purpose.label(), purpose.words())), "{}", purpose.label());
    }
}

#[test]
fn what_fails_is_in_the_verdict_and_in_the_exit_code() {
    let found = || {
        let needs = needs::all::<SoftwareModule>().into_iter();
        needs
            .map(|(need, _)| CheckedNeed { need, announced: Some(true), works: TrialResult::Works })
            .collect::<Vec<_>>()
    };
    let without = |name: &str, works: TrialResult| {
        let mut found = found();
        found.iter_mut().filter(|found| found.need.name == name).for_each(|found| found.works = works.clone());
        Report::new(crate::token::ModuleDescription::default(), true, found)
    };
    let fails = |name: &str| without(name, TrialResult::Fails("no".into())).exit_code();
    assert_eq!(Report::new(crate::token::ModuleDescription::default(), true, found()).exit_code(), 0);
    assert_eq!(fails("CKM_AES_GCM"), 4 + 32, "the vault and issuing");
    assert_eq!(fails("CKM_SHA256_HMAC"), 4, "the vault alone");
    assert_eq!(fails("CKM_DES3_ECB_ENCRYPT_DATA"), 16 + 32, "strict, issuing, TR-31; never fast");
    assert_eq!(fails("CKM_DES3_ECB"), 8 + 16 + 32, "everything but the vault");
    let untried = without("CKM_AES_CMAC", TrialResult::NotTried);
    assert_eq!(untried.exit_code(), 0);
    let text = untried.to_string();
    assert!(text.contains("not tried") && text.contains("macs          as far as tried"), "{text}");
}
