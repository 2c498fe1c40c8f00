//! Ceremonies at a keyboard: the real program, a real terminal – one end of a pseudo-terminal – and a token.
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::{OpenptyResult, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};

use crate::installation::Installation;
use crate::{outside, same};

const ANNAS: &str = "1F1F1F1F1F1F1F1F0E0E0E0E0E0E0E0E";
const BENS: &str = "1F3D5B7997B5D3F1F1D3B597795B3D1F";

/// A person at a terminal from which `hsmd` was started.
struct TerminalUser {
    terminal: File,
    program: Child,
    /// Everything that the screen has shown.
    shown: String,
    /// End of the text that was waited for last.
    seen: usize,
}

impl TerminalUser {
    fn at(installation: &Installation, arguments: &[&str]) -> Self {
        let OpenptyResult { master, slave } = openpty(None, None).unwrap();
        fcntl(&master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let end = |fd: &OwnedFd| Stdio::from(fd.try_clone().unwrap());
        // a session of its own with this terminal, so that /dev/tty is this terminal
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg("--wait").arg(env!("CARGO_BIN_EXE_hsmd")).args(arguments);
        command.arg("--config").arg(installation.folder.join("hsm.toml"));
        command.env("SOFTHSM2_CONF", installation.folder.join("softhsm2.conf")).env_remove("RUST_LOG");
        let program = command.stdin(end(&slave)).stdout(end(&slave)).stderr(end(&slave)).spawn().unwrap();
        Self { terminal: File::from(master), program, shown: String::new(), seen: 0 }
    }

    /// Whether the screen showed something new; `None` when the program has closed the terminal.
    fn look(&mut self) -> Option<bool> {
        let mut bytes = [0; 4096];
        match self.terminal.read(&mut bytes) {
            Ok(0) => None,
            Ok(length) => {
                self.shown.push_str(&String::from_utf8_lossy(&bytes[..length]));
                Some(true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(5));
                Some(false)
            }
            // the other end is closed
            Err(_) => None,
        }
    }

    /// Waits until the screen shows this text, behind the one that was waited for last.
    fn sees(&mut self, text: &str) {
        let begun = Instant::now();
        loop {
            if let Some(at) = self.shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            let looked = self.look();
            assert!(looked.is_some() && begun.elapsed() < Duration::from_secs(30), "no {text:?} in {:?}", self.shown);
        }
    }

    fn types(&mut self, text: &str) {
        self.terminal.write_all(format!("{text}\n").as_bytes()).unwrap();
    }

    fn asked(&mut self, question: &str, answer: &str) {
        self.sees(question);
        self.types(answer);
    }

    fn ends(&mut self) -> i32 {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.program.try_wait().unwrap() {
                while self.look() == Some(true) {}
                return status.code().unwrap();
            }
            self.look();
            assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", self.shown);
        }
    }
}

