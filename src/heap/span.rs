//! Spans: runs of pages that hold objects of one size and one type.
//!
//! A span is described by the descriptor of its first page; the descriptors of its other pages repeat what a marker
//! needs (`scan`, `slot_size`), so that marking never looks for the first page.
//!
//! **Who may touch it (I7).** A span is owned by exactly one of: a mutator's cache, a class's lists (under their
//! lock), or a sweeper that took it off a list. Only the owner writes. Others read `scan`, `slot_size`, `info` and `slots`
//! only, which are written once, before the first object of the span is published (I12).
//!
//! **Free bits** say which slots no object has: one per slot, cleared when a run is taken, set when it is given back and by
//! the sweep. So the next run of free slots is found by counting zeros, without looking at marks that markers write.
//!
//! **Mark bytes.** One byte per granule; only the byte of an object's first granule counts. For a slot that is not free, in
//! cycle *n* whose *epoch* (its colour, 1 … [`LAST_EPOCH`]) is `e`:
//!
//! | byte | meaning |
//! |---|---|
//! | `e` | marked in this cycle or one before it with this epoch: *old* |
//! | [`fresh_of`]`(n)` | allocated black in this cycle: *fresh*, lives through it |
//! | [`early_of`]`(n)` | allocated by a Black mutator before T2 of this cycle (Hybrid): *early*, lives through it, and is marked as a white one is. In a cycle that arms again it is white |
//! | [`ZOMBIE`] | dead, waiting for its destructor on its own thread |
//! | [`NEVER_MADE`] | of a type with drop glue, a slot whose object was not made, or was dropped on its own thread: nothing is left to drop |
//! | anything else | white |
//!
//! The byte of a free slot is never `e`, nor the fresh or the early one. Nothing is cleared between cycles: the marks of one are the wrong colour in the
//! next. But that fresh and early objects are no more than young ones after their cycle takes a sweep: there are two such colours of each, which
//! take turns, and a span that has been coloured so says it ([`Span::is_fresh`]); its next sweep, at the latest that of the next cycle, clears
//! every colour that is not `e`.
//! Epochs come round after [`LAST_EPOCH`] full cycles; the sweeps of the last and of the first epoch write zero over every
//! colour that is not their own, so that none survives a whole round (see `sweep`).
//! Marks are written with relaxed stores: two markers that mark one object at once do the same work twice, which is
//! harmless, and a store instead of a locked read-modify-write is worth ×1.7–2.6 of all marking.
//! A sweep's accesses are relaxed, too: it has the span by a lock that it took when all marking was over. What a mutator may say
//! beside it, [`NEVER_MADE`], is a Release, and a sweep that goes by it has read it with Acquire.

use core::cell::Cell;
use core::ptr::NonNull;

use memoffset::offset_of;

use super::layout::{
    DESCRIPTOR, FREE_WORDS, GRANULE, PAGE, PAGE_SHIFT, chunk_of, descriptor_address,
    free_bits_address, mark_address,
};
use super::prefetch;
use super::type_info::{ScanFn, TypeInfo};
use super::vector;
use crate::sync::atomic::Ordering;
use crate::sync::plain::AtomicU8;
use crate::sync::witness::owned;

mod colours;
mod poison;
mod runs;
#[cfg(test)]
mod tests;

pub(crate) use poison::poison;

/// The colour of one cycle, a mark byte's value.
pub(crate) type Epoch = u8;
/// Epochs are 1 to this.
pub(crate) const LAST_EPOCH: Epoch = 249;
/// Mark bytes of objects allocated early: in even and odd cycles.
const EARLY: [Epoch; 2] = [250, 251];
/// And of those allocated black.
const FRESH: [Epoch; 2] = [252, 253];
/// Mark byte of a dead object that waits for its destructor on its own thread.
pub(crate) const ZOMBIE: Epoch = 255;
/// Mark byte of the slot of an object that was never made, or that has been dropped on its own thread.
pub(crate) const NEVER_MADE: Epoch = 254;

/// The epoch that follows.
pub(crate) const fn next_epoch(epoch: Epoch) -> Epoch {
    if epoch == LAST_EPOCH { 1 } else { epoch + 1 }
}

/// The mark byte of objects that are allocated black in a cycle.
pub(crate) const fn fresh_of(cycle: u64) -> Epoch {
    FRESH[(cycle % 2) as usize]
}

