//! fdatasync on a thread of its own: requests that arrive while one runs share the next.

use std::fs::File;
use std::sync::Arc;
use std::sync::mpsc;

/// A thread that syncs files and reports each sync that is done.
#[derive(Debug)]
pub struct Syncer {
    requests: mpsc::Sender<(Vec<Arc<File>>, u64)>,
}

impl Syncer {
    /// `synced` is called on the syncing thread after each sync: with the highest ticket that is on the disk now, or
    /// with an error, after which no later record is safe.
    pub fn start(mut synced: impl FnMut(std::io::Result<u64>) + Send + 'static) -> std::io::Result<Self> {
        let (requests, waiting) = mpsc::channel::<(Vec<Arc<File>>, u64)>();
        std::thread::Builder::new().name("pending-log-sync".into()).spawn(move || {
            while let Ok((mut files, mut ticket)) = waiting.recv() {
                while let Ok((more, later)) = waiting.try_recv() {
                    let other = |file: &Arc<File>| !files.iter().any(|known| Arc::ptr_eq(known, file));
                    let more: Vec<_> = more.into_iter().filter(other).collect();
                    files.extend(more);
                    ticket = later;
                }
                synced(files.iter().try_for_each(|file| file.sync_data()).map(|()| ticket));
            }
        })?;
        Ok(Self { requests })
    }

    /// Asks for everything written to these files before this call to be made durable. Tickets rise.
    pub fn request(&self, files: Vec<Arc<File>>, ticket: u64) {
        // the thread ends only with its sender
        let _ = self.requests.send((files, ticket));
    }
}
