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
    Health,
    PanIndex(Vec<Pan>),
    Tokenize { pan: Pan, aad: Vec<u8> },
    Reveal(Vec<(PanEnvelope, Vec<u8>)>),
    Reseal(Vec<(PanEnvelope, Vec<u8>)>),
    CheckCard(Box<CardCheck>),
    Edge(Box<EdgeCheck>),
    Mac { key: MacKey, data: Vec<u8> },
    DataKey(String),
    PersonaliseCard(Box<CardOrder>),
    PersonaliseToken(Box<TokenOrder>),
    TerminalKeys(Box<TerminalOrder>),
    TransportKcv,
    ChangePin(Box<PinChange>),
    IssuePin(Box<PinOrder>),
    CardCode(Box<CodeOrder>),
    ImportKey { under: KeyName, block: String },
    DrawKey(KeyOrder),
    CheckValues(KeyBlock),
    Random(u16),
    Script(Box<ScriptOrder>),
    Seal(Vec<u8>),
    CheckSeal { data: Vec<u8>, seal: AuditSeal },
}

/// The kind of a request, without its content: what a role is allowed, what metrics are labelled with.
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
    /// What a patient job takes of the module, counted in envelopes: at most [`REVEAL_BATCH`].
    pub fn items(&self) -> usize {
        match self {
            Self::Reveal(envelopes) | Self::Reseal(envelopes) => envelopes.len().max(1),
            _ => REVEAL_BATCH,
        }
    }
}

impl VerbKind {
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

/// An answer to the verb of the same name.
#[derive(Debug, Clone)]
pub enum Answer {
    Health(Health),
    PanIndex(Vec<PanIndex>),
    Tokenize(PanIndex, PanEnvelope),
    Reveal(Vec<Option<Pan>>),
    Reseal(Vec<Option<PanEnvelope>>),
    CheckCard(CardVerdict),
    Edge(EdgeVerdict),
    Mac(Mac),
    DataKey(DataKey),
    Personalised(PersonalisedCard),
    Delivery(DeliveryItem),
    TerminalKeys(TerminalKeys),
    TransportKcv(String),
    PinChanged(PinChangeOutcome),
    PinIssued(IssuedPin),
    CardCode(SecurityCode),
    KeyImported(KeyImportOutcome),
    KeyDrawn(MadeKey),
    CheckValues(CheckValues),
    Random(RandomBytes),
    Script(ScriptOutcome),
    Sealed(AuditSeal),
    SealChecked(MacOutcome),
}
