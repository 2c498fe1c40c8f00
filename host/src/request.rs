//! Message → request. What is requested goes into [`Request`], which may be journalled; card and PIN data go into
//! [`Presented`], which goes to the HSM and nowhere else. Pure: the time is an argument.

use codecs::mti::Class;
use codecs::originator::KeyClass;
use codecs::subfields::{additional, additional_amounts, additional_data, amount_type};
use codecs::value::{
    ApprovalCode, Currency, EntryMode, Expiry, InstitutionId, MerchantId, Minor, Money, Number, Pan, PinBlock,
    PosEntryMode, ProcessingCode, ResponseCode, Rrn, Stan, TerminalId, TransactionType,
};
use codecs::view::{Advice, Authorization, Financial, Reversal};
use codecs::{DecodeError, Message, de, tlv};
use hsm::{CryptogramData, PanIndex, SecurityCode};
use jiff::civil::{Date, DateTime};
use ledger::chip;
use ledger::journal::{Kind, Role, Row};
use ledger::key::{ContentDigest, DatedOriginatorKey, KeyError, RequestKey, nearest_year};

use crate::billing::{Billed, CardholderBilling, Foreign};
use crate::config::Config;

/// How the card was read, which determines the proof that is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardEntry {
    /// Magnetic stripe: the CVV is required.
    Stripe,
    /// Contact chip, contactless chip or device: the cryptogram is required.
    Chip,
    /// Keyed or e-commerce: the printed code is required.
    Keyed,
}

/// A request as decided and journalled. It holds no card data but the PAN's index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub kind: Kind,
    /// It reports something that has happened (x2x).
    pub advice: bool,
    pub role: Role,
    /// The journal keys of the originator's key in the message's class; for a reversal, of the original's key in its class,
    /// the financial one if the reversal names none.
    pub key: RequestKey,
    /// The keys of the other class, where a row of this transaction may stand: of a reversal that names no class, and of
    /// authorizations, which version 1 of the journal stored as financial.
    pub other_class: Option<RequestKey>,
    /// The message's class; of a reversal its original's, if it names one.
    pub class: Option<KeyClass>,
    /// The transaction that a completion or increment names by key.
    pub referred: Option<ReferredKeys>,
    /// Name of the switch's link on which it came in.
    pub link: String,
    pub stan: Stan,
    pub local_at: DateTime,
    pub processing_code: ProcessingCode,
    /// In `currency`; of a transaction in a foreign one what it comes to in that of our accounts.
    pub amount: Minor,
    pub currency: Currency,
    /// DE4 and DE49 of a transaction in another currency than our accounts'. A reversal has it from its original.
    pub foreign: Option<Foreign>,
    /// What the message says of the amount in the card's currency (DE6, DE10, DE51) was not taken.
    pub billing_disbelieved: bool,
    /// DE49 was in the message. A reversal may do without.
    pub currency_named: bool,
    /// For a partial reversal (DE95): the amount that remains.
    pub replacement: Option<Minor>,
    pub card_entry: CardEntry,
    /// What the chip signed of the transaction.
    pub chip_terms: Option<ChipTerms>,
    pub partial_supported: bool,
    /// Cash back within the amount, in the currency of the message (DE54, type 40).
    pub cash_back: Option<Minor>,
    /// For an advice: the response code that it reports.
    pub advised: Option<ResponseCode>,
    pub approval_code: Option<ApprovalCode>,
    pub rrn: Option<Rrn>,
    pub life_cycle: Option<String>,
    pub acquirer: InstitutionId,
    /// For an acquired transaction: the destination whose issuer approved.
    pub issuer: Option<String>,
    pub merchant: Option<MerchantId>,
    pub terminal: Option<TerminalId>,
    /// Merchant category (DE18).
    pub mcc: Option<Number<4>>,
    pub entry_mode: Option<PosEntryMode>,
    pub business_date: Date,
    /// `None` until the HSM has indexed the PAN.
    pub pan_index: Option<PanIndex>,
    pub digest: ContentDigest,
}

impl Request {
    /// Of a partial reversal: the amount that stands after it.
    #[must_use]
    pub fn partial_standing(&self) -> Option<Minor> {
        self.replacement.filter(|standing| self.kind == Kind::Reversal && *standing > Minor::ZERO)
    }

