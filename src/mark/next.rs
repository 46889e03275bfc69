//! What a marker scans next: from edges to objects that are marked.

use crate::heap::span::{Epoch, Found, LAST_EPOCH, info_at, mark_of, scan_info};
use crate::heap::type_info::ScanFn;
use crate::mark::marker::Marker;
use crate::sync::atomic::Ordering;
use crate::sync::hooks;
use crate::sync::twin::{self, Twin};

/// An object that had a colour of new ones, of this cycle or the last, has been marked: whether it is to be scanned in this cycle, see `marker`.
///
/// # Safety
/// As [`info_at`], for `object`.
#[cold]
pub(super) unsafe fn is_scanned_when_new(
    object: usize,
    before: Epoch,
    found: Found,
    written: &mut Vec<usize>,
) -> bool {
    let (fresh, early) = (before == found.fresh, before == found.early);
    // SAFETY: the caller's contract says what `info_at` asks of `object` (I12).
    let mutable = (fresh || early) && unsafe { info_at(object) }.is_mutable();
    if mutable && (fresh || !twin::is(Twin::EarlyNotStamped)) {
        written.push(object);
    }
    !fresh || (!mutable && !twin::is(Twin::FreshNotScanned))
}

impl Marker {
    /// The next object that is marked and to be scanned. `None` if there is no edge, or of many none led to one. `size` may be that of
    /// its slot: a guess.
    ///
    /// # Safety
    /// As [`Marker::drain`].
    #[inline(always)]
    pub(super) unsafe fn next_object(&mut self, size: usize) -> Option<usize> {
        if self.batch.is_used() {
            if self.batch.is_empty() {
                // SAFETY: the caller's contract.
                unsafe { self.fill(size) };
            }
            return self.batch.pop();
        }
        loop {
            let object = self.fifo.pop(&mut self.tracer.edges)?;
            hooks::reached(object);
            // SAFETY: an edge is an object that lives, by the caller's contract: it has its slot (I1), in a mapped chunk (I12).
            let mark = unsafe { mark_of(object) };
            // Relaxed, and no read-modify-write: see the module header of `span`.
            let before = mark.load(Ordering::Relaxed);
            if twin::is(Twin::FreshPassedOver) && before == self.found.fresh {
                continue;
            }
            if before == self.found.epoch {
                self.batch.count_repeat();
                continue;
            }
            mark.store(self.found.epoch, Ordering::Relaxed);
            let written = &mut self.written;
            // SAFETY: the closure gets the edge from above: it lives, has its slot (I1), in a mapped chunk (I12).
            let mut scanned =
                |object| unsafe { is_scanned_when_new(object, before, self.found, written) };
            if before <= LAST_EPOCH || scanned(object) {
                return Some(object);
            }
        }
    }

    /// The next object that has pointers, with its loop and the size of its slot; those without are counted. `None` as by
    /// [`next_object`](Self::next_object), or if `limit` objects have been.
    ///
    /// # Safety
    /// As [`Marker::drain`].
    #[inline(always)]
    pub(super) unsafe fn next_to_scan(
        &mut self,
        size: usize,
        limit: u64,
    ) -> Option<(usize, ScanFn, usize)> {
        loop {
            // SAFETY: the caller's contract.
            let next = unsafe { self.next_object(size) }?;
            // SAFETY: `next` was an edge, so it lives: it has its slot (I1), in a mapped chunk (I12).
            let (scan, slot_size) = unsafe { scan_info(next) };
            if let Some(scan) = scan {
                return Some((next, scan, slot_size));
            }
            self.count_plain(slot_size);
            if self.objects >= limit {
                return None;
            }
        }
    }

    /// An object without pointers has been marked.
    #[inline(always)]
    pub(super) fn count_plain(&mut self, slot_size: usize) {
        self.batch.count_plain();
        self.objects += 1;
        self.bytes += slot_size as u64;
    }
}
