//! The mark loop.
//!
//! An edge goes: stack → FIFO → followed. When it enters the FIFO its mark byte and its object are prefetched; when
//! it leaves, [`DEPTH`] edges later, both have arrived, the mark is tested and set, and the object's `trace` pushes its
//! edges on the stack. A short FIFO before a stack keeps the order depth-first, which is allocation order for most data,
//! and hides the cache misses of the rest (Cher, Hosking and Vijaykumar, ASPLOS 2004; edges, not nodes, are queued:
//! Garner, Blackburn and Frampton, ISMM 2007).
//!
//! An object may be marked twice by two markers that meet there at once: both trace it, its cells are claimed by one of
//! them, and everything else is read only.

use crate::cell::claim::ScanId;
use crate::heap::layout::mark_address;
use crate::heap::span::{Epoch, mark_of, scan_info};
use crate::mark::tracer::{Meet, Tracer};
use crate::mark::worklist::{BLOCK, Take, Worklist};
use crate::sync::atomic::Ordering;

/// Edges between prefetch and use; a power of two.
const DEPTH: usize = 16;

/// One who marks: a marker thread, or a mutator that assists.
pub(crate) struct Marker {
    pub(crate) tracer: Tracer<'static>,
    epoch: Epoch,
    fifo: [usize; DEPTH],
    next: usize,
    /// Edges in the FIFO.
    queued: usize,
    /// Objects with a cell that somebody is writing (Insertion): to be looked at again.
    pub(crate) deferred: Vec<usize>,
    /// Counted as active in the worklist.
    pub(crate) active: bool,
    /// Objects marked.
    pub(crate) objects: u64,
    /// Bytes of their slots.
    pub(crate) bytes: u64,
}

/// How [`Marker::drain`] ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Drained {
    /// The stack and the FIFO are empty.
    Empty,
    /// The budget is used up.
    Budget,
}

impl Marker {
    pub(crate) fn new(epoch: Epoch, scan_id: ScanId, meet: Meet) -> Self {
        let mut tracer = Tracer::new();
        tracer.scan_id = scan_id;
        tracer.meet = meet;
        Marker {
            tracer,
            epoch,
            fifo: [0; DEPTH],
            next: 0,
            queued: 0,
            deferred: Vec::new(),
            active: false,
            objects: 0,
            bytes: 0,
        }
    }

    /// The next edge to follow: takes one from the FIFO and refills it from the stack.
    #[inline(always)]
    fn pop(&mut self) -> Option<usize> {
        loop {
            let slot = &mut self.fifo[self.next % DEPTH];
            let out = core::mem::take(slot);
            match self.tracer.edges.pop() {
                Some(edge) => {
                    prefetch(edge);
                    prefetch(mark_address(edge));
                    *slot = edge;
                    self.queued += usize::from(out == 0);
                }
                None if self.queued == 0 => return None,
                None => self.queued -= usize::from(out != 0),
            }
            self.next = self.next.wrapping_add(1);
            if out != 0 {
                return Some(out);
            }
        }
    }

    /// Follows edges until there are none or `budget` bytes have been marked.
    ///
    /// # Safety
    /// Every edge given to this marker is the address of a live object of a heap whose cycle has this marker's epoch
    /// and is marking (I3).
    pub(crate) unsafe fn drain(&mut self, budget: u64, worklist: Option<&Worklist>) -> Drained {
        let stop_at = self.bytes.saturating_add(budget);
        while let Some(object) = self.pop() {
            // SAFETY: edges are live objects, by the caller's contract.
            let mark = unsafe { mark_of(object) };
            // Relaxed, and no read-modify-write: see the module header of `span`.
            if mark.load(Ordering::Relaxed) == self.epoch {
                continue;
            }
            mark.store(self.epoch, Ordering::Relaxed);
            // SAFETY: as above.
            unsafe { self.scan(object) };
            if self.bytes >= stop_at {
                return Drained::Budget;
            }
            if let Some(worklist) = worklist
                && worklist.wants_work()
            {
                self.share(worklist);
            }
        }
        Drained::Empty
    }

    /// Gives the older half of the stack away: the edges nearest to the roots, which tend to lead to the most.
    #[cold]
    #[inline(never)]
    fn share(&mut self, worklist: &Worklist) {
        let half = (self.tracer.edges.len() / 2).min(BLOCK);
        if half > 0 {
            let mut older: Vec<usize> = self.tracer.edges.drain(..half).collect();
            worklist.push(&mut older);
        }
    }

    /// Traces one marked object.
    ///
    /// # Safety
    /// As [`Marker::drain`], for `object`.
    #[inline(always)]
    unsafe fn scan(&mut self, object: usize) {
        // SAFETY: the caller's contract.
        let (trace, slot_size) = unsafe { scan_info(object) };
        self.objects += 1;
        self.bytes += slot_size as u64;
        if let Some(trace) = trace {
            let pointer = core::ptr::with_exposed_provenance(object);
            // SAFETY: `trace` is the function of the type of the objects in this span, `object` is one of them, alive
            // and initialised; its cells are claimed by the tracer (I3) and nothing else of it changes.
            unsafe { trace(pointer, slot_size, &mut self.tracer) };
            if self.tracer.deferred {
                self.tracer.deferred = false;
                self.deferred.push(object);
            }
        }
    }

    /// Looks again at the objects that were set aside; their edges go on the stack.
    ///
    /// # Safety
    /// As [`Marker::drain`]; with [`Meet::Force`], no mutator may be inside.
    pub(crate) unsafe fn retry_deferred(&mut self, deferred: Vec<usize>) {
        let (objects, bytes) = (self.objects, self.bytes);
        for object in deferred {
            // SAFETY: the caller's contract.
            unsafe { self.scan(object) };
        }
        (self.objects, self.bytes) = (objects, bytes);
    }

    /// Moves all edges out, for somebody else to follow.
    pub(crate) fn give_up(&mut self, worklist: &Worklist) {
        for edge in &mut self.fifo {
            if *edge != 0 {
                self.tracer.edges.push(core::mem::take(edge));
            }
        }
        self.queued = 0;
        worklist.push(&mut self.tracer.edges);
    }

    /// Takes another block from the worklist, being active.
    pub(crate) fn refill(&mut self, worklist: &Worklist) -> bool {
        let Take::Block(block) = worklist.take(true) else {
            return false;
        };
        let spent = core::mem::replace(&mut self.tracer.edges, block);
        if spent.capacity() > 0 {
            worklist.recycle(spent);
        }
        true
    }
}

/// Starts loading the line of an address.
#[inline(always)]
fn prefetch(address: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch does not access memory in the language's sense and cannot fault.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::without_provenance(address)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