/// The mark byte of objects that are allocated early in it.
pub(crate) const fn early_of(cycle: u64) -> Epoch {
    EARLY[(cycle % 2) as usize]
}

/// The marks that say that an object lives through a cycle.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    /// The cycle's epoch.
    pub(crate) epoch: Epoch,
    /// The colour of what was allocated black.
    pub(crate) fresh: Epoch,
    /// Of what was allocated early, if that lives.
    pub(crate) early: Epoch,
}

impl Found {
    /// Whether `mark` is one of them.
    #[inline(always)]
    pub(crate) const fn has(self, mark: Epoch) -> bool {
        mark == self.epoch || mark == self.fresh || mark == self.early
    }
}

/// The descriptor of a page. `Cell`s: plain memory, written by the span's owner only.
#[repr(C)]
pub(crate) struct Descriptor {
    /// How to scan an object that starts in this page; on every page of the span.
    scan: Cell<Option<ScanFn>>,
    /// Bytes of a slot; on every page of the span.
    slot_size: Cell<usize>,
    /// The rest is on the first page only.
    info: Cell<Option<&'static TypeInfo>>,
    /// Pages of the span.
    pages: Cell<u32>,
    /// Slots of the span.
    slots: Cell<u32>,
    /// The slot from which the next free run is looked for.
    cursor: Cell<u32>,
    /// Free bits that are set.
    free: Cell<u32>,
    /// Whether the span has its own mapping in the page heap.
    large: Cell<bool>,
    /// At the last sweep all slots held old objects of an immutable type.
    old: Cell<bool>,
    /// All slots that were taken at the last sweep held old objects, and none has been taken since.
    settled: Cell<bool>,
    /// A slot may have a fresh colour.
    fresh: Cell<bool>,
    /// The cycle before whose sweep, after whose barriers, the span was made; until it is swept.
    made_before: Cell<Option<u8>>,
    /// For types whose destructors run at home: the thread's token.
    owner: Cell<u64>,
    _unused: u64,
}

const _: () = assert!(size_of::<Descriptor>() == DESCRIPTOR);
const _: () = assert!(offset_of!(Descriptor, scan) == 0 && offset_of!(Descriptor, slot_size) == 8);

/// A span, named by the descriptor of its first page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span(NonNull<Descriptor>);

// SAFETY: a `Span` is a name; its descriptor is written by the owner alone (I7), who may be on any thread.
unsafe impl Send for Span {}

/// Everything that a new span is made from.
pub(crate) struct SpanInit {
    pub(crate) base: usize,
    pub(crate) pages: usize,
    pub(crate) info: &'static TypeInfo,
    pub(crate) slot_size: usize,
    pub(crate) slots: usize,
    pub(crate) large: bool,
    pub(crate) owner: u64,
}

impl Span {
    /// Writes the descriptors of a new span.
    ///
    /// # Safety
    /// `init` describes pages of a chunk with a header as in `layout`, taken from the page heap by the caller and in
    /// nobody else's use, whose mark bytes are zero. The slots, of whole granules, lie in these pages, and there are at most
    /// `FREE_WORDS · 64`; of a large span there is one. Each is as large and as aligned as `init.info` asks.
    pub(crate) unsafe fn create(init: &SpanInit) -> Span {
        debug_assert!(init.base.is_multiple_of(PAGE));
        let first = Span(Self::descriptor(init.base));
        let described = if init.large { 1 } else { init.pages };
        for page in 0..described {
            let raw = Self::descriptor(init.base + page * PAGE);
            // SAFETY: in the header of a mapped chunk, zero or written by an earlier span (I14), and aligned; the caller has the page,
            // and so its descriptor, alone.
            let d = unsafe { raw.as_ref() };
            d.scan.set(init.info.scan);
            d.slot_size.set(init.slot_size);
            d.info.set(None);
        }
        let d = first.get();
        d.info.set(Some(init.info));
        d.pages.set(init.pages as u32);
        d.slots.set(init.slots as u32);
        d.large.set(init.large);
        d.old.set(false);
        d.fresh.set(false);
        d.owner.set(init.owner);
        first.free_all();
        first
    }

    fn descriptor(address: usize) -> NonNull<Descriptor> {
        let raw = core::ptr::with_exposed_provenance_mut(descriptor_address(address));
        // SAFETY: the address is in a chunk, and so is its descriptor; a chunk does not start at 0 (I14).
        unsafe { NonNull::new_unchecked(raw) }
    }

