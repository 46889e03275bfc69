//! Pages for spans: runs of free pages, found, split and coalesced.
//!
//! The last level of the allocator: a span of small objects is a run of 1 to [`DATA_PAGES`] pages of a chunk, a larger
//! object has a mapping of its own. The heap's owner wraps this plain data structure in a lock.
//!
//! **Finding a run**, in this order:
//! 1. the run of the same length freed last, if it is still free ([`hot`]): its memory is likely in the cache;
//! 2. the chunk whose longest run of pages *that take room* fits best ([`bins`]), lowest address in it;
//! 3. the chunk whose longest free run fits best, lowest address in it: pages never touched or given back;
//! 4. a new chunk; a heap that grows has one or more made ready by then ([`ready`]).
//!
//! Best fit over chunks fills nearly full chunks first and lets others become wholly free, which is what lets them be
//! unmapped; the bitmaps of a chunk ([`chunk`]) make coalescing a matter of course.
//!
//! **Giving back** is the business of [`scavenge`]; `free` itself gives nothing back but large runs beyond a limit.
//!
//! **Invariants** ([`PageHeap::check_invariants`]), all in bytes:
//! - `reserved = Σ mappings` (chunks, large runs in use, large runs kept);
//! - `committed = reserved − returned`, where `returned` counts pages that take no room;
//! - `committed = headers + in_use + free`, where `headers = HEADER · mappings`;
//! - a chunk is filed under the longest run of its resident and of its free pages.
//!
//! Headers count in full. They belong to the owner: zero when a run comes with `new_chunk`, not touched after.
//!
//! Not in here: what a run is used for, zeroing, and any synchronisation.
//!
//! Rejected: an address-ordered first fit over all chunks, as in Go. It packs better, but the search is longer than
//! one bit scan; and free lists inside the free pages, which would touch memory that is cold or given back.

mod bins;
mod chunk;
mod hot;
mod large;
mod ready;
mod scavenge;
#[cfg(test)]
mod tests;

use self::bins::Bins;
use self::chunk::Chunk;
use self::hot::HotRuns;
use self::large::{LargeRun, LargeRuns};
pub(crate) use self::ready::ReadyChunk;
use self::scavenge::Ages;
use super::os::{Mapping, OsError, huge_at_hand, huge_to_try};
use crate::heap::layout::{CHUNK, DATA_PAGES, HEADER, PAGE};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// What can be chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageHeapConfig {
    /// From this many committed bytes on, with the run asked for where that is large, new memory asks for huge pages: faster to
    /// touch and to walk, but all of a chunk takes room at once.
    pub(crate) huge_pages_from: usize,
    /// Whether a background thread makes chunks ready.
    pub(crate) made_ready: bool,
}

impl Default for PageHeapConfig {
    fn default() -> Self {
        PageHeapConfig {
            huge_pages_from: 8 << 20,
            made_ready: false,
        }
    }
}

/// A run of pages in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageRun {
    /// The address of its first page.
    pub(crate) base: usize,
    /// Its length.
    pub(crate) pages: usize,
    /// Whether it reads as zero.
    pub(crate) zeroed: bool,
    /// The chunk, if it is new: its header is zero and waits for the owner to fill it.
    pub(crate) new_chunk: Option<usize>,
    /// Whether the first access, to the header in front, is the first to a huge page.
    pub(crate) fresh_huge: bool,
}

/// Runs of pages, free and in use.
#[derive(Debug)]
pub(crate) struct PageHeap {
    config: PageHeapConfig,
    chunks: Vec<Option<Chunk>>,
    /// Slots of `chunks` without a chunk.
    vacant: Vec<u32>,
    /// The slot of a chunk by its address.
    slots: AddressMap<u32>,
    /// Chunks by their longest run of free pages that take room.
    resident: Bins,
    /// Chunks by their longest run of free pages.
    free: Bins,
    hot: HotRuns,
    large: LargeRuns,
    totals: Totals,
    ages: Ages,
    /// The slot at which the last scavenging stopped.
    scavenge_from: usize,
}

