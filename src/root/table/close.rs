//! The end of a heap: its handles become inert.
//!
//! `close` sets the dead bit of every slot and counts in `orphans` those that still have handles.
//! A handle dropped later sees the bit in its own exchange and counts down; the last frees the segment. One dropped before is not
//! counted, and the exchange was its last access.

use super::{COUNT, DEAD, RootTable, Segment};
use crate::sync::Snapshot;
use crate::sync::atomic::Ordering;

impl RootTable {
    /// The heap goes: handles become inert.
    pub(crate) fn close(&mut self) {
        let directory = core::mem::replace(&mut self.directory, Snapshot::new(Vec::new()));
        for raw in directory.read(Clone::clone) {
            // SAFETY: there until `release_orphan` frees it, below or for the last handle (I15): `orphans` counts this call until then.
            // From a box: aligned, initialised.
            let segment = unsafe { raw.as_ref() };
            let orphans = &segment.head.orphans;
            // Relaxed: a handle counts down when it has acquired its slot's dead bit, which is set after the slot was counted; and the one
            // that is stored here keeps others from the zero.
            orphans.store(1, Ordering::Relaxed);
            for slot in &segment.slots {
                orphans.fetch_add(1, Ordering::Relaxed);
                slot.counted.write();
                // AcqRel: pairs with `release_last`.
                let before = slot.state.fetch_or(DEAD, Ordering::AcqRel);
                if before & COUNT == 0 {
                    orphans.fetch_sub(1, Ordering::Relaxed);
                }
            }
            // SAFETY: the table has given the segment up, and this call, which `orphans` counts, needs it no more (I15).
            unsafe { release_orphan(raw.as_ptr()) };
        }
    }
}

/// A handle of a closed segment is gone; the last takes the segment with it. (A pointer: a reference could not free it.)
///
/// # Safety
/// `segment` is a closed segment, in whose `orphans` the caller is counted; the caller does not use it any more.
#[cold]
pub(super) unsafe fn release_orphan(segment: *mut Segment) {
    // SAFETY: there until all that `orphans` counts are gone, the caller among them (I15).
    let orphans = unsafe { &(*segment).head.orphans };
    // AcqRel: pairs with itself: all uses of the segment come before it is freed.
    if orphans.fetch_sub(1, Ordering::AcqRel) == 1 {
        // SAFETY: leaked from a box when the table grew. The table has given it up, and this was the last handle to it (I15).
        let segment = unsafe { Box::from_raw(segment) };
        segment.head.lives.write();
    }
}
