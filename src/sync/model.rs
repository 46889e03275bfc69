//! The primitives of loom, behind parking_lot's interface.

pub(crate) use loom::sync::Arc;
pub(crate) use loom::sync::atomic;

/// Threads and spinning.
pub(crate) mod thread {
    pub(crate) use loom::thread::{JoinHandle, spawn, yield_now};
}

/// loom's mutex without poisoning.
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

/// Its guard.
pub(crate) type MutexGuard<'a, T> = loom::sync::MutexGuard<'a, T>;

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
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
