//! Reads a well-formed message in few steps, and declines every other.
//!
//! Elements of the same class that stand side by side make a run, of which all bytes are tested at once; an element of
//! fixed length then costs no more than an addition. What is wrong with a message that is declined here is for the
//! [`Cursor`] to say, which reads it again from the start.

use super::cursor::Cursor;
use super::layout::Layout;
use crate::class::Class;
use crate::dialect::{Filler, Prefix, Stride};

/// Passes over the elements that `layout` announces; `cursor` stands at the first of them, and afterwards behind the
/// last.
#[inline]
pub(super) fn pass(cursor: &mut Cursor<'_>, layout: &mut Layout) -> Option<()> {
    let (bytes, strides) = (cursor.bytes, cursor.dialect.strides());
    // may come to lie beyond the end of the message, which the test of the run then finds
    let mut at = cursor.at;
    let mut run = Run { class: Class::Any, from: at };
    for map in 0..3 {
        // the third map may have come with element 127 of the second
        let mut left = layout.present.elements_of(map).reverse_bits();
        while left != 0 {
            let element = map * 64 + left.trailing_zeros() as usize + 1;
            left &= left - 1;
            layout.note(element, at);
            let stride = strides[element & 255];
            if stride.class != run.class {
                run = run.turn(stride.class, at, bytes)?;
                if stride.class == Class::Alone {
                    (run, at) = alone(element as u8, at, cursor, layout)?;
                    continue;
                }
            }
            if stride.prefix == Prefix::None {
                at += usize::from(stride.size);
            } else {
                (run, at) = variable(stride, run, at, bytes)?;
            }
        }
    }
    run.turn(Class::Any, at, bytes)?;
    cursor.at = at;
    Some(())
}

/// Elements of one class that were passed over and are not tested yet.
#[derive(Clone, Copy)]
struct Run {
    class: Class,
    from: usize,
}

impl Run {
    /// Tests the run, which ends before `at`, and begins one of another class there.
    #[inline(always)]
    fn turn(self, class: Class, at: usize, bytes: &[u8]) -> Option<Self> {
        self.class.holds(bytes.get(self.from..at)?).then_some(Self { class, from: at })
    }
}

/// Passes over a prefix, the content that it announces, and filler.
#[inline(always)]
fn variable(stride: Stride, mut run: Run, mut at: usize, bytes: &[u8]) -> Option<(Run, usize)> {
    let units = stride.units(bytes.get(at..)?)?;
    let width = stride.prefix.wire_len();
    if !stride.prefix_of_class {
        run = run.turn(stride.class, at, bytes)?;
        run.from += width;
    }
    at += width;
    let end = at + stride.wire_len(units);
    if stride.filler != Filler::None && units % 2 == 1 && !stride.filler.is_in(bytes.get(at..end)?) {
        return None;
    }
    Some((run, end))
}

/// Has the cursor read what a test of single bytes cannot judge.
#[inline(never)]
fn alone(element: u8, at: usize, cursor: &mut Cursor<'_>, layout: &mut Layout) -> Option<(Run, usize)> {
    cursor.at = at;
    cursor.pass(element, &mut layout.present).ok()?;
    Some((Run { class: Class::Any, from: cursor.at }, cursor.at))
}
