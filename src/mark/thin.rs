//! What leads nowhere goes from a stack that has grown long.
//!
//! A marker pushes every edge, without a look at its mark, which would be a cache miss each: so an object waits on the stack once for each
//! edge to it that was met before it was marked, and most of a long stack leads to what has been marked since (lists with links back, trees
//! with parents, hash tables with a list through them: half a million objects of 48 bytes, four megabytes of stack). When the stack has
//! doubled, it is gone through, and what is marked goes, as it would from the queue later: that costs about as much as to follow it. If a look at some
//! edges says that it is little, as of a table's, the stack may double once more.

use core::ops::Range;

use super::marker::{EDGE, Marker};
use crate::heap::layout::mark_address;
use crate::heap::prefetch;
use crate::heap::span::mark_of;
use crate::sync::atomic::Ordering;
use crate::sync::hooks;
use crate::sync::twin::{self, Twin};

/// Edges up to which a stack is left alone: 256 KiB.
pub(super) const LONG: usize = if cfg!(any(debug_assertions, tricolor_loom)) {
    1
} else {
    32 << 10
};

/// Edges that are looked at first, and the part of them that must lead to what is marked.
const SOME: usize = 128;
const PART: usize = 4;

/// Edges between the prefetch of a mark and the look at it.
const AHEAD: usize = 16;

impl Marker {
    /// Takes the edges to marked objects from the stack, if that has doubled since the last time.
    ///
    /// # Safety
    /// As [`Marker::drain`].
    #[inline(always)]
    pub(super) unsafe fn thin_out_if_long(&mut self) {
        if self.tracer.edges.len() > self.long {
            // SAFETY: the caller's contract, for both.
            if unsafe { self.is_worth_it() } {
                // SAFETY: as above.
                unsafe { self.thin_out() };
            }
            self.long = LONG.max(2 * self.tracer.edges.len());
        }
    }

    /// Whether a part of some edges lead to what is marked.
    ///
    /// # Safety
    /// As [`Marker::drain`].
    #[cold]
    unsafe fn is_worth_it(&self) -> bool {
        let edges = &self.tracer.edges;
        let some = edges.iter().step_by(edges.len().div_ceil(SOME));
        let marked = some.clone().filter(|&&object| {
            // SAFETY: an edge is an object that lives, by the caller's contract: it has its slot (I1), in a mapped chunk (I12).
            unsafe { mark_of(object) }.load(Ordering::Relaxed) == self.found.epoch
        });
        marked.count() * PART >= some.len()
    }

    /// # Safety
    /// As [`Marker::drain`].
    #[cold]
    #[inline(never)]
    unsafe fn thin_out(&mut self) {
        self.count_followed();
        let bottom = 0..self.uncounted;
        // SAFETY: the caller's contract.
        let kept_of_block = unsafe { self.thin_out_part(bottom.clone(), 0) };
        // SAFETY: as above.
        let kept =
            unsafe { self.thin_out_part(bottom.end..self.tracer.edges.len(), kept_of_block) };
        self.tracer.edges.truncate(kept);
        self.edge_bytes += ((bottom.len() - kept_of_block) * EDGE) as u64;
        self.uncounted = kept_of_block;
    }

    /// Moves those of `part` that stay to the first `kept` edges; how many there are then.
    ///
    /// # Safety
    /// As [`Marker::drain`].
    unsafe fn thin_out_part(&mut self, part: Range<usize>, mut kept: usize) -> usize {
        let edges = &mut self.tracer.edges;
        for index in part {
            if let Some(&later) = edges.get(index + AHEAD) {
                prefetch::to_read(mark_address(later));
            }
            let object = edges[index];
            hooks::reached(object);
            // SAFETY: an edge is an object that lives, by the caller's contract: it has its slot (I1), in a mapped chunk (I12).
            let mark = unsafe { mark_of(object) }.load(Ordering::Relaxed);
            // As in `next_object`: whoever has marked it scans it, and what is fresh has not been.
            let leads_nowhere = mark == self.found.epoch
                || (twin::is(Twin::FreshPassedOver) && mark == self.found.fresh);
            edges[kept] = object;
            kept += usize::from(!leads_nowhere);
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::span::next_epoch;
    use crate::mark::tracer::Meet;
    use crate::{Gc, Heap, Mutation};

    /// Objects of a heap without a cycle in progress, with their marks set.
    fn marked<const N: usize>(mc: &Mutation<'_>, marks: [u8; N]) -> [usize; N] {
        marks.map(|mark| {
            let object = Gc::as_ptr(Gc::new(mc, [0_u64; 4])).addr();
            // SAFETY: it has just been allocated, in a chunk that is mapped while its heap lives.
            unsafe { mark_of(object) }.store(mark, Ordering::Relaxed);
            object
        })
    }

    #[test]
    fn what_is_marked_goes_and_what_is_new_or_fresh_stays() {
        let heap = Heap::builder().marker_threads(0).build().unwrap();
        heap.attach().enter(|mc| {
            let core = mc.state().core();
            let mut marker = core.new_marker(Meet::Claim);
            let (old, fresh) = (marker.found.epoch, marker.found.fresh);
            let new = next_epoch(old);
            let edges = marked(mc, [old, new, old, fresh, 0, old, new]);
            // The lowest three came in a block.
            assert!(marker.begin_block(edges.to_vec()).is_empty());
            marker.uncounted = 3;
            marker.long = edges.len();
            // SAFETY: the edges are objects of this heap, which live, and nobody else is at work.
            unsafe { marker.thin_out_if_long() };
            assert_eq!(marker.tracer.edges, edges, "not longer than that");
            marker.long -= 1;
            // SAFETY: as above.
            unsafe { marker.thin_out_if_long() };
            assert_eq!(marker.tracer.edges, [1, 3, 4, 6].map(|index| edges[index]));
            assert_eq!((marker.uncounted, marker.edge_bytes), (1, 2 * EDGE as u64));
            assert_eq!(marker.long, LONG.max(8));
            marker.forget();
        });
    }
}
