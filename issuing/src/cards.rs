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

use super::names::must_be_free;
use super::orders::{CardProfile, Cards};
use super::{IssuingError, Office, number};

/// Cards in progress at once: personalising is a low-priority verb of the HSM, and each card is a transaction of its
/// own.
const AT_ONCE: usize = 8;
/// Digits after the issuer's BIN: of cards with 16 digits, and of those with 19.
const RANGE_16: &str = "00";
const RANGE_19: &str = "19";
/// PIN verification key index (PVKI) of new cards.
const PVKI: u8 = 1;

/// One card to be issued.
struct Plan<'a> {
    profile: &'a CardProfile,
    note: String,
    reference: Option<Reference>,
    account_reference: Option<Reference>,
}

impl<'a> Plan<'a> {
    /// The cards of a profile. If there are several, each name and note gets a number at its end.
    fn of(profile: &'a CardProfile) -> Result<Vec<Self>, NotAReference> {
        let numbered = |reference: &Option<Reference>, at: u32| match (reference, profile.count) {
            (Some(reference), 2..) => Reference::new(format!("{reference}-{at}")).map(Some),
            (reference, _) => Ok(reference.clone()),
        };
        let plan = |at| {
            Ok(Self {
                profile,
                note: if profile.count == 1 { profile.note.clone() } else { format!("{} {at}", profile.note) },
                reference: numbered(&profile.reference, at)?,
                account_reference: numbered(&profile.account_reference, at)?,
            })
        };
        (1..=profile.count).map(plan).collect()
    }
}

/// Issues `cards`, writes the delivery file and returns the number of cards.
pub async fn issue(office: &Office, cards: &Cards, deliver_to: &Path, now: Timestamp) -> Result<usize, IssuingError> {
    for profile in &cards.card {
        let wrong = |mistake| format!("{}: {mistake}", profile.note);
        profile.check().map_err(|mistake| IssuingError::Orders { path: "cards".into(), reason: wrong(mistake) })?;
    }
    let mut plans = Vec::new();
    for profile in &cards.card {
        plans.extend(Plan::of(profile)?);
    }
    must_be_free(office, ReferenceKind::Card, plans.iter().filter_map(|plan| plan.reference.as_ref())).await?;
    must_be_free(office, ReferenceKind::Account, plans.iter().filter_map(|plan| plan.account_reference.as_ref()))
        .await?;
    let items: Vec<DeliveryItem> =
        stream::iter(plans).map(|plan| one(office, plan, now)).buffered(AT_ONCE).try_collect().await?;
    let count = items.len();
    office.deliver(DeliveryKind::Cards, items, deliver_to).await?;
    Ok(count)
}

async fn one(office: &Office, plan: Plan<'_>, now: Timestamp) -> Result<DeliveryItem, IssuingError> {
    let pan = next_pan(office, plan.profile).await?;
    let keys = KeySet::new(office.config.issuer.key_set.as_str())?;
    let service_code = plan.profile.service_code.as_bytes().try_into().expect("checked with the profile");
    let personalised = office
        .operator
        .personalise_card(CardOrder {
            pan: pan.clone(),
            expiry: plan.profile.expiry,
            psn: plan.profile.sequence,
            service_code,
            pvki: PVKI,
            keys: keys.clone(),
            note: plan.note.clone(),
            balance_minor: plan.profile.balance_minor,
            currency: office.config.currency,
        })
        .await?;
    let index = first(office.hsm.pan_index(std::slice::from_ref(&pan)).await?)?;
    let (_, envelope) = office.hsm.tokenize(&pan, &index.0).await?;
    store(office, &plan, &Made { pan: &pan, index, envelope, keys, personalised: &personalised }, now).await?;
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

async fn next_pan(office: &Office, profile: &CardProfile) -> Result<Pan, IssuingError> {
    let serial = next_serial(office).await?;
    let range = if profile.digits == 19 { RANGE_19 } else { RANGE_16 };
    let prefix = format!("{}{range}", office.config.issuer.bin);
    number::pan(&prefix, profile.digits.into(), serial).ok_or(IssuingError::RangeUsedUp(prefix))
}

/// The next number of a card or token: both come from one sequence.
pub(super) async fn next_serial(office: &Office) -> Result<u64, IssuingError> {
    let client = office.pool.get().await.map_err(StoreError::from)?;
    Ok(card::next_serial(&**client).await?)
}

struct Made<'a> {
    pan: &'a Pan,
    index: PanIndex,
    envelope: PanEnvelope,
    keys: KeySet,
    personalised: &'a PersonalisedCard,
}

async fn store(office: &Office, plan: &Plan<'_>, made: &Made<'_>, now: Timestamp) -> Result<(), IssuingError> {
    let profile = plan.profile;
    let mut client = office.pool.get().await.map_err(StoreError::from)?;
    let account = NewAccount {
        reference: plan.account_reference.as_ref(),
        currency: office.config.currency(),
        opening: Minor(profile.balance_minor),
        pan_index: made.index,
        acquirer: office.config.acquirer_id(),
        now,
    };
    let masked = made.pan.masked();
    open_account(&mut client, &account, async |account| {
        let card = NewCard {
            // an account has one card, with the account's number
            card_id: account.account_id(),
            reference: plan.reference.as_ref(),
            pan_index: &made.index,
            pan_envelope: made.envelope.as_bytes(),
            pan_masked: &masked,
            expiry: profile.expiry,
            sequence: profile.sequence,
            service_code: &profile.service_code,
            pvki: made.personalised.pvki,
            pvv: &made.personalised.pvv,
            key_set: &made.keys,
            status: profile.status,
            limit_txn_minor: profile.limit_txn_minor,
            limit_day_minor: profile.limit_day_minor,
            note: &plan.note,
        };
        Ok(account.add_card(&card).await?)
    })
    .await
}
