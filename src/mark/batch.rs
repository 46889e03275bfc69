//! Batches: objects that are marked together, and scanned then.
//!
//! An edge that leads to what is marked, or to an object without pointers, needs the object's mark and not the object. Where most edges are
//! such, fetching the lines of objects ahead is mostly in vain (a core waits for a dozen lines at once, and no more), and whether an edge leads
//! to something new cannot be predicted: a branch or two is missed for each object. So there edges have only their marks prefetched, and
//! [`Marker::fill`] follows them without a branch: each mark is read, what is new is marked, has its lines fetched and goes into a
//! batch, from which the mark loop takes objects until it is empty. Which way is better is decided anew every [`SOME`] objects, by what
//! the last ones were like: see [`Way`].
//!
//! What is in the batch is marked and not scanned, so grey (I5), and the marker active. It never leaves the marker: whatever ends
//! [`Marker::drain`], the batch is empty then, or forgotten with the cycle.
//!
//! Measured (`benches/peers`, medians): four million nodes of 40 bytes with four edges each, at random, are marked beside a mutator in 405 ms, 605
//! when objects are fetched with their marks; strings and numbers in a large array, at random, in up to a quarter less.

use crate::config::mix;
use crate::heap::layout::mark_address;
use crate::heap::prefetch;
use crate::heap::span::{LAST_EPOCH, mark_of, scan_info};
use crate::mark::marker::Marker;
use crate::mark::next::is_scanned_when_new;
use crate::sync::atomic::Ordering;
use crate::sync::hooks;
use crate::sync::plain::AtomicU8;
use crate::sync::twin::{self, Twin};

/// Objects that are marked before they are scanned.
const SIZE: usize = 16;

/// Edges that are followed for them.
const MOST: usize = 128;

/// Edges whose marks are fetched ahead in the stack.
const AHEAD: usize = 16;

/// Bytes that are fetched together.
const LINE: usize = 64;

/// Objects after which a marker looks again which way is better.
const SOME: u64 = 64;

/// How edges are followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// One by one, with their objects fetched ahead: no more than one for each object leads to what is marked, and at most half of the objects
    /// have no pointers.
    Objects,
    /// In batches, through the queue.
    Marks,
    /// In batches, straight from the stack, which a container has filled: most objects have no pointers, and are not scanned.
    Plain,
}

/// See the module header.
pub(crate) struct Batch {
    /// Those from `next` to `end` are to be scanned.
    objects: [usize; SIZE],
    next: usize,
    end: usize,
    way: Way,
    /// Since the last look: edges that led to what was marked, and objects without pointers.
    repeats: u64,
    plains: u64,
    /// Objects marked when the next look is due.
    look_at: u64,
    /// In stress mode, what the ways are drawn by. Otherwise 0.
    seed: u64,
}

impl Batch {
    pub(super) fn new() -> Batch {
        let mut batch = Batch {
            objects: [0; SIZE],
            next: 0,
            end: 0,
            way: Way::Objects,
            repeats: 0,
            plains: 0,
            look_at: SOME,
            seed: 0,
        };
        batch.keep_to_the_way();
        batch
    }

    /// From now on ways change at random.
    pub(crate) fn vary(&mut self, seed: u64) {
        self.seed = seed | 1;
        self.look_at = 1;
    }

    /// A test may have a say.
    fn keep_to_the_way(&mut self) {
        #[cfg(test)]
        if let Some(way) = tests::THE_WAY.get() {
            self.way = way;
        }
    }

    /// Whether objects are marked some at a time.
    #[inline(always)]
    pub(super) fn is_used(&self) -> bool {
        self.way != Way::Objects
    }

