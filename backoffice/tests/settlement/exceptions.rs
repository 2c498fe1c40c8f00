//! The list of exceptions on a real day: filled once from what there is, and worked off by people.

use std::collections::BTreeSet;
use std::path::Path;

use audit::Evidence;
use backoffice::exceptions::follow::{AskedSwitch, follow};
use backoffice::exceptions::item::{Item, Source};
use backoffice::exceptions::kind::KINDS;
use backoffice::exceptions::store::{self, Filter};
use backoffice::exceptions::switch::SwitchAdmin;
use host::authorize::Exception;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::child::folder;
use crate::scenario::Day;

async fn listed(day: &Day) -> Vec<Item> {
    let client = day.pool.get().await.unwrap();
    store::list(&client, &Filter::default(), 100).await.unwrap().0
}

async fn followed(day: &Day) -> Vec<Item> {
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
        "backoffice no-authorization 2200",
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
    let list = format!(r#"{{"dead_letter_count":3,"dead_letters":[{},{}]}}"#, letter(1), letter(2));
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
