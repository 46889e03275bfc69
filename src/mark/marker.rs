//! The mark loop.
//!
//! An edge goes: stack → FIFO → followed. When it enters the FIFO its mark byte and its object are prefetched; when
//! it leaves, some edges later, both have arrived, the mark is tested and set, and the object's `trace` pushes its
//! edges on the stack (`fifo`, `next`). Where most edges lead to nothing that is to be scanned, only marks are fetched, and objects are
//! marked some at a time before they are scanned (`batch`). A short FIFO before a stack keeps the order depth-first, which is allocation order for most data,
//! and hides the cache misses of the rest (Cher, Hosking and Vijaykumar, ASPLOS 2004; edges, not nodes, are queued:
//! Garner, Blackburn and Frampton, ISMM 2007).
//!
//! The loop is compiled once for each type ([`Marker::scan_as`]), with its `trace` inlined, and stays in it while the objects
//! that come are of the type: a heap of few types is marked without indirect calls.
//!
//! A slice of more than [`PIECE`] bytes is scanned in pieces, the next one when all that the last one led to is marked: the
//! stack stays short however long the slice is, budgets hold, and another marker can take half of what is left
//! (Go's oblets).
//!
//! A *fresh* object, one that was allocated black, lives through the cycle anyway. One to which an edge leads becomes old as others do, and
//! is scanned if it is immutable, for then nobody will look at its contents again, and they must not stay young (see `cycle::minor`). They are
//! older than it is, so a program that makes a list cannot lead a marker on. A mutable one is scanned in the next cycle. An *early* one
//! (`cycle::command`) is scanned as a white one is, and if it is mutable in the next cycle as well.
//!
//! An object may be marked twice by two markers that meet there at once: both trace it, its cells are claimed by one of
//! them, and everything else is read only.

use crate::cell::claim::ScanId;
use crate::heap::layout::GRANULE;
use crate::heap::span::{Found, scan_info};
use crate::heap::type_info::ScanFn;
use crate::mark::aside::SetAside;
use crate::mark::batch::Batch;
use crate::mark::fifo::Fifo;
use crate::mark::rest::{PIECE, PieceFn, Rest};
use crate::mark::thin::LONG;
use crate::mark::tracer::{Meet, Tracer};
use crate::mark::worklist::{BLOCK, Block, Take, Worklist};
use crate::sync::twin::{self, Twin};

/// Objects of one type scanned before the marker looks whether it should share or stop, unless they are larger than
/// [`LARGE`].
const RUN: usize = 64;
pub(crate) const LARGE: usize = if cfg!(tricolor_loom) { 16 } else { 1024 };

/// As much work as the marking of so many bytes: an edge of a block. It may lead to what is marked, and there may be many, of the same
/// objects, or of roots: a mutator that helps is not to follow them all.
pub(super) const EDGE: usize = 32;

/// One who marks: a marker thread, or a mutator that assists.
pub(crate) struct Marker {
    pub(crate) tracer: Tracer<'static>,
    /// The marks of the cycle.
    pub(crate) found: Found,
    pub(super) fifo: Fifo,
    pub(crate) batch: Batch,
    /// Slices that are being scanned.
    pub(crate) rests: Vec<Rest>,
    /// What has a cell that somebody is writing (Insertion): to be looked at again.
    pub(crate) deferred: SetAside,
    /// Counted as active in the worklist.
    pub(crate) active: bool,
    /// Objects marked.
    pub(crate) objects: u64,
    /// Bytes of their slots.
    pub(crate) bytes: u64,
    /// Bytes of the edges of those that had many, in containers that they own, and [`EDGE`] for each that came in a block and has been
    /// followed: work, too, where there is a budget.
    pub(crate) edge_bytes: u64,
    /// Edges of the last block that do not count in it yet.
    pub(super) uncounted: usize,
    /// Edges on the stack from which on it is thinned out.
    pub(super) long: usize,
    /// Mutable objects that have become old and count as written, being fresh or early.
    pub(crate) written: Vec<usize>,
}

/// How [`Marker::drain`] ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Drained {
    /// There is nothing left to scan.
    Empty,
    /// The budget is used up.
    Budget,
}

/// What a marker did.
#[derive(Clone, Copy, Default)]
pub(crate) struct Done {
    /// Bytes of the slots of what it marked.
    pub(crate) bytes: u64,
    /// The same, and the edges of objects that own many: what counts against a budget.
    pub(crate) work: u64,
}

