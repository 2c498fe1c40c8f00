//! Wiping of values that finished calls left on the stack.

/// How far below its caller a verb's own values reach. Frames of the module lie deeper, and see blocks only by their address.
const DEPTH: usize = 16 * 1024;

/// Overwrites this thread's stack below the caller's frame, where calls that have returned had their variables: a moved value
/// leaves a copy behind that no `Drop` wipes. Calls whose stack is to be wiped must not be inlined into the caller.
#[inline(never)]
pub(crate) fn overwrite_below() {
    let mut room = [0_u8; DEPTH];
    // without a reader the compiler would leave the array out
    std::hint::black_box(&mut room);
}

#[cfg(test)]
mod tests {
    use crate::own_memory::{Canary, copies};

    /// Leaves the canary deeper in the stack than the search itself uses, because the search would overwrite it.
    #[inline(never)]
    fn leave(canary: Canary) -> u8 {
        let mut left = [0; super::DEPTH / 4 * 3];
        canary.write(&mut left[..Canary::LENGTH]);
        std::hint::black_box(&left)[7]
    }

    #[test]
    fn what_returned_calls_left_is_gone() {
        let canary = Canary::new(0x57AC);
        leave(canary);
        let before = copies(canary);
        leave(canary);
        super::overwrite_below();
        let after = copies(canary);
        assert!(before > 0, "nothing was left to be overwritten: the test looks at nothing");
        assert_eq!(after, 0);
    }
}
