//! The foreign issuer: it listens for the switch, uses ISO 8583:1993, and decides by its own accounts.

pub mod accounts;
pub mod fault;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use codecs::frame::{Frame, FrameCodec, Framed, Framing};
use codecs::mti::Class;
use codecs::subfields::{AdditionalAmount, additional, additional_data, amount_type, write_additional_amount};
use codecs::value::{Currency, LocalDateTime, LocalTime, Minor, MonthDay, Number, Opaque, Pan, Stan, TransactionType};
use codecs::{Builder, DecodeError, Dialect, Message, Mti, de, tlv};
use futures::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_util::codec::Framed as FramedStream;

use self::accounts::{Accounts, ApprovalRecord, PinCheck, Request, RequestKey, TransactionKind, Verdict, action};
use self::fault::{Fault, FaultRates, Faults};
use crate::card::Card;
use crate::chip::{read_signed, tag};
use crate::crypto::TdesKey;
use crate::crypto::pin_block::read_format_0;
use crate::moment::Moment;
use crate::secret::Digits;

/// Settings of the issuer.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    pub listen: SocketAddr,
    pub dialect: Arc<Dialect>,
    pub framing: Framing,
    /// The zone PIN key it shares with the switch.
    pub pin_key: TdesKey,
    pub faults: FaultRates,
}

/// Direction of a message, or that it was held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Received,
    Sent,
    /// Received, and on purpose neither processed nor answered.
    Ignored,
    /// An answer that on purpose was not sent.
    Swallowed,
}

/// One message on the issuer's side of the link, for reports.
#[derive(Clone, Debug)]
pub struct LinkMessage {
    /// Microseconds since 1970.
    pub at_us: u64,
    pub direction: Direction,
    pub mti: Mti,
    pub stan: Option<Stan>,
    pub amount: Option<Minor>,
    /// Action code of an answer.
    pub action: Option<u32>,
    /// The original of a reversal: MTI and trace number on this hop.
    pub original: Option<(Mti, Stan)>,
}

/// A running issuer; it stops when the last handle is gone.
#[derive(Debug)]
pub struct Issuer {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    settings: IssuerSettings,
    accounts: Mutex<Accounts>,
    faults: Mutex<Faults>,
    link_messages: Mutex<VecDeque<LinkMessage>>,
}

/// Number of messages kept for reports.
const LINK_MESSAGES: usize = 10_000;

