//! A business day from its transactions to its files, on a real Postgres: payouts, presentments and postings, the same
//! however often closing is killed.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test stops at the first surprise, and is no part of the pure half"
)]

mod auditing;
mod child;
mod clearing;
mod closed;
#[path = "../../../host/tests/lane/database.rs"]
#[allow(dead_code, reason = "shared with the lanes' tests, which use more of it")]
mod database;
mod exceptions;
mod held;
mod large;
#[path = "../../../host/tests/sample/mod.rs"]
#[allow(dead_code, reason = "each of its users wants another part of it")]
mod sample;
mod scenario;
mod tampering;

use std::collections::BTreeMap;
use std::path::Path;

use backoffice::clearing::present_in::PresentError;
use child::{Ending, copy_of, folder, in_child};
use jiff::civil::date;
use ledger::store::business_day;
use scenario::{Day, files_below, minor_of};

/// The values of a CSV column, by row.
fn column(csv: &[u8], name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(csv);
    let at = reader.headers().unwrap().iter().position(|header| header == name).unwrap();
    reader.records().map(|row| row.unwrap()[at].to_owned()).collect()
}

#[tokio::test]
async fn a_day_is_settled_presented_and_posted() {
    let day = Day::of_trade().await;
    let out = folder("day");
    let closed = day.close(date(2026, 11, 20), &out).await.unwrap();
    assert!(!closed.already);
    let files = files_below(&out);
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "clearing/20261120-400012-510051.ipm",
            "clearing/20261120-400012-510051.json",
            "settlement/20261120-EUR/SWYD00000000001.csv",
            "settlement/20261120-EUR/SWYD00000000002.csv",
            "settlement/20261120-EUR/batch.json",
            "settlement/20261120-EUR/payout.xml",
        ]
    );

    let first = &files["settlement/20261120-EUR/SWYD00000000001.csv"];
    // the refund names no sale: it is held
    assert_eq!(column(first, "movement"), ["sale", "sale", "reversal"]);
    assert_eq!(column(first, "gross"), ["10.00", "19.99", "-19.99"]);
    assert_eq!(column(first, "fee"), ["0.23", "0.35", "-0.35"]);
    let second = &files["settlement/20261120-EUR/SWYD00000000002.csv"];
    assert_eq!(column(second, "movement"), ["sale", "sale", "reversal", "sale", "reversal"]);
    assert_eq!(column(second, "net").iter().map(|net| minor_of(net)).sum::<i64>(), 4424);

    let batch: serde_json::Value = serde_json::from_slice(&files["settlement/20261120-EUR/batch.json"]).unwrap();
    // 10.00 less 0.23, and 45.00 less 0.76: a full reversal costs nothing, a partial one keeps the fixed sum
    assert_eq!(batch["totals"]["gross_minor"], 5500);
    assert_eq!(batch["totals"]["held"], serde_json::json!({ "lines": 1, "gross_minor": -500 }));
    assert_eq!(batch["totals"]["payout_minor"], 977 + 4424);
    let position = |at: usize| (&batch["positions"][at]["institution"], &batch["positions"][at]["net_minor"]);
    assert_eq!(position(0), (&"510099".into(), &(1250 - 3 - 400 + 1).into()));
    assert_eq!(position(1), (&"510051".into(), &(-4500 + 9).into()));
    assert_eq!(batch["clearing"][0]["records"], 4, "the sale that was wholly reversed is not presented");
    assert_eq!(batch["clearing"][0]["checksum"], 4500);

    let payout = String::from_utf8(files["settlement/20261120-EUR/payout.xml"].clone()).unwrap();
    assert!(payout.contains("<CtrlSum>54.01</CtrlSum>") && payout.contains("<NbOfTxs>2</NbOfTxs>"), "{payout}");

    let presented = day.read_own(&files["clearing/20261120-400012-510051.ipm"]);
    let amounts: Vec<_> = presented.iter().map(|(_, of)| (of.amount.0, of.takes_back)).collect();
    assert_eq!(amounts, [(2500, false), (2000, false)]);
    assert!(presented.iter().all(|(_, of)| of.pan.expose() == b"5100510000000008"));
    let chips: Vec<_> = presented.iter().map(|(_, of)| of.icc.as_deref()).collect();
    assert_eq!(chips, [Some(scenario::CHIP), None]);

    let held = BTreeMap::from([("SWYD00000000001".into(), -500)]);
    assert_eq!(day.balance("merchant").await, held, "everything owed was paid, and the refund waits");
    assert_eq!(day.balance("payout").await, BTreeMap::from([("20261120-EUR".into(), 5401)]));
    assert_eq!(day.balance("network").await, BTreeMap::new(), "everything captured was presented");
    assert_eq!(day.balance("position").await, BTreeMap::from([("510051".into(), -4491), ("510099".into(), 848)]));
    // captures that the file did not present, or presented with another amount, stay unpresented
    assert_eq!(day.balance("unpresented").await, BTreeMap::from([("510099".into(), 3300)]));
    day.check_books().await;
}

