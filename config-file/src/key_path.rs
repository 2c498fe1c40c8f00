//! Where a key stands: its path, how it is spelled in an error, and its place in the text.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Longest name by which an entry of a list is called.
const LONGEST_NAME: usize = 32;

/// One step from a table to what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Entry(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyPath(pub Vec<Step>);

impl KeyPath {
    /// From `listener[1].address`.
    pub(crate) fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        for part in text.split('.').filter(|part| !part.is_empty()) {
            let (key, entries) = part.split_once('[').map_or((part, ""), |(key, entries)| (key, entries));
            steps.push(Step::Key(key.to_owned()));
            let entries = entries.split('[').filter_map(|entry| entry.trim_end_matches(']').parse().ok());
            steps.extend(entries.map(Step::Entry));
        }
        Self(steps)
    }

    /// With the names of entries: `listener.terminals.address`.
    pub(crate) fn spelled_in(&self, document: &Spanned<DeValue<'_>>) -> String {
        let mut spelled = String::new();
        let mut at = Some(document.get_ref());
        for step in &self.0 {
            let next = at.and_then(|value| down(value, step)).map(|(_, value)| value.get_ref());
            match (step, at.and_then(|list| name_of_entry(list, step))) {
                (Step::Key(key), _) => push_key(&mut spelled, key),
                (Step::Entry(_), Some(name)) => push_key(&mut spelled, name),
                (Step::Entry(place), None) => spelled.push_str(&format!("[{place}]")),
            }
            at = next;
        }
        spelled
    }

    /// With the places of entries.
    pub(crate) fn spelled(&self) -> String {
        self.spelled_in(&Spanned::new(0..0, DeValue::Boolean(false)))
    }

    /// Without entries: `listener.address`.
    pub(crate) fn of_the_kind(&self) -> String {
        let keys = self.0.iter().filter(|step| matches!(step, Step::Key(_))).cloned();
        Self(keys.collect()).spelled()
    }

    /// Another key of the same table.
    pub(crate) fn beside(mut self, key: &str) -> Self {
        self.0.pop();
        self.0.push(Step::Key(key.to_owned()));
        self
    }

    /// Where in the text the key is, or else the innermost thing around it that is there.
    pub(crate) fn offset_in(&self, document: &Spanned<DeValue<'_>>) -> Option<usize> {
        let mut at = document;
        let mut offset = None;
        for step in &self.0 {
            let Some((found, value)) = down(at.get_ref(), step) else { break };
            (offset, at) = (Some(found), value);
        }
        offset
    }
}

fn push_key(spelled: &mut String, key: &str) {
    if !spelled.is_empty() {
        spelled.push('.');
    }
    if is_name(key) {
        spelled.push_str(key);
    } else {
        // as TOML would quote it; control characters must not break the line
        spelled.push_str(&format!("\"{}\"", key.escape_debug()));
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// What a step leads to, and where that begins.
fn down<'d, 't>(from: &'d DeValue<'t>, step: &Step) -> Option<(usize, &'d Spanned<DeValue<'t>>)> {
    match step {
        Step::Key(wanted) => {
            let (key, value) = from.as_table()?.iter().find(|(key, _)| key.get_ref() == wanted)?;
            Some((key.span().start, value))
        }
        Step::Entry(place) => {
            let value = from.as_array()?.get(*place)?;
            Some((value.span().start, value))
        }
    }
}

/// The `name` of an entry, if it is one that no other entry has.
fn name_of_entry<'d>(list: &'d DeValue<'_>, step: &Step) -> Option<&'d str> {
    let Step::Entry(place) = step else { return None };
    let list = list.as_array()?;
    let name = |entry: &'d Spanned<DeValue<'_>>| entry.get_ref().as_table()?.get("name")?.get_ref().as_str();
    let wanted = name(list.get(*place)?)?;
    let is_unique = list.iter().filter(|entry| name(entry) == Some(wanted)).count() == 1;
    (is_unique && is_name(wanted) && wanted.len() <= LONGEST_NAME).then_some(wanted)
}

/// The last key before `at`, if it is on the same line or its value reaches there.
pub(crate) fn last_key_on_the_line(text: &str, at: usize, document: &Spanned<DeValue<'_>>) -> Option<KeyPath> {
    let line = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    last_key(document, |start, reaches| start <= at && (start >= line || reaches > at))
}

/// The last key before `at`.
pub(crate) fn last_key_before(at: usize, document: &Spanned<DeValue<'_>>) -> Option<KeyPath> {
    last_key(document, |start, _| start < at)
}

fn last_key(document: &Spanned<DeValue<'_>>, is_meant: impl Fn(usize, usize) -> bool) -> Option<KeyPath> {
    let mut last: Option<(usize, KeyPath)> = None;
    keys_of_value(document.get_ref(), &mut Vec::new(), &mut |start, reaches, steps| {
        if is_meant(start, reaches) && last.as_ref().is_none_or(|(before, _)| *before <= start) {
            last = Some((start, KeyPath(steps.to_vec())));
        }
    });
    last.map(|(_, path)| path)
}

fn keys_of(table: &DeTable<'_>, steps: &mut Vec<Step>, seen: &mut impl FnMut(usize, usize, &[Step])) {
    for (key, value) in table {
        steps.push(Step::Key(key.get_ref().to_string()));
        // a table's header reaches to its own end, not over its keys
        seen(key.span().start, value.span().end, steps);
        keys_of_value(value.get_ref(), steps, seen);
        steps.pop();
    }
}

fn keys_of_value(value: &DeValue<'_>, steps: &mut Vec<Step>, seen: &mut impl FnMut(usize, usize, &[Step])) {
    match value {
        DeValue::Table(table) => keys_of(table, steps, seen),
        DeValue::Array(list) => {
            for (place, entry) in list.iter().enumerate() {
                steps.push(Step::Entry(place));
                keys_of_value(entry.get_ref(), steps, seen);
                steps.pop();
            }
        }
        _ => {}
    }
}
