use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::log_limit::Limited;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait for a standard error that takes none.
const MOST_WAITING: usize = 10_000;

/// The thread that writes the log. When this is dropped, at the end of the program, it writes what waits; a standard error that
/// takes nothing then is waited for no longer than a second.
#[derive(Debug)]
#[must_use = "lines that wait are lost with it"]
pub struct LogWriter(#[expect(dead_code, reason = "held to be dropped")] WorkerGuard);

/// Starts logging: one JSON object a line on standard error, with the fields of the enclosing spans.
///
/// `default_filter` (such as `info,tokio_postgres=warn`) applies unless the environment has `RUST_LOG`. A second call
/// in one process (tests) changes nothing.
///
/// Of lines from one place in the source about one link the first of each ten seconds are written; `log_lines_left_out_total`
/// counts the others.
///
/// Lines are written by a thread of their own: a program never waits for whoever reads them. A line that cannot be written,
/// because the disk is full, nobody reads any more, or too many wait, is lost; the program goes on and counts it in
/// `log_lines_lost_total`.
pub fn init_log(default_filter: &str) -> LogWriter {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_filter));
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(MOST_WAITING)
        .thread_name("log")
        .finish(Unfailing(io::stderr()));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        // told of by a metric; the words would go to the standard error that has just failed, and panic
        .log_internal_errors(false)
        .with_writer(Queued::new(writer));
    let _already_set = tracing_subscriber::registry().with(filter).with(Limited::new(lines)).try_init();
    LogWriter(guard)
}

/// Gives the log's metric its help text.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!(
        "log_lines_left_out_total",
        "Lines of the log that were left out, because they were too many of a kind"
    );
    metrics::describe_counter!("log_lines_lost_total", "Lines of the log that could not be written");
}

/// The lines that wait for the thread; those for which there is no room are counted.
#[derive(Debug)]
struct Queued {
    writer: NonBlocking,
    dropped: ErrorCounter,
    counted: AtomicUsize,
}

impl Queued {
    fn new(writer: NonBlocking) -> Self {
        Self { dropped: writer.error_counter(), writer, counted: AtomicUsize::new(0) }
    }
}

impl<'a> MakeWriter<'a> for Queued {
    type Writer = NonBlocking;

    fn make_writer(&'a self) -> Self::Writer {
        let dropped = self.dropped.dropped_lines();
        let new = dropped.saturating_sub(self.counted.swap(dropped, Ordering::Relaxed));
        if new > 0 {
            metrics::counter!("log_lines_lost_total").increment(new as u64);
        }
        self.writer.clone()
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

    /// A pipe that nobody reads takes 64 KiB, and then nothing for ever.
    #[test]
    fn whoever_reads_nothing_stops_nobody() {
        let (_unread, pipe) = io::pipe().unwrap();
        let (writer, _guard) =
            NonBlockingBuilder::default().lossy(true).buffered_lines_limit(10).finish(Unfailing(pipe));
        let queued = Queued::new(writer);
        for _ in 0..1000 {
            let mut line = vec![b'x'; 1000];
            line.push(b'\n');
            queued.make_writer().write_all(&line).unwrap();
        }
        assert!(queued.dropped.dropped_lines() > 900 - 65, "{}", queued.dropped.dropped_lines());
    }

    #[test]
    fn what_can_be_written_is_written_whole() {
        let mut writer = Unfailing(Vec::new());
        writer.write_all(b"{\"a\":1}\n").unwrap();
        assert_eq!(writer.0, b"{\"a\":1}\n");
    }
}