    /// It tells of something that has happened, or undoes it: whoever sent it sends it until it is acknowledged, so it is
    /// decided however late it comes.
    #[must_use]
    pub fn is_owed(&self) -> bool {
        self.advice || self.kind == Kind::Reversal
    }

    /// It uses a card number that the merchant keeps (DE22 10).
    #[must_use]
    pub fn is_stored_credential(&self) -> bool {
        self.entry_mode.is_some_and(|mode| mode.mode() == EntryMode::StoredCredential)
    }

    /// The card is not present, so the merchant may be let to keep its number.
    #[must_use]
    pub fn may_be_stored(&self) -> bool {
        let mode = self.entry_mode.map(PosEntryMode::mode);
        let absent = matches!(mode, Some(EntryMode::Ecommerce | EntryMode::Manual));
        absent && matches!(self.kind, Kind::Purchase | Kind::PreAuthorization | Kind::AccountVerification)
    }

    /// Whether it names an earlier transaction: by life-cycle id, by key, or by its approval code.
    #[must_use]
    pub fn names_another(&self) -> bool {
        let names_first = self.life_cycle.is_some() && !self.is_stored_credential();
        names_first || self.referred.is_some() || self.approval_code.is_some()
    }

    /// It gives back, or asks whether it may.
    #[must_use]
    pub fn is_refund(&self) -> bool {
        matches!(self.kind, Kind::Refund | Kind::RefundAuthorization)
    }

    /// Amount and currency as the message has them (DE4, DE49).
    #[must_use]
    pub fn sent(&self) -> Money {
        self.foreign.map_or(Money { minor: self.amount, currency: self.currency }, |foreign| foreign.sent)
    }

    /// Of a message about `original`, a transaction in a foreign currency: the same with its amounts in that of our accounts,
    /// at the rate of the original. `None` if the original is in ours, or the message in a third currency.
    #[must_use]
    pub fn at_the_rate_of(&self, original: &Row) -> Option<Self> {
        let foreign = original.transaction?;
        let sent = self.sent();
        if sent.currency != foreign.currency && self.currency_named {
            return None;
        }
        Some(Self {
            amount: original.in_account_currency(sent.minor),
            currency: original.currency,
            replacement: self.replacement.map(|standing| original.in_account_currency(standing)),
            foreign: Some(Foreign {
                sent: Money { minor: sent.minor, currency: foreign.currency },
                rate: self.foreign.and_then(|foreign| foreign.rate),
            }),
            ..self.clone()
        })
    }

    /// Sets the index of the PAN, and the digest that depends on it.
    pub fn identify(&mut self, pan_index: Option<PanIndex>) {
        self.pan_index = pan_index;
        let processing_code = self.processing_code.to_string();
        let sent = self.sent();
        self.digest = ContentDigest::of(pan_index.as_ref(), sent.minor, sent.currency, &processing_code);
    }
}

/// The terms of a transaction as its chip signed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChipTerms {
    /// Tag 9F02.
    pub amount: Minor,
    /// Tag 9F03: the cash within the amount.
    pub cash_back: Minor,
    /// Tag 5F2A.
    pub currency: Currency,
    /// Tag 9A: the terminal's date.
    pub date: Date,
    /// Tag 9C: the transaction type, as the first two digits of DE3.
    pub transaction: u8,
    /// Bits 8 and 7 of tag 9F27 say that the chip asks the issuer (ARQC); `true` too where the tag is absent.
    pub asks_online: bool,
}

/// The journal keys of a transaction that a message names by its originator's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferredKeys {
    pub authorization: RequestKey,
    pub financial: RequestKey,
    /// The class that the message names.
    pub class: Option<KeyClass>,
}

impl ReferredKeys {
    /// The keys of a transaction named by `key`.
    #[must_use]
    pub fn of(key: &DatedOriginatorKey) -> Self {
        let of = |class| key.of_class(class);
        Self { authorization: of(KeyClass::Authorization), financial: of(KeyClass::Financial), class: key.class() }
    }
}

