//! Card checks: is the card genuine, and may it be used?

use codecs::value::{Expiry, Minor};
use jiff::civil::Date;
use ledger::card::Card;

use super::{Cryptogram, Facts, Reason, SecurityCode, security_code};
use crate::request::{CardEntry, ChipTerms, Request};

/// The first reason, in the order of [`Reason`], why the card is not genuine.
pub(super) fn not_genuine(request: &Request, facts: &Facts<'_>, card: &Card) -> Option<Reason> {
    let proof = facts.proof;
    if lacks_proof(request, facts) {
        return Some(Reason::ProofMissing);
    }
    match proof.security_code {
        SecurityCode::ChipDataOnStripe => return Some(Reason::ChipDataOnStripe),
        _ if security_code::refused(request, facts, card) => return Some(Reason::SecurityCodeTriesExceeded),
        SecurityCode::Wrong => return Some(Reason::SecurityCodeWrong),
        SecurityCode::Absent | SecurityCode::Right | SecurityCode::Unchecked => {}
    }
    match proof.cryptogram {
        Cryptogram::VersionUnknown => return Some(Reason::CryptogramVersionUnknown),
        Cryptogram::Wrong => return Some(Reason::CryptogramWrong),
        Cryptogram::Right { atc } if used_atcs(facts, card).seen(atc) => return Some(Reason::CounterReplayed),
        Cryptogram::Absent | Cryptogram::Right { .. } => {}
    }
    if let Some(terms) = &request.chip_terms
        && let Some(reason) = signed_otherwise(request, terms, facts)
    {
        return Some(reason);
    }
    let on_record = facts.token.map_or(card.expiry, |token| token.expiry);
    proof.expiry.filter(|read| *read != on_record).map(|_| Reason::ExpiryWrong)
}

/// Whether the proof is missing that the entry mode requires: a security code or a cryptogram. A device in the card's place
/// has no printed code, so it proves itself by its cryptogram wherever it is used. A merchant that may keep the number has
/// nothing to show.
fn lacks_proof(request: &Request, facts: &Facts<'_>) -> bool {
    let (proof, is_device) = (facts.proof, facts.token.is_some());
    match request.card_entry {
        CardEntry::Keyed if facts.credential_stored && proof.security_code == SecurityCode::Absent => false,
        CardEntry::Keyed if is_device => proof.cryptogram == Cryptogram::Absent,
        CardEntry::Stripe | CardEntry::Keyed => proof.security_code == SecurityCode::Absent,
        CardEntry::Chip => proof.cryptogram == Cryptogram::Absent,
    }
}

/// How what the chip signed differs from what the message says.
fn signed_otherwise(request: &Request, terms: &ChipTerms, facts: &Facts<'_>) -> Option<Reason> {
    let mcc = request.mcc.and_then(|mcc| u16::try_from(mcc.0).ok());
    let amount_free = mcc.is_some_and(|mcc| facts.rules.chip_amount_free.contains(&mcc));
    let sent = request.sent();
    if terms.amount != sent.minor && !amount_free {
        Some(Reason::ChipAmountDiffers)
    } else if terms.cash_back != request.cash_back.unwrap_or(Minor::ZERO) {
        Some(Reason::ChipCashBackDiffers)
    } else if terms.currency != sent.currency {
        Some(Reason::ChipCurrencyDiffers)
    } else if !is_near(terms.date, request.local_at.date()) {
        Some(Reason::ChipDateDiffers)
    } else if terms.transaction != request.processing_code.transaction {
        Some(Reason::ChipTypeDiffers)
    } else {
        (!terms.asks_online).then_some(Reason::ChipDidNotAsk)
    }
}

/// Midnight may pass between the chip and the message, and a gateway may write the date of its own time zone.
fn is_near(signed: Date, sent: Date) -> bool {
    signed == sent || signed.tomorrow().is_ok_and(|day| day == sent) || signed.yesterday().is_ok_and(|day| day == sent)
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
