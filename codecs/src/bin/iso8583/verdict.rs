//! Prints the result of a guess for people.

use codecs::describe::Style;
use codecs::dialect::Keys;
use codecs::guess::input::Stream;
use codecs::guess::{Candidate, Guess};
use std::io::{self, Write};

/// Number of candidates shown.
const SHOWN: usize = 5;

/// Writes the candidates for a stream, the first with its reasons and the next steps.
pub fn write(out: &mut impl Write, stream: &Stream, guess: &Guess, given: &str, style: Style) -> io::Result<()> {
    let name = if stream.name.is_empty() { String::new() } else { format!("{}: ", stream.name) };
    writeln!(out, "{}", style.aside(&format!("{name}{} bytes", stream.bytes.len())))?;
    let Some(best) = guess.candidates.first() else {
        writeln!(out, "{}", style.fault("nothing in it looks like the start of an ISO 8583 message"))?;
        return Ok(());
    };
    if !guess.is_sure() {
        writeln!(out, "{}", style.fault("no dialect reads it to its end; this came the furthest:"))?;
    }
    for (rank, candidate) in guess.candidates.iter().take(SHOWN).enumerate() {
        title(out, rank + 1, candidate, style)?;
        if rank == 0 || (candidate.tied && (candidate.score - best.score).abs() < 0.05) {
            details(out, candidate, style)?;
        }
    }
    advice(out, best, stream, given, style)
}

fn title(out: &mut impl Write, rank: usize, candidate: &Candidate, style: Style) -> io::Result<()> {
    let framing = match candidate.framing {
        "none" => "no framing".to_owned(),
        framing => format!("framing {framing}"),
    };
    let dialect = match (candidate.fits.first(), &candidate.nearest) {
        (Some(name), _) => format!("dialect {name}"),
        (None, Some(nearest)) if nearest.differences.is_empty() => format!("nearest dialect {}", nearest.name),
        (None, Some(nearest)) => format!("nearest dialect {}, but {}", nearest.name, nearest.differences.join("; ")),
        (None, None) => "no dialect at hand".to_owned(),
    };
    let skipped = match candidate.skip {
        0 => String::new(),
        skip => format!(", {skip} bytes of header"),
    };
    let tie = if candidate.tied { ", a tie: these bytes cannot tell" } else { "" };
    let score = style.aside(&format!("({:.0} bits{tie})", candidate.score));
    let line = format!("{framing}{skipped}, {dialect}");
    let line = if rank == 1 { style.heading(&line) } else { line };
    writeln!(out, "{} {line}  {score}", style.label(&format!("{rank}.")))?;
    match candidate.fault {
        Some(fault) => {
            let of = if candidate.frames > 1 { format!(" of message {}", fault.message) } else { String::new() };
            let read = format!("{} of {} elements{of} fit; then", fault.read, fault.announced);
            let place = format!("at byte {} of the stream", fault.offset);
            let what = if fault.is_trailing() {
                format!("{read} bytes are left over {place}")
            } else {
                format!("{read} {} breaks {place}: {}", fault.error.path(), fault.error.kind.name())
            };
            writeln!(out, "   {}", style.fault(&what))
        }
        None => Ok(()),
    }
}

fn details(out: &mut impl Write, candidate: &Candidate, style: Style) -> io::Result<()> {
    for reason in &candidate.reasons {
        let mark = if reason.against { style.fault("-") } else { style.meaning("+") };
        for (i, line) in wrapped(&reason.words, 94).into_iter().enumerate() {
            writeln!(out, "   {} {line}", if i == 0 { mark.as_str() } else { " " })?;
        }
    }
    if candidate.fits.len() > 1 {
        let others = candidate.fits[1..].join(", ");
        writeln!(out, "     {}", style.aside(&format!("{others} read it to the same elements")))?;
    }
    Ok(())
}

/// The next steps with the best candidate: the command to show it, and the file of a dialect that does not exist yet.
fn advice(out: &mut impl Write, best: &Candidate, stream: &Stream, given: &str, style: Style) -> io::Result<()> {
    if best.fault.is_some() {
        return Ok(());
    }
    let mut command = String::from("iso8583 explain");
    if best.framing != "none" {
        command += &format!(" --framing {}", best.framing);
    }
    if best.skip > 0 {
        command += &format!(" --skip {}", best.skip);
    }
    let input = if stream.name.is_empty() && given.len() <= 40 { given } else { "…" };
    match best.fits.first() {
        Some(name) => writeln!(out, "\n{}", style.label(&format!("{command} --dialect {name} {input}"))),
        None => {
            writeln!(
                out,
                "\n{}",
                style.aside("this dialect reads it; with a name and what the partner says, it is a file")
            )?;
            write!(out, "{}", toml(&best.file))?;
            writeln!(out, "\n{}", style.label(&format!("{command} --dialect FILE.toml {input}")))
        }
    }
}

fn toml(file: &Keys) -> String {
    toml::to_string(file).unwrap_or_default()
}

/// Wraps words to lines of at most `width` characters.
fn wrapped(words: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
