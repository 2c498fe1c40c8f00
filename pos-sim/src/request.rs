//! The data elements of each kind of request. Pure functions: everything, time included, is an argument.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use codecs::subfields::{additional, write_additional_data};
use codecs::value::{
    ApprovalCode, Currency, Expiry, InstitutionId, MerchantId, Minor, MonthDay, Number, Opaque, OriginalData, Pan,
    PinBlock, PosEntryMode, ProcessingCode, ResponseCode, Rrn, Stan, TerminalId,
};
use codecs::{Builder, Dialect, Mti, de};

use crate::exchange::{Exchange, RequestKind};
use crate::moment::Moment;
use crate::reading::Reading;
use crate::totals::DayTotals;

/// A card acceptor: the terminal id, the merchant id and the merchant category code of a message.
#[derive(Clone, Debug)]
pub struct CardAcceptor {
    pub terminal: TerminalId,
    pub merchant: MerchantId,
    /// Merchant category code.
    pub merchant_type: u16,
}

impl CardAcceptor {
    /// `None` if one of the three does not fit its element.
    #[must_use]
    pub fn new(terminal: &str, merchant: &str, merchant_type: &str) -> Option<Self> {
        Some(Self {
            terminal: TerminalId::new(terminal)?,
            merchant: MerchantId::new(merchant)?,
            merchant_type: merchant_type.parse().ok().filter(|mcc| *mcc <= 9999)?,
        })
    }
}

/// Trace number and time, which identify one request of a terminal; a repeat and a reversal carry the original's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    pub stan: Stan,
    pub at: Moment,
}

/// The values of a request with a card, before it is encoded.
#[derive(Debug)]
pub struct CardRequest<'a> {
    pub kind: RequestKind,
    pub acceptor: &'a CardAcceptor,
    pub trace: Trace,
    pub reading: &'a Reading,
    pub pin_block: Option<PinBlock>,
    pub amount: Minor,
    pub currency: Currency,
    /// The terminal supports partial approval.
    pub partial_supported: bool,
}

/// A request as its sender stores it: enough to repeat, complete or reverse it.
#[derive(Clone, Debug)]
pub struct Original {
    pub kind: RequestKind,
    pub mti: Mti,
    pub processing: ProcessingCode,
    pub trace: Trace,
    pub pan: Pan,
    pub expiry: Expiry,
    pub entry: PosEntryMode,
    pub amount: Minor,
    pub currency: Currency,
    pub rrn: Option<Rrn>,
    pub approval: Option<ApprovalCode>,
    /// The bytes that were sent.
    pub body: MessageBytes,
}

impl Original {
    /// Adds the reference and approval code of the answer, by which later messages name the transaction.
    #[must_use]
    pub fn answered(mut self, exchange: &Exchange) -> Self {
        if let Some(answer) = exchange.answer() {
            self.rrn = self.rrn.or(answer.rrn);
            self.approval = answer.approval;
        }
        self
    }
}

/// A message as sent. `Debug` hides it, because it may hold a PIN block and a track.
#[derive(Clone)]
pub struct MessageBytes(pub Bytes);

impl fmt::Debug for MessageBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

/// Reasons a reversal gives in place of a response code.
pub mod reason {
    use codecs::value::ResponseCode;

    pub const CUSTOMER_CANCELLED: ResponseCode = ResponseCode::CUSTOMER_CANCELLED;
    pub const NO_ANSWER: ResponseCode = ResponseCode::RESPONSE_TOO_LATE;
}

/// Network management functions (DE 70).
pub mod network {
    pub const SIGN_ON: u32 = 1;
    pub const SIGN_OFF: u32 = 2;
    pub const ECHO: u32 = 301;
}

/// MTI of each kind; reversals depend on who sends them.
#[must_use]
pub fn mti(kind: RequestKind) -> Mti {
    match kind {
        RequestKind::Purchase | RequestKind::Refund => Mti::of(b"0200"),
        RequestKind::PreAuthorization | RequestKind::BalanceInquiry | RequestKind::Verification => Mti::of(b"0100"),
        RequestKind::Completion => Mti::of(b"0220"),
        RequestKind::Reversal => Mti::of(b"0400"),
        RequestKind::Totals => Mti::of(b"0500"),
        RequestKind::SignOn | RequestKind::SignOff | RequestKind::Echo => Mti::of(b"0800"),
    }
}