    /// The next object to be scanned.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<usize> {
        let object = (self.next < self.end).then(|| self.objects[self.next])?;
        self.next += 1;
        Some(object)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next == self.end
    }

    pub(super) fn clear(&mut self) {
        self.end = self.next;
    }

    /// An edge led to what was marked.
    #[inline(always)]
    pub(super) fn count_repeat(&mut self) {
        self.repeats += 1;
    }

    /// An object has no pointers.
    #[inline(always)]
    pub(super) fn count_plain(&mut self) {
        self.plains += 1;
    }

    /// `objects` have been marked: now and then decides which way is better.
    #[inline(always)]
    pub(super) fn look(&mut self, objects: u64) {
        if objects >= self.look_at && self.is_empty() {
            self.decide(objects);
        }
    }

    fn decide(&mut self, objects: u64) {
        let since = (objects + SOME).saturating_sub(self.look_at);
        self.way = if 2 * self.plains > since {
            Way::Plain
        } else if self.repeats > since {
            Way::Marks
        } else {
            Way::Objects
        };
        (self.repeats, self.plains, self.look_at) = (0, 0, objects + SOME);
        if self.seed != 0 {
            self.seed = mix(self.seed);
            self.way = [Way::Objects, Way::Marks, Way::Plain][(self.seed % 3) as usize];
            self.look_at = objects + self.seed / 3 % 4;
        }
        self.keep_to_the_way();
    }

    /// The number of objects begins again at 0.
    pub(super) fn objects_forgotten(&mut self) {
        (self.repeats, self.plains, self.look_at) = (0, 0, SOME);
        if self.seed != 0 {
            self.look_at = 1;
        }
    }
}

/// What [`Marker::fill`] has found.
struct Found {
    /// Objects in the batch.
    end: usize,
    repeats: u64,
    plains: u64,
    plain_bytes: usize,
    /// Stands for a mark that is not to be written, and for an object that is not wanted.
    nowhere: AtomicU8,
}

impl Marker {
    /// Follows edges until the batch, which is empty, is full, there are none, or there were many. `size` may be that of the slots of
    /// what is found: a guess.
    ///
    /// # Safety
    /// As [`Marker::drain`].
    #[inline(never)]
    pub(super) unsafe fn fill(&mut self, size: usize) {
        self.batch.look(self.objects);
        let mut found = Found {
            end: 0,
            repeats: 0,
            plains: 0,
            plain_bytes: 0,
            nowhere: AtomicU8::new(0),
        };
        match self.batch.way {
            Way::Objects => {}
            // SAFETY: the caller's contract.
            Way::Marks => unsafe { self.fill_from_queue(size, &mut found) },
            // SAFETY: the caller's contract.
            Way::Plain => unsafe { self.fill_from_stack(&mut found) },
        }
        (self.batch.next, self.batch.end) = (0, found.end);
        self.batch.repeats += found.repeats;
        self.batch.plains += found.plains;
        self.objects += found.plains;
        self.bytes += found.plain_bytes as u64;
    }

    /// What is scanned adds to the stack after each batch; the queue keeps marks on their way meanwhile.
    ///
    /// # Safety
    /// As [`Marker::drain`].
    unsafe fn fill_from_queue(&mut self, size: usize, found: &mut Found) {
        // A slot of another size may lie in two lines, or three.
        let straddles = !(size.is_power_of_two() && size <= LINE);
        let last = size.min(2 * LINE) - 1;
        for _ in 0..MOST {
            if found.end == SIZE {
                break;
            }
            let Some(edge) = self.fifo.pop_for_mark(&mut self.tracer.edges) else {
                break;
            };
            // SAFETY: the caller's contract.
            let wanted = unsafe { self.follow::<false>(edge, found) };
            if straddles {
                prefetch::to_read(wanted + last);
                if last > LINE {
                    prefetch::to_read(wanted + LINE);
                }
            }
        }
    }

    /// Nothing is added to the stack meanwhile, so it is its own queue.
    ///
    /// # Safety
    /// As [`Marker::drain`].
    unsafe fn fill_from_stack(&mut self, found: &mut Found) {
        self.fifo.give_up(&mut self.tracer.edges);
        let edges = self.tracer.edges.len();
        let mut left = edges;
        while left > edges.saturating_sub(MOST) && found.end < SIZE {
            left -= 1;
            let later = self.tracer.edges[left.saturating_sub(AHEAD)];
            prefetch::to_read(mark_address(later));
            let edge = self.tracer.edges[left];
            // SAFETY: the caller's contract.
            unsafe { self.follow::<true>(edge, found) };
        }
        self.tracer.edges.truncate(left);
    }