impl PageHeap {
    /// Without any memory.
    pub(crate) fn new(config: PageHeapConfig) -> PageHeap {
        PageHeap {
            config,
            chunks: Vec::new(),
            vacant: Vec::new(),
            slots: AddressMap::default(),
            resident: Bins::new(),
            free: Bins::new(),
            hot: HotRuns::new(),
            large: LargeRuns::default(),
            totals: Totals::default(),
            ages: Ages::default(),
            scavenge_from: 0,
        }
    }

    /// A run of 1 to [`DATA_PAGES`] pages.
    #[inline]
    pub(crate) fn allocate(&mut self, pages: usize) -> Result<PageRun, OsError> {
        debug_assert!((1..=DATA_PAGES).contains(&pages));
        match self.allocate_at_hand(pages) {
            Some(run) => Ok(run),
            None => self.allocate_in_new_chunk(pages),
        }
    }

    /// The same, if there is one in a chunk that the heap has.
    #[inline]
    pub(crate) fn allocate_at_hand(&mut self, pages: usize) -> Option<PageRun> {
        let (slot, first) = self.find_hot(pages).or_else(|| self.find(pages))?;
        Some(self.take(slot, first, pages, None))
    }

    /// A run of `bytes` bytes, rounded up to pages, in a mapping of its own if it is too long for a chunk.
    pub(crate) fn allocate_large(&mut self, bytes: usize) -> Result<PageRun, OsError> {
        let pages = bytes.div_ceil(PAGE).max(1);
        if pages <= DATA_PAGES {
            return self.allocate(pages);
        }
        // A long run is a large heap by itself.
        let large = self.committed_bytes().saturating_add(bytes) >= self.config.huge_pages_from;
        let kept = self.large.take_fitting(pages);
        let zeroed = kept.is_none();
        let huge = zeroed && large && huge_to_try((bytes / CHUNK).max(1));
        let run = match kept {
            Some(mut run) => {
                self.totals.forget_large(&run);
                run.use_again(pages);
                run
            }
            None => LargeRuns::map(pages, huge).or_else(|error| {
                let retry = self.drop_free();
                if retry {
                    LargeRuns::map(pages, huge)
                } else {
                    Err(error)
                }
            })?,
        };
        self.totals.remember_large(&run);
        let base = self.large.insert(run);
        Ok(PageRun {
            base: base + HEADER,
            pages,
            zeroed,
            new_chunk: Some(base),
            fresh_huge: huge,
        })
    }

    /// Takes a run back. `base` and `pages` are those of a run handed out and not freed since.
    ///
    /// From now on nobody may access its pages. What is returned is to be dropped after the heap's lock is released:
    /// unmapping a large run takes time.
    #[inline]
    #[must_use = "to be dropped after the heap's lock is released"]
    pub(crate) fn free(&mut self, base: usize, pages: usize) -> Option<Mapping> {
        let chunk = base & !(CHUNK - 1);
        let Some(&slot) = self.slots.get(&chunk) else {
            return self.free_large(chunk, pages);
        };
        debug_assert!(base.is_multiple_of(PAGE));
        let first = ((base - chunk) / PAGE) as u32;
        self.chunk_mut(slot).put(chunk::run(first, pages));
        self.totals.in_use -= pages * PAGE;
        self.hot.push(slot, first, pages);
        self.refile(slot);
        None
    }

    /// Bytes that take room: headers, runs in use, and free runs that were not given back.
    #[inline]
    pub(crate) fn committed_bytes(&self) -> usize {
        self.totals.reserved - self.totals.returned
    }

    /// Bytes of the runs in use.
    #[inline]
    pub(crate) fn in_use_bytes(&self) -> usize {
        self.totals.in_use
    }

    /// Bytes of free runs that take room.
    #[inline]
    pub(crate) fn free_bytes(&self) -> usize {
        self.committed_bytes() - self.totals.headers - self.totals.in_use
    }