#[tokio::test]
async fn a_file_is_in_once_and_whole_or_not_at_all() {
    let day = Day::of_trade().await;
    let outcomes = &day.presented;
    let words: Vec<_> = outcomes.exceptions.iter().map(|of| (of.record, of.outcome.as_str())).collect();
    assert_eq!(words, [(4, "amount-differs"), (5, "duplicate"), (6, "not-presented"), (7, "card-differs")]);
    assert_eq!((outcomes.matched, outcomes.posted_minor), (2, 850));

    let again = day.present(&day.file).await.unwrap();
    assert!(again.already.is_some(), "the same file again");
    assert_eq!(again.exceptions, outcomes.exceptions);

    let mut edited = day.file.clone();
    let at = edited.windows(6).position(|window| window == b"001250").unwrap();
    edited[at + 5] = b'1';
    let refused = day.present(&edited).await.unwrap_err();
    assert!(matches!(refused, PresentError::Refused(_)), "{refused}");
    assert!(refused.to_string().contains("PDS0301"), "{refused}");

    let other = day.file_with_other_content();
    let refused = day.present(&other).await.unwrap_err();
    assert!(matches!(refused, PresentError::FileIdReused { .. }), "{refused}");
    assert_eq!(day.balance("position").await, BTreeMap::from([("510099".into(), 850)]), "posted once");
    assert_eq!(day.number("SELECT count(*) FROM presentment").await, 6);
}

#[tokio::test]
async fn what_comes_after_the_close_goes_with_the_next_day() {
    let day = Day::of_trade().await;
    day.close(date(2026, 11, 20), &folder("first")).await.unwrap();
    let straggler = day.on_us(90, 700).await;
    assert_eq!((straggler.row().business_date, straggler.row().cycle), (date(2026, 11, 20), date(2026, 11, 21)));
    day.reverse_acquired(4, 2500, None).await;

    let refused = day.close(date(2026, 11, 21), &folder("early")).await.unwrap_err();
    assert!(refused.to_string().contains("cut over"), "{refused}");
    business_day::cut_over(&day.pool, date(2026, 11, 22)).await.unwrap();
    let out = folder("second");
    day.close(date(2026, 11, 21), &out).await.unwrap();
    let files = files_below(&out);
    let first = &files["settlement/20261121-EUR/SWYD00000000001.csv"];
    assert_eq!(
        (column(first, "gross"), column(first, "business_date")),
        (vec!["7.00".into()], vec!["2026-11-20".into()])
    );
    // the sale was paid and presented before; the reversal takes it back from both
    let second = &files["settlement/20261121-EUR/SWYD00000000002.csv"];
    assert_eq!((column(second, "movement"), column(second, "gross")), (vec!["reversal".into()], vec!["-25.00".into()]));
    let presented = day.read_own(&files["clearing/20261121-400012-510051.ipm"]);
    assert_eq!(presented.iter().map(|(_, of)| (of.amount.0, of.takes_back)).collect::<Vec<_>>(), [(2500, true)]);
    // PDS 0025 names the day of the file that is taken back from
    let of_the_first_day = b"0025007R261120";
    let own = &files["clearing/20261121-400012-510051.ipm"];
    assert!(own.windows(of_the_first_day.len()).any(|window| window == of_the_first_day));
    let batch: serde_json::Value = serde_json::from_slice(&files["settlement/20261121-EUR/batch.json"]).unwrap();
    assert_eq!(batch["merchants"][1]["carried_forward_minor"], -2459, "nothing to pay: it is owed to us");
    let merchants = [("SWYD00000000001".into(), -500), ("SWYD00000000002".into(), -2459)];
    assert_eq!(day.balance("merchant").await, BTreeMap::from(merchants), "the first one's refund is held");
    day.check_books().await;
}

