//! `Arc`, with `Mutex` where data changes: all of it could be shared between threads.

use std::sync::{Arc as Counted, Mutex, MutexGuard, PoisonError};

use peers_common::{Request, mix};

use crate::size32;

#[path = "counted.rs"]
mod counted;

/// Data that changes, with the names of `RefCell`.
#[derive(Default)]
struct Mutable<T>(Mutex<T>);

type Slot<T> = Mutable<T>;

impl<T> Mutable<T> {
    fn new(value: T) -> Self {
        Mutable(Mutex::new(value))
    }

    fn borrow(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn borrow_mut(&self) -> MutexGuard<'_, T> {
        self.borrow()
    }

    fn take(&self) -> T
    where
        T: Default,
    {
        std::mem::take(&mut *self.borrow())
    }
}

impl<T: Clone> Clone for Mutable<T> {
    fn clone(&self) -> Self {
        Mutable::new(self.borrow().clone())
    }
}

pub fn workloads(request: &Request) -> Option<u64> {
    match request.workload.as_str() {
        "threads" => Some(threads(size32(request, 0), request.size(1))),
        _ => counted::workloads(request),
    }
}

fn threads(max: u32, threads: u64) -> u64 {
    let workers: Vec<_> = (0..threads)
        .map(|_| std::thread::spawn(move || counted::binary_trees(max)))
        .collect();
    let sums = workers
        .into_iter()
        .map(|worker| worker.join().expect("a thread failed"));
    sums.fold(0, mix)
}
