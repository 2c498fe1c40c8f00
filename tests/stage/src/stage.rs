//! Starting the stage: everything the programs need, then the programs themselves, in the order of their dependencies.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use codecs::dialect;
use nix::sys::signal::Signal;
use pos_sim::world::World;
use serde_json::{Value, json};

use crate::config::{Edits, copy_edited};
use crate::layout::Layout;
use crate::population::Population;
use crate::ports::{self, Ports};
use crate::postgres::{Cluster, DATABASE};
use crate::probe;
use crate::supervisor::{Program, ProgramCommand, Supervisor};
use crate::tap::Tap;
use crate::tool::{Tool, ToolCommand};

const READY_WITHIN: Duration = Duration::from_secs(60);

/// Timers of the programs on this stage. They are shorter than the programs' defaults, so that demo and tests are quick.
#[derive(Debug, Clone, Copy)]
pub struct StageTimers {
    /// The switch answers 91 after this long without an answer.
    pub answer_timeout: Duration,
    /// It sends owed messages again after this long, then less and less often.
    pub first_retry: Duration,
}

impl Default for StageTimers {
    fn default() -> Self {
        Self { answer_timeout: Duration::from_millis(1500), first_retry: Duration::from_millis(400) }
    }
}

/// Settings of a stage.
#[derive(Debug, Clone)]
pub struct Options {
    pub checkout: PathBuf,
    /// Emptied at the start, and locked while the stage runs.
    pub state: PathBuf,
    /// Where the built programs are.
    pub programs: PathBuf,
    pub timers: StageTimers,
    pub population: Population,
    /// The simulator's terminal log.
    pub terminal_log: PathBuf,
    /// Whether the tap is between switch and host. Without it the switch connects to the host itself: for measurements.
    pub tap: bool,
    /// Additional environment variables of every program.
    pub environment: Vec<(&'static str, OsString)>,
    /// Answers wait until the disk has their records.
    pub durable_answers: bool,
    /// Where the programs' logs go instead of into a file of the stage each: a device.
    pub log_device: Option<PathBuf>,
}

impl Options {
    /// For a program or test that cargo built into the folder of the programs, or one below it.
    pub fn new(checkout: &Path, state: PathBuf) -> Result<Self> {
        let own = std::env::current_exe()?;
        let programs = own
            .ancestors()
            .skip(1)
            .find(|folder| folder.join(Program::Switch.name()).exists())
            .context("the programs are not built: cargo build --workspace --bins")?;
        Ok(Self {
            checkout: checkout.to_owned(),
            terminal_log: state.join("terminal-log.ndjson"),
            state,
            programs: programs.to_owned(),
            timers: StageTimers::default(),
            population: Population::small(),
            tap: true,
            durable_answers: false,
            environment: Vec::new(),
            log_device: None,
        })
    }
}

/// The running system. Its programs are stopped, last started first, when it is dropped.
#[derive(Debug)]
pub struct Stage {
    pub options: Options,
    pub ports: Ports,
    tap: Option<Tap>,
    pub cluster: Cluster,
    supervisor: Supervisor,
    layout: Layout,
}

impl Stage {
    /// Starts the system and waits until every program is ready. Needs a runtime with more than one thread, because starting
    /// programs blocks and the tap must run meanwhile.
    pub async fn start(options: Options) -> Result<Self> {
        let layout = Layout::claim(&options.state)?;
        let ports = Ports::choose()?;
        write_softhsm_conf(&layout)?;
        let cluster = Cluster::create(&layout)?;
        write_configs(&options, &layout, &ports, &cluster)?;
        let supervisor = Supervisor::new();
        cluster.start(&supervisor)?;
        cluster.divide(&fs::read_to_string(options.checkout.join("config/postgres-roles.sql"))?)?;
        let dialect = dialect::load(&options.checkout.join("config/dialects"), "switchyard-host")?;
        let tap = match options.tap {
            true => Some(Tap::open(ports.host_line, ports.host, dialect).await?),
            false => None,
        };
        let stage = Self { options, ports, tap, cluster, supervisor, layout };
        stage.start_hsm()?;
        stage.start_host()?;
        stage.run(Program::Switch, &[])?;
        stage.write_ports(stage.layout.state())?;
        Ok(stage)
    }

