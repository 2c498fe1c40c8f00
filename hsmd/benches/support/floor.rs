//! The cost of each verb's module calls alone: the same calls with the same kinds of keys and the same templates, one after the
//! other on one thread, without the daemon.
use std::path::Path;
use std::process::Command;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::ekdf::AesCbcDeriveParams;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use serde_json::{Map, Value, json};

use crate::installation::Installation;
use crate::processor::least_us;

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// The argument that makes the benchmark run this measurement, as a child process.
pub const ARGUMENT: &str = "--module-floor";

/// Microseconds by verb; none on another module than SoftHSM. SoftHSM reads the folder of its tokens from the environment, so a
/// child process measures.
pub fn of(installation: &Installation) -> Map<String, Value> {
    if std::env::var_os("HSM_MODULE").is_some() {
        return Map::new();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.env("SOFTHSM2_CONF", installation.folder.join("softhsm2.conf")).arg(ARGUMENT).arg(&installation.folder);
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// An open token and sessions for operations that stay open.
struct Floor {
    library: Pkcs11,
    slot: cryptoki::slot::Slot,
    session: Session,
}

/// A private session object, as the copy of a token key is one; or one that is not private, as derived keys are.
fn template(private: bool, kind: KeyType, mechanisms: &[MechanismType], usage: [bool; 4]) -> Vec<Attribute> {
    let [encrypt, decrypt, sign, derive] = usage;
    vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(kind),
        Attribute::Encrypt(encrypt),
        Attribute::Decrypt(decrypt),
        Attribute::Sign(sign),
        Attribute::Verify(false),
        Attribute::Wrap(false),
        Attribute::Unwrap(false),
        Attribute::Derive(derive),
        Attribute::AllowedMechanisms(mechanisms.to_vec()),
        Attribute::Token(false),
        Attribute::Private(private),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
    ]
}

/// The daemon derives by DES3_ECB_ENCRYPT_DATA, for which cryptoki has no name. This is the same work in the module with
/// another cipher, which takes 0.4 µs less of some 16.
fn derivation(data: &[u8; 16]) -> Mechanism<'_> {
    Mechanism::AesCbcEncryptData(AesCbcDeriveParams::new([0; 16], data))
}

impl Floor {
    fn open(folder: &Path) -> Self {
        let library = Pkcs11::new(MODULE).unwrap();
        library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
        let slot = library.get_slots_with_initialized_token().unwrap()[0];
        let session = library.open_rw_session(slot).unwrap();
        let pin = std::fs::read_to_string(folder.join("keys/token.user-pin")).unwrap();
        session.login(UserType::User, Some(&AuthPin::from(pin.trim_end().to_owned()))).unwrap();
        Self { library, slot, session }
    }

    fn key(&self, mut template: Vec<Attribute>, value: &[u8]) -> ObjectHandle {
        template.push(Attribute::Value(value.to_vec()));
        self.session.create_object(&template).unwrap()
    }

    fn double_des(&self) -> ObjectHandle {
        let key = [0x13, 2, 4, 7, 8, 11, 13, 14, 1, 2, 4, 7, 8, 11, 13, 14];
        let mechanisms = [MechanismType::DES3_ECB, MechanismType::DES3_CBC];
        self.key(template(true, KeyType::DES2, &mechanisms, [true, true, false, false]), &key)
    }

    /// A key to derive from: a master key is private, a card's key is not.
    fn base(&self, private: bool) -> ObjectHandle {
        let mechanisms = [MechanismType::AES_CBC_ENCRYPT_DATA];
        self.key(template(private, KeyType::AES, &mechanisms, [false, false, false, true]), &[7; 16])
    }

    /// A session with an operation that is only ever continued.
    fn kept_open(&self, mechanism: &Mechanism<'_>, key: ObjectHandle) -> Session {
        let session = self.library.open_rw_session(self.slot).unwrap();
        session.encrypt_init(mechanism, key).unwrap();
        session
    }

