//! Companions: further token objects that a module needs beside a key, such as its left half twice. PKCS#11 cannot split a key
//! that is stored, so they are made from the clear key while it is in memory.
use zeroize::Zeroizing;

use crate::des_key::left_twice;
use crate::module::key_kind::KeyKind;
use crate::verbs::dukpt;

/// A companion of a key: the suffix of its label, its kind, its value.
pub(crate) struct Companion {
    pub suffix: &'static str,
    pub kind: KeyKind,
    pub value: Zeroizing<Vec<u8>>,
}

/// The left half twice, for MAC chains; the variant of a base derivation key, for the right halves of initial keys.
pub(crate) fn of_key(kind: KeyKind, key: &[u8]) -> Vec<Companion> {
    let left = |kind| vec![Companion { suffix: ".l", kind, value: left_twice(key) }];
    match kind {
        KeyKind::Cvk => left(KeyKind::CvkLeft),
        KeyKind::MacDes => left(KeyKind::MacDesLeft),
        KeyKind::BdkDes => {
            let masked = key.first_chunk().map(|key| Zeroizing::new(dukpt::masked(key).to_vec()));
            let companion = |value| Companion { suffix: ".v", kind: KeyKind::BdkDesMasked, value };
            masked.into_iter().map(companion).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether keys of this kind have a companion. The module cannot generate or unwrap such a key by itself.
pub(crate) fn are_needed(kind: KeyKind) -> bool {
    matches!(kind, KeyKind::Cvk | KeyKind::MacDes | KeyKind::BdkDes)
}
