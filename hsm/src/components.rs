//! `hsmd load`: a key put together from the components of two or three custodians, who bring them in files or type them.
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::KeyName;
use crate::ceremony::{CeremonyError, Line};
use crate::config::Config;
use crate::custody::{Assembly, CUSTODIANS};
use crate::desk::{self, Desk};
use crate::key_kind::{Cipher, KeyKind};
use crate::keyroom::{self, Keyroom, Place};
use crate::module::Fault;
use crate::token::Stay;
use crate::travel::Travels;
use crate::verbs::kcv;

/// A component as its custodian brings it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentFile {
    pub custodian: String,
    /// Hex, one line.
    pub path: PathBuf,
}

/// A key that is to be made or taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Such as `zpk/acquirer-ascii`.
    pub name: String,
    /// Where the role leaves it open; triple DES without it.
    pub cipher: Option<Cipher>,
    /// The check value that it must have, six hex digits: over zeros or, of an AES key, by CMAC.
    pub check_value: Option<String>,
    /// The next generation of a key that is there, making things from so many seconds on.
    pub next_in_s: Option<u32>,
    /// It may leave the token again under another key.
    pub for_export: bool,
}

/// Where the components of a key come from.
pub enum Components<'a> {
    Files(&'a [ComponentFile]),
    /// So many custodians, one after the other, at a desk.
    Typed(usize, &'a mut dyn Desk),
}

impl std::fmt::Debug for Components<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Files(_) => "Files",
            Self::Typed(..) => "Typed",
        })
    }
}

/// Puts a key together and stores it, if its check value is the expected one (where that is known). Answers the check values
/// of the components and of the key.
pub fn load(
    config: &Config,
    order: &NewKey,
    components: Components<'_>,
    now: jiff::Timestamp,
) -> Result<Vec<Line>, CeremonyError> {
    let (name, kind) = keyroom::named(config, &order.name, order.cipher)?;
    let stay = order.stay(&name, kind)?;
    keyroom::within(config, now, |room| {
        let place = room.place(&name, order.next_in_s)?;
        let assembly = match components {
            Components::Files(files) => read_all(files, kind)?,
            Components::Typed(count, desk) if CUSTODIANS.contains(&count) => {
                let value = |component: &[u8]| Ok(kcv::of_clear_key(&room.token, kind, component)?);
                desk::gather(desk, name.as_str(), kind, &desk::Seats::Anybody(count), value)?
            }
            Components::Typed(..) => return Err(Fault::Request("two or three custodians").into()),
        };
        store(room, &place, kind, &assembly, order, stay)
    })
}

impl NewKey {
    /// Whether the key may leave. What only this installation knows never does.
    pub(crate) fn stay(&self, name: &KeyName, kind: KeyKind) -> Result<Stay, Fault> {
        match (self.for_export, Travels::of(name, kind)) {
            (false, _) => Ok(Stay::ForGood),
            (true, Some(_)) => Ok(Stay::ForExport),
            (true, None) => Err(Fault::Refused("keys of this role are made here and travel nowhere")),
        }
    }

    /// How the key's check value is written, if it is the expected one.
    pub(crate) fn checked(&self, values: &crate::CheckValues) -> Result<String, Fault> {
        let is = |found: &str| self.check_value.as_ref().is_none_or(|expected| expected.eq_ignore_ascii_case(found));
        if !is(&values.zeros) && !values.cmac.as_deref().is_some_and(is) {
            return Err(Fault::Refused("the check value is another: something was mistyped, or it is another key"));
        }
        Ok(values.cmac.clone().unwrap_or_else(|| values.zeros.clone()))
    }
}

fn read_all(components: &[ComponentFile], kind: KeyKind) -> Result<Assembly, CeremonyError> {
    if !CUSTODIANS.contains(&components.len()) {
        return Err(Fault::Request("two or three components").into());
    }
    let mut assembly = Assembly::of(kind);
    for component in components {
        let fail = |error| CeremonyError::File(component.path.clone(), error);
        let text = Zeroizing::new(std::fs::read_to_string(&component.path).map_err(fail)?);
        let part = assembly
            .read(&component.custodian, &text)
            .map_err(|why| CeremonyError::Component(component.custodian.clone(), why))?;
        assembly.add(part);
    }
    Ok(assembly)
}

fn store(
    room: &mut Keyroom<'_>,
    place: &Place,
    kind: KeyKind,
    assembly: &Assembly,
    order: &NewKey,
    stay: Stay,
) -> Result<Vec<Line>, CeremonyError> {
    let key = assembly.key()?;
    let whole = order.checked(&kcv::both_of_clear_key(&room.token, kind, &key)?)?;
    let label = place.label();
    let mut lines = Vec::new();
    for part in assembly.parts() {
        let value = kcv::of_clear_key(&room.token, kind, &part.component)?;
        room.record.append(room.now, &format!("component of {label}"), &part.custodian, &value)?;
        lines.push(Line { key: format!("{label} by {}", part.custodian), check_value: Some(value) });
    }
    room.store(place, kind, &key, stay)?;
    room.settle(place, stay.said("combined from components", "combined from components, for export"), &whole)?;
    lines.push(Line { key: label.to_string(), check_value: Some(whole) });
    Ok(lines)
}

/// Draws a key from the module's generator: for `hsmd generate`. It is in this process's memory until it is stored, for the
/// sake of its check value, which is told, and of companions.
pub fn generate(config: &Config, order: &NewKey, now: jiff::Timestamp) -> Result<Line, CeremonyError> {
    let (name, kind) = keyroom::named(config, &order.name, order.cipher)?;
    let stay = order.stay(&name, kind)?;
    if Travels::of(&name, kind).is_none() {
        return Err(Fault::Refused("the ceremony makes these keys; their next generation is made by `rotate`").into());
    }
    keyroom::within(config, now, |room| {
        let place = room.place(&name, order.next_in_s)?;
        let key = crate::verbs::issue::draw_key(&room.token, kind)?;
        let value = order.checked(&kcv::both_of_clear_key(&room.token, kind, &key)?)?;
        room.store(&place, kind, &key, stay)?;
        room.settle(&place, stay.said("drawn", "drawn, for export"), &value)?;
        Ok(Line { key: place.label().to_string(), check_value: Some(value) })
    })
}
