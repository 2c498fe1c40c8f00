//! The command line.
use std::path::PathBuf;

use crate::check::trial;
use crate::keys::key_export::ExportOrder;
use crate::keys::new_key::NewKey;
use crate::module::key_kind::Cipher;
use clap::{Args, Parser, Subcommand};

/// Card verbs over a PKCS#11 module. SOFTHSM2_CONF, where the module is SoftHSM, must be set by the caller.
#[derive(Parser)]
#[command(version)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Serve the sockets of the configuration until SIGTERM. SIGHUP: look for keys that a ceremony has added since.
    Serve {
        #[arg(long)]
        config: PathBuf,
        /// Which of the daemons of the configuration to be; the first without it.
        #[arg(long)]
        daemon: Option<String>,
    },
    /// Make sure that the token and every key of the configuration exist; print check values. Custodians are asked for their
    /// components at the keyboard.
    Ceremony {
        #[arg(long)]
        config: PathBuf,
        /// Take the custodians' components from their files, drawing those that do not exist, instead of asking for them.
        #[arg(long)]
        non_interactive: bool,
    },
    /// List the keys of the token: name, generation, state, the module's check value.
    List {
        #[arg(long)]
        config: PathBuf,
    },
    /// Put a key together from the components of two or three custodians, who are asked for them at the keyboard.
    Load {
        #[command(flatten)]
        key: NewKeyArguments,
        /// CUSTODIAN=FILE, once for each, instead of asking; the file holds the component in hex.
        #[arg(long = "component")]
        components: Vec<String>,
        /// How many custodians are asked.
        #[arg(long, default_value_t = 2)]
        custodians: usize,
    },
    /// Draw a key that is to be told to somebody later, or that only this installation uses.
    Generate {
        #[command(flatten)]
        key: NewKeyArguments,
    },
    /// Take a partner's key out of a TR-31 block of version B or D.
    ImportTr31 {
        #[command(flatten)]
        key: NewKeyArguments,
        /// The protection key shared with the partner, kbpk/….
        #[arg(long)]
        under: String,
        /// The file that holds the block, one line.
        #[arg(long)]
        block: PathBuf,
    },
    /// Print a key that was made for export as a TR-31 block.
    ExportTr31 {
        #[command(flatten)]
        export: ExportArguments,
        /// Whether the partner may pass it on: N never, E under a trusted key, S as the two agree.
        #[arg(long, default_value = "N")]
        exportability: String,
        /// Two letters or digits that number the keys of this use.
        #[arg(long, default_value = "00")]
        key_version: String,
    },
    /// Take a partner's key out of an AES key wrap (RFC 3394 or 5649) inside the module.
    ImportWrapped {
        #[command(flatten)]
        key: NewKeyArguments,
        /// The key encryption key shared with the partner, kek/….
        #[arg(long)]
        under: String,
        /// The file that holds the wrap in hex, one line.
        #[arg(long)]
        wrap: PathBuf,
    },
    /// Print a key that was made for export as an AES key wrap in hex.
    ExportWrapped {
        #[command(flatten)]
        export: ExportArguments,
        /// By RFC 5649 instead of RFC 3394.
        #[arg(long)]
        padded: bool,
    },
    /// Make the next generation of `vault`, `storage`, `data-kek`, `audit` or a zone PIN key of the configuration. Serving
    /// daemons find it by themselves.
    Rotate {
        #[arg(long)]
        config: PathBuf,
        name: String,
        /// Seconds until it is used for making things; accepted it is at once. Every daemon must have found it by then.
        #[arg(long, default_value_t = 10)]
        lead_s: u32,
    },
    /// Move terminals' key blocks and data keys to the newest generation of `storage` and `data-kek`.
    Rewrap {
        #[arg(long)]
        config: PathBuf,
    },
    /// Destroy an old generation. What only it opens is lost.
    Retire {
        #[arg(long)]
        config: PathBuf,
        name: String,
        generation: u8,
    },
    /// Copy a SoftHSM token and what lies beside it into a new folder, and open the copy.
    Backup {
        #[arg(long)]
        config: PathBuf,
        folder: PathBuf,
    },
    /// Put a backup back where no token is.
    Restore {
        #[arg(long)]
        config: PathBuf,
        folder: PathBuf,
    },
    /// Print the record of ceremonies after checking its chain.
    Record {
        #[arg(long)]
        config: PathBuf,
    },
    /// Give keys to terminals: key blocks for the switch, a sealed delivery for the vendor.
    Terminals {
        #[arg(long)]
        config: PathBuf,
        /// JSON: [{"terminal","merchant","mcc","mac":"aes-cmac"|"x9.19"}, …]
        #[arg(long)]
        orders: PathBuf,
    },
    /// Open the token and close it: what a daemon that lost its own asks a child of itself.
    #[command(hide = true)]
    OpenToken {
        #[arg(long)]
        config: PathBuf,
    },
    /// Run known answers on a module.
    CheckVectors {
        file: PathBuf,
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        token: trial::TrialToken,
    },
    /// Try everything that the verbs need of a module, in the way in which they need it. Exits with 0 if all of it works;
    /// otherwise with the sum of 4 (the vault), 8 (fast key sets), 16 (strict key sets) and 32 (something else) that do not.
    CheckModule {
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        token: trial::TrialToken,
    },
}

/// A key that is to be made or taken in.
#[derive(Args)]
pub struct NewKeyArguments {
    #[arg(long)]
    pub config: PathBuf,
    /// Its name, such as zpk/acquirer-ascii.
    name: String,
    /// tdes or aes, where the name leaves it open.
    #[arg(long, value_parser = cipher)]
    cipher: Option<Cipher>,
    /// The check value that the key must have, six hex digits.
    #[arg(long)]
    check_value: Option<String>,
    /// The next generation of a key that is there: accepted at once, used for making things after --lead-s.
    #[arg(long)]
    next: bool,
    /// Seconds until the next generation makes things. Every daemon must have found it by then, and the partner have it.
    #[arg(long, default_value_t = 10)]
    lead_s: u32,
    /// Let it leave the token again, under another key.
    #[arg(long)]
    for_export: bool,
}

impl NewKeyArguments {
    pub fn order(self) -> NewKey {
        NewKey {
            name: self.name,
            cipher: self.cipher,
            check_value: self.check_value,
            next_in_s: self.next.then_some(self.lead_s),
            for_export: self.for_export,
        }
    }
}

/// A key that is to go out.
#[derive(Args)]
pub struct ExportArguments {
    #[arg(long)]
    pub config: PathBuf,
    name: String,
    /// The one that makes things now, without it.
    #[arg(long)]
    generation: Option<u8>,
    /// The key shared with the partner: kbpk/… for TR-31, kek/… for a key wrap.
    #[arg(long)]
    under: String,
    /// Nobody can export it again.
    #[arg(long)]
    last: bool,
}

impl ExportArguments {
    pub fn export(self) -> ExportOrder {
        ExportOrder { name: self.name, generation: self.generation, under: self.under, is_last: self.last }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("tdes or aes")]
struct NotACipher;

fn cipher(text: &str) -> Result<Cipher, NotACipher> {
    match text {
        "tdes" => Ok(Cipher::Tdes),
        "aes" => Ok(Cipher::Aes),
        _ => Err(NotACipher),
    }
}
