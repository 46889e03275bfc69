//! Minor cycles: cycles that keep what the ones before have marked, and mark what is new.
//!
//! A *full* cycle takes a new epoch, so that nothing is marked when it begins. A *minor* one takes the epoch of the cycle before it:
//! all that has the mark, the *old* objects, counts as found, and their contents are not looked at again (sticky marks:
//! Demers and others, POPL 1990). Everything else about the cycle is the same: arming, barriers, termination, sweep.
//!
//! That is right if an old object leads to old ones only. Go forward from the end of a cycle's marking: what is old has been scanned, and
//! leads to what is old, or to *fresh* objects, which were allocated black (or early) and to which the markers have not come. An *immutable* object
//! ([`Trace::IMMUTABLE`](crate::Trace::IMMUTABLE)) stays as it was when it was scanned: no barrier has to watch it, as in GHC, whose
//! generations keep a list of mutable objects only. The others may since have got a pointer to a new object. The sweep, which sees the marks of
//! every span, *notes* the old ones ([`Core::note_old`]), and a minor cycle scans what is noted: all of it, or, where the cells
//! lie in the objects ([`Trace::CELLS_INLINE`](crate::Trace::CELLS_INLINE)), what has been written, of which `barrier::cards` knows.
//!
//! | object at the end of a cycle | made so by | its pointers |
//! |---|---|---|
//! | old, immutable | a marker, which has scanned it | to old ones, for good |
//! | old, mutable | a marker, which has scanned it, or has come to it when it was fresh or early, which counts as a write | to anything, if it is written: noted |
//! | fresh | its mutator | to anything: young from the sweep on |
//! | free slot, or one whose object was never made | – | – |
//!
//! *Fresh objects stay young* (`heap::span` has the colours). They must survive their cycle without a scan, so that a mutator cannot make
//! work without end; but most of them are garbage soon, and old garbage waits for a full cycle. Where an edge leads a marker to a fresh object,
//! that becomes old, or an old immutable object could keep a pointer to a young one (an early one, of what another mutator
//! had allocated black). If it is immutable itself it is scanned, and so on down: these are older than it is. If it is mutable it is noted.
//! What a mutator puts behind a claim stays fresh. It claims because it writes, so the object counts as written; `barrier::cards` has the
//! case of a cell that moves into its object later.
//!
//! *What is passed over is black.* An old object that has not been written is in a minor cycle as one that has been scanned is, though
//! its cells' words do not say so. That is nothing to Deletion and to Black mutators, who claim such a cell and shade what it held. A
//! Grey mutator that needs no barrier for a cell because markers come later has stamped the card before they start. Under Insertion
//! a writer leaves an unscanned cell to the marker that will come: so there all that is noted is scanned, written or not.
//!
//! *Roots* lead to old objects, too, unless they are new (`root::table::cycle`): a minor cycle hears of these only.
//!
//! *Objects are complete when they become old*: no edge leads to one that is being built. So it does not matter what else happens meanwhile.
//!
//! *The end of black allocation.* What a mutator allocates between its "off" and the beginning of the sweep is fresh, too: it comes from
//! spans made since, which the sweep comes to if they are given back before. `sweeping_cycle` tells, when a run of slots is taken. What is
//! allocated from such a run later has the colour as well, in a span that the next cycle sweeps, for which it is no colour.
//!
//! *When it is right.* The cycle before was not abandoned, whose marks say nothing; what was noted is not *lost*: more than is worth
//! scanning.
//!
//! *When it is worth it.* Old garbage stays until a full cycle. One is due when what the minor ones have kept since the last has used up
//! half of the room that the last one left, when somebody asks for it (`collect`, an idle heap), when half of the hard limit is
//! in use, and when that room has been allocated [`MOST`] times. Where the young survive, minor cycles save little and keep much: they
//! are given up for a while (`young_survived`). Where much of what is noted has been written, the next cycle is full.
//!
//! A minor cycle costs what is new, a look at spans that are not full of old objects, and one at the marks of those from which something has
//! been allocated since the last sweep, or that held something young then. So it need not wait until the room
//! is used up: it comes when [`NURSERY`] bytes have been allocated, which are then still in the processor's caches when they are
//! allocated again, or a part of what lives, or four times the edges of what was noted for the last one, a table that is one object may
//! own a million, and as many roots.

use super::core::Core;
use super::driver::Driver;
use crate::config::Barrier;
use crate::heap::span::{Epoch, Span};
use crate::heap::type_info::Cells;
use crate::sync::atomic::Ordering;
use crate::sync::now;
use crate::sync::twin::{self, Twin};