impl Issuer {
    /// Listens, with accounts for these cards.
    ///
    /// # Errors
    /// The address is taken.
    pub async fn start(settings: IssuerSettings, cards: Vec<(Arc<Card>, TdesKey)>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let address = listener.local_addr()?;
        let mut accounts = Accounts::default();
        for (card, key) in cards {
            accounts.open(card, key);
        }
        let faults = Mutex::new(Faults::new(settings.faults));
        let shared =
            Arc::new(Shared { settings, accounts: Mutex::new(accounts), faults, link_messages: Mutex::default() });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self { shared, address, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Orders a fault for the answer of the next request.
    pub fn order_fault(&self, fault: Fault) {
        lock(&self.shared.faults).order(fault);
    }

    /// Ignores the next so many reversals.
    pub fn ignore_reversals(&self, how_many: u32) {
        lock(&self.shared.faults).ignore_reversals(how_many);
    }

    /// All approvals, and whether they were reversed since.
    #[must_use]
    pub fn approvals(&self) -> Vec<ApprovalRecord> {
        lock(&self.shared.accounts).approvals().to_vec()
    }

    /// The available balance of a card.
    #[must_use]
    pub fn available(&self, card: &Card) -> Option<Minor> {
        lock(&self.shared.accounts).available(&card.pan)
    }

    /// The last messages on its link, oldest first.
    #[must_use]
    pub fn link_messages(&self) -> Vec<LinkMessage> {
        lock(&self.shared.link_messages).iter().cloned().collect()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // dropping the set with this task ends the connections too
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(stream, Arc::clone(&shared)))),
                Err(error) => tracing::warn!(%error, "the issuer could not accept a connection"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    drop(stream.set_nodelay(true));
    let codec: FrameCodec = shared.settings.framing.codec(Message::MAX_BYTES).of(&shared.settings.dialect);
    let (mut sink, mut frames) = FramedStream::new(stream, codec).split();
    let (answers, mut leaving) = mpsc::unbounded_channel::<Framed>();
    let writing = async {
        while let Some(answer) = leaving.recv().await {
            if sink.send(Frame::Message(answer)).await.is_err() {
                break;
            }
        }
    };
    let reading = async {
        while let Some(Ok(frame)) = frames.next().await {
            if let Frame::Message(framed) = frame {
                shared.receive(&framed, &answers);
            }
        }
    };
    // the connection ends when either side ends; delayed answers then have no receiver
    tokio::select! {
        () = writing => {}
        () = reading => {}
    }
}

impl Shared {
    fn receive(self: &Arc<Self>, framed: &Framed, answers: &mpsc::UnboundedSender<Framed>) {
        let body = Bytes::copy_from_slice(&framed.body);
        let message = match Message::decode(&self.settings.dialect, body) {
            Ok(message) => message,
            Err(error) => return tracing::warn!(%error, "the switch sent the issuer something unreadable"),
        };
        if message.mti().class() == Class::Reversal && lock(&self.faults).ignores_reversal() {
            return self.record_message(Direction::Ignored, &message);
        }
        self.record_message(Direction::Received, &message);
        if let Some(answer) = self.answer(&message) {
            self.dispatch(&message, framed.answer(answer), answers);
        }
    }

    fn dispatch(self: &Arc<Self>, request: &Message, answer: Framed, answers: &mpsc::UnboundedSender<Framed>) {
        let may_fail =
            matches!(request.mti().class(), Class::Authorization | Class::Financial) && !request.mti().is_advice();
        let fault = if may_fail { lock(&self.faults).for_request() } else { None };
        match fault {
            None => self.leave(answer, answers),
            Some(Fault::SwallowAnswer) => self.record_answer(Direction::Swallowed, &answer),
            Some(Fault::DelayAnswer(by)) => {
                let (this, answers) = (Arc::clone(self), answers.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(by).await;
                    this.leave(answer, &answers);
                });
            }
        }
    }

    fn leave(&self, answer: Framed, answers: &mpsc::UnboundedSender<Framed>) {
        self.record_answer(Direction::Sent, &answer);
        if answers.send(answer).is_err() {
            tracing::info!("the switch had gone before an answer could leave");
        }
    }

    fn record_answer(&self, direction: Direction, answer: &Framed) {
        if let Ok(message) = Message::decode(&self.settings.dialect, answer.body.clone()) {
            self.record_message(direction, &message);
        }
    }

    fn record_message(&self, direction: Direction, message: &Message) {
        let mut link_messages = lock(&self.link_messages);
        if link_messages.len() == LINK_MESSAGES {
            link_messages.pop_front();
        }
        let original = message.get::<de::OriginalData93>().ok().flatten();
        link_messages.push_back(LinkMessage {
            at_us: jiff::Timestamp::now().as_microsecond().unsigned_abs(),
            direction,
            mti: message.mti(),
            stan: message.get::<de::Stan>().ok().flatten(),
            amount: message.get::<de::Amount>().ok().flatten(),
            action: message.get::<de::v93::ActionCode>().ok().flatten().map(|action| action.0),
            original: original.and_then(|data| read_original(data.bytes())).map(|(mti, key)| (mti, key.stan)),
        });
    }

    /// The answer to a message, if it is one that is answered: a format error, if it cannot be acted upon.
    fn answer(&self, message: &Message) -> Option<Bytes> {
        let mut answer = Builder::answer_to(message);
        answer
            .copy::<de::ProcessingCode>(message)
            .copy::<de::Amount>(message)
            .copy::<de::TransmissionTime>(message)
            .copy::<de::Stan>(message)
            .copy::<de::v93::LocalDateTime>(message)
            .copy::<de::v93::SettlementDate>(message)
            .copy::<de::FunctionCode>(message)
            .copy::<de::Acquirer>(message)
            .copy::<de::Rrn>(message)
            .copy::<de::TerminalId>(message)
            .copy::<de::MerchantId>(message)
            .copy::<de::Currency>(message);
        let action = match message.mti().class() {
            Class::Network => Ok(action::NETWORK_DONE),
            Class::Reversal => self.reverse(message, &mut answer),
            Class::Financial | Class::Authorization if message.mti().is_advice() => self.complete(message),
            Class::Financial | Class::Authorization => self.authorize(message, &mut answer),
            _ => return None,
        };
        let action = action.unwrap_or_else(|error| {
            tracing::warn!(%error, mti = %message.mti(), "the issuer could not act upon a message");
            action::FORMAT_ERROR
        });
        answer.put::<de::v93::ActionCode>(Number(u32::from(action)));
        answer.encode().inspect_err(|error| tracing::error!(%error, "an issuer's answer")).ok()
    }

    fn authorize(&self, message: &Message, answer: &mut Builder) -> Result<u16, DecodeError> {
        let mut accounts = lock(&self.accounts);
        let request = self.read(message, &accounts)?;
        let verdict = accounts.authorize(&request);
        put_verdict(answer, &verdict, message.get::<de::Currency>()?.unwrap_or(Currency::EUR));
        Ok(verdict.action)
    }

    fn reverse(&self, message: &Message, answer: &mut Builder) -> Result<u16, DecodeError> {
        answer.copy::<de::OriginalData93>(message);
        let data = message.require::<de::OriginalData93>()?;
        let Some((_, original)) = read_original(data.bytes()) else {
            tracing::warn!("a reversal names its original in a way that cannot be read");
            return Ok(action::FORMAT_ERROR);
        };
        lock(&self.accounts).reverse(original);
        Ok(action::REVERSED)
    }

    fn complete(&self, message: &Message) -> Result<u16, DecodeError> {
        let pan = message.require::<de::Pan>()?;
        let approval = message.get::<de::ApprovalCode>()?;
        let amount = message.require::<de::Amount>()?;
        lock(&self.accounts).complete(request_key(message)?, &pan, approval, amount);
        Ok(action::ADVICE_TAKEN)
    }

    fn read(&self, message: &Message, accounts: &Accounts) -> Result<Request, DecodeError> {
        let track = message.get::<de::Track2>()?;
        let pan = match (message.get::<de::Pan>()?, &track) {
            (Some(pan), _) => pan,
            (None, Some(track)) => track.pan(),
            (None, None) => message.require::<de::Pan>()?,
        };
        let data = message.get::<de::AdditionalData>()?;
        let now = Moment::utc(jiff::Timestamp::now());
        Ok(Request {
            key: request_key(message)?,
            kind: kind(message)?,
            expiry: message.get::<de::Expiry>()?,
            amount: message.get::<de::Amount>()?.unwrap_or(Minor::ZERO),
            terminal: message.get::<de::TerminalId>()?,
            merchant: message.get::<de::MerchantId>()?,
            rrn: message.get::<de::Rrn>()?,
            input: message.get::<de::v93::PosData>()?.and_then(|data| data.as_str().as_bytes().get(6).copied()),
            chip: message.get::<de::Icc>()?.and_then(|icc| read_signed(icc.bytes())),
            security_code: data.and_then(|data| security_code(data.bytes())),
            pin: self.check_pin(message, &pan, accounts)?,
            pan,
            track,
            today: now.date,
            year: now.year,
        })
    }

    fn check_pin(&self, message: &Message, pan: &Pan, accounts: &Accounts) -> Result<PinCheck, DecodeError> {
        let Some(block) = message.get::<de::PinBlock>()? else { return Ok(PinCheck::NotGiven) };
        let Some(card) = accounts.card(pan) else { return Ok(PinCheck::NotGiven) };
        let (Ok(block), Ok(number)) = (<[u8; 8]>::try_from(block.expose()), std::str::from_utf8(pan.expose())) else {
            return Ok(PinCheck::Unreadable);
        };
        Ok(match read_format_0(&self.settings.pin_key, number, block) {
            Ok(pin) if *pin == card.pin.expose() => PinCheck::Right,
            Ok(_) => PinCheck::Wrong,
            Err(_) => PinCheck::Unreadable,
        })
    }
}

fn request_key(message: &Message) -> Result<RequestKey, DecodeError> {
    let (stan, local) = (message.require::<de::Stan>()?, message.require::<de::v93::LocalDateTime>()?);
    Ok(RequestKey { stan, local })
}

/// Function codes of 1993 that tell one authorization from another.
const PRE_AUTHORIZATION: u32 = 101;
const INQUIRY: u32 = 108;

fn kind(message: &Message) -> Result<TransactionKind, DecodeError> {
    let processing = message.get::<de::ProcessingCode>()?;
    let function = message.get::<de::FunctionCode>()?.map(|code| code.0);
    let amount = message.get::<de::Amount>()?.unwrap_or(Minor::ZERO);
    Ok(match (message.mti().class(), processing.map(|p| p.kind()), function) {
        (_, Some(TransactionType::Inquiry), _) | (_, _, Some(INQUIRY)) => TransactionKind::Inquiry,
        (_, Some(TransactionType::Credit), _) => TransactionKind::Refund,
        (Class::Authorization, _, Some(PRE_AUTHORIZATION)) => TransactionKind::PreAuthorization,
        (Class::Authorization, ..) if amount == Minor::ZERO => TransactionKind::Verification,
        (Class::Authorization, ..) => TransactionKind::PreAuthorization,
        _ => TransactionKind::Purchase,
    })
}

fn security_code(content: &[u8]) -> Option<Digits> {
    let (_, code) = additional_data(content).flatten().find(|(tag, _)| *tag == additional::SECURITY_CODE)?;
    std::str::from_utf8(code).ok().and_then(Digits::new)
}

fn put_verdict(answer: &mut Builder, verdict: &Verdict, currency: Currency) {
    answer.put_some::<de::ApprovalCode>(verdict.approval);
    if let Some(amount) = verdict.balance {
        let set = AdditionalAmount { account_type: 0, amount_type: amount_type::AVAILABLE_BALANCE, currency, amount };
        let mut content = Vec::with_capacity(20);
        write_additional_amount(&set, &mut content);
        answer.put::<de::AdditionalAmounts>(Opaque::new(content));
    }
    if let Some(proof) = verdict.proof {
        let mut content = Vec::with_capacity(10);
        if tlv::write(tag::ISSUER_AUTHENTICATION, &proof, &mut content) {
            answer.put::<de::Icc>(Opaque::new(content));
        }
    }
}

/// DE 56: MTI 4, trace number 6, local date and time 12, then the acquirer with its length.
fn read_original(content: &[u8]) -> Option<(Mti, RequestKey)> {
    let mti = Mti::from_digits(content.get(..4)?.try_into().ok()?)?;
    let number =
        |from: usize, to: usize| -> Option<u32> { std::str::from_utf8(content.get(from..to)?).ok()?.parse().ok() };
    let two = |at: usize| number(at, at + 2).and_then(|n| u8::try_from(n).ok());
    let local = LocalDateTime {
        year: two(10)?,
        date: MonthDay::new(two(12)?, two(14)?)?,
        time: LocalTime::new(two(16)?, two(18)?, two(20)?)?,
    };
    Some((mti, RequestKey { stan: Stan(number(4, 10)?), local }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_original_is_read_from_its_places() {
        let (mti, key) = read_original(b"120000012326112010153006400012").unwrap();
        assert_eq!((mti.as_str(), key.stan), ("1200", Stan(123)));
        assert_eq!(key.local.to_string(), "261120101530");
        assert!(read_original(b"12000001232611201015").is_none());
        assert!(read_original(b"120000012326132010153000").is_none());
    }
}
