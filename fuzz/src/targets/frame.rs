//! Framings: however a stream is split, the same frames and the same end; frames turn back to their bytes; nothing is
//! allocated for bytes that have not come.

use super::Target;
use super::golden::goldens;
use allocation_counter::measure;
use bytes::{Bytes, BytesMut};
use codecs::frame::{Frame, FrameCodec, FrameError, Framed, Framing};
use tokio_util::codec::{Decoder, Encoder};

pub const TARGET: Target = Target { name: "frame", check, seeds, dictionary, choices: || framings().count() };

/// A golden message is a tenth of it; small, so that a mutation finds what is over it.
const LIMIT: usize = 2000;

/// What a decoder may hold beyond the bytes it got: bookkeeping of shared buffers, the text of an error.
const BOOKKEEPING: u64 = 256;

fn framings() -> impl Iterator<Item = &'static str> {
    Framing::NAMES.into_iter().chain([Framing::NONE])
}

/// Input: which framing, how many sizes of pieces (none is byte by byte), those sizes, the stream.
fn check(input: &[u8]) {
    let [which, sizes, rest @ ..] = input else { return };
    let name = framings().nth(usize::from(*which) % framings().count()).expect("one of them");
    let framing = Framing::named(name).expect("the names are those of framings");
    let Some((sizes, stream)) = rest.split_at_checked(usize::from(sizes & 7)) else { return };
    let whole = read(&framing, stream, std::iter::repeat(stream.len().max(1)));
    let sizes: Vec<usize> = sizes.iter().map(|size| usize::from(*size) + 1).collect();
    let sizes = if sizes.is_empty() { vec![1] } else { sizes };
    whole.same_as(&read(&framing, stream, sizes.iter().copied().cycle()), name);
    for (frame, wire) in &whole.frames {
        turns_back(&framing, frame, wire);
    }
}

/// What a stream was cut into: frames with their bytes, and how it ended.
struct Cut {
    frames: Vec<(Frame, Vec<u8>)>,
    end: Result<(), FrameError>,
}

impl Cut {
    fn same_as(&self, other: &Self, name: &str) {
        let frames = |cut: &Self| cut.frames.iter().map(|(frame, _)| frame.clone()).collect::<Vec<_>>();
        assert_eq!(frames(self), frames(other), "{name}: frames depend on the split");
        assert_eq!(ending(&self.end), ending(&other.end), "{name}: the end depends on the split");
    }
}

fn ending(end: &Result<(), FrameError>) -> String {
    match end {
        Ok(()) => String::new(),
        // how much had come when it was found too long is a matter of the split
        Err(FrameError::TooLong { limit, .. }) => format!("longer than {limit}"),
        Err(fault) => fault.to_string(),
    }
}

fn read(framing: &Framing, stream: &[u8], sizes: impl Iterator<Item = usize>) -> Cut {
    let mut codec = framing.codec(LIMIT);
    let mut src = BytesMut::new();
    let mut rest = stream;
    let mut cut = Cut { frames: Vec::new(), end: Ok(()) };
    for size in sizes {
        let (piece, later) = rest.split_at(size.min(rest.len()));
        src.extend_from_slice(piece);
        rest = later;
        let ended = rest.is_empty();
        loop {
            let before = stream.len() - rest.len() - src.len();
            let taken = match step(&mut codec, &mut src, ended, stream.len() - rest.len()) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(fault) => {
                    cut.end = Err(fault);
                    return cut;
                }
            };
            let after = stream.len() - rest.len() - src.len();
            cut.frames.push((taken, stream[before..after].to_vec()));
            assert!(cut.frames.len() <= stream.len(), "{}: each frame takes bytes", framing.name());
        }
        if ended {
            return cut;
        }
    }
    unreachable!("the sizes go on for ever")
}

/// One frame, with an eye on what is allocated for it.
fn step(codec: &mut FrameCodec, src: &mut BytesMut, ended: bool, received: usize) -> Result<Option<Frame>, FrameError> {
    let mut result = Ok(None);
    let heap = measure(|| result = if ended { codec.decode_eof(src) } else { codec.decode(src) });
    // chunks are gathered in a buffer that doubles, and both are there while it moves
    let allowed = 3 * received as u64 + BOOKKEEPING;
    assert!(heap.bytes_max <= allowed, "{codec:?}: {} bytes on the heap for {received} received", heap.bytes_max);
    result
}

fn turns_back(framing: &Framing, frame: &Frame, wire: &[u8]) {
    let name = framing.name();
    let mut codec = framing.codec(LIMIT);
    let mut out = BytesMut::new();
    match codec.encode(frame.clone(), &mut out) {
        Ok(()) => {}
        Err(FrameError::NoKeepAlive) if *frame == Frame::KeepAlive => return,
        Err(fault) => panic!("{name}: a frame that was read cannot be written: {fault}"),
    }
    // several chunks become one, an empty frame may count itself, a hex length has two cases
    let other_form = name == "rbp" || *frame == Frame::KeepAlive || name == "hex4" && out.eq_ignore_ascii_case(wire);
    assert!(other_form || out == wire, "{name}: a frame does not turn back to its bytes");
    let again = codec.decode_eof(&mut out).expect("what was written can be read");
    assert_eq!(again.as_ref(), Some(frame), "{name}");
    assert!(out.is_empty(), "{name}: a frame is written as one");
}

/// Each framing with a keep-alive and three golden messages, in one piece and in several.
fn seeds() -> Vec<Vec<u8>> {
    let bodies: Vec<Bytes> = goldens().into_iter().map(|golden| golden.bytes.into()).take(3).collect();
    let mut seeds = Vec::new();
    for (which, name) in framings().enumerate() {
        let framing = Framing::named(name).expect("named");
        let header: Bytes = vec![0x60; framing.header_bytes()].into();
        let mut stream = BytesMut::new();
        let mut codec = framing.codec(LIMIT);
        // framings without a keep-alive frame refuse it
        let _ = codec.encode(Frame::KeepAlive, &mut stream);
        for body in &bodies {
            let body = if name == "xml" { [&body[..], b"</isomsg>"].concat().into() } else { body.clone() };
            // a message that holds the mark of its framing is refused
            let _ = codec.encode(Frame::Message(Framed { header: header.clone(), body }), &mut stream);
        }
        for sizes in [&[][..], &[0, 6], &[99, 1, 30]] {
            seeds.push([&[which as u8, sizes.len() as u8][..], sizes, &stream].concat());
        }
    }
    seeds
}

/// Lengths at their bounds in each code, and the marks.
fn dictionary() -> Vec<Vec<u8>> {
    let lengths = [0, 1, 2, 4, 5, 6, 22, 23, LIMIT - 1, LIMIT, LIMIT + 1, 4096, 9999, 0xFFFF];
    let codes = lengths.into_iter().flat_map(|length| {
        [
            format!("{length:04}").into_bytes(),
            format!("{length:05}").into_bytes(),
            format!("{length:04x}").into_bytes(),
            (length as u16).to_be_bytes().to_vec(),
            (length as u16).to_le_bytes().to_vec(),
            (length as u32).to_be_bytes().to_vec(),
        ]
    });
    let marks = [&b"\xD0\x4A"[..], b"\x01\x00", b"\x00\x00", b"\x03", b"</isomsg>", b"\x60\x00\x01\x00\x00"];
    codes.chain(marks.map(<[u8]>::to_vec)).collect()
}
