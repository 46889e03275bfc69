//! Prefetching: hints to the processor that a line of memory will be wanted. No effect on what a program means.

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
