//! `backoffice`: clearing, settlement, closing days, the audit.

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
            // 2: starting again will not help
            if error.is::<ConfigError>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}
