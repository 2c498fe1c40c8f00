//! Facts found before the lock: the card's rows, and the HSM's verdict on the card and PIN as presented.
//!
//! The HSM turns the PAN into an index; a cache in memory, keyed by salted hashes, spares that call for a PAN seen
//! before. The index finds the card's row, and one compound HSM verb verifies security code, cryptogram and PIN together.

mod cache;
mod card_reader;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use codecs::value::{Expiry, Pan};
use deadpool_postgres::Pool;
use hsm::{
    CardCheck, CardVerdict, ChipCheck, ChipOutcome, Client, CodeCheck, CodeOutcome, CodeRead, HsmError, KeyName,
    PanEnvelope, PanIndex, PinCheck, PinOutcome, PinReference,
};
use jiff::{Span, Timestamp};
use ledger::acquired::AcquiredCard;
use ledger::bucket::bucket_of;
use ledger::capture::NamedBy;
use ledger::journal::{Kind, Role, RowKey};
use ledger::row_location::RowLocation;
use ledger::store::{Acceptors, CardLookup, StoreError, capture, card_lookup};
use metrics::histogram;
use sha2::{Digest, Sha256};

use crate::authorize::{Cryptogram, Pin, Proof, SecurityCode};
use crate::batch::PreparedRequest;
use crate::request::{CardEntry, Presented, Request};

use cache::BoundedCache;
use card_reader::ReaderGone;

pub use card_reader::CardReader;

/// Room of each cache: about a million indexes, 700 000 cards, and half a million foreign cards.
const INDEXES_BYTES: u64 = 112 << 20;
const CARDS_BYTES: u64 = 256 << 20;
const FOREIGN_BYTES: u64 = 40 << 20;

/// How long a capture is looked for when a refund names it: longer than any scheme lets a refund be late.
const REFUNDABLE_DAYS: i32 = 400;

/// Card status update of an approval (EMV CVN 18): byte 2, bit 8, issuer approves the online transaction.
const APPROVE: [u8; 4] = [0x00, 0x80, 0x00, 0x00];