mod noted;
#[cfg(test)]
mod tests;

pub(crate) use noted::Noted;

/// How many times the room may be allocated between two full cycles.
const MOST: u64 = 16;

/// Bytes allocated between minor cycles, at least; and the part of the live heap that this may be.
const NURSERY: usize = 8 << 20;
const NURSERY_PART: usize = 8;

/// Full cycles in a row, at most, because minor ones were found to be of no use.
const MOST_PATIENT: u32 = 64;

/// Minor cycles are given up where they save nothing; but not where they are what is tested.
const GIVES_UP: bool = !cfg!(any(tricolor_loom, all(feature = "verify", not(test))));

/// Bytes that live in a heap in which a minor cycle saves something. Tests have small heaps.
const WORTH_IT: usize = if cfg!(any(
    test,
    debug_assertions,
    tricolor_loom,
    feature = "verify"
)) {
    0
} else {
    1 << 20
};

/// The part of what lives that may have been written where a minor cycle is worth it.
const WRITTEN_PART: usize = 4;

/// Nanoseconds in which an edge is scanned.
const EDGE_NANOS: usize = 2;

/// As much work as the marking of so many bytes: a look at the cards of a span.
const LOOK: usize = 64;

/// Noted objects that are scanned between two looks at the world.
const BATCH: usize = 256;

/// Bytes of objects that are noted one by one: a part of what lives, and few enough that nobody notices the scan.
const PART: usize = 32;
const LEAST: usize = 32 << 10;
const BOUND: usize = 1 << 20;

/// The driver's part.
#[derive(Default)]
pub(super) struct Generation {
    /// What was noted and has not been scanned.
    noted: noted::Old,
    /// The cycle before marked all that it should.
    marked: bool,
    /// Full cycles before the next minor one, and how many there were the last time.
    patience: u32,
    backoff: u32,
    /// Bytes allocated when the last full one ended.
    allocated: u64,
    /// The heap then, and what its pacer aimed at.
    live: usize,
    pub(super) goal: usize,
    /// Bytes of old objects when a minor cycle began; 0 in a full one.
    pub(super) old: usize,
    /// Bytes of what lived at the end of the last cycle and had been allocated beside it.
    fresh: usize,
    /// What the objects noted for the last one led to, or what else it took to scan them, in edges.
    edges: usize,
    /// How many roots the last cycle has found.
    pub(super) roots: usize,
}

impl Core {
    /// A cycle has ended; the next is to keep the heap below `goal`.
    pub(super) fn generation_ended(&self, d: &mut Driver, goal: usize) {
        let g = &mut d.generation;
        g.marked = !d.cycle.abandoned;
        g.fresh = self.counters.swept.bytes_fresh.load(Ordering::Relaxed);
        // By what was written before the cycle that ends: as much may be before the next one.
        if !self.noted.is_lost() && self.much_is_written(self.number()) {
            self.noted.lose();
        }
        if !d.cycle.minor {
            (g.live, g.goal) = (d.cycle.heap_live, goal);
            g.allocated = self.allocated_ever();
        }
    }

    /// Marking is over, of `marked` bytes. Where more than half of what is new survives a minor cycle, it saves little and keeps
    /// much: then comes a full one, and each time this happens again twice as many.
    pub(super) fn young_survived(&self, d: &mut Driver, marked: usize) {
        let g = &mut d.generation;
        let young = d.allocated_before + g.fresh;
        if !d.cycle.minor {
            g.patience = g.patience.saturating_sub(1);
        } else if marked > young / 2 && GIVES_UP {
            g.backoff = (2 * g.backoff).clamp(1, MOST_PATIENT);
            g.patience = g.backoff;
        } else {
            g.backoff /= 2;
        }
        if g.patience > 0 {
            self.noted.lose();
        }
    }

    /// Where the pacer would start a cycle at `trigger`: where it starts, if it will be minor there.
    pub(super) fn early_trigger(&self, d: &Driver, trigger: usize) -> usize {
        let live = d.cycle.heap_live;
        // What is noted may own much: its scan should not come to more than a part of what is allocated.
        let edges = d.generation.edges.saturating_add(d.generation.roots);
        let edges = edges.saturating_mul(4 * size_of::<usize>());
        let nursery = NURSERY.max(live / NURSERY_PART).max(edges);
        let early = live.saturating_add(nursery);
        if early < trigger && self.is_minor(d, d.cycle.cycle + 1, nursery) {
            early
        } else {
            trigger
        }
    }

