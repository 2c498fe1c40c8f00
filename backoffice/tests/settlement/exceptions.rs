//! The list of exceptions on a real day: filled once from what there is, and worked off by people.

use std::collections::BTreeSet;
use std::path::Path;

use audit::Evidence;
use backoffice::exceptions::follow::{AskedSwitch, follow};
use backoffice::exceptions::item::{Item, Source, State};
use backoffice::exceptions::kind::{Act, KINDS};
use backoffice::exceptions::resolve::{ResolveError, Word, decide};
use backoffice::exceptions::store::{self, Filter};
use backoffice::exceptions::switch::SwitchAdmin;
use backoffice::operators;
use codecs::value::Currency;
use host::authorize::Exception;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::child::folder;
use crate::scenario::Day;

async fn listed(day: &Day) -> Vec<Item> {
    let client = day.pool.get().await.unwrap();
    store::list(&client, &Filter::default(), 100).await.unwrap().0
}

pub async fn followed(day: &Day) -> Vec<Item> {
    follow(&mut day.pool.get().await.unwrap(), None).await.unwrap();
    listed(day).await
}

fn in_short(items: &[Item]) -> Vec<String> {
    let short = |item: &Item| {
        let of = &item.of;
        format!("{} {} {}", of.source.as_str(), of.kind, of.amount_minor.unwrap_or_default())
    };
    items.iter().map(short).collect()
}

#[tokio::test]
async fn each_matter_is_listed_once_however_often_it_is_asked_for() {
    let day = Day::of_trade().await;
    let expected = [
        "host refund-unreferenced -500",
        "backoffice amount-differs 1101",
        "backoffice duplicate 1250",
        "backoffice not-presented -2200",
        "backoffice card-differs 2200",
    ];
    // four at once, and again
    let four: Vec<_> = (0..4).map(|_| followed(&day)).collect();
    futures::future::join_all(four).await;
    let items = followed(&day).await;
    assert_eq!(in_short(&items), expected);
    let refund = &items[0].of;
    assert_eq!(
        (refund.merchant.as_deref(), refund.terminal.as_deref(), refund.role.as_deref()),
        (Some("SWYD00000000001"), Some("T0000001"), Some("on-us"))
    );
    assert_eq!(day.number("SELECT count(*) FROM recorded_change WHERE subject = 'exception'").await, 5);
    assert_eq!(day.audit(&Evidence::default()).await.differences, 0);
}

async fn ask(day: &Day, socket: &Path) -> AskedSwitch {
    let admin = SwitchAdmin::Socket(socket.to_owned());
    follow(&mut day.pool.get().await.unwrap(), Some(&admin)).await.unwrap()
}

#[tokio::test]
async fn dead_letters_are_listed_and_a_switch_that_is_away_hides_nothing_else() {
    let day = Day::of_trade().await;
    let folder = folder("switch");
    let socket = folder.join("admin.sock");
    assert!(matches!(ask(&day, &socket).await, AskedSwitch::Failed(_)));
    assert_eq!(listed(&day).await.len(), 5, "the rest is listed");

    let listener = UnixListener::bind(&socket).unwrap();
    let letter = |id: u32| {
        format!(
            r#"{{"id":{id},"key":"terminals|T0000001|SWYD00000000001|00001{id}|101500|1120|2","age_ms":1000,"why":"refused"}}"#
        )
    };
    let list =
        format!(r#"{{"count": 0, "owed": [], "dead_letter_count":3,"dead_letters":[{},{}]}}"#, letter(1), letter(2));
    let switch = async move {
        for status in ["200 OK", "200 OK", "503 Service Unavailable"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 256];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /owed "));
            stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n{list}").as_bytes()).await.unwrap();
        }
    };
    let asked = async {
        assert!(matches!(ask(&day, &socket).await, AskedSwitch::Told { told: 2, of: 3 }));
        assert!(matches!(ask(&day, &socket).await, AskedSwitch::Told { .. }));
        assert!(matches!(ask(&day, &socket).await, AskedSwitch::Failed(_)));
    };
    futures::join!(switch, asked);
    let letters: Vec<_> = listed(&day).await.into_iter().filter(|item| item.of.source == Source::Switch).collect();
    assert_eq!(in_short(&letters), ["switch refused 0", "switch refused 0"]);
    assert_eq!(letters[0].of.terminal.as_deref(), Some("T0000001"));
    assert_eq!(day.audit(&Evidence::default()).await.differences, 0);
}

pub async fn said(day: &Day, uid: u32, number: i64, word: Word<'_>) -> Result<(State, bool), ResolveError> {
    let mut client = day.pool.get().await.unwrap();
    decide(&mut client, uid, number, word, Currency::EUR).await.map(|(item, changed)| (item.state, changed))
}

pub async fn operator(day: &Day, name: &str, uid: u32) -> bool {
    operators::add(&mut day.pool.get().await.unwrap(), name, uid).await.unwrap()
}

fn number_of(items: &[Item], kind: &str) -> i64 {
    items.iter().find(|item| item.of.kind == kind).unwrap().number
}

const PAY: Word<'_> = Word::Resolve { act: Act::Pay, reason: "the receipt says so" };
const RETURN: Word<'_> = Word::Resolve { act: Act::Return, reason: "not ours" };

/// Two operators pay one presentment and return another; the rest stays open.
pub async fn worked_off(day: &Day) {
    let items = followed(day).await;
    operator(day, "anna", 2001).await;
    operator(day, "ben", 2002).await;
    let differs = number_of(&items, "amount-differs");
    said(day, 2001, differs, PAY).await.unwrap();
    said(day, 2002, differs, Word::Approve).await.unwrap();
    said(day, 2001, number_of(&items, "duplicate"), RETURN).await.unwrap();
}

