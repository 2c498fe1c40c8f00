//! Reads a dialect from a folder of files: the only place of this library that opens a file.

use super::{Dialect, DialectError};
use std::path::Path;
use std::sync::Arc;

/// Reads `name`.toml in `folder`, and the dialects that it extends.
///
/// # Errors
/// A missing file, an unknown key, or a value that makes no sense, with file, key and reason.
#[expect(clippy::disallowed_methods, reason = "this is where dialect files are read")]
pub fn load(folder: &Path, name: &str) -> Result<Arc<Dialect>, DialectError> {
    let source = |name: &str| {
        let path = folder.join(format!("{name}.toml"));
        std::fs::read_to_string(&path).map_err(|e| DialectError {
            file: path.display().to_string(),
            key: String::new(),
            reason: e.to_string(),
        })
    };
    Dialect::from_toml(name, &source(name)?, &source).map(Arc::new)
}
