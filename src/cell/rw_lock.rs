//! `GcRwLock`: anything, shared between mutators, with many readers or one writer.

use core::fmt;
use core::ops::{Deref, DerefMut};

use super::guarded::Guarded;
use crate::barrier::AtEnd;
use crate::mark::tracer::Tracer;
use crate::mutator::Mutation;
use crate::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use crate::trace::Trace;

/// A value under a reader–writer lock, for objects that several mutators read and some write.
///
/// Reading needs no barrier and no [`Mutation`]. For the rest see [`GcMutex`](crate::GcMutex).
///
/// Who waits to write goes before those who come to read later. So a thread that has a guard must not [`read`](Self::read) the same
/// lock again, as it may by way of another pointer to the object: it would wait for the writer, and the writer for it.
///
/// ```
/// use tricolor_gc::{Gc, GcRwLock, Heap};
///
/// Heap::new().attach().enter(|mc| {
///     let shared = Gc::new(mc, GcRwLock::new(vec![Gc::new(mc, 1)]));
///     assert_eq!(**shared.read().first().unwrap(), 1);
///     shared.write(mc).clear();
/// });
/// ```
pub struct GcRwLock<T: ?Sized> {
    raw: RwLock<()>,
    inner: Guarded<false, T>,
}

// SAFETY: readers on several threads share the value (`Sync`), a writer may take it (`Send`), and the lock keeps the two apart. Markers read
// it under a claim (I3), and of it only what no thread writes (T2).
unsafe impl<T: ?Sized + Send + Sync> Sync for GcRwLock<T> {}

/// Shared access to the value of a [`GcRwLock`].
pub struct GcRwLockReadGuard<'b, T: ?Sized> {
    lock: &'b GcRwLock<T>,
    _shared: RwLockReadGuard<'b, ()>,
}

/// Exclusive access to the value of a [`GcRwLock`].
pub struct GcRwLockWriteGuard<'b, 'gc, T: ?Sized + Trace<'gc>> {
    lock: &'b GcRwLock<T>,
    mc: &'b Mutation<'gc>,
    at_end: AtEnd,
    /// Given back after `drop` has run.
    _exclusive: RwLockWriteGuard<'b, ()>,
}

impl<T> GcRwLock<T> {
    /// A lock with a value.
    pub const fn new(value: T) -> Self {
        GcRwLock {
            raw: RwLock::new(()),
            inner: Guarded::new(value),
        }
    }

    /// The value of a lock that is not in a heap.
    pub fn into_inner(self) -> T {
        self.inner.into_inner()
    }
}

impl<T: ?Sized> GcRwLock<T> {
    /// Waits until nobody writes or waits to write; for ever, if the one who waits waits for this thread.
    #[inline]
    pub fn read(&self) -> GcRwLockReadGuard<'_, T> {
        GcRwLockReadGuard {
            lock: self,
            _shared: self.raw.read(),
        }
    }

    /// Reads if nobody writes or waits to write.
    #[inline]
    pub fn try_read(&self) -> Option<GcRwLockReadGuard<'_, T>> {
        let shared = self.raw.try_read()?;
        Some(GcRwLockReadGuard {
            lock: self,
            _shared: shared,
        })
    }

    /// Waits until nobody reads or writes.
    #[inline]
    pub fn write<'b, 'gc>(&'b self, mc: &'b Mutation<'gc>) -> GcRwLockWriteGuard<'b, 'gc, T>
    where
        T: Trace<'gc>,
    {
        self.locked(mc, self.raw.write())
    }

    /// Writes if nobody reads or writes.
    #[inline]
    pub fn try_write<'b, 'gc>(
        &'b self,
        mc: &'b Mutation<'gc>,
    ) -> Option<GcRwLockWriteGuard<'b, 'gc, T>>
    where
        T: Trace<'gc>,
    {
        let exclusive = self.raw.try_write()?;
        Some(self.locked(mc, exclusive))
    }

    fn locked<'b, 'gc>(
        &'b self,
        mc: &'b Mutation<'gc>,
        exclusive: RwLockWriteGuard<'b, ()>,
    ) -> GcRwLockWriteGuard<'b, 'gc, T>
    where
        T: Trace<'gc>,
    {
        let at_end = self.inner.begin(mc);
        mc.state().count_guard(at_end, 1);
        GcRwLockWriteGuard {
            lock: self,
            mc,
            at_end,
            _exclusive: exclusive,
        }
    }

    /// The value of a lock that nobody else has.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut()
    }
}

impl<T: ?Sized> Deref for GcRwLockReadGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the pointer is the lock's. Nobody writes: this guard has the lock shared, and markers only read (I3, `Guarded::trace`).
        unsafe { &*self.lock.inner.get() }
    }
}

impl<'gc, T: ?Sized + Trace<'gc>> Deref for GcRwLockWriteGuard<'_, 'gc, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the pointer is the lock's. Nobody writes: this guard has the lock alone and is borrowed, and markers only read
        // (I3, `Guarded::trace`).
        unsafe { &*self.lock.inner.get() }
    }
}

impl<'gc, T: ?Sized + Trace<'gc>> DerefMut for GcRwLockWriteGuard<'_, 'gc, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the pointer is the lock's. Nobody else accesses the contents: this guard has the lock alone and is borrowed exclusively, and
        // by what `begin` has done no marker reads them while it lives (I3).
        unsafe { &mut *self.lock.inner.get() }
    }
}

impl<'gc, T: ?Sized + Trace<'gc>> Drop for GcRwLockWriteGuard<'_, 'gc, T> {
    #[inline]
    fn drop(&mut self) {
        self.mc.state().count_guard(self.at_end, -1);
        // Under the lock still: the contents must not change while they are shaded.
        self.lock.inner.end(self.mc, self.at_end);
    }
}

impl<T: Default> Default for GcRwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized> fmt::Debug for GcRwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcRwLock")
            .field("locked", &self.raw.is_locked())
            .finish_non_exhaustive()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for GcRwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<'gc, T: ?Sized + Trace<'gc> + fmt::Debug> fmt::Debug for GcRwLockWriteGuard<'_, 'gc, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

// SAFETY: T1: reports what the contents report. T2: reads them under a claim (I3), by their own `trace`. T3, T4, T6: drops nothing else.
// T5: has their brands and constants. T8: is not `IMMUTABLE`. T9: its own cell lies in the value, and theirs do, or they have none.
unsafe impl<'gc, T: ?Sized + Trace<'gc>> Trace<'gc> for GcRwLock<T> {
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
