//! The terminal log: the exchanges that the simulator's terminals and acquirer saw, one JSON object a line, in the order in which
//! they ended.
//!
//! Reading it: a line with `rc` null is a request without an answer in time; if its answer came later, a further line has it
//! with `late` true. A `repeat` line is about a message already in the log: the same message again, or a reversal or
//! completion sent once more because it was not acknowledged. A merchant may count on an approved purchase, completion or
//! refund of that terminal and STAN, less an approved reversal that names it in `original_stan`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::exchange::{Answer, Exchange, SentRequest};

/// The log could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {source}")]
pub struct LogError {
    file: PathBuf,
    source: std::io::Error,
}

/// The open log; one for the whole simulator, so that its lines are in order.
#[derive(Debug)]
pub struct Log {
    file: PathBuf,
    out: Mutex<BufWriter<File>>,
}

#[derive(Serialize)]
struct LogLine<'a> {
    t_us: u64,
    terminal: &'a str,
    merchant: &'a str,
    acquirer: &'a str,
    ours: bool,
    kind: &'static str,
    mti: &'a str,
    stan: String,
    rrn: &'a str,
    pan_masked: &'a str,
    amount_minor: i64,
    approved_minor: i64,
    currency: String,
    pc: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_stan: Option<String>,
    answer_mti: &'a str,
    rc: Option<&'a str>,
    approval: &'a str,
    late: bool,
    repeat: bool,
}

impl Log {
    /// Starts a log, replacing an existing file.
    pub fn create(file: &Path) -> Result<Self, LogError> {
        let out = File::create(file).map_err(|source| LogError { file: file.into(), source })?;
        Ok(Self { file: file.into(), out: Mutex::new(BufWriter::with_capacity(1 << 16, out)) })
    }

    /// Writes an exchange that has ended.
    pub fn exchange(&self, exchange: &Exchange) -> Result<(), LogError> {
        self.line(exchange.sent_us, &exchange.asked, exchange.answer(), false)
    }

    /// Writes an answer that came after its request had been given up.
    pub fn late(&self, sent_us: u64, asked: &SentRequest, answer: &Answer) -> Result<(), LogError> {
        self.line(sent_us, asked, Some(answer), true)
    }

    /// Brings everything written so far to the file.
    pub fn flush(&self) -> Result<(), LogError> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).flush().map_err(|source| self.error(source))
    }

    fn line(&self, t_us: u64, asked: &SentRequest, answer: Option<&Answer>, late: bool) -> Result<(), LogError> {
        let rrn = answer.and_then(|a| a.rrn).or(asked.rrn);
        let terminal = asked.terminal;
        let line = LogLine {
            t_us,
            terminal: terminal.as_ref().map_or("", |t| t.as_str()),
            merchant: asked.merchant.as_ref().map_or("", |m| m.as_str()),
            acquirer: asked.acquirer.as_str(),
            ours: asked.ours,
            kind: asked.kind.as_str(),
            mti: asked.mti.as_str(),
            stan: asked.stan.to_string(),
            rrn: rrn.as_ref().map_or("", |r| r.as_str()),
            pan_masked: &asked.pan_masked,
            amount_minor: asked.amount.0,
            approved_minor: answer.map_or(0, |a| a.approved.0),
            currency: format!("{:03}", asked.currency.number()),
            pc: asked.processing.map_or_else(String::new, |pc| pc.to_string()),
            original_stan: asked.original_stan.map(|stan| stan.to_string()),
            answer_mti: answer.as_ref().map_or("", |a| a.mti.as_str()),
            rc: answer.map(|a| a.code.as_str()),
            approval: answer.and_then(|a| a.approval.as_ref()).map_or("", |a| a.as_str()),
            late,
            repeat: asked.repeat,
        };
        let mut text = serde_json::to_vec(&line).expect("a line holds text, numbers and truth values only");
        text.push(b'\n');
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(&text).map_err(|source| self.error(source))
    }

    fn error(&self, source: std::io::Error) -> LogError {
        LogError { file: self.file.clone(), source }
    }
}
