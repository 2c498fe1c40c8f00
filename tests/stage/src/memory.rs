//! The memory of another process, read piece by piece while the process runs.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result};

use crate::secret_search::SecretSearch;

const PAGE: u64 = 4096;

/// A piece of the address space that the process itself can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    pub start: u64,
    pub end: u64,
    /// `[heap]`, `[stack]`, a file's path, or nothing for anonymous memory.
    pub name: String,
}

/// Reads `/proc/PID/maps`; pieces that can only be read inside the process are left out, as are those it cannot read itself.
pub fn mappings(maps: &str) -> Vec<Mapping> {
    let readable = maps.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let permissions = words.next()?;
        let name = words.nth(3).unwrap_or_default().to_owned();
        let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
        permissions.starts_with('r').then_some(Mapping { start, end, name })
    });
    // the kernel's own pages
    readable.filter(|mapping| !mapping.name.starts_with("[vvar") && mapping.name != "[vsyscall]").collect()
}

/// Searches all of a process's memory. The place of a hit is `name mapping`.
///
/// The process keeps running: a value that moves from a piece not yet read to one already read is missed by this pass. A
/// process that is not dumpable can be read by root alone.
pub fn search(search: &mut SecretSearch, pid: u32, name: &str) -> Result<()> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).with_context(|| format!("no mappings of {name}"))?;
    let memory = File::open(format!("/proc/{pid}/mem"))
        .with_context(|| format!("the memory of {name} cannot be opened; who scans must be root"))?;
    for mapping in mappings(&maps) {
        let place = format!("{name} {}", if mapping.name.is_empty() { "anonymous" } else { &mapping.name });
        search.stream(&place, MappingReader { memory: &memory, at: mapping.start, end: mapping.end })?;
    }
    Ok(())
}

/// The unread part of a mapping. Pages that are gone are skipped.
struct MappingReader<'a> {
    memory: &'a File,
    at: u64,
    end: u64,
}

impl Read for MappingReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at < self.end {
            let wanted = into.len().min(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
            match self.memory.read_at(&mut into[..wanted], self.at) {
                Ok(0) | Err(_) => self.at = (self.at / PAGE + 1) * PAGE,
                Ok(read) => {
                    self.at += read as u64;
                    return Ok(read);
                }
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::secret_search::Needle;

    #[test]
    fn only_what_the_process_can_read_is_listed() {
        let maps = "55a0-55b0 r-xp 00000000 fe:00 12  /usr/bin/x y\n7f00-7f10 ---p 00000000 00:00 0\n\
                    7f10-7f20 rw-p 00000000 00:00 0 \n7ffc-7ffd r--p 00000000 00:00 0    [vvar]\n";
        let names: Vec<_> = mappings(maps).into_iter().map(|mapping| (mapping.start, mapping.name)).collect();
        assert_eq!(names, [(0x55a0, "/usr/bin/x".to_owned()), (0x7f10, String::new())]);
    }

    /// A child holds one secret in its environment and not another: one is found, wherever it lies, the other not.
    #[test]
    fn a_secret_in_another_process_is_found() {
        let planted = format!("planted-{}", std::process::id());
        let mut child =
            Command::new("sleep").arg("1000").env("SCANNED", &planted).stdin(Stdio::null()).spawn().expect("a child");
        let needles = ["absent", planted.as_str()].map(|text| Needle::of_text(text, text));
        // until the child has executed the program, its memory is a copy of this process's
        let found = (0..200).find_map(|_| {
            let mut secrets = SecretSearch::new(needles.to_vec()).expect("needles");
            search(&mut secrets, child.id(), "child").expect("a child can be read");
            std::thread::sleep(std::time::Duration::from_millis(10));
            (!secrets.hits.is_empty() && secrets.scanned_bytes > 0).then_some(secrets.hits)
        });
        child.kill().and_then(|()| child.wait()).expect("the child ends");
        let hits = found.expect("the planted one is found");
        assert!(hits.iter().all(|hit| hit.needle == planted), "{hits:?}");
    }
}
