//! The client of `hsmd`: a handle that can be cloned, and for each daemon one task that owns the socket.
mod connection;
mod daemons;
mod sockets;

use std::sync::Arc;
use std::time::Duration;

use codecs::value::{Mac, Pan};
use serde::Deserialize;
use tokio::time::Instant;

use crate::audit_seal::AuditSeal;
use crate::card::{CardCheck, CardVerdict};
use crate::delivery_file::DeliveryItem;
use crate::edge::{EdgeCheck, EdgeVerdict, MacKey, MacOutcome};
use crate::error::HsmError;
use crate::health::Health;
use crate::issue::{CardOrder, CodeOrder, PersonalisedCard, TerminalKeys, TerminalOrder, TokenOrder};
use crate::key_block::KeyBlock;
use crate::key_exchange::{CheckValues, KeyImportOutcome, KeyOrder, MadeKey};
use crate::name::KeyName;
use crate::pin::{IssuedPin, PinChange, PinChangeOutcome, PinOrder};
use crate::script::{ScriptOrder, ScriptOutcome};
use crate::secret::{DataKey, RandomBytes, SecurityCode};
use crate::vault::{PanEnvelope, PanIndex, REVEAL_BATCH};
use crate::verb::{Answer, Verb};
use daemons::{Daemons, Reply};
pub use sockets::Sockets;

/// PANs indexed in one job.
const INDEX_BATCH: usize = 64;

/// Where the daemon is and how long its callers wait.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConfig {
    /// The socket of this program's role, or the sockets of all daemons that serve the token.
    pub socket: Sockets,
    /// How long a verb of an authorization may take, waiting for a reconnection included.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u32,
    /// The same for `reveal` and for orders of new secrets, which yield to authorizations.
    #[serde(default = "default_batch_timeout_ms")]
    pub batch_timeout_ms: u32,
}

fn default_timeout_ms() -> u32 {
    1_000
}

fn default_batch_timeout_ms() -> u32 {
    10_000
}

impl ClientConfig {
    /// Sockets with the default time limits.
    pub fn new(socket: impl Into<Sockets>) -> Self {
        Self { socket: socket.into(), timeout_ms: default_timeout_ms(), batch_timeout_ms: default_batch_timeout_ms() }
    }
}

/// A handle to `hsmd`, or to several daemons that serve the same token. Clones share one connection to each, which is made
/// anew whenever it is lost.
///
/// Calls are spread over the daemons that serve. A daemon that is about to reopen its module gets none, and neither does one
/// whose answers have been overdue for 50 ms. A call that has not been sent goes to another daemon, or waits for a
/// connection until its deadline. A call that was sent when the connection broke is repeated if that does no harm; a PIN
/// verification or translation is not repeated and ends as `Unavailable`.
#[derive(Debug, Clone)]
pub struct Client {
    daemons: Arc<Daemons>,
    timeout: Duration,
    batch_timeout: Duration,
}

impl Client {
    /// Starts the connections' tasks on the current runtime. They connect by themselves; whether a daemon is there is
    /// learned from [`Client::health`]. The tasks end when the last clone is dropped.
    pub fn new(config: &ClientConfig) -> Self {
        let sockets = config.socket.paths();
        let (daemons, tasks) = Daemons::new(sockets.len());
        for (socket, task) in sockets.iter().zip(tasks) {
            tokio::spawn(connection::run(socket.clone(), task));
        }
        Self {
            daemons: Arc::new(daemons),
            timeout: Duration::from_millis(config.timeout_ms.into()),
            batch_timeout: Duration::from_millis(config.batch_timeout_ms.into()),
        }
    }

    /// [`Client::new`] with the default time limits.
    pub fn connect(socket: impl Into<Sockets>) -> Self {
        Self::new(&ClientConfig::new(socket))
    }

    /// State of the module as its supervisor sees it; of several daemons, that of the one that a call would go to.
    pub async fn health(&self) -> Result<Health, HsmError> {
        match self.call(Verb::Health).await? {
            Answer::Health(health) => Ok(health),
            _ => Err(MISMATCH),
        }
    }

    /// The keyed index of each PAN, in order.
    pub async fn pan_index(&self, pans: &[Pan]) -> Result<Vec<PanIndex>, HsmError> {
        let mut indexes = Vec::with_capacity(pans.len());
        for batch in pans.chunks(INDEX_BATCH) {
            match self.call(Verb::PanIndex(batch.to_vec())).await? {
                Answer::PanIndex(part) if part.len() == batch.len() => indexes.extend(part),
                _ => return Err(MISMATCH),
            }
        }
        Ok(indexes)
    }

