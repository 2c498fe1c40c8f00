//! Jobs between the sockets and the one thread that may touch the module: two bounded queues, and a deadline for each job.
//! Authorizations are in the `urgent` queue; clearing and issuing are in the `patient` one, which has low priority.
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError, bounded};
use hsm::verb::{Answer, Verb};
use hsm::{Health, HsmError, REVEAL_BATCH};
use tokio::sync::mpsc::OwnedPermit;

use crate::config::Limits;
use crate::daemon::observe;
use crate::daemon::status::Status;

/// An answer on its way back to the connection it came from.
#[derive(Debug)]
pub(crate) struct Reply {
    pub id: u64,
    pub result: Result<Answer, HsmError>,
}

/// One verb to be carried out. It carries a reserved slot for its reply, so that the module's thread never waits for a slow
/// reader.
#[derive(Debug)]
pub(crate) struct Job {
    pub id: u64,
    pub verb: Verb,
    pub received: Instant,
    pub deadline: Instant,
    pub reply_slot: OwnedPermit<Reply>,
}

impl Job {
    pub(crate) fn answer(self, result: Result<Answer, HsmError>) {
        self.reply_slot.send(Reply { id: self.id, result });
    }
}

/// The sending side of the queues.
#[derive(Debug, Clone)]
pub(crate) struct JobSender {
    urgent: Sender<Job>,
    patient: Sender<Job>,
    status: Arc<Status>,
}

/// The receiving side of the queues.
#[derive(Debug)]
pub(crate) struct JobReceiver {
    urgent: Receiver<Job>,
    patient: Receiver<Job>,
    pub status: Arc<Status>,
}

/// Both sides of new queues.
pub(crate) fn queue(limits: &Limits) -> (JobSender, JobReceiver) {
    let (urgent, urgent_out) = bounded(limits.max_waiting_jobs);
    let (patient, patient_out) = bounded(limits.max_waiting_batch_jobs);
    let status = Arc::new(Status::default());
    (
        JobSender { urgent, patient, status: Arc::clone(&status) },
        JobReceiver { urgent: urgent_out, patient: patient_out, status },
    )
}

impl JobSender {
    /// Queues a job. It is refused at once if its queue is full (`Busy`) or if a call into the module does not return.
    pub(crate) fn submit(&self, job: Job) {
        if self.status.stuck_for().is_some() {
            let error = HsmError::Unavailable("the module does not return");
            observe::refused(job.verb.kind(), &error);
            return job.answer(Err(error));
        }
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

    pub(crate) fn status(&self) -> &Status {
        &self.status
    }

    pub(crate) fn health(&self) -> Health {
        Health {
            state: self.status.state(),
            objects_since_init: self.status.objects(),
            initialisations: self.status.initialisations(),
            queue_depth: (self.urgent.len() + self.patient.len()) as u32,
        }
    }
}

/// Result of waiting for jobs.
pub(crate) enum TakeResult {
    Jobs,
    Nothing,
    /// Every sender has been dropped.
    Ended,
}

impl JobReceiver {
    /// Waits for jobs and takes up to `most` urgent ones, then patient ones of as many items as one job may have: so clearing
    /// advances slowly even under a steady stream of authorizations.
    pub(crate) fn take(&self, most: usize, patience: Duration, into: &mut Vec<Job>) -> TakeResult {
        // under load there is a job already, and selecting over both queues is expensive
        let first = match self.urgent.try_recv() {
            Ok(job) => Ok(job),
            Err(_) => crossbeam_channel::select! {
                recv(self.urgent) -> job => job.map_err(|_| ()),
                recv(self.patient) -> job => job.map_err(|_| ()),
                default(patience) => return TakeResult::Nothing,
            },
        };
        let Ok(first) = first else { return TakeResult::Ended };
        let mut patient = None;
        if first.verb.kind().is_low_priority() {
            patient = Some(first);
        } else {
            into.push(first);
        }
        while into.len() < most {
            match self.urgent.try_recv() {
                Ok(job) => into.push(job),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        let mut items = 0;
        while items < REVEAL_BATCH
            && let Some(job) = patient.take().or_else(|| self.patient.try_recv().ok())
        {
            items += job.verb.items();
            into.push(job);
        }
        TakeResult::Jobs
    }

    /// Jobs waiting: urgent, patient.
    pub(crate) fn depth(&self) -> (usize, usize) {
        (self.urgent.len(), self.patient.len())
    }

    /// Waits for one job, while the module is down and jobs are only refused.
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
