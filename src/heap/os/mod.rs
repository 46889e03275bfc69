//! Memory from the operating system: the only place where address space is taken, given back and returned.
//!
//! A [`Mapping`] is a run of whole chunks, aligned to [`CHUNK`], readable and writable, zero at first, and unmapped when
//! it is dropped. Three platforms stand behind it with the same functions: `unix` (mmap), and `fallback` (the global
//! allocator) for everything else and under Miri, which knows no `madvise`.
//!
//! Invariants: `start % CHUNK == 0`, `bytes % CHUNK == 0`, `bytes > 0`.
//!
//! A mapping belongs to whoever holds the value. It is not a heap; what lies inside, and who may touch it, is the page
//! heap's affair. The only state is the address space for the next chunks of all heaps, `ahead`, and what
//! huge pages cost of late, `huge`.
//!
//! Rejected: reserving one large `PROT_NONE` region per heap. It makes the way from an address to its chunk a
//! subtraction, but a process with many heaps runs into limits of address space, and commit becomes a system call.

use crate::heap::layout::CHUNK;
use core::fmt;
use core::num::NonZero;
use core::ptr::NonNull;

mod ahead;
#[cfg(any(test, miri, not(unix)))]
mod fallback;
mod huge;
#[cfg(all(unix, not(miri)))]
mod unix;

#[cfg(any(miri, not(unix)))]
use fallback as platform;
#[cfg(all(unix, not(miri)))]
use unix as platform;

/// The smallest page that a kernel has.
const SMALLEST_PAGE: usize = 4 << 10;

/// Whether untouched memory takes no room and [`Mapping::give_back`] works here.
pub(crate) const LAZY: bool = platform::LAZY;

/// The unit in which memory can be given back: the largest page that the kernel of this target may use.
///
/// A constant of the target, not a question to the kernel: the answer only decides how coarse giving back is.
pub(crate) const fn page_size() -> usize {
    if cfg!(any(
        target_arch = "x86_64",
        target_arch = "x86",
        target_arch = "riscv64"
    )) {
        4 << 10
    } else if cfg!(target_vendor = "apple") {
        16 << 10
    } else {
        64 << 10
    }
}

/// Unit tests and fuzz targets are about what has been asked for, not about what the machine did before.
const ASKED: bool = cfg!(any(test, fuzzing));

/// Whether `chunks` chunks that are made now should have huge pages, if whoever asks should try them now and then. See `huge`.
pub(crate) fn huge_to_try(chunks: usize) -> bool {
    debug_assert!(chunks > 0, "none would count for ever");
    ASKED || huge::HUGE_PAGES.to_try(chunks)
}

/// Whether the system has huge pages at hand, as far as anybody knows.
pub(crate) fn huge_at_hand() -> bool {
    ASKED || huge::HUGE_PAGES.at_hand()
}

/// Does what touches memory for the first time, and tells `huge` how long that took the thread if it is in a huge page.
pub(crate) fn first_touch<R>(in_huge_page: bool, touch: impl FnOnce() -> R) -> R {
    if !in_huge_page {
        return touch();
    }
    timed(&huge::HUGE_PAGES, touch)
}

fn timed<R>(pages: &huge::HugePages, touch: impl FnOnce() -> R) -> R {
    let before = platform::thread_time();
    let result = touch();
    pages.took(platform::thread_time().saturating_sub(before));
    result
}

/// The operating system refused memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OsError {
    /// How many bytes were asked for.
    pub(crate) bytes: usize,
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the operating system refused {} bytes of memory",
            self.bytes
        )
    }
}

impl std::error::Error for OsError {}

/// Whole chunks of memory, unmapped on drop.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
    /// Huge pages were asked for in all of it when it was mapped.
    huge: bool,
}

