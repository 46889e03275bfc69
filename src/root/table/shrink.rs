//! A table that has become too large gives segments back.
//!
//! A segment all of whose slots are free is in nobody's hand: a dropped root's last access was the exchange that made its slot free
//! (see the table's header), and a slot is taken under the lock only, which is held here. Who reads the directory without the lock,
//! the cycle, is the caller. So such a segment may be freed at once.
//!
//! The pool's slots are made free first, or a segment of which it has one would stay. What is kept beyond the segments in use goes to
//! the pool instead: the next roots would look for it one segment at a time, and the table would grow meanwhile.
//!
//! Who needs slots meanwhile waits, some hundred nanoseconds for each segment that is free.

use core::ptr::NonNull;

use super::{COUNT, FREE, RootTable, SLOTS, Segment, ZOMBIE, slot_of, take_from};
use crate::sync::atomic::Ordering;
use crate::sync::twin::{self, Twin};

/// Segments without roots that are not worth a look.
const SPARE: usize = 16;

impl RootTable {
    /// Frees segments if many are empty. For the driver, as arming is. O(slots).
    pub(super) fn shrink_if_sparse(&self) {
        let (all, empty) = self.with_segments(|all| {
            let empty = all.iter().filter(|segment| !has_roots(**segment)).count();
            (all.len(), empty)
        });
        let used = all - empty;
        if empty > used + SPARE {
            self.shrink(used / 4 + SPARE / 4);
        }
    }

    /// Frees the segments whose slots are all free, but for so many.
    pub(crate) fn shrink(&self, keep: usize) {
        let mut growth = self.lock.lock();
        let mut pool = core::mem::take(&mut growth.pool);
        self.give_back(&mut pool);
        let (mut kept, mut freed, mut dropped) = (0, Vec::new(), false);
        self.directory.replace(|all| {
            let stays = |segment: &NonNull<Segment>| {
                if !is_free(*segment) {
                    return true;
                }
                kept += 1;
                if kept > keep {
                    // SAFETY: the table has it, until it is freed below (I15). From a box: aligned, initialised.
                    dropped |= unsafe { segment.as_ref() }
                        .head
                        .dropped
                        .load(Ordering::Relaxed);
                    freed.push(*segment);
                    return false;
                }
                take_from(*segment, &mut growth.pool);
                true
            };
            all.iter().copied().filter(stays).collect()
        });
        growth.dropped |= dropped;
        // The next search begins with the first.
        growth.cursor = usize::MAX;
        drop(growth);
        for segment in freed {
            // SAFETY: all its slots are free, so no handle needs it, and it is not in the directory, so nobody can find it (I15). It was
            // leaked from a box when the table grew.
            let segment = unsafe { Box::from_raw(segment.as_ptr()) };
            segment.head.lives.write();
        }
    }
}

/// A guess: roots come and go.
fn has_roots(segment: NonNull<Segment>) -> bool {
    let state = |index| slot_of(segment, index).get().state.load(Ordering::Relaxed);
    (0..SLOTS).any(|index| state(index) & (COUNT | ZOMBIE) != 0)
}

/// Whether no slot is in anybody's hand. Under the lock.
fn is_free(segment: NonNull<Segment>) -> bool {
    (0..SLOTS).all(|index| {
        // Acquire: pairs with the Release of who dropped the root or gave the slot back.
        let state = slot_of(segment, index).get().state.load(Ordering::Acquire);
        state == FREE || twin::is(Twin::ShrinksTaken) && state & (COUNT | ZOMBIE) == 0
    })
}
