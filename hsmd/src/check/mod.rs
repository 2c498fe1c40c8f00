//! Checks whether a module is suitable: tries everything that the verbs need of it, and runs known answers on it.
mod module_check;
pub(crate) mod trial;
mod vector_check;
