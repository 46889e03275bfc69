//! The primitives of the machine.

use std::time::{Duration, Instant};

use crossbeam_epoch::{Atomic, Collector, Guard, LocalHandle, Owned};

pub(crate) use super::ranked::{Condvar, Frame, Mutex, MutexGuard, Rank};
pub(crate) use core::sync::atomic;
pub(crate) use parking_lot::{
    Mutex as UserMutex, MutexGuard as UserMutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
pub(crate) use std::sync::{Arc, Weak};
pub(crate) use std::thread_local;

/// Threads and spinning.
pub(crate) mod thread {
    pub(crate) use std::thread::{ThreadId, current, yield_now};

    /// Starts a thread that nobody waits for.
    pub(crate) fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        std::thread::Builder::new().name(name).spawn(run).map(drop)
    }
}

/// The time.
#[inline]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits for a signal, for at most this time.
pub(crate) fn wait<T>(signal: &Condvar, guard: &mut MutexGuard<'_, T>, limit: Option<Duration>) {
    match limit {
        None => signal.wait(guard),
        Some(limit) => signal.wait_for(guard, limit),
    }
}

/// Not the one of the process: functions that the program defers there must not run here, under locks of the library, and a guard that
/// the program keeps must not keep what is replaced here.
/// (Behind a lock that ThreadSanitizer sees, which the one inside std's lazy values is not.)
static EPOCHS: Mutex<Option<Collector>> = Mutex::ranked(Rank::Epochs, None);

/// Once in a thread.
fn register() -> LocalHandle {
    EPOCHS.lock().get_or_insert_with(Collector::new).register()
}

thread_local! {
    static EPOCH: LocalHandle = register();
}

/// What is read until the guard goes is not freed.
fn pin() -> Guard {
    EPOCH
        .try_with(LocalHandle::pin)
        // The thread is ending.
        .unwrap_or_else(|_| register().pin())
}

/// A value that is read without a lock while others replace it as a whole; a replaced one is freed when no reader can
/// have it any more (crossbeam-epoch).
pub(crate) struct Snapshot<T>(Atomic<T>);

impl<T> Snapshot<T> {
    pub(crate) fn new(value: T) -> Self {
        Snapshot(Atomic::new(value))
    }

    /// Calls `f` with the value of now.
    pub(crate) fn read<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        let guard = pin();
        // Acquire: pairs with `replace`.
        let value = self.0.load(atomic::Ordering::Acquire, &guard);
        // SAFETY: the pointer is never null: `new` and `replace` store values, which the Acquire shows as they were made. The guard came before
        // the load, and `replace`, which alone gives values up, defers that until the guards of then are gone.
        f(unsafe { value.deref() })
    }

    /// Replaces the value by what `change` makes of it. Callers hold a lock, or changes are lost.
    pub(crate) fn replace(&self, change: impl FnOnce(&T) -> T) {
        let new = Owned::new(self.read(change));
        let guard = pin();
        // Release: what is in the new value is seen by its readers. Acquire: what is in the old one, by its destructor.
        let old = self.0.swap(new, atomic::Ordering::AcqRel, &guard);
        // SAFETY: nobody can find the old value any more, and the exchange gave it to this call alone, so it is destroyed once. Any thread may
        // do that, at any time: the values are lists, of `Arc`s of mutators and of segments' addresses, and borrow nothing.
        unsafe { guard.defer_destroy(old) };
        // Not kept by this thread until it has replaced another sixty.
        guard.flush();
    }
}

impl<T> Drop for Snapshot<T> {
    fn drop(&mut self) {
        let value = core::mem::replace(&mut self.0, Atomic::null());
        // SAFETY: the pointer is valid, for it was never null before, and nobody refers to its value: readers borrow the snapshot, which is
        // borrowed exclusively here.
        drop(unsafe { value.into_owned() });
    }
}

/// Waits a little, for a condition that another running thread is about to make true: spins first, then yields the
/// processor, so that a descheduled peer can run.
#[derive(Default)]
pub(crate) struct Backoff(u32);

impl Backoff {
    /// One wait; each is longer than the last until it yields.
    #[inline]
    pub(crate) fn wait(&mut self) {
        if self.0 < 7 {
            for _ in 0..1 << self.0 {
                core::hint::spin_loop();
            }
            self.0 += 1;
        } else {
            thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::atomic::{AtomicBool, Ordering};
    use super::{Arc, Snapshot};

    /// Says when it is gone.
    struct Value(Arc<AtomicBool>);

    impl Drop for Value {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    /// A function that the program defers would run under our locks, and what it keeps pinned would keep what we replace.
    #[test]
    fn the_epochs_of_the_program_are_not_ours() {
        let deferred = Arc::new(AtomicBool::new(false));
        let old = Arc::new(AtomicBool::new(false));
        let guard = crossbeam_epoch::pin();
        let snapshot = Snapshot::new(Some(Value(old.clone())));
        let noted = deferred.clone();
        std::thread::spawn(move || {
            let guard = crossbeam_epoch::pin();
            guard.defer(move || noted.store(true, Ordering::SeqCst));
            guard.flush();
        });
        for _ in 0..100_000 {
            snapshot.replace(|_| None);
            if old.load(Ordering::SeqCst) {
                break;
            }
        }
        assert!(old.load(Ordering::SeqCst), "kept by the program's guard");
        drop(guard);
        for _ in 0..1000 {
            snapshot.replace(|_| None);
        }
        assert!(!deferred.load(Ordering::SeqCst));
    }

    /// A thread that replaces seldom must not keep what it has replaced.
    #[test]
    fn what_a_thread_has_replaced_does_not_wait_for_that_thread() {
        let old = Arc::new(AtomicBool::new(false));
        let snapshot = Snapshot::new(Some(Value(old.clone())));
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let snapshot = &snapshot;
            scope.spawn(move || {
                snapshot.replace(|_| None);
                tell.send(()).unwrap();
                // It does nothing more.
                let _ = ended.recv();
            });
            told.recv().unwrap();
            for _ in 0..100_000 {
                snapshot.replace(|_| None);
                if old.load(Ordering::SeqCst) {
                    break;
                }
            }
            drop(end);
        });
        assert!(old.load(Ordering::SeqCst));
    }

    #[test]
    fn a_snapshot_that_is_read_outlives_its_replacement() {
        let [old, new] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let snapshot = Snapshot::new(Value(old.clone()));
        snapshot.read(|value| {
            let replace = || snapshot.replace(|_| Value(new.clone()));
            std::thread::scope(|scope| scope.spawn(replace).join().unwrap());
            snapshot.read(|now| assert!(Arc::ptr_eq(&now.0, &new)));
            assert!(!old.load(Ordering::SeqCst), "it is still in use");
            assert!(Arc::ptr_eq(&value.0, &old));
        });
        drop(snapshot);
        assert!(new.load(Ordering::SeqCst));
    }
}
