//! The queue between a marker's stack and its loop: what is in it is on its way from memory.
//!
//! An edge that enters has the line of its mark byte prefetched, and the first of its object. When it leaves, up to [`DEPTH`] edges later,
//! both have arrived. Edges, not nodes, are queued, before a stack: see `marker`; and for edges that have only their marks prefetched, `batch`.
//!
//! **Chains.** Of a list there is never more than one edge. It is followed at once: through the queue a list of four million, in allocation
//! order, took 22 ms to mark, and takes 16. (To guess the next object by the distance of the last two gains nothing on top of that.)

use crate::heap::layout::mark_address;
use crate::heap::prefetch;

/// Edges between prefetch and use; a power of two.
const DEPTH: usize = 32;

/// See the module header.
pub(super) struct Fifo {
    /// `queued` edges from `first` on.
    ring: [usize; DEPTH],
    first: usize,
    queued: usize,
}

impl Fifo {
    pub(super) const fn new() -> Fifo {
        Fifo {
            ring: [0; DEPTH],
            first: 0,
            queued: 0,
        }
    }

    /// The next edge to follow: the oldest, when there is no more room or nothing in `stack`.
    #[inline(always)]
    pub(super) fn pop(&mut self, stack: &mut Vec<usize>) -> Option<usize> {
        while self.queued < DEPTH {
            let Some(edge) = stack.pop() else {
                return self.oldest();
            };
            if self.queued == 0 && stack.is_empty() {
                return Some(edge);
            }
            prefetch::to_read(edge);
            self.enter(edge);
        }
        let Some(edge) = stack.pop() else {
            return self.oldest();
        };
        prefetch::to_read(edge);
        Some(self.replace_oldest(edge))
    }

    /// The same, of edges whose objects will not be wanted: only their marks.
    #[inline(always)]
    pub(super) fn pop_for_mark(&mut self, stack: &mut Vec<usize>) -> Option<usize> {
        while self.queued < DEPTH {
            let Some(edge) = stack.pop() else {
                return self.oldest();
            };
            self.enter(edge);
        }
        let Some(edge) = stack.pop() else {
            return self.oldest();
        };
        Some(self.replace_oldest(edge))
    }

    #[inline(always)]
    fn oldest(&mut self) -> Option<usize> {
        self.queued = self.queued.checked_sub(1)?;
        let oldest = self.ring[self.first % DEPTH];
        self.first = self.first.wrapping_add(1);
        Some(oldest)
    }

    #[inline(always)]
    fn replace_oldest(&mut self, edge: usize) -> usize {
        prefetch::to_read(mark_address(edge));
        let oldest = core::mem::replace(&mut self.ring[self.first % DEPTH], edge);
        self.first = self.first.wrapping_add(1);
        oldest
    }

    #[inline(always)]
    fn enter(&mut self, edge: usize) {
        prefetch::to_read(mark_address(edge));
        self.ring[self.first.wrapping_add(self.queued) % DEPTH] = edge;
        self.queued += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queued == 0
    }

    pub(super) fn clear(&mut self) {
        self.queued = 0;
    }

    /// Moves all edges to `stack`.
    pub(super) fn give_up(&mut self, stack: &mut Vec<usize>) {
        let edges = (0..self.queued).map(|index| self.ring[self.first.wrapping_add(index) % DEPTH]);
        stack.extend(edges);
        self.queued = 0;
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::layout::GRANULE;

    const OBJECT: usize = 1 << 40;

    fn edges(count: usize) -> Vec<usize> {
        (1..=count).map(|n| OBJECT + n * GRANULE).collect()
    }

    #[test]
    fn each_edge_comes_out_once() {
        for count in [1, 2, DEPTH - 1, DEPTH, DEPTH + 1, 5 * DEPTH] {
            for pop in [Fifo::pop, Fifo::pop_for_mark] {
                let (mut fifo, mut stack) = (Fifo::new(), edges(count));
                let pops = core::iter::from_fn(|| pop(&mut fifo, &mut stack));
                let mut out: Vec<usize> = pops.collect();
                assert!(fifo.is_empty() && stack.is_empty());
                out.sort_unstable();
                assert_eq!(out, edges(count));
            }
        }
    }

    #[test]
    fn what_is_given_up_is_all_that_has_not_come_out() {
        let (mut fifo, mut stack) = (Fifo::new(), edges(3 * DEPTH));
        let out = fifo.pop(&mut stack).unwrap();
        fifo.give_up(&mut stack);
        stack.push(out);
        stack.sort_unstable();
        assert_eq!(stack, edges(3 * DEPTH));
        assert!(fifo.is_empty() && fifo.pop(&mut Vec::new()).is_none());
    }

    #[test]
    fn a_chain_does_not_wait() {
        let mut fifo = Fifo::new();
        for edge in edges(3 * DEPTH) {
            assert_eq!(fifo.pop(&mut vec![edge]), Some(edge));
            assert!(fifo.is_empty());
        }
    }
}