    /// The tap between switch and host.
    ///
    /// # Errors
    /// The options leave it out.
    pub fn tap(&self) -> Result<&Tap> {
        self.tap.as_ref().context("this stage has no tap: its options leave it out")
    }

    fn start_hsm(&self) -> Result<()> {
        let hsmd = self.tool_command(Tool::Hsm);
        hsmd.run("ceremony", &["--non-interactive"])?;
        let orders = self.order("terminals.json", &self.options.population.terminal_orders())?;
        hsmd.run("terminals", &["--orders", path(&orders)?])?;
        self.run(Program::Hsm, &["serve", "--daemon", "a"])?;
        self.run(Program::SecondHsm, &["serve", "--daemon", "b"])
    }

    fn start_host(&self) -> Result<()> {
        let (backoffice, issuing) = (self.tool_command(Tool::BackOffice), self.tool_command(Tool::Issuing));
        let population = &self.options.population;
        self.tool_command(Tool::Migrate).run("migrate", &[])?;
        let merchants = self.order("merchants.json", &population.merchants())?;
        backoffice.run("seed", &["--merchants", path(&merchants)?])?;
        for (verb, orders, kind) in
            [("issue", population.cards(), "cards"), ("provision", population.wallets(), "wallets")]
        {
            let orders = self.order(&format!("{kind}.json"), &orders)?;
            let delivery = self.layout.deliveries().join(format!("{kind}.delivery.json"));
            let flag = format!("--{kind}");
            issuing.run(verb, &[&flag, path(&orders)?, "--deliver-to", path(&delivery)?])?;
        }
        self.run(Program::Host, &["serve"])
    }

