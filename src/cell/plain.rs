//! `GcCell`: a `Copy` value.

use core::fmt;
use core::marker::PhantomData;

use super::guarded::Guarded;
use crate::mark::tracer::Tracer;
use crate::mutator::Mutation;
use crate::trace::Trace;

/// A `Copy` value that can be replaced, like `std::cell::Cell`: an interpreter's `Value`, a `Gc<str>`. For one pointer to a sized type
/// [`GcSlot`](crate::GcSlot) is half as large and cheaper to mark, on one thread, too.
///
/// Reading is a plain load. While no cycle marks, writing is a plain store behind one predictable branch; while one does,
/// the first write to each cell traces the old value, and later ones cost one more load. Four bytes larger than the value,
/// rounded up to its alignment.
/// Not `Sync`: for cells that threads share see [`GcSlot`](crate::GcSlot), [`GcMutex`](crate::GcMutex).
///
/// ```
/// use tricolor_gc::{Gc, GcCell, Heap};
///
/// Heap::new().attach().enter(|mc| {
///     let cell = Gc::new(mc, GcCell::new(1));
///     assert_eq!(cell.replace(mc, 2), 1);
///     assert_eq!(cell.get(), 2);
/// });
/// ```
pub struct GcCell<T> {
    inner: Guarded<true, T>,
    /// `!Sync`.
    confined: PhantomData<core::cell::Cell<()>>,
}

impl<T> GcCell<T> {
    /// A cell with a value.
    pub const fn new(value: T) -> Self {
        GcCell {
            inner: Guarded::new(value),
            confined: PhantomData,
        }
    }

    /// The value of a cell that is not in a heap.
    pub fn into_inner(self) -> T {
        self.inner.into_inner()
    }
}

impl<T: Copy> GcCell<T> {
    /// The value.
    #[inline(always)]
    pub fn get(&self) -> T {
        // SAFETY: the pointer is the cell's, the value `Copy`. Nobody writes: the cell is this thread's (`!Sync`), whose only write, in `set`,
        // runs no other code; markers only read (I3, `Guarded::trace`).
        unsafe { *self.inner.get() }
    }

    /// Replaces the value.
    #[inline(always)]
    pub fn set<'gc>(&self, mc: &Mutation<'gc>, value: T)
    where
        T: Trace<'gc>,
    {
        let at_end = self.inner.begin(mc);
        // SAFETY: the pointer is the cell's. Nobody else accesses it: it is this thread's (`!Sync`), where no reference into it is left
        // (`get` copies), and no marker reads it between `begin` and `end` (I3).
        unsafe { *self.inner.get() = value };
        self.inner.end(mc, at_end);
    }

    /// Replaces the value and returns the old one.
    #[inline]
    pub fn replace<'gc>(&self, mc: &Mutation<'gc>, value: T) -> T
    where
        T: Trace<'gc>,
    {
        let old = self.get();
        self.set(mc, value);
        old
    }

    /// Takes the value out and leaves the default one.
    #[inline]
    pub fn take<'gc>(&self, mc: &Mutation<'gc>) -> T
    where
        T: Trace<'gc> + Default,
    {
        self.replace(mc, T::default())
    }

    /// Sets the value to what `f` makes of it.
    ///
    /// ```
    /// use tricolor_gc::{GcCell, Heap};
    ///
    /// Heap::new().attach().enter(|mc| {
    ///     let count = GcCell::new(1);
    ///     count.update(mc, |count| count + 1);
    ///     assert_eq!((count.take(mc), count.get()), (2, 0));
    /// });
    /// ```
    #[inline]
    pub fn update<'gc>(&self, mc: &Mutation<'gc>, f: impl FnOnce(T) -> T)
    where
        T: Trace<'gc>,
    {
        self.set(mc, f(self.get()));
    }
}

impl<T: Default> Default for GcCell<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: Copy + fmt::Debug> fmt::Debug for GcCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GcCell").field(&self.get()).finish()
    }
}

// SAFETY: T1: reports what the contents report. T2: reads them under a claim (I3), by their own `trace`. T3, T4, T6: no
// drop glue. T5: has their brands and constants. T8: is not `IMMUTABLE`. T9: its own cell lies in the value, and theirs do, or they have none.
unsafe impl<'gc, T: Copy + Trace<'gc>> Trace<'gc> for GcCell<T> {
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
