//! Outgoing presentments: what our merchants captured of foreign cards, for their issuers to pay. Pure.

use std::collections::BTreeMap;

use codecs::value::{
    ApprovalCode, Currency, InstitutionId, LocalDateTime, LocalTime, MerchantId, Minor, MonthDay, Pan, ProcessingCode,
    Rrn, TerminalId, Text,
};
use jiff::civil::{Date, DateTime};
use ledger::journal::Role;

use super::country;
use super::record::Presentment;
use super::reference::AcquirerReference;
use crate::settlement::fees::FeeEntryMode;
use crate::settlement::line::{Movement, MovementKind};

/// A presentment to be sent: its capture, amount and direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuePresentment<'m> {
    /// The capture; if an earlier presentment is taken back, the reversal.
    pub movement: &'m Movement,
    /// The number of the capture's journal row, also where an earlier presentment is taken back.
    pub auth_id: i64,
    /// Never negative.
    pub minor: i64,
    pub refund: bool,
    /// If it takes an earlier presentment back: the date of the file that had it.
    pub takes_back: Option<Date>,
}

/// The presentments of a cycle: its captures less their reversals within the cycle, and reversals of captures that an
/// earlier cycle presented. In order of the captures' numbers.
#[must_use]
pub fn due<'m>(cycle: Date, movements: impl IntoIterator<Item = &'m Movement>) -> Vec<DuePresentment<'m>> {
    let mut captures: BTreeMap<i64, (&Movement, i64)> = BTreeMap::new();
    let mut undone_before: BTreeMap<i64, i64> = BTreeMap::new();
    let mut taken_back = Vec::new();
    for movement in movements.into_iter().filter(|movement| movement.role == Role::Acquired) {
        match (movement.kind, movement.original) {
            (MovementKind::Reversal { of_refund, .. }, Some(original)) if original.cycle < cycle => {
                let (auth_id, minor) = (original.auth_id, movement.gross_minor.abs());
                let takes_back = Some(original.cycle);
                taken_back.push(DuePresentment { movement, auth_id, minor, refund: of_refund, takes_back });
            }
            (MovementKind::Reversal { .. }, Some(original)) => {
                *undone_before.entry(original.auth_id).or_default() += movement.gross_minor;
            }
            _ => {
                captures.insert(movement.auth_id, (movement, movement.gross_minor));
            }
        }
    }
    let standing = captures.into_iter().filter_map(|(auth_id, (movement, gross))| {
        let minor = (gross + undone_before.get(&auth_id).unwrap_or(&0)).abs();
        let refund = movement.kind == MovementKind::Refund;
        (minor != 0).then_some(DuePresentment { movement, auth_id, minor, refund, takes_back: None })
    });
    let mut due: Vec<_> = standing.chain(taken_back).collect();
    due.sort_by_key(|due| (due.auth_id, due.movement.auth_id));
    due
}

/// The merchant, as described in a presentment (DE43).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acceptor {
    pub name: String,
    pub city: String,
    /// ISO 3166 numeric code.
    pub country: String,
}

/// The contents of a presentment that do not come from the movement.
#[derive(Clone, Debug)]
pub struct PresentmentDetails<'a> {
    pub pan: Pan,
    pub reference: AcquirerReference,
    /// Our institution number.
    pub acquirer: &'a str,
    pub acceptor: Option<&'a Acceptor>,
    /// DE55 of the authorization, if the chip was read.
    pub icc: Option<Vec<u8>>,
}

/// A capture with an element that does not fit its format in a clearing record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("capture {auth_id}: its {what} does not fit a presentment")]
pub struct Unpresentable {
    pub auth_id: i64,
    pub what: &'static str,
}

/// Builds the presentment of a movement.
pub fn presentment(due: &DuePresentment<'_>, of: PresentmentDetails<'_>) -> Result<Presentment, Unpresentable> {
    let movement = due.movement;
    let unfit = |what| Unpresentable { auth_id: movement.auth_id, what };
    let optional = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let institution = InstitutionId::new(of.acquirer).ok_or(unfit("acquirer id"))?;
    let acceptor = of.acceptor.map(|acceptor| {
        let country = country::letters(&acceptor.country).unwrap_or("");
        super::record::acceptor(&acceptor.name, "", &acceptor.city, "", country)
    });
    let terminal = optional(&movement.terminal);
    let (rrn, approval) = (optional(&movement.rrn), optional(&movement.approval));
    Ok(Presentment {
        pan: of.pan,
        processing: if due.refund { ProcessingCode::REFUND } else { ProcessingCode::PURCHASE },
        amount: Minor(due.minor),
        currency: Currency::from_number(movement.currency),
        local_at: local_date_time(movement.local_at).ok_or(unfit("local time"))?,
        pos_data: Some(pos_data(movement.entry_mode.as_deref())),
        business_code: u32::try_from(movement.mcc.unwrap_or(0)).map_err(|_| unfit("merchant category"))?,
        reference: of.reference,
        forwarder: Some(institution),
        rrn: rrn.map(|text| Rrn::new(&text).ok_or(unfit("reference number"))).transpose()?,
        approval: approval.map(|text| ApprovalCode::new(&text).ok_or(unfit("approval code"))).transpose()?,
        service_code: None,
        terminal: terminal.map(|text| TerminalId::new(&text).ok_or(unfit("terminal"))).transpose()?,
        merchant: MerchantId::new(&movement.merchant).ok_or(unfit("merchant"))?,
        acceptor,
        icc: of.icc,
        life_cycle: Some(movement.life_cycle.clone()),
        originator: Some(institution),
        takes_back: due.takes_back.is_some(),
    })
}

