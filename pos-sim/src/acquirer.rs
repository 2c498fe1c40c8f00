//! The foreign acquirer: its merchants' transactions, in the ASCII dialect, over one zone with its own PIN key.
//!
//! Each of its connections signs on before it is used. It keeps its captures, to present them for clearing at the end of its
//! day.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use codecs::value::{Currency, InstitutionId, Minor, MonthDay, Number, Opaque, ResponseCode, Rrn, Stan};
use codecs::{Builder, EncodeError, Mti, de};

use crate::chip::IssuerAuthentication;
use crate::connection::{Connection, ConnectionSettings};
use crate::crypto::TdesKey;
use crate::exchange::{Exchange, RequestKind, SentRequest};
use crate::log::Log;
use crate::moment::Moment;
use crate::presentment::Capture;
use crate::request::{self, CardRequest, MessageBytes, Original, Trace, network};
use crate::shop::Shop;
use crate::till::{
    DecidedTransaction, Payment, TillError, TillSettings, Transaction, chip_verdict, must_be_reversed, next_stan,
    pin_block, terminal_data, until_acknowledged,
};
use crate::totals::{DayTotals, Reconciled, Totals};

/// The acquirer with its shops and connections.
pub struct Acquirer {
    institution: InstitutionId,
    pin_key: TdesKey,
    settings: TillSettings,
    connections: Vec<Connection>,
    turn: AtomicUsize,
    numbers: Arc<Numbers>,
    shops: Vec<Shop>,
    shop_turn: AtomicUsize,
    totals: Mutex<Totals>,
    captures: Mutex<Vec<Capture>>,
}

/// The acquirer's counters: one trace number for all its terminals, as switches at its side rewrite them.
#[derive(Debug)]
struct Numbers {
    stan: AtomicU32,
    reference: AtomicU32,
}

impl Numbers {
    fn trace(&self) -> Trace {
        Trace { stan: next_stan(&self.stan), at: Moment::utc(jiff::Timestamp::now()) }
    }

    /// Year and day, then eight digits that do not repeat within the day.
    fn rrn(&self, at: Moment) -> Rrn {
        let number = self.reference.fetch_add(1, Ordering::Relaxed) % 100_000_000;
        Rrn::new(&format!("{}{number:08}", at.year_and_day())).expect("twelve digits are a reference number")
    }
}

impl Acquirer {
    /// # Panics
    /// Without a shop or a connection: then there is no acquirer.
    #[must_use]
    pub fn new(
        institution: InstitutionId,
        pin_key: TdesKey,
        shops: Vec<Shop>,
        connection_settings: &ConnectionSettings,
        connections: usize,
        settings: TillSettings,
        log: &Arc<Log>,
    ) -> Self {
        assert!(connections > 0 && !shops.is_empty(), "an acquirer has shops and connections");
        let numbers = Arc::new(Numbers {
            stan: AtomicU32::new(settings.stan_before),
            reference: AtomicU32::new(settings.stan_before.wrapping_mul(100)),
        });
        let connection = || {
            let (settings, numbers) = (connection_settings.clone(), Arc::clone(&numbers));
            let dialect = Arc::clone(&settings.dialect);
            let sign_on = move || {
                let (asked, builder) =
                    network_request(&dialect, institution, &numbers, RequestKind::SignOn, network::SIGN_ON);
                let body = builder.encode().expect("a sign-on fits every dialect that has network messages");
                (asked, body)
            };
            Connection::new(settings, Some(Box::new(sign_on)), Arc::clone(log))
        };
        let connections = (0..connections).map(|_| connection()).collect();
        Self {
            institution,
            pin_key,
            settings,
            connections,
            turn: AtomicUsize::new(0),
            numbers,
            shops,
            shop_turn: AtomicUsize::new(0),
            totals: Mutex::default(),
            captures: Mutex::default(),
        }
    }

    #[must_use]
    pub fn institution(&self) -> InstitutionId {
        self.institution
    }

    #[must_use]
    pub fn shops(&self) -> &[Shop] {
        &self.shops
    }

    /// The shop with this terminal.
    #[must_use]
    pub fn shop(&self, terminal: &str) -> Option<&Shop> {
        self.shops.iter().find(|shop| shop.acceptor.terminal.as_str() == terminal)
    }

    /// The acquirer's connections, in turn.
    pub fn connection(&self) -> &Connection {
        &self.connections[self.turn.fetch_add(1, Ordering::Relaxed) % self.connections.len()]
    }

    /// Connects, and sends one more sign-on (each connection also signs on when it is made).
    ///
    /// # Errors
    /// Nobody listens, or the sign-on is refused.
    pub async fn sign_on(&self) -> Result<Exchange, TillError> {
        for connection in &self.connections {
            connection.connect().await?;
        }
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
        let connection = self.connection();
        let (asked, builder) = network_request(connection.dialect(), self.institution, &self.numbers, kind, function);
        Ok(connection.exchange(asked, builder.encode()?, &|_| true).await?)
    }

