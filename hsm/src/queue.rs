//! Jobs between the sockets and the one thread that may touch the module: two bounded queues, and a deadline on each job.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError, bounded};
use tokio::sync::mpsc::OwnedPermit;

use crate::config::Limits;
use crate::observe;
use crate::verb::{Answer, Verb};
use crate::{Health, HsmError, ModuleState};

/// An answer on its way back to the connection it came from.
#[derive(Debug)]
pub(crate) struct Reply {
    pub id: u64,
    pub result: Result<Answer, HsmError>,
}

/// One verb to be carried out, with a reserved place for its answer: the module's thread never waits for a slow reader.
#[derive(Debug)]
pub(crate) struct Job {
    pub id: u64,
    pub verb: Verb,
    pub received: Instant,
    pub deadline: Instant,
    pub place: OwnedPermit<Reply>,
}

impl Job {
    pub(crate) fn answer(self, result: Result<Answer, HsmError>) {
        self.place.send(Reply { id: self.id, result });
    }
}

/// What the module's thread lets others see of it.
#[derive(Debug)]
pub(crate) struct Status {
    state: AtomicU8,
    objects: AtomicU64,
    initialisations: AtomicU64,
    /// Somebody wants the module opened anew: a ceremony has added keys.
    reopen: AtomicBool,
}

impl Status {
    pub(crate) fn state(&self) -> ModuleState {
        match self.state.load(Ordering::Relaxed) {
            0 => ModuleState::Up,
            1 => ModuleState::Degraded,
            _ => ModuleState::Down,
        }
    }

    pub(crate) fn set_state(&self, state: ModuleState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    pub(crate) fn set_objects(&self, objects: u64) {
        self.objects.store(objects, Ordering::Relaxed);
    }

    /// Whether reopening was asked for since the last time this was asked.
    pub(crate) fn take_reopen_request(&self) -> bool {
        self.reopen.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn count_initialisation(&self) {
        self.initialisations.fetch_add(1, Ordering::Relaxed);
    }
}

/// The side that puts jobs in.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    urgent: Sender<Job>,
    patient: Sender<Job>,
    status: Arc<Status>,
}

/// The side that takes jobs out.
#[derive(Debug)]
pub(crate) struct Outlet {
    urgent: Receiver<Job>,
    patient: Receiver<Job>,
    pub status: Arc<Status>,
}

/// Both sides of a fresh queue; the module counts as down until its thread says otherwise.
pub(crate) fn queue(limits: &Limits) -> (Intake, Outlet) {
    let (urgent, urgent_out) = bounded(limits.waiting_jobs);
    let (patient, patient_out) = bounded(limits.waiting_batch_jobs);
    let status = Arc::new(Status {
        state: AtomicU8::new(ModuleState::Down as u8),
        objects: AtomicU64::new(0),
        initialisations: AtomicU64::new(0),
        reopen: AtomicBool::new(false),
    });
    (
        Intake { urgent, patient, status: Arc::clone(&status) },
        Outlet { urgent: urgent_out, patient: patient_out, status },
    )
}

impl Intake {
    /// Queues a job, or answers it `Busy` at once.
    pub(crate) fn submit(&self, job: Job) {
        let queue = if job.verb.kind().is_low_priority() { &self.patient } else { &self.urgent };
        match queue.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(job)) => {
                observe::refused(job.verb.kind(), &HsmError::Busy);
                job.answer(Err(HsmError::Busy));
            }
            Err(TrySendError::Disconnected(job)) => job.answer(Err(HsmError::Unavailable("the daemon is ending"))),
        }
    }

    /// Has the module opened anew, within a second, so that keys are found that were added since. No request fails by it.
    pub(crate) fn request_reopen(&self) {
        self.status.reopen.store(true, Ordering::Relaxed);
    }

    pub(crate) fn health(&self) -> Health {
        Health {
            state: self.status.state(),
            objects_since_init: self.status.objects.load(Ordering::Relaxed),
            initialisations: self.status.initialisations.load(Ordering::Relaxed),
            queue_depth: (self.urgent.len() + self.patient.len()) as u32,
        }
    }
}

/// What waiting for work came to.
pub(crate) enum Taken {
    Jobs,
    Nothing,
    /// Every intake has been dropped.
    Ended,
}

impl Outlet {
    /// Waits for work and takes up to `most` urgent jobs, and one patient job behind them: under a steady stream of
    /// authorizations clearing advances slowly instead of not at all.
    pub(crate) fn take(&self, most: usize, patience: Duration, into: &mut Vec<Job>) -> Taken {
        let first = crossbeam_channel::select! {
            recv(self.urgent) -> job => job.map_err(|_| ()),
            recv(self.patient) -> job => job.map_err(|_| ()),
            default(patience) => return Taken::Nothing,
        };
        let Ok(first) = first else { return Taken::Ended };
        let came_patient = first.verb.kind().is_low_priority();
        let patient = if came_patient {
            Some(first)
        } else {
            into.push(first);
            None
        };
        while into.len() < most {
            match self.urgent.try_recv() {
                Ok(job) => into.push(job),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        into.extend(patient.or_else(|| self.patient.try_recv().ok()));
        Taken::Jobs
    }

    /// Jobs waiting: urgent, patient.
    pub(crate) fn depth(&self) -> (usize, usize) {
        (self.urgent.len(), self.patient.len())
    }

    /// Waits for one urgent job, for a thread that can serve none and only refuses.
    pub(crate) fn take_one(&self, patience: Duration) -> Result<Option<Job>, ()> {
        if let Ok(job) = self.patient.try_recv() {
            return Ok(Some(job));
        }
        match self.urgent.recv_timeout(patience) {
            Ok(job) => Ok(Some(job)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(()),
        }
    }
}
