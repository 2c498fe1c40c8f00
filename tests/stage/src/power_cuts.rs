//! Power failures under load: everything that the programs keep lies on one disk image. All of them are stopped at one moment,
//! the image is copied as it is then – what was not synced is not in it –, they are killed, and go on with the copy. Then the
//! checks of the kill loop.
//!
//! Needs root, to mount the image. The terminals and the issuer are outside of it: they know what they were told.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::demo::narrate::Narrator;
use crate::kill_loop::{judge, load_until};
use crate::layout::state_root;
use crate::population::Population;
use crate::stage::{Options, Stage};
use crate::supervisor::Program;

#[derive(Debug, Clone, Args)]
pub struct PowerCutArguments {
    /// Power failures
    #[arg(long, default_value_t = 20)]
    times: u32,
    /// Requests a second meanwhile
    #[arg(long, default_value_t = 150)]
    rate: u32,
    /// Answers wait for the kernel only, not for the disk: some are lost then
    #[arg(long)]
    durability_process: bool,
}

/// Load between two power failures.
const PAUSE: Duration = Duration::from_secs(4);
const IMAGE_BYTES: u64 = 6 << 30;

/// Cuts and checks; true if nothing was lost.
pub async fn run(checkout: &Path, arguments: &PowerCutArguments) -> Result<bool> {
    let mut told = Narrator::new();
    told.step("Raising the stage on a disk image");
    let disk = Disk::make(&state_root(checkout).join("power-cuts"))?;
    let mut options = Options::new(checkout, disk.mounted.clone())?;
    options.population = Population::demo();
    options.terminal_log = disk.folder.join("terminal-log.ndjson");
    options.durable_answers = !arguments.durability_process;
    let log = options.terminal_log.clone();
    let stage = Stage::start(options).await?;
    let world = stage.open_world().await?;
    // the set-up is not what is tested
    run_command("sync", &["--file-system", text(&disk.mounted)?])?;
    for terminal in &world.terminals {
        terminal.sign_on().await?;
    }
    world.acquirer.sign_on().await?;

    told.step(format!("{} power failures under {} requests a second", arguments.times, arguments.rate));
    let over = Arc::new(AtomicBool::new(false));
    let cutting = async {
        let outcome = cut_all(&stage, &disk, arguments.times).await;
        over.store(true, Ordering::Relaxed);
        outcome
    };
    let (reports, longest) = tokio::join!(load_until(&world, arguments.rate, &over), cutting);
    let (reports, longest) = (reports?, longest?);
    told.say(format!("everything was ready again after at most {} ms", longest.as_millis()));
    judge(&mut told, &stage, &world, &reports, &log).await?;
    told.close();
    drop((world, stage));
    disk.remove()?;
    Ok(told.all_held())
}

/// The longest time until everything was ready again.
async fn cut_all(stage: &Stage, disk: &Disk, times: u32) -> Result<Duration> {
    let mut longest = Duration::ZERO;
    for _ in 0..times {
        tokio::time::sleep(PAUSE).await;
        let cut = Instant::now();
        tokio::task::block_in_place(|| {
            let (copied, swapped) = (disk.clone(), disk.clone());
            stage.cut_power(move || copied.copy(), move || swapped.swap())?;
            Program::ALL.into_iter().try_for_each(|program| stage.wait_ready(program))
        })?;
        longest = longest.max(cut.elapsed());
    }
    Ok(longest)
}

/// A file with a file system in it.
#[derive(Debug, Clone)]
struct Disk {
    folder: PathBuf,
    mounted: PathBuf,
}

impl Disk {
    fn make(folder: &Path) -> Result<Self> {
        let disk = Self { folder: folder.to_owned(), mounted: folder.join("disk") };
        std::fs::create_dir_all(&disk.mounted).with_context(|| folder.display().to_string())?;
        // of a run that was killed
        while is_mounted(&disk.mounted)? {
            run_command("umount", &["--lazy", text(&disk.mounted)?])?;
        }
        let image = disk.image();
        File::create(&image)?.set_len(IMAGE_BYTES)?;
        run_command("mkfs.ext4", &["-q", "-F", text(&image)?])?;
        disk.mount()?;
        Ok(disk)
    }

    /// Gives the room back. The terminal log stays.
    fn remove(&self) -> Result<()> {
        run_command("umount", &["--lazy", text(&self.mounted)?])?;
        Ok(std::fs::remove_file(self.image())?)
    }

    fn image(&self) -> PathBuf {
        self.folder.join("disk.img")
    }

    fn next(&self) -> PathBuf {
        self.folder.join("next.img")
    }

    fn mount(&self) -> Result<()> {
        run_command("mount", &["-o", "loop", text(&self.image())?, text(&self.mounted)?])
    }

    /// The image as a power failure leaves it now: without what is in the file system's memory only.
    fn copy(&self) -> Result<()> {
        run_command("cp", &["--sparse=always", text(&self.image())?, text(&self.next())?])
    }

    /// Goes on with the copy.
    fn swap(&self) -> Result<()> {
        // the stage itself has a file open there
        run_command("umount", &["--lazy", text(&self.mounted)?])?;
        std::fs::remove_file(self.image())?;
        std::fs::rename(self.next(), self.image())?;
        self.mount()
    }
}

fn is_mounted(folder: &Path) -> Result<bool> {
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    let folder = text(folder)?;
    Ok(mounts.lines().any(|line| line.split(' ').nth(1) == Some(folder)))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}

fn run_command(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).output().with_context(|| program.to_owned())?;
    if !output.status.success() {
        bail!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
