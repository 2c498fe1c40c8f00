//! Making and destroying permanent keys of the token, for the acts on keys.
use cryptoki::context::Pkcs11;
use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use hsm::KeyName;

use super::attributes::{Exposure, Extraction, permanent};
use super::open::retried;
use super::{Token, TokenKey, fault, make_triple, wipe};
use crate::hex::hex;
use crate::module::key_kind::{KeyKind, Material, Permitted};
use crate::module::{Fault, Module};
use crate::token::p11::Functions;

impl Token {
    /// Generates a permanent key inside the module. Returns the module's own check value (CKA_CHECK_VALUE).
    pub(crate) fn generate_static(
        &mut self,
        name: &KeyName,
        kind: KeyKind,
        extraction: Extraction,
    ) -> Result<String, Fault> {
        let handle = self.generate(kind, permanent(kind, name.as_str(), extraction, self.writes_mechanisms))?;
        self.adopt(name.clone(), kind, handle).map_err(fault)?;
        self.module_check_value(&self.find(name)?)
    }

    /// Generates a key that is destroyed when its last clone is dropped: for a module check, or for one call.
    pub(crate) fn generate_temporary(&self, kind: KeyKind) -> Result<TokenKey, Fault> {
        Ok(self.temporary(self.generate(kind, self.template(kind, Exposure::Hidden))?, kind))
    }

    fn generate(&self, kind: KeyKind, mut attributes: Vec<Attribute>) -> Result<ObjectHandle, Fault> {
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
        // the class follows from the mechanism, and modules refuse a key type that does not
        attributes.retain(|attribute| !matches!(attribute, Attribute::KeyType(_)));
        self.session().generate_key(&mechanism, &attributes).map_err(fault)
    }

    /// The module's own check value of a key (CKA_CHECK_VALUE), three bytes of an encrypted zero block. If the module has none, it
    /// is computed with a key that may encrypt single blocks.
    pub(crate) fn module_check_value(&self, key: &TokenKey) -> Result<String, Fault> {
        let values = self.session().get_attributes(key.handle()?, &[AttributeType::CheckValue]).map_err(fault)?;
        if let Some(Attribute::CheckValue(value)) = values.first()
            && value.len() >= 3
        {
            return Ok(hex(&value[..3]));
        }
        let permitted = |mechanism| key.kind().usage().encrypt && key.kind().permitted().contains(&mechanism);
        Ok(if permitted(Permitted::DesEcb) {
            hex(&self.des_encrypt(key, &[0; 8])?[..3])
        } else if permitted(Permitted::AesEcb) {
            hex(&self.aes_encrypt(key, &[0; 16])?[..3])
        } else {
            "none".into()
        })
    }

    /// Every key of the token whose name is a valid key name.
    pub(crate) fn statics(&self) -> Vec<(KeyName, TokenKey)> {
        self.keys.iter().map(|(name, key)| (name.clone(), key.clone())).collect()
    }

    /// Stores a clear key: combined from components, received from a partner, or to be sent to one.
    pub(crate) fn import_static(
        &mut self,
        name: &KeyName,
        kind: KeyKind,
        value: &[u8],
        extraction: Extraction,
    ) -> Result<(), Fault> {
        if !kind.may_be_long(value.len()) {
            return Err(Fault::Request("length of the key"));
        }
        let mut attributes = permanent(kind, name.as_str(), extraction, self.writes_mechanisms);
        if kind.material() == Material::Des2 && value.len() == 24 {
            make_triple(&mut attributes);
        }
        attributes.push(Attribute::Value(value.to_vec()));
        let created = self.session().create_object(&attributes).map_err(fault);
        wipe(attributes);
        self.adopt(name.clone(), kind, created?).map_err(fault)
    }
}

impl Token {
    /// Destroys a key of the token, if it exists.
    pub(crate) fn remove_static(&mut self, name: &KeyName) -> Result<(), Fault> {
        let wanted =
            [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Token(true), Attribute::Label(name.as_str().into())];
        for handle in self.session().find_objects(&wanted).map_err(fault)? {
            self.session().destroy_object(handle).map_err(fault)?;
        }
        self.keys.remove(name);
        Ok(())
    }
}

/// Initializes a token with this label in the first slot that has an uninitialized one. Never touches an initialized token.
pub(crate) fn initialise_token(
    library: &Pkcs11,
    functions: &Functions,
    label: &str,
    so_pin: &AuthPin,
    user_pin: &AuthPin,
) -> Result<bool, Error> {
    let mut free = None;
    for slot in library.get_slots_with_token()? {
        if !functions.token(slot)?.is_initialised {
            free = Some(slot);
            break;
        }
    }
    let Some(slot) = free else { return Ok(false) };
    library.init_token(slot, so_pin, label)?;
    retried(|| {
        let session = library.open_rw_session(slot)?;
        session.login(UserType::So, Some(so_pin))?;
        session.init_pin(user_pin)?;
        session.logout()
    })?;
    Ok(true)
}
