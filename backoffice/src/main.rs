//! `backoffice`: clears, settles, closes days, re-encrypts PANs, audits.

mod command;

use std::process::ExitCode;

use clap::Parser;
use config_file::ConfigError;

#[tokio::main]
async fn main() -> ExitCode {
    match command::run(command::Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("backoffice: {error:#}");
            // 2: the configuration is wrong, so a restart does not help
            if error.is::<ConfigError>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}
