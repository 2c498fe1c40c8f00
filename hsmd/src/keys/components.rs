//! `hsmd load`: a key put together from the components of two or three custodians, who bring them in files or type them.
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::config::Config;
use crate::keys::ceremony_error::CeremonyError;
use crate::keys::custody::{Assembly, CUSTODIANS};
use crate::keys::desk::{self, Desk};
use crate::keys::keyroom::{self, Keyroom, Place};
use crate::keys::line::Line;
use crate::keys::new_key::NewKey;
use crate::module::Fault;
use crate::module::key_kind::KeyKind;
use crate::token::Stay;
use crate::verbs::issue::draw_key;
use crate::verbs::kcv;
use crate::verbs::travel::Travels;

/// A component as its custodian brings it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentFile {
    pub custodian: String,
    /// Hex, one line.
    pub path: PathBuf,
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
        let key = draw_key(&room.token, kind)?;
        let value = order.checked(&kcv::both_of_clear_key(&room.token, kind, &key)?)?;
        room.store(&place, kind, &key, stay)?;
        room.settle(&place, stay.said("drawn", "drawn, for export"), &value)?;
        Ok(Line { key: place.label().to_string(), check_value: Some(value) })
    })
}