    /// A request with a card at the next shop in turn, sent once.
    ///
    /// # Errors
    /// The request did not leave.
    pub async fn transact(&self, kind: RequestKind, payment: &Payment) -> Result<Transaction, TillError> {
        let turn = self.shop_turn.fetch_add(1, Ordering::Relaxed) % self.shops.len();
        self.transact_at(&self.shops[turn], kind, payment).await
    }

    /// A request with a card at one of the shops, sent once.
    ///
    /// # Errors
    /// The request did not leave.
    pub async fn transact_at(
        &self,
        shop: &Shop,
        kind: RequestKind,
        payment: &Payment,
    ) -> Result<Transaction, TillError> {
        let trace = self.numbers.trace();
        self.transact_as(shop, kind, payment, trace, self.numbers.rrn(trace.at)).await
    }

    /// Another request under the trace number, time and reference of an earlier one.
    ///
    /// # Errors
    /// The request did not leave.
    pub async fn transact_again_as(&self, of: &Transaction, payment: &Payment) -> Result<Transaction, TillError> {
        let shop = self.shop_of(of)?;
        let rrn = of.original.rrn.ok_or(TillError::NoOriginal)?;
        self.transact_as(shop, of.original.kind, payment, of.original.trace, rrn).await
    }

    async fn transact_as(
        &self,
        shop: &Shop,
        kind: RequestKind,
        payment: &Payment,
        trace: Trace,
        rrn: Rrn,
    ) -> Result<Transaction, TillError> {
        let reading = payment.instrument.read(&terminal_data(kind, payment, trace.at, self.settings.country))?;
        let order = CardRequest {
            kind,
            acceptor: &shop.acceptor,
            trace,
            reading: &reading,
            pin_block: pin_block(&self.pin_key, payment)?,
            amount: payment.amount,
            currency: payment.currency,
            partial_supported: payment.partial_supported,
        };
        let connection = self.connection();
        let mut builder = order.builder(connection.dialect());
        self.identify(&mut builder, shop, trace.at);
        builder.put::<de::Rrn>(rrn);
        let body = builder.encode()?;
        let original = order.original(Some(rrn), body.clone());
        let asked = self.asked(kind, builder.mti(), shop, trace.stan, &original);
        let exchange = connection.exchange(asked, body, &|_| true).await?;
        let original = original.answered(&exchange);
        self.keep(shop, &original, &exchange);
        let chip = chip_verdict(&reading, &exchange);
        Ok(Transaction { original, exchange, chip, token: payment.instrument.is_token() })
    }

    /// As [`Acquirer::transact`], at the shop with this terminal; a request without an answer is reversed until the reversal is
    /// acknowledged.
    ///
    /// # Errors
    /// No such shop, the request did not leave, or nobody acknowledged the reversal for too long.
    pub async fn transact_decided_at(
        &self,
        terminal: &str,
        kind: RequestKind,
        payment: &Payment,
    ) -> Result<DecidedTransaction, TillError> {
        let shop = self.shop(terminal).ok_or_else(|| TillError::NoShop(terminal.to_owned()))?;
        let transaction = self.transact_at(shop, kind, payment).await?;
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
        Ok(self.connection().exchange(asked, of.original.body.0.clone(), &|_| true).await?)
    }

    /// Reverses a transaction (0420, then 0421) until the reversal is acknowledged.
    ///
    /// # Errors
    /// It was not acknowledged within the acquirer's patience.
    pub async fn reverse(&self, of: &Transaction, why: ResponseCode) -> Result<Exchange, TillError> {
        let shop = self.shop_of(of)?;
        let connection = self.connection();
        let stan = next_stan(&self.numbers.stan);
        let mut builder =
            request::acquirer_reversal(connection.dialect(), &shop.acceptor, stan, &of.original, self.institution, why);
        self.identify(&mut builder, shop, Moment::utc(jiff::Timestamp::now()));
        let mut asked = self.asked(RequestKind::Reversal, builder.mti(), shop, stan, &of.original);
        asked.original_stan = Some(of.original.trace.stan);
        let (exchange, _) = self.send_until_acknowledged(connection, asked, &builder).await?;
        self.locked_totals().count_reversal(&of.exchange, &exchange);
        self.locked_captures().retain(|capture| capture.rrn != of.original.rrn || !exchange.approved());
        Ok(exchange)
    }

    /// Captures a pre-authorization for an amount of its own (0220, then 0221), repeated until acknowledged.
    ///
    /// # Errors
    /// The authorization was not approved, or nobody acknowledged the completion.
    pub async fn complete(&self, of: &Transaction, amount: Minor) -> Result<Transaction, TillError> {
        let shop = self.shop_of(of)?;
        if !of.exchange.approved() {
            return Err(TillError::NoOriginal);
        }
        let connection = self.connection();
        let trace = self.numbers.trace();
        let mut builder = request::completion(connection.dialect(), &shop.acceptor, trace, &of.original, amount);
        self.identify(&mut builder, shop, trace.at);
        let original =
            Original { kind: RequestKind::Completion, mti: builder.mti(), trace, amount, ..of.original.clone() };
        let mut asked = self.asked(RequestKind::Completion, builder.mti(), shop, trace.stan, &original);
        asked.original_stan = Some(of.original.trace.stan);
        let (exchange, body) = self.send_until_acknowledged(connection, asked, &builder).await?;
        let original = Original { body: MessageBytes(body), ..original };
        self.keep(shop, &original, &exchange);
        Ok(Transaction { original, exchange, chip: IssuerAuthentication::Absent, token: of.token })
    }