    /// Whether cycle `number` is minor if it begins when another `ahead` bytes have been allocated.
    pub(super) fn is_minor(&self, d: &Driver, number: u64, ahead: usize) -> bool {
        let g = &d.generation;
        let live = self.counters.live.load(Ordering::Relaxed);
        let kept = live.saturating_add(self.outside()).saturating_sub(g.live);
        let room = g.goal.saturating_sub(g.live);
        // Less than then, where a mutator has given back the rest of a run.
        let allocated = self.allocated_ever().saturating_sub(g.allocated) + ahead as u64;
        self.config.minor_cycles
            && (g.marked || twin::is(Twin::MinorAfterAbandoned))
            && allocated / MOST <= room as u64
            && !self.noted.is_lost()
            && self.full.load(Ordering::Relaxed) < number
            && kept <= room / 2
            && live.checked_sub(WORTH_IT).is_some()
            && !self.is_half_full_after(ahead)
    }

    /// Whether minor cycle `cycle` would have to look at much of what is noted.
    pub(super) fn much_is_written(&self, cycle: u8) -> bool {
        if !GIVES_UP {
            return false;
        }
        let live = self.counters.live.load(Ordering::Relaxed);
        let bound = (live / WRITTEN_PART).max(LEAST);
        self.noted.written(&self.cards, cycle) > bound
    }

    /// A cycle begins: what is noted is for it, or for nobody.
    pub(super) fn take_noted(&self, d: &mut Driver) {
        if !self.config.minor_cycles {
            return;
        }
        let live = self.counters.live.load(Ordering::Relaxed);
        let noted = self.noted.take();
        let g = &mut d.generation;
        g.noted = noted::Old::default();
        g.old = 0;
        if d.cycle.minor {
            (g.old, g.edges) = (live.saturating_sub(g.fresh), 0);
            if !twin::is(Twin::NotedForgotten) {
                g.noted = noted;
            }
        }
    }

    /// What there may be to mark: what lived after the last cycle or, in a minor one, what has been allocated since.
    pub(super) fn bytes_to_mark(&self, d: &Driver) -> usize {
        let c = &self.counters;
        let bytes = if d.cycle.minor { &c.allocated } else { &c.live };
        bytes.load(Ordering::Relaxed)
    }

    /// In a minor cycle: scans some of the noted objects. Whether there were any.
    pub(super) fn scan_noted(&self, d: &mut Driver) -> bool {
        let number = d.number();
        let noted = &mut d.generation.noted;
        let looked = noted.look(&self.cards, number, BATCH);
        let rest = noted.objects.len().saturating_sub(BATCH);
        let objects = noted.objects.split_off(rest);
        d.work += (looked * LOOK) as u64;
        if objects.is_empty() {
            return looked > 0;
        }
        let began = now();
        let (edges, work) = self.scan_again(objects);
        // They may own tables without pointers, which are looked through as well.
        let worth = (now() - began).as_nanos() as usize / EDGE_NANOS;
        d.generation.edges += edges.max(worth);
        d.work += work + (edges * size_of::<usize>()) as u64;
        true
    }

    /// A span of mutable objects has been swept: notes the old ones, all if it is `settled`.
    pub(crate) fn note_old(&self, span: Span, epoch: Epoch, settled: bool) {
        if self.noted.is_lost() || twin::is(Twin::OldNotNoted) {
            return;
        }
        let words = 0..span.slots().div_ceil(64);
        let old = |word| match span.taken_bits(word) {
            taken if settled => taken,
            taken => span.marked_bits(word, epoch) & taken,
        };
        if self.goes_by_cards(span.info().cells) {
            return self.noted.add_span(span, words.map(old));
        }
        let mut objects = Vec::new();
        for word in words {
            let mut old = old(word);
            while old != 0 {
                objects.push(span.slot(word * 64 + old.trailing_zeros() as usize));
                old &= old - 1;
            }
        }
        self.noted.add(&objects, span.slot_size(), self.bound());
    }

    /// Whether cards tell which old objects with such cells a minor cycle scans: see the module header.
    pub(crate) fn goes_by_cards(&self, cells: Cells) -> bool {
        let insertion = self.config.barrier == Barrier::Insertion;
        cells == Cells::Inside && (!insertion || twin::is(Twin::CardsUnderInsertion))
    }

    fn bound(&self) -> usize {
        let live = self.counters.live.load(Ordering::Relaxed);
        (live / PART).clamp(LEAST, BOUND)
    }
}
