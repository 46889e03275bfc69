//! Allocation: from a Rust value to a slot of the heap.
//!
//! The fast path is inlined into the caller: a bump in the cache (see `heap::cache`) and the move of the value. Everything
//! else is behind one cold call, which takes a value of up to four words along in registers: a function that makes an object last
//! then keeps nothing across it, and jumps there (a recursive one that builds a tree of two-word nodes takes 36 instructions for an inner
//! node, recursion included). The order is always: take a slot, write the value, and only then let anybody know of it.

mod in_place;
mod refill;
mod slice;
#[cfg(test)]
mod tests;

use core::convert::Infallible;
use core::mem::{MaybeUninit, align_of, needs_drop, size_of};
use core::ptr::NonNull;

use crate::cycle::command::{Command, Mode};
use crate::cycle::mutator::{MutatorState, PRESSURE};
use crate::error::AllocError;
use crate::heap::NoPages;
use crate::heap::cache::{Place, Taken};
use crate::heap::class::ClassKey;
use crate::heap::layout::{GRANULE, MAX_ALIGN, MAX_SMALL};
use crate::heap::size_class::{class_of, size_of_class};
use crate::heap::span::Epoch;
use crate::heap::type_info::{InfoOf, PLAIN, TypeInfo};
use crate::mutator::Mutation;
use crate::sync::atomic::Ordering;
use crate::sync::hooks;
use crate::sync::twin::{self, Twin};
use crate::trace::Trace;
use crate::weak::WeakBox;

/// Bytes of the block that tiny objects share.
const TINY_BLOCK: usize = 16;

/// Bytes of the largest object: more than any memory, and its pages can be counted in 32 bits.
const MAX_OBJECT: usize = 1 << 45;

/// Runs shorter than so many bytes are charged to the heap together, which takes a locked operation.
const CHARGED_TOGETHER: usize = 1 << 10;

/// Where objects of type `T` are allocated, decided at compile time.
struct Kind<T>(core::marker::PhantomData<T>);

impl<'gc, T: Trace<'gc>> Kind<T> {
    const ALIGN_OK: () = assert!(
        align_of::<T>() <= MAX_ALIGN,
        "objects in a tricolor-gc heap may be aligned to 4096 bytes at most"
    );
    const PLAIN: bool = InfoOf::<T>::PLAIN && align_of::<T>() <= GRANULE;
    const TINY: bool = Self::PLAIN && size_of::<T>() < TINY_BLOCK;
    const SIZE: usize = if size_of::<T>() == 0 {
        1
    } else {
        size_of::<T>()
    };
    /// Whether a value of the type is handed on in registers.
    const IN_REGISTERS: bool = size_of::<T>() <= size_of::<[Word; 4]>();
    const SMALL: bool = InfoOf::<T>::SLOT <= MAX_SMALL;
    const CLASS: usize = class_of(if Self::SMALL {
        InfoOf::<T>::SLOT
    } else {
        GRANULE
    });
    const CLASS_SIZE: usize = size_of_class(Self::CLASS);
    const TINY_CLASS: usize = class_of(TINY_BLOCK);
}

