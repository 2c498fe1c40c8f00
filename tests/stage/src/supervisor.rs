//! Keeps the programs running: one thread owns every child process, restarts programs that die, and stops all of them in order.
//!
//! It has to be one lasting thread. The kernel sends a child its parent-death signal when the *thread* that spawned it ends, so
//! children must come from a thread that lives as long as they should; and when this process is killed, that thread ends with
//! it and nothing is left running.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How often the thread checks for children that died.
const CHECK_EVERY: Duration = Duration::from_millis(10);
/// A program that dies within this time of its start is not restarted at once but after a growing pause.
const TOO_SOON: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// How long killed descendants may take to end: a process that is writing does not end at once.
const DESCENDANTS_GONE_WITHIN: Duration = Duration::from_secs(5);
/// After its stop signal a program has this long before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(15);
/// The exit code with which every program refuses its configuration: starting it again would not help.
const REFUSED: i32 = 2;

/// The processes of a stage, in the order in which they are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    Postgres,
    Hsm,
    /// The other daemon of the same token.
    SecondHsm,
    Host,
    Switch,
}

impl Program {
    pub const ALL: [Self; 5] = [Self::Postgres, Self::Hsm, Self::SecondHsm, Self::Host, Self::Switch];

    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Hsm => "hsmd",
            Self::SecondHsm => "hsmd-b",
            Self::Host => "authhost",
            Self::Switch => "cardswitch",
        }
    }

    /// The file that is run.
    pub fn executable(self) -> &'static str {
        match self {
            Self::SecondHsm => Self::Hsm.name(),
            other => other.name(),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How one program is run.
#[derive(Debug, Clone)]
pub struct ProgramCommand {
    pub executable: PathBuf,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(&'static str, OsString)>,
    /// The account it runs under, if another one than this process's.
    pub user: Option<&'static str>,
    /// The signal that stops it.
    pub stop: Signal,
    /// Standard output and error are appended here.
    pub log: PathBuf,
    /// Files of a killed predecessor that would keep it from starting.
    pub stale: Vec<PathBuf>,
}

impl ProgramCommand {
    /// The command line, with the parent-death signal set. `setpriv` becomes the program: their process id is the same.
    pub fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        if let Some(user) = self.user {
            command.args([format!("--reuid={user}"), format!("--regid={user}"), "--init-groups".to_owned()]);
        }
        // On a fast-shutdown signal Postgres ends its children too; killed outright it would leave them running for a while.
        let death = if self.stop == Signal::SIGINT { "INT" } else { "KILL" };
        command.args(["--pdeathsig", death, "--"]).arg(&self.executable).args(&self.arguments);
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        command.current_dir("/").stdin(Stdio::null()).process_group(0);
        command
    }

    fn spawn(&self) -> Result<Child> {
        for path in &self.stale {
            let _ = fs::remove_file(path);
        }
        let log = File::options().create(true).append(true).open(&self.log)?;
        self.command()
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.executable.display()))
    }
}

/// Status of one program.
#[derive(Debug, Clone, Default)]
pub struct Status {
    pub pid: Option<u32>,
    /// Starts after the first.
    pub restarts: u32,
    /// How it last ended, as text.
    pub last_end: Option<String>,
    /// It refused its configuration and is not started again.
    pub refused: bool,
}

type Statuses = Arc<Mutex<BTreeMap<Program, Status>>>;

type Work = Box<dyn FnOnce() -> Result<()> + Send>;

/// What is done at a power failure: while every program stands still, and when all are gone.
struct PowerCut {
    while_stopped: Work,
    when_gone: Work,
}

enum SupervisorRequest {
    Run(Program, Box<ProgramCommand>, Sender<Result<()>>),
    Kill(Program, Sender<Result<()>>),
    Stop(Program, Sender<Result<()>>),
    CutPower(PowerCut, Sender<Result<()>>),
    End,
}

/// The handle; dropping it stops everything, last started first.
#[derive(Debug)]
pub struct Supervisor {
    requests: Sender<SupervisorRequest>,
    statuses: Statuses,
    thread: Option<JoinHandle<()>>,
}

