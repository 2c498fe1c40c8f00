//! Every request the daemon understands and every answer it gives, as values; `wire` turns them into bytes.
use codecs::value::{Mac, Pan};

use crate::audit_seal::AuditSeal;
use crate::card::{CardCheck, CardVerdict};
use crate::delivery_file::DeliveryItem;
use crate::edge::{EdgeCheck, EdgeVerdict, MacKey, MacOutcome};
use crate::health::Health;
use crate::issue::{CardOrder, CodeOrder, PersonalisedCard, TerminalKeys, TerminalOrder, TokenOrder};
use crate::key_block::KeyBlock;
use crate::key_exchange::{CheckValues, KeyImportOutcome, KeyOrder, MadeKey};
use crate::name::KeyName;
use crate::pin::{IssuedPin, PinChange, PinChangeOutcome, PinOrder};
use crate::script::{ScriptOrder, ScriptOutcome};
use crate::secret::{DataKey, RandomBytes, SecurityCode};
use crate::vault::{PanEnvelope, PanIndex, REVEAL_BATCH};

/// A request.
#[derive(Debug, Clone)]
pub enum Verb {
    /// The state of the module.
    Health,
    /// The keyed index of each PAN.
    PanIndex(Vec<Pan>),
    /// Index and envelope of a PAN that is to be stored; the associated data binds the envelope to its row.
    Tokenize { pan: Pan, aad: Vec<u8> },
    /// The PANs in envelopes, each with its associated data.
    Reveal(Vec<(PanEnvelope, Vec<u8>)>),
    /// The same PANs in fresh envelopes under the vault key's newest generation.
    Reseal(Vec<(PanEnvelope, Vec<u8>)>),
    /// All checks of one card read.
    CheckCard(Box<CardCheck>),
    /// A message's MAC checked, its PIN enciphered again.
    Edge(Box<EdgeCheck>),
    /// The MAC of a message that is sent.
    Mac { key: MacKey, data: Vec<u8> },
    /// The data key of this name.
    DataKey(String),
    /// A PIN drawn for a new card, and everything that its bureau needs.
    PersonaliseCard(Box<CardOrder>),
    /// The delivery item for a token's device.
    PersonaliseToken(Box<TokenOrder>),
    /// Fresh keys for a terminal.
    TerminalKeys(Box<TerminalOrder>),
    /// The check value of the transport key.
    TransportKcv,
    /// The old PIN verified, and the reference value of the new one made.
    ChangePin(Box<PinChange>),
    /// A new PIN for a card that exists.
    IssuePin(Box<PinOrder>),
    /// The code that belongs on a stripe, in a chip or on a panel.
    CardCode(Box<CodeOrder>),
    /// A partner's working key out of a TR-31 block under a protection key.
    ImportKey { under: KeyName, block: String },
    /// A working key drawn and exported to a partner.
    DrawKey(KeyOrder),
    /// The check values of a working key.
    CheckValues(KeyBlock),
    /// So many bytes from the module's generator.
    Random(u16),
    /// A command for a card.
    Script(Box<ScriptOrder>),
    /// A seal under the audit key on the head of a hash chain.
    Seal(Vec<u8>),
    /// Whether a seal was made under this installation's audit key.
    CheckSeal { data: Vec<u8>, seal: AuditSeal },
}

/// The kind of a request, without its content: used for the permissions of roles and the labels of metrics. Each is the [`Verb`]
/// of the same name; its number is its byte on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VerbKind {
    Health = 1,
    PanIndex = 2,
    Tokenize = 3,
    Reveal = 4,
    Reseal = 21,
    CheckCard = 5,
    Edge = 6,
    Mac = 7,
    DataKey = 8,
    PersonaliseCard = 9,
    PersonaliseToken = 10,
    TerminalKeys = 11,
    TransportKcv = 12,
    ChangePin = 13,
    IssuePin = 14,
    CardCode = 15,
    ImportKey = 16,
    DrawKey = 17,
    CheckValues = 18,
    Random = 19,
    Script = 20,
    Seal = 30,
    CheckSeal = 31,
}

impl Verb {
    /// Size of a low-priority job, counted in envelopes: at most [`REVEAL_BATCH`].
    pub fn items(&self) -> usize {
        match self {
            Self::Reveal(envelopes) | Self::Reseal(envelopes) => envelopes.len().max(1),
            _ => REVEAL_BATCH,
        }
    }
}

impl VerbKind {
    /// Every kind.
    pub const ALL: [Self; 23] = [
        Self::Health,
        Self::PanIndex,
        Self::Tokenize,
        Self::Reveal,
        Self::Reseal,
        Self::CheckCard,
        Self::Edge,
        Self::Mac,
        Self::DataKey,
        Self::PersonaliseCard,
        Self::PersonaliseToken,
        Self::TerminalKeys,
        Self::TransportKcv,
        Self::ChangePin,
        Self::IssuePin,
        Self::CardCode,
        Self::ImportKey,
        Self::DrawKey,
        Self::CheckValues,
        Self::Random,
        Self::Script,
        Self::Seal,
        Self::CheckSeal,
    ];

