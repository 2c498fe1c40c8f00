//! The needs that go through [`Module`], each with its trial.
use cryptoki::mechanism::MechanismType;
use hsm::verb::VerbKind::{
    CardCode, ChangePin, CheckCard, CheckSeal, CheckValues, DataKey, DrawKey, Edge, ImportKey, IssuePin, Mac, PanIndex,
    PersonaliseCard, PersonaliseToken, Random, Reseal, Reveal, Script, Seal, TerminalKeys, Tokenize,
};

use super::Purpose::{
    CardCodes, Ceremony, Dukpt, Fast, Issuing, KeyExchange, Macs, Pins, PinsAes, Separation, Strict, Vault, WorkingKeys,
};
use super::{AnnouncedUse, Need, Outcome, trials};
use crate::module::Module;
use crate::token::p11;

type Trial<M> = fn(&M) -> Outcome;

/// All needs, in the order of the report.
pub(super) fn all<M: Module>() -> Vec<(Need, Trial<M>)> {
    let mut all = double_length_des();
    all.extend(derivations());
    all.extend(aes());
    all.extend(keys());
    all
}

fn double_length_des<M: Module>() -> Vec<(Need, Trial<M>)> {
    vec![
        (
            Need {
                name: "CKM_DES3_ECB",
                mechanism: Some((MechanismType::DES3_ECB, AnnouncedUse::Encrypt)),
                how: "encipher one block under a CKK_DES2 key",
                verbs: &[
                    CheckCard,
                    Edge,
                    Mac,
                    Script,
                    ChangePin,
                    IssuePin,
                    CardCode,
                    PersonaliseCard,
                    ImportKey,
                    DrawKey,
                    CheckValues,
                ],
                purposes: &[Fast, Strict, Pins, CardCodes, Macs, WorkingKeys, KeyExchange, Dukpt, Issuing],
                without: "no DES at all: only the vault, AES PIN blocks and AES-CMAC are left",
            },
            trials::des_encrypts,
        ),
        (
            Need {
                name: "CKM_DES3_ECB",
                mechanism: Some((MechanismType::DES3_ECB, AnnouncedUse::Decrypt)),
                how: "decipher one block under a CKK_DES2 key",
                verbs: &[CheckCard, Edge, ChangePin, ImportKey, Script],
                purposes: &[Pins, KeyExchange],
                without: "no PIN block of format 0, 1 or 3, no TR-31 block of version B can be read",
            },
            trials::des_decrypts,
        ),
        (
            Need {
                name: "CKM_DES3_CBC",
                mechanism: Some((MechanismType::DES3_CBC, AnnouncedUse::Encrypt)),
                how: "encipher a chain under a left half twice, as a CKK_DES2 key",
                verbs: &[CheckCard, Edge, Mac, CardCode, PersonaliseCard, ImportKey, DrawKey, Script],
                purposes: &[Strict, CardCodes, Macs, KeyExchange, Issuing],
                without: "no strict cryptogram, no CVV, no X9.19 MAC",
            },
            trials::des_chains,
        ),
        (
            Need {
                name: "CKM_DES3_ECB",
                mechanism: Some((MechanismType::DES3_ECB, AnnouncedUse::Encrypt)),
                how: "encipher a card's number under a master key that may",
                verbs: &[CheckCard, Script],
                purposes: &[Fast],
                without: "no fast key set",
            },
            trials::card_key_is_computed,
        ),
    ]
}

fn derivations<M: Module>() -> Vec<(Need, Trial<M>)> {
    vec![
        (
            Need {
                name: "CKM_DES3_ECB_ENCRYPT_DATA",
                mechanism: Some((p11::des3_ecb_encrypt_data_type(), AnnouncedUse::Derive)),
                how: "derive a card's CKK_DES2 key from a master key that may do nothing else",
                verbs: &[CheckCard, Script, PersonaliseCard],
                purposes: &[Strict, Issuing],
                without: "no strict key set: every set has to be fast; no dCVV",
            },
            trials::card_key_is_derived,
        ),
        (
            Need {
                name: "CKM_DES3_ECB_ENCRYPT_DATA",
                mechanism: Some((p11::des3_ecb_encrypt_data_type(), AnnouncedUse::Derive)),
                how: "derive a session's key from a derived key",
                verbs: &[CheckCard, Script],
                purposes: &[Strict],
                without: "no strict cryptogram with session keys: CVN 18, 22, 43, M/Chip",
            },
            trials::session_key_is_derived,
        ),
        (
            Need {
                name: "CKM_DES3_ECB_ENCRYPT_DATA",
                mechanism: Some((p11::des3_ecb_encrypt_data_type(), AnnouncedUse::Derive)),
                how: "derive a key that may be read, once, with odd parity",
                verbs: &[PersonaliseCard, PersonaliseToken],
                purposes: &[Issuing],
                without: "the bureau cannot be told a card's key",
            },
            trials::card_key_is_shown,
        ),
        (
            Need {
                name: "CKM_DES3_ECB_ENCRYPT_DATA",
                mechanism: Some((p11::des3_ecb_encrypt_data_type(), AnnouncedUse::Derive)),
                how: "derive a CKK_DES3 key of 24 bytes",
                verbs: &[ImportKey, DrawKey],
                purposes: &[KeyExchange],
                without: "no TR-31 block of version B under a triple-length key",
            },
            trials::triple_key_is_derived,
        ),
        (
            Need {
                name: "CKM_AES_ECB_ENCRYPT_DATA",
                mechanism: Some((p11::aes_ecb_encrypt_data_type(), AnnouncedUse::Derive)),
                how: "derive AES-128 keys, one from another, with CKA_VALUE_LEN",
                verbs: &[Edge, CheckCard],
                purposes: &[Dukpt],
                without: "no DUKPT with AES",
            },
            trials::aes_key_is_derived,
        ),
        (
            Need {
                name: "CKM_AES_ECB_ENCRYPT_DATA",
                mechanism: Some((p11::aes_ecb_encrypt_data_type(), AnnouncedUse::Derive)),
                how: "derive AES-256 keys",
                verbs: &[ImportKey, DrawKey],
                purposes: &[KeyExchange],
                without: "no TR-31 block of version D",
            },
            trials::long_aes_key_is_derived,
        ),
    ]
}

