//! Framings: a stream gives the same messages however it is split, and an invalid frame is refused with its reason.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
use bytes::{Bytes, BytesMut};
use codecs::encoding::{from_hex, to_hex};
use codecs::frame::{Frame, FrameCodec, FrameError, Framed, Framing};
use codecs::{Dialect, dialect};
use proptest::prelude::*;
use std::sync::Arc;
use tokio_util::codec::{Decoder, Encoder};

const LIMIT: usize = 5000;

/// An echo test in the dialect with which `pad` cuts.
const ECHO: &[u8] = b"0800822000000000000004000000000000001125161336000255301";

fn ascii() -> Arc<Dialect> {
    dialect::shipped("iso87-ascii").expect("a shipped dialect")
}

fn codec(framing: &Framing) -> FrameCodec {
    framing.codec(LIMIT).of(&ascii())
}

fn header(framing: &Framing) -> Bytes {
    Bytes::from((0..framing.header_bytes() as u8).collect::<Vec<_>>())
}

/// Messages of several sizes that suit the framing.
fn messages(framing: &Framing) -> Vec<Frame> {
    if framing.name() == "pad" {
        return vec![Frame::Message(Framed::bare(Bytes::from_static(ECHO))); 3];
    }
    let mut frames: Vec<Frame> = [1usize, 55, 300]
        .iter()
        .map(|size| {
            let mut body: Vec<u8> = (0..*size).map(|i| 0x30 + (i % 10) as u8).collect();
            if framing.name() == "xml" {
                body.extend_from_slice(b"</isomsg>");
            }
            Frame::Message(Framed { header: header(framing), body: body.into() })
        })
        .collect();
    if !matches!(framing.name(), "etx" | "xml" | "rbp") {
        frames.insert(1, Frame::KeepAlive);
    }
    frames
}

/// The frames of a stream that arrives in these parts.
fn cut(framing: &Framing, parts: &[&[u8]]) -> Vec<Frame> {
    let mut codec = codec(framing);
    let (mut src, mut found) = (BytesMut::new(), Vec::new());
    for part in parts {
        src.extend_from_slice(part);
        while let Some(frame) = codec.decode(&mut src).unwrap() {
            found.push(frame);
        }
    }
    assert!(src.is_empty(), "{}: {} bytes are left", framing.name(), src.len());
    found
}

fn stream(framing: &Framing) -> BytesMut {
    let mut stream = BytesMut::new();
    for frame in messages(framing) {
        codec(framing).encode(frame, &mut stream).unwrap();
    }
    stream
}

