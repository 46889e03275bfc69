//! The root table: slots that keep objects alive from outside the heap.
//!
//! Segments of slots, 4 KiB each, found from a slot by masking. The directory of segments is replaced when it grows and
//! read by markers without a lock. A `Root` is a pointer to a slot; it knows nothing
//! of the heap's life, so the slot's state decides everything.
//!
//! | state | meaning | left by |
//! |---|---|---|
//! | *free* | in nobody's hand | who takes it, under the table's lock → taken |
//! | *taken* | in the table's pool or a mutator's stock | a mutator whose it is: `fill` → 1, `give_back` → free |
//! | count ≥ 1 | that many handles | a handle: count ± 1; the last → free, or zombie while the table is *armed* |
//! | *zombie* | the last handle was dropped while armed: a root until the cycle sweeps | the driver → free |
//! | + *shaded* bit | made while its maker's barrier was on: its object is shaded | the driver, when it arms or disarms |
//! | + *new* bit | no cycle has put its object in the worklist since it was made | the driver, when it scans (see `cycle`) |
//! | + *dead* bit | the heap is gone; the last handle of the segment frees it | the last handle |
//!
//! Each state has one party that may leave it, but for counts: handles change those by exchanges, as the driver does the two bits.
//! `close`, which runs when the heap has no mutator and no driver any more, meets handles only. So a slot becomes a root by a store, and ceases to be one by a single
//! exchange, which is needed to see the dead bit.
//!
//! **The last exchange is the dropper's last access**, to the slot and to its segment, unless it returns the dead bit. Whoever finds
//! the slot free may take it at once; `close`, which finds no handle, may free the segment.
//!
//! **Slots are found again by looking.** A drop puts its slot on no list: that would be a second exchange. A mutator whose stock is
//! empty looks through one segment, the next in turn, puts what it finds free into the table's *pool*, and takes [`ENOUGH`] slots out of
//! the pool, a quarter of a segment; if the pool has too few, the table grows, by an eighth, at most [`GROWTH`] segments. So no root waits
//! for more than one segment to be looked through, whatever the size of the table, unless that shrinks, and making a root costs four looks
//! at most on average. The pool carries the
//! mutators through stretches in which all slots are occupied: it keeps a quarter of a segment for each segment of the table, and what
//! is above that is handed out at once. The table stops growing when a round through it finds as many as it hands out: with *n*
//! occupied segments, when *n* / 4 more are free. At the end of a cycle segments without roots are freed if they are the most (`shrink`).
//!
//! What a cycle does with the table, and which roots are new to it: `cycle`.
//!
//! **A drop against a cycle.** A root dropped while marking must stay a root: another mutator may have read it and hold
//! the object on its stack only. No handshake orders a drop, its thread may have no mutator. So `armed` is set before the
//! first mutator can become black (and the zombies of earlier are released then), until marking is over, and a drop looks at it:
//!
//! 1. Suppose a black mutator M read the root in this cycle. Then the store to `armed` happens before M's boundary, which
//!    happens before M's read through a handle, which happens before the drop of the last handle (a handle cannot be
//!    dropped while it is read, and earlier drops of other handles are ordered by the count, Release and Acquire).
//! 2. The drop loads `armed` after that. By coherence it sees the store: the slot becomes a zombie and stays a root.
//! 3. If it sees `armed` unset, no such M exists, or marking is over and what M holds is marked; the slot may be released, now or
//!    later, whatever has begun since.
//! 4. A root that is made while a cycle marks needs no zombie: its maker has shaded the object (I2), so that this cycle marks it
//!    whatever becomes of the root. Hence the shaded bit. Those of a cycle are cleared when the next arms, by when every maker has
//!    adopted *off*, before a mutator can become black. If a drop sees the bit of an earlier cycle and the `armed` of this one, no M of
//!    this one has read the root: as in 1, the clearing would happen before the drop loads the state.
//!
//! In all cases the object is not lost. The test and the release need not be one step. So what a cycle keeps are the roots that there
//! were when it armed: the table does not grow by those that come and go beside it, however long it takes. But for those of a mutator that
//! stays inside and so has no barrier yet (under StopTheWorld it never has one): these are zombies until it comes out and the cycle has marked.
//!
//! **Cost**, outside a cycle, in the machine code of a loop of both: a root is made by 14 instructions, none of them locked, and
//! dropped by 18, of which the exchange is locked. The search adds about 22 for each root that is made when it finds most of a segment free.

