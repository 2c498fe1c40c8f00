//! Whether a module will do: everything that the verbs need of it tried, and known answers run on it.
mod module_check;
pub(crate) mod trial;
mod vector_check;
