//! Objects built in their slots: code of the program runs between the taking of a slot and the completion of its object.
//!
//! It may panic, which leaves a slot without an object ([`FreeSlot`]). And it may allocate, and the mutator take over another
//! state there: an object in a slot that was taken when new objects were black may end up with pointers to newer ones that are not. That
//! is no harm: it is a young object, whatever its colour, until a marker comes to it, which is when it is complete.
//!
//! **No sweep frees the slot** before that (I1). In white allocation it was taken under Insertion, where marking ends in a stop, for which this
//! mutator must be outside; or while no cycle had armed here, or its mutator was Grey, and then none begins to mark before (and the last sweep is
//! done with the span). Later in a cycle it is early or fresh. (A cycle that arms again does it in a stop, for which this mutator must be outside.)

use core::mem::needs_drop;
use core::ptr::NonNull;

use super::{Kind, out_of_memory, pointer_to};
use crate::heap::span::{NEVER_MADE, mark_of, poison};
use crate::heap::type_info::InfoOf;
use crate::mutator::Mutation;
use crate::sync::atomic::Ordering;
use crate::sync::twin::{self, Twin};
use crate::trace::Trace;

impl<'gc> Mutation<'gc> {
    /// A slot for a `T` whose value is made by `fill`, which gets the address; a panic frees the slot.
    pub(crate) fn alloc_in_place<T: Trace<'gc>>(
        &self,
        fill: impl FnOnce(NonNull<T>) -> T,
    ) -> NonNull<T> {
        let () = Kind::<T>::ALIGN_OK;
        let slot = match self.fast_slot::<T>() {
            Some(slot) => slot,
            None => self
                .slow_slot::<T>(InfoOf::<T>::info())
                .unwrap_or_else(out_of_memory),
        };
        // A tiny object shares its mark with its neighbours: its block is left to them.
        let guard = (!Kind::<T>::TINY).then(|| {
            // SAFETY: all of a slot, as large as `T` asks (I13), and this mutator's (I7). When the object is made, the guard is forgotten.
            unsafe { FreeSlot::new(slot, InfoOf::<T>::SLOT, needs_drop::<T>()) }
        });
        let pointer = pointer_to::<T>(slot);
        let value = fill(pointer);
        core::mem::forget(guard);
        // SAFETY: the slot is ours alone (I7), writable (I14), as large and as aligned as `T` asks (I13).
        unsafe { pointer.write(value) };
        pointer
    }
}

/// Gives up a slot whose object was never made: a sweep frees it, without dropping anything.
///
/// That may be the sweep under way, on another thread: a slot that was taken while the cycle marked, and is given up after its
/// barrier went off. Where there is nothing to drop, the slot keeps its mark and is garbage to the next cycle, which this
/// mutator's boundary orders after everything here.
pub(super) struct FreeSlot {
    slot: usize,
    slot_size: usize,
    drops: bool,
}

impl FreeSlot {
    /// `drops`: objects of the slot's type have drop glue.
    ///
    /// # Safety
    /// At `slot` a slot starts, not a part of one; it has `slot_size` bytes or more, and is the caller's (I7) as long as the result is there.
    /// When that is dropped, there is no object in the slot.
    pub(super) unsafe fn new(slot: usize, slot_size: usize, drops: bool) -> FreeSlot {
        FreeSlot {
            slot,
            slot_size,
            drops,
        }
    }
}

impl Drop for FreeSlot {
    fn drop(&mut self) {
        // SAFETY: a slot of so many bytes, this mutator's (I7), in which there is no object: the contract of `new`.
        unsafe { poison(self.slot, self.slot_size) };
        if self.drops && !twin::is(Twin::UnmadeNotSaid) {
            // SAFETY: the start of a slot that is this mutator's (I7), and not free before the store below: its span is not freed (I12).
            let mark = unsafe { mark_of(self.slot) };
            // Release: pairs with the sweeper's Acquire: who gets the slot next writes it after this thread's last access.
            mark.store(NEVER_MADE, Ordering::Release);
        }
    }
}
