//! One request and its answer, as the sender sees them.

use std::fmt;
use std::time::{Duration, Instant};

use codecs::value::{
    ApprovalCode, Currency, InstitutionId, MerchantId, Minor, MonthDay, ProcessingCode, ResponseCode, Rrn, Stan,
    TerminalId,
};
use codecs::{DecodeError, Message, Mti, de};

/// The kind of a request, in the words of the terminal log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestKind {
    SignOn,
    SignOff,
    Echo,
    Purchase,
    #[serde(rename = "preauth")]
    PreAuthorization,
    Completion,
    Refund,
    Reversal,
    #[serde(rename = "balance")]
    BalanceInquiry,
    Verification,
    Totals,
}

impl RequestKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignOn => "sign-on",
            Self::SignOff => "sign-off",
            Self::Echo => "echo",
            Self::Purchase => "purchase",
            Self::PreAuthorization => "preauth",
            Self::Completion => "completion",
            Self::Refund => "refund",
            Self::Reversal => "reversal",
            Self::BalanceInquiry => "balance",
            Self::Verification => "verification",
            Self::Totals => "totals",
        }
    }

    /// Whether an unanswered request of this kind may have moved or held money, so that it must be reversed.
    ///
    /// Completions are advices: they are repeated until acknowledged, and never reversed for a missing answer.
    #[must_use]
    pub fn needs_reversal(self) -> bool {
        matches!(self, Self::Purchase | Self::PreAuthorization | Self::Refund)
    }
}

/// A sent request without its secrets: enough for the log, for totals and for a reversal.
#[derive(Clone, Debug)]
pub struct SentRequest {
    pub kind: RequestKind,
    pub mti: Mti,
    pub terminal: Option<TerminalId>,
    pub merchant: Option<MerchantId>,
    /// Our own acquirer, or the foreign one.
    pub acquirer: InstitutionId,
    /// Whether the merchant is ours.
    pub ours: bool,
    pub stan: Stan,
    /// Reference given by the sender; terminals have none before the answer.
    pub rrn: Option<Rrn>,
    pub pan_masked: String,
    pub amount: Minor,
    pub currency: Currency,
    pub processing: Option<ProcessingCode>,
    /// For a reversal, a completion or a repeat with another amount: the STAN of the request it refers to.
    pub original_stan: Option<Stan>,
    /// Sent before, word for word or as a repeat message.
    pub repeat: bool,
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    pub mti: Mti,
    pub code: ResponseCode,
    /// The approved amount: that in the answer, which is less than requested after a partial approval; zero if declined.
    pub approved: Minor,
    pub approval: Option<ApprovalCode>,
    pub rrn: Option<Rrn>,
    /// The business date that the switch stamped.
    pub business_date: Option<MonthDay>,
    /// The authorization's life-cycle id, which clearing carries back.
    pub life_cycle: Option<String>,
    pub message: Message,
}

impl Answer {
    /// Reads the answer to a request.
    ///
    /// # Errors
    /// An element that is present and cannot be read.
    pub fn read(asked: &SentRequest, message: Message) -> Result<Self, DecodeError> {
        let code = message.require::<de::ResponseCode>()?;
        let amount = message.get::<de::Amount>()?;
        let life_cycle = message.get::<de::LifeCycleId>()?.and_then(|id| id.as_str().map(str::to_owned));
        Ok(Self {
            mti: message.mti(),
            code,
            approved: if code.is_approval() { amount.unwrap_or(asked.amount) } else { Minor::ZERO },
            approval: message.get::<de::ApprovalCode>()?,
            rrn: message.get::<de::Rrn>()?,
            business_date: message.get::<de::SettlementDate>()?,
            life_cycle,
            message,
        })
    }

    #[must_use]
    pub fn is_approval(&self) -> bool {
        self.code.is_approval()
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// Our own timer ended first.
    TimedOut,
    /// The connection went away with the request under way.
    ConnectionLost,
    /// The answer was not authentic, so it does not count.
    BadMac,
    /// The answer could not be read.
    Unreadable,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "timed out",
            Self::ConnectionLost => "the connection was lost",
            Self::BadMac => "the answer's MAC is wrong",
            Self::Unreadable => "the answer cannot be read",
        })
    }
}

/// How a request ended.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub asked: SentRequest,
    pub ending: Result<Answer, NoAnswer>,
    /// Microseconds since 1970 when it was sent.
    pub sent_us: u64,
    /// The same on the monotonic clock.
    pub sent: Instant,
    /// From sending to the answer, or to giving up.
    pub took: Duration,
}

impl Exchange {
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        self.ending.as_ref().ok()
    }

    /// When it was answered, or given up.
    #[must_use]
    pub fn ended(&self) -> Instant {
        self.sent + self.took
    }

    /// The response code; `None` if there was no answer.
    #[must_use]
    pub fn code(&self) -> Option<ResponseCode> {
        self.answer().map(|answer| answer.code)
    }

    #[must_use]
    pub fn approved(&self) -> bool {
        self.answer().is_some_and(Answer::is_approval)
    }

    /// The approved amount, zero if nothing was approved.
    #[must_use]
    pub fn approved_amount(&self) -> Minor {
        self.answer().map_or(Minor::ZERO, |answer| answer.approved)
    }
}