    /// Marks the object that an edge leads to, and puts it into the batch if it is to be scanned. Returns what was prefetched. `PLAIN`: whether it has pointers
    /// is looked at here.
    ///
    /// # Safety
    /// As [`Marker::drain`].
    #[inline(always)]
    unsafe fn follow<const PLAIN: bool>(&mut self, object: usize, found: &mut Found) -> usize {
        let nowhere = core::ptr::from_ref(&found.nowhere).addr();
        hooks::reached(object);
        // SAFETY: an edge is an object that lives, by the caller's contract: it has its slot (I1), in a mapped chunk (I12).
        let mark = unsafe { mark_of(object) };
        // Relaxed, and no read-modify-write: see the module header of `span`.
        let before = mark.load(Ordering::Relaxed);
        if before > LAST_EPOCH {
            if twin::is(Twin::FreshPassedOver) && before == self.found.fresh {
                return nowhere;
            }
            let written = &mut self.written;
            // SAFETY: the edge from above: it lives, has its slot (I1), in a mapped chunk (I12).
            if !unsafe { is_scanned_when_new(object, before, self.found, written) } {
                mark.store(self.found.epoch, Ordering::Relaxed);
                return nowhere;
            }
        }
        let is_new = before != self.found.epoch;
        // What is marked is not written: others may read the line.
        let target = if is_new { mark } else { &found.nowhere };
        target.store(self.found.epoch, Ordering::Relaxed);
        found.repeats += u64::from(!is_new);
        let mut scanned = is_new;
        if PLAIN {
            // SAFETY: as `mark_of`.
            let (scan, slot_size) = unsafe { scan_info(object) };
            let is_plain = scanned & scan.is_none();
            found.plains += u64::from(is_plain);
            found.plain_bytes += slot_size * usize::from(is_plain);
            scanned &= !is_plain;
        }
        self.batch.objects[found.end] = object;
        found.end += usize::from(scanned);
        let wanted = if scanned { object } else { nowhere };
        prefetch::to_read(wanted);
        wanted
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use core::cell::Cell;

    use super::*;

    // A model's coroutines run on one thread of the machine.
    std::thread_local! {
        pub(super) static THE_WAY: Cell<Option<Way>> = const { Cell::new(None) };
    }

    /// Runs `program` with all markers that this thread makes keeping to `way`.
    pub(crate) fn with_way<R>(way: Way, program: impl FnOnce() -> R) -> R {
        struct Before(Option<Way>);
        impl Drop for Before {
            fn drop(&mut self) {
                THE_WAY.set(self.0);
            }
        }
        let _before = Before(THE_WAY.replace(Some(way)));
        program()
    }

    #[test]
    fn the_way_is_that_of_what_was_met_last() {
        let mut batch = Batch::new();
        let mut objects = 0;
        for (repeats, plains, way) in [
            (0, 0, Way::Objects),
            (SOME, 0, Way::Objects),
            (SOME + 1, 0, Way::Marks),
            (0, SOME / 2, Way::Objects),
            (0, SOME / 2 + 1, Way::Plain),
            (3 * SOME, SOME, Way::Plain),
            (0, 0, Way::Objects),
        ] {
            (0..repeats).for_each(|_| batch.count_repeat());
            (0..plains).for_each(|_| batch.count_plain());
            batch.look(objects + SOME - 1);
            objects += SOME;
            batch.look(objects);
            assert_eq!(batch.way, way, "{repeats} repeats, {plains} plain objects");
        }
        (0..2 * SOME).for_each(|_| batch.count_repeat());
        batch.objects_forgotten();
        batch.look(SOME);
        assert_eq!(
            batch.way,
            Way::Objects,
            "what came before has been forgotten"
        );
    }

    #[test]
    fn the_way_does_not_change_before_the_batch_is_empty() {
        let mut batch = Batch::new();
        (batch.objects[0], batch.end) = (16, 1);
        (0..2 * SOME).for_each(|_| batch.count_repeat());
        batch.look(SOME);
        assert_eq!(batch.way, Way::Objects);
        assert_eq!((batch.pop(), batch.pop()), (Some(16), None));
        batch.look(SOME);
        assert_eq!(batch.way, Way::Marks);
    }

    #[test]
    fn under_stress_all_ways_are_taken() {
        let mut batch = Batch::new();
        batch.vary(7);
        let mut taken = [0; 3];
        for objects in 1..1000 {
            batch.look(objects);
            taken[batch.way as usize] += 1;
        }
        assert!(taken.iter().all(|&times| times > 200), "{taken:?}");
    }
}
