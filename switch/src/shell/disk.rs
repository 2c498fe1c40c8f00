//! Watches the room on the disk of the state folder. While there is too little, requests are answered 91; what ends a
//! transaction – answers, reversals, advices, acknowledgements – is still written.
#![expect(clippy::disallowed_methods, reason = "this is a task with a clock")]

use crate::metrics;
use crate::shell::store::Reserve;
use nix::sys::statvfs::statvfs;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The room that is wanted.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub folder: PathBuf,
    pub min_free_bytes: u64,
    pub reserve: Reserve,
}

impl Wanted {
    /// Whether there is too little room. `low` is what was found before: it is over only when there is a quarter more.
    /// A reserve that was used is set aside again first.
    pub(super) fn is_too_little(&self, low: bool) -> bool {
        let free = match statvfs(&self.folder) {
            Ok(disk) => disk.blocks_available() * disk.fragment_size(),
            Err(error) => {
                tracing::error!(%error, folder = %self.folder.display(), "the room on the disk is not known");
                return low;
            }
        };
        metrics::disk_free(free);
        let wanted = if low { self.min_free_bytes / 4 * 5 } else { self.min_free_bytes };
        free < wanted || self.reserve.make().is_err()
    }
}

/// Tells `low` when there is too little room, and when that is over.
pub(super) async fn watch(wanted: Wanted, low: watch::Sender<bool>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let (wanted, before) = (wanted.clone(), *low.borrow());
        // a disk that fails may take its time
        let Ok(now) = tokio::task::spawn_blocking(move || wanted.is_too_little(before)).await else { return };
        low.send_if_modified(|low| std::mem::replace(low, now) != now);
    }
}
