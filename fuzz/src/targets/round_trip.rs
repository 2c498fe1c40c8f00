//! What decodes encodes to the same bytes; its values and views can be read and written; nothing shown of it gives a
//! secret away.

use super::Target;
use super::dialects::{choices, dialect_and_message, dictionary, seeds};
use bytes::Bytes;
use codecs::de::{self, DataElement, Exposure, v93};
use codecs::describe::{Style, explain, explained_elements};
use codecs::encoding::{hex_value, to_hex};
use codecs::{Builder, Message, view};

pub const TARGET: Target = Target { name: "round_trip", check, seeds, dictionary, choices };

fn check(input: &[u8]) {
    let Some((dialect, bytes)) = dialect_and_message(input) else { return };
    let Ok(message) = Message::decode(&dialect, bytes) else {
        return;
    };
    turns_back(&message);
    values_can_be_written(&message);
    views_can_be_read(&message);
    nothing_is_given_away(&message);
}

fn encoded_again(message: &Message) -> Bytes {
    let again = Builder::new(message.dialect(), message.mti()).copy_all(message).encode();
    again.unwrap_or_else(|fault| panic!("what was read cannot be written: {fault}"))
}

fn turns_back(message: &Message) {
    let again = encoded_again(message);
    if again == message.bytes() {
        return;
    }
    // hex digits are read in either case and written in upper case
    let page = message.dialect().ebcdic;
    let digit = |byte: u8| hex_value(byte).or_else(|| hex_value(page.decode(byte)));
    let same = |(a, b): (&u8, &u8)| a == b || digit(*a).is_some_and(|value| digit(*b) == Some(value));
    let as_long = again.len() == message.bytes().len();
    assert!(as_long && again.iter().zip(message.bytes()).all(same), "a message does not turn back to its bytes");
    let read = Message::decode(message.dialect(), again).expect("what was written can be read");
    assert!(read.elements().eq(message.elements()));
    for element in message.elements() {
        let content = |of: &Message| of.field(element).map(|field| field.content().into_owned());
        assert!(content(&read) == content(message), "DE{element} changes on its way");
    }
}

/// Reads the values of elements and puts them into a builder.
struct Values<'m> {
    message: &'m Message,
    builder: Builder,
}

impl Values<'_> {
    fn take<E: DataElement>(&mut self) -> &mut Self {
        if let Ok(Some(value)) = self.message.get::<E>() {
            self.builder.put::<E>(value);
        }
        self
    }
}

macro_rules! take {
    ($values:ident: $($element:ty)*) => { $( $values.take::<$element>(); )* };
}

fn values_can_be_written(message: &Message) {
    let mut values = Values { message, builder: Builder::new(message.dialect(), message.mti()) };
    take!(values: de::Pan de::ProcessingCode de::Amount de::SettlementAmount de::BillingAmount de::TransmissionTime
        de::BillingRate de::Stan de::LocalTime de::LocalDate de::Expiry de::SettlementDate de::CaptureDate
        de::MerchantType de::AcquirerCountry de::PosEntryMode de::CardSequence de::FunctionCode de::ConditionCode de::PinCapture
        de::Acquirer de::Forwarder de::ExtendedPan de::Track2 de::Track3 de::Rrn de::ApprovalCode de::ResponseCode
        de::ServiceCode de::TerminalId de::MerchantId de::MerchantName de::AdditionalResponse de::Track1
        de::AdditionalData de::Currency de::SettlementCurrency de::BillingCurrency de::PinBlock de::SecurityControl
        de::AdditionalAmounts de::Icc de::OriginalData93 de::OriginatorKey de::ReferredKey de::AuthorizedBy de::Invoice
        de::LifeCycleId de::MacPrimary de::SettlementCode de::NetworkManagementCode de::MessageNumber
        de::CreditsCount de::CreditReversalsCount de::DebitsCount de::DebitReversalsCount de::AuthorizationsCount
        de::CreditsAmount de::CreditReversalsAmount de::DebitsAmount de::DebitReversalsAmount de::OriginalData
        de::ReplacementAmounts de::NetSettlement de::SettlementInstitution de::Account1 de::Account2 de::MacSecondary);
    readable(&values.builder, message);
    let mut values = Values { message, builder: Builder::new(message.dialect(), message.mti()) };
    take!(values: v93::LocalDateTime v93::SettlementDate v93::PosData v93::MessageReason v93::BusinessCode
        v93::ActionCode v93::MessageNumber v93::OriginalAmounts v93::AcquirerReference v93::Destination v93::Originator);
    readable(&values.builder, message);
}

/// A value may not suit the dialect's row; what a builder does write can be read.
fn readable(builder: &Builder, message: &Message) {
    if let Ok(bytes) = builder.encode() {
        let read = Message::decode(message.dialect(), bytes);
        read.unwrap_or_else(|fault| panic!("what was built cannot be read: {fault}"));
    }
}

fn views_can_be_read(message: &Message) {
    let _ = view::Advice::of(message).map(drop);
    let _ = view::Authorization::of(message).map(drop);
    let _ = view::Financial::of(message).map(drop);
    let _ = view::Network::of(message).map(drop);
    let _ = view::Reversal::of(message).map(drop);
    let _ = view::expiry(message).map(drop);
    if let Ok(reconciliation) = view::Reconciliation::of(message) {
        reconciliation.totals.net_of_amounts();
    }
    if let Ok(pan) = view::pan(message) {
        let shown = format!("{pan:?}");
        assert!(shown.bytes().filter(u8::is_ascii_digit).count() <= 10, "more than ten digits of a card number");
    }
}

/// Card numbers and tracks are in no text made of a message – but where another element repeats them, which may be shown.
fn nothing_is_given_away(message: &Message) {
    let shown: Vec<String> =
        explained_elements(message).into_iter().map(|line| line.value + " " + &line.meaning).collect();
    let debug = format!("{message:?}");
    assert!(explain(message, Style::Colour).len() > 10);
    let content = |element| message.field(element).map(|field| field.content().into_owned()).unwrap_or_default();
    for secret in message.elements().filter(|element| de::exposure(*element) != Exposure::Clear) {
        let digits = content(secret);
        // shorter ones occur by chance, and a fuzzer finds every text that is not of digits
        let is_digit = |char: &u8| char.is_ascii_digit() || matches!(char, b'=' | b'D');
        if digits.len() < 11 || !digits.iter().all(is_digit) {
            continue;
        }
        let repeats = |other: u8| {
            let text = content(other);
            other != secret && (holds(&text, &digits) || holds(to_hex(&text).as_bytes(), &digits))
        };
        let given_away = |text: &String| holds(text.as_bytes(), &digits);
        if shown.iter().any(given_away) || given_away(&debug) {
            assert!(message.elements().any(repeats), "DE{secret} is shown");
        }
    }
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
