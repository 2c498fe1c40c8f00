//! A transaction whose answer was lost, message by message: time, direction, trace number, original.

use std::time::{SystemTime, UNIX_EPOCH};

use codecs::value::OriginalData;
use codecs::{Message, de};

use crate::tap::{Direction, MessageFate, TappedMessage};

/// A message between terminal and switch, as the terminal sent or received it; the tap sees those between switch and host.
#[derive(Debug, Clone)]
pub struct TerminalMessage {
    pub at: SystemTime,
    /// `0200`, or `0210` with its response code.
    pub what: String,
    pub stan: String,
    pub sent: bool,
}

/// The messages of both connections in the order of their times, one text line each.
pub fn lines(terminal: &[TerminalMessage], tapped: &[TappedMessage]) -> Vec<String> {
    let mut rows: Vec<(SystemTime, String)> = terminal
        .iter()
        .map(|seen| {
            let way = if seen.sent { "terminal → switch" } else { "switch → terminal" };
            (seen.at, format!("{way:20} {:12} STAN {}", seen.what, seen.stan))
        })
        .chain(tapped.iter().map(|tapped| (tapped.at, on_host_line(tapped))))
        .collect();
    rows.sort_by_key(|(at, _)| *at);
    let begun = rows.first().map_or(UNIX_EPOCH, |(at, _)| *at);
    rows.into_iter()
        .map(|(at, text)| {
            let since = at.duration_since(begun).unwrap_or_default().as_millis();
            format!("{}  +{since:>6} ms  {text}", time_of_day(at))
        })
        .collect()
}

fn on_host_line(tapped: &TappedMessage) -> String {
    let way = match tapped.direction {
        Direction::ToHost => "switch → host",
        Direction::ToSwitch => "host → switch",
    };
    let message = &tapped.message;
    let code = message.get::<de::ResponseCode>().ok().flatten().map(|code| code.as_str().to_owned());
    let what = match code {
        Some(code) if message.mti().is_response() => format!("{}/{code}", message.mti().as_str()),
        _ => message.mti().as_str().to_owned(),
    };
    let stan = message.get::<de::Stan>().ok().flatten().map_or_else(String::new, |stan| stan.to_string());
    let fate = match tapped.fate {
        MessageFate::Passed => "",
        MessageFate::Held => "  held back on the line",
        MessageFate::ArrivedLate => "  arrives late",
        MessageFate::Lost => "  lost on the line",
    };
    format!("{way:20} {what:12} STAN {stan}{}{fate}", original(message))
}

fn original(message: &Message) -> String {
    let Ok(Some(OriginalData { mti, stan, transmitted, acquirer, .. })) = message.get::<de::OriginalData>() else {
        return String::new();
    };
    let transmitted = transmitted.map_or_else(|| "-".to_owned(), |time| time.to_string());
    let acquirer = acquirer.map_or_else(|| "-".to_owned(), |id| id.to_string());
    format!("  DE90: original {} STAN {stan} sent {transmitted} acquirer {acquirer}", mti.as_str())
}

fn time_of_day(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, since.subsec_millis())
}
