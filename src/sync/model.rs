//! The primitives of loom, behind the interface of `native`.
//!
//! Two things that loom lacks are made up for here. Its types cannot be made in a `const fn`, as the cells of this
//! crate are; [`Mutex`], [`RwLock`] and [`atomic::AtomicU32`] therefore get their loom object when they are first used.
//! And a timed wait is a yield: a model has no clock, and whoever waits with a time limit looks again anyway.
//!
//! All threads of a model are coroutines of one thread of the machine, so the plain cells here are not shared.

use core::cell::{Cell, OnceCell, RefCell, UnsafeCell};
use core::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use self::atomic::Ordering;
pub(crate) use super::ranked::{Frame, Rank};
use super::relax;

pub(crate) use std::sync::{Arc, Weak};

pub(crate) mod atomic {
    pub(crate) use super::LazyAtomicU32 as AtomicU32;
    pub(crate) use crate::sync::relax::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize};
    pub(crate) use loom::sync::atomic::Ordering;
}

/// loom's threads have locals of their own; its macro does not know `const` initialisers.
macro_rules! model_thread_local {
    ($(#[$attr:meta])* static $name:ident: $type:ty = const $init:block;) => {
        loom::thread_local! {
            $(#[$attr])*
            static $name: $type = $init;
        }
    };
    ($(#[$attr:meta])* static $name:ident: $type:ty = $init:expr;) => {
        loom::thread_local! {
            $(#[$attr])*
            static $name: $type = $init;
        }
    };
}
pub(crate) use model_thread_local as thread_local;

/// Threads and spinning.
pub(crate) mod thread {
    #[cfg(test)]
    pub(crate) use loom::thread::JoinHandle;
    pub(crate) use loom::thread::{Builder, ThreadId, current, yield_now};

    /// Starts a thread that nobody waits for.
    pub(crate) fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let builder = Builder::new().name(name).stack_size(1 << 16);
        builder.spawn(run).map(drop)
    }
}

/// The time, which stands still.
pub(crate) fn now() -> Instant {
    std::thread_local! {
        static NOW: Instant = Instant::now();
    }
    NOW.with(|now| *now)
}

/// Waits for a signal. Time stands still: whoever relies on a limit waits for ever, and loom says so.
pub(crate) fn wait<T>(signal: &Condvar, guard: &mut MutexGuard<'_, T>, _limit: Option<Duration>) {
    let condvar = signal.0.get_or_init(loom::sync::Condvar::new);
    let lock = guard.lock.take().expect("the lock is held");
    guard.lock = Some(condvar.wait(lock).unwrap());
}

std::thread_local! {
    static POOL: RefCell<Vec<loom::sync::atomic::AtomicU32>> = const { RefCell::new(Vec::new()) };
    /// The execution that the pool is for.
    static PREPARED: Cell<u64> = const { Cell::new(0) };
}

loom::lazy_static! {
    /// A number that no other execution has.
    static ref EXECUTION: u64 = {
        static NEXT: super::plain::AtomicU64 = super::plain::AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
}

/// Makes what [`LazyAtomicU32`]s of this execution are made of. Called when there is one thread: whoever uses an atomic
/// first, and however little it has to do with other users, it comes after this.
pub(crate) fn prepare(atomics: usize) {
    let pool = (0..atomics)
        .map(|_| loom::sync::atomic::AtomicU32::new(0))
        .collect();
    POOL.set(pool);
    PREPARED.set(*EXECUTION);
}

/// Whether [`prepare`] has been called in this execution.
pub(crate) fn is_prepared() -> bool {
    PREPARED.get() == *EXECUTION
}

/// loom's `AtomicU32`, taken from the pool at its first use. The model's value is the value's difference from the
/// initial one, so that the pool's are all alike.
#[derive(Debug)]
pub(crate) struct LazyAtomicU32 {
    initial: u32,
    model: OnceCell<loom::sync::atomic::AtomicU32>,
}

// SAFETY: one thread of the machine runs a model, so `model` is not raced for (I17); nothing else in it changes.
unsafe impl Sync for LazyAtomicU32 {}

impl LazyAtomicU32 {
    pub(crate) const fn new(initial: u32) -> Self {
        LazyAtomicU32 {
            initial,
            model: OnceCell::new(),
        }
    }

    fn get(&self) -> &loom::sync::atomic::AtomicU32 {
        self.model.get_or_init(|| {
            POOL.with_borrow_mut(Vec::pop).expect(
                "more cells and roots than the model is made for: see `model::Builder::cells`",
            )
        })
    }

    #[track_caller]
    pub(crate) fn load(&self, order: Ordering) -> u32 {
        self.get().load(relax::order(order)) ^ self.initial
    }

    #[track_caller]
    pub(crate) fn store(&self, value: u32, order: Ordering) {
        self.get().store(value ^ self.initial, relax::order(order));
    }

    #[track_caller]
    pub(crate) fn compare_exchange(
        &self,
        current: u32,
        new: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        let initial = self.initial;
        let (success, failure) = (relax::order(success), relax::failure(failure));
        let result =
            self.get()
                .compare_exchange(current ^ initial, new ^ initial, success, failure);
        result
            .map(|old| old ^ initial)
            .map_err(|found| found ^ initial)
    }

    #[track_caller]
    pub(crate) fn compare_exchange_weak(
        &self,
        current: u32,
        new: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        self.compare_exchange(current, new, success, failure)
    }
}

/// loom's mutex, made at its first use, without poisoning.
#[derive(Default)]
pub(crate) struct Mutex<T> {
    lock: OnceCell<loom::sync::Mutex<()>>,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached under the lock only, by one of loom's threads at a time, so `Send` is enough; the `OnceCell` is not raced
// for (I17).
unsafe impl<T: Send> Sync for Mutex<T> {}

/// Access to the value of a [`Mutex`].
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// `None` while a [`Condvar`] waits.
    lock: Option<loom::sync::MutexGuard<'a, ()>>,
}

/// That of a cell: the same.
pub(crate) type UserMutex<T> = Mutex<T>;
pub(crate) type UserMutexGuard<'a, T> = MutexGuard<'a, T>;

impl<T> Mutex<T> {
    /// loom finds threads that wait for each other itself.
    pub(crate) const fn ranked(_rank: Rank, value: T) -> Self {
        Mutex::new(value)
    }

    pub(crate) const fn new(value: T) -> Self {
        Mutex {
            lock: OnceCell::new(),
            value: UnsafeCell::new(value),
        }
    }

    fn get(&self) -> &loom::sync::Mutex<()> {
        self.lock.get_or_init(|| loom::sync::Mutex::new(()))
    }

    #[track_caller]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            mutex: self,
            lock: Some(self.get().lock().unwrap()),
        }
    }

    #[track_caller]
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let lock = self.get().try_lock().ok()?;
        Some(MutexGuard {
            mutex: self,
            lock: Some(lock),
        })
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.try_lock().is_none()
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the pointer is the mutex's. Nobody writes: the guard, which is borrowed, holds the lock (`None` only in a wait, which borrows
        // it exclusively).
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the pointer is the mutex's. Nobody else has the value: the guard, which is borrowed exclusively, holds the lock (`None` only
        // in a wait, which borrows it too).
        unsafe { &mut *self.mutex.value.get() }
    }
}

/// A condition variable. Waits by `wait_for` are yields, see the module header; those by [`wait`] are loom's.
pub(crate) struct Condvar(OnceCell<loom::sync::Condvar>);

// SAFETY: one thread of the machine runs a model, so the `OnceCell` is not raced for (I17).
unsafe impl Sync for Condvar {}

impl Condvar {
    pub(crate) const fn new() -> Self {
        Condvar(OnceCell::new())
    }

    pub(crate) fn notify_one(&self) {
        // Without one nobody has waited yet.
        if let Some(condvar) = self.0.get() {
            condvar.notify_one();
        }
    }

    pub(crate) fn notify_all(&self) {
        if let Some(condvar) = self.0.get() {
            condvar.notify_all();
        }
    }

    pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _timeout: Duration) {
        guard.lock = None;
        thread::yield_now();
        guard.lock = Some(guard.mutex.get().lock().unwrap());
    }
}

