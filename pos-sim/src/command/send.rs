//! `pos-sim send`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use codecs::describe::{Style, render};
use codecs::encoding::{Format, from_hex};
use codecs::frame::{Frame, Framed, Framing};
use codecs::{Builder, Dialect, Message, Mti};
use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_util::codec::Framed as FramedStream;

#[derive(Debug, Args)]
pub(super) struct SendArguments {
    /// Whom to send to, host:port.
    #[arg(long)]
    target: String,
    #[arg(long)]
    dialect: String,
    #[arg(long)]
    framing: String,
    #[arg(long, default_value = "config/dialects")]
    dialects_dir: PathBuf,
    /// Transport header, for framings that have one: ten hexadecimal digits.
    #[arg(long, default_value = "6000030000")]
    tpdu: String,
    #[arg(long, default_value_t = 10_000)]
    timeout_ms: u64,
    /// {"mti": "0800", "fields": {"11": "000001", …}}: text as text, binary elements in hexadecimal. A list of such
    /// objects is sent one after the other on one connection, each after the answer to the one before.
    file: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outgoing {
    mti: String,
    /// By element number.
    fields: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(Outgoing),
    Many(Vec<Outgoing>),
}

pub(super) async fn run(arguments: SendArguments) -> anyhow::Result<ExitCode> {
    let dialect = codecs::dialect::load(&arguments.dialects_dir, &arguments.dialect)?;
    let framing =
        Framing::named(&arguments.framing).with_context(|| format!("no framing \"{}\"", arguments.framing))?;
    let text = std::fs::read_to_string(&arguments.file).with_context(|| arguments.file.display().to_string())?;
    let messages = match serde_json::from_str(&text).with_context(|| arguments.file.display().to_string())? {
        OneOrMany::One(message) => vec![message],
        OneOrMany::Many(messages) => messages,
    };
    let header = match framing.header_bytes() {
        0 => Bytes::new(),
        _ => from_hex(&arguments.tpdu).map(Bytes::from).context("--tpdu is not hexadecimal")?,
    };
    let stream = TcpStream::connect(&arguments.target).await.with_context(|| arguments.target.clone())?;
    let mut frames = FramedStream::new(stream, framing.codec(Message::MAX_BYTES).of(&dialect));
    for message in &messages {
        let body = encode(&dialect, message)?;
        frames.send(Frame::Message(Framed { header: header.clone(), body })).await?;
        let waited = tokio::time::timeout(Duration::from_millis(arguments.timeout_ms), answer(&mut frames)).await;
        let Ok(body) = waited else { bail!("no answer in {} ms", arguments.timeout_ms) };
        let (answer, fault) = Message::decode_to_fault(&dialect, body?)?;
        std::io::stdout().lock().write_all(render(&answer, fault.as_ref(), Style::Plain).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn answer<S>(frames: &mut S) -> anyhow::Result<Bytes>
where
    S: StreamExt<Item = Result<Frame, codecs::frame::FrameError>> + Unpin,
{
    loop {
        match frames.next().await {
            Some(Ok(Frame::Message(framed))) => return Ok(framed.body),
            Some(Ok(Frame::KeepAlive)) => {}
            Some(Err(error)) => return Err(error.into()),
            None => bail!("the connection was closed without an answer"),
        }
    }
}

fn encode(dialect: &Arc<Dialect>, message: &Outgoing) -> anyhow::Result<Bytes> {
    let digits = <[u8; 4]>::try_from(message.mti.as_bytes()).ok().and_then(Mti::from_digits);
    let mut builder = Builder::new(dialect, digits.context("mti: four digits")?);
    for (name, content) in &message.fields {
        let element: u8 = name.parse().with_context(|| format!("\"{name}\" is no element number"))?;
        let rule = dialect.rule(element).with_context(|| format!("the dialect has no element {element}"))?;
        if rule.format == Format::Binary {
            let bytes =
                from_hex(content).with_context(|| format!("element {element} is binary: hexadecimal is needed"))?;
            builder.put_content(element, &bytes);
        } else {
            builder.put_content(element, content.as_bytes());
        }
    }
    Ok(builder.encode()?)
}
