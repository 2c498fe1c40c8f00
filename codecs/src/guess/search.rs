//! Beam search for the readings of a message with the most evidence, element by element. Each state is one way to read
//! the elements so far, with the choices made for them.

use super::axes::Axes;
use super::message_head::{HeadEncoding, MessageHead, bitmap};
use super::read::read;
use super::rows::{Reach, Tables};
use super::state::{
    Child, ElementStep, FIT, FoundReading, MISSING, ReadFault, State, best_possible, child, digits_of, misfit, partial,
};
use crate::bitmap::Bitmap;
use crate::de;
use crate::dialect::{BitmapEncoding, Length, Rule};
use crate::encoding::Content;
use crate::error::ErrorKind;

/// Number of states kept from one element to the next; more if rows may have any length.
const BEAM: usize = 96;
const BEAM_FAR: usize = 256;

/// A state that failed.
struct FailedState {
    /// Score for comparison with other failed states.
    rank: f32,
    score: f32,
    state: State,
    fault: ReadFault,
}

fn better(best: &mut Option<FailedState>, other: FailedState) {
    if best.as_ref().is_none_or(|best| other.rank > best.rank) {
        *best = Some(other);
    }
}

/// The remaining number of attempts; a search without any left returns what it has.
#[derive(Debug)]
pub(super) struct Budget(pub u32);

pub(super) struct Search<'s> {
    pub tables: &'s Tables,
    pub reach: Reach,
    /// Whether element 127 holds a third bitmap.
    pub nested: bool,
    pub budget: &'s mut Budget,
    /// The start of a further message that follows without framing; `None` if a framing determines the end of each.
    pub head_encoding: Option<HeadEncoding>,
    steps: Vec<(ElementStep, Option<u32>)>,
}

impl<'s> Search<'s> {
    pub(super) fn new(tables: &'s Tables, reach: Reach, nested: bool, budget: &'s mut Budget) -> Self {
        Self { tables, reach, nested, budget, head_encoding: None, steps: Vec::new() }
    }

    /// Also searches for further messages that follow without framing.
    pub(super) fn unframed(self, head_encoding: HeadEncoding) -> Self {
        Self { head_encoding: Some(head_encoding), ..self }
    }

