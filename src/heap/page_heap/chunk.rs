//! One chunk's data pages as sets: which are free, and in what state.
//!
//! A set is a 128-bit word with a bit per page; the bits of the header's pages are never set. Coalescing needs no work
//! in this form: neighbouring free runs are neighbouring bits.
//!
//! Invariants:
//! - `returned ⊆ zero ⊆ free ⊆ DATA`: a page is free, perhaps known to read as zero, perhaps takes no room;
//! - `due ⊆ aged ⊆ free`: ages of free pages, see [`Chunk::grow_older`].

use super::super::os::{LAZY, Mapping, page_size};
use crate::heap::layout::{CHUNK, FIRST_DATA_PAGE, PAGE};

/// All data pages.
pub(super) const DATA: u128 = u128::MAX << FIRST_DATA_PAGE;

/// What was asked of the operating system about huge pages in this chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// Small pages.
    Small,
    /// Huge pages: all of the chunk takes room as soon as a byte of it is touched.
    Huge,
    /// Huge pages once, then small ones because parts were given back; huge ones again when it has filled up.
    Broken,
}

/// What a run was before it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// Whether all of it reads as zero.
    pub(super) zeroed: bool,
    /// How many of its pages took no room until now.
    pub(super) recommitted: usize,
}

/// A chunk and the state of its pages.
#[derive(Debug)]
pub(super) struct Chunk {
    mapping: Mapping,
    free: u128,
    zero: u128,
    returned: u128,
    aged: u128,
    due: u128,
    advice: Advice,
}

impl Chunk {
    /// A fresh chunk, all free.
    pub(super) fn new(mapping: Mapping) -> Chunk {
        debug_assert_eq!(mapping.bytes(), CHUNK);
        let huge = mapping.is_huge();
        let advice = if huge { Advice::Huge } else { Advice::Small };
        let returned = if LAZY && !huge { DATA } else { 0 };
        Chunk {
            mapping,
            free: DATA,
            zero: DATA,
            returned,
            aged: 0,
            due: 0,
            advice,
        }
    }

    /// Takes room for all of it now, of which nothing is in use. Takes long.
    pub(super) fn populate(&mut self) {
        assert!(self.is_free());
        self.returned = 0;
        // SAFETY: no page is in use; nor is the header, before the first one is.
        unsafe { self.mapping.populate() };
    }

    /// Whether it was made for huge pages.
    pub(super) fn is_huge(&self) -> bool {
        self.mapping.is_huge()
    }

    /// Its address.
    #[inline]
    pub(super) fn base(&self) -> usize {
        self.mapping.address()
    }

    /// The mapping, to be unmapped.
    pub(super) fn into_mapping(self) -> Mapping {
        debug_assert_eq!(self.free, DATA);
        self.mapping
    }

    /// The free pages.
    #[inline]
    pub(super) fn free_pages(&self) -> u128 {
        self.free
    }

    /// The free pages that take room.
    #[inline]
    pub(super) fn resident_pages(&self) -> u128 {
        self.free & !self.returned
    }

    /// The free pages that take no room.
    #[inline]
    pub(super) fn returned_pages(&self) -> u128 {
        self.returned
    }

    /// Whether no page is in use.
    pub(super) fn is_free(&self) -> bool {
        self.free == DATA
    }

    /// Whether no page is in use and all have been free for long.
    pub(super) fn is_long_free(&self) -> bool {
        self.due == DATA
    }

    /// The pages worth giving back: free for long and taking room. Empty while they are too small a part of a chunk of
    /// huge pages, a quarter of it, to break those for.
    pub(super) fn scavengeable(&self) -> u128 {
        let pages = self.due & !self.returned;
        let few = pages.count_ones() * 4 < DATA.count_ones();
        if self.advice == Advice::Huge && few {
            0
        } else {
            pages
        }
    }

