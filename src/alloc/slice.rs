//! Slices, made in place: their elements one after the other, and what has been made is dropped if the next one panics.

use core::mem::{align_of, needs_drop, size_of};
use core::ptr::NonNull;

use super::in_place::FreeSlot;
use super::{Kind, pointer_to};
use crate::error::AllocError;
use crate::heap::NoPages;
use crate::heap::cache::Place;
use crate::heap::layout::{GRANULE, MAX_ALIGN, MAX_SMALL, round_up};
use crate::heap::size_class::{class_of, size_of_class};
use crate::heap::type_info::{InfoOf, OVER_ALIGNED, PLAIN, slice_len};
use crate::mutator::Mutation;
use crate::trace::Trace;

impl<'gc> Mutation<'gc> {
    /// A slice of `len` elements made by `element`, in place.
    pub(crate) fn alloc_slice<T: Trace<'gc>>(
        &self,
        len: usize,
        mut element: impl FnMut(usize) -> T,
    ) -> Result<NonNull<[T]>, AllocError> {
        let (slot, slot_size) = self.slice_slot::<T>(len)?;
        let first = pointer_to::<T>(slot);
        let counted = T::NEEDS_TRACE || needs_drop::<T>();
        let mut filled = Filled {
            first,
            len: 0,
            slot,
            slot_size,
        };
        for index in 0..len {
            let value = element(index);
            // SAFETY: `index` is below `len`, for which `slice_slot` took the slot: within it (I13).
            let place = unsafe { first.add(index) };
            // SAFETY: within the slot, which is ours alone (I7), writable (I14), and aligned as `T` asks (I13).
            unsafe { place.write(value) };
            filled.len += 1;
        }
        core::mem::forget(filled);
        if counted {
            let start = core::ptr::with_exposed_provenance_mut(slot);
            // SAFETY: the start and size of the slot, which `slice_slot` took for a slice that is traced or dropped (I13).
            let length = unsafe { slice_len(start, slot_size) };
            // SAFETY: behind the elements in the slot, which is ours alone (I7) and writable (I14); aligned, as slots end at granules.
            unsafe { length.write(len) };
        }
        Ok(NonNull::slice_from_raw_parts(first, len))
    }

    /// A slot for a slice, and its size.
    fn slice_slot<T: Trace<'gc>>(&self, len: usize) -> Result<(usize, usize), AllocError> {
        let () = Kind::<T>::ALIGN_OK;
        let state = self.state();
        let too_large = || state.alloc_error(usize::MAX, NoPages::System);
        let counted = T::NEEDS_TRACE || needs_drop::<T>();
        let bytes = size_of::<T>().checked_mul(len).ok_or_else(too_large)?;
        let bytes = if counted {
            bytes.checked_add(size_of::<usize>())
        } else {
            Some(bytes)
        };
        let bytes = bytes
            .filter(|&b| b <= isize::MAX as usize - MAX_ALIGN)
            .ok_or_else(too_large)?;
        let bytes = round_up(bytes.max(1), align_of::<T>().max(GRANULE));
        let info = match counted {
            true => InfoOf::<[T]>::slice_info(),
            false if align_of::<T>() > GRANULE => &OVER_ALIGNED,
            false => &PLAIN,
        };
        if bytes > MAX_SMALL {
            return Ok((
                state.large_slot(info, bytes)?,
                round_up(bytes, crate::heap::layout::PAGE),
            ));
        }
        let class = class_of(bytes);
        // Size classes are multiples of a granule only; slots of over-aligned elements are exact.
        let exact = align_of::<T>() > GRANULE;
        let slot_size = if exact { bytes } else { size_of_class(class) };
        let place = if counted || exact {
            Place::Typed
        } else {
            Place::Plain(class)
        };
        let fast = match place {
            Place::Typed => state.cache.typed(info, slot_size),
            Place::Plain(class) => state.cache.plain(class, slot_size),
        };
        let slot = match fast {
            Some(slot) => slot,
            None => state.slot(info, slot_size, place)?,
        };
        Ok((slot, slot_size))
    }
}

/// The elements made so far of a slice; dropped if the next one panics.
struct Filled<T> {
    first: NonNull<T>,
    len: usize,
    slot: usize,
    slot_size: usize,
}

impl<T> Drop for Filled<T> {
    fn drop(&mut self) {
        // SAFETY: `slice_slot` took the slot, which is this mutator's (I7); when `_slot` goes, all that was made in it has been dropped.
        let _slot = unsafe { FreeSlot::new(self.slot, self.slot_size, needs_drop::<T>()) };
        let made = NonNull::slice_from_raw_parts(self.first, self.len);
        // SAFETY: `len` elements have been made, aligned as `T` asks (I13), in a slot that is nobody else's until `_slot` goes (I7),
        // and are not used again.
        unsafe { made.drop_in_place() };
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    use std::rc::Rc;

    use crate::heap::span::{NEVER_MADE, mark_of};
    use crate::sync::atomic::Ordering;
    use crate::{Gc, Heap, Trace};

    /// Notes, when it is dropped, the mark at its address: the slot's, if it is the first of a slice.
    #[derive(Trace)]
    #[trace(crate = crate, skip)]
    struct Element(Rc<Cell<Vec<u8>>>);

    impl Drop for Element {
        fn drop(&mut self) {
            let address = core::ptr::from_mut(self).expose_provenance();
            // SAFETY: the element lies in the slot of its slice, in no large span; the slot is this thread's, so the span stays (I12).
            let mark = unsafe { mark_of(address) };
            let mut seen = self.0.take();
            seen.push(mark.load(Ordering::Relaxed));
            self.0.set(seen);
        }
    }

    /// A sweep on another thread gives the slot away as soon as it is given up.
    #[test]
    fn a_slot_is_given_up_when_what_was_made_in_it_is_dropped() {
        Heap::new().attach().enter(|mc| {
            let seen = Rc::new(Cell::new(Vec::new()));
            let element = |index| match index {
                3 => resume_unwind(Box::new("no element")),
                _ => Element(seen.clone()),
            };
            let slice = AssertUnwindSafe(|| Gc::slice_from_fn(mc, 4, element).len());
            assert!(catch_unwind(slice).is_err());
            let seen = seen.take();
            assert!(seen.len() == 3 && seen[0] != NEVER_MADE);
        });
    }
}