impl<'gc> Mutation<'gc> {
    /// A slot for a `T` from the fast path.
    #[inline(always)]
    fn fast_slot<T: Trace<'gc>>(&self) -> Option<usize> {
        let () = Kind::<T>::ALIGN_OK;
        let cache = &self.state().cache;
        if Kind::<T>::TINY {
            cache.tiny(Kind::<T>::SIZE, align_of::<T>()).or_else(|| {
                let block = cache.plain(Kind::<T>::TINY_CLASS, TINY_BLOCK)?;
                cache.set_tiny_block(block, TINY_BLOCK, Kind::<T>::SIZE);
                Some(block)
            })
        } else if !Kind::<T>::SMALL {
            None
        } else if Kind::<T>::PLAIN {
            cache.plain(Kind::<T>::CLASS, Kind::<T>::CLASS_SIZE)
        } else {
            cache.typed(InfoOf::<T>::info(), InfoOf::<T>::SLOT)
        }
    }

    /// Moves a value into the heap.
    #[inline(always)]
    pub(crate) fn alloc<T: Trace<'gc>>(&self, value: T) -> NonNull<T> {
        if Kind::<T>::IN_REGISTERS {
            return match self.fast_slot::<T>() {
                // SAFETY: the fast path has just found it for a `T`.
                Some(slot) => unsafe { self.made(slot, value, false) },
                None => {
                    let [a, b, c, d] = words_of(value);
                    // SAFETY: those are the value's, which has gone into them.
                    unsafe { self.alloc_slowly::<T>(InfoOf::<T>::info(), a, b, c, d) }
                }
            };
        }
        let slot = |info| self.slow_slot_or_panic::<T>(info);
        match self.alloc_with(value, |info| Ok::<_, Infallible>(slot(info))) {
            Ok(pointer) => pointer,
            Err(never) => match never {},
        }
    }

    /// Moves a value into the heap, if there is room.
    #[inline(always)]
    pub(crate) fn try_alloc<T: Trace<'gc>>(&self, value: T) -> Result<NonNull<T>, AllocError> {
        self.alloc_with(value, |info| self.slow_slot::<T>(info))
    }

    /// Moves a value into the heap. It is written where it will live: the slow path gets no reference to it, which would
    /// have it built on the stack and copied.
    #[inline(always)]
    fn alloc_with<T: Trace<'gc>, E>(
        &self,
        value: T,
        slow_slot: impl FnOnce(&'static TypeInfo) -> Result<usize, E>,
    ) -> Result<NonNull<T>, E> {
        let fast = self.fast_slot::<T>();
        let slot = match fast {
            Some(slot) => slot,
            // The type's constant goes along: the slow path is compiled elsewhere, where it may have another address, and
            // the caller's is the one that the caller will look under next time.
            None => slow_slot(InfoOf::<T>::info())?,
        };
        // SAFETY: the fast path, or the slow one, has just found it for a `T`.
        Ok(unsafe { self.made(slot, value, fast.is_none()) })
    }

    /// The slow path for a value in registers: the caller need not keep it, nor anything else of its own.
    ///
    /// # Safety
    /// `a` to `d` are [`words_of`] a `T`, which nobody uses any more.
    #[cold]
    #[inline(never)]
    unsafe fn alloc_slowly<T: Trace<'gc>>(
        &self,
        info: &'static TypeInfo,
        a: Word,
        b: Word,
        c: Word,
        d: Word,
    ) -> NonNull<T> {
        let words = [a, b, c, d];
        // SAFETY: the caller's contract: the words begin with a `T`, which is ours now. Unaligned, as words may be for it.
        let value: T = unsafe { words.as_ptr().cast::<T>().read_unaligned() };
        let slot = self.slow_slot::<T>(info).unwrap_or_else(out_of_memory);
        // SAFETY: the slow path has just found it for a `T`.
        unsafe { self.made(slot, value, true) }
    }

    /// Writes a value into a slot that was taken for it, from the slow path if `slowly`.
    ///
    /// # Safety
    /// The slot, or part of a block, has just been taken for a `T` by this mutator, and there was no poll since.
    #[inline(always)]
    unsafe fn made<T: Trace<'gc>>(&self, slot: usize, value: T, slowly: bool) -> NonNull<T> {
        let pointer = pointer_to::<T>(slot);
        // SAFETY: taken for a `T`, by the caller's contract: ours alone (I7), writable (I14), as large and as aligned as it asks (I13).
        unsafe { pointer.write(value) };
        if slowly && needs_drop::<T>() {
            // SAFETY: this mutator has just made it there, and has told nobody.
            unsafe { self.state().measure_new(slot) };
        }
        pointer
    }

    /// As [`slow_slot`](Self::slow_slot): the address alone comes back in a register, so callers need no room for an error.
    #[cold]
    #[inline(never)]
    fn slow_slot_or_panic<T: Trace<'gc>>(&self, info: &'static TypeInfo) -> usize {
        self.slow_slot::<T>(info).unwrap_or_else(out_of_memory)
    }

    /// A slot for a `T`, from the slow path.
    #[cold]
    #[inline(never)]
    fn slow_slot<T: Trace<'gc>>(&self, info: &'static TypeInfo) -> Result<usize, AllocError> {
        let state = self.state();
        if Kind::<T>::TINY {
            let place = Place::Plain(Kind::<T>::TINY_CLASS);
            let block = state.slot(&PLAIN, TINY_BLOCK, place)?;
            state
                .cache
                .set_tiny_block(block, TINY_BLOCK, Kind::<T>::SIZE);
            Ok(block)
        } else if !Kind::<T>::SMALL {
            state.large_slot(info, InfoOf::<T>::SLOT)
        } else if Kind::<T>::PLAIN {
            state.slot(
                &PLAIN,
                Kind::<T>::CLASS_SIZE,
                Place::Plain(Kind::<T>::CLASS),
            )
        } else {
            state.slot(info, InfoOf::<T>::SLOT, Place::Typed)
        }
    }

    /// A weak box.
    pub(crate) fn alloc_weak_box(&self, value: WeakBox) -> NonNull<WeakBox> {
        const CLASS: usize = class_of(GRANULE);
        const { assert!(size_of::<WeakBox>() <= GRANULE) };
        let state = self.state();
        let slot = match state.cache.plain(CLASS, GRANULE) {
            Some(slot) => slot,
            None => state
                .slot(&PLAIN, GRANULE, Place::Plain(CLASS))
                .unwrap_or_else(out_of_memory),
        };
        let pointer = pointer_to::<WeakBox>(slot);
        // SAFETY: the slot is ours alone (I7), writable (I14), aligned to a granule (I13), and large enough by the assertion above.
        unsafe { pointer.write(value) };
        pointer
    }

    /// Registers a weak box whose target exists.
    pub(crate) fn add_weak_box(&self, address: usize) {
        // SAFETY: this thread is inside, so the list is its own (I4), and nothing here calls out: there is no other borrow.
        let boxes = unsafe { &mut *self.state().new_weak.get() };
        boxes.push(address);
    }
}

