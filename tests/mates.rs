//! Several mutators of one heap on one thread: a boundary is one of the thread.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use common::{CONCURRENT, Drops, PATIENCE, heaps, quiet_heap};
use tricolor_gc::{Gc, GcCell, Heap, Mutator, Root, Rootable, StepStatus};

/// A mutator that is never used must not keep the cycle from those of its thread that are.
#[test]
fn a_parked_mutator_does_not_hold_cycles_up() {
    for heap in heaps() {
        let (done, drops, began) = (AtomicBool::new(false), Drops::new(), Instant::now());
        std::thread::scope(|scope| {
            let mut busy = heap.attach();
            let _parked = heap.attach();
            busy.enter(|mc| {
                Gc::new(mc, drops.token());
            });
            scope.spawn(|| {
                for _ in 0..10 {
                    heap.collect();
                }
                done.store(true, Ordering::Relaxed);
            });
            while !done.load(Ordering::Relaxed) {
                busy.enter(|mc| {
                    while !mc.should_yield() && !done.load(Ordering::Relaxed) {
                        assert!(began.elapsed() < PATIENCE, "{}", heap.barrier());
                        std::hint::black_box(Gc::new(mc, 1u64));
                    }
                });
            }
        });
        assert_eq!(drops.count(), 1);
    }
}

/// Drives the cycle on a thread of its own until it waits or has ended.
fn drive(heap: &Heap, begin: impl FnOnce(&mut Mutator) + Send) -> StepStatus {
    let run = || {
        let mut mutator = heap.attach();
        begin(&mut mutator);
        loop {
            match mutator.step(1 << 30) {
                StepStatus::InProgress => {}
                status => return status,
            }
        }
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}

/// The collector only ever looks while the thread is inside, as it does when the thread enters again at once: what it waits for
/// must be what the thread is asked for.
#[test]
fn a_cycle_that_waits_for_a_thread_asks_the_mutator_that_is_inside() {
    for barrier in CONCURRENT {
        let heap = quiet_heap(barrier);
        let mut busy = heap.attach();
        let _parked = heap.attach();
        let begin = |mutator: &mut Mutator| {
            let trigger = heap.stats().trigger;
            mutator.enter(|mc| mc.account(trigger as isize));
        };
        busy.enter(|_| assert_eq!(drive(&heap, begin), StepStatus::Waiting));
        let mut boundaries = 0;
        while heap.stats().cycles == 0 {
            boundaries += 1;
            assert!(boundaries < 10, "{barrier}: the cycle does not get on");
            busy.enter(|mc| {
                let waits = drive(&heap, |_| {}) == StepStatus::Waiting;
                assert!(!waits || mc.should_yield(), "{barrier}: nobody is asked");
            });
        }
    }
}

/// A mutator that is attached when the cycle has just asked for more is ahead of the others of its thread. They catch up when the
/// thread, inside by the new one, enters by one of them: what one takes out of a cell may be in the hands of another.
#[test]
fn a_mutator_entered_inside_a_newer_one_is_as_far_as_that() {
    type Cell = Rootable![GcCell<Option<Gc<'_, common::Token>>>];
    for barrier in CONCURRENT {
        let (heap, drops) = (quiet_heap(barrier), Drops::new());
        let mut old = heap.attach();
        let [from, to]: [Root<Cell>; 2] = old.enter(|mc| {
            let object = Gc::new(mc, drops.token());
            [Some(object), None].map(|object| Root::new(mc, Gc::new(mc, GcCell::new(object))))
        });
        let meet = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut other = heap.attach();
                other.enter(|_| {
                    meet.wait();
                    meet.wait();
                });
                meet.wait();
            });
            meet.wait();
            old.enter(|mc| {
                mc.account(1 << 40);
                mc.account(-(1 << 40));
            });
            // The cycle has begun, and waits for the other thread.
            meet.wait();
            meet.wait();
            // One step: what has been asked for is answered, and the next thing is asked for.
            assert_eq!(old.step(0), StepStatus::InProgress, "{barrier}");
            let mut new = heap.attach();
            new.enter(|mc| {
                let (from_here, to) = (from.get(mc), to.get(mc));
                to.set(mc, None);
                let object = from_here.get();
                old.enter(|mc| from.get(mc).set(mc, None));
                to.set(mc, object);
            });
        });
        while !matches!(old.step(1 << 20), StepStatus::Completed | StepStatus::Idle) {}
        assert_eq!(drops.count(), 0, "{barrier}");
        drop(to);
        old.collect();
        old.collect();
        assert_eq!(drops.count(), 1, "{barrier}");
    }
}