use core::ptr::NonNull;

use memoffset::offset_of;

use crate::heap::layout::ROOT_SLOTS as SLOTS;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::twin::{self, Twin};
use crate::sync::witness::{MustDrop, Witness};
use crate::sync::{Mutex, Rank, Snapshot};

mod close;
mod cycle;
mod shrink;
#[cfg(test)]
mod tests;

const SEGMENT: usize = 4096;

const FREE: u64 = 0;
const COUNT: u64 = u32::MAX as u64;
const TAKEN: u64 = 1 << 32;
const ZOMBIE: u64 = 1 << 33;
const SHADED: u64 = 1 << 34;
const NEW: u64 = 1 << 35;
const DEAD: u64 = 1 << 63;
/// Handles to one slot at most: so far below the other bits that threads which count before they look cannot reach them.
const MAX_COUNT: u64 = COUNT / 2;

/// Slots that a mutator gets at least when its stock is empty.
const ENOUGH: usize = SLOTS.div_ceil(4);
/// Slots that the pool keeps for each segment of the table.
const KEPT: usize = SLOTS / 4;
/// Segments by which the table grows at most: each time copies the directory, and touches new memory.
const GROWTH: usize = 16;

/// One root.
#[repr(C, align(16))]
pub(crate) struct Slot {
    /// See the module header.
    state: AtomicU64,
    /// The object's address. Written by who makes the root, before the state says so (Release); read by markers after
    /// the state (Acquire). Kept when the root is dropped: a marker that has seen the handle may read it a moment later.
    object: AtomicUsize,
    /// Read by who has a handle, written by who makes the first, drops the last, or gives the slot back.
    handles: Witness,
    /// Written when `close` has counted this slot's handles, read by who counts one down.
    counted: Witness,
}

impl Slot {
    fn taken() -> Self {
        Slot {
            state: AtomicU64::new(TAKEN),
            object: AtomicUsize::new(0),
            handles: Witness::default(),
            counted: Witness::default(),
        }
    }
}

/// What all slots of a segment share, in a cache line that is seldom written.
#[repr(align(64))]
struct Head {
    /// The heap's identity.
    heap: u64,
    /// See the module header. Written by the driver, read by drops (Relaxed: ordered by the argument there).
    armed: AtomicBool,
    /// A root has been dropped since the last cycle began. Relaxed: a hint for the idle heap.
    dropped: AtomicBool,
    /// There may be zombies, or slots with the shaded bit. Written before they are; see `cycle`.
    marked: AtomicBool,
    /// No slot is taken or new, see `cycle`. Written under the table's lock.
    settled: AtomicBool,
    /// Set by `close`: handles left, plus one while it counts.
    orphans: AtomicUsize,
    /// Read by who uses the segment, written when it is freed.
    lives: Witness,
    /// The segment must not leak.
    _freed: MustDrop,
}

impl Head {
    /// Relaxed: see `cycle`. Written seldom: other threads read this line.
    fn note_marked(&self) {
        if !self.marked.load(Ordering::Relaxed) {
            self.marked.store(true, Ordering::Relaxed);
        }
    }
}

#[repr(C, align(4096))]
struct Segment {
    head: Head,
    slots: [Slot; SLOTS],
}

const _: () = assert!(size_of::<Segment>() == SEGMENT);

/// A slot of some heap's table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SlotRef(NonNull<Slot>);

// SAFETY: a `Slot` is `Sync`, and there while the table or a handle needs it (I15), on any thread.
unsafe impl Send for SlotRef {}
// SAFETY: a `Slot` is `Sync`, and there while the table or a handle needs it (I15), on any thread.
unsafe impl Sync for SlotRef {}

impl SlotRef {
    #[inline(always)]
    fn get(&self) -> &Slot {
        // SAFETY: used by a handle, which keeps the segment, or by those who have the table or a taken slot of it (I15); made by
        // `slot_of`, so it is a slot of one.
        unsafe { self.0.as_ref() }
    }

    /// Its segment. The pointer was derived from the segment's by `slot_of`, so it may reach all of it, and free it.
    #[inline(always)]
    fn segment_pointer(self) -> *mut Segment {
        let slot = self.0.as_ptr();
        slot.map_addr(|a| a & !(SEGMENT - 1)).cast::<Segment>()
    }

