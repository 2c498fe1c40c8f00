//! Memory that stays out of swap.
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

/// Keeps memory out of swap as far as the limits allow; later allocations too, where there is no limit.
pub(crate) fn lock_memory() {
    // locking later allocations makes them fail once a limit is reached, so it is done only without a limit
    let unlimited = getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(soft, _)| soft == RLIM_INFINITY);
    let flags =
        if unlimited { MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE } else { MlockAllFlags::MCL_CURRENT };
    match mlockall(flags) {
        // debug: an act on keys prints to a person, who does not need this line
        Ok(()) => tracing::debug!(later_too = unlimited, "memory locked"),
        Err(error) => tracing::warn!(%error, "memory may be swapped"),
    }
}
