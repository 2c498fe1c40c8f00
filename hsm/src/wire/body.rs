//! Encoding of values in the bodies of requests and answers.
use bytes::Bytes;

/// Bytes that do not follow the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed: {0}")]
pub struct Malformed(
    /// The part that was wrong.
    pub &'static str,
);

/// A cursor over a body.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(Malformed("body too short"))?;
        self.0 = tail;
        Ok(head)
    }

    /// A value behind its length.
    pub(crate) fn sized(&mut self) -> Result<&'a [u8], Malformed> {
        let length = u32::take(self)? as usize;
        self.bytes(length)
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Nothing may follow.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed("bytes after the body")) }
    }
}

/// A value that can be put into a body and taken out again.
pub(crate) trait Wire: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed>;
}

/// A value behind its length.
pub(crate) fn put_sized(bytes: &[u8], out: &mut Vec<u8>) {
    (bytes.len() as u32).put(out);
    out.extend_from_slice(bytes);
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
            fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                let bytes = reader.bytes(size_of::<Self>())?;
                Ok(Self::from_be_bytes(bytes.try_into().map_err(|_| Malformed("number"))?))
            }
        }
    )*};
}
number!(u16, u32, u64, i64);

// u8 stands apart so that arrays and vectors of bytes are copied whole
impl Wire for u8 {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(reader.bytes(1)?[0])
    }
}

impl<const N: usize> Wire for [u8; N] {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.bytes(N)?.try_into().map_err(|_| Malformed("fixed bytes"))
    }
}

impl Wire for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        put_sized(self, out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self::copy_from_slice(reader.sized()?))
    }
}

impl Wire for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_sized(self.as_bytes(), out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::from_utf8(reader.sized()?.to_vec()).map_err(|_| Malformed("text is not UTF-8"))
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            None => out.push(0),
            Some(value) => {
                out.push(1);
                value.put(out);
            }
        }
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        match u8::take(reader)? {
            0 => Ok(None),
            1 => Ok(Some(T::take(reader)?)),
            _ => Err(Malformed("option")),
        }
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok((A::take(reader)?, B::take(reader)?))
    }
}

/// A list behind its count. The count is not trusted for allocation.
pub(crate) fn put_list<T: Wire>(items: &[T], out: &mut Vec<u8>) {
    (items.len() as u32).put(out);
    for item in items {
        item.put(out);
    }
}

pub(crate) fn take_list<T: Wire>(reader: &mut Reader<'_>) -> Result<Vec<T>, Malformed> {
    let count = u32::take(reader)?;
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(T::take(reader)?);
    }
    Ok(items)
}

impl Wire for Vec<u8> {
    fn put(&self, out: &mut Vec<u8>) {
        put_sized(self, out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(reader.sized()?.to_vec())
    }
}
