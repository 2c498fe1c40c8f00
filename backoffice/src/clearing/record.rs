//! The records of a clearing file as values: header, presentment, trailer. Pure: messages in, messages out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use codecs::value::{
    ApprovalCode, Currency, InstitutionId, LocalDateTime, MerchantId, Minor, Number, Opaque, Pan, ProcessingCode, Rrn,
    TerminalId, Text,
};
use codecs::{Builder, DecodeError, Dialect, EncodeError, Message, Mti, de, subfields};
use jiff::civil::Date;
use serde::Deserialize;

use super::reference::{AcquirerReference, ReferenceError};

/// Message types of the records.
pub mod mti {
    use codecs::Mti;

    pub const PRESENTMENT: Mti = Mti::of(b"1240");
    pub const ADMINISTRATIVE: Mti = Mti::of(b"1644");
}

/// Function codes (DE24): kinds of records.
pub mod function {
    pub const FIRST_PRESENTMENT: u32 = 200;
    pub const TRAILER: u32 = 695;
    pub const HEADER: u32 = 697;
}

/// Private data subelements (PDS, in DE48) that are read or written here.
pub mod pds {
    pub const TERMINAL_TYPE: u16 = 23;
    pub const REVERSAL: u16 = 25;
    pub const FILE_ID: u16 = 105;
    pub const PROCESSING_MODE: u16 = 122;
    pub const CURRENCY_EXPONENTS: u16 = 148;
    pub const BUSINESS_ACTIVITY: u16 = 158;
    pub const SETTLEMENT_INDICATOR: u16 = 165;
    pub const CHECKSUM: u16 = 301;
    pub const RECORD_COUNT: u16 = 306;
}

/// Unique id of a file: kind, date, sender, sequence (PDS 0105, 25 digits).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(String);

impl FileId {
    /// Kind of a file that an acquirer sends directly to an issuer.
    pub const ACQUIRER_TO_ISSUER: u16 = 2;
    /// Largest number of a file of one kind, date and sender.
    pub const MAX_SEQUENCE: u32 = 99_999;

    /// `None` if the sender is not a number of at most 11 digits, or another part is too large.
    #[must_use]
    pub fn new(kind: u16, date: Date, sender: &str, sequence: u32) -> Option<Self> {
        let digits = !sender.is_empty() && sender.len() <= 11 && sender.bytes().all(|b| b.is_ascii_digit());
        (digits && kind <= 999 && sequence <= Self::MAX_SEQUENCE).then(|| {
            let (year, month, day) = (date.year().rem_euclid(100), date.month(), date.day());
            Self(format!("{kind:03}{year:02}{month:02}{day:02}{sender:0>11}{sequence:05}"))
        })
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 25 && text.bytes().all(|b| b.is_ascii_digit())).then(|| Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Kind of the file: three digits.
    #[must_use]
    pub fn kind(&self) -> u16 {
        self.number(0, 3)
    }

    /// Its date; 1 January 2000 if the digits are none.
    #[must_use]
    pub fn date(&self) -> Date {
        let two = |at| i8::try_from(self.number(at, at + 2)).unwrap_or(0);
        Date::new(2000 + i16::from(two(3)), two(5), two(7)).unwrap_or(jiff::civil::date(2000, 1, 1))
    }

    /// Its number among those of its sender, kind and date.
    #[must_use]
    pub fn sequence(&self) -> u32 {
        u32::try_from(self.0[20..].bytes().fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0')))
            .unwrap_or(0)
    }

    fn number(&self, from: usize, to: usize) -> u16 {
        self.0[from..to].bytes().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'))
    }

    /// Kind, date and sender.
    #[must_use]
    pub fn without_sequence(&self) -> &str {
        &self.0[..20]
    }

    /// Number of the sending institution, without leading zeros.
    #[must_use]
    pub fn sender(&self) -> &str {
        self.0[9..20].trim_start_matches('0')
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a file is a production file or a test (PDS 0122).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessingMode {
    Production,
    Test,
}

ledger::stored_words!(ProcessingMode, "column `settlement_batch.processing`" {
    Production => "production",
    Test => "test",
});

impl ProcessingMode {
    const fn letter(self) -> &'static [u8; 1] {
        match self {
            Self::Production => b"P",
            Self::Test => b"T",
        }
    }
}

/// The first record of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub file: FileId,
    pub processing: ProcessingMode,
}

/// The last record of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trailer {
    pub file: FileId,
    /// Sum of DE4 over the file, regardless of sign and currency: a checksum, not an amount owed.
    pub checksum: u64,
    /// Number of records, header and trailer included.
    pub records: u32,
}

/// A presentment: the acquirer's claim for a capture, or the return of an earlier claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presentment {
    pub pan: Pan,
    pub processing: ProcessingCode,
    /// Never negative: the processing code and `takes_back` determine the direction.
    pub amount: Minor,
    pub currency: Currency,
    pub local_at: LocalDateTime,
    pub pos_data: Option<Text<12>>,
    pub business_code: u32,
    pub reference: AcquirerReference,
    pub forwarder: Option<InstitutionId>,
    pub rrn: Option<Rrn>,
    pub approval: Option<ApprovalCode>,
    pub service_code: Option<Text<3>>,
    pub terminal: Option<TerminalId>,
    pub merchant: MerchantId,
    pub acceptor: Option<String>,
    /// DE55 of the authorization.
    pub icc: Option<Vec<u8>>,
    pub life_cycle: Option<String>,
    pub originator: Option<InstitutionId>,
    /// PDS 0025: the presentment takes back an earlier one, wholly or in part.
    pub takes_back: bool,
}

