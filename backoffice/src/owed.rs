//! Before a day is closed: what the switch still owes the host of it. What comes later is settled with the next day, so a close waits
//! for it a while.
#![expect(clippy::disallowed_methods, reason = "shell: the ages of messages are compared with the clock")]

use std::time::Duration;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use ledger::store::StoreError;
use ledger::store::business_day;
use serde::Deserialize;
use tokio_postgres::Client;

use crate::exceptions::dead_letter::OwedList;
use crate::exceptions::switch::{self, SwitchAdmin};

/// How a close waits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The destination of the switch that is the host.
    pub host_destination: String,
    /// How long it waits for messages of the day that the switch still owes the host.
    pub owed_grace_s: u16,
}

const ASKS_EVERY: Duration = Duration::from_millis(500);
/// A request that is stamped with the day may be owed so long after the cut-over: its time-out comes first.
const AFTER_CUT_OVER_S: i64 = 10;

/// Waits until the switch owes the host nothing of the day any more, or the grace is over. Gives the number of messages that are
/// owed then; `None` if the switch cannot be asked, the day was not cut over, or it is closed already.
pub async fn wait(
    client: &Client,
    admin: Option<&SwitchAdmin>,
    config: &Config,
    date: Date,
) -> Result<Option<u64>, StoreError> {
    let day = business_day::all(client).await?.into_iter().find(|day| day.date == date && day.closed_at.is_none());
    let (Some(admin), Some(cut_over_at)) = (admin, day.and_then(|day| day.cut_over_at)) else { return Ok(None) };
    let until = Timestamp::now() + i64::from(config.owed_grace_s).seconds();
    loop {
        let list = match switch::owed(admin).await {
            Ok(list) => list,
            Err(error) => {
                tracing::warn!(%error, "the switch is not asked what it owes of the day");
                return Ok(None);
            }
        };
        let now = Timestamp::now();
        let owed = owed_of(&list, &config.host_destination, cut_over_at + AFTER_CUT_OVER_S.seconds(), now);
        if owed == 0 || now >= until {
            return Ok(Some(owed));
        }
        tokio::time::sleep(ASKS_EVERY).await;
    }
}

/// The messages to a destination that are owed since before a moment. The oldest are told, in order: if all of them are from before
/// it, those that are not told may be too.
fn owed_of(list: &OwedList, destination: &str, before: Timestamp, now: Timestamp) -> u64 {
    let is_old = |age_ms: i64| now.checked_sub(age_ms.max(0).milliseconds()).is_ok_and(|since| since <= before);
    let told = list.owed.iter().filter(|of| of.destination == destination && is_old(of.age_ms)).count() as u64;
    let all_old = list.owed.iter().all(|of| is_old(of.age_ms));
    told + if all_old { list.count.saturating_sub(list.owed.len() as u64) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exceptions::dead_letter::OwedMessage;

    #[test]
    fn messages_of_the_day_are_those_from_before_its_end() {
        let now: Timestamp = "2026-11-20T22:10:00Z".parse().unwrap();
        let before = "2026-11-20T22:00:00Z".parse().unwrap();
        let list = |count, ages: &[(&str, i64)]| OwedList {
            count,
            owed: ages
                .iter()
                .map(|(destination, age_s)| OwedMessage { destination: (*destination).into(), age_ms: age_s * 1000 })
                .collect(),
            dead_letter_count: 0,
            dead_letters: Vec::new(),
        };
        for (list, expected) in [
            (list(0, &[]), 0),
            (list(2, &[("host", 900), ("host", 300)]), 1),
            (list(2, &[("issuer-510051", 900), ("host", 600)]), 1),
            (list(9, &[("host", 900), ("host", 300)]), 1),
            (list(9, &[("host", 900), ("host", 700)]), 9),
        ] {
            assert_eq!(owed_of(&list, "host", before, now), expected, "{list:?}");
        }
    }
}
