//! The root table: slots that keep objects alive from outside the heap.
//!
//! Segments of slots, 4 KiB each, found from a slot by masking. The directory of segments is replaced when it grows and
//! read by markers without a lock. A `Root` is a pointer to a slot; it knows nothing
//! of the heap's life, so the slot's state decides everything.
//!
//! | state | meaning |
//! |---|---|
//! | 0, *free* | on a free list |
//! | count ≥ 1 | that many handles |
//! | *leaving* | the last handle is being dropped, the slot goes on the free list |
//! | *zombie* | the last handle was dropped while the table was *armed*: a root until the cycle sweeps |
//! | + *dead* bit | the heap is gone; the last handle of the segment frees it |
//!
//! **A drop against a cycle.** A root dropped while marking must stay a root: another mutator may have read it and hold
//! the object on its stack only. No handshake orders a drop, its thread may have no mutator. So `armed` is set before the
//! first mutator can become black (and the zombies of earlier are released then), and a drop looks at it:
//!
//! 1. Suppose a black mutator M read the root in this cycle. Then the store to `armed` happens before M's boundary, which
//!    happens before M's read through a handle, which happens before the drop of the last handle (a handle cannot be
//!    dropped while it is read, and earlier drops of other handles are ordered by the count, Release and Acquire).
//! 2. The drop loads `armed` after that. By coherence it sees the store: the slot becomes a zombie and stays a root.
//! 3. If it sees `armed` unset, no such M exists, and the slot may be released, now or later, whatever has begun since.
//!
//! In both cases the object is not lost. The test and the release need not be one step.
//!
//! **The end of a heap.** `close` sets the dead bit of every slot and counts in `orphans` those that still have handles.
//! A handle dropped later sees the bit in its own state change and counts down; the last frees the segment. A slot found
//! leaving is touched by its dropper still; its segment is left to leak (4 KiB, once in a blue moon).

use core::ptr::NonNull;

use memoffset::offset_of;

use crate::heap::layout::ROOT_SLOTS as SLOTS;
use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use crate::sync::twin::{self, Twin};
use crate::sync::witness::Witness;
use crate::sync::{Mutex, Snapshot};

#[cfg(test)]
mod tests;

const SEGMENT: usize = 4096;

const COUNT: u64 = u32::MAX as u64;
const LEAVING: u64 = 1 << 32;
const ZOMBIE: u64 = 1 << 33;
const DEAD: u64 = 1 << 63;
/// Handles to one slot at most: so far below the other bits that threads which count before they look cannot reach them.
const MAX_COUNT: u64 = COUNT / 2;

/// One root.
#[repr(C)]
pub(crate) struct Slot {
    /// See the module header. Changed by handles, by the collector (zombie → free) and by `close` (dead bit).
    state: AtomicU64,
    /// The object's address. Written by who makes the root, before the state says so (Release); read by markers after
    /// the state (Acquire). Kept when the root is dropped: a marker that has seen the handle may read it a moment later.
    object: AtomicUsize,
    /// In a free slot, the next free one.
    next: AtomicPtr<Slot>,
    /// Written when `close` has counted this slot's handles, read by who counts one down.
    counted: Witness,
}

impl Slot {
    fn free() -> Self {
        Slot {
            state: AtomicU64::new(0),
            object: AtomicUsize::new(0),
            next: AtomicPtr::new(core::ptr::null_mut()),
            counted: Witness::default(),
        }
    }
}

#[repr(C, align(4096))]
struct Segment {
    /// The heap's identity.
    heap: u64,
    /// See the module header. Written by the driver, read by drops (Relaxed: ordered by the argument there).
    armed: AtomicBool,
    /// Set by `close`: handles left, plus one while it counts.
    orphans: AtomicUsize,
    /// A root has been dropped since the last cycle began. Relaxed: a hint for the idle heap.
    dropped: AtomicBool,
    /// Slots dropped and not yet reused: a stack, taken whole.
    free: AtomicPtr<Slot>,
    /// Read by who uses the segment, written when it is freed.
    lives: Witness,
    slots: [Slot; SLOTS],
}

const _: () = assert!(size_of::<Segment>() == SEGMENT);
const _: () = assert!(offset_of!(Slot, object) == 8);

/// A slot of some heap's table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SlotRef(NonNull<Slot>);

// SAFETY: slots are atomics, in memory that lives while a handle or the heap does.
unsafe impl Send for SlotRef {}
// SAFETY: as above.
unsafe impl Sync for SlotRef {}

impl SlotRef {
    fn get(&self) -> &Slot {
        // SAFETY: a `SlotRef` is used by a handle, which keeps the segment, or by the table's owner.
        unsafe { self.0.as_ref() }
    }

    fn segment(&self) -> &Segment {
        let raw = self
            .0
            .as_ptr()
            .map_addr(|a| a & !(SEGMENT - 1))
            .cast::<Segment>();
        // SAFETY: slots lie in segments, which are aligned to their size; kept alive as in `get`. The pointer was
        // derived from the segment's, so it may reach all of it.
        let segment = unsafe { &*raw };
        segment.lives.read();
        segment
    }