    /// The readings of all messages with the most evidence; if none reached the end, the one that came furthest.
    pub(super) fn run(mut self, messages: &[MessageHead<'_>], axes: Axes) -> Vec<FoundReading> {
        let mut states = vec![State { at: 0, axes, score: 0.0, tail: None, nested: false }];
        let mut failed: Option<FailedState> = None;
        for (index, message) in messages.iter().enumerate() {
            states.iter_mut().for_each(|state| state.at = message.body);
            let (ended, fault) = self.message(index, message, states);
            if let Some(fault) = fault {
                better(&mut failed, fault);
            }
            states = ended;
        }
        let whole = states.into_iter().map(|state| self.found(state, None)).collect::<Vec<_>>();
        let cut = failed.map(|failed| {
            let FailedState { score, state, fault, .. } = failed;
            self.found(State { score, ..state }, Some(fault))
        });
        whole.into_iter().chain(cut).collect()
    }

    /// The states that read a message to its last byte, and the best of those that failed.
    fn message(
        &mut self,
        index: usize,
        message: &MessageHead<'_>,
        mut states: Vec<State>,
    ) -> (Vec<State>, Option<FailedState>) {
        let best_possible = best_possible(message.bytes);
        let mut failed: Option<FailedState> = None;
        let mut elements = message.elements.clone();
        let mut next = 0;
        while let Some(element) = elements.get(next).copied() {
            next += 1;
            if self.nested && element == de::NESTED {
                states = self.third_bitmap(message, states, &mut elements);
                continue;
            }
            let mut children = Vec::new();
            for state in &states {
                let before = children.len();
                self.expand(index, message, state, element, &mut children);
                if children.len() == before {
                    let fault = self.fault(index, message, state, element);
                    let missing = MISSING * (elements.len() - next) as f32;
                    let score = state.score + self.partial(index, message, state, element)
                        - misfit(fault.kind, message.bytes.len().saturating_sub(fault.at))
                        - missing;
                    better(&mut failed, FailedState { rank: score, score, state: state.clone(), fault });
                }
            }
            states = self.pruned(children, &best_possible);
            if states.is_empty() {
                break;
            }
        }
        let last = elements.last().copied().unwrap_or(de::BITMAP);
        let (mut ended, left): (Vec<_>, Vec<_>) = states.into_iter().partition(|s| s.at == message.bytes.len());
        ended.iter_mut().for_each(|state| state.score += FIT);
        for state in left {
            let fault = ReadFault { message: index, element: last, at: state.at, kind: ErrorKind::TrailingData };
            let unread = message.bytes.len() - state.at;
            let score = state.score - misfit(fault.kind, unread);
            // a further message that begins where this one ends is better than leftover bytes
            let next = self.head_encoding.and_then(|head_encoding| head_encoding.read(&message.bytes[state.at..]));
            let rank = score + next.map_or(0.0, |next| next.gain + best_possible[state.at] + unread as f32);
            better(&mut failed, FailedState { rank, score, state, fault });
        }
        (ended, failed)
    }

    /// Keeps the states at the same position as the best one, and reads the third bitmap there.
    fn third_bitmap(&self, message: &MessageHead<'_>, states: Vec<State>, elements: &mut Vec<u8>) -> Vec<State> {
        let readable = |state: &State| {
            let mut at = state.at;
            let bits = bitmap(BitmapEncoding::Raw, message.bytes, &mut at)?;
            (1..=32).contains(&bits.count_ones()).then_some((bits, at))
        };
        let Some((from, (bits, at))) = states.iter().find_map(|state| Some((state.at, readable(state)?))) else {
            return Vec::new();
        };
        let mut third = Bitmap::default();
        third.set_map(2, bits);
        elements.retain(|element| *element <= 128);
        elements.extend(third.iter());
        let here = states.into_iter().filter(|state| state.at == from);
        here.map(|state| State { at, nested: true, score: state.score - 4.0, ..state }).collect()
    }

    /// All ways to read an element from a state.
    fn expand(&mut self, index: usize, message: &MessageHead<'_>, state: &State, element: u8, out: &mut Vec<Child>) {
        let known = self.before(state, index, element);
        let rows = match known {
            Some(rule) => vec![(rule, 0.0)],
            None => self.tables.alternatives(state.axes.version, element, self.reach),
        };
        for (row, row_cost) in rows {
            let contents = match known {
                Some(rule) => vec![(rule.content, 0.0)],
                None => state.axes.contents(row.format).into(),
            };
            let prefixes = match (row.length, known) {
                (Length::Fixed, _) => vec![(row.prefix, 0.0)],
                (_, Some(rule)) => vec![(rule.prefix, 0.0)],
                _ => state.axes.prefixes().into(),
            };
            for &(content, content_cost) in dedup(&contents) {
                for &(prefix, prefix_cost) in &prefixes {
                    let rule = Rule { content, prefix, ..row };
                    let cost = row_cost + content_cost + prefix_cost;
                    self.packed(index, message, state, element, rule, cost, out);
                }
            }
        }
    }

    /// Tries the possible fillers for an odd number of packed digits, and reads the element.
    #[expect(clippy::too_many_arguments, reason = "one step of a loop over independent choices")]
    fn packed(
        &mut self,
        index: usize,
        message: &MessageHead<'_>,
        state: &State,
        element: u8,
        rule: Rule,
        cost: f32,
        out: &mut Vec<Child>,
    ) {
        let variable = rule.length != Length::Fixed;
        let is_packed = rule.content == Content::Bcd;
        let units = if is_packed && variable { state.axes.units() } else { vec![(rule.unit, 0.0)] };
        for (unit, unit_cost) in units {
            for (padding, pad_cost) in state.axes.paddings(variable) {
                if self.budget.0 == 0 {
                    return;
                }
                self.budget.0 -= 1;
                let rule = Rule { unit, padding, ..rule };
                let Ok(reading) = read(message.bytes, state.at, &rule) else {
                    if is_packed { continue } else { break }
                };
                let odd = is_packed && digits_of(&rule, &reading) % 2 == 1;
                let spent = cost + unit_cost + if odd { pad_cost } else { 0.0 };
                out.push(child(index, state, element, rule, &reading, spent, odd));
                if !odd {
                    break;
                }
            }
        }
    }

    /// The row of the same element in an earlier message.
    fn before(&self, state: &State, index: usize, element: u8) -> Option<Rule> {
        let mut tail = state.tail.filter(|_| index > 0);
        while let Some(at) = tail {
            let (step, parent) = &self.steps[at as usize];
            if step.element == element {
                return Some(step.rule);
            }
            tail = *parent;
        }
        None
    }

    fn pruned(&mut self, mut children: Vec<Child>, best_possible: &[f32]) -> Vec<State> {
        let hope = |child: &Child| child.state.score + best_possible[child.state.at];
        children.sort_by(|a, b| hope(b).total_cmp(&hope(a)));
        let beam = if self.reach == Reach::Any { BEAM_FAR } else { BEAM };
        let mut kept: Vec<State> = Vec::new();
        for Child { mut state, step } in children {
            if kept.iter().any(|other| other.at == state.at && other.axes == state.axes) {
                continue;
            }
            self.steps.push((step, state.tail));
            state.tail = Some(self.steps.len() as u32 - 1);
            kept.push(state);
            if kept.len() == beam {
                break;
            }
        }
        kept
    }

    /// The row of an element by the choices made so far.
    fn row(&self, index: usize, state: &State, element: u8) -> Option<Rule> {
        let standard = || self.tables.row(state.axes.version, element).map(|row| state.axes.applied(&row));
        self.before(state, index, element).or_else(standard)
    }

    /// Why an element cannot be read by the choices made so far.
    fn fault(&self, index: usize, message: &MessageHead<'_>, state: &State, element: u8) -> ReadFault {
        let (kind, at) = match self.row(index, state, element) {
            None => (ErrorKind::NoRule, state.at),
            Some(rule) => read(message.bytes, state.at, &rule).err().unwrap_or((ErrorKind::BadLength, state.at)),
        };
        ReadFault { message: index, element, at, kind }
    }

    /// Evidence from the bytes that are there of a truncated element.
    fn partial(&self, index: usize, message: &MessageHead<'_>, state: &State, element: u8) -> f32 {
        self.row(index, state, element).map_or(0.0, |rule| partial(message.bytes, state.at, &rule))
    }

    fn found(&self, state: State, fault: Option<ReadFault>) -> FoundReading {
        let mut steps = Vec::new();
        let mut tail = state.tail;
        while let Some(at) = tail {
            let (step, parent) = &self.steps[at as usize];
            steps.push(step.clone());
            tail = *parent;
        }
        steps.reverse();
        FoundReading { score: state.score, axes: state.axes, steps, fault, nested: state.nested }
    }
}

/// Text has two encodings; the third entry repeats the second.
fn dedup(contents: &[(Content, f32)]) -> &[(Content, f32)] {
    match contents {
        [first, second, third] if second == third => &contents[..usize::from(first != second) + 1],
        all => all,
    }
}
