//! The primitives of the machine.

pub(crate) use core::sync::atomic;
pub(crate) use parking_lot::{
    Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
pub(crate) use std::sync::{Arc, Weak};

/// Threads and spinning.
pub(crate) mod thread {
    pub(crate) use std::thread::{Builder, JoinHandle, ThreadId, current, yield_now};
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