    /// Index and envelope of a PAN that is to be stored; `aad` binds the envelope to its row and is needed to open it.
    pub async fn tokenize(&self, pan: &Pan, aad: &[u8]) -> Result<(PanIndex, PanEnvelope), HsmError> {
        match self.call(Verb::Tokenize { pan: pan.clone(), aad: aad.to_vec() }).await? {
            Answer::Tokenize(index, envelope) => Ok((index, envelope)),
            _ => Err(MISMATCH),
        }
    }

    /// The PANs in envelopes, in order, for clearing. `None` stands for an envelope that does not open with its `aad`.
    /// Any number; they travel [`REVEAL_BATCH`] a job, behind authorizations.
    pub async fn reveal(&self, envelopes: &[(PanEnvelope, Vec<u8>)]) -> Result<Vec<Option<Pan>>, HsmError> {
        let mut pans = Vec::with_capacity(envelopes.len());
        for batch in envelopes.chunks(REVEAL_BATCH) {
            match self.call(Verb::Reveal(batch.to_vec())).await? {
                Answer::Reveal(part) if part.len() == batch.len() => pans.extend(part),
                _ => return Err(MISMATCH),
            }
        }
        Ok(pans)
    }

    /// The same PANs in fresh envelopes under the vault key's newest generation, in order; `None` stands for one that does not
    /// open with its `aad`. Any number; they travel [`REVEAL_BATCH`] a job, behind authorizations.
    pub async fn reseal(&self, envelopes: &[(PanEnvelope, Vec<u8>)]) -> Result<Vec<Option<PanEnvelope>>, HsmError> {
        let mut resealed = Vec::with_capacity(envelopes.len());
        for batch in envelopes.chunks(REVEAL_BATCH) {
            match self.call(Verb::Reseal(batch.to_vec())).await? {
                Answer::Reseal(part) if part.len() == batch.len() => resealed.extend(part),
                _ => return Err(MISMATCH),
            }
        }
        Ok(resealed)
    }

    /// All checks of one card read, in one job.
    pub async fn check_card(&self, check: CardCheck) -> Result<CardVerdict, HsmError> {
        match self.call(Verb::CheckCard(Box::new(check))).await? {
            Answer::CheckCard(verdict) => Ok(verdict),
            _ => Err(MISMATCH),
        }
    }

    /// Checks a message's MAC and re-enciphers its PIN, in one job.
    pub async fn edge(&self, check: EdgeCheck) -> Result<EdgeVerdict, HsmError> {
        match self.call(Verb::Edge(Box::new(check))).await? {
            Answer::Edge(verdict) => Ok(verdict),
            _ => Err(MISMATCH),
        }
    }

    /// Makes a MAC for a message to a terminal or into a zone.
    pub async fn mac(&self, key: MacKey, data: &[u8]) -> Result<Mac, HsmError> {
        match self.call(Verb::Mac { key, data: data.to_vec() }).await? {
            Answer::Mac(mac) => Ok(mac),
            _ => Err(MISMATCH),
        }
    }

    /// Seals the head of a hash chain under the audit key.
    pub async fn seal(&self, data: &[u8]) -> Result<AuditSeal, HsmError> {
        match self.call(Verb::Seal(data.to_vec())).await? {
            Answer::Sealed(seal) => Ok(seal),
            _ => Err(MISMATCH),
        }
    }

    /// Whether a seal was made under this installation's audit key, in the generation that the seal names.
    pub async fn check_seal(&self, data: &[u8], seal: &AuditSeal) -> Result<MacOutcome, HsmError> {
        match self.call(Verb::CheckSeal { data: data.to_vec(), seal: seal.clone() }).await? {
            Answer::SealChecked(outcome) => Ok(outcome),
            _ => Err(MISMATCH),
        }
    }

    /// The data key of this name, if it belongs to this socket's role.
    pub async fn data_key(&self, name: &str) -> Result<DataKey, HsmError> {
        match self.call(Verb::DataKey(name.to_owned())).await? {
            Answer::DataKey(key) => Ok(key),
            _ => Err(MISMATCH),
        }
    }

    /// Verifies the old PIN and makes the reference value (PVV or offset) of the new one.
    pub async fn change_pin(&self, change: PinChange) -> Result<PinChangeOutcome, HsmError> {
        match self.call(Verb::ChangePin(Box::new(change))).await? {
            Answer::PinChanged(outcome) => Ok(outcome),
            _ => Err(MISMATCH),
        }
    }

