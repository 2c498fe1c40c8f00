//! What stands against a wall, and the list of what already stood against it when the wall was built.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Something that a wall forbids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The line that stands for it in the list: no line number, so that an edit elsewhere in the file does not disturb it.
    pub key: String,
    /// File and line.
    pub place: String,
    pub what: String,
}

/// A rule of the house.
#[derive(Clone, Copy, Debug)]
pub struct Wall {
    /// Of its list: `ratchets/<name>.txt`.
    pub name: &'static str,
    pub sentence: &'static str,
    pub what_to_do: &'static str,
}

impl Wall {
    /// Compares what was found with the list: each violation stands in it as often as it was found.
    ///
    /// # Errors
    /// The text of the failure.
    pub fn hold(&self, found: &[Violation], list: &str) -> Result<(), String> {
        let mut listed: BTreeMap<&str, usize> = BTreeMap::new();
        for line in list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            *listed.entry(line).or_default() += 1;
        }
        let mut new = Vec::new();
        for violation in found {
            match listed.get_mut(violation.key.as_str()) {
                Some(left) if *left > 0 => *left -= 1,
                _ => new.push(violation),
            }
        }
        let gone: Vec<&str> = listed.iter().filter(|(_, left)| **left > 0).map(|(line, _)| *line).collect();
        if new.is_empty() && gone.is_empty() { Ok(()) } else { Err(self.failure(&new, &gone)) }
    }

    fn failure(&self, new: &[&Violation], gone: &[&str]) -> String {
        let mut text = format!("\n{}\n", self.sentence);
        for Violation { key, place, what } in new {
            let _ = writeln!(text, "  {place}: {what}  [{key}]");
        }
        if !new.is_empty() {
            let _ = writeln!(text, "  What to do: {}", self.what_to_do);
        }
        for line in gone {
            let _ = writeln!(
                text,
                "  tests/walls/ratchets/{}.txt: \"{line}\" no longer exists, and the list may only shrink: remove this line",
                self.name
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: Wall = Wall { name: "height", sentence: "No house is higher than a tree.", what_to_do: "plant." };

    fn found(keys: &[&str]) -> Vec<Violation> {
        let violation = |key: &&str| Violation { key: (*key).into(), place: "a.rs:1".into(), what: "high".into() };
        keys.iter().map(violation).collect()
    }

    #[test]
    fn what_is_listed_may_stand_and_nothing_else() {
        assert_eq!(WALL.hold(&found(&["a", "b"]), "# known\nb\n\na\n"), Ok(()));
        let failure = WALL.hold(&found(&["a", "b"]), "a\n").unwrap_err();
        assert!(
            failure.contains("No house is higher than a tree.") && failure.contains("a.rs:1: high  [b]"),
            "{failure}"
        );
    }

    #[test]
    fn a_line_without_its_violation_fails() {
        let failure = WALL.hold(&found(&["a"]), "a\nb\n").unwrap_err();
        assert!(failure.contains("\"b\" no longer exists") && failure.contains("height.txt"), "{failure}");
    }

    #[test]
    fn the_same_violation_twice_is_listed_twice() {
        assert!(WALL.hold(&found(&["a", "a"]), "a\n").is_err());
        assert_eq!(WALL.hold(&found(&["a", "a"]), "a\na\n"), Ok(()));
    }
}
