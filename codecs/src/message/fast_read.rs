//! The fast way to read a message: by its plan. It accepts well-formed messages and declines all others.
//!
//! A declined message is read again from the start by the [`Cursor`], which reports the fault.

use super::careful_read::Cursor;
use super::layout::Layout;
use crate::bitmap::Bitmap;
use crate::dialect::{Dialect, Filler, Marks, Plan, ReadRule, Then};
use crate::mti::Mti;

/// Reads a message for which its dialect has a plan: returns its MTI and the end of the last element, and completes
/// `layout`. `None` for a message without a plan, or one that deviates from it.
#[inline(always)]
pub(super) fn read(dialect: &Dialect, bytes: &[u8], layout: &mut Layout) -> Option<(Mti, usize)> {
    let at = dialect.header.len();
    if at > 0 && !dialect.is_header(bytes.get(..at)?) {
        return None;
    }
    let body = at + dialect.mti.wire_len(4);
    let mti = Mti::from_wire(bytes.get(at..body)?, dialect.mti)?;
    let (number, plan) = dialect.find_plan(&bytes[body..])?;
    (layout.present, layout.plan) = (*plan.present(), Some(number));
    let end = pass(plan, dialect, bytes, body + plan.bitmaps_len(), &mut layout.marks)?;
    Some((mti, end))
}

/// Steps over the elements of `plan` from `start` on, and finds the end of the last one.
pub(super) fn pass(plan: &Plan, dialect: &Dialect, bytes: &[u8], start: usize, marks: &mut Marks) -> Option<usize> {
    // may exceed the end of the message, which the test of the run detects
    let mut at = start;
    // the start of the bytes that are stepped over and not tested yet
    let mut from = at;
    let mut marks = marks.iter_mut();
    *marks.next()? = at as u16;
    for step in plan.steps() {
        at += usize::from(step.ahead);
        if let Some(class) = step.ends {
            if !class.holds(bytes.get(from..at)?) {
                return None;
            }
            from = at;
        }
        match step.then {
            Then::Nothing => continue,
            Then::Nibble => {
                if bytes.get(at)? >> 4 != 0 {
                    return None;
                }
                continue;
            }
            Then::Chars => {
                let start = at + step.read_rule.prefix.wire_len();
                let units = step.read_rule.prefix.read_chars(bytes, start)?;
                (from, at) = variable(&step.read_rule, from, start, units, bytes)?;
            }
            Then::Packed => {
                let start = at + step.read_rule.prefix.wire_len();
                let units = step.read_rule.prefix.read_packed(bytes, start)?;
                (from, at) = variable(&step.read_rule, from, start, units, bytes)?;
            }
            Then::ByRule => {
                let start = at + step.read_rule.prefix.wire_len();
                let units = step.read_rule.units(bytes, start)?;
                (from, at) = variable(&step.read_rule, from, start, units, bytes)?;
            }
            Then::Alone => {
                at = alone(step.element, at, dialect, bytes)?;
                from = at;
            }
        }
        if let Some(mark) = marks.next() {
            *mark = at as u16;
        }
    }
    Some(at)
}

/// Steps over content of that many units from `start` on, and its filler.
#[inline(always)]
fn variable(read_rule: &ReadRule, from: usize, start: usize, units: u32, bytes: &[u8]) -> Option<(usize, usize)> {
    if units > u32::from(read_rule.size) {
        return None;
    }
    let end = start + read_rule.wire_len(units);
    if read_rule.filler != Filler::None && units % 2 == 1 && !read_rule.filler.is_in(bytes.get(start..end)?) {
        return None;
    }
    Some((if read_rule.prefix_of_class { from } else { start }, end))
}

/// Reads an element with a cursor, because a test of single bytes is not enough.
#[inline(never)]
fn alone(element: u8, at: usize, dialect: &Dialect, bytes: &[u8]) -> Option<usize> {
    let mut cursor = Cursor { bytes, at, dialect };
    cursor.pass(element, &mut Bitmap::default()).ok()?;
    Some(cursor.at)
}
