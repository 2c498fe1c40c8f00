//! Block cipher operations that are begun once and then only continued: beginning one costs SoftHSM five times as much as a
//! block. Each occupies a session of its own.
//!
//! ECB carries nothing from block to block. CBC carries its last block; it is XORed into the first block of the next call, which
//! cancels it, so every chain begins as if with a zero IV. In neither does data of one request reach another.
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

/// The kinds of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockOperation {
    /// Single blocks, DES or AES, in ECB.
    Encrypt,
    Decrypt,
    /// DES in CBC.
    Chain,
}

const DES_BLOCK: usize = 8;

/// An operation under way.
struct OpenOperation {
    session: Session,
    kind: BlockOperation,
    /// Last block of output of a chain.
    carried: Zeroizing<[u8; DES_BLOCK]>,
}

impl OpenOperation {
    fn begin(
        session: Session,
        kind: BlockOperation,
        mechanism: &Mechanism<'_>,
        key: ObjectHandle,
    ) -> Result<Self, Error> {
        match kind {
            BlockOperation::Encrypt | BlockOperation::Chain => session.encrypt_init(mechanism, key)?,
            BlockOperation::Decrypt => session.decrypt_init(mechanism, key)?,
        }
        Ok(Self { session, kind, carried: Zeroizing::default() })
    }

    fn blocks(&mut self, data: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        match self.kind {
            BlockOperation::Encrypt => self.session.encrypt_update(data).map(Zeroizing::new),
            BlockOperation::Decrypt => self.session.decrypt_update(data).map(Zeroizing::new),
            BlockOperation::Chain => {
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
        match self.kind {
            BlockOperation::Encrypt | BlockOperation::Chain => drop(self.session.encrypt_final()?),
            BlockOperation::Decrypt => drop(self.session.decrypt_final()?),
        }
        Ok(self.session)
    }
}

/// The operations of a permanent key; each is begun at its first use and stays open as long as the key.
#[derive(Default)]
pub(super) struct PermanentOperations(RefCell<[Option<OpenOperation>; 3]>);

/// The operations of temporary keys that were used last. A key's are ended when it is destroyed.
pub(super) struct TemporaryOperations {
    library: Pkcs11,
    slot: Slot,
    /// The one used last is at the end.
    open: RefCell<Vec<(ObjectHandle, OpenOperation)>>,
    idle: RefCell<Vec<Session>>,
}

/// Temporary keys' operations that are kept open: a verb has two or three.
const MOST_TEMPORARY: usize = 16;

impl TemporaryOperations {
    pub(super) fn new(library: Pkcs11, slot: Slot) -> Self {
        Self { library, slot, open: RefCell::default(), idle: RefCell::default() }
    }

    /// Whole blocks under a temporary key.
    pub(super) fn blocks(
        &self,
        kind: BlockOperation,
        mechanism: &Mechanism<'_>,
        key: ObjectHandle,
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let mut open = self.open.borrow_mut();
        let at = open.iter().position(|(of, operation)| *of == key && operation.kind == kind);
        let mut operation = match at {
            Some(at) => open.remove(at).1,
            None => {
                if open.len() == MOST_TEMPORARY {
                    self.take_back(open.remove(0).1);
                }
                OpenOperation::begin(self.session()?, kind, mechanism, key).map_err(fault)?
            }
        };
        // after an error the operation is over and its session is not kept
        let done = operation.blocks(data).map_err(fault)?;
        open.push((key, operation));
        Ok(done)
    }

    /// Whole blocks under a permanent key.
    pub(super) fn permanent_blocks(
        &self,
        permanent: &PermanentOperations,
        kind: BlockOperation,
        mechanism: &Mechanism<'_>,
        key: ObjectHandle,
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let at = &mut permanent.0.borrow_mut()[kind as usize];
        let mut operation = match at.take() {
            Some(operation) => operation,
            None => OpenOperation::begin(self.session()?, kind, mechanism, key).map_err(fault)?,
        };
        let done = operation.blocks(data).map_err(fault)?;
        *at = Some(operation);
        Ok(done)
    }

    /// Ends the operations of a key that is about to be destroyed.
    pub(super) fn end(&self, key: ObjectHandle) {
        let mut open = self.open.borrow_mut();
        while let Some(at) = open.iter().position(|(of, _)| *of == key) {
            self.take_back(open.remove(at).1);
        }
    }

    fn session(&self) -> Result<Session, Fault> {
        match self.idle.borrow_mut().pop() {
            Some(session) => Ok(session),
            None => self.library.open_rw_session(self.slot).map_err(fault),
        }
    }

    fn take_back(&self, operation: OpenOperation) {
        // one that does not end well is closed, which ends it too
        self.idle.borrow_mut().extend(operation.end());
    }
}
