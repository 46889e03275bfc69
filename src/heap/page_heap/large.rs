//! Runs too long for a chunk: each has a mapping of its own, kept for a while after it was freed.
//!
//! First touch is half the cost of fresh memory, so a freed run is kept for the next one of about its size: at most
//! [`limit`] bytes, and no longer than two grace times. The run of a mapping begins behind a header, like the pages of
//! a chunk.
//!
//! Invariants, for each mapping: `pages ≤ touched` and `HEADER + touched · PAGE ≤ bytes`; a kept one has `pages = 0`;
//! `kept_bytes = Σ taken()` over the kept ones.

use super::super::os::{LAZY, Mapping, OsError};
use super::AddressMap;
use crate::heap::layout::{CHUNK, HEADER, PAGE};

/// A mapping with one run.
#[derive(Debug)]
pub(super) struct LargeRun {
    mapping: Mapping,
    /// Pages in use, from the header on.
    pages: usize,
    /// Pages that take room: the most that ever were in use at once.
    touched: usize,
    /// How many grace times had passed when it was freed.
    freed_at: u64,
}

impl LargeRun {
    /// Bytes that take room, header included.
    pub(super) fn taken(&self) -> usize {
        if LAZY {
            HEADER + self.touched * PAGE
        } else {
            self.mapping.bytes()
        }
    }

    /// Bytes of the mapping.
    pub(super) fn bytes(&self) -> usize {
        self.mapping.bytes()
    }

    /// Pages in use.
    pub(super) fn pages(&self) -> usize {
        self.pages
    }

    /// The address of the mapping.
    pub(super) fn base(&self) -> usize {
        self.mapping.address()
    }

    /// Puts a kept run into use. Its header is zero again, its pages are not.
    pub(super) fn use_again(&mut self, pages: usize) {
        // SAFETY: the run is free (I14), so no span has its header, a part of the mapping (I12): nobody uses what it says.
        unsafe { self.mapping.zero(0, HEADER) };
        self.pages = pages;
        self.touched = self.touched.max(pages);
    }

    /// The mapping, to be unmapped.
    pub(super) fn into_mapping(self) -> Mapping {
        self.mapping
    }
}

/// All large runs.
#[derive(Debug, Default)]
pub(super) struct LargeRuns {
    live: AddressMap<LargeRun>,
    /// Oldest first.
    kept: Vec<LargeRun>,
    kept_bytes: usize,
}

impl LargeRuns {
    /// The bytes of the mapping for a run.
    pub(super) fn mapping_bytes(pages: usize) -> Option<usize> {
        let bytes = pages.checked_mul(PAGE)?.checked_add(HEADER)?;
        bytes.checked_next_multiple_of(CHUNK)
    }

    /// Takes the kept mapping that fits best, if one wastes at most a quarter.
    pub(super) fn take_fitting(&mut self, pages: usize) -> Option<LargeRun> {
        let need = Self::mapping_bytes(pages)?;
        let fits = |run: &LargeRun| (need..=need + need / 4).contains(&run.bytes());
        let candidates = self.kept.iter().enumerate().filter(|(_, run)| fits(run));
        // Of equals the last: it was freed last.
        let (index, _) = candidates.min_by_key(|(index, run)| (run.bytes(), usize::MAX - index))?;
        let run = self.kept.remove(index);
        self.kept_bytes -= run.taken();
        Some(run)
    }

    /// Maps a new run.
    pub(super) fn map(pages: usize, huge: bool) -> Result<LargeRun, OsError> {
        let bytes = Self::mapping_bytes(pages).ok_or(OsError { bytes: usize::MAX })?;
        let mapping = Mapping::reserve(bytes)?;
        // The tail, behind the last whole huge page, would take more room than it has pages.
        let whole = (HEADER + pages * PAGE) & !(CHUNK - 1);
        mapping.advise_no_huge();
        if huge && whole > 0 {
            mapping.advise_huge(whole);
        }
        Ok(LargeRun {
            mapping,
            pages,
            touched: pages,
            freed_at: 0,
        })
    }

    /// Puts a run into use. Gives the address of its mapping.
    pub(super) fn insert(&mut self, run: LargeRun) -> usize {
        let base = run.base();
        let before = self.live.insert(base, run);
        debug_assert!(before.is_none());
        base
    }

    /// Takes the run whose mapping starts at `base` out of use.
    pub(super) fn remove(&mut self, base: usize) -> Option<LargeRun> {
        self.live.remove(&base)
    }

    /// Keeps a freed run for later, if there is room for it below `limit`.
    pub(super) fn keep(&mut self, mut run: LargeRun, now: u64, limit: usize) -> Option<LargeRun> {
        if self.kept_bytes + run.taken() > limit {
            return Some(run);
        }
        run.pages = 0;
        run.freed_at = now;
        self.kept_bytes += run.taken();
        self.kept.push(run);
        None
    }

    /// Takes the oldest kept run, if it was freed at or before `until` and takes at most `most` bytes.
    pub(super) fn take_oldest(&mut self, until: u64, most: usize) -> Option<LargeRun> {
        let oldest = self.kept.first()?;
        if oldest.freed_at > until || oldest.taken() > most {
            return None;
        }
        let run = self.kept.remove(0);
        self.kept_bytes -= run.taken();
        Some(run)
    }

    #[cfg(any(test, debug_assertions))]
    /// The runs in use.
    pub(super) fn live(&self) -> impl Iterator<Item = &LargeRun> {
        self.live.values()
    }

    #[cfg(any(test, debug_assertions))]
    /// The runs kept.
    pub(super) fn kept(&self) -> impl Iterator<Item = &LargeRun> {
        self.kept.iter()
    }

    /// Panics if an invariant does not hold.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check_invariants(&self) {
        for run in self.live().chain(self.kept()) {
            assert!(run.pages <= run.touched);
            assert!(HEADER + run.touched * PAGE <= run.bytes());
        }
        assert!(self.kept().all(|run| run.pages == 0));
        assert_eq!(
            self.kept_bytes,
            self.kept().map(LargeRun::taken).sum::<usize>()
        );
    }
}

/// How many bytes of freed large runs are kept while `in_use` bytes are in use.
pub(super) fn limit(in_use: usize) -> usize {
    const LEAST: usize = 32 << 20;
    LEAST.max(in_use / 8)
}
