//! Violations of a wall, and the ratchet: the list of the violations that existed when the wall was built.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

/// A violation of a wall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its line in the list. It has no line number, so that an edit elsewhere in the file does not change it.
    pub key: String,
    /// File and line.
    pub place: String,
    pub what: String,
}

/// A rule on the structure of the source code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wall {
    /// Name of its list: `ratchets/<name>.txt`.
    pub name: &'static str,
    pub sentence: &'static str,
    pub what_to_do: &'static str,
}

/// Why a wall does not hold.
#[derive(Debug, PartialEq, Eq)]
pub struct WallFailure {
    wall: Wall,
    /// Violations that the list does not have.
    new: Vec<Violation>,
    /// Lines of the list whose violation no longer exists.
    gone: Vec<String>,
}

impl fmt::Display for WallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}", self.wall.sentence)?;
        for Violation { key, place, what } in &self.new {
            writeln!(f, "  {place}: {what}  [{key}]")?;
        }
        if !self.new.is_empty() {
            writeln!(f, "  What to do: {}", self.wall.what_to_do)?;
        }
        for line in &self.gone {
            writeln!(
                f,
                "  tests/walls/ratchets/{}.txt: \"{line}\" no longer exists, and the list may only shrink: remove this line",
                self.wall.name
            )?;
        }
        Ok(())
    }
}

impl Error for WallFailure {}

impl Wall {
    /// Compares the violations with the list, which must have each of them as often as it was found.
    ///
    /// # Errors
    /// They differ.
    pub fn hold(&self, found: &[Violation], list: &str) -> Result<(), WallFailure> {
        let mut listed: BTreeMap<&str, usize> = BTreeMap::new();
        for line in list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            *listed.entry(line).or_default() += 1;
        }
        let mut new = Vec::new();
        for violation in found {
            match listed.get_mut(violation.key.as_str()) {
                Some(left) if *left > 0 => *left -= 1,
                _ => new.push(violation.clone()),
            }
        }
        let gone: Vec<String> =
            listed.iter().filter(|(_, left)| **left > 0).map(|(line, _)| (*line).to_owned()).collect();
        if new.is_empty() && gone.is_empty() { Ok(()) } else { Err(WallFailure { wall: *self, new, gone }) }
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
        let failure = WALL.hold(&found(&["a", "b"]), "a\n").unwrap_err().to_string();
        assert!(
            failure.contains("No house is higher than a tree.") && failure.contains("a.rs:1: high  [b]"),
            "{failure}"
        );
    }

    #[test]
    fn a_line_without_its_violation_fails() {
        let failure = WALL.hold(&found(&["a"]), "a\nb\n").unwrap_err().to_string();
        assert!(failure.contains("\"b\" no longer exists") && failure.contains("height.txt"), "{failure}");
    }

    #[test]
    fn the_same_violation_twice_is_listed_twice() {
        assert!(WALL.hold(&found(&["a", "a"]), "a\n").is_err());
        assert_eq!(WALL.hold(&found(&["a", "a"]), "a\na\n"), Ok(()));
    }
}