    /// Takes free pages into use.
    #[inline]
    pub(super) fn take(&mut self, run: u128) -> Taken {
        debug_assert_eq!(run & !self.free, 0, "pages taken twice");
        let taken = Taken {
            zeroed: run & !self.zero == 0,
            recommitted: (run & self.returned).count_ones() as usize,
        };
        self.free &= !run;
        self.zero &= !run;
        self.returned &= !run;
        self.aged &= !run;
        self.due &= !run;
        if self.advice == Advice::Broken && self.returned == 0 {
            self.mend();
        }
        taken
    }

    /// Puts pages back that were in use.
    #[inline]
    pub(super) fn put(&mut self, run: u128) {
        debug_assert_eq!(run & (self.free | !DATA), 0, "pages freed twice");
        self.free |= run;
    }

    /// A grace time has passed: what was free at its start has been free for long.
    ///
    /// A free page is young until the next call, *aged* until the call after it, and *due* from then on, so a due page
    /// has been free for more than one grace time and less than two.
    pub(super) fn grow_older(&mut self) {
        self.due = self.aged;
        self.aged = self.free;
    }

    /// Gives a run of free pages, of whole units of the system's, back to the operating system. Says whether that was possible.
    pub(super) fn give_back(&mut self, run: u128) -> bool {
        let (first, pages) = (run.trailing_zeros(), run.count_ones() as usize);
        let (offset, bytes) = (first as usize * PAGE, pages * PAGE);
        assert_eq!(run & !(self.free & !self.returned), 0, "a page in use");
        assert!(run != 0 && run == self::run(first, pages), "not one run");
        assert!(offset.is_multiple_of(page_size()) && bytes.is_multiple_of(page_size()));
        if self.advice == Advice::Huge {
            self.mapping.advise_no_huge();
            self.advice = Advice::Broken;
        }
        // SAFETY: a run of free pages, which nobody uses (I14), of whole pages of the system: see the assertions.
        let given = unsafe { self.mapping.give_back(offset, bytes) };
        if given {
            self.zero |= run;
            self.returned |= run;
        } else {
            self.due &= !run;
        }
        given
    }

    /// All pages take room again: huge pages are welcome as before.
    #[cold]
    fn mend(&mut self) {
        self.mapping.advise_huge(CHUNK);
        self.advice = Advice::Huge;
    }

    /// Panics if an invariant of the sets does not hold.
    #[cfg(any(test, debug_assertions))]
    #[inline]
    pub(super) fn check_invariants(&self) {
        assert_eq!(self.returned & !self.zero, 0, "returned ⊆ zero");
        assert_eq!(self.zero & !self.free, 0, "zero ⊆ free");
        assert_eq!(self.free & !DATA, 0, "free ⊆ DATA");
        assert_eq!(self.due & !self.aged, 0, "due ⊆ aged");
        assert_eq!(self.aged & !self.free, 0, "aged ⊆ free");
    }
}

/// The set of `pages` pages from page `first`.
#[inline]
pub(super) fn run(first: u32, pages: usize) -> u128 {
    debug_assert!(pages >= 1 && first as usize + pages <= 128);
    (u128::MAX >> (128 - pages)) << first
}

/// The first page of the lowest run of at least `pages` pages in `set`.
#[inline]
pub(super) fn find(set: u128, pages: usize) -> Option<u32> {
    let mut starts = set;
    let mut length = 1;
    while length < pages {
        // Bit i of `starts` says that `length` pages from i on are in the set.
        let step = length.min(pages - length);
        starts &= starts >> step;
        length += step;
    }
    (starts != 0).then(|| starts.trailing_zeros())
}