/// In two steps or three, within a day or over two, by the schedule of the day before or by another one.
#[tokio::test]
async fn what_is_undone_in_steps_has_cost_nothing() {
    let day = Day::of_trade().await;
    day.acquired(20, 1010).await;
    day.reverse_acquired(20, 1010, Some(505)).await;
    day.reverse_acquired(20, 1010, None).await;
    day.acquired(21, 1010).await;
    day.reverse_acquired(21, 1010, Some(505)).await;
    day.acquired(22, 1010).await;
    // these are in the next cycle already; those of the first day are reversed in it
    day.close(date(2026, 11, 20), &folder("steps-before")).await.unwrap();
    day.reverse_acquired(4, 2500, Some(1234)).await;
    business_day::cut_over(&day.pool, date(2026, 11, 22)).await.unwrap();
    day.close(date(2026, 11, 21), &folder("steps-first")).await.unwrap();
    assert_eq!(day.charged(20).await, (0, 0, 0));
    assert_eq!(day.charged(21).await, (16, 1, 1), "505 stand: 6.31 and 0.10, 1.01, 0.15 and 0.01");
    day.reverse_acquired(21, 1010, None).await;
    day.reverse_acquired(4, 2500, Some(500)).await;
    day.reverse_acquired(4, 2500, None).await;
    business_day::cut_over(&day.pool, date(2026, 11, 23)).await.unwrap();
    let mut dearer = scenario::fees();
    for rate in dearer.service_charge.iter_mut().chain(&mut dearer.interchange).chain(&mut dearer.scheme_fee) {
        rate.rate += rate.rate;
    }
    day.close_at(&dearer, &scenario::config(), date(2026, 11, 22), &folder("steps-second")).await.unwrap();
    assert_eq!(day.charged(21).await, (0, 0, 0));
    assert_eq!(day.charged(4).await, (0, 0, 0));
    assert_eq!(
        day.audit(&audit::Evidence::default()).await.invariants["reversals_return_charges"].differences,
        [""; 0]
    );
    day.check_books().await;
}

/// A closed day is made again from its batch, whatever was changed since of merchants, fees and configuration.
#[tokio::test]
async fn what_a_closed_day_showed_it_shows_for_ever() {
    let day = Day::of_trade().await;
    let first = folder("then");
    day.close(date(2026, 11, 20), &first).await.unwrap();
    let change = "UPDATE merchant SET name = 'Moved', city = 'Lyon', country = '392', iban = 'DE02120300000000202051';
                  UPDATE foreign_card SET pan_masked = '999999******9999'; UPDATE card SET pan_masked = '999999******9999';
                  UPDATE presentment SET outcome = 'matched'";
    day.change(change).await;
    let mut config = scenario::config();
    config.acquirer_id = "499999".into();
    config.clearing.dialect = "ipm-ebcdic".into();
    config.clearing.processing = backoffice::clearing::record::ProcessingMode::Test;
    config.clearing.issuers = BTreeMap::from([
        ("a-new-one".to_owned(), "510050".to_owned()),
        ("issuer-510051".to_owned(), "510055".to_owned()),
    ]);
    config.settlement.payer.name = "Somebody Else".into();
    config.settlement.payer.iban = "NL02ABNA0123456789".into();
    config.settlement.payer.bic = "ABNANL2A".into();
    config.settlement.value_days = 5;
    let mut dearer = scenario::fees();
    dearer.service_charge.iter_mut().for_each(|rate| rate.fixed_minor += 7);
    let again = folder("now");
    let closed = day.close_at(&dearer, &config, date(2026, 11, 20), &again).await.unwrap();
    assert!(closed.already);
    let (then, now) = (files_below(&first), files_below(&again));
    assert_eq!(then.keys().collect::<Vec<_>>(), now.keys().collect::<Vec<_>>());
    for (path, bytes) in &then {
        assert!(*bytes == now[path], "{path}: the bytes differ");
    }
    // the next day is the new one's, and its files are numbered in the order in which they are made
    day.reverse_acquired(4, 2500, None).await;
    business_day::cut_over(&day.pool, date(2026, 11, 22)).await.unwrap();
    day.close_at(&dearer, &config, date(2026, 11, 21), &folder("next")).await.unwrap();
    let ids = "SELECT string_agg(file_id || ' ' || name || ' ' || records, ', ' ORDER BY file_id) FROM outgoing_file";
    assert_eq!(
        day.text(ids).await,
        "0022611200000040001200001 20261120-400012-510051.ipm 4, \
         0022611210000049999900001 20261121-499999-510050.ipm 2, \
         0022611210000049999900002 20261121-499999-510055.ipm 3"
    );
}

