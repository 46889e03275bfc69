//! Giving free memory back, late and in small amounts.
//!
//! Fresh memory costs more than anything else about an allocation, so what was free only between two cycles must not
//! go. [`PageHeap::scavenge`] is called often by a background thread and does a bounded amount of work under the lock:
//!
//! 1. When a grace time has passed, all free pages grow older; see [`Chunk::grow_older`](super::chunk::Chunk).
//! 2. Freed large mappings and chunks that have been wholly free for long go as a whole. Unmapping itself is left to
//!    the caller, outside the lock.
//! 3. Long-free runs in other chunks are given back in place and keep their address space.
//!
//! Steps 2 and 3 stop before fewer than `keep_free_bytes` free bytes would remain, or more than `max_bytes` would go.
//! What is unmapped may go beyond `max_bytes`, a large mapping alone or a chunk by its header: unmapping happens outside.

use super::super::os::{LAZY, Mapping, page_size};
use super::chunk::{self, Chunk};
use super::{PageHeap, large};
use crate::heap::layout::{HEADER, PAGE};
use std::time::{Duration, Instant};

/// How long memory must have been free.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Pages are given back in multiples of this, aligned to it.
const UNIT: u32 = (page_size().div_ceil(PAGE)) as u32;

/// What a call gave back.
#[derive(Debug, Default)]
#[must_use = "to be dropped after the heap's lock is released: unmapping takes time"]
pub(crate) struct Scavenged {
    /// Bytes that no longer count as committed, those of `unmapped` included.
    pub(crate) bytes: usize,
    /// Unmapped when dropped.
    pub(crate) unmapped: Vec<Mapping>,
}

/// The age of the free memory.
#[derive(Debug, Default)]
pub(super) struct Ages {
    /// When the last grace time ended.
    ended: Option<Instant>,
    /// How many have ended.
    pub(super) count: u64,
}

impl Ages {
    /// Whether a grace time ends now.
    fn ends(&mut self, now: Instant) -> bool {
        let over = self
            .ended
            .is_none_or(|last| now.saturating_duration_since(last) >= GRACE);
        if over {
            self.ended = Some(now);
            self.count += 1;
        }
        over
    }
}

/// How much may still go.
struct Budget {
    keep: usize,
    max: usize,
}

impl PageHeap {
    #[cfg(test)]
    /// Gives back up to `max_bytes` of memory that has been free for long, down to `keep_free_bytes` of free memory;
    /// returns how many bytes. Unmaps on the spot: see [`scavenge_detached`](Self::scavenge_detached).
    pub(crate) fn scavenge(
        &mut self,
        now: Instant,
        keep_free_bytes: usize,
        max_bytes: usize,
    ) -> usize {
        self.scavenge_detached(now, keep_free_bytes, max_bytes)
            .bytes
    }

    /// As [`scavenge`](Self::scavenge), but leaves unmapping to the caller, who drops the result outside the lock.
    pub(crate) fn scavenge_detached(
        &mut self,
        now: Instant,
        keep_free_bytes: usize,
        max_bytes: usize,
    ) -> Scavenged {
        if self.ages.ends(now) {
            self.chunks.iter_mut().flatten().for_each(Chunk::grow_older);
        }
        let budget = Budget {
            keep: keep_free_bytes,
            max: max_bytes,
        };
        let mut done = Scavenged::default();
        self.scavenge_large(&budget, &mut done);
        self.scavenge_chunks(&budget, &mut done);
        if LAZY {
            self.scavenge_runs(&budget, &mut done);
        }
        #[cfg(debug_assertions)]
        self.check_invariants();
        done
    }

    /// Free bytes that may go now.
    fn spare(&self, budget: &Budget, done: &Scavenged) -> usize {
        let free = self.free_bytes().saturating_sub(budget.keep);
        free.min(budget.max.saturating_sub(done.bytes))
    }

