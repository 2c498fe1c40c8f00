//! The slow work around segments – making the next, reading and deleting the oldest – on a thread of its own.

use super::segment::{self, Segment};
use super::{LogError, io_error, last_of_each};
use crate::data_key::DataKey;
use crate::record::Record;
use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

#[derive(Debug)]
pub(super) enum Job {
    /// Makes the segment of this number.
    Make(u64),
    /// Reads a segment: of each request and message the last record in it that opens it.
    Read(PathBuf),
    /// Deletes a segment once these files, into which its records were copied, are on the disk.
    Delete(PathBuf, Vec<Arc<File>>),
}

pub(super) enum Done {
    Made(Result<Box<Segment>, LogError>),
    Read(Result<VecDeque<Record>, LogError>),
    Deleted(Result<(), LogError>),
}

/// The thread. It ends when this is dropped, which waits for it.
pub(super) struct Background {
    jobs: Option<Sender<Job>>,
    done: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
    under_way: usize,
}

impl Background {
    pub(super) fn start(folder: PathBuf, key: DataKey) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let (report, done) = mpsc::channel();
        let thread = std::thread::Builder::new().name("pending-log-segments".into()).spawn(move || {
            for job in waiting {
                let done =
                    match job {
                        Job::Make(number) => Done::Made(Segment::create(&folder, number, &key).map(Box::new)),
                        Job::Read(path) => Done::Read(segment::read(&path, &key).map(|content| {
                            last_of_each(content.records.into_iter().map(|(record, _)| record).collect())
                        })),
                        Job::Delete(path, copies) => Done::Deleted(
                            copies
                                .iter()
                                .try_for_each(|file| file.sync_data())
                                .and_then(|()| std::fs::remove_file(&path))
                                .map_err(io_error(&path)),
                        ),
                    };
                if report.send(done).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { jobs: Some(jobs), done, thread: Some(thread), under_way: 0 })
    }

    pub(super) fn ask(&mut self, job: Job) {
        // the thread lives as long as this
        if let Some(jobs) = &self.jobs
            && jobs.send(job).is_ok()
        {
            self.under_way += 1;
        }
    }

    /// What is done by now.
    pub(super) fn next_done(&mut self) -> Option<Done> {
        let done = self.done.try_recv().ok()?;
        self.under_way -= 1;
        Some(done)
    }

    /// Waits for a job, if one is under way.
    #[cfg(test)]
    pub(super) fn wait(&mut self) -> Option<Done> {
        (self.under_way > 0).then(|| {
            self.under_way -= 1;
            self.done.recv().expect("the thread lives")
        })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // it has logged its panic, if it had one
            let _ = thread.join();
        }
    }
}