    fn derive(&self, base: ObjectHandle) -> ObjectHandle {
        let mechanisms = [MechanismType::DES3_ECB, MechanismType::DES3_CBC, MechanismType::AES_CBC_ENCRYPT_DATA];
        let template = template(false, KeyType::DES2, &mechanisms, [true, false, false, true]);
        self.session.derive_key(&derivation(&[3; 16]), base, &template).unwrap()
    }

    /// Two MACs under a session's keys: the cryptogram over five blocks and one, the answer over one and one.
    fn cryptogram(&self, card: ObjectHandle, spare: &[Session; 2]) {
        let (full, left) = (self.derive(card), self.derive(card));
        spare[0].encrypt_init(&Mechanism::Des3Cbc([0; 8]), left).unwrap();
        spare[1].encrypt_init(&Mechanism::Des3Ecb, full).unwrap();
        for length in [40, 8] {
            spare[0].encrypt_update(&[5; 40][..length]).unwrap();
            spare[1].encrypt_update(&[5; 8]).unwrap();
        }
        spare.iter().for_each(|session| drop(session.encrypt_final().unwrap()));
        for key in [full, left] {
            self.session.destroy_object(key).unwrap();
        }
    }
}

/// The child: prints the figures.
pub fn print(folder: &Path) {
    let floor = Floor::open(folder);
    let session = &floor.session;
    let (fixed, master, card) = (floor.double_des(), floor.base(true), floor.base(false));
    let aes = |mechanism, usage, private| floor.key(template(private, KeyType::AES, &[mechanism], usage), &[7; 32]);
    let vault = aes(MechanismType::AES_GCM, [true, true, false, false], true);
    let terminal_mac = aes(MechanismType::AES_CMAC, [false, false, true, false], false);
    let secret = [MechanismType::SHA256_HMAC];
    let index = floor.key(template(true, KeyType::GENERIC_SECRET, &secret, [false, false, true, false]), &[7; 32]);
    let single = floor.kept_open(&Mechanism::Des3Ecb, fixed);
    let chain = floor.kept_open(&Mechanism::Des3Cbc([0; 8]), fixed);
    let spare = [(), ()].map(|()| floor.library.open_rw_session(floor.slot).unwrap());
    let seal = || {
        let mut nonce = [1; 12];
        let parameters = GcmParams::new(&mut nonce, b"row", 128.into()).unwrap();
        session.encrypt(&Mechanism::AesGcm(parameters), vault, &[4; 16]).unwrap()
    };
    let sealed = seal();

    let pan_index = least_us(|| drop(session.sign(&Mechanism::Sha256Hmac, index, &[4; 16]).unwrap()));
    let tokenize = pan_index
        + least_us(|| {
            session.generate_random_slice(&mut [0; 12]).unwrap();
            drop(seal());
        });
    let detokenize = least_us(|| {
        let mut nonce = [1; 12];
        let parameters = GcmParams::new(&mut nonce, b"row", 128.into()).unwrap();
        drop(session.decrypt(&Mechanism::AesGcm(parameters), vault, &sealed).unwrap());
    });
    let block = least_us(|| drop(single.encrypt_update(&[5; 8]).unwrap()));
    let two_blocks = least_us(|| drop(single.encrypt_update(&[5; 16]).unwrap()));
    let chained = least_us(|| drop(chain.encrypt_update(&[5; 8]).unwrap()));
    let cached = least_us(|| floor.cryptogram(card, &spare));
    let card_key = least_us(|| session.destroy_object(floor.derive(master)).unwrap());
    let cmac = least_us(|| drop(session.sign(&Mechanism::AesCMac, terminal_mac, &[7; 300]).unwrap()));
    let figures = json!({
        "pan_index": pan_index,
        "tokenize": tokenize,
        "detokenize": detokenize,
        "detokenize_in_16": detokenize,
        "pvv_verify": 2.0 * block,
        "cvv_verify": chained + block,
        "arqc_strict": cached + card_key,
        "arqc_strict_cached": cached,
        "arqc_fast": two_blocks,
        "pin_translate": 2.0 * block,
        "mac_cmac_300": cmac,
        "edge_mac_and_pin": cmac + 2.0 * block,
    });
    println!("{figures}");
}
