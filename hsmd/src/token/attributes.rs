//! Templates of key objects. Every attribute that matters is written: SoftHSM takes an omitted one as "allowed".
use cryptoki::mechanism::MechanismType;
use cryptoki::object::{Attribute, KeyType, ObjectClass};

use crate::module::key_kind::{KeyKind, Material, Permitted};
use crate::token::p11;

/// Whether the value of a temporary object may leave the module. Usually it may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exposure {
    /// Sensitive, never extractable.
    Hidden,
    /// Sensitive, but may be wrapped under a storage key: a working key that was just drawn.
    Wrappable,
    /// Readable: a card key, while its delivery item is made.
    Readable,
}

/// Whether a permanent key may be extracted from the token, wrapped under another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extraction {
    Never,
    /// The key was made for a partner. Only such a key is extractable; this can be taken away but never granted later.
    ForExport,
}

impl Extraction {
    /// The text that the ceremony record has for it.
    pub(crate) fn wording(self, for_good: &'static str, for_export: &'static str) -> &'static str {
        match self {
            Self::Never => for_good,
            Self::ForExport => for_export,
        }
    }
}

/// Template of a temporary object. It is not private, because SoftHSM would encrypt its value in memory under the token's key at
/// every use; it is sensitive all the same, and is destroyed after the verb.
pub(super) fn template(kind: KeyKind, exposure: Exposure, with_mechanisms: bool) -> Vec<Attribute> {
    let mut attributes = usage(kind, with_mechanisms);
    attributes.extend([
        Attribute::Token(false),
        Attribute::Private(false),
        Attribute::Sensitive(exposure != Exposure::Readable),
        Attribute::Extractable(exposure != Exposure::Hidden),
    ]);
    attributes
}

/// Template of a permanent key: private, sensitive, extractable only if it is made for export.
pub(super) fn permanent(kind: KeyKind, label: &str, extraction: Extraction, with_mechanisms: bool) -> Vec<Attribute> {
    let mut attributes = usage(kind, with_mechanisms);
    attributes.extend([
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(extraction == Extraction::ForExport),
        Attribute::Label(label.as_bytes().to_vec()),
    ]);
    attributes
}

fn usage(kind: KeyKind, with_mechanisms: bool) -> Vec<Attribute> {
    let usage = kind.usage();
    let mut attributes = vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(key_type(kind)),
        Attribute::Encrypt(usage.encrypt),
        Attribute::Decrypt(usage.decrypt),
        Attribute::Sign(usage.sign),
        Attribute::Verify(usage.verify),
        Attribute::Wrap(usage.wrap),
        Attribute::Unwrap(usage.unwrap),
        Attribute::Derive(usage.derive),
    ];
    if with_mechanisms {
        let permitted = kind.permitted().iter().map(|permitted| mechanism_type(*permitted));
        attributes.push(Attribute::AllowedMechanisms(permitted.collect()));
    }
    attributes
}

pub(super) fn key_type(kind: KeyKind) -> KeyType {
    match kind.material() {
        Material::Des2 => KeyType::DES2,
        Material::Aes(_) => KeyType::AES,
        Material::Secret => KeyType::GENERIC_SECRET,
    }
}

fn mechanism_type(permitted: Permitted) -> MechanismType {
    match permitted {
        Permitted::DesEcb => MechanismType::DES3_ECB,
        Permitted::DesCbc => MechanismType::DES3_CBC,
        Permitted::DesEcbDerive => p11::des3_ecb_encrypt_data_type(),
        Permitted::AesEcb => MechanismType::AES_ECB,
        Permitted::AesEcbDerive => p11::aes_ecb_encrypt_data_type(),
        Permitted::AesGcm => MechanismType::AES_GCM,
        Permitted::AesCmac => MechanismType::AES_CMAC,
        Permitted::AesKeyWrap => MechanismType::AES_KEY_WRAP,
        Permitted::AesKeyWrapPad => MechanismType::AES_KEY_WRAP_PAD,
        Permitted::HmacSha256 => MechanismType::SHA256_HMAC,
    }
}
