//! State shared between the module's thread and the rest of the daemon.
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hsm::ModuleState;
use tokio::sync::watch;

/// Once a call into the module has lasted so long, new jobs are refused at once.
const STUCK_AFTER: Duration = Duration::from_secs(2);

/// Written only by the module's thread, except for the request to reopen.
#[derive(Debug)]
pub(crate) struct Status {
    state: AtomicU8,
    /// Why the module is not up.
    trouble: Mutex<String>,
    objects: AtomicU64,
    initialisations: AtomicU64,
    /// Reopening the module was requested (SIGHUP): a ceremony has added keys.
    reopen: AtomicBool,
    born: Instant,
    /// Microseconds from `born` to the moment at which the thread entered the module; 0 while it is outside.
    entered: AtomicU64,
    /// Whether clients may send requests.
    accepting: watch::Sender<bool>,
}

impl Default for Status {
    /// The module counts as down until its thread reports another state.
    fn default() -> Self {
        Self {
            state: AtomicU8::new(ModuleState::Down as u8),
            trouble: Mutex::new("not opened yet".into()),
            objects: AtomicU64::new(0),
            initialisations: AtomicU64::new(0),
            reopen: AtomicBool::new(false),
            born: Instant::now(),
            entered: AtomicU64::new(0),
            accepting: watch::Sender::new(false),
        }
    }
}

impl Status {
    /// The state that the thread last found; `Down` while a call into the module does not return.
    pub(crate) fn state(&self) -> ModuleState {
        if self.stuck_for().is_some() {
            return ModuleState::Down;
        }
        match self.state.load(Ordering::Relaxed) {
            0 => ModuleState::Up,
            1 => ModuleState::Degraded,
            _ => ModuleState::Down,
        }
    }

    /// Why the module is not up, as text.
    pub(crate) fn trouble(&self) -> String {
        match self.stuck_for() {
            Some(time) => format!("a call into the module has not returned for {} s", time.as_secs()),
            None => self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    pub(crate) fn set_state(&self, state: ModuleState, trouble: &str) {
        self.state.store(state as u8, Ordering::Relaxed);
        trouble.clone_into(&mut self.trouble.lock().unwrap_or_else(PoisonError::into_inner));
        self.set_accepting(state != ModuleState::Down);
    }

    /// Tells clients whether to send requests to this daemon or, if there is one, to another.
    pub(crate) fn set_accepting(&self, accepting: bool) {
        self.accepting.send_if_modified(|before| std::mem::replace(before, accepting) != accepting);
    }

    pub(crate) fn accepting(&self) -> watch::Receiver<bool> {
        self.accepting.subscribe()
    }

    pub(crate) fn objects(&self) -> u64 {
        self.objects.load(Ordering::Relaxed)
    }

    pub(crate) fn set_objects(&self, objects: u64) {
        self.objects.store(objects, Ordering::Relaxed);
    }

    pub(crate) fn initialisations(&self) -> u64 {
        self.initialisations.load(Ordering::Relaxed)
    }

    pub(crate) fn count_initialisation(&self) {
        self.initialisations.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn request_reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
    }

    /// Whether reopening was requested since the last call.
    pub(crate) fn take_reopen_request(&self) -> bool {
        self.reopen.load(Ordering::Relaxed) && self.reopen.swap(false, Ordering::Relaxed)
    }

    /// The thread calls into the module at `now`.
    pub(crate) fn enter(&self, now: Instant) {
        let since = now.saturating_duration_since(self.born).as_micros().max(1);
        self.entered.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The call into the module has returned.
    pub(crate) fn leave(&self) {
        self.entered.store(0, Ordering::Relaxed);
    }

    /// How long the current call into the module has lasted, if longer than any call takes.
    pub(crate) fn stuck_for(&self) -> Option<Duration> {
        match self.entered.load(Ordering::Relaxed) {
            0 => None,
            since => {
                Some(self.born.elapsed().saturating_sub(Duration::from_micros(since))).filter(|t| *t >= STUCK_AFTER)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_does_not_come_back_is_noticed() {
        let status = Status { born: Instant::now() - Duration::from_secs(60), ..Status::default() };
        status.set_state(ModuleState::Up, "");
        status.enter(Instant::now());
        assert_eq!(status.state(), ModuleState::Up, "a call that has just begun");
        status.enter(Instant::now() - Duration::from_secs(5));
        assert_eq!(status.state(), ModuleState::Down);
        assert!(status.trouble().contains("not returned for 5 s"), "{}", status.trouble());
        status.leave();
        assert_eq!(status.state(), ModuleState::Up);
    }
}
