//! Decides the requests of a batch in order of arrival; each decision sees the effects of those before it.

use std::sync::Arc;

use codecs::value::MerchantId;
use ledger::batch_rows::{BatchRows, Changes};
use ledger::card::Card;
use ledger::journal::{Kind, Row, RowKey};
use ledger::row_location::RowLocation;

use crate::authorize::{self, Decision, Facts, Rules};
use crate::guesses::BatchGuesses;

use super::effects::Effects;
use super::ids::Ids;
use super::prepared_request::PreparedRequest;
use super::related_rows::{MeantHold, RelatedRows};

/// Outcome of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new row, which is also among the batch's changes.
    Decided(Arc<Row>),
    /// A repeat: the row that the journal has already.
    Repeated(Arc<Row>),
    /// Declined without a row of its own: its key has a row with other content, or one that was reversed.
    Refused(Arc<Row>),
    /// The card's row has changed since the HSM verified the card: the facts must be found again.
    Stale,
}

/// Outcome of a batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// The rows to be written.
    pub changes: Changes,
    /// The outcomes, one per request, in order.
    pub outcomes: Vec<Outcome>,
}

/// Decides `requests` in order and applies their effects to `loaded`, and notes in `guesses` what printed codes proved to be.
pub fn fold<'a>(
    requests: &'a [PreparedRequest],
    loaded: &mut BatchRows,
    rules: &Rules,
    hold_days: u16,
    ids: &Ids,
    guesses: &mut BatchGuesses<'a>,
) -> Batch {
    let mut batch = Batch::default();
    for prepared in requests {
        let outcome = one(prepared, loaded, rules, hold_days, ids, guesses, &mut batch.changes);
        batch.outcomes.push(outcome);
    }
    batch
}

fn one<'a>(
    prepared: &'a PreparedRequest,
    loaded: &mut BatchRows,
    rules: &Rules,
    hold_days: u16,
    ids: &Ids,
    guesses: &mut BatchGuesses<'a>,
    changes: &mut Changes,
) -> Outcome {
    if is_stale(prepared, loaded) || (prepared.is_stray() && original_elsewhere(prepared, loaded)) {
        return Outcome::Stale;
    }
    let related = RelatedRows::of(prepared, loaded);
    let mut facts = facts(prepared, loaded, rules, &related);
    let carries_code = authorize::carries_code(&prepared.request, &prepared.proof);
    facts.codes_refused_here = carries_code && guesses.refuse(&prepared.request, prepared.received_at);
    let decision = authorize::decide(&related.request, &facts);
    if let (Decision::Repeat, Some(earlier)) = (decision, related.earlier) {
        return Outcome::Repeated(Arc::clone(earlier));
    }
    let mut own = related.own;
    if let Decision::Acknowledge { exception: Some(exception), .. } = decision
        && exception.leaves_the_key()
    {
        if let Some(earlier) = related.other_content {
            return Outcome::Repeated(Arc::clone(earlier));
        }
        own = own.with_other_content(&prepared.request.digest);
    } else if related.earlier.is_some() && prepared.request.advice {
        // its key is that of a request
        own = own.with_other_content(&prepared.request.digest);
    }
    let pin = authorize::pin_count(&decision, &facts);
    let row = super::journal_row::row(prepared, &related, own, &facts, &decision, loaded, ids);
    if matches!(decision, Decision::Decline(_)) && facts.earlier.is_some() {
        return Outcome::Refused(Arc::new(row));
    }
    if let Some(outcome) = authorize::code_try(&prepared.request, &decision, &prepared.proof) {
        guesses.note(&prepared.request, prepared.received_at, outcome);
    }
    let original = facts.original.cloned();
    let code = authorize::code_count(&prepared.request, &decision, &facts);
    let unreferenced = facts.unreferenced_left_minor.is_some();
    let effects = Effects { prepared, decision, pin, code, original: original.as_ref(), unreferenced, hold_days };
    Outcome::Decided(effects.apply(row, loaded, changes))
}

fn is_stale(prepared: &PreparedRequest, loaded: &BatchRows) -> bool {
    let RowLocation::OurAccount { card_id, card_version, token, .. } = prepared.location else { return false };
    let card_stands = loaded.cards.get(&card_id).is_some_and(|card| card.version == card_version);
    let token_stands = token
        .is_none_or(|(token_id, version)| loaded.tokens.get(&token_id).is_some_and(|token| token.version == version));
    !(card_stands && token_stands)
}

/// Whether the original of a reversal without a card was committed, in whatever bucket, since it was looked for.
fn original_elsewhere(prepared: &PreparedRequest, loaded: &BatchRows) -> bool {
    let here = prepared.location.bucket();
    let is_original = |key: &RowKey| {
        key.bucket != here && prepared.candidate_keys().any(|of| of.date == key.date && of.original == key.idem)
    };
    loaded.rows.keys().any(is_original)
}

/// Whether the cardholder has let the merchant keep the card: it was approved there before, or the request names the
/// payment with which it was.
fn credential_is_stored(prepared: &PreparedRequest, loaded: &BatchRows, card: Option<&Card>) -> bool {
    let (request, Some(card)) = (&prepared.request, card) else { return false };
    let merchant = request.merchant.as_ref().map(MerchantId::as_str);
    loaded.credentials.iter().filter(|of| of.card_id == card.card_id).any(|of| {
        request.life_cycle.as_ref() == Some(&of.life_cycle)
            || (of.acquirer == request.acquirer.as_str() && Some(of.merchant.as_str()) == merchant)
    })
}

fn facts<'a>(
    prepared: &'a PreparedRequest,
    loaded: &'a BatchRows,
    rules: &'a Rules,
    related: &RelatedRows<'a>,
) -> Facts<'a> {
    let (account, card, token) = match prepared.location {
        RowLocation::OurAccount { bucket, account_id, card_id, token, .. } => (
            loaded.accounts.get(&(bucket, account_id)),
            loaded.cards.get(&card_id),
            token.and_then(|(token_id, _)| loaded.tokens.get(&token_id)),
        ),
        RowLocation::NoAccount { .. } => (None, None, None),
    };
    let sum = |rows: &[&Row]| rows.iter().map(|row| row.approved.0).sum();
    Facts {
        rules,
        earlier: related.earlier.map(|row| &**row),
        reversed: related.reversed(),
        standing: related.standing(),
        acceptor_known: prepared.acceptor_known,
        card,
        token,
        account,
        proof: &prepared.proof,
        original: related.original.map(|row| &**row),
        already_reversed_minor: sum(&related.reversals),
        adjusted_minor: sum(&related.completions),
        refundable_minor: related.refundable_minor,
        unreferenced_left_minor: related
            .refundable_minor
            .is_none()
            .then(|| prepared.terminal_refunds())
            .flatten()
            .filter(|_| prepared.request.kind == Kind::Refund)
            .map(|(day, _)| {
                rules.max_unreferenced_refunds_minor - loaded.terminal_refunds.get(&day).copied().unwrap_or(0)
            }),
        hold: match related.hold {
            MeantHold::One(hold) => Some(hold),
            MeantHold::None | MeantHold::Several => None,
        },
        hold_ambiguous: matches!(related.hold, MeantHold::Several),
        credential_stored: prepared.needs_credentials() && credential_is_stored(prepared, loaded, card),
        codes_refused_here: false,
        at: prepared.received_at,
    }
}