    /// Metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::PanIndex => "pan_index",
            Self::Tokenize => "tokenize",
            Self::Reveal => "reveal",
            Self::Reseal => "reseal",
            Self::CheckCard => "check_card",
            Self::Edge => "edge",
            Self::Mac => "mac",
            Self::DataKey => "data_key",
            Self::PersonaliseCard => "personalise_card",
            Self::PersonaliseToken => "personalise_token",
            Self::TerminalKeys => "terminal_keys",
            Self::TransportKcv => "transport_kcv",
            Self::ChangePin => "change_pin",
            Self::IssuePin => "issue_pin",
            Self::CardCode => "card_code",
            Self::ImportKey => "import_key",
            Self::DrawKey => "draw_key",
            Self::CheckValues => "check_values",
            Self::Random => "random",
            Self::Script => "script",
            Self::Seal => "seal",
            Self::CheckSeal => "check_seal",
        }
    }

    /// Whether sending the same request again after a lost connection can do no harm. A PIN verification is never repeated:
    /// the outcome may have been seen. Orders draw fresh secrets, so a repeat would leave two.
    pub fn may_be_repeated(self) -> bool {
        match self {
            Self::Health
            | Self::PanIndex
            | Self::Tokenize
            | Self::Reveal
            | Self::Reseal
            | Self::Mac
            | Self::DataKey
            | Self::TransportKcv
            | Self::CardCode
            | Self::ImportKey
            | Self::CheckValues
            | Self::Random
            | Self::Seal
            | Self::CheckSeal => true,
            Self::CheckCard
            | Self::Edge
            | Self::ChangePin
            | Self::IssuePin
            | Self::DrawKey
            | Self::Script
            | Self::PersonaliseCard
            | Self::PersonaliseToken
            | Self::TerminalKeys => false,
        }
    }

    /// Whether authorizations go first.
    pub fn is_low_priority(self) -> bool {
        matches!(
            self,
            Self::Reveal
                | Self::Reseal
                | Self::IssuePin
                | Self::CardCode
                | Self::DrawKey
                | Self::PersonaliseCard
                | Self::PersonaliseToken
                | Self::TerminalKeys
        )
    }
}

impl Verb {
    /// Its kind.
    pub fn kind(&self) -> VerbKind {
        match self {
            Self::Health => VerbKind::Health,
            Self::PanIndex(_) => VerbKind::PanIndex,
            Self::Tokenize { .. } => VerbKind::Tokenize,
            Self::Reveal(_) => VerbKind::Reveal,
            Self::Reseal(_) => VerbKind::Reseal,
            Self::CheckCard(_) => VerbKind::CheckCard,
            Self::Edge(_) => VerbKind::Edge,
            Self::Mac { .. } => VerbKind::Mac,
            Self::DataKey(_) => VerbKind::DataKey,
            Self::PersonaliseCard(_) => VerbKind::PersonaliseCard,
            Self::PersonaliseToken(_) => VerbKind::PersonaliseToken,
            Self::TerminalKeys(_) => VerbKind::TerminalKeys,
            Self::TransportKcv => VerbKind::TransportKcv,
            Self::ChangePin(_) => VerbKind::ChangePin,
            Self::IssuePin(_) => VerbKind::IssuePin,
            Self::CardCode(_) => VerbKind::CardCode,
            Self::ImportKey { .. } => VerbKind::ImportKey,
            Self::DrawKey(_) => VerbKind::DrawKey,
            Self::CheckValues(_) => VerbKind::CheckValues,
            Self::Random(_) => VerbKind::Random,
            Self::Script(_) => VerbKind::Script,
            Self::Seal(_) => VerbKind::Seal,
            Self::CheckSeal { .. } => VerbKind::CheckSeal,
        }
    }

    /// Whether this very request may be sent twice: an edge check without a PIN and a card check without one are harmless.
    pub fn may_be_repeated(&self) -> bool {
        match self {
            Self::CheckCard(check) => check.pin.is_none(),
            Self::Edge(check) => check.pin.is_none(),
            other => other.kind().may_be_repeated(),
        }
    }
}

/// An answer. An answer with another name than its verb's refers to the verb.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The state of the module.
    Health(Health),
    /// Indexes in the order of the PANs.
    PanIndex(Vec<PanIndex>),
    /// Index and envelope.
    Tokenize(PanIndex, PanEnvelope),
    /// PANs in the order of the envelopes; `None` for one that does not open with its associated data.
    Reveal(Vec<Option<Pan>>),
    /// Envelopes in the order of the old ones; `None` likewise.
    Reseal(Vec<Option<PanEnvelope>>),
    /// The verdict on a card read.
    CheckCard(CardVerdict),
    /// The verdict on a message at the edge.
    Edge(EdgeVerdict),
    /// The MAC.
    Mac(Mac),
    /// The data key, unwrapped.
    DataKey(DataKey),
    /// To [`Verb::PersonaliseCard`].
    Personalised(PersonalisedCard),
    /// To [`Verb::PersonaliseToken`].
    Delivery(DeliveryItem),
    /// A terminal's keys.
    TerminalKeys(TerminalKeys),
    /// Six hex digits.
    TransportKcv(String),
    /// To [`Verb::ChangePin`].
    PinChanged(PinChangeOutcome),
    /// To [`Verb::IssuePin`].
    PinIssued(IssuedPin),
    /// The code.
    CardCode(SecurityCode),
    /// To [`Verb::ImportKey`].
    KeyImported(KeyImportOutcome),
    /// To [`Verb::DrawKey`].
    KeyDrawn(MadeKey),
    /// The check values.
    CheckValues(CheckValues),
    /// The bytes.
    Random(RandomBytes),
    /// The command, or why there is none.
    Script(ScriptOutcome),
    /// To [`Verb::Seal`].
    Sealed(AuditSeal),
    /// To [`Verb::CheckSeal`].
    SealChecked(MacOutcome),
}
