//! The outside world: cards, wallets, terminals, a foreign acquirer and a foreign issuer.
//!
//! It shares no code with the switch, the host or the security module; only `codecs` is common, because that is the
//! wire. Keys come to it as they come to a personalisation bureau or a terminal vendor: in delivery files encrypted
//! under a transport key whose two components two people carry.

pub mod crypto;
