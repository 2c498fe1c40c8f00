//! The walls, held against this checkout.
//!
//! `cargo test -p walls -- --nocapture writers` prints which file writes, and which read, each table.

use walls::ratchet::{Violation, Wall, WallFailure};
use walls::source::Source;
use walls::{arrows, checkout, cycles, elements, errors, pages, sql, words, writers};

type Violations = fn(&[Source]) -> Vec<Violation>;

fn hold(wall: &Wall, found: &[Violation]) -> Result<(), WallFailure> {
    let list = checkout::text(&format!("tests/walls/ratchets/{}.txt", wall.name)).expect("each wall has its list");
    wall.hold(found, &list)
}

/// One test, because parsing all sources takes longer than checking them.
#[test]
fn the_sources_keep_within_the_walls() {
    let sources = checkout::sources().unwrap();
    let walls: [(Wall, Violations); 6] = [
        (cycles::WALL, cycles::violations),
        (sql::WALL, sql::violations),
        (writers::WALL, writers::violations),
        (elements::WALL, elements::violations),
        (words::WALL, words::violations),
        (errors::WALL, errors::violations),
    ];
    let failures: String = walls
        .iter()
        .filter_map(|(wall, violations)| hold(wall, &violations(&sources)).err())
        .map(|failure| failure.to_string())
        .collect();
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn the_manifests_keep_within_the_arrows() {
    let document = checkout::text("docs/architecture.md").unwrap();
    let found = arrows::violations(&document, &checkout::manifests().unwrap());
    hold(&arrows::WALL, &found).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is what one asks for with --nocapture")]
fn every_table_has_its_writers() {
    let table = writers::table(&checkout::sources().unwrap(), &checkout::migrations().unwrap());
    println!("{table}");
    assert!(!table.contains("| – |"), "a table that nobody writes, or that nobody reads:\n{table}");
}

#[test]
fn the_pages_name_what_is_there() {
    let (pages, folders) = (checkout::pages().unwrap(), checkout::folders().unwrap());
    // `target` is made by a build and is no part of the sources
    let folders: Vec<String> = folders.into_iter().filter(|folder| folder != "target").collect();
    let found = pages::violations(&pages, &folders, |path| checkout::root().join(path).exists());
    hold(&pages::WALL, &found).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn the_sentences_stand_in_the_map() {
    let document = checkout::text("docs/architecture.md").unwrap();
    let of_sources = [cycles::WALL, sql::WALL, writers::WALL, elements::WALL, words::WALL, errors::WALL];
    let walls = of_sources.into_iter().chain([arrows::WALL, pages::WALL]);
    for wall in walls {
        let row = format!("| {} | {} |", wall.name, wall.sentence);
        assert!(document.contains(&row), "docs/architecture.md has every wall's sentence, and not: {row}");
    }
}
