//! Secrets that only the daemon has: the compiler refuses to show or to serialize them.
use std::fmt::{Debug, Display};

use serde::Serialize;
use static_assertions::assert_not_impl_any;
use zeroize::ZeroizeOnDrop;

use crate::verbs::pin_block::Pin;
use crate::verbs::tr31::OpenedBlock;

assert_not_impl_any!(Pin: Display, Serialize);
assert_not_impl_any!(OpenedBlock: Debug, Display, Serialize);

/// Compiles for types that wipe themselves.
const fn wiped<T: ZeroizeOnDrop>() {}
const _: () = wiped::<Pin>();

#[test]
fn a_clear_pin_does_not_show() {
    assert_eq!(format!("{:?}", Pin::new(&[1, 2, 3, 4]).unwrap()), "Pin(hidden)");
}
