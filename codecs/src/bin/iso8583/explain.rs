//! Messages for people.

use super::dialects::Dialects;
use anyhow::{Context, bail};
use bytes::{Bytes, BytesMut};
use codecs::describe::{Style, render};
use codecs::encoding::from_hex;
use codecs::frame::{Frame, Framing};
use codecs::{Dialect, Message};
use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;
use tokio_util::codec::Decoder;

/// Exits with 1 where a message could not be read to its end.
pub fn run(dialects: &mut Dialects, dialect: &str, framing: Option<&str>, hex: &str) -> anyhow::Result<ExitCode> {
    let dialect = dialects.named(dialect)?;
    let bytes = input(hex)?;
    let mut out = io::stdout().lock();
    let style = if out.is_terminal() { Style::Colour } else { Style::Plain };
    let Some(framing) = framing else {
        return Ok(exit_code(write(&mut out, &dialect, bytes, style)?));
    };
    let Some(framing) = Framing::named(framing) else {
        bail!("framing {framing:?} is none of {}, {}", Framing::NAMES.join(", "), Framing::NONE);
    };
    let mut codec = framing.codec(Message::MAX_BYTES);
    let mut stream = BytesMut::from(&bytes[..]);
    let mut whole = true;
    while let Some(frame) = codec.decode_eof(&mut stream)? {
        match frame {
            Frame::KeepAlive => writeln!(out, "keep-alive")?,
            Frame::Message(framed) => whole &= write(&mut out, &dialect, framed.body, style)?,
        }
    }
    Ok(exit_code(whole))
}

fn exit_code(whole: bool) -> ExitCode {
    if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Writes one message; false if it has a fault.
fn write(out: &mut impl Write, dialect: &Arc<Dialect>, bytes: Bytes, style: Style) -> anyhow::Result<bool> {
    let (message, fault) = Message::decode_to_fault(dialect, bytes)?;
    out.write_all(render(&message, fault.as_ref(), style).as_bytes())?;
    Ok(fault.is_none())
}

/// Hex as people paste it: in lines, in groups, with colons, with `0x`.
fn input(hex: &str) -> anyhow::Result<Bytes> {
    let text = if hex == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).context("standard input")?;
        text
    } else {
        hex.to_owned()
    };
    let digits: String = text.split_whitespace().map(|group| group.strip_prefix("0x").unwrap_or(group)).collect();
    from_hex(&digits.replace(':', "")).map(Bytes::from).context("no hex string of whole bytes")
}
