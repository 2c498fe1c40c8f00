//! Tries that are counted: of PINs and of printed codes.

use super::*;

#[test]
fn a_try_is_counted_only_for_a_genuine_card_whose_pin_was_reached() {
    let counted = |words: &[&str], pin, tries| {
        let (mut proof, mut card) = (proof(), card());
        let account = account(100_000);
        proof.pin = pin;
        card.pin_tries = tries;
        for word in words {
            match *word {
                "bad-arqc" => proof.cryptogram = Cryptogram::Wrong,
                "blocked" => card.status = CardStatus::Blocked,
                "over-limit" => card.spent_minor = 80_000,
                other => panic!("{other}"),
            }
        }
        let facts = facts(&proof, &card, &account);
        pin_count(&decide(&request(Kind::Purchase, 100), &facts), &facts)
    };
    for (words, pin, tries, expected) in [
        (&[][..], Pin::Wrong, 0, PinCount::OneMore),
        (&[], Pin::Wrong, 2, PinCount::OneMore),
        (&[], Pin::Wrong, 3, PinCount::Unchanged),
        (&[], Pin::Right, 2, PinCount::BackToZero),
        (&[], Pin::Right, 3, PinCount::Unchanged),
        (&[], Pin::Right, 0, PinCount::Unchanged),
        (&["over-limit"], Pin::Right, 2, PinCount::BackToZero),
        (&["bad-arqc"], Pin::Wrong, 0, PinCount::Unchanged),
        (&["blocked"], Pin::Wrong, 0, PinCount::Unchanged),
        (&[], Pin::Malformed, 0, PinCount::Unchanged),
        (&[], Pin::Absent, 2, PinCount::Unchanged),
    ] {
        assert_eq!(counted(words, pin, tries), expected, "{words:?} {pin:?} {tries}");
    }
}

/// A number that is no card is a guess as well; what was declined before anybody looked at the code tells nothing of it.
#[test]
fn what_a_printed_code_proved_to_be_is_told_by_the_decision() {
    let keyed = Request { card_entry: CardEntry::Keyed, ..request(Kind::Purchase, 500) };
    let with = |security_code| Proof { security_code, ..proof() };
    for (decision, code, expected) in [
        (Decision::Approve(Movement::Capture { minor: 500 }), SecurityCode::Right, Some(CodeTry::Passed)),
        (Decision::Approve(Movement::Capture { minor: 500 }), SecurityCode::Absent, None),
        (Decision::Decline(Reason::SecurityCodeWrong), SecurityCode::Wrong, Some(CodeTry::Failed)),
        (Decision::Decline(Reason::ExpiryWrong), SecurityCode::Right, Some(CodeTry::Failed)),
        (Decision::Decline(Reason::CardUnknown), SecurityCode::Unchecked, Some(CodeTry::Failed)),
        (Decision::Decline(Reason::CardUnknown), SecurityCode::Absent, None),
        (Decision::Decline(Reason::FundsInsufficient), SecurityCode::Right, Some(CodeTry::Passed)),
        (Decision::Decline(Reason::CardStolen), SecurityCode::Right, Some(CodeTry::Passed)),
        (Decision::Decline(Reason::AcceptorUnknown), SecurityCode::Wrong, None),
        (Decision::Decline(Reason::SecurityCodeTriesExceeded), SecurityCode::Wrong, None),
        (Decision::Decline(Reason::MerchantCodeTriesExceeded), SecurityCode::Wrong, None),
        (Decision::Repeat, SecurityCode::Wrong, None),
    ] {
        assert_eq!(code_try(&keyed, &decision, &with(code)), expected, "{decision:?} {code:?}");
    }
    let decision = Decision::Decline(Reason::SecurityCodeWrong);
    let stripe = request(Kind::Purchase, 500);
    assert_eq!(code_try(&stripe, &decision, &with(SecurityCode::Wrong)), None, "it carries no printed code");
}

/// Wrong codes lock the code, never the card.
#[test]
fn wrong_printed_codes_are_counted_and_a_right_one_clears_them() {
    let (account, now) = (account(100_000), Timestamp::UNIX_EPOCH);
    let tomorrow = now + SignedDuration::from_hours(24);
    for (entry, code, expiry, tries, expected) in [
        (CardEntry::Keyed, SecurityCode::Wrong, EXPIRY, 0, CodeCount::OneMore),
        (CardEntry::Keyed, SecurityCode::Wrong, EXPIRY, 2, CodeCount::RefusedUntil(tomorrow)),
        (CardEntry::Keyed, SecurityCode::Right, Expiry { year: 30, month: 1 }, 0, CodeCount::OneMore),
        (CardEntry::Keyed, SecurityCode::Right, EXPIRY, 2, CodeCount::BackToZero),
        (CardEntry::Keyed, SecurityCode::Right, EXPIRY, 0, CodeCount::Unchanged),
        (CardEntry::Keyed, SecurityCode::Absent, EXPIRY, 2, CodeCount::Unchanged),
        (CardEntry::Stripe, SecurityCode::Wrong, EXPIRY, 2, CodeCount::Unchanged),
    ] {
        let proof = Proof { security_code: code, cryptogram: Cryptogram::Absent, expiry: Some(expiry), ..proof() };
        let card = Card { code_tries: tries, ..card() };
        let request = Request { card_entry: entry, ..request(Kind::Purchase, 500) };
        let facts = facts(&proof, &card, &account);
        let decision = decide(&request, &facts);
        assert_eq!(code_count(&request, &decision, &facts), expected, "{entry:?} {code:?} {expiry:?} {tries}");
    }
}