impl Supervisor {
    pub fn new() -> Self {
        let (requests, inbox) = mpsc::channel();
        let statuses = Statuses::default();
        let watch = SupervisorThread { running: BTreeMap::new(), statuses: Arc::clone(&statuses) };
        let thread = std::thread::Builder::new()
            .name("supervisor".to_owned())
            .spawn(move || watch.run(&inbox))
            .expect("a thread can be started");
        Self { requests, statuses, thread: Some(thread) }
    }

    /// Starts a program and keeps it running from then on.
    pub fn run(&self, program: Program, recipe: ProgramCommand) -> Result<()> {
        self.request(|reply| SupervisorRequest::Run(program, Box::new(recipe), reply))
    }

    /// `kill -9` for the program and all its children; the supervisor restarts it.
    pub fn kill9(&self, program: Program) -> Result<()> {
        self.request(|reply| SupervisorRequest::Kill(program, reply))
    }

    /// Stops the program, waits until it has ended, and leaves it down.
    pub fn stop(&self, program: Program) -> Result<()> {
        self.request(|reply| SupervisorRequest::Stop(program, reply))
    }

    /// Stops every program at one moment, does `while_stopped`, kills them all, does `when_gone`, and starts them again.
    pub fn cut_power(
        &self,
        while_stopped: impl FnOnce() -> Result<()> + Send + 'static,
        when_gone: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let cut = PowerCut { while_stopped: Box::new(while_stopped), when_gone: Box::new(when_gone) };
        self.request(|reply| SupervisorRequest::CutPower(cut, reply))
    }

    pub fn status(&self, program: Program) -> Status {
        locked(&self.statuses).get(&program).cloned().unwrap_or_default()
    }

    /// The processor time that a program and its children have taken since it was last started.
    pub fn cpu_time(&self, program: Program) -> Duration {
        self.status(program).pid.map_or(Duration::ZERO, cpu_time)
    }

    fn request(&self, request: impl FnOnce(Sender<Result<()>>) -> SupervisorRequest) -> Result<()> {
        let (reply, answer) = mpsc::channel();
        self.requests.send(request(reply)).map_err(|_| anyhow!("the supervisor is gone"))?;
        answer.recv().context("the supervisor is gone")?
    }
}

