//! `hsmd load` combines a key from the components of two or three custodians, given in files or typed; `hsmd generate` draws one.
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::config::Config;
use crate::keys::custodian_prompt::{self, CustodianPrompt};
use crate::keys::key_act_error::KeyActError;
use crate::keys::key_outcome::KeyOutcome;
use crate::keys::key_store::{self, KeyStore, NewGeneration};
use crate::keys::new_key::NewKey;
use crate::keys::split_knowledge::{Assembly, CUSTODIANS};
use crate::module::Fault;
use crate::module::key_kind::KeyKind;
use crate::token::Extraction;
use crate::verbs::exchangeable::ExchangeableKey;
use crate::verbs::issue::draw_key;
use crate::verbs::kcv;

/// A component in a file, and its custodian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentFile {
    pub custodian: String,
    /// Hex, one line.
    pub path: PathBuf,
}

/// Where the components of a key come from.
pub enum Components<'a> {
    Files(&'a [ComponentFile]),
    /// So many custodians, asked one after the other at a terminal.
    Typed(usize, &'a mut dyn CustodianPrompt),
}

impl std::fmt::Debug for Components<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Files(_) => "Files",
            Self::Typed(..) => "Typed",
        })
    }
}

/// Combines a key and stores it, if its check value is the expected one (where that is known). Returns the check values of the
/// components and of the key.
pub fn load(
    config: &Config,
    order: &NewKey,
    components: Components<'_>,
    now: jiff::Timestamp,
) -> Result<Vec<KeyOutcome>, KeyActError> {
    let (name, kind) = key_store::name_and_kind(config, &order.name, order.cipher)?;
    let extraction = order.extraction(&name, kind)?;
    key_store::run_act(config, now, |keys| {
        let target = keys.new_generation(&name, order.next_in_s)?;
        let assembly = match components {
            Components::Files(files) => read_all(files, kind)?,
            Components::Typed(count, prompt) if CUSTODIANS.contains(&count) => {
                let value = |component: &[u8]| Ok(kcv::of_clear_key(&keys.token, kind, component)?);
                custodian_prompt::collect_components(
                    prompt,
                    name.as_str(),
                    kind,
                    &custodian_prompt::Custodians::Anybody(count),
                    value,
                )?
            }
            Components::Typed(..) => return Err(Fault::Request("two or three custodians").into()),
        };
        store_assembled(keys, &target, kind, &assembly, order, extraction)
    })
}

fn read_all(components: &[ComponentFile], kind: KeyKind) -> Result<Assembly, KeyActError> {
    if !CUSTODIANS.contains(&components.len()) {
        return Err(Fault::Request("two or three components").into());
    }
    let mut assembly = Assembly::of(kind);
    for component in components {
        let fail = |error| KeyActError::File(component.path.clone(), error);
        let text = Zeroizing::new(std::fs::read_to_string(&component.path).map_err(fail)?);
        let part = assembly
            .read(&component.custodian, &text)
            .map_err(|why| KeyActError::Component(component.custodian.clone(), why))?;
        assembly.add(part);
    }
    Ok(assembly)
}

fn store_assembled(
    keys: &mut KeyStore<'_>,
    target: &NewGeneration,
    kind: KeyKind,
    assembly: &Assembly,
    order: &NewKey,
    extraction: Extraction,
) -> Result<Vec<KeyOutcome>, KeyActError> {
    let key = assembly.key()?;
    let whole = order.checked(&kcv::both_of_clear_key(&keys.token, kind, &key)?)?;
    let label = target.label();
    let mut lines = Vec::new();
    for part in assembly.parts() {
        let value = kcv::of_clear_key(&keys.token, kind, &part.component)?;
        keys.record.append(keys.now, &format!("component of {label}"), &part.custodian, &value)?;
        lines.push(KeyOutcome { key: format!("{label} by {}", part.custodian), check_value: Some(value) });
    }
    keys.import(target, kind, &key, extraction)?;
    keys.publish(
        target,
        extraction.wording("combined from components", "combined from components, for export"),
        &whole,
    )?;
    lines.push(KeyOutcome { key: label.to_string(), check_value: Some(whole) });
    Ok(lines)
}

/// Draws a key from the module's generator: for `hsmd generate`. The key is in this process's memory until it is stored,
/// because its check value and its companions are computed from it.
pub fn generate(config: &Config, order: &NewKey, now: jiff::Timestamp) -> Result<KeyOutcome, KeyActError> {
    let (name, kind) = key_store::name_and_kind(config, &order.name, order.cipher)?;
    let extraction = order.extraction(&name, kind)?;
    if ExchangeableKey::of(&name, kind).is_none() {
        return Err(Fault::Refused("the ceremony makes these keys; their next generation is made by `rotate`").into());
    }
    key_store::run_act(config, now, |keys| {
        let target = keys.new_generation(&name, order.next_in_s)?;
        let key = draw_key(&keys.token, kind)?;
        let value = order.checked(&kcv::both_of_clear_key(&keys.token, kind, &key)?)?;
        keys.import(&target, kind, &key, extraction)?;
        keys.publish(&target, extraction.wording("drawn", "drawn, for export"), &value)?;
        Ok(KeyOutcome { key: target.label().to_string(), check_value: Some(value) })
    })
}
