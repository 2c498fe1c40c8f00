//! Kinds of keys: the material and the permitted uses of each.
use hsm::KeyName;
use serde::Deserialize;

/// The cipher of a key whose role leaves the choice: a zone's, a terminal's, a partner's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cipher {
    /// Double-length 3DES; a partner's protection key may be of triple length. PIN block formats 0 and 3.
    #[default]
    Tdes,
    /// AES. PIN block format 4.
    Aes,
}

/// The purpose of a key, which determines its cipher, length, usage flags and mechanisms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum KeyKind {
    /// Seals and opens PAN envelopes.
    Vault,
    /// HMAC key of PAN indexes.
    PanIndex,
    /// Wraps and unwraps working keys.
    Storage,
    /// Wraps data keys.
    DataKek,
    /// Seals delivery items.
    Transport,
    /// Card verification key pair, and its left half twice.
    Cvk,
    CvkLeft,
    /// PIN verification key.
    Pvk,
    /// Issuer master keys: for application cryptograms, for the integrity and confidentiality of scripts, for dynamic card
    /// security codes. They may only derive.
    ImkAc,
    ImkSmi,
    ImkSmc,
    ImkDcvv,
    /// An issuer master key of a fast key set, for cryptograms or scripts: it also encrypts single blocks, from which this
    /// process makes card keys.
    ImkAcFast,
    /// PIN encipherment in a zone or at a terminal.
    PinDes,
    PinAes,
    /// Message authentication by X9.19: the pair, and its left half twice.
    MacDes,
    MacDesLeft,
    /// AES-CMAC: terminals' keys and the audit key.
    MacCmac,
    /// Key block protection keys, shared with a partner: they derive each block's own keys.
    KbpkDes,
    KbpkAes,
    /// Key encryption keys shared with a partner, for AES key wrap.
    Kek,
    /// A key block's own keys: encipherment, and authentication under DES (under AES it is `MacCmac`).
    KbekDes,
    KbekAes,
    KbakDes,
    /// Base derivation keys of terminals: DES, the same under the mask that makes the right half of an initial key, AES.
    BdkDes,
    BdkDesMasked,
    BdkAes,
    /// A terminal's initial key, and the keys on the way from it to a transaction.
    DukptAes,
    /// A card's or session's key, derived, gone after the verb.
    Derived,
}

/// Cipher and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Material {
    /// Double-length DES, 16 bytes with odd parity.
    Des2,
    /// AES with this many bytes.
    Aes(usize),
    /// A 32-byte secret for HMAC.
    Secret,
}

/// Usage flags, the seven of PKCS#11. They are always all written: SoftHSM takes an omitted flag for granted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub encrypt: bool,
    pub decrypt: bool,
    pub sign: bool,
    pub verify: bool,
    pub wrap: bool,
    pub unwrap: bool,
    pub derive: bool,
}

/// Mechanisms; `token::p11` and `token::attributes` map them to PKCS#11.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permitted {
    DesEcb,
    DesCbc,
    DesEcbDerive,
    AesEcb,
    AesEcbDerive,
    AesGcm,
    AesCmac,
    AesKeyWrap,
    AesKeyWrapPad,
    HmacSha256,
}

const NONE: Usage =
    Usage { encrypt: false, decrypt: false, sign: false, verify: false, wrap: false, unwrap: false, derive: false };

impl KeyKind {
    /// Cipher and length of keys of this kind. Storage, vault and transport keys are AES-256; working keys AES-128 at least.
    pub(crate) fn material(self) -> Material {
        match self {
            Self::Vault | Self::Storage | Self::DataKek | Self::Transport => Material::Aes(32),
            Self::PanIndex => Material::Secret,
            Self::Cvk | Self::CvkLeft | Self::Pvk | Self::PinDes => Material::Des2,
            Self::ImkAc | Self::ImkAcFast | Self::ImkSmi | Self::ImkSmc | Self::ImkDcvv => Material::Des2,
            Self::MacDes | Self::MacDesLeft | Self::Derived => Material::Des2,
            Self::KbpkDes | Self::KbekDes | Self::KbakDes | Self::BdkDes | Self::BdkDesMasked => Material::Des2,
            Self::PinAes | Self::MacCmac => Material::Aes(16),
            Self::KbpkAes | Self::Kek => Material::Aes(32),
            Self::KbekAes | Self::BdkAes | Self::DukptAes => Material::Aes(16),
        }
    }