#[test]
fn a_stream_split_anywhere_gives_the_same_frames() {
    for name in Framing::NAMES {
        let framing = Framing::named(name).unwrap();
        let (frames, stream) = (messages(&framing), stream(&framing));
        for split in 0..=stream.len() {
            assert_eq!(cut(&framing, &[&stream[..split], &stream[split..]]), frames, "{name} split at {split}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(cut(&framing, &bytes), frames, "{name} byte by byte");
    }
}

proptest! {
    #[test]
    fn a_stream_in_any_parts_gives_the_same_frames(
        name in prop::sample::select(&Framing::NAMES[..]),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let framing = Framing::named(name).unwrap();
        let stream = stream(&framing);
        let mut places: Vec<usize> = places.iter().map(|place| place.index(stream.len())).collect();
        places.extend([0, stream.len()]);
        places.sort_unstable();
        let parts: Vec<&[u8]> = places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        prop_assert_eq!(cut(&framing, &parts), messages(&framing));
    }

    #[test]
    fn no_bytes_bring_a_framing_down(
        name in prop::sample::select(&Framing::NAMES[..]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut codec = codec(&Framing::named(name).unwrap());
        let mut src = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = codec.decode_eof(&mut src) {}
    }
}

/// The bytes of each framing around a message of 55 bytes, as written by the implementations that docs/dialects.md
/// follows.
#[test]
fn each_framing_is_written_and_read_as_its_rule_says() {
    for (name, header, before, after) in [
        ("ascii4", "", "30303535", ""),
        ("ascii5", "", "3030303535", ""),
        ("hex4", "", "30303337", ""),
        ("bin2", "", "0037", ""),
        ("bin2-incl", "", "0039", ""),
        ("bin2-le", "", "3700", ""),
        ("bin3", "", "000037", ""),
        ("bin4", "", "00000037", ""),
        ("bcd2", "", "0055", ""),
        ("nac", "6000010000", "003C6000010000", ""),
        ("ncc", "6000010000", "00606000010000", ""),
        ("cs", "", "00370000", ""),
        ("gicc", "", "00000037", ""),
        ("rbp", "", "D04A00370000", ""),
        (
            "vap",
            "160102004D0000001234560000000000000000000000",
            "004D0000160102004D0000001234560000000000000000000000",
            "",
        ),
        ("base24tcp", "", "0038", "03"),
        ("etx", "", "", "03"),
        ("xml", "", "", "3C2F69736F6D73673E"),
        ("pad", "", "", ""),
        ("none", "", "", ""),
    ] {
        let framing = Framing::named(name).unwrap();
        // the closing tag of XML is part of its message
        let body = if name == "xml" { [ECHO, b"</isomsg>"].concat() } else { ECHO.to_vec() };
        let header = Bytes::from(from_hex(header).unwrap());
        let frame = Frame::Message(Framed { header, body: body.into() });
        let mut out = BytesMut::new();
        codec(&framing).encode(frame.clone(), &mut out).unwrap();
        assert_eq!(to_hex(&out), format!("{before}{}{after}", to_hex(ECHO)), "{name}");
        assert_eq!(codec(&framing).decode_eof(&mut out).unwrap(), Some(frame), "{name}");
        assert!(out.is_empty(), "{name}");
    }
}

#[test]
fn a_stream_cut_inside_a_frame_is_an_error_at_its_end() {
    for name in Framing::NAMES {
        let framing = Framing::named(name).unwrap();
        let mut stream = BytesMut::new();
        codec(&framing).encode(messages(&framing).pop().unwrap(), &mut stream).unwrap();
        for cut in 1..stream.len() {
            let mut src = BytesMut::from(&stream[..cut]);
            let error = codec(&framing).decode_eof(&mut src).unwrap_err();
            assert!(matches!(error, FrameError::Cut(_)), "{name} cut at {cut}: {error}");
        }
    }
}

#[test]
fn a_length_over_the_limit_is_refused_before_its_bytes_come() {
    for (name, prefix) in [
        ("bin2", "FFFF"),
        ("bin4", "7FFFFFFF"),
        ("bin4", "FFFFFFFF"),
        ("bin2-le", "FFFF"),
        ("ascii4", "39393939"),
        ("hex4", "66666666"),
        ("bcd2", "9999"),
        ("vap", "FFFF0000"),
        ("rbp", "D04AFFFF0000"),
    ] {
        let mut src = BytesMut::from(&from_hex(prefix).unwrap()[..]);
        let error = Framing::named(name).unwrap().codec(LIMIT).decode(&mut src).unwrap_err();
        assert!(matches!(error, FrameError::TooLong { limit: LIMIT, .. }), "{name}: {error}");
    }
    let mut endless = BytesMut::from(&[b'0'; 4097][..]);
    let error = Framing::named("etx").unwrap().codec(LIMIT).decode(&mut endless).unwrap_err();
    assert!(matches!(error, FrameError::TooLong { limit: 4096, .. }), "{error}");
}

#[test]
fn what_is_no_frame_is_refused() {
    for (name, hex, reason) in [
        ("ascii4", "30314142", "framing: the length field holds 30314142, which is no length"),
        ("hex4", "30305A31", "framing: the length field holds 30305A31, which is no length"),
        ("bcd2", "0A15", "framing: the length field holds 0A15, which is no length"),
        ("bin2-incl", "0001", "framing: the length field holds 0001, which is no length"),
        ("nac", "0003600000", "framing: a frame of 3 bytes is shorter than its header of 5"),
        ("cs", "00050001", "framing: the length field holds 00050001, which is no length"),
        ("gicc", "00010005", "framing: the length field holds 00010005, which is no length"),
        ("rbp", "D04B00010000", "framing: the length field holds D04B00010000, which is no length"),
        ("base24tcp", "0002303104", "framing: the frame ends in 31, and not in 03"),
    ] {
        let mut src = BytesMut::from(&from_hex(hex).unwrap()[..]);
        let error = Framing::named(name).unwrap().codec(LIMIT).decode(&mut src).unwrap_err();
        assert_eq!(error.to_string(), reason, "{name}");
    }
}

#[test]
fn a_message_in_several_chunks_is_one() {
    let mut src = BytesMut::from(&from_hex("D04A000201003031D04A0001000032").unwrap()[..]);
    let frame = Framing::named("rbp").unwrap().codec(LIMIT).decode(&mut src).unwrap();
    assert_eq!(frame, Some(Frame::Message(Framed::bare(Bytes::from_static(b"012")))));
}

#[test]
fn what_is_about_the_session_is_no_message() {
    let frames = |hex: &str| {
        let framing = Framing::named("vap").unwrap();
        cut(&framing, &[&from_hex(hex).unwrap()])
    };
    assert_eq!(frames("00000000"), [Frame::KeepAlive], "a poll");
    assert_eq!(frames("00000020"), [Frame::KeepAlive], "a heartbeat");
    assert_eq!(
        frames("0002002301020000000000000020"),
        [const { Frame::KeepAlive }; 3],
        "a shutdown with what it counts"
    );
    let mut unknown = BytesMut::from(&[0, 4, 0, 0x30, 1, 2, 3, 4][..]);
    let error = Framing::named("vap").unwrap().codec(LIMIT).decode(&mut unknown).unwrap_err();
    assert!(matches!(error, FrameError::NoLength(_)), "{error}");
    let mut out = BytesMut::new();
    Framing::named("vap").unwrap().codec(LIMIT).encode(Frame::KeepAlive, &mut out).unwrap();
    assert_eq!(to_hex(&out), "00000000", "how it is answered");
}

#[test]
fn a_message_without_framing_ends_where_its_dialect_says() {
    let framing = Framing::named("pad").unwrap();
    let mut src = BytesMut::from(ECHO);
    let error = framing.codec(LIMIT).decode(&mut src).unwrap_err();
    assert!(matches!(error, FrameError::NoDialect), "{error}");
    let mut wrong = BytesMut::from(ECHO);
    wrong[38] = b'X';
    let error = codec(&framing).decode(&mut wrong).unwrap_err();
    assert_eq!(error.to_string(), "framing: the message cannot be read to its end: DE7 at byte 38: class");
    let mut endless = BytesMut::from(ECHO);
    let error = framing.codec(50).of(&ascii()).decode(&mut endless).unwrap_err();
    assert!(matches!(error, FrameError::TooLong { found: 55, limit: 50 }), "{error}");
}

#[test]
fn a_mark_within_a_message_is_not_sent() {
    let body = Frame::Message(Framed::bare(Bytes::from_static(b"08\x0300")));
    let error = Framing::named("etx").unwrap().codec(LIMIT).encode(body, &mut BytesMut::new()).unwrap_err();
    assert!(matches!(error, FrameError::HoldsMark), "{error}");
}

#[test]
fn headers_are_turned_for_the_answer() {
    let turned = |header: &str, body: &'static [u8]| {
        let header = Bytes::from(from_hex(header).unwrap());
        let asked = Framed { header, body: Bytes::from_static(b"0800") };
        to_hex(&asked.answer(Bytes::from_static(body)).header)
    };
    assert_eq!(turned("6000010000", b"0810"), "6000000001", "TPDU: destination and source change places");
    assert_eq!(
        turned("16010200350000001234560000000000000000000000", b"0810"),
        "160102001A1234560000000000000000000000000000",
        "station header: likewise, and the length is that of the answer"
    );
}

#[test]
fn a_frame_shows_nothing_of_its_message() {
    let frame = Frame::Message(Framed::bare(Bytes::from_static(b"4000120000000002")));
    assert_eq!(format!("{frame:?}"), "Message(Framed(0 + 16 bytes))");
}