    /// Draws a new PIN for a card; the PIN itself goes only to the printer of PIN mailers. Operator role.
    pub async fn issue_pin(&self, order: PinOrder) -> Result<IssuedPin, HsmError> {
        match self.call(Verb::IssuePin(Box::new(order))).await? {
            Answer::PinIssued(issued) => Ok(issued),
            _ => Err(MISMATCH),
        }
    }

    /// The code that belongs on a stripe, in a chip or on a panel. Operator role.
    pub async fn card_code(&self, order: CodeOrder) -> Result<SecurityCode, HsmError> {
        match self.call(Verb::CardCode(Box::new(order))).await? {
            Answer::CardCode(code) => Ok(code),
            _ => Err(MISMATCH),
        }
    }

    /// A command for a card, to go out with the answer to its cryptogram.
    pub async fn script(&self, order: ScriptOrder) -> Result<ScriptOutcome, HsmError> {
        match self.call(Verb::Script(Box::new(order))).await? {
            Answer::Script(outcome) => Ok(outcome),
            _ => Err(MISMATCH),
        }
    }

    /// Takes a partner's working key out of a TR-31 block under the protection key `kbpk/<partner>` that is shared with it.
    pub async fn import_key(&self, under: &KeyName, block: &str) -> Result<KeyImportOutcome, HsmError> {
        match self.call(Verb::ImportKey { under: under.clone(), block: block.to_owned() }).await? {
            Answer::KeyImported(outcome) => Ok(outcome),
            _ => Err(MISMATCH),
        }
    }

    /// Draws a working key and exports it to a partner as a TR-31 block.
    pub async fn draw_key(&self, order: KeyOrder) -> Result<MadeKey, HsmError> {
        match self.call(Verb::DrawKey(order)).await? {
            Answer::KeyDrawn(made) => Ok(made),
            _ => Err(MISMATCH),
        }
    }

    /// Check values of a working key.
    pub async fn check_values(&self, block: &KeyBlock) -> Result<CheckValues, HsmError> {
        match self.call(Verb::CheckValues(block.clone())).await? {
            Answer::CheckValues(values) => Ok(values),
            _ => Err(MISMATCH),
        }
    }

    /// Bytes from the module's generator, 1024 at most.
    pub async fn random(&self, length: u16) -> Result<RandomBytes, HsmError> {
        match self.call(Verb::Random(length)).await? {
            Answer::Random(bytes) => Ok(bytes),
            _ => Err(MISMATCH),
        }
    }

    /// Draws a PIN for a new card and computes its PVV, codes and card key. Operator role.
    pub async fn personalise_card(&self, order: CardOrder) -> Result<PersonalisedCard, HsmError> {
        match self.call(Verb::PersonaliseCard(Box::new(order))).await? {
            Answer::Personalised(card) => Ok(card),
            _ => Err(MISMATCH),
        }
    }

    /// The delivery item for a token's device. Operator role.
    pub async fn personalise_token(&self, order: TokenOrder) -> Result<DeliveryItem, HsmError> {
        match self.call(Verb::PersonaliseToken(Box::new(order))).await? {
            Answer::Delivery(item) => Ok(item),
            _ => Err(MISMATCH),
        }
    }

    /// Fresh keys for a terminal. Operator role.
    pub async fn terminal_keys(&self, order: TerminalOrder) -> Result<TerminalKeys, HsmError> {
        match self.call(Verb::TerminalKeys(Box::new(order))).await? {
            Answer::TerminalKeys(keys) => Ok(keys),
            _ => Err(MISMATCH),
        }
    }

    /// Check value of the transport key, for the head of a delivery file. Operator role.
    pub async fn transport_kcv(&self) -> Result<String, HsmError> {
        match self.call(Verb::TransportKcv).await? {
            Answer::TransportKcv(kcv) => Ok(kcv),
            _ => Err(MISMATCH),
        }
    }

    async fn call(&self, mut verb: Verb) -> Result<Answer, HsmError> {
        let limit = if verb.kind().is_low_priority() { self.batch_timeout } else { self.timeout };
        let deadline = Instant::now() + limit;
        loop {
            match self.daemons.put(verb, deadline).await {
                Reply::Answered(result) => return result,
                Reply::Returned(again) => verb = again,
            }
        }
    }
}

/// An answer of another kind than the request's. `wire` reads answers by the request's verb, so this cannot come off a socket.
const MISMATCH: HsmError = HsmError::Unavailable("the answer is not to this verb");
