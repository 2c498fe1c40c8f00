//! A search for card secrets in everything a run left behind. The secrets are known because the same process simulates the
//! cardholders; hits are printed by kind and place only.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use aho_corasick::{AhoCorasick, MatchKind};
use anyhow::{Context, Result};

const BLOCK: usize = 1 << 20;

/// One secret in one spelling.
#[derive(Clone, PartialEq, Eq)]
pub struct Needle {
    /// A name without the secret: `PAN of card 17, BCD`.
    pub name: String,
    bytes: Vec<u8>,
    /// A match next to another digit is part of a longer number and does not count.
    whole_number: bool,
}

impl std::fmt::Debug for Needle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Needle").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Needle {
    /// Digits as text, as hexadecimal of that text, in EBCDIC, and packed two to a byte at both alignments.
    pub fn of_digits(name: &str, digits: &str) -> Vec<Self> {
        let text = digits.as_bytes();
        let packed =
            |digits: &[u8]| digits.chunks_exact(2).map(|pair| (pair[0] & 15) << 4 | pair[1] & 15).collect::<Vec<_>>();
        let ebcdic = text.iter().map(|digit| digit | 0xF0).collect();
        // at the odd alignment the first digit, and of an even number the last, share their bytes with other data: left out
        let odd = packed(text.get(1..).unwrap_or_default());
        vec![
            Self::new(format!("{name}, text"), text.to_vec()),
            Self::new(format!("{name}, hexadecimal"), hex(text)),
            Self::new(format!("{name}, EBCDIC"), ebcdic),
            Self::new(format!("{name}, packed"), packed(text)),
            Self::new(format!("{name}, packed at the odd digit"), odd),
        ]
    }

    /// The part of a track behind the number: as text, as hexadecimal of that text, and packed behind the separator's nibble.
    /// Without the separator the packed form is short and full of zeros, and occurs in any database by chance.
    pub fn of_track_end(name: &str, end: &str) -> Vec<Self> {
        let text = format!("={end}").into_bytes();
        let nibbles: Vec<u8> = std::iter::once(0xD).chain(end.bytes().map(|digit| digit & 15)).collect();
        let packed = nibbles.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0xF)).collect();
        vec![
            Self::new(format!("{name}, text"), end.as_bytes().to_vec()),
            Self::new(format!("{name}, hexadecimal"), hex(&text)),
            Self::new(format!("{name}, packed"), packed),
        ]
    }

    /// Bytes as they are and as hexadecimal in either case.
    pub fn of_bytes(name: &str, bytes: &[u8]) -> Vec<Self> {
        vec![
            Self::new(format!("{name}, raw"), bytes.to_vec()),
            Self::new(format!("{name}, hexadecimal"), hex(bytes)),
            Self::new(format!("{name}, upper-case hexadecimal"), hex(bytes).to_ascii_uppercase()),
        ]
    }

    /// Only the bytes themselves.
    pub fn of_raw(name: &str, bytes: &[u8]) -> Self {
        Self::new(name.to_owned(), bytes.to_vec())
    }

    /// Only the text itself.
    pub fn of_text(name: &str, text: &str) -> Self {
        Self::new(name.to_owned(), text.as_bytes().to_vec())
    }

    /// A card security code next to the expiry; three digits alone occur everywhere.
    pub fn of_code_beside_expiry(name: &str, expiry: &str, code: &str) -> Vec<Self> {
        ["", " ", "|", ",", "\t", "=", "\",\""]
            .iter()
            .flat_map(|between| [format!("{expiry}{between}{code}"), format!("{code}{between}{expiry}")])
            .map(|text| Self {
                name: format!("{name}, beside the expiry"),
                bytes: text.into_bytes(),
                whole_number: true,
            })
            .collect()
    }

    fn new(name: String, bytes: Vec<u8>) -> Self {
        Self { name, bytes, whole_number: false }
    }

    /// The bytes, to plant the secret on purpose as a control.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// A secret where it should not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    pub place: String,
    pub offset: u64,
    pub needle: String,
}

/// The search, with its hits and the amount searched so far.
#[derive(Debug)]
pub struct SecretSearch {
    needles: Vec<Needle>,
    finder: AhoCorasick,
    longest: usize,
    pub scanned_bytes: u64,
    pub files: u64,
    pub hits: Vec<Hit>,
}

impl SecretSearch {
    pub fn new(needles: Vec<Needle>) -> Result<Self> {
        let patterns = needles.iter().map(|needle| &needle.bytes);
        let finder = AhoCorasick::builder().match_kind(MatchKind::Standard).build(patterns)?;
        let longest = needles.iter().map(|needle| needle.bytes.len()).max().unwrap_or(0);
        Ok(Self { needles, finder, longest, scanned_bytes: 0, files: 0, hits: Vec::new() })
    }

