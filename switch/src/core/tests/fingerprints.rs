//! What is forgotten in memory is known again from its fingerprint.
#![expect(clippy::print_stderr, reason = "figures of a busy day")]

use super::*;
use crate::fingerprint::{Entry, Fingerprint, Hour, HourFilter, Kept, Named, NotRead, Question, References, RrnMark};
use crate::shell::store::Fingerprints;
use std::collections::BTreeMap;

/// The fingerprints' files, played by the test.
#[derive(Debug, Default)]
pub struct KeptInMemory {
    entries: Vec<Entry>,
    pub cannot_be_read: bool,
    pub asked: u32,
    /// The real files, in place of the list.
    pub files: Option<Fingerprints>,
}

impl KeptInMemory {
    pub fn keep(&mut self, kept: Kept) {
        if let Some(files) = &mut self.files {
            let kept = match kept {
                Kept::New(entry) => files.add(&entry),
                Kept::Changed(entry) => files.set(&entry),
            };
            return kept.expect("room on the disk");
        }
        // a row as it would be in a file
        let mut entry = kept.entry().clone();
        let row = entry.fingerprint.to_row();
        entry.fingerprint = Fingerprint::from_row(&row, entry.hour()).expect("it was written");
        let same = |other: &Entry| other.fingerprint.identity == entry.fingerprint.identity;
        match kept {
            Kept::Changed(_) if self.entries.iter().any(same) => {
                self.entries.iter_mut().filter(|other| same(other)).for_each(|other| *other = entry.clone());
            }
            _ => self.entries.push(entry),
        }
    }

    pub fn find(&mut self, question: &Question) -> Result<Vec<Fingerprint>, NotRead> {
        self.asked += 1;
        if self.cannot_be_read {
            return Err(NotRead);
        }
        if let Some(files) = &mut self.files {
            return files.find(question).map_err(|_| NotRead);
        }
        let by_stan = |entry: &Entry| {
            question.stan_references().any(|stan| stan == entry.references.stan)
                && question.fits_by_stan(&entry.fingerprint)
        };
        let by_rrn = |entry: &Entry| {
            question.rrn.is_some_and(|(rrn, _)| Some(rrn) == entry.references.rrn)
                && question.fits_by_rrn(&entry.fingerprint)
        };
        let found = self.entries.iter().rev().filter(|entry| by_stan(entry) || by_rrn(entry));
        Ok(found.map(|entry| entry.fingerprint.clone()).collect())
    }

    pub fn forget_to(&mut self, hour: Hour) {
        self.entries.retain(|entry| entry.hour() > hour);
    }

    pub fn filter(&self) -> Filter {
        let mut hours: BTreeMap<Hour, HourFilter> = BTreeMap::new();
        for entry in &self.entries {
            let hour = hours.entry(entry.hour()).or_insert_with(|| HourFilter::with_room(1000));
            hour.insert(entry.fingerprint.identity);
        }
        let mut filter = Filter::default();
        hours.into_iter().for_each(|(hour, of_hour)| filter.add_hour(hour, of_hour));
        filter
    }
}

/// A switch that remembers five requests.
fn forgetful() -> World {
    let mut config = config();
    config.recent.max_entries = 5;
    World::all_up(config)
}

/// Five other requests, half a day later: what was before is forgotten in memory, and with a restart in the pending log.
fn half_a_day_later(mut world: World, restart: bool) -> World {
    world.now.wall_ms += 12 * 3_600_000;
    let first = 700 + world.fingerprints.entries.len() as u32;
    for stan in first..first + 5 {
        let mut other = acquirer_request(b"0200", stan, 100);
        other.put::<de::Rrn>(Rrn::new(&format!("632422000{stan}")).expect("twelve"));
        world.acquirer_sends(other);
        let up = world.next_business(HOST);
        world.host_answers(&up, ResponseCode::APPROVED);
        world.next_answer();
    }
    if restart {
        world.journal.retain(|record| matches!(record, Record::BusinessDate(_)));
        world = world.restart();
    }
    world.sent.values_mut().for_each(VecDeque::clear);
    world
}

/// Foreign purchases at our terminal and own ones at the acquirer are approved.
fn approved(world: &mut World, acquired: bool) -> Message {
    if acquired {
        world.terminal_sends(terminal_request(b"0200", 500, FOREIGN_CARD, 700));
        let up = world.next_business(ISSUER);
        world.issuer_answers(&up, 0);
        let advice = world.next_business(HOST);
        world.answer_from(HOST, HOST_LINE, host_answer(&advice, ResponseCode::APPROVED));
        up
    } else {
        world.acquirer_sends(acquirer_request(b"0200", 500, 700));
        let up = world.next_business(HOST);
        world.host_answers(&up, ResponseCode::APPROVED);
        up
    }
}