    #[inline(always)]
    fn get(&self) -> &Descriptor {
        // SAFETY: made by `create`, which has written it; who uses the name owns the span or knows of an object in it, so it is mapped
        // (I12). Who does not own it reads only what does not change (I7).
        unsafe { self.0.as_ref() }
    }

    /// The address of the first slot.
    pub(crate) fn base(self) -> usize {
        let descriptor = self.0.addr().get();
        let chunk = chunk_of(descriptor);
        chunk + (((descriptor - chunk) / DESCRIPTOR) << PAGE_SHIFT)
    }

    /// Bytes of a slot.
    pub(crate) fn slot_size(self) -> usize {
        self.get().slot_size.get()
    }

    /// Slots of the span.
    pub(crate) fn slots(self) -> usize {
        self.get().slots.get() as usize
    }

    /// Pages of the span.
    pub(crate) fn pages(self) -> usize {
        self.get().pages.get() as usize
    }

    /// Whether it has a mapping of its own.
    pub(crate) fn is_large(self) -> bool {
        self.get().large.get()
    }

    /// Whether no slot of it can become free before a full cycle, and no object can change.
    pub(crate) fn is_old(self) -> bool {
        self.get().old.get()
    }

    /// Whether all that is in it is old: the sweep of a minor cycle would find what the last sweep has found.
    pub(crate) fn is_settled(self) -> bool {
        self.get().settled.get()
    }

    /// Whether a slot may have been given a fresh colour since the last sweep.
    pub(crate) fn is_fresh(self) -> bool {
        self.get().fresh.get()
    }

    /// A slot is given a fresh colour; or, after a sweep, none has one.
    pub(crate) fn set_fresh(self, fresh: bool) {
        owned(self.0.addr().get());
        self.get().fresh.set(fresh);
    }

    /// See the field.
    pub(crate) fn made_before(self) -> Option<u8> {
        self.get().made_before.get()
    }

    /// The span is new; `cycle`'s barriers are off, and its sweep has not begun.
    pub(crate) fn set_made_before(self, cycle: u8) {
        self.get().made_before.set(Some(cycle));
    }

