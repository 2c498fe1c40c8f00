//! The thread that reads and writes the fingerprints, so that the core waits for no disk.
#![expect(clippy::disallowed_methods, reason = "this is a thread with a clock")]

use super::Fingerprints;
use crate::event::Ticket;
use crate::fingerprint::{Fingerprint, Hour, Kept, NotRead, Question};
use crate::metrics;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// Orders that may wait for the thread: a disk that is slower than the switch must not fill its memory.
const MOST_WAITING: usize = 16_384;
const FLUSH: Duration = Duration::from_millis(250);
const SETTLE: Duration = Duration::from_secs(5);
/// An hour is closed so long after its end: requests that began in it have ended by then.
const GRACE: Duration = Duration::from_secs(300);

#[derive(Debug)]
enum Order {
    Keep(Vec<Kept>),
    Find(Ticket, Question),
    ForgetTo(Hour),
}

/// What the thread found.
pub type Found = Result<Vec<Fingerprint>, NotRead>;

/// The thread. It ends, with everything written, when this is dropped, which waits for it.
#[derive(Debug)]
pub struct FingerprintThread {
    orders: Option<mpsc::SyncSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl FingerprintThread {
    /// Starts the thread. It gives what it finds to `found`, until that refuses.
    ///
    /// # Errors
    /// There are no more threads.
    pub fn start(mut files: Fingerprints, mut found: impl FnMut(Ticket, Found) + Send + 'static) -> io::Result<Self> {
        let (orders, waiting) = mpsc::sync_channel(MOST_WAITING);
        let thread = std::thread::Builder::new().name("fingerprints".into()).spawn(move || {
            let mut settled = Instant::now();
            let mut flushed = Instant::now();
            loop {
                match waiting.recv_timeout(FLUSH) {
                    Ok(Order::Keep(kept)) => kept.iter().for_each(|kept| keep(&mut files, kept)),
                    Ok(Order::Find(ticket, question)) => {
                        let answer = files.find(&question);
                        let answer = answer.inspect_err(|error| tracing::error!(%error, "fingerprints not read"));
                        found(ticket, answer.map_err(|_| NotRead));
                    }
                    Ok(Order::ForgetTo(hour)) => report(files.forget_to(hour), 0),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                if flushed.elapsed() >= FLUSH {
                    flushed = Instant::now();
                    flush(&mut files);
                }
                if settled.elapsed() >= SETTLE {
                    settled = Instant::now();
                    report(files.settle(hour_to_close()), 0);
                    metrics::fingerprint_bytes(files.bytes());
                }
            }
            flush(&mut files);
            report(files.settle(hour_to_close()), 0);
        })?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// Has fingerprints written. If the thread is too far behind they are forgotten, which is counted.
    pub fn keep(&self, kept: Vec<Kept>) {
        let count = kept.len();
        if self.order(Order::Keep(kept)).is_err() {
            metrics::fingerprints_forgotten(count);
        }
    }

    /// Has fingerprints looked for.
    ///
    /// # Errors
    /// The thread is too far behind.
    pub fn find(&self, ticket: Ticket, question: Question) -> Result<(), NotRead> {
        self.order(Order::Find(ticket, question))
    }

    /// Has the hours up to this one deleted. If the thread is too far behind, a later hour takes this one with it.
    pub fn forget_to(&self, hour: Hour) {
        let _ = self.order(Order::ForgetTo(hour));
    }

    fn order(&self, order: Order) -> Result<(), NotRead> {
        self.orders.as_ref().ok_or(NotRead)?.try_send(order).map_err(|_| NotRead)
    }
}

impl Drop for FingerprintThread {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // it has logged its panic, if it had one
            let _ = thread.join();
        }
    }
}

fn keep(files: &mut Fingerprints, kept: &Kept) {
    let kept = match kept {
        Kept::New(entry) => files.add(entry),
        Kept::Changed(entry) => files.set(entry),
    };
    report(kept, 1);
}

fn flush(files: &mut Fingerprints) {
    match files.flush() {
        Ok(()) => {}
        Err((error, lost)) => report(Err(error), lost),
    }
}

fn report(done: Result<(), super::FingerprintError>, lost: usize) {
    if let Err(error) = done {
        metrics::fingerprints_forgotten(lost);
        tracing::error!(%error, lost, "fingerprints not written");
    }
}

fn hour_to_close() -> Hour {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Hour::of(now.saturating_sub(GRACE).as_millis() as i64)
}
