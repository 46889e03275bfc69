//! `GcMutex`: anything, shared between mutators under a lock.

use core::fmt;
use core::ops::{Deref, DerefMut};

use super::guarded::Guarded;
use crate::barrier::AtEnd;
use crate::mark::tracer::Tracer;
use crate::mutator::Mutation;
use crate::sync::{UserMutex, UserMutexGuard};
use crate::trace::Trace;

/// A value under a lock, for objects that several mutators use.
///
/// Markers do not take the lock: a mutator that waits for something with the lock held delays no collection beyond its own
/// `enter`. A thread that waits for the lock inside `enter` does hold up what needs its boundary, so hold locks briefly. A
/// guard that is leaked leaves the value locked, and alive; under `Insertion` the cycle that it is leaked in, or the next, may free
/// nothing. There is no poisoning.
///
/// While a cycle marks, the first access traces the value, as with [`GcRefCell`](crate::GcRefCell); under [`Hybrid`](crate::Barrier::Hybrid) so do
/// those of a thread that is inside as a cycle begins, until they have traced much: then the cycle begins by a stop. Divide a large table.
///
/// ```
/// use tricolor_gc::{Gc, GcMutex, Heap};
///
/// Heap::new().attach().enter(|mc| {
///     let shared = Gc::new(mc, GcMutex::new(Vec::new()));
///     shared.lock(mc).push(Gc::new(mc, 1));
///     assert_eq!(shared.lock(mc).len(), 1);
/// });
/// ```
pub struct GcMutex<T: ?Sized> {
    raw: UserMutex<()>,
    inner: Guarded<false, T>,
}

// SAFETY: the lock gives the value to one thread at a time, so `Send` is enough. Markers read it under a claim (I3), and of it only what no
// thread writes (T2).
unsafe impl<T: ?Sized + Send> Sync for GcMutex<T> {}

/// Access to the value of a [`GcMutex`]; gives the lock back when it is dropped.
pub struct GcMutexGuard<'b, 'gc, T: ?Sized + Trace<'gc>> {
    mutex: &'b GcMutex<T>,
    mc: &'b Mutation<'gc>,
    at_end: AtEnd,
    /// Given back after `drop` has run.
    _lock: UserMutexGuard<'b, ()>,
}

impl<T> GcMutex<T> {
    /// A mutex with a value.
    pub const fn new(value: T) -> Self {
        GcMutex {
            raw: UserMutex::new(()),
            inner: Guarded::new(value),
        }
    }

    /// The value of a mutex that is not in a heap.
    pub fn into_inner(self) -> T {
        self.inner.into_inner()
    }
}

impl<T: ?Sized> GcMutex<T> {
    /// Waits for the lock.
    #[inline]
    pub fn lock<'b, 'gc>(&'b self, mc: &'b Mutation<'gc>) -> GcMutexGuard<'b, 'gc, T>
    where
        T: Trace<'gc>,
    {
        self.locked(mc, self.raw.lock())
    }

    /// Takes the lock if it is free.
    #[inline]
    pub fn try_lock<'b, 'gc>(&'b self, mc: &'b Mutation<'gc>) -> Option<GcMutexGuard<'b, 'gc, T>>
    where
        T: Trace<'gc>,
    {
        let lock = self.raw.try_lock()?;
        Some(self.locked(mc, lock))
    }

    fn locked<'b, 'gc>(
        &'b self,
        mc: &'b Mutation<'gc>,
        lock: UserMutexGuard<'b, ()>,
    ) -> GcMutexGuard<'b, 'gc, T>
    where
        T: Trace<'gc>,
    {
        let at_end = self.inner.begin(mc);
        mc.state().count_guard(at_end, 1);
        GcMutexGuard {
            mutex: self,
            mc,
            at_end,
            _lock: lock,
        }
    }

    /// The value of a mutex that nobody else has.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut()
    }
}

impl<'gc, T: ?Sized + Trace<'gc>> Deref for GcMutexGuard<'_, 'gc, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the pointer is the mutex's. Nobody writes: this guard has the lock and is borrowed, and markers only read (I3, `Guarded::trace`).
        unsafe { &*self.mutex.inner.get() }
    }
}

impl<'gc, T: ?Sized + Trace<'gc>> DerefMut for GcMutexGuard<'_, 'gc, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the pointer is the mutex's. Nobody else accesses the contents: this guard has the lock and is borrowed exclusively, and by
        // what `begin` has done no marker reads them while it lives (I3).
        unsafe { &mut *self.mutex.inner.get() }
    }
}

impl<'gc, T: ?Sized + Trace<'gc>> Drop for GcMutexGuard<'_, 'gc, T> {
    #[inline]
    fn drop(&mut self) {
        self.mc.state().count_guard(self.at_end, -1);
        // Under the lock still: the contents must not change while they are shaded.
        self.mutex.inner.end(self.mc, self.at_end);
    }
}

impl<T: Default> Default for GcMutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized> fmt::Debug for GcMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcMutex")
            .field("locked", &self.raw.is_locked())
            .finish_non_exhaustive()
    }
}

impl<'gc, T: ?Sized + Trace<'gc> + fmt::Debug> fmt::Debug for GcMutexGuard<'_, 'gc, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

// SAFETY: T1: reports what the contents report. T2: reads them under a claim (I3), by their own `trace`. T3, T4, T6: drops nothing else.
// T5: has their brands and constants. T8: is not `IMMUTABLE`. T9: its own cell lies in the value, and theirs do, or they have none.
unsafe impl<'gc, T: ?Sized + Trace<'gc>> Trace<'gc> for GcMutex<T> {
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
