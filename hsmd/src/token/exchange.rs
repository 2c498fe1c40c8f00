//! Keys that are imported into the token, or exported from it, under another key by AES key wrap: only the module sees them.
//! Also the one way in which a key of the token can be read, which the module allows only for keys made for export.
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use hsm::KeyName;
use zeroize::Zeroizing;

use super::attributes::{Exposure, Extraction, permanent};
use super::{Token, TokenKey, WRAP_OVERHEAD, fault, make_triple, may_be_a_mismatch};
use crate::module::key_kind::{KeyKind, Material};
use crate::module::{Fault, Module};

/// The two standards of AES key wrap: RFC 3394, and RFC 5649, which also takes lengths that are no multiple of eight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WrapForm {
    Plain,
    Padded,
}

impl WrapForm {
    const ALL: [Self; 2] = [Self::Plain, Self::Padded];

    fn mechanism(self) -> Mechanism<'static> {
        match self {
            Self::Plain => Mechanism::AesKeyWrap,
            Self::Padded => Mechanism::AesKeyWrapPad,
        }
    }
}

impl Token {
    /// Wraps an extractable key of the token under a key encryption key.
    pub(crate) fn wrap_out(&self, kek: &TokenKey, key: &TokenKey, form: WrapForm) -> Result<Vec<u8>, Fault> {
        let mut wrap = self.session().wrap_key(&form.mechanism(), kek.handle()?, key.handle()?).map_err(departure)?;
        // cryptoki returns as many bytes as the module asked room for. SoftHSM asks for no more than it needs, and does not
        // report the length of a key that it unwrapped.
        if let Ok(length @ 1..) = self.length(key) {
            wrap.truncate(length.next_multiple_of(8) + WRAP_OVERHEAD);
        }
        Ok(wrap)
    }

    /// Stores the key in a wrap of either form; `false` if it is no wrap under this key, or not of a key of `length` bytes.
    pub(crate) fn unwrap_static(
        &mut self,
        name: &KeyName,
        (kind, length): (KeyKind, usize),
        (kek, wrap): (&TokenKey, &[u8]),
        extraction: Extraction,
    ) -> Result<bool, Fault> {
        let mut attributes = permanent(kind, name.as_str(), extraction, self.writes_mechanisms);
        if kind.material() == Material::Des2 && length == 24 {
            make_triple(&mut attributes);
        }
        for form in WrapForm::ALL {
            match self.session().unwrap_key(&form.mechanism(), kek.handle()?, wrap, &attributes) {
                Ok(handle) => return self.adopt(name.clone(), kind, handle).map(|()| true).map_err(fault),
                Err(error) if is_no_wrap(&error) => {}
                Err(error) => return Err(fault(error)),
            }
        }
        Ok(false)
    }

    /// The same key as a temporary object of another kind: to compute its check value.
    pub(crate) fn unwrap_either(&self, kek: &TokenKey, wrap: &[u8], kind: KeyKind) -> Result<Option<TokenKey>, Fault> {
        self.unwrap_passing(kek, wrap, kind, Exposure::Hidden)
    }

    /// The length of the key in a wrap of either form, up to the next multiple of eight; `None` if it is no wrap under this key.
    /// The module does not report the length of an unwrapped key, so the key is wrapped again by RFC 3394, which adds eight bytes.
    pub(crate) fn wrapped_length(&self, kek: &TokenKey, wrap: &[u8]) -> Result<Option<usize>, Fault> {
        let Some(key) = self.unwrap_passing(kek, wrap, KeyKind::PanIndex, Exposure::Wrappable)? else {
            return Ok(None);
        };
        let again = self.session().wrap_key(&WrapForm::Plain.mechanism(), kek.handle()?, key.handle()?);
        Ok(Some(again.map_or(0, |again| again.len().saturating_sub(8))))
    }

    fn unwrap_passing(
        &self,
        kek: &TokenKey,
        wrap: &[u8],
        kind: KeyKind,
        exposure: Exposure,
    ) -> Result<Option<TokenKey>, Fault> {
        for form in WrapForm::ALL {
            match self.session().unwrap_key(&form.mechanism(), kek.handle()?, wrap, &self.template(kind, exposure)) {
                Ok(handle) => return Ok(Some(self.temporary(handle, kind))),
                Err(error) if is_no_wrap(&error) => {}
                Err(error) => return Err(fault(error)),
            }
        }
        Ok(None)
    }

    /// A key of the token in clear. PKCS#11 cannot make a TR-31 block, which enciphers the key's length together with the key.
    /// So the module wraps the key under a key that exists for this call, and unwraps it as a readable object. It does that only
    /// for a key that was made for export.
    pub(crate) fn expose(&self, key: &TokenKey) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let passing = self.generate_temporary(KeyKind::Storage)?;
        let wrap = self.wrap_out(&passing, key, WrapForm::Plain)?;
        let mut attributes = self.template(key.kind(), Exposure::Readable);
        // the wrap is eight bytes longer than the key
        if key.kind().material() == Material::Des2 && wrap.len() == 32 {
            make_triple(&mut attributes);
        }
        let handle =
            self.session().unwrap_key(&Mechanism::AesKeyWrap, passing.handle()?, &wrap, &attributes).map_err(fault)?;
        let shown = self.temporary(handle, key.kind());
        let values = self.session().get_attributes(shown.handle()?, &[AttributeType::Value]).map_err(fault)?;
        match values.into_iter().next() {
            Some(Attribute::Value(value)) if !value.is_empty() => Ok(Zeroizing::new(value)),
            _ => Err(Fault::Device("the module does not show what it unwrapped readable".into())),
        }
    }

    /// Whether a key was made for export and is still extractable.
    pub(crate) fn is_for_export(&self, key: &TokenKey) -> Result<bool, Fault> {
        let values = self.session().get_attributes(key.handle()?, &[AttributeType::Extractable]).map_err(fault)?;
        Ok(matches!(values.first(), Some(Attribute::Extractable(true))))
    }

    /// Makes a key unextractable, which PKCS#11 does not let anybody undo.
    pub(crate) fn make_unextractable(&mut self, name: &KeyName) -> Result<(), Fault> {
        let wanted =
            [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Token(true), Attribute::Label(name.as_str().into())];
        for handle in self.session().find_objects(&wanted).map_err(fault)? {
            self.session().update_attributes(handle, &[Attribute::Extractable(false)]).map_err(fault)?;
        }
        Ok(())
    }
}

/// SoftHSM checks a wrap's length before its contents, and reports some lengths as a bad argument.
fn is_no_wrap(error: &Error) -> bool {
    may_be_a_mismatch(error) || matches!(error, Error::Pkcs11(RvError::ArgumentsBad | RvError::FunctionFailed, _))
}

fn departure(error: Error) -> Fault {
    match error {
        Error::Pkcs11(RvError::KeyUnextractable | RvError::KeyNotWrappable, _) => {
            Fault::Refused("the key was not made for export")
        }
        other => fault(other),
    }
}