impl Marker {
    pub(crate) fn new(found: Found, scan_id: ScanId, meet: Meet) -> Self {
        let mut tracer = Tracer::new();
        tracer.scan_id = scan_id;
        tracer.meet = meet;
        Marker {
            tracer,
            found,
            fifo: Fifo::new(),
            batch: Batch::new(),
            rests: Vec::new(),
            deferred: SetAside::default(),
            active: false,
            objects: 0,
            bytes: 0,
            edge_bytes: 0,
            uncounted: 0,
            long: LONG,
            written: Vec::new(),
        }
    }

    /// Follows edges until there are none or `budget` bytes have been marked.
    ///
    /// # Safety
    /// - Every edge given to this marker, and the slice of every rest, is the address of an object that lives.
    /// - A rest's function is that of its slice, and its range within the length.
    /// - The heap's cycle has the marker's marks and scan id, and is marking until the marker retires, so that nobody writes what is
    ///   neither claimed nor scanned (I3).
    /// - With [`Meet::Force`] all mutators are held, and no other marker is at work. It is not [`Meet::Look`].
    pub(crate) unsafe fn drain(&mut self, budget: u64, worklist: Option<&Worklist>) -> Drained {
        let stop_at = self.work().saturating_add(budget);
        // Marked, and not yet scanned; 0 if there is none.
        let mut object = 0;
        loop {
            if object == 0 {
                // SAFETY: the caller's contract, and what `trace` has added since was in objects that live, so it lives (I2).
                match unsafe { self.next_object(GRANULE) } {
                    Some(next) => object = next,
                    // SAFETY: it asks what `next_object` does: the caller's contract, and (I2) for what `trace` has added.
                    None if !self.has_no_edges() || unsafe { self.scan_piece() } => {}
                    None => return Drained::Empty,
                }
            }
            if object != 0 {
                let before = self.tracer.edges.len();
                // SAFETY: the caller's contract, and (I2) for what `trace` has added; `object` was such an edge, and has been marked by
                // `next_object`, here or in the scan before.
                object = unsafe { self.scan(object, RUN) };
                let edges = self.tracer.edges.len().saturating_sub(before);
                if edges > BLOCK {
                    self.edge_bytes += (edges * size_of::<usize>()) as u64;
                }
                // SAFETY: the caller's contract, and (I2) for what `trace` has added.
                unsafe { self.thin_out_if_long() };
            }
            self.batch.look(self.objects);
            if self.work() >= stop_at {
                let mut last = (object != 0).then_some(object);
                while let Some(marked) = last.take().or_else(|| self.batch.pop()) {
                    // SAFETY: the caller's contract, and (I2) for what `trace` has added; `marked` was such an edge, and the scan above, or
                    // `fill`, has marked it. One object only: nothing is left over.
                    unsafe { self.scan(marked, 1) };
                }
                return Drained::Budget;
            }
            if let Some(worklist) = worklist
                && worklist.wants_work()
            {
                self.share(worklist);
            }
        }
    }

    fn work(&self) -> u64 {
        self.bytes + self.edge_bytes
    }

    /// What it has done since that was reported.
    pub(crate) fn done(&mut self) -> Done {
        self.count_followed();
        Done {
            bytes: self.bytes,
            work: self.work(),
        }
    }

    /// What it has marked has been counted elsewhere.
    pub(crate) fn counted(&mut self) {
        (self.objects, self.bytes, self.edge_bytes) = (0, 0, 0);
        self.batch.objects_forgotten();
    }

    /// What is left of the block lies at the bottom of the stack. If the marker gives that away, it is another's work.
    pub(super) fn count_followed(&mut self) {
        let left = self.uncounted.min(self.tracer.edges.len());
        self.edge_bytes += ((self.uncounted - left) * EDGE) as u64;
        self.uncounted = left;
    }

    /// Gives the older half of the stack away: the edges nearest to the roots, which tend to lead to the most.
    #[cold]
    #[inline(never)]
    fn share(&mut self, worklist: &Worklist) {
        let half = (self.tracer.edges.len() / 2).min(BLOCK);
        if half > 0 {
            self.count_followed();
            self.uncounted = self.uncounted.saturating_sub(half);
            let mut older: Vec<usize> = self.tracer.edges.drain(..half).collect();
            worklist.push(&mut older);
        } else if let Some(upper) = self.rests.first_mut().and_then(Rest::split) {
            worklist.push_rests(&mut vec![upper]);
        }
    }