/// Processing code of each kind that has one.
#[must_use]
pub fn processing(kind: RequestKind) -> ProcessingCode {
    match kind {
        RequestKind::Refund => ProcessingCode::REFUND,
        RequestKind::BalanceInquiry => ProcessingCode::BALANCE_INQUIRY,
        _ => ProcessingCode::PURCHASE,
    }
}

const PRE_AUTHORIZATION: u32 = 6;

impl CardRequest<'_> {
    /// The elements that terminals and acquirers share.
    #[must_use]
    pub fn builder(&self, dialect: &Arc<Dialect>) -> Builder {
        let reading = self.reading;
        let mut b = Builder::new(dialect, mti(self.kind));
        let condition = if self.kind == RequestKind::PreAuthorization { PRE_AUTHORIZATION } else { 0 };
        common(&mut b, processing(self.kind), self.amount, self.trace, self.acceptor, self.currency);
        b.put::<de::MerchantType>(Number(u32::from(self.acceptor.merchant_type)))
            .put::<de::PosEntryMode>(reading.entry)
            .put::<de::ConditionCode>(Number(condition))
            .put_some::<de::CardSequence>(reading.sequence.map(|n| Number(u32::from(n))))
            .put_some::<de::PinBlock>(self.pin_block.clone());
        match &reading.track {
            Some(track) => b.put::<de::Track2>(track.clone()),
            None => b.put::<de::Pan>(reading.pan.clone()).put::<de::Expiry>(reading.expiry),
        };
        let additional = self.additional_data();
        if !additional.is_empty() {
            b.put::<de::AdditionalData>(Opaque::new(additional));
        }
        if let Some(cryptogram) = &reading.cryptogram {
            b.put::<de::Icc>(Opaque::new(cryptogram.element()));
        }
        b
    }

    fn additional_data(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.partial_supported {
            write_additional_data(additional::CAPABILITIES as u8, b"1", &mut out);
        }
        if let Some(code) = &self.reading.security_code {
            write_additional_data(additional::SECURITY_CODE as u8, code.expose().as_bytes(), &mut out);
        }
        out
    }

    /// The request as its sender stores it, once it has been encoded.
    #[must_use]
    pub fn original(&self, rrn: Option<Rrn>, body: Bytes) -> Original {
        Original {
            kind: self.kind,
            mti: mti(self.kind),
            processing: processing(self.kind),
            trace: self.trace,
            pan: self.reading.pan.clone(),
            expiry: self.reading.expiry,
            entry: self.reading.entry,
            amount: self.amount,
            currency: self.currency,
            rrn,
            approval: None,
            body: MessageBytes(body),
        }
    }
}

/// The capture of an authorization, for its own amount; it names the authorization by reference and approval code.
#[must_use]
pub fn completion(
    dialect: &Arc<Dialect>,
    acceptor: &CardAcceptor,
    trace: Trace,
    of: &Original,
    amount: Minor,
) -> Builder {
    let mut b = Builder::new(dialect, mti(RequestKind::Completion));
    common(&mut b, of.processing, amount, trace, acceptor, of.currency);
    b.put::<de::Pan>(of.pan.clone())
        .put::<de::Expiry>(of.expiry)
        .put::<de::MerchantType>(Number(u32::from(acceptor.merchant_type)))
        .put::<de::PosEntryMode>(of.entry)
        .put::<de::ConditionCode>(Number(0))
        .put_some::<de::Rrn>(of.rrn)
        .put_some::<de::ApprovalCode>(of.approval)
        .put::<de::ResponseCode>(ResponseCode::APPROVED);
    b
}

