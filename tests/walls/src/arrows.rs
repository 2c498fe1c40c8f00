//! The arrows of docs/architecture.md: which crate may use which.
//!
//! The table there and the manifests must agree, in both directions. Dependencies of tests are no arrows; those of a build
//! script are.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::ratchet::{Violation, Wall};

pub const WALL: Wall = Wall {
    name: "arrows",
    sentence: "A crate uses the crates that docs/architecture.md says it may use, and no others.",
    what_to_do: "do without the dependency, or change the drawing and its table.",
};

const DOCUMENT: &str = "docs/architecture.md";
const HEADING: &str = "| crate | may use |";

/// The crates that each crate may use according to the document, with the line of the table.
pub fn documented(document: &str) -> BTreeMap<String, (usize, BTreeSet<String>)> {
    let lines = document.lines().zip(1..).skip_while(|(line, _)| line.trim() != HEADING).skip(2);
    let row = |(line, number): (&str, usize)| {
        let mut cells = line.trim().strip_prefix('|')?.split('|').map(|cell| cell.trim().replace('`', ""));
        let (name, used) = (cells.next()?, cells.next()?);
        let used = used.split(',').map(|name| name.trim().to_owned()).filter(|name| !matches!(name.as_str(), "" | "–"));
        Some((name, (number, used.collect())))
    };
    lines.map_while(row).collect()
}

/// The members that each member's manifest depends on, with the manifest's path.
pub fn in_manifests(manifests: &[(String, Table)]) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let name = |manifest: &Table| Some(manifest.get("package")?.get("name")?.as_str()?.to_owned());
    let members: BTreeSet<String> = manifests.iter().filter_map(|(_, manifest)| name(manifest)).collect();
    let of = |(path, manifest): &(String, Table)| {
        let used = dependencies(manifest).into_iter().filter(|used| members.contains(used));
        Some((name(manifest)?, (path.clone(), used.collect())))
    };
    manifests.iter().filter_map(of).collect()
}

fn dependencies(manifest: &Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables = targets.into_iter().flat_map(|targets| targets.values().filter_map(Value::as_table)).chain([manifest]);
    let lists = tables.flat_map(|table| ["dependencies", "build-dependencies"].map(|list| table.get(list)));
    let rows = lists.flatten().filter_map(Value::as_table).flatten();
    // a dependency may have another name in the crate than the package's own
    rows.map(|(name, row)| row.get("package").and_then(Value::as_str).unwrap_or(name).to_owned()).collect()
}

pub fn violations(document: &str, manifests: &[(String, Table)]) -> Vec<Violation> {
    let (documented, in_manifests) = (documented(document), in_manifests(manifests));
    let mut found = Vec::new();
    let mut violation = |key: String, place: String, what: String| found.push(Violation { key, place, what });
    for (name, (path, used)) in &in_manifests {
        let Some((line, may)) = documented.get(name) else {
            violation(name.clone(), path.clone(), format!("{name} has no row in the table of {DOCUMENT}"));
            continue;
        };
        for other in used.difference(may) {
            violation(
                format!("{name} -> {other}"),
                path.clone(),
                format!("{name} uses {other}, which the table does not let it"),
            );
        }
        for other in may.difference(used) {
            let place = format!("{DOCUMENT}:{line}");
            violation(
                format!("{name} -> {other}"),
                place,
                format!("{name} may use {other}, and its manifest does not: take it out of the row"),
            );
        }
    }
    for (name, (line, _)) in documented.iter().filter(|(name, _)| !in_manifests.contains_key(*name)) {
        violation(name.clone(), format!("{DOCUMENT}:{line}"), format!("there is no crate {name}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifests(codecs: &str, shop: &str) -> Vec<(String, Table)> {
        let of = |name: &str, rest: &str| format!("[package]\nname = \"{name}\"\n{rest}").parse().unwrap();
        vec![("codecs/Cargo.toml".into(), of("codecs", codecs)), ("shop/Cargo.toml".into(), of("shop", shop))]
    }

    fn keys(rows: &str, codecs: &str, shop: &str) -> Vec<String> {
        let document = format!("# The map\n\n| crate | may use |\n|---|---|\n{rows}\n\nrest | of | it");
        violations(&document, &manifests(codecs, shop)).into_iter().map(|violation| violation.key).collect()
    }

    const USES: &str = "[dependencies]\ncodecs.workspace = true\nserde = \"1\"";
    const ROWS: &str = "| `codecs` | – |\n| `shop` | `codecs` |";

    #[test]
    fn the_table_and_the_manifests_say_the_same() {
        assert!(keys(ROWS, "", USES).is_empty());
        let lawful = "[dependencies]\ncodecs.workspace = true\n[dev-dependencies]\nshop.workspace = true";
        assert!(keys(ROWS, "[dev-dependencies]\nshop.workspace = true", lawful).is_empty());
    }

    #[test]
    fn a_dependency_that_is_not_drawn_is_seen() {
        assert_eq!(keys("| codecs | – |\n| shop | – |", "", USES), ["shop -> codecs"]);
        let renamed = "[target.'cfg(unix)'.build-dependencies]\nwire = { package = \"codecs\", path = \"../codecs\" }";
        assert_eq!(keys("| codecs | – |\n| shop | – |", "", renamed), ["shop -> codecs"]);
        assert_eq!(keys("| codecs | – |", "", USES), ["shop"]);
    }

    #[test]
    fn a_row_that_no_manifest_has_is_seen() {
        assert_eq!(keys(ROWS, "", ""), ["shop -> codecs"]);
        assert_eq!(keys(&format!("{ROWS}\n| till | – |"), "", USES), ["till"]);
    }
}
