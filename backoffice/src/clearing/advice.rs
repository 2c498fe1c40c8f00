//! What the host is told of a presentment that nothing captured yet, as a message of the host's dialect. Pure.
//!
//! Its key is made of the file and the record, so a file that is read again, after a kill too, captures nothing twice.

use std::sync::Arc;

use codecs::originator::{KeyClass, KeyElements, KeyText, OriginatorKey};
use codecs::value::{
    InstitutionId, LocalTime, MerchantId, Minor, MonthDay, Number, Opaque, Pan, ProcessingCode, ReplacementAmounts,
    Stan, TerminalId, TransmissionTime,
};
use codecs::{Builder, Dialect, Mti, de};
use jiff::civil::{Date, DateTime};
use ledger::key::{DatedOriginatorKey, JournalKey};

use super::matching::{Advise, IssuedTransaction};
use super::record::{FileId, Presentment};

/// Records that one trace number can tell apart.
const RECORDS_PER_SECOND: u32 = 1_000_000;

/// The originator's key of the capture that a record makes. `link` is a link of the acquirer's. A real one has the terminal
/// and the merchant of its message; these are names that none has.
#[must_use]
pub fn key_of(link: &str, file: &FileId, record: u32) -> OriginatorKey {
    let date = file.date();
    let elements = KeyElements {
        terminal: TerminalId::new(&format!("CLR{:05}", file.sequence())),
        merchant: MerchantId::new(&format!("F{:03}-{}", file.kind(), date.strftime("%Y%m%d"))),
        stan: Some(Stan(record % RECORDS_PER_SECOND)),
        time: u8::try_from(record / RECORDS_PER_SECOND).ok().and_then(|second| LocalTime::new(0, 0, second)),
        date: month_day(date),
    };
    OriginatorKey::new(link, &elements)
}

/// The journal's key of what a record captures. Keys have no year: it is the one nearest to `today`.
#[must_use]
pub fn journal_key_of(link: &str, file: &FileId, record: u32, today: Date) -> Option<JournalKey> {
    journal_key(&key_of(link, file, record), today)
}

fn journal_key(key: &OriginatorKey, near: Date) -> Option<JournalKey> {
    let dated = DatedOriginatorKey::parse(key.as_str(), near).ok()?;
    Some(dated.of_class(KeyClass::Financial).original)
}

/// The originator's key of a transaction, as its row has it: of a message, or of a file. `None` if neither is the row's.
fn key_of_original(of: &IssuedTransaction) -> Option<OriginatorKey> {
    let (date, time) = (of.local_at.date(), of.local_at.time());
    let two = |number: i8| u8::try_from(number).ok();
    let elements = KeyElements {
        terminal: of.names.terminal.as_deref().and_then(TerminalId::new),
        merchant: of.names.merchant.as_deref().and_then(MerchantId::new),
        stan: Some(Stan(of.stan)),
        time: LocalTime::new(two(time.hour())?, two(time.minute())?, two(time.second())?),
        date: month_day(date),
    };
    let of_message = OriginatorKey::new(&of.link, &elements);
    let of_file = of
        .captured_by
        .as_ref()
        .and_then(|(file, record)| Some(key_of(&of.link, &FileId::parse(file)?, u32::try_from(*record).ok()?)));
    [Some(of_message), of_file].into_iter().flatten().find(|key| journal_key(key, date) == Some(of.idem))
}

fn month_day(date: Date) -> Option<MonthDay> {
    MonthDay::new(u8::try_from(date.month()).ok()?, u8::try_from(date.day()).ok()?)
}

/// An advice or reversal for the host.
#[derive(Clone, Debug)]
pub struct ClearingAdvice {
    mti: Mti,
    pan: Pan,
    processing: ProcessingCode,
    amount: Minor,
    standing: Option<Minor>,
    currency: codecs::value::Currency,
    local_at: (LocalTime, MonthDay),
    business_date: MonthDay,
    business_code: Option<Number<4>>,
    acquirer: Option<InstitutionId>,
    rrn: Option<codecs::value::Rrn>,
    approval: Option<codecs::value::ApprovalCode>,
    terminal: TerminalId,
    merchant: MerchantId,
    key: String,
    referred: Option<String>,
    life_cycle: Option<String>,
}

/// Where a record is, and who sent it.
#[derive(Clone, Copy, Debug)]
pub struct RecordPlace<'a> {
    pub link: &'a str,
    pub file: &'a FileId,
    pub record: u32,
    /// The business day with which its postings are settled.
    pub cycle: Date,
}

/// Terminal of a presentment that names none: the host requires one.
const NO_TERMINAL: &str = "00000000";

