//! Keeps the pace on a thread of its own.
//!
//! The runtime's timers tick once in a millisecond, so that an open loop on them shows its own granularity as latency.
//! A thread that sleeps to absolute times on the monotonic clock wakes within tens of microseconds.

use std::io;
use std::time::{Duration, Instant};

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};
use tokio::sync::mpsc;

use crate::schedule::Schedule;

/// Hands out the due times of a schedule as they come up.
pub(super) struct Pacer {
    due: mpsc::UnboundedReceiver<Instant>,
}

impl Pacer {
    pub(super) fn start(schedule: Schedule) -> io::Result<Self> {
        let (sender, due) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new().name("pace".into());
        thread.spawn(move || keep_pace(schedule, &sender))?;
        Ok(Self { due })
    }

    pub(super) async fn next(&mut self) -> Option<Instant> {
        self.due.recv().await
    }
}

fn keep_pace(schedule: Schedule, due: &mpsc::UnboundedSender<Instant>) {
    let clock = ClockId::CLOCK_MONOTONIC;
    let Ok(now) = clock_gettime(clock) else {
        tracing::error!("there is no monotonic clock");
        return;
    };
    let (start, started) = (Duration::from(now), Instant::now());
    for offset in (0..).map_while(|index| schedule.due(index)).map(Duration::from_nanos) {
        if started.elapsed() < offset {
            let until = TimeSpec::from(start + offset);
            // woken early by a signal: sleep on, to the same absolute time
            while clock_nanosleep(clock, ClockNanosleepFlags::TIMER_ABSTIME, &until) == Err(nix::errno::Errno::EINTR) {}
        }
        if due.send(started + offset).is_err() {
            return;
        }
    }
}
