//! Deliberate mistakes in an example file: every program's tests try them on the program's own example.

use std::fmt::Debug;

use toml::{Table, Value};

use crate::ConfigError;
use crate::key_path::KeyStep;

/// A text with a blank: no valid name, so an entry that has it goes by its index.
pub const PLANTED_TEXT: &str = "planted text";
/// A word that no example contains.
pub const PLANTED_WORD: &str = "plantedword";

/// Misspells every key of an example and replaces every text. Each misspelt key must be refused with an error that
/// names it, and no error may repeat a text of the file. `names` are the tables whose keys are names that the file may
/// choose.
///
/// # Panics
/// A key is not named, or a text is repeated.
pub fn every_key_is_named_and_no_value_repeated<T: Debug>(
    example: &str,
    names: &[&str],
    read: impl Fn(&str) -> Result<T, ConfigError>,
) {
    for (key, text) in misspelt(example, names) {
        let refused = read(&text).expect_err(&key).to_string();
        assert!(refused.contains(&key), "{key}: {refused}");
    }
    for text in planted(example) {
        let Err(refused) = read(&text) else { continue };
        let said = refused.to_string();
        assert!(!said.contains(PLANTED_TEXT) && !said.contains(PLANTED_WORD), "{said}");
    }
}

/// One copy of the file per key, with that key misspelt, and the misspelt key. `names` are the tables whose keys are
/// names that the file may choose.
///
/// # Panics
/// The example is not TOML.
#[must_use]
pub fn misspelt(example: &str, names: &[&str]) -> Vec<(String, String)> {
    let table: Table = example.parse().expect("an example is TOML");
    let mut made = Vec::new();
    tables(&Value::Table(table.clone()), "", &mut Vec::new(), &mut |kind, path, inner| {
        for key in inner.keys().filter(|_| !names.contains(&kind)) {
            let mut whole = Value::Table(table.clone());
            let found = at(&mut whole, path).and_then(Value::as_table_mut).expect("it was found on this way");
            let misspelt = format!("{key}x");
            *found =
                found.iter().map(|(k, v)| (if k == key { misspelt.clone() } else { k.clone() }, v.clone())).collect();
            made.push((misspelt, written(&whole)));
        }
    });
    made
}

/// One copy of the file per text, with that text replaced by [`PLANTED_TEXT`], and, except for the names of entries,
/// one more with [`PLANTED_WORD`]. No error about such a copy may contain either.
///
/// # Panics
/// The example is not TOML.
#[must_use]
pub fn planted(example: &str) -> Vec<String> {
    let table: Table = example.parse().expect("an example is TOML");
    let mut paths = Vec::new();
    texts(&Value::Table(table.clone()), &mut Vec::new(), &mut paths);
    let plant = |path: &[KeyStep], text: &str| {
        let mut whole = Value::Table(table.clone());
        *at(&mut whole, path).expect("it was found on this way") = text.into();
        written(&whole)
    };
    let is_name = |path: &[KeyStep]| path.last() == Some(&KeyStep::Key("name".to_owned()));
    let words = paths.iter().filter(|path| !is_name(path)).map(|path| plant(path, PLANTED_WORD));
    paths.iter().map(|path| plant(path, PLANTED_TEXT)).chain(words).collect()
}

fn written(file: &Value) -> String {
    toml::to_string(file).expect("what was read can be written")
}

fn at<'v>(value: &'v mut Value, path: &[KeyStep]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        KeyStep::Key(key) => value.get_mut(key.as_str()),
        KeyStep::Entry(place) => value.get_mut(*place),
    })
}

fn tables(value: &Value, kind: &str, path: &mut Vec<KeyStep>, seen: &mut impl FnMut(&str, &[KeyStep], &Table)) {
    if let Some(table) = value.as_table() {
        seen(kind, path, table);
    }
    for (step, inner) in below(value) {
        let kind = match &step {
            KeyStep::Key(key) if kind.is_empty() => key.clone(),
            KeyStep::Key(key) => format!("{kind}.{key}"),
            KeyStep::Entry(_) => kind.to_owned(),
        };
        path.push(step);
        tables(inner, &kind, path, seen);
        path.pop();
    }
}

fn texts(value: &Value, path: &mut Vec<KeyStep>, found: &mut Vec<Vec<KeyStep>>) {
    if value.is_str() {
        found.push(path.clone());
    }
    for (step, inner) in below(value) {
        path.push(step);
        texts(inner, path, found);
        path.pop();
    }
}

fn below(value: &Value) -> Vec<(KeyStep, &Value)> {
    match value {
        Value::Table(table) => table.iter().map(|(key, inner)| (KeyStep::Key(key.clone()), inner)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(place, inner)| (KeyStep::Entry(place), inner)).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "a = 'x'\nb = 1\n[of]\nfree = 'y'\n[[c]]\nname = 'z'\n";

    #[test]
    fn each_key_is_misspelt_once() {
        let keys: Vec<_> =
            misspelt(EXAMPLE, &["of"]).into_iter().map(|(key, text)| (text.contains(&key), key)).collect();
        let keys: Vec<_> = keys.iter().map(|(is_there, key)| (*is_there, key.as_str())).collect();
        assert!(misspelt(EXAMPLE, &[]).iter().all(|(_, text)| text.parse::<Table>().is_ok()));
        assert_eq!(keys, [(true, "ax"), (true, "bx"), (true, "ofx"), (true, "cx"), (true, "namex")]);
    }

    #[test]
    fn each_text_is_replaced_once_and_names_by_no_word() {
        let all = planted(EXAMPLE);
        assert!(all.iter().all(|text| text.parse::<Table>().is_ok()));
        assert_eq!(all.iter().filter(|text| text.contains(PLANTED_TEXT)).count(), 3);
        assert_eq!(all.iter().filter(|text| text.contains(PLANTED_WORD)).count(), 2);
    }
}
