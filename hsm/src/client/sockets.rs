//! Where the daemons of one token listen.
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The socket of this program's role: of the one daemon, or of each of several daemons that serve the same token. In a
/// file it is a string or a list of strings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Sockets {
    One(PathBuf),
    Several(Vec<PathBuf>),
}

impl Sockets {
    /// The paths; at least one, unless a file held an empty list.
    pub fn paths(&self) -> &[PathBuf] {
        match self {
            Self::One(path) => std::slice::from_ref(path),
            Self::Several(paths) => paths,
        }
    }
}

impl From<PathBuf> for Sockets {
    fn from(path: PathBuf) -> Self {
        Self::One(path)
    }
}

impl From<&str> for Sockets {
    fn from(path: &str) -> Self {
        Self::One(path.into())
    }
}

impl From<&Path> for Sockets {
    fn from(path: &Path) -> Self {
        Self::One(path.to_owned())
    }
}

impl From<&Sockets> for Sockets {
    fn from(sockets: &Sockets) -> Self {
        sockets.clone()
    }
}
