//! A digest of all effects of the core, in order: bytes sent and answered, records, calls of the HSM, replies. It
//! contains no names of types, so that it stays equal where code is only moved or renamed.
//!
//! `traces.txt` has the digest of each seed. Where a change of behaviour is meant, the file is written anew with
//! `SWITCH_TRACES=write cargo test -p switch seeds`, and the commit says why.

use super::*;
use sha2::{Digest, Sha256};

const RECORDED: &str = include_str!("traces.txt");

#[derive(Default)]
pub struct Trace(Sha256);

impl Trace {
    /// The switch was started again: its new trace continues an earlier one.
    pub fn goes_on_from(&mut self, earlier: Self) {
        self.part(b"after", &earlier.0.finalize());
    }

    pub fn add(&mut self, effect: &Effect) {
        match effect {
            Effect::Journal(record) => {
                let record = postcard::to_allocvec(record).expect("a record serializes");
                self.part(b"record", &record);
            }
            Effect::Keep(kept) => self.part(b"keep", &kept.entry().fingerprint.to_row()),
            Effect::Find(ticket, _) => self.part(b"find", &ticket.0.to_be_bytes()),
            Effect::ForgetTo(hour) => self.part(b"forget", &hour.0.to_be_bytes()),
            Effect::Promise => self.part(b"promise", b""),
            Effect::AfterSync => self.part(b"after promises", b""),
            Effect::Send { destination, connection, body, .. } => {
                self.part(b"send", &destination.0.to_be_bytes());
                self.part(b"over", &connection.0.to_be_bytes());
                self.part(b"body", body);
            }
            Effect::Answer { connection, header, body, .. } => {
                self.part(b"answer", &connection.0.to_be_bytes());
                self.part(b"header", header);
                self.part(b"body", body);
            }
            Effect::AskHsm(ticket, ask) => {
                self.part(b"ask", &ticket.0.to_be_bytes());
                match ask {
                    Ask::Mac { data, .. } => self.part(b"mac", data),
                    Ask::Edge(check) => {
                        self.part(b"check mac", &[u8::from(check.mac.is_some())]);
                        self.part(b"translate pin", &[u8::from(check.pin.is_some())]);
                    }
                }
            }
            Effect::SignedOn { connection } => self.part(b"signed on", &connection.0.to_be_bytes()),
            Effect::Close { connection } => self.part(b"close", &connection.0.to_be_bytes()),
            Effect::Reply(ticket, reply) => {
                self.part(b"reply", &ticket.0.to_be_bytes());
                match reply {
                    Reply::Done(value) => self.part(b"done", value.to_string().as_bytes()),
                    Reply::Refused(reason) => self.part(b"refused", reason.as_bytes()),
                }
            }
        }
    }

    /// A name and a length before each part: different sequences of parts never give the same bytes.
    fn part(&mut self, name: &[u8], bytes: &[u8]) {
        self.0.update(name);
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn hex(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Seeds beyond those of the file are not compared.
#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "the caller may want the file written anew")]
pub fn is_as_recorded(seed: u64, trace: Trace) {
    let found = trace.hex();
    if std::env::var("SWITCH_TRACES").is_ok_and(|value| value == "write") {
        println!("{seed} {found}");
        return;
    }
    let recorded = RECORDED.lines().filter_map(|line| line.split_once(' '));
    let of_seed = recorded.into_iter().find(|(number, _)| number.parse() == Ok(seed));
    if let Some((_, recorded)) = of_seed {
        assert_eq!(found, recorded, "seed {seed}: the switch does something else than it did");
    }
}
