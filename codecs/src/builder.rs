//! Builds a message: typed values in, in any order; bytes out, in the order of the dialect.

use crate::bitmap::Bitmap;
use crate::char_class::CharClass;
use crate::de::DataElement;
use crate::dialect::Dialect;
use crate::encoding::{Content, Format};
use crate::error::EncodeError;
use crate::message::Message;
use crate::mti::Mti;
use crate::value::{EncodedValue, FixedDigits, Value};
use crate::wire::Wire;
use std::sync::Arc;

mod element;
mod encode;

pub(crate) use element::write as write_element;

/// Collects the elements of a message, each already encoded for the wire. A value that does not fit its row is recorded
/// as a fault; [`Builder::encode`] then fails unless another value replaces it.
#[derive(Clone)]
pub struct Builder {
    dialect: Arc<Dialect>,
    mti: Mti,
    present: Bitmap,
    /// Start and end of each element in `wire`.
    ranges: [ElementRange; 193],
    /// Elements with their prefixes, in the order in which they were put.
    wire: Wire,
    /// Whether `wire` holds exactly the present elements, in ascending order.
    in_order: bool,
    /// The highest element put so far.
    highest: u8,
    faults: Vec<(u8, EncodeError)>,
    /// Scratch buffer of an element that is encoded step by step.
    by_row: Vec<u8>,
    /// Scratch buffer of an element copied from a message of another dialect, in ASCII.
    chars: Vec<u8>,
    /// The header before the MTI, if it differs from the dialect's.
    header: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
struct ElementRange {
    start: u32,
    end: u32,
}

impl Builder {
    pub fn new(dialect: &Arc<Dialect>, mti: Mti) -> Self {
        Self {
            dialect: Arc::clone(dialect),
            mti,
            present: Bitmap::default(),
            ranges: [ElementRange::default(); 193],
            wire: Wire::new(),
            in_order: true,
            highest: 0,
            faults: Vec::new(),
            by_row: Vec::new(),
            chars: Vec::new(),
            header: Vec::new(),
        }
    }

    /// Starts the answer to `request` in the same dialect, with its header and the answer's MTI, and without elements.
    pub fn answer_to(request: &Message) -> Self {
        let mut answer = Self::new(request.dialect(), request.mti().answer());
        answer.copy_header(request);
        answer
    }

    pub fn mti(&self) -> Mti {
        self.mti
    }

    /// Changes the MTI and keeps the elements: for instance, to send an advice again as a repeat.
    pub fn set_mti(&mut self, mti: Mti) -> &mut Self {
        self.mti = mti;
        self
    }

    /// Clears the builder for the next message, keeping its memory.
    pub fn restart(&mut self, mti: Mti) {
        self.mti = mti;
        self.present = Bitmap::default();
        self.wire.clear();
        self.faults.clear();
        self.header.clear();
        (self.in_order, self.highest) = (true, 0);
    }

    /// Copies the header of `from`, if the dialect leaves a part of it to the sender. Both messages must be of one
    /// dialect.
    pub fn copy_header(&mut self, from: &Message) -> &mut Self {
        self.header.clear();
        self.header.extend_from_slice(from.header());
        self
    }

    #[inline]
    pub fn put<E: DataElement>(&mut self, value: E::Value<'_>) -> &mut Self {
        self.put_ref::<E>(&value)
    }

    /// As [`Builder::put`], for a value that the caller keeps.
    #[inline]
    pub fn put_ref<E: DataElement>(&mut self, value: &E::Value<'_>) -> &mut Self {
        match value.encoded() {
            EncodedValue::Number(digits) => self.put_number(E::NUMBER, digits),
            encoded => encoded.piece(|content, known| self.put_known(E::NUMBER, content, known)),
        }
        self
    }

    /// Puts a value if there is one.
    pub fn put_some<E: DataElement>(&mut self, value: Option<E::Value<'_>>) -> &mut Self {
        if let Some(value) = value {
            self.put::<E>(value);
        }
        self
    }

    /// Puts canonical content – ASCII characters, or bytes for a binary element – by element number.
    pub fn put_content(&mut self, element: u8, content: &[u8]) -> &mut Self {
        self.put_known(element, content, CharClass::Any);
        self
    }

    #[inline(always)]
    fn put_number(&mut self, element: u8, digits: FixedDigits) {
        let (start, present) = (self.wire.end(), self.present.with(element));
        let count = self.dialect.write_rule(element).put_number(digits, &mut self.wire);
        // only one branch leaves the fast path, so that its values stay in registers from one element to the next
        match count.filter(|_| element > self.highest) {
            Some(count) => self.place_next(element, present, start, count),
            None => self.put_slowly(element, &digits.chars(b'0')[..digits.count()], CharClass::Digits),
        }
    }

    #[inline(always)]
    fn put_known(&mut self, element: u8, content: &[u8], known: CharClass) {
        let (start, present) = (self.wire.end(), self.present.with(element));
        let write_rule = self.dialect.write_rule(element);
        let count = self.wire.rest().and_then(|rest| write_rule.put(content, known.bit(), rest));
        match count.filter(|_| element > self.highest) {
            Some(count) => self.place_next(element, present, start, count.get()),
            None => self.put_slowly(element, content, known),
        }
    }

