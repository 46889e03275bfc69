//! Cards: which parts of memory have been written through cells, and in which cycle.
//!
//! A minor cycle must look again at the old objects that may have got a pointer to a young one (`cycle::minor`). Every write through a
//! cell, whether a barrier is on or not, stamps the *card* in which the cell lies, 4 KiB of memory, with the cycle that its mutator
//! has adopted last; in a minor cycle old objects on cards with an old stamp are passed over. (Card marking: Wilson and Moher, OOPSLA 1989.)
//! The stamps are a table of the heap's own, found by hashing the address, for a cell may lie anywhere, on the stack too: cards
//! whose addresses differ by a multiple of 8 GiB share a stamp, which costs a look too many.
//!
//! **Why stamps, and not bits that the collector clears.** A bit could be cleared between the beginning of a guard's life, when it is
//! set, and the write; a guard may also leak, so that its end sets none. A stamp says when. Let a mutator's *interval n* be the time from
//! the boundary at which it adopts the first command of cycle *n* to the next such boundary. A guard begins and ends in one interval, even
//! if it leaks, for at a boundary of its thread no reference into a cell is left (I4); what a poll adopts inside is of the same cycle. So:
//!
//! 1. A write in interval *n* is on a card that was stamped *n* before it, by the same mutator.
//! 2. The markers of cycle *n* start when everybody is in interval *n*: by the handshake's Release and Acquire they see the writes and the
//!    stamps of earlier intervals, or later ones. So cycle *n* has scanned what was old with all that was written in earlier intervals.
//! 3. The stamp may have been overwritten: by a later one, or by a mutator that has not adopted a command of cycle *n* yet, which is in
//!    interval *n − 1* (cycle *n* began when everybody had answered those of *n − 1*). That is so while Hybrid asks for its first boundary;
//!    Deletion and StopTheWorld have all adopt in a stop. Then the write is over when the markers of cycle *n* start: its mutator has passed
//!    the second boundary. They have seen it as in 2.
//!
//! Minor cycle *n + 1* must scan what was written in interval *n* after the markers of cycle *n* had started (what is written in *n + 1* its
//! barrier watches, as it does for every object that has been scanned). It finds *n* or *n + 1* on the card: [`LAG`]. Under Insertion the
//! cards are not used (`cycle::minor`).
//!
//! *A cell that moves* leaves the stamps of its writes behind, on the stack, say. It moves through a `&mut` only, and what is in the heap is had so
//! only by a write access to a cell around it. So what it moves into was written, by 1: an old object through a cell of its own, which lies in it if
//! cards tell of it. Or it moves into an object in the making, which is young. Should a marker come to that one in this cycle and pass over
//! the cell, for it counts as scanned, what was put into it since may be fresh. Therefore:
//!
//! A mutable object that was allocated black and becomes old without being scanned (`mark::marker`) counts as written in that cycle. So does
//! an early one, though it is scanned: its mutator, which has not heard yet that others allocate black, may have a fresh object of theirs, and
//! have put it into a cell on the stack, which counts as scanned in this cycle, before the cell moved in.
//!
//! *A stamp that is there already is not written again*, or threads that write to neighbouring memory would take the line of its stamps, 256 KiB
//! of heap, from each other at each store: two threads that built trees took half as long again, and one alone a fifth. (Conditional card
//! marking: Dice, 2011.) It is as if it had been written when it was read: by coherence nothing that happened before can come after it.
//!
//! **Cost**: two loads (another, of the mutator's stamp, is that of the barrier's state), a shift, a mask and a branch that is predicted; they
//! go to one of 128 lines for each 32 MiB of heap (`benches/store.rs`). Smaller cards tell more and would leave the first-level cache.

use std::alloc::{Layout, handle_alloc_error};
use std::ops::Deref;

use crate::cycle::command::CYCLES;
use crate::heap::layout::CHUNK;
use crate::heap::os::Mapping;
use crate::sync::atomic::Ordering;
use crate::sync::plain::AtomicU8;
use crate::sync::twin::{self, Twin};

/// log2 of the bytes of a card. A model has small objects, and all of them in one chunk.
const SHIFT: u32 = if cfg!(tricolor_loom) { 4 } else { 12 };
/// Bytes of a card.
pub(crate) const BYTES: usize = 1 << SHIFT;
/// Cards of a heap: the bytes of a chunk.
const CARDS: usize = CHUNK;
/// A stamp that is older than so many cycles is too old to matter.
const LAG: u8 = 1;
/// Nothing has been written, or too long ago.
const NEVER: u8 = 0;

