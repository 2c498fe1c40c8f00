//! One request of a batch, with the facts that were found before the lock.

use jiff::Timestamp;
use ledger::acquired::AcquiredCard;
use ledger::batch_rows::TerminalDay;
use ledger::bucket::{BUCKETS, bucket_of};
use ledger::journal::{Kind, Role, RowKey};
use ledger::key::{JournalKey, RequestKey};
use ledger::row_location::RowLocation;

use crate::authorize::Proof;
use crate::request::Request;

/// A request with its account, the HSM's outcomes and everything else that was found before the lock.
#[derive(Clone, Debug)]
pub struct PreparedRequest {
    pub request: Request,
    pub location: RowLocation,
    pub proof: Proof,
    /// Value of tag 91 (ARPC), sent if the request is approved.
    pub icc_approval: Option<Vec<u8>>,
    pub acceptor_known: bool,
    pub received_at: Timestamp,
    /// An acquired transaction's card, to be kept with it.
    pub acquired: Option<AcquiredCard>,
    /// Of a refund: the captures that it names.
    pub refund_of: Vec<RowKey>,
    /// Refunds and completions that name those, as far as they were committed when they were looked for.
    pub followed_by: Vec<RowKey>,
}

impl PreparedRequest {
    /// The row under a key, in the bucket of this request.
    #[must_use]
    pub fn in_bucket(&self, of: &RequestKey, idem: JournalKey) -> RowKey {
        RowKey { bucket: self.location.bucket(), date: of.date, idem }
    }

    /// The row of this message if its key has another message with other content.
    #[must_use]
    pub fn with_other_content(&self, own: JournalKey) -> RowKey {
        self.in_bucket(&self.request.key, own.with_other_content(&self.request.digest))
    }

    /// Of a reversal: the row of an advice with the key of a request that failed.
    #[must_use]
    pub fn beside(&self, of: &RequestKey) -> RowKey {
        self.in_bucket(of, of.original.with_other_content(&self.request.digest))
    }

    /// The keys under which this request, or the original of this reversal, may stand.
    pub fn candidate_keys(&self) -> impl Iterator<Item = &RequestKey> {
        std::iter::once(&self.request.key).chain(&self.request.other_class)
    }

    /// Keys of the journal rows that are loaded for this request.
    pub fn rows_to_load(&self) -> Vec<RowKey> {
        let request = &self.request;
        let mut keys: Vec<RowKey> = self.candidate_keys().map(|key| self.in_bucket(key, key.original)).collect();
        if request.kind == Kind::Reversal {
            for key in self.candidate_keys() {
                let own = request.partial_standing().map_or(key.reversal, |standing| key.partial(standing));
                keys.push(self.in_bucket(key, own));
                keys.push(self.in_bucket(key, own.with_other_content(&request.digest)));
                keys.push(self.beside(key));
            }
        } else if request.advice {
            keys.push(self.with_other_content(request.key.original));
        }
        if self.is_stray() {
            let originals: Vec<_> = self.candidate_keys().map(|key| (key.date, key.original)).collect();
            let everywhere = (0..i16::from(BUCKETS)).flat_map(|bucket| {
                originals.iter().map(move |(date, idem)| RowKey { bucket, date: *date, idem: *idem })
            });
            keys.extend(everywhere);
        }
        if let Some(referred) = request.referred.filter(|_| request.kind == Kind::Completion) {
            keys.push(self.in_bucket(&referred.financial, referred.financial.original));
        }
        keys.extend(&self.refund_of);
        keys
    }

    /// The rows whose followers are loaded: those that this request may reverse or complete, and its own, whose reversal
    /// may have come first – for want of a PAN, in the bucket that its key gives.
    pub fn followers_to_load(&self) -> Vec<RowKey> {
        let mut keys = Vec::with_capacity(4);
        for key in self.candidate_keys() {
            let here = self.in_bucket(key, key.original);
            keys.push(here);
            if self.request.kind == Kind::Reversal {
                keys.push(self.beside(key));
            } else {
                keys.push(RowKey { bucket: bucket_of(&key.original.0), ..here });
            }
        }
        if let Some(referred) = self.request.referred.filter(|_| self.request.kind == Kind::Completion) {
            let sale = self.in_bucket(&referred.financial, referred.financial.original);
            keys.extend([sale, RowKey { date: self.request.key.date, ..sale }]);
        }
        keys
    }

    /// The captures that a refund names, and what followed from them: what followed from these may stand in any month, by the
    /// date that its sender wrote.
    pub fn captures_to_follow(&self) -> impl Iterator<Item = RowKey> {
        self.refund_of.iter().chain(&self.followed_by).copied()
    }

    /// Of a refund at a merchant of ours that names no capture, and of a reversal there: its terminal's day, and whether there
    /// has to be a row for it.
    #[must_use]
    pub fn terminal_refunds(&self) -> Option<(TerminalDay, bool)> {
        let request = &self.request;
        let opens = request.kind == Kind::Refund && self.refund_of.is_empty();
        let concerns = request.role != Role::Issued && (opens || request.kind == Kind::Reversal);
        let terminal = || request.terminal.as_ref().map_or_else(String::new, |terminal| terminal.as_str().to_owned());
        concerns.then(|| ((request.business_date, terminal()), opens))
    }

    /// A reversal that names no card and found no original: it may be under way in any bucket.
    #[must_use]
    pub fn is_stray(&self) -> bool {
        self.request.kind == Kind::Reversal
            && self.request.pan_index.is_none()
            && matches!(self.location, RowLocation::NoAccount { .. })
    }

    /// The buckets that its keys give, to be locked: exclusively while a stray reversal looks for its original.
    pub fn key_locks(&self) -> impl Iterator<Item = (i16, bool)> {
        let stray = self.is_stray();
        self.candidate_keys().map(move |key| (bucket_of(&key.original.0), stray))
    }

    /// Whether the decision needs the stored credentials of the card.
    #[must_use]
    pub fn needs_credentials(&self) -> bool {
        !self.request.advice && self.request.is_stored_credential()
    }

    /// Whether the decision needs the holds of the account.
    #[must_use]
    pub fn needs_holds(&self) -> bool {
        match self.request.kind {
            Kind::Completion | Kind::Reversal => true,
            // it may raise a hold that it names
            Kind::PreAuthorization => !self.request.advice && self.request.names_another(),
            _ => false,
        }
    }
}
