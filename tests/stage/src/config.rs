//! Copies of the example configuration files with this stage's ports, sockets and folders in them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

/// Changes to one file: the key's path, dotted, and the new value. In a list of tables an entry is selected by its `name`:
/// `destination.host.address`.
pub type Edits = Vec<(String, Value)>;

/// Reads `from`, applies `edits` and writes `to`. Only keys of the example can be changed, so that a renamed key is an error here
/// instead of a program that listens on a wrong port.
pub fn copy_edited(from: &Path, to: &Path, edits: &Edits) -> Result<()> {
    let text = fs::read_to_string(from).with_context(|| format!("cannot read {}", from.display()))?;
    let mut table: Table = text.parse().with_context(|| from.display().to_string())?;
    for (key, value) in edits {
        set(&mut table, key, value.clone()).with_context(|| from.display().to_string())?;
    }
    fs::write(to, toml::to_string(&table)?).with_context(|| format!("cannot write {}", to.display()))
}

fn set(table: &mut Table, key: &str, new: Value) -> Result<()> {
    let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
    let found = table.get_mut(first).with_context(|| format!("no key {first}"))?;
    match (rest, found) {
        (None, slot) => {
            if slot.type_str() != new.type_str() {
                bail!("{first} is a {}, not a {}", slot.type_str(), new.type_str());
            }
            *slot = new;
            Ok(())
        }
        (Some(rest), Value::Table(inner)) => set(inner, rest, new),
        (Some(rest), Value::Array(entries)) => {
            let (name, rest) = rest.split_once('.').with_context(|| format!("{key} names an entry, not a key"))?;
            let entry = entries
                .iter_mut()
                .filter_map(Value::as_table_mut)
                .find(|entry| entry.get("name").and_then(Value::as_str) == Some(name))
                .with_context(|| format!("no {first} named {name}"))?;
            set(entry, rest, new)
        }
        (Some(_), _) => bail!("{first} has no keys below it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Table {
        "port = 1\n[pin]\ntries = 3\n[[destination]]\nname = 'host'\naddress = 'a'\n[[destination]]\nname = 'issuer'\naddress = 'b'\n"
            .parse()
            .expect("toml")
    }

    #[test]
    fn entries_are_found_by_name() {
        let mut table = example();
        set(&mut table, "destination.issuer.address", "c".into()).expect("is there");
        set(&mut table, "pin.tries", 5.into()).expect("is there");
        assert_eq!(table["destination"][0]["address"].as_str(), Some("a"));
        assert_eq!(table["destination"][1]["address"].as_str(), Some("c"));
        assert_eq!(table["pin"]["tries"].as_integer(), Some(5));
    }

    #[test]
    fn what_the_example_does_not_have_is_refused() {
        let mut table = example();
        for (key, value) in [("prot", 1.into()), ("destination.bank.address", "c".into()), ("port", Value::from("1"))] {
            set(&mut table, key, value).expect_err(key);
        }
    }
}
