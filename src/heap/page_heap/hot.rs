//! The short runs freed last, which are likely to lie in the processor's cache.
//!
//! One ring per length. An entry is a hint, not an owner: the pages are free in their chunk's bitmap like all others,
//! coalesce and can be taken by anyone, so whoever pops an entry asks the bitmap whether it still holds. A full ring
//! forgets its oldest entry.

/// Runs up to this length are remembered.
pub(super) const LONGEST: usize = 4;

/// Entries per ring. A power of two.
const ENTRIES: usize = 64;

/// A stack that forgets its oldest entries.
#[derive(Clone, Copy, Debug)]
struct Ring {
    entries: [(u32, u32); ENTRIES],
    top: usize,
    len: usize,
}

/// A ring per length.
#[derive(Debug)]
pub(super) struct HotRuns {
    rings: [Ring; LONGEST],
}

impl HotRuns {
    /// With nothing remembered.
    pub(super) fn new() -> HotRuns {
        HotRuns {
            rings: [Ring {
                entries: [(0, 0); ENTRIES],
                top: 0,
                len: 0,
            }; LONGEST],
        }
    }

    /// Remembers a run of `pages` pages from page `first` of chunk `slot`, if it is short.
    #[inline]
    pub(super) fn push(&mut self, slot: u32, first: u32, pages: usize) {
        if pages > LONGEST {
            return;
        }
        let ring = &mut self.rings[pages - 1];
        ring.entries[ring.top % ENTRIES] = (slot, first);
        ring.top = ring.top.wrapping_add(1);
        ring.len = (ring.len + 1).min(ENTRIES);
    }

    /// The run of `pages` pages remembered last, as (chunk, first page); forgotten thereby.
    #[inline]
    pub(super) fn pop(&mut self, pages: usize) -> Option<(u32, u32)> {
        if pages > LONGEST {
            return None;
        }
        let ring = &mut self.rings[pages - 1];
        if ring.len == 0 {
            return None;
        }
        ring.len -= 1;
        ring.top = ring.top.wrapping_sub(1);
        Some(ring.entries[ring.top % ENTRIES])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_in_first_out_and_the_oldest_is_forgotten() {
        let mut hot = HotRuns::new();
        (0..100).for_each(|page| hot.push(0, page, 1));
        hot.push(3, 9, 2);
        hot.push(3, 9, LONGEST + 1);
        assert_eq!(hot.pop(2), Some((3, 9)));
        assert_eq!(hot.pop(LONGEST + 1), None);
        for page in (100 - ENTRIES as u32..100).rev() {
            assert_eq!(hot.pop(1), Some((0, page)));
        }
        assert_eq!(hot.pop(1), None);
    }
}
