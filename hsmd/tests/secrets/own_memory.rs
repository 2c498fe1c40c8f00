//! Search of the test's own memory for copies that a dropped value should not have left.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

const PAGE: u64 = 4096;

/// Bytes that are only where a test has written them: a search computes them anew instead of holding a copy.
#[derive(Clone, Copy)]
pub struct Canary(u32);

impl Canary {
    pub const LENGTH: usize = 16;

    /// Another seed gives other bytes.
    pub fn new(seed: u16) -> Self {
        // far apart: the bytes of one must not go on as another's
        Self(u32::from(seed) << 16)
    }

    fn byte(self, at: usize) -> u8 {
        (self.0.wrapping_add(at as u32).wrapping_mul(0x9E37_79B1) >> 23) as u8
    }

    /// Fills the first [`Canary::LENGTH`] bytes or fewer.
    pub fn write(self, into: &mut [u8]) {
        into.iter_mut().enumerate().for_each(|(at, byte)| *byte = self.byte(at));
    }

    /// The same as decimal digits.
    #[allow(dead_code, reason = "for secrets of digits")]
    pub fn write_digits(self, into: &mut [u8]) {
        into.iter_mut().enumerate().for_each(|(at, byte)| *byte = b'0' + self.byte(at) % 10);
    }
}

/// How often the canary's bytes lie in memory that this process can write.
pub fn copies(canary: Canary) -> usize {
    found(Canary::LENGTH, |at| canary.byte(at))
}

/// The same for its first `count` digits.
#[allow(dead_code, reason = "for secrets of digits")]
pub fn copies_of_digits(canary: Canary, count: usize) -> usize {
    found(count, |at| b'0' + canary.byte(at) % 10)
}

/// One search at a time: the window of a second one would hold copies of the searched memory.
static TURN: Mutex<()> = Mutex::new(());

fn found(count: usize, byte: impl Fn(usize) -> u8) -> usize {
    let _turn = TURN.lock().unwrap();
    let first = byte(0);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let memory = File::open("/proc/self/mem").unwrap();
    // windows overlap by the length of a match; the window itself must not be searched
    let mut window = vec![0; PAGE as usize + count - 1];
    let own = window.as_ptr() as u64..window.as_ptr() as u64 + window.len() as u64;
    let mut copies = 0;
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (range, permissions) = (words.next().unwrap(), words.next().unwrap());
        if !permissions.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
        for page in (start..end).step_by(PAGE as usize) {
            let Ok(read) = memory.read_at(&mut window, page) else { continue };
            for at in 0..read.saturating_sub(count - 1).min(PAGE as usize) {
                let matches = window[at] == first && (1..count).all(|n| window[at + n] == byte(n));
                copies += usize::from(matches && !own.contains(&(page + at as u64)));
            }
        }
    }
    window.fill(0);
    std::hint::black_box(&window);
    copies
}
