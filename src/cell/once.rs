//! `GcOnceCell`: a value set once.

use core::cell::Cell;
use core::fmt;

use super::guarded::Guarded;
use crate::mark::tracer::Tracer;
use crate::mutator::Mutation;
use crate::trace::Trace;

/// A value that is set at most once, like `std::cell::OnceCell`: for knots that are tied after construction.
///
/// ```
/// use tricolor_gc::{Gc, GcOnceCell, Heap};
///
/// Heap::new().attach().enter(|mc| {
///     let cell = Gc::new(mc, GcOnceCell::new());
///     assert_eq!(cell.set(mc, String::from("once")), Ok(()));
///     assert_eq!(cell.set(mc, String::from("twice")), Err(String::from("twice")));
///     assert_eq!(cell.get().unwrap(), "once");
/// });
/// ```
pub struct GcOnceCell<T> {
    inner: Guarded<true, Option<T>>,
    /// A `get_or_init` is running.
    initialising: Cell<bool>,
}

impl<T> GcOnceCell<T> {
    /// An empty cell.
    pub const fn new() -> Self {
        GcOnceCell {
            inner: Guarded::new(None),
            initialising: Cell::new(false),
        }
    }

    /// The value, if it has been set.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        // SAFETY: the pointer is the cell's. Nobody writes while the result lives: the cell is this thread's (`!Sync`), whose only write, in
        // `set`, comes before there is a value to refer to; markers only read (I3, `Guarded::trace`).
        unsafe { &*self.inner.get() }.as_ref()
    }

    /// Sets the value.
    ///
    /// # Errors
    /// Gives the value back if one has been set.
    #[inline]
    pub fn set<'gc>(&self, mc: &Mutation<'gc>, value: T) -> Result<(), T>
    where
        T: Trace<'gc>,
    {
        if self.get().is_some() {
            return Err(value);
        }
        let at_end = self.inner.begin(mc);
        // SAFETY: the pointer is the cell's. Nobody else accesses it: it is this thread's (`!Sync`), empty, so that nothing refers into it, and
        // still so: `begin` runs no code of the program to trace `None`; no marker reads it between `begin` and `end` (I3).
        unsafe { *self.inner.get() = Some(value) };
        self.inner.end(mc, at_end);
        Ok(())
    }

    /// The value, set from `init` if there is none.
    ///
    /// # Panics
    /// If `init` sets the cell itself.
    pub fn get_or_init<'gc>(&self, mc: &Mutation<'gc>, init: impl FnOnce() -> T) -> &T
    where
        T: Trace<'gc>,
    {
        if self.get().is_none() {
            assert!(
                !self.initialising.replace(true),
                "GcOnceCell initialised by its own initialiser"
            );
            struct Done<'a>(&'a Cell<bool>);
            impl Drop for Done<'_> {
                fn drop(&mut self) {
                    self.0.set(false);
                }
            }
            let done = Done(&self.initialising);
            let set = self.set(mc, init());
            drop(done);
            assert!(set.is_ok(), "GcOnceCell set by its own initialiser");
        }
        self.get().expect("just set")
    }
}

impl<T> Default for GcOnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for GcOnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GcOnceCell").field(&self.get()).finish()
    }
}

// SAFETY: T1: reports what the contents report. T2: reads them under a claim (I3), by their own `trace`. T3, T4, T6: drops nothing else.
// T5: has their brands and constants. T8: is not `IMMUTABLE`. T9: its own cell lies in the value, and theirs do, or they have none.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for GcOnceCell<T> {
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
