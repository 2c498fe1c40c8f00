//! Does the time of a comparison depend on where its inputs differ? Welch's t-test over two classes of inputs, taken in random
//! order, as in "Dude, is my code constant time?" (Reparaz, Balasch, Verbauwhede, 2017), with slow outliers cut off at many
//! thresholds; the largest |t| counts. Below 5 there is no dependence. Both classes hold wrong inputs: that an input is wrong is
//! the answer itself; the time must not show how close it is. A finding is measured again, because other work on the machine
//! causes false ones, while a real one shows every time. A comparison that stops early is measured as well: if it were not
//! found, the other results would mean nothing.
//!
//! Prints a table to standard error and one JSON object; `scripts/bench timing` runs it. TIMING_SAMPLES=1000000.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, reason = "a measurement")]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use codecs::value::Mac;
use hsm::{ChipCheck, CryptogramData, KeyName, KeySet, MacCheck, MacKey, PinOffset, Pvv, SecurityCode};
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq;

/// Comparisons in one sample, so that a difference of a nanosecond outgrows the clock's grain.
const AT_ONCE: u32 = 64;
/// Samples that only set the thresholds.
const PILOT: usize = 20_000;
const THRESHOLDS: usize = 50;
/// Above this |t| times depend on inputs.
const SEEN: f64 = 5.0;
/// Measurements until a finding counts as real; the smallest |t| of them counts.
const LOOKS: usize = 4;

