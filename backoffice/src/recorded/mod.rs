//! What the journal records of settlement batches and acquirers' files.

pub(crate) mod store;
