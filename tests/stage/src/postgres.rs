//! A private database cluster. It listens on a unix socket only, so that it cannot clash with another one or be reached from
//! elsewhere, and runs under an account that Postgres accepts.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use nix::unistd::{User, chown};

use crate::layout::Layout;
use crate::supervisor::{Program, ProgramCommand, Supervisor};

pub const DATABASE: &str = "switchyard";
const SUPERUSER: &str = "switchyard";
/// Debian's account for the database; Postgres will not run as root.
const DATABASE_ACCOUNT: &str = "postgres";
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How a cluster is made and run, where a test wants it otherwise.
#[derive(Debug, Clone)]
pub struct Manner {
    /// Whether pages have checksums.
    pub checksums: bool,
    /// Port of 127.0.0.1 on which it listens beside its Unix socket.
    pub port: Option<u16>,
    /// Further settings, `name=value`.
    pub settings: Vec<String>,
}

impl Default for Manner {
    fn default() -> Self {
        Self { checksums: true, port: None, settings: Vec::new() }
    }
}

/// Where the cluster's programs, data and socket are.
#[derive(Debug, Clone)]
pub struct Cluster {
    programs: PathBuf,
    data: PathBuf,
    sockets: PathBuf,
    log: PathBuf,
    user: Option<&'static str>,
    manner: Manner,
}

impl Cluster {
    /// Makes an empty cluster in the stage's folder.
    pub fn create(layout: &Layout) -> Result<Self> {
        Self::create_in_manner(layout, Manner::default())
    }

    /// As [`Cluster::create`], made and run otherwise.
    pub fn create_in_manner(layout: &Layout, manner: Manner) -> Result<Self> {
        let user = nix::unistd::geteuid().is_root().then_some(DATABASE_ACCOUNT);
        let folder = layout.postgres();
        let cluster = Self {
            programs: find_programs()?,
            data: folder.join("data"),
            sockets: if user.is_some() { folder.join("socket") } else { layout.sockets().to_owned() },
            log: layout.logs().join("postgres.log"),
            user,
            manner,
        };
        for owned in [&folder, &cluster.sockets] {
            fs::create_dir_all(owned)?;
            cluster.give_to_account(owned)?;
        }
        cluster.initialise()?;
        Ok(cluster)
    }

    fn give_to_account(&self, folder: &Path) -> Result<()> {
        let Some(name) = self.user else { return Ok(()) };
        let account = User::from_name(name)?.with_context(|| format!("no account {name} on this machine"))?;
        chown(folder, Some(account.uid), Some(account.gid))?;
        fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        Ok(())
    }

    fn initialise(&self) -> Result<()> {
        let mut arguments: Vec<OsString> = vec!["-D".into(), self.data.clone().into(), "-U".into(), SUPERUSER.into()];
        // The machine's locale may be POSIX; the socket's folder is closed to everybody else.
        arguments.extend(["-E", "UTF8", "--locale=C.UTF-8", "--no-instructions", "-A", "trust"].map(OsString::from));
        arguments.extend(self.manner.checksums.then(|| OsString::from("--data-checksums")));
        self.run_tool("initdb", arguments)
    }

    /// How the supervisor runs the cluster. Durability stays on, so that the demo and the tests include it.
    pub fn recipe(&self) -> ProgramCommand {
        let settings = [
            format!("listen_addresses={}", if self.manner.port.is_some() { "127.0.0.1" } else { "" }),
            format!("port={}", self.port()),
            format!("unix_socket_directories={}", self.sockets.display()),
            "unix_socket_permissions=0700".to_owned(),
            "max_connections=100".to_owned(),
            "shared_buffers=256MB".to_owned(),
            "max_wal_size=4GB".to_owned(),
            "checkpoint_timeout=30min".to_owned(),
            // Statements and their parameters stay out of the log, also when they fail.
            "log_min_error_statement=panic".to_owned(),
            "log_parameter_max_length_on_error=0".to_owned(),
        ];
        let mut arguments: Vec<OsString> = vec!["-D".into(), self.data.clone().into()];
        for setting in settings.into_iter().chain(self.manner.settings.clone()) {
            arguments.extend(["-c".into(), setting.into()]);
        }
        ProgramCommand {
            executable: self.programs.join("postgres"),
            arguments,
            environment: Vec::new(),
            user: self.user,
            stop: Signal::SIGINT,
            log: self.log.clone(),
            // A killed postmaster leaves both behind, and its process id may already be somebody else's.
            stale: vec![self.data.join("postmaster.pid"), self.sockets.join(format!(".s.PGSQL.{}.lock", self.port()))],
        }
    }

