//! Differences between a dialect and the one that it extends, or the bare standard.

use super::{Dialect, Rule};
use crate::composite::{Form, Inner, Nested};
use crate::de;
use crate::encoding::to_hex;
use std::collections::BTreeMap;
use std::fmt;

/// One difference between two dialects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// A key of the dialect, or an element: `bitmap`, `DE41`, `DE127.25`.
    pub what: String,
    /// Empty if the first dialect does not have it.
    pub from: String,
    /// Empty if the second dialect does not have it.
    pub to: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
        write!(f, "{}: {} → {}", self.what, or_none(&self.from), or_none(&self.to))
    }
}

/// Words by element number and numbers of inner elements; keys of the dialect come first.
type Words = BTreeMap<(Vec<usize>, String), String>;

impl Dialect {
    /// The words of a dialect file for the usual encoding of digits, text, bytes and lengths.
    pub(crate) fn usual_words(&self) -> [String; 4] {
        let words = self.defaults.words();
        ["n", "ch", "b", "len"]
            .map(|key| words.iter().find(|(known, _)| *known == key).map_or(String::new(), |(_, word)| word.clone()))
    }

    /// The changes that this dialect makes to `base`. An element is listed only if its own row differs, not if the
    /// dialect encodes every element of its kind differently.
    pub fn difference(&self, base: &Self) -> Vec<Change> {
        let (before, mut after) = (base.words(), self.words());
        let mut changes = Vec::new();
        for ((order, what), from) in before {
            let to = after.remove(&(order.clone(), what.clone())).unwrap_or_default();
            changes.push((order, Change { what, from, to }));
        }
        changes.extend(after.into_iter().map(|((order, what), to)| (order, Change { what, from: String::new(), to })));
        changes.retain(|(_, change)| change.from != change.to);
        changes.sort_by(|(one, a), (other, b)| (one, &a.what).cmp(&(other, &b.what)));
        changes.into_iter().map(|(_, change)| change).collect()
    }

    fn words(&self) -> Words {
        let mut words = Words::new();
        let third =
            self.tertiary.map_or(String::new(), |(place, encoding)| format!("{}, {}", place.word(), encoding.word()));
        let header = match self.header_mask.iter().all(|bits| *bits == 0xFF) {
            true => to_hex(&self.header),
            false => format!("{} bytes, partly the sender's", self.header.len()),
        };
        let keys = [
            ("version", self.version.word().to_owned()),
            ("header", header),
            ("mti", self.mti.word().into()),
            ("bitmap", self.bitmap.word().into()),
            ("third bitmap", third),
            ("ebcdic_page", self.ebcdic.word().into()),
        ];
        for (at, (key, word)) in keys.into_iter().chain(self.defaults.words()).enumerate() {
            words.insert((vec![0, at], key.into()), word);
        }
        for (element, rule) in self.elements() {
            let word = self.row_words(element, rule, self.inner(element));
            words.insert((vec![element.into()], format!("DE{element}")), word);
            if let Some(inner) = self.inner(element) {
                self.inner_words(inner, &[element.into()], &format!("DE{element}"), &mut words);
            }
        }
        words
    }

    /// A row, as far as it differs from the dialect's usual row of its kind.
    fn row_words(&self, element: u8, rule: &Rule, inner: Option<&Inner>) -> String {
        let mut text = format!("{} {}", rule.format.word(), rule.length_word());
        let usual = self.defaults.usual(rule);
        if rule.content != usual.content {
            text += &format!(" {}", rule.content.word());
        }
        if rule.prefix_word() != usual.prefix_word() {
            text += &format!(", length {}", rule.prefix_word());
        }
        if rule.filler_word() != usual.filler_word() && !rule.filler_word().is_empty() {
            text += &format!(", filler {}", rule.filler_word());
        }
        if rule.exposure != de::exposure(element) {
            text += &format!(", {}", rule.exposure.word());
        }
        inner.map_or(text.clone(), |inner| format!("{text}, {}", inner.word(self.version)))
    }

    /// Rows of inner elements.
    fn inner_words(&self, inner: &Inner, order: &[usize], path: &str, words: &mut Words) {
        match &inner.form {
            Form::Bitmap(nested) => self.nested_words(nested, order, path, words),
            Form::Datasets(sets) => {
                for (id, set) in sets {
                    let order = [order, &[usize::from(*id)]].concat();
                    self.inner_words(set, &order, &format!("{path}/{id:02X}"), words);
                }
            }
            Form::Positions(positions) if inner.word(self.version) == "positions" => {
                for (at, position) in positions.iter().enumerate() {
                    let word = format!("{}, {}", position.extent, position.name);
                    words.insert(([order, &[at + 1]].concat(), format!("{path}.{}", at + 1)), word);
                }
            }
            _ => {}
        }
        for (tag, note) in &inner.tags {
            words.insert((order.to_vec(), format!("{path}/{tag}")), format!("{}, {}", note.name, note.exposure.word()));
        }
    }

    fn nested_words(&self, nested: &Nested, order: &[usize], path: &str, words: &mut Words) {
        let bitmap = format!("bitmap of {} bits, {}", nested.bits, nested.bitmap.word());
        words.insert(([order, &[0]].concat(), format!("{path}.0")), bitmap);
        for (number, row) in &nested.rows {
            let order = [order, &[usize::from(*number)]].concat();
            let path = format!("{path}.{number}");
            let rule = &row.rule;
            let columns = [rule.content.word().into(), rule.prefix_word(), rule.filler_word().into()];
            let columns: Vec<String> = columns.into_iter().filter(|column: &String| !column.is_empty()).collect();
            let word = format!(
                "{} {} {}, {}, {}",
                rule.format.word(),
                rule.length_word(),
                columns.join(" "),
                rule.exposure.word(),
                row.name
            );
            words.insert((order.clone(), path.clone()), word);
            if let Some(inner) = &row.inner {
                words.insert((order.clone(), format!("{path} inner")), inner.word(self.version));
                self.inner_words(inner, &order, &path, words);
            }
        }
    }
}
