//! Where the elements of a message are kept while it is built.

/// Bytes put one behind the other. The buffer is longer than what it holds, so that a block goes into it whole even where
/// only some of the block is wanted.
#[derive(Clone)]
pub(crate) struct Wire {
    /// What is behind `end` means nothing.
    bytes: Vec<u8>,
    /// Never more than there are bytes.
    end: u32,
}

impl Wire {
    /// What most messages need.
    const ROOM: usize = 640;

    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; Self::ROOM], end: 0 }
    }

    pub(crate) fn clear(&mut self) {
        self.end = 0;
    }

    /// How many bytes it holds.
    #[inline(always)]
    pub(crate) fn end(&self) -> usize {
        self.end as usize
    }

    pub(crate) fn held(&self) -> &[u8] {
        &self.bytes[..self.end()]
    }

    /// What is behind the bytes it holds, to write to. [`Wire::hold`] says how many bytes have been written.
    #[inline(always)]
    pub(crate) fn rest(&mut self) -> Option<&mut [u8]> {
        self.bytes.get_mut(self.end as usize..)
    }

    /// The first of the rest, if there are so many bytes.
    #[inline(always)]
    pub(crate) fn block<const SIZE: usize>(&mut self) -> Option<&mut [u8; SIZE]> {
        let end = self.end();
        self.bytes.get_mut(end..end.wrapping_add(SIZE))?.first_chunk_mut()
    }

    /// Makes the rest at least so long.
    pub(crate) fn reserve(&mut self, count: usize) {
        let enough = self.end() + count;
        if self.bytes.len() < enough {
            let longer = enough.max(2 * self.bytes.len());
            u32::try_from(longer).expect("what is put into one message is less than four gibibytes");
            self.bytes.resize(longer, 0);
        }
    }

    /// Takes so many bytes of the rest.
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
