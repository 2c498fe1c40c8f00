//! The programs' side: a handle that can be cloned, and one task that owns the socket.
mod connection;

use std::path::PathBuf;
use std::time::Duration;

use codecs::value::{Mac, Pan};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::card::{CardCheck, CardVerdict};
use crate::edge::{EdgeCheck, EdgeVerdict, MacKey};
use crate::issue::{CardOrder, CodeOrder, PersonalisedCard, TerminalKeys, TerminalOrder, TokenOrder};
use crate::pin::{IssuedPin, PinChange, PinChangeOutcome, PinOrder};
use crate::secret::{DataKey, SecurityCode};
use crate::vault::{PanEnvelope, PanIndex};
use crate::verb::{Answer, Verb};
use crate::{DeliveryItem, Health, HsmError};

/// Envelopes revealed in one job; more would hold up authorizations (each takes about 6 µs).
pub const REVEAL_BATCH: usize = 16;
/// PANs indexed in one job.
const INDEX_BATCH: usize = 64;
/// Requests that may wait for the socket; beyond it callers are told `Busy`.
const WAITING: usize = 4096;

/// Where the daemon is and how long its callers wait.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConfig {
    /// The socket of this program's role.
    pub socket: PathBuf,
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
    /// A socket with the default time limits.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), timeout_ms: default_timeout_ms(), batch_timeout_ms: default_batch_timeout_ms() }
    }
}

/// A request on its way to the connection's task.
#[derive(Debug)]
struct Call {
    verb: Verb,
    deadline: Instant,
    reply: oneshot::Sender<Result<Answer, HsmError>>,
}

/// A handle to `hsmd`. Clones share one connection, which is made anew whenever it is lost.
///
/// A call that has not been sent waits for the connection until its deadline. A call that was sent when the connection
/// broke is sent again if it can do no harm; a PIN verification or translation is not, and ends as `Unavailable`.
#[derive(Debug, Clone)]
pub struct Client {
    calls: mpsc::Sender<Call>,
    timeout: Duration,
    batch_timeout: Duration,
}

impl Client {
    /// Starts the connection's task on the current runtime. It connects by itself; whether the daemon is there is learned
    /// from [`Client::health`]. The task ends when the last clone is dropped.
    pub fn new(config: &ClientConfig) -> Self {
        let (calls, queue) = mpsc::channel(WAITING);
        tokio::spawn(connection::run(config.socket.clone(), queue));
        Self {
            calls,
            timeout: Duration::from_millis(config.timeout_ms.into()),
            batch_timeout: Duration::from_millis(config.batch_timeout_ms.into()),
        }
    }

    /// [`Client::new`] with the default time limits.
    pub fn connect(socket: impl Into<PathBuf>) -> Self {
        Self::new(&ClientConfig::new(socket))
    }

    /// State of the module as its supervisor sees it.
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

    /// Everything the module can tell about one card read, in one job.
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

    /// Makes a MAC: for a message to a terminal, or over the head of a hash chain under `audit`.
    pub async fn mac(&self, key: MacKey, data: &[u8]) -> Result<Mac, HsmError> {
        match self.call(Verb::Mac { key, data: data.to_vec() }).await? {
            Answer::Mac(mac) => Ok(mac),
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

    /// Verifies the old PIN and makes what will verify the new one.
    pub async fn change_pin(&self, change: PinChange) -> Result<PinChangeOutcome, HsmError> {
        match self.call(Verb::ChangePin(Box::new(change))).await? {
            Answer::PinChanged(outcome) => Ok(outcome),
            _ => Err(MISMATCH),
        }
    }

    /// Draws a new PIN for a card; the PIN itself goes to the printer of mailers alone. Operator role.
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

    async fn call(&self, verb: Verb) -> Result<Answer, HsmError> {
        let limit = if verb.kind().is_low_priority() { self.batch_timeout } else { self.timeout };
        let deadline = Instant::now() + limit;
        let (reply, answer) = oneshot::channel();
        self.calls.try_send(Call { verb, deadline, reply }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => HsmError::Busy,
            mpsc::error::TrySendError::Closed(_) => HsmError::Unavailable("the connection's task has ended"),
        })?;
        match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(HsmError::Unavailable("the connection's task has ended")),
            Err(_) => Err(HsmError::Unavailable("no answer before the deadline")),
        }
    }
}

/// An answer of another kind than the verb's: `wire` reads answers by the verb that was asked, so this cannot come off a socket.
const MISMATCH: HsmError = HsmError::Unavailable("the answer is not to this verb");