fn repeat(world: &mut World, acquired: bool, minor: i64) {
    if acquired {
        world.terminal_sends(terminal_request(b"0200", 500, FOREIGN_CARD, minor));
    } else {
        world.acquirer_sends(acquirer_request(b"0201", 500, minor));
    }
}

#[test]
fn a_repeat_of_half_a_day_ago_gets_the_outcome_of_its_original_and_nothing_is_sent() {
    for (acquired, restart) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut world = forgetful();
        approved(&mut world, acquired);
        let first = world.next_answer();
        let mut world = half_a_day_later(world, restart);
        repeat(&mut world, acquired, 700);
        let again = world.next_answer();
        for element in [de::ResponseCode::NUMBER, de::ApprovalCode::NUMBER, de::Rrn::NUMBER, de::Amount::NUMBER] {
            let read = |message: &Message| message.field(element).map(|field| field.content().into_owned());
            assert_eq!(read(&again), read(&first), "DE{element}, acquired {acquired}, restart {restart}");
        }
        repeat(&mut world, acquired, 800);
        assert_eq!(world.answer_code(), ResponseCode::DUPLICATE, "another amount");
        assert!(world.nothing_sent(HOST) && world.nothing_sent(ISSUER));
    }
}

#[test]
fn a_decline_and_a_time_out_of_half_a_day_ago_are_told_again() {
    for (ends, code) in [(true, *b"51"), (false, *b"91")] {
        let mut world = forgetful();
        world.acquirer_sends(acquirer_request(b"0200", 500, 700));
        let up = world.next_business(HOST);
        if ends {
            world.host_answers(&up, ResponseCode(code));
        } else {
            world.pass(Duration::from_secs(6));
            let reversal = world.next_business(HOST);
            world.answer_from(HOST, HOST_LINE, host_answer(&reversal, ResponseCode::APPROVED));
        }
        assert_eq!(world.answer_code(), ResponseCode(code));
        let mut world = half_a_day_later(world, true);
        repeat(&mut world, false, 700);
        assert_eq!(world.answer_code(), ResponseCode(code));
        assert!(world.nothing_sent(HOST));
    }
}

#[test]
fn a_reversal_of_half_a_day_ago_reaches_issuer_and_host() {
    for restart in [false, true] {
        let mut world = forgetful();
        let up = approved(&mut world, true);
        let mut world = half_a_day_later(world, restart);
        world.answers.clear();
        world.terminal_sends(terminal_reversal(500, 700));
        assert_eq!(world.answer_code(), ResponseCode::APPROVED);
        let at_host = world.next_business(HOST);
        assert_eq!(at_host.mti().as_str(), "0420");
        let key = "terminals|T0000001|SWYD00000000001|000500|111112|1120|2";
        assert_eq!(text::<de::ReferredKey>(&at_host), key, "the host finds its row by the key");
        assert_eq!(text::<de::AuthorizedBy>(&at_host), "Aissuer-510051");
        let at_issuer = world.next_business(ISSUER);
        assert_eq!(at_issuer.mti().as_str(), "1420");
        let original = format!("1200{}26112011111206400012", up.require::<de::Stan>().expect("sent with one"));
        assert_eq!(text::<de::OriginalData93>(&at_issuer), original);
        for message in [at_host, at_issuer] {
            assert_eq!(message.require::<de::Amount>(), Ok(Minor(700)));
        }
        // it is known as reversed from now on, over restarts too
        let mut world = half_a_day_later(world, true);
        repeat(&mut world, true, 700);
        assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE);
    }
}

#[test]
fn a_reversal_that_names_its_original_only_in_de90_or_by_reference_finds_it() {
    type Change = fn(&mut Builder);
    let changes: [(&str, Change); 3] = [
        ("own local time", |m| _ = m.put::<de::LocalTime>(time(12, 0, 0))),
        ("no DE90", |m| _ = m.remove::<de::OriginalData>().put::<de::LocalTime>(time(12, 0, 0))),
        ("another amount", |m| _ = m.put::<de::Amount>(Minor(800))),
    ];
    for (name, change) in changes {
        let mut world = forgetful();
        let up = approved(&mut world, false);
        let mut world = half_a_day_later(world, true);
        let mut reversal = acquirer_reversal(b"0420", 501, 500, 700);
        change(&mut reversal);
        world.acquirer_sends(reversal);
        assert_eq!(world.answer_code(), ResponseCode::APPROVED);
        let sent = world.next_business(HOST);
        assert_eq!(text::<de::OriginatorKey>(&sent), named(&up), "{name}");
        let original = sent.require::<de::OriginalData>().expect("it names its original");
        assert_eq!(original.stan, up.require::<de::Stan>().expect("sent with one"), "{name}");
        let repeated = acquirer_request(b"0201", 500, 700);
        world.acquirer_sends(repeated);
        let code = if name == "another amount" { ResponseCode::APPROVED } else { ResponseCode::ISSUER_INOPERATIVE };
        assert_eq!(world.answer_code(), code, "{name}");
    }
}

