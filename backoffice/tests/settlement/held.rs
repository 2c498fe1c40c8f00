//! What nobody promised at our merchants is neither paid nor deducted until two people have decided it.

use std::collections::BTreeMap;
use std::path::Path;

use audit::Evidence;
use backoffice::exceptions::item::{Item, State};
use backoffice::exceptions::kind::{Act, KINDS};
use backoffice::exceptions::resolve::Word;
use backoffice::settlement::held::HELD;
use host::authorize::Exception;
use host::lanes::Committed;
use jiff::civil::{Date, date};
use ledger::journal::Kind;
use ledger::store::business_day;
use serde_json::{Value, json};

use crate::child::{Folder, folder};
use crate::column;
use crate::exceptions::{followed, operator, said};
use crate::scenario::{Day, files_below};

const FIRST: &str = "SWYD00000000001";
const SECOND: &str = "SWYD00000000002";

async fn in_order(day: &Day, out: &Folder, when: &str) {
    day.check_books().await;
    let evidence = Evidence { settlement: Some(out.join("settlement")), ..Evidence::default() };
    let report = day.audit(&evidence).await;
    assert_eq!(report.differences, 0, "{when}: {report:#?}");
}

/// Closes the day, and again in another folder: the bytes are the same.
async fn closed(day: &Day, of: Date, out: &Folder) -> BTreeMap<String, Vec<u8>> {
    day.close(of, out).await.unwrap();
    let again = folder(&format!("held-again-{of}"));
    assert!(day.close(of, &again).await.unwrap().already);
    let (all, repeated) = (files_below(out), files_below(&again));
    assert!(repeated.iter().all(|(path, bytes)| all[path] == *bytes), "closing {of} again gives other bytes");
    repeated
}

fn batch(files: &BTreeMap<String, Vec<u8>>) -> Value {
    let (_, bytes) = files.iter().find(|(path, _)| path.ends_with("batch.json")).unwrap();
    serde_json::from_slice(bytes).unwrap()
}

fn csv<'f>(files: &'f BTreeMap<String, Vec<u8>>, merchant: &str) -> &'f [u8] {
    files.iter().find(|(path, _)| path.ends_with(&format!("{merchant}.csv"))).unwrap().1
}

fn about(items: &[Item], of: &Committed) -> i64 {
    items.iter().find(|item| item.of.row.map(|(_, auth_id)| auth_id) == Some(of.row().auth_id)).unwrap().number
}

async fn by_two(day: &Day, item: i64, act: Act) {
    let word = Word::Resolve { act, reason: "the merchant has the receipt" };
    assert_eq!(said(day, 2001, item, word).await.unwrap(), (State::Proposed, true), "one person is not enough");
    assert_eq!(said(day, 2002, item, Word::Approve).await.unwrap(), (State::Resolved, true));
    assert_eq!(said(day, 2002, item, word).await.unwrap(), (State::Resolved, false), "once");
}

async fn accounts(day: &Day, kind: &str) -> [i64; 2] {
    let accounts = day.balance(kind).await;
    [FIRST, SECOND].map(|merchant| accounts.get(merchant).copied().unwrap_or(0))
}