    /// The slice at `object`, which has been marked, is to be scanned: in pieces, by `trace`, if it is large.
    /// Whether it is. `len` elements of `size` bytes, in a slot of `slot_size`.
    ///
    /// # Safety
    /// As [`Marker::drain`], for the slice too: it lives, has `len` elements, and `trace` is its function.
    #[inline]
    pub(crate) unsafe fn takes_slice(
        &mut self,
        object: usize,
        len: usize,
        size: usize,
        slot_size: usize,
        trace: PieceFn,
    ) -> bool {
        if slot_size <= PIECE || len == 0 || size == 0 {
            return false;
        }
        self.objects += 1;
        self.bytes += (slot_size - len * size) as u64;
        let elements = 0..len;
        self.rests.push(Rest {
            object,
            elements,
            size,
            trace,
            again: false,
        });
        true
    }

    /// Scans a piece of the slice met last. Whether there was any.
    ///
    /// # Safety
    /// As [`Marker::drain`].
    #[cold]
    #[inline(never)]
    unsafe fn scan_piece(&mut self) -> bool {
        let Some(rest) = self.rests.last_mut() else {
            return false;
        };
        let (object, size, trace, again) = (rest.object, rest.size, rest.trace, rest.again);
        let most = (PIECE / size).max(1);
        let start = rest.elements.start;
        let end = rest.elements.end.min(start + most);
        rest.elements.start = end;
        if rest.elements.is_empty() {
            self.rests.pop();
        }
        // SAFETY: by the caller's contract the slice lives, so it is initialised (I13), `trace` is its type's, the range is within its
        // length, and nobody writes what is neither claimed nor scanned (I3).
        unsafe { trace(object, start..end, &mut self.tracer) };
        if self.tracer.deferred {
            self.tracer.deferred = false;
            self.deferred.rests.push(Rest {
                object,
                elements: start..end,
                size,
                trace,
                again,
            });
        }
        let bytes = if again {
            &mut self.edge_bytes
        } else {
            &mut self.bytes
        };
        *bytes += ((end - start) * size) as u64;
        true
    }

    /// Scans a marked object, and others of its type that come after it, at most `most` in all. Returns a marked object of
    /// another type that is still to be scanned, or 0.
    ///
    /// # Safety
    /// As [`Marker::drain`], for `object` too, which has been marked.
    #[inline(always)]
    unsafe fn scan(&mut self, object: usize, most: usize) -> usize {
        // SAFETY: `object` lives, by the caller's contract: it has its slot (I1), in a mapped chunk (I12).
        let (scan, slot_size) = unsafe { scan_info(object) };
        let Some(scan) = scan else {
            self.count_plain(slot_size);
            return 0;
        };
        let most = if slot_size > LARGE { 1 } else { most };
        // SAFETY: the caller's contract, for the edges, the rests and the marked `object`; the loop is that of its type, and the size that
        // of its slot, for its span says so (I12).
        unsafe { scan(self, object, slot_size, most) }
    }