    #[cfg(test)]
    /// Bytes of address space.
    #[inline]
    pub(crate) fn reserved_bytes(&self) -> usize {
        self.totals.reserved
    }

    #[cfg(test)]
    /// The addresses of all chunks and of the mappings of all large runs in use, in no order.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = usize> {
        let large = self.large.live().map(LargeRun::base);
        self.chunks.iter().flatten().map(Chunk::base).chain(large)
    }

    /// Panics if an invariant does not hold. Walks over everything.
    #[cfg(any(test, debug_assertions))]
    pub(crate) fn check_invariants(&self) {
        let mut sums = Totals::default();
        for (slot, chunk) in self.chunks.iter().enumerate() {
            let Some(chunk) = chunk else { continue };
            chunk.check_invariants();
            assert_eq!(self.slots.get(&chunk.base()), Some(&(slot as u32)));
            assert_eq!(
                self.free.key(slot as u32),
                chunk::longest(chunk.free_pages())
            );
            assert_eq!(
                self.resident.key(slot as u32),
                chunk::longest(chunk.resident_pages())
            );
            sums.remember_chunk(chunk);
            sums.in_use += (DATA_PAGES - chunk.free_pages().count_ones() as usize) * PAGE;
        }
        self.large.check_invariants();
        for run in self.large.live().chain(self.large.kept()) {
            sums.remember_large(run);
        }
        assert_eq!(self.totals, sums);
        let parts = sums.headers + sums.in_use + self.free_bytes();
        assert_eq!(self.committed_bytes(), parts);
    }

    /// The run of `pages` pages freed last, if it is still free and takes room.
    #[inline]
    fn find_hot(&mut self, pages: usize) -> Option<(u32, u32)> {
        while let Some((slot, first)) = self.hot.pop(pages) {
            let Some(chunk) = &self.chunks[slot as usize] else {
                continue;
            };
            if chunk::run(first, pages) & !chunk.resident_pages() == 0 {
                return Some((slot, first));
            }
        }
        None
    }

    /// The best fitting run: first of pages that take room, then of any.
    fn find(&self, pages: usize) -> Option<(u32, u32)> {
        if let Some(slot) = self.resident.at_least(pages) {
            let first = chunk::find(self.chunk(slot).resident_pages(), pages)?;
            return Some((slot, first));
        }
        let slot = self.free.at_least(pages)?;
        let first = chunk::find(self.chunk(slot).free_pages(), pages)?;
        Some((slot, first))
    }

    /// Takes free pages into use.
    #[inline]
    fn take(&mut self, slot: u32, first: u32, pages: usize, new: Option<usize>) -> PageRun {
        let chunk = self.chunk_mut(slot);
        let taken = chunk.take(chunk::run(first, pages));
        let base = chunk.base() + first as usize * PAGE;
        self.totals.in_use += pages * PAGE;
        self.totals.returned -= taken.recommitted * PAGE;
        self.refile(slot);
        PageRun {
            base,
            pages,
            zeroed: taken.zeroed,
            new_chunk: new,
            fresh_huge: false,
        }
    }

    /// Maps a chunk and takes its first pages.
    #[cold]
    #[inline(never)]
    fn allocate_in_new_chunk(&mut self, pages: usize) -> Result<PageRun, OsError> {
        // Who makes chunks ready tries, rather than an allocation.
        let huge = self.is_large()
            && if self.config.made_ready {
                huge_at_hand()
            } else {
                huge_to_try(1)
            };
        let mapping = match Mapping::chunk(huge) {
            Err(_) if self.drop_free() => Mapping::chunk(huge)?,
            result => result?,
        };
        let chunk = Chunk::new(mapping);
        let (base, huge) = (chunk.base(), chunk.is_huge());
        let slot = self.insert_chunk(chunk);
        let first = (HEADER / PAGE) as u32;
        let run = self.take(slot, first, pages, Some(base));
        Ok(PageRun {
            fresh_huge: huge,
            ..run
        })
    }

    /// Gives a fresh chunk a slot; it is to be filed.
    fn insert_chunk(&mut self, chunk: Chunk) -> u32 {
        let base = chunk.base();
        self.totals.remember_chunk(&chunk);
        let slot = self.vacant.pop().unwrap_or(self.chunks.len() as u32);
        if slot as usize == self.chunks.len() {
            self.chunks.push(None);
        }
        self.chunks[slot as usize] = Some(chunk);
        self.slots.insert(base, slot);
        slot
    }

    /// Takes the large run behind the header at `base` back.
    #[cold]
    fn free_large(&mut self, base: usize, pages: usize) -> Option<Mapping> {
        let run = self
            .large
            .remove(base)
            .expect("a run of this heap is freed once");
        debug_assert_eq!(run.pages(), pages);
        self.totals.in_use -= run.pages() * PAGE;
        self.retire_large(run)
    }

    /// Takes a wholly free chunk out; its mapping is to be unmapped.
    fn remove_chunk(&mut self, slot: u32) -> Mapping {
        let chunk = self.chunks[slot as usize]
            .take()
            .expect("the slot is in use");
        self.resident.file(slot, 0);
        self.free.file(slot, 0);
        self.slots.remove(&chunk.base());
        self.vacant.push(slot);
        self.totals.forget_chunk(&chunk);
        chunk.into_mapping()
    }

    /// Files a chunk anew after its free pages changed.
    #[inline]
    fn refile(&mut self, slot: u32) {
        let chunk = self.chunk(slot);
        #[cfg(debug_assertions)]
        chunk.check_invariants();
        let free = chunk::longest(chunk.free_pages());
        let resident = match chunk.returned_pages() {
            0 => free,
            _ => chunk::longest(chunk.resident_pages()),
        };
        self.free.file(slot, free);
        self.resident.file(slot, resident);
    }

    /// Whether new memory asks for huge pages, if they are at hand.
    fn is_large(&self) -> bool {
        self.committed_bytes() >= self.config.huge_pages_from
    }

    /// The chunk of a slot in use.
    #[inline]
    fn chunk(&self, slot: u32) -> &Chunk {
        self.chunks[slot as usize]
            .as_ref()
            .expect("the slot is in use")
    }

    /// The chunk of a slot in use, to change.
    #[inline]
    fn chunk_mut(&mut self, slot: u32) -> &mut Chunk {
        self.chunks[slot as usize]
            .as_mut()
            .expect("the slot is in use")
    }
}

