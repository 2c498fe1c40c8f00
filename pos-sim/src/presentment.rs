//! The clearing file of the foreign acquirer: its captures as first presentments.
//!
//! The format is that of a Mastercard IPM file: ISO 8583:1993 records in ASCII, each with a length of four bytes before it,
//! the stream cut into blocks of 1,014 bytes. Header and trailer name the file; the trailer has the sum of all amounts and the
//! number of records. No code is shared with the reader of these files, so that a mistake is not made twice.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use codecs::value::{
    ApprovalCode, Currency, InstitutionId, Minor, Number, Opaque, Pan, PosEntryMode, ProcessingCode, Rrn, Text,
    luhn_digit,
};
use codecs::{Builder, Dialect, EncodeError, Mti, de};
use sha2::{Digest, Sha256};

use crate::crypto::key::hex;
use crate::exchange::{Answer, Exchange, RequestKind};
use crate::moment::Moment;
use crate::request::{CardAcceptor, Original};
use crate::shop::Shop;

/// Why a file could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PresentmentError {
    #[error("a record does not fit: {0}")]
    Encode(#[from] EncodeError),
    #[error("{file}: {source}")]
    Write { file: PathBuf, source: std::io::Error },
}

/// A capture at a shop, with the data of its authorization.
#[derive(Clone, Debug)]
pub struct Capture {
    pub pan: Pan,
    pub processing: ProcessingCode,
    pub amount: Minor,
    pub currency: Currency,
    pub at: Moment,
    pub entry: PosEntryMode,
    pub rrn: Option<Rrn>,
    pub approval: Option<ApprovalCode>,
    /// The id by which clearing finds the authorization.
    pub life_cycle: Option<String>,
    pub acceptor: CardAcceptor,
    /// Name, street, city, postcode, region and country in the form of clearing.
    pub location: String,
}

impl Capture {
    /// The capture of an approved purchase, completion or refund, at the approved amount; `None` for other exchanges.
    #[must_use]
    pub fn of(shop: &Shop, original: &Original, exchange: &Exchange) -> Option<Self> {
        let answer = exchange.answer().filter(|answer| answer.is_approval())?;
        matches!(original.kind, RequestKind::Purchase | RequestKind::Completion | RequestKind::Refund)
            .then(|| Self::new(shop, original, answer, answer.approved))
    }

    /// The capture of whatever was approved, at an amount of its own: only the file says it. `None` if it was declined.
    #[must_use]
    pub fn at(shop: &Shop, original: &Original, exchange: &Exchange, amount: Minor) -> Option<Self> {
        let answer = exchange.answer().filter(|answer| answer.is_approval())?;
        Some(Self::new(shop, original, answer, amount))
    }

    fn new(shop: &Shop, original: &Original, answer: &Answer, amount: Minor) -> Self {
        Self {
            pan: original.pan.clone(),
            processing: original.processing,
            amount,
            currency: original.currency,
            at: original.trace.at,
            entry: original.entry,
            rrn: original.rrn,
            approval: answer.approval.or(original.approval),
            life_cycle: answer.life_cycle.clone(),
            acceptor: shop.acceptor.clone(),
            location: shop.clearing_location(),
        }
    }
}

/// Identifies a file: its sender, its day, and its number on that day.
#[derive(Clone, Copy, Debug)]
pub struct FileId {
    pub sender: InstitutionId,
    pub at: Moment,
    pub sequence: u32,
}

impl FileId {
    /// PDS 0105: type 3, date 6, sender 11, sequence 5.
    fn subelement(&self) -> String {
        let sender: u64 = self.sender.as_str().parse().unwrap_or(0);
        format!("0105025001{}{sender:011}{:05}", two_digit_date(self.at), self.sequence)
    }
}

/// Whether the receiver is to post the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Production,
    Test,
}

/// One first presentment as it stands in the file.
#[derive(Clone, Debug)]
pub struct Presentment {
    pub capture: Capture,
    /// DE 22 of 1993.
    pub pos_data: Text<12>,
    pub acquirer_reference: String,
    pub acquirer: InstitutionId,
    pub service_code: Option<Text<3>>,
    /// Private data subelements: tag and value.
    pub private: Vec<(u16, String)>,
}

