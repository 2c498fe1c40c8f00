//! Delivery files, which bring card, token, terminal and zone keys from the issuer's side to the simulator.
//!
//! A file names its kind and the check value of the transport key; each item is one JSON object under AES-256-GCM with
//! the kind as associated data, so that an item cannot be moved into a file for another addressee. The transport key is the
//! exclusive-or of two components, each held by a custodian.

use std::fmt;
use std::path::{Path, PathBuf};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use codecs::value::{Currency, Expiry, Pan};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::key::unhex;
use crate::crypto::{AesKey, TdesKey};
use crate::secret::Digits;

/// Why a delivery could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    #[error("{file}: {source}")]
    Read { file: PathBuf, source: std::io::Error },
    #[error("{0}: a component is 64 hexadecimal digits")]
    Component(PathBuf),
    #[error("{0}: both components are the same, which would make a key of zeros")]
    SameComponent(PathBuf),
    #[error("{file}: not a delivery file: {reason}")]
    Shape { file: PathBuf, reason: String },
    #[error("{file}: for \"{found}\", expected \"{expected}\"")]
    RequestKind { file: PathBuf, found: String, expected: &'static str },
    #[error("{file}: made under another transport key: check value {found}, ours is {ours}")]
    CheckValue { file: PathBuf, found: String, ours: String },
    #[error("{file}: item {index} does not open: damaged, or moved from another file")]
    Sealed { file: PathBuf, index: usize },
    #[error("{file}: item {index}: {reason}")]
    Item { file: PathBuf, index: usize, reason: String },
}

/// The key that the two custodians' components make.
pub struct TransportKey(AesKey);

impl TransportKey {
    /// Combines the two component files.
    pub fn from_components(first: &Path, second: &Path) -> Result<Self, DeliveryError> {
        let (a, b) = (read_component(first)?, read_component(second)?);
        if *a == *b {
            return Err(DeliveryError::SameComponent(second.into()));
        }
        let key = a.iter().zip(b.iter()).map(|(x, y)| x ^ y).collect();
        Ok(Self(AesKey::new(key).expect("components have 32 bytes")))
    }

    /// The check value by which a file names its transport key.
    #[must_use]
    pub fn check_value(&self) -> String {
        self.0.check_value_cmac()
    }

    fn open(&self, kind: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = sealed.split_at_checked(12)?;
        let cipher = Aes256Gcm::new_from_slice(self.0.bytes()).ok()?;
        let payload = Payload { msg: ciphertext, aad: kind.as_bytes() };
        cipher.decrypt(Nonce::from_slice(nonce), payload).ok().map(Zeroizing::new)
    }
}

impl fmt::Debug for TransportKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransportKey({})", self.check_value())
    }
}

fn read_component(file: &Path) -> Result<Zeroizing<Vec<u8>>, DeliveryError> {
    let text = Zeroizing::new(read(file)?);
    match unhex(&text).map(Zeroizing::new) {
        Some(bytes) if bytes.len() == 32 => Ok(bytes),
        _ => Err(DeliveryError::Component(file.into())),
    }
}

fn read(file: &Path) -> Result<String, DeliveryError> {
    std::fs::read_to_string(file).map_err(|source| DeliveryError::Read { file: file.into(), source })
}

/// An item of a delivery; the name is the file's kind and the associated data of its items.
pub trait Delivered: DeserializeOwned {
    const KIND: &'static str;
}

/// A personalised card.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveredCard {
    #[serde(deserialize_with = "pan")]
    pub pan: Pan,
    #[serde(deserialize_with = "expiry")]
    pub expiry: Expiry,
    /// Card sequence number.
    #[serde(deserialize_with = "small_number")]
    pub psn: u8,
    pub service_code: Digits,
    pub pin: Digits,
    /// On the stripe.
    pub cvv: Digits,
    /// In the chip's image of track 2.
    pub icvv: Digits,
    /// Printed.
    pub cvv2: Digits,
    /// The chip's own key for application cryptograms.
    #[serde(deserialize_with = "tdes")]
    pub udk_ac: TdesKey,
    /// The card's purpose, as text; scenarios name cards by it.
    pub note: String,
    pub balance_minor: i64,
    #[serde(deserialize_with = "currency")]
    pub currency: Currency,
}

impl Delivered for DeliveredCard {
    const KIND: &'static str = "cards";
}

/// A token on a wallet device.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveredWallet {
    #[serde(deserialize_with = "pan")]
    pub dpan: Pan,
    #[serde(deserialize_with = "expiry")]
    pub expiry: Expiry,
    #[serde(deserialize_with = "small_number")]
    pub psn: u8,
    #[serde(deserialize_with = "tdes")]
    pub udk_ac: TdesKey,
    /// The note of the card that the token stands for.
    pub card_note: String,
}

impl Delivered for DeliveredWallet {
    const KIND: &'static str = "wallets";
}

/// How a terminal authenticates its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum MacMethod {
    #[serde(rename = "aes-cmac")]
    AesCmac,
    #[serde(rename = "x9.19")]
    X919,
}

