//! Cache of unwrapped terminal keys, so that a busy terminal's key block is not unwrapped for every message.
use hsm::{KeyBlock, KeyName, KeyUsage, STORAGE_X919_LEFT};

use crate::module::key_kind::KeyKind;
use crate::module::{Fault, Module, generation};
use crate::recent_cache::RecentCache;

/// The module's objects behind a key block.
#[derive(Clone)]
pub(crate) enum WorkingKey<K> {
    One(K),
    /// An X9.19 key with its left half twice.
    Pair {
        full: K,
        left: K,
    },
}

/// A bounded cache. Its handles are valid until the module is finalized, so each initialization has a cache of its own.
pub(crate) struct WorkingKeys<K> {
    recent: RecentCache<KeyBlock, WorkingKey<K>>,
}

impl<K: Clone> WorkingKeys<K> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { recent: RecentCache::new(capacity) }
    }

    /// The objects of a block, unwrapped now or earlier.
    pub(crate) fn open<M: Module<Key = K>>(&mut self, module: &M, block: &KeyBlock) -> Result<WorkingKey<K>, Fault> {
        if let Some(key) = self.recent.get(block) {
            return Ok(key);
        }
        let key = unwrap(module, block)?;
        self.recent.put(block.clone(), key.clone());
        Ok(key)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.recent.len()
    }
}

fn unwrap<M: Module>(module: &M, block: &KeyBlock) -> Result<WorkingKey<M::Key>, Fault> {
    let kind = kind_of(block.usage());
    let (first, second) = block.wraps();
    let full = unwrap_one(module, block, block.usage().storage_key(), first, kind)?;
    match second {
        None => Ok(WorkingKey::One(full)),
        Some(wrap) => {
            let left = unwrap_one(module, block, STORAGE_X919_LEFT, wrap, KeyKind::MacDesLeft)?;
            Ok(WorkingKey::Pair { full, left })
        }
    }
}

/// The key of a block as an object of another kind than its usage's: to make check values.
pub(crate) fn unwrap_as<M: Module>(module: &M, block: &KeyBlock, kind: KeyKind) -> Result<M::Key, Fault> {
    unwrap_one(module, block, block.usage().storage_key(), block.wraps().0, kind)
}

/// The same key under the newest generation of the storage keys; `None` if it is under that already. The key never leaves the
/// module.
pub(crate) fn rewrap<M: Module>(module: &M, block: &KeyBlock) -> Result<Option<KeyBlock>, Fault> {
    let usage = block.usage();
    let (_, newest) = generation::current(module, &KeyName::fixed(usage.storage_key()))?;
    if block.generation() == newest {
        return Ok(None);
    }
    let moved = |storage: &'static str, wrap: &[u8], kind| {
        let from = storage_key(module, block, storage)?;
        let to = generation::exactly(module, &KeyName::fixed(storage), newest)?;
        module.rewrap(&from, &to, wrap, kind)?.ok_or_else(|| foreign(block))
    };
    let (first, second) = block.wraps();
    let mut wraps = moved(usage.storage_key(), first, kind_of(usage))?;
    if let Some(second) = second {
        wraps.extend(moved(STORAGE_X919_LEFT, second, KeyKind::MacDesLeft)?);
    }
    Ok(Some(KeyBlock::new(newest, usage, wraps)))
}

/// The storage key that a block is under.
fn storage_key<M: Module>(module: &M, block: &KeyBlock, storage: &'static str) -> Result<M::Key, Fault> {
    generation::exactly(module, &KeyName::fixed(storage), block.generation())
}

fn unwrap_one<M: Module>(
    module: &M,
    block: &KeyBlock,
    storage: &'static str,
    wrap: &[u8],
    kind: KeyKind,
) -> Result<M::Key, Fault> {
    module.unwrap(&storage_key(module, block, storage)?, wrap, kind)?.ok_or_else(|| foreign(block))
}

fn foreign(block: &KeyBlock) -> Fault {
    Fault::KeyMissing(format!("in a block under {}", block.usage().storage_key()))
}

/// The kind of the unwrapped object.
pub(crate) fn kind_of(usage: KeyUsage) -> KeyKind {
    match usage {
        KeyUsage::PinDes => KeyKind::PinDes,
        KeyUsage::PinAes => KeyKind::PinAes,
        KeyUsage::MacAesCmac => KeyKind::MacCmac,
        KeyUsage::MacX919 => KeyKind::MacDes,
    }
}
