//! docs/switch.md lists the methods of each part of the core: those that the source has, and no others.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The source files of a part: one file, or a folder of them.
fn sources(path: &Path) -> Vec<String> {
    if path.is_file() {
        return vec![std::fs::read_to_string(path).expect("a source file")];
    }
    let files = std::fs::read_dir(path).expect("a folder of sources").map(|entry| entry.expect("an entry").path());
    let sources = files.filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
    sources.map(|file| std::fs::read_to_string(file).expect("a source file")).collect()
}

/// The methods of a type that other modules may call; those for tests alone are left out.
fn methods(part: &str, source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let (mut inside, mut for_tests) = (false, false);
    for line in source.lines() {
        match line {
            _ if line == format!("impl {part} {{") => inside = true,
            "}" => inside = false,
            _ => {}
        }
        let trimmed = line.trim_start();
        let public = ["pub(crate) fn ", "pub fn "].into_iter().find_map(|start| trimmed.strip_prefix(start));
        if let (true, false, Some(rest)) = (inside, for_tests, public) {
            found.extend(rest.split(['(', '<']).next().map(str::to_owned));
        }
        for_tests = trimmed == "#[cfg(test)]";
    }
    found
}

/// The words in backquotes of a table's cell.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_page_lists_the_methods_of_each_part() {
    let page = std::fs::read_to_string(root().join("docs/switch.md")).expect("the page");
    let mut parts = Vec::new();
    for row in page.lines().filter(|line| line.contains("in `switch/src/")) {
        let cells: Vec<&str> = row.split('|').collect();
        let [part, place] = quoted(cells[1])[..] else { panic!("no part and place: {row}") };
        let listed: BTreeSet<String> = quoted(cells[3]).into_iter().map(str::to_owned).collect();
        let there = sources(&root().join(place)).iter().flat_map(|source| methods(part, source)).collect();
        assert_eq!(listed, there, "{part}");
        parts.push(part.to_owned());
    }
    assert_eq!(parts.len(), 8, "{parts:?}");
}
