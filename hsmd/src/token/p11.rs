//! The one module with `unsafe`: PKCS#11 calls for which cryptoki has no safe function. These are mechanisms that it has no
//! name for, a text for a module's initialization, an encryption in one call, and the information of a token.
//!
//! Deriving card and session keys, and the keys of key blocks and of DUKPT, inside the module needs
//! CKM_DES3_ECB_ENCRYPT_DATA and CKM_AES_ECB_ENCRYPT_DATA. cryptoki 0.12 can carry any mechanism
//! (`Mechanism::VendorDefined`), but its constructor of mechanism *types* refuses numbers below the vendor range.
use std::os::raw::c_ulong;
use std::path::Path;
use std::ptr::NonNull;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error, Rv, RvError};
use cryptoki::mechanism::misc::KeyDerivationStringData;
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use cryptoki_sys::{CK_FUNCTION_LIST, CK_MECHANISM, CK_TOKEN_INFO, CK_ULONG, CKF_TOKEN_INITIALIZED};

/// PKCS#11 2.40, section 2.15 (mechanisms: key derivation by data encryption).
const CKM_DES3_ECB_ENCRYPT_DATA: c_ulong = 0x1102;

// `MechanismType` is documented as transparent over CK_MECHANISM_TYPE, which is an unsigned long
const _: () = assert!(size_of::<MechanismType>() == size_of::<c_ulong>());
const _: () = assert!(align_of::<MechanismType>() == align_of::<c_ulong>());

/// The same under AES.
const CKM_AES_ECB_ENCRYPT_DATA: c_ulong = 0x1104;

fn mechanism_type(number: c_ulong) -> MechanismType {
    // SAFETY: `MechanismType` is #[repr(transparent)] over CK_MECHANISM_TYPE = c_ulong (sizes asserted above), and every
    // value of it is valid: the type has no niche and cryptoki itself makes it from whatever a module reports.
    unsafe { std::mem::transmute::<c_ulong, MechanismType>(number) }
}

/// The type of the mechanism: for lists of allowed mechanisms.
pub(crate) fn des3_ecb_encrypt_data_type() -> MechanismType {
    mechanism_type(CKM_DES3_ECB_ENCRYPT_DATA)
}

/// The type of the mechanism: for lists of allowed mechanisms.
pub(crate) fn aes_ecb_encrypt_data_type() -> MechanismType {
    mechanism_type(CKM_AES_ECB_ENCRYPT_DATA)
}

/// The mechanism: the derived key is the encryption of `data` under the AES base key.
pub(crate) fn aes_ecb_encrypt_data<'a>(data: &'a KeyDerivationStringData<'a>) -> Mechanism<'a> {
    Mechanism::VendorDefined(VendorDefinedMechanism::new(aes_ecb_encrypt_data_type(), Some(data)))
}

/// The mechanism: the derived key is the encryption of `data` under the base key.
pub(crate) fn des3_ecb_encrypt_data<'a>(data: &'a KeyDerivationStringData<'a>) -> Mechanism<'a> {
    Mechanism::VendorDefined(VendorDefinedMechanism::new(des3_ecb_encrypt_data_type(), Some(data)))
}

/// Initializes a module: it may use the system's locks and, where it takes one, gets a text in the place that PKCS#11
/// reserves (NSS calls it its library parameters).
pub(crate) fn initialize(library: &Pkcs11, text: Option<&str>) -> Result<(), Error> {
    let locking = CInitializeFlags::OS_LOCKING_OK;
    let Some(text) = text else { return library.initialize(CInitializeArgs::new(locking)) };
    let mut bytes: Vec<u8> = text.bytes().chain([0]).collect();
    let place = NonNull::from(bytes.as_mut_slice()).cast();
    // SAFETY: the pointer is to a text that ends with a zero, and lives until C_Initialize has returned, which is as long as
    // PKCS#11 lets a module read its arguments. By having a text the configuration states that this module expects one there.
    library.initialize(unsafe { CInitializeArgs::new_with_reserved(locking, place) })
}