#[tokio::test]
async fn money_takes_two_people_and_is_posted_once() {
    let day = Day::of_trade().await;
    let items = followed(&day).await;
    let (differs, duplicate) = (number_of(&items, "amount-differs"), number_of(&items, "duplicate"));
    let told = |outcome: Result<(State, bool), ResolveError>| outcome.unwrap_err().to_string();
    assert!(told(said(&day, 2001, differs, PAY).await).contains("no operator"));
    assert!(operator(&day, "anna", 2001).await && operator(&day, "ben", 2002).await);
    assert!(!operator(&day, "ben", 2002).await, "it was so already");
    let taken = operators::add(&mut day.pool.get().await.unwrap(), "carl", 2001).await.unwrap_err();
    assert_eq!(taken.to_string(), "user 2001 is anna");

    assert!(told(said(&day, 2001, differs, Word::Resolve { act: Act::Pay, reason: " " }).await).contains("reason"));
    assert!(told(said(&day, 2001, duplicate, PAY).await).contains("not possible"));
    assert_eq!(said(&day, 2001, duplicate, RETURN).await.unwrap(), (State::Resolved, true));
    assert_eq!(said(&day, 2002, duplicate, RETURN).await.unwrap(), (State::Resolved, false), "decided already");

    assert_eq!(said(&day, 2001, differs, PAY).await.unwrap(), (State::Proposed, true));
    assert_eq!(said(&day, 2001, differs, PAY).await.unwrap(), (State::Proposed, false), "one person twice is one");
    assert!(told(said(&day, 2001, differs, Word::Approve).await).contains("anna proposed it"));
    assert!(told(said(&day, 2002, differs, RETURN).await).contains("anna proposed pay"));
    assert_eq!(said(&day, 2002, differs, Word::Withdraw).await.unwrap(), (State::Open, true));
    assert!(told(said(&day, 2002, differs, Word::Approve).await).contains("nothing was proposed"));
    assert_eq!(day.number("SELECT count(*) FROM settlement_posting WHERE posting LIKE 'exception/%'").await, 0);

    assert_eq!(said(&day, 2002, differs, PAY).await.unwrap(), (State::Proposed, true));
    // four approvals at once, two by saying the same
    let (a, b, c, d) = futures::join!(
        said(&day, 2001, differs, Word::Approve),
        said(&day, 2001, differs, PAY),
        said(&day, 2001, differs, Word::Approve),
        said(&day, 2001, differs, PAY)
    );
    let changed = [a, b, c, d].map(|outcome| outcome.unwrap().1);
    assert_eq!(changed.iter().filter(|changed| **changed).count(), 1);
    assert_eq!(day.balance("exceptions").await, [("510099".to_owned(), 1101)].into());
    assert_eq!(followed(&day).await.len(), 3, "what is resolved is off the list");
    day.check_books().await;
    let report = day.audit(&Evidence::default()).await;
    assert_eq!(report.differences, 0, "{report:#?}");
}

#[tokio::test]
async fn one_person_s_payment_is_found() {
    let day = Day::of_trade().await;
    worked_off(&day).await;
    let client = day.pool.get().await.unwrap();
    for (tampering, undone) in [
        (
            "UPDATE exception_item SET approved_by = 'carl' WHERE act = 'pay'",
            "UPDATE exception_item SET approved_by = 'ben' WHERE act = 'pay'",
        ),
        (
            "UPDATE exception_item SET act = 'pay' WHERE act = 'return'",
            "UPDATE exception_item SET act = 'return' WHERE kind = 'duplicate'",
        ),
        (
            "UPDATE exception_item SET amount_minor = amount_minor - 1 WHERE act = 'pay'",
            "UPDATE exception_item SET amount_minor = amount_minor + 1 WHERE act = 'pay'",
        ),
        (
            "UPDATE settlement_posting SET account_ref = '510098' WHERE account_kind = 'exceptions'",
            "UPDATE settlement_posting SET account_ref = '510099' WHERE account_kind = 'exceptions'",
        ),
        (
            "UPDATE exception_item SET kind = 'hold-ended' WHERE source = 'host'",
            "UPDATE exception_item SET kind = 'refund-unreferenced' WHERE source = 'host'",
        ),
    ] {
        client.batch_execute(tampering).await.unwrap();
        let report = day.audit(&Evidence::default()).await;
        assert!(!report.invariants["exceptions_are_worked_off"].holds, "{tampering}");
        client.batch_execute(undone).await.unwrap();
    }
    assert_eq!(day.audit(&Evidence::default()).await.differences, 0);
}

#[test]
fn every_word_of_host_and_matching_has_a_kind() {
    let words = |source| KINDS.iter().filter(move |kind| kind.source == source).map(|kind| kind.word);
    let host: BTreeSet<_> = Exception::ALL.iter().map(|exception| exception.as_str()).collect();
    assert_eq!(words(Source::Host).collect::<BTreeSet<_>>(), host);
}

/// docs/clearing-and-settlement.md has the kinds and their acts, in the same order and words.
#[test]
fn the_page_has_the_table_of_kinds() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/clearing-and-settlement.md"));
    let page = page.unwrap();
    let rows = page.lines().skip_while(|line| *line != "| source | kind | meaning | acts |").skip(2);
    let rows: Vec<&str> = rows.take_while(|line| line.starts_with('|')).collect();
    let expected: Vec<String> = KINDS
        .iter()
        .map(|kind| {
            let acts: Vec<_> = kind.acts.iter().map(|act| act.as_str()).collect();
            format!("| {} | `{}` | {} | {} |", kind.source.as_str(), kind.word, kind.meaning, acts.join(", "))
        })
        .collect();
    assert_eq!(rows, expected, "{}", expected.join("\n"));
}