impl Presentment {
    /// The presentment of a capture as number `sequence` of its day.
    #[must_use]
    pub fn of(capture: Capture, acquirer: InstitutionId, sequence: u64) -> Self {
        let (currency, exponent) = (capture.currency.number(), capture.currency.exponent());
        Self {
            pos_data: pos_data(capture.entry),
            acquirer_reference: acquirer_reference(acquirer, capture.at, sequence),
            acquirer,
            service_code: None,
            private: vec![
                (23, terminal_type(capture.entry).into()),
                (148, format!("{currency:03}{exponent}")),
                (158, format!("{:12}", "SWY")),
                (165, "M".into()),
            ],
            capture,
        }
    }

    /// The same with PDS 0025: it takes back what was presented in the file of `on`.
    #[must_use]
    pub fn taking_back(mut self, on: Moment) -> Self {
        self.private.insert(1, (25, format!("R{}", two_digit_date(on))));
        self
    }

    fn record(&self, dialect: &Arc<Dialect>, number: u32) -> Result<Vec<u8>, EncodeError> {
        let capture = &self.capture;
        let mut b = Builder::new(dialect, Mti::of(b"1240"));
        b.put::<de::Pan>(capture.pan.clone())
            .put::<de::ProcessingCode>(capture.processing)
            .put::<de::Amount>(capture.amount)
            .put::<de::v93::LocalDateTime>(capture.at.local())
            .put::<de::v93::PosData>(self.pos_data)
            .put::<de::FunctionCode>(Number(FIRST_PRESENTMENT))
            .put::<de::v93::BusinessCode>(Number(u32::from(capture.acceptor.merchant_type)))
            .put::<de::v93::AcquirerReference>(Opaque::text(&self.acquirer_reference))
            .put::<de::Forwarder>(self.acquirer)
            .put_some::<de::Rrn>(capture.rrn)
            .put_some::<de::ApprovalCode>(capture.approval)
            .put_some::<de::ServiceCode>(self.service_code)
            .put::<de::TerminalId>(capture.acceptor.terminal)
            .put::<de::MerchantId>(capture.acceptor.merchant)
            .put::<de::MerchantName>(Opaque::text(&capture.location))
            .put::<de::AdditionalData>(Opaque::new(private_data(&self.private)))
            .put::<de::Currency>(capture.currency)
            .put_some::<de::LifeCycleId>(capture.life_cycle.as_deref().map(Opaque::text))
            .put::<de::v93::MessageNumber>(Number(number))
            .put::<de::v93::Originator>(self.acquirer);
        b.encode().map(|bytes| bytes.to_vec())
    }
}

const HEADER: u32 = 697;
const TRAILER: u32 = 695;
const FIRST_PRESENTMENT: u32 = 200;

/// A finished file with the figures of its trailer.
#[derive(Clone, Debug)]
pub struct PresentmentFile {
    bytes: Vec<u8>,
    /// Records, header and trailer among them.
    pub records: u32,
    /// Sum of the amounts of all records, in minor units, whatever their direction.
    pub checksum: u64,
}

