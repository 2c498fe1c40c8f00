//! The auditor on a day that is in order, and on every way of tampering with it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use audit::{Evidence, Report};
use backoffice::clearing::control::Control;
use backoffice::clearing::writer::Totals;
use jiff::civil::date;

use crate::child::{Folder, copy_of, folder};
use crate::scenario::{Day, audit_over, connect};

/// A closed day with its files, including the acquirer's, and its terminals' log.
pub async fn settled() -> (Day, Evidence, Folder) {
    let day = Day::of_trade().await;
    day.add_up().await;
    day.anchor().await;
    let out = folder("audit");
    day.close(date(2026, 11, 20), &out).await.unwrap();
    let clearing = out.join("clearing");
    fs::write(clearing.join("in.ipm"), &day.file).unwrap();
    let control =
        Control::of("in.ipm", &day.file, Totals { records: 8, checksum: 1250 + 400 + 1101 + 1250 + 2200 + 2200 });
    fs::write(clearing.join("in.json"), control.write()).unwrap();
    let log = out.join("terminal-log.ndjson");
    fs::write(&log, TERMINAL_LOG).unwrap();
    let evidence = Evidence {
        terminal_log: Some(log),
        clearing: Some(clearing),
        settlement: Some(out.join("settlement")),
        anchors: None,
    };
    (day, evidence, out)
}

/// The terminals' log of the day, with the keys that the auditor reads.
const TERMINAL_LOG: &str = r#"{"terminal":"T0000001","kind":"purchase","stan":"000001","approved_minor":1000,"rc":"00"}
{"terminal":"T0000001","kind":"purchase","stan":"000002","approved_minor":1999,"rc":"00"}
{"terminal":"T0000001","kind":"reversal","stan":"000002","original_stan":"000002","approved_minor":1999,"rc":"00"}
{"terminal":"T0000001","kind":"refund","stan":"000003","approved_minor":500,"rc":"00"}
{"terminal":"T0000002","kind":"purchase","stan":"000004","approved_minor":2500,"rc":"00","approval":"654321"}
{"terminal":"T0000002","kind":"purchase","stan":"000005","approved_minor":3000,"rc":"00"}
{"terminal":"T0000002","kind":"reversal","stan":"000005","original_stan":"000005","approved_minor":1000,"rc":"00"}
{"terminal":"T0000002","kind":"purchase","stan":"000006","approved_minor":0,"rc":null}
{"terminal":"T0000002","kind":"reversal","stan":"000006","original_stan":"000006","approved_minor":4000,"rc":"00"}
{"terminal":"F0000001","kind":"purchase","stan":"000007","approved_minor":1250,"rc":"00"}
{"terminal":"F0000001","kind":"refund","stan":"000008","approved_minor":400,"rc":"00"}
{"terminal":"F0000001","kind":"purchase","stan":"000009","approved_minor":1300,"rc":"00"}
{"terminal":"F0000001","kind":"reversal","stan":"000009","original_stan":"000009","approved_minor":200,"rc":"00"}
{"terminal":"F0000001","kind":"purchase","stan":"000010","approved_minor":2200,"rc":"00"}
{"terminal":"F0000001","kind":"purchase","stan":"000011","approved_minor":0,"rc":"51"}
"#;

fn broken(report: &Report) -> BTreeSet<&'static str> {
    report.invariants.iter().filter(|(_, finding)| !finding.holds).map(|(name, _)| *name).collect()
}

#[tokio::test]
async fn a_day_in_order_has_no_difference() {
    let (day, evidence, _out) = settled().await;
    let report = day.audit(&evidence).await;
    assert_eq!(report.differences, 0, "{report:#?}");
    assert_eq!(report.invariants.len(), 24);
    for (name, finding) in &report.invariants {
        assert!(finding.checked > 0 || *name == "holds_are_owned", "{name} looked at nothing");
    }
}

