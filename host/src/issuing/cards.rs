//! Issuing cards: account, card, opening balance, and the bureau's file.

use std::path::Path;

use codecs::value::{Expiry, Pan};
use futures::{StreamExt, TryStreamExt, stream};
use hsm::{CardOrder, DeliveryItem, DeliveryKind, KeySet, PanEnvelope, PanIndex, PersonalisedCard};
use jiff::Timestamp;
use jiff::civil::Date;
use sha2::{Digest, Sha256};

use crate::journal::{Kind, lifecycle_id};
use crate::key::ContentDigest;
use crate::ledger;
use crate::store::{BUCKETS, StoreError, bucket_of};

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
    store(office, &plan, &NewCard { pan: &pan, index, envelope, keys, personalised: &personalised }, now).await?;
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
    let serial: i64 = client.query_one("SELECT nextval('card_number')", &[]).await?.get(0);
    Ok(serial.unsigned_abs())
}

struct NewCard<'a> {
    pan: &'a Pan,
    index: PanIndex,
    envelope: PanEnvelope,
    keys: KeySet,
    personalised: &'a PersonalisedCard,
}

const NEW_ACCOUNT: &str =
    "INSERT INTO account_state (bucket, account_id, currency, ledger_minor, seq) VALUES ($1, $2, $3, $4, 1)";

const NEW_CARD: &str =
    "INSERT INTO card (bucket, card_id, account_id, pan_index, pan_envelope, pan_masked, expiry, psn, service_code,
    pvki, pvv, key_set, status, limit_txn_minor, limit_day_minor, note)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::text::card_status, $14, $15, $16)";

const NEW_ENTRY: &str =
    "INSERT INTO pan_directory (bucket, pan_index, home_bucket, card_id, token_id) VALUES ($1, $2, $3, $4, $5)";

/// The opening balance is a transaction like any other: a journal row, in no chain because no lane made it, and two legs.
const OPENING: &str = "INSERT INTO auth (bucket, idem_date, idem, auth_id, kind, role, advice, digest, pan_index, account_id, card_id,
    account_seq, response_code, requested_minor, approved_minor, currency, link, acquirer, stan, lifecycle, local_at, received_at,
    business_date, cycle, why, lane_instance, batch_seq, batch_pos)
  VALUES ($1, $2, $3, $4, 'opening', 'on-us', false, $5, $6, $7, $8, 1, '00', $9, $9, $10, 'issue', $11, 0, $12, $13, $14, $2, $2,
    '{}', 0, 0, 0)";

const LEG: &str =
    "INSERT INTO ledger (bucket, auth_id, leg, account_kind, account_ref, amount_minor, currency, business_date, cycle)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)";

async fn store(office: &Office, plan: &Plan<'_>, card: &NewCard<'_>, now: Timestamp) -> Result<(), IssuingError> {
    let profile = plan.profile;
    let currency = i16::try_from(office.config.currency).expect("a currency number has three digits");
    let mut client = office.pool.get().await.map_err(StoreError::from)?;
    let transaction = client.transaction().await?;
    let numbers = transaction
        .query_one("SELECT nextval('account_number'), max(date) FROM business_day WHERE state = 'open'", &[])
        .await?;
    let account_id: i64 = numbers.get(0);
    let date = numbers.get::<_, Option<Date>>(1).unwrap_or_else(|| now.to_zoned(jiff::tz::TimeZone::UTC).date());
    let bucket = i16::try_from(account_id % i64::from(BUCKETS)).expect("there are 64 buckets");
    let index = &card.index.0[..];
    let pvv = String::from_utf8_lossy(card.personalised.pvv.expose()).into_owned();
    transaction.execute(NEW_ACCOUNT, &[&bucket, &account_id, &currency, &profile.balance_minor]).await?;
    transaction
        .execute(
            NEW_CARD,
            &[
                &bucket,
                &account_id,
                &account_id,
                &index,
                &card.envelope.as_bytes(),
                &card.pan.masked(),
                &profile.expiry,
                &i16::from(profile.sequence),
                &profile.service_code,
                &i16::from(card.personalised.pvki),
                &pvv,
                &card.keys.as_str(),
                &profile.status,
                &profile.limit_txn_minor,
                &profile.limit_day_minor,
                &plan.note,
            ],
        )
        .await?;
    transaction
        .execute("INSERT INTO card_state (bucket, card_id, account_id) VALUES ($1, $2, $2)", &[&bucket, &account_id])
        .await?;
    transaction.execute(NEW_ENTRY, &[&bucket_of(index), &index, &bucket, &account_id, &None::<i64>]).await?;
    // numbers below the first host epoch's are nobody else's
    let auth_id = account_id;
    let idem = opening_key(account_id);
    let digest =
        ContentDigest::of(Some(&card.index.0), profile.balance_minor, office.config.currency, Kind::Opening.as_str());
    transaction
        .execute(
            OPENING,
            &[
                &bucket,
                &date,
                &&idem[..],
                &auth_id,
                &&digest.0[..],
                &index,
                &account_id,
                &account_id,
                &profile.balance_minor,
                &currency,
                &office.config.acquirer_id,
                &lifecycle_id(auth_id),
                &now.to_zoned(jiff::tz::TimeZone::UTC).datetime(),
                &now,
            ],
        )
        .await?;
    for (number, leg) in (1_i16..).zip(ledger::opening(account_id, profile.balance_minor)) {
        let (kind, amount) = (leg.kind.as_str(), leg.amount_minor);
        transaction
            .execute(LEG, &[&bucket, &auth_id, &number, &kind, &leg.reference, &amount, &currency, &date])
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// The journal key of an account's opening: there is no originator, the account is all there is to name.
fn opening_key(account_id: i64) -> [u8; 16] {
    let hash = Sha256::new().chain_update(b"opening").chain_update(account_id.to_be_bytes()).finalize();
    hash[..16].try_into().expect("a SHA-256 has 32 bytes")
}
