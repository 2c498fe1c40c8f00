//! Cuts a stream into messages under each framing, and looks for headers before the messages.

use crate::encoding::{PrefixEncoding, hex_value, to_hex};
use crate::frame::{Frame, Framing};
use bytes::{Bytes, BytesMut};
use tokio_util::codec::Decoder;

/// Number of frames examined; more add no information.
const FRAMES_MOST: usize = 64;
/// The value of a length: one of about this many, in bits.
const A_LENGTH: f32 = 12.0;

/// The content of one frame.
#[derive(Clone, Debug)]
pub(super) struct FrameContent {
    /// Its offset in the stream.
    pub start: usize,
    pub bytes: Bytes,
}

/// A stream cut by a framing.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub framing: &'static str,
    pub frames: Vec<FrameContent>,
    pub keepalives: usize,
    /// Evidence for the framing from its lengths, in bits.
    pub gain: f32,
    pub words: Option<String>,
}

/// Framings by name: size of the prefix, and the bits that prefix and mark are worth apart from the length. A framing
/// with a header is one of these with the header after it.
const FRAMINGS: [(&str, usize, f32); 16] = [
    ("bin2", 2, 16.0),
    ("ascii4", 4, 32.0),
    ("none", 0, 0.0),
    ("bin2-incl", 2, 16.0),
    ("bcd2", 2, 16.0),
    ("bin4", 4, 32.0),
    ("hex4", 4, 32.0),
    ("ascii5", 5, 40.0),
    ("bin3", 3, 24.0),
    ("bin2-le", 2, 16.0),
    ("cs", 4, 32.0),
    ("gicc", 4, 32.0),
    ("base24tcp", 2, 24.0),
    ("etx", 0, 8.0),
    ("rbp", 6, 48.0),
    ("xml", 0, 30.0),
];

/// Position of the framing among equally good ones: the more common comes first.
pub(super) fn rank(framing: &str) -> usize {
    FRAMINGS.iter().position(|(name, ..)| *name == framing).unwrap_or(FRAMINGS.len())
}

/// The stream under each framing that yields at least one frame, or the start of one.
pub(super) fn cuts(stream: &[u8]) -> Vec<Cut> {
    FRAMINGS.iter().filter_map(|(name, width, bits)| cut(name, *width, *bits, stream)).collect()
}

fn cut(name: &'static str, width: usize, bits: f32, stream: &[u8]) -> Option<Cut> {
    let framing = Framing::named(name)?;
    if name == Framing::NONE {
        let frames = vec![FrameContent { start: 0, bytes: Bytes::copy_from_slice(stream) }];
        return Some(Cut { framing: name, frames, keepalives: 0, gain: 0.0, words: None });
    }
    let mut codec = framing.codec(crate::Message::MAX_BYTES);
    let mut src = BytesMut::from(stream);
    let closing = usize::from(matches!(name, "base24tcp" | "etx"));
    let (mut frames, mut keepalives) = (Vec::new(), 0);
    let readable = loop {
        match codec.decode(&mut src) {
            Ok(Some(Frame::Message(framed))) => {
                let end = stream.len() - src.len() - closing;
                frames.push(FrameContent { start: end - framed.body.len(), bytes: framed.body });
            }
            Ok(Some(Frame::KeepAlive)) => keepalives += 1,
            Ok(None) => break true,
            Err(_) => break false,
        }
        if frames.len() + keepalives >= FRAMES_MOST {
            break true;
        }
    };
    let counted = if bits > 8.0 { A_LENGTH } else { 6.0 };
    let mut gain = frames.len().min(8) as f32 * (bits - counted) - 4.0 * keepalives.min(4) as f32;
    let mut words = None;
    if src.is_empty() {
        gain += 10.0;
        words = frames.first().and_then(|first| length_words(name, width, stream, first, frames.len()));
    } else if !readable {
        gain -= 20.0;
    } else if frames.is_empty() {
        let (content, why) = begun(name, width, stream)?;
        gain += bits - counted - 16.0;
        words = Some(why);
        frames.push(content);
    } else {
        // a capture may end within a frame, but most do not; and bytes in no frame are unexplained
        gain -= 12.0 + src.len().min(200) as f32;
    }
    (!frames.is_empty()).then_some(Cut { framing: name, frames, keepalives, gain, words })
}

/// The only frame, if it is incomplete.
fn begun(name: &str, width: usize, stream: &[u8]) -> Option<(FrameContent, String)> {
    let announced = announced(name, stream.get(..width).filter(|prefix| !prefix.is_empty())?)?;
    let content = FrameContent { start: width, bytes: Bytes::copy_from_slice(stream.get(width..)?) };
    let there = content.bytes.len();
    (announced <= 8192 && there > 12)
        .then(|| (content, format!("a length of {announced}, of which {there} bytes are there")))
}

