//! A module's description of itself, and functions of a token that only the module check uses.
use std::fmt;

use cryptoki::mechanism::{MechanismInfo, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use hsm::KeyName;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Token, TokenKey, fault};
use crate::module::Fault;

/// A module and its token, as they describe themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ModuleDescription {
    manufacturer: String,
    library: String,
    version: String,
    token_model: String,
    firmware: String,
}

impl fmt::Display for ModuleDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { manufacturer, library, version, token_model, firmware } = self;
        write!(f, "{manufacturer}: {library} {version}; token {token_model} {firmware}")
    }
}

impl Token {
    /// The module's description; fields that the module does not report are empty.
    pub(crate) fn description(&self) -> ModuleDescription {
        let mut description = ModuleDescription::default();
        if let Ok(library) = self.library.get_library_info() {
            library.manufacturer_id().trim().clone_into(&mut description.manufacturer);
            library.library_description().trim().clone_into(&mut description.library);
            description.version = library.library_version().to_string();
        }
        if let Ok(token) = self.functions.token(self.slot) {
            description.token_model = token.model;
            description.firmware = token.firmware;
        }
        description
    }

    /// The module's information on a mechanism, read one at a time: cryptoki's list leaves out mechanisms it has no name for.
    pub(crate) fn announces(&self, mechanism: MechanismType) -> Option<MechanismInfo> {
        self.library.get_mechanism_info(self.slot, mechanism).ok()
    }

    /// Whether keys are made with the list of their mechanisms.
    pub(crate) fn writes_mechanisms(&self) -> bool {
        self.writes_mechanisms
    }

    /// Sets whether keys are made with the list from now on.
    pub(crate) fn write_mechanisms(&mut self, write: bool) {
        self.writes_mechanisms = write;
    }

    /// How many permanent keys have this name.
    pub(crate) fn count_permanent(&self, name: &KeyName) -> Result<usize, Fault> {
        let wanted =
            [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Token(true), Attribute::Label(name.as_str().into())];
        Ok(self.session().find_objects(&wanted).map_err(fault)?.len())
    }

    /// The value of a key; a hidden key must not be readable.
    pub(crate) fn value(&self, key: &TokenKey) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let attributes = self.session().get_attributes(key.handle()?, &[AttributeType::Value]).map_err(fault)?;
        match attributes.into_iter().next() {
            Some(Attribute::Value(value)) => Ok(Zeroizing::new(value)),
            _ => Err(Fault::Refused("the module does not show this key")),
        }
    }
}