    /// The mark loop of one type, inlined into its `this`: whatever type the loop meets, `trace` is known to the compiler.
    /// `sized`: all objects of the type have slots of `slot_size` bytes.
    ///
    /// # Safety
    /// As [`Marker::drain`], for `object` too, which has been marked, is of the type whose loop is `this` and whose function is
    /// `trace`, and is in a slot of `slot_size` bytes. `sized` is as said above.
    #[inline(always)]
    pub(crate) unsafe fn scan_as(
        &mut self,
        this: ScanFn,
        trace: impl Fn(*const u8, usize, &mut Tracer<'static>),
        mut object: usize,
        mut slot_size: usize,
        sized: bool,
        most: usize,
    ) -> usize {
        let mut left = most;
        let mut bytes = 0;
        // Counted at once are those without pointers; these when all is done.
        let limit = self.objects + RUN as u64;
        let rest = loop {
            let pointer = core::ptr::with_exposed_provenance(object);
            trace(pointer, slot_size, &mut self.tracer);
            if self.tracer.deferred {
                self.tracer.deferred = false;
                self.deferred.objects.push(object);
            }
            left -= 1;
            if !sized {
                bytes += slot_size;
            }
            if left == 0 {
                break 0;
            }
            // SAFETY: the caller's contract, and what `trace` has just added was in an object that lives, so it lives (I2).
            let Some((next, scan, size)) = (unsafe { self.next_to_scan(slot_size, limit) }) else {
                break 0;
            };
            let same = core::ptr::fn_addr_eq(scan, this);
            if !same || (!sized && size > LARGE) || self.objects >= limit {
                break next;
            }
            object = next;
            if !sized {
                slot_size = size;
            }
        };
        let done = most - left;
        if sized {
            bytes = done * slot_size;
        }
        self.objects += done as u64;
        self.bytes += bytes as u64;
        rest
    }

    /// Looks again at what was set aside; the edges go on the stack.
    ///
    /// # Safety
    /// As [`Marker::drain`], for what is in `deferred` too, which has been marked.
    pub(crate) unsafe fn retry_deferred(&mut self, mut deferred: SetAside) {
        let (objects, bytes) = (self.objects, self.bytes);
        // SAFETY: the caller's contract, for the objects set aside, which have been marked (I5).
        unsafe { self.scan_again(deferred.objects) };
        self.rests.append(&mut deferred.rests);
        // Here and now, as cells may be met in a way that others may not.
        // SAFETY: the caller's contract, for these rests and those of slices just met; what `trace` has added lives (I2).
        while unsafe { self.scan_piece() } {}
        (self.objects, self.bytes) = (objects, bytes);
    }

    /// Scans objects that have been marked and scanned before; the edges go on the stack, and so may slices. The marker has none yet.
    ///
    /// # Safety
    /// As [`Marker::drain`], for `marked` too, which have been marked.
    pub(crate) unsafe fn scan_again(&mut self, marked: Vec<usize>) {
        let (objects, bytes) = (self.objects, self.bytes);
        for object in marked {
            // SAFETY: the caller's contract, for `object`, and (I2) for what `trace` has added. One object only: nothing is left over.
            unsafe { self.scan(object, 1) };
        }
        self.rests.iter_mut().for_each(|rest| rest.again = true);
        // Work, and nothing that is newly marked.
        self.edge_bytes += self.bytes - bytes;
        (self.objects, self.bytes) = (objects, bytes);
    }

    /// Edges that are to be followed, elements that are to be scanned included.
    pub(crate) fn edges(&self) -> usize {
        let elements = self.rests.iter().map(|rest| rest.elements.len());
        self.tracer.edges.len() + elements.sum::<usize>()
    }

    /// Drops all work, of a cycle that is abandoned.
    pub(crate) fn forget(&mut self) {
        self.tracer.edges.clear();
        self.fifo.clear();
        self.batch.clear();
        self.rests.clear();
    }

    /// Whether there is nothing left to scan.
    pub(crate) fn is_empty(&self) -> bool {
        self.has_no_edges() && self.rests.is_empty()
    }

    fn has_no_edges(&self) -> bool {
        self.tracer.edges.is_empty() && self.fifo.is_empty() && self.batch.is_empty()
    }

    /// Moves all work out, for somebody else to follow.
    pub(crate) fn give_up(&mut self, worklist: &Worklist) {
        self.fifo.give_up(&mut self.tracer.edges);
        debug_assert!(self.batch.is_empty(), "`drain` has emptied it");
        worklist.push(&mut self.tracer.edges);
        if !twin::is(Twin::RestsForgotten) {
            worklist.push_rests(&mut self.rests);
        }
    }

    /// Begins with a block that was taken from the worklist; what was left of its last.
    pub(crate) fn begin_block(&mut self, block: Block) -> Block {
        self.uncounted = block.len();
        core::mem::replace(&mut self.tracer.edges, block)
    }

    /// Takes more from the worklist, being active.
    pub(crate) fn refill(&mut self, worklist: &Worklist) -> bool {
        match worklist.take(true) {
            Take::Block(block) => {
                let spent = self.begin_block(block);
                if spent.capacity() > 0 {
                    worklist.recycle(spent);
                }
            }
            Take::Rest(rest) => self.rests.push(rest),
            Take::Wait | Take::Dry => return false,
        }
        true
    }
}
