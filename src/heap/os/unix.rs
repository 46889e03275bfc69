//! The platform with mmap.
//!
//! Memory is anonymous and private, without a reservation of swap, so that a chunk costs nothing until it is touched.
//! Alignment comes from asking for the plain size first, which is aligned whenever the kernel places the new mapping
//! next to the last one, and otherwise from mapping one chunk more and trimming both ends.

use super::OsError;
use crate::heap::layout::CHUNK;
use core::ffi::c_void;
use core::ptr::NonNull;
use core::time::Duration;
#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::mm::{Advice, madvise};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Untouched memory takes no room, and `give_back` works.
pub(super) const LAZY: bool = true;

/// Zeroed memory aligned to [`CHUNK`].
pub(super) fn reserve_chunks(bytes: usize) -> Result<NonNull<u8>, OsError> {
    let plain = map(bytes).ok_or(OsError { bytes })?;
    if plain.addr().get().is_multiple_of(CHUNK) {
        return Ok(plain);
    }
    // SAFETY: all that was mapped above, whole pages, and nobody else knows it.
    unsafe { release(plain, bytes) };
    reserve_trimmed(bytes).ok_or(OsError { bytes })
}

/// Maps one chunk too many and unmaps what lies before and after the aligned part.
#[cold]
fn reserve_trimmed(bytes: usize) -> Option<NonNull<u8>> {
    let total = bytes.checked_add(CHUNK)?;
    let start = map(total)?;
    let before = start.addr().get().next_multiple_of(CHUNK) - start.addr().get();
    // SAFETY: `before < CHUNK <= total`, so the result lies in the mapping.
    let aligned = unsafe { start.add(before) };
    // SAFETY: `before + bytes <= total`, so the result lies in the mapping or at its end.
    let end = unsafe { aligned.add(bytes) };
    if before > 0 {
        // SAFETY: the head of the mapping above, from page to page, which nobody else knows.
        unsafe { release(start, before) };
    }
    if before < CHUNK {
        // SAFETY: the tail of the mapping above, from page to page, which nobody else knows.
        unsafe { release(end, CHUNK - before) };
    }
    Some(aligned)
}

/// How every mapping is made.
fn flags() -> MapFlags {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return MapFlags::PRIVATE | MapFlags::NORESERVE;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    return MapFlags::PRIVATE;
}

/// A new anonymous mapping, wherever the kernel likes.
fn map(bytes: usize) -> Option<NonNull<u8>> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: without a fixed address, mmap only makes a mapping where there was none (I14).
    let start = unsafe { mmap_anonymous(core::ptr::null_mut(), bytes, access, flags()) };
    NonNull::new(start.ok()?.cast())
}

/// Unmaps.
///
/// # Safety
///
/// The range is page-aligned, lies in one mapping of this module, and nobody uses it any more.
pub(super) unsafe fn release(start: NonNull<u8>, bytes: usize) {
    // SAFETY: whole pages that this module mapped, and that the caller gives up (I14).
    let done = unsafe { munmap(start.as_ptr().cast::<c_void>(), bytes) };
    if done.is_err() {
        // Unmapping the middle of a region can exceed the kernel's limit of regions. The range then stays mapped, without memory.
        // SAFETY: whole pages that this module mapped, and that the caller gives up (I14).
        unsafe { give_back(start, bytes) };
    }
}

/// Asks for huge pages.
///
/// # Safety
///
/// The range is page-aligned and lies in one mapping of this module.
pub(super) unsafe fn advise_huge(start: NonNull<u8>, bytes: usize) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: whole pages that are mapped (I14), by the caller; this advice does not change contents. A kernel without huge pages
    // answers with an error, and the memory stays as it is.
    let _ = unsafe { madvise(start.as_ptr().cast(), bytes, Advice::LinuxHugepage) };
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (start, bytes);
}

/// Asks for no huge pages.
///
/// # Safety
///
/// The range is page-aligned and lies in one mapping of this module.
pub(super) unsafe fn advise_no_huge(start: NonNull<u8>, bytes: usize) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: whole pages that are mapped (I14), by the caller; this advice does not change contents. A kernel without huge pages
    // answers with an error, and the memory stays as it is.
    let _ = unsafe { madvise(start.as_ptr().cast(), bytes, Advice::LinuxNoHugepage) };
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (start, bytes);
}

/// Processor time that the thread has taken; always the same where it is not known.
pub(super) fn thread_time() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return {
        // SAFETY: numbers, of which zero is one.
        let mut time: libc::timespec = unsafe { core::mem::zeroed() };
        // SAFETY: a `timespec` of this function's own, which the call writes.
        let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
        let parts = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
        match (done, parts) {
            (0, (Ok(seconds), Ok(nanos))) => Duration::new(seconds, nanos),
            _ => Duration::ZERO,
        }
    };
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    Duration::ZERO
}

/// Drops the contents: the range takes no room and reads as zero.
///
/// # Safety
///
/// The range is page-aligned, lies in one mapping of this module, and nobody uses its contents or accesses it.
pub(super) unsafe fn give_back(start: NonNull<u8>, bytes: usize) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: whole pages that are mapped (I14) and whose contents are given up, by the caller.
    return unsafe { madvise(start.as_ptr().cast(), bytes, Advice::LinuxDontNeed) }.is_ok();
    // Elsewhere the advice is only advice; a new mapping in the old one's place reads as zero for certain.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let place = start.as_ptr().cast();
        // SAFETY: what is replaced is whole pages of a mapping of this module (I14), whose contents the caller gives up.
        return unsafe { mmap_anonymous(place, bytes, access, flags() | MapFlags::FIXED) }.is_ok();
    }
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;
    use crate::heap::os::page_size;

    /// A page right behind the mapping that [`map`] would make next, if there is room for it.
    fn neighbour_of_the_next(bytes: usize, page: usize) -> Option<NonNull<u8>> {
        let next = map(bytes)?;
        // SAFETY: mapped just now, and nobody else knows it.
        unsafe { release(next, bytes) };
        let place = next.as_ptr().wrapping_add(bytes);
        let (access, new) = (
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::FIXED_NOREPLACE,
        );
        // SAFETY: with this flag, mmap only makes a mapping where there was none (I14).
        let start = unsafe { mmap_anonymous(place.cast(), page, access, flags() | new) };
        NonNull::new(start.ok()?.cast())
    }

    #[test]
    fn trimming_unmaps_nothing_of_the_neighbours() {
        // No whole chunks: newer kernels align those by themselves.
        let page = page_size();
        let bytes = CHUNK + page;
        let mut mappings = Vec::new();
        for _ in 0..8 {
            let neighbour = neighbour_of_the_next(bytes + CHUNK, page);
            let aligned = reserve_trimmed(bytes).unwrap();
            assert!(aligned.addr().get().is_multiple_of(CHUNK));
            mappings.extend(neighbour.map(|start| (start, page)));
            mappings.push((aligned, bytes));
        }
        for (start, bytes) in mappings {
            // SAFETY: all of a range that was mapped above, this test's alone.
            unsafe { start.write_bytes(1, bytes) };
            // SAFETY: all of a range that was mapped above, whole pages, this test's alone and not used any more.
            unsafe { release(start, bytes) };
        }
    }
}
