//! Processor time of other processes, by thread, and of this one.
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Microseconds of CPU since the processes began.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    pub all_us: f64,
    /// Of the threads that serve the module.
    pub module_us: f64,
}

impl Spent {
    pub fn of(pids: &[u32]) -> Self {
        let mut spent = Self::default();
        for pid in pids {
            for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
                // a thread may have ended meanwhile
                let Ok(schedule) = std::fs::read_to_string(task.path().join("schedstat")) else { continue };
                let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
                let ns: f64 = schedule.split_whitespace().next().unwrap().parse().unwrap();
                spent.all_us += ns / 1e3;
                if name.trim() == "pkcs11" {
                    spent.module_us += ns / 1e3;
                }
            }
        }
        spent
    }

    pub fn since(self, before: Self) -> Self {
        Self { all_us: self.all_us - before.all_us, module_us: self.module_us - before.module_us }
    }
}

/// CPU of the calling thread.
pub fn thread_cpu() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap())
}

/// CPU of one run of a function: the least of many short rounds, because other programs can only make it slower.
pub fn least_us(mut work: impl FnMut()) -> f64 {
    const ROUNDS: u32 = 60;
    const GOES: u32 = 50;
    let round = |_| {
        let begun = thread_cpu();
        (0..GOES).for_each(|_| work());
        (thread_cpu() - begun).as_secs_f64() * 1e6 / f64::from(GOES)
    };
    (0..ROUNDS).map(round).fold(f64::MAX, f64::min)
}