    pub(crate) fn usage(self) -> Usage {
        match self {
            Self::Vault | Self::DataKek | Self::PinDes | Self::PinAes => Usage { encrypt: true, decrypt: true, ..NONE },
            Self::Transport | Self::Cvk | Self::CvkLeft | Self::Pvk | Self::MacDes | Self::MacDesLeft => {
                Usage { encrypt: true, ..NONE }
            }
            Self::KbekDes | Self::KbekAes => Usage { encrypt: true, decrypt: true, ..NONE },
            Self::KbakDes | Self::BdkDes | Self::BdkDesMasked => Usage { encrypt: true, ..NONE },
            Self::KbpkDes | Self::KbpkAes => Usage { encrypt: true, derive: true, ..NONE },
            Self::BdkAes | Self::DukptAes => Usage { derive: true, ..NONE },
            Self::PanIndex | Self::MacCmac => Usage { sign: true, ..NONE },
            Self::Storage | Self::Kek => Usage { wrap: true, unwrap: true, ..NONE },
            Self::ImkAc | Self::ImkSmi | Self::ImkSmc | Self::ImkDcvv => Usage { derive: true, ..NONE },
            Self::ImkAcFast | Self::Derived => Usage { encrypt: true, derive: true, ..NONE },
        }
    }

    pub(crate) fn permitted(self) -> &'static [Permitted] {
        match self {
            Self::Vault | Self::DataKek | Self::Transport => &[Permitted::AesGcm],
            Self::PanIndex => &[Permitted::HmacSha256],
            Self::Storage => &[Permitted::AesKeyWrap],
            Self::Kek => &[Permitted::AesKeyWrap, Permitted::AesKeyWrapPad],
            Self::Cvk | Self::Pvk | Self::PinDes | Self::MacDes => &[Permitted::DesEcb],
            Self::CvkLeft | Self::MacDesLeft => &[Permitted::DesCbc],
            Self::ImkAc | Self::ImkSmi | Self::ImkSmc | Self::ImkDcvv => &[Permitted::DesEcbDerive],
            Self::ImkAcFast => &[Permitted::DesEcb, Permitted::DesEcbDerive],
            Self::PinAes => &[Permitted::AesEcb],
            Self::MacCmac => &[Permitted::AesCmac],
            Self::KbpkDes => &[Permitted::DesEcb, Permitted::DesEcbDerive],
            Self::KbpkAes => &[Permitted::AesEcb, Permitted::AesEcbDerive],
            Self::KbekDes | Self::BdkDes | Self::BdkDesMasked => &[Permitted::DesEcb],
            Self::KbekAes => &[Permitted::AesEcb],
            Self::KbakDes => &[Permitted::DesEcb, Permitted::DesCbc],
            Self::BdkAes | Self::DukptAes => &[Permitted::AesEcbDerive],
            Self::Derived => &[Permitted::DesEcb, Permitted::DesCbc, Permitted::DesEcbDerive],
        }
    }

    /// The kind of a static key, from its name; for keys shared with partners also from the cipher.
    pub(crate) fn of(name: &KeyName, is_aes: bool) -> Option<Self> {
        let name = name.as_str();
        if let Some(role) = name.strip_suffix(".v") {
            return role.starts_with("bdk/").then_some(Self::BdkDesMasked);
        }
        let (role, left) = match name.strip_suffix(".l") {
            Some(role) => (role, true),
            None => (name, false),
        };
        let cipher = |des, aes| if is_aes { aes } else { des };
        Some(match (role.split('/').next()?, left) {
            ("vault", false) => Self::Vault,
            ("pan-index", false) => Self::PanIndex,
            ("storage", _) => Self::Storage,
            ("data-kek", false) => Self::DataKek,
            ("transport", false) => Self::Transport,
            ("cvk", false) => Self::Cvk,
            ("cvk", true) => Self::CvkLeft,
            ("pvk", false) => Self::Pvk,
            ("imk-ac", false) => Self::ImkAc,
            ("imk-smi", false) => Self::ImkSmi,
            ("imk-smc", false) => Self::ImkSmc,
            ("imk-dcvv", false) => Self::ImkDcvv,
            ("zpk", false) => cipher(Self::PinDes, Self::PinAes),
            ("zak", false) => cipher(Self::MacDes, Self::MacCmac),
            ("zak", true) => Self::MacDesLeft,
            ("kbpk", false) => cipher(Self::KbpkDes, Self::KbpkAes),
            ("kek", false) => Self::Kek,
            ("bdk", false) => cipher(Self::BdkDes, Self::BdkAes),
            ("audit", false) => Self::MacCmac,
            _ => return None,
        })
    }

    /// Whether a key of this kind that comes from outside may have so many bytes: partners choose their own key lengths.
    pub(crate) fn may_be_long(self, bytes: usize) -> bool {
        match self {
            Self::KbpkDes => matches!(bytes, 16 | 24),
            Self::PinAes | Self::MacCmac | Self::KbpkAes | Self::BdkAes | Self::Kek => matches!(bytes, 16 | 24 | 32),
            _ => bytes == self.length(),
        }
    }

    /// Length of the key in bytes, where it is drawn here.
    pub(crate) fn length(self) -> usize {
        match self.material() {
            Material::Des2 => 16,
            Material::Aes(bytes) => bytes,
            Material::Secret => 32,
        }
    }
}