#[test]
fn a_completion_of_half_a_day_ago_names_its_authorization() {
    let mut world = forgetful();
    world.acquirer_sends(acquirer_request(b"0100", 500, 700));
    let up = world.next_business(HOST);
    world.host_answers(&up, ResponseCode::APPROVED);
    let mut world = half_a_day_later(world, true);
    world.answers.clear();
    let mut completion = acquirer_request(b"0220", 501, 650);
    completion.put::<de::LocalTime>(time(20, 0, 0));
    world.acquirer_sends(completion);
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    let sent = world.next_business(HOST);
    assert_eq!(text::<de::ReferredKey>(&sent), named(&up));
}

#[test]
fn nothing_is_asked_about_new_requests() {
    let mut world = forgetful();
    for stan in 1..=200 {
        world.acquirer_sends(acquirer_request(b"0200", stan, 100));
        let up = world.next_business(HOST);
        world.host_answers(&up, ResponseCode::APPROVED);
        assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    }
    assert!(world.fingerprints.asked <= 2, "{} of 200", world.fingerprints.asked);
}

#[test]
fn what_cannot_be_looked_up_is_not_taken_for_new() {
    let mut world = forgetful();
    approved(&mut world, false);
    let mut world = half_a_day_later(world, false);
    world.answers.clear();
    world.fingerprints.cannot_be_read = true;
    repeat(&mut world, false, 700);
    assert_eq!(world.answer_code(), ResponseCode::SYSTEM_MALFUNCTION);
    world.acquirer_sends(acquirer_reversal(b"0420", 501, 500, 700));
    assert!(world.answers.is_empty(), "its sender repeats it");
    assert!(world.nothing_sent(HOST));
    assert_eq!(world.core.under_way(), 0);
}

#[test]
fn fingerprints_are_forgotten_after_a_day_or_when_there_are_too_many() {
    let mut world = forgetful();
    approved(&mut world, false);
    let mut world = half_a_day_later(world, false);
    assert_eq!(world.fingerprints.entries.len(), 6);
    world.now.wall_ms += 14 * 3_600_000;
    world.pass(Duration::from_secs(31));
    assert_eq!(world.fingerprints.entries.len(), 5);
    world.core.config.recent.max_fingerprints = 4;
    let config = world.core.config.clone();
    let mut world = World::at(world.now, config, Vec::new(), world.fingerprints);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.fingerprints.entries.len(), 0, "an hour at a time");
}

