//! Weak keys: the weak and semi-weak DES keys, DES keys with equal parts, and keys of one repeated byte.
use crate::module::key_kind::Material;

/// DES keys under which enciphering twice, with the same key or its pair, gives back the clear text (FIPS 74): four weak,
/// twelve semi-weak.
const WEAK_DES: [u64; 16] = [
    0x0101_0101_0101_0101,
    0xFEFE_FEFE_FEFE_FEFE,
    0xE0E0_E0E0_F1F1_F1F1,
    0x1F1F_1F1F_0E0E_0E0E,
    0x011F_011F_010E_010E,
    0x1F01_1F01_0E01_0E01,
    0x01E0_01E0_01F1_01F1,
    0xE001_E001_F101_F101,
    0x01FE_01FE_01FE_01FE,
    0xFE01_FE01_FE01_FE01,
    0x1FE0_1FE0_0EF1_0EF1,
    0xE01F_E01F_F10E_F10E,
    0x1FFE_1FFE_0EFE_0EFE,
    0xFE1F_FE1F_FE0E_FE0E,
    0xE0FE_E0FE_F1FE_F1FE,
    0xFEE0_FEE0_FEF1_FEF1,
];

/// Why this key is refused; a DES key has odd parity already.
pub(crate) fn of_key(material: Material, key: &[u8]) -> Option<&'static str> {
    match material {
        Material::Des2 => of_des_key(key),
        Material::Aes(_) | Material::Secret => {
            key.iter().all(|byte| *byte == key[0]).then_some("a key of one repeated byte")
        }
    }
}

/// Of double or triple length.
fn of_des_key(key: &[u8]) -> Option<&'static str> {
    let parts: Vec<u64> = key.as_chunks::<8>().0.iter().map(|part| u64::from_be_bytes(*part)).collect();
    // two neighbours that are equal cancel each other; in triple length the outer two make it a double one
    let is_shorter = parts.iter().enumerate().any(|(place, part)| parts[..place].contains(part));
    if is_shorter {
        return Some("two parts of the key are equal: it is a shorter key than it seems");
    }
    parts.iter().any(|part| WEAK_DES.contains(part)).then_some("a part of the key is a weak DES key")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [u64; 3] = [0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210, 0x1FEF_DFBF_7F57_6B5D];

    fn des(parts: &[u64]) -> Option<&'static str> {
        of_key(Material::Des2, &parts.iter().flat_map(|part| part.to_be_bytes()).collect::<Vec<u8>>())
    }

    #[test]
    fn weak_and_shorter_des_keys_are_told() {
        assert_eq!(des(&GOOD[..2]), None);
        assert_eq!(des(&GOOD), None);
        for weak in WEAK_DES {
            assert!(des(&[weak, GOOD[0]]).is_some() && des(&[GOOD[0], weak]).is_some(), "{weak:x}");
        }
        for shorter in [[0, 0, 1], [0, 1, 1], [0, 1, 0]] {
            assert!(des(&shorter.map(|part| GOOD[part])).is_some(), "{shorter:?}");
        }
        assert!(des(&[GOOD[0]; 2]).is_some());
    }

    #[test]
    fn a_key_that_is_no_choice_is_told() {
        assert!(of_key(Material::Aes(32), &[7; 32]).is_some());
        assert!(of_key(Material::Aes(16), &(0..16).collect::<Vec<u8>>()).is_none());
    }
}