impl Drop for TerminalUser {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// The transport key of a new token, from two custodians, neither of whom knows anything of the key.
#[test]
fn custodians_bring_the_transport_key_at_the_keyboard() {
    let installation = Installation::configured(same);
    let halves: [String; 2] =
        [3_u8, 5].map(|step| (0..32_u8).map(|n| format!("{:02X}", n.wrapping_mul(step) + 1)).collect());
    let mut user = TerminalUser::at(&installation, &["ceremony"]);
    user.asked("Your name: ", "somebody");
    user.sees("no such custodian");
    user.asked("Your name: ", "custodian-2");
    user.asked("not shown", &halves[1][..62]);
    user.sees("not as long as the key");
    user.asked("not shown", &halves[1]);
    user.asked("Is that the one you have?", "yes");
    // the same one again, and the same component again
    user.asked("Your name: ", "Custodian-2");
    user.sees("one component only");
    user.asked("Your name: ", "custodian-1");
    user.asked("not shown", &halves[1].to_lowercase());
    user.sees("brought the same component");
    user.asked("not shown", &halves[0]);
    user.asked("Is that the one you have?", "yes");
    user.sees("transport has the check value ");
    user.asked("Do all of you accept it?", "yes");
    assert_eq!(user.ends(), 0, "{}", user.shown);
    let key: Vec<u8> =
        outside::unhex(&halves[0]).iter().zip(outside::unhex(&halves[1])).map(|(one, other)| one ^ other).collect();
    let value = outside::long_check_value(&key);
    assert!(user.shown.contains(&format!("transport has the check value {value}")), "{}", user.shown);
    assert!(user.shown.contains("vault"), "what was made is listed");
    // hidden input was not shown, and is in no file
    for half in &halves {
        assert!(!user.shown.to_uppercase().contains(&half[..16]), "{}", user.shown);
    }
    assert!(!installation.folder.join("keys/transport.component1").exists());
    let record = installation.verb(&["record"]);
    for line in ["custodian-1", "custodian-2"] {
        assert!(record.lines().any(|act| act.contains("component of transport") && act.contains(line)), "{record}");
    }
    assert!(record.lines().any(|act| act.contains("combined from components") && act.ends_with(&value)), "{record}");
    // deliveries are sealed under that very key
    let zones: serde_json::Value = serde_json::from_str(&installation.read("deliveries/zones.json")).unwrap();
    assert_eq!(zones["transport_kcv"], value);
    assert_eq!(outside::open(&key, "zones", zones["items"][0].as_str().unwrap())["name"], "acquirer-ascii");
}

#[test]
fn any_key_is_put_together_at_the_keyboard() {
    let installation = Installation::prepared(same);
    let stick = installation.folder.join("stick");
    std::fs::write(&stick, format!("{BENS}\n")).unwrap();
    let mut user = TerminalUser::at(&installation, &["load", "zpk/partner"]);
    user.asked("Your name: ", "anna");
    user.asked("not shown", &ANNAS.replace("1F1F", "1F1E"));
    user.sees("odd parity");
    // typed wrongly and taken back, letter by letter
    user.asked("not shown", &format!("AB\u{7f}\u{7f}{ANNAS}"));
    user.asked("yes/no", "yes");
    user.asked("Your name: ", "ben");
    user.asked("@FILE", &format!("@{}", stick.display()));
    user.asked("yes/no", "yes");
    // 0123456789ABCDEF FEDCBA9876543210
    user.asked("check value 08D7B4. Do all of you accept it?", "yes");
    assert_eq!(user.ends(), 0, "{}", user.shown);
    assert!(!user.shown.contains(ANNAS) && !user.shown.contains(BENS));
    assert!(
        installation.verb(&["list"]).lines().any(|line| line.starts_with("zpk/partner ") && line.contains("08D7B4"))
    );
}

/// One person alone, one who gives up, people who do not accept, and nobody at all: no key.
#[test]
fn no_key_comes_of_a_ceremony_that_was_not_finished() {
    let installation = Installation::prepared(same);
    let mut user = TerminalUser::at(&installation, &["load", "zpk/partner", "--custodians", "1"]);
    assert_eq!(user.ends(), 2);
    assert!(user.shown.contains("two or three custodians"), "{}", user.shown);

    let mut user = TerminalUser::at(&installation, &["load", "zpk/partner"]);
    user.asked("Your name: ", "anna");
    user.asked("not shown", ANNAS);
    user.asked("yes/no", "yes");
    for _ in 0..3 {
        user.asked("Your name: ", "anna");
    }
    assert_eq!(user.ends(), 2);
    assert!(user.shown.contains("one component only"), "{}", user.shown);

    let mut user = TerminalUser::at(&installation, &["load", "zpk/partner"]);
    user.asked("Your name: ", "anna");
    user.sees("not shown");
    user.types("1F1F\u{3}");
    assert_eq!(user.ends(), 2, "Ctrl-C in the middle of a component");
    // and the terminal echoes again
    let settings = tcgetattr(&user.terminal).unwrap();
    assert!(settings.local_flags.contains(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG));

    let mut user = TerminalUser::at(&installation, &["load", "zpk/partner"]);
    for (who, component) in [("anna", ANNAS), ("ben", BENS)] {
        user.asked("Your name: ", who);
        user.asked("not shown", component);
        user.asked("yes/no", "yes");
    }
    user.asked("Do all of you accept it?", "no");
    assert_eq!(user.ends(), 2);

    let nobody = Command::new("setsid")
        .args(["--wait", env!("CARGO_BIN_EXE_hsmd"), "ceremony", "--config"])
        .arg(installation.folder.join("hsm.toml"))
        .env("SOFTHSM2_CONF", installation.folder.join("softhsm2.conf"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(nobody.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("there is none"));
    assert!(!installation.verb(&["list"]).contains("zpk/partner"));
    assert!(!installation.verb(&["record"]).contains("zpk/partner"));
}
