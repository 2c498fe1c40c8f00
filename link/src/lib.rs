//! One link: what it remembers, how it stays alive, and the tasks that own its sockets.
//!
//! `mux`, `key`, `session` and `backoff` hold no clock and no socket: time is an argument and what is to be done is
//! a value. `driver` is the module that touches the world, for the switch and for the host alike; `linger` closes a socket
//! for it, and `transport` is what may lie between a socket and its frames. `role` says whose merchants are behind a link.

pub mod backoff;
pub mod driver;
pub mod key;
pub mod linger;
pub mod mux;
pub mod role;
pub mod session;
pub mod transport;