/// Card and PIN data as presented. Goes to the HSM, and is dropped with the request.
#[derive(Debug)]
pub struct Presented {
    pub pan: Option<Pan>,
    pub expiry: Option<Expiry>,
    pub sequence: Option<u8>,
    pub code: Option<PresentedCode>,
    pub pin: Option<PinBlock>,
    pub chip: Option<PresentedChip>,
    /// Chip data of an advice, for the presentment.
    pub clearing_chip: Option<Vec<u8>>,
}

/// A card security code as presented.
#[derive(Debug)]
pub struct PresentedCode {
    pub value: SecurityCode,
    /// Service code of the track that had the code; `None` if it was keyed.
    pub service_code: Option<[u8; 3]>,
}

/// An application cryptogram and the data under it.
#[derive(Debug)]
pub struct PresentedChip {
    pub cryptogram: [u8; 8],
    pub data: CryptogramData,
    pub terms: ChipTerms,
}

/// Why a message cannot become a request. It is answered and not journalled, because nothing depends on it.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Format(#[from] DecodeError),
    #[error("originator key: {0}")]
    Key(#[from] KeyError),
    #[error("no originator key")]
    KeyMissing,
    #[error("link {0} is not in the configuration")]
    LinkUnknown(String),
    #[error("business date")]
    BusinessDate,
    #[error("chip data: tag {0:X} is missing, or is not what the tag can be")]
    Chip(u32),
    #[error("additional data cannot be cut into sub-elements")]
    AdditionalData,
    #[error("additional amounts cannot be cut into sets")]
    AdditionalAmounts,
    #[error("message type {0} is not served")]
    NotServed(String),
}

/// Tag of the application cryptogram.
const CRYPTOGRAM: u32 = 0x9F26;
/// Tag of the authorized amount.
const AMOUNT: u32 = 0x9F02;
/// Tag of the other amount: cash back.
const OTHER_AMOUNT: u32 = 0x9F03;
/// Tag of the transaction's date.
const DATE: u32 = 0x9A;
/// Tag of the transaction's currency.
const CURRENCY: u32 = 0x5F2A;
/// Tag of the transaction type.
const TRANSACTION_TYPE: u32 = 0x9C;
/// Tag of the cryptogram information data (EMV Book 3, 6.5.5.4), and its bits for a cryptogram that asks the issuer.
const CRYPTOGRAM_TYPE: u32 = 0x9F27;
const ASKS_ONLINE: u8 = 0x80;

