//! What terminals and foreign acquirers have in common: payments in, decided transactions out.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use codecs::value::{Currency, Minor, PinBlock, ResponseCode, Stan};
use codecs::{Builder, EncodeError, Message, de};

use crate::chip::{IssuerAuthentication, TerminalData};
use crate::crypto::TdesKey;
use crate::crypto::pin_block::{PinBlockError, format_0};
use crate::exchange::{Asked, Exchange, Kind};
use crate::line::{Line, LineError};
use crate::moment::Moment;
use crate::reading::{Instrument, NothingToReplay, PinEntry, Reading};
use crate::request::{self, Original, reason};

/// Why a terminal could not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum TillError {
    #[error(transparent)]
    Line(#[from] LineError),
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

/// What a cardholder wants, at whichever till.
#[derive(Clone, Debug)]
pub struct Payment {
    pub instrument: Instrument,
    pub pin: PinEntry,
    pub amount: Minor,
    pub currency: Currency,
    /// The till can hand over less than was asked for.
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
    /// What the chip said to the answer; absent for stripes and typed numbers.
    pub chip: IssuerAuthentication,
    /// Read from a wallet device.
    pub token: bool,
}

/// A transaction that ended one way or the other: answered, or reversed with an acknowledged reversal.
#[derive(Clone, Debug)]
pub struct Decided {
    pub transaction: Transaction,
    pub reversal: Option<Exchange>,
}

/// How a till behaves.
#[derive(Clone, Copy, Debug)]
pub struct TillManner {
    /// ISO 3166 number of the country it stands in.
    pub country: u16,
    /// Pause before an unacknowledged reversal or completion is sent again.
    pub repeat_pause: Duration,
    /// How long it goes on repeating.
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

/// What the chip is told about a payment.
pub(crate) fn terminal_data(kind: Kind, payment: &Payment, at: Moment, country: u16) -> TerminalData {
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

/// The PIN as the pad encrypts it, for the number that this terminal sees.
pub(crate) fn pin_block(key: &TdesKey, payment: &Payment) -> Result<Option<PinBlock>, PinBlockError> {
    let Some(pin) = payment.instrument.pin(payment.pin) else { return Ok(None) };
    let number = std::str::from_utf8(payment.instrument.pan().expose()).map_err(|_| PinBlockError::Pan)?;
    let block = format_0(key, number, pin.expose())?;
    Ok(PinBlock::new(&block))
}

/// What the chip says to the answer of an exchange.
pub(crate) fn chip_verdict(reading: &Reading, exchange: &Exchange) -> IssuerAuthentication {
    let (Some(cryptogram), Some(answer)) = (&reading.cryptogram, exchange.answer()) else {
        return IssuerAuthentication::Absent;
    };
    let data = answer.message.get::<de::Icc>().ok().flatten();
    cryptogram.check(data.as_ref().map(|data| data.bytes()))
}

/// Why a transaction has to be taken back, if it has to.
pub(crate) fn must_be_reversed(transaction: &Transaction) -> Option<ResponseCode> {
    match &transaction.exchange.ending {
        Err(_) if transaction.original.kind.needs_reversal() => Some(reason::NO_ANSWER),
        // the goods are not handed over if the card does not believe its issuer
        Ok(answer) if answer.is_approval() && transaction.chip == IssuerAuthentication::Wrong => {
            Some(ResponseCode::SUSPECTED_MALFUNCTION)
        }
        _ => None,
    }
}

/// Sends an advice or a reversal until the other side takes it over: first as itself, then as its repeat.
pub(crate) async fn until_acknowledged(
    line: &Line,
    manner: &TillManner,
    mut asked: Asked,
    builder: &Builder,
    seal: &(dyn Fn(&Builder) -> Result<Bytes, EncodeError> + Sync),
    authentic: &(dyn Fn(&Message) -> bool + Sync),
) -> Result<(Exchange, Bytes), TillError> {
    let deadline = tokio::time::Instant::now() + manner.patience;
    let mut body = seal(builder)?;
    loop {
        match line.exchange(asked.clone(), body.clone(), authentic).await {
            Ok(exchange) if taken_over(&exchange) => return Ok((exchange, body)),
            Ok(_) if !asked.repeat => {
                let mut repeat = builder.clone();
                repeat.set_mti(builder.mti().repeat());
                asked.mti = repeat.mti();
                asked.repeat = true;
                body = seal(&repeat)?;
            }
            // the switch may be away for a while: what is owed stays owed until it is back
            Ok(_) | Err(_) => {}
        }
        if tokio::time::Instant::now() > deadline {
            return Err(TillError::NotAcknowledged(manner.patience));
        }
        tokio::time::sleep(manner.repeat_pause).await;
    }
}

/// Whether an advice or a reversal is now the other side's business. Codes that say "try again" leave it with us.
fn taken_over(exchange: &Exchange) -> bool {
    exchange.answer().is_some_and(|answer| {
        !matches!(
            answer.code,
            ResponseCode::ISSUER_INOPERATIVE | ResponseCode::SYSTEM_MALFUNCTION | ResponseCode::IN_PROGRESS
        )
    })
}