    #[inline(always)]
    fn segment(&self) -> &Segment {
        // SAFETY: slots lie in segments, which are aligned to their size; kept by a handle, or for those who have the table or a taken
        // slot of it (I15).
        let segment = unsafe { &*self.segment_pointer() };
        segment.head.lives.read();
        segment
    }

    /// The identity of the heap that the slot belongs to.
    #[inline]
    pub(crate) fn heap(&self) -> u64 {
        self.segment().head.heap
    }

    /// Makes a taken slot a root with one handle; `shaded`: the caller's barrier is on, and it shades the object.
    #[inline]
    pub(crate) fn fill(self, object: usize, shaded: bool) {
        let slot = self.get();
        slot.handles.write();
        if twin::is(Twin::RootCountedFirst) {
            slot.state.store(1, Ordering::Release);
        }
        // Release: a marker that has seen the count of the handle before may read this address already.
        slot.object.store(object, Ordering::Release);
        let shaded = shaded || twin::is(Twin::RootsTakenForShaded);
        if shaded {
            self.segment().head.note_marked();
        }
        let new = u64::from(!(shaded && twin::is(Twin::ShadedNotNew))) * NEW;
        let bits = new | (u64::from(shaded) * SHADED);
        // Release: pairs with the markers' Acquire in `cycle::root_in`.
        slot.state.store(1 | bits, Ordering::Release);
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
        slot.handles.read();
        // Acquire: pairs with the Release of other handles' drops; see the module header, 1.
        let mut seen = slot.state.load(Ordering::Acquire);
        while seen & COUNT > 1 {
            // Release: pairs with the Acquire above, or that of a failure here, of who drops the last: what was done through this handle
            // comes before that.
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
        self.release_last(seen & SHADED != 0);
    }

    /// The caller's is the only handle.
    #[inline(always)]
    fn release_last(self, shaded: bool) {
        let (slot, head) = (self.get(), &self.segment().head);
        slot.handles.write();
        // Written seldom: other threads read this line.
        if !head.dropped.load(Ordering::Relaxed) {
            head.dropped.store(true, Ordering::Relaxed);
        }
        let armed = head.armed.load(Ordering::Relaxed);
        let to = if armed && !shaded { ZOMBIE } else { FREE };
        if to == ZOMBIE {
            head.note_marked();
        }
        // The last access, unless the dead bit is seen. Release: pairs with the Acquire of who takes the slot, and of `close`.
        // Acquire: pairs with the Release of `close`.
        let before = if twin::is(Twin::DroppedByAStore) {
            let before = slot.state.load(Ordering::Acquire);
            slot.state.store(to, Ordering::Release);
            before
        } else {
            slot.state.swap(to, Ordering::AcqRel)
        };
        if before & DEAD != 0 {
            slot.counted.read();
            // SAFETY: the segment is closed, and had counted this handle, whose last access this is (I15).
            unsafe { close::release_orphan(self.segment_pointer()) };
        } else if twin::is(Twin::TouchedAfterDrop) {
            head.lives.read();
        }
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

struct Growth {
    armed: bool,
    /// The hint of segments that are gone.
    dropped: bool,
    /// The segment that was looked through last. (`usize::MAX`: none.)
    cursor: usize,
    /// Taken, and in no mutator's stock.
    pool: Vec<SlotRef>,
}

impl Growth {
    /// Looks through the next segment.
    fn search(&mut self, all: &[NonNull<Segment>]) {
        if !all.is_empty() {
            self.cursor = self.cursor.wrapping_add(1) % all.len();
            take_from(all[self.cursor], &mut self.pool);
        }
    }

    /// Hands slots out; `segments` is the length of the table.
    fn hand_out(&mut self, segments: usize, slots: &mut Vec<SlotRef>) {
        let surplus = self.pool.len().saturating_sub(segments * KEPT);
        let left = self.pool.len() - surplus.max(ENOUGH);
        slots.extend(self.pool.drain(left..));
    }
}

// SAFETY: the directory lists segments, which are `Sync`, and which any thread may free (I15).
unsafe impl Send for RootTable {}
// SAFETY: the directory lists segments, which are `Sync`; it is changed under the lock (I15).
unsafe impl Sync for RootTable {}

impl RootTable {
    pub(crate) fn new(heap: u64) -> Self {
        RootTable {
            heap,
            directory: Snapshot::new(Vec::new()),
            lock: Mutex::ranked(
                Rank::Roots,
                Growth {
                    armed: false,
                    dropped: false,
                    cursor: usize::MAX,
                    pool: Vec::new(),
                },
            ),
        }
    }

    /// Calls `f` with the segments of now.
    fn with_segments<R>(&self, f: impl FnOnce(&[NonNull<Segment>]) -> R) -> R {
        self.directory.read(|all| f(all))
    }

    /// By the driver, or under the lock.
    fn each(&self, mut f: impl FnMut(&Segment)) {
        self.with_segments(|all| {
            for segment in all {
                // SAFETY: the table has it, and needs it until `shrink` (I15), which is the driver's as this is or takes the lock that is
                // held here, or `close`, which has the table exclusively. From a box: aligned, initialised.
                let segment = unsafe { segment.as_ref() };
                segment.head.lives.read();
                f(segment);
            }
        });
    }

    /// Puts free slots into `slots`.
    pub(crate) fn take_free(&self, slots: &mut Vec<SlotRef>) {
        let mut growth = self.lock.lock();
        let mut segments = self.with_segments(|all| {
            growth.search(all);
            all.len()
        });
        if growth.pool.len() < ENOUGH {
            let more = (segments / 8).clamp(1, GROWTH);
            self.grow(&mut growth, more);
            if growth.cursor.wrapping_add(1) == segments {
                // In a new segment there is nothing to be found.
                growth.cursor = growth.cursor.wrapping_add(more);
            }
            segments += more;
        }
        growth.hand_out(segments, slots);
    }

    /// A free slot; `stock`, which is empty, gets more of them.
    #[cold]
    #[inline(never)]
    pub(crate) fn take_first(&self, stock: &mut Vec<SlotRef>) -> SlotRef {
        self.take_free(stock);
        stock.pop().expect("a new segment has slots")
    }

    /// So many segments more.
    fn grow(&self, growth: &mut Growth, more: usize) {
        let new: Directory = (0..more).map(|_| self.new_segment(growth.armed)).collect();
        for &segment in &new {
            let slots = (0..SLOTS).map(|index| slot_of(segment, index));
            growth.pool.extend(slots);
        }
        // Under the lock, as a replacement must be.
        self.directory
            .replace(|old| old.iter().chain(&new).copied().collect());
    }

    fn new_segment(&self, armed: bool) -> NonNull<Segment> {
        let segment = Box::new(Segment {
            head: Head {
                heap: self.heap,
                armed: AtomicBool::new(armed),
                dropped: AtomicBool::new(false),
                marked: AtomicBool::new(false),
                settled: AtomicBool::new(false),
                orphans: AtomicUsize::new(0),
                lives: Witness::default(),
                _freed: MustDrop::default(),
            },
            slots: core::array::from_fn(|_| Slot::taken()),
        });
        NonNull::from(Box::leak(segment))
    }

    /// Slots that a mutator took and did not use.
    pub(crate) fn give_back(&self, slots: &mut Vec<SlotRef>) {
        for slot in slots.drain(..) {
            slot.get().handles.write();
            // Release: pairs with the Acquire in `take_from`.
            slot.get().state.store(FREE, Ordering::Release);
        }
    }
}

/// Takes the free slots of a segment. Under the lock.
fn take_from(segment: NonNull<Segment>, slots: &mut Vec<SlotRef>) {
    let before = slots.len();
    for index in 0..SLOTS {
        let slot = slot_of(segment, index);
        let state = &slot.get().state;
        // Acquire: pairs with the Release of who dropped the root or gave the slot back.
        if state.load(Ordering::Acquire) == FREE {
            if !twin::is(Twin::SlotLeftFree) {
                // Relaxed: the lock orders it before the next search.
                state.store(TAKEN, Ordering::Relaxed);
            }
            slots.push(slot);
        }
    }
    if let Some(taken) = slots.get(before)
        && !twin::is(Twin::TakenStaysSettled)
    {
        // Relaxed: the lock orders it for who settles the segment, and a boundary for who scans.
        taken.segment().head.settled.store(false, Ordering::Relaxed);
    }
}

/// A slot of a segment. The pointer keeps the segment's provenance, for `SlotRef::segment`.
fn slot_of(segment: NonNull<Segment>, index: usize) -> SlotRef {
    let offset = offset_of!(Segment, slots) + index * size_of::<Slot>();
    // SAFETY: the slot lies within the segment, in which the caller counts slots below `SLOTS` (I15).
    SlotRef(unsafe { segment.byte_add(offset) }.cast::<Slot>())
}
