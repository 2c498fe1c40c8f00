//! The authorization decision: a request and the facts about it in, a decision out. Pure: no clock, no table, no
//! socket.
//!
//! The lane has loaded every fact under lock before, so a decision can be repeated – after a serialization failure, or
//! years later against other rules – with the same result.

use crate::request::Request;
use std::collections::{BTreeMap, BTreeSet};

use codecs::value::{Currency, Expiry, Number, ResponseCode};
use jiff::Timestamp;
use ledger::account::Account;
use ledger::card::{Card, CardStatus};
use ledger::hold::{Hold, HoldState};
use ledger::journal::{Kind, Role, Row};
use ledger::movement::Movement;
use ledger::token::{Token, TokenStatus};

mod advice;
mod card;
mod limits;
mod pin;
mod refund;
mod repeat;
mod reversal;
mod security_code;
#[cfg(test)]
mod tests;

pub use pin::PinCount;
pub use security_code::{CodeCount, CodeTry, carries_code};

/// The HSM's outcomes for a card and PIN as presented.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    pub security_code: SecurityCode,
    pub cryptogram: Cryptogram,
    pub pin: Pin,
    /// Expiry date that the card presented.
    pub expiry: Option<Expiry>,
}

/// Outcome for the card security code: CVV, iCVV or CVV2, by the way the card was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecurityCode {
    #[default]
    Absent,
    Right,
    Wrong,
    /// A printed code with a number that is no card of ours: nobody can say.
    Unchecked,
    /// The iCVV of a chip on a magnetic stripe: copied chip data.
    ChipDataOnStripe,
}

/// Outcome for the application cryptogram (ARQC) of a chip or a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cryptogram {
    #[default]
    Absent,
    Right {
        atc: u16,
    },
    Wrong,
    /// A cryptogram version without a rule here; not the same as a wrong cryptogram.
    VersionUnknown,
}

/// Outcome for the online PIN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pin {
    #[default]
    Absent,
    Right,
    Wrong,
    /// The block does not decipher to a PIN: the keys differ, the cardholder made no mistake.
    Malformed,
}

/// Rules of the issuer that apply to every card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The currency of our accounts.
    pub currency: Currency,
    /// Wrong PINs in a row until the PIN is blocked.
    pub max_pin_tries: i16,
    /// By merchant category: how far a completion may exceed what was authorized, in percent of it, before someone should
    /// look.
    pub completion_tolerance: BTreeMap<u16, u8>,
    /// A balance is told only to who knows the PIN.
    pub balance_needs_pin: bool,
    /// Wrong printed codes or expiry dates in a row, until requests that carry the code are refused for a day.
    pub max_code_tries: i16,
    /// What a terminal of ours may give back in a day without naming a sale.
    pub max_unreferenced_refunds_minor: i64,
    /// Merchant categories whose chip may have signed another amount than the message has: it was not known yet.
    pub chip_amount_free: BTreeSet<u16>,
}

impl Rules {
    /// The tolerance of a merchant category, in percent.
    #[must_use]
    pub fn tolerance_percent(&self, mcc: Option<Number<4>>) -> u8 {
        let mcc = mcc.and_then(|mcc| u16::try_from(mcc.0).ok());
        mcc.and_then(|mcc| self.completion_tolerance.get(&mcc)).copied().unwrap_or(0)
    }
}