/// Reads a request of class 01xx, 02xx or 04xx. `today` only supplies the year of dates without one. What a request is
/// refused for, an advice or reversal is taken with, as a kind that is not served: what it reports has happened.
pub fn read(message: &Message, config: &Config, today: Date) -> Result<(Request, Presented), Refusal> {
    let core = Core::of(message)?;
    let told = message.mti().is_advice() || message.mti().class() == Class::Reversal;
    let key = message.get::<de::OriginatorKey>()?.ok_or(Refusal::KeyMissing)?;
    let key = key.as_str().unwrap_or("");
    let key = match DatedOriginatorKey::parse(key, today) {
        Err(KeyError::LocalTime) if told => DatedOriginatorKey::without_time(key, today)?,
        parsed => parsed?,
    };
    let referred = message.get::<de::ReferredKey>()?;
    let referred = referred.and_then(|key| DatedOriginatorKey::parse(key.as_str().unwrap_or(""), today).ok());
    let authorized_by = message.get::<de::AuthorizedBy>()?;
    let issuer = authorized_by.as_ref().and_then(|text| text.as_str()).and_then(|text| text.strip_prefix('A'));
    let link = match config.links.get(key.link()) {
        None if !told => return Err(Refusal::LinkUnknown(key.link().to_owned())),
        link => link,
    };
    let pan = codecs::view::pan_if_any(message)?;
    let ours = pan.as_ref().is_none_or(|pan| pan.expose().starts_with(config.issuer.bin.as_bytes()));
    let role = match (link.is_some_and(|link| link.is_ours()), issuer.is_none() && ours) {
        (true, true) => Role::OnUs,
        (true, false) => Role::Acquired,
        (false, _) => Role::Issued,
    };
    // a reversal needs no link: it names its original, and taken for another kind it would stand under the original's key
    let kind = match link {
        None if message.mti().class() != Class::Reversal => Kind::NotServed,
        _ => core.kind(message, role),
    };
    let class = class_of(message, kind, &key);
    let other_class = match class {
        Some(KeyClass::Financial) => None,
        Some(KeyClass::Authorization) => Some(key.of_class(KeyClass::Financial)),
        None => Some(key.of_class(KeyClass::Authorization)),
    };
    let additional = Additional::of(message)?;
    let chip = if message.mti().is_advice() || kind == Kind::Reversal { None } else { presented_chip(message)? };
    let sent = Money { minor: core.amount, currency: core.currency.unwrap_or_else(|| config.currency()) };
    let billed = match (kind, role) {
        // the rate is that of its original
        (Kind::Reversal, _) => Billed::as_sent(sent),
        // our own merchants sell in our currency
        (_, Role::OnUs | Role::Acquired) => Billed::as_sent(sent),
        (_, Role::Issued) => {
            let said = cardholder_billing(message)?;
            config.billing.bill(sent, said.as_ref(), link.is_some_and(|link| link.is_network()), config.currency())
        }
    };
    let entry_mode = message.get::<de::PosEntryMode>()?;
    let entry = card_entry(entry_mode.map(PosEntryMode::mode), chip.is_some());
    let acquirer = message.get::<de::Acquirer>()?;
    let mut request = Request {
        kind,
        advice: told && kind != Kind::Reversal,
        role,
        key: key.of_class(class.unwrap_or(KeyClass::Financial)),
        other_class,
        class,
        referred: referred.as_ref().map(ReferredKeys::of),
        link: key.link().to_owned(),
        stan: key.stan(),
        local_at: key.local_at(),
        processing_code: core.processing_code,
        amount: billed.money.minor,
        currency: billed.money.currency,
        foreign: billed.foreign,
        billing_disbelieved: billed.disbelieved,
        currency_named: core.currency.is_some(),
        replacement: core.replacement,
        card_entry: entry,
        chip_terms: chip.as_ref().map(|chip| chip.terms),
        partial_supported: additional.partial_supported,
        cash_back: if told { None } else { cash_back(message)? },
        advised: if message.mti().is_advice() { message.get::<de::ResponseCode>()? } else { None },
        // of a sale it is ours to give
        approval_code: message
            .get::<de::ApprovalCode>()?
            .filter(|_| told || matches!(kind, Kind::PreAuthorization | Kind::Refund | Kind::RefundAuthorization)),
        rrn: message.get::<de::Rrn>()?,
        life_cycle: message.get::<de::LifeCycleId>()?.and_then(|id| id.as_str().map(str::to_owned)),
        // the switch has checked the acquirer id against the link; settlement uses the id of the link's own row
        acquirer: link
            .and_then(|link| link.acquirer_id())
            .and_then(InstitutionId::new)
            .or(acquirer)
            .unwrap_or_else(|| config.acquirer_id()),
        issuer: issuer.map(str::to_owned),
        merchant: message.get::<de::MerchantId>()?,
        terminal: message.get::<de::TerminalId>()?,
        mcc: message.get::<de::MerchantType>()?,
        entry_mode,
        business_date: match business_date(message, today) {
            Err(_) if told => today,
            date => date?,
        },
        pan_index: None,
        digest: ContentDigest([0; 16]),
    };
    request.identify(None);
    Ok((request, presented(message, pan, entry, additional.code, chip)?))
}

/// The elements common to every class served here.
struct Core {
    processing_code: ProcessingCode,
    amount: Minor,
    currency: Option<Currency>,
    replacement: Option<Minor>,
}

impl Core {
    /// Reads them through the view of the message's class, which requires the mandatory ones.
    fn of(message: &Message) -> Result<Self, Refusal> {
        use codecs::mti::Function;
        let mti = message.mti();
        let core =
            |processing_code, amount, currency, replacement| Self { processing_code, amount, currency, replacement };
        match (mti.class(), mti.function()) {
            (Class::Authorization, Function::Request) => {
                let view = Authorization::of(message)?.request;
                Ok(core(view.processing_code, view.amount, Some(view.currency), None))
            }
            (Class::Financial, Function::Request) => {
                let view = Financial::of(message)?;
                Ok(core(view.processing_code, view.amount, Some(view.currency), None))
            }
            (Class::Authorization | Class::Financial, Function::Advice) => {
                let view = Advice::of(message)?;
                Ok(core(view.processing_code, view.amount, Some(view.currency), None))
            }
            (Class::Reversal, Function::Request | Function::Advice) => {
                let view = Reversal::of(message)?;
                Ok(core(view.processing_code, view.amount, view.currency, view.replacement))
            }
            _ => Err(Refusal::NotServed(mti.as_str().to_owned())),
        }
    }

