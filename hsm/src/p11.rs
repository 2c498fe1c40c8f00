//! The one module with `unsafe`: PKCS#11 mechanisms that cryptoki has no name for.
//!
//! Deriving card and session keys, and the keys of key blocks and of DUKPT, inside the module needs
//! CKM_DES3_ECB_ENCRYPT_DATA and CKM_AES_ECB_ENCRYPT_DATA. cryptoki 0.12 can carry any mechanism
//! (`Mechanism::VendorDefined`), but its constructor of mechanism *types* refuses numbers below the vendor range.
use std::os::raw::c_ulong;

use cryptoki::mechanism::misc::KeyDerivationStringData;
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};

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
