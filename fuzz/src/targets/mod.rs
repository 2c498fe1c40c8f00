//! The targets: what is asserted of any input, the inputs to start from, and the words worth trying in them.
//!
//! This folder is compiled twice: instrumented, into the programs of `fuzz/targets/`, and plainly, into
//! `codecs/tests/fuzz_targets.rs`, which replays seeds and regressions on every test run.

mod composite;
mod decode;
mod dialects;
mod forms;
mod frame;
mod golden;
mod guess;
mod round_trip;
mod tlv;

/// One thing to fuzz.
pub struct Target {
    pub name: &'static str,
    /// Panics where the input shows a fault.
    pub check: fn(&[u8]),
    /// Valid inputs, made from the golden messages.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// What a mutation by chance would not find.
    pub dictionary: fn() -> Vec<Vec<u8>>,
    /// How many values of the first byte choose something else each; 0 where it is content. A regression is replayed with
    /// all of them, since what a number stands for changes when a dialect is added.
    pub choices: fn() -> usize,
}

pub const TARGETS: [Target; 6] =
    [frame::TARGET, decode::TARGET, round_trip::TARGET, tlv::TARGET, composite::TARGET, guess::TARGET];

impl Target {
    pub fn named(name: &str) -> Option<&'static Self> {
        static ALL: [Target; TARGETS.len()] = TARGETS;
        ALL.iter().find(|target| target.name == name)
    }
}

/// Nothing to choose by the first byte.
fn no_choice() -> usize {
    0
}