#[tokio::test]
async fn what_nobody_promised_is_settled_when_two_people_say_so() {
    let day = Day::of_trade().await;
    let out = folder("held");
    let forced = day.force_post(50, 3000).await;
    day.reverse_ours(50, Kind::Completion, 3000, Some(2500)).await;
    let foreign = day.refund_acquired(51, 700).await;
    let words = [&forced, &foreign].map(|of| of.row().exception.as_deref());
    assert_eq!(words, [Some("completion-of-unknown"), Some("refund-unreferenced")]);

    // the first day: a refund of 5.00, a completion of 30.00 less 5.00 and a foreign card's refund of 7.00 wait
    let files = closed(&day, date(2026, 11, 20), &out).await;
    let json = batch(&files);
    assert_eq!(json["totals"]["held"], json!({ "lines": 4, "gross_minor": 3000 - 500 - 500 - 700 }));
    assert_eq!(json["merchants"][0]["held"], json!({ "lines": 3, "gross_minor": 2000 }));
    assert_eq!(
        (&json["merchants"][0]["gross_minor"], &json["merchants"][0]["payout_minor"]),
        (&json!(1000), &json!(977))
    );
    assert_eq!(json["merchants"][1]["payout_minor"], 4424);
    assert_eq!(column(csv(&files, FIRST), "gross"), ["10.00", "19.99", "-19.99"]);
    let presented = day.read_own(&files["clearing/20261120-400012-510051.ipm"]);
    let amounts: Vec<_> = presented.iter().map(|(_, of)| of.amount.0).collect();
    assert_eq!(amounts, [2500, 2000, 700], "the issuer's share does not wait");
    assert_eq!(accounts(&day, "merchant").await, [2000, -700]);
    in_order(&day, &out, "held").await;

    // the completion is reversed once more, and released; the refund is rejected
    let items = followed(&day).await;
    let refund = items.iter().find(|item| item.of.kind == "refund-unreferenced" && item.of.amount_minor == Some(-500));
    let refund = refund.unwrap().number;
    operator(&day, "anna", 2001).await;
    operator(&day, "ben", 2002).await;
    let acknowledged = Word::Resolve { act: Act::Acknowledge, reason: "seen" };
    assert!(said(&day, 2001, refund, acknowledged).await.unwrap_err().to_string().contains("not possible"));
    day.reverse_ours(50, Kind::Completion, 3000, Some(2000)).await;
    by_two(&day, about(&items, &forced), Act::Release).await;
    by_two(&day, refund, Act::Reject).await;
    in_order(&day, &out, "decided").await;

    business_day::cut_over(&day.pool, date(2026, 11, 22)).await.unwrap();
    let files = closed(&day, date(2026, 11, 21), &out).await;
    let json = batch(&files);
    assert_eq!(column(csv(&files, FIRST), "gross"), ["30.00", "-5.00", "-5.00"]);
    // 20.00 stand: 0.25 and 0.10
    assert_eq!((&json["merchants"][0]["fee_minor"], &json["merchants"][0]["payout_minor"]), (&json!(35), &json!(1965)));
    assert_eq!(json["merchants"][0]["rejected"], json!({ "lines": 1, "gross_minor": -500 }));
    assert_eq!(json["totals"]["held"], Value::Null, "told in the cycle in which it came");
    assert_eq!(accounts(&day, "merchant").await, [0, -700]);
    assert_eq!(accounts(&day, "exceptions").await, [-500, 0]);
    in_order(&day, &out, "settled").await;

    // a reversal goes the way of what it reverses
    day.reverse_ours(3, Kind::Refund, 500, None).await;
    by_two(&day, about(&items, &foreign), Act::Reject).await;
    business_day::cut_over(&day.pool, date(2026, 11, 23)).await.unwrap();
    let files = closed(&day, date(2026, 11, 22), &out).await;
    assert_eq!(batch(&files)["totals"]["payout_minor"], 0);
    assert_eq!(accounts(&day, "merchant").await, [0, 0]);
    assert_eq!(accounts(&day, "exceptions").await, [0, -700]);
    in_order(&day, &out, "all of it").await;

    tampered(&day, &out).await;
}