/// Everything that a decision depends on, besides the request.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub rules: &'a Rules,
    /// The journal row under this message's own key, if there is one.
    pub earlier: Option<&'a Row>,
    /// The journal has a full reversal of this request: it was reversed, or its reversal came first.
    pub reversed: bool,
    /// A partial reversal of this request came first: what stands after it.
    pub standing: Option<i64>,
    /// Merchant and terminal are ours and known, or belong to a foreign acquirer.
    pub acceptor_known: bool,
    pub card: Option<&'a Card>,
    pub token: Option<&'a Token>,
    pub account: Option<&'a Account>,
    pub proof: &'a Proof,
    /// For a reversal: the row to be reversed. For a completion that names a sale: that sale. For a refund: the capture that
    /// it names.
    pub original: Option<&'a Row>,
    /// What earlier reversals of the original gave back.
    pub already_reversed_minor: i64,
    /// What earlier completions that name the original captured on top of it.
    pub adjusted_minor: i64,
    /// For a refund: what was captured of what it names, less what was given back of it. `None` if it names nothing known.
    pub refundable_minor: Option<i64>,
    /// For a refund at a merchant of ours that names nothing known: what its terminal may still give back so that day.
    pub unreferenced_left_minor: Option<i64>,
    /// The hold that a completion, increment or reversal means; it may have ended.
    pub hold: Option<&'a Hold>,
    /// Several holds answer to what the message says.
    pub hold_ambiguous: bool,
    /// The cardholder has let the merchant keep the card's number.
    pub credential_stored: bool,
    /// Too many printed codes of this merchant were wrong: its printed codes are refused.
    pub codes_refused_here: bool,
    /// When the message came.
    pub at: Timestamp,
}

/// The outcome of a decision: how to answer, and what to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A repeat: same key, same content. The stored answer is sent again, and nothing else happens.
    Repeat,
    Decline(Reason),
    /// A request approved; partially if the movement is smaller than the requested amount.
    Approve(Movement),
    /// An advice or a reversal: always acknowledged, because what it reports has happened.
    Acknowledge {
        movement: Movement,
        reason: Option<Reason>,
        exception: Option<Exception>,
    },
}

/// Why a request was declined, or an advice moved nothing. In the order of the checks: the first that applies is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The key was used before with other content.
    KeyReused,
    /// The request was reversed before, or its reversal came first.
    Reversed,
    /// A kind of transaction that is not served.
    KindNotServed,
    /// Our merchant or terminal is unknown.
    AcceptorUnknown,
    CurrencyNotServed,
    /// The amount is zero where one is required.
    AmountMissing,
    /// The amounts of the message contradict each other.
    AmountsContradict,
    /// Too many wrong printed codes from this merchant and link: every one is refused for a while, the right one too.
    MerchantCodeTriesExceeded,
    CardUnknown,
    /// The card presented no proof that it is genuine: no security code, no cryptogram.
    ProofMissing,
    ChipDataOnStripe,
    /// Too many wrong printed codes: every one is refused for a day, the right one too.
    SecurityCodeTriesExceeded,
    SecurityCodeWrong,
    CryptogramVersionUnknown,
    CryptogramWrong,
    /// The transaction counter was used before.
    CounterReplayed,
    /// The chip signed another amount than the message has.
    ChipAmountDiffers,
    /// The chip signed another amount of cash back.
    ChipCashBackDiffers,
    /// The chip signed another currency.
    ChipCurrencyDiffers,
    /// The chip signed another date.
    ChipDateDiffers,
    /// The chip signed another transaction type.
    ChipTypeDiffers,
    /// The cryptogram is not one with which a chip asks its issuer.
    ChipDidNotAsk,
    /// The card presented another expiry date than the stored one.
    ExpiryWrong,
    CardLost,
    CardStolen,
    CardBlocked,
    CardClosed,
    TokenNotActive,
    CardExpired,
    /// The balance is told only to who knows the PIN.
    PinMissing,
    /// The PIN block is malformed: the keys differ.
    PinBlockMalformed,
    PinTriesExceeded,
    PinWrong,
    TransactionLimit,
    DailyLimit,
    /// More would be given back than was captured.
    RefundOverOriginal,
    /// The terminal has given back too much that day without naming a sale.
    TerminalRefundsExceeded,
    FundsInsufficient,
    // from here on: what an advice or reversal reports
    /// The advice reports a decline.
    AdvisedDecline,
    /// The original of the reversal is not in the journal: the row becomes a tombstone.
    OriginalUnknown,
    /// The original of the reversal was declined.
    OriginalDeclined,
    /// Nothing is left to reverse.
    NothingLeft,
    /// The advice is of a kind that is not served.
    NotServed,
}