impl Default for Supervisor {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = self.requests.send(SupervisorRequest::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn locked(statuses: &Statuses) -> MutexGuard<'_, BTreeMap<Program, Status>> {
    statuses.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Running {
    recipe: ProgramCommand,
    child: Option<Child>,
    started: Instant,
    /// Deaths in a row that came too soon.
    failures: u32,
    next_start: Option<Instant>,
}

struct SupervisorThread {
    running: BTreeMap<Program, Running>,
    statuses: Statuses,
}

impl SupervisorThread {
    fn run(mut self, inbox: &Receiver<SupervisorRequest>) {
        loop {
            match inbox.recv_timeout(CHECK_EVERY) {
                Ok(SupervisorRequest::Run(program, recipe, reply)) => drop(reply.send(self.start(program, *recipe))),
                Ok(SupervisorRequest::Kill(program, reply)) => drop(reply.send(self.kill(program))),
                Ok(SupervisorRequest::Stop(program, reply)) => drop(reply.send(self.stop(program))),
                Ok(SupervisorRequest::CutPower(cut, reply)) => drop(reply.send(self.cut_power(cut))),
                Ok(SupervisorRequest::End) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.check_children();
        }
        for program in Program::ALL.into_iter().rev() {
            let _ = self.stop(program);
        }
    }

    fn start(&mut self, program: Program, recipe: ProgramCommand) -> Result<()> {
        let child = recipe.spawn()?;
        locked(&self.statuses).entry(program).or_default().pid = Some(child.id());
        let running = Running { recipe, child: Some(child), started: Instant::now(), failures: 0, next_start: None };
        self.running.insert(program, running);
        Ok(())
    }

    fn kill(&mut self, program: Program) -> Result<()> {
        let running = self.running.get_mut(&program).with_context(|| format!("{program} was never started"))?;
        let Some(child) = running.child.as_mut() else { bail!("{program} is down already") };
        kill_tree(child.id());
        // Only this thread reaps: after this wait the process is gone when the caller gets its reply.
        let status = child.wait()?;
        self.record_death(program, status);
        Ok(())
    }

    fn cut_power(&mut self, cut: PowerCut) -> Result<()> {
        let pids: Vec<u32> = self.running.values().filter_map(|of| of.child.as_ref().map(Child::id)).collect();
        let stopped: Vec<u32> = pids.into_iter().flat_map(stop_tree).collect();
        let done = (cut.while_stopped)();
        for pid in &stopped {
            signal(*pid, Signal::SIGKILL);
        }
        wait_until_gone(&stopped);
        let mut ended = Vec::new();
        for (program, running) in &mut self.running {
            if let Some(child) = running.child.as_mut() {
                ended.push((*program, child.wait()?));
            }
        }
        // they are started again when this is done
        let done = done.and_then(|()| (cut.when_gone)());
        for (program, status) in ended {
            self.record_death(program, status);
        }
        done
    }

    fn stop(&mut self, program: Program) -> Result<()> {
        let Some(mut running) = self.running.remove(&program) else { return Ok(()) };
        let Some(mut child) = running.child.take() else { return Ok(()) };
        let deadline = Instant::now() + STOP_WITHIN;
        signal(child.id(), running.recipe.stop);
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                kill_tree(child.id());
                break child.wait()?;
            }
            std::thread::sleep(CHECK_EVERY);
        };
        signal_group(child.id(), Signal::SIGKILL);
        let mut statuses = locked(&self.statuses);
        let known = statuses.entry(program).or_default();
        known.pid = None;
        known.last_end = Some(in_words(status));
        Ok(())
    }

    /// Notices children that died and restarts the programs that are due.
    fn check_children(&mut self) {
        let mut dead = Vec::new();
        for (program, running) in &mut self.running {
            if let Some(child) = running.child.as_mut()
                && let Ok(Some(status)) = child.try_wait()
            {
                dead.push((*program, status));
            }
        }
        for (program, status) in dead {
            self.record_death(program, status);
        }
        let now = Instant::now();
        for (program, running) in &mut self.running {
            if running.next_start.is_some_and(|due| due <= now) {
                restart(*program, running, &self.statuses);
            }
        }
    }

    /// Records a death and decides when the program is restarted.
    fn record_death(&mut self, program: Program, status: ExitStatus) {
        let Some(running) = self.running.get_mut(&program) else { return };
        let pid = running.child.take().map(|child| child.id());
        if let Some(pid) = pid {
            // The program's own children are in its process group and must not survive it.
            signal_group(pid, Signal::SIGKILL);
        }
        let refused = status.code() == Some(REFUSED);
        running.failures = if running.started.elapsed() < TOO_SOON { running.failures + 1 } else { 0 };
        let pause = match running.failures {
            // A program that was killed from outside is restarted at once, however soon after its start.
            _ if status.signal() == Some(Signal::SIGKILL as i32) => Duration::ZERO,
            0 => Duration::ZERO,
            failures => LONGEST_PAUSE.min(Duration::from_millis(100) * failures.pow(2)),
        };
        running.next_start = (!refused).then(|| Instant::now() + pause);
        let mut statuses = locked(&self.statuses);
        let known = statuses.entry(program).or_default();
        known.pid = None;
        known.refused = refused;
        known.last_end = Some(in_words(status));
    }
}

fn restart(program: Program, running: &mut Running, statuses: &Statuses) {
    let mut statuses = locked(statuses);
    let known = statuses.entry(program).or_default();
    match running.recipe.spawn() {
        Ok(child) => {
            known.pid = Some(child.id());
            known.restarts += 1;
            running.child = Some(child);
            running.started = Instant::now();
            running.next_start = None;
        }
        Err(error) => {
            known.last_end = Some(format!("{error:#}"));
            running.next_start = Some(Instant::now() + LONGEST_PAUSE);
        }
    }
}

fn in_words(status: ExitStatus) -> String {
    status.to_string()
}

fn signal(pid: u32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
}

fn signal_group(pid: u32, signal: Signal) {
    let _ = kill(Pid::from_raw(-pid.cast_signed()), signal);
}

/// Kills a process and all its descendants, and waits until the descendants are gone: Postgres refuses to start while a backend
/// of its predecessor still holds the shared memory. The descendants are listed first, because Postgres gives each backend its
/// own process group and a dead parent can no longer be found from its children; the parent is stopped meanwhile, so that it
/// starts no more of them.
fn kill_tree(pid: u32) {
    signal(pid, Signal::SIGSTOP);
    let doomed = tree(pid);
    for pid in &doomed {
        signal(*pid, Signal::SIGKILL);
    }
    wait_until_gone(&doomed[1..]);
}

/// Stops a process and all its descendants; gives them all.
fn stop_tree(pid: u32) -> Vec<u32> {
    signal(pid, Signal::SIGSTOP);
    let stopped = tree(pid);
    stopped.iter().for_each(|pid| signal(*pid, Signal::SIGSTOP));
    stopped
}

/// A process and all its descendants, itself first.
fn tree(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(children_of(parent));
        next += 1;
    }
    found
}

