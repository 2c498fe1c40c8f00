//! Closes a day in a process of its own, so that it can be killed.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::civil::date;

use crate::scenario::{self, Vault};

/// Connection string and output folder for a child process, separated by a line feed.
const ORDER: &str = "SETTLEMENT_TEST_CHILD";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Exited(i32),
    Killed,
}

/// Closes the day in the child process.
pub async fn run() {
    let Ok(order) = std::env::var(ORDER) else { return };
    let (database, out) = order.split_once('\n').unwrap();
    let (mut client, config) = scenario::connect(&format!("{database} options='-c role=switchyard_backoffice'")).await;
    let fees = scenario::fees();
    let dialects = scenario::dialects_dir();
    backoffice::close::close_day(&mut client, &config, &fees, &dialects, &Vault, date(2026, 11, 20), Path::new(out))
        .await
        .unwrap();
}

pub fn spawn(database: &str, out: &Path, failpoint: Option<&str>) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_closes_the_day", "--test-threads=1"])
        .env(ORDER, format!("{database}\n{}", out.display()))
        .env("SWITCHYARD_FAILPOINT", failpoint.unwrap_or(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

pub fn wait(mut child: Child) -> Ending {
    let status = child.wait().unwrap();
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, _) => Ending::Killed,
    }
}

pub fn in_child(database: &str, out: &Path, failpoint: Option<&str>) -> Ending {
    wait(spawn(database, out, failpoint))
}

/// A copy of the database `template`; returns its connection string.
pub async fn copy_of(template: &str, name: &str) -> String {
    let template_name = scenario::database_name(template);
    let name = format!("{template_name}_{name}");
    let postgres = scenario::cluster().await;
    let copy = format!("CREATE DATABASE {name} TEMPLATE {template_name}");
    // connections dropped a moment ago may still be there
    for _ in 0..400 {
        if postgres.batch_execute(&copy).await.is_ok() {
            return template.replace(&template_name, &name);
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{copy}: the template stays in use");
}

/// An empty folder for one test, removed at its end.
pub struct Folder(PathBuf);

impl std::ops::Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn folder(name: &str) -> Folder {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("switchyard-settlement-{}-{number}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    Folder(folder)
}