    /// Starts it under the supervisor, waits until it answers and makes the database.
    pub fn start(&self, supervisor: &Supervisor) -> Result<()> {
        supervisor.run(Program::Postgres, self.recipe())?;
        self.wait_ready()?;
        self.run_tool(
            "createdb",
            vec!["-h".into(), self.sockets.clone().into(), "-U".into(), SUPERUSER.into(), DATABASE.into()],
        )
    }

    /// Runs `roles`, which makes a role for each program, and gives the database to the owner of the tables.
    pub fn divide(&self, roles: &str) -> Result<()> {
        let to_owner = format!("ALTER DATABASE {DATABASE} OWNER TO switchyard_owner");
        let mut arguments: Vec<OsString> =
            vec!["-h".into(), self.sockets.clone().into(), "-U".into(), SUPERUSER.into()];
        arguments
            .extend(["-q", "-v", "ON_ERROR_STOP=1", "-d", DATABASE, "-c", roles, "-c", &to_owner].map(OsString::from));
        self.run_tool("psql", arguments)
    }

    pub fn wait_ready(&self) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        let socket = self.sockets.clone().into();
        while self
            .run_tool(
                "pg_isready",
                vec!["-q".into(), "-U".into(), SUPERUSER.into(), "-h".into(), OsString::clone(&socket)],
            )
            .is_err()
        {
            if Instant::now() > deadline {
                bail!("Postgres did not come up; see {}", self.log.display());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// A libpq connection string with which one of the programs logs in to their database.
    pub fn connection_of(&self, role: &str) -> String {
        format!("host={} port={} user={role} dbname={DATABASE}", self.sockets.display(), self.port())
    }

    /// A libpq connection string for one of its databases, with every right.
    pub fn connection(&self, database: &str) -> String {
        format!("host={} port={} user={SUPERUSER} dbname={database}", self.sockets.display(), self.port())
    }

    /// Environment variables that lead libpq and Postgres' own tools to this cluster.
    pub fn client_environment(&self) -> [(&'static str, OsString); 3] {
        let mut path = vec![self.programs.clone()];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let path = std::env::join_paths(path).unwrap_or_else(|_| self.programs.clone().into());
        [("PGHOST", self.sockets.clone().into()), ("PGUSER", SUPERUSER.into()), ("PATH", path)]
    }

    fn port(&self) -> u16 {
        self.manner.port.unwrap_or(5432)
    }

    /// Puts a file, which only its account can read, among the cluster's data.
    pub fn add_file(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let file = self.data.join(name);
        fs::write(&file, bytes)?;
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        let Some(name) = self.user else { return Ok(()) };
        let account = User::from_name(name)?.with_context(|| format!("no account {name} on this machine"))?;
        Ok(chown(&file, Some(account.uid), Some(account.gid))?)
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Everything in the database as SQL text.
    pub fn dump(&self) -> Result<Vec<u8>> {
        let mut command = self.tool("pg_dump");
        let output =
            command.args(["-h".as_ref(), self.sockets.as_os_str()]).args(["-U", SUPERUSER, DATABASE]).output()?;
        if !output.status.success() {
            bail!("pg_dump: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(output.stdout)
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new("setpriv");
        if let Some(user) = self.user {
            command.args([format!("--reuid={user}"), format!("--regid={user}"), "--init-groups".to_owned()]);
        }
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(self.programs.join(name))
            .current_dir("/")
            .env("PGPORT", self.port().to_string());
        command
    }

    fn run_tool(&self, name: &str, arguments: Vec<OsString>) -> Result<()> {
        let output = self.tool(name).args(arguments).output().with_context(|| format!("cannot run {name}"))?;
        if !output.status.success() {
            bail!("{name}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }
}

/// The newest installed server: Debian keeps the programs of each major version apart and off the PATH.
fn find_programs() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|version| Path::new(&format!("/usr/lib/postgresql/{version}/bin/postgres")).exists())
        .max();
    if let Some(version) = newest {
        return Ok(format!("/usr/lib/postgresql/{version}/bin").into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|folder| folder.join("postgres").exists() && folder.join("initdb").exists())
        .context("no PostgreSQL server on this machine (Debian: apt-get install postgresql)")
}
