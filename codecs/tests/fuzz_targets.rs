//! The fuzz targets without the fuzzer: each seed and each regression of fuzz/regressions/ passes its check, so that a
//! fault once found does not return.
#![expect(clippy::print_stderr, reason = "for the person who runs it")]

#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

use std::path::Path;
use targets::TARGETS;

#[test]
fn every_seed_passes() {
    for target in &TARGETS {
        let seeds = (target.seeds)();
        assert!(seeds.len() > 3, "{} has seeds", target.name);
        seeds.iter().for_each(|seed| (target.check)(seed));
    }
}

#[test]
fn every_dictionary_has_words_that_a_fuzzer_takes() {
    for target in &TARGETS {
        let words = (target.dictionary)();
        assert!(words.len() > 9, "{} has words", target.name);
        assert!(words.iter().all(|word| (1..=64).contains(&word.len())), "{}", target.name);
    }
}

/// A regression is an input written by the fuzzer, in a file named after the fault.
#[test]
fn every_regression_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/regressions");
    for entry in std::fs::read_dir(&folder).expect("the regressions are there") {
        let of_target = entry.expect("the folder can be read").path();
        let name = of_target.file_name().expect("a folder has a name").to_string_lossy().into_owned();
        let target = targets::Target::named(&name).unwrap_or_else(|| panic!("{name} is no target"));
        for entry in std::fs::read_dir(&of_target).expect("a folder of regressions") {
            let path = entry.expect("the folder can be read").path();
            let mut input = std::fs::read(&path).expect("a regression can be read");
            eprintln!("{}", path.display());
            (target.check)(&input);
            for choice in 0..(target.choices)() {
                input[0] = choice as u8;
                (target.check)(&input);
            }
        }
    }
}
