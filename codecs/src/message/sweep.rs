//! Reads a well-formed message in few steps, and declines every other.
//!
//! What is wrong with a message that is declined here is for the [`Cursor`] to say, which reads it again from the start.

use super::cursor::Cursor;
use super::layout::Layout;
use crate::bitmap::Bitmap;
use crate::dialect::{Dialect, Filler, Marks, Plan, Stride, Then};
use crate::mti::Mti;

/// Reads a message for which its dialect has a plan; `None` for any other, and for one that does not hold to its plan.
/// Otherwise its MTI and where its last element ends; `layout` is then complete.
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

/// Passes over the elements of `plan`, of which the first is at `start`, and finds where the last of them ends.
pub(super) fn pass(plan: &Plan, dialect: &Dialect, bytes: &[u8], start: usize, marks: &mut Marks) -> Option<usize> {
    // may come to lie beyond the end of the message, which the test of the run then finds
    let mut at = start;
    // where the bytes begin that are passed over and not tested yet
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
                let start = at + step.stride.prefix.wire_len();
                let units = step.stride.prefix.read_chars(bytes, start)?;
                (from, at) = variable(&step.stride, from, start, units, bytes)?;
            }
            Then::Packed => {
                let start = at + step.stride.prefix.wire_len();
                let units = step.stride.prefix.read_packed(bytes, start)?;
                (from, at) = variable(&step.stride, from, start, units, bytes)?;
            }
            Then::Stride => {
                let start = at + step.stride.prefix.wire_len();
                let units = step.stride.units(bytes, start)?;
                (from, at) = variable(&step.stride, from, start, units, bytes)?;
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

/// Passes over content of so many units that begins at `start`, and filler.
#[inline(always)]
fn variable(stride: &Stride, from: usize, start: usize, units: u32, bytes: &[u8]) -> Option<(usize, usize)> {
    if units > u32::from(stride.size) {
        return None;
    }
    let end = start + stride.wire_len(units);
    if stride.filler != Filler::None && units % 2 == 1 && !stride.filler.is_in(bytes.get(start..end)?) {
        return None;
    }
    Some((if stride.prefix_of_class { from } else { start }, end))
}

/// Has a cursor read what a test of single bytes cannot judge.
#[inline(never)]
fn alone(element: u8, at: usize, dialect: &Dialect, bytes: &[u8]) -> Option<usize> {
    let mut cursor = Cursor { bytes, at, dialect };
    cursor.pass(element, &mut Bitmap::default()).ok()?;
    Some(cursor.at)
}
