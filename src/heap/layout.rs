//! Sizes and address arithmetic of the heap: the one place that knows how memory is divided.
//!
//! ```text
//! chunk, 2 MiB, aligned to its size (a larger object has a longer chunk of its own)
//! ├── 0 KiB    one 64 B span descriptor per page                              8 KiB
//! ├── 9 KiB    one mark byte per granule of the data pages                  119 KiB
//! ├── 128 KiB  one free bit per possible slot of the data pages              16 KiB
//! └── 144 KiB  119 data pages of 16 KiB
//! ```
//!
//! The mark byte of an address is at `chunk + offset / 16`, so the table starts at the chunk itself: its first 8 KiB
//! would hold the marks of the first 128 KiB, which have no objects, and hold the descriptors instead. Marks lie in
//! the same huge page as the objects they belong to (one TLB entry for both), and a chunk's marks are contiguous (they
//! spread over all cache sets; marks at the head of each small span would fall into the same few).

/// Objects start at multiples of this many bytes; one mark byte stands for one granule.
pub(crate) const GRANULE: usize = 16;
/// Bytes of a page, the unit of the page heap.
pub(crate) const PAGE: usize = 16 << 10;
/// log2 of [`PAGE`].
pub(crate) const PAGE_SHIFT: u32 = PAGE.trailing_zeros();
/// Bytes of a chunk, the unit asked from the operating system; chunks are aligned to it.
pub(crate) const CHUNK: usize = 2 << 20;
/// Bytes before the first data page of a chunk.
pub(crate) const HEADER: usize = MARK_TABLE + PAGE;
/// Bytes of the mark table, descriptors included; the free bits follow.
const MARK_TABLE: usize = CHUNK / GRANULE;
/// Words of free bits of a span.
pub(crate) const FREE_WORDS: usize = PAGE / GRANULE / 64;
/// Pages of a chunk, header included.
pub(crate) const PAGES_PER_CHUNK: usize = CHUNK / PAGE;
/// Index of the first data page.
pub(crate) const FIRST_DATA_PAGE: usize = HEADER / PAGE;
/// Data pages of a chunk.
pub(crate) const DATA_PAGES: usize = PAGES_PER_CHUNK - FIRST_DATA_PAGE;
/// Bytes of a span descriptor.
pub(crate) const DESCRIPTOR: usize = 64;
/// Largest slot of a small span; larger objects have a span of their own.
pub(crate) const MAX_SMALL: usize = 32 << 10;
/// Largest alignment of an object.
pub(crate) const MAX_ALIGN: usize = 4096;

const _: () = assert!(PAGES_PER_CHUNK * DESCRIPTOR <= HEADER / GRANULE);
const _: () = assert!(DATA_PAGES * FREE_WORDS * 8 <= PAGE);

/// Root slots in a segment of the root table.
#[cfg(not(tricolor_loom))]
pub(crate) const ROOT_SLOTS: usize = 252;
/// Segments of the root table that a cycle scans in one step.
#[cfg(not(tricolor_loom))]
pub(crate) const ROOT_SEGMENTS: usize = 16;
/// Slots of a small span at most.
#[cfg(not(tricolor_loom))]
pub(crate) const MAX_SLOTS: usize = FREE_WORDS * 64;

// Under loom, as few of everything as shows how they are handed over.
#[cfg(tricolor_loom)]
pub(crate) const ROOT_SLOTS: usize = 2;
#[cfg(tricolor_loom)]
pub(crate) const ROOT_SEGMENTS: usize = 1;
#[cfg(tricolor_loom)]
pub(crate) const MAX_SLOTS: usize = 2;

/// The chunk that an object's address lies in.
#[inline(always)]
pub(crate) const fn chunk_of(address: usize) -> usize {
    address & !(CHUNK - 1)
}

/// The address of the mark byte of an object.
#[inline(always)]
pub(crate) const fn mark_address(address: usize) -> usize {
    chunk_of(address) + ((address & (CHUNK - 1)) / GRANULE)
}

/// The address of the descriptor of the page that an address lies in.
#[inline(always)]
pub(crate) const fn descriptor_address(address: usize) -> usize {
    chunk_of(address) + ((address & (CHUNK - 1)) >> PAGE_SHIFT) * DESCRIPTOR
}

/// The address of the free bits of the span that starts at `base`.
pub(crate) const fn free_bits_address(base: usize) -> usize {
    let page = ((base & (CHUNK - 1)) >> PAGE_SHIFT) - FIRST_DATA_PAGE;
    chunk_of(base) + MARK_TABLE + page * FREE_WORDS * 8
}

/// `value` rounded up to a multiple of `unit`, a power of two.
#[inline(always)]
pub(crate) const fn round_up(value: usize, unit: usize) -> usize {
    (value + unit - 1) & !(unit - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_data_pages_lie_between_descriptors_and_data() {
        let chunk = 7 * CHUNK;
        assert_eq!(mark_address(chunk + HEADER), chunk + 9216);
        assert_eq!(
            mark_address(chunk + CHUNK - GRANULE),
            chunk + MARK_TABLE - 1
        );
        assert_eq!(
            descriptor_address(chunk + CHUNK - 1),
            chunk + 8192 - DESCRIPTOR
        );
        assert_eq!(free_bits_address(chunk + HEADER), chunk + MARK_TABLE);
        let last = free_bits_address(chunk + CHUNK - PAGE);
        assert!(last + FREE_WORDS * 8 <= chunk + HEADER);
    }
}
