//! The file descriptors of the process: what the connections to listeners may take, and what is kept for everything
//! else, so that a flood of connections cannot take the links to the issuers or a segment of the pending log.

use crate::config::Config;
use anyhow::Context;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Kept for the pending log, hsmd, operators, metrics, and connections that are being refused.
const KEPT: usize = 256;

/// Raises the limit on open files as far as the process may. How many connections the listeners have together.
pub(super) fn for_listeners(config: &Config) -> anyhow::Result<usize> {
    let (_, limit) = getrlimit(Resource::RLIMIT_NOFILE).context("the limit on open files")?;
    setrlimit(Resource::RLIMIT_NOFILE, limit, limit).context("the limit on open files")?;
    let dialled = config.destinations.iter().map(|to| to.address.0.len() * to.connections).sum();
    let left = left_of(limit, dialled).with_context(|| {
        format!("the process may have {limit} open files and needs more than {}: raise the limit", KEPT + dialled)
    })?;
    let configured = config.listeners.iter().map(|listener| listener.max_connections).fold(0, usize::saturating_add);
    if configured > left {
        tracing::warn!(
            configured,
            left,
            "the limit on open files leaves the listeners fewer connections than max_connections says: raise it"
        );
    }
    Ok(left)
}

fn left_of(limit: u64, dialled: usize) -> Option<usize> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    limit.checked_sub(KEPT + dialled).filter(|left| *left > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_switch_needs_for_itself_is_taken_first() {
        let cases = [
            (1_024, 3, Some(765)),
            (u64::MAX, 0, Some(usize::MAX - KEPT)),
            (256, 0, None),
            (260, 3, Some(1)),
            (260, 4, None),
        ];
        for (limit, dialled, left) in cases {
            assert_eq!(left_of(limit, dialled), left, "{limit} {dialled}");
        }
    }
}
