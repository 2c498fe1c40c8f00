//! A program is alive or it ends: no full disk under its log fails it, and none goes on without one of its tasks.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::{TestSystem, code, euros, options};
use pos_sim::exchange::RequestKind;
use pos_sim::reading::Instrument;
use stage::{Program, Tool, probe};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_the_logs_costs_the_logs_alone() -> Result<()> {
    let mut options = options("full-log")?;
    options.log_device = Some(PathBuf::from("/dev/full"));
    let system = TestSystem::open_with(options).await?;
    let payment = euros(Instrument::Stripe(system.world.card("stripe")?), 1_999);
    let bought = system.world.terminals[0].transact(RequestKind::Purchase, &payment).await?;
    assert_eq!(code(&bought.exchange), "00");
    let ports = &system.stage.ports;
    for (program, status) in [
        (Program::Hsm, ports.hsm_status),
        (Program::SecondHsm, ports.second_hsm_status),
        (Program::Host, ports.host_status),
        (Program::Switch, ports.switch_status),
    ] {
        assert_eq!(system.stage.restarts(program), 0, "{program}");
        assert!(probe::metric(status, "log_lines_lost_total")? > 0.0, "{program} counts what it loses");
    }
    Ok(())
}

/// The exit code of a program with a full disk under its standard error.
fn exit_code(program: &str, arguments: &[&str]) -> Result<Option<i32>> {
    let full = std::fs::File::options().append(true).open("/dev/full")?;
    let programs = options("none")?.programs;
    let mut command = Command::new(programs.join(program));
    let status = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(full).status();
    Ok(status.with_context(|| program.to_owned())?.code())
}

#[test]
fn a_full_disk_changes_no_exit_code() -> Result<()> {
    let missing = ["--config", "/nowhere.toml"];
    for (program, verb) in [
        ("authhost", &["serve"][..]),
        ("authhost", &["migrate"]),
        ("cardswitch", &[]),
        ("hsmd", &["serve"]),
        ("backoffice", &["days"]),
        ("issuing", &["issue", "--cards", "/nowhere", "--deliver-to", "/nowhere"]),
        ("pos-sim", &["load"]),
    ] {
        assert_eq!(exit_code(program, &[verb, &missing].concat())?, Some(2), "{program} refuses its configuration");
    }
    assert_eq!(exit_code("authhost", &["close-day"])?, Some(2), "a verb that moved");
    assert_eq!(exit_code("iso8583", &["explain", "no hexadecimal"])?, Some(2));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_loses_a_lane_ends_and_is_started_again() -> Result<()> {
    let system = TestSystem::open("lost-lane").await?;
    let books = system.books().await?;
    let terminal = &system.world.terminals[0];
    let payment = euros(Instrument::Stripe(system.world.card("stripe")?), 1_999);
    // a type that the host does not read the column as: no table comes to this in service, and its lane panics
    books.batch_execute("ALTER TABLE account_state ALTER COLUMN currency TYPE int8").await?;
    let lost = terminal.transact(RequestKind::Purchase, &payment).await?;
    assert_ne!(code(&lost.exchange), "00");
    for _ in 0..200 {
        if system.stage.restarts(Program::Host) > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(system.stage.restarts(Program::Host) > 0, "the host ended, and its supervisor started another");
    books.batch_execute("ALTER TABLE account_state ALTER COLUMN currency TYPE int2").await?;
    system.stage.wait_ready(Program::Host)?;
    system.stage.wait_ready(Program::Switch)?;
    system.nothing_owed().await?;
    let bought = terminal.transact(RequestKind::Purchase, &payment).await?;
    assert_eq!(code(&bought.exchange), "00");
    assert_eq!(system.available("stripe").await?, 100_000 - 1_999, "the lost one moved nothing");
    let days = system.stage.run_tool(Tool::BackOffice, "days", &[])?;
    assert!(days.contains("open"), "{days}");
    Ok(())
}
