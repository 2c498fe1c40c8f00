//! The configuration that is used when none is named: that of a demo on this machine with the target as its listener, else
//! the example in the checkout.

use std::path::PathBuf;

use crate::config::Config;

const EXAMPLE: &str = "config/pos-sim.toml";
/// Where a demo keeps its state: in the checkout, or, started by root, in folders of this name.
const IN_CHECKOUT: &str = ".local";
const OF_ROOT: (&str, &str) = ("/var/tmp", "switchyard-");
const BELOW_STATE: &str = "demo/config/pos-sim.toml";

/// The configuration to use for a target.
pub(super) fn config_for(target: Option<&str>) -> PathBuf {
    let folders = std::fs::read_dir(OF_ROOT.0).into_iter().flatten().flatten();
    let of_root = folders.filter(|entry| entry.file_name().to_string_lossy().starts_with(OF_ROOT.1));
    let states = std::iter::once(PathBuf::from(IN_CHECKOUT)).chain(of_root.map(|entry| entry.path()));
    let found = target.and_then(|target| serving(target, states.map(|state| state.join(BELOW_STATE))));
    found.unwrap_or_else(|| PathBuf::from(EXAMPLE))
}

/// The first configuration one of whose listeners is the target.
fn serving(target: &str, mut candidates: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    candidates.find(|file| {
        let config = Config::load(file).ok();
        config.is_some_and(|config| [config.terminals.address, config.acquirer.address].iter().any(|t| same(t, target)))
    })
}

/// Whether two addresses are one listener; every name of this machine counts as the same.
pub(super) fn same(a: &str, b: &str) -> bool {
    let parts = |address: &str| address.rsplit_once(':').map(|(host, port)| (host.to_owned(), port.to_owned()));
    let local = |host: &str| matches!(host, "localhost" | "127.0.0.1" | "[::1]" | "0.0.0.0");
    match (parts(a), parts(b)) {
        (Some((host_a, port_a)), Some((host_b, port_b))) => {
            port_a == port_b && (host_a == host_b || local(&host_a) && local(&host_b))
        }
        _ => false,
    }
}

/// Whether a target is the listener of our own terminals.
pub(super) fn is_terminals(config: &Config, target: &str) -> bool {
    same(&config.terminals.address, target)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn names_of_this_machine_are_one() {
        assert!(same("localhost:8584", "127.0.0.1:8584"));
        assert!(same("sim.example:8584", "sim.example:8584"));
        assert!(!same("localhost:8584", "127.0.0.1:8583"));
        assert!(!same("sim.example:8584", "127.0.0.1:8584"));
        assert!(!same("8584", "8584"));
    }

    #[test]
    fn a_configuration_is_found_by_its_listener() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/pos-sim.toml");
        let candidates = || [PathBuf::from("/nowhere/pos-sim.toml"), PathBuf::from(example)].into_iter();
        assert_eq!(serving("localhost:8583", candidates()), Some(PathBuf::from(example)));
        assert_eq!(serving("localhost:8584", candidates()), Some(PathBuf::from(example)));
        assert_eq!(serving("localhost:8599", candidates()), None);
        let config = Config::load(Path::new(example)).unwrap();
        assert!(is_terminals(&config, "localhost:8583") && !is_terminals(&config, "localhost:8584"));
    }
}
