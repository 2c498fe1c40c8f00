//! `iso8583 explain`: messages as tables for people.

use super::dialects::Dialects;
use super::guess;
use anyhow::bail;
use bytes::{Bytes, BytesMut};
use codecs::describe::{Style, render};
use codecs::frame::{Frame, Framing};
use codecs::guess::input::{self, Stream};
use codecs::{Dialect, Message};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use tokio_util::codec::Decoder;

/// The dialect used if none is given and none can be guessed.
const FALLBACK: &str = "iso87-ascii";

/// How to read the input, as far as it is given on the command line.
pub struct Reading {
    pub dialect: Option<String>,
    pub framing: Option<String>,
    /// Bytes to skip before each message, within its frame.
    pub skip: usize,
}

/// Exits with 1 if a message could not be read to its end.
pub fn run(dialects: &mut Dialects, reading: &Reading, given: &str, style: Style) -> anyhow::Result<ExitCode> {
    let (_, streams) = input::streams(&super::source::read(given)?);
    if streams.is_empty() {
        bail!("there is no TCP payload in this capture");
    }
    let mut out = io::stdout().lock();
    let mut whole = true;
    for stream in &streams {
        if !stream.name.is_empty() {
            writeln!(out, "{}", style.heading(&stream.name))?;
        }
        whole &= explain(dialects, reading, stream, &mut out, style)?;
    }
    if !whole {
        let _ = writeln!(
            io::stderr(),
            "iso8583: not every message could be read to its end; if framing or dialect are in doubt, try iso8583 guess"
        );
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes the messages of a stream; false if one has a fault.
fn explain(
    dialects: &mut Dialects,
    reading: &Reading,
    stream: &Stream,
    out: &mut impl Write,
    style: Style,
) -> anyhow::Result<bool> {
    let (dialect, framing, skip) = settled(dialects, reading, stream)?;
    let Some(framing) = framing else {
        return write(out, &dialect, &Bytes::copy_from_slice(&stream.bytes), skip, style);
    };
    let Some(framing) = Framing::named(&framing) else {
        bail!("framing {framing:?} is none of {}, {}", Framing::NAMES.join(", "), Framing::NONE);
    };
    let mut codec = framing.codec(Message::MAX_BYTES).of(&dialect);
    let mut left = BytesMut::from(&stream.bytes[..]);
    let (mut whole, mut count) = (true, 0);
    while let Some(frame) = codec.decode_eof(&mut left)? {
        if count > 0 {
            writeln!(out)?;
        }
        count += 1;
        match frame {
            Frame::KeepAlive => writeln!(out, "{}", style.aside("keep-alive"))?,
            Frame::Message(framed) => whole &= write(out, &dialect, &framed.body, skip, style)?,
        }
    }
    Ok(whole)
}

/// The framing and dialect to use: as given, or guessed from the bytes if no dialect is given.
fn settled(
    dialects: &mut Dialects,
    reading: &Reading,
    stream: &Stream,
) -> anyhow::Result<(Arc<Dialect>, Option<String>, usize)> {
    if let Some(name) = &reading.dialect {
        return Ok((dialects.named(name)?, reading.framing.clone(), reading.skip));
    }
    let guessed = guess::best(dialects, &stream.bytes);
    let agrees = |framing: &str| reading.framing.as_ref().is_none_or(|given| given == framing);
    match guessed.filter(|best| agrees(best.framing)) {
        Some(best) => {
            let dialect = match best.fits.first() {
                Some(name) => dialects.named(name)?,
                None => dialects.keyed("guessed", &best.file)?,
            };
            let _ = writeln!(io::stderr(), "iso8583: read as framing {}, dialect {}", best.framing, dialect.name);
            Ok((dialect, Some(best.framing.to_owned()), best.skip.max(reading.skip)))
        }
        None => Ok((dialects.named(FALLBACK)?, reading.framing.clone(), reading.skip)),
    }
}

/// Writes one message; false if it has a fault.
fn write(
    out: &mut impl Write,
    dialect: &Arc<Dialect>,
    bytes: &Bytes,
    skip: usize,
    style: Style,
) -> anyhow::Result<bool> {
    if skip > bytes.len() {
        bail!("--skip {skip}: the message has {} bytes", bytes.len());
    }
    let (message, fault) = Message::decode_to_fault(dialect, bytes.slice(skip..))?;
    out.write_all(render(&message, fault.as_ref(), style).as_bytes())?;
    Ok(fault.is_none())
}