fn announced(name: &str, prefix: &[u8]) -> Option<usize> {
    match name {
        "ascii4" | "ascii5" => PrefixEncoding::Ascii.read(prefix),
        "bcd2" => PrefixEncoding::Bcd.read(prefix),
        "hex4" => prefix.iter().try_fold(0, |n, b| Some(n << 4 | usize::from(hex_value(*b)?))),
        "bin2-le" => Some(prefix.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b))),
        "cs" => PrefixEncoding::Binary.read(prefix.get(..2)?),
        "gicc" => PrefixEncoding::Binary.read(prefix.get(2..)?),
        "rbp" => PrefixEncoding::Binary.read(prefix.get(2..4)?),
        _ => PrefixEncoding::Binary.read(prefix),
    }
}

fn length_words(name: &str, width: usize, stream: &[u8], first: &FrameContent, frames: usize) -> Option<String> {
    let many = if frames > 1 { format!("; {frames} frames follow each other without a gap") } else { String::new() };
    if width == 0 {
        return Some(format!("the message ends with its mark{many}"));
    }
    let prefix = stream.get(first.start.checked_sub(width)?..first.start)?;
    let counted = announced(name, prefix)?;
    let how = match name {
        "ascii4" | "ascii5" => format!("length \"{}\"", String::from_utf8_lossy(prefix)),
        "hex4" => format!("length \"{}\" in hex digits", String::from_utf8_lossy(prefix)),
        "bcd2" => format!("length {} in BCD", to_hex(prefix)),
        "bin2-le" => format!("length 0x{}, least significant byte first,", to_hex(prefix)),
        _ => format!("length 0x{}", to_hex(prefix)),
    };
    let what = match name {
        "bin2-incl" => "counts itself and what follows",
        "base24tcp" => "counts what follows with its closing 03",
        "cs" => "is followed by two zeros and counts what comes then",
        "gicc" => "has two zeros before it and counts what follows",
        "rbp" => "after the mark D04A counts what follows",
        _ => "counts what follows",
    };
    Some(format!("{how} {what}: {counted} bytes{many}"))
}

/// A header within a frame, before its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    None,
    /// TPDU: transport header of five bytes.
    Tpdu,
    /// TPDU, and an application header of six bytes.
    TpduAndApplication,
    /// Station header of 22 bytes.
    Station,
    /// BASE24: `ISO` and nine digits.
    Base24,
    /// Unknown bytes.
    Unknown(usize),
}

impl Header {
    pub fn len(self) -> usize {
        match self {
            Self::None => 0,
            Self::Tpdu => 5,
            Self::TpduAndApplication => 11,
            Self::Station => 22,
            Self::Base24 => 12,
            Self::Unknown(bytes) => bytes,
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// A stable name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tpdu => "tpdu",
            Self::TpduAndApplication => "tpdu-and-application",
            Self::Station => "station",
            Self::Base24 => "base24",
            Self::Unknown(_) => "unknown",
        }
    }

    pub(super) fn words(self, bytes: &[u8]) -> Option<String> {
        let hex = to_hex(bytes.get(..self.len().min(22))?);
        Some(match self {
            Self::None => return None,
            Self::Tpdu => format!("TPDU {hex} before the message"),
            Self::TpduAndApplication => format!("TPDU {} and application header {}", &hex[..10], &hex[10..]),
            Self::Station => "a station header of 22 bytes whose own length field agrees".into(),
            Self::Base24 => format!("BASE24 header {}", String::from_utf8_lossy(&bytes[..12])),
            Self::Unknown(n) => format!("{n} unknown bytes {hex} before the message"),
        })
    }
}

/// The longest unknown header that is considered.
const UNKNOWN_MOST: usize = 32;

/// The possible headers before the message, each with its evidence in bits.
pub(super) fn headers(content: &[u8]) -> Vec<(Header, f32)> {
    let mut found = vec![(Header::None, 0.0)];
    let packed = |bytes: &[u8]| bytes.iter().all(|b| b >> 4 <= 9 && b & 15 <= 9);
    if content.first().is_some_and(|id| id >> 4 == 6) && content.len() > 5 {
        let usual = content[0] == 0x60 && packed(&content[1..5]);
        found.push((Header::Tpdu, if usual { 9.0 } else { 2.0 }));
        if content.get(5).is_some_and(|id| matches!(id, 0x60 | 0x61)) && content.get(6..11).is_some_and(packed) {
            found.push((Header::TpduAndApplication, if usual { 17.0 } else { 8.0 }));
        }
    }
    if let [0x16, _, _, high, low, ..] = content
        && content.len() > Header::Station.len()
    {
        let agrees = usize::from(u16::from_be_bytes([*high, *low])) == content.len();
        found.push((Header::Station, if agrees { 28.0 } else { 4.0 }));
    }
    if content.len() > 12 && content.starts_with(b"ISO") && content[3..12].iter().all(u8::is_ascii_digit) {
        found.push((Header::Base24, 60.0));
    }
    let most = UNKNOWN_MOST.min(content.len());
    let known: Vec<usize> = found.iter().map(|(header, _)| header.len()).collect();
    let unknown = (1..most).filter(|bytes| !known.contains(bytes));
    found.extend(unknown.map(|bytes| (Header::Unknown(bytes), -10.0)));
    found
}