    /// Compares the acquirer's totals for a date with the host's (0520).
    ///
    /// # Errors
    /// The request did not leave.
    pub async fn reconcile(&self, date: MonthDay, currency: Currency) -> Result<Reconciled, TillError> {
        let connection = self.connection();
        let (ours, trace) = (self.totals(date), self.numbers.trace());
        let mut builder = request::totals(connection.dialect(), Mti::of(b"0520"), None, trace, date, currency, &ours);
        builder
            .put::<de::TransmissionTime>(trace.at.transmission())
            .put::<de::Acquirer>(self.institution)
            .put::<de::SettlementInstitution>(self.institution);
        let asked =
            SentRequest { mti: builder.mti(), ..network_asked(self.institution, RequestKind::Totals, trace.stan) };
        let exchange = connection.exchange(asked, builder.encode()?, &|_| true).await?;
        Ok(Reconciled::read(date, ours, exchange))
    }

    /// The acquirer's totals of a business date, over all its shops.
    #[must_use]
    pub fn totals(&self, date: MonthDay) -> DayTotals {
        self.locked_totals().day(date)
    }

    /// The captures: approved sales, completions and refunds that were not reversed.
    #[must_use]
    pub fn captures(&self) -> Vec<Capture> {
        self.locked_captures().clone()
    }

    /// Takes the captures out, at the end of the acquirer's day, to present them.
    #[must_use]
    pub fn take_captures(&self) -> Vec<Capture> {
        std::mem::take(&mut *self.locked_captures())
    }

    /// What only a file captures of a transaction, at an amount of its own.
    ///
    /// # Errors
    /// It was not approved.
    pub fn capture_of(&self, of: &Transaction, amount: Minor) -> Result<Capture, TillError> {
        Capture::at(self.shop_of(of)?, &of.original, &of.exchange, amount).ok_or(TillError::NoOriginal)
    }

    fn shop_of(&self, transaction: &Transaction) -> Result<&Shop, TillError> {
        let terminal = transaction.exchange.asked.terminal.ok_or(TillError::NoOriginal)?;
        self.shop(terminal.as_str()).ok_or(TillError::NoOriginal)
    }

    fn locked_totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn locked_captures(&self) -> MutexGuard<'_, Vec<Capture>> {
        self.captures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, shop: &Shop, original: &Original, exchange: &Exchange) {
        self.locked_totals().count(exchange);
        if let Some(capture) = Capture::of(shop, original, exchange) {
            self.locked_captures().push(capture);
        }
    }

    fn identify(&self, builder: &mut Builder, shop: &Shop, now: Moment) {
        builder
            .put::<de::TransmissionTime>(now.transmission())
            .put::<de::Acquirer>(self.institution)
            .put::<de::MerchantName>(Opaque::new(shop.name_and_location()));
    }

    fn asked(&self, kind: RequestKind, mti: Mti, shop: &Shop, stan: Stan, of: &Original) -> SentRequest {
        SentRequest {
            mti,
            terminal: Some(shop.acceptor.terminal),
            merchant: Some(shop.acceptor.merchant),
            rrn: of.rrn,
            pan_masked: of.pan.masked(),
            amount: of.amount,
            currency: of.currency,
            processing: Some(of.processing),
            ..network_asked(self.institution, kind, stan)
        }
    }

    async fn send_until_acknowledged(
        &self,
        connection: &Connection,
        asked: SentRequest,
        builder: &Builder,
    ) -> Result<(Exchange, Bytes), TillError> {
        let seal = |builder: &Builder| -> Result<Bytes, EncodeError> { builder.encode() };
        until_acknowledged(connection, &self.settings, asked, builder, &seal, &|_| true).await
    }
}

impl std::fmt::Debug for Acquirer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Acquirer({} with {} shops)", self.institution, self.shops.len())
    }
}

fn network_request(
    dialect: &Arc<codecs::Dialect>,
    institution: InstitutionId,
    numbers: &Numbers,
    kind: RequestKind,
    function: u32,
) -> (SentRequest, Builder) {
    let trace = numbers.trace();
    let mut builder = Builder::new(dialect, request::mti(kind));
    builder
        .put::<de::TransmissionTime>(trace.at.transmission())
        .put::<de::Stan>(trace.stan)
        .put::<de::Acquirer>(institution)
        .put::<de::NetworkManagementCode>(Number(function));
    (network_asked(institution, kind, trace.stan), builder)
}

fn network_asked(institution: InstitutionId, kind: RequestKind, stan: Stan) -> SentRequest {
    SentRequest {
        kind,
        mti: request::mti(kind),
        terminal: None,
        merchant: None,
        acquirer: institution,
        ours: false,
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
