//! A link: the connections of one listener or to one destination, for the switch and for the host alike.
//!
//! | module | contents |
//! |---|---|
//! | `mux`, `key` | the requests that await an answer; the key that matches an answer to its request |
//! | `session` | sign-on and echo of one connection |
//! | `backoff` | the wait before a retry |
//! | `driver` | the tasks that own the sockets |
//! | `linger` | closing a socket so that the last bytes arrive |
//! | `transport` | the layer between a socket and its frames: none, or encryption |
//! | `role` | whose merchants are behind a link |
//!
//! `mux`, `key`, `session` and `backoff` hold no clock and no socket: time is an argument, and an action is a value
//! that the caller carries out.

pub mod backoff;
pub mod driver;
pub mod key;
pub mod linger;
pub mod mux;
pub mod role;
pub mod session;
pub mod transport;
