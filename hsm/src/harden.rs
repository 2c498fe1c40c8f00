//! Kernel settings of a process that holds secrets: hsmd has clear PINs for microseconds, the host has card numbers.
use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, setrlimit};

/// Forbids core dumps and debuggers of the same user; called before any secret is touched. A setting that the kernel refuses is
/// logged and stops nothing: the program also runs in containers that grant none of them.
pub fn forbid_dumps() {
    if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
        tracing::warn!(%error, "core dumps stay possible");
    }
    if let Err(error) = set_dumpable(false) {
        tracing::warn!(%error, "the process stays dumpable");
    }
}
