//! The platform without mmap: memory from the global allocator.
//!
//! Nothing is lazy here: all memory of a mapping counts as taken from the start, and parts cannot be given back.

use super::OsError;
use crate::heap::layout::CHUNK;
use core::ptr::NonNull;
use core::time::Duration;
use std::alloc::{Layout, alloc_zeroed, dealloc};

/// Untouched memory takes room, and `give_back` does nothing.
pub(super) const LAZY: bool = false;

/// Zeroed memory aligned to [`CHUNK`].
pub(super) fn reserve_chunks(bytes: usize) -> Result<NonNull<u8>, OsError> {
    let layout = Layout::from_size_align(bytes, CHUNK).map_err(|_| OsError { bytes })?;
    if layout.size() == 0 {
        return Err(OsError { bytes });
    }
    // SAFETY: the size is not zero, by the test above.
    let start = unsafe { alloc_zeroed(layout) };
    NonNull::new(start).ok_or(OsError { bytes })
}

/// Frees.
///
/// # Safety
///
/// The range is what one call of [`reserve_chunks`] gave, and nobody uses it any more.
pub(super) unsafe fn release(start: NonNull<u8>, bytes: usize) {
    // SAFETY: `reserve_chunks`, which gave the range, has checked the same size and alignment.
    let layout = unsafe { Layout::from_size_align_unchecked(bytes, CHUNK) };
    // SAFETY: `start` came from the same allocator with this layout, and the caller gives all of it up (I14).
    unsafe { dealloc(start.as_ptr(), layout) }
}

/// There are no huge pages to ask for.
///
/// # Safety
///
/// None here; as on the other platform.
pub(super) unsafe fn advise_huge(_start: NonNull<u8>, _bytes: usize) {}

/// There are no huge pages to refuse.
///
/// # Safety
///
/// None here; as on the other platform.
pub(super) unsafe fn advise_no_huge(_start: NonNull<u8>, _bytes: usize) {}

/// Not known.
pub(super) fn thread_time() -> Duration {
    Duration::ZERO
}

/// Parts cannot be given back; the contents stay.
///
/// # Safety
///
/// None here; as on the other platform.
pub(super) unsafe fn give_back(_start: NonNull<u8>, _bytes: usize) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_aligned_and_zero() {
        const { assert!(!LAZY) };
        let start = reserve_chunks(2 * CHUNK).unwrap();
        assert_eq!(start.addr().get() % CHUNK, 0);
        // SAFETY: the last byte of the allocation above.
        let last = unsafe { start.add(2 * CHUNK - 1) };
        // SAFETY: the last byte of the allocation, which is zeroed.
        assert_eq!(unsafe { last.read() }, 0);
        // SAFETY: the last byte of the allocation, this test's alone.
        unsafe { last.write(5) };
        // SAFETY: has no preconditions on this platform.
        assert!(!unsafe { give_back(start, CHUNK) });
        // SAFETY: the last byte of the allocation, as it was written: nothing was given back.
        assert_eq!(unsafe { last.read() }, 5);
        // SAFETY: has no preconditions on this platform.
        unsafe { advise_huge(start, CHUNK) };
        // SAFETY: has no preconditions on this platform.
        unsafe { advise_no_huge(start, CHUNK) };
        assert_eq!(thread_time(), Duration::ZERO);
        // SAFETY: all of the allocation above, which is not used any more.
        unsafe { release(start, 2 * CHUNK) };
    }

    #[test]
    fn impossible_sizes_are_errors() {
        assert!(reserve_chunks(0).is_err());
        assert!(reserve_chunks(usize::MAX & !(CHUNK - 1)).is_err());
    }
}
