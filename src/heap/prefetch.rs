//! Hints to the processor: that a line of memory will be wanted, or what a value may be. No effect on what a program means.

use core::ptr::without_provenance;

/// Starts loading the line of an address.
#[inline(always)]
pub(crate) fn to_read(address: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: SSE is part of x86-64; a prefetch does not access memory in the language's sense and cannot fault.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(without_provenance(address)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _: *const u8 = without_provenance(address);
}

/// Starts loading the line of an address, to be written: where the target's features have no PRFCHW, as the baseline of x86-64
/// has not, the compiler makes it the same as [`to_read`].
#[inline(always)]
pub(crate) fn to_write(address: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        // SAFETY: SSE is part of x86-64; a prefetch does not access memory in the language's sense and cannot fault.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(without_provenance(address)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _: *const u8 = without_provenance(address);
}

/// `value`, known to the processor before it has been loaded, if it is `expected` and that is known: the branch is predicted, and what
/// follows does not wait for the load. (Value speculation in software: Mazzoli, "Beating the L1 cache with value speculation", 2021.)
#[inline(always)]
pub(crate) fn speculate(value: usize, expected: usize) -> usize {
    #[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
    {
        let mut guess = expected;
        // SAFETY: no instruction, and nothing is touched but the register, which keeps what it has. The compiler does not know that: it cannot
        // take `value` for the guess where they are equal.
        unsafe {
            core::arch::asm!("/* {0} */", inout(reg) guess, options(pure, nomem, nostack, preserves_flags));
        }
        if value == expected {
            // SAFETY: as above. The block may have effects that the compiler does not know of: so the branch stays a branch.
            unsafe {
                core::arch::asm!("/* {0} */", inout(reg) guess, options(nomem, nostack, preserves_flags));
            }
            return guess;
        }
    }
    let _ = expected;
    value
}