/// A register's worth of a value, of whatever kind.
type Word = MaybeUninit<*const u8>;

/// A value of at most four words, taken apart.
#[inline(always)]
fn words_of<T>(value: T) -> [Word; 4] {
    assert!(size_of::<T>() <= size_of::<[Word; 4]>());
    let mut words = [Word::uninit(); 4];
    // SAFETY: on this stack, and large enough by the assertion above. Unaligned, as words may be for it.
    unsafe { words.as_mut_ptr().cast::<T>().write_unaligned(value) };
    words
}

fn pointer_to<T>(slot: usize) -> NonNull<T> {
    hooks::allocated(slot);
    let pointer = core::ptr::with_exposed_provenance_mut(slot);
    // SAFETY: a slot lies behind the header of a mapping (I12), which does not start at 0 (I14).
    unsafe { NonNull::new_unchecked(pointer) }
}

/// The panic of `Gc::new` and its like.
#[cold]
pub(crate) fn out_of_memory<R>(error: AllocError) -> R {
    panic!("{error}")
}

impl MutatorState {
    /// A slot of a class.
    #[cold]
    fn slot(
        &self,
        info: &'static TypeInfo,
        slot_size: usize,
        place: Place,
    ) -> Result<usize, AllocError> {
        if self.core().command_seq() != self.command.get().seq {
            self.poll();
        }
        // In a heap of short runs it is called for every few objects: what follows is kept out of it.
        match self.cache.next_slot(info, slot_size, place, self.colour()) {
            Some((slot, taken)) => {
                self.charge_run(taken);
                Ok(slot)
            }
            None => self.slot_anew(info, slot_size, place),
        }
    }

