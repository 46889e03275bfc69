//! `GcRefCell`: anything, borrowed at run time.

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use super::guarded::Guarded;
use crate::barrier::AtEnd;
use crate::mark::tracer::Tracer;
use crate::mutator::Mutation;
use crate::trace::Trace;

/// Borrow state: 0 free, n > 0 readers up to `MAX_READERS`, `WRITING`.
type Flag = u32;
const WRITING: Flag = Flag::MAX;
/// Readers at most, which only guards that are forgotten can come to.
const MAX_READERS: Flag = WRITING - 1;

/// A value that can be borrowed and mutably borrowed, like `std::cell::RefCell`: a `Vec` of pointers, a hash map, an enum.
///
/// Tracing does not look at the borrow state: a guard that is held, or has been leaked, neither delays nor panics a
/// collection. While a cycle marks, the first `borrow_mut` of each cell traces its old contents (so it costs time in
/// proportion to them: some milliseconds for a million pointers); the accesses through the guard cost nothing extra. Under
/// [`Insertion`](crate::Barrier::Insertion) each one traces the contents where it ends: hold one guard for many accesses. A large table of pointers that
/// should cost nothing of the kind is a [`Gc`](crate::Gc) of a slice of [`GcSlot`](crate::GcSlot)s.
///
/// ```
/// use tricolor_gc::{Gc, GcRefCell, Heap};
///
/// Heap::new().attach().enter(|mc| {
///     let list = Gc::new(mc, GcRefCell::new(vec![Gc::new(mc, 1)]));
///     list.borrow_mut(mc).push(Gc::new(mc, 2));
///     assert_eq!(list.borrow().len(), 2);
/// });
/// ```
pub struct GcRefCell<T: ?Sized> {
    flag: Cell<Flag>,
    inner: Guarded<true, T>,
}

/// A shared borrow of a [`GcRefCell`].
pub struct GcRef<'b, T: ?Sized> {
    /// Not a reference: a function that is given the guard could then take it that nobody writes before it returns, not only until the
    /// guard goes.
    value: NonNull<T>,
    flag: &'b Cell<Flag>,
    borrow: PhantomData<&'b T>,
}

/// A mutable borrow of a [`GcRefCell`].
pub struct GcRefMut<'b, 'gc, T: ?Sized + Trace<'gc>> {
    cell: &'b GcRefCell<T>,
    mc: &'b Mutation<'gc>,
    at_end: AtEnd,
}

impl<T> GcRefCell<T> {
    /// A cell with a value.
    pub const fn new(value: T) -> Self {
        GcRefCell {
            flag: Cell::new(0),
            inner: Guarded::new(value),
        }
    }

    /// The value of a cell that is not in a heap.
    pub fn into_inner(self) -> T {
        self.inner.into_inner()
    }

    /// Replaces the value and returns the old one.
    ///
    /// # Panics
    /// If the value is borrowed.
    pub fn replace<'gc>(&self, mc: &Mutation<'gc>, value: T) -> T
    where
        T: Trace<'gc>,
    {
        core::mem::replace(&mut *self.borrow_mut(mc), value)
    }

    /// Takes the value and leaves the default.
    ///
    /// # Panics
    /// If the value is borrowed.
    pub fn take<'gc>(&self, mc: &Mutation<'gc>) -> T
    where
        T: Trace<'gc> + Default,
    {
        self.replace(mc, T::default())
    }
}

impl<T: ?Sized> GcRefCell<T> {
    /// Borrows the value.
    ///
    /// # Panics
    /// If it is mutably borrowed, or 2³² − 2 borrows of it have been forgotten.
    #[inline]
    pub fn borrow(&self) -> GcRef<'_, T> {
        self.try_borrow()
            .expect("GcRefCell is already mutably borrowed")
    }

    /// Borrows the value, unless [`borrow`](Self::borrow) would panic.
    #[inline]
    pub fn try_borrow(&self) -> Option<GcRef<'_, T>> {
        let flag = self.flag.get();
        if flag >= MAX_READERS {
            return None;
        }
        self.flag.set(flag + 1);
        // SAFETY: the pointer is the cell's. Nobody writes as long as this reference is used, here: the cell is not mutably borrowed, and only
        // this thread has it (`!Sync`); markers only read (I3, `Guarded::trace`).
        let value = NonNull::from(unsafe { &*self.inner.get() });
        Some(GcRef {
            value,
            flag: &self.flag,
            borrow: PhantomData,
        })
    }

    /// Mutably borrows the value.
    ///
    /// # Panics
    /// If it is borrowed.
    #[inline]
    pub fn borrow_mut<'b, 'gc>(&'b self, mc: &'b Mutation<'gc>) -> GcRefMut<'b, 'gc, T>
    where
        T: Trace<'gc>,
    {
        self.try_borrow_mut(mc)
            .expect("GcRefCell is already borrowed")
    }

    /// Mutably borrows the value, unless it is borrowed.
    #[inline]
    pub fn try_borrow_mut<'b, 'gc>(&'b self, mc: &'b Mutation<'gc>) -> Option<GcRefMut<'b, 'gc, T>>
    where
        T: Trace<'gc>,
    {
        if self.flag.get() != 0 {
            return None;
        }
        let at_end = self.inner.begin(mc);
        mc.state().count_guard(at_end, 1);
        self.flag.set(WRITING);
        Some(GcRefMut {
            cell: self,
            mc,
            at_end,
        })
    }

    /// The value of a cell that nobody else has: outside a heap, or in a value that is being built.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut()
    }
}