    fn kind(&self, message: &Message, role: Role) -> Kind {
        let mti = message.mti();
        if mti.class() == Class::Reversal {
            return Kind::Reversal;
        }
        let financial = mti.class() == Class::Financial;
        if !SERVED.contains(&self.processing_code.transaction) {
            return Kind::NotServed;
        }
        match self.processing_code.kind() {
            TransactionType::Inquiry => Kind::BalanceInquiry,
            TransactionType::Credit if financial => Kind::Refund,
            TransactionType::Credit => Kind::RefundAuthorization,
            TransactionType::Debit if mti.is_advice() && financial && role != Role::Acquired => Kind::Completion,
            TransactionType::Debit if financial => Kind::Purchase,
            TransactionType::Debit if self.amount == Minor::ZERO => Kind::AccountVerification,
            // an authorization without capture is a hold, whether or not the message announces a completion
            TransactionType::Debit => Kind::PreAuthorization,
            _ => Kind::NotServed,
        }
    }
}

/// What the message says of its amount in the card's currency.
fn cardholder_billing(message: &Message) -> Result<Option<CardholderBilling>, DecodeError> {
    let (amount, currency) = (message.get::<de::BillingAmount>()?, message.get::<de::BillingCurrency>()?);
    let (Some(minor), Some(currency)) = (amount, currency) else { return Ok(None) };
    Ok(Some(CardholderBilling { money: Money { minor, currency }, rate: message.get::<de::BillingRate>()? }))
}

/// The transaction types that are served (DE3, first two digits): goods and services, goods with cash back, refund, balance
/// inquiry.
const SERVED: [u8; 5] = [0, 9, 20, 30, 31];

/// The class of a message, or of the original that a reversal names: in its key, or in DE90.
fn class_of(message: &Message, kind: Kind, key: &DatedOriginatorKey) -> Option<KeyClass> {
    if kind != Kind::Reversal {
        return KeyClass::of(message.mti().class());
    }
    let named =
        || message.get::<de::OriginalData>().ok().flatten().and_then(|original| KeyClass::of(original.mti.class()));
    key.class().or_else(named)
}

/// The cash back in DE54. What other amounts there are is not used.
fn cash_back(message: &Message) -> Result<Option<Minor>, Refusal> {
    let Some(content) = message.get::<de::AdditionalAmounts>()? else { return Ok(None) };
    let sets = additional_amounts(content.bytes()).map_err(|_| Refusal::AdditionalAmounts)?;
    let cash = sets.iter().find(|set| set.amount_type == amount_type::CASH);
    // the sign says who is credited, not whether the amount is there
    Ok(cash.map(|set| Minor(set.amount.0.abs())))
}

/// The business date (DE15) as stamped by the switch.
fn business_date(message: &Message, today: Date) -> Result<Date, Refusal> {
    let stamped = message.require::<de::SettlementDate>()?;
    let (month, day) = (i8::try_from(stamped.month), i8::try_from(stamped.day));
    let (Ok(month), Ok(day)) = (month, day) else { return Err(Refusal::BusinessDate) };
    nearest_year(month, day, today).ok_or(Refusal::BusinessDate)
}

fn card_entry(mode: Option<EntryMode>, has_cryptogram: bool) -> CardEntry {
    match mode {
        Some(EntryMode::Stripe | EntryMode::Fallback | EntryMode::ContactlessStripe) => CardEntry::Stripe,
        Some(EntryMode::Chip | EntryMode::ContactlessChip | EntryMode::ChipUnreliable) => CardEntry::Chip,
        Some(EntryMode::Manual | EntryMode::Ecommerce | EntryMode::StoredCredential) => CardEntry::Keyed,
        // an unspecific entry mode is decided by whether a cryptogram came with it
        Some(EntryMode::Unknown | EntryMode::Other(_)) | None if has_cryptogram => CardEntry::Chip,
        Some(EntryMode::Unknown | EntryMode::Other(_)) | None => CardEntry::Keyed,
    }
}

