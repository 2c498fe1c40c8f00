//! Framings: the same messages come out however the stream is split, and what is no frame is refused with its reason.

use bytes::{Bytes, BytesMut};
use codecs::encoding::from_hex;
use codecs::frame::{Frame, FrameError, Framed, Framing};
use tokio_util::codec::{Decoder, Encoder};

const LIMIT: usize = 5000;

fn header(framing: &Framing) -> Bytes {
    Bytes::from((0..framing.header_bytes() as u8).collect::<Vec<_>>())
}

/// Messages of several sizes that suit the framing.
fn messages(framing: &Framing) -> Vec<Frame> {
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

#[test]
fn a_stream_split_anywhere_gives_the_same_frames() {
    for name in Framing::NAMES {
        let framing = Framing::named(name).unwrap();
        let frames = messages(&framing);
        let mut stream = BytesMut::new();
        for frame in &frames {
            framing.codec(LIMIT).encode(frame.clone(), &mut stream).unwrap();
        }
        for split in 0..=stream.len() {
            let mut codec = framing.codec(LIMIT);
            let (mut src, mut found) = (BytesMut::new(), Vec::new());
            for part in [&stream[..split], &stream[split..]] {
                src.extend_from_slice(part);
                while let Some(frame) = codec.decode(&mut src).unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, frames, "{name} split at {split}");
            assert!(src.is_empty(), "{name} split at {split}");
        }
        let mut codec = framing.codec(LIMIT);
        let (mut src, mut found) = (BytesMut::new(), Vec::new());
        for byte in &stream {
            src.extend_from_slice(&[*byte]);
            found.extend(codec.decode(&mut src).unwrap());
        }
        assert_eq!(found, frames, "{name} byte by byte");
    }
}

#[test]
fn a_stream_cut_inside_a_frame_is_an_error_at_its_end() {
    for name in Framing::NAMES {
        let framing = Framing::named(name).unwrap();
        let mut stream = BytesMut::new();
        framing.codec(LIMIT).encode(messages(&framing).pop().unwrap(), &mut stream).unwrap();
        for cut in 1..stream.len() {
            let mut src = BytesMut::from(&stream[..cut]);
            let error = framing.codec(LIMIT).decode_eof(&mut src).unwrap_err();
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
        codecs::encoding::to_hex(&asked.answer(Bytes::from_static(body)).header)
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