/// Whoever has the tables cannot have something paid that nobody released, nor keep back what was.
async fn tampered(day: &Day, out: &Path) {
    let evidence = Evidence { settlement: Some(out.join("settlement")), ..Evidence::default() };
    for (tampering, invariant) in [
        ("UPDATE settlement_line SET rejected = false WHERE rejected AND gross_minor = -700", "captures_are_settled_once"),
        ("UPDATE settlement_line SET rejected = true WHERE NOT held AND gross_minor = 3000", "captures_are_settled_once"),
        ("DELETE FROM settlement_line WHERE NOT held AND gross_minor = 3000", "captures_are_settled_once"),
        ("UPDATE settlement_line SET gross_minor = 2999 WHERE NOT held AND gross_minor = 3000", "captures_are_settled_once"),
        ("UPDATE settlement_line SET interchange_minor = 1 WHERE NOT held AND gross_minor = 3000", "captures_are_settled_once"),
        ("UPDATE settlement_line SET fee_minor = 1 WHERE held AND gross_minor = 3000", "captures_are_settled_once"),
        ("UPDATE exception_item SET act = 'reject' WHERE act = 'release'", "captures_are_settled_once"),
        ("UPDATE exception_item SET act = 'release' WHERE act = 'reject' AND amount_minor = -700", "captures_are_settled_once"),
        ("UPDATE exception_item SET approved_by = NULL, approved_uid = NULL WHERE act = 'release'", "exceptions_are_worked_off"),
        ("DELETE FROM settlement_posting WHERE posting LIKE '%/reject/%'", "merchants_are_paid_what_they_are_owed"),
        ("UPDATE settlement_posting SET account_ref = 'SWYD00000000001' WHERE posting LIKE '20261122%/reject/SWYD00000000002'
            AND account_kind = 'exceptions'", "merchants_are_paid_what_they_are_owed"),
        ("UPDATE settlement_line SET held = true, rejected = false WHERE rejected AND movement = 'reversal'", "captures_are_settled_once"),
    ] {
        let client = day.pool.get().await.unwrap();
        client.batch_execute("CREATE TABLE l AS TABLE settlement_line; CREATE TABLE p AS TABLE settlement_posting;
            CREATE TABLE e AS TABLE exception_item").await.unwrap();
        client.batch_execute(tampering).await.unwrap();
        let report = day.audit(&evidence).await;
        assert!(!report.invariants[invariant].holds, "{tampering}");
        client.batch_execute("DELETE FROM settlement_line; INSERT INTO settlement_line TABLE l; DROP TABLE l;
            DELETE FROM settlement_posting; INSERT INTO settlement_posting TABLE p; DROP TABLE p;
            DELETE FROM exception_item; INSERT INTO exception_item TABLE e; DROP TABLE e").await.unwrap();
    }
    assert_eq!(day.audit(&evidence).await.differences, 0, "everything was undone");
}

#[tokio::test]
async fn what_is_released_before_its_day_is_closed_is_paid_with_it() {
    let day = Day::of_trade().await;
    let out = folder("held-early");
    let (paid, refused) = (day.force_post(50, 3000).await, day.refund_acquired(51, 700).await);
    let items = followed(&day).await;
    operator(&day, "anna", 2001).await;
    operator(&day, "ben", 2002).await;
    by_two(&day, about(&items, &paid), Act::Release).await;
    by_two(&day, about(&items, &refused), Act::Reject).await;
    let json = batch(&closed(&day, date(2026, 11, 20), &out).await);
    assert_eq!(json["merchants"][0]["payout_minor"], 977 + 3000 - 48);
    assert_eq!(json["totals"]["rejected"], json!({ "lines": 1, "gross_minor": -700 }));
    assert_eq!((accounts(&day, "merchant").await, accounts(&day, "exceptions").await), ([-500, 0], [0, -700]));
    in_order(&day, &out, "decided early").await;
}

/// What was paid at once by a version that held nothing is not paid again; it can only be acknowledged.
#[tokio::test]
async fn what_an_earlier_version_paid_is_not_held() {
    let day = Day::of_trade().await;
    day.close(date(2026, 11, 20), &folder("held-before")).await.unwrap();
    day.change("UPDATE settlement_line SET held = false; UPDATE settlement_batch SET form = 2").await;
    let items = followed(&day).await;
    let refund = items.iter().find(|item| item.of.kind == "refund-unreferenced").unwrap();
    assert_eq!(refund.acts(), [Act::Acknowledge]);
    day.reverse_ours(3, Kind::Refund, 500, None).await;
    business_day::cut_over(&day.pool, date(2026, 11, 22)).await.unwrap();
    let json = batch(&closed(&day, date(2026, 11, 21), &folder("held-after")).await);
    assert_eq!((&json["totals"]["gross_minor"], &json["totals"]["held"]), (&json!(500), &Value::Null));
}

/// docs/clearing-and-settlement.md has the words with their reasons, and the host knows each.
#[test]
fn the_page_says_what_is_held_and_why() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/clearing-and-settlement.md"));
    let page = page.unwrap();
    let rows: Vec<&str> = page.lines().skip_while(|line| *line != "| held | why |").skip(2).collect();
    let rows: Vec<&str> = rows.into_iter().take_while(|line| line.starts_with('|')).collect();
    let expected: Vec<String> = HELD.iter().map(|(word, why)| format!("| `{word}` | {why} |")).collect();
    assert_eq!(rows, expected, "{}", expected.join("\n"));
    for (word, _) in HELD {
        assert!(
            Exception::ALL.iter().any(|of| of.as_str() == word) && KINDS.iter().any(|kind| kind.word == word),
            "{word}"
        );
    }
}
