//! Memory that objects own outside of the heap: strings, vectors, boxes, maps.
//!
//! A `Gc<String>` of a kilobyte takes a slot of 32 bytes. A heap that counted slots alone would have a quarter of a gigabyte of dead strings
//! before its first eight megabytes are full. So a slot counts with what its object is taken to own (`heap::owned`): when a run of slots is taken, and,
//! of those that live, when they have been swept. It is an estimate, for pacing: hard limits go by pages and by what the program
//! reports. And it may be far from the truth, where few of many own much, or those that live are not like those that die: so a sample counts for no
//! more than some times the mean, and what is owned gives the heap room up to some times what lives in it.
//!
//! **Measuring** is a call of the type's `trace` with a tracer that adds up what containers have room for ([`Meet::Measure`]) and forgets the pointers.
//! The object is nobody else's: it has just been made, and nobody knows of it, or it is dead and about to be dropped. What it points at may be gone
//! in the latter case; but only such `trace` are called as this crate or its derive has written (`Answers::measured`), which do not look there.
//! Not measured: types with a field whose `trace` is written by hand, or of another type that mentions the first; what is behind an `Rc` or an
//! `Arc`, or skipped, or in a cell of the standard library, or deep in other parts; objects that must be dropped at home; and objects with pages of their own.

use super::core::Core;
use super::mutator::MutatorState;
use crate::heap::span::info_at;
use crate::mark::tracer::{Meet, Tracer};
use crate::sync::atomic::Ordering;

/// How many times what lives in the heap, and its minimum, may be owned and give room for as much again.
const OWNED_TIMES: usize = 4;

/// What an object owns; 0 if its type is none that is measured. No code of the program is called.
///
/// # Safety
/// An object has been made in this slot of `slot_size` bytes, it has not been dropped, and nobody else uses it.
pub(crate) unsafe fn measure(object: usize, slot_size: usize) -> usize {
    // SAFETY: an object has been made there, by the caller's contract: its chunk is mapped (I12).
    let Some(trace) = (unsafe { info_at(object) }).measure else {
        return 0;
    };
    let mut tracer = Tracer::new();
    tracer.meet = Meet::Measure;
    let pointer = core::ptr::with_exposed_provenance(object);
    // SAFETY: made, hence initialised (I13), and not dropped, by the caller's contract, which says, too, that nobody writes it; the function and the
    // size are those of its span (I12).
    unsafe { trace(pointer, slot_size, &mut tracer) };
    tracer.owned
}

impl Core {
    /// Bytes outside of the heap that count for pacing: those reported and those that objects are taken to own.
    pub(crate) fn outside(&self) -> usize {
        self.external().saturating_add(self.owned())
    }

    /// So much of what objects are taken to own gives a heap room, if `own` bytes live in it.
    pub(crate) fn most_owned(&self, own: usize) -> usize {
        own.saturating_add(self.config.min_heap)
            .saturating_mul(OWNED_TIMES)
    }

    /// Bytes that objects are taken to own.
    pub(crate) fn owned(&self) -> usize {
        self.counters.owned.load(Ordering::Relaxed)
    }

    /// Slots have been taken whose objects will own `bytes`.
    #[cold]
    pub(crate) fn charge_owned(&self, bytes: usize) {
        self.counters.owned.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Marking is over: of `before` bytes `live` ones are taken to live, and so much of what they own, until it is counted. How much that is.
    pub(crate) fn owned_survives(&self, live: usize, before: usize) -> usize {
        let owned = self.owned() as u128 * live as u128 / before.max(live).max(1) as u128;
        self.counters.owned.store(owned as usize, Ordering::Relaxed);
        owned as usize
    }

    /// The sweep begins: at which size it should be over, which is that at which the last cycle was due, or, what is owned having just become less, when
    /// the heap has grown by so much as before that, `room`.
    pub(crate) fn sweep_until(&self, room: usize) -> usize {
        let mut trigger = self.trigger.load(Ordering::Relaxed);
        if self.owned() > 0 {
            trigger = trigger.min(self.heap_now().saturating_add(room));
            self.trigger.store(trigger, Ordering::Relaxed);
        }
        trigger
    }

    /// Live objects own `counted` bytes, and were taken to own `estimated`.
    pub(crate) fn owned_is_counted(&self, estimated: usize, counted: usize) {
        let count = |owned: usize| Some(owned.saturating_add(counted).saturating_sub(estimated));
        let _ = self
            .counters
            .owned
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
    }
}

impl MutatorState {
    /// An object has just been made by the slow path.
    ///
    /// # Safety
    /// It has been made in the slot at this address, by this mutator, and nobody knows of it yet.
    #[cold]
    pub(crate) unsafe fn measure_new(&self, object: usize) {
        let Some(line) = self.cache.to_measure.take() else {
            return;
        };
        let class = self.cache.class(line);
        // SAFETY: an object has been made there, by the caller's contract: its chunk is mapped (I12).
        if !unsafe { info_at(object) }.same(class.key.info) {
            return;
        }
        // SAFETY: the caller's contract; slots of the class have that size.
        class
            .owned
            .note_new(unsafe { measure(object, class.key.slot_size) });
    }
}

#[cfg(test)]
mod tests {
    use crate::sync::atomic::Ordering;
    use crate::{Gc, Heap, Root, Rootable};

    /// A hard limit is one of pages and of what is reported: a heap with strings of twice as much has the room that the pacer gives it.
    #[test]
    fn what_is_owned_brings_no_heap_nearer_to_its_hard_limit() {
        const MAX: usize = 64 << 20;
        const LENGTH: usize = 1 << 20;
        let heap = Heap::builder().marker_threads(0).min_heap(MAX / 2);
        let heap = heap.max_heap(MAX).minor_cycles(false).build().unwrap();
        let mut mutator = heap.attach();
        let _kept: Vec<Root<Rootable![String]>> = (0..2 * MAX / LENGTH)
            .map(|_| mutator.enter(|mc| Root::new(mc, Gc::new(mc, "x".repeat(LENGTH)))))
            .collect();
        let _ = mutator.collect();
        let stats = heap.stats();
        assert!(stats.bytes_owned > MAX, "{stats}");
        let room = stats.trigger - heap.core().heap_now();
        // Near the limit it would be a 64th of that.
        assert!(room > MAX / 16, "{room}: {stats}");
    }

    /// In proportion, until the sweep has counted it; what is charged meanwhile is not lost.
    #[test]
    fn of_what_is_owned_a_part_survives() {
        let heap = Heap::builder().marker_threads(0).build().unwrap();
        let core = heap.core();
        core.counters.owned.store(1000, Ordering::Relaxed);
        assert_eq!(core.owned_survives(25, 100), 250);
        assert_eq!(core.owned(), 250);
        core.charge_owned(7);
        core.owned_is_counted(250, 300);
        assert_eq!(core.owned(), 307);
        assert_eq!(core.owned_survives(200, 100), 307, "no more than there is");
        assert_eq!(core.owned_survives(0, 0), 0);
    }
}
