//! `hsmd`: the daemon in front of the PKCS#11 module, and the ceremonies that fill it.
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let _log = telemetry::init_log("info");
    hsm::forbid_dumps();
    match hsmd::command::run() {
        Ok(code) => code,
        Err(error) => {
            // one line, for the person or program that started it
            let _ = writeln!(std::io::stderr(), "hsmd: {error:#}");
            ExitCode::from(2)
        }
    }
}
