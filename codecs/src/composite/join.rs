//! Builds the content of a composite element from its parts: the inverse of cutting.

use super::tagged::Order;
use super::{Extent, Form, Inner, Nested, PathStep, Position, Tagging, nested, tokens};
use crate::builder::write_element;
use crate::dialect::BitmapEncoding;
use crate::encoding::hex_digit;
use crate::tlv;

/// A part that the form cannot represent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}: cannot be written in this form")]
pub struct JoinError(pub PathStep);

impl Inner {
    /// The content made of these parts, each given by tag or number and value (characters in ASCII, bytes unchanged).
    /// Counts, totals and bitmaps are computed, so the parts that represent them (the header of tokens, the bitmap of
    /// elements) may be left out.
    ///
    /// # Errors
    /// The first part that does not fit: a tag of another kind, a value too long, elements out of order.
    pub fn join(&self, parts: &[(PathStep, &[u8])]) -> Result<Vec<u8>, JoinError> {
        let mut out = Vec::new();
        match &self.form {
            Form::Bitmap(nested) => return join_elements(nested, parts),
            Form::Tokens => return join_tokens(parts),
            Form::Positions(positions) => join_positions(positions, parts, &mut out)?,
            form => {
                for (step, value) in parts {
                    append(form, *step, value, &mut out).ok_or(JoinError(*step))?;
                }
            }
        }
        Ok(out)
    }
}

fn append(form: &Form, step: PathStep, value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match (form, step) {
        (Form::BerTlv, PathStep::Tag(tag)) => tlv::write(tag, value, out).then_some(()),
        (Form::Datasets(_), PathStep::Tag(id)) => {
            out.push(u8::try_from(id).ok()?);
            out.extend_from_slice(&u16::try_from(value.len()).ok()?.to_be_bytes());
            out.extend_from_slice(value);
            Some(())
        }
        (Form::Tagged(tagging), step) => append_tagged(*tagging, step, value, out),
        (Form::Amounts(width), _) if value.len() == *width => {
            out.extend_from_slice(value);
            Some(())
        }
        _ => None,
    }
}

fn append_tagged(tagging: Tagging, step: PathStep, value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let tag = match step {
        PathStep::Tag(tag) if tagging.binary => tag.to_be_bytes()[4 - tagging.tag..].to_vec(),
        PathStep::Text(_) if !tagging.binary => step.label().into_bytes(),
        _ => return None,
    };
    let counted = value.len() + if tagging.order == Order::LengthTag { tagging.tag } else { 0 };
    if tag.len() != tagging.tag || counted > tagging.most() {
        return None;
    }
    let length = match tagging.binary {
        true => counted.to_be_bytes()[size_of::<usize>() - tagging.length..].to_vec(),
        false => format!("{counted:0width$}", width = tagging.length).into_bytes(),
    };
    let (first, second) = if tagging.order == Order::TagLength { (tag, length) } else { (length, tag) };
    out.extend_from_slice(&first);
    out.extend_from_slice(&second);
    out.extend_from_slice(value);
    Some(())
}

fn join_tokens(parts: &[(PathStep, &[u8])]) -> Result<Vec<u8>, JoinError> {
    let mut tokens = Vec::new();
    let mut count = 1;
    for (step, value) in parts.iter().filter(|(step, _)| *step != tokens::header_step()) {
        let id = match step {
            PathStep::Text(label) if label.as_str().len() == 2 && value.len() <= 99_999 => label,
            _ => return Err(JoinError(*step)),
        };
        tokens.extend_from_slice(format!("! {}{:05} ", id.as_str(), value.len()).as_bytes());
        tokens.extend_from_slice(value);
        count += 1;
    }
    let total = tokens::HEADER + tokens.len();
    if count > 99_999 || total > 99_999 {
        return Err(JoinError(tokens::header_step()));
    }
    let mut out = format!("& {count:05}{total:05}").into_bytes();
    out.append(&mut tokens);
    Ok(out)
}

fn join_positions(positions: &[Position], parts: &[(PathStep, &[u8])], out: &mut Vec<u8>) -> Result<(), JoinError> {
    for (at, (step, value)) in parts.iter().enumerate() {
        let fits = match positions.get(at).map(|position| position.extent) {
            Some(Extent::Fixed(length)) => value.len() == length,
            Some(Extent::Counted(digits)) if value.len() < 10usize.pow(digits.into()) => {
                out.extend_from_slice(format!("{:0width$}", value.len(), width = usize::from(digits)).as_bytes());
                true
            }
            _ => false,
        };
        if !fits || *step != PathStep::Number(at as u8 + 1) {
            return Err(JoinError(*step));
        }
        out.extend_from_slice(value);
    }
    match parts.len() == positions.len() {
        true => Ok(()),
        false => Err(JoinError(PathStep::Number(parts.len() as u8 + 1))),
    }
}

fn join_elements(nested: &Nested, parts: &[(PathStep, &[u8])]) -> Result<Vec<u8>, JoinError> {
    let mut bits = 0u64;
    let mut elements = Vec::new();
    for (step, value) in parts.iter().filter(|(step, _)| *step != PathStep::Number(nested::BITMAP)) {
        let PathStep::Number(number) = *step else { return Err(JoinError(*step)) };
        let row = nested.rows.get(&number).ok_or(JoinError(*step))?;
        let bit = 1u64 << (64 - u32::from(number));
        // a bitmap has one order, and each element once
        if bits & (bit | (bit - 1)) != 0 {
            return Err(JoinError(*step));
        }
        bits |= bit;
        write_element(number, &row.rule, value, &mut elements).map_err(|_| JoinError(*step))?;
    }
    let bytes = &bits.to_be_bytes()[..usize::from(nested.bits / 8)];
    let hex = || bytes.iter().flat_map(|b| [hex_digit(b >> 4), hex_digit(*b)]);
    let mut out: Vec<u8> = match nested.bitmap {
        BitmapEncoding::Raw => bytes.to_vec(),
        BitmapEncoding::HexAscii => hex().collect(),
        BitmapEncoding::HexEbcdic => hex().map(|digit| nested.page.encode(digit)).collect(),
    };
    out.extend_from_slice(&elements);
    Ok(out)
}
