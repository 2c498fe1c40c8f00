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

use clap::{Args, Parser, Subcommand, ValueEnum};
use codecs::describe::Style;
use dialects::Dialects;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Guesses, explains, decodes, encodes and frames ISO 8583 messages.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    /// Folder of dialect files; by default config/dialects here or in a folder above, else those built in.
    #[arg(long, global = true, value_name = "DIR")]
    dialects: Option<PathBuf>,
    /// Whether to use colours.
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    color: Colour,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Shows messages to people: elements by name, codes in words, card data masked.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain {
        /// A dialect's name, a path that ends in .toml, or an inline JSON object; guessed if it is not given.
        #[arg(long, short)]
        dialect: Option<String>,
        /// Removes this framing; the input may contain several messages.
        #[arg(long, short)]
        framing: Option<String>,
        /// Bytes to skip before each message, within its frame.
        #[arg(long, default_value_t = 0, value_name = "BYTES")]
        skip: usize,
        /// Hex in any shape (blanks are skipped), a file (hex dump, bytes, pcap, pcapng), or - for standard input.
        #[arg(required = true)]
        input: Vec<String>,
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
    /// Finds framing and dialect of a message that nobody has described, with the reasons.
    #[command(after_help = GUESS_EXAMPLES)]
    Guess {
        /// Hex in any shape (blanks are skipped), a file (hex dump, bytes, pcap, pcapng), or - for standard input.
        #[arg(required = true)]
        input: Vec<String>,
        /// Writes one JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Lists the dialects.
    Dialects {
        /// As Markdown, with the elements that each changes: the tables of shipped dialects in docs/dialects.md.
        #[arg(long)]
        markdown: bool,
    },
    /// Shows a dialect as a table, one row per element.
    DialectShow {
        dialect: String,
        /// The rows as one JSON object, to configure another codec.
        #[arg(long)]
        json: bool,
        /// Only the differences from the dialect that it extends, or from the bare standard.
        #[arg(long, conflicts_with = "json")]
        difference: bool,
    },
    /// Prints a dialect's words – message types, bitmaps, lengths at their bounds, tags – as a dictionary for fuzzers.
    Dictionary { dialect: String },
}

/// The form of input and output. It is named so that others can be added.
#[derive(Args)]
struct Lines {
    /// One JSON object a line in, one a line out.
    #[arg(long, required = true)]
    ndjson: bool,
}

/// Whether to use colours.
#[derive(Clone, Copy, ValueEnum)]
enum Colour {
    /// On a terminal that supports them, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

impl Colour {
    /// Colours are used on a terminal that supports them, unless the user asked for none (no-color.org).
    fn style(self) -> Style {
        let unset = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match self {
            Self::Always => Style::Colour,
            Self::Auto if io::stdout().is_terminal() && unset("NO_COLOR") && !dumb => Style::Colour,
            _ => Style::Plain,
        }
    }
}

const EXAMPLES: &str = "Examples:
  iso8583 guess capture.pcap                     what framing and dialect is this?
  iso8583 explain 08008220000000000000040000000000000011201015300000070301
  iso8583 explain --framing nac --dialect iso87-binary dump.txt
  iso8583 dialect-show iso87-binary              a dialect, element by element
  iso8583 decode --ndjson < messages.ndjson      for programs";

const EXPLAIN_EXAMPLES: &str = "Examples:
  iso8583 explain 30 38 30 30 82 20 …            framing and dialect are guessed
  iso8583 explain -d iso87-ascii -f bin2 -       hex, or a dump of xxd, from standard input
  iso8583 explain -d northbank.toml trace.pcap   every message of a capture
  iso8583 explain -d '{\"extends\":\"iso87-binary\",\"ch\":\"ebcdic\"}' HEX
  iso8583 --color always explain HEX | less -R

Card numbers are masked; tracks, PIN blocks, security codes and private data show as their length.
Exits with 1 where a message could not be read to its end: it is shown up to the fault.";

const GUESS_EXAMPLES: &str = "Examples:
  iso8583 guess 0037303830308220…
  xxd message.bin | iso8583 guess -
  iso8583 guess --json capture.pcapng

Candidates are ranked by the bits that they explain; where two are as good, they are called a tie.
Exits with 1 where no candidate reads all of it: the one that came the furthest says where it breaks.";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut dialects = Dialects::new(cli.dialects);
    let style = cli.color.style();
    let done = match cli.verb {
        Verb::Explain { dialect, framing, skip, input } => {
            let reading = explain::Reading { dialect, framing, skip };
            explain::run(&mut dialects, &reading, &input.join(" "), style)
        }
        Verb::Decode { lines: _, reveal } => ndjson::run(|request| decode::answer(&mut dialects, request, reveal)),
        Verb::Encode(_) => ndjson::run(|request| encode::answer(&mut dialects, request)),
        Verb::Unframe(_) => ndjson::run(|request| unframe::answer(&mut dialects, request)),
        Verb::Frame(_) => ndjson::run(|request| frame::answer(&mut dialects, request)),
        Verb::Tlv(_) => ndjson::run(tlv::answer),
        Verb::Guess { input, json } => guess::run(&mut dialects, &input.join(" "), json, style),
        Verb::Dialects { markdown: false } => show::list(&dialects),
        Verb::Dialects { markdown: true } => show::markdown(&dialects),
        Verb::DialectShow { dialect, json: true, .. } => rows::print(&mut dialects, &dialect),
        Verb::DialectShow { dialect, difference: true, .. } => show::difference(&mut dialects, &dialect),
        Verb::DialectShow { dialect, .. } => show::table(&mut dialects, &dialect),
        Verb::Dictionary { dialect } => dictionary::run(&mut dialects, &dialect),
    };
    match done {
        Ok(code) => code,
        // the reader of the output has closed it, which is no error
        Err(fault) if fault.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(fault) => {
            let _ = writeln!(io::stderr(), "iso8583: {fault:#}");
            ExitCode::from(2)
        }
    }
}
