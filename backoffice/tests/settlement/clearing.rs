//! What a foreign acquirer presents of what no message captured: everyone is paid once, whatever the file brings.

use audit::Evidence;
use backoffice::clearing::advice::ClearingAdvice;
use backoffice::clearing::host_link::{HostLinkError, PostingHost};
use backoffice::clearing::present_in::{PresentError, PresentedFile};
use backoffice::clearing::record::Presentment;
use codecs::value::{ApprovalCode, Minor, Pan, ProcessingCode, Rrn};
use jiff::civil::date;
use ledger::journal::Kind;

use crate::scenario::{Day, HostOfLanes, file_of, presentment};

/// The outcomes of a file, with what each moved to the acquirer's position.
async fn outcomes(day: &Day, file: &PresentedFile) -> Vec<(String, i64)> {
    let rows = day
        .rows(&format!(
            "SELECT outcome, posted_minor FROM presentment WHERE file_id = '{}' ORDER BY record",
            file.file_id
        ))
        .await;
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn words(outcomes: &[(String, i64)]) -> Vec<(&str, i64)> {
    outcomes.iter().map(|(word, minor)| (word.as_str(), *minor)).collect()
}

/// Presents a file of these presentments, and says what became of each.
async fn presented(day: &Day, number: u32, presentments: &[Presentment]) -> Vec<(String, i64)> {
    let file = day.present(&file_of(number, presentments)).await.unwrap();
    outcomes(day, &file).await
}

/// Position with the acquirer, what it has not presented, available and held amount of the cardholder.
async fn books(day: &Day) -> [i64; 4] {
    let of = |balances: std::collections::BTreeMap<String, i64>| balances.get("510099").copied().unwrap_or(0);
    let (position, unpresented) = (of(day.balance("position").await), of(day.balance("unpresented").await));
    let (ledger, held) = day.account().await;
    [position, unpresented, ledger, held]
}

/// How far the books moved since.
async fn moved(day: &Day, before: [i64; 4]) -> [i64; 4] {
    let now = books(day).await;
    [0, 1, 2, 3].map(|at| now[at] - before[at])
}

async fn exceptions(day: &Day, minor: i64) -> Vec<String> {
    let rows = day.rows(&format!("SELECT exception FROM auth WHERE link = 'acquirer-ascii' AND approved_minor = {minor} AND exception IS NOT NULL")).await;
    rows.iter().map(|row| row.get(0)).collect()
}

async fn in_order(day: &Day) {
    let report = day.audit(&Evidence::default()).await;
    assert_eq!(report.differences, 0, "{report:#?}");
    day.check_books().await;
}

#[tokio::test]
async fn an_authorization_is_captured_by_its_presentment() {
    let day = Day::of_trade().await;
    let authorized = day.abroad(50, Kind::PreAuthorization, 5_000).await;
    let before = books(&day).await;
    let claim = Presentment { amount: Minor(4_800), ..presentment(&authorized, 100) };
    assert_eq!(words(&presented(&day, 2, std::slice::from_ref(&claim)).await), [("captured", 4_800)]);
    assert_eq!(moved(&day, before).await, [4_800, 0, -4_800, -5_000], "paid once, and the hold is gone");
    assert_eq!(exceptions(&day, 4_800).await, Vec::<String>::new());
    // the same reference in another file
    assert_eq!(words(&presented(&day, 3, &[claim]).await), [("duplicate", 0)]);
    assert_eq!(moved(&day, before).await, [4_800, 0, -4_800, -5_000]);
    in_order(&day).await;
}

#[tokio::test]
async fn one_authorization_is_cleared_twice_and_what_is_beyond_it_is_an_exception() {
    let day = Day::of_trade().await;
    let authorized = day.abroad(50, Kind::PreAuthorization, 10_000).await;
    let part = |minor, reference| Presentment { amount: Minor(minor), ..presentment(&authorized, reference) };
    let before = books(&day).await;
    let both = presented(&day, 2, &[part(6_000, 100), part(3_000, 101)]).await;
    assert_eq!(words(&both), [("captured", 6_000), ("captured", 3_000)]);
    assert_eq!(moved(&day, before).await, [9_000, 0, -9_000, -10_000]);
    assert_eq!(words(&presented(&day, 3, &[part(3_500, 102)]).await), [("captured", 3_500)]);
    assert_eq!(exceptions(&day, 3_500).await.len(), 1, "125.00 of 100.00");
    assert_eq!(exceptions(&day, 6_000).await.len() + exceptions(&day, 3_000).await.len(), 0);
    assert_eq!(moved(&day, before).await, [12_500, 0, -12_500, -10_000]);
    in_order(&day).await;
}

#[tokio::test]
async fn an_authorization_whose_hold_ended_is_captured_all_the_same() {
    let day = Day::of_trade().await;
    let authorized = day.abroad(50, Kind::PreAuthorization, 5_000).await;
    let reversed = day.abroad(51, Kind::PreAuthorization, 3_000).await;
    day.reverse_abroad(51, Kind::PreAuthorization, 3_000, None).await;
    day.release_holds(date(2026, 12, 24)).await;
    let before = books(&day).await;
    let came = presented(&day, 2, &[presentment(&authorized, 100), presentment(&reversed, 101)]).await;
    assert_eq!(words(&came), [("captured", 5_000), ("reversed", 0)]);
    assert_eq!(moved(&day, before).await, [5_000, 0, -5_000, 0]);
    assert_eq!(exceptions(&day, 5_000).await.len(), 1, "the hold had ended");
    in_order(&day).await;
}

#[tokio::test]
async fn a_sale_that_came_to_more_is_paid_whole() {
    let day = Day::of_trade().await;
    let sale = day.abroad(50, Kind::Purchase, 2_000).await;
    let before = books(&day).await;
    let more = Presentment { amount: Minor(2_300), ..presentment(&sale, 100) };
    assert_eq!(words(&presented(&day, 2, &[more]).await), [("matched", 2_300)]);
    assert_eq!(moved(&day, before).await, [2_300, -2_000, -300, 0]);
    assert_eq!(exceptions(&day, 300).await.len(), 1, "no tip is allowed there");
    in_order(&day).await;
}

#[tokio::test]
async fn what_nobody_authorized_is_posted_and_is_an_exception() {
    let day = Day::of_trade().await;
    let other = day.abroad(50, Kind::Purchase, 1_000).await;
    let unheard_of = Presentment {
        life_cycle: None,
        rrn: Rrn::new("999999999999"),
        approval: ApprovalCode::new("999999"),
        amount: Minor(700),
        ..presentment(&other, 100)
    };
    let nobodys = Presentment {
        pan: Pan::from_digits(b"4000129999999990").unwrap(),
        approval: ApprovalCode::new("888888"),
        amount: Minor(900),
        reference: presentment(&other, 101).reference,
        ..unheard_of.clone()
    };
    let again = Presentment { reference: presentment(&other, 102).reference, ..unheard_of.clone() };
    let before = books(&day).await;
    let suspense = day.balance("suspense").await;
    let came = presented(&day, 2, &[unheard_of, nobodys, again]).await;
    // the third shares every name with the first
    assert_eq!(words(&came), [("forced", 700), ("forced", 900), ("duplicate", 0)]);
    assert_eq!(moved(&day, before).await, [1_600, 0, -700, 0]);
    assert_eq!(day.balance("suspense").await.values().sum::<i64>() - suspense.values().sum::<i64>(), -900);
    assert_eq!((exceptions(&day, 700).await.len(), exceptions(&day, 900).await.len()), (1, 1));
    in_order(&day).await;
}

#[tokio::test]
async fn a_refund_that_no_message_announced_is_credited() {
    let day = Day::of_trade().await;
    let sale = day.abroad(50, Kind::Purchase, 1_000).await;
    let refund = Presentment { processing: ProcessingCode::REFUND, amount: Minor(600), ..presentment(&sale, 101) };
    let before = books(&day).await;
    let came = presented(&day, 2, &[presentment(&sale, 100), refund]).await;
    assert_eq!(words(&came), [("matched", 1_000), ("credited", -600)]);
    assert_eq!(moved(&day, before).await, [400, -1_000, 600, 0]);
    in_order(&day).await;
}

#[tokio::test]
async fn a_presentment_that_is_taken_back_is_reversed_once() {
    let day = Day::of_trade().await;
    let sale = day.abroad(50, Kind::Purchase, 1_000).await;
    let authorized = day.abroad(51, Kind::PreAuthorization, 2_000).await;
    let by_message = day.abroad(52, Kind::Purchase, 3_000).await;
    let before = books(&day).await;
    let first = [presentment(&sale, 100), presentment(&authorized, 101), presentment(&by_message, 102)];
    presented(&day, 2, &first).await;
    assert_eq!(moved(&day, before).await, [6_000, -4_000, -2_000, -2_000]);
    day.reverse_abroad(52, Kind::Purchase, 3_000, None).await;
    assert_eq!(moved(&day, before).await, [6_000, -7_000, 1_000, -2_000]);

    let back = |of: &Presentment, minor| Presentment { takes_back: true, amount: Minor(minor), ..of.clone() };
    let part = back(&first[0], 400);
    let came = presented(&day, 3, &[part.clone(), back(&first[1], 2_000), back(&first[2], 3_000), part]).await;
    assert_eq!(words(&came), [("withdrawn", -400), ("withdrawn", -2_000), ("withdrawn", -3_000), ("duplicate", 0)]);
    // 6.00 of the sale are left; the message had reversed the third
    assert_eq!(moved(&day, before).await, [600, -4_000, 3_400, -2_000]);
    let rest = Presentment { reference: presentment(&sale, 103).reference, ..back(&first[0], 600) };
    assert_eq!(words(&presented(&day, 4, &[rest]).await), [("withdrawn", -600)]);
    assert_eq!(moved(&day, before).await, [0, -4_000, 4_000, -2_000]);
    in_order(&day).await;
}

/// A host that is told, and whose answers are lost.
struct Killed<'a>(HostOfLanes<'a>);

