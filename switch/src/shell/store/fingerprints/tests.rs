use super::*;
use crate::fingerprint::{Named, References, RrnMark};
use crate::record::Ending;
use codecs::originator::KeyClass;
use codecs::value::{ApprovalCode, Minor, ResponseCode, Stan};
use std::os::unix::fs::FileExt;

/// 2026-11-20 10:00:00 UTC.
const START: i64 = 1_795_168_800_000;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("switch-fingerprints-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn entry(number: u32, at_ms: i64) -> Entry {
    let hash = (number + 1).wrapping_mul(0x9E37_79B1);
    let fingerprint = Fingerprint {
        identity: Named(u64::from(hash) << 8 | 1),
        class: KeyClass::Financial,
        advice: false,
        stan: Stan(number % 1_000_000),
        local: None,
        transmitted: None,
        rrn: Some(RrnMark::Number(600_000_000_000 + u64::from(number))),
        content: [1; 5],
        card: [2; 5],
        at_ms,
        destination: 7,
        acquired: false,
        sent_stan: Stan(number % 1_000_000),
        ending: Ending::Approved,
        reversed: false,
        code: ResponseCode::APPROVED,
        approval: ApprovalCode::new("A1B2C3"),
        approved: Minor(700),
    };
    Entry { fingerprint, references: References { stan: hash, rrn: Some(hash.rotate_left(7)) } }
}

fn by_key(entry: &Entry) -> Question {
    let key = Some((entry.references.stan, entry.fingerprint.stan));
    Question { identities: vec![entry.fingerprint.identity], key, ..Question::default() }
}

fn by_rrn(entry: &Entry) -> Question {
    Question { rrn: entry.references.rrn.zip(entry.fingerprint.rrn), ..Question::default() }
}

fn by_stan(entry: &Entry) -> Question {
    Question { stan: Some((entry.references.stan, entry.fingerprint.stan, None)), ..Question::default() }
}

/// Every entry is found in each way, and only itself.
fn all_are_found(files: &mut Fingerprints, entries: &[Entry]) {
    for entry in entries {
        for question in [by_key(entry), by_rrn(entry), by_stan(entry)] {
            assert_eq!(
                files.find(&question).expect("readable"),
                std::slice::from_ref(&entry.fingerprint),
                "{question:?}"
            );
        }
    }
    let other = entry(999_999, START);
    for question in [by_key(&other), by_rrn(&other), by_stan(&other)] {
        assert_eq!(files.find(&question).expect("readable"), []);
    }
}

/// Three hours of 1,000 each, 1,000 of which were never flushed.
fn three_hours(files: &mut Fingerprints) -> Vec<Entry> {
    let entries: Vec<_> = (0..3000).map(|n| entry(n, START + i64::from(n / 1000) * 3_600_000 + 5_000)).collect();
    for (n, entry) in entries.iter().enumerate() {
        files.add(entry).expect("room on the disk");
        if n == 2000 {
            files.flush().map_err(|(error, _)| error).expect("room on the disk");
        }
    }
    entries
}

#[test]
fn what_was_added_is_found_while_the_hour_grows_after_it_and_after_a_restart() {
    let folder = folder("found");
    let (mut files, filter) = Fingerprints::open(&folder).expect("a new folder");
    assert_eq!(filter.len(), 0);
    let entries = three_hours(&mut files);
    all_are_found(&mut files, &entries);
    files.settle(Hour(Hour::of(START).0 + 2)).expect("room on the disk");
    all_are_found(&mut files, &entries);
    let bytes = files.bytes();
    assert!(bytes <= 3000 * 64, "{bytes} of 3,000");
    drop(files);
    let (mut files, filter) = Fingerprints::open(&folder).expect("the folder");
    assert_eq!(filter.len(), 3000);
    assert!(entries.iter().all(|entry| filter.may_have(entry.fingerprint.identity)));
    all_are_found(&mut files, &entries);
    // the hour that had not passed goes on
    let late = entry(5000, START + 2 * 3_600_000 + 9_000);
    files.add(&late).expect("room on the disk");
    all_are_found(&mut files, &[late]);
    files.forget_to(Hour(Hour::of(START).0 + 1)).expect("deletable");
    assert_eq!(files.find(&by_key(&entries[1999])).expect("readable"), []);
    all_are_found(&mut files, &entries[2000..]);
    let left = std::fs::read_dir(&folder).expect("readable").count();
    assert_eq!(left, 2, "rows and references of one hour");
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn what_changed_is_overwritten_wherever_it_lies() {
    let folder = folder("changed");
    let (mut files, _) = Fingerprints::open(&folder).expect("a new folder");
    let mut entries = three_hours(&mut files);
    files.settle(Hour(Hour::of(START).0 + 1)).expect("room on the disk");
    for n in [10, 1010, 2010] {
        entries[n].fingerprint.reversed = true;
        files.set(&entries[n]).expect("room on the disk");
    }
    all_are_found(&mut files, &entries);
    let unknown = entry(6000, START + 2 * 3_600_000);
    files.set(&unknown).expect("room on the disk");
    all_are_found(&mut files, &[unknown]);
    // a closed hour takes nothing new
    assert!(files.add(&entry(6001, START)).is_err());
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn a_torn_end_is_forgotten_and_the_rest_is_kept() {
    for (cut, zeros) in [(1, false), (47, false), (48, true), (100, true)] {
        let folder = folder(&format!("torn-{cut}"));
        let (mut files, _) = Fingerprints::open(&folder).expect("a new folder");
        let entries: Vec<_> = (0..100).map(|n| entry(n, START)).collect();
        entries.iter().for_each(|entry| files.add(entry).expect("room on the disk"));
        files.settle(Hour(0)).expect("room on the disk");
        drop(files);
        let path = folder.join(format!("{:08}.rows", Hour::of(START).0));
        let file = std::fs::OpenOptions::new().write(true).open(path).expect("it is there");
        let end = file.metadata().expect("a length").len();
        match zeros {
            true => file.write_all_at(&vec![0; cut as usize], end - cut).expect("writable"),
            false => file.set_len(end - cut).expect("writable"),
        }
        let (mut files, filter) = Fingerprints::open(&folder).expect("the folder");
        let whole = filter.len();
        assert!((97..100).contains(&whole), "{whole}");
        all_are_found(&mut files, &entries[..whole]);
        let again = entry(200, START);
        files.add(&again).expect("room on the disk");
        all_are_found(&mut files, &[again]);
        let _ = std::fs::remove_dir_all(folder);
    }
}

#[test]
fn one_key_has_as_many_rows_as_it_was_used_and_the_latest_comes_first() {
    let folder = folder("many");
    let (mut files, _) = Fingerprints::open(&folder).expect("a new folder");
    for n in 0..200u32 {
        let mut entry = entry(1, START + i64::from(n) * 60_000);
        entry.fingerprint.at_ms -= entry.fingerprint.at_ms % 1000;
        files.add(&entry).expect("room on the disk");
    }
    let found = files.find(&by_stan(&entry(1, START))).expect("readable");
    assert_eq!(found.len(), MOST_FOUND);
    assert!(found.windows(2).all(|pair| pair[0].at_ms > pair[1].at_ms));
    assert_eq!(found[0].at_ms, START + 199 * 60_000);
    let _ = std::fs::remove_dir_all(folder);
}
