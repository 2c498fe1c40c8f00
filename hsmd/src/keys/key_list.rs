//! `hsmd list`: the keys of the token, without their values.
use crate::config::Config;
use crate::keys::key_act_error::KeyActError;
use crate::keys::key_file::KeyFile;
use crate::module::Module;
use crate::module::key_generations::KeyGenerations;
use crate::module::key_kind::KeyKind;
use crate::token::Token;

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    pub name: String,
    pub generation: u8,
    /// `in use`, `accepted`, `from …`, and whether it was made for export; for issuer master keys whether their card keys are made `strict` or `fast`.
    pub state: String,
    /// The module's own check value.
    pub check_value: String,
}

/// All keys, by name.
pub fn list(config: &Config, now: jiff::Timestamp) -> Result<Vec<ListedKey>, KeyActError> {
    let key_file =
        KeyFile::load(&config.keys_dir).map_err(|error| KeyActError::File(KeyFile::path(&config.keys_dir), error))?;
    let token = Token::open(&config.token.library()?, &config.token)?;
    let mut listed = Vec::new();
    for (label, key) in token.statics() {
        let (name, generation) = label.split_generation();
        let own = name.without_companion();
        let mut state = match (key_file.generations.get(own.as_str()), token.kind(&key)) {
            (Some(known), _) => {
                let generations =
                    KeyGenerations::of(known, now.as_second(), |n| known.get(&n).is_some_and(|g| !g.retired));
                let from_s = known.get(&generation).map_or(0, |generation| generation.from_s);
                match generations {
                    Some(generations) if generations.current == generation => "in use".into(),
                    Some(generations) if generations.current < generation => {
                        format!("from {}", jiff::Timestamp::from_second(from_s).unwrap_or_default())
                    }
                    _ => "accepted".into(),
                }
            }
            (None, KeyKind::ImkAc) => "strict".into(),
            (None, KeyKind::ImkAcFast) => "fast".into(),
            (None, _) => "in use".into(),
        };
        if token.is_for_export(&key)? {
            state += ", for export";
        }
        let check_value = token.module_check_value(&key)?;
        listed.push(ListedKey { name: name.to_string(), generation, state, check_value });
    }
    token.close();
    listed.sort_by(|a, b| (&a.name, a.generation).cmp(&(&b.name, b.generation)));
    Ok(listed)
}
