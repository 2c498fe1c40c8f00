//! The authorization decision: a request and the facts about it in, a decision out. Pure: no clock, no table, no socket.
//!
//! The shell has fetched every fact under lock before it asks, so a decision can be made again – after a serialization
//! failure, or years later against other rules – and comes out the same.

use crate::request::Request;
use codecs::value::{Currency, Expiry, ResponseCode};
use ledger::account::Account;
use ledger::card::{Card, CardStatus};
use ledger::hold::Hold;
use ledger::journal::{Kind, Role, Row};
use ledger::movement::Movement;
use ledger::token::{Token, TokenStatus};

mod advice;
mod card;
mod limits;
mod pin;
mod repeat;
mod reversal;
#[cfg(test)]
mod tests;

pub use pin::PinCount;

/// What the HSM said of the card read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    pub security_code: SecurityCode,
    pub cryptogram: Cryptogram,
    pub pin: Pin,
    /// The expiry that the read carried.
    pub expiry: Option<Expiry>,
}

/// CVV, iCVV or CVV2, by the way the card was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecurityCode {
    #[default]
    Absent,
    Right,
    Wrong,
    /// The iCVV of a chip on a magnetic stripe: somebody copied chip data.
    ChipDataOnStripe,
}

/// The application cryptogram of a chip or a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cryptogram {
    #[default]
    Absent,
    Right {
        atc: u16,
    },
    Wrong,
    /// A cryptogram version we have no rule for: not the same as a wrong cryptogram.
    VersionUnknown,
}

/// The online PIN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pin {
    #[default]
    Absent,
    Right,
    Wrong,
    /// The block does not decipher to a PIN: keys out of step, not a cardholder's mistake.
    Malformed,
}

/// Rules that are the house's and not the card's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The one currency served.
    pub currency: Currency,
    /// Wrong PINs in a row that a card survives.
    pub max_pin_tries: i16,
}

/// Everything a decision may look at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub rules: Rules,
    /// The row that the journal has under this request's own key.
    pub earlier: Option<&'a Row>,
    /// A full reversal of this request's key is in the journal: it was reversed, or its reversal came first.
    pub reversed: bool,
    /// Merchant and terminal are known, or are not ours to know.
    pub acceptor_known: bool,
    pub card: Option<&'a Card>,
    pub token: Option<&'a Token>,
    pub account: Option<&'a Account>,
    pub proof: &'a Proof,
    /// Reversals: the row that is to be reversed.
    pub original: Option<&'a Row>,
    /// What a partial reversal of the original gave back before.
    pub given_back_minor: i64,
    /// Completions and reversals: the open hold of the pre-authorization meant.
    pub hold: Option<&'a Hold>,
}

/// Answer and effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Seen before with the same content: the stored answer goes out again, nothing else happens.
    Repeat,
    Decline(Reason),
    /// A request granted; in part if the movement is smaller than what was asked for.
    Approve(Movement),
    /// An advice or a reversal: acknowledged whatever it moves, because what it tells of has happened.
    Acknowledge {
        movement: Movement,
        reason: Option<Reason>,
        exception: Option<Exception>,
    },
}

/// Why nothing was granted. Declared in the order in which the checks are made: the first that applies is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The key was used before for something else.
    KeyReused,
    /// The request was reversed, or its reversal came before it.
    Reversed,
    /// Merchant or terminal of ours that we do not know.
    AcceptorUnknown,
    CurrencyNotServed,
    /// Zero where an amount is needed.
    AmountMissing,
    CardUnknown,
    /// A read that cannot show that the card is genuine: no code, no cryptogram.
    ProofMissing,
    ChipDataOnStripe,
    SecurityCodeWrong,
    CryptogramVersionUnknown,
    CryptogramWrong,
    /// The transaction counter was seen before.
    CounterReplayed,
    /// The read names another expiry than the card has.
    ExpiryWrong,
    CardLost,
    CardStolen,
    CardBlocked,
    CardClosed,
    TokenNotActive,
    CardExpired,
    /// The PIN block is none: keys out of step.
    PinBlockMalformed,
    PinTriesExceeded,
    PinWrong,
    TransactionLimit,
    DailyLimit,
    FundsInsufficient,
    // what an advice tells of, rather than what is wrong with it
    /// The advice tells of a decline.
    AdvisedDecline,
    /// A reversal of something that was never seen: a tombstone.
    OriginalUnknown,
    /// A reversal of something that was declined.
    OriginalDeclined,
    /// Reversed before in full.
    NothingLeft,
}

