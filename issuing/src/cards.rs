//! Issuing cards: account, card, opening balance, and the bureau's file.

use std::path::Path;

use codecs::value::{Expiry, Pan};
use futures::{StreamExt, TryStreamExt, stream};
use hsm::{CardOrder, DeliveryItem, DeliveryKind, KeySet, PanEnvelope, PanIndex, PersonalisedCard};
use jiff::Timestamp;

use ledger::store::StoreError;
use ledger::store::account::{NewAccount, open_account};
use ledger::store::card::{self, NewCard};

use super::orders::{CardProfile, Cards};
use super::{IssuingError, Office, number};

/// Cards under way at once: personalising is a low-priority verb, and the database commits each card by itself.
const AT_ONCE: usize = 8;
/// Cards of 16 digits, and of 19, below the issuer's BIN.
const RANGE_16: &str = "00";
const RANGE_19: &str = "19";
/// PIN verification key index of new cards.
const PVKI: u8 = 1;

/// One card to be made.
struct Plan<'a> {
    profile: &'a CardProfile,
    note: String,
}

/// Issues `cards`, writes the delivery file and returns how many there are.
pub async fn issue(office: &Office, cards: &Cards, deliver_to: &Path, now: Timestamp) -> Result<usize, IssuingError> {
    for profile in &cards.card {
        profile.check().map_err(|reason| IssuingError::Orders { path: "cards".into(), reason })?;
    }
    let plans = cards.card.iter().flat_map(|profile| {
        (1..=profile.count).map(move |at| Plan {
            profile,
            note: if profile.count == 1 { profile.note.clone() } else { format!("{} {at}", profile.note) },
        })
    });
    let items: Vec<DeliveryItem> =
        stream::iter(plans).map(|plan| one(office, plan, now)).buffered(AT_ONCE).try_collect().await?;
    let count = items.len();
    office.deliver(DeliveryKind::Cards, items, deliver_to).await?;
    Ok(count)
}

async fn one(office: &Office, plan: Plan<'_>, now: Timestamp) -> Result<DeliveryItem, IssuingError> {
    let pan = next_pan(office, plan.profile).await?;
    let keys = KeySet::new(office.config.issuer.key_set.as_str())?;
    let digits = plan.profile.expiry.as_bytes();
    let two = |at: usize| (digits[at] - b'0') * 10 + digits[at + 1] - b'0';
    let expiry = Expiry::new(two(0), two(2)).expect("checked with the profile");
    let service_code = plan.profile.service_code.as_bytes().try_into().expect("checked with the profile");
    let personalised = office
        .operator
        .personalise_card(CardOrder {
            pan: pan.clone(),
            expiry,
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

/// The one element of an answer about one thing.
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

/// Cards and tokens draw from one sequence.
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
        currency: office.config.currency,
        opening_minor: profile.balance_minor,
        pan_index: &made.index.0,
        acquirer: &office.config.acquirer_id,
        now,
    };
    let masked = made.pan.masked();
    open_account(&mut client, &account, async |account| {
        let card = NewCard {
            // an account has one card, under its own number
            card_id: account.account_id(),
            pan_index: &made.index.0,
            pan_envelope: made.envelope.as_bytes(),
            pan_masked: &masked,
            expiry: &profile.expiry,
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