/// A terminal's reversal: trace, card acceptor and amount of the original, because the terminal may never have got a reference.
#[must_use]
pub fn terminal_reversal(dialect: &Arc<Dialect>, acceptor: &CardAcceptor, of: &Original, why: ResponseCode) -> Builder {
    let mut b = Builder::new(dialect, mti(RequestKind::Reversal));
    common(&mut b, of.processing, of.amount, of.trace, acceptor, of.currency);
    b.put::<de::Pan>(of.pan.clone())
        .put::<de::Expiry>(of.expiry)
        .put::<de::PosEntryMode>(of.entry)
        .put::<de::ConditionCode>(Number(0))
        .put_some::<de::Rrn>(of.rrn)
        .put_some::<de::ApprovalCode>(of.approval)
        .put::<de::ResponseCode>(why);
    b
}

/// An acquirer's reversal: a trace number of its own, local time of the original, and the original named in DE 90.
#[must_use]
pub fn acquirer_reversal(
    dialect: &Arc<Dialect>,
    acceptor: &CardAcceptor,
    stan: Stan,
    of: &Original,
    acquirer: InstitutionId,
    why: ResponseCode,
) -> Builder {
    let mut b = Builder::new(dialect, Mti::of(b"0420"));
    common(&mut b, of.processing, of.amount, Trace { stan, at: of.trace.at }, acceptor, of.currency);
    b.put::<de::Pan>(of.pan.clone())
        .put::<de::Expiry>(of.expiry)
        .put::<de::PosEntryMode>(of.entry)
        .put::<de::ConditionCode>(Number(0))
        .put_some::<de::Rrn>(of.rrn)
        .put_some::<de::ApprovalCode>(of.approval)
        .put::<de::ResponseCode>(why)
        .put::<de::OriginalData>(OriginalData {
            mti: of.mti,
            stan: of.trace.stan,
            transmitted: Some(of.trace.at.transmission()),
            acquirer: Some(acquirer),
            forwarder: None,
        });
    b
}

/// A terminal's or acquirer's totals for a business date.
#[must_use]
pub fn totals(
    dialect: &Arc<Dialect>,
    mti: Mti,
    acceptor: Option<&CardAcceptor>,
    trace: Trace,
    date: MonthDay,
    currency: Currency,
    totals: &DayTotals,
) -> Builder {
    let mut b = Builder::new(dialect, mti);
    b.put::<de::Stan>(trace.stan)
        .put::<de::LocalTime>(trace.at.time)
        .put::<de::LocalDate>(trace.at.date)
        .put::<de::SettlementDate>(date)
        .put::<de::SettlementCurrency>(currency);
    if let Some(acceptor) = acceptor {
        b.put::<de::TerminalId>(acceptor.terminal).put::<de::MerchantId>(acceptor.merchant);
    }
    totals.put(&mut b);
    b
}

/// A network management message.
#[must_use]
pub fn network_management(
    dialect: &Arc<Dialect>,
    acceptor: Option<&CardAcceptor>,
    trace: Trace,
    function: u32,
) -> Builder {
    let mut b = Builder::new(dialect, mti(RequestKind::Echo));
    b.put::<de::Stan>(trace.stan)
        .put::<de::LocalTime>(trace.at.time)
        .put::<de::LocalDate>(trace.at.date)
        .put::<de::NetworkManagementCode>(Number(function));
    if let Some(acceptor) = acceptor {
        b.put::<de::TerminalId>(acceptor.terminal).put::<de::MerchantId>(acceptor.merchant);
    }
    b
}

fn common(
    b: &mut Builder,
    processing: ProcessingCode,
    amount: Minor,
    trace: Trace,
    acceptor: &CardAcceptor,
    currency: Currency,
) {
    b.put::<de::ProcessingCode>(processing)
        .put::<de::Amount>(amount)
        .put::<de::Stan>(trace.stan)
        .put::<de::LocalTime>(trace.at.time)
        .put::<de::LocalDate>(trace.at.date)
        .put::<de::TerminalId>(acceptor.terminal)
        .put::<de::MerchantId>(acceptor.merchant)
        .put::<de::Currency>(currency);
}