impl PostingHost for Killed<'_> {
    async fn tell(&self, advices: &[(u32, ClearingAdvice)]) -> Result<(), HostLinkError> {
        self.0.tell(advices).await?;
        Err(HostLinkError::Closed)
    }
}

#[tokio::test]
async fn a_file_that_was_told_and_not_posted_is_posted_when_it_is_read_again() {
    let day = Day::of_trade().await;
    let authorized = day.abroad(50, Kind::PreAuthorization, 5_000).await;
    let refund =
        Presentment { processing: ProcessingCode::REFUND, amount: Minor(600), ..presentment(&authorized, 101) };
    let forced = Presentment {
        life_cycle: None,
        rrn: None,
        approval: None,
        amount: Minor(700),
        ..presentment(&authorized, 102)
    };
    let file = file_of(2, &[presentment(&authorized, 100), refund, forced]);
    let before = books(&day).await;
    let rows = day.number("SELECT count(*) FROM auth").await;
    // the refund shares a name with the sale: it is told when that is answered
    for captured in [5_700, 5_100] {
        let refused = day.present_to(&file, &Killed(day.host())).await.unwrap_err();
        assert!(matches!(refused, PresentError::Host(HostLinkError::Closed)), "{refused}");
        assert_eq!(moved(&day, before).await, [0, captured, -captured, -5_000], "captured, and not presented");
    }
    in_order(&day).await;
    let host = day.host();
    let read = day.present_to(&file, &host).await.unwrap();
    assert_eq!(*host.told.lock().unwrap(), Vec::<u32>::new(), "it has them already");
    let came = outcomes(&day, &read).await;
    assert_eq!(words(&came), [("captured", 5_000), ("credited", -600), ("forced", 700)]);
    assert_eq!(moved(&day, before).await, [5_100, 0, -5_100, -5_000]);
    assert_eq!(day.number("SELECT count(*) FROM auth").await, rows + 3);
    in_order(&day).await;
}