#[tokio::test]
async fn a_day_that_takes_traffic_or_has_one_before_it_is_not_closed() {
    let day = Day::of_trade().await;
    let close = async |of| day.close(of, Path::new("/nonexistent")).await.unwrap_err().to_string();
    assert!(close(date(2026, 11, 21)).await.contains("2026-11-20 comes first"));
    assert!(close(date(2026, 11, 19)).await.contains("no business day"));
}

#[tokio::test]
async fn killed_anywhere_and_closed_again_the_bytes_are_the_same() {
    let day = Day::of_trade().await;
    let baseline = folder("baseline");
    // the time of closing is the only thing that differs between runs
    let template = day.with_flag_set().await;
    let whole = copy_of(&template, "whole").await;
    assert_eq!(in_child(&whole, &baseline, None), Ending::Exited(0));
    let expected = files_below(&baseline);
    assert_eq!(expected.len(), 6);
    for place in ["after-flag", "before-commit", "after-commit", "within-file", "before-rename", "after-file"] {
        let database = copy_of(&template, &place.replace('-', "_")).await;
        let out = folder(place);
        assert_eq!(in_child(&database, &out, Some(place)), Ending::Killed, "{place}");
        assert_ne!(files_below(&out), expected, "{place}: killed before the end");
        assert_eq!(in_child(&database, &out, None), Ending::Exited(0), "{place}");
        assert_eq!(in_child(&database, &out, None), Ending::Exited(0), "{place}: and again");
        let found = files_below(&out);
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{place}");
        assert!(found == expected, "{place}: the bytes differ");
        let elsewhere = folder(&format!("{place}-elsewhere"));
        assert_eq!(in_child(&database, &elsewhere, None), Ending::Exited(0));
        assert!(files_below(&elsewhere) == expected, "{place}: another folder gets the same");
    }
}

#[tokio::test]
async fn closed_by_eight_at_once_it_is_posted_once() {
    let day = Day::of_trade().await;
    let template = day.with_flag_set().await;
    let database = copy_of(&template, "eight").await;
    let out = folder("eight");
    let children: Vec<_> = (0..8).map(|_| child::spawn(&database, &out, None)).collect();
    let endings: Vec<_> = children.into_iter().map(child::wait).collect();
    assert_eq!(endings, vec![Ending::Exited(0); 8]);
    let (client, _) = scenario::connect(&database).await;
    let count = |sql: &'static str| {
        let client = &client;
        async move { client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) }
    };
    assert_eq!(count("SELECT count(*) FROM settlement_batch").await, 1);
    assert_eq!(count("SELECT count(*) FROM settlement_line").await, 9);
    assert_eq!(
        count(
            "SELECT count(*) FROM (SELECT posting FROM settlement_posting GROUP BY 1 HAVING sum(amount_minor) <> 0) u"
        )
        .await,
        0
    );
    assert_eq!(files_below(&out).len(), 6);
}

/// Does nothing unless started by the tests above as a child process, which they can kill.
#[tokio::test]
async fn child_closes_the_day() {
    child::run().await;
}
