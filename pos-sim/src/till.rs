//! Common parts of terminals and the foreign acquirer, which are both called tills: payments in, decided transactions out.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use codecs::value::{Currency, Minor, PinBlock, ResponseCode, Stan};
use codecs::{Builder, EncodeError, Message, de};

use crate::chip::{IssuerAuthentication, TerminalData};
use crate::connection::{Connection, ConnectionError};
use crate::crypto::TdesKey;
use crate::crypto::pin_block::{PinBlockError, format_0};
use crate::exchange::{Exchange, RequestKind, SentRequest};
use crate::moment::Moment;
use crate::reading::{Instrument, NothingToReplay, PinEntry, Reading};
use crate::request::{self, Original, reason};

/// Why a till could not carry out a request.
#[derive(Debug, thiserror::Error)]
pub enum TillError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("the request does not fit the dialect: {0}")]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    Pin(#[from] PinBlockError),
    #[error(transparent)]
    Replay(#[from] NothingToReplay),
    #[error("terminal {terminal}: {reason}")]
    Delivery { terminal: String, reason: String },
    #[error("a reversal or completion was not acknowledged in {0:?}")]
    NotAcknowledged(Duration),
    #[error("no shop has the terminal {0}")]
    NoShop(String),
    #[error("there is nothing to refer to: the original was not approved")]
    NoOriginal,
}

/// A payment by a cardholder, at any till.
#[derive(Clone, Debug)]
pub struct Payment {
    pub instrument: Instrument,
    pub pin: PinEntry,
    pub amount: Minor,
    pub currency: Currency,
    /// The till supports partial approval.
    pub partial_supported: bool,
}

impl Payment {
    #[must_use]
    pub fn new(instrument: Instrument, amount: Minor, currency: Currency) -> Self {
        Self { instrument, pin: PinEntry::None, amount, currency, partial_supported: false }
    }

    #[must_use]
    pub fn with_pin(self, pin: PinEntry) -> Self {
        Self { pin, ..self }
    }
}

/// A request with a card, and how it ended.
#[derive(Clone, Debug)]
pub struct Transaction {
    pub original: Original,
    pub exchange: Exchange,
    /// The chip's verdict on the answer; absent for stripes and typed numbers.
    pub chip: IssuerAuthentication,
    /// Read from a wallet device.
    pub token: bool,
}

/// A transaction that is decided: answered, or reversed with an acknowledged reversal.
#[derive(Clone, Debug)]
pub struct DecidedTransaction {
    pub transaction: Transaction,
    pub reversal: Option<Exchange>,
}

/// Settings of a till.
#[derive(Clone, Copy, Debug)]
pub struct TillSettings {
    /// ISO 3166 number of the country it stands in.
    pub country: u16,
    /// Pause before an unacknowledged reversal or completion is sent again.
    pub repeat_pause: Duration,
    /// How long it keeps repeating.
    pub patience: Duration,
    /// The trace number before the first one.
    pub stan_before: u32,
}

/// Draws the next trace number from a counter.
pub(crate) fn next_stan(counter: &AtomicU32) -> Stan {
    let previous = counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |stan| Some(Stan(stan).next().0))
        .expect("the update always gives a number");
    Stan(previous).next()
}

/// The terminal data that the chip gets about a payment.
pub(crate) fn terminal_data(kind: RequestKind, payment: &Payment, at: Moment, country: u16) -> TerminalData {
    TerminalData {
        amount: payment.amount,
        currency: payment.currency,
        country,
        date: at.year_month_day(),
        transaction: request::processing(kind).transaction,
        online_pin: payment.pin != PinEntry::None,
        unpredictable: rand::random(),
    }
}

/// The PIN block as the PIN pad encrypts it, for the card number that this terminal sees.
pub(crate) fn pin_block(key: &TdesKey, payment: &Payment) -> Result<Option<PinBlock>, PinBlockError> {
    let Some(pin) = payment.instrument.pin(payment.pin) else { return Ok(None) };
    let number = std::str::from_utf8(payment.instrument.pan().expose()).map_err(|_| PinBlockError::Pan)?;
    let block = format_0(key, number, pin.expose())?;
    Ok(PinBlock::new(&block))
}

/// The chip's verdict on the answer of an exchange.
pub(crate) fn chip_verdict(reading: &Reading, exchange: &Exchange) -> IssuerAuthentication {
    let (Some(cryptogram), Some(answer)) = (&reading.cryptogram, exchange.answer()) else {
        return IssuerAuthentication::Absent;
    };
    let data = answer.message.get::<de::Icc>().ok().flatten();
    cryptogram.check(data.as_ref().map(|data| data.bytes()))
}

/// The reason to reverse a transaction, if it must be reversed.
pub(crate) fn must_be_reversed(transaction: &Transaction) -> Option<ResponseCode> {
    match &transaction.exchange.ending {
        Err(_) if transaction.original.kind.needs_reversal() => Some(reason::NO_ANSWER),
        // no goods are handed over if the card rejects the issuer's proof
        Ok(answer) if answer.is_approval() && transaction.chip == IssuerAuthentication::Wrong => {
            Some(ResponseCode::SUSPECTED_MALFUNCTION)
        }
        _ => None,
    }
}

/// Sends an advice or a reversal until the other side acknowledges it: first the message itself, then its repeat.
pub(crate) async fn until_acknowledged(
    connection: &Connection,
    settings: &TillSettings,
    mut asked: SentRequest,
    builder: &Builder,
    seal: &(dyn Fn(&Builder) -> Result<Bytes, EncodeError> + Sync),
    authentic: &(dyn Fn(&Message) -> bool + Sync),
) -> Result<(Exchange, Bytes), TillError> {
    let deadline = tokio::time::Instant::now() + settings.patience;
    let mut body = seal(builder)?;
    loop {
        match connection.exchange(asked.clone(), body.clone(), authentic).await {
            Ok(exchange) if taken_over(&exchange) => return Ok((exchange, body)),
            Ok(_) if !asked.repeat => {
                let mut repeat = builder.clone();
                repeat.set_mti(builder.mti().repeat());
                asked.mti = repeat.mti();
                asked.repeat = true;
                body = seal(&repeat)?;
            }
            // the switch may be away for a while: the message is repeated until it is back
            Ok(_) | Err(_) => {}
        }
        if tokio::time::Instant::now() > deadline {
            return Err(TillError::NotAcknowledged(settings.patience));
        }
        tokio::time::sleep(settings.repeat_pause).await;
    }
}

/// Whether the other side has taken over an advice or a reversal. With a code that says "try again" it has not.
fn taken_over(exchange: &Exchange) -> bool {
    exchange.answer().is_some_and(|answer| {
        !matches!(
            answer.code,
            ResponseCode::ISSUER_INOPERATIVE | ResponseCode::SYSTEM_MALFUNCTION | ResponseCode::IN_PROGRESS
        )
    })
}
