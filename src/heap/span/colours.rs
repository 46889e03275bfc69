//! Marks of many slots at once, which the owner of a span writes.

use super::{Epoch, NEVER_MADE, Span};
use crate::heap::layout::{GRANULE, mark_address};
use crate::sync::atomic::Ordering;
use crate::sync::plain::AtomicU8;
use crate::sync::twin::{self, Twin};

impl Span {
    /// Gives the unused slots `[from, to)` of a run of the caller's the colour of fresh objects.
    pub(crate) fn blacken(self, from: usize, to: usize, fresh: Epoch) {
        self.set_fresh(!twin::is(Twin::FreshNotTold));
        self.colour(from, to, fresh);
    }

    /// Writes `mark` on every granule of `[from, to)`, slots of this span that the caller owns.
    pub(crate) fn colour(self, from: usize, to: usize, mark: Epoch) {
        // A large span has one object, whose other granules have no marks of their own (they may lie outside the
        // chunk of the mark table).
        let granules = if self.get().large.get() {
            1
        } else {
            (to - from) / GRANULE
        };
        let first = core::ptr::with_exposed_provenance_mut::<u8>(mark_address(from));
        // SAFETY: marks of slots of this span, in the table of its mapped chunk (I12). The slots are free, in a run, or hold nothing that
        // lives, and the span is the caller's (I7): nobody else reads or writes their marks.
        unsafe { first.write_bytes(mark, granules) };
    }

    /// Zeroes the mark byte of every granule that is the colour of another cycle than that of `epoch`. For a sweeper.
    pub(crate) fn keep_marks(self, epoch: Epoch) {
        let granules = if self.is_large() {
            1
        } else {
            self.slots() * self.slot_size() / GRANULE
        };
        let first = mark_address(self.base());
        if self.info().drop.is_some() {
            for granule in 0..granules {
                let raw = core::ptr::with_exposed_provenance::<AtomicU8>(first + granule);
                // SAFETY: the mark of a granule of this span, mapped (I12) and initialised (I14); others touch it as an atomic only (I6).
                let mark = unsafe { &*raw };
                let m = mark.load(Ordering::Relaxed);
                // ZOMBIE and NEVER_MADE do not come round. By an exchange: whoever gives up a slot in which no object was made may
                // be saying so now.
                if m != epoch && m != 0 && m < NEVER_MADE {
                    let _ = mark.compare_exchange(m, 0, Ordering::Relaxed, Ordering::Relaxed);
                }
            }
            return;
        }
        let raw = core::ptr::with_exposed_provenance_mut::<u8>(first);
        // SAFETY: the marks of this span, in the table of its mapped chunk (I12), initialised (I14). The span is the sweeper's (I7), and
        // without drop glue nobody else touches its marks now (I6).
        let bytes = unsafe { core::slice::from_raw_parts_mut(raw, granules) };
        for mark in bytes {
            *mark = if *mark == epoch { epoch } else { 0 };
        }
    }
}
