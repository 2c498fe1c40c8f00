//! Card checks: is the card genuine, and may it be used?

use codecs::value::Expiry;
use jiff::civil::Date;
use ledger::card::Card;

use super::{Cryptogram, Facts, Proof, Reason, SecurityCode};
use crate::request::{CardEntry, Request};

/// The first reason, in the order of [`Reason`], why the card is not genuine.
pub(super) fn not_genuine(request: &Request, facts: &Facts<'_>, card: &Card) -> Option<Reason> {
    let proof = facts.proof;
    if lacks_proof(request.card_entry, proof) {
        return Some(Reason::ProofMissing);
    }
    match proof.security_code {
        SecurityCode::ChipDataOnStripe => return Some(Reason::ChipDataOnStripe),
        SecurityCode::Wrong => return Some(Reason::SecurityCodeWrong),
        SecurityCode::Absent | SecurityCode::Right => {}
    }
    match proof.cryptogram {
        Cryptogram::VersionUnknown => return Some(Reason::CryptogramVersionUnknown),
        Cryptogram::Wrong => return Some(Reason::CryptogramWrong),
        Cryptogram::Right { atc } if used_atcs(facts, card).seen(atc) => return Some(Reason::CounterReplayed),
        Cryptogram::Absent | Cryptogram::Right { .. } => {}
    }
    let on_record = facts.token.map_or(card.expiry, |token| token.expiry);
    proof.expiry.filter(|read| *read != on_record).map(|_| Reason::ExpiryWrong)
}

/// Whether the proof is missing that the entry mode requires: a security code or a cryptogram.
fn lacks_proof(card_entry: CardEntry, proof: &Proof) -> bool {
    match card_entry {
        CardEntry::Stripe | CardEntry::Keyed => proof.security_code == SecurityCode::Absent,
        CardEntry::Chip => proof.cryptogram == Cryptogram::Absent,
    }
}

/// The transaction counters that apply: a device has its own, apart from those of the funding card's chip.
fn used_atcs<'a>(facts: &Facts<'a>, card: &'a Card) -> &'a ledger::atc_window::AtcWindow {
    facts.token.map_or(&card.used_atcs, |token| &token.used_atcs)
}

/// Why the card may not be used: status first, then expiry.
pub(super) fn not_usable(facts: &Facts<'_>, card: &Card, today: Date) -> Option<Reason> {
    super::usable(card, facts.token).or_else(|| {
        let expiry = facts.token.map_or(card.expiry, |token| token.expiry);
        expired(expiry, today).then_some(Reason::CardExpired)
    })
}

/// A card is valid to the end of its month. A two-digit year is within fifty years of `today`.
fn expired(expiry: Expiry, today: Date) -> bool {
    let this_year = i32::from(today.year());
    let century = this_year - this_year.rem_euclid(100);
    let year = match century + i32::from(expiry.year) {
        year if year > this_year + 50 => year - 100,
        year if year < this_year - 50 => year + 100,
        year => year,
    };
    (year, i32::from(expiry.month)) < (this_year, i32::from(today.month()))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::{Expiry, expired};

    #[test]
    fn a_card_is_good_to_the_end_of_its_month() {
        for (expiry, today, is_expired) in [
            ("2611", date(2026, 11, 30), false),
            ("2611", date(2026, 12, 1), true),
            ("2612", date(2026, 11, 30), false),
            ("0101", date(2099, 12, 31), false),
            ("9912", date(2026, 1, 1), true),
        ] {
            assert_eq!(expired(Expiry::parse(expiry).unwrap(), today), is_expired, "{expiry} on {today}");
        }
    }
}
