//! What a process that holds secrets – hsmd clear PINs for microseconds, the host card numbers – can ask of the kernel.
use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, setrlimit};

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
