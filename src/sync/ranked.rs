//! The locks of the library, each with a [`Rank`]: a thread waits for a lock only while all it holds rank before it. So no two threads can
//! wait for each other, whatever the rest of the program does, as long as no code of the program runs under one of them (I8).
//!
//! A build with debug assertions keeps the held ranks of each thread as bits of a word, and panics at the lock that would be taken out of order,
//! not where two threads happen to meet. Other builds do not look. There are no exempt locks; those inside
//! `GcMutex` and `GcRwLock` are the program's, held while it does what it likes, and the library never waits for one but for the program.
//!
//! Locks of one rank are never held together: those of all classes of a heap have one rank. Locks of two heaps meet only where code of the
//! program, run by one heap, uses the other. Such code begins a [`Frame`] of its own: there must not be a lock but the driver's, and ranks count from the start.
//!
//! `try_lock` waits for nobody and may come out of order; what it takes counts as held.

use core::cell::Cell;
use core::ops::{Deref, DerefMut};
use std::time::Duration;

/// The order in which locks are taken. What is held while a lock is waited for stands above it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Rank {
    /// The cycle (`cycle::core`). The only one under which code of the program runs.
    Driver,
    /// The process's background threads (`cycle::pool`).
    Pool,
    /// What threads wait for (`cycle::core`).
    Status,
    /// When the next cycle begins (`cycle::core`).
    Pace,
    /// The list of mutators (`cycle::registry`).
    Registry,
    /// Old objects for minor cycles (`cycle::minor::noted`).
    Noted,
    /// The end of marking against upgrades (`weak`).
    Transition,
    /// Weak boxes (`weak`).
    WeakBoxes,
    /// Roots' segments (`root::table`).
    Roots,
    /// Objects to be dropped at home (`cycle::mail`).
    Mail,
    /// Grey objects (`mark::worklist`).
    Worklist,
    /// Large spans; held while all others are made ready to be swept.
    Large,
    /// The heap's classes.
    Classes,
    /// The spans of a class.
    Spans,
    /// Pages and chunks (`heap::page_heap`).
    Pages,
    /// Address space of the process (`heap::os::ahead`).
    AddressSpace,
    /// What is read without a lock (`sync::native`).
    Epochs,
}

thread_local! {
    /// Ranks of the locks that this thread holds, in the innermost frame.
    static HELD: Cell<u32> = const { Cell::new(0) };
}

impl Rank {
    fn bit(self) -> u32 {
        1 << self as u32
    }

    /// # Panics
    /// If the thread holds a lock of this rank or one behind it.
    #[track_caller]
    fn check(self) {
        if cfg!(debug_assertions) {
            let held = HELD.get();
            assert!(
                held < self.bit(),
                "lock order: {self:?} is waited for under the locks of the ranks {held:#b}, see `sync::ranked`"
            );
        }
    }
}

/// That a lock is held.
struct Held(Rank);

impl Held {
    fn new(rank: Rank) -> Self {
        if cfg!(debug_assertions) {
            HELD.set(HELD.get() | rank.bit());
        }
        Held(rank)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if cfg!(debug_assertions) {
            HELD.set(HELD.get() & !self.0.bit());
        }
    }
}

/// While it lives, code of the program runs, which may use other heaps.
pub(crate) struct Frame {
    outside: u32,
}

impl Frame {
    /// # Panics
    /// If the thread holds a lock other than the driver's (I8), in a build with debug assertions.
    #[track_caller]
    pub(crate) fn new() -> Self {
        let outside = if cfg!(debug_assertions) {
            HELD.replace(0)
        } else {
            0
        };
        debug_assert!(
            outside & !Rank::Driver.bit() == 0,
            "code of the program runs under the locks of the ranks {outside:#b}, see `sync::ranked`"
        );
        Frame { outside }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if cfg!(debug_assertions) {
            HELD.set(self.outside);
        }
    }
}

/// parking_lot's, with a rank.
pub(crate) struct Mutex<T> {
    rank: Rank,
    lock: parking_lot::Mutex<T>,
}

/// Access to the value of a [`Mutex`].
pub(crate) struct MutexGuard<'a, T> {
    guard: parking_lot::MutexGuard<'a, T>,
    _held: Held,
}

impl<T> Mutex<T> {
    pub(crate) const fn ranked(rank: Rank, value: T) -> Self {
        Mutex {
            rank,
            lock: parking_lot::Mutex::new(value),
        }
    }

    #[inline]
    #[track_caller]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.rank.check();
        MutexGuard {
            guard: self.lock.lock(),
            _held: Held::new(self.rank),
        }
    }

    #[inline]
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let guard = self.lock.try_lock()?;
        Some(MutexGuard {
            guard,
            _held: Held::new(self.rank),
        })
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

/// parking_lot's, for these locks. Who waits holds its lock's rank still: it takes none meanwhile.
pub(crate) struct Condvar(parking_lot::Condvar);

impl Condvar {
    pub(crate) const fn new() -> Self {
        Condvar(parking_lot::Condvar::new())
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        self.0.wait(&mut guard.guard);
    }

    pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, limit: Duration) {
        self.0.wait_for(&mut guard.guard, limit);
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "lock order: Pages is waited for")]
    fn a_lock_before_one_that_is_held_is_refused() {
        let (pages, space) = (
            Mutex::ranked(Rank::Pages, ()),
            Mutex::ranked(Rank::AddressSpace, ()),
        );
        drop((pages.lock(), space.lock()));
        let _held = space.lock();
        let _ = pages.lock();
    }

    #[test]
    #[should_panic(expected = "lock order: Spans is waited for")]
    fn two_locks_of_a_rank_are_refused() {
        let classes = [
            Mutex::ranked(Rank::Spans, ()),
            Mutex::ranked(Rank::Spans, ()),
        ];
        let _held = classes[0].lock();
        let _ = classes[1].lock();
    }

    #[test]
    fn code_of_the_program_takes_locks_of_other_heaps() {
        let drivers = [
            Mutex::ranked(Rank::Driver, ()),
            Mutex::ranked(Rank::Driver, ()),
        ];
        let _outer = drivers[0].lock();
        {
            let _frame = Frame::new();
            drop(drivers[1].lock());
            assert_eq!(HELD.get(), 0);
        }
        assert_eq!(HELD.get(), Rank::Driver.bit());
    }

    #[test]
    #[should_panic(expected = "code of the program runs under")]
    fn code_of_the_program_under_a_lock_is_refused() {
        let worklist = Mutex::ranked(Rank::Worklist, ());
        let _held = worklist.lock();
        let _frame = Frame::new();
    }

    #[test]
    fn what_was_only_tried_counts_as_held() {
        let (status, pace) = (
            Mutex::ranked(Rank::Status, ()),
            Mutex::ranked(Rank::Pace, ()),
        );
        let held = pace.lock();
        let tried = status.try_lock().expect("free");
        assert_eq!(HELD.get(), Rank::Status.bit() | Rank::Pace.bit());
        drop((held, tried));
        assert_eq!(HELD.get(), 0);
    }
}
