//! Memory that stays out of swap.
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

/// Keeps memory out of swap as far as the limits allow: with what is allocated later, where there is no limit.
pub(crate) fn lock_memory() {
    // locking what comes later makes allocations fail once a limit is reached, so it is asked for only without a limit
    let unlimited = getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(soft, _)| soft == RLIM_INFINITY);
    let flags =
        if unlimited { MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE } else { MlockAllFlags::MCL_CURRENT };
    match mlockall(flags) {
        // an act on keys has a person to talk to, and this is not it
        Ok(()) => tracing::debug!(later_too = unlimited, "memory locked"),
        Err(error) => tracing::warn!(%error, "memory may be swapped"),
    }
}
