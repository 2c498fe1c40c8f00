use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::log_limit::Limited;
use tracing_subscriber::fmt::MakeWriter;

/// Starts logging: one JSON object a line on standard error, with the fields of the enclosing spans.
///
/// `default_filter` (such as `info,tokio_postgres=warn`) applies unless the environment has `RUST_LOG`. A second call
/// in one process (tests) changes nothing.
///
/// Of lines from one place in the source about one link the first of each ten seconds are written; `log_lines_left_out_total`
/// counts the others.
///
/// A line that cannot be written, because the disk is full or nobody reads any more, is lost; the program goes on and counts
/// it in `log_lines_lost_total`.
pub fn init_log(default_filter: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_filter));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        // told of by a metric; the words would go to the standard error that has just failed, and panic
        .log_internal_errors(false)
        .with_writer(StandardError);
    let _already_set = tracing_subscriber::registry().with(filter).with(Limited::new(lines)).try_init();
}

/// Gives the log's metric its help text.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!(
        "log_lines_left_out_total",
        "Lines of the log that were left out, because they were too many of a kind"
    );
    metrics::describe_counter!("log_lines_lost_total", "Lines of the log that could not be written");
}

/// Standard error, locked for each line.
#[derive(Clone, Copy, Debug)]
struct StandardError;

impl<'a> MakeWriter<'a> for StandardError {
    type Writer = Unfailing<io::StderrLock<'static>>;

    fn make_writer(&'a self) -> Self::Writer {
        Unfailing(io::stderr().lock())
    }
}

/// A writer that fails nobody: what cannot be written is lost and counted.
#[derive(Debug)]
struct Unfailing<W>(W);

impl<W: Write> Write for Unfailing<W> {
    /// Takes all of `line`, which is a whole one: the layer above formats a line before it writes it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.write_all(line).is_err() {
            metrics::counter!("log_lines_lost_total").increment(1);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // what could not be written was counted; there is nothing to retry
        let _ = self.0.flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_fails_nobody() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut writer = Unfailing(full);
        assert!((&writer.0).write_all(b"lost\n").is_err(), "the file is as full as a test needs it");
        assert_eq!(writer.write(b"lost too\n").unwrap(), 9);
        writer.flush().unwrap();
    }

    #[test]
    fn what_can_be_written_is_written_whole() {
        let mut writer = Unfailing(Vec::new());
        writer.write_all(b"{\"a\":1}\n").unwrap();
        assert_eq!(writer.0, b"{\"a\":1}\n");
    }
}
