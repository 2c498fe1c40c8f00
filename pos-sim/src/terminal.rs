//! A point-of-sale terminal of one of our merchants: it signs on, reads cards, encrypts PINs, authenticates every message, counts
//! its totals, and reverses requests that had no answer.

use std::sync::atomic::AtomicU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use codecs::value::{Currency, InstitutionId, Mac, Minor, MonthDay, ResponseCode, Stan};
use codecs::{Builder, EncodeError, Message, Mti, mac};

use crate::chip::IssuerAuthentication;
use crate::connection::Connection;
use crate::crypto::mac::{Padding, aes_cmac, retail_mac};
use crate::crypto::{AesKey, KeyError, TdesKey};
use crate::delivery::{DeliveredTerminal, MacMethod};
use crate::exchange::{Exchange, RequestKind, SentRequest};
use crate::moment::Moment;
use crate::request::{self, CardAcceptor, CardRequest, Original, Trace, network};
use crate::till::{
    DecidedTransaction, Payment, TillError, TillSettings, Transaction, chip_verdict, must_be_reversed, next_stan,
    pin_block, terminal_data, until_acknowledged,
};
use crate::totals::{DayTotals, Reconciled, Totals};

/// One terminal.
pub struct Terminal {
    acceptor: CardAcceptor,
    pin_key: TdesKey,
    mac_key: MacKey,
    settings: TillSettings,
    acquirer: InstitutionId,
    connection: Connection,
    stan: AtomicU32,
    totals: Mutex<Totals>,
}

enum MacKey {
    Aes(AesKey),
    Tdes(TdesKey),
}

impl MacKey {
    fn new(bytes: &[u8], method: MacMethod) -> Result<Self, KeyError> {
        match method {
            MacMethod::AesCmac => AesKey::new(bytes.to_vec()).map(Self::Aes),
            MacMethod::X919 => <[u8; 16]>::try_from(bytes)
                .map(|key| Self::Tdes(TdesKey::new(key)))
                .map_err(|_| KeyError::Length(bytes.len())),
        }
    }

    fn code(&self, data: &[u8]) -> Mac {
        match self {
            Self::Aes(key) => {
                let mut first = [0; 8];
                first.copy_from_slice(&aes_cmac(key, data)[..8]);
                Mac(first)
            }
            Self::Tdes(key) => Mac(retail_mac(key, data, Padding::Zeros)),
        }
    }
}

impl Terminal {
    /// A terminal with the keys that its vendor put into it, on a connection to the switch.
    ///
    /// # Errors
    /// A delivery with an impossible id or key.
    pub fn new(
        delivered: &DeliveredTerminal,
        acquirer: InstitutionId,
        connection: Connection,
        settings: TillSettings,
    ) -> Result<Self, TillError> {
        let wrong =
            |reason: &str| TillError::Delivery { terminal: delivered.terminal.clone(), reason: reason.to_owned() };
        let acceptor = CardAcceptor::new(&delivered.terminal, &delivered.merchant, &delivered.mcc)
            .ok_or_else(|| wrong("the terminal, merchant or category does not fit its element"))?;
        let mac_key = MacKey::new(delivered.tak.expose(), delivered.mac).map_err(|e| wrong(&e.to_string()))?;
        Ok(Self {
            acceptor,
            pin_key: delivered.tpk.clone(),
            mac_key,
            settings,
            acquirer,
            connection,
            stan: AtomicU32::new(settings.stan_before),
            totals: Mutex::default(),
        })
    }

    #[must_use]
    pub fn acceptor(&self) -> &CardAcceptor {
        &self.acceptor
    }

    /// The institution its merchant has its contract with.
    #[must_use]
    pub fn acquirer(&self) -> InstitutionId {
        self.acquirer
    }

    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Signs on (0800).
    ///
    /// # Errors
    /// The request did not leave.
    pub async fn sign_on(&self) -> Result<Exchange, TillError> {
        self.network(RequestKind::SignOn, network::SIGN_ON).await
    }

    /// Tests the connection to the switch with an echo (0800, 301).
    ///
    /// # Errors
    /// The request did not leave.
    pub async fn echo(&self) -> Result<Exchange, TillError> {
        self.network(RequestKind::Echo, network::ECHO).await
    }