ledger::stored_words!(Reason, "column `auth.reason`" {
    KeyReused => "KeyReused",
    Reversed => "Reversed",
    AcceptorUnknown => "AcceptorUnknown",
    CurrencyNotServed => "CurrencyNotServed",
    AmountMissing => "AmountMissing",
    CardUnknown => "CardUnknown",
    ProofMissing => "ProofMissing",
    ChipDataOnStripe => "ChipDataOnStripe",
    SecurityCodeWrong => "SecurityCodeWrong",
    CryptogramVersionUnknown => "CryptogramVersionUnknown",
    CryptogramWrong => "CryptogramWrong",
    CounterReplayed => "CounterReplayed",
    ExpiryWrong => "ExpiryWrong",
    CardLost => "CardLost",
    CardStolen => "CardStolen",
    CardBlocked => "CardBlocked",
    CardClosed => "CardClosed",
    TokenNotActive => "TokenNotActive",
    CardExpired => "CardExpired",
    PinBlockMalformed => "PinBlockMalformed",
    PinTriesExceeded => "PinTriesExceeded",
    PinWrong => "PinWrong",
    TransactionLimit => "TransactionLimit",
    DailyLimit => "DailyLimit",
    FundsInsufficient => "FundsInsufficient",
    AdvisedDecline => "AdvisedDecline",
    OriginalUnknown => "OriginalUnknown",
    OriginalDeclined => "OriginalDeclined",
    NothingLeft => "NothingLeft",
});

impl Reason {
    /// DE39 (1987) that a request declined for this reason gets.
    #[must_use]
    pub const fn response_code(self) -> ResponseCode {
        ResponseCode(*match self {
            Self::KeyReused => b"94",
            Self::AcceptorUnknown => b"03",
            Self::CurrencyNotServed => b"12",
            Self::AmountMissing => b"13",
            Self::CardUnknown | Self::CardClosed => b"14",
            Self::ProofMissing
            | Self::ChipDataOnStripe
            | Self::SecurityCodeWrong
            | Self::CryptogramVersionUnknown
            | Self::CryptogramWrong
            | Self::CounterReplayed => b"82",
            Self::CardLost => b"41",
            Self::CardStolen => b"43",
            Self::CardBlocked | Self::TokenNotActive => b"62",
            Self::ExpiryWrong | Self::CardExpired => b"54",
            Self::PinBlockMalformed => b"86",
            Self::PinTriesExceeded => b"75",
            Self::PinWrong => b"55",
            Self::TransactionLimit | Self::DailyLimit => b"61",
            Self::FundsInsufficient => b"51",
            // the originator has long given up: it only must not take this for an approval
            Self::Reversed => b"05",
            Self::AdvisedDecline | Self::OriginalUnknown | Self::OriginalDeclined | Self::NothingLeft => b"00",
        })
    }
}

/// Something that was acknowledged as the rules demand, and that a person should look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exception {
    /// A completion that names no open hold: posted by force.
    CompletionWithoutHold,
    /// A reversal that names another amount or card than its original: nothing was moved.
    ReversalDiffers,
    /// The pre-authorization to be reversed is no longer held.
    HoldEnded,
    /// The card of an advice is unknown: posted against suspense.
    CardUnknown,
    /// Merchant or terminal of an advice is unknown: posted all the same.
    AcceptorUnknown,
    /// Another currency than ours: nothing was posted.
    CurrencyNotServed,
}

ledger::stored_words!(Exception, "column `auth.exception`" {
    CompletionWithoutHold => "completion-without-hold",
    ReversalDiffers => "reversal-differs",
    HoldEnded => "hold-ended",
    CardUnknown => "card-unknown",
    AcceptorUnknown => "acceptor-unknown",
    CurrencyNotServed => "currency-not-served",
});