impl PresentmentFile {
    /// Writes presentments between a header and a trailer.
    ///
    /// # Errors
    /// A value that does not fit its element.
    pub fn build(
        dialect: &Arc<Dialect>,
        id: FileId,
        mode: Mode,
        presentments: &[Presentment],
    ) -> Result<Self, PresentmentError> {
        let mode = if mode == Mode::Production { "P" } else { "T" };
        let mut stream = Vec::new();
        append(&mut stream, &control(dialect, HEADER, &format!("{}0122001{mode}", id.subelement()), 1)?);
        let mut number = 1;
        for presentment in presentments {
            number += 1;
            append(&mut stream, &presentment.record(dialect, number)?);
        }
        let checksum = presentments.iter().map(|p| p.capture.amount.0.unsigned_abs()).sum();
        let records = number + 1;
        let totals = format!("{}0301016{checksum:016}0306008{records:08}", id.subelement());
        append(&mut stream, &control(dialect, TRAILER, &totals, records)?);
        stream.extend_from_slice(&[0; 4]);
        Ok(Self { bytes: blocked(&stream), records, checksum })
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes `name.ipm` and its control file `name.json` into `folder`; returns the path of the first.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<PathBuf, PresentmentError> {
        let file = folder.join(format!("{name}.ipm"));
        let control = serde_json::json!({
            "file": format!("{name}.ipm"),
            "records": self.records,
            "checksum": self.checksum,
            "sha256": hex(&Sha256::digest(&self.bytes)).to_lowercase(),
        });
        let put = |file: &Path, content: &[u8]| {
            std::fs::write(file, content).map_err(|source| PresentmentError::Write { file: file.into(), source })
        };
        put(&file, &self.bytes)?;
        put(&folder.join(format!("{name}.json")), format!("{control:#}\n").as_bytes())?;
        Ok(file)
    }
}

/// The file that an acquirer presents for its captures.
///
/// # Errors
/// A value that does not fit its element.
pub fn present(
    dialect: &Arc<Dialect>,
    id: FileId,
    captures: impl IntoIterator<Item = Capture>,
) -> Result<PresentmentFile, PresentmentError> {
    let presentments: Vec<_> =
        captures.into_iter().zip(1..).map(|(capture, n)| Presentment::of(capture, id.sender, n)).collect();
    PresentmentFile::build(dialect, id, Mode::Production, &presentments)
}

fn control(dialect: &Arc<Dialect>, function: u32, private: &str, number: u32) -> Result<Vec<u8>, EncodeError> {
    let mut b = Builder::new(dialect, Mti::of(b"1644"));
    b.put::<de::FunctionCode>(Number(function))
        .put::<de::AdditionalData>(Opaque::text(private))
        .put::<de::v93::MessageNumber>(Number(number));
    b.encode().map(|bytes| bytes.to_vec())
}

fn private_data(subelements: &[(u16, String)]) -> Vec<u8> {
    subelements.iter().flat_map(|(tag, value)| format!("{tag:04}{:03}{value}", value.len()).into_bytes()).collect()
}

/// A length of four bytes, which counts the record alone, then the record.
fn append(stream: &mut Vec<u8>, record: &[u8]) {
    let length = u32::try_from(record.len()).expect("a record has a few hundred bytes");
    stream.extend_from_slice(&length.to_be_bytes());
    stream.extend_from_slice(record);
}

const BLOCK: usize = 1012;
const FILL: u8 = 0x40;

/// Blocks of 1,012 bytes and two of fill; the last one filled up. Cuts do not respect records.
fn blocked(stream: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(stream.len().div_ceil(BLOCK) * (BLOCK + 2));
    for block in stream.chunks(BLOCK) {
        out.extend_from_slice(block);
        out.resize(out.len() + BLOCK - block.len() + 2, FILL);
    }
    out
}

/// DE 31: format digit, acquirer's BIN, year and day, sequence, Luhn check digit.
#[must_use]
pub fn acquirer_reference(acquirer: InstitutionId, at: Moment, sequence: u64) -> String {
    let bin: u64 = acquirer.as_str().parse().unwrap_or(0);
    let mut digits = format!("0{:06}{}{:011}", bin % 1_000_000, at.year_and_day(), sequence % 100_000_000_000);
    digits.push(char::from(luhn_digit(digits.as_bytes())));
    digits
}

/// Twelve positions of DE 22 in 1993 from the entry mode of 1987.
fn pos_data(entry: PosEntryMode) -> Text<12> {
    use codecs::value::EntryMode;
    let (present, input) = match entry.mode() {
        EntryMode::Chip => ('1', '5'),
        EntryMode::ContactlessChip | EntryMode::ContactlessStripe => ('1', 'M'),
        EntryMode::Stripe | EntryMode::Fallback => ('1', '2'),
        EntryMode::Ecommerce => ('0', 'S'),
        _ => ('0', '6'),
    };
    // capability, authentication, capture; environment and cardholder; card present and input; the rest as usual
    let text = format!("510{}{present}{present}{input}10146", if present == '1' { '1' } else { '0' });
    Text::new(&text).expect("twelve printable characters")
}

fn terminal_type(entry: PosEntryMode) -> &'static str {
    if entry.mode() == codecs::value::EntryMode::Ecommerce { "CT6" } else { "POI" }
}

fn two_digit_date(at: Moment) -> String {
    format!("{:02}{}", at.year, at.date)
}
