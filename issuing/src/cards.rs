//! Issues cards: account, card, opening balance, and the delivery file for the personalisation bureau.

use std::path::Path;

use codecs::value::{Minor, Pan};
use futures::{StreamExt, TryStreamExt, stream};
use hsm::{CardOrder, DeliveryItem, DeliveryKind, KeySet, PanEnvelope, PanIndex, PersonalisedCard};
use jiff::Timestamp;
use ledger::reference::{NotAReference, Reference, ReferenceKind};
use ledger::store::StoreError;
use ledger::store::account::{NewAccount, open_account};
use ledger::store::card::{self, NewCard};

use super::orders::{CardProfile, Cards};
use super::reference_check::must_be_free;
use super::{IssuingContext, IssuingError, number};

/// Cards in progress at once: personalising is a low-priority verb of the HSM, and each card is a transaction of its
/// own.
const AT_ONCE: usize = 8;
/// Digits after the issuer's BIN: of cards with 16 digits, and of those with 19.
const RANGE_16: &str = "00";
const RANGE_19: &str = "19";
/// PIN verification key index (PVKI) of new cards.
const PVKI: u8 = 1;

/// One card to be issued.
struct PlannedCard<'a> {
    profile: &'a CardProfile,
    note: String,
    reference: Option<Reference>,
    account_reference: Option<Reference>,
}

impl<'a> PlannedCard<'a> {
    /// The cards of a profile. If there are several, each name and note gets a number at its end.
    fn of(profile: &'a CardProfile) -> Result<Vec<Self>, NotAReference> {
        let numbered = |reference: &Option<Reference>, at: u32| match (reference, profile.count) {
            (Some(reference), 2..) => Reference::new(format!("{reference}-{at}")).map(Some),
            (reference, _) => Ok(reference.clone()),
        };
        let card = |at| {
            Ok(Self {
                profile,
                note: if profile.count == 1 { profile.note.clone() } else { format!("{} {at}", profile.note) },
                reference: numbered(&profile.reference, at)?,
                account_reference: numbered(&profile.account_reference, at)?,
            })
        };
        (1..=profile.count).map(card).collect()
    }
}

/// Issues `cards`, writes the delivery file and returns the number of cards.
pub async fn issue(
    context: &IssuingContext,
    cards: &Cards,
    deliver_to: &Path,
    now: Timestamp,
) -> Result<usize, IssuingError> {
    for profile in &cards.card {
        let wrong = |mistake| format!("{}: {mistake}", profile.note);
        profile.check().map_err(|mistake| IssuingError::Orders { path: "cards".into(), reason: wrong(mistake) })?;
    }
    let mut planned_cards = Vec::new();
    for profile in &cards.card {
        planned_cards.extend(PlannedCard::of(profile)?);
    }
    must_be_free(context, ReferenceKind::Card, planned_cards.iter().filter_map(|planned| planned.reference.as_ref()))
        .await?;
    must_be_free(
        context,
        ReferenceKind::Account,
        planned_cards.iter().filter_map(|planned| planned.account_reference.as_ref()),
    )
    .await?;
    let items: Vec<DeliveryItem> =
        stream::iter(planned_cards).map(|planned| one(context, planned, now)).buffered(AT_ONCE).try_collect().await?;
    let count = items.len();
    context.deliver(DeliveryKind::Cards, items, deliver_to).await?;
    Ok(count)
}

async fn one(context: &IssuingContext, planned: PlannedCard<'_>, now: Timestamp) -> Result<DeliveryItem, IssuingError> {
    let pan = next_pan(context, planned.profile).await?;
    let keys = KeySet::new(context.config.issuer.key_set.as_str())?;
    let service_code = planned.profile.service_code.as_bytes().try_into().expect("checked with the profile");
    let personalised = context
        .operator
        .personalise_card(CardOrder {
            pan: pan.clone(),
            expiry: planned.profile.expiry,
            psn: planned.profile.sequence,
            service_code,
            pvki: PVKI,
            keys: keys.clone(),
            note: planned.note.clone(),
            balance_minor: planned.profile.balance_minor,
            currency: context.config.currency,
        })
        .await?;
    let index = first(context.hsm.pan_index(std::slice::from_ref(&pan)).await?)?;
    let (_, envelope) = context.hsm.tokenize(&pan, &index.0).await?;
    store(
        context,
        &planned,
        &PersonalisedAccount { pan: &pan, index, envelope, keys, personalised: &personalised },
        now,
    )
    .await?;
    Ok(personalised.delivery)
}

/// The only element of an answer about one card.
pub(super) fn first<T>(mut found: Vec<T>) -> Result<T, hsm::HsmError> {
    if found.len() == 1 {
        Ok(found.remove(0))
    } else {
        Err(hsm::HsmError::Unavailable("the answer is not about one card"))
    }
}

async fn next_pan(context: &IssuingContext, profile: &CardProfile) -> Result<Pan, IssuingError> {
    let serial = next_serial(context).await?;
    let range = if profile.digits == 19 { RANGE_19 } else { RANGE_16 };
    let prefix = format!("{}{range}", context.config.issuer.bin);
    number::pan(&prefix, profile.digits.into(), serial).ok_or(IssuingError::RangeUsedUp(prefix))
}

/// The next number of a card or token: both come from one sequence.
pub(super) async fn next_serial(context: &IssuingContext) -> Result<u64, IssuingError> {
    let client = context.pool.get().await.map_err(StoreError::from)?;
    Ok(card::next_serial(&**client).await?)
}

struct PersonalisedAccount<'a> {
    pan: &'a Pan,
    index: PanIndex,
    envelope: PanEnvelope,
    keys: KeySet,
    personalised: &'a PersonalisedCard,
}

async fn store(
    context: &IssuingContext,
    planned: &PlannedCard<'_>,
    account_data: &PersonalisedAccount<'_>,
    now: Timestamp,
) -> Result<(), IssuingError> {
    let profile = planned.profile;
    let mut client = context.pool.get().await.map_err(StoreError::from)?;
    let account = NewAccount {
        reference: planned.account_reference.as_ref(),
        currency: context.config.currency(),
        opening: Minor(profile.balance_minor),
        pan_index: account_data.index,
        acquirer: context.config.acquirer_id(),
        now,
    };
    let masked = account_data.pan.masked();
    open_account(&mut client, &context.writer, &account, async |account| {
        let card = NewCard {
            // an account has one card, with the account's number
            card_id: account.account_id(),
            reference: planned.reference.as_ref(),
            pan_index: &account_data.index,
            pan_envelope: account_data.envelope.as_bytes(),
            pan_masked: &masked,
            expiry: profile.expiry,
            sequence: profile.sequence,
            service_code: &profile.service_code,
            pvki: account_data.personalised.pvki,
            pvv: &account_data.personalised.pvv,
            key_set: &account_data.keys,
            status: profile.status,
            limit_txn_minor: profile.limit_txn_minor,
            limit_day_minor: profile.limit_day_minor,
            note: &planned.note,
        };
        Ok(account.add_card(&card).await?)
    })
    .await
}
