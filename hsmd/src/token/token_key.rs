//! Handles of keys: an object of the module, or for the card keys of a fast set a key in this process.
use std::rc::Rc;

use cryptoki::mechanism::Mechanism;
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use zeroize::Zeroizing;

use super::memory::MemoryKey;
use super::operations::{BlockOperation, PermanentOperations, TemporaryOperations};
use crate::module::Fault;
use crate::module::key_kind::KeyKind;

/// A key; an object of the session is destroyed, a key in memory wiped, when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct TokenKey(Rc<KeyInner>);

/// The part of a `TokenKey` that all its clones share: its kind, and the object or objects behind it.
struct KeyInner {
    kind: KeyKind,
    backing: Backing,
}

enum Backing {
    Session(SessionObject),
    Memory(MemoryKey),
}

/// The session that objects are made in, and the sessions that their operations run in.
pub(super) struct Sessions {
    pub session: Session,
    pub temporary: TemporaryOperations,
}

struct SessionObject {
    /// Open operations of a permanent key; they are ended before the handle is destroyed.
    permanent: Option<PermanentOperations>,
    sessions: Rc<Sessions>,
    handle: ObjectHandle,
}

impl Drop for SessionObject {
    fn drop(&mut self) {
        match self.permanent.take() {
            Some(permanent) => drop(permanent),
            None => self.sessions.temporary.end(self.handle),
        }
        // After a finalize the handle is gone already. Otherwise a failure leaves an object until the next recycling, which is
        // triggered by the number of creations.
        if let Err(error) = self.sessions.session.destroy_object(self.handle) {
            tracing::trace!(%error, "temporary object was not destroyed");
        }
    }
}

const IN_MEMORY: Fault = Fault::Refused("a card key in memory does single blocks, chains and derivations only");

impl TokenKey {
    /// A temporary object.
    pub(super) fn temporary(sessions: &Rc<Sessions>, handle: ObjectHandle, kind: KeyKind) -> Self {
        let backing = Backing::Session(SessionObject { permanent: None, sessions: Rc::clone(sessions), handle });
        Self(Rc::new(KeyInner { kind, backing }))
    }

    /// The session copy of a permanent key.
    pub(super) fn permanent(sessions: &Rc<Sessions>, handle: ObjectHandle, kind: KeyKind) -> Self {
        let permanent = Some(PermanentOperations::default());
        let backing = Backing::Session(SessionObject { permanent, sessions: Rc::clone(sessions), handle });
        Self(Rc::new(KeyInner { kind, backing }))
    }

    /// A key in this process's memory.
    pub(super) fn in_memory(key: &Zeroizing<[u8; 16]>, kind: KeyKind) -> Self {
        Self(Rc::new(KeyInner { kind, backing: Backing::Memory(MemoryKey::new(key)) }))
    }

    pub(super) fn kind(&self) -> KeyKind {
        self.0.kind
    }

    pub(super) fn memory(&self) -> Option<&MemoryKey> {
        match &self.0.backing {
            Backing::Memory(key) => Some(key),
            Backing::Session(_) => None,
        }
    }

    pub(super) fn is_permanent(&self) -> bool {
        matches!(&self.0.backing, Backing::Session(object) if object.permanent.is_some())
    }

    /// The module's handle.
    pub(super) fn handle(&self) -> Result<ObjectHandle, Fault> {
        match &self.0.backing {
            Backing::Session(object) => Ok(object.handle),
            Backing::Memory(_) => Err(IN_MEMORY),
        }
    }

    /// Whole blocks through an operation that is kept open.
    pub(super) fn blocks(
        &self,
        operation: BlockOperation,
        mechanism: &Mechanism<'_>,
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        match &self.0.backing {
            Backing::Session(SessionObject { permanent: Some(permanent), sessions, handle }) => {
                sessions.temporary.permanent_blocks(permanent, operation, mechanism, *handle, data)
            }
            Backing::Session(SessionObject { permanent: None, sessions, handle }) => {
                sessions.temporary.blocks(operation, mechanism, *handle, data)
            }
            Backing::Memory(_) => Err(IN_MEMORY),
        }
    }
}