/// Why the facts could not be found. The request is answered 96 and not journalled, so its repeat is decided anew.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    #[error("HSM: {0}")]
    Hsm(#[from] HsmError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// As `Store`, of a query that several requests shared.
    #[error(transparent)]
    Lookup(#[from] Arc<StoreError>),
    #[error(transparent)]
    ReaderGone(#[from] ReaderGone),
    #[error("the funding PAN of a token does not open: its row was tampered with")]
    Tampered,
}

impl FactsError {
    /// Whether the card's row may have been changed since it was cached: its envelope or its keys were of a generation
    /// that has been retired meanwhile. No PIN was verified then, so asking again costs no try.
    fn may_be_of_an_old_row(&self) -> bool {
        matches!(self, Self::Tampered | Self::Hsm(HsmError::KeyMissing(_)))
    }
}

/// Finds facts, with its caches. Shared by all connections.
#[derive(Debug)]
pub struct FactFinder {
    hsm: Client,
    pool: Pool,
    zone_key: KeyName,
    indexes: BoundedCache<[u8; 32], PanIndex>,
    /// Salt of the hashes that key the cache of indexes, so that PANs cannot be guessed from them.
    salt: [u8; 32],
    lookups: BoundedCache<PanIndex, Arc<CardLookup>>,
    /// Sealed PANs of foreign cards: sealing is the HSM's work.
    foreign: BoundedCache<PanIndex, PanEnvelope>,
    reader: CardReader,
    acceptors: RwLock<Arc<Acceptors>>,
}

impl FactFinder {
    /// Starts with empty caches. `salt` is random.
    pub fn new(
        hsm: Client,
        pool: Pool,
        reader: CardReader,
        acceptors: Acceptors,
        salt: [u8; 32],
    ) -> Result<Self, HsmError> {
        Ok(Self {
            hsm,
            pool,
            zone_key: KeyName::zone_pin("host")?,
            indexes: BoundedCache::of_bytes(INDEXES_BYTES),
            salt,
            lookups: BoundedCache::of_bytes(CARDS_BYTES),
            foreign: BoundedCache::of_bytes(FOREIGN_BYTES),
            reader,
            acceptors: RwLock::new(Arc::new(acceptors)),
        })
    }

    /// Merchants and terminals as last read.
    pub fn acceptors(&self) -> Arc<Acceptors> {
        Arc::clone(&self.acceptors.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces merchants and terminals.
    pub fn set_acceptors(&self, acceptors: Acceptors) {
        *self.acceptors.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(acceptors);
    }

    /// Adds to a request the facts that a lane needs to decide it.
    pub async fn find(
        &self,
        mut request: Request,
        presented: &Presented,
        now: Timestamp,
    ) -> Result<PreparedRequest, FactsError> {
        let started = Instant::now();
        let index = match &presented.pan {
            Some(pan) => Some(self.index_of(pan).await?),
            None => None,
        };
        request.identify(index);
        let card = match (index, request.role) {
            (Some(index), Role::OnUs | Role::Issued) => self.card(index).await?,
            _ => None,
        };
        let mut location = match (&card, index) {
            (Some(card), _) => card.location,
            (None, Some(index)) => RowLocation::NoAccount { bucket: bucket_of(&index.0) },
            (None, None) => self.without_card(&request).await?,
        };
        let acquired = match (request.role, index, &presented.pan) {
            (Role::Acquired, Some(index), Some(pan)) => Some(self.acquired(&request, index, pan, presented).await?),
            _ => None,
        };
        histogram!("host_stage_seconds", "stage" => "facts").record(started.elapsed().as_secs_f64());
        let (proof, icc_approval) = match (&card, index, &presented.pan) {
            (Some(card), Some(index), Some(pan)) if must_prove(&request) => {
                match self.prove(&request, presented, card, pan).await {
                    Err(error) if error.may_be_of_an_old_row() => {
                        self.lookups.forget(&index);
                        let Some(card) = self.card(index).await? else { return Err(error) };
                        location = card.location;
                        self.prove(&request, presented, &card, pan).await?
                    }
                    proved => proved?,
                }
            }
            // whoever guesses numbers sends a code with each
            (None, Some(_), Some(_))
                if presented.code.is_some() && request.role != Role::Acquired && must_prove(&request) =>
            {
                (Proof { security_code: SecurityCode::Unchecked, ..Proof::default() }, None)
            }
            _ => (Proof::default(), None),
        };
        let acceptor_known = request.role == Role::Issued
            || self.acceptors().knows(request.merchant.as_ref(), request.terminal.as_ref());
        let (refund_of, followed_by) = self.captures(&request, &location).await?;
        Ok(PreparedRequest {
            request,
            location,
            proof,
            icc_approval,
            acceptor_known,
            received_at: now,
            acquired,
            refund_of,
            followed_by,
        })
    }

    /// Drops the cached row of a card that has changed.
    pub fn forget(&self, pan_index: Option<PanIndex>) {
        if let Some(index) = pan_index {
            self.lookups.forget(&index);
        }
    }

    async fn index_of(&self, pan: &Pan) -> Result<PanIndex, FactsError> {
        let salted = Sha256::new().chain_update(self.salt).chain_update(pan.expose()).finalize().into();
        if let Some(index) = self.indexes.get(&salted) {
            return Ok(index);
        }
        let found = self.hsm.pan_index(std::slice::from_ref(pan)).await?;
        let index = *found.first().ok_or(HsmError::Unavailable("no index came back"))?;
        self.indexes.put(salted, index);
        Ok(index)
    }

    async fn card(&self, index: PanIndex) -> Result<Option<Arc<CardLookup>>, FactsError> {
        if let Some(card) = self.lookups.get(&index) {
            return Ok(Some(card));
        }
        // an unknown card is not cached: it may be issued at any moment
        let Some(card) = self.reader.read(index).await?? else { return Ok(None) };
        self.lookups.put(index, Arc::clone(&card));
        Ok(Some(card))
    }

    /// The captures that a refund to a card of ours names, and what was refunded and captured in their name.
    async fn captures(
        &self,
        request: &Request,
        location: &RowLocation,
    ) -> Result<(Vec<RowKey>, Vec<RowKey>), FactsError> {
        let RowLocation::OurAccount { bucket, account_id, .. } = *location else { return Ok(Default::default()) };
        if !request.is_refund() || !request.names_another() {
            return Ok(Default::default());
        }
        let by = NamedBy {
            life_cycle: request.life_cycle.as_deref(),
            key: request.referred.map(|referred| referred.financial.original),
            rrn: request.rrn,
            approval_code: request.approval_code,
            merchant: request.merchant,
        };
        let last = request.key.date.saturating_add(Span::new().days(1));
        let dates = (last.saturating_sub(Span::new().days(REFUNDABLE_DAYS)), last);
        Ok(capture::find(&self.pool, (bucket, account_id), dates, &by).await?)
    }

    /// The place of a message that names no card: that of its original, if it is found.
    async fn without_card(&self, request: &Request) -> Result<RowLocation, FactsError> {
        let nowhere = RowLocation::NoAccount { bucket: bucket_of(&request.key.original.0) };
        if request.kind != Kind::Reversal {
            return Ok(nowhere);
        }
        let keys: Vec<_> =
            [Some(request.key), request.other_class].into_iter().flatten().map(|key| key.original).collect();
        Ok(card_lookup::probe(&self.pool, request.key.date, &keys).await?.unwrap_or(nowhere))
    }

    /// The card of an acquired transaction, sealed for its presentment. It is stored with the transaction, or not at all.
    async fn acquired(
        &self,
        request: &Request,
        pan_index: PanIndex,
        pan: &Pan,
        presented: &Presented,
    ) -> Result<AcquiredCard, FactsError> {
        let envelope = match self.foreign.get(&pan_index) {
            Some(envelope) => envelope,
            None => {
                let (_, envelope) = self.hsm.tokenize(pan, &pan_index.0).await?;
                self.foreign.put(pan_index, envelope.clone());
                envelope
            }
        };
        Ok(AcquiredCard {
            pan_index,
            envelope,
            masked: pan.masked(),
            expiry: presented.expiry.map(|expiry| expiry.to_string()),
            chip: presented.clearing_chip.clone().filter(|_| request.kind != Kind::Reversal),
        })
    }

    async fn prove(
        &self,
        request: &Request,
        presented: &Presented,
        card: &CardLookup,
        pan: &Pan,
    ) -> Result<(Proof, Option<Vec<u8>>), FactsError> {
        let expiry = presented.expiry;
        let check = self.check(request, presented, card, pan);
        if check.code.is_none() && check.chip.is_none() && check.pin.is_none() {
            return Ok((Proof { expiry, ..Proof::default() }, None));
        }
        let atc = presented.chip.as_ref().map(|chip| u16::from_be_bytes(chip.data.atc));
        let started = Instant::now();
        let verdict = self.hsm.check_card(check).await?;
        histogram!("host_stage_seconds", "stage" => "hsm").record(started.elapsed().as_secs_f64());
        read_verdict(verdict, atc, expiry)
    }

    fn check(&self, request: &Request, presented: &Presented, card: &CardLookup, pan: &Pan) -> CardCheck {
        // a device has no stripe and no printed code: only its cryptogram is verified
        let code = presented.code.as_ref().filter(|_| card.funding.is_none());
        CardCheck {
            presented: pan.clone(),
            funding: card.funding.clone().map(|envelope| (envelope, pan.expose().to_vec())),
            issuer_keys: card.issuer_keys.clone(),
            code: code.zip(presented.expiry).map(|(code, expiry)| CodeCheck {
                read: match (code.service_code, request.card_entry) {
                    (Some(_), CardEntry::Chip) => CodeRead::Chip,
                    (Some(service_code), _) => CodeRead::Stripe { service_code },
                    (None, _) => CodeRead::Keyed,
                },
                expiry,
                value: code.value.clone(),
            }),
            pin: presented.pin.as_ref().map(|block| PinCheck {
                block: block.clone(),
                zone_key: self.zone_key.clone(),
                reference: PinReference::Pvv { pvv: card.pvv.clone(), pvki: card.pvki },
            }),
            chip: presented.chip.as_ref().map(|chip| ChipCheck {
                keys: card.chip_keys.clone(),
                psn: presented.sequence.unwrap_or(card.sequence),
                cryptogram: chip.cryptogram,
                data: chip.data.clone(),
                approve_csu: APPROVE,
            }),
        }
    }
}

/// Whether the card must be proved genuine. Not for refunds, reversals and advices.
fn must_prove(request: &Request) -> bool {
    !request.advice
        && matches!(
            request.kind,
            Kind::Purchase | Kind::PreAuthorization | Kind::BalanceInquiry | Kind::AccountVerification
        )
}

fn read_verdict(
    verdict: CardVerdict,
    atc: Option<u16>,
    expiry: Option<Expiry>,
) -> Result<(Proof, Option<Vec<u8>>), FactsError> {
    let mut approval = None;
    let proof = Proof {
        security_code: match verdict.code {
            None => SecurityCode::Absent,
            Some(CodeOutcome::Ok) => SecurityCode::Right,
            Some(CodeOutcome::Wrong) => SecurityCode::Wrong,
            Some(CodeOutcome::ChipDataOnStripe) => SecurityCode::ChipDataOnStripe,
        },
        cryptogram: match (verdict.chip, atc) {
            (Some(ChipOutcome::Ok { approval: value }), Some(atc)) => {
                // with a token the phone has left the terminal by now and expects no tag 91
                approval = Some(value).filter(|value| !value.is_empty());
                Cryptogram::Right { atc }
            }
            (Some(ChipOutcome::UnknownVersion(_)), _) => Cryptogram::VersionUnknown,
            (Some(ChipOutcome::Wrong | ChipOutcome::Ok { .. }), _) => Cryptogram::Wrong,
            (None, _) => Cryptogram::Absent,
        },
        pin: match verdict.pin {
            None => Pin::Absent,
            Some(PinOutcome::Ok) => Pin::Right,
            Some(PinOutcome::Wrong) => Pin::Wrong,
            Some(PinOutcome::FormatError) => Pin::Malformed,
            Some(PinOutcome::EnvelopeMismatch) => return Err(FactsError::Tampered),
        },
        expiry,
    };
    Ok((proof, approval))
}