/// A day of requests in the real files, with a purchase among them that is repeated and one that is reversed half a day
/// later, before a restart and after it. `SWITCHYARD_REQUESTS_A_SECOND=1000` in a release build plays a busy day and prints
/// what it costs.
#[test]
fn a_whole_day_is_recognized_from_the_real_files() {
    #[expect(clippy::disallowed_methods, reason = "a switch of the test")]
    let a_second = std::env::var("SWITCHYARD_REQUESTS_A_SECOND").ok().map(|text| text.parse().expect("a number"));
    let folder = std::env::temp_dir().join(format!("switch-day-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let mut world = forgetful();
    world.fingerprints.files = Some(Fingerprints::open(&folder).expect("a new folder").0);
    let started = clock();
    let rss_before = resident_mib();
    // ten hours, the purchases, twelve hours, and what half a day later makes of them
    let mut day = Filler { a_second: a_second.unwrap_or(1), count: 0 };
    day.hours(&mut world, 10);
    let up = approved(&mut world, true);
    let first = world.next_answer();
    let second = bought_again(&mut world);
    day.hours(&mut world, 12);
    let (filled, rss) = (started.elapsed(), resident_mib() - rss_before);
    let bytes = world.fingerprints.files.as_ref().expect("the files").bytes();
    check_day(&mut world, &first, &up);
    world.fingerprints.files = None;
    let started = clock();
    let (files, known) = Fingerprints::open(&folder).expect("the folder");
    let opened = started.elapsed();
    assert_eq!(known.len() as u64, day.count + 2 + 5);
    let mut world = World::started(world.now, world.core.config.clone(), Vec::new(), KeptInMemory::default(), known);
    world.fingerprints.files = Some(files);
    world.connect(HOST, HOST_LINE);
    world.connect(ISSUER, ISSUER_LINE);
    let started = clock();
    world.answers.clear();
    world.terminal_sends(terminal_request(b"0200", 500, FOREIGN_CARD, 700));
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE, "it was reversed before the restart");
    world.terminal_sends(terminal_request(b"0200", 501, FOREIGN_CARD, 900));
    assert_eq!(text::<de::ApprovalCode>(&world.next_answer()), text::<de::ApprovalCode>(&second));
    world.terminal_sends(terminal_reversal(501, 900));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    assert_eq!(world.next_business(ISSUER).mti().as_str(), "1420");
    assert_eq!(world.next_business(HOST).mti().as_str(), "0420");
    if a_second.is_some() {
        let (each, count) = (bytes as f64 / day.count as f64, day.count);
        eprintln!("{count} requests kept in {filled:?}: {each:.1} bytes each on the disk, {rss} MiB more resident");
        eprintln!("opened after the restart in {opened:?}; two repeats and a reversal in {:?}", started.elapsed());
    }
    let _ = std::fs::remove_dir_all(folder);
}

fn bought_again(world: &mut World) -> Message {
    world.terminal_sends(terminal_request(b"0200", 501, FOREIGN_CARD, 900));
    let up = world.next_business(ISSUER);
    world.issuer_answers(&up, 0);
    let advice = world.next_business(HOST);
    world.answer_from(HOST, HOST_LINE, host_answer(&advice, ResponseCode::APPROVED));
    world.next_answer()
}

/// The first purchase is repeated and then reversed, half a day later and five requests after it.
fn check_day(world: &mut World, first: &Message, up: &Message) {
    for stan in 700..705 {
        world.acquirer_sends(acquirer_request(b"0200", stan, 100));
        let up = world.next_business(HOST);
        world.host_answers(&up, ResponseCode::APPROVED);
        world.next_answer();
    }
    world.sent.values_mut().for_each(VecDeque::clear);
    world.terminal_sends(terminal_request(b"0200", 500, FOREIGN_CARD, 700));
    let again = world.next_answer();
    assert_eq!(text::<de::ApprovalCode>(&again), text::<de::ApprovalCode>(first));
    assert!(world.nothing_sent(ISSUER) && world.nothing_sent(HOST));
    world.terminal_sends(terminal_reversal(500, 700));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    let stan = up.require::<de::Stan>().expect("sent with one");
    let reversal = world.next_business(ISSUER);
    assert_eq!(text::<de::OriginalData93>(&reversal), format!("1200{stan}26112011111206400012"));
    let host = world.next_business(HOST);
    world.answer_from(HOST, HOST_LINE, host_answer(&host, ResponseCode::APPROVED));
    world.fingerprints.files.as_mut().expect("the files").settle(Hour::of(world.now.wall_ms)).expect("room");
}

/// Requests of others, put into the files and the filter as the core does.
struct Filler {
    a_second: u64,
    count: u64,
}

impl Filler {
    fn hours(&mut self, world: &mut World, hours: u64) {
        for _ in 0..hours {
            for n in 0..3600 * self.a_second {
                let at_ms = world.now.wall_ms + (n / self.a_second) as i64 * 1000;
                let entry = self.entry(at_ms);
                world.core.parts.recents.known_mut().insert(entry.hour(), entry.fingerprint.identity);
                world.fingerprints.keep(Kept::New(entry));
                if n % 256 == 0 {
                    let files = world.fingerprints.files.as_mut().expect("the files");
                    files.flush().map_err(|(error, _)| error).expect("room on the disk");
                }
            }
            world.now.wall_ms += 3_600_000;
            let files = world.fingerprints.files.as_mut().expect("the files");
            files.settle(Hour::of(world.now.wall_ms)).expect("room on the disk");
        }
    }

    fn entry(&mut self, at_ms: i64) -> Entry {
        self.count += 1;
        let hash = self.count.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let rrn = RrnMark::Number(self.count % 1_000_000_000_000);
        let fingerprint = Fingerprint {
            identity: Named(hash >> 24 | 1),
            class: KeyClass::Financial,
            advice: false,
            stan: Stan((self.count % 1_000_000) as u32),
            local: None,
            transmitted: None,
            rrn: Some(rrn),
            content: [1; 5],
            card: [2; 5],
            at_ms,
            destination: 7,
            acquired: false,
            sent_stan: Stan((self.count % 1_000_000) as u32),
            ending: crate::record::Ending::Approved,
            reversed: false,
            code: ResponseCode::APPROVED,
            approval: ApprovalCode::new("A1B2C3"),
            approved: Minor(700),
        };
        let references = References { stan: (hash >> 32) as u32, rrn: Some((hash >> 8) as u32) };
        Entry { fingerprint, references }
    }
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has this line");
    line.split_whitespace().nth(1).expect("a figure").parse::<u64>().expect("in kB") / 1024
}

fn clock() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "this measures time")]
    Instant::now()
}
