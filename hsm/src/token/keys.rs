//! Making token objects: what the ceremony does.
use cryptoki::context::Pkcs11;
use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;

use super::attributes::permanent;
use super::open::retried;
use super::{Object, Token, fault, wipe};
use crate::KeyName;
use crate::key_kind::{KeyKind, Material};
use crate::module::Fault;
use crate::verbs::hex;

impl Token {
    /// Generates a key inside the module, where it stays. Answers the module's own check value (CKA_CHECK_VALUE).
    pub(crate) fn generate_static(&mut self, name: &KeyName, kind: KeyKind) -> Result<String, Fault> {
        let mut attributes = permanent(kind, name.as_str());
        let mechanism = match kind.material() {
            Material::Des2 => Mechanism::Des2KeyGen,
            Material::Aes(bytes) => {
                attributes.push(Attribute::ValueLen((bytes as u64).into()));
                Mechanism::AesKeyGen
            }
            Material::Secret => {
                attributes.push(Attribute::ValueLen((kind.length() as u64).into()));
                Mechanism::GenericSecretKeyGen
            }
        };
        // the class follows from the mechanism, and a generation refuses to be told the key type of another
        attributes.retain(|attribute| !matches!(attribute, Attribute::KeyType(_)));
        let handle = self.session.generate_key(&mechanism, &attributes).map_err(fault)?;
        self.adopt(name.clone(), kind, handle).map_err(fault)?;
        self.check_value(handle)
    }

    /// The module's own check value of a key (CKA_CHECK_VALUE).
    pub(crate) fn module_check_value(&self, key: &Object) -> Result<String, Fault> {
        self.check_value(key.handle()?)
    }

    fn check_value(&self, handle: ObjectHandle) -> Result<String, Fault> {
        let values = self.session.get_attributes(handle, &[AttributeType::CheckValue]).map_err(fault)?;
        Ok(match values.first() {
            Some(Attribute::CheckValue(value)) if value.len() >= 3 => hex(&value[..3]),
            _ => "none".into(),
        })
    }

    /// Every key of the token that has a name of ours.
    pub(crate) fn statics(&self) -> Vec<(KeyName, Object)> {
        self.keys.iter().map(|(name, key)| (name.clone(), key.clone())).collect()
    }

    /// Stores a key that was put together outside: from components, or one that a partner must be told.
    pub(crate) fn import_static(&mut self, name: &KeyName, kind: KeyKind, value: &[u8]) -> Result<(), Fault> {
        let mut attributes = permanent(kind, name.as_str());
        attributes.push(Attribute::Value(value.to_vec()));
        let created = self.session.create_object(&attributes).map_err(fault);
        wipe(attributes);
        self.adopt(name.clone(), kind, created?).map_err(fault)
    }
}

impl Token {
    /// Destroys a token key, if it is there: only what an interrupted ceremony left unusable.
    pub(crate) fn remove_static(&mut self, name: &KeyName) -> Result<(), Fault> {
        let wanted =
            [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Token(true), Attribute::Label(name.as_str().into())];
        for handle in self.session.find_objects(&wanted).map_err(fault)? {
            self.session.destroy_object(handle).map_err(fault)?;
        }
        self.keys.remove(name);
        Ok(())
    }
}

/// Initializes a token with this label in the first slot that has an uninitialized one. Never touches an initialized token.
pub(crate) fn initialise_token(
    library: &Pkcs11,
    label: &str,
    so_pin: &AuthPin,
    user_pin: &AuthPin,
) -> Result<bool, Error> {
    let taken = library.get_slots_with_initialized_token()?;
    let Some(slot) = library.get_slots_with_token()?.into_iter().find(|slot| !taken.contains(slot)) else {
        return Ok(false);
    };
    library.init_token(slot, so_pin, label)?;
    retried(|| {
        let session = library.open_rw_session(slot)?;
        session.login(UserType::So, Some(so_pin))?;
        session.init_pin(user_pin)?;
        session.logout()
    })?;
    Ok(true)
}
