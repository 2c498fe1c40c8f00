//! What stands behind a key handle: an object of the module, or for the card keys of a fast set a key in this process.
use std::rc::Rc;

use cryptoki::mechanism::Mechanism;
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use zeroize::Zeroizing;

use super::memory::MemoryKey;
use super::stream::{Fixed, Lent, Way};
use crate::module::Fault;
use crate::module::key_kind::KeyKind;

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

/// The session that objects are made in, and the sessions that their operations run in.
pub(super) struct Workplace {
    pub session: Session,
    pub lent: Lent,
}

struct SessionObject {
    /// Operations of a key that stays; they hold it open and go before the handle does.
    fixed: Option<Fixed>,
    workplace: Rc<Workplace>,
    handle: ObjectHandle,
}

impl Drop for SessionObject {
    fn drop(&mut self) {
        match self.fixed.take() {
            Some(fixed) => drop(fixed),
            None => self.workplace.lent.end(self.handle),
        }
        // After a finalize the handle is gone already. Otherwise a failure would leave an object that lives until the next
        // recycling, which is counted from creations and not from these.
        if let Err(error) = self.workplace.session.destroy_object(self.handle) {
            tracing::trace!(%error, "temporary object was not destroyed");
        }
    }
}

const IN_MEMORY: Fault = Fault::Refused("a card key in memory does single blocks, chains and derivations only");

impl Object {
    /// A temporary object.
    pub(super) fn temporary(workplace: &Rc<Workplace>, handle: ObjectHandle, kind: KeyKind) -> Self {
        let place = Place::Session(SessionObject { fixed: None, workplace: Rc::clone(workplace), handle });
        Self(Rc::new(Held { kind, place }))
    }

    /// The session copy of a key that stays.
    pub(super) fn fixed(workplace: &Rc<Workplace>, handle: ObjectHandle, kind: KeyKind) -> Self {
        let fixed = Some(Fixed::default());
        let place = Place::Session(SessionObject { fixed, workplace: Rc::clone(workplace), handle });
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
        matches!(&self.0.place, Place::Session(object) if object.fixed.is_some())
    }

    /// The module's handle.
    pub(super) fn handle(&self) -> Result<ObjectHandle, Fault> {
        match &self.0.place {
            Place::Session(object) => Ok(object.handle),
            Place::Memory(_) => Err(IN_MEMORY),
        }
    }

    /// Whole blocks through an operation that is kept open.
    pub(super) fn blocks(&self, way: Way, mechanism: &Mechanism<'_>, data: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        match &self.0.place {
            Place::Session(SessionObject { fixed: Some(fixed), workplace, handle }) => {
                workplace.lent.fixed_blocks(fixed, way, mechanism, *handle, data)
            }
            Place::Session(SessionObject { fixed: None, workplace, handle }) => {
                workplace.lent.blocks(way, mechanism, *handle, data)
            }
            Place::Memory(_) => Err(IN_MEMORY),
        }
    }
}
