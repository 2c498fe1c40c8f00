//! `pos-sim`: see [`pos_sim::command`].

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let _log = telemetry::init_log("warn");
    pos_sim::command::run().await
}
