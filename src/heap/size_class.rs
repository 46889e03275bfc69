//! Sizes of slots for plain data, and how many pages a span of a slot size has.
//!
//! Pure functions of numbers. Types that are traced or dropped have spans of their exact size; plain data of all types
//! shares the spans of a class, so that a program with many types does not have many half-empty spans.
//!
//! Bounds, asserted by the tests for every size:
//! - a size above 128 B fills more than ⅞ of its slot, and one below is rounded up to a granule;
//! - the slots of a span fill at least ⅞ of its pages;
//! - a slot of a power of two up to 32 KiB is a class, so such slots are aligned to their size.
//!
//! The classes up to 256 B are all multiples of a granule. Above, each doubling has been divided so that the sum of
//! what sizes leave unused in slots and what slots leave unused in spans is least, at a fixed price per class; the
//! steps are multiples of 16 B up to 1 KiB and of 128 B above, which keeps the tables small.

use super::layout::{GRANULE, MAX_SMALL, PAGE};

/// Slot sizes by class, ascending.
const SIZES: [u16; 61] = [
    16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, //
    288, 320, 352, 400, 448, 512, 560, 624, 704, 800, 896, 1024, //
    1152, 1280, 1408, 1536, 1664, 1792, 2048, 2304, 2560, 2816, 3200, 3584, 4096, //
    4608, 5248, 5632, 6400, 6912, 7168, 8192, 9344, 10624, 12032, 13568, 15488, 16384, //
    17792, 20224, 21376, 24320, 27776, 28672, 32768,
];

/// How many classes there are.
pub(crate) const SIZE_CLASSES: usize = SIZES.len();

/// Largest size that is looked up in steps of [`GRANULE`].
const FINE_LIMIT: usize = 1024;
/// The step of the lookup above it.
const COARSE: usize = 128;
/// Fewest slots of a span.
const MIN_SLOTS: usize = 4;

/// Classes by size in granules, rounded up.
static FINE: [u8; FINE_LIMIT / GRANULE + 1] = lookup(GRANULE);
/// Classes by size in units of [`COARSE`], rounded up.
static COARSE_CLASSES: [u8; MAX_SMALL / COARSE + 1] = lookup(COARSE);

/// The least class whose slots hold `size` bytes; `size` is at most [`MAX_SMALL`].
#[inline(always)]
pub(crate) const fn class_of(size: usize) -> usize {
    debug_assert!(size <= MAX_SMALL);
    if size <= FINE_LIMIT {
        FINE[size.div_ceil(GRANULE)] as usize
    } else {
        COARSE_CLASSES[size.div_ceil(COARSE)] as usize
    }
}

/// The bytes of a slot of a class.
#[inline(always)]
pub(crate) const fn size_of_class(class: usize) -> usize {
    SIZES[class] as usize
}

/// The pages of a span of slots of `slot_size` bytes, a multiple of [`GRANULE`] up to [`MAX_SMALL`].
///
/// The fewest that hold [`MIN_SLOTS`] slots and leave at most ⅛ unused: 1 page up to 2 KiB, 8 pages for 32 KiB.
pub(crate) const fn span_pages(slot_size: usize) -> usize {
    debug_assert!(slot_size > 0 && slot_size <= MAX_SMALL && slot_size.is_multiple_of(GRANULE));
    let mut pages = 1;
    while pages * PAGE < MIN_SLOTS * slot_size || pages * PAGE % slot_size > pages * PAGE / 8 {
        pages += 1;
    }
    pages
}

/// The class of each multiple of `step`.
const fn lookup<const N: usize>(step: usize) -> [u8; N] {
    let mut table = [0; N];
    let mut class = 0;
    let mut index = 0;
    while index < N {
        while (SIZES[class] as usize) < index * step {
            class += 1;
        }
        table[index] = class as u8;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Evaluated at compile time.
    const CLASS_OF_A_PAIR: usize = class_of(16);

    #[test]
    fn classes_are_ascending_granules_up_to_the_limit() {
        assert!(SIZES.is_sorted_by(|a, b| a < b));
        assert!(
            SIZES
                .iter()
                .all(|&size| (size as usize).is_multiple_of(GRANULE))
        );
        assert_eq!(SIZES[SIZE_CLASSES - 1] as usize, MAX_SMALL);
        assert_eq!((CLASS_OF_A_PAIR, class_of(0), class_of(17)), (0, 0, 1));
        for power in 4..=15 {
            assert_eq!(size_of_class(class_of(1 << power)), 1 << power);
        }
    }

    #[test]
    fn every_size_has_the_least_class_and_little_waste() {
        for size in 1..=MAX_SMALL {
            let class = class_of(size);
            let slot = size_of_class(class);
            assert!(slot >= size);
            assert!(
                class == 0 || size_of_class(class - 1) < size,
                "{size}: not the least"
            );
            let waste = slot - size;
            assert!(
                if size > 128 {
                    waste * 8 < slot
                } else {
                    waste < GRANULE
                },
                "{size} in {slot}"
            );
        }
    }

    #[test]
    fn every_slot_size_has_spans_with_little_waste() {
        for slot in (GRANULE..=MAX_SMALL).step_by(GRANULE) {
            let pages = span_pages(slot);
            let bytes = pages * PAGE;
            assert!(pages <= 16);
            assert!(bytes / slot >= MIN_SLOTS);
            assert!(bytes % slot * 8 <= bytes, "{slot} in {pages} pages");
            assert!(slot > 2048 || pages == 1);
        }
        assert_eq!(
            (
                span_pages(4096),
                span_pages(16 << 10),
                span_pages(MAX_SMALL)
            ),
            (1, 4, 8)
        );
    }

    proptest! {
        #[test]
        fn classes_grow_with_sizes(a in 1..=MAX_SMALL, b in 1..=MAX_SMALL) {
            prop_assert_eq!(a <= b || class_of(a) >= class_of(b), true);
            prop_assert_eq!(class_of(size_of_class(class_of(a))), class_of(a));
        }
    }
}
