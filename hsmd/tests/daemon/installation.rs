//! An installation for tests: a real `hsmd` on a private token, in a folder of its own.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use hsm::{Client, ClientConfig, Health, ModuleState, Sockets};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// NSS's softoken, another PKCS#11 module than SoftHSM, in the system's library path.
pub const NSS: &str = "libsoftokn3.so";

/// The initialization text of NSS: the folder of its database and the label of its token.
pub fn nss_arguments(folder: &str, label: &str) -> String {
    format!("configdir='sql:{folder}' certPrefix='' keyPrefix='' secmod='' flags= dbTokenDescription='{label}'")
}

/// A configuration turned to NSS, with its database in the folder that SoftHSM's tokens have otherwise.
pub fn on_nss(config: String) -> String {
    let run_dir = config.split_once("run_dir").unwrap().1.split('"').nth(1).unwrap();
    let folder = run_dir.strip_suffix("/run").unwrap();
    let arguments = nss_arguments(&format!("{folder}/tokens"), "switchyard");
    let lines = config.lines().filter(|line| !line.starts_with("so_pin_file")).map(|line| {
        if line.starts_with("module ") {
            format!("module = {NSS:?}\ninit_arguments = {arguments:?}")
        } else if line.starts_with("allowed_mechanisms") {
            "allowed_mechanisms = false".into()
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

pub struct Installation {
    pub folder: PathBuf,
    daemon: Option<Child>,
    /// The other daemon of the same token.
    second: Option<Child>,
}

impl Installation {
    /// Configuration and ceremony; the daemon does not run yet. `edit` changes the example configuration.
    pub fn prepared(edit: impl Fn(String) -> String) -> Self {
        let installation = Self::configured(edit);
        installation.verb(&["ceremony", "--non-interactive"]);
        installation
    }

    /// Configuration alone: there is no token yet.
    pub fn configured(edit: impl Fn(String) -> String) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("switchyard-hsmd-{}-{number}", std::process::id()));
        std::fs::create_dir_all(folder.join("tokens")).unwrap();
        let softhsm = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            folder.join("tokens").display()
        );
        std::fs::write(folder.join("softhsm2.conf"), softhsm).unwrap();
        let example = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/hsm.toml")).unwrap();
        let config = example
            .replace("\"state/", &format!("\"{}/", folder.display()))
            // any free port: it is in the daemon's log
            .replace("127.0.0.1:9103", "127.0.0.1:0")
            .replace("127.0.0.1:9104", "127.0.0.1:0");
        std::fs::write(folder.join("hsm.toml"), edit(config)).unwrap();
        Self { folder, daemon: None, second: None }
    }

    /// With the daemon running and ready.
    pub fn raised(edit: impl Fn(String) -> String) -> Self {
        let mut installation = Self::prepared(edit);
        installation.start();
        installation
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hsmd"));
        command.env("SOFTHSM2_CONF", self.folder.join("softhsm2.conf")).env_remove("RUST_LOG");
        command
    }

    pub fn try_verb(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).arg("--config").arg(self.folder.join("hsm.toml")).output().unwrap()
    }

    /// Runs a command of `hsmd` to its end and returns its output.
    pub fn verb(&self, arguments: &[&str]) -> String {
        let output = self.try_verb(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn start(&mut self) {
        self.daemon = Some(self.serve("a", "hsmd.log"));
    }

    pub fn start_second(&mut self) {
        self.second = Some(self.serve("b", "hsmd-b.log"));
    }

    fn serve(&self, daemon: &str, log: &str) -> Child {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join(log)).unwrap();
        let mut command = self.command();
        command.args(["serve", "--daemon", daemon, "--config"]).arg(self.folder.join("hsm.toml"));
        command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(self.daemon.as_ref().expect("runs").id() as i32)
    }

    /// The daemons that run.
    pub fn pids(&self) -> Vec<u32> {
        [&self.daemon, &self.second].into_iter().flatten().map(Child::id).collect()
    }

    /// Stops the daemon (SIGSTOP); returns when its last thread has stopped, which the signal alone does not guarantee.
    pub fn freeze(&self) {
        kill(self.pid(), Signal::SIGSTOP).unwrap();
        let stopped = waitpid(self.pid(), Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert!(matches!(stopped, WaitStatus::Stopped(..)), "{stopped:?}");
    }

    pub fn hang_up(&self) {
        kill(self.pid(), Signal::SIGHUP).unwrap();
    }

    /// Changes the configuration file.
    pub fn reconfigure(&self, edit: impl Fn(String) -> String) {
        let edited = edit(self.read("hsm.toml"));
        std::fs::write(self.folder.join("hsm.toml"), edited).unwrap();
    }

    pub fn thaw(&self) {
        kill(self.pid(), Signal::SIGCONT).unwrap();
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(&mut self) -> ExitStatus {
        kill(self.pid(), Signal::SIGTERM).unwrap();
        self.daemon.take().expect("runs").wait().unwrap()
    }

    /// `kill -9`, and wait until it is gone.
    pub fn kill(&mut self) {
        end(self.daemon.take());
    }

    /// Sends the daemon the signal that a fault inside the module would raise.
    pub fn crash(&mut self) -> ExitStatus {
        let pid = self.pid();
        let mut daemon = self.daemon.take().expect("runs");
        loop {
            // Rust's runtime checks the first one for a stack overflow and returns, so that the fault happens again
            kill(pid, Signal::SIGSEGV).unwrap();
            std::thread::sleep(Duration::from_millis(20));
            if let Some(ended) = daemon.try_wait().unwrap() {
                return ended;
            }
        }
    }

    pub fn kill_second(&mut self) {
        end(self.second.take());
    }

    /// Both daemons' sockets.
    pub fn client_of_both(&self, role: &str) -> Client {
        let sockets = ["a", "b"].map(|daemon| self.folder.join(format!("run/hsm-{daemon}-{role}.sock")));
        Client::new(&ClientConfig { timeout_ms: 5_000, ..ClientConfig::new(Sockets::Several(sockets.to_vec())) })
    }

    pub fn second_client(&self, role: &str) -> Client {
        Client::connect(self.folder.join(format!("run/hsm-b-{role}.sock")))
    }

    pub fn client(&self, role: &str) -> Client {
        Client::new(&ClientConfig { timeout_ms: 5_000, ..self.client_config(role) })
    }

    pub fn client_config(&self, role: &str) -> ClientConfig {
        ClientConfig::new(self.folder.join(format!("run/hsm-a-{role}.sock")))
    }

    pub fn metrics(&self) -> String {
        use std::io::{Read, Write};
        let log = self.read("hsmd.log");
        let last = log.lines().rev().find(|line| line.contains("status served")).unwrap();
        let entry: serde_json::Value = serde_json::from_str(last).unwrap();
        let mut stream = std::net::TcpStream::connect(entry["address"].as_str().unwrap()).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    pub fn read(&self, path: impl AsRef<Path>) -> String {
        std::fs::read_to_string(self.folder.join(path)).unwrap()
    }
}

fn end(daemon: Option<Child>) {
    if let Some(mut daemon) = daemon {
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        self.kill();
        self.kill_second();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Requests the health until `holds`, for ten seconds at most.
pub async fn health_until(client: &Client, holds: impl Fn(&Health) -> bool) -> Health {
    let begun = Instant::now();
    loop {
        match client.health().await {
            Ok(health) if holds(&health) => return health,
            other => assert!(begun.elapsed() < Duration::from_secs(10), "still {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub async fn up(client: &Client) -> Health {
    health_until(client, |health| health.state == ModuleState::Up).await
}