impl ClearingAdvice {
    /// What the host is to be told of `of`. `original` is the transaction that `advise` names. `None` if it has to be named by a
    /// key that is not known.
    #[must_use]
    pub fn new(
        advise: Advise,
        of: &Presentment,
        original: Option<&IssuedTransaction>,
        place: &RecordPlace<'_>,
    ) -> Option<Self> {
        let own = key_of(place.link, place.file, place.record).as_str().to_owned();
        let financial =
            |key: &OriginatorKey| KeyText { key: key.as_str(), class: Some(KeyClass::Financial) }.to_string();
        let plain = Self {
            mti: Mti::of(b"0220"),
            pan: of.pan.clone(),
            processing: of.processing,
            amount: of.amount,
            standing: None,
            currency: of.currency,
            local_at: (of.local_at.time, of.local_at.date),
            business_date: month_day(place.cycle)?,
            business_code: (of.business_code <= 9999).then_some(Number(of.business_code)),
            acquirer: InstitutionId::new(place.file.sender()),
            rrn: of.rrn,
            approval: of.approval,
            terminal: of.terminal.or_else(|| TerminalId::new(NO_TERMINAL))?,
            merchant: of.merchant,
            key: own,
            referred: None,
            life_cycle: of.life_cycle.clone(),
        };
        Some(match advise {
            Advise::Capture { .. } => Self { life_cycle: original?.names.life_cycle.clone(), ..plain },
            Advise::Force | Advise::Credit => plain,
            Advise::Adjust { .. } => {
                let original = original?;
                let referred = Some(financial(&key_of_original(original)?));
                Self { referred, life_cycle: original.names.life_cycle.clone(), ..plain }
            }
            Advise::Reverse { standing_minor, .. } => {
                let original = original?;
                Self {
                    mti: Mti::of(b"0420"),
                    amount: Minor(original.requested_minor),
                    standing: (standing_minor > 0).then_some(Minor(standing_minor)),
                    key: financial(&key_of_original(original)?),
                    rrn: None,
                    approval: None,
                    life_cycle: None,
                    ..plain
                }
            }
        })
    }

    /// The message, with a trace number and a time of transmission of the connection's own.
    #[must_use]
    pub fn message(&self, dialect: &Arc<Dialect>, stan: Stan, at: DateTime) -> Builder {
        let two = |number: i8| u8::try_from(number).unwrap_or(0);
        let time = LocalTime::new(two(at.hour()), two(at.minute()), two(at.second()));
        let sent = time.zip(month_day(at.date())).map(|(time, date)| TransmissionTime { date, time });
        let mut message = Builder::new(dialect, self.mti);
        message
            .put::<de::Pan>(self.pan.clone())
            .put::<de::ProcessingCode>(self.processing)
            .put::<de::Amount>(self.amount)
            .put_some::<de::TransmissionTime>(sent)
            .put::<de::Stan>(stan)
            .put::<de::LocalTime>(self.local_at.0)
            .put::<de::LocalDate>(self.local_at.1)
            .put::<de::SettlementDate>(self.business_date)
            .put_some::<de::MerchantType>(self.business_code)
            .put_some::<de::Acquirer>(self.acquirer)
            .put_some::<de::Rrn>(self.rrn)
            .put_some::<de::ApprovalCode>(self.approval)
            .put::<de::TerminalId>(self.terminal)
            .put::<de::MerchantId>(self.merchant)
            .put::<de::Currency>(self.currency)
            .put::<de::OriginatorKey>(Opaque::text(&self.key))
            .put_some::<de::ReferredKey>(self.referred.as_deref().map(Opaque::text))
            .put_some::<de::LifeCycleId>(self.life_cycle.as_deref().map(Opaque::text))
            .put_some::<de::ReplacementAmounts>(
                self.standing.map(|transaction| ReplacementAmounts { transaction, settlement: Minor::ZERO }),
            );
        message
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_key_names_its_file_and_its_record() {
        let file = |kind, day, number| FileId::new(kind, date(2026, 11, day), "510099", number).unwrap();
        let key = |file, record| key_of("acquirer-ascii", &file, record).as_str().to_owned();
        assert_eq!(key(file(1, 20, 3), 1_000_017), "acquirer-ascii|CLR00003|F001-20261120|000017|000001|1120");
        let all = [key(file(1, 20, 3), 17), key(file(2, 20, 3), 17), key(file(1, 21, 3), 17), key(file(1, 20, 4), 17)];
        for (at, one) in all.iter().enumerate() {
            assert!(all[..at].iter().all(|other| other != one), "{one}");
        }
    }
}
