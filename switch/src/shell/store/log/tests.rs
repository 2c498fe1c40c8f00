use super::segment::MAGIC;
use super::*;
use crate::record::{DateStamp, Ended, Ending, Owed, Sent};
use proptest::prelude::*;

const LIMITS: Limits = limits(1 << 20);

const fn limits(segment_bytes: u64) -> Limits {
    Limits { segment_bytes, keep_segments: 1, reserve_bytes: 0 }
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let mut unique = [0; 8];
        getrandom::fill(&mut unique).expect("random bytes");
        let path = std::env::temp_dir().join(format!("switch-log-{name}-{:016x}", u64::from_be_bytes(unique)));
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    fn open(&self, limits: Limits) -> Result<(PendingLog, Vec<Record>), LogError> {
        PendingLog::open(&self.0, key(), limits).map(|(log, records)| (log, without_own(records)))
    }

    fn newest(&self) -> PathBuf {
        segment::files(&self.0).expect("readable").pop_back().expect("a segment").1
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn key() -> DataKey {
    DataKey::new([7; 32])
}

fn sent(request: u64) -> Record {
    Record::Sent(Sent {
        request,
        key: format!("terminals|T0000001|M|{request:06}|101112|1120"),
        class: 2,
        content: [1; 16],
        card: [2; 16],
        destination: "host".into(),
        sent_at_ms: 1,
        acquired: false,
        message: b"CANARY-CANARY-CANARY".to_vec(),
    })
}

fn ended(request: u64) -> Record {
    Record::Ended(Ended {
        request,
        ending: Ending::Approved,
        answer: vec![3; 40],
        life_cycle: String::new(),
        approval: String::new(),
        approved_minor: 5,
    })
}

fn owed(owed: u64) -> Record {
    Record::Owed(Owed {
        owed,
        destination: "host".into(),
        card: [2; 16],
        since_ms: 1,
        key: "k".into(),
        message: vec![9; 300],
    })
}

fn owed_late(number: u64) -> Record {
    match owed(number) {
        Record::Owed(owed) => Record::OwedLate { owed, code: *b"00" },
        other => other,
    }
}

fn fill(log: &mut PendingLog, records: &[Record]) {
    for record in records {
        log.append(record);
    }
    log.settle();
}

/// What the log tells of itself is left out.
fn without_own(records: Vec<Record>) -> Vec<Record> {
    records
        .into_iter()
        .filter(|record| !matches!(record, Record::SegmentWhole { .. } | Record::SegmentRepaired))
        .collect()
}

#[test]
fn what_was_written_is_read_again_and_stands_nowhere_in_clear() {
    let folder = Folder::new("roundtrip");
    let records = [sent(1), owed(2), ended(1), Record::Acknowledged { owed: 2 }];
    let (mut log, before) = folder.open(LIMITS).expect("a new log");
    assert!(before.is_empty());
    fill(&mut log, &records);
    drop(log);
    let bytes = std::fs::read(folder.newest()).expect("the segment");
    assert!(!bytes.windows(6).any(|w| w == b"CANARY" || w == b"termin"));
    let (_, read) = folder.open(LIMITS).expect("the log");
    assert_eq!(read, records);
}

#[test]
fn a_tail_torn_anywhere_loses_only_the_torn_record() {
    let folder = Folder::new("torn");
    let (mut log, _) = folder.open(LIMITS).expect("a new log");
    fill(&mut log, &[sent(1)]);
    let first_end = log.current.written;
    fill(&mut log, &[owed(2)]);
    drop(log);
    let path = folder.newest();
    let whole = std::fs::read(&path).expect("the segment");
    for cut in first_end as usize..whole.len() {
        let torn = Folder::new("torn-copy");
        std::fs::write(torn.0.join(path.file_name().expect("a name")), &whole[..cut]).expect("a copy");
        let (log, read) = torn.open(LIMITS).expect("a torn tail is no error");
        assert_eq!(read, [sent(1)], "cut at {cut}");
        drop(log);
        let (_, again) = torn.open(LIMITS).expect("the tail was cut off, so it is none in an older segment");
        assert_eq!(again, [sent(1)]);
    }
}

#[test]
fn a_header_that_was_never_finished_is_no_error() {
    let folder = Folder::new("header");
    std::fs::write(folder.0.join("000000000001.pending"), b"SWY").expect("a stub");
    let (_, read) = folder.open(LIMITS).expect("nothing was promised in it");
    assert!(read.is_empty());
}

#[test]
fn damage_before_the_end_is_refused_with_the_place() {
    let folder = Folder::new("damage");
    let (mut log, _) = folder.open(LIMITS).expect("a new log");
    fill(&mut log, &[sent(1), owed(2)]);
    let path = log.current.path.clone();
    drop(log);
    drop(folder.open(LIMITS).expect("clean"));
    let mut bytes = std::fs::read(&path).expect("the segment");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).expect("a flipped bit");
    assert!(matches!(folder.open(LIMITS), Err(LogError::Damaged { .. })));
}

#[test]
fn another_data_key_is_refused() {
    let folder = Folder::new("key");
    let (mut log, _) = folder.open(LIMITS).expect("a new log");
    fill(&mut log, &[sent(1)]);
    drop(log);
    let other = PendingLog::open(&folder.0, DataKey::new([8; 32]), LIMITS);
    assert!(matches!(other, Err(LogError::OtherKey(_))), "{other:?}");
}

#[test]
fn a_log_of_the_first_version_is_read() {
    let folder = Folder::new("version-1");
    let records = [sent(1), owed(2), ended(1)];
    let (mut log, _) = folder.open(LIMITS).expect("a new log");
    fill(&mut log, &records);
    let path = log.current.path.clone();
    drop(log);
    let mut bytes = std::fs::read(&path).expect("the segment");
    bytes[MAGIC.len()] = b'1';
    std::fs::write(&path, bytes).expect("the header of version 1, whose records these are");
    let (_, read) = folder.open(LIMITS).expect("the log");
    assert_eq!(read, records);
}

#[test]
fn what_a_later_version_wrote_is_refused_and_kept() {
    let folder = Folder::new("version-5");
    let (mut log, _) = folder.open(LIMITS).expect("a new log");
    fill(&mut log, &[owed(1)]);
    let path = log.current.path.clone();
    drop(log);
    let mut bytes = std::fs::read(&path).expect("the segment");
    bytes[MAGIC.len()] = b'5';
    std::fs::write(&path, &bytes).expect("another header");
    assert!(matches!(folder.open(LIMITS), Err(LogError::OtherVersion { version: '5', .. })));
    assert_eq!(std::fs::read(&path).expect("still there"), bytes);
}

#[test]
fn a_record_of_an_unknown_kind_is_refused_and_not_taken_for_a_torn_one() {
    let folder = Folder::new("kind");
    let (mut log, _) = folder.open(LIMITS).expect("a new log");
    fill(&mut log, &[owed(1)]);
    // sealed like every record, of a kind that does not exist
    let mut unknown = vec![0x7F, 1, 2, 3];
    log.current.seal.seal(log.current.written, &mut unknown);
    log.buffer.extend_from_slice(&(unknown.len() as u32).to_be_bytes());
    log.buffer.extend_from_slice(&unknown);
    log.write().expect("room on the disk");
    let path = log.current.path.clone();
    drop(log);
    let before = std::fs::read(&path).expect("the segment");
    assert!(matches!(folder.open(LIMITS), Err(LogError::UnknownRecord { .. })));
    assert_eq!(std::fs::read(&path).expect("still there"), before);
}

#[test]
fn a_late_outcome_outlives_the_segments_of_what_is_owed() {
    let folder = Folder::new("late");
    let small = limits(4_000);
    let (mut log, _) = folder.open(small).expect("a new log");
    fill(&mut log, &[owed(1), owed_late(1)]);
    for request in 10..200 {
        fill(&mut log, &[sent(request), ended(request)]);
    }
    drop(log);
    let (_, read) = folder.open(small).expect("the log");
    let of_it: Vec<_> = read.into_iter().filter(|r| matches!(r, Record::Owed(_) | Record::OwedLate { .. })).collect();
    assert_eq!(of_it.last(), Some(&owed_late(1)), "the outcome is what is read last: {of_it:?}");
}

#[test]
fn open_things_outlive_their_segment_and_closed_ones_do_not() {
    let folder = Folder::new("carry");
    let small = limits(4_000);
    let (mut log, _) = folder.open(small).expect("a new log");
    let date = Record::BusinessDate(DateStamp { year: 2026, month: 11, day: 20, acknowledged: true });
    fill(&mut log, &[date.clone(), owed(1), sent(2), ended(2)]);
    for request in 10..200 {
        fill(&mut log, &[sent(request), ended(request)]);
    }
    drop(log);
    assert!(segment::files(&folder.0).expect("readable").len() <= 3);
    let (_, read) = folder.open(small).expect("the log");
    assert!(read.contains(&date));
    assert_eq!(read.iter().filter(|r| **r == owed(1)).count(), 1, "still owed, hence still there");
    assert!(!read.contains(&sent(2)), "ended long ago, hence gone");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Over any number of segments and restarts: the requests and messages that are open at the end are read again.
    #[test]
    fn nothing_open_is_ever_lost(steps in proptest::collection::vec((0u8..4, 0u64..40), 1..150)) {
        let folder = Folder::new("prop");
        let small = limits(3_000);
        let (mut log, _) = folder.open(small).expect("a new log");
        let mut open = std::collections::BTreeSet::new();
        for (kind, id) in steps {
            match kind {
                0 | 1 => { fill(&mut log, &[owed(id)]); open.insert(id); }
                2 => { fill(&mut log, &[Record::Acknowledged { owed: id }]); open.remove(&id); }
                _ => { drop(log); log = folder.open(small).expect("reopens").0; }
            }
        }
        drop(log);
        let (_, read) = folder.open(small).expect("reopens");
        let mut found = std::collections::BTreeSet::new();
        for record in read {
            match record {
                Record::Owed(owed) => _ = found.insert(owed.owed),
                Record::Acknowledged { owed } => _ = found.remove(&owed),
                _ => {}
            }
        }
        prop_assert_eq!(found, open);
    }
}

/// Otherwise it would be sent again after the restart that follows.
#[test]
fn a_dead_letter_outlives_the_segment_of_its_message() {
    let folder = Folder::new("dead-letter");
    let small = limits(2_000);
    let (mut log, _) = folder.open(small).expect("a new log");
    let Record::Owed(message) = owed(1) else { panic!("a message") };
    let dead = Record::DeadLetter { owed: message, why: 1 };
    fill(&mut log, &[owed(1)]);
    for request in 1..50 {
        fill(&mut log, &[sent(request), ended(request)]);
        if request == 20 {
            fill(&mut log, std::slice::from_ref(&dead));
        }
    }
    drop(log);
    let (_, read) = folder.open(small).expect("the log");
    let of_message = |record: &&Record| matches!(record, Record::Owed(_) | Record::DeadLetter { .. });
    assert_eq!(read.iter().filter(of_message).collect::<Vec<_>>(), [&dead]);
}

/// A segment is not waited for when it is closed: the next one may be on the disk after a power failure, and its end not.
#[test]
fn a_tail_that_was_never_synced_is_cut_off_though_newer_segments_follow() {
    for synced in [false, true] {
        let folder = Folder::new("unsynced");
        let (mut log, _) = folder.open(limits(3_000)).expect("a new log");
        let first = log.current.path.clone();
        for request in 1.. {
            fill(&mut log, &[sent(request), ended(request)]);
            if log.current.path != first {
                break;
            }
        }
        if synced {
            log.sync_now().expect("a disk");
            fill(&mut log, &[sent(1000)]);
        }
        drop(log);
        let whole = std::fs::metadata(&first).expect("a segment").len();
        let file = std::fs::OpenOptions::new().write(true).open(&first).expect("a segment");
        file.set_len(whole - 10).expect("writable");
        match (synced, folder.open(LIMITS)) {
            (false, Ok((_, read))) => assert!(read.len() > 2),
            (true, Err(LogError::Damaged { .. })) => {}
            (_, other) => panic!("synced {synced}: {:?}", other.map(|(_, read)| read)),
        }
    }
}

/// As a power failure may leave a segment of which nothing was synced yet.
#[test]
fn a_segment_of_zeros_behind_others_is_no_sign_of_another_key() {
    let folder = Folder::new("zeros");
    let (mut log, _) = folder.open(LIMITS).expect("a new log");
    fill(&mut log, &[sent(1)]);
    drop(log);
    let (log, _) = folder.open(LIMITS).expect("the log");
    let second = log.current.path.clone();
    drop(log);
    let mut bytes = std::fs::read(&second).expect("a segment");
    bytes.truncate(segment::HEADER_BYTES);
    bytes.resize(segment::HEADER_BYTES + 200_000, 0);
    std::fs::write(&second, bytes).expect("writable");
    let (_, read) = folder.open(LIMITS).expect("nothing relied on it");
    assert_eq!(read, [sent(1)]);
}

/// Cut where a record ends it reads clean, and is not what it was.
#[test]
fn a_segment_that_is_shorter_than_it_was_is_damaged() {
    let folder = Folder::new("shorter");
    let (mut log, _) = folder.open(LIMITS).expect("a new log");
    fill(&mut log, &[sent(1)]);
    let (path, first) = (log.current.path.clone(), log.current.written);
    fill(&mut log, &[owed(2)]);
    drop(log);
    drop(folder.open(LIMITS).expect("the log"));
    for length in [first, segment::HEADER_BYTES as u64] {
        let file = std::fs::OpenOptions::new().write(true).open(&path).expect("a segment");
        file.set_len(length).expect("writable");
        assert!(matches!(folder.open(LIMITS), Err(LogError::Damaged { at, .. }) if at == length));
    }
    let repaired = repair(&folder.0, &key()).expect("readable");
    assert_eq!(repaired.len(), 1, "{repaired:?}");
    let (_, read) = folder.open(LIMITS).expect("repaired");
    assert_eq!(read, [], "nothing was left of it");
}

/// As kill -9, a start, and a power failure soon after it: what the first process left was in the page cache only.
#[test]
fn what_a_killed_process_left_is_on_the_disk_before_the_next_goes_on() {
    let folder = Folder::new("killed");
    let (mut log, _) = folder.open(LIMITS).expect("a new log");
    fill(&mut log, &[sent(1), owed(2)]);
    drop(log);
    let (log, _) = folder.open(LIMITS).expect("the log");
    drop(log);
    let (_, read) = PendingLog::open(&folder.0, key(), LIMITS).expect("the log");
    let whole = |record: &Record| matches!(record, Record::SegmentWhole { segment: 1, .. });
    assert!(read.iter().any(whole), "it says so: {read:?}");
}

#[test]
fn a_damaged_log_is_repaired_and_what_is_lost_is_told() {
    let folder = Folder::new("repair");
    let (mut log, _) = folder.open(LIMITS).expect("a new log");
    let path = log.current.path.clone();
    fill(&mut log, &[sent(1)]);
    let from = log.current.written;
    fill(&mut log, &[owed(2)]);
    let to = log.current.written;
    fill(&mut log, &[owed(3), sent(4)]);
    drop(log);
    let (mut log, _) = folder.open(LIMITS).expect("the log");
    fill(&mut log, &[sent(5)]);
    drop(log);
    assert_eq!(repair(&folder.0, &key()).expect("readable"), [], "there is nothing to repair");
    let mut bytes = std::fs::read(&path).expect("the segment");
    bytes[from as usize + 40] ^= 1;
    std::fs::write(&path, bytes).expect("a flipped bit");
    let Err(LogError::Damaged { at, .. }) = folder.open(LIMITS) else { panic!("it is damaged") };
    assert_eq!(at, from);
    let repaired = repair(&folder.0, &key()).expect("readable");
    let kept_as = path.with_extension("damaged");
    let lost_between_ms = (Some(1), Some(1));
    assert_eq!(
        repaired,
        [Repaired {
            kept_as: kept_as.clone(),
            records_kept: 3,
            unreadable: vec![Unreadable { from, to }],
            lost_between_ms
        }]
    );
    assert!(kept_as.exists());
    let (_, read) = folder.open(LIMITS).expect("repaired");
    assert_eq!(read, [sent(1), owed(3), sent(4), sent(5)]);
    assert!(matches!(repair(&folder.0, &DataKey::new([8; 32])), Err(LogError::OtherKey(_))));
}

/// With many open messages each new segment would be full of old ones, if all were kept in so few.
#[test]
fn what_is_open_is_not_copied_over_and_over() {
    let folder = Folder::new("many-open");
    let small = limits(10_000);
    let (mut log, _) = folder.open(small).expect("a new log");
    for number in 1..=1000 {
        fill(&mut log, &[owed(number)]);
    }
    let before = log.current.number;
    for request in 1..=500 {
        fill(&mut log, &[sent(request), ended(request)]);
    }
    let new = log.current.number - before;
    let own = 500 * 300 / 10_000;
    assert!(new <= 2 * own, "{new} segments for what fills {own}");
    drop(log);
    let (_, read) = folder.open(small).expect("the log");
    let owed: HashSet<u64> =
        read.iter().filter_map(|r| if let Record::Owed(owed) = r { Some(owed.owed) } else { None }).collect();
    assert_eq!(owed.len(), 1000);
}
