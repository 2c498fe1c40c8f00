//! `issuing`: issues cards, provisions wallets, changes the status of cards and tokens.

mod command;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use config_file::ConfigError;

#[tokio::main]
async fn main() -> ExitCode {
    match command::run(command::Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // the exit code tells the same where standard error cannot be written
            let _ = writeln!(std::io::stderr(), "issuing: {error:#}");
            // 2: the configuration is wrong, so a restart does not help
            if error.is::<ConfigError>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}
