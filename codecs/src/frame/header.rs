//! Headers within a frame, before the message, and their reversal for the answer.

use bytes::Bytes;

/// TPDU, the transport header of point-of-sale concentrators: an id, two bytes of destination, two of source.
#[derive(Debug)]
pub struct Tpdu;

impl Tpdu {
    pub const BYTES: usize = 5;

    fn turned(header: &[u8]) -> Bytes {
        Bytes::copy_from_slice(&[header[0], header[3], header[4], header[1], header[2]])
    }
}

/// Station header of 22 bytes before each message on Visa-style links: its length at byte 0, the length of header and
/// message at 3, destination station at 5, source station at 8.
#[derive(Debug)]
pub struct StationHeader;

impl StationHeader {
    pub const BYTES: usize = 22;

    fn turned(header: &[u8], body_bytes: usize) -> Bytes {
        let mut turned = header.to_vec();
        turned[5..8].copy_from_slice(&header[8..11]);
        turned[8..11].copy_from_slice(&header[5..8]);
        turned[3..5].copy_from_slice(&((Self::BYTES + body_bytes) as u16).to_be_bytes());
        turned.into()
    }
}

/// The header for the answer to a frame with `header`: source and destination exchanged.
pub(super) fn turned(header: &Bytes, body_bytes: usize) -> Bytes {
    match header.len() {
        Tpdu::BYTES => Tpdu::turned(header),
        StationHeader::BYTES => StationHeader::turned(header, body_bytes),
        _ => header.clone(),
    }
}