    /// A slot of a class whose run is not where the fast path looks, as none is in stress mode, or was the last of its span.
    #[inline(never)]
    fn slot_anew(
        &self,
        info: &'static TypeInfo,
        slot_size: usize,
        place: Place,
    ) -> Result<usize, AllocError> {
        self.stress_tick();
        if let Some(slot) = self.cache.slot_unseen(info, slot_size, place) {
            return Ok(slot);
        }
        let core = self.core();
        let owner = if info.local_drop {
            self.thread_token
        } else {
            0
        };
        let class = || {
            core.space.class(ClassKey {
                info,
                slot_size,
                owner,
            })
        };
        let line = self.cache.line(info, slot_size, place, class);
        loop {
            if let Some(slot) = self.cache.take_slot(line, info, slot_size, place) {
                return Ok(slot);
            }
            self.refill(line, slot_size)?;
        }
    }

    /// A run was taken. Short ones are counted together, but for those that were kept short.
    fn charge_run(&self, taken: Taken) {
        if taken.owned > 0 {
            self.core().charge_owned(taken.owned);
        }
        let bytes = self.uncharged.get() + taken.bytes;
        if bytes < CHARGED_TOGETHER && !taken.counts {
            self.uncharged.set(bytes);
        } else {
            self.uncharged.set(0);
            self.core().charge(self, bytes, taken.owned);
        }
    }

    /// Whether the mutator's barrier has gone off, as `command` says, and the sweep of the cycle has not begun.
    pub(crate) fn is_before_sweep(&self, command: Command) -> bool {
        if twin::is(Twin::SweepToldByEpoch) {
            let sweeping = self.core().sweeping_epoch.load(Ordering::Relaxed);
            return command.mode == Mode::Off && sweeping != command.epoch;
        }
        // Relaxed: see the field.
        command.mode == Mode::Off
            && self.core().sweeping_cycle.load(Ordering::Relaxed) != command.cycle
    }

    fn before_sweep(&self) -> bool {
        self.is_before_sweep(self.command.get())
    }

    /// The mark of the slots of runs taken now, if they need one. Between the end of this mutator's barrier and the sweep of the cycle,
    /// too: their span, a new one, may be given back before the sweep, and swept.
    fn colour(&self) -> Option<Epoch> {
        let command = self.command.get();
        if self.is_before_sweep(command) && !twin::is(Twin::WhiteBeforeSweep) {
            let old = twin::is(Twin::OldBeforeSweep);
            return Some(if old { command.epoch } else { command.fresh() });
        }
        let black = command.black();
        if twin::is(Twin::BlackIsOld) {
            return black.map(|_| command.epoch);
        }
        black
    }

    /// A slot of its own for an object of `bytes` bytes.
    #[cold]
    fn large_slot(&self, info: &'static TypeInfo, bytes: usize) -> Result<usize, AllocError> {
        self.poll();
        self.stress_tick();
        let core = self.core();
        if bytes > MAX_OBJECT {
            return Err(self.alloc_error(usize::MAX, NoPages::System));
        }
        let owner = if info.local_drop {
            self.thread_token
        } else {
            0
        };
        let black = self.colour();
        let new = || {
            core.space
                .new_large(info, bytes, black, owner, core.external())
        };
        let span = match new() {
            Ok(span) => span,
            Err(why) if !core.sweep_all() => return Err(self.alloc_error(bytes, why)),
            Err(_) => new().map_err(|why| self.alloc_error(bytes, why))?,
        };
        core.space.large.lock().swept.push(span);
        core.charge(self, span.slot_size(), 0);
        Ok(span.base())
    }

    /// The error for a request that failed; asks for a cycle, so that a later one may succeed.
    #[cold]
    fn alloc_error(&self, requested: usize, why: NoPages) -> AllocError {
        let core = self.core();
        core.request_cycle();
        self.flags.fetch_or(PRESSURE, Ordering::Relaxed);
        AllocError {
            requested,
            used: core.space.in_use().saturating_add(core.external()),
            limit: (why == NoPages::Limit).then_some(core.config.max_heap),
        }
    }

    /// In stress mode: now and then asks for a cycle.
    fn stress_tick(&self) {
        if let Some(stress) = self.core().config.stress
            && self
                .next_random()
                .is_multiple_of(u64::from(stress.cycle_every))
        {
            // Of both kinds.
            if self.next_random().is_multiple_of(4) {
                self.core().request_cycle();
            } else {
                self.core().request_any_cycle();
            }
            self.core().check_trigger(self);
        }
    }
}