    /// Unmaps large runs that were freed two grace times ago.
    fn scavenge_large(&mut self, budget: &Budget, done: &mut Scavenged) {
        let Some(until) = self.ages.count.checked_sub(2) else {
            return;
        };
        while self.spare(budget, done) > 0 {
            let most = self
                .free_bytes()
                .saturating_sub(budget.keep)
                .saturating_add(HEADER);
            let Some(run) = self.large.take_oldest(until, most) else {
                return;
            };
            done.bytes += run.taken();
            self.totals.forget_large(&run);
            done.unmapped.push(run.into_mapping());
        }
    }

    /// Unmaps chunks that have been wholly free for long.
    fn scavenge_chunks(&mut self, budget: &Budget, done: &mut Scavenged) {
        for slot in 0..self.chunks.len() {
            let Some(chunk) = &self.chunks[slot] else {
                continue;
            };
            let bytes = chunk.resident_pages().count_ones() as usize * PAGE;
            let room = self.spare(budget, done) >= bytes && done.bytes < budget.max;
            if chunk.is_long_free() && room {
                done.bytes += HEADER + bytes;
                done.unmapped.push(self.remove_chunk(slot as u32));
            }
        }
    }

    /// Gives back runs in place, beginning where the last call stopped.
    fn scavenge_runs(&mut self, budget: &Budget, done: &mut Scavenged) {
        let slots = self.chunks.len();
        for _ in 0..slots {
            if self.spare(budget, done) < UNIT as usize * PAGE {
                return;
            }
            self.scavenge_from = (self.scavenge_from + 1) % slots;
            self.scavenge_chunk_runs(self.scavenge_from, budget, done);
        }
    }

    /// Gives back the long-free runs of one chunk, lowest first.
    fn scavenge_chunk_runs(&mut self, slot: usize, budget: &Budget, done: &mut Scavenged) {
        let Some(chunk) = &self.chunks[slot] else {
            return;
        };
        let mut rest = chunk.scavengeable();
        if UNIT > 1 {
            rest = whole_units(rest);
        }
        let before = done.bytes;
        while rest != 0 {
            let first = rest.trailing_zeros();
            let length = (rest >> first).trailing_ones().min(128 - first);
            let most = (self.spare(budget, done) / PAGE) as u32 / UNIT * UNIT;
            if most == 0 {
                break;
            }
            let run = chunk::run(first, length.min(most) as usize);
            rest &= !run;
            let Some(chunk) = &mut self.chunks[slot] else {
                return;
            };
            if !chunk.give_back(run) {
                break;
            }
            let bytes = run.count_ones() as usize * PAGE;
            self.totals.returned += bytes;
            done.bytes += bytes;
        }
        if done.bytes > before {
            self.refile(slot as u32);
        }
    }

    /// Unmaps all that can be, large runs that are kept and chunks that are wholly free, because the operating system refused memory.
    /// Whether there was any.
    pub(super) fn drop_free(&mut self) -> bool {
        let mut any = false;
        while let Some(run) = self.large.take_oldest(u64::MAX, usize::MAX) {
            self.totals.forget_large(&run);
            any = true;
        }
        for slot in 0..self.chunks.len() {
            if self.chunks[slot].as_ref().is_some_and(Chunk::is_free) {
                drop(self.remove_chunk(slot as u32));
                any = true;
            }
        }
        any
    }

    /// Keeps a freed large run, or hands it out to be unmapped.
    pub(super) fn retire_large(&mut self, run: large::LargeRun) -> Option<Mapping> {
        let limit = large::limit(self.in_use_bytes());
        let run = self.large.keep(run, self.ages.count, limit)?;
        self.totals.forget_large(&run);
        Some(run.into_mapping())
    }
}

/// The part of `set` made of whole aligned units.
fn whole_units(set: u128) -> u128 {
    let units = (0..128)
        .step_by(UNIT as usize)
        .map(|first| chunk::run(first, UNIT as usize));
    units
        .filter(|unit| set & unit == *unit)
        .fold(0, |units, unit| units | unit)
}
