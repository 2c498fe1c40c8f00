//! The output of the demo: each step with expected and observed values, in colour on a terminal and plain elsewhere.
#![expect(clippy::print_stdout, reason = "telling the story on standard output is what the demo is for")]

use std::fmt::Display;
use std::io::IsTerminal;
use std::time::Instant;

/// One comparison of a step.
#[derive(Debug, Clone)]
pub struct Check {
    pub what: String,
    pub expected: String,
    pub came: String,
    pub held: bool,
}

/// One step of the demo with its checks.
#[derive(Debug, Clone)]
pub struct Step {
    pub title: String,
    pub checks: Vec<Check>,
}

impl Step {
    pub fn held(&self) -> bool {
        self.checks.iter().all(|check| check.held)
    }
}

/// Prints the steps and keeps them for the report.
#[derive(Debug)]
pub struct Narrator {
    colour: bool,
    begun: Instant,
    steps: Vec<Step>,
}

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

impl Narrator {
    pub fn new() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { colour, begun: Instant::now(), steps: Vec::new() }
    }

    /// Begins a step; the checks that follow belong to it.
    pub fn step(&mut self, title: impl Into<String>) {
        let title = title.into();
        let seconds = self.begun.elapsed().as_secs_f64();
        println!("\n{}", self.painted(BOLD, &format!("[{seconds:6.1} s] {title}")));
        self.steps.push(Step { title, checks: Vec::new() });
    }

    /// A line of explanation.
    pub fn say(&self, text: impl AsRef<str>) {
        for line in text.as_ref().lines() {
            println!("           {}", self.painted(DIM, line));
        }
    }

    /// Compares for equality.
    pub fn equal<T: PartialEq + Display>(&mut self, what: impl Into<String>, expected: T, came: T) -> bool {
        let held = expected == came;
        self.check(what, expected, came, held)
    }

    /// Records a comparison that the caller has made.
    pub fn check(&mut self, what: impl Into<String>, expected: impl Display, came: impl Display, held: bool) -> bool {
        let check = Check { what: what.into(), expected: expected.to_string(), came: came.to_string(), held };
        let mark = if held { self.painted(GREEN, "ok") } else { self.painted(RED, "NO") };
        println!("        {mark} {}: expected {}, came {}", check.what, check.expected, check.came);
        if self.steps.is_empty() {
            self.steps.push(Step { title: "Before the first step".to_owned(), checks: Vec::new() });
        }
        if let Some(step) = self.steps.last_mut() {
            step.checks.push(check);
        }
        held
    }

    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub fn all_held(&self) -> bool {
        self.steps.iter().all(Step::held)
    }

    /// The last lines: how many checks held, and which did not.
    pub fn close(&self) {
        let checks: Vec<_> =
            self.steps.iter().flat_map(|step| step.checks.iter().map(move |check| (step, check))).collect();
        let missed: Vec<_> = checks.iter().filter(|(_, check)| !check.held).collect();
        println!();
        for (step, check) in &missed {
            let line = format!("{}: {}: expected {}, came {}", step.title, check.what, check.expected, check.came);
            println!("{}", self.painted(RED, &line));
        }
        let line = format!("{} steps, {} checks, {} did not hold", self.steps.len(), checks.len(), missed.len());
        println!("{}", self.painted(if missed.is_empty() { GREEN } else { RED }, &line));
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
    }
}

/// A value that may be missing, for a comparison.
pub fn or_none<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

impl Default for Narrator {
    fn default() -> Self {
        Self::new()
    }
}
