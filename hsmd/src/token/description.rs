//! What a module says of itself, and what of a token only its trial asks.
use std::fmt;

use cryptoki::mechanism::{MechanismInfo, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use hsm::KeyName;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Object, Token, fault};
use crate::module::Fault;

/// A module and its token, in their own words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Description {
    manufacturer: String,
    library: String,
    version: String,
    token_model: String,
    firmware: String,
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { manufacturer, library, version, token_model, firmware } = self;
        write!(f, "{manufacturer}: {library} {version}; token {token_model} {firmware}")
    }
}

impl Token {
    /// What the module says of itself; what it does not say is left empty.
    pub(crate) fn description(&self) -> Description {
        let mut description = Description::default();
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

    /// What the module says of a mechanism. Asked for each by itself: cryptoki's list leaves out what it has no name for.
    pub(crate) fn announces(&self, mechanism: MechanismType) -> Option<MechanismInfo> {
        self.library.get_mechanism_info(self.slot, mechanism).ok()
    }

    /// Whether keys are made with the list of their mechanisms.
    pub(crate) fn writes_mechanisms(&self) -> bool {
        self.writes_mechanisms
    }

    /// From now on keys are made with the list, or without.
    pub(crate) fn write_mechanisms(&mut self, write: bool) {
        self.writes_mechanisms = write;
    }

    /// How many keys that stay have this name.
    pub(crate) fn kept(&self, name: &KeyName) -> Result<usize, Fault> {
        let wanted =
            [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Token(true), Attribute::Label(name.as_str().into())];
        Ok(self.session().find_objects(&wanted).map_err(fault)?.len())
    }

    /// The value of a key, which a hidden one must not show.
    pub(crate) fn value(&self, key: &Object) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let attributes = self.session().get_attributes(key.handle()?, &[AttributeType::Value]).map_err(fault)?;
        match attributes.into_iter().next() {
            Some(Attribute::Value(value)) => Ok(Zeroizing::new(value)),
            _ => Err(Fault::Refused("the module does not show this key")),
        }
    }
}