fn local_date_time(at: DateTime) -> Option<LocalDateTime> {
    let two = |number: i8| u8::try_from(number).ok();
    Some(LocalDateTime {
        year: u8::try_from(at.year().rem_euclid(100)).ok()?,
        date: MonthDay::new(two(at.month())?, two(at.day())?)?,
        time: LocalTime::new(two(at.hour())?, two(at.minute())?, two(at.second())?)?,
    })
}

/// DE22 of version 1993, twelve positions, from the three digits of the authorization. A position that they do not
/// determine stays 0 ("unknown or none").
fn pos_data(entry_mode: Option<&str>) -> Text<12> {
    let entry = FeeEntryMode::of(entry_mode);
    let pin_capable = entry_mode.is_some_and(|mode| mode.ends_with('1'));
    // capability of the terminal, actual input mode
    let (capability, input) = match entry {
        FeeEntryMode::Chip => ('5', '5'),
        FeeEntryMode::Contactless => ('M', 'M'),
        FeeEntryMode::Stripe => ('2', '2'),
        FeeEntryMode::Keyed => ('6', '6'),
        FeeEntryMode::Ecommerce => ('0', 'S'),
        FeeEntryMode::Other => ('0', '0'),
    };
    let remote = entry == FeeEntryMode::Ecommerce;
    let cardholder = if pin_capable { '1' } else { '0' };
    let (holder_present, card_present) = if remote { ('5', '0') } else { ('0', '1') };
    let premises = if remote { '0' } else { '1' };
    let text = format!("{capability}{cardholder}0{premises}{holder_present}{card_present}{input}00000");
    Text::new(&text).expect("twelve printable characters")
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::settlement::line::OriginalCapture;
    use crate::settlement::line::tests::movement;

    fn acquired(auth_id: i64, kind: MovementKind, gross: i64, of: Option<(i64, Date)>) -> Movement {
        let original =
            of.map(|(auth_id, cycle)| OriginalCapture { auth_id, cycle, standing_minor: gross.abs(), charged: None });
        Movement { role: Role::Acquired, original, ..movement(auth_id, kind, gross) }
    }

    #[test]
    fn what_is_due_is_what_still_stands() {
        let (before, today) = (date(2026, 11, 19), date(2026, 11, 20));
        let whole = |of_refund| MovementKind::Reversal { of_refund, whole: true };
        let part = MovementKind::Reversal { of_refund: false, whole: false };
        let movements = [
            acquired(1, MovementKind::Sale, 1000, None),
            acquired(2, MovementKind::Sale, 2000, None),
            acquired(3, whole(false), -2000, Some((2, today))),
            acquired(4, MovementKind::Sale, 3000, None),
            acquired(5, part, -500, Some((4, today))),
            acquired(6, MovementKind::Refund, -700, None),
            acquired(7, MovementKind::Refund, -800, None),
            acquired(8, whole(true), 800, Some((7, today))),
            acquired(9, whole(false), -400, Some((-1, before))),
            acquired(10, whole(true), 900, Some((-2, before))),
            Movement { role: Role::OnUs, ..acquired(11, MovementKind::Sale, 1, None) },
        ];
        let due: Vec<_> = due(today, &movements).iter().map(|d| (d.auth_id, d.minor, d.refund, d.takes_back)).collect();
        assert_eq!(
            due,
            [
                (-2, 900, true, Some(before)),
                (-1, 400, false, Some(before)),
                (1, 1000, false, None),
                (4, 2500, false, None),
                (6, 700, true, None),
            ]
        );
    }

    #[test]
    fn entry_modes_have_twelve_positions() {
        for (mode, positions) in [
            (Some("051"), "510101500000"),
            (Some("071"), "M10101M00000"),
            (Some("901"), "210101200000"),
            (Some("012"), "600101600000"),
            (Some("812"), "000050S00000"),
            (None, "000101000000"),
        ] {
            assert_eq!(pos_data(mode).as_str(), positions, "{mode:?}");
        }
    }

    #[test]
    fn what_no_record_can_carry_is_named() {
        let sale = Movement { terminal: Some("T".repeat(17)), ..acquired(1, MovementKind::Sale, 100, None) };
        let due = due(date(2026, 11, 20), [&sale]);
        let particulars = PresentmentDetails {
            pan: Pan::from_digits(b"5100510000000008").unwrap(),
            reference: AcquirerReference::new("400012", date(2026, 11, 20), 1).unwrap(),
            acquirer: "400012",
            acceptor: None,
            icc: None,
        };
        assert_eq!(presentment(&due[0], particulars), Err(Unpresentable { auth_id: 1, what: "terminal" }));
    }
}