// SAFETY: an address and a length, which belong to no thread; what is there belongs to whoever has the mapping (I14), on any.
unsafe impl Send for Mapping {}
// SAFETY: what takes `&self` and is safe is a call of the system on its own pages (I14) that changes no contents and may come from several threads at once.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `bytes` bytes of zeroed memory, aligned to [`CHUNK`].
    ///
    /// The provenance of the memory is exposed: addresses inside may be turned into pointers by
    /// [`core::ptr::with_exposed_provenance_mut`].
    pub(crate) fn reserve(bytes: usize) -> Result<Mapping, OsError> {
        Self::map(bytes).or_else(|refused| {
            // What is mapped ahead may be what is missing.
            let again = ahead::give_up();
            if again {
                Self::map(bytes)
            } else {
                Err(refused)
            }
        })
    }

    fn map(bytes: usize) -> Result<Mapping, OsError> {
        debug_assert!(bytes > 0 && bytes.is_multiple_of(CHUNK));
        let start = platform::reserve_chunks(bytes)?;
        debug_assert!(start.addr().get().is_multiple_of(CHUNK));
        let _ = start.as_ptr().expose_provenance();
        Ok(Mapping {
            start,
            bytes,
            huge: false,
        })
    }

    /// Maps one chunk, as [`reserve`](Self::reserve) does, with huge pages or without, but seldom by a system call. Where the system
    /// refuses, it may be of the other kind.
    pub(crate) fn chunk(huge: bool) -> Result<Mapping, OsError> {
        ahead::chunk(huge)
    }

    /// Keeps the first chunk; what is behind it, if there is more.
    fn split_off_first(&mut self) -> Option<Mapping> {
        let bytes = self.bytes.checked_sub(CHUNK).filter(|&rest| rest > 0)?;
        self.bytes = CHUNK;
        let behind =
            |start: NonZero<usize>| start.checked_add(CHUNK).expect("more is mapped there");
        Some(Mapping {
            start: self.start.map_addr(behind),
            bytes,
            huge: self.huge,
        })
    }

    /// Whether huge pages were asked for in all of it when it was mapped.
    pub(crate) fn is_huge(&self) -> bool {
        self.huge
    }

    /// Asks for huge pages in all of it, or for none.
    pub(crate) fn advise(&mut self, huge: bool) {
        self.huge = huge;
        if huge {
            self.advise_huge(self.bytes);
        } else {
            self.advise_no_huge();
        }
    }

    /// The address of the first byte.
    #[inline]
    pub(crate) fn address(&self) -> usize {
        self.start.addr().get()
    }

    /// The length in bytes.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Asks for huge pages in the first `bytes` bytes, whole chunks of the mapping.
    pub(crate) fn advise_huge(&self, bytes: usize) {
        let part = self.part(0, bytes);
        // SAFETY: in the mapping, which is `self`'s (I14), by `part`; whole chunks, so whole pages.
        unsafe { platform::advise_huge(part, bytes) }
    }

    /// Asks for no huge pages anywhere in the mapping. Existing ones stay.
    pub(crate) fn advise_no_huge(&self) {
        // SAFETY: all of the mapping, which is `self`'s and whole pages (I14).
        unsafe { platform::advise_no_huge(self.start, self.bytes) }
    }

    /// Takes room for all of the mapping now, by a write to each page, so that nobody waits for it at the first access.
    ///
    /// Linux has a call for that, which excludes whoever maps or unmaps anything from the process's address space for as long as it takes
    /// to clear the pages: a `malloc` in another thread stood still for milliseconds. Faults exclude nobody since Linux 6.4.
    ///
    /// # Safety
    ///
    /// Nobody uses the contents, nor accesses them during the call.
    pub(crate) unsafe fn populate(&self) {
        for offset in (0..self.bytes).step_by(SMALLEST_PAGE) {
            // SAFETY: a byte of this mapping, by `part`, which is writable (I14); the caller gives up the contents.
            unsafe { self.part(offset, 1).write_volatile(0) };
        }
    }

    /// Gives the memory of a part back; true means that it takes no room and reads as zero from now on. After false it
    /// is as before.
    ///
    /// # Safety
    ///
    /// `offset` and `bytes` are multiples of [`page_size`]. Nobody uses the contents of `offset..offset + bytes` any more, nor
    /// accesses them during the call.
    pub(crate) unsafe fn give_back(&self, offset: usize, bytes: usize) -> bool {
        debug_assert!(offset.is_multiple_of(page_size()) && bytes.is_multiple_of(page_size()));
        let part = self.part(offset, bytes);
        // SAFETY: whole pages, by the caller, of this mapping (I14), by `part`; the caller gives up their contents.
        unsafe { platform::give_back(part, bytes) }
    }

    /// Writes zeros.
    ///
    /// # Safety
    ///
    /// Nobody uses the contents of `offset..offset + bytes` any more, nor accesses them during the call.
    pub(crate) unsafe fn zero(&self, offset: usize, bytes: usize) {
        let part = self.part(offset, bytes);
        // SAFETY: `bytes` bytes of this mapping, by `part`, which is writable (I14); the caller gives up their contents.
        unsafe { part.write_bytes(0, bytes) }
    }

    /// The start of a part, checked to lie inside.
    fn part(&self, offset: usize, bytes: usize) -> NonNull<u8> {
        assert!(
            offset
                .checked_add(bytes)
                .is_some_and(|end| end <= self.bytes)
        );
        // SAFETY: by the test above `start + offset` is in this mapping or at its end (I14).
        unsafe { self.start.add(offset) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: all that `self` owns (I14), whole pages; the fallback's is never split. Who drops it has no span in it (I12), or is
        // the end of the heap (I10).
        unsafe { platform::release(self.start, self.bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ptr::with_exposed_provenance_mut;

    #[test]
    fn mappings_are_aligned_zeroed_and_writable() {
        for chunks in [1, 3, 1, 17] {
            let mapping = Mapping::reserve(chunks * CHUNK).unwrap();
            assert_eq!(mapping.address() % CHUNK, 0);
            assert_eq!(mapping.bytes(), chunks * CHUNK);
            for offset in (0..mapping.bytes()).step_by(CHUNK / 2) {
                let byte = with_exposed_provenance_mut::<u8>(mapping.address() + offset);
                // SAFETY: `offset` is below the length of the mapping, which this test owns; zero at first (I14).
                assert_eq!(unsafe { byte.read() }, 0);
                // SAFETY: `offset` is below the length of the mapping, which this test owns, and writable (I14).
                unsafe { byte.write(1) };
            }
        }
    }

    #[test]
    fn given_back_memory_reads_zero() {
        let mapping = Mapping::reserve(CHUNK).unwrap();
        mapping.advise_huge(CHUNK);
        let byte = with_exposed_provenance_mut::<u8>(mapping.address() + CHUNK / 2);
        // SAFETY: the byte lies in the mapping, which this test owns, and writable (I14).
        unsafe { byte.write(7) };
        mapping.advise_no_huge();
        // SAFETY: half a chunk is whole pages; the test uses nothing of it meanwhile, and expects nothing there.
        let gone = unsafe { mapping.give_back(CHUNK / 2, CHUNK / 2) };
        assert_eq!(gone, LAZY);
        // SAFETY: the byte lies in the mapping, which this test owns; it has been written, or reads as zero.
        assert_eq!(unsafe { byte.read() }, if gone { 0 } else { 7 });
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[test]
    fn what_is_populated_takes_room() {
        for huge in [false, true] {
            let mut mapping = Mapping::reserve(CHUNK).unwrap();
            mapping.advise(huge);
            let start = mapping.start.as_ptr().cast();
            let mut there = vec![0_u8; CHUNK / SMALLEST_PAGE];
            let mut count = || {
                // SAFETY: all of a mapping, and a byte for each of its pages, or more.
                let done = unsafe { libc::mincore(start, CHUNK, there.as_mut_ptr()) };
                assert_eq!(done, 0);
                there.iter().filter(|&&page| page & 1 == 1).count()
            };
            assert_eq!(count(), 0);
            // SAFETY: this test has put nothing there.
            unsafe { mapping.populate() };
            assert_eq!(count(), CHUNK / page_size());
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_touching_takes_the_thread_is_told() {
        let pages = huge::HugePages::new();
        let sleep = |pages: &_| timed(pages, || std::thread::sleep(2 * huge::DEAR));
        // Valgrind has to translate it first.
        sleep(&huge::HugePages::new());
        sleep(&pages);
        assert!(pages.to_try(1), "another's time");
        timed(&pages, || {
            let before = platform::thread_time();
            while platform::thread_time() - before < huge::DEAR {}
        });
        assert!(!pages.to_try(1));
    }

    #[test]
    fn an_impossible_size_is_an_error() {
        let bytes = (isize::MAX as usize) & !(CHUNK - 1);
        assert_eq!(Mapping::reserve(bytes).unwrap_err(), OsError { bytes });
    }
}