fn aes<M: Module>() -> Vec<(Need, Trial<M>)> {
    vec![
        (
            Need {
                name: "CKM_AES_ECB",
                mechanism: Some((MechanismType::AES_ECB, AnnouncedUse::Decrypt)),
                how: "encipher and decipher one block",
                verbs: &[CheckCard, Edge, ChangePin, CheckValues, ImportKey, DrawKey],
                purposes: &[PinsAes, KeyExchange, WorkingKeys],
                without: "no PIN block of format 4, no TR-31 block of version D",
            },
            trials::aes_both_ways,
        ),
        (
            Need {
                name: "CKM_AES_GCM",
                mechanism: Some((MechanismType::AES_GCM, AnnouncedUse::Encrypt)),
                how: "seal with associated data and a nonce of 96 bits; open; refuse what was altered",
                verbs: &[
                    Tokenize,
                    Reveal,
                    Reseal,
                    CheckCard,
                    DataKey,
                    PersonaliseCard,
                    PersonaliseToken,
                    TerminalKeys,
                    IssuePin,
                ],
                purposes: &[Vault, Issuing],
                without: "no account number can be kept, no data key, no delivery",
            },
            trials::seals,
        ),
        (
            Need {
                name: "CKM_SHA256_HMAC",
                mechanism: Some((MechanismType::SHA256_HMAC, AnnouncedUse::Sign)),
                how: "sign under a CKK_GENERIC_SECRET key of 32 bytes",
                verbs: &[PanIndex, Tokenize],
                purposes: &[Vault],
                without: "no card can be found by its number",
            },
            trials::hmac,
        ),
        (
            Need {
                name: "CKM_AES_CMAC",
                mechanism: Some((MechanismType::AES_CMAC, AnnouncedUse::Sign)),
                how: "sign, nothing and a block",
                verbs: &[Edge, Mac, CheckValues, ImportKey, DrawKey, Seal, CheckSeal],
                purposes: &[Macs, WorkingKeys, KeyExchange, Ceremony],
                without: "no AES-CMAC on messages, no audit seal, no probe of the token, no TR-31 block of version D",
            },
            trials::cmac,
        ),
    ]
}

fn keys<M: Module>() -> Vec<(Need, Trial<M>)> {
    vec![
        (
            Need {
                name: "CKM_AES_KEY_WRAP",
                mechanism: Some((MechanismType::AES_KEY_WRAP, AnnouncedUse::Wrap)),
                how: "wrap CKK_AES and CKK_DES2 keys",
                verbs: &[TerminalKeys, ImportKey, DrawKey],
                purposes: &[WorkingKeys, KeyExchange],
                without: "no key blocks: every terminal's key would have to be a token object",
            },
            trials::wraps,
        ),
        (
            Need {
                name: "CKM_AES_KEY_WRAP",
                mechanism: Some((MechanismType::AES_KEY_WRAP, AnnouncedUse::Unwrap)),
                how: "unwrap with a full template; refuse what was altered",
                verbs: &[Edge, Mac, CheckValues],
                purposes: &[WorkingKeys],
                without: "no key blocks: every terminal's key would have to be a token object",
            },
            trials::unwraps,
        ),
        (
            Need {
                name: "C_GenerateRandom",
                mechanism: None,
                how: "draw nonces, keys and PINs",
                verbs: &[Tokenize, Reseal, Edge, IssuePin, TerminalKeys, DrawKey, Random],
                purposes: &[Vault, Pins, WorkingKeys, KeyExchange, Issuing, Ceremony],
                without: "no nonce, so no envelope; no key and no PIN can be drawn",
            },
            trials::draws,
        ),
        (
            Need {
                name: "CKA_ENCRYPT",
                mechanism: None,
                how: "a master key that may only derive does not encipher",
                verbs: &[],
                purposes: &[Strict, Separation],
                without: "strict promises nothing: whoever uses a master key can compute any card's key",
            },
            trials::masters_only_derive,
        ),
        (
            Need {
                name: "CKA_DECRYPT, CKA_DERIVE",
                mechanism: None,
                how: "a key that may only encipher neither deciphers nor derives",
                verbs: &[],
                purposes: &[Separation],
                without: "whoever uses the token beside hsmd can do more with its keys than they are for",
            },
            trials::usage_flags_hold,
        ),
        (
            Need {
                name: "CKA_ALLOWED_MECHANISMS",
                mechanism: None,
                how: "a key's list of mechanisms is enforced",
                verbs: &[],
                purposes: &[Separation],
                without: "a key is held to its usage flags, not to its one mechanism: whoever uses the token beside hsmd can do more with it",
            },
            trials::mechanisms_hold,
        ),
    ]
}
