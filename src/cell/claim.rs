//! The claim: how a marker and a mutator stay apart at one cell.
//!
//! A marker that reads a `Vec` while a mutator grows it is undefined behaviour. So every cell but `GcSlot` has a *scan
//! word* that says, for the running cycle, who may touch its contents (I3):
//!
//! | word | state | marker | mutator, Black | mutator, Insertion |
//! |---|---|---|---|---|
//! | `2c` | *scanned* in cycle `c` | skips | writes | writes; shades the new contents after |
//! | `2c+1` | *busy* in cycle `c` | Black: skips, the owner traces; Insertion: sets the object aside | waits for the marker | waits for the marker |
//! | other | *unscanned* | busy, trace, scanned | busy, trace old contents, scanned, write | busy, write, unscanned |
//!
//! `c` is the cycle's *scan id*: a number of its own for each cycle, and another when Hybrid arms again.
//! The words of earlier ones mean *unscanned*: nothing is reset between cycles, and a word left busy by a leaked guard
//! or a panic loses its meaning with its cycle.
//!
//! **Why nothing is lost.** The transition to busy is a compare-exchange, so a cell has one owner at a time. Once it is
//! scanned no marker reads it in this cycle: plain Rust code may own the contents, however long the guard lives and
//! even if it leaks, until the next cycle's markers start, which is after the mutator's next boundary, where no guard
//! lives. What the contents were when the cell became scanned has been traced (a snapshot at the cell), which is the
//! deletion barrier for everything the mutator overwrites later. No marker comes to what is in a scanned cell, other cells included, whether
//! these are scanned or not (new ones, or after `get_mut`): all of it has been traced, or came from a Black stack, or was shaded by who put it there.
//! Under Insertion nothing old is kept; a cell that is
//! written before a marker came stays unscanned for the marker, and one written after shades what it now holds. A marker that
//! meets a busy cell inside the contents of another leaves the outer one unscanned too: it comes back by way of it.
//!
//! **A cell that moves** takes its word along: out of a cell that its writer has, by the stack, into another cell that is written, or into an
//! object in the making. *Scanned* speaks of the contents and stays true wherever they are. Under Deletion and Hybrid, from T2 on, the
//! write access by which a cell comes out has traced it, and nobody need look into a new one: what is put there is protected otherwise. Under
//! Insertion *unscanned* asks for a marker: an unscanned cell in the heap is in an object that is white, in the worklist or set aside,
//! or the cell around it is being written. That access, if it is to a scanned cell, ends with a look at the unscanned ones in it; otherwise it
//! leaves all of them to the marker. A `&mut` to the contents makes a cell unscanned ([`ScanWord::reset`]), in the heap only within such an access.
//!
//! **Orderings.** Busy is taken with Acquire: pairs with the Release of the owner before, so that the contents it left
//! are seen. Scanned and unscanned are stored with Release: pairs with that Acquire, and with the Acquire load by which a
//! mutator finds the cell scanned, so that its writes come after the marker's reads.
//!
//! Not here: who shades what (`barrier`), borrow flags and locks (the cells).

use crate::sync::Backoff;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::twin::{self, Twin};

/// See the module header. Even, as scan words hold it. Comes round after 2³¹ cycles; a cell last scanned exactly that
/// long ago would be skipped. (A full cycle scans all that lives, so a cell would have to be garbage, or its object passed over as old, in
/// all of them but the first: at a thousand minor cycles a second, for 25 days without a full one, which is due when the room has been allocated
/// sixteen times.)
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct ScanId(u32);

impl ScanId {
    /// The scan id of a cycle; never 0, which new cells hold.
    pub(crate) fn of_cycle(cycle: u64) -> Self {
        ScanId(((cycle as u32) % (u32::MAX / 2) + 1) << 1)
    }

    /// Of no cycle.
    pub(crate) const NONE: ScanId = ScanId(0);

    const fn busy(self) -> u32 {
        self.0 | 1
    }
}