/// Of a stamp: the mutator's barrier is on. Means nothing on a card; so a store finds out with one load what it has to do and to stamp.
pub(crate) const BARRIER: u8 = 1 << 7;

/// What is written on cards in interval `cycle`. Comes round after [`CYCLES`], as the numbers of commands do.
pub(crate) const fn stamp_of(cycle: u8) -> u8 {
    cycle % CYCLES + 1
}

/// Whether a minor cycle must look at what bears this stamp.
fn matters(stamp: u8, cycle: u8) -> bool {
    let stamp = stamp & !BARRIER;
    let lag = if twin::is(Twin::OldStampsIgnored) {
        0
    } else {
        LAG
    };
    stamp != NEVER && (stamp_of(cycle) + CYCLES - stamp) % CYCLES <= lag
}

/// The cards of a heap.
pub(crate) struct Cards(Mapping);

impl Cards {
    /// All unwritten. The operating system gives the memory when it is first used: 4 KiB for 16 MiB of heap.
    pub(crate) fn new() -> Cards {
        let refused = |_| handle_alloc_error(Layout::new::<Stamps>());
        let memory = Mapping::reserve(CARDS).unwrap_or_else(refused);
        memory.advise_no_huge();
        Cards(memory)
    }
}

impl Deref for Cards {
    type Target = Stamps;

    #[inline(always)]
    fn deref(&self) -> &Stamps {
        let stamps = core::ptr::with_exposed_provenance::<Stamps>(self.0.address());
        // SAFETY: `new` has reserved as many bytes as there are cards. They are zero at first; they are mapped as long as `self` lives, and
        // nobody else's (I14); only `Stamps` uses them, as atomics.
        unsafe { &*stamps }
    }
}

/// Their stamps. Relaxed: see the module header, 2.
#[repr(transparent)]
pub(crate) struct Stamps([AtomicU8; CARDS]);

impl Stamps {
    /// Something at `address` is written.
    #[inline(always)]
    pub(crate) fn stamp(&self, address: usize, stamp: u8) {
        let card = &self.0[(address >> SHIFT) % CARDS];
        if card.load(Ordering::Relaxed) != stamp {
            card.store(stamp, Ordering::Relaxed);
        }
    }

    /// How many of the cards of `[from, to)` minor cycle `cycle` must look at. Stamps that are too old are forgotten, or they would
    /// matter again when numbers have come round.
    pub(crate) fn written(&self, from: usize, to: usize, cycle: u8) -> usize {
        let (first, last) = (from >> SHIFT, (to - 1) >> SHIFT);
        let is_written = |card: &usize| {
            let card = &self.0[card % CARDS];
            let stamp = card.load(Ordering::Relaxed);
            let matters = matters(stamp, cycle);
            if !matters && stamp != NEVER {
                // By an exchange: a mutator may be stamping it.
                let _ = card.compare_exchange(stamp, NEVER, Ordering::Relaxed, Ordering::Relaxed);
            }
            matters
        };
        (first..=last).filter(is_written).count()
    }

    /// Whether minor cycle `cycle` must look at something in `[from, to)`.
    pub(crate) fn is_written(&self, from: usize, to: usize, cycle: u8) -> bool {
        self.written(from, to, cycle) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: usize = 0x7f00_0000_0000;

    #[test]
    fn what_is_written_matters_to_the_next_cycle() {
        for cycle in [0, 1, CYCLES - 3, CYCLES - 2, CYCLES - 1] {
            let cards = Cards::new();
            let is_written = |lag| {
                let now = (cycle + lag) % CYCLES;
                cards.is_written(CARD, CARD + BYTES, now)
            };
            assert!(!is_written(0));
            cards.stamp(CARD + BYTES - 1, stamp_of(cycle) | BARRIER);
            assert!(is_written(0) && is_written(1));
            assert!(!is_written(2));
            assert!(!is_written(0), "not when numbers have come round either");
        }
    }

    #[test]
    fn an_object_is_written_where_any_of_its_cards_is() {
        let cards = Cards::new();
        cards.stamp(CARD + BYTES, stamp_of(1));
        assert!(!cards.is_written(CARD, CARD + BYTES, 1));
        assert!(cards.is_written(CARD, CARD + BYTES + 1, 1));
        assert_eq!(cards.written(CARD, CARD + 4 * BYTES, 1), 1);
        assert!(!cards.is_written(CARD + 2 * BYTES, CARD + 4 * BYTES, 1));
    }
}
