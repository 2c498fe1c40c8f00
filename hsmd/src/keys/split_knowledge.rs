//! Split knowledge: a key is combined from the components of two or three custodians, none of whom knows it. This file has the
//! rules; `ceremony` and `components` fetch the components.
use zeroize::Zeroizing;

use crate::des_key::{has_odd_parity, odd_parity};
use crate::hex::unhex;
use crate::module::Fault;
use crate::module::key_kind::{KeyKind, Material};
use crate::weakness;

/// Fewest and most custodians of a key.
pub(crate) const CUSTODIANS: std::ops::RangeInclusive<usize> = 2..=3;

/// Why a component is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComponentRefused {
    #[error("a component needs somebody who brings it")]
    Nobody,
    #[error("the configuration names no such custodian")]
    NoCustodian,
    #[error("a custodian brings one component only")]
    SameCustodian,
    #[error("{0} brought the same component")]
    SameComponent(String),
    #[error("not hex")]
    NotHex,
    #[error("not as long as the key")]
    Length,
    #[error("all zeros: the others would know the key")]
    Zeros,
    #[error("a DES component has odd parity; this one was mistyped")]
    Parity,
}

/// A key that is being combined from components.
pub(crate) struct Assembly {
    kind: KeyKind,
    parts: Vec<CustodianComponent>,
}

/// The component of one custodian.
pub(crate) struct CustodianComponent {
    pub custodian: String,
    pub component: Zeroizing<Vec<u8>>,
}

impl Assembly {
    pub(crate) fn of(kind: KeyKind) -> Self {
        Self { kind, parts: Vec::new() }
    }

    /// Whether this custodian may bring the next component. Names that differ only in case or blanks are the same person.
    pub(crate) fn admits(&self, custodian: &str) -> Result<(), ComponentRefused> {
        if custodian.trim().is_empty() {
            return Err(ComponentRefused::Nobody);
        }
        let is_here = |part: &CustodianComponent| part.custodian.trim().eq_ignore_ascii_case(custodian.trim());
        if self.parts.iter().any(is_here) { Err(ComponentRefused::SameCustodian) } else { Ok(()) }
    }

    /// The component in a text, checked but not added yet.
    pub(crate) fn read(&self, custodian: &str, text: &str) -> Result<CustodianComponent, ComponentRefused> {
        self.admits(custodian)?;
        let component = Zeroizing::new(unhex(text.trim()).ok_or(ComponentRefused::NotHex)?);
        let first = self.parts.first().map_or(component.len(), |part| part.component.len());
        if !self.kind.may_be_long(component.len()) || component.len() != first {
            return Err(ComponentRefused::Length);
        }
        if component.iter().all(|byte| *byte == 0) {
            return Err(ComponentRefused::Zeros);
        }
        if self.kind.material() == Material::Des2 && !has_odd_parity(&component) {
            return Err(ComponentRefused::Parity);
        }
        if let Some(same) = self.parts.iter().find(|part| part.component == component) {
            return Err(ComponentRefused::SameComponent(same.custodian.clone()));
        }
        Ok(CustodianComponent { custodian: custodian.trim().to_owned(), component })
    }

    /// Adds a component from [`Assembly::read`].
    pub(crate) fn add(&mut self, part: CustodianComponent) {
        self.parts.push(part);
    }

    pub(crate) fn parts(&self) -> &[CustodianComponent] {
        &self.parts
    }