    async fn network(&self, kind: RequestKind, function: u32) -> Result<Exchange, TillError> {
        let trace = self.next_trace();
        let builder = request::network_management(self.connection.dialect(), Some(&self.acceptor), trace, function);
        let asked = self.asked(kind, builder.mti(), trace.stan);
        self.send(asked, builder).await.map(|(exchange, _)| exchange)
    }

    /// A purchase, pre-authorization, refund, balance inquiry or verification, sent once.
    ///
    /// # Errors
    /// The request did not leave.
    pub async fn transact(&self, kind: RequestKind, payment: &Payment) -> Result<Transaction, TillError> {
        self.transact_as(kind, payment, self.next_trace()).await
    }

    /// Another request with the trace number and time of an earlier one, as a terminal with a broken counter sends it.
    ///
    /// # Errors
    /// The request did not leave.
    pub async fn transact_again_as(&self, of: &Transaction, payment: &Payment) -> Result<Transaction, TillError> {
        self.transact_as(of.original.kind, payment, of.original.trace).await
    }

    async fn transact_as(&self, kind: RequestKind, payment: &Payment, trace: Trace) -> Result<Transaction, TillError> {
        let reading = payment.instrument.read(&terminal_data(kind, payment, trace.at, self.settings.country))?;
        let order = CardRequest {
            kind,
            acceptor: &self.acceptor,
            trace,
            reading: &reading,
            pin_block: pin_block(&self.pin_key, payment)?,
            amount: payment.amount,
            currency: payment.currency,
            partial_supported: payment.partial_supported,
        };
        let asked = SentRequest {
            pan_masked: reading.pan.masked(),
            amount: order.amount,
            currency: order.currency,
            processing: Some(request::processing(kind)),
            ..self.asked(kind, request::mti(kind), trace.stan)
        };
        let (exchange, body) = self.send(asked, order.builder(self.connection.dialect())).await?;
        let original = order.original(None, body).answered(&exchange);
        self.locked_totals().count(&exchange);
        let chip = chip_verdict(&reading, &exchange);
        Ok(Transaction { original, exchange, chip, token: payment.instrument.is_token() })
    }

    /// As [`Terminal::transact`]; a request without an answer, or with an answer that the chip rejected, is reversed until the
    /// reversal is acknowledged.
    ///
    /// # Errors
    /// The request did not leave, or nobody acknowledged the reversal for too long.
    pub async fn transact_decided(
        &self,
        kind: RequestKind,
        payment: &Payment,
    ) -> Result<DecidedTransaction, TillError> {
        let transaction = self.transact(kind, payment).await?;
        let reversal = match must_be_reversed(&transaction) {
            Some(why) => Some(self.reverse(&transaction, why).await?),
            None => None,
        };
        Ok(DecidedTransaction { transaction, reversal })
    }

    /// The same message once more, byte for byte.
    ///
    /// # Errors
    /// The request did not leave.
    pub async fn repeat(&self, of: &Transaction) -> Result<Exchange, TillError> {
        let asked = SentRequest { repeat: true, ..of.exchange.asked.clone() };
        let body = of.original.body.0.clone();
        Ok(self.connection.exchange(asked, body, &|answer| self.is_authentic(answer)).await?)
    }

    /// Reverses a transaction (0400), repeated until it is acknowledged.
    ///
    /// # Errors
    /// It was not acknowledged within the terminal's patience.
    pub async fn reverse(&self, of: &Transaction, why: ResponseCode) -> Result<Exchange, TillError> {
        let builder = request::terminal_reversal(self.connection.dialect(), &self.acceptor, &of.original, why);
        let asked = SentRequest {
            original_stan: Some(of.original.trace.stan),
            rrn: of.original.rrn,
            ..self.referring(RequestKind::Reversal, &builder, &of.original)
        };
        let (exchange, _) = self.send_until_acknowledged(asked, &builder).await?;
        self.locked_totals().count_reversal(&of.exchange, &exchange);
        Ok(exchange)
    }