ledger::stored_words!(Reason, "column `auth.reason`" {
    KeyReused => "KeyReused",
    Reversed => "Reversed",
    KindNotServed => "KindNotServed",
    AcceptorUnknown => "AcceptorUnknown",
    CurrencyNotServed => "CurrencyNotServed",
    AmountMissing => "AmountMissing",
    AmountsContradict => "AmountsContradict",
    MerchantCodeTriesExceeded => "MerchantCodeTriesExceeded",
    CardUnknown => "CardUnknown",
    ProofMissing => "ProofMissing",
    ChipDataOnStripe => "ChipDataOnStripe",
    SecurityCodeTriesExceeded => "SecurityCodeTriesExceeded",
    SecurityCodeWrong => "SecurityCodeWrong",
    CryptogramVersionUnknown => "CryptogramVersionUnknown",
    CryptogramWrong => "CryptogramWrong",
    CounterReplayed => "CounterReplayed",
    ChipAmountDiffers => "ChipAmountDiffers",
    ChipCashBackDiffers => "ChipCashBackDiffers",
    ChipCurrencyDiffers => "ChipCurrencyDiffers",
    ChipDateDiffers => "ChipDateDiffers",
    ChipTypeDiffers => "ChipTypeDiffers",
    ChipDidNotAsk => "ChipDidNotAsk",
    ExpiryWrong => "ExpiryWrong",
    CardLost => "CardLost",
    CardStolen => "CardStolen",
    CardBlocked => "CardBlocked",
    CardClosed => "CardClosed",
    TokenNotActive => "TokenNotActive",
    CardExpired => "CardExpired",
    PinMissing => "PinMissing",
    PinBlockMalformed => "PinBlockMalformed",
    PinTriesExceeded => "PinTriesExceeded",
    PinWrong => "PinWrong",
    TransactionLimit => "TransactionLimit",
    DailyLimit => "DailyLimit",
    RefundOverOriginal => "RefundOverOriginal",
    TerminalRefundsExceeded => "TerminalRefundsExceeded",
    FundsInsufficient => "FundsInsufficient",
    AdvisedDecline => "AdvisedDecline",
    OriginalUnknown => "OriginalUnknown",
    OriginalDeclined => "OriginalDeclined",
    NothingLeft => "NothingLeft",
    NotServed => "NotServed",
});

impl Reason {
    /// Response code (DE39, 1987) of a request declined for this reason.
    #[must_use]
    pub const fn response_code(self) -> ResponseCode {
        ResponseCode(*match self {
            Self::KeyReused => b"94",
            Self::AcceptorUnknown => b"03",
            Self::CurrencyNotServed => b"12",
            Self::AmountMissing | Self::AmountsContradict => b"13",
            Self::CardUnknown | Self::CardClosed => b"14",
            Self::ProofMissing
            | Self::ChipDataOnStripe
            | Self::SecurityCodeWrong
            | Self::CryptogramVersionUnknown
            | Self::CryptogramWrong
            | Self::CounterReplayed
            | Self::ChipAmountDiffers
            | Self::ChipCashBackDiffers
            | Self::ChipCurrencyDiffers
            | Self::ChipDateDiffers
            | Self::ChipTypeDiffers
            | Self::ChipDidNotAsk => b"82",
            Self::SecurityCodeTriesExceeded | Self::MerchantCodeTriesExceeded => b"63",
            Self::CardLost => b"41",
            Self::CardStolen => b"43",
            Self::CardBlocked | Self::TokenNotActive => b"62",
            Self::ExpiryWrong | Self::CardExpired => b"54",
            Self::PinBlockMalformed => b"86",
            Self::PinTriesExceeded => b"75",
            Self::PinWrong => b"55",
            Self::TransactionLimit | Self::DailyLimit | Self::RefundOverOriginal | Self::TerminalRefundsExceeded => {
                b"61"
            }
            Self::FundsInsufficient => b"51",
            // the originator has given up long ago; it must only not see an approval
            Self::Reversed => b"05",
            Self::AdvisedDecline
            | Self::OriginalUnknown
            | Self::OriginalDeclined
            | Self::NothingLeft
            | Self::NotServed => b"00",
            Self::KindNotServed => b"57",
            Self::PinMissing => b"55",
        })
    }
}

