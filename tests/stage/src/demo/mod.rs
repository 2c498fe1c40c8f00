//! `./demo`: the story of card payments running, told step by step on the real programs.

pub mod compare;
pub mod folder;
pub mod narrate;
pub mod receipt;
pub mod report;
pub mod secrets;
pub mod summary;
pub mod terminal_log;
pub mod timeline;