    /// The type of its objects.
    pub(crate) fn info(self) -> &'static TypeInfo {
        self.get().info.get().expect("a span has a type")
    }

    /// The token of the thread on which destructors must run, for types that say so.
    pub(crate) fn owner(self) -> u64 {
        self.get().owner.get()
    }

    /// Slots that no object has and no run holds.
    pub(crate) fn free(self) -> usize {
        owned(self.0.addr().get());
        self.get().free.get() as usize
    }

    /// The free bits of 64 slots, from slot `64 · word` on. For the owner.
    #[inline(always)]
    fn free_word(&self, word: usize) -> &Cell<u64> {
        debug_assert!(word < FREE_WORDS);
        let address = free_bits_address(self.base()) + word * size_of::<u64>();
        let raw = core::ptr::with_exposed_provenance::<Cell<u64>>(address);
        // SAFETY: one of the span's words of free bits, in the header of its mapped chunk (I12), aligned, and initialised (I14); only
        // the owner touches them (I7).
        unsafe { &*raw }
    }

    /// Words of free bits in use.
    fn words(self) -> usize {
        self.slots().div_ceil(64)
    }

    /// The bits of `word` that stand for slots.
    fn slot_bits(self, word: usize) -> u64 {
        match self.slots() - word * 64 {
            left if left >= 64 => u64::MAX,
            left => (1 << left) - 1,
        }
    }

    /// The slots of `word` that are not free.
    pub(crate) fn taken_bits(self, word: usize) -> u64 {
        !self.free_word(word).get() & self.slot_bits(word)
    }

    /// The slots of `word` whose mark is `mark`. For the owner, while nothing marks. Where there is drop glue a mutator may be
    /// saying at this moment that an object was never made, or has been dropped at home: such marks are read as atomics.
    #[inline]
    pub(crate) fn marked_bits(self, word: usize, mark: Epoch) -> u64 {
        let count = (self.slots() - word * 64).min(64);
        let stride = self.slot_size() / GRANULE;
        let first = mark_address(self.slot(word * 64));
        if self.info().drop.is_none() {
            // SAFETY: the marks of `count` slots of this span, mapped (I12) and initialised (I14). There is no drop glue, so only the
            // owner, who calls this, touches them (I6).
            let bits = unsafe { vector::marked_bits(first, stride, count, mark) };
            if let Some(bits) = bits {
                return bits;
            }
        }
        let mut bits = 0;
        // From the last to the first: so each shifts by one.
        for index in (0..count).rev() {
            let raw = core::ptr::with_exposed_provenance::<AtomicU8>(first + index * stride);
            // SAFETY: the mark of a slot of this span, mapped (I12) and initialised (I14); others touch it as an atomic only (I6).
            let found = unsafe { &*raw }.load(Ordering::Relaxed);
            bits = bits << 1 | u64::from(found == mark);
        }
        bits
    }

    /// After a sweep: the slots of `word` in `taken` are taken, the others free.
    pub(crate) fn set_taken_bits(self, word: usize, taken: u64) {
        self.free_word(word).set(!taken & self.slot_bits(word));
    }

    /// After a sweep: `free` slots are free in all, and runs are looked for from the start.
    pub(crate) fn set_swept(self, free: usize, old: bool, settled: bool) {
        owned(self.0.addr().get());
        self.get().free.set(free as u32);
        self.get().old.set(old);
        self.get().settled.set(settled);
        self.get().made_before.set(None);
        self.get().cursor.set(0);
    }

    /// Starts loading what a sweep reads: the descriptor, the free bits, and the marks of the first page.
    pub(crate) fn prefetch(self) {
        const LINE: usize = 64;
        let base = self.base();
        prefetch::to_read(self.0.addr().get());
        prefetch::to_read(free_bits_address(base));
        for line in (0..PAGE / GRANULE).step_by(LINE) {
            prefetch::to_read(mark_address(base) + line);
        }
    }

    /// Makes all slots free.
    fn free_all(self) {
        for word in 0..self.words() {
            self.set_taken_bits(word, 0);
        }
        self.set_swept(self.slots(), false, false);
    }

    /// Where the last slot ends.
    pub(crate) fn end(self) -> usize {
        self.slot(self.slots())
    }

    /// The address of a slot.
    #[inline]
    pub(crate) fn slot(self, index: usize) -> usize {
        self.base() + index * self.slot_size()
    }

    /// The mark of a slot.
    #[inline]
    pub(crate) fn mark(self, index: usize) -> &'static AtomicU8 {
        // SAFETY: the start of a slot of this span, which its owner does not free while it uses the reference (I12).
        unsafe { mark_of(self.slot(index)) }
    }
}

/// The mark byte of the object at `address`.
///
/// # Safety
/// `address` lies in a slot, of a large span in the first granule, and the span is not freed while the reference is used. (The mark
/// of an object is that of its slot's first granule, in which it starts, I13.)
#[inline(always)]
pub(crate) unsafe fn mark_of(address: usize) -> &'static AtomicU8 {
    let mark = core::ptr::with_exposed_provenance::<AtomicU8>(mark_address(address));
    // SAFETY: in the mark table of the slot's chunk, which is mapped (I12), and initialised (I14). Not as atomics, marks are accessed by
    // the owner only, of free slots (I7), or of all while a sweep goes on and nobody else looks (I6).
    unsafe { &*mark }
}

/// What a marker needs to scan the object at `address`: its type's mark loop and its slot's size.
///
/// # Safety
/// As [`mark_of`].
#[inline(always)]
pub(crate) unsafe fn scan_info(address: usize) -> (Option<ScanFn>, usize) {
    let raw = core::ptr::with_exposed_provenance::<Descriptor>(descriptor_address(address));
    // SAFETY: the descriptor of the slot's page, mapped and as `create` wrote it (I12), aligned. These two fields do not change (I12).
    let d = unsafe { &*raw };
    (d.scan.get(), d.slot_size.get())
}

/// The type of the object at `address`.
///
/// # Safety
/// As [`mark_of`].
pub(crate) unsafe fn info_at(address: usize) -> &'static TypeInfo {
    let mut page = address & !(PAGE - 1);
    loop {
        // SAFETY: of a page of the slot's span, down to the first: mapped and as `create` wrote it (I12). This field does not change (I12).
        let d = unsafe { Span::descriptor(page).as_ref() };
        // The first page of the span is the nearest one below with a type: all others have none.
        if let Some(info) = d.info.get() {
            return info;
        }
        page -= PAGE;
    }
}