/// An irregularity of a message that had to be acknowledged, for the back office to review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exception {
    /// A completion that no hold answers to, and that names none: posted by force. Rows of earlier versions have this word for
    /// the next three as well.
    CompletionWithoutHold,
    /// A completion that names an authorization which is not known: posted by force.
    CompletionOfUnknown,
    /// A completion of a hold that was released or has expired: posted by force.
    CompletionAfterRelease,
    /// A completion of a hold of which all that was authorized is captured already: posted.
    CompletionOfCaptured,
    /// A reversal with another amount or card than its original: nothing was moved.
    ReversalDiffers,
    /// A reversal of a pre-authorization whose hold has ended.
    HoldEnded,
    /// An advice with an unknown card: posted against suspense.
    CardUnknown,
    /// An advice with an unknown merchant or terminal: posted all the same.
    AcceptorUnknown,
    /// A currency other than ours: nothing was posted.
    CurrencyNotServed,
    /// An advice or reversal under the key of another one with other content: nothing was moved.
    KeyReused,
    /// A partial reversal that would leave more standing than an earlier one: nothing was moved.
    StandingRaised,
    /// A completion that several holds answer to: posted, none of them was ended.
    HoldAmbiguous,
    /// A completion over what was authorized and the tolerance: posted.
    CompletionOverHold,
    /// An advice that names a captured sale and tells less than was captured: nothing was moved.
    AdjustmentLower,
    /// An advice of a kind that is not served: nothing was posted.
    NotServed,
    /// An advice of what was reversed before: nothing was posted.
    ReversedBefore,
    /// The message says of the amount in the card's currency what is not so: posted at our own rate.
    BillingDiffers,
    /// More was given back than was captured: posted.
    RefundOverOriginal,
    /// A refund at a merchant of ours that names nothing known: posted.
    RefundUnreferenced,
    /// The same, beyond what its terminal may give back in a day: posted.
    TerminalRefundsExceeded,
}

impl Exception {
    /// The message took no effect, so the row under its key stays free for the one that does.
    #[must_use]
    pub const fn leaves_the_key(self) -> bool {
        matches!(self, Self::KeyReused | Self::ReversalDiffers | Self::StandingRaised)
    }
}

ledger::stored_words!(Exception, "column `auth.exception`" {
    CompletionWithoutHold => "completion-without-hold",
    CompletionOfUnknown => "completion-of-unknown",
    CompletionAfterRelease => "completion-after-release",
    CompletionOfCaptured => "completion-of-captured",
    ReversalDiffers => "reversal-differs",
    HoldEnded => "hold-ended",
    CardUnknown => "card-unknown",
    AcceptorUnknown => "acceptor-unknown",
    CurrencyNotServed => "currency-not-served",
    KeyReused => "key-reused",
    StandingRaised => "standing-raised",
    HoldAmbiguous => "hold-ambiguous",
    CompletionOverHold => "completion-over-hold",
    AdjustmentLower => "adjustment-lower",
    NotServed => "not-served",
    ReversedBefore => "reversed-before",
    BillingDiffers => "billing-differs",
    RefundOverOriginal => "refund-over-original",
    RefundUnreferenced => "refund-unreferenced",
    TerminalRefundsExceeded => "terminal-refunds-exceeded",
});