/// The scan word of a cell. Written by whoever claims the cell, read by markers and the cell's mutators.
#[derive(Debug)]
pub(crate) struct ScanWord(AtomicU32);

/// What a would-be owner found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Claim {
    /// The caller owns the contents until it calls [`ScanWord::scanned`] or [`ScanWord::unscanned`].
    Claimed,
    /// Somebody has scanned the cell in this cycle.
    Scanned,
    /// Somebody else owns the contents now.
    Busy,
}

impl ScanWord {
    /// The word of a new cell.
    pub(crate) const fn new() -> Self {
        ScanWord(AtomicU32::new(0))
    }

    /// Whether the contents have been scanned in this cycle.
    #[inline]
    pub(crate) fn is_scanned(&self, id: ScanId) -> bool {
        self.0.load(Ordering::Acquire) == id.0
    }

    /// Tries to own the contents.
    pub(crate) fn try_claim(&self, id: ScanId) -> Claim {
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            if seen == id.0 {
                return Claim::Scanned;
            }
            if seen == id.busy() {
                return Claim::Busy;
            }
            let claim =
                self.0
                    .compare_exchange_weak(seen, id.busy(), Ordering::Acquire, Ordering::Acquire);
            match claim {
                Ok(_) => return Claim::Claimed,
                Err(now) => seen = now,
            }
        }
    }

    /// Owns the contents, after whoever has them now; `false` if they have been scanned. For mutators, who are alone with
    /// the markers at a cell (it is theirs, or they hold its lock), so the wait is for the scan of one cell.
    #[must_use]
    pub(crate) fn claim(&self, id: ScanId) -> bool {
        let mut backoff = Backoff::default();
        loop {
            match self.try_claim(id) {
                Claim::Claimed => return true,
                Claim::Scanned => return false,
                Claim::Busy if twin::is(Twin::WriterDoesNotWait) => return false,
                Claim::Busy => backoff.wait(),
            }
        }
    }

    /// The owner has traced the contents.
    pub(crate) fn scanned(&self, id: ScanId) {
        self.0.store(id.0, Ordering::Release);
    }

    /// Forgets what is known of the contents, which the caller has to itself and is about to change without a barrier.
    pub(crate) fn reset(&mut self) {
        self.0 = AtomicU32::new(0);
    }

    /// The owner leaves the contents to the next marker.
    pub(crate) fn unscanned(&self) {
        self.0.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_says_something_in_its_own_cycle_only() {
        let [first, second, third] = [1, 2, 3].map(ScanId::of_cycle);
        let mut word = ScanWord::new();
        assert_eq!(word.try_claim(first), Claim::Claimed);
        assert_eq!(word.try_claim(first), Claim::Busy);
        assert_eq!(word.try_claim(second), Claim::Claimed, "left busy");
        word.scanned(second);
        assert!(word.is_scanned(second) && !word.is_scanned(third));
        assert_eq!(word.try_claim(second), Claim::Scanned);
        assert!(!word.claim(second) && word.claim(third), "scanned before");
        assert!(!word.is_scanned(third));
        word.unscanned();
        assert_eq!(word.try_claim(third), Claim::Claimed, "given back");
        word.scanned(third);
        word.reset();
        assert_eq!(word.try_claim(third), Claim::Claimed, "forgotten");
    }

    #[test]
    fn no_cycle_has_the_id_of_its_neighbours_or_of_a_new_cell() {
        let half = u64::from(u32::MAX / 2);
        let cycles = (0..3)
            .chain(half - 2..half + 3)
            .chain(2 * half - 2..2 * half + 5);
        for cycle in cycles {
            let (id, next) = (ScanId::of_cycle(cycle), ScanId::of_cycle(cycle + 1));
            assert!(id.0 != 0 && id.0.is_multiple_of(2), "cycle {cycle}");
            assert!(id != next && id.busy() != next.busy(), "cycle {cycle}");
        }
    }
}