    /// Captures a pre-authorization for an amount of its own (0220), repeated until acknowledged.
    ///
    /// # Errors
    /// The authorization was not approved, or nobody acknowledged the completion.
    pub async fn complete(&self, of: &Transaction, amount: Minor) -> Result<Transaction, TillError> {
        if !of.exchange.approved() {
            return Err(TillError::NoOriginal);
        }
        let trace = self.next_trace();
        let builder = request::completion(self.connection.dialect(), &self.acceptor, trace, &of.original, amount);
        let asked = SentRequest {
            amount,
            stan: trace.stan,
            original_stan: Some(of.original.trace.stan),
            rrn: of.original.rrn,
            ..self.referring(RequestKind::Completion, &builder, &of.original)
        };
        let (exchange, body) = self.send_until_acknowledged(asked, &builder).await?;
        self.locked_totals().count(&exchange);
        let original = Original {
            kind: RequestKind::Completion,
            mti: builder.mti(),
            trace,
            amount,
            body: request::MessageBytes(body),
            ..of.original.clone()
        };
        Ok(Transaction { original, exchange, chip: IssuerAuthentication::Absent, token: of.token })
    }

    /// Compares this terminal's totals for a date with the host's (0500). With `lost_sale` the terminal's totals lack one sale of
    /// that amount.
    ///
    /// # Errors
    /// The request did not leave.
    pub async fn reconcile(
        &self,
        date: MonthDay,
        currency: Currency,
        lost_sale: Option<Minor>,
    ) -> Result<Reconciled, TillError> {
        let counted = self.totals(date);
        let ours = lost_sale.map_or(counted, |amount| counted.without_sale(amount));
        let trace = self.next_trace();
        let mti = request::mti(RequestKind::Totals);
        let builder =
            request::totals(self.connection.dialect(), mti, Some(&self.acceptor), trace, date, currency, &ours);
        let asked = self.asked(RequestKind::Totals, mti, trace.stan);
        let (exchange, _) = self.send(asked, builder).await?;
        Ok(Reconciled::read(date, ours, exchange))
    }

    /// This terminal's totals of a business date.
    #[must_use]
    pub fn totals(&self, date: MonthDay) -> DayTotals {
        self.locked_totals().day(date)
    }

    /// The business dates on which it counted anything.
    #[must_use]
    pub fn dates(&self) -> Vec<MonthDay> {
        self.locked_totals().dates().collect()
    }

    fn locked_totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_trace(&self) -> Trace {
        let stan = next_stan(&self.stan);
        Trace { stan, at: Moment::utc(jiff::Timestamp::now()) }
    }

    fn asked(&self, kind: RequestKind, mti: Mti, stan: Stan) -> SentRequest {
        SentRequest {
            kind,
            mti,
            terminal: Some(self.acceptor.terminal),
            merchant: Some(self.acceptor.merchant),
            acquirer: self.acquirer,
            ours: true,
            stan,
            rrn: None,
            pan_masked: String::new(),
            amount: Minor::ZERO,
            currency: Currency::EUR,
            processing: None,
            original_stan: None,
            repeat: false,
        }
    }

    fn referring(&self, kind: RequestKind, builder: &Builder, of: &Original) -> SentRequest {
        SentRequest {
            pan_masked: of.pan.masked(),
            amount: of.amount,
            currency: of.currency,
            processing: Some(of.processing),
            ..self.asked(kind, builder.mti(), of.trace.stan)
        }
    }

    async fn send(&self, asked: SentRequest, builder: Builder) -> Result<(Exchange, Bytes), TillError> {
        let body = self.sealed(builder)?;
        let exchange = self.connection.exchange(asked, body.clone(), &|answer| self.is_authentic(answer)).await?;
        Ok((exchange, body))
    }

    async fn send_until_acknowledged(
        &self,
        asked: SentRequest,
        builder: &Builder,
    ) -> Result<(Exchange, Bytes), TillError> {
        let seal = |builder: &Builder| self.sealed(builder.clone());
        until_acknowledged(&self.connection, &self.settings, asked, builder, &seal, &|answer| self.is_authentic(answer))
            .await
    }

    /// Encodes a message and puts its authentication code behind it.
    fn sealed(&self, mut builder: Builder) -> Result<Bytes, EncodeError> {
        builder.reserve_mac();
        let mut encoded = BytesMut::with_capacity(512);
        builder.encode_into(&mut encoded)?;
        let dialect = self.connection.dialect();
        let code = self.mac_key.code(mac::covered_of_encoded(&encoded, dialect));
        mac::set(&mut encoded, dialect, code);
        Ok(encoded.freeze())
    }

    fn is_authentic(&self, answer: &Message) -> bool {
        matches!(mac::covered(answer), Ok(Some((covered, code))) if self.mac_key.code(covered) == code)
    }
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Terminal({} of {})", self.acceptor.terminal, self.acceptor.merchant)
    }
}