/// The length of the longest run in `set`, a part of [`DATA`].
///
/// Doubling: first the sets of starts of runs of 1, 2, 4, … pages, then the length is put together from its highest
/// bit down.
#[inline]
pub(super) fn longest(set: u128) -> u32 {
    if set & (set >> 1) == 0 {
        return u32::from(set != 0);
    }
    let mut powers = [0; 7];
    let mut starts = set;
    let mut count = 0;
    while starts != 0 && count < 7 {
        powers[count] = starts;
        starts &= starts >> (1 << count);
        count += 1;
    }
    let mut length = 1 << (count - 1);
    let mut starts = powers[count - 1];
    for power in (0..count - 1).rev() {
        let longer = starts & (powers[power] >> length);
        if longer != 0 {
            starts = longer;
            length += 1 << power;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::layout::DATA_PAGES;
    use proptest::prelude::*;

    /// The runs of a set, one page after the other.
    fn runs(set: u128) -> Vec<(u32, usize)> {
        let mut found: Vec<(u32, usize)> = Vec::new();
        for page in (0..128).filter(|page| set >> page & 1 == 1) {
            match found.last_mut() {
                Some((first, pages)) if *first + *pages as u32 == page => *pages += 1,
                _ => found.push((page, 1)),
            }
        }
        found
    }

    /// Sets with runs of all lengths.
    fn sets() -> impl Strategy<Value = u128> {
        prop::collection::vec((0u32..128, 1usize..129, any::<bool>()), 0..8).prop_map(|edits| {
            edits.into_iter().fold(0, |set, (first, pages, add)| {
                let part = run(first, pages.min(128 - first as usize));
                if add { set | part } else { set & !part }
            })
        })
    }

    proptest! {
        #[test]
        fn longest_and_find_agree_with_a_walk(set in prop_oneof![sets(), any::<u128>()]) {
            let set = set & DATA;
            let runs = runs(set);
            let expected = runs.iter().map(|run| run.1).max().unwrap_or(0);
            prop_assert_eq!(longest(set) as usize, expected);
            for pages in 1..=128 {
                let first = runs.iter().find(|run| run.1 >= pages).map(|run| run.0);
                prop_assert_eq!(find(set, pages), first);
            }
        }
    }

    #[test]
    fn extremes() {
        assert_eq!(
            (longest(0), longest(DATA), longest(DATA >> 1 & DATA)),
            (0, DATA_PAGES as u32, DATA_PAGES as u32 - 1)
        );
        assert_eq!(run(0, 128), u128::MAX);
        assert_eq!(run(FIRST_DATA_PAGE as u32, DATA_PAGES), DATA);
    }

    #[test]
    fn pages_age_over_two_grace_times_and_use_makes_them_young() {
        let mut chunk = Chunk::new(Mapping::chunk(true).unwrap());
        chunk.take(run(9, 59));
        chunk.grow_older();
        assert_eq!(chunk.scavengeable(), 0);
        chunk.put(run(9, 30));
        chunk.grow_older();
        assert_eq!(chunk.scavengeable(), run(68, 60));
        chunk.grow_older();
        assert_eq!(chunk.scavengeable(), run(9, 30) | run(68, 60));
        chunk.take(run(9, 30));
        chunk.take(run(68, 40));
        assert_eq!(
            chunk.scavengeable(),
            0,
            "20 pages are too few to break huge pages for"
        );
        chunk.check_invariants();
    }

    #[test]
    fn a_broken_chunk_is_mended_when_it_fills_up() {
        let mut chunk = Chunk::new(Mapping::chunk(true).unwrap());
        assert_eq!(
            chunk.take(run(9, 59)),
            Taken {
                zeroed: true,
                recommitted: 0
            }
        );
        assert_eq!(chunk.give_back(run(68, 60)), LAZY);
        if LAZY {
            assert_eq!(
                (chunk.advice, chunk.returned_pages()),
                (Advice::Broken, run(68, 60))
            );
            assert_eq!(
                chunk.take(run(68, 60)),
                Taken {
                    zeroed: true,
                    recommitted: 60
                }
            );
            assert_eq!(chunk.advice, Advice::Huge);
        }
        chunk.check_invariants();
    }
}