/// Sums over all mappings, in bytes; see the invariants of the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    reserved: usize,
    returned: usize,
    headers: usize,
    in_use: usize,
}

impl Totals {
    /// Adds a chunk whose pages are free.
    fn remember_chunk(&mut self, chunk: &Chunk) {
        self.reserved += CHUNK;
        self.headers += HEADER;
        self.returned += chunk.returned_pages().count_ones() as usize * PAGE;
    }

    /// Subtracts a chunk whose pages are free.
    fn forget_chunk(&mut self, chunk: &Chunk) {
        self.reserved -= CHUNK;
        self.headers -= HEADER;
        self.returned -= chunk.returned_pages().count_ones() as usize * PAGE;
    }

    /// Adds a large run.
    fn remember_large(&mut self, run: &LargeRun) {
        self.reserved += run.bytes();
        self.headers += HEADER;
        self.returned += run.bytes() - run.taken();
        self.in_use += run.pages() * PAGE;
    }

    /// Subtracts a large run that is not in use.
    fn forget_large(&mut self, run: &LargeRun) {
        self.reserved -= run.bytes();
        self.headers -= HEADER;
        self.returned -= run.bytes() - run.taken();
    }
}

/// Values by the address of a chunk.
type AddressMap<V> = HashMap<usize, V, BuildHasherDefault<AddressHasher>>;

/// A multiplication: addresses are not chosen by an adversary.
#[derive(Clone, Copy, Debug, Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    #[inline]
    fn write_usize(&mut self, address: usize) {
        let product = ((address / CHUNK) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 32);
    }

    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("only addresses are hashed");
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
