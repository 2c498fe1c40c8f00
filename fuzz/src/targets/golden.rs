//! The golden messages of tests/golden/, as bytes.

use codecs::encoding::from_hex;
use serde_json::Value;
use std::path::Path;

/// A golden message and the dialect that its file is named after.
pub struct Golden {
    pub dialect: String,
    pub bytes: Vec<u8>,
}

#[cfg_attr(test, expect(clippy::disallowed_methods, reason = "golden messages are files"))]
pub fn goldens() -> Vec<Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the golden messages are there") {
        let path = entry.expect("the folder can be read").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let dialect = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a golden file can be read");
        let messages: Value = serde_json::from_str(&text).expect("a golden file is JSON");
        for message in messages.as_array().expect("a golden file is a list") {
            let hex = message["hex"].as_str().expect("a golden message has its bytes in hex");
            all.push(Golden { dialect: dialect.clone(), bytes: from_hex(hex).expect("hex") });
        }
    }
    all.sort_by(|a, b| (&a.dialect, &a.bytes).cmp(&(&b.dialect, &b.bytes)));
    all
}
