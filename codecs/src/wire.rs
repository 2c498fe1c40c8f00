//! The buffer of a message under construction.

/// Bytes appended one after the other. The buffer is longer than its content, so that a whole block can be written even
/// if only some of it is wanted.
#[derive(Clone)]
pub(crate) struct Wire {
    /// Bytes after `end` have no meaning.
    bytes: Vec<u8>,
    /// The length of the content, at most that of `bytes`.
    end: u32,
}

impl Wire {
    /// Enough for most messages.
    const ROOM: usize = 640;

    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; Self::ROOM], end: 0 }
    }

    pub(crate) fn clear(&mut self) {
        self.end = 0;
    }

    /// The length of the content.
    #[inline(always)]
    pub(crate) fn end(&self) -> usize {
        self.end as usize
    }

    pub(crate) fn held(&self) -> &[u8] {
        &self.bytes[..self.end()]
    }

    /// The free bytes after the content, to write to. [`Wire::hold`] adds written bytes to the content.
    #[inline(always)]
    pub(crate) fn rest(&mut self) -> Option<&mut [u8]> {
        self.bytes.get_mut(self.end as usize..)
    }

    /// The first free bytes as a block, if there are enough.
    #[inline(always)]
    pub(crate) fn block<const SIZE: usize>(&mut self) -> Option<&mut [u8; SIZE]> {
        let end = self.end();
        self.bytes.get_mut(end..end.wrapping_add(SIZE))?.first_chunk_mut()
    }

    /// Makes at least that many bytes free.
    pub(crate) fn reserve(&mut self, count: usize) {
        let enough = self.end() + count;
        if self.bytes.len() < enough {
            let longer = enough.max(2 * self.bytes.len());
            u32::try_from(longer).expect("what is put into one message is less than four gibibytes");
            self.bytes.resize(longer, 0);
        }
    }

    /// Adds that many of the free bytes to the content.
    #[inline(always)]
    pub(crate) fn hold(&mut self, count: usize) {
        self.end = self.end.wrapping_add(count as u32);
    }

    pub(crate) fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        let end = self.end();
        self.bytes[end..end + bytes.len()].copy_from_slice(bytes);
        self.hold(bytes.len());
    }
}