/// A terminal with its working keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveredTerminal {
    pub terminal: String,
    pub merchant: String,
    pub mcc: String,
    /// Terminal PIN key.
    #[serde(deserialize_with = "tdes")]
    pub tpk: TdesKey,
    /// Terminal authentication key; its cipher follows from `mac`.
    pub tak: HexKey,
    pub mac: MacMethod,
}

impl Delivered for DeliveredTerminal {
    const KIND: &'static str = "terminals";
}

/// The PIN key of a zone between two institutions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveredZone {
    pub name: String,
    #[serde(deserialize_with = "tdes")]
    pub zpk: TdesKey,
}

impl Delivered for DeliveredZone {
    const KIND: &'static str = "zones";
}

/// Key bytes whose cipher another field names.
#[derive(Clone)]
pub struct HexKey(Zeroizing<Vec<u8>>);

impl HexKey {
    /// The key bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for HexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HexKey({} bytes, hidden)", self.0.len())
    }
}

impl<'de> Deserialize<'de> for HexKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        unhex(&text).map(|bytes| Self(Zeroizing::new(bytes))).ok_or_else(|| custom("a key is not hexadecimal"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeliveryFile {
    kind: String,
    transport_kcv: String,
    items: Vec<String>,
}

/// The delivery files of a kind in a folder, by name. Other files there are ignored.
pub fn files_of(kind: &str, folder: &Path) -> Result<Vec<PathBuf>, DeliveryError> {
    let cannot = |source| DeliveryError::Read { file: folder.into(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let file = entry.map_err(cannot)?.path();
        if file.extension().is_some_and(|extension| extension == "json") && kind_of(&file)?.as_deref() == Some(kind) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// The kind named in a file; `None` if it is no delivery.
fn kind_of(file: &Path) -> Result<Option<String>, DeliveryError> {
    let head: Option<serde_json::Value> = serde_json::from_str(&read(file)?).ok();
    Ok(head.and_then(|head| head.get("kind")?.as_str().map(str::to_owned)))
}

/// Opens every item of a delivery file.
pub fn open<T: Delivered>(key: &TransportKey, file: &Path) -> Result<Vec<T>, DeliveryError> {
    let text = read(file)?;
    let delivery: DeliveryFile =
        serde_json::from_str(&text).map_err(|e| DeliveryError::Shape { file: file.into(), reason: e.to_string() })?;
    if delivery.kind != T::KIND {
        return Err(DeliveryError::RequestKind { file: file.into(), found: delivery.kind, expected: T::KIND });
    }
    if !delivery.transport_kcv.eq_ignore_ascii_case(&key.check_value()) {
        return Err(DeliveryError::CheckValue {
            file: file.into(),
            found: delivery.transport_kcv,
            ours: key.check_value(),
        });
    }
    delivery.items.iter().enumerate().map(|(index, item)| open_item(key, file, index, item)).collect()
}

fn open_item<T: Delivered>(key: &TransportKey, file: &Path, index: usize, item: &str) -> Result<T, DeliveryError> {
    let sealed = unhex(item).ok_or(DeliveryError::Sealed { file: file.into(), index })?;
    let plain = key.open(T::KIND, &sealed).ok_or(DeliveryError::Sealed { file: file.into(), index })?;
    serde_json::from_slice(&plain).map_err(|e| DeliveryError::Item {
        file: file.into(),
        index,
        // only the position: serde's message repeats the wrong value
        reason: format!("not a {} item, column {}", T::KIND, e.column()),
    })
}

fn custom<E: serde::de::Error>(reason: &str) -> E {
    E::custom(reason)
}

fn pan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pan, D::Error> {
    let text = Zeroizing::new(String::deserialize(deserializer)?);
    Pan::from_digits(text.as_bytes()).map_err(|_| custom("no card number"))
}

fn expiry<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Expiry, D::Error> {
    let text = String::deserialize(deserializer)?;
    expiry_from(&text).ok_or_else(|| custom("an expiry is YYMM"))
}

/// An expiry from its four digits YYMM.
#[must_use]
pub fn expiry_from(text: &str) -> Option<Expiry> {
    let digits = text.as_bytes();
    if digits.len() != 4 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let two = |at: usize| (digits[at] - b'0') * 10 + digits[at + 1] - b'0';
    Expiry::new(two(0), two(2))
}

fn tdes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TdesKey, D::Error> {
    let mut text = String::deserialize(deserializer)?;
    let key = TdesKey::from_hex(&text).map_err(serde::de::Error::custom);
    text.zeroize();
    key
}

/// Numbers that some producers write as digits in quotes.
#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u16),
    Text(String),
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    match NumberOrText::deserialize(deserializer)? {
        NumberOrText::Number(number) => Ok(number),
        NumberOrText::Text(text) => text.parse().map_err(|_| custom("not a number")),
    }
}

fn small_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    u8::try_from(number(deserializer)?).map_err(|_| custom("a card sequence number is at most 99"))
}

fn currency<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Currency, D::Error> {
    number(deserializer).map(Currency::from_number)
}