impl<'b, T: ?Sized> GcRef<'b, T> {
    /// Another borrow of the same. No method, as in the standard library: `cell.borrow().clone()` clones the value.
    ///
    /// # Panics
    /// If there are too many borrows of the cell to count.
    #[expect(
        clippy::should_implement_trait,
        reason = "a method would hide that of the value"
    )]
    pub fn clone(this: &Self) -> Self {
        let flag = this.flag.get();
        assert!(flag < MAX_READERS, "too many borrows of one GcRefCell");
        this.flag.set(flag + 1);
        GcRef {
            value: this.value,
            flag: this.flag,
            borrow: PhantomData,
        }
    }

    /// A borrow of a part of the value.
    pub fn map<U: ?Sized>(this: Self, part: impl FnOnce(&T) -> &U) -> GcRef<'b, U> {
        let mapped = GcRef {
            value: NonNull::from(part(&this)),
            flag: this.flag,
            borrow: PhantomData,
        };
        core::mem::forget(this);
        mapped
    }
}

impl<T: ?Sized> Deref for GcRef<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: made from a reference to the contents, or a part of them, of a cell that is borrowed for `'b`. Nobody writes: the flag
        // counts this guard, which is borrowed, and only this thread has the cell (`!Sync`); markers only read (I3, `Guarded::trace`).
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> Drop for GcRef<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.flag.set(self.flag.get() - 1);
    }
}

impl<'gc, T: ?Sized + Trace<'gc>> Deref for GcRefMut<'_, 'gc, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the pointer is the cell's. Nobody writes: the flag is `WRITING` for this guard, which is borrowed, and only this thread has
        // the cell (`!Sync`); markers only read (I3, `Guarded::trace`).
        unsafe { &*self.cell.inner.get() }
    }
}

impl<'gc, T: ?Sized + Trace<'gc>> DerefMut for GcRefMut<'_, 'gc, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the pointer is the cell's. Nobody else accesses the contents: the flag is `WRITING` for this guard, which is borrowed
        // exclusively, only this thread has the cell (`!Sync`), and by what `begin` has done no marker reads them while the guard lives (I3).
        unsafe { &mut *self.cell.inner.get() }
    }
}

impl<'gc, T: ?Sized + Trace<'gc>> Drop for GcRefMut<'_, 'gc, T> {
    #[inline]
    fn drop(&mut self) {
        self.cell.flag.set(0);
        self.mc.state().count_guard(self.at_end, -1);
        self.cell.inner.end(self.mc, self.at_end);
    }
}

impl<T: Default> Default for GcRefCell<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for GcRefCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_borrow() {
            Some(value) => f.debug_tuple("GcRefCell").field(&&*value).finish(),
            None => f.write_str("GcRefCell(<borrowed>)"),
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for GcRef<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<'gc, T: ?Sized + Trace<'gc> + fmt::Debug> fmt::Debug for GcRefMut<'_, 'gc, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

// SAFETY: T1: reports what the contents report. T2: reads them under a claim (I3), by their own `trace`. T3, T4, T6: drops nothing else.
// T5: has their brands and constants. T8: is not `IMMUTABLE`. T9: its own cell lies in the value, and theirs do, or they have none.
unsafe impl<'gc, T: ?Sized + Trace<'gc>> Trace<'gc> for GcRefCell<T> {
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;
    const UNTIED: bool = T::UNTIED;
    const CELLS_INLINE: bool = T::IMMUTABLE || T::CELLS_INLINE;
    const DROP_IS_SEND: bool = T::DROP_IS_SEND;
    const __CAREFUL: bool = true;

    #[inline]
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        self.inner.trace(tracer);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// What a program that forgets its guards in a loop comes to: the count stays where it is.
    #[test]
    fn forgotten_borrows_are_counted_up_to_a_limit_and_not_beyond() {
        let cell = GcRefCell::new(7);
        cell.flag.set(MAX_READERS - 1);
        let last = cell.borrow();
        for _ in 0..3 {
            assert!(cell.try_borrow().is_none());
            assert!(catch_unwind(AssertUnwindSafe(|| GcRef::clone(&last))).is_err());
            assert_eq!(cell.flag.get(), MAX_READERS);
        }
        crate::Heap::new().attach().enter(|mc| {
            assert!(cell.try_borrow_mut(mc).is_none());
        });
        drop(last);
        assert_eq!(*cell.borrow(), 7);
    }
}
