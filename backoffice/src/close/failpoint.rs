//! Places at which closing a day can be made to die, so that a test can show that dying there does no harm.

/// Names the place, or several separated by commas, at which the process is to end as if it had been killed.
const VARIABLE: &str = "SWITCHYARD_FAILPOINT";

/// Ends the process, without unwinding and without flushing anything, if the environment names this place.
#[expect(clippy::disallowed_methods, reason = "this is where the environment is asked")]
pub(super) fn reach(place: &str) {
    let named = std::env::var(VARIABLE).is_ok_and(|places| places.split(',').any(|named| named == place));
    if named {
        std::process::abort();
    }
}