    /// The slow path of a put: for an element out of order, for lack of room, or for a row that is encoded step by
    /// step.
    #[cold]
    #[inline(never)]
    fn put_slowly(&mut self, element: u8, content: &[u8], known: CharClass) {
        // no row needs more, whatever the content
        self.wire.reserve(2 * content.len() + 16);
        let start = self.wire.end();
        let write_rule = self.dialect.write_rule(element);
        match self.wire.rest().and_then(|rest| write_rule.put(content, known.bit(), rest)) {
            Some(count) => {
                self.wire.hold(count.get());
                self.place(element, start, self.wire.end());
            }
            None => self.put_by_row(element, content),
        }
    }

    /// Encodes any content by its row, and records a fault if it does not fit.
    fn put_by_row(&mut self, element: u8, content: &[u8]) {
        let start = self.wire.end();
        self.by_row.clear();
        let fault = match self.dialect.rule(element) {
            Some(rule) => element::write(element, rule, content, &mut self.by_row).err(),
            None => Some(EncodeError::NoRule(element)),
        };
        self.wire.extend_from_slice(&self.by_row);
        self.place(element, start, self.wire.end());
        self.faults.extend(fault.map(|fault| (element, fault)));
    }

    /// Records the next bytes of the wire as an element after all others.
    #[inline(always)]
    fn place_next(&mut self, element: u8, present: Bitmap, start: usize, count: usize) {
        self.wire.hold(count);
        if let Some(place) = self.ranges.get_mut(usize::from(element)) {
            *place = ElementRange { start: start as u32, end: self.wire.end() as u32 };
        }
        self.present = present;
        self.highest = element;
    }

    /// Records these bytes of the wire as the element, which may have been put before.
    fn place(&mut self, element: u8, start: usize, end: usize) {
        let Some(place) = self.ranges.get_mut(usize::from(element)) else { return };
        *place = ElementRange { start: start as u32, end: end as u32 };
        self.present.set(element);
        if element > self.highest {
            self.highest = element;
        } else {
            // the element may have been put before
            self.in_order = false;
            self.forget_fault(element);
        }
    }

    #[cold]
    fn forget_fault(&mut self, element: u8) {
        self.faults.retain(|(faulty, _)| *faulty != element);
    }

    /// Copies an element of another message, which may be of another dialect; an absent one stays absent.
    pub fn copy<E: DataElement>(&mut self, from: &Message) -> &mut Self {
        self.copy_element(from, E::NUMBER)
    }

    pub fn copy_element(&mut self, from: &Message, element: u8) -> &mut Self {
        let Some(field) = from.field(element) else { return self };
        if self.dialect.rule(element) == Some(field.rule()) {
            let start = self.wire.end();
            self.wire.extend_from_slice(from.wire(element).unwrap_or_default());
            self.place(element, start, self.wire.end());
            return self;
        }
        let was_packed = field.rule().format == Format::Track && field.rule().content == Content::Bcd;
        let unpack_track = was_packed && self.dialect.rule(element).is_some_and(|rule| rule.content != Content::Bcd);
        let mut chars = std::mem::take(&mut self.chars);
        chars.clear();
        field.append_to(&mut chars);
        if unpack_track {
            // the separator of a track is nibble D when packed, and `=` in characters
            chars.iter_mut().filter(|char| **char == b'D').for_each(|char| *char = b'=');
        }
        self.put_content(element, &chars);
        self.chars = chars;
        self
    }

    /// Copies every element of another message and, within one dialect, its header: the copy then has the same bytes.
    pub fn copy_all(&mut self, from: &Message) -> &mut Self {
        let untouched = self.present == Bitmap::default() && self.faults.is_empty();
        match from.places() {
            Some((places, end)) if untouched && Arc::ptr_eq(&self.dialect, from.dialect()) => {
                self.copy_side_by_side(from, places, end);
            }
            _ => from.elements().for_each(|element| {
                self.copy_element(from, element);
            }),
        }
        if Arc::ptr_eq(&self.dialect, from.dialect()) {
            self.copy_header(from);
            // some partners always send a second bitmap, empty or not
            from.empty_bitmaps().for_each(|announcing| self.present.set(announcing));
        }
        self
    }

    /// Copies the elements of a message of the same dialect into an empty builder as one block.
    fn copy_side_by_side(&mut self, from: &Message, places: impl Iterator<Item = (u8, usize)>, end: usize) {
        self.wire.clear();
        (self.in_order, self.highest) = (true, 0);
        let mut first = None;
        for (element, start) in places {
            let start = (start - *first.get_or_insert(start)) as u32;
            // an element ends where the next begins
            self.ranges[usize::from(self.highest)].end = start;
            self.ranges[usize::from(element)].start = start;
            self.present.set(element);
            self.highest = element;
        }
        if let Some(first) = first {
            self.ranges[usize::from(self.highest)].end = (end - first) as u32;
            self.wire.extend_from_slice(&from.bytes()[first..end]);
        }
    }

    pub fn remove<E: DataElement>(&mut self) -> &mut Self {
        self.remove_element(E::NUMBER)
    }

    pub fn remove_element(&mut self, element: u8) -> &mut Self {
        if self.present.has(element) {
            self.present.clear(element);
            self.in_order = false;
            self.forget_fault(element);
        }
        self
    }

    pub fn has<E: DataElement>(&self) -> bool {
        self.present.has(E::NUMBER)
    }

    /// Reserves the last element for a message authentication code; [`crate::mac::set`] fills it in the encoded bytes.
    pub fn reserve_mac(&mut self) -> &mut Self {
        let highest = self.present.last().unwrap_or(0);
        self.put_content(Dialect::mac_element(highest), &[0; 8])
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Builder({} with {:?})", self.mti, self.present.iter().collect::<Vec<_>>())
    }
}