fn main() -> ExitCode {
    let samples = std::env::var("TIMING_SAMPLES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let mut bench = ComparisonBench { samples, random: Random::new(), figures: Map::new(), held: true };
    let code = SecurityCode::new(*b"357").unwrap();
    bench.compare("cvv", Alphabet::Digits, *b"357", |other| *other, |other| code.matches(other));
    let pvv = Pvv::new(*b"8642").unwrap();
    bench.compare("pvv", Alphabet::Digits, *b"8642", |other| *other, |other| pvv.matches(other));
    bench.compare("pvv_equality", Alphabet::Digits, *b"8642", |other| Pvv::new(*other).unwrap(), |other| pvv == *other);
    let offset = PinOffset::new(b"864213579024").unwrap();
    let made = |other: &[u8; 12]| PinOffset::new(other).unwrap();
    bench.compare("pin_offset", Alphabet::Digits, *b"864213579024", made, |other| offset.matches(other));
    let secret = [0x5A, 0xC3, 0x19, 0x77, 0xE0, 0x2B, 0x84, 0xFD];
    let mac = mac_check(secret);
    bench.compare("mac", Alphabet::Bytes, secret, |other| Mac(*other), |other| mac.holds(other));
    bench.compare("mac_equality", Alphabet::Bytes, secret, |other| Mac(*other), |other| mac.mac == *other);
    let chip = chip_check(secret);
    bench.compare("cryptogram", Alphabet::Bytes, secret, |other| *other, |other| chip.holds(other));
    let wide: [u8; 16] = std::array::from_fn(|at| secret[at % 8] ^ at as u8);
    let block_mac = wide.to_vec();
    // as the MAC of a TR-31 block is compared
    bench.compare(
        "key_block_mac",
        Alphabet::Bytes,
        wide,
        |other| other.to_vec(),
        |other| block_mac.ct_eq(other).into(),
    );
    bench.control("control_that_stops_early", secret, |other| stops_early(&secret, other));
    println!("{}", json!({ "samples_each": samples, "largest_t": bench.figures, "held": bench.held }));
    if bench.held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[inline(never)]
fn stops_early(a: &[u8; 8], b: &[u8; 8]) -> bool {
    for at in 0..a.len() {
        if black_box(a[at]) != b[at] {
            return false;
        }
    }
    true
}

fn mac_check(mac: [u8; 8]) -> MacCheck {
    MacCheck { key: MacKey::Named(KeyName::new("audit").unwrap()), data: Vec::new().into(), mac: Mac(mac) }
}

fn chip_check(cryptogram: [u8; 8]) -> ChipCheck {
    let data = CryptogramData {
        amount: [0; 6],
        other_amount: [0; 6],
        country: [2, 0x80],
        tvr: [0; 5],
        currency: [9, 0x78],
        date: [0x26, 1, 1],
        kind: 0,
        unpredictable: [1; 4],
        aip: [0x39, 0],
        atc: [0, 1],
        iad: vec![6, 1, 0x12, 3],
    };
    ChipCheck { keys: KeySet::new("400012").unwrap(), psn: 1, cryptogram, data, approve_csu: [0; 4] }
}

#[derive(Clone, Copy)]
enum Alphabet {
    Digits,
    Bytes,
}

struct ComparisonBench {
    samples: usize,
    random: Random,
    figures: Map<String, Value>,
    held: bool,
}

impl ComparisonBench {
    /// Two pairs of classes: one fixed input, right in all places but the last, against any; what differs in the last place
    /// only against what differs in the first only.
    fn compare<const N: usize, T>(
        &mut self,
        name: &str,
        alphabet: Alphabet,
        secret: [u8; N],
        prepare: impl Fn(&[u8; N]) -> T,
        matches: impl Fn(&T) -> bool,
    ) {
        assert!(matches(&prepare(&secret)), "{name} does not match itself");
        for (pair, by_place) in [("near_or_any", false), ("last_or_first_place", true)] {
            let mut t = f64::INFINITY;
            for look in 1..=LOOKS {
                t = t.min(self.largest_t(alphabet, secret, by_place, &prepare, &matches));
                if t < SEEN {
                    break;
                }
                eprintln!("{name}.{pair}: |t| {t:.2} at look {look}");
            }
            self.held &= t < SEEN;
            self.record(&format!("{name}.{pair}"), t, t < SEEN);
        }
    }

    fn control(&mut self, name: &str, secret: [u8; 8], matches: impl Fn(&[u8; 8]) -> bool) {
        let t = self.largest_t(Alphabet::Bytes, secret, true, &|other: &[u8; 8]| *other, &matches);
        self.held &= t > SEEN;
        self.record(name, t, t > SEEN);
    }

    fn record(&mut self, name: &str, t: f64, as_wanted: bool) {
        eprintln!("{name:<36} |t| {t:>9.2} {}", if as_wanted { "" } else { "NOT AS WANTED" });
        self.figures.insert(name.to_owned(), json!((t * 100.0).round() / 100.0));
    }

    fn largest_t<const N: usize, T>(
        &mut self,
        alphabet: Alphabet,
        secret: [u8; N],
        by_place: bool,
        prepare: &impl Fn(&[u8; N]) -> T,
        matches: &impl Fn(&T) -> bool,
    ) -> f64 {
        let mut times: Vec<(usize, f64)> = Vec::with_capacity(self.samples + PILOT);
        let mut near = secret;
        near[N - 1] = self.random.other(alphabet, secret[N - 1]);
        for _ in 0..self.samples + PILOT {
            // both are made for each sample, and one is taken without a branch and from no other place than the other would
            // be: otherwise the clock sees where an input came from
            let inputs = if by_place {
                let (mut last, mut first) = (secret, secret);
                last[N - 1] = self.random.other(alphabet, secret[N - 1]);
                first[0] = self.random.other(alphabet, secret[0]);
                [last, first]
            } else {
                let mut any: [u8; N] = std::array::from_fn(|_| self.random.one(alphabet));
                // among few digits chance would find the secret
                any[0] = self.random.other(alphabet, secret[0]);
                [near, any]
            };
            let class = (self.random.next() >> 32) as usize & 1;
            let mask = black_box((class as u8).wrapping_neg());
            let [one, other] = black_box(inputs);
            let input = prepare(&black_box(std::array::from_fn(|at| one[at] ^ (one[at] ^ other[at]) & mask)));
            let began = Instant::now();
            for _ in 0..AT_ONCE {
                black_box(matches(black_box(&input)));
            }
            times.push((class, began.elapsed().as_nanos() as f64));
        }
        let mut pilot: Vec<f64> = times.drain(..PILOT).map(|(_, time)| time).collect();
        pilot.sort_by(f64::total_cmp);
        let crops = (1..=THRESHOLDS).map(|step| {
            let share = 1.0 - 0.5_f64.powf(10.0 * step as f64 / THRESHOLDS as f64);
            pilot[((pilot.len() - 1) as f64 * share) as usize]
        });
        let mut largest = welch(&times, f64::INFINITY);
        for crop in crops {
            largest = largest.max(welch(&times, crop));
        }
        largest
    }
}

/// |t| of the samples up to a threshold; 0 where a class has too few of them to say anything.
fn welch(times: &[(usize, f64)], crop: f64) -> f64 {
    let mut classes = [(0.0, 0.0, 0.0); 2];
    for (class, time) in times.iter().filter(|(_, time)| *time <= crop) {
        let (count, mean, squares) = &mut classes[*class];
        *count += 1.0;
        let off = time - *mean;
        *mean += off / *count;
        *squares += off * (time - *mean);
    }
    let [(n, mean, squares), (m, other_mean, other_squares)] = classes;
    if n < 5_000.0 || m < 5_000.0 {
        return 0.0;
    }
    let error: f64 = squares / (n - 1.0) / n + other_squares / (m - 1.0) / m;
    if error == 0.0 { 0.0 } else { ((mean - other_mean) / error.sqrt()).abs() }
}

/// SplitMix64: quick, and good enough to draw inputs.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).unwrap();
        Self(u64::from_ne_bytes(seed))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn one(&mut self, alphabet: Alphabet) -> u8 {
        let drawn = self.next();
        match alphabet {
            Alphabet::Bytes => drawn as u8,
            Alphabet::Digits => b'0' + (drawn % 10) as u8,
        }
    }

    /// Another byte of the same kind.
    fn other(&mut self, alphabet: Alphabet, than: u8) -> u8 {
        let drawn = self.next();
        match alphabet {
            Alphabet::Bytes => than ^ (1 + drawn % 255) as u8,
            Alphabet::Digits => b'0' + ((u64::from(than - b'0') + 1 + drawn % 9) % 10) as u8,
        }
    }
}
