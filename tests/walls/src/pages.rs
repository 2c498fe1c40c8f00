//! The pages of `docs/` name files by their path: each of these files must exist, and a purchase must be told by few of them.

use crate::ratchet::{Violation, Wall};

pub const WALL: Wall = Wall {
    name: "pages",
    sentence: "A page names only files that are there, and a purchase is read in at most twenty-five of them.",
    what_to_do: "let the page name the file as it is called now; let a stage of the purchase name the one file that tells it.",
};

/// Most files that the numbered rows of docs/life-of-a-purchase.md may name.
const FILES_OF_A_PURCHASE: usize = 25;

/// A page by its path, and its text.
#[derive(Debug)]
pub struct Page {
    pub path: String,
    pub text: String,
}

pub fn violations(pages: &[Page], folders: &[String], is_there: impl Fn(&str) -> bool) -> Vec<Violation> {
    let mut found = Vec::new();
    for page in pages {
        for (line, text) in (1..).zip(page.text.lines()) {
            let missing = paths(text, folders).into_iter().filter(|path| !is_there(path));
            found.extend(missing.map(|path| Violation {
                key: format!("{}: {path}", page.path),
                place: format!("{}:{line}", page.path),
                what: format!("{path} is not there"),
            }));
        }
        let files = files_of_numbered_rows(&page.text, folders);
        if page.path == "docs/life-of-a-purchase.md" && files.len() > FILES_OF_A_PURCHASE {
            found.push(Violation {
                key: format!("{}: {} files", page.path, files.len()),
                place: page.path.clone(),
                what: format!("its numbered rows name {} files: {}", files.len(), files.join(" ")),
            });
        }
    }
    found
}

/// The paths that a text names: they begin with a folder of the checkout and end as a file or a folder does.
fn paths(text: &str, folders: &[String]) -> Vec<String> {
    let of_path = |char: char| char.is_ascii_alphanumeric() || "_./-".contains(char);
    let words = text.split(|char| !of_path(char)).map(|word| word.trim_end_matches('.'));
    // other endings are allowed: a page may tell its reader to make a configuration file
    let ends = [".rs", ".sql", ".md", "/"];
    words
        .filter(|word| word.split_once('/').is_some_and(|(first, _)| folders.iter().any(|folder| folder == first)))
        .filter(|word| ends.iter().any(|end| word.ends_with(end)))
        .map(str::to_owned)
        .collect()
}

fn files_of_numbered_rows(text: &str, folders: &[String]) -> Vec<String> {
    let numbered = |line: &&str| {
        let number = line.strip_prefix("| ").and_then(|rest| rest.split(' ').next());
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    let mut files: Vec<String> = text.lines().filter(numbered).flat_map(|line| paths(line, folders)).collect();
    files.sort_unstable();
    files.dedup();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let folders = ["host".to_owned(), "docs".to_owned()];
        let pages = [Page { path: path.to_owned(), text: text.to_owned() }];
        violations(&pages, &folders, |path| path.contains("here")).into_iter().map(|violation| violation.key).collect()
    }

    #[test]
    fn a_file_that_is_not_there_is_seen() {
        let text = "See `host/src/gone.rs` · and host/src/here.rs, (host/gone/).\n[x](docs/gone.md)";
        assert_eq!(
            found("docs/a.md", text),
            ["docs/a.md: host/src/gone.rs", "docs/a.md: host/gone/", "docs/a.md: docs/gone.md"]
        );
    }

    #[test]
    fn what_is_no_path_of_the_checkout_is_let_be() {
        assert!(found("docs/a.md", "stage/other.rs, https://example.org/x.md, host/here/ and/or a.rs").is_empty());
    }

    #[test]
    fn a_purchase_in_too_many_files_is_seen() {
        let rows =
            |count: u32| (1..=count).map(|at| format!("| {at} | x | host/here/{at}.rs | · |\n")).collect::<String>();
        assert_eq!(found("docs/life-of-a-purchase.md", &rows(26)), ["docs/life-of-a-purchase.md: 26 files"]);
        assert!(found("docs/life-of-a-purchase.md", &rows(25)).is_empty());
    }
}