/// The parts of the additional data that are used.
struct Additional {
    partial_supported: bool,
    code: Option<SecurityCode>,
}

impl Additional {
    fn of(message: &Message) -> Result<Self, Refusal> {
        let mut found = Self { partial_supported: false, code: None };
        let Some(content) = message.get::<de::AdditionalData>()? else { return Ok(found) };
        for sub_element in additional_data(content.bytes()) {
            match sub_element.map_err(|_| Refusal::AdditionalData)? {
                (additional::CAPABILITIES, value) => found.partial_supported = value.first() == Some(&b'1'),
                (additional::SECURITY_CODE, value) => {
                    let digits = value.try_into().map_err(|_| Refusal::AdditionalData)?;
                    found.code = Some(SecurityCode::new(digits).map_err(|_| Refusal::AdditionalData)?);
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

fn presented_chip(message: &Message) -> Result<Option<PresentedChip>, Refusal> {
    let Some(content) = message.get::<de::Icc>()? else { return Ok(None) };
    // the whole element is read: what is cut short behind the cryptogram was not what the chip sent
    if let Some(error) = tlv::tags(content.bytes()).find_map(Result::err) {
        return Err(Refusal::Chip(error.tag));
    }
    let tag = |tag| tlv::find(content.bytes(), tag).ok().flatten();
    let Some(cryptogram) = tag(CRYPTOGRAM) else { return Ok(None) };
    let cryptogram = cryptogram.try_into().map_err(|_| Refusal::Chip(CRYPTOGRAM))?;
    let data = CryptogramData::from_tags(tag).map_err(Refusal::Chip)?;
    let digits = |bytes: &[u8], tag| bcd(bytes).ok_or(Refusal::Chip(tag));
    let terms = ChipTerms {
        amount: Minor(digits(&data.amount, AMOUNT)?),
        cash_back: Minor(digits(&data.other_amount, OTHER_AMOUNT)?),
        currency: match u16::try_from(digits(&data.currency, CURRENCY)?) {
            Ok(number @ ..=999) => Currency::from_number(number),
            _ => return Err(Refusal::Chip(CURRENCY)),
        },
        date: date_of(digits(&data.date, DATE)?).ok_or(Refusal::Chip(DATE))?,
        transaction: u8::try_from(digits(&[data.kind], TRANSACTION_TYPE)?).expect("two digits"),
        asks_online: tag(CRYPTOGRAM_TYPE).and_then(<[u8]>::first).is_none_or(|byte| byte & 0xC0 == ASKS_ONLINE),
    };
    Ok(Some(PresentedChip { cryptogram, data, terms }))
}

/// The date in a number of six digits, YYMMDD.
fn date_of(number: i64) -> Option<Date> {
    let part = |place: i64| i8::try_from(number / place % 100).ok();
    Date::new(2000 + i16::from(part(10_000)?), part(100)?, part(1)?).ok()
}

/// The number in packed digits; `None` if there is another nibble.
fn bcd(bytes: &[u8]) -> Option<i64> {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .try_fold(0, |number, digit| (digit <= 9).then(|| number * 10 + i64::from(digit)))
}

fn presented(
    message: &Message,
    pan: Option<Pan>,
    entry: CardEntry,
    typed: Option<SecurityCode>,
    chip: Option<PresentedChip>,
) -> Result<Presented, Refusal> {
    let track = message.get::<de::Track2>()?;
    let on_track = track.as_ref().and_then(|track| {
        // key index, PVV, then the code (ISO/IEC 7813 leaves the layout to the issuer)
        let digits = track.discretionary().get(5..8)?.try_into().ok()?;
        Some(PresentedCode { value: SecurityCode::new(digits).ok()?, service_code: Some(track.service_code()) })
    });
    // a stripe proves itself by what is on it; a printed code proves that somebody has seen the card
    let typed = typed.filter(|_| entry != CardEntry::Stripe);
    let typed = typed.map(|value| PresentedCode { value, service_code: None });
    Ok(Presented {
        pan,
        expiry: codecs::view::expiry(message)?,
        sequence: message.get::<de::CardSequence>()?.and_then(|number| u8::try_from(number.0).ok()),
        code: on_track.or(typed),
        pin: message.get::<de::PinBlock>()?,
        chip,
        clearing_chip: match message.get::<de::Icc>()? {
            Some(icc) if message.mti().is_advice() => chip::for_presentment(icc.bytes()),
            _ => None,
        },
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use codecs::value::{ConversionRate, LocalTime, MonthDay, Opaque, TransmissionTime};
    use codecs::{Builder, Mti};
    use jiff::civil::date;
    use link::role::Roles;

    use super::*;

    fn config() -> Config {
        let links = Roles::parse(include_str!("../../config/links.toml"), "links.toml").unwrap();
        let mut config = Config::parse(include_str!("../../config/host.toml"), "host.toml".as_ref(), links).unwrap();
        config.dialects_dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/dialects").into();
        config
    }

    /// A message of ten units of a currency, with what it says of the amount in the card's.
    fn message(mti: [u8; 4], link: &str, currency: u16, billing: Option<(i64, u32)>, config: &Config) -> Message {
        let dialect = codecs::dialect::load(&config.dialects_dir, &config.dialect).unwrap();
        let day = MonthDay::new(11, 20).unwrap();
        let time = LocalTime::new(10, 15, 0).unwrap();
        let mut builder = Builder::new(&dialect, Mti::of(&mti));
        builder
            .put::<de::Pan>(Pan::from_digits(b"4000120000000002").unwrap())
            .put::<de::ProcessingCode>(ProcessingCode::PURCHASE)
            .put::<de::Amount>(Minor(1_000))
            .put::<de::TransmissionTime>(TransmissionTime { date: day, time })
            .put::<de::Stan>(Stan(17))
            .put::<de::LocalTime>(time)
            .put::<de::LocalDate>(day)
            .put::<de::SettlementDate>(day)
            .put::<de::PosEntryMode>(PosEntryMode::parse("010").unwrap())
            .put::<de::Acquirer>(InstitutionId::new("510099").unwrap())
            .put::<de::TerminalId>(TerminalId::new("T0000001").unwrap())
            .put::<de::MerchantId>(MerchantId::new("SWYD00000000001").unwrap())
            .put::<de::Currency>(Currency::from_number(currency))
            .put::<de::OriginatorKey>(Opaque::text(&format!("{link}|T0000001|SWYD00000000001|000017|101500|1120")));
        if let Some((minor, rate)) = billing {
            builder
                .put::<de::BillingAmount>(Minor(minor))
                .put::<de::BillingRate>(ConversionRate::from_number(rate).unwrap())
                .put::<de::BillingCurrency>(Currency::EUR);
        }
        Message::decode(&Arc::clone(&dialect), builder.encode().unwrap()).unwrap()
    }

    #[test]
    fn an_amount_from_abroad_is_read_as_what_it_comes_to() {
        let config = config();
        let network = "acquirer-ascii";
        for (mti, link, currency, billing, amount, disbelieved, is_foreign) in [
            (*b"0200", network, 840, Some((910, 79_100_000)), 910, false, true),
            (*b"0220", network, 840, Some((910, 79_100_000)), 910, false, true),
            (*b"0100", network, 840, Some((500, 75_000_000)), 900, true, true),
            (*b"0200", network, 840, None, 900, false, true),
            (*b"0200", network, 978, Some((900, 79_000_000)), 1_000, true, false),
            // no rate of ours: declined as it stands
            (*b"0200", network, 826, Some((910, 79_100_000)), 1_000, false, false),
            // our own merchants sell in our currency, and a reversal is at the rate of its original
            (*b"0200", "terminals", 840, Some((910, 79_100_000)), 1_000, false, false),
            (*b"0420", network, 840, Some((910, 79_100_000)), 1_000, false, false),
        ] {
            let message = message(mti, link, currency, billing, &config);
            let (request, _) = read(&message, &config, date(2026, 11, 20)).unwrap();
            let case = format!("{} {link} {currency} {billing:?}", message.mti().as_str());
            assert_eq!((request.amount.0, request.billing_disbelieved), (amount, disbelieved), "{case}");
            assert_eq!(request.foreign.is_some(), is_foreign, "{case}");
            assert_eq!(
                request.sent(),
                Money { minor: Minor(1_000), currency: Currency::from_number(currency) },
                "{case}"
            );
        }
    }
}