/// Decides one request. Limits and expiry are checked against its business date.
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
    if request.kind == Kind::NotServed {
        return Some(Reason::KindNotServed);
    }
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
    if request.cash_back.is_some_and(|cash| cash > request.sent().minor) {
        return Some(Reason::AmountsContradict);
    }
    if facts.codes_refused_here && carries_code(request, facts.proof) {
        return Some(Reason::MerchantCodeTriesExceeded);
    }
    let Some(card) = facts.card else { return Some(Reason::CardUnknown) };
    if request.is_refund() {
        // a refund reaches the cardholder whatever the status of card or token
        return refund::refuse(request, facts);
    }
    card::not_genuine(request, facts, card)
        .or_else(|| card::not_usable(facts, card, request.business_date))
        .or_else(|| pin::refuse(request, facts, card))
        .or_else(|| limits::refuse(request, facts, card))
}

fn grant(request: &Request, facts: &Facts<'_>) -> Decision {
    let affordable = facts.within_standing(limits::affordable(request, facts));
    Decision::Approve(match (request.kind, facts.hold) {
        (Kind::Purchase, _) => Movement::Capture { minor: affordable },
        (Kind::PreAuthorization, Some(hold)) if hold.state == HoldState::Open => {
            Movement::Raise { minor: affordable, hold: hold.auth_id }
        }
        (Kind::PreAuthorization, _) => Movement::Hold { minor: affordable },
        (Kind::Refund, _) => Movement::Refund { minor: facts.within_standing(request.amount.0) },
        _ => Movement::None,
    })
}

/// Response code (DE39) of the answer to a decision other than a repeat.
#[must_use]
pub fn response_code(request: &Request, decision: &Decision) -> ResponseCode {
    match decision {
        Decision::Decline(reason) => reason.response_code(),
        Decision::Approve(_) if matches!(request.kind, Kind::AccountVerification | Kind::RefundAuthorization) => {
            ResponseCode(*b"85")
        }
        Decision::Approve(movement) if movement.minor() < request.amount.0 && *movement != Movement::None => {
            ResponseCode(*b"10")
        }
        Decision::Approve(_) | Decision::Acknowledge { .. } | Decision::Repeat => ResponseCode(*b"00"),
    }
}

/// The transaction counter to be recorded. A genuine cryptogram counts even if the request is declined; a repeat is not
/// a new use of the card.
#[must_use]
pub fn counter_seen(decision: &Decision, proof: &Proof) -> Option<u16> {
    match (decision, proof.cryptogram) {
        (Decision::Repeat | Decision::Decline(Reason::KeyReused | Reason::Reversed), _) => None,
        (_, Cryptogram::Right { atc }) => Some(atc),
        _ => None,
    }
}

/// The change of the PIN try counter. None for a card that is not proved genuine, or anybody with a PAN could block its
/// PIN.
#[must_use]
pub fn pin_count(decision: &Decision, facts: &Facts<'_>) -> PinCount {
    pin::count(decision, facts)
}

/// What a person should look at of a refund that was posted.
#[must_use]
pub fn refund_exception(request: &Request, facts: &Facts<'_>) -> Option<Exception> {
    refund::exception(request, facts)
}

/// The change of the counter of wrong printed codes.
#[must_use]
pub fn code_count(request: &Request, decision: &Decision, facts: &Facts<'_>) -> CodeCount {
    security_code::count(request, decision, facts)
}

/// What the printed code of a decided request proved to be; `None` if nothing was learned of it.
#[must_use]
pub fn code_try(request: &Request, decision: &Decision, proof: &Proof) -> Option<CodeTry> {
    security_code::tried(request, decision, proof)
}

impl Facts<'_> {
    /// The amount, or what a partial reversal that came first leaves of it.
    fn within_standing(&self, minor: i64) -> i64 {
        self.standing.map_or(minor, |standing| minor.min(standing))
    }

    fn role_has_card_of_ours(role: Role) -> bool {
        matches!(role, Role::OnUs | Role::Issued)
    }
}

/// Why the status of the card, or of the device in its place, forbids its use; `None` if it does not.
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