    /// Writes an order file.
    fn order(&self, name: &str, order: &Value) -> Result<PathBuf> {
        let file = self.layout.orders().join(name);
        fs::write(&file, serde_json::to_vec_pretty(order)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    /// Starts a program under the supervisor and waits until it is ready.
    fn run(&self, program: Program, verb: &[&str]) -> Result<()> {
        let mut arguments: Vec<OsString> = verb.iter().map(OsString::from).collect();
        arguments.extend(["--config".into(), self.layout.config().join(config_name(program)).into()]);
        let recipe = ProgramCommand {
            executable: self.options.programs.join(program.executable()),
            arguments,
            environment: self.environment(),
            user: None,
            stop: Signal::SIGTERM,
            log: self.options.log_device.clone().unwrap_or_else(|| self.log_of(program)),
            stale: Vec::new(),
        };
        self.supervisor.run(program, recipe)?;
        self.wait_ready(program)
    }

    /// Waits until a program is ready; a program that refused its configuration ends the wait.
    pub fn wait_ready(&self, program: Program) -> Result<()> {
        let Some(port) = self.ports.status(program) else { return self.cluster.wait_ready() };
        let outcome = probe::wait_ready(port, READY_WITHIN, || self.supervisor.status(program).refused);
        outcome.with_context(|| {
            let status = self.supervisor.status(program);
            let log = fs::read_to_string(self.log_of(program)).unwrap_or_default();
            let last = log.lines().next_back().unwrap_or("").to_owned();
            format!("{program} (last end: {:?}) says: {last}", status.last_end)
        })
    }

    /// `kill -9`; the supervisor restarts it.
    pub fn kill9(&self, program: Program) -> Result<()> {
        self.supervisor.kill9(program)
    }

    /// A power failure: `copy` is called while every program is stopped, `swap` when all are killed; then they are started again.
    pub fn cut_power(
        &self,
        copy: impl FnOnce() -> Result<()> + Send + 'static,
        swap: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Result<()> {
        self.supervisor.cut_power(copy, swap)
    }

    /// The process that runs a program now; `None` while it is down.
    pub fn pid(&self, program: Program) -> Option<u32> {
        self.supervisor.status(program).pid
    }

    /// The processor time that a program and its children have taken since it was last started.
    pub fn cpu_time(&self, program: Program) -> Duration {
        self.supervisor.cpu_time(program)
    }

    pub fn restarts(&self, program: Program) -> u32 {
        self.supervisor.status(program).restarts
    }

    /// Runs one verb of a program to its end and returns its output.
    pub fn run_tool(&self, tool: Tool, verb: &str, arguments: &[&str]) -> Result<String> {
        self.tool_command(tool).run(verb, arguments)
    }

    /// As [`Stage::run_tool`], for a verb whose exit code is a verdict.
    pub fn verdict(&self, tool: Tool, verb: &str, arguments: &[&str]) -> Result<String> {
        self.tool_command(tool).verdict(verb, arguments)
    }

    /// How to run a program for single tasks.
    pub fn tool_command(&self, tool: Tool) -> ToolCommand {
        ToolCommand {
            executable: self.options.programs.join(tool.name()),
            config: self.layout.config().join(tool.config()),
            environment: self.environment(),
            log: self.layout.logs().join(format!("{}-verbs.log", tool.name())),
        }
    }

    /// Environment variables of every program.
    fn environment(&self) -> Vec<(&'static str, OsString)> {
        let mut environment = self.options.environment.clone();
        environment.push(("SOFTHSM2_CONF", self.layout.softhsm_conf().into()));
        environment
    }

    fn log_of(&self, program: Program) -> PathBuf {
        self.layout.logs().join(format!("{program}.ndjson"))
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Opens the simulated world of this stage: tills, cards, the foreign acquirer and the foreign issuer. Returns when the switch,
    /// which connects to the issuer, has reached it.
    pub async fn open_world(&self) -> Result<World> {
        let config = pos_sim::config::Config::load(&self.layout.config().join("pos-sim.toml"))?;
        let world = World::open(&config).await?;
        let deadline = Instant::now() + READY_WITHIN;
        while !self.every_destination_is_up()? {
            if Instant::now() > deadline {
                bail!("the switch did not reach its destinations: {}", self.admin("GET", "/links", "")?);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(world)
    }

    /// Whether the switch is connected to all its destinations.
    pub fn every_destination_is_up(&self) -> Result<bool> {
        let links = self.admin("GET", "/links", "")?;
        let links = links["links"].as_array().context("/links names no links")?;
        Ok(links.iter().filter(|link| link["kind"] == "destination").all(|link| link["state"] == "up"))
    }

    /// A connection to the database that the host writes to, with every right.
    pub async fn database(&self) -> Result<tokio_postgres::Client> {
        let (client, connection) =
            tokio_postgres::connect(&self.cluster.connection(DATABASE), tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Writes `ports.json` into `folder`.
    pub fn write_ports(&self, folder: &Path) -> Result<()> {
        fs::write(folder.join("ports.json"), serde_json::to_vec_pretty(&self.ports.json())?)?;
        Ok(())
    }

    /// Messages that the switch still has to deliver.
    pub fn owed_messages(&self) -> Result<u64> {
        Ok(probe::metric(self.ports.switch_status, "switch_owed")? as u64)
    }

    /// Messages that their destination did not take.
    pub fn dead_letters(&self) -> Result<u64> {
        let owed = self.admin("GET", "/owed", "")?;
        owed["dead_letter_count"].as_u64().context("the list of owed messages has no number of dead letters")
    }

    /// Answers that the switch got too late since it was last started.
    pub fn late_answers(&self) -> Result<u64> {
        Ok(probe::metric(self.ports.switch_status, "switch_late_answers_total")? as u64)
    }

    /// Sends a request to the switch's operators' port.
    pub fn admin(&self, method: &str, path: &str, body: &str) -> Result<Value> {
        let (status, answer) = match method {
            "GET" => probe::get(self.ports.admin, path)?,
            _ => probe::post_to_socket(&self.layout.switch().join("admin.sock"), path, body)?,
        };
        if status != 200 {
            bail!("{method} {path}: {status} {answer}");
        }
        serde_json::from_str(&answer).with_context(|| format!("{method} {path}: {answer}"))
    }
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}

fn config_name(program: Program) -> &'static str {
    match program {
        Program::Postgres => "postgresql.conf",
        Program::Hsm | Program::SecondHsm => "hsm.toml",
        Program::Host => "host.toml",
        Program::Switch => "switch.toml",
    }
}

fn write_softhsm_conf(layout: &Layout) -> Result<()> {
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n",
        layout.token().display()
    );
    fs::write(layout.softhsm_conf(), text)?;
    Ok(())
}

fn local(port: u16) -> toml::Value {
    format!("127.0.0.1:{port}").into()
}

fn file(path: PathBuf) -> toml::Value {
    path.display().to_string().into()
}

fn write_configs(options: &Options, layout: &Layout, ports: &Ports, cluster: &Cluster) -> Result<()> {
    let dialects = options.checkout.join("config/dialects");
    let links = layout.config().join("links.toml");
    let sockets = |role: &str| -> toml::Value {
        ["a", "b"].map(|daemon| file(layout.sockets().join(format!("hsm-{daemon}-{role}.sock")))).to_vec().into()
    };
    let timeout = toml::Value::from(i64::try_from(options.timers.answer_timeout.as_millis())?);
    let durability = if options.durable_answers { "power" } else { "process" };
    let retry = toml::Value::from(i64::try_from(options.timers.first_retry.as_millis())?);
    let switch: Edits = vec![
        ("status_address".into(), local(ports.switch_status)),
        ("admin_address".into(), local(ports.admin)),
        ("admin_socket".into(), file(layout.switch().join("admin.sock"))),
        ("dialects_dir".into(), file(dialects.clone())),
        ("state_dir".into(), file(layout.switch())),
        ("hsm_socket".into(), sockets("switch")),
        ("terminal_keys".into(), file(layout.terminal_keys())),
        ("links".into(), file(links.clone())),
        ("listener.terminals.address".into(), local(ports.terminals)),
        ("listener.acquirer-ascii.address".into(), local(ports.acquirer)),
        ("destination.host.address".into(), local(if options.tap { ports.host_line } else { ports.host })),
        ("destination.issuer-510051.address".into(), local(ports.issuer)),
        ("destination.host.answer_timeout_ms".into(), timeout.clone()),
        ("destination.issuer-510051.answer_timeout_ms".into(), timeout),
        ("owed.first_retry_ms".into(), retry),
        ("listener.terminals.durability".into(), durability.into()),
        ("listener.acquirer-ascii.durability".into(), durability.into()),
    ];
    let host: Edits = vec![
        ("listen_address".into(), local(ports.host)),
        ("status_address".into(), local(ports.host_status)),
        ("dialects_dir".into(), file(dialects)),
        ("hsm_socket".into(), sockets("host")),
        ("links".into(), file(links.clone())),
        ("postgres".into(), cluster.connection_of("authhost").into()),
        ("anchors_file".into(), file(layout.anchors())),
        // more than every third printed code of the load is a guess, at each merchant
        ("security_code.merchant.max_failure_percent".into(), 60.into()),
    ];
    let backoffice: Edits = vec![
        ("dialects_dir".into(), file(options.checkout.join("config/dialects"))),
        ("hsm_socket".into(), sockets("host")),
        ("links".into(), file(links)),
        ("postgres".into(), cluster.connection_of("backoffice").into()),
        ("postgres_audit".into(), cluster.connection_of("auditor").into()),
        ("clearing.host_address".into(), local(ports.host)),
        ("settlement.fee_schedule".into(), file(options.checkout.join("config/fees/standard.toml"))),
        ("exceptions.switch_admin".into(), local(ports.admin)),
    ];
    let issuing: Edits = vec![
        ("hsm_socket".into(), sockets("host")),
        ("hsm_operator_socket".into(), sockets("operator")),
        ("postgres".into(), cluster.connection_of("issuing").into()),
    ];
    let migrate: Edits = vec![("postgres".into(), cluster.connection_of("switchyard_owner").into())];
    let hsm: Edits = vec![
        ("daemon.a.status_address".into(), local(ports.hsm_status)),
        ("daemon.b.status_address".into(), local(ports.second_hsm_status)),
        ("run_dir".into(), file(layout.sockets().to_owned())),
        ("keys_dir".into(), file(layout.keys())),
        ("deliveries_dir".into(), file(layout.deliveries())),
        ("terminal_keys".into(), file(layout.terminal_keys())),
        ("token.user_pin_file".into(), file(layout.token_pins().join("user"))),
        ("token.so_pin_file".into(), file(layout.token_pins().join("so"))),
        ("ceremony.custodian.custodian-1.component_file".into(), file(layout.transport_components()[0].clone())),
        ("ceremony.custodian.custodian-2.component_file".into(), file(layout.transport_components()[1].clone())),
    ];
    let [component_1, component_2] = layout.transport_components();
    let patience = i64::try_from((options.timers.answer_timeout * 3).as_millis())?;
    let outside: Edits = vec![
        ("dialects_dir".into(), file(options.checkout.join("config/dialects"))),
        ("terminal_log".into(), file(options.terminal_log.clone())),
        ("keys.component_1_file".into(), file(component_1)),
        ("keys.component_2_file".into(), file(component_2)),
        ("keys.deliveries_dir".into(), file(layout.deliveries())),
        ("terminals.address".into(), local(ports.terminals)),
        ("terminals.manner.answer_timeout_ms".into(), patience.into()),
        ("acquirer.address".into(), local(ports.acquirer)),
        ("acquirer.manner.answer_timeout_ms".into(), patience.into()),
        ("issuer.address".into(), local(ports.issuer)),
    ];
    let files = [
        ("links.toml", Edits::new()),
        ("hsm.toml", hsm),
        ("switch.toml", switch),
        ("host.toml", host),
        ("migrate.toml", migrate),
        ("backoffice.toml", backoffice),
        ("issuing.toml", issuing),
        ("pos-sim.toml", outside),
    ];
    for (name, edits) in files {
        copy_edited(&options.checkout.join("config").join(name), &layout.config().join(name), &edits)?;
    }
    Ok(())
}

impl Ports {
    /// The JSON format that scripts read.
    pub fn json(&self) -> Value {
        json!({
            "switch": {
                "terminals": {"port": self.terminals, "framing": "nac", "dialect": "iso87-binary", "tls": false},
                "acquirer-ascii": {"port": self.acquirer, "framing": "bin2", "dialect": "iso87-ascii", "tls": false},
            },
            "host": {"port": self.host, "framing": "bin2", "dialect": "switchyard-host", "tls": false},
            "issuer-510051": {"port": self.issuer, "framing": "ascii4", "dialect": "iso93-ascii", "tls": false},
            "admin": {"switch": self.admin},
            "metrics": {"switch": self.switch_status, "host": self.host_status, "hsm": self.hsm_status,
                        "hsm-b": self.second_hsm_status},
        })
    }

    fn status(&self, program: Program) -> Option<u16> {
        match program {
            Program::Postgres => None,
            Program::Hsm => Some(self.hsm_status),
            Program::SecondHsm => Some(self.second_hsm_status),
            Program::Host => Some(self.host_status),
            Program::Switch => Some(self.switch_status),
        }
    }
}

impl Ports {
    fn choose() -> Result<Self> {
        let [
            terminals,
            acquirer,
            issuer,
            host_line,
            host,
            admin,
            switch_status,
            host_status,
            hsm_status,
            second_hsm_status,
        ] = ports::choose()?;
        Ok(Self {
            terminals,
            acquirer,
            issuer,
            host_line,
            host,
            admin,
            switch_status,
            host_status,
            hsm_status,
            second_hsm_status,
        })
    }
}