#[tokio::test]
async fn without_files_and_log_the_books_alone_are_audited() {
    let day = Day::of_trade().await;
    let report = day.audit(&Evidence::default()).await;
    assert_eq!(report.differences, 0, "{report:#?}");
}

/// Each statement, the check that must then fail, and a text that a difference must contain.
const TAMPERED: &[(&str, &str, &str)] = &[
    ("UPDATE posting SET amount_minor = amount_minor + 1 WHERE payee_kind = 'merchant' AND amount_minor = 1000", "postings_follow_the_journal", "STAN 000001"),
    ("UPDATE posting SET payee_ref = 'SWYD00000000002' WHERE payee_kind = 'merchant' AND amount_minor = 1000", "postings_follow_the_journal", "STAN 000001"),
    ("DELETE FROM posting WHERE auth_id = (SELECT auth_id FROM auth WHERE stan = 3)", "postings_follow_the_journal", "STAN 000003"),
    ("INSERT INTO posting SELECT * FROM posting WHERE amount_minor = 1000", "postings_follow_the_journal", "there is another one"),
    ("UPDATE account_state SET ledger_minor = ledger_minor - 1", "available_is_ledger_less_holds", "account 1001, ledger"),
    ("UPDATE account_state SET held_minor = 5", "available_is_ledger_less_holds", "account 1001, held"),
    ("UPDATE account_state SET credit_minor = 5", "rows_are_as_recorded", "account 41/1001"),
    ("UPDATE card_state SET spent_minor = 0", "limits_are_counted", "card 1001"),
    ("UPDATE card SET limit_day_minor = 999999", "rows_are_as_recorded", "card 41/1001"),
    ("UPDATE merchant SET iban = 'DE02370400440532013000' WHERE merchant_id = 'SWYD00000000001'", "rows_are_as_recorded", "merchant SWYD00000000001"),
    ("DELETE FROM recorded_change WHERE subject = 'merchant' AND reference = 'SWYD00000000002'", "hash_chains_verify", "changes were chained"),
    ("INSERT INTO hold VALUES (41, 77, 1001, 1001, '2026-11-20', '\\x01', 5, 978, NULL, '1', 'X', 'open', '2026-12-01', NULL, 5, 0, '2026-11-20')", "holds_are_owned", "hold 77"),
    ("UPDATE auth SET original_idem = (SELECT idem FROM auth WHERE stan = 1), original_auth_id = (SELECT auth_id FROM auth WHERE stan = 1) WHERE stan = 2 AND kind = 'reversal'", "one_effect_per_key", "given back of 10.00"),
    ("UPDATE auth SET cycle = '2026-11-19' WHERE stan = 1", "one_business_date", "STAN 000001"),
    ("UPDATE posting SET business_date = '2026-11-19' WHERE amount_minor = 1000", "one_business_date", "its posting is dated"),
    // the journal: rows changed, deleted, moved, cut off at the end
    ("UPDATE auth SET approved_minor = 1001 WHERE stan = 1", "hash_chains_verify", "changed or moved"),
    ("UPDATE auth SET mcc = 5999 WHERE stan = 1", "hash_chains_verify", "changed or moved"),
    ("DELETE FROM auth WHERE stan = 1", "hash_chains_verify", "there are 0 and 0"),
    ("WITH two AS (SELECT array_agg(batch_seq ORDER BY auth_id) AS seq, array_agg(auth_id ORDER BY auth_id) AS id FROM
        (SELECT * FROM auth WHERE lane_instance = (SELECT min(lane_instance) FROM chain) AND kind <> 'opening' ORDER BY auth_id LIMIT 2) t)
      UPDATE auth SET batch_seq = CASE auth_id WHEN id[1] THEN seq[2] ELSE seq[1] END FROM two WHERE auth_id = ANY(id)", "hash_chains_verify", "changed or moved"),
    ("DELETE FROM chain WHERE batch_seq = 1", "hash_chains_verify", "batch 1 should come here"),
    ("DELETE FROM auth WHERE (lane_instance, batch_seq) IN (SELECT lane_instance, batch_seq FROM anchor);
      DELETE FROM recorded_change WHERE (instance, batch_seq) IN (SELECT lane_instance, batch_seq FROM anchor);
      DELETE FROM chain WHERE (lane_instance, batch_seq) IN (SELECT lane_instance, batch_seq FROM anchor)", "anchors_are_sealed", "is gone"),
    // anybody who can write the tables can compute hashes too, but not the MAC over them
    ("UPDATE anchor SET batch_seq = batch_seq + 1", "anchors_are_sealed", "is gone"),
    ("DELETE FROM anchor WHERE anchor_seq = 1", "anchors_are_sealed", "anchor 1 should come here"),
    ("UPDATE chain SET hash = sha256(hash) WHERE (lane_instance, batch_seq) IN (SELECT lane_instance, batch_seq FROM anchor);
      UPDATE anchor SET hash = sha256(hash)", "anchors_are_sealed", "not made under the audit key"),
    ("DELETE FROM journal_instance", "anchors_are_sealed", "not registered"),
    // the sums of the day
    ("UPDATE day_total SET business_date = '2026-11-19' WHERE originator = 'T0000001' AND kind = 'debit'", "totals_follow_the_journal", "terminal T0000001 on 2026-11-19, debit"),
    ("UPDATE day_total SET originator_kind = 'acquirer' WHERE originator = 'T0000001' AND kind = 'credit'", "totals_follow_the_journal", "acquirer T0000001 on 2026-11-20, credit"),
    ("UPDATE day_total SET originator = 'T0000009' WHERE originator = 'T0000001' AND kind = 'debit'", "totals_follow_the_journal", "terminal T0000009"),
    ("UPDATE day_total SET currency = 840 WHERE originator = 'T0000001' AND kind = 'debit'", "totals_follow_the_journal", "in currency 840"),
    ("UPDATE day_total SET kind = 'authorization' WHERE originator = 'T0000001' AND kind = 'debit-reversal'", "totals_follow_the_journal", "terminal T0000001 on 2026-11-20, authorization"),
    ("UPDATE day_total SET cycle = '2026-11-21' WHERE originator = '510099' AND kind = 'debit'", "totals_follow_the_journal", "acquirer 510099"),
    ("UPDATE day_total SET items = items + 1 WHERE originator = '510099' AND kind = 'credit'", "totals_follow_the_journal", "sum of the day 2 of 4.00"),
    ("UPDATE day_total SET amount_minor = amount_minor - 1 WHERE originator = '510099' AND kind = 'credit'", "totals_follow_the_journal", "sum of the day 1 of 3.99"),
    ("DELETE FROM day_total WHERE originator = 'T0000002' AND kind = 'debit'", "totals_follow_the_journal", "sum of the day 0 of 0.00"),
    ("INSERT INTO day_total VALUES ('2026-11-20', 'terminal', 'T0000001', 840, 'debit', '2026-11-20', 0, 0)", "totals_follow_the_journal", "in currency 840"),
    ("UPDATE day_total_position SET batch_seq = batch_seq + 1", "totals_follow_the_journal", "its last is"),
    ("UPDATE day_total_position SET batch_seq = 0", "totals_follow_the_journal", "journal 0 of 0.00"),
    ("UPDATE day_total_position SET lane_instance = lane_instance + 100", "totals_follow_the_journal", "its last is 0"),
    ("DELETE FROM day_total_position", "totals_follow_the_journal", "journal 0 of 0.00"),
    // settlement and clearing
    ("UPDATE settlement_line SET gross_minor = gross_minor + 1 WHERE gross_minor = 1000", "captures_are_settled_once", "STAN 000001"),
    ("DELETE FROM settlement_line WHERE gross_minor = -500", "captures_are_settled_once", "STAN 000003"),
    ("UPDATE settlement_line SET interchange_minor = interchange_minor + 1 WHERE gross_minor = -4000", "reversals_return_charges", "interchange 1"),
    ("UPDATE settlement_line SET fee_minor = fee_minor + 1 WHERE gross_minor = 1000", "merchants_are_paid_what_they_are_owed", "SWYD00000000001"),
    ("DELETE FROM settlement_posting WHERE posting LIKE '%payout/SWYD00000000001'", "merchants_are_paid_what_they_are_owed", "SWYD00000000001"),
    ("UPDATE settlement_position SET gross_minor = gross_minor - 1 WHERE side = 'issuer'", "positions_add_up", "issuer 510051"),
    ("DELETE FROM outgoing_presentment WHERE amount_minor = 2500", "captures_are_presented_once", "SWYACQ000000004"),
    ("UPDATE outgoing_presentment SET amount_minor = 3000 WHERE amount_minor = 2000", "captures_are_presented_once", "SWYACQ000000005"),
    ("UPDATE presentment SET posted_minor = 1249 WHERE posted_minor = 1250", "presentments_are_covered", "record 2"),
    ("UPDATE presentment SET presented_minor = 1 WHERE record = 4", "presentments_are_covered", "record 4"),
    ("UPDATE presentment SET posted_minor = 1101 WHERE record = 4", "presentments_are_covered", "record 4"),
    ("UPDATE clearing_file SET records = 9 WHERE incoming", "clearing_files_add_up", "in.ipm"),
    ("UPDATE settlement_line SET held = false WHERE gross_minor = -500", "captures_are_settled_once", "nobody released it"),
    ("UPDATE settlement_line SET held = true WHERE gross_minor = 1000", "captures_are_settled_once", "on no list"),
    ("UPDATE settlement_line SET held = false, rejected = true WHERE gross_minor = -500", "captures_are_settled_once", "nobody decided that"),
    ("INSERT INTO settlement_line SELECT bucket, auth_id, batch_id, merchant, movement, of_refund, whole, gross_minor, fee_minor, rate_id,
        0, interchange_rate_id, 0, scheme_fee_rate_id, pan_masked, false, false FROM settlement_line WHERE held", "captures_are_settled_once", "settled otherwise than held"),
    ("UPDATE settlement_line SET rate_id = 'x' WHERE gross_minor = 1000", "settlement_is_as_recorded", "settlement-batch"),
    ("UPDATE settlement_batch SET payer_iban = 'x'", "settlement_is_as_recorded", "settlement-batch"),
    ("UPDATE settlement_batch SET form = 1", "settlement_is_as_recorded", "settlement-batch"),
    ("UPDATE settlement_line SET pan_masked = 'x' WHERE gross_minor = 1000", "settlement_is_as_recorded", "settlement-batch"),
    ("UPDATE settlement_merchant SET city = 'x'", "settlement_is_as_recorded", "settlement-batch"),
    ("DELETE FROM outgoing_file", "settlement_is_as_recorded", "settlement-batch"),
    ("UPDATE settlement_presentment SET items = items + 1 WHERE outcome = 'duplicate'", "settlement_is_as_recorded", "settlement-batch"),
    ("UPDATE settlement_merchant SET iban = 'x'", "settlement_is_as_recorded", "settlement-batch"),
    ("UPDATE presentment SET interchange_minor = interchange_minor + 1", "settlement_is_as_recorded", "clearing-file"),
];

#[tokio::test]
async fn whatever_is_changed_in_the_tables_is_found_and_named() {
    let (day, evidence, _out) = settled().await;
    let database = day.into_database();
    for (at, (sql, invariant, named)) in TAMPERED.iter().enumerate() {
        let (client, config) = connect(&copy_of(&database, &format!("tampered_{at}")).await).await;
        client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let finding = &audit_over(&client, &config, &evidence).await.invariants[invariant];
        assert!(!finding.holds, "{sql}: {invariant} does not notice");
        let differences = &finding.differences;
        assert!(differences.iter().any(|of| of.contains(named)), "{sql}: {differences:?} do not name {named}");
    }
}

fn edit(path: &Path, from: &str, to: &str) {
    let bytes = fs::read(path).unwrap();
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes());
    let at = at.unwrap_or_else(|| panic!("{from} is not in {}", path.display()));
    let edited = [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat();
    fs::write(path, edited).unwrap();
}

#[tokio::test]
async fn whatever_is_changed_in_the_files_is_found() {
    let (day, evidence, out) = settled().await;
    let own = "clearing/20261120-400012-510051.ipm";
    let csv = "settlement/20261120-EUR/SWYD00000000001.csv";
    let payout = "settlement/20261120-EUR/payout.xml";
    for (path, from, to, invariants) in [
        (
            own,
            "000000002500",
            "000000002501",
            vec!["captures_are_presented_once", "clearing_files_add_up", "closed_batches_do_not_change"],
        ),
        (own, "0000000000004500", "0000000000004600", vec!["clearing_files_add_up", "closed_batches_do_not_change"]),
        (
            "clearing/20261120-400012-510051.json",
            "4500",
            "4501",
            vec!["clearing_files_add_up", "closed_batches_do_not_change"],
        ),
        ("clearing/in.ipm", "000000001250", "000000001251", vec!["clearing_files_add_up", "presentments_are_covered"]),
        (csv, "10.00,0.23,9.77", "10.01,0.23,9.78", vec!["closed_batches_do_not_change", "settlement_files_add_up"]),
        (csv, "10.00,0.23,9.77", "10.00,0.23,9.78", vec!["closed_batches_do_not_change", "settlement_files_add_up"]),
        (payout, ">9.77<", ">9.78<", vec!["closed_batches_do_not_change", "settlement_files_add_up"]),
        (payout, "DE89370400440532013000", "DE02370400440532013000", vec!["closed_batches_do_not_change"]),
        (
            "terminal-log.ndjson",
            "\"approved_minor\":1000,",
            "\"approved_minor\":1001,",
            vec!["approvals_are_journalled", "terminals_and_host_agree"],
        ),
        (
            "terminal-log.ndjson",
            "\"000001\"",
            "\"000099\"",
            vec!["approvals_are_journalled", "terminals_and_host_agree"],
        ),
        ("terminal-log.ndjson", "654321", "654320", vec!["approvals_are_journalled"]),
        ("terminal-log.ndjson", "\"rc\":\"51\"", "\"rc\":\"00\"", vec!["approvals_are_journalled"]),
    ] {
        let path = out.join(path);
        let before = fs::read(&path).unwrap();
        edit(&path, from, to);
        let report = day.audit(&evidence).await;
        assert_eq!(broken(&report), invariants.into_iter().collect(), "{} {from} {to}", path.display());
        fs::write(&path, before).unwrap();
    }
    for (path, invariants) in [
        (own, vec!["captures_are_presented_once", "clearing_files_add_up", "closed_batches_do_not_change"]),
        ("clearing/in.ipm", vec!["clearing_files_add_up", "presentments_are_covered"]),
        (csv, vec!["closed_batches_do_not_change", "settlement_files_add_up"]),
        (payout, vec!["closed_batches_do_not_change", "settlement_files_add_up"]),
    ] {
        let (here, away) = (out.join(path), out.join("away"));
        fs::rename(&here, &away).unwrap();
        let report = day.audit(&evidence).await;
        assert_eq!(broken(&report), invariants.into_iter().collect(), "{path}");
        for finding in report.invariants.values().filter(|finding| !finding.holds) {
            let told = &finding.differences;
            assert!(told.len() == 1 && told[0].ends_with("recorded, and not in the folder"), "{path}: {told:?}");
        }
        fs::rename(&away, &here).unwrap();
    }
}