/// A record of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    Header(Header),
    Presentment(Box<Presentment>),
    Trailer(Trailer),
}

/// A fault within one record. It names the element or subelement, and never contains its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error(transparent)]
    Message(#[from] DecodeError),
    #[error("MTI {mti} with DE24 {function:03} is not taken")]
    NotTaken { mti: Mti, function: u32 },
    #[error("DE48: subelements cannot be cut at character {0}")]
    PdsCut(usize),
    #[error("DE48: PDS{0:04} is missing")]
    PdsMissing(u16),
    #[error("DE48: PDS{0:04} is not what it should be")]
    PdsForm(u16),
    #[error("DE31: {0}")]
    Reference(#[from] ReferenceError),
    #[error("DE48: PDS0148 gives {currency:?} {found} decimals, ISO 4217 gives {expected}")]
    Exponent { currency: Currency, found: u32, expected: u32 },
}

impl Record {
    /// Reads a record of any kind.
    pub fn read(message: &Message) -> Result<Self, RecordError> {
        let function = message.require::<de::FunctionCode>()?.0;
        match (message.mti(), function) {
            (mti::ADMINISTRATIVE, function::HEADER) => Header::read(message).map(Self::Header),
            (mti::ADMINISTRATIVE, function::TRAILER) => Trailer::read(message).map(Self::Trailer),
            (mti::PRESENTMENT, function::FIRST_PRESENTMENT) => {
                Presentment::read(message).map(|presentment| Self::Presentment(Box::new(presentment)))
            }
            (mti, function) => Err(RecordError::NotTaken { mti, function }),
        }
    }
}

impl Header {
    fn read(message: &Message) -> Result<Self, RecordError> {
        let data = PrivateData::of(message)?;
        let processing = match data.require(pds::PROCESSING_MODE)? {
            "P" => ProcessingMode::Production,
            "T" => ProcessingMode::Test,
            _ => return Err(RecordError::PdsForm(pds::PROCESSING_MODE)),
        };
        Ok(Self { file: data.file_id()?, processing })
    }

    /// The header as a message, as record number `number` of its file.
    pub fn write(&self, dialect: &Arc<Dialect>, number: u32) -> Result<Builder, EncodeError> {
        let data = [(pds::FILE_ID, self.file.as_str().as_bytes()), (pds::PROCESSING_MODE, self.processing.letter())];
        administrative(dialect, function::HEADER, number, &data)
    }
}

impl Trailer {
    fn read(message: &Message) -> Result<Self, RecordError> {
        let data = PrivateData::of(message)?;
        Ok(Self {
            file: data.file_id()?,
            checksum: data.number(pds::CHECKSUM, 16)?,
            records: data.number(pds::RECORD_COUNT, 8)?,
        })
    }

    /// The trailer as a message; its record number is the number of records.
    pub fn write(&self, dialect: &Arc<Dialect>) -> Result<Builder, EncodeError> {
        let (checksum, records) = (format!("{:016}", self.checksum), format!("{:08}", self.records));
        let data = [
            (pds::FILE_ID, self.file.as_str().as_bytes()),
            (pds::CHECKSUM, checksum.as_bytes()),
            (pds::RECORD_COUNT, records.as_bytes()),
        ];
        administrative(dialect, function::TRAILER, self.records, &data)
    }
}

fn administrative(
    dialect: &Arc<Dialect>,
    function: u32,
    number: u32,
    data: &[(u16, &[u8])],
) -> Result<Builder, EncodeError> {
    let mut builder = Builder::new(dialect, mti::ADMINISTRATIVE);
    builder
        .put::<de::FunctionCode>(Number(function))
        .put::<de::AdditionalData>(Opaque::new(private_data(data)))
        .put::<de::v93::MessageNumber>(Number(number));
    Ok(builder)
}

/// Constant values of our presentments.
mod ours {
    /// PDS 0023: attended point of interaction.
    pub const TERMINAL_TYPE: &[u8] = b"POI";
    /// PDS 0158: programme, service level and arrangement by which both sides clear.
    pub const BUSINESS_ACTIVITY: &[u8] = b"SWY2000001";
    /// PDS 0165: settled between the two members.
    pub const SETTLEMENT_INDICATOR: &[u8] = b"M";
}

impl Presentment {
    fn read(message: &Message) -> Result<Self, RecordError> {
        let data = PrivateData::of(message)?;
        let reference = message.require::<de::v93::AcquirerReference>()?;
        let owned = |text: Opaque<'_>| text.as_str().map(|text| text.trim_end().to_owned());
        let presentment = Self {
            pan: message.require::<de::Pan>()?,
            processing: message.require::<de::ProcessingCode>()?,
            amount: message.require::<de::Amount>()?,
            currency: message.require::<de::Currency>()?,
            local_at: message.require::<de::v93::LocalDateTime>()?,
            pos_data: message.get::<de::v93::PosData>()?,
            business_code: message.require::<de::v93::BusinessCode>()?.0,
            reference: AcquirerReference::parse(reference.as_str().unwrap_or(""))?,
            forwarder: message.get::<de::Forwarder>()?,
            rrn: message.get::<de::Rrn>()?,
            approval: message.get::<de::ApprovalCode>()?,
            service_code: message.get::<de::ServiceCode>()?,
            terminal: message.get::<de::TerminalId>()?,
            merchant: message.require::<de::MerchantId>()?,
            acceptor: message.get::<de::MerchantName>()?.and_then(owned),
            icc: message.get::<de::Icc>()?.map(Opaque::into_owned),
            life_cycle: message.get::<de::LifeCycleId>()?.and_then(owned),
            originator: message.get::<de::v93::Originator>()?,
            takes_back: data.get(pds::REVERSAL).is_some_and(|text| text.starts_with('R')),
        };
        presentment.check_exponent(&data)?;
        Ok(presentment)
    }

    /// Requires the number of decimals (PDS 0148) of the currency: a wrong one changes the amount by a factor of ten.
    fn check_exponent(&self, data: &PrivateData) -> Result<(), RecordError> {
        let Some(exponents) = data.get(pds::CURRENCY_EXPONENTS) else { return Ok(()) };
        let number = format!("{:03}", self.currency.number());
        let Some(of_ours) = exponents.as_bytes().chunks(4).find(|of| of.starts_with(number.as_bytes())) else {
            return Err(RecordError::PdsForm(pds::CURRENCY_EXPONENTS));
        };
        let found = match of_ours {
            [_, _, _, digit] if digit.is_ascii_digit() => u32::from(digit - b'0'),
            _ => return Err(RecordError::PdsForm(pds::CURRENCY_EXPONENTS)),
        };
        let (currency, expected) = (self.currency, self.currency.exponent());
        if found == expected { Ok(()) } else { Err(RecordError::Exponent { currency, found, expected }) }
    }

    /// The presentment as a message, as record number `number` of its file; `taken_back_on` is the date of the
    /// file whose presentment it takes back.
    pub fn write(&self, dialect: &Arc<Dialect>, number: u32, taken_back_on: Option<Date>) -> Builder {
        let mut builder = Builder::new(dialect, mti::PRESENTMENT);
        builder
            .put::<de::Pan>(self.pan.clone())
            .put::<de::ProcessingCode>(self.processing)
            .put::<de::Amount>(self.amount)
            .put::<de::v93::LocalDateTime>(self.local_at)
            .put_some::<de::v93::PosData>(self.pos_data)
            .put::<de::FunctionCode>(Number(function::FIRST_PRESENTMENT))
            .put::<de::v93::BusinessCode>(Number(self.business_code))
            .put::<de::v93::AcquirerReference>(Opaque::text(self.reference.as_str()))
            .put_some::<de::Forwarder>(self.forwarder)
            .put_some::<de::Rrn>(self.rrn)
            .put_some::<de::ApprovalCode>(self.approval)
            .put_some::<de::ServiceCode>(self.service_code)
            .put_some::<de::TerminalId>(self.terminal)
            .put::<de::MerchantId>(self.merchant)
            .put_some::<de::MerchantName>(self.acceptor.as_deref().map(Opaque::text))
            .put::<de::AdditionalData>(Opaque::new(self.private_data(taken_back_on)))
            .put::<de::Currency>(self.currency)
            .put_some::<de::Icc>(self.icc.as_deref().map(Opaque::new))
            .put_some::<de::LifeCycleId>(self.life_cycle.as_deref().map(Opaque::text))
            .put::<de::v93::MessageNumber>(Number(number))
            .put_some::<de::v93::Originator>(self.originator);
        builder
    }

    fn private_data(&self, taken_back_on: Option<Date>) -> Vec<u8> {
        let exponent = format!("{:03}{}", self.currency.number(), self.currency.exponent());
        let reversal = taken_back_on.map(|date| date.strftime("R%y%m%d").to_string());
        let mut data: Vec<(u16, &[u8])> = vec![(pds::TERMINAL_TYPE, ours::TERMINAL_TYPE)];
        if let Some(reversal) = &reversal {
            data.push((pds::REVERSAL, reversal.as_bytes()));
        }
        data.extend([
            (pds::CURRENCY_EXPONENTS, exponent.as_bytes()),
            (pds::BUSINESS_ACTIVITY, ours::BUSINESS_ACTIVITY),
            (pds::SETTLEMENT_INDICATOR, ours::SETTLEMENT_INDICATOR),
        ]);
        private_data(&data)
    }
}

fn private_data(data: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (tag, value) in data {
        subfields::write_private_data(*tag, value, &mut out).expect("subelements of this module are short");
    }
    out
}

/// The private data subelements of a record, by tag.
struct PrivateData(BTreeMap<u16, String>);

impl PrivateData {
    fn of(message: &Message) -> Result<Self, RecordError> {
        let Some(data) = message.get::<de::AdditionalData>()? else { return Ok(Self(BTreeMap::new())) };
        let read = |pds: Result<(u16, &[u8]), subfields::SubfieldError>| {
            let (tag, value) = pds.map_err(|error| RecordError::PdsCut(error.0))?;
            let value = std::str::from_utf8(value).map_err(|_| RecordError::PdsForm(tag))?;
            Ok((tag, value.to_owned()))
        };
        subfields::private_data(data.bytes()).map(read).collect::<Result<_, _>>().map(Self)
    }

    fn get(&self, tag: u16) -> Option<&str> {
        self.0.get(&tag).map(String::as_str)
    }

    fn require(&self, tag: u16) -> Result<&str, RecordError> {
        self.get(tag).ok_or(RecordError::PdsMissing(tag))
    }

    fn file_id(&self) -> Result<FileId, RecordError> {
        FileId::parse(self.require(pds::FILE_ID)?).ok_or(RecordError::PdsForm(pds::FILE_ID))
    }

    fn number<N: std::str::FromStr>(&self, tag: u16, width: usize) -> Result<N, RecordError> {
        let text = self.require(tag)?;
        let digits = text.len() == width && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|_| digits).ok_or(RecordError::PdsForm(tag))
    }
}

/// DE43 of a presentment: name, street and city each ended by a backslash, then postcode (10), region (3), country (3).
#[must_use]
pub fn acceptor(name: &str, street: &str, city: &str, postcode: &str, country: &str) -> String {
    // DE43 has 99 characters: 16 for the fixed part, 3 for the separators
    let part = |text: &str, most: usize| {
        let plain = text.chars().map(|c| if c == '\\' || !c.is_ascii() || c.is_ascii_control() { ' ' } else { c });
        plain.take(most).collect::<String>().trim().to_owned()
    };
    let (name, street, city) = (part(name, 30), part(street, 25), part(city, 25));
    format!("{name}\\{street}\\{city}\\{:<10}{:<3}{:<3}", part(postcode, 10), "", part(country, 3))
}