    /// The XOR of the components. A DES key gets odd parity again: the XOR of an even number of components has even parity.
    pub(crate) fn key(&self) -> Result<Zeroizing<Vec<u8>>, Fault> {
        if !CUSTODIANS.contains(&self.parts.len()) {
            return Err(Fault::Request("two or three components"));
        }
        let length = self.parts.first().map_or(0, |part| part.component.len());
        let mut key = Zeroizing::new(vec![0; length]);
        for part in &self.parts {
            key.iter_mut().zip(part.component.iter()).for_each(|(byte, other)| *byte ^= other);
        }
        if self.kind.material() == Material::Des2 {
            odd_parity(&mut key);
        }
        match weakness::of_key(self.kind.material(), &key) {
            Some(why) => Err(Fault::Refused(why)),
            None => Ok(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};

    use static_assertions::assert_not_impl_any;

    use super::*;
    use crate::hex::hex;

    assert_not_impl_any!(CustodianComponent: Debug, Display, serde::Serialize);
    assert_not_impl_any!(Assembly: Debug, Display, serde::Serialize);

    fn assembled(kind: KeyKind, components: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let mut assembly = Assembly::of(kind);
        for (number, component) in components.iter().enumerate() {
            let part = assembly.read(&format!("custodian {number}"), &hex(component)).unwrap();
            assembly.add(part);
        }
        assembly.key()
    }

    #[test]
    fn three_components_make_the_key_that_xor_says() {
        let third: Vec<u8> = (0..32).collect();
        let key = assembled(KeyKind::Vault, &[&[0x10; 32], &[0x20; 32], &third]).unwrap();
        assert_eq!(key[..4], [0x30, 0x31, 0x32, 0x33]);
    }

    #[test]
    fn one_custodian_alone_makes_no_key() {
        let alone = assembled(KeyKind::Transport, &[&(0..32).collect::<Vec<u8>>()]);
        assert_eq!(alone.err(), Some(Fault::Request("two or three components")));
        let crowd: Vec<Vec<u8>> = (1..=4).map(|n| (n..n + 32).collect()).collect();
        let crowd: Vec<&[u8]> = crowd.iter().map(Vec::as_slice).collect();
        assert!(assembled(KeyKind::Transport, &crowd).is_err());
    }

    #[test]
    fn the_same_person_or_component_is_not_taken_twice() {
        let mut assembly = Assembly::of(KeyKind::PinDes);
        let first = "1F1F1F1F1F1F1F1F0E0E0E0E0E0E0E0E";
        let part = assembly.read("Anna", first).unwrap();
        assembly.add(part);
        let refused = |custodian: &str, text: &str| assembly.read(custodian, text).err();
        let other = "1F3D5B7997B5D3F1F1D3B597795B3D1F";
        assert_eq!(refused(" anna ", other), Some(ComponentRefused::SameCustodian));
        assert_eq!(refused("", other), Some(ComponentRefused::Nobody));
        assert_eq!(refused("ben", &first.to_lowercase()), Some(ComponentRefused::SameComponent("Anna".into())));
        assert_eq!(refused("ben", "1F3D5B7997B5D3F1F1D3B597795B3D1E"), Some(ComponentRefused::Parity));
        assert_eq!(refused("ben", "1F3D5B7997B5D3F1"), Some(ComponentRefused::Length));
        assert_eq!(refused("ben", "1F3D5B7997B5D3F1F1D3B597795B3DX"), Some(ComponentRefused::NotHex));
        assert_eq!(refused("ben", &"00".repeat(16)), Some(ComponentRefused::Zeros));
        assert_eq!(refused("ben", other), None);
    }

    #[test]
    fn a_weak_whole_is_refused_though_its_components_are_sound() {
        let part = [0x31; 16];
        let whole = |left: u64, right: u64| {
            let key = [left.to_be_bytes(), right.to_be_bytes()].concat();
            let mut masked: Vec<u8> = key.iter().zip(part).map(|(byte, mask)| byte ^ mask).collect();
            odd_parity(&mut masked);
            assembled(KeyKind::PinDes, &[&part, &masked])
        };
        assert!(whole(0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210).is_ok());
        assert!(matches!(whole(0x0123_4567_89AB_CDEF, 0x0123_4567_89AB_CDEF), Err(Fault::Refused(_))));
        assert!(matches!(whole(0xFEFE_FEFE_FEFE_FEFE, 0x0123_4567_89AB_CDEF), Err(Fault::Refused(_))));
    }
}