/// The information of a token. cryptoki also reads the token's clock, and fails for a token whose clock does not show digits.
pub(crate) struct TokenInfo {
    pub label: String,
    pub model: String,
    pub firmware: String,
    pub is_initialised: bool,
}

/// A module's functions, called without cryptoki in between.
pub(crate) struct Functions {
    /// Keeps the library loaded, which the list is part of.
    _library: cryptoki_sys::Pkcs11,
    list: NonNull<CK_FUNCTION_LIST>,
}

impl Functions {
    /// The functions of the library at this path, which is loaded once for the process.
    pub(crate) fn of(module: &Path) -> Result<Self, Error> {
        // SAFETY: loading runs what the library does when it is loaded; this one has been loaded by cryptoki before.
        let library = unsafe { cryptoki_sys::Pkcs11::new(module) }.map_err(Error::LibraryLoading)?;
        let mut list = std::ptr::null_mut();
        // SAFETY: C_GetFunctionList writes one pointer, and may be called at any time.
        let answer = unsafe { library.C_GetFunctionList(&mut list) };
        Rv::from(answer).into_result(Function::GetFunctionList)?;
        let list = NonNull::new(list).ok_or(Error::NullFunctionPointer)?;
        Ok(Self { _library: library, list })
    }

    /// The information of the token in a slot.
    pub(crate) fn token(&self, slot: Slot) -> Result<TokenInfo, Error> {
        let mut info = CK_TOKEN_INFO::default();
        let ask = self.list().C_GetTokenInfo.ok_or(Error::NullFunctionPointer)?;
        // SAFETY: the module fills the structure, which is as large as it says.
        let answer = unsafe { ask(slot.into(), &mut info) };
        Rv::from(answer).into_result(Function::GetTokenInfo)?;
        let text = |padded: &[u8]| String::from_utf8_lossy(padded).trim_end_matches([' ', '\0']).to_owned();
        Ok(TokenInfo {
            label: text(&info.label),
            model: text(&info.model),
            firmware: format!("{}.{}", info.firmwareVersion.major, info.firmwareVersion.minor),
            is_initialised: info.flags & CKF_TOKEN_INITIALIZED != 0,
        })
    }

    fn list(&self) -> &CK_FUNCTION_LIST {
        // SAFETY: the list lives as long as the library in `self`; its functions never change.
        unsafe { self.list.as_ref() }
    }

    /// Encrypts in one call, with room for `room` bytes of result. cryptoki asks the module for the length first, and NSS
    /// leaves out the tag of GCM when it answers that.
    pub(crate) fn encrypt(
        &self,
        session: &Session,
        mechanism: &Mechanism<'_>,
        key: ObjectHandle,
        data: &[u8],
        room: usize,
    ) -> Result<Vec<u8>, Error> {
        let mut mechanism = CK_MECHANISM::from(mechanism);
        let mut sealed = vec![0; room];
        let mut length = room as CK_ULONG;
        let (Some(begin), Some(encrypt)) = (self.list().C_EncryptInit, self.list().C_Encrypt) else {
            return Err(Error::NullFunctionPointer);
        };
        // SAFETY: the mechanism's parameters are borrowed for the call, and the module reads no further than they say. Handles
        // are numbers: a wrong one is an error and nothing worse.
        let answer = unsafe { begin(session.handle(), &mut mechanism, key.handle()) };
        Rv::from(answer).into_result(Function::EncryptInit)?;
        // SAFETY: the module reads `data.len()` bytes, whatever its prototype says of const, and writes at most `length`.
        let answer = unsafe {
            encrypt(
                session.handle(),
                data.as_ptr().cast_mut(),
                data.len() as CK_ULONG,
                sealed.as_mut_ptr(),
                &mut length,
            )
        };
        Rv::from(answer).into_result(Function::Encrypt)?;
        let length = usize::try_from(length)?;
        if length > room {
            return Err(Error::Pkcs11(RvError::BufferTooSmall, Function::Encrypt));
        }
        sealed.truncate(length);
        Ok(sealed)
    }
}
