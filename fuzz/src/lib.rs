//! Fuzz targets of the wire: what each asserts is in `targets`; here is what a fuzzing run begins with.

pub mod targets;

use std::path::Path;
use targets::Target;

/// Writes `dictionary` and `corpus/` into the folder that `FUZZ_PREPARE` names, if it names one, and ends the program:
/// the first of the two runs that `scripts/fuzz` makes of a target.
pub fn prepare(name: &str) {
    let Some(folder) = std::env::var_os("FUZZ_PREPARE") else { return };
    let target = Target::named(name).expect("a program is named after its target");
    match write(target, Path::new(&folder)) {
        Ok(()) => std::process::exit(0),
        Err(fault) => {
            eprintln!("{}: {fault}", Path::new(&folder).display());
            std::process::exit(2);
        }
    }
}

fn write(target: &Target, folder: &Path) -> std::io::Result<()> {
    let corpus = folder.join("corpus");
    std::fs::create_dir_all(&corpus)?;
    for (number, seed) in (target.seeds)().iter().enumerate() {
        std::fs::write(corpus.join(format!("seed-{number}")), seed)?;
    }
    let line = |word: &Vec<u8>| {
        let bytes: String = word.iter().map(|byte| format!("\\x{byte:02X}")).collect();
        format!("\"{bytes}\"\n")
    };
    std::fs::write(folder.join("dictionary"), (target.dictionary)().iter().map(line).collect::<String>())
}

/// What the fuzzer calls with each input.
pub fn check(name: &str, input: &[u8]) {
    let target = Target::named(name).expect("a program is named after its target");
    (target.check)(input);
}

/// The program that fuzzes a target.
#[macro_export]
macro_rules! fuzz {
    ($name:literal) => {
        libfuzzer_sys::fuzz_target!(init: $crate::prepare($name), |input: &[u8]| $crate::check($name, input));
    };
}