    /// The identity of the heap that the slot belongs to.
    #[inline]
    pub(crate) fn heap(&self) -> u64 {
        self.segment().heap
    }

    /// Makes a free slot a root with one handle.
    pub(crate) fn fill(&self, object: usize) {
        let slot = self.get();
        // Release: a marker that has seen the count of the handle before may read this address already.
        slot.object.store(object, Ordering::Release);
        // Release: pairs with the markers' Acquire in `scan`.
        slot.state.store(1, Ordering::Release);
    }

    /// One more handle.
    ///
    /// # Panics
    /// If there are more than two thousand million, as a loop of `mem::forget` could make.
    pub(crate) fn retain(&self) {
        // Relaxed: the caller has a handle, so the slot stays.
        let before = self.get().state.fetch_add(1, Ordering::Relaxed);
        if before & COUNT >= MAX_COUNT {
            self.get().state.fetch_sub(1, Ordering::Relaxed);
            panic!("too many clones of one Root");
        }
    }

    /// One handle fewer. The caller's handle is gone with this.
    pub(crate) fn release(self) {
        let slot = self.get();
        // Acquire: pairs with the Release of other handles' drops; see the module header, 1.
        let mut seen = slot.state.load(Ordering::Acquire);
        while seen & COUNT > 1 {
            // Release: what was done through this handle comes before the drop of the last.
            match slot.state.compare_exchange_weak(
                seen,
                seen - 1,
                Ordering::Release,
                Ordering::Acquire,
            ) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
        self.release_last();
    }

    /// The caller's is the only handle.
    fn release_last(self) {
        let (slot, segment) = (self.get(), self.segment());
        let armed = segment.armed.load(Ordering::Relaxed);
        let to = if armed { ZOMBIE } else { LEAVING };
        segment.dropped.store(true, Ordering::Relaxed);
        // An exchange, so that the dead bit is seen. AcqRel: pairs with `close`.
        let before = slot.state.swap(to, Ordering::AcqRel);
        if before & DEAD != 0 {
            slot.counted.read();
            release_orphan(segment);
        } else if !armed {
            self.push_free();
            segment.lives.read();
            // Release: pairs with the Acquire of who takes the slot from the free list and waits for this.
            slot.state.store(0, Ordering::Release);
        }
    }

    fn push_free(self) {
        let free = &self.segment().free;
        let mut head = free.load(Ordering::Relaxed);
        loop {
            self.get().next.store(head, Ordering::Relaxed);
            // Release: pairs with the Acquire in `take_free`.
            match free.compare_exchange_weak(
                head,
                self.0.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }
}

/// A handle of a closed segment is gone; the last takes the segment with it.
fn release_orphan(segment: &Segment) {
    let raw = core::ptr::from_ref(segment).cast_mut();
    // AcqRel: all uses of the segment come before it is freed.
    if segment.orphans.fetch_sub(1, Ordering::AcqRel) == 1 {
        segment.lives.write();
        // SAFETY: the table gave the segment up when it was closed, and this was the last handle.
        drop(unsafe { Box::from_raw(raw) });
    }
}

type Directory = Vec<NonNull<Segment>>;

/// The roots of a heap.
pub(crate) struct RootTable {
    heap: u64,
    directory: Snapshot<Directory>,
    /// Taken to add a segment and to arm.
    lock: Mutex<Growth>,
}

#[derive(Default)]
struct Growth {
    armed: bool,
    /// Where the search for free slots goes on.
    cursor: usize,
}

// SAFETY: segments are atomics.
unsafe impl Send for RootTable {}
// SAFETY: as above.
unsafe impl Sync for RootTable {}

impl RootTable {
    pub(crate) fn new(heap: u64) -> Self {
        RootTable {
            heap,
            directory: Snapshot::new(Vec::new()),
            lock: Mutex::new(Growth::default()),
        }
    }

    /// Calls `f` with the segments of now.
    fn with_segments<R>(&self, f: impl FnOnce(&[NonNull<Segment>]) -> R) -> R {
        self.directory.read(|all| f(all))
    }

    fn each(&self, mut f: impl FnMut(&Segment)) {
        self.with_segments(|all| {
            for segment in all {
                // SAFETY: segments live until `close`, which needs the table exclusively.
                f(unsafe { segment.as_ref() });
            }
        });
    }

    /// Puts free slots into `slots`: those dropped since, else a new segment's.
    pub(crate) fn take_free(&self, slots: &mut Vec<SlotRef>) {
        let mut growth = self.lock.lock();
        let found = self.with_segments(|all| {
            for step in 0..all.len() {
                let index = (growth.cursor + step) % all.len();
                // SAFETY: segments live until `close`.
                let segment = unsafe { all[index].as_ref() };
                if segment.free.load(Ordering::Relaxed).is_null() {
                    continue;
                }
                growth.cursor = index;
                // Acquire: pairs with `push_free`. Taken whole, so no other thread can be in the middle of a pop.
                take_chain(
                    segment.free.swap(core::ptr::null_mut(), Ordering::Acquire),
                    slots,
                );
                return true;
            }
            false
        });
        if !found {
            self.grow(&growth, slots);
        }
    }

    fn grow(&self, growth: &Growth, slots: &mut Vec<SlotRef>) {
        let segment = Box::new(Segment {
            heap: self.heap,
            armed: AtomicBool::new(growth.armed),
            orphans: AtomicUsize::new(0),
            dropped: AtomicBool::new(false),
            free: AtomicPtr::new(core::ptr::null_mut()),
            lives: Witness::default(),
            slots: core::array::from_fn(|_| Slot::free()),
        });
        let raw = NonNull::from(Box::leak(segment));
        for index in 0..SLOTS {
            slots.push(slot_of(raw, index));
        }
        // Under the lock, as a replacement must be.
        self.directory
            .replace(|old| old.iter().copied().chain([raw]).collect());
    }

    /// Slots that a mutator took and did not use.
    pub(crate) fn give_back(&self, slots: &mut Vec<SlotRef>) {
        for slot in slots.drain(..) {
            slot.push_free();
        }
    }

    /// From now on dropped roots stay until `disarm`. Roots dropped before are released.
    pub(crate) fn arm(&self) {
        self.set_armed(true);
    }

    /// Releases the roots dropped since `arm`; from now on drops release at once.
    pub(crate) fn disarm(&self) {
        self.set_armed(false);
    }

    fn set_armed(&self, armed: bool) {
        let mut growth = self.lock.lock();
        growth.armed = armed;
        self.each(|segment| {
            segment.armed.store(armed, Ordering::Relaxed);
            if armed {
                segment.dropped.store(false, Ordering::Relaxed);
            }
        });
        drop(growth);
        self.with_segments(|all| {
            for &segment in all {
                release_zombies(segment);
            }
        });
    }

    /// Calls `f` with the object of every root, zombies included. Roots made meanwhile may be missed.
    pub(crate) fn scan(&self, mut f: impl FnMut(usize)) {
        self.each(|segment| {
            for slot in &segment.slots {
                // Acquire: pairs with `fill`.
                let state = slot.state.load(Ordering::Acquire);
                let zombie = !twin::is(Twin::ZombiesNotScanned) && state & ZOMBIE != 0;
                if state & COUNT != 0 || zombie {
                    f(slot.object.load(Ordering::Acquire));
                }
            }
        });
    }

    /// Whether a root has been dropped since the last cycle began.
    pub(crate) fn dropped_since_cycle(&self) -> bool {
        let mut dropped = false;
        self.each(|segment| dropped |= segment.dropped.load(Ordering::Relaxed));
        dropped
    }

    /// The heap goes: handles become inert.
    pub(crate) fn close(&mut self) {
        let directory = core::mem::replace(&mut self.directory, Snapshot::new(Vec::new()));
        for raw in directory.read(Clone::clone) {
            // SAFETY: alive until the last orphan or the line below frees it.
            let segment = unsafe { raw.as_ref() };
            segment.orphans.store(1, Ordering::Relaxed);
            let mut leaks = false;
            for slot in &segment.slots {
                segment.orphans.fetch_add(1, Ordering::Relaxed);
                slot.counted.write();
                // AcqRel: pairs with `release_last`.
                let before = slot.state.fetch_or(DEAD, Ordering::AcqRel);
                leaks |= before & LEAVING != 0;
                if before & COUNT == 0 {
                    segment.orphans.fetch_sub(1, Ordering::Relaxed);
                }
            }
            if !leaks {
                release_orphan(segment);
            }
        }
    }
}

/// The slots of a chain of free ones, once their droppers have let go.
fn take_chain(head: *mut Slot, slots: &mut Vec<SlotRef>) {
    let mut next = NonNull::new(head);
    while let Some(slot) = next {
        let slot = SlotRef(slot);
        let mut backoff = crate::sync::Backoff::default();
        // Acquire: pairs with the last store of `release_last`.
        while slot.get().state.load(Ordering::Acquire) != 0 && !twin::is(Twin::SlotTakenEarly) {
            backoff.wait();
        }
        next = NonNull::new(slot.get().next.load(Ordering::Relaxed));
        slots.push(slot);
    }
}

/// A slot of a segment. The pointer keeps the segment's provenance, for `SlotRef::segment`.
fn slot_of(segment: NonNull<Segment>, index: usize) -> SlotRef {
    let offset = offset_of!(Segment, slots) + index * size_of::<Slot>();
    // SAFETY: within the segment.
    SlotRef(unsafe { segment.byte_add(offset) }.cast::<Slot>())
}

fn release_zombies(segment: NonNull<Segment>) {
    for index in 0..SLOTS {
        let slot = slot_of(segment, index);
        let state = &slot.get().state;
        // Relaxed: a zombie's object is not read again; `push_free` publishes the slot, and whoever takes it or closes the
        // table acquires what its dropper released: an exchange continues the release sequence.
        if state.load(Ordering::Relaxed) == ZOMBIE
            && state
                .compare_exchange(ZOMBIE, 0, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            slot.push_free();
        }
    }
}
