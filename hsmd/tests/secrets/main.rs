//! Secrets cannot be printed or serialized, and do not stay in memory after they were dropped. For the first two this file fails
//! to compile if such an implementation is added.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod own_memory;

use std::fmt::{Debug, Display};
use std::hint::black_box;

use codecs::value::{Mac, Pan, PinBlock, Track2};
use hsm::verb::{Answer, Verb};
use hsm::wire::FrameBuffer;
use hsm::{DataKey, PinOffset, Pvv, RandomBytes, SecurityCode};
use own_memory::{Canary, copies, copies_of_digits};
use serde::Serialize;
use static_assertions::assert_not_impl_any;
use zeroize::ZeroizeOnDrop;

assert_not_impl_any!(Pan: Display, Serialize);
assert_not_impl_any!(Track2: Display, Serialize);
assert_not_impl_any!(PinBlock: Display, Serialize);
assert_not_impl_any!(Mac: Display, Serialize);
assert_not_impl_any!(SecurityCode: Display, Serialize);
assert_not_impl_any!(Pvv: Display, Serialize);
assert_not_impl_any!(PinOffset: Display, Serialize);
assert_not_impl_any!(RandomBytes: Display, Serialize);
assert_not_impl_any!(DataKey: Display, Serialize);
// the types that carry them between programs
assert_not_impl_any!(Verb: Display, Serialize);
assert_not_impl_any!(Answer: Display, Serialize);
assert_not_impl_any!(FrameBuffer: Display, Serialize);

/// Compiles for types that wipe themselves.
const fn wiped<T: ZeroizeOnDrop>() {}
const _: () = {
    wiped::<SecurityCode>();
    wiped::<Pvv>();
    wiped::<PinOffset>();
    wiped::<RandomBytes>();
    wiped::<DataKey>();
};

const DIGITS: &[u8; 16] = b"4000127351960842";

fn pan() -> Pan {
    Pan::from_digits(DIGITS).unwrap()
}

fn track() -> Track2 {
    Track2::from_chars(b"4000127351960842=29122010000735").unwrap()
}

/// The text of a panic's message with a secret in it.
fn panicked(secret: impl Debug + std::panic::UnwindSafe) -> String {
    let refused = black_box(Err::<(), _>(secret));
    let caught = std::panic::catch_unwind(|| refused.expect("a secret in a panic")).unwrap_err();
    *caught.downcast::<String>().unwrap()
}

#[test]
fn a_panic_with_a_secret_in_it_shows_the_mask() {
    // the text is not printed by this test, even if it fails
    std::panic::set_hook(Box::new(|_| {}));
    let masks = [
        (panicked(pan()), "400012******0842"),
        (panicked(track()), "[track 2]"),
        (panicked(PinBlock::new(&[0xAB; 16]).unwrap()), "[PIN block]"),
        (panicked(Mac([0xAB; 8])), "[MAC]"),
        (panicked(SecurityCode::new(*b"735").unwrap()), "SecurityCode(hidden)"),
        (panicked(Pvv::new(*b"7351").unwrap()), "Pvv(hidden)"),
        (panicked(PinOffset::new(b"73519").unwrap()), "PinOffset(hidden)"),
    ];
    let _ = std::panic::take_hook();
    for (message, mask) in masks {
        assert_eq!(message, format!("a secret in a panic: {mask}"));
    }
}

/// A boxed value is dropped; its content must not be found in any memory that the process can write.
fn leaves_nothing<T>(canary: Canary, digits: Option<usize>, make: impl Fn(Canary) -> T) -> usize {
    let count = |canary| digits.map_or_else(|| copies(canary), |digits| copies_of_digits(canary, digits));
    let value = boxed(canary, make);
    // making the value has left copies on the stack, which its `Drop` cannot wipe
    let _ = bury();
    let alive = count(canary);
    drop(black_box(value));
    let dead = count(canary);
    assert!(alive > dead, "the search does not see the living value");
    dead
}

#[inline(never)]
fn boxed<T>(canary: Canary, make: impl Fn(Canary) -> T) -> Box<T> {
    Box::new(make(canary))
}

/// Covers the stack below the caller.
#[inline(never)]
fn bury() -> u8 {
    let room = [0_u8; 32 * 1024];
    black_box(&room)[7]
}

#[test]
fn a_value_that_is_only_freed_is_found() {
    let canary = Canary::new(0xC001);
    let mut plain = vec![0_u8; 256];
    // a freed block's first bytes serve the allocator
    canary.write(&mut plain[128..128 + Canary::LENGTH]);
    drop(black_box(plain));
    assert!(copies(canary) > 0, "the search finds nothing at all");
}

#[test]
fn dropped_secrets_leave_nothing_behind() {
    let pan = |canary: Canary| {
        let mut digits = [0; 19];
        canary.write_digits(&mut digits);
        Pan::from_digits(&digits).unwrap()
    };
    assert_eq!(leaves_nothing(Canary::new(0xC002), Some(19), pan), 0, "PAN");
    let track = |canary: Canary| {
        let mut chars = *b"0000000000000000000=2912201";
        canary.write_digits(&mut chars[..19]);
        Track2::from_chars(&chars).unwrap()
    };
    assert_eq!(leaves_nothing(Canary::new(0xC003), Some(19), track), 0, "track 2");
    let block = |canary: Canary| {
        let mut bytes = [0; 16];
        canary.write(&mut bytes);
        PinBlock::new(&bytes).unwrap()
    };
    assert_eq!(leaves_nothing(Canary::new(0xC004), None, block), 0, "PIN block");
    let offset = |canary: Canary| {
        let mut digits = [0; 12];
        canary.write_digits(&mut digits);
        PinOffset::new(&digits).unwrap()
    };
    assert_eq!(leaves_nothing(Canary::new(0xC005), Some(12), offset), 0, "PIN offset");
}