/// The processor time that a process and its descendants have taken so far.
fn cpu_time(pid: u32) -> Duration {
    // utime and stime, in hundredths of a second on Linux whatever the kernel's own clock
    let ticks = |pid: u32| -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
    };
    Duration::from_millis(10 * tree(pid).into_iter().filter_map(ticks).sum::<u64>())
}

fn wait_until_gone(pids: &[u32]) {
    let deadline = Instant::now() + DESCENDANTS_GONE_WITHIN;
    while pids.iter().any(|pid| is_alive(*pid)) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a process lives. A zombie does not count: it holds no resources.
fn is_alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    !stat.contains(") Z ")
}

fn children_of(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|children| {
            children.split_ascii_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(script: &str) -> ProgramCommand {
        ProgramCommand {
            executable: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: Vec::new(),
            user: None,
            stop: Signal::SIGTERM,
            log: std::env::temp_dir().join(format!("switchyard-supervisor-{}.log", std::process::id())),
            stale: Vec::new(),
        }
    }

    fn wait_for(what: &str, mut held: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !held() {
            assert!(Instant::now() < deadline, "never: {what}");
            std::thread::sleep(CHECK_EVERY);
        }
    }

    #[test]
    fn a_killed_program_comes_back_with_its_children_gone() {
        let supervisor = Supervisor::new();
        supervisor.run(Program::Hsm, recipe("sleep 1000 & wait")).expect("starts");
        let first = supervisor.status(Program::Hsm).pid.expect("runs");
        wait_for("the child", || !children_of(first).is_empty());
        let child = children_of(first)[0];
        supervisor.kill9(Program::Hsm).expect("killed");
        wait_for("its child's death", || !is_alive(child));
        wait_for("the restart", || supervisor.status(Program::Hsm).pid.is_some_and(|pid| pid != first));
        assert_eq!(supervisor.status(Program::Hsm).restarts, 1);
        let second = supervisor.status(Program::Hsm).pid.expect("runs");
        drop(supervisor);
        assert!(!is_alive(second), "nothing is left when the supervisor goes");
    }

    #[test]
    fn a_program_that_refuses_its_configuration_is_left_down() {
        let supervisor = Supervisor::new();
        supervisor.run(Program::Host, recipe("exit 2")).expect("starts");
        wait_for("the refusal", || supervisor.status(Program::Host).refused);
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(supervisor.status(Program::Host).restarts, 0);
    }

    #[test]
    fn a_stopped_program_stays_down() {
        let supervisor = Supervisor::new();
        supervisor.run(Program::Switch, recipe("exec sleep 1000")).expect("starts");
        supervisor.stop(Program::Switch).expect("stops");
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(supervisor.status(Program::Switch).pid, None);
    }
}
