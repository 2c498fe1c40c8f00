//! The prompt for custodians at the keyboard: the terminal that this process was started from, even if its input and output are
//! redirected.
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::keys::custodian_prompt::CustodianPrompt;

/// The longest line taken. The buffer has this size from the start: a growing one would leave copies of a component behind.
const LONGEST: usize = 512;
const ERASE_SCREEN: &str = "\x1b[H\x1b[2J\x1b[3J";

pub struct Keyboard {
    terminal: File,
}

impl Keyboard {
    /// Fails where there is no terminal.
    pub fn open() -> io::Result<Self> {
        Ok(Self { terminal: File::options().read(true).write(true).open("/dev/tty")? })
    }

    fn show(&mut self, text: &str) -> io::Result<()> {
        self.terminal.write_all(text.as_bytes())?;
        self.terminal.flush()
    }

    /// A line, as the terminal edits it.
    fn line(&mut self) -> io::Result<Zeroizing<String>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST));
        loop {
            match self.byte()? {
                b'\n' => return text(&bytes),
                byte if bytes.len() < LONGEST => bytes.push(byte),
                _ => return Err(io::Error::other("a line is too long")),
            }
        }
    }

    /// A line that is not shown. Signals are off, so that an interrupt cannot leave the terminal without echo: Ctrl-C is read here.
    fn hidden_line(&mut self, question: &str) -> io::Result<Zeroizing<String>> {
        // echo goes off before the question is shown: a person may type at once
        let echo_off = EchoOff::over(&self.terminal)?;
        self.show(question)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST));
        loop {
            match self.byte()? {
                b'\n' | b'\r' => break,
                0x03 | 0x04 => return Err(io::ErrorKind::Interrupted.into()),
                0x08 | 0x7F => drop(bytes.pop()),
                byte if bytes.len() < LONGEST => bytes.push(byte),
                _ => return Err(io::Error::other("a line is too long")),
            }
        }
        drop(echo_off);
        self.show("\n")?;
        text(&bytes)
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = Zeroizing::new([0; 1]);
        self.terminal.read_exact(&mut *byte)?;
        Ok(byte[0])
    }
}

fn text(bytes: &[u8]) -> io::Result<Zeroizing<String>> {
    let text = std::str::from_utf8(bytes).map_err(|_| io::Error::other("what was typed is no text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The terminal shows nothing and sends each byte as it is typed, until this is dropped.
struct EchoOff {
    terminal: File,
    before: Termios,
}

impl EchoOff {
    fn over(terminal: &File) -> io::Result<Self> {
        let terminal = terminal.try_clone()?;
        let before = tcgetattr(&terminal)?;
        let mut hidden = before.clone();
        hidden.local_flags &= !(LocalFlags::ECHO | LocalFlags::ECHONL | LocalFlags::ICANON | LocalFlags::ISIG);
        hidden.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        hidden.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        // input typed ahead is discarded: it has been shown already
        tcsetattr(&terminal, SetArg::TCSAFLUSH, &hidden)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, SetArg::TCSADRAIN, &self.before);
    }
}

impl CustodianPrompt for Keyboard {
    fn say(&mut self, line: &str) -> io::Result<()> {
        self.show(&format!("{line}\n"))
    }

    fn ask(&mut self, question: &str) -> io::Result<String> {
        self.show(question)?;
        self.line().map(|line| line.as_str().to_owned())
    }

    fn ask_secret(&mut self, question: &str) -> io::Result<Zeroizing<String>> {
        self.hidden_line(question)
    }

    fn open(&mut self, file: &Path) -> io::Result<Zeroizing<String>> {
        std::fs::read_to_string(file).map(Zeroizing::new)
    }

    fn wipe(&mut self) -> io::Result<()> {
        self.show(ERASE_SCREEN)
    }
}