/// Decides one request. Limits and expiry are judged by the business date it is stamped with.
#[must_use]
pub fn decide(request: &Request, facts: &Facts<'_>) -> Decision {
    if let Some(decision) = repeat::seen_before(request, facts) {
        return decision;
    }
    match request.kind {
        Kind::Reversal => reversal::decide(request, facts),
        _ if request.advice => advice::decide(request, facts),
        _ => match refuse(request, facts) {
            Some(reason) => Decision::Decline(reason),
            None => grant(request, facts),
        },
    }
}

/// The checks of a request, in the order of [`Reason`].
fn refuse(request: &Request, facts: &Facts<'_>) -> Option<Reason> {
    if !facts.acceptor_known {
        return Some(Reason::AcceptorUnknown);
    }
    if request.currency != facts.rules.currency {
        return Some(Reason::CurrencyNotServed);
    }
    let moves_money = matches!(request.kind, Kind::Purchase | Kind::PreAuthorization | Kind::Refund);
    if moves_money && request.amount.0 == 0 {
        return Some(Reason::AmountMissing);
    }
    let Some(card) = facts.card else { return Some(Reason::CardUnknown) };
    if request.kind == Kind::Refund {
        // money owed to a cardholder arrives, whatever became of card or token
        return None;
    }
    card::not_genuine(request, facts, card)
        .or_else(|| card::not_usable(facts, card, request.business_date))
        .or_else(|| pin::refuse(facts, card))
        .or_else(|| limits::refuse(request, facts, card))
}

fn grant(request: &Request, facts: &Facts<'_>) -> Decision {
    let minor = request.amount.0;
    Decision::Approve(match request.kind {
        Kind::Purchase => Movement::Capture { minor: limits::affordable(request, facts) },
        Kind::PreAuthorization => Movement::Hold { minor: limits::affordable(request, facts) },
        Kind::Refund => Movement::Refund { minor },
        _ => Movement::None,
    })
}

/// DE39 of the answer to a decision other than a repeat.
#[must_use]
pub fn response_code(request: &Request, decision: &Decision) -> ResponseCode {
    match decision {
        Decision::Decline(reason) => reason.response_code(),
        Decision::Approve(_) if request.kind == Kind::AccountVerification => ResponseCode(*b"85"),
        Decision::Approve(movement) if movement.minor() < request.amount.0 && *movement != Movement::None => {
            ResponseCode(*b"10")
        }
        Decision::Approve(_) | Decision::Acknowledge { .. } | Decision::Repeat => ResponseCode(*b"00"),
    }
}

/// The transaction counter that this decision records. A genuine cryptogram counts even when the request is declined;
/// a request that was folded into an earlier one is not a new use of the card.
#[must_use]
pub fn counter_seen(decision: &Decision, proof: &Proof) -> Option<u16> {
    match (decision, proof.cryptogram) {
        (Decision::Repeat | Decision::Decline(Reason::KeyReused | Reason::Reversed), _) => None,
        (_, Cryptogram::Right { atc }) => Some(atc),
        _ => None,
    }
}

/// The PIN try that this decision counts. None for a card that did not prove genuine, or anyone with a PAN could lock it.
#[must_use]
pub fn pin_count(decision: &Decision, facts: &Facts<'_>) -> PinCount {
    pin::count(decision, facts)
}

impl Facts<'_> {
    fn role_has_card_of_ours(role: Role) -> bool {
        matches!(role, Role::OnUs | Role::Issued)
    }
}

/// Whether the plastic, or the device in its place, may be used.
fn usable(card: &Card, token: Option<&Token>) -> Option<Reason> {
    match card.status {
        CardStatus::Lost => return Some(Reason::CardLost),
        CardStatus::Stolen => return Some(Reason::CardStolen),
        CardStatus::Blocked => return Some(Reason::CardBlocked),
        CardStatus::Closed => return Some(Reason::CardClosed),
        CardStatus::Active => {}
    }
    token.filter(|token| token.status != TokenStatus::Active).map(|_| Reason::TokenNotActive)
}
