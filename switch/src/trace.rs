//! The switch's own numbers: retrieval reference number, transmission time, life-cycle id.

use codecs::value::{InstitutionId, LocalTime, MonthDay, Rrn, TransmissionTime};
use jiff::{Timestamp, civil::DateTime, tz::Offset};
use rand::Rng;
use rand::rngs::SmallRng;

/// Retrieval reference numbers of our own terminals: year digit, day of year, eight digits that rise over the day.
///
/// The eight digits follow the milliseconds of the day, so that a restart does not give a number twice.
#[derive(Debug, Default)]
pub struct Rrns {
    last: u64,
}

impl Rrns {
    pub fn next(&mut self, wall_ms: i64) -> Rrn {
        let at = utc(wall_ms);
        let day = (at.year() % 10) as u64 * 1000 + at.day_of_year() as u64;
        let ms_of_day = wall_ms.rem_euclid(86_400_000) as u64;
        let by_clock = day * 100_000_000 + ms_of_day;
        let new_decade = day < 1_000 && self.last >= 9_000 * 100_000_000;
        self.last = if new_decade { by_clock } else { by_clock.max(self.last + 1) };
        Rrn::new(&format!("{:012}", self.last % 1_000_000_000_000)).expect("twelve digits")
    }

    /// A number given before a restart.
    pub fn seen(&mut self, rrn: &Rrn) {
        if let Ok(number) = rrn.as_str().parse::<u64>() {
            self.last = self.last.max(number);
        }
    }
}

/// The date and time of a wall clock reading, in UTC.
pub fn utc(wall_ms: i64) -> DateTime {
    let timestamp = Timestamp::from_millisecond(wall_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    Offset::UTC.to_datetime(timestamp)
}

/// DE7 of a message sent now.
pub fn transmission_time(wall_ms: i64) -> TransmissionTime {
    let at = utc(wall_ms);
    TransmissionTime {
        date: MonthDay { month: at.month() as u8, day: at.day() as u8 },
        time: LocalTime { hour: at.hour() as u8, minute: at.minute() as u8, second: at.second() as u8 },
    }
}

/// Life-cycle id of an acquired transaction: `SWY` and twelve characters, unique without asking anyone.
pub fn life_cycle_id(random: &mut SmallRng) -> String {
    const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut id = String::from("SWY");
    id.extend((0..12).map(|_| char::from(DIGITS[random.random_range(0..36)])));
    id
}

/// Whether an element holds a life-cycle id, ours or the host's.
pub fn is_life_cycle_id(content: &[u8]) -> bool {
    content.len() == 15 && content.starts_with(b"SWY") && content.iter().all(u8::is_ascii_alphanumeric)
}

/// An institution number out of the checked configuration.
pub fn institution(digits: &str) -> InstitutionId {
    InstitutionId::new(digits).expect("the configuration was checked for 1 to 11 digits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn reference_numbers_rise_whatever_the_clock_does() {
        let mut rrns = Rrns::default();
        // 2026-11-20 is day 324
        let noon = 1_795_176_000_000;
        assert_eq!(rrns.next(noon).as_str(), "632443200000");
        assert_eq!(rrns.next(noon).as_str(), "632443200001");
        assert_eq!(rrns.next(noon - 5_000).as_str(), "632443200002");
        assert_eq!(rrns.next(noon + 10).as_str(), "632443200010");
        let mut after_restart = Rrns::default();
        after_restart.seen(&Rrn::new("632443200010").expect("digits"));
        assert_eq!(after_restart.next(noon).as_str(), "632443200011");
    }

    #[test]
    fn life_cycle_ids_have_their_form() {
        let mut random = SmallRng::seed_from_u64(1);
        let (one, other) = (life_cycle_id(&mut random), life_cycle_id(&mut random));
        assert!(is_life_cycle_id(one.as_bytes()) && one != other);
        assert!(!is_life_cycle_id(b"SWY"));
    }
}
