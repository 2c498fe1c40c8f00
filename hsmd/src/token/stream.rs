//! Block cipher operations that are begun once and then only continued: beginning one costs SoftHSM five times what a block
//! does. Each occupies a session of its own.
//!
//! ECB carries nothing from block to block. CBC carries its last block, which is mixed into the next call's first one and so
//! taken out again: every chain begins as if with a zero IV. No request sees another's data in either.
use std::cell::RefCell;

use cryptoki::context::Pkcs11;
use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use zeroize::Zeroizing;

use super::fault;
use crate::module::Fault;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Single blocks, DES or AES, in ECB.
    Encrypt,
    Decrypt,
    /// DES in CBC.
    Chain,
}

const DES_BLOCK: usize = 8;

/// An operation under way.
struct Stream {
    session: Session,
    way: Way,
    /// Last block that a chain gave out.
    carried: Zeroizing<[u8; DES_BLOCK]>,
}

impl Stream {
    fn begin(session: Session, way: Way, mechanism: &Mechanism<'_>, key: ObjectHandle) -> Result<Self, Error> {
        match way {
            Way::Encrypt | Way::Chain => session.encrypt_init(mechanism, key)?,
            Way::Decrypt => session.decrypt_init(mechanism, key)?,
        }
        Ok(Self { session, way, carried: Zeroizing::default() })
    }

    fn blocks(&mut self, data: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        match self.way {
            Way::Encrypt => self.session.encrypt_update(data).map(Zeroizing::new),
            Way::Decrypt => self.session.decrypt_update(data).map(Zeroizing::new),
            Way::Chain => {
                let mut mixed = Zeroizing::new(data.to_vec());
                mixed.iter_mut().zip(self.carried.iter()).for_each(|(byte, carried)| *byte ^= carried);
                let chained = Zeroizing::new(self.session.encrypt_update(&mixed)?);
                if let Some(last) = chained.last_chunk::<DES_BLOCK>() {
                    self.carried.copy_from_slice(last);
                }
                Ok(chained)
            }
        }
    }

    /// Ends the operation; its session can begin another.
    fn end(self) -> Result<Session, Error> {
        // whole blocks without padding: nothing is left to come
        match self.way {
            Way::Encrypt | Way::Chain => drop(self.session.encrypt_final()?),
            Way::Decrypt => drop(self.session.decrypt_final()?),
        }
        Ok(self.session)
    }
}

/// The operations of a key that stays; each is begun at its first use and stays open as long as the key.
#[derive(Default)]
pub(super) struct Fixed(RefCell<[Option<Stream>; 3]>);

/// The operations of temporary keys that were used last. A key's are ended when it is destroyed.
pub(super) struct Lent {
    library: Pkcs11,
    slot: Slot,
    /// The one used last is at the end.
    open: RefCell<Vec<(ObjectHandle, Stream)>>,
    idle: RefCell<Vec<Session>>,
}

/// Temporary keys' operations that are kept open: a verb has two or three.
const MOST_LENT: usize = 16;

impl Lent {
    pub(super) fn new(library: Pkcs11, slot: Slot) -> Self {
        Self { library, slot, open: RefCell::default(), idle: RefCell::default() }
    }

    /// Whole blocks under a temporary key.
    pub(super) fn blocks(
        &self,
        way: Way,
        mechanism: &Mechanism<'_>,
        key: ObjectHandle,
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let mut open = self.open.borrow_mut();
        let place = open.iter().position(|(of, stream)| *of == key && stream.way == way);
        let mut stream = match place {
            Some(place) => open.remove(place).1,
            None => {
                if open.len() == MOST_LENT {
                    self.take_back(open.remove(0).1);
                }
                Stream::begin(self.session()?, way, mechanism, key).map_err(fault)?
            }
        };
        // after an error the operation is over and its session is not kept
        let done = stream.blocks(data).map_err(fault)?;
        open.push((key, stream));
        Ok(done)
    }

    /// Whole blocks under a key that stays.
    pub(super) fn fixed_blocks(
        &self,
        fixed: &Fixed,
        way: Way,
        mechanism: &Mechanism<'_>,
        key: ObjectHandle,
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let place = &mut fixed.0.borrow_mut()[way as usize];
        let mut stream = match place.take() {
            Some(stream) => stream,
            None => Stream::begin(self.session()?, way, mechanism, key).map_err(fault)?,
        };
        let done = stream.blocks(data).map_err(fault)?;
        *place = Some(stream);
        Ok(done)
    }

    /// Ends what is open under a key that is about to go.
    pub(super) fn end(&self, key: ObjectHandle) {
        let mut open = self.open.borrow_mut();
        while let Some(place) = open.iter().position(|(of, _)| *of == key) {
            self.take_back(open.remove(place).1);
        }
    }

    fn session(&self) -> Result<Session, Fault> {
        match self.idle.borrow_mut().pop() {
            Some(session) => Ok(session),
            None => self.library.open_rw_session(self.slot).map_err(fault),
        }
    }

    fn take_back(&self, stream: Stream) {
        // one that does not end well is closed, which ends it too
        self.idle.borrow_mut().extend(stream.end());
    }
}
