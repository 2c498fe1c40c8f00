//! `iso8583`: explains, decodes, encodes and frames messages on the command line.

mod decode;
mod dialects;
mod dictionary;
mod encode;
mod explain;
mod frame;
mod guess;
mod ndjson;
mod rows;
mod show;
mod source;
mod tlv;
mod unframe;
mod verdict;

use clap::{Args, Parser, Subcommand};
use codecs::describe::Style;
use dialects::Dialects;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

/// Explains, decodes, encodes and frames ISO 8583 messages.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Folder of dialect files; else config/dialects here or in a folder above, else those built in.
    #[arg(long, global = true, value_name = "DIR")]
    dialects: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Shows a message to people: elements by name, codes in words, card data masked.
    Explain {
        /// A dialect's name, a path that ends in .toml, or an inline JSON object.
        #[arg(long, default_value = "iso87-ascii")]
        dialect: String,
        /// Strips this framing; several messages may follow each other.
        #[arg(long)]
        framing: Option<String>,
        /// Hex digits (blanks are skipped), or - to read them from standard input.
        hex: String,
    },
    /// Reads {"id","dialect","framing"?,"hex","body_offset"?} a line, writes {"id","mti","fields","consumed"}.
    Decode {
        #[command(flatten)]
        lines: Lines,
        /// Shows card numbers and other secrets in clear.
        #[arg(long)]
        reveal: bool,
    },
    /// Reads {"id","dialect","mti","fields"} a line, writes {"id","hex"}.
    Encode(Lines),
    /// Reads {"id","framing","hex"} a line, writes {"id","bodies","keepalives"}.
    Unframe(Lines),
    /// Reads {"id","framing","hex","header"?} a line, writes {"id","hex"}.
    Frame(Lines),
    /// Reads {"id","hex"} a line, writes {"id","tags":[[tag,value],…]}.
    Tlv(Lines),
    /// Names framing and dialect of a message that nobody has described, with the reasons.
    Guess {
        /// Hex in any shape, a file (hex dump, bytes, pcap, pcapng), or - for standard input.
        input: String,
        /// Writes one JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Lists the dialects there are.
    Dialects,
    /// Shows a dialect as a table, one row per element.
    DialectShow {
        dialect: String,
        /// The rows as one JSON object, to drive another codec with.
        #[arg(long)]
        json: bool,
    },
    /// Prints a dialect's words – message types, bitmaps, lengths at their bounds, tags – as a dictionary for fuzzers.
    Dictionary { dialect: String },
}

/// The form of input and output, named so that another can be added beside it.
#[derive(Args)]
struct Lines {
    /// One JSON object a line in, one a line out.
    #[arg(long, required = true)]
    ndjson: bool,
}

/// Colours where a person looks at a terminal that has them, and has not asked for none (no-color.org).
fn style() -> Style {
    let unset = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if io::stdout().is_terminal() && unset("NO_COLOR") && !dumb { Style::Colour } else { Style::Plain }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut dialects = Dialects::new(cli.dialects);
    let done = match cli.verb {
        Verb::Explain { dialect, framing, hex } => explain::run(&mut dialects, &dialect, framing.as_deref(), &hex),
        Verb::Decode { lines: _, reveal } => ndjson::run(|request| decode::answer(&mut dialects, request, reveal)),
        Verb::Encode(_) => ndjson::run(|request| encode::answer(&mut dialects, request)),
        Verb::Unframe(_) => ndjson::run(|request| unframe::answer(&mut dialects, request)),
        Verb::Frame(_) => ndjson::run(|request| frame::answer(&mut dialects, request)),
        Verb::Tlv(_) => ndjson::run(tlv::answer),
        Verb::Guess { input, json } => guess::run(&mut dialects, &input, json, style()),
        Verb::Dialects => show::list(&dialects),
        Verb::DialectShow { dialect, json: false } => show::table(&mut dialects, &dialect),
        Verb::DialectShow { dialect, json: true } => rows::print(&mut dialects, &dialect),
        Verb::Dictionary { dialect } => dictionary::run(&mut dialects, &dialect),
    };
    match done {
        Ok(code) => code,
        // whoever reads the output has seen enough
        Err(fault) if fault.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("iso8583: {fault:#}");
            ExitCode::from(2)
        }
    }
}
