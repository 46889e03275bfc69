//! The pool of background threads by itself, with its own way to start them. Its clients are no heaps: a turn looks whether
//! something has happened, under a lock that stands for the driver's. Time stands still in a model, so whoever is not woken
//! sleeps for ever.

use super::harness::{Bound, Caught, Model, are_caught, hold, model, spawn, switch_point};
use crate::cycle::pool::{Client, Next, Pool, Turn};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::twin::Twin;
use crate::sync::watched::violation;
use crate::sync::witness::Witness;
use crate::sync::{Arc, Condvar, Mutex, thread, wait};
use std::time::Duration;

const BOUND: Bound = Bound { preemptions: 2 };

/// A heap, for the pool.
struct Work {
    /// What has happened. Relaxed: the pool orders it before a turn's look.
    events: AtomicUsize,
    driver: Mutex<()>,
    seen: Seen,
    /// Set when the memory goes.
    gone: Arc<AtomicBool>,
    lives: Witness,
    /// A turn does not end before this one has seen an event.
    waits_for: Option<Seen>,
}

/// How many events a turn has seen; for those who wait for it.
#[derive(Clone)]
struct Seen(Arc<(Mutex<usize>, Condvar)>);

impl Seen {
    fn new() -> Self {
        Seen(Arc::new((Mutex::new(0), Condvar::new())))
    }

    fn set(&self, events: usize) {
        let mut seen = self.0.0.lock();
        *seen = events.max(*seen);
        self.0.1.notify_all();
    }

    fn wait(&self, events: usize) {
        let mut seen = self.0.0.lock();
        while *seen < events {
            wait(&self.0.1, &mut seen, None);
        }
    }

    /// Waits until nobody else can go on. Nobody but the model's first thread does it this way: loom lets two that yield do
    /// so in turns, and nobody else.
    fn expect(&self, events: usize) {
        for _ in 0..10 {
            if *self.0.0.lock() >= events {
                return;
            }
            thread::yield_now();
        }
        violation("a wake-up was lost: all sleep".to_owned());
        self.set(events);
    }
}

impl Work {
    fn new(
        pool: &'static Pool<Work>,
        heap: u64,
        limit: usize,
        waits_for: Option<Seen>,
    ) -> Arc<Self> {
        let work = Arc::new(Work {
            events: AtomicUsize::new(0),
            driver: Mutex::new(()),
            seen: Seen::new(),
            gone: Arc::new(AtomicBool::new(false)),
            lives: Witness::default(),
            waits_for,
        });
        pool.join(heap, limit, Arc::downgrade(&work));
        work
    }

    /// Something happens.
    fn event(&self, pool: &'static Pool<Work>, heap: u64) {
        self.events.fetch_add(1, Ordering::Relaxed);
        pool.wake(heap);
    }
}

impl Client for Work {
    fn turn(&self, _: &Turn<Work>) -> Next {
        self.lives.read();
        let Some(driver) = self.driver.try_lock() else {
            return Next::Missed(Duration::from_millis(1));
        };
        let events = self.events.load(Ordering::Relaxed);
        switch_point();
        drop(driver);
        if events > 0
            && let Some(other) = &self.waits_for
        {
            other.wait(1);
        }
        self.seen.set(events);
        Next::Never
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.lives.write();
        self.gone.store(true, Ordering::Relaxed);
    }
}

/// A pool of this execution. Its threads refer to it for as long as they like.
fn pool() -> &'static Pool<Work> {
    Box::leak(Box::new(Pool::new()))
}

/// The last handle goes.
fn leave(pool: &'static Pool<Work>, heap: u64, work: Arc<Work>) {
    pool.leave(heap);
    let gone = work.gone.clone();
    drop(work);
    if !gone.load(Ordering::Relaxed) {
        violation("the last handle is gone, and somebody has the heap".to_owned());
    }
}

/// Two things happen, and both are seen, by one or two threads.
fn wakes(limit: usize) {
    let pool = pool();
    let work = Work::new(pool, 1, limit, None);
    let other = work.clone();
    loom::explore();
    let waker = spawn(move || {
        other.event(pool, 1);
        drop(other);
    });
    work.event(pool, 1);
    work.seen.expect(2);
    waker.join().unwrap();
    leave(pool, 1, work);
}

/// A heap goes while it is served, or about to be.
fn leaves(limit: usize) {
    let pool = pool();
    let work = Work::new(pool, 1, limit, None);
    loom::explore();
    work.event(pool, 1);
    if limit > 1 {
        work.event(pool, 1);
    }
    switch_point();
    leave(pool, 1, work);
}

/// A turn waits for another heap's, as a destructor may that waits for another heap's cycle. There are two threads, or one and the
/// right to another.
fn two_heaps() {
    let pool = pool();
    let second = Work::new(pool, 2, 1, None);
    let first = Work::new(pool, 1, 2, Some(second.seen.clone()));
    loom::explore();
    // So that a thread sleeps.
    second.events.store(0, Ordering::Relaxed);
    pool.wake(2);
    switch_point();
    first.event(pool, 1);
    second.event(pool, 2);
    second.seen.expect(1);
    first.seen.expect(1);
    leave(pool, 1, first);
    leave(pool, 2, second);
}

pub(super) fn models() -> Vec<Model> {
    vec![
        model("pool, wakes, one thread".into(), BOUND, || wakes(1)),
        model("pool, wakes, two threads".into(), BOUND, || wakes(2)),
        model("pool, leaves, one thread".into(), BOUND, || leaves(1)),
        model("pool, leaves, two threads".into(), BOUND, || leaves(2)),
        model("pool, two heaps".into(), BOUND, two_heaps),
    ]
}

pub(super) const TWINS: &[Caught] = &[
    ("pool, wakes, one thread", Twin::PokeForgotten),
    ("pool, wakes, two threads", Twin::MissForgotten),
    ("pool, wakes, two threads", Twin::EndNotSeen),
    ("pool, two heaps", Twin::QueueNotHandedOn),
    ("pool, leaves, one thread", Twin::LeaveDoesNotWait),
    ("pool, leaves, two threads", Twin::LeaveDoesNotWait),
];

#[test]
fn no_wake_up_is_lost_and_no_heap_goes_while_it_is_served() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
