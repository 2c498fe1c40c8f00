//! What a process that holds secrets – hsmd clear PINs for microseconds, the host card numbers – can ask of the kernel.
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

/// No core dumps, and no debugger of the same user: asked for before any secret is touched. What cannot be had is logged and
/// stops nothing: the program also runs in containers that grant none of it.
pub fn forbid_dumps() {
    if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
        tracing::warn!(%error, "core dumps stay possible");
    }
    if let Err(error) = set_dumpable(false) {
        tracing::warn!(%error, "the process stays dumpable");
    }
}

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