/// loom's reader–writer lock, made at its first use.
pub(crate) struct RwLock<T> {
    lock: OnceCell<loom::sync::RwLock<()>>,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached by nobody, for guards give no access to it; the lock's `OnceCell` is not raced for (I17).
unsafe impl<T: Send + Sync> Sync for RwLock<T> {}

/// Shared access to the value of a [`RwLock`].
pub(crate) struct RwLockReadGuard<'a, T> {
    _lock: loom::sync::RwLockReadGuard<'a, ()>,
    _value: &'a UnsafeCell<T>,
}

/// Exclusive access to the value of a [`RwLock`].
pub(crate) struct RwLockWriteGuard<'a, T> {
    _lock: loom::sync::RwLockWriteGuard<'a, ()>,
    _value: &'a UnsafeCell<T>,
}

impl<T> RwLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        RwLock {
            lock: OnceCell::new(),
            value: UnsafeCell::new(value),
        }
    }

    fn get(&self) -> &loom::sync::RwLock<()> {
        self.lock.get_or_init(|| loom::sync::RwLock::new(()))
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard {
            _lock: self.get().read().unwrap(),
            _value: &self.value,
        }
    }

    pub(crate) fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        let lock = self.get().try_read().ok()?;
        Some(RwLockReadGuard {
            _lock: lock,
            _value: &self.value,
        })
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        RwLockWriteGuard {
            _lock: self.get().write().unwrap(),
            _value: &self.value,
        }
    }

    pub(crate) fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        let lock = self.get().try_write().ok()?;
        Some(RwLockWriteGuard {
            _lock: lock,
            _value: &self.value,
        })
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.try_write().is_none()
    }
}

/// A value that is replaced as a whole: all values it ever had, and the number of the newest. A reader may find an older
/// one, as it may on the machine, where nothing orders it after the replacement.
pub(crate) struct Snapshot<T> {
    values: RefCell<Vec<Arc<T>>>,
    newest: atomic::AtomicUsize,
}

// SAFETY: one thread of the machine runs a model, so the `RefCell` is not raced for (I17), nor is it borrowed where loom may switch. loom's
// threads share the values (`Sync`), and any of them may drop them (`Send`).
unsafe impl<T: Send + Sync> Sync for Snapshot<T> {}

impl<T> Snapshot<T> {
    pub(crate) fn new(value: T) -> Self {
        Snapshot {
            values: RefCell::new(vec![Arc::new(value)]),
            newest: atomic::AtomicUsize::new(0),
        }
    }

    pub(crate) fn read<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        // Acquire: pairs with `replace`.
        let newest = self.newest.load(Ordering::Acquire);
        let value = self.values.borrow()[newest].clone();
        f(&value)
    }

    pub(crate) fn replace(&self, change: impl FnOnce(&T) -> T) {
        let new = Arc::new(self.read(change));
        let newest = self.values.borrow().len();
        self.values.borrow_mut().push(new);
        // Release: pairs with `read`.
        self.newest.store(newest, Ordering::Release);
    }
}

/// A wait is one yield: loom then runs somebody else.
#[derive(Default)]
pub(crate) struct Backoff(());

impl Backoff {
    pub(crate) fn wait(&mut self) {
        thread::yield_now();
    }
}
