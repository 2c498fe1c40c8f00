//! What stands behind a key handle: an object of the module, or for the card keys of a fast set a key in this process.
use std::cell::RefCell;
use std::rc::Rc;

use cryptoki::context::Pkcs11;
use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use zeroize::Zeroizing;

use super::fault;
use super::memory::MemoryKey;
use crate::key_kind::KeyKind;
use crate::module::Fault;

/// A key; an object of the session is destroyed, a key in memory wiped, when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Object(Rc<Held>);

struct Held {
    kind: KeyKind,
    place: Place,
}

enum Place {
    Session(SessionObject),
    Memory(MemoryKey),
}

struct SessionObject {
    // before the handle goes: operations that hold the key open
    warm: Option<Warm>,
    session: Rc<Session>,
    handle: ObjectHandle,
}

impl Drop for SessionObject {
    fn drop(&mut self) {
        // After a finalize the handle is gone already. Otherwise a failure would leave an object that lives until the next
        // recycling, which is counted from creations and not from these.
        if let Err(error) = self.session.destroy_object(self.handle) {
            tracing::trace!(%error, "temporary object was not destroyed");
        }
    }
}

/// Which way a block goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Encrypt,
    Decrypt,
}

impl Object {
    /// A temporary object.
    pub(super) fn temporary(session: &Rc<Session>, handle: ObjectHandle, kind: KeyKind) -> Self {
        let place = Place::Session(SessionObject { warm: None, session: Rc::clone(session), handle });
        Self(Rc::new(Held { kind, place }))
    }

    /// The session copy of a key that stays: its single blocks go through operations that are never ended.
    pub(super) fn fixed(
        session: &Rc<Session>,
        handle: ObjectHandle,
        kind: KeyKind,
        library: &Pkcs11,
        slot: Slot,
    ) -> Self {
        let warm =
            Warm { library: library.clone(), slot, encrypting: RefCell::default(), decrypting: RefCell::default() };
        let place = Place::Session(SessionObject { warm: Some(warm), session: Rc::clone(session), handle });
        Self(Rc::new(Held { kind, place }))
    }

    /// A key in this process's memory.
    pub(super) fn in_memory(key: &Zeroizing<[u8; 16]>, kind: KeyKind) -> Self {
        Self(Rc::new(Held { kind, place: Place::Memory(MemoryKey::new(key)) }))
    }

    pub(super) fn kind(&self) -> KeyKind {
        self.0.kind
    }

    pub(super) fn memory(&self) -> Option<&MemoryKey> {
        match &self.0.place {
            Place::Memory(key) => Some(key),
            Place::Session(_) => None,
        }
    }

    pub(super) fn is_fixed(&self) -> bool {
        matches!(&self.0.place, Place::Session(object) if object.warm.is_some())
    }

    /// The module's handle.
    pub(super) fn handle(&self) -> Result<ObjectHandle, Fault> {
        match &self.0.place {
            Place::Session(object) => Ok(object.handle),
            Place::Memory(_) => {
                Err(Fault::Refused("a card key in memory does single blocks, chains and derivations only"))
            }
        }
    }

    /// Whole blocks in ECB, one way, through the operation kept open for it; `None` if this key has none.
    pub(super) fn warm_blocks(
        &self,
        mechanism: &Mechanism<'_>,
        direction: Direction,
        data: &[u8],
    ) -> Option<Result<Zeroizing<Vec<u8>>, Fault>> {
        match &self.0.place {
            Place::Session(SessionObject { warm: Some(warm), handle, .. }) => {
                Some(warm.blocks(mechanism, *handle, direction, data).map(Zeroizing::new).map_err(fault))
            }
            _ => None,
        }
    }
}

/// ECB operations that were begun once and are only ever continued: beginning one costs SoftHSM five times what a block does.
/// Each occupies a session of its own. ECB carries nothing from block to block, so no request sees another's.
struct Warm {
    library: Pkcs11,
    slot: Slot,
    encrypting: RefCell<Option<Session>>,
    decrypting: RefCell<Option<Session>>,
}

impl Warm {
    fn blocks(
        &self,
        mechanism: &Mechanism<'_>,
        key: ObjectHandle,
        direction: Direction,
        data: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let mut place = match direction {
            Direction::Encrypt => self.encrypting.borrow_mut(),
            Direction::Decrypt => self.decrypting.borrow_mut(),
        };
        let session = match place.take() {
            Some(session) => session,
            None => {
                let session = self.library.open_rw_session(self.slot)?;
                match direction {
                    Direction::Encrypt => session.encrypt_init(mechanism, key)?,
                    Direction::Decrypt => session.decrypt_init(mechanism, key)?,
                }
                session
            }
        };
        let done = match direction {
            Direction::Encrypt => session.encrypt_update(data)?,
            Direction::Decrypt => session.decrypt_update(data)?,
        };
        // after an error the session is not kept: its operation is over
        *place = Some(session);
        Ok(done)
    }
}
