//! Failpoints: places where a test can kill the process while it closes a day, to show that this does no harm.

/// Names the failpoints, separated by commas, at which the process ends as if it had been killed.
const VARIABLE: &str = "SWITCHYARD_FAILPOINT";

/// Ends the process, without unwinding or flushing, if the environment names this failpoint.
#[expect(clippy::disallowed_methods, reason = "this is where the environment is asked")]
pub(super) fn reach(place: &str) {
    let named = std::env::var(VARIABLE).is_ok_and(|places| places.split(',').any(|named| named == place));
    if named {
        std::process::abort();
    }
}