    pub fn needles(&self) -> usize {
        self.needles.len()
    }

    /// Searches every file below `folder`, except below `excluded`.
    pub fn folder(&mut self, folder: &Path, excluded: &[PathBuf]) -> Result<()> {
        if excluded.iter().any(|excluded| folder.starts_with(excluded)) {
            return Ok(());
        }
        for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let entry = entry?;
            let path = entry.path();
            if excluded.contains(&path) {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.folder(&path, excluded)?;
            } else if kind.is_file() {
                // A running Postgres drops files between the listing and the opening.
                if let Ok(file) = File::open(&path) {
                    self.stream(&path.display().to_string(), file)?;
                }
            }
        }
        Ok(())
    }

    /// Searches one stream, in blocks that overlap by the longest needle.
    pub fn stream(&mut self, place: &str, mut source: impl Read) -> Result<()> {
        let keep = self.longest + 1;
        let mut window: Vec<u8> = Vec::with_capacity(BLOCK + keep);
        let mut window_at = 0u64;
        let mut reported_to = 0u64;
        self.files += 1;
        loop {
            let read = source.by_ref().take(BLOCK as u64).read_to_end(&mut window)?;
            self.scanned_bytes += read as u64;
            let last = read == 0;
            // A match that touches the end waits for the next block, which shows what follows it.
            let settled = if last { window.len() } else { window.len().saturating_sub(1) };
            self.search(place, &window, settled, window_at, &mut reported_to);
            if last {
                return Ok(());
            }
            let drop = window.len().saturating_sub(keep);
            window.drain(..drop);
            window_at += drop as u64;
        }
    }

    fn search(&mut self, place: &str, window: &[u8], settled: usize, window_at: u64, reported_to: &mut u64) {
        for found in self.finder.find_overlapping_iter(window) {
            let end_at = window_at + found.end() as u64;
            if found.end() > settled || end_at <= *reported_to {
                continue;
            }
            let needle = &self.needles[found.pattern().as_usize()];
            if needle.whole_number && touches_digit(window, found.start(), found.end()) {
                continue;
            }
            let offset = window_at + found.start() as u64;
            self.hits.push(Hit { place: place.to_owned(), offset, needle: needle.name.clone() });
        }
        *reported_to = window_at + settled as u64;
    }
}

fn touches_digit(window: &[u8], start: usize, end: usize) -> bool {
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    digit(start.checked_sub(1).and_then(|at| window.get(at))) || digit(window.get(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "4000120000000002";

    fn found(needles: Vec<Needle>, haystack: &[u8]) -> usize {
        let mut search = SecretSearch::new(needles).expect("needles");
        search.stream("test", haystack).expect("scan");
        assert_eq!(search.scanned_bytes, haystack.len() as u64);
        search.hits.len()
    }

    #[test]
    fn digits_are_found_in_each_spelling() {
        let needles = || Needle::of_digits("PAN", NUMBER);
        let packed = [0x99, 0x40, 0x00, 0x12, 0x00, 0x00, 0x00, 0x00, 0x02, 0x99];
        let odd = [0x94, 0x00, 0x01, 0x20, 0x00, 0x00, 0x00, 0x00, 0x29];
        assert_eq!(found(needles(), format!("pan {NUMBER};").as_bytes()), 1);
        assert_eq!(found(needles(), &hex(NUMBER.as_bytes())), 1);
        assert_eq!(found(needles(), &NUMBER.bytes().map(|digit| digit | 0xF0).collect::<Vec<_>>()), 1);
        assert_eq!(found(needles(), &packed), 1);
        assert_eq!(found(needles(), &odd), 1);
    }

    #[test]
    fn a_needle_across_two_blocks_is_found_once() {
        for start in BLOCK - 20..BLOCK + 4 {
            let mut haystack = vec![b'x'; 2 * BLOCK];
            haystack[start..start + 16].copy_from_slice(NUMBER.as_bytes());
            assert_eq!(found(Needle::of_digits("PAN", NUMBER), &haystack), 1, "at {start}");
        }
    }

    #[test]
    fn a_code_counts_only_as_a_number_of_its_own_beside_the_expiry() {
        let needles = || Needle::of_code_beside_expiry("CVV2", "2812", "345");
        assert_eq!(found(needles(), b"2812|345"), 1);
        assert_eq!(found(needles(), b"cvv 345,2812."), 1);
        assert_eq!(found(needles(), b"12812345"), 0);
        assert_eq!(found(needles(), b"345 and 2812"), 0);
    }
}
